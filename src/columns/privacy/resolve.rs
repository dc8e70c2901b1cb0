//! Resolves the names in `[private]` to the columns of both sides that contain private values.
//!
//! A name is resolved to columns once. From there, privacy spreads until nothing changes:
//!
//! * a column computed from a private column, by an expression or a query, is private;
//! * two columns that are compared contain the same values, so either both are private or neither is;
//! * the only input of a private column is private; if a private column has several inputs, and none of them is known
//!   to be private, all of them are.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Schema};

use super::paths::{below, has_path};
use crate::columns::names::{NamePair, no_such_column};
use crate::error::{Error, Result};
use crate::job::{Private, Setting};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::Tables;

/// An index in `[private] columns`.
pub(super) type WordNumber = usize;

/// A column in the schema of a side.
struct ColumnRef {
    name: String,
    /// The columns of the files, or of the query's input, that it is computed from.
    made_of: BTreeSet<String>,
    /// The setting that makes it private.
    private_by: Option<WordNumber>,
}

/// The columns of one side, and their inputs.
#[derive(Default)]
pub(super) struct SideColumns {
    columns: Vec<ColumnRef>,
    /// The private columns among those of the side's files or of its query's input.
    sources: BTreeMap<String, WordNumber>,
}

impl SideColumns {
    fn of(snapshot: &Snapshot) -> Self {
        let fields = snapshot.schema.fields().iter().enumerate();
        let columns = fields.map(|(at, field)| ColumnRef {
            name: field.name().clone(),
            made_of: snapshot.made_of(at).into_iter().collect(),
            private_by: None,
        });
        SideColumns { columns: columns.collect(), sources: BTreeMap::new() }
    }

    /// Returns the setting that makes a column private.
    pub(super) fn private_by(&self, column: usize) -> Option<WordNumber> {
        self.columns.get(column)?.private_by
    }

    /// Whether a private column, or a private input of columns, has this name.
    pub(super) fn hides(&self, name: &str) -> bool {
        self.sources.contains_key(name)
            || self.columns.iter().any(|column| column.name == name && column.private_by.is_some())
    }

    /// The names of all private columns.
    pub(super) fn private_names(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.iter().filter(|column| column.private_by.is_some());
        columns.map(|column| column.name.as_str()).chain(self.sources.keys().map(String::as_str))
    }

    fn mark(&mut self, column: usize, word: WordNumber) -> bool {
        let own = &mut self.columns[column].private_by;
        let is_new = own.is_none();
        own.get_or_insert(word);
        is_new
    }

    fn mark_source(&mut self, name: &str, word: WordNumber) -> bool {
        let is_new = !self.sources.contains_key(name);
        self.sources.entry(name.into()).or_insert(word);
        is_new
    }

    /// Marks columns with a private input, and the only inputs of private columns.
    fn spread(&mut self) -> bool {
        let mut has_changed = false;
        for at in 0..self.columns.len() {
            let made_of = self.columns[at].made_of.clone();
            if let Some(&word) = made_of.iter().find_map(|source| self.sources.get(source)) {
                has_changed |= self.mark(at, word);
            }
            if let (Some(word), 1) = (self.columns[at].private_by, made_of.len()) {
                has_changed |= made_of.iter().any(|source| self.mark_source(source, word));
            }
        }
        has_changed
    }

    /// Marks all inputs of a private column if none of them is known to be private.
    fn spread_to_all_sources(&mut self) -> bool {
        let is_unknown = |column: &&ColumnRef| {
            column.private_by.is_some() && !column.made_of.iter().any(|source| self.sources.contains_key(source))
        };
        let unknown = self.columns.iter().filter(is_unknown);
        let unknown: Vec<(String, WordNumber)> = unknown
            .filter_map(|column| Some((column.private_by?, &column.made_of)))
            .flat_map(|(word, made_of)| made_of.iter().map(move |source| (source.clone(), word)))
            .collect();
        for (source, word) in &unknown {
            self.mark_source(source, *word);
        }
        !unknown.is_empty()
    }
}

/// The columns that names in `[private]` can refer to.
pub(super) struct NameScope<'a> {
    /// The sides. New is `None` if there is no new store yet.
    pub sides: Sides<Option<&'a Snapshot>>,
    /// All pairs of columns with the same name, compared or not.
    pub pairs: &'a [NamePair],
    /// Indexes of columns with the same values that are not pairs, such as versions.
    pub links: Vec<Sides<usize>>,
    /// The additional tables.
    pub tables: &'a Tables,
}

impl NameScope<'_> {
    /// Returns the private columns of both sides.
    ///
    /// # Errors
    /// If a name does not exist, or if the values of a private column are in directory names.
    pub(super) fn resolve(&self, private: &Private) -> Result<Sides<SideColumns>> {
        let mut sides = Sides::from_fn(|side| self.sides[side].map_or_else(SideColumns::default, SideColumns::of));
        for (number, word) in private.columns.iter().enumerate() {
            for name in self.columns_named(word)? {
                self.mark(&mut sides, &name, number);
            }
        }
        let mut links = self.links.clone();
        links.extend(self.pairs.iter().filter_map(|pair| {
            let at = |side: Side, name: &str| self.sides[side]?.schema.index_of(name).ok();
            Some(Sides { old: at(Side::Old, &pair.old)?, new: at(Side::New, &pair.new)? })
        }));
        loop {
            let mut has_changed = false;
            for side in Side::BOTH {
                has_changed |= sides[side].spread();
            }
            for link in &links {
                for side in Side::BOTH {
                    if let Some(word) = sides[side].private_by(link[side]) {
                        has_changed |= sides[side.other()].mark(link[side.other()], word);
                    }
                }
            }
            if !has_changed {
                // only after everything else is settled, because it is the coarsest rule
                for side in Side::BOTH {
                    has_changed |= sides[side].spread_to_all_sources();
                }
            }
            if !has_changed {
                break;
            }
        }
        self.require_no_directories(private, &sides)?;
        Ok(sides)
    }

    /// Returns the columns of additional tables that a setting names, or names a path of.
    pub(super) fn tables_columns<'t>(&'t self, word: &str) -> Vec<&'t str> {
        let fields = self.tables.values().flat_map(|table| table.schema.fields());
        let names = fields.map(|field| field.name().as_str());
        names.filter(|name| *name == word || below(word, name).is_some()).collect()
    }

    fn mark(&self, sides: &mut Sides<SideColumns>, name: &str, word: WordNumber) {
        for side in Side::BOTH {
            let Some(snapshot) = self.sides[side] else { continue };
            let of_expression = snapshot.derived_name(name);
            for at in 0..sides[side].columns.len() {
                let own = &sides[side].columns[at];
                let is_named = own.name == name || own.name == of_expression;
                let source = own.made_of.get(name).cloned();
                if is_named {
                    sides[side].mark(at, word);
                }
                if let Some(source) = source {
                    sides[side].mark_source(&source, word);
                }
            }
            if has_column(&snapshot.input().schema, name) {
                sides[side].mark_source(name, word);
            }
            for pair in self.pairs.iter().filter(|pair| pair.name == name) {
                let own = if side == Side::Old { &pair.old } else { &pair.new };
                if let Ok(at) = snapshot.schema.index_of(own) {
                    sides[side].mark(at, word);
                }
            }
        }
    }

    /// Returns the names of the columns that a setting refers to, including columns that it is a path of.
    fn columns_named(&self, word: &Setting) -> Result<BTreeSet<String>> {
        let name = &word.text;
        let known = self.known();
        let mut named: BTreeSet<String> =
            known.iter().filter(|(known, _)| known == name).map(|(known, _)| known.clone()).collect();
        let mut paths =
            known.iter().filter_map(|(known, data_type)| Some((known, data_type, below(name, known)?))).peekable();
        let nested = paths.peek().map(|(known, ..)| (*known).clone());
        named.extend(paths.filter(|(_, data_type, path)| has_path(data_type, path)).map(|(known, ..)| known.clone()));
        match (named.is_empty(), nested) {
            (false, _) => Ok(named),
            (true, Some(column)) => Err(Error::request(
                &word.origin,
                format!(
                    "`{column}` has no field `{name}`\n  \
                 name the whole column, `{column}`, or a field as in reports: person.ssn, people[].ssn"
                ),
            )),
            (true, None) => {
                let known: BTreeSet<String> = known.into_iter().map(|(known, _)| known).collect();
                Err(no_such_column(word, "no column is called", &known.into_iter().collect::<Vec<_>>()))
            }
        }
    }

    /// Returns all names of columns that a user may know, each with the type of its column.
    fn known(&self) -> Vec<(String, DataType)> {
        let mut known = vec![];
        let mut take = |schema: &Schema| {
            known.extend(schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())));
        };
        for snapshot in self.sides.iter().flatten() {
            take(&snapshot.schema);
            take(&snapshot.input().schema);
        }
        self.tables.values().for_each(|table| take(&table.schema));
        for side in Side::BOTH {
            let Some(snapshot) = self.sides[side] else { continue };
            let type_of = |name: &str| snapshot.schema.field_with_name(name).map(|field| field.data_type().clone());
            for pair in self.pairs {
                let own = if side == Side::Old { &pair.old } else { &pair.new };
                known.extend(type_of(own).ok().map(|data_type| (pair.name.clone(), data_type)));
            }
            let expressions = snapshot.derived_columns();
            known.extend(expressions.map(|(name, field)| (name.to_string(), field.data_type().clone())));
        }
        known
    }

    /// Fails if values of private columns are in directory names, because manifests and errors contain these.
    fn require_no_directories(&self, private: &Private, sides: &Sides<SideColumns>) -> Result<()> {
        let of_sides = Side::BOTH.into_iter().filter_map(|side| {
            let files = self.sides[side]?.input();
            partition_of(files, |name| sides[side].hides(name)).map(|name| (format!("the {side} snapshot"), name))
        });
        let is_private = |name: &str| {
            let is_named = private.columns.iter().any(|word| word.text == name);
            is_named || Side::BOTH.iter().any(|side| sides[*side].hides(name))
        };
        let of_tables = self.tables.iter().filter_map(|(table, snapshot)| {
            partition_of(snapshot, is_private).map(|name| (format!("table `{table}`"), name))
        });
        match of_sides.chain(of_tables).next() {
            None => Ok(()),
            Some((owner, name)) => Err(Error::request(
                private.columns.first().map(|word| word.origin.to_string()).unwrap_or_default(),
                format!(
                    "the values of `{name}` are in directory names of {owner}, which manifests and errors contain\n  \
                 export `{name}` as a column of the files instead of a partition"
                ),
            )),
        }
    }
}

/// Returns the first partition column for which `is_private` holds.
fn partition_of(snapshot: &Snapshot, is_private: impl Fn(&str) -> bool) -> Option<String> {
    let fields = snapshot.schema.fields().iter().enumerate();
    let mut partitions = fields.filter(|(at, _)| snapshot.is_partition(*at)).map(|(_, field)| field.name());
    partitions.find(|name| is_private(name)).cloned()
}

fn has_column(schema: &Schema, name: &str) -> bool {
    schema.fields().iter().any(|field| field.name() == name)
}
