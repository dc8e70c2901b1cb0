//! Keeps the values of private columns out of everything that is written or shown: in their place stand digests by a key,
//! or nothing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use crate::columns::{ColumnPair, Coverage, Pairing};
use crate::discrepancy::{Column, VERSIONS};
use crate::error::{Error, Result};
use crate::job::private::Mode;
use crate::job::{Job, Private, Word};
use crate::render;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// What a report says of its private columns.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct PrivateReport {
    /// The columns.
    pub columns: Vec<String>,
    /// What stands in the place of their values.
    pub mode: Mode,
    /// Whether digests of one value are the same in other runs: a key was given.
    pub digests_last: bool,
    /// Whether the ID lists hold private values, readable by their owner only.
    pub plain_lists: bool,
}

impl PrivateReport {
    /// The same in words.
    pub fn words(&self) -> String {
        let columns = self.columns.join(", ");
        let lists = if self.plain_lists { "; the ID lists have them as they are" } else { "" };
        match (self.mode, self.digests_last) {
            (Mode::Omit, _) => format!("{columns}: left out{lists}"),
            (Mode::Hash, true) => format!("{columns}: shown as digests{lists}"),
            (Mode::Hash, false) => {
                format!("{columns}: shown as digests, by a key of this run alone: other runs have other digests{lists}")
            }
        }
    }
}

/// Hides values.
#[derive(Default)]
pub struct Hiding(Option<Inner>);

struct Inner {
    key: [u8; 32],
    hides_versions: bool,
    report: PrivateReport,
}

impl Hiding {
    /// Hides what a job says.
    ///
    /// # Errors
    /// If it names no column that there is, or asks for lists that would be of no use.
    pub fn of(job: &Job, pairing: &Pairing, snapshots: &Sides<Snapshot>) -> Result<Self> {
        let Some(private) = &job.private else { return Ok(Hiding(None)) };
        let named = |name: &str| private.columns.iter().any(|column| column.text == name);
        let place = private.columns.first().map(|column| column.place.to_string()).unwrap_or_default();
        let stored = |side: Side, column: &ColumnPair| snapshots[side].made_of(column.at[side]);
        // a pair is private by its own name, or by that of a stored column
        let is_private_pair = |column: &ColumnPair| {
            let by_side = |side: &Side| {
                let own = snapshots[*side].schema.field(column.at[*side]).name();
                named(own) || stored(*side, column).iter().any(|name| named(name))
            };
            named(&column.name) || Side::BOTH.iter().any(by_side)
        };
        for column in &private.columns {
            require_known(column, pairing, snapshots)?;
        }
        let (hidden, shown): (Vec<&ColumnPair>, Vec<&ColumnPair>) =
            pairing.columns.iter().partition(|column| is_private_pair(column));
        // what a private column is made of, by itself, is as private
        let sources = Sides::from_fn(|side| {
            let sources = hidden.iter().map(|column| stored(side, column)).filter(|sources| sources.len() == 1);
            sources.flatten().collect::<Vec<String>>()
        });
        for (side, column) in Side::BOTH.into_iter().flat_map(|side| shown.iter().map(move |column| (side, column))) {
            if let Some(source) = stored(side, column).iter().find(|source| sources[side].contains(source)) {
                return Err(Error::Contradiction(format!(
                    "{place}: `{name}` is made of `{source}` of {side}, as a private column is; name `{name}`, too",
                    name = column.name
                )));
            }
        }
        let is_private = |name: &str| named(name) || hidden.iter().any(|column| column.name == name);
        let has_private_key = pairing.keys().iter().any(|key| is_private(&key.name));
        let remembers = job.in_flight.is_some() || job.gate.persisting_for.is_some_and(|pairs| pairs > 1);
        if has_private_key && private.key.is_none() && remembers {
            return Err(Error::Contradiction(format!(
                "{place}: the key is private, so later runs recognise rows by its digests alone, and what [in_flight] \
                 and persisting_for excuse would be excused for ever\n  \
                 give the digests a key that lasts, in COUNTERSIGN_PRIVATE_KEY or with key_file"
            )));
        }
        if !private.plain_lists {
            let keys = pairing.keys().iter().map(|key| key.name.as_str());
            let listed = job.list_columns.iter().map(|column| column.text.as_str());
            if let Some(name) = keys.chain(listed).find(|name| is_private(name)) {
                return Err(Error::Contradiction(format!(
                    "{}: the ID lists have column `{name}`, and digests in its place are of no use to a backfill\n  \
                     [private] lists = \"plain\" writes them as they are, readable by their owner only",
                    place_of(&private.columns, name)
                )));
            }
        }
        let key = match private.key {
            Some(key) => key,
            None => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(Error::internal)?;
                key
            }
        };
        let is_version = |side: Side| {
            let Some(version) = pairing.version.as_ref().map(|version| version.at[side]) else { return false };
            let made_of = snapshots[side].made_of(version);
            hidden.iter().any(|column| column.at[side] == version)
                || made_of.iter().any(|name| named(name) || sources[side].contains(name))
        };
        let hides_versions = Side::BOTH.into_iter().any(is_version);
        Ok(Hiding(Some(Inner {
            key,
            hides_versions,
            report: PrivateReport {
                columns: hidden_names(private, &hidden),
                mode: private.mode,
                digests_last: private.key.is_some(),
                plain_lists: private.plain_lists,
            },
        })))
    }

    /// Whether a column is private.
    pub fn hides(&self, column: &str) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.hides(column))
    }

    /// Whether files hold private values all the same.
    pub fn has_plain_lists(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.report.plain_lists)
    }

    /// Whether a later run could make nothing of a digest.
    pub fn forgets(&self, column: &str) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.hides(column) && !inner.report.digests_last)
    }

    /// What a report says of it.
    pub fn report(&self) -> Option<PrivateReport> {
        self.0.as_ref().map(|inner| inner.report.clone())
    }

    /// The schema of what is shown.
    pub fn schema(&self, schema: &SchemaRef) -> SchemaRef {
        let Some(inner) = &self.0 else { return schema.clone() };
        let fields = schema.fields().iter().enumerate().map(|(at, field)| match (Part::at(at), field.data_type()) {
            (Some(part), DataType::Struct(fields)) => {
                let fields = fields.iter().filter_map(|field| inner.field(field, part)).collect();
                Arc::new(field.as_ref().clone().with_data_type(DataType::Struct(fields)))
            }
            _ if inner.hides_versions && is_version(field.name()) => digest_field(field),
            _ => field.clone(),
        });
        Schema::new(fields.collect::<Fields>()).into()
    }

    /// Keys without private values.
    pub fn hide_keys(&self, keys: &StructArray) -> Result<StructArray> {
        match &self.0 {
            None => Ok(keys.clone()),
            Some(inner) => Ok(inner.rows(keys, Part::Key)?.as_struct().clone()),
        }
    }

    /// A piece of the table without private values.
    pub fn hide(&self, piece: &RecordBatch) -> Result<RecordBatch> {
        let Some(inner) = &self.0 else { return Ok(piece.clone()) };
        let schema = piece.schema();
        let columns = piece.columns().iter().zip(schema.fields()).enumerate();
        let columns = columns.map(|(at, (column, field))| match Part::at(at) {
            Some(part) => inner.rows(column.as_struct(), part),
            None if inner.hides_versions && is_version(field.name()) => inner.digests(column, field),
            None => Ok(column.clone()),
        });
        Ok(RecordBatch::try_new(self.schema(&schema), columns.collect::<Result<_>>()?)?)
    }
}

/// The parts of the table that hold values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Key,
    Row,
}

impl Part {
    fn at(column: usize) -> Option<Self> {
        match column {
            _ if column == Column::Key as usize => Some(Part::Key),
            _ if column == Column::Old as usize || column == Column::New as usize => Some(Part::Row),
            _ => None,
        }
    }
}

impl Inner {
    fn hides(&self, column: &str) -> bool {
        self.report.columns.iter().any(|name| name == column)
    }

    /// The field that stands in the place of one. A key is never left out: its digest still tells rows apart.
    fn field(&self, field: &FieldRef, part: Part) -> Option<FieldRef> {
        match (self.hides(field.name()), self.report.mode, part) {
            (false, ..) => Some(field.clone()),
            (true, Mode::Omit, Part::Row) => None,
            (true, ..) => Some(digest_field(field)),
        }
    }

    fn rows(&self, rows: &StructArray, part: Part) -> Result<ArrayRef> {
        let (mut fields, mut columns) = (vec![], vec![]);
        for (column, field) in rows.columns().iter().zip(rows.fields()) {
            let Some(shown) = self.field(field, part) else { continue };
            columns.push(if self.hides(field.name()) { self.digests(column, field)? } else { column.clone() });
            fields.push(shown);
        }
        let nulls = rows.nulls().cloned();
        Ok(Arc::new(StructArray::try_new_with_length(fields.into(), columns, nulls, rows.len())?))
    }

    /// Digests of the values' texts; NULL stays NULL.
    fn digests(&self, values: &ArrayRef, field: &Field) -> Result<ArrayRef> {
        let texts = render::column(values, field)?;
        let digest = |text: &str| blake3::keyed_hash(&self.key, text.as_bytes()).to_hex()[..DIGEST_DIGITS].to_string();
        Ok(Arc::new(texts.iter().map(|text| text.map(digest)).collect::<StringArray>()))
    }
}

/// 128 bits, in hexadecimal.
const DIGEST_DIGITS: usize = 32;

fn digest_field(field: &FieldRef) -> FieldRef {
    Field::new(field.name(), DataType::Utf8, true).into()
}

fn is_version(name: &str) -> bool {
    VERSIONS.iter().any(|version| *version == name)
}

/// The names under which values are hidden: the pairs', and those that are not compared at all.
fn hidden_names(private: &Private, hidden: &[&ColumnPair]) -> Vec<String> {
    let mut names: Vec<String> = hidden.iter().map(|column| column.name.clone()).collect();
    names.extend(private.columns.iter().map(|column| column.text.clone()));
    names.sort_unstable();
    names.dedup();
    names
}

fn require_known(column: &Word, pairing: &Pairing, snapshots: &Sides<Snapshot>) -> Result<()> {
    let Coverage { compared, ignored, old_only, new_only, incomparable } = &pairing.coverage;
    let mut known = [compared, ignored, old_only, new_only, incomparable].into_iter().flatten();
    // also what a query has made something else of
    let has = |snapshot: &Snapshot| snapshot.stored_fields().iter().any(|field| *field.name() == column.text);
    let is_stored = snapshots.iter().any(|side| has(side) || has(side.input()));
    match is_stored || known.any(|name| *name == column.text) {
        true => Ok(()),
        false => Err(Error::NoSuchColumn {
            option: column.place.to_string(),
            place: "no column is called".into(),
            column: column.text.clone(),
            suggestion: None,
        }),
    }
}

fn place_of(columns: &[Word], name: &str) -> String {
    columns.iter().find(|column| column.text == name).map(|column| column.place.to_string()).unwrap_or_default()
}
