//! Pairs the columns of both sides: which columns are compared, in which domain, by which rules, and which are left
//! out.

mod value_hasher;
mod families;
mod names;
pub(crate) mod privacy;
mod rows;
pub(crate) mod version;
mod loaded;
mod settings;

use std::sync::Arc;

use arrow::datatypes::Field;

use crate::equality::canonical::Domain;
use crate::equality::canonical::domain::{Nested, NoDomain};
use crate::equality::rules::{RuleError, RuleSet};
use crate::error::{Error, RequestError, Result};
use crate::job::{InFlight, Job, Origin, Rule, Selection, Setting};
use crate::sides::{Side, Sides};
use crate::snapshot::{Mixed, Snapshot, type_name};
use families::different_families;
use names::{ColumnNames, NamePair, Paths, Resolved};
pub(crate) use names::{no_such_column, unknown_names};
pub use privacy::Privacy;
pub(crate) use rows::{ParseCounts, ParsedRows, RowBatch};
use settings::Settings;
pub(crate) use settings::implied_rules;
pub(crate) use value_hasher::{DIGEST_BYTES, ValueHasher};
use version::Version;

/// Two columns that are compared with each other.
#[derive(Debug, Clone)]
pub struct ColumnPair {
    /// The name in new, which is the name of the pair in reports.
    pub name: String,
    /// The column's index in the schema of each side.
    pub at: Sides<usize>,
    /// The type on each side, for messages.
    pub types: Sides<String>,
    /// The domain in which the values are compared, before lossy rules.
    pub domain: Domain,
    /// The rules that the user chose; `None` if there are none.
    pub chain: Option<Arc<RuleSet>>,
}

impl ColumnPair {
    /// The rules in the order of application.
    pub fn rules(&self) -> &[Rule] {
        self.chain.as_deref().map_or(&[], RuleSet::rules)
    }
}

/// All compared columns of a pair of snapshots: first those of the key, then the values.
#[derive(Debug)]
pub struct Pairing {
    /// The compared pairs. A scan reads them in this order.
    pub columns: Vec<ColumnPair>,
    /// The number of key columns. They are the first columns; without a key, they are all columns.
    pub key_len: usize,
    /// Whether rows have a key, or are compared whole.
    pub keyed: bool,
    /// Which columns are compared, and which are not.
    pub coverage: Coverage,
    /// The types of the columns that cannot be compared, for messages, in the order of the coverage's list.
    pub incomparable_types: Vec<Sides<String>>,
    /// The version column, if the job names one. A scan also reads it.
    pub version: Option<Version>,
}

/// Which columns were compared, by name. Every column is listed here, even if it was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Coverage {
    /// Columns that were compared, including those of the key.
    pub compared: Vec<String>,
    /// Columns that the user left out.
    pub ignored: Vec<String>,
    /// Columns that are only in old. They are coverage gaps.
    pub old_only: Vec<String>,
    /// Columns that are only in new. They are coverage gaps.
    pub new_only: Vec<String>,
    /// Columns on both sides whose types have no equality.
    pub incomparable: Vec<String>,
}

impl Coverage {
    /// Returns everything that was not compared: columns, and paths of parts of columns.
    pub fn left_out(&self) -> Vec<&str> {
        let parts = [&self.incomparable, &self.old_only, &self.new_only, &self.ignored];
        parts.into_iter().flatten().map(String::as_str).collect()
    }

    /// The number of columns, compared or not.
    pub fn all(&self) -> usize {
        let is_part = |path: &str| {
            let dots = path.match_indices('.').map(|(dot, _)| &path[..dot]);
            dots.into_iter().any(|column| self.compared.iter().any(|compared| compared == column))
        };
        self.compared.len() + self.left_out().into_iter().filter(|path| !is_part(path)).count()
    }
}

impl Pairing {
    /// Pairs the columns of two snapshots according to a job.
    pub fn of(snapshots: &Sides<Snapshot>, job: &Job) -> Result<Self> {
        let Job { identity, selection, .. } = job;
        let names = ColumnNames::of(snapshots, job)?;
        let settings = Settings::of(snapshots, &names, job)?;
        let key = names.key(identity)?;
        let ignored = names.resolve(&selection.ignore, true)?;
        let chosen = names.resolve(&selection.columns, false)?;
        if let Some(&both) = ignored.pairs.intersection(&chosen.pairs).next() {
            return Err(named_twice(&names.pairs[both], selection));
        }
        let takes_all = selection.columns.is_empty();
        let mut coverage = coverage_of_unpaired(&names, &ignored, &chosen, takes_all);
        let taken = names.taken(&ignored, &chosen, takes_all);
        let mut paths = Paths::new(&ignored.paths, names.fields(|number| key.contains(&number) || taken[number]));
        let mut nested = Nested::default();
        let (mut keys, mut values, mut incomparable_types, mut faults) = (vec![], vec![], vec![], vec![]);
        for (number, pair) in names.pairs.iter().enumerate() {
            let is_key = key.iter().position(|&key| key == number);
            if is_key.is_some() && ignored.pairs.contains(&number) {
                return Err(ignored_key(pair, selection));
            }
            if is_key.is_none() && !taken[number] {
                coverage.ignored.push(pair.name.clone());
                continue;
            }
            // without a key, whole rows identify themselves
            let role = if is_key.is_some() || !job.identity.has_key() { Role::Key } else { Role::Value };
            let rules = settings.rules(number, role, fields(snapshots, pair).1)?;
            if is_key.is_some() {
                require_in_all_files(snapshots, pair)?;
            }
            let compared = match column_pair(snapshots, pair, role, rules, &mut paths, &mut nested) {
                Ok(compared) => compared,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            match compared {
                Some(column) => match is_key {
                    Some(index) => keys.push((index, column)),
                    None => values.push(column),
                },
                None if is_key.is_some() => return Err(incomparable_key(snapshots, pair)),
                None => {
                    coverage.incomparable.push(pair.name.clone());
                    incomparable_types.push(fields(snapshots, pair).1.map(type_name));
                }
            }
        }
        Error::all(faults)?;
        coverage.ignored.extend(paths.all_found()?);
        coverage.old_only.extend(nested.one_sided.old);
        coverage.new_only.extend(nested.one_sided.new);
        keys.sort_by_key(|(index, _)| *index);
        let mut columns: Vec<ColumnPair> = keys.into_iter().map(|(_, column)| column).collect();
        let keyed = identity.has_key();
        let key_len = if keyed { columns.len() } else { values.len() };
        columns.append(&mut values);
        if columns.is_empty() {
            return Err(Error::NothingToCompare);
        }
        coverage.compared = columns.iter().map(|column| column.name.clone()).collect();
        let version = job.in_flight.as_ref();
        let version = version.map(|in_flight| version_of(snapshots, in_flight, &names, &settings)).transpose()?;
        let pairing = Pairing { columns, key_len, keyed, coverage, incomparable_types, version };
        pairing.require_version(job)?;
        pairing.require_settings(job, &names)?;
        Ok(pairing)
    }

    /// Without a key, several equal copies would have no unique version unless it is compared.
    fn require_version(&self, job: &Job) -> Result<()> {
        if let (false, Some(in_flight), Some(version)) = (self.keyed, &job.in_flight, &self.version)
            && Side::BOTH.iter().any(|&side| !self.columns.iter().any(|column| column.at[side] == version.at[side]))
        {
            let reason = "without a key, the version column must be compared";
            return Err(Error::request(&in_flight.columns.new.origin, reason));
        }
        Ok(())
    }

    /// Checks the columns that gates, lists, and `[misplaced]` name.
    fn require_settings(&self, job: &Job, names: &ColumnNames) -> Result<()> {
        let gated = job.gate.columns.iter().map(|(name, _)| name);
        let looked_for = job.misplaced.iter().flat_map(|misplaced| &misplaced.columns);
        for name in gated.clone().chain(&job.list_columns).chain(looked_for) {
            self.require_compared(name, names)?;
        }
        let is_key = |name: &Setting| self.keyed && self.keys().iter().any(|key| key.name == name.text);
        for (at, name) in job.list_columns.iter().enumerate() {
            if is_key(name) || job.list_columns[..at].iter().any(|before| before.text == name.text) {
                return Err(Error::request(&name.origin, format!("the lists already have column `{}`", name.text)));
            }
        }
        if let Some(name) = gated.clone().find(|name| is_key(name)) {
            return Err(Error::request(
                &name.origin,
                format!("`{}` is a key column, and these never differ", name.text),
            ));
        }
        Ok(())
    }

    /// Fails if a name is not a compared column.
    fn require_compared(&self, name: &Setting, names: &ColumnNames) -> Result<()> {
        match self.columns.iter().any(|column| column.name == name.text) {
            true => Ok(()),
            false if names.pair(&name.text).is_some_and(|pair| names.pairs[pair].name == name.text) => {
                Err(Error::request(&name.origin, format!("column `{}` is not compared", name.text)))
            }
            false => Err(names.no_pair(name)),
        }
    }
}

/// Sorts the columns without a partner into coverage gaps and ignored ones.
fn coverage_of_unpaired(names: &ColumnNames, ignored: &Resolved, chosen: &Resolved, takes_all: bool) -> Coverage {
    let mut coverage = Coverage { ignored: names.replaced.clone(), ..Coverage::default() };
    for (left, gaps) in [(&names.left.old, &mut coverage.old_only), (&names.left.new, &mut coverage.new_only)] {
        for name in left {
            let is_gap = !ignored.left.contains(name) && (takes_all || chosen.left.contains(name));
            if is_gap { &mut *gaps } else { &mut coverage.ignored }.push(name.clone());
        }
    }
    coverage
}

/// The version column of both sides, with the rules for its times.
fn version_of(
    snapshots: &Sides<Snapshot>,
    in_flight: &InFlight,
    names: &ColumnNames,
    settings: &Settings,
) -> Result<Version> {
    let time_rules = Sides::from_fn(|side| {
        let name = &in_flight.columns[side].text;
        let own = |pair: &NamePair| if side == Side::Old { &pair.old } else { &pair.new } == name;
        names.pairs.iter().position(own).map(|pair| settings.time_rules(pair)).unwrap_or_default()
    });
    Version::of(snapshots, in_flight, time_rules)
}

fn fields<'a>(snapshots: &'a Sides<Snapshot>, pair: &NamePair) -> (Sides<usize>, Sides<&'a Field>) {
    let find = |side: Side, name: &str| {
        let found = snapshots[side].schema.column_with_name(name);
        found.unwrap_or_else(|| unreachable!("`{name}` was listed from this schema"))
    };
    let (old, new) = (find(Side::Old, &pair.old), find(Side::New, &pair.new));
    (Sides { old: old.0, new: new.0 }, Sides { old: old.1, new: new.1 })
}

/// Returns the compared pair, or `None` if its types have no equality.
fn column_pair(
    snapshots: &Sides<Snapshot>,
    pair: &NamePair,
    role: Role,
    rules: Vec<settings::ChosenRule>,
    paths: &mut Paths,
    nested: &mut Nested,
) -> Result<Option<ColumnPair>> {
    snapshots.old.require_agreement(&pair.old)?;
    snapshots.new.require_agreement(&pair.new)?;
    let (at, fields) = fields(snapshots, pair);
    let types = fields.map(type_name);
    let resembling = fields.map(|field| Mixed::of(field).map(|mixed| mixed.resembling(field)));
    let kinds = Sides::from_fn(|side| resembling[side].as_ref().unwrap_or(fields[side]));
    let mut natural = Domain::of(&pair.name, kinds, &mut |path| paths.take(path), nested);
    let maps = rules.iter().any(|chosen| matches!(chosen.rule, Rule::Values(_)));
    let no_domain = |reason: NoDomain| match reason {
        NoDomain::Undefined => Ok(None),
        NoDomain::Families { path, families } => {
            let old = if maps { "text (by `values`)" } else { &types.old };
            let types = Sides { old: old.to_string(), new: types.new.clone() };
            Err(different_families(&pair.name, &types, path, families, role))
        }
    };
    let is_implied = |chosen: &settings::ChosenRule| chosen.origin == Origin::Files;
    match natural {
        Err(reason) if rules.iter().any(is_implied) => return no_domain(reason),
        // they are stored as text
        _ if resembling.iter().any(Option::is_some) => {
            natural = Domain::of(&pair.name, fields, &mut |_| false, &mut Nested::default());
        }
        _ => {}
    }
    if rules.is_empty() {
        return match natural {
            Ok(domain) => Ok(Some(ColumnPair { name: pair.name.clone(), at, types, domain, chain: None })),
            Err(reason) => no_domain(reason),
        };
    }
    let only_rules = rules.iter().map(|chosen| chosen.rule.clone()).collect();
    match RuleSet::of(&pair.name, fields, only_rules, natural) {
        Ok(chain) => {
            let domain = chain.domain().clone();
            Ok(Some(ColumnPair { name: pair.name.clone(), at, types, domain, chain: Some(Arc::new(chain)) }))
        }
        Err(RuleError::Domain(reason)) => no_domain(reason),
        Err(RuleError::Rule(rule, reason)) => {
            let origin = rules.iter().find(|chosen| chosen.rule == *rule).map(|chosen| chosen.origin.to_string());
            let (column, rule) = (pair.name.clone(), rule.to_string());
            let problem = RequestError::RuleDoesNotFit { column, rule, reason, types };
            Err(Error::request(origin.unwrap_or_default(), problem))
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

/// Refuses a key column that some files lack.
fn require_in_all_files(snapshots: &Sides<Snapshot>, pair: &NamePair) -> Result<()> {
    for (side, name) in [(Side::Old, &pair.old), (Side::New, &pair.new)] {
        if let Some(absent) = snapshots[side].absent_columns().iter().find(|absent| absent.column == *name) {
            return Err(Error::FileLacksColumn { column: name.clone(), path: absent.example.clone().into() });
        }
    }
    Ok(())
}

fn ignored_key(pair: &NamePair, selection: &Selection) -> Error {
    let origin = selection.ignore.iter().find(|word| [&pair.name, &pair.old].contains(&&word.text));
    let origin = origin.map_or("ignore".into(), |word| word.origin.to_string());
    Error::request(origin, format!("`{}` is a key column", pair.name))
}

fn named_twice(pair: &NamePair, selection: &Selection) -> Error {
    let origin = |settings: &[Setting]| {
        let setting = settings.iter().find(|setting| setting.text == pair.name || setting.text == pair.old);
        setting.map(|setting| setting.origin.to_string()).unwrap_or_default()
    };
    let (chosen, ignored) = (origin(&selection.columns), origin(&selection.ignore));
    Error::ListedInBoth { column: pair.name.clone(), chosen, ignored }
}

fn incomparable_key(snapshots: &Sides<Snapshot>, pair: &NamePair) -> Error {
    let types = fields(snapshots, pair).1.map(type_name);
    Error::IncomparableKey { column: pair.name.clone(), old_type: types.old, new_type: types.new }
}
