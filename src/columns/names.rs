//! Names: which column of old is called what in new, and what a name given by the user stands for.

use std::collections::BTreeSet;

use crate::canonical::domain::pair_names;
use crate::error::{Error, Result};
use crate::job::{Identity, Selection};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// What names given by the user stand for.
#[derive(Default)]
pub struct Resolved {
    /// Pairs, by number.
    pub pairs: BTreeSet<usize>,
    /// Columns that only one side has.
    pub left: BTreeSet<String>,
    /// Paths below columns, such as `address.zip`.
    pub paths: Vec<String>,
}

/// Paths that the user left out, and whether each was met.
pub struct Paths(Vec<(String, bool)>);

impl Paths {
    /// None of them met yet.
    pub fn new(paths: &[String]) -> Self {
        Paths(paths.iter().map(|path| (path.clone(), false)).collect())
    }

    /// Whether a path is left out.
    pub fn take(&mut self, path: &str) -> bool {
        let found = self.0.iter_mut().find(|(name, _)| name == path);
        found.is_some_and(|(_, met)| {
            *met = true;
            true
        })
    }

    /// All paths, each of which has to have been met: one that was not would be compared after all.
    pub fn all_found(self) -> Result<Vec<String>> {
        match self.0.iter().find(|(_, met)| !met) {
            Some((path, _)) => Err(Error::NoSuchColumn {
                option: "--ignore",
                place: "no compared column has a field".into(),
                column: path.clone(),
                suggestion: None,
            }),
            None => Ok(self.0.into_iter().map(|(path, _)| path).collect()),
        }
    }
}

/// Two columns that belong together by name.
pub struct NamePair {
    /// The old column.
    pub old: String,
    /// The new column, whose name the pair goes by.
    pub new: String,
}

/// The names of both sides, paired.
pub struct Names {
    /// Pairs, in the order of the new side's columns.
    pub pairs: Vec<NamePair>,
    /// Columns without a partner.
    pub left: Sides<Vec<String>>,
}

impl Names {
    /// Pairs by the user's map, then by equal names, then by names that differ in case only.
    pub fn of(snapshots: &Sides<Snapshot>, selection: &Selection) -> Result<Self> {
        let all = Sides::from_fn(|side| column_names(&snapshots[side]));
        let mut mapped = vec![];
        for (old, new) in &selection.map {
            for (side, name) in [(Side::Old, old), (Side::New, new)] {
                if !all[side].contains(name) {
                    return Err(no_such_column(
                        "--map",
                        &format!("the {side} snapshot has no column"),
                        name,
                        &all[side],
                    ));
                }
            }
            if mapped.iter().any(|pair: &NamePair| &pair.new == new) {
                return Err(Error::Contradiction(format!("--map: two old columns are mapped to `{new}`")));
            }
            mapped.push(NamePair { old: old.clone(), new: new.clone() });
        }
        let free = Sides::from_fn(|side| {
            let is_free = |name: &&String| {
                !mapped.iter().any(|pair| name.as_str() == if side == Side::Old { &pair.old } else { &pair.new })
            };
            all[side].iter().filter(is_free).map(String::as_str).collect::<Vec<_>>()
        });
        let (positions, left) = pair_names(&free);
        let mut pairs: Vec<_> = positions
            .into_iter()
            .map(|at| NamePair { old: free.old[at.old].into(), new: free.new[at.new].into() })
            .chain(mapped)
            .collect();
        // the new side's order, which a map must not disturb
        pairs.sort_by_key(|pair| all.new.iter().position(|name| name == &pair.new));
        let left = left.map(|names| names.into_iter().map(String::from).collect());
        Ok(Names { pairs, left })
    }

    /// Every name that either side knows.
    fn known(&self) -> BTreeSet<String> {
        let paired = self.pairs.iter().flat_map(|pair| [&pair.old, &pair.new]);
        paired.chain(&self.left.old).chain(&self.left.new).cloned().collect()
    }

    /// What each name stands for: a pair by its new name, a column of one side, or a pair by its old
    /// name, in this order. A name that could mean two things is an error.
    pub fn resolve(&self, option: &'static str, wanted: &[String]) -> Result<Resolved> {
        let mut resolved = Resolved::default();
        for name in wanted {
            let Sides { old: by_old, new: by_new } = self.called(name);
            let is_left = self.left.iter().any(|names| names.contains(name));
            match (by_new, is_left, by_old) {
                (Some(_), true, _) | (None, true, Some(_)) => {
                    return Err(Error::Contradiction(format!(
                        "{option}: `{name}` names a compared column and another one that only one side has\n  \
                         pair the other one with --map, or rename it in the export"
                    )));
                }
                (Some(pair), false, _) | (None, false, Some(pair)) => drop(resolved.pairs.insert(pair)),
                (None, true, None) => drop(resolved.left.insert(name.clone())),
                (None, false, None) if option == "--ignore" && self.is_path(name) => resolved.paths.push(name.clone()),
                (None, false, None) => {
                    let known: Vec<String> = self.known().into_iter().collect();
                    return Err(no_such_column(option, "neither snapshot has a column", name, &known));
                }
            }
        }
        Ok(resolved)
    }

    /// The pairs that go by a name, on each side.
    fn called(&self, name: &str) -> Sides<Option<usize>> {
        Sides {
            old: self.pairs.iter().position(|pair| pair.old == name),
            new: self.pairs.iter().position(|pair| pair.new == name),
        }
    }

    /// Whether a name goes on below a column.
    fn is_path(&self, name: &str) -> bool {
        let below =
            |column: &String| name.strip_prefix(column.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.known().iter().any(below)
    }

    /// The pairs that make up the key, in its order.
    pub fn key(&self, identity: &Identity) -> Result<Vec<usize>> {
        let Identity::Key(wanted) = identity else { return Ok(vec![]) };
        let mut key = vec![];
        for name in wanted {
            let by = self.called(name);
            let pair = by.new.or(by.old).ok_or_else(|| self.missing_key(name))?;
            if key.contains(&pair) {
                return Err(Error::Contradiction(format!("--key names column `{name}` twice")));
            }
            key.push(pair);
        }
        Ok(key)
    }

    fn missing_key(&self, name: &str) -> Error {
        for (side, names) in [(Side::Old, &self.left.old), (Side::New, &self.left.new)] {
            if names.iter().any(|left| left == name) {
                let other = if side == Side::Old { &self.left.new } else { &self.left.old };
                return no_such_column("--key", &format!("the {} snapshot has no column", side.other()), name, other);
            }
        }
        no_such_column("--key", "neither snapshot has a column", name, &self.known().into_iter().collect::<Vec<_>>())
    }
}

fn column_names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.schema.fields().iter().map(|field| field.name().clone()).collect()
}

fn no_such_column(option: &'static str, place: &str, name: &str, known: &[String]) -> Error {
    let distance = |known: &String| strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().min_by_key(|known| distance(known));
    Error::NoSuchColumn {
        option,
        place: place.into(),
        column: name.into(),
        suggestion: nearest.filter(|known| distance(known) <= known.len().max(3) / 3 + 1).cloned(),
    }
}
