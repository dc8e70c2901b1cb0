//! Pairs columns by name, and resolves names that the user gives.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::equality::canonical::domain::pair_names;
use crate::error::{Error, RequestError, Result};
use crate::job::{ColumnSettings, Identity, Job, Setting};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The maximum number of unknown names for which similar names are searched.
const SUGGESTIONS_MAX: usize = 50;

/// The columns that names of the user refer to.
#[derive(Default)]
pub(super) struct Resolved {
    /// Pairs, by index.
    pub pairs: BTreeSet<usize>,
    /// Columns that only one side has.
    pub left: BTreeSet<String>,
    /// Paths below columns, such as `address.zip`.
    pub paths: Vec<Setting>,
}

/// Ignored paths, and whether each was found.
pub(super) struct Paths {
    paths: Vec<(Setting, bool)>,
    /// Paths that are compared as columns of their own, and how many fields each of them is.
    compared: HashMap<String, (Setting, usize)>,
    /// The index in `paths` of the first path with each text.
    indices: HashMap<String, usize>,
}

impl Paths {
    pub(super) fn new<'a>(paths: &[Setting], fields: impl Iterator<Item = &'a FieldOf>) -> Self {
        let compared = fields.map(|field| (field.path.clone(), (field.setting.clone(), 0))).collect();
        let mut indices = HashMap::new();
        for (at, path) in paths.iter().enumerate() {
            indices.entry(path.text.clone()).or_insert(at);
        }
        Paths { paths: paths.iter().map(|path| (path.clone(), false)).collect(), compared, indices }
    }

    /// Whether the values at a path are left out of their column. Marks an ignored path as found.
    pub(super) fn take(&mut self, path: &str) -> bool {
        if let Some((_, fields)) = self.compared.get_mut(path) {
            *fields += 1;
            return true;
        }
        let found = self.indices.get(path).map(|&at| &mut self.paths[at]);
        found.is_some_and(|(_, met)| {
            *met = true;
            true
        })
    }

    /// Returns all paths. Fails if one was not found, because its values would be compared after all.
    pub(super) fn all_found(self) -> Result<Vec<String>> {
        // names may contain dots, so that two fields have one path
        if let Some((setting, _)) = self.compared.values().find(|(_, fields)| *fields > 1) {
            let reason = format!("`{}` is the path of several fields; rename one of them in a query", setting.text);
            return Err(Error::request(&setting.origin, reason));
        }
        match self.paths.iter().find(|(_, met)| !met) {
            Some((path, _)) => Err(no_such_column(path, "no compared column has a field", &[])),
            None => Ok(self.paths.into_iter().map(|(path, _)| path.text).collect()),
        }
    }
}

/// Two columns that are paired by name.
pub(super) struct NamePair {
    /// The name of the pair in reports: that of the column in new, or of its expression.
    pub name: String,
    pub old: String,
    pub new: String,
    /// What it is a field of, if it is one of a struct that has rules of its own.
    pub field: Option<FieldOf>,
}

/// A field of a struct that is a column of its own.
#[derive(Debug, Clone)]
pub(super) struct FieldOf {
    /// The stored columns of the struct.
    pub columns: Sides<String>,
    /// The path of the field in the struct, by new's names.
    pub path: String,
    /// The setting that names it.
    pub setting: Setting,
}

/// The names of both sides, paired.
pub(super) struct ColumnNames {
    /// Pairs, in the order of new's columns.
    pub pairs: Vec<NamePair>,
    /// Columns that are only on one side.
    pub left: Sides<Vec<String>>,
    /// Descriptions of stored columns that an expression replaces without reading them.
    pub replaced: Vec<String>,
    /// The index of the first pair with each name, by side.
    by_name: Sides<HashMap<String, usize>>,
}

impl ColumnNames {
    /// Pairs columns by the user's settings, then by equal names, then by names that differ only in case.
    ///
    /// Columns that an expression reads are not left over.
    pub(super) fn of(snapshots: &Sides<Snapshot>, job: &Job) -> Result<Self> {
        let all = Sides::from_fn(|side| Stored::of(&snapshots[side]));
        let (mapped, seen) = mapped(snapshots, job, &all)?;
        let free = Sides::from_fn(|side| {
            let names = all[side].names.iter().map(String::as_str);
            names.filter(|name| !seen[side].contains(*name)).collect::<Vec<_>>()
        });
        // a stored column with the name of an expression is not paired
        let taken = Sides::from_fn(|side| names_of_expressions(&all[side], side, job));
        let split = |side: Side, is_taken: bool| {
            let names = free[side].iter().copied();
            names.filter(|name| taken[side].contains(*name) == is_taken).collect::<Vec<_>>()
        };
        let replaced = Sides::from_fn(|side| split(side, true));
        // where a row is stored is not a value of it
        let is_shard = |side: Side, name: &str| snapshots[side].shard() == Some(name);
        let shards =
            Side::BOTH.into_iter().filter_map(|side| Some(format!("{} (of {side})", snapshots[side].shard()?)));
        let shards: Vec<String> = shards.collect();
        let free = Sides::from_fn(|side| {
            split(side, false).into_iter().filter(|name| !is_shard(side, name)).collect::<Vec<_>>()
        });
        let (positions, left) = pair_names(&free);
        let mut pairs: Vec<_> = positions
            .into_iter()
            .map(|at| NamePair {
                name: free.new[at.new].into(),
                old: free.old[at.old].into(),
                new: free.new[at.new].into(),
                field: None,
            })
            .chain(mapped)
            .collect();
        // keep the order of new's columns, whatever the map
        pairs.sort_by_cached_key(|pair| snapshots.new.schema.index_of(&pair.new).ok());
        let left = Sides::from_fn(|side| {
            let names = left[side].iter().filter(|name| !snapshots[side].takes_up(name));
            names.map(|name| name.to_string()).collect()
        });
        let unread = |side: Side| replaced[side].iter().filter(move |name| !snapshots[side].takes_up(name));
        let shown = |side: Side| unread(side).map(move |name| format!("{name} (of {side}, replaced by {side}_expr)"));
        let replaced = Side::BOTH.into_iter().flat_map(shown).chain(shards).collect();
        for field in pairs.iter().filter_map(|pair| pair.field.as_ref()) {
            let is_struct = |pair: &NamePair| pair.old == field.columns.old && pair.new == field.columns.new;
            if !pairs.iter().any(|pair| is_struct(pair) && pair.name == pair.new) {
                let reason = "rules of a field need its column to have one name on both sides, and to be no expression";
                return Err(Error::request(&field.setting.origin, format!("`{}`: {reason}", field.setting.text)));
            }
        }
        let by_name = Sides { old: first_by(&pairs, |pair| &pair.old), new: first_by(&pairs, |pair| &pair.name) };
        Ok(ColumnNames { pairs, left, replaced, by_name })
    }

    /// Returns the pair with a name: by its name in new, or else by that in old.
    pub(super) fn pair(&self, name: &str) -> Option<usize> {
        let by = self.called(name);
        by.new.or(by.old)
    }

    /// The error for a setting whose name is not that of a pair.
    pub(super) fn no_pair(&self, name: &Setting) -> Error {
        let searched = match self.left.iter().any(|left| left.contains(&name.text)) {
            true => "only one side has the column",
            false => "no compared column is called",
        };
        let known: Vec<String> = self.pairs.iter().map(|pair| pair.name.clone()).collect();
        no_such_column(name, searched, &known)
    }

    /// Returns the names of all columns on both sides.
    fn known(&self) -> BTreeSet<String> {
        let paired = self.pairs.iter().flat_map(|pair| [&pair.old, &pair.name]);
        paired.chain(&self.left.old).chain(&self.left.new).cloned().collect()
    }

    /// Resolves names: a pair by its name in new, a column of one side, or a pair by its name in old, in this order. A
    /// name that could mean two things is an error.
    pub(super) fn resolve(&self, wanted: &[Setting], with_paths: bool) -> Result<Resolved> {
        let mut resolved = Resolved::default();
        let known = self.known();
        let left: HashSet<&String> = self.left.iter().flatten().collect();
        for word in wanted {
            let name = &word.text;
            let Sides { old: by_old, new: by_new } = self.called(name);
            let is_left = left.contains(name);
            match (by_new, is_left, by_old) {
                (Some(_), true, _) | (None, true, Some(_)) => {
                    return Err(Error::request(
                        &word.origin,
                        format!(
                            "`{name}` is the name of a compared column and of another column that only one side has\n  \
                         pair the other column with --map, or rename it in the export"
                        ),
                    ));
                }
                (Some(pair), false, _) | (None, false, Some(pair)) => drop(resolved.pairs.insert(pair)),
                (None, true, None) => drop(resolved.left.insert(name.clone())),
                (None, false, None) if with_paths && is_path(name, &known) => resolved.paths.push(word.clone()),
                (None, false, None) => {
                    let known: Vec<String> = known.into_iter().collect();
                    return Err(no_such_column(word, "neither snapshot has a column", &known));
                }
            }
        }
        Ok(resolved)
    }

    /// Whether each pair is compared as a value: whether it is chosen and not ignored. A field is chosen with its struct.
    pub(super) fn taken(&self, ignored: &Resolved, chosen: &Resolved, takes_all: bool) -> Vec<bool> {
        let is_chosen = |pair: usize| takes_all || chosen.pairs.contains(&pair);
        let is_taken = |pair: usize| {
            !ignored.pairs.contains(&pair) && (is_chosen(pair) || self.struct_of(pair).is_some_and(is_chosen))
        };
        (0..self.pairs.len()).map(is_taken).collect()
    }

    /// The fields that are columns of their own and are compared.
    pub(super) fn fields(&self, is_compared: impl Fn(usize) -> bool) -> impl Iterator<Item = &FieldOf> {
        let pairs = self.pairs.iter().enumerate().filter(move |(number, _)| is_compared(*number));
        pairs.filter_map(|(_, pair)| pair.field.as_ref())
    }

    /// The pair of the struct that a pair is a field of.
    fn struct_of(&self, pair: usize) -> Option<usize> {
        let columns = &self.pairs[pair].field.as_ref()?.columns;
        self.pairs.iter().position(|pair| pair.old == columns.old && pair.new == columns.new)
    }

    /// Returns the pairs with a name, by side.
    fn called(&self, name: &str) -> Sides<Option<usize>> {
        self.by_name.as_ref().map(|by_name| by_name.get(name).copied())
    }

    /// Returns the pairs of the key, in its order.
    pub(super) fn key(&self, identity: &Identity) -> Result<Vec<usize>> {
        let Identity::Key(wanted) = identity else { return Ok(vec![]) };
        let mut key = vec![];
        for word in wanted {
            let pair = self.pair(&word.text).ok_or_else(|| self.missing_key(word))?;
            if key.contains(&pair) {
                return Err(Error::request(&word.origin, format!("duplicate column `{}`", word.text)));
            }
            key.push(pair);
        }
        Ok(key)
    }

    fn missing_key(&self, name: &Setting) -> Error {
        for (side, names) in [(Side::Old, &self.left.old), (Side::New, &self.left.new)] {
            if names.contains(&name.text) {
                let other = if side == Side::Old { &self.left.new } else { &self.left.old };
                return no_such_column(name, &format!("the {} snapshot has no column", side.other()), other);
            }
        }
        no_such_column(name, "neither snapshot has a column", &self.known().into_iter().collect::<Vec<_>>())
    }
}

/// Returns the first pair with each name.
fn first_by(pairs: &[NamePair], name: impl Fn(&NamePair) -> &String) -> HashMap<String, usize> {
    let mut first = HashMap::new();
    for (at, pair) in pairs.iter().enumerate() {
        first.entry(name(pair).clone()).or_insert(at);
    }
    first
}

/// Whether a name is a path below a column.
fn is_path(name: &str, known: &BTreeSet<String>) -> bool {
    name.char_indices().any(|(at, c)| matches!(c, '.' | '[') && known.contains(&name[..at]))
}

struct Stored {
    names: Vec<String>,
    exact: HashSet<String>,
    /// The number of names that are equal without regard to case, and one of them.
    folded: HashMap<String, (usize, String)>,
}

impl Stored {
    fn of(snapshot: &Snapshot) -> Self {
        let names: Vec<String> = snapshot.stored_fields().iter().map(|field| field.name().clone()).collect();
        let mut folded: HashMap<String, (usize, String)> = HashMap::new();
        for name in &names {
            folded.entry(name.to_lowercase()).or_insert_with(|| (0, name.clone())).0 += 1;
        }
        Stored { exact: names.iter().cloned().collect(), folded, names }
    }

    /// Returns the column with a name, if necessary ignoring case.
    fn named(&self, name: &str) -> String {
        match self.folded.get(&name.to_lowercase()) {
            Some((1, stored)) if !self.exact.contains(name) => stored.clone(),
            _ => name.into(),
        }
    }
}

/// Returns the pairs that the user names, and the names that they use on each side.
fn mapped(
    snapshots: &Sides<Snapshot>,
    job: &Job,
    all: &Sides<Stored>,
) -> Result<(Vec<NamePair>, Sides<HashSet<String>>)> {
    let mut pairs: Vec<NamePair> = vec![];
    let mut seen: Sides<HashSet<String>> = Sides::default();
    for ConfiguredPair { name, old, new, field } in configured_pairs(snapshots, job, all)? {
        for (side, name) in [(Side::Old, &old), (Side::New, &new)] {
            if !all[side].exact.contains(&name.text) && !snapshots[side].derives(&name.text) {
                return Err(no_such_column(name, &format!("the {side} snapshot has no column"), &all[side].names));
            }
        }
        if !seen.new.insert(new.text.clone()) {
            return Err(Error::request(&old.origin, format!("two columns of old are mapped to `{}`", new.text)));
        }
        if !seen.old.insert(old.text.clone()) {
            return Err(Error::request(&old.origin, format!("`{}` is mapped twice", old.text)));
        }
        pairs.push(NamePair { name, old: old.text, new: new.text, field });
    }
    Ok((pairs, seen))
}

/// A pair that the user names.
struct ConfiguredPair {
    name: String,
    old: Setting,
    new: Setting,
    field: Option<FieldOf>,
}

/// Returns the pairs that the user names: by a map, by the `old` of a column, and by expressions, which are columns
/// themselves.
fn configured_pairs(snapshots: &Sides<Snapshot>, job: &Job, all: &Sides<Stored>) -> Result<Vec<ConfiguredPair>> {
    let map = job.selection.map.iter();
    let mut pairs: Vec<ConfiguredPair> = map
        .map(|(old, new)| ConfiguredPair { name: new.text.clone(), old: old.clone(), new: new.clone(), field: None })
        .collect();
    for settings in &job.columns {
        let Some(name) = settings.names.first() else { continue };
        if let [name] = settings.names.as_slice()
            && let Some(field) = field_of(snapshots, settings, name)?
        {
            let own = |side: Side| {
                let text = snapshots[side].derived_name(&name.text);
                Setting { text, origin: name.origin.clone() }
            };
            let (old, new) = (own(Side::Old), own(Side::New));
            pairs.push(ConfiguredPair { name: name.text.clone(), old, new, field: Some(field) });
        }
        if !settings.has_own_columns() {
            continue;
        }
        let own = |side: Side| match &settings.expressions[side] {
            Some(_) => Setting { text: snapshots[side].derived_name(&name.text), origin: name.origin.clone() },
            None => match (&settings.old, side) {
                (Some(old), Side::Old) => old.clone(),
                _ => Setting { text: all[side].named(&name.text), origin: name.origin.clone() },
            },
        };
        let (old, new) = (own(Side::Old), own(Side::New));
        let shown = if settings.expressions.new.is_some() { name.text.clone() } else { new.text.clone() };
        pairs.push(ConfiguredPair { name: shown, old, new, field: None });
    }
    Ok(pairs)
}

/// What settings without columns of their own are about, if they name a field of a struct.
fn field_of(snapshots: &Sides<Snapshot>, settings: &ColumnSettings, name: &Setting) -> Result<Option<FieldOf>> {
    let is_column = |side: Side| snapshots[side].has_field_column(&name.text);
    if settings.has_own_columns() || !Side::BOTH.into_iter().any(is_column) {
        return Ok(None);
    }
    let paths = Side::BOTH.map(|side| snapshots[side].field_path(&name.text).filter(|_| is_column(side)));
    let [Some(old), Some(new)] = paths else {
        let (has, lacks) = if is_column(Side::Old) { (Side::Old, Side::New) } else { (Side::New, Side::Old) };
        let reason = format!(
            "`{}` is a field of a struct in {has}, but not in {lacks}\n  \
             pair it with a column by an expression: old_expr or new_expr",
            name.text
        );
        return Err(Error::request(&name.origin, reason));
    };
    let path = std::iter::once(&new.column).chain(&new.fields).cloned().collect::<Vec<_>>().join(".");
    let columns = Sides { old: old.column, new: new.column };
    Ok(Some(FieldOf { columns, path, setting: name.clone() }))
}

/// Returns the stored columns that have the same name as an expression of their side.
fn names_of_expressions(stored: &Stored, side: Side, job: &Job) -> HashSet<String> {
    let names = job.columns.iter().filter(|settings| settings.expressions[side].is_some());
    names.flat_map(|settings| settings.names.first()).map(|name| stored.named(&name.text)).collect()
}

/// Returns errors for settings whose name is not a column of new. Used when nothing is known about old.
pub(crate) fn unknown_names(new: &Snapshot, job: &Job) -> Vec<Error> {
    let stored = Stored::of(new);
    let derived = job.columns.iter().filter(|own| own.expressions.new.is_some());
    let derived: HashSet<&str> = derived.map(|own| own.names[0].text.as_str()).collect();
    let is_field = |name: &str| new.has_field_column(name);
    let is_known =
        |name: &str| stored.folded.contains_key(&name.to_lowercase()) || derived.contains(name) || is_field(name);
    let own = job.columns.iter().flat_map(|settings| &settings.names).filter(|name| !name.text.contains('*'));
    let named = own.chain(job.gate.columns.iter().map(|(name, _)| name)).chain(&job.list_columns);
    let unknown = named.filter(|name| !is_known(&name.text)).enumerate();
    // searching a similar name among thousands of columns, for thousands of names, takes minutes
    let near = |at: usize| if at < SUGGESTIONS_MAX { stored.names.as_slice() } else { &[] };
    unknown.map(|(at, name)| no_such_column(name, "the new snapshot has no column", near(at))).collect()
}

/// The error for a column that does not exist where it was `searched`, with the most similar known name.
pub(crate) fn no_such_column(word: &Setting, searched: &str, known: &[String]) -> Error {
    let distance = |known: &String| strsim::damerau_levenshtein(&known.to_lowercase(), &word.text.to_lowercase());
    let nearest = known.iter().min_by_key(|known| distance(known));
    let problem = RequestError::NoSuchColumn {
        searched: searched.into(),
        column: word.text.clone(),
        suggestion: nearest.filter(|known| distance(known) <= known.len().max(3) / 3 + 1).cloned(),
    };
    Error::request(&word.origin, problem)
}
