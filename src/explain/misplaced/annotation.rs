//! Annotations of rows with misplaced values, and their column in the table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::Kind;
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::explain::redaction::Redaction;

/// A misplaced value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Annotation {
    /// How the value was misplaced.
    pub kind: Kind,
    /// The column; `*` for all values, and two columns for an exchange.
    pub columns: String,
    /// The index of the other key among those of the piece.
    pub other: Option<usize>,
}

/// The misplaced values in a piece of the table.
#[derive(Debug, Clone)]
pub(crate) struct Misplacements {
    /// The annotations of each row.
    pub rows: Vec<Vec<Annotation>>,
    /// The other keys; `None` if there are none.
    pub others: Option<StructArray>,
}

impl Misplacements {
    /// Redacts the keys.
    pub(crate) fn hidden(&self, redaction: &Redaction) -> Result<Self> {
        let others = self.others.as_ref().map(|keys| redaction.hide_keys(keys)).transpose()?;
        Ok(Misplacements { rows: self.rows.clone(), others })
    }

    /// Returns the tags of each row, without duplicates.
    pub(crate) fn tags(&self) -> Vec<Vec<&'static str>> {
        self.rows.iter().map(|row| kinds(row).into_iter().map(Kind::tag).collect()).collect()
    }

    /// Returns the column of the table.
    pub(crate) fn column(&self) -> Result<ArrayRef> {
        let all: Vec<&Annotation> = self.rows.iter().flatten().collect();
        let keys = self.others.as_ref().map_or(Ok(vec![]), joined)?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(all.iter().map(|annotation| annotation.kind.name()))),
            Arc::new(StringArray::from_iter_values(all.iter().map(|annotation| &annotation.columns))),
            Arc::new(
                all.iter()
                    .map(|annotation| annotation.other.map(|other| keys[other].as_str()))
                    .collect::<StringArray>(),
            ),
        ];
        let items = StructArray::try_new_with_length(item_fields(), columns, None, all.len())?;
        let offsets = OffsetBuffer::from_lengths(self.rows.iter().map(Vec::len));
        Ok(Arc::new(ListArray::try_new(item(), offsets, Arc::new(items), None)?))
    }
}

/// Returns the different kinds in a row.
pub(super) fn kinds(annotations: &[Annotation]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = annotations.iter().map(|annotation| annotation.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The field of the column.
pub(crate) fn field() -> FieldRef {
    Field::new("misplaced", DataType::List(item()), false).into()
}

fn item() -> FieldRef {
    Field::new("item", DataType::Struct(item_fields()), false).into()
}

fn item_fields() -> Fields {
    let text = |name: &str, nullable: bool| Field::new(name, DataType::Utf8, nullable);
    vec![text("kind", false), text("columns", false), text("other_key", true)].into()
}

/// Formats each key as one text, with its columns as in the lists.
fn joined(keys: &StructArray) -> Result<Vec<String>> {
    let columns = keys.columns().iter().zip(keys.fields());
    let columns = columns.map(|(column, field)| Values::of(column, field)).collect::<Result<Vec<_>>>()?;
    let text = |row: usize| {
        let parts = columns.iter().map(|column| column.to_csv_text(row).unwrap_or_else(|| "NULL".into()));
        parts.collect::<Vec<_>>().join(", ")
    };
    Ok((0..keys.len()).map(text).collect())
}
