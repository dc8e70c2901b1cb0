//! The table of discrepancies, one row each, as `discrepancies.parquet` holds it:
//!
//! | column | type | holds |
//! | --- | --- | --- |
//! | `class` | text | `mismatch`, `missing`, `extra` or `duplicate_key` |
//! | `key` | struct | the key columns; old's values where old has the row |
//! | `old_rows`, `new_rows` | integer | how many rows of each side it covers |
//! | `changed` | list of text | the differing columns of a mismatch |
//! | `old`, `new` | struct | all compared columns as each side has them; NULL where it has no row to show |
//! | `tags` | list of text | explanations, once there are any |
//! | `old_version`, `new_version` | as stored | which version of the row each side has, where the job names such columns |
//!
//! What is explained of a discrepancy comes after these, where it is asked for:
//!
//! | column | type | holds |
//! | --- | --- | --- |
//! | `standing`, `age`, `first_run` | text, integer, text | how it stands to the runs before |
//! | `misplaced` | list of struct | where else its values stand: `kind`, `columns` (`*` for all) and `other_key`, as text |

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    UInt64Array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Schema, SchemaRef};

use super::{Class, Finding, RowRef};
use crate::columns::{ColumnPair, Pairing, RowReader};
use crate::equality::canonical::{Domain, convert};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The columns of the table, by their places.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableColumn {
    /// The class's name.
    Class,
    /// The key columns.
    Key,
    /// Rows of old.
    OldRows,
    /// Rows of new.
    NewRows,
    /// Names of changed columns.
    Changed,
    /// Old's values.
    Old,
    /// New's values.
    New,
    /// Explanations.
    Tags,
}

/// What the table of one comparison looks like.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<ColumnPair>,
    key_len: usize,
    keyed: bool,
    raw: Sides<SchemaRef>,
    /// Where the versions stand in what was read.
    versions: Option<Sides<usize>>,
    schema: SchemaRef,
}

impl Layout {
    /// The layout for a pairing of these snapshots.
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
        let versions = match Sides::from_fn(|side| pairing.version_place(side)) {
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
        ];
        if let Some(places) = versions {
            for (side, name) in [(Side::Old, VERSIONS.old), (Side::New, VERSIONS.new)] {
                let field = plain_types::field(name, raw[side].fields()[places[side]].as_ref());
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

    /// The table's schema.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The names of the key columns; of all columns where rows are compared whole.
    pub(crate) fn key_names(&self) -> Vec<&str> {
        self.columns[..self.key_len].iter().map(|column| column.name.as_str()).collect()
    }

    /// Whether the floats of a column need all their digits to be seen to differ from the other side's:
    /// the 32-bit, the 64-bit and the decimal 0.1 are three numbers.
    pub(crate) fn needs_all_digits(&self, name: &str) -> bool {
        let Some(at) = self.columns.iter().position(|column| column.name == name) else { return false };
        let types = Sides::from_fn(|side| self.raw[side].field(at).data_type());
        matches!(self.columns[at].domain, Domain::Number { .. } | Domain::Float) && types.old != types.new
    }

    /// Whether a key column is text by nature, and not only because its types differ between the sides.
    pub(crate) fn key_is_text(&self, at: usize) -> bool {
        matches!(self.columns[at].domain, Domain::Text | Domain::Json)
    }

    /// The compared columns.
    pub(crate) fn columns(&self) -> &[ColumnPair] {
        &self.columns
    }

    /// The rows of the table for these findings.
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
        ];
        for (side, place) in self.versions.iter().flat_map(|places| [(Side::Old, places.old), (Side::New, places.new)])
        {
            columns.push(self.gather(findings.iter().map(|finding| finding.row(side)), place, side, false)?);
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
            let place = |(row, finding): (usize, &Finding)| (finding.key().0 as usize, row);
            let places: Vec<_> = findings.iter().enumerate().map(place).collect();
            columns.push(interleave(&[&parts.old, &parts.new], &places)?);
        }
        Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, findings.len())?))
    }

    /// One side's keys, as the table holds them.
    pub(crate) fn key_columns(&self, raw: &[ArrayRef], side: Side) -> Result<Vec<ArrayRef>> {
        let column = |(at, field): (usize, &FieldRef)| {
            let plain = plain_types::canonicalize(&plain_types::array(&raw[at])?, &self.columns[at].domain, side)?;
            self.key_column(plain, field, at, side)
        };
        self.fields(TableColumn::Key).iter().enumerate().map(column).collect()
    }

    /// One side's column of the key, in the type that the table has for it.
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

    /// The fields of one of the table's structs.
    pub(crate) fn fields(&self, column: TableColumn) -> Fields {
        match self.schema.field(column as usize).data_type() {
            DataType::Struct(fields) => fields.clone(),
            other => unreachable!("the layout makes it a struct, not {other}"),
        }
    }

    /// One column of chosen rows, NULL where there is none. `settled` brings equal values to equal
    /// bits, where any of several equal rows may have been chosen.
    fn gather<'a>(
        &self,
        rows: impl Iterator<Item = Option<&'a RowRef>>,
        at: usize,
        side: Side,
        settled: bool,
    ) -> Result<ArrayRef> {
        let nothing = new_null_array(self.raw[side].field(at).data_type(), 1);
        let mut batches: Vec<&Arc<RowReader>> = vec![];
        let mut places = vec![];
        for row in rows {
            let Some(RowRef { batch, row }) = row else {
                places.push((0, 0));
                continue;
            };
            let known = batches.iter().rposition(|known| Arc::ptr_eq(known, batch));
            let number = known.unwrap_or_else(|| {
                batches.push(batch);
                batches.len() - 1
            });
            places.push((number + 1, *row));
        }
        let sources = batches.iter().map(|batch| batch.raw.column(at).as_ref());
        let arrays: Vec<&dyn Array> = std::iter::once(nothing.as_ref()).chain(sources).collect();
        let gathered = plain_types::array(&interleave(&arrays, &places)?)?;
        match settled {
            true => Ok(plain_types::canonicalize(&gathered, &self.columns[at].domain, side)?),
            false => Ok(gathered),
        }
    }
}

/// A key column keeps its type if both sides give it the same one; integers of two widths become the
/// widest, and anything else is written as text, as each side writes it.
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

/// A key column as text. An integer that a writer turned into a float is written as the integer, so
/// that the list still finds the row.
fn key_text(keys: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if !keys.data_type().is_floating() {
        return Ok(Arc::new(value_text::column(keys, field)?));
    }
    let floats = convert(keys, &DataType::Float64)?;
    let texts = floats.as_primitive::<Float64Type>().iter().map(|key| key.map(|key| key.to_string()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// The columns that hold which version of a row each side has.
pub(crate) const VERSIONS: Sides<&str> = Sides { old: "old_version", new: "new_version" };

/// A column of lists of text.
pub(crate) fn texts<'a>(lists: impl Iterator<Item = Vec<&'a str>>) -> ListArray {
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
    for list in lists {
        list.into_iter().for_each(|text| builder.values().append_value(text));
        builder.append(true);
    }
    builder.finish()
}

impl TableColumn {
    /// The column of a side's values.
    pub(crate) fn of_side(side: Side) -> Self {
        match side {
            Side::Old => TableColumn::Old,
            Side::New => TableColumn::New,
        }
    }

    /// The column of a batch of the table.
    pub(crate) fn of(self, batch: &RecordBatch) -> &ArrayRef {
        batch.column(self as usize)
    }
}

/// The classes of a batch of the table.
pub(crate) fn classes(batch: &RecordBatch) -> Vec<Class> {
    let names = TableColumn::Class.of(batch).as_string::<i32>();
    names.iter().flatten().filter_map(Class::from_name).collect()
}
