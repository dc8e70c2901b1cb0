//! From the names under `[private]` to the columns of both sides that hold private values.
//!
//! A name is resolved to columns once. From there, privacy spreads until nothing changes any more:
//!
//! * a column made of a private one is private, by an expression or by a query;
//! * two columns that are compared with each other hold the same values, so both are private or neither is;
//! * what a private column alone is made of is private, and where it is made of several columns none of which is known to
//!   be private, all of them are.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Schema};

use super::paths::{below, has_path};
use crate::columns::names::{NamePair, no_such_column};
use crate::error::{Error, Result};
use crate::job::{Private, Setting};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::Tables;

/// The number of a word of `[private] columns`.
pub(super) type WordNumber = usize;

/// A column of a side's schema.
struct ColumnRef {
    name: String,
    /// The columns of the files, or of what the side's query read, that it is made of.
    made_of: BTreeSet<String>,
    /// The word that makes it private.
    private_by: Option<WordNumber>,
}

/// The columns of one side, and those that they are made of.
#[derive(Default)]
pub(super) struct SideColumns {
    columns: Vec<ColumnRef>,
    /// The private ones of those that the side's files have, or that its query read.
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

    /// The word that makes a column of the schema private.
    pub(super) fn private_by(&self, column: usize) -> Option<WordNumber> {
        self.columns.get(column)?.private_by
    }

    /// Whether a name is that of a private column, or of a private one that columns are made of.
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

    /// Marks what is made of private columns, and what private columns alone are made of.
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

    /// Marks all that a private column is made of where nothing tells which part of it is private.
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

/// What the names under `[private]` are resolved against.
pub(super) struct NameScope<'a> {
    /// The sides; new's is `None` where there is none yet.
    pub sides: Sides<Option<&'a Snapshot>>,
    /// All pairs of columns that belong together by name, compared or not.
    pub pairs: &'a [NamePair],
    /// The positions of columns that hold the same values and are no pair, such as versions.
    pub links: Vec<Sides<usize>>,
    /// The further tables.
    pub tables: &'a Tables,
}

impl NameScope<'_> {
    /// The private columns of both sides.
    ///
    /// # Errors
    /// If a name is that of no column, or of one whose values are names of directories.
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
                // only once everything else is settled: it is the coarsest rule
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

    /// The columns of further tables that a word is the name or a path of.
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

    /// The names of the columns that a word names: its own, and those of columns that it is a path of.
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
            (true, Some(column)) => Err(Error::Contradiction(format!(
                "{}: `{column}` has no field `{name}`\n  \
                 name the whole column, `{column}`, or a field as reports write it: person.ssn, people[].ssn",
                word.place
            ))),
            (true, None) => {
                let known: BTreeSet<String> = known.into_iter().map(|(known, _)| known).collect();
                Err(no_such_column(word, "no column is called", &known.into_iter().collect::<Vec<_>>()))
            }
        }
    }

    /// Every name of a column that a user may know, with the type that a column of this name has.
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

    /// Refuses private columns whose values stand in the names of directories, which manifests and errors have to name.
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
            Some((owner, name)) => Err(Error::Contradiction(format!(
                "{}: the values of `{name}` are names of directories of {owner}, and manifests and errors name files\n  \
                 export `{name}` as a column of the files, and not as a partition",
                private.columns.first().map(|word| word.place.to_string()).unwrap_or_default()
            ))),
        }
    }
}

/// The first column read off names of directories for which `is_private` holds.
fn partition_of(snapshot: &Snapshot, is_private: impl Fn(&str) -> bool) -> Option<String> {
    let fields = snapshot.schema.fields().iter().enumerate();
    let mut partitions = fields.filter(|(at, _)| snapshot.is_partition(*at)).map(|(_, field)| field.name());
    partitions.find(|name| is_private(name)).cloned()
}

fn has_column(schema: &Schema, name: &str) -> bool {
    schema.fields().iter().any(|field| field.name() == name)
}
