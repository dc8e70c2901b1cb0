//! Redacts the values of private columns in all output: they are replaced by keyed digests, or by nothing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use crate::columns::Privacy;
use crate::compare::discrepancy::{TableColumn, VERSIONS};
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::job::private::Mode;

/// The private columns in a report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct PrivateReport {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// What replaces their values.
    pub mode: Mode,
    /// Whether digests of a value are the same in all runs, because the job has a key.
    pub digests_last: bool,
    /// Whether the ID lists contain private values in plain text, in files that only their owner can read.
    pub plain_lists: bool,
}

impl PrivateReport {
    /// Describes the redaction in one line.
    pub fn describe(&self) -> String {
        let columns = self.columns.join(", ");
        let lists = if self.plain_lists { "; the ID lists have them in plain text" } else { "" };
        match (self.mode, self.digests_last) {
            (Mode::Omit, _) => format!("{columns}: left out{lists}"),
            (Mode::Hash, true) => format!("{columns}: shown as digests{lists}"),
            (Mode::Hash, false) => {
                format!("{columns}: shown as digests with a random key, so other runs have other digests{lists}")
            }
        }
    }
}

/// Replaces private values by digests, or by nothing.
pub(crate) struct Redaction(Privacy);

impl Redaction {
    /// Creates the redaction of a job.
    ///
    /// # Errors
    /// If ID lists would contain useless digests, or if later runs could not recognize the rows that a job excuses.
    pub(crate) fn of(job: &Job, privacy: &Privacy) -> Result<Self> {
        let private_key = privacy.private_key();
        let remembers = job.in_flight.is_some() || job.gate.persisting_for.is_some_and(|pairs| pairs > 1);
        let origin = |name: &str| privacy.origin(name).unwrap_or_default();
        if let (Some(name), false, true) = (private_key, privacy.digests_last(), remembers) {
            return Err(Error::request(
                origin(name),
                "the key is private, so later runs can only recognize rows by its digests; with a random digest \
                 key, [in_flight] and persisting_for would excuse rows forever\n  \
                 set a permanent digest key in COUNTERSIGN_PRIVATE_KEY or with key_file",
            ));
        }
        let listed = job.list_columns.iter().map(|column| column.text.as_str());
        let listed = private_key.into_iter().chain(listed.filter(|name| privacy.hides_pair(name))).next();
        match listed.filter(|_| !privacy.has_plain_lists()) {
            Some(name) => Err(Error::request(
                origin(name),
                format!(
                    "the ID lists have column `{name}`, and a backfill cannot use digests\n  \
                 to write plain values to lists that only their owner can read, set [private] lists = \"plain\""
                ),
            )),
            None => Ok(Redaction(privacy.clone())),
        }
    }

    /// Whether the ID lists contain private values in plain text.
    pub(crate) fn has_plain_lists(&self) -> bool {
        self.0.has_plain_lists()
    }

    /// Whether later runs cannot compare the digests of a column.
    pub(crate) fn forgets(&self, column: &str) -> bool {
        self.0.hides_pair(column) && !self.0.digests_last()
    }

    /// Returns the description for the report.
    pub(crate) fn report(&self) -> Option<PrivateReport> {
        self.0.is_asked().then(|| PrivateReport {
            columns: self.0.names(),
            mode: self.0.mode(),
            digests_last: self.0.digests_last(),
            plain_lists: self.0.has_plain_lists(),
        })
    }

    /// Returns the redacted schema.
    pub(crate) fn schema(&self, schema: &SchemaRef) -> SchemaRef {
        if !self.0.is_asked() {
            return schema.clone();
        }
        let fields =
            schema.fields().iter().enumerate().map(|(at, field)| match (ValueField::at(at), field.data_type()) {
                (Some(part), DataType::Struct(fields)) => {
                    let fields = fields.iter().filter_map(|field| self.field(field, part)).collect();
                    Arc::new(field.as_ref().clone().with_data_type(DataType::Struct(fields)))
                }
                _ if self.hides_version(field) => digest_field(field),
                _ => field.clone(),
            });
        Schema::new(fields.collect::<Fields>()).into()
    }

    /// Redacts keys.
    pub(crate) fn hide_keys(&self, keys: &StructArray) -> Result<StructArray> {
        match self.0.is_asked() {
            false => Ok(keys.clone()),
            true => Ok(self.rows(keys, ValueField::Key)?.as_struct().clone()),
        }
    }

    /// Redacts a piece of the table.
    pub(crate) fn hide(&self, piece: &RecordBatch) -> Result<RecordBatch> {
        if !self.0.is_asked() {
            return Ok(piece.clone());
        }
        let schema = piece.schema();
        let columns = piece.columns().iter().zip(schema.fields()).enumerate();
        let columns = columns.map(|(at, (column, field))| match ValueField::at(at) {
            Some(part) => self.rows(column.as_struct(), part),
            None if self.hides_version(field) => self.digests(column, field),
            None => Ok(column.clone()),
        });
        Ok(RecordBatch::try_new(self.schema(&schema), columns.collect::<Result<_>>()?)?)
    }

    fn hides_version(&self, field: &Field) -> bool {
        self.0.hides_versions() && VERSIONS.iter().any(|version| version == field.name())
    }

    /// Returns the redacted field. A key is never omitted, because its digest still distinguishes rows.
    fn field(&self, field: &FieldRef, part: ValueField) -> Option<FieldRef> {
        match (self.0.hides_pair(field.name()), self.0.mode(), part) {
            (false, ..) => Some(field.clone()),
            (true, Mode::Omit, ValueField::Row) => None,
            (true, ..) => Some(digest_field(field)),
        }
    }

    fn rows(&self, rows: &StructArray, part: ValueField) -> Result<ArrayRef> {
        let (mut fields, mut columns) = (vec![], vec![]);
        for (column, field) in rows.columns().iter().zip(rows.fields()) {
            let Some(shown) = self.field(field, part) else { continue };
            columns.push(if self.0.hides_pair(field.name()) { self.digests(column, field)? } else { column.clone() });
            fields.push(shown);
        }
        let nulls = rows.nulls().cloned();
        Ok(Arc::new(StructArray::try_new_with_length(fields.into(), columns, nulls, rows.len())?))
    }

    /// Returns the digests of values as text; NULL remains NULL.
    fn digests(&self, values: &ArrayRef, field: &Field) -> Result<ArrayRef> {
        let texts = value_text::column(values, field)?;
        Ok(Arc::new(texts.iter().map(|text| text.and_then(|text| self.0.digest(text))).collect::<StringArray>()))
    }
}

/// The parts of the table with values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueField {
    Key,
    Row,
}

impl ValueField {
    fn at(column: usize) -> Option<Self> {
        match column {
            _ if column == TableColumn::Key as usize => Some(ValueField::Key),
            _ if column == TableColumn::Old as usize || column == TableColumn::New as usize => Some(ValueField::Row),
            _ => None,
        }
    }
}

fn digest_field(field: &FieldRef) -> FieldRef {
    Field::new(field.name(), DataType::Utf8, true).into()
}
