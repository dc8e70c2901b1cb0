//! The table of discrepancies with one row each, as in `discrepancies.parquet`:
//!
//! | column | type | contents |
//! | --- | --- | --- |
//! | `class` | text | `mismatch`, `missing`, `extra`, or `duplicate_key` |
//! | `key` | struct | the key columns; old's values if old has the row |
//! | `old_rows`, `new_rows` | integer | the number of rows of each side that it covers |
//! | `changed` | list of text | the columns in which a mismatch differs |
//! | `old`, `new` | struct | all compared columns as each side stores them; NULL if it has no row to show |
//! | `tags` | list of text | explanations, if there are any |
//! | `causes` | list of text | what a mismatch looks like it came from: column or path, and cause |
//! | `old_version`, `new_version` | as stored | the version of each side's row, if the job names such columns |
//!
//! If the job configures them, explanations follow in additional columns:
//!
//! | column | type | contents |
//! | --- | --- | --- |
//! | `standing`, `age`, `first_run` | text, integer, text | its history in earlier runs |
//! | `misplaced` | list of struct | where its values belong: `kind`, `columns` (`*` for all), `other_key`, as text |

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    UInt64Array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Schema, SchemaRef};

use super::{Class, Finding, RowRef};
use crate::columns::{ColumnPair, Pairing, RowBatch};
use crate::equality::canonical::{Domain, convert};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The columns of the table, by index.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableColumn {
    Class,
    Key,
    OldRows,
    NewRows,
    Changed,
    Old,
    New,
    Tags,
    /// Labels until causes are decided, then their names.
    Causes,
}

/// The schema of the table for one comparison, and the columns that it is made from.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<ColumnPair>,
    key_len: usize,
    keyed: bool,
    raw: Sides<SchemaRef>,
    /// The indexes of the version columns in the scanned batches.
    versions: Option<Sides<usize>>,
    schema: SchemaRef,
}

impl Layout {
    /// Creates the layout for a pairing of these snapshots.
    pub(crate) fn of(pairing: &Pairing, snapshots: &Sides<Snapshot>) -> Self {
        let raw = Sides::from_fn(|side| snapshots[side].scan_schema(&pairing.projection(side)));
        let side_fields = Sides::from_fn(|side| {
            let fields = raw[side].fields().iter().zip(&pairing.columns);
            fields.map(|(field, pair)| plain_types::field(&pair.name, field)).collect::<Fields>()
        });
        let key_fields: Fields = side_fields
            .old
            .iter()
            .zip(&side_fields.new)
            .take(pairing.key_len)
            .map(|(old, new)| key_field(old, new))
            .collect();
        let texts = || DataType::List(Field::new("item", DataType::Utf8, false).into());
        let versions = match Sides::from_fn(|side| pairing.version_index(side)) {
            Sides { old: Some(old), new: Some(new) } => Some(Sides { old, new }),
            _ => None,
        };
        let mut fields = vec![
            Field::new("class", DataType::Utf8, false),
            Field::new("key", DataType::Struct(key_fields), false),
            Field::new("old_rows", DataType::UInt64, false),
            Field::new("new_rows", DataType::UInt64, false),
            Field::new("changed", texts(), false),
            Field::new("old", DataType::Struct(side_fields.old), true),
            Field::new("new", DataType::Struct(side_fields.new), true),
            Field::new("tags", texts(), false),
            Field::new("causes", texts(), false),
        ];
        if let Some(indices) = versions {
            for (side, name) in [(Side::Old, VERSIONS.old), (Side::New, VERSIONS.new)] {
                let field = plain_types::field(name, raw[side].fields()[indices[side]].as_ref());
                fields.push(field.as_ref().clone().with_nullable(true));
            }
        }
        Layout {
            columns: pairing.columns.clone(),
            key_len: pairing.key_len,
            keyed: pairing.keyed,
            raw,
            versions,
            schema: Schema::new(fields).into(),
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The names of the key columns, or of all columns if there is no key.
    pub(crate) fn key_names(&self) -> Vec<&str> {
        self.columns[..self.key_len].iter().map(|column| column.name.as_str()).collect()
    }

    /// Whether the floats of a column must be written with all digits to show how they differ from the other side's:
    /// the 32-bit, the 64-bit, and the decimal 0.1 are three different numbers.
    pub(crate) fn needs_all_digits(&self, name: &str) -> bool {
        let Some(at) = self.columns.iter().position(|column| column.name == name) else { return false };
        let types = Sides::from_fn(|side| self.raw[side].field(at).data_type());
        matches!(self.columns[at].domain, Domain::Number { .. } | Domain::Float) && types.old != types.new
    }

    /// Whether a key column has text on both sides, and is not only written as text because its types differ.
    pub(crate) fn key_is_text(&self, at: usize) -> bool {
        matches!(self.columns[at].domain, Domain::Text | Domain::Json)
    }

    pub(crate) fn columns(&self) -> &[ColumnPair] {
        &self.columns
    }

    /// Converts findings to rows of the table.
    pub(crate) fn rows(&self, findings: &[Finding]) -> Result<RecordBatch> {
        let counts = |side: Side| UInt64Array::from_iter_values(findings.iter().map(|finding| finding.rows()[side]));
        let untagged = findings.iter().map(|_| vec![]);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(findings.iter().map(|finding| finding.class().name()))),
            self.keys(findings)?,
            Arc::new(counts(Side::Old)),
            Arc::new(counts(Side::New)),
            Arc::new(texts(findings.iter().map(|finding| self.changed(finding)))),
            self.side(findings, Side::Old)?,
            self.side(findings, Side::New)?,
            Arc::new(texts(untagged)),
            Arc::new(labels(findings)),
        ];
        for (side, index) in
            self.versions.iter().flat_map(|indices| [(Side::Old, indices.old), (Side::New, indices.new)])
        {
            columns.push(self.gather(findings.iter().map(|finding| finding.row(side)), index, side, false)?);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn changed(&self, finding: &Finding) -> Vec<&str> {
        match finding {
            Finding::Mismatch { changed, .. } => changed.iter().map(|&at| self.columns[at].name.as_str()).collect(),
            Finding::Missing { .. } | Finding::Extra { .. } | Finding::DuplicateKey { .. } => vec![],
        }
    }

    fn keys(&self, findings: &[Finding]) -> Result<ArrayRef> {
        let fields = self.fields(TableColumn::Key);
        let mut columns = vec![];
        for (at, field) in fields.iter().enumerate() {
            let parts: Sides<ArrayRef> = Sides::try_from_fn(|side| {
                let rows = findings.iter().map(|finding| match finding.key() {
                    (of, row) if of == side => Some(row),
                    _ => None,
                });
                self.key_column(self.gather(rows, at, side, true)?, field, at, side)
            })?;
            let index = |(row, finding): (usize, &Finding)| (finding.key().0 as usize, row);
            let indices: Vec<_> = findings.iter().enumerate().map(index).collect();
            columns.push(interleave(&[&parts.old, &parts.new], &indices)?);
        }
        Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, findings.len())?))
    }

    /// Converts the keys of one side to the types of the table.
    pub(crate) fn key_columns(&self, raw: &[ArrayRef], side: Side) -> Result<Vec<ArrayRef>> {
        let column = |(at, field): (usize, &FieldRef)| {
            let plain = plain_types::canonicalize(&plain_types::array(&raw[at])?, &self.columns[at].domain, side)?;
            self.key_column(plain, field, at, side)
        };
        self.fields(TableColumn::Key).iter().enumerate().map(column).collect()
    }

    /// Converts one key column of a side to its type in the table.
    fn key_column(&self, plain: ArrayRef, field: &FieldRef, at: usize, side: Side) -> Result<ArrayRef> {
        match field.data_type() {
            own if own == plain.data_type() => Ok(plain),
            DataType::Utf8 => key_text(&plain, self.raw[side].field(at)),
            wider => Ok::<_, Error>(convert(&plain, wider)?),
        }
    }

    fn side(&self, findings: &[Finding], side: Side) -> Result<ArrayRef> {
        let fields = self.fields(TableColumn::of_side(side));
        let columns: Result<Vec<_>> = (0..fields.len())
            .map(|at| self.gather(findings.iter().map(|finding| finding.row(side)), at, side, !self.keyed))
            .collect();
        let shown: NullBuffer = findings.iter().map(|finding| finding.row(side).is_some()).collect();
        Ok(Arc::new(StructArray::try_new_with_length(fields, columns?, Some(shown), findings.len())?))
    }

    /// The fields of one of the struct columns.
    pub(crate) fn fields(&self, column: TableColumn) -> Fields {
        match self.schema.field(column as usize).data_type() {
            DataType::Struct(fields) => fields.clone(),
            other => unreachable!("the layout makes it a struct, not {other}"),
        }
    }

    /// Collects one column from the given rows, with NULL where there is no row. `settled` normalizes equal values to
    /// equal bits, for the case that any of several equal rows may have been chosen.
    fn gather<'a>(
        &self,
        rows: impl Iterator<Item = Option<&'a RowRef>>,
        at: usize,
        side: Side,
        settled: bool,
    ) -> Result<ArrayRef> {
        let nothing = new_null_array(self.raw[side].field(at).data_type(), 1);
        let mut batches: Vec<&Arc<RowBatch>> = vec![];
        let mut indices = vec![];
        for row in rows {
            let Some(RowRef { batch, row }) = row else {
                indices.push((0, 0));
                continue;
            };
            let known = batches.iter().rposition(|known| Arc::ptr_eq(known, batch));
            let number = known.unwrap_or_else(|| {
                batches.push(batch);
                batches.len() - 1
            });
            indices.push((number + 1, *row));
        }
        let sources = batches.iter().map(|batch| batch.raw.column(at).as_ref());
        let arrays: Vec<&dyn Array> = std::iter::once(nothing.as_ref()).chain(sources).collect();
        let gathered = plain_types::array(&interleave(&arrays, &indices)?)?;
        match settled {
            true => Ok(plain_types::canonicalize(&gathered, &self.columns[at].domain, side)?),
            false => Ok(gathered),
        }
    }
}

/// A key column keeps its type if both sides have the same type. Integers of two widths become the widest type, and
/// everything else is written as text, as each side writes it.
fn key_field(old: &FieldRef, new: &FieldRef) -> FieldRef {
    let data_type = match (old.data_type(), new.data_type()) {
        (old, new) if old == new => new.clone(),
        (DataType::UInt64, _) | (_, DataType::UInt64) => DataType::Utf8,
        (old, new) if old.is_integer() && new.is_integer() => DataType::Int64,
        _ => DataType::Utf8,
    };
    Field::new(new.name(), data_type.clone(), true)
        .with_metadata(match data_type {
            DataType::Utf8 => Default::default(),
            _ => new.metadata().clone(),
        })
        .into()
}

/// Converts a key column to text. A float with an integer value is written as the integer, so that the key in a list
/// still finds the row.
fn key_text(keys: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if !keys.data_type().is_floating() {
        return Ok(Arc::new(value_text::column(keys, field)?));
    }
    let floats = convert(keys, &DataType::Float64)?;
    let texts = floats.as_primitive::<Float64Type>().iter().map(|key| key.map(|key| key.to_string()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// The labels of what mismatches show, as text.
fn labels(findings: &[Finding]) -> ListArray {
    let written = findings.iter().map(|finding| match finding {
        Finding::Mismatch { labels, .. } => labels.iter().map(u64::to_string).collect::<Vec<_>>(),
        Finding::Missing { .. } | Finding::Extra { .. } | Finding::DuplicateKey { .. } => vec![],
    });
    let written: Vec<Vec<String>> = written.collect();
    texts(written.iter().map(|labels| labels.iter().map(String::as_str).collect()))
}

/// The columns with the versions of both sides' rows.
pub(crate) const VERSIONS: Sides<&str> = Sides { old: "old_version", new: "new_version" };

/// Builds a column of lists of text.
pub(crate) fn texts<'a>(lists: impl Iterator<Item = Vec<&'a str>>) -> ListArray {
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
    for list in lists {
        list.into_iter().for_each(|text| builder.values().append_value(text));
        builder.append(true);
    }
    builder.finish()
}

impl TableColumn {
    /// Returns the column with the values of a side.
    pub(crate) fn of_side(side: Side) -> Self {
        match side {
            Side::Old => TableColumn::Old,
            Side::New => TableColumn::New,
        }
    }

    /// Returns the column from a batch of the table.
    pub(crate) fn of(self, batch: &RecordBatch) -> &ArrayRef {
        batch.column(self as usize)
    }
}

/// Returns the classes in a batch of the table.
pub(crate) fn classes(batch: &RecordBatch) -> Vec<Class> {
    let names = TableColumn::Class.of(batch).as_string::<i32>();
    names.iter().flatten().filter_map(Class::from_name).collect()
}
