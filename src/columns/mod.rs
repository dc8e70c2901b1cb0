//! PAIR: which column of old compares with which column of new, in which domain, and what is left over.

mod names;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Field;

use crate::canonical::domain::{Family, Nested, NoDomain};
use crate::canonical::{Domain, canonical};
use crate::error::{Error, Kind, Result};
use crate::job::{Identity, Selection};
use crate::sides::{Side, Sides};
use crate::snapshot::{Snapshot, type_name};
use names::{NamePair, Names, Paths};

/// Two columns that are compared with each other.
#[derive(Debug, Clone)]
pub struct ColumnPair {
    /// The new side's name, under which reports know the pair.
    pub name: String,
    /// Its position in each side's schema.
    pub at: Sides<usize>,
    /// Its type on each side, in words.
    pub types: Sides<String>,
    /// Where the values of both sides meet.
    pub domain: Domain,
}

/// All compared columns of a pair of snapshots: the key's first, then the values'.
#[derive(Debug)]
pub struct Pairing {
    /// The compared pairs; a scan reads them in this order.
    pub columns: Vec<ColumnPair>,
    /// How many of them, from the front, identify a row. Without a key that is all of them.
    pub key_len: usize,
    /// Whether rows have a key or are compared whole.
    pub keyed: bool,
    /// What takes part and what does not.
    pub coverage: Coverage,
    /// The types of the columns that cannot be compared, in words, in the order of the coverage's list.
    pub incomparable_types: Vec<Sides<String>>,
}

/// Which columns took part, by name. Nothing is left out without being listed here.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Coverage {
    /// Compared by value, key columns included.
    pub compared: Vec<String>,
    /// Left out because the user said so.
    pub ignored: Vec<String>,
    /// Only in old: a coverage gap.
    pub old_only: Vec<String>,
    /// Only in new: a coverage gap.
    pub new_only: Vec<String>,
    /// On both sides, of types whose equality is not defined.
    pub incomparable: Vec<String>,
}

/// One batch of one side: the compared columns as they were read, and in canonical form.
#[derive(Debug, Clone)]
pub struct Rows {
    /// As read, in the order of [`Pairing::columns`].
    pub raw: RecordBatch,
    /// The canonical forms of the key columns.
    pub keys: Vec<ArrayRef>,
    /// The canonical forms of the other columns.
    pub values: Vec<ArrayRef>,
}

impl Pairing {
    /// Pairs the columns of two snapshots.
    pub fn of(snapshots: &Sides<Snapshot>, identity: &Identity, selection: &Selection) -> Result<Self> {
        let names = Names::of(snapshots, selection)?;
        let key = names.key(identity)?;
        let ignored = names.resolve("--ignore", &selection.ignore)?;
        let chosen = names.resolve("--columns", &selection.columns)?;
        if let Some(&both) = ignored.pairs.intersection(&chosen.pairs).next() {
            let name = &names.pairs[both].new;
            return Err(Error::Contradiction(format!("`{name}` is named by --columns and by --ignore")));
        }
        let takes_all = selection.columns.is_empty();
        let mut coverage = Coverage::default();
        for (left, gaps) in [(&names.left.old, &mut coverage.old_only), (&names.left.new, &mut coverage.new_only)] {
            for name in left {
                let is_gap = !ignored.left.contains(name) && (takes_all || chosen.left.contains(name));
                if is_gap { &mut *gaps } else { &mut coverage.ignored }.push(name.clone());
            }
        }
        let mut paths = Paths::new(&ignored.paths);
        let mut nested = Nested::default();
        let (mut keys, mut values, mut incomparable_types) = (vec![], vec![], vec![]);
        for (number, pair) in names.pairs.iter().enumerate() {
            let is_key = key.iter().position(|&key| key == number);
            let is_taken = !ignored.pairs.contains(&number) && (takes_all || chosen.pairs.contains(&number));
            if is_key.is_some() && ignored.pairs.contains(&number) {
                return Err(Error::Contradiction(format!("--ignore: `{}` is part of the key", pair.new)));
            }
            if is_key.is_none() && !is_taken {
                coverage.ignored.push(pair.new.clone());
                continue;
            }
            let role = if is_key.is_some() { Role::Key } else { Role::Value };
            match column_pair(snapshots, pair, role, &mut paths, &mut nested)? {
                Some(column) => match is_key {
                    Some(place) => keys.push((place, column)),
                    None => values.push(column),
                },
                None if is_key.is_some() => return Err(incomparable_key(snapshots, pair)),
                None => {
                    coverage.incomparable.push(pair.new.clone());
                    incomparable_types.push(fields(snapshots, pair).1.map(type_name));
                }
            }
        }
        coverage.ignored.extend(paths.all_found()?);
        coverage.old_only.extend(nested.one_sided.old);
        coverage.new_only.extend(nested.one_sided.new);
        keys.sort_by_key(|(place, _)| *place);
        let mut columns: Vec<ColumnPair> = keys.into_iter().map(|(_, column)| column).collect();
        let keyed = matches!(identity, Identity::Key(_));
        let key_len = if keyed { columns.len() } else { values.len() };
        columns.append(&mut values);
        if columns.is_empty() {
            return Err(Error::NothingToCompare);
        }
        coverage.compared = columns.iter().map(|column| column.name.clone()).collect();
        Ok(Pairing { columns, key_len, keyed, coverage, incomparable_types })
    }

    /// The key columns.
    pub fn keys(&self) -> &[ColumnPair] {
        &self.columns[..self.key_len]
    }

    /// The compared columns that are not part of the key.
    pub fn values(&self) -> &[ColumnPair] {
        &self.columns[self.key_len..]
    }

    /// What a scan of one side has to read, in the order of [`Self::columns`].
    pub fn projection(&self, side: Side) -> Vec<usize> {
        self.columns.iter().map(|column| column.at[side]).collect()
    }

    /// Brings a batch of one side to canonical form.
    pub fn rows(&self, side: Side, raw: RecordBatch) -> Result<Rows> {
        let mut keys = raw
            .columns()
            .iter()
            .zip(&self.columns)
            .map(|(array, column)| column.canonical(array, side))
            .collect::<Result<Vec<_>>>()?;
        let values = keys.split_off(self.key_len);
        Ok(Rows { raw, keys, values })
    }
}

impl ColumnPair {
    /// One side's column in canonical form.
    pub fn canonical(&self, array: &ArrayRef, side: Side) -> Result<ArrayRef> {
        canonical(array, &self.domain, side).map_err(|error| Error::ValueOutOfType {
            side,
            column: self.name.clone(),
            reason: error.to_string(),
        })
    }
}

fn fields<'a>(snapshots: &'a Sides<Snapshot>, pair: &NamePair) -> (Sides<usize>, Sides<&'a Field>) {
    let find = |side: Side, name: &str| {
        let found = snapshots[side].schema.column_with_name(name);
        found.unwrap_or_else(|| unreachable!("`{name}` was listed from this schema"))
    };
    let (old, new) = (find(Side::Old, &pair.old), find(Side::New, &pair.new));
    (Sides { old: old.0, new: new.0 }, Sides { old: old.1, new: new.1 })
}

/// The pair as it is compared, or `None` if equality is not defined for its types.
fn column_pair(
    snapshots: &Sides<Snapshot>,
    pair: &NamePair,
    role: Role,
    paths: &mut Paths,
    nested: &mut Nested,
) -> Result<Option<ColumnPair>> {
    snapshots.old.require_agreement(&pair.old)?;
    snapshots.new.require_agreement(&pair.new)?;
    let (at, fields) = fields(snapshots, pair);
    let types = fields.map(type_name);
    match Domain::of(&pair.new, fields, &mut |path| paths.take(path), nested) {
        Ok(domain) => Ok(Some(ColumnPair { name: pair.new.clone(), at, types, domain })),
        Err(NoDomain::Undefined) => Ok(None),
        Err(NoDomain::Families { path, families }) => {
            let kind = |data_type: String, family: Family| Kind { data_type, family: family.to_string() };
            let kinds = Sides { old: kind(types.old, families.old), new: kind(types.new, families.new) };
            let otherwise = match role {
                Role::Key => "choose another key".into(),
                Role::Value => format!("leave it out with --ignore {}", ignorable(&path)),
            };
            Err(Error::DifferentFamilies { column: path, kinds: kinds.into(), line: bridge(families), otherwise })
        }
    }
}

/// The part of a path that can be left out: items of lists and maps cannot go without the rest.
fn ignorable(path: &str) -> &str {
    let shorter = ["[]", ".key", ".value"].iter().find_map(|end| path.strip_suffix(end));
    shorter.map_or(path, ignorable)
}

/// What a column is in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

fn incomparable_key(snapshots: &Sides<Snapshot>, pair: &NamePair) -> Error {
    let types = fields(snapshots, pair).1.map(type_name);
    Error::IncomparableKey { column: pair.new.clone(), old_type: types.old, new_type: types.new }
}

/// The rule that would make two families comparable, as a line of a job file.
fn bridge(families: Sides<Family>) -> String {
    use Family::*;
    let other = if families.old == Text { families.new } else { families.old };
    match (families.old, families.new) {
        (ZonedTimestamp, NaiveTimestamp) | (NaiveTimestamp, ZonedTimestamp) => "assume_tz = \"UTC\"".into(),
        (Text, _) | (_, Text) => {
            let target = match other {
                Number => "decimal",
                Boolean => "boolean",
                Binary => "hex",
                Uuid => "uuid",
                Json => "json",
                Date => "date",
                Time | ZonedTimestamp | NaiveTimestamp => "timestamp",
                Text | Duration | List | Struct | Map => "text",
            };
            format!("as = \"{target}\"")
        }
        (Uuid, Binary) | (Binary, Uuid) => "as = \"uuid\"".into(),
        (Date, ZonedTimestamp | NaiveTimestamp) | (ZonedTimestamp | NaiveTimestamp, Date) => "as = \"date\"".into(),
        (Boolean, Number) | (Number, Boolean) => "as = \"boolean\"".into(),
        (Number, Duration) | (Duration, Number) => "as = \"integer\"".into(),
        _ => "as = \"text\"".into(),
    }
}
