//! Guards: what a delete must find unchanged in a row. The guard is the row's version if it has one that is not
//! private, otherwise a hash of its values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::ScalarUDF;

use super::SignOffContext;
use crate::columns::{Pairing, Privacy};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;
use crate::history::digest_by;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::{quoted, row_function};

/// The guard of the rows of one side.
pub(super) struct RowGuard {
    kind: GuardKind,
    /// The columns that it is computed from, quoted for SQL.
    columns: Vec<String>,
}

enum GuardKind {
    Version,
    RowHash(Box<GuardHash>),
}

impl RowGuard {
    /// The guard of the rows to delete.
    ///
    /// # Errors
    /// If it is a hash of private values, and the job has no permanent key.
    pub(super) fn new(context: &SignOffContext) -> Result<Self> {
        let own = context.terms.delete_from;
        let schema = &context.snapshots[own].schema;
        match context.pairing.version.as_ref().filter(|_| !context.privacy.hides_versions()) {
            Some(version) => {
                Ok(RowGuard { kind: GuardKind::Version, columns: vec![quoted(schema.field(version.at[own]).name())] })
            }
            None => {
                let (hash, columns) = GuardHash::new(context.pairing, context.privacy, &context.snapshots[own], own)?;
                Ok(RowGuard { kind: GuardKind::RowHash(Box::new(hash)), columns })
            }
        }
    }

    /// The name of the column of guards in lists.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            GuardKind::Version => "version",
            GuardKind::RowHash(_) => "row_hash",
        }
    }

    /// The guard of a table's rows, in SQL.
    pub(super) fn sql(&self, table: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| format!("{table}.{name}")).collect();
        format!("guard({})", columns.join(", "))
    }

    /// The function that [`Self::sql`] calls.
    pub(super) fn function(&self) -> ScalarUDF {
        match &self.kind {
            GuardKind::Version => row_function("guard", DataType::Utf8, |columns| version_texts(&columns[0])),
            GuardKind::RowHash(hash) => hash.function("guard"),
        }
    }
}

/// Hashes of whole rows of one side, over the texts of all compared columns: equal values have equal hashes in every
/// export. They are keyed with the job's key if a column is private.
#[derive(Clone)]
pub(super) struct GuardHash {
    hasher: blake3::Hasher,
    fields: Vec<Arc<Field>>,
}

impl GuardHash {
    /// The hash of one side's rows, and the columns that it is computed from, quoted for SQL.
    ///
    /// # Errors
    /// If a column is private, and the job has no permanent key.
    pub(super) fn new(
        pairing: &Pairing,
        privacy: &Privacy,
        snapshot: &Snapshot,
        side: Side,
    ) -> Result<(Self, Vec<String>)> {
        let fields: Vec<Arc<Field>> =
            pairing.columns.iter().map(|pair| snapshot.schema.fields()[pair.at[side]].clone()).collect();
        let columns = fields.iter().map(|field| quoted(field.name())).collect();
        Ok((GuardHash { hasher: privacy.row_hasher()?, fields }, columns))
    }

    /// The SQL function that computes them.
    pub(super) fn function(&self, name: &str) -> ScalarUDF {
        let hash = self.clone();
        row_function(name, DataType::Utf8, move |columns| {
            let hashes = hash.of(columns)?;
            Ok(Arc::new(hashes.into_iter().map(Some).collect::<StringArray>()))
        })
    }

    /// The hash of each row, in hexadecimal.
    pub(super) fn of(&self, columns: &[ArrayRef]) -> Result<Vec<String>> {
        let settled = columns.iter().zip(&self.fields).map(|(column, field)| in_one_form(column, field));
        let (columns, fields): (Vec<_>, Vec<_>) = settled.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let is_decimal: Vec<bool> = fields.iter().map(|field: &Field| field.data_type().is_decimal()).collect();
        let rows = value_text::rows(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)?;
        let hash = |mut texts: Vec<Option<String>>| {
            for (text, _) in texts.iter_mut().zip(&is_decimal).filter(|(_, is_decimal)| **is_decimal) {
                *text = text.take().map(without_zeros);
            }
            hex::encode(digest_by(self.hasher.clone(), texts.iter().map(Option::as_deref)))
        };
        Ok(rows.into_iter().map(hash).collect())
    }
}

fn without_zeros(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// Converts a column so that neither the time zone nor the type of text makes a difference.
fn in_one_form(column: &ArrayRef, field: &Field) -> Result<(ArrayRef, Field)> {
    let column = plain_types::array(column)?;
    let field = plain_types::field(field.name(), field).as_ref().clone();
    match column.data_type().clone() {
        DataType::Timestamp(unit, Some(_)) => {
            let utc = DataType::Timestamp(unit, Some("UTC".into()));
            Ok((cast(&column, &utc)?, field.with_data_type(utc)))
        }
        data_type => Ok((column, field.with_data_type(data_type))),
    }
}

/// Versions in the form that every database accepts: without a zone; instants are in UTC, others as stored.
fn version_texts(column: &ArrayRef) -> Result<ArrayRef> {
    let column = plain_types::array(column)?;
    let DataType::Timestamp(unit, _) = column.data_type().clone() else {
        return Ok(cast(&column, &DataType::Utf8)?);
    };
    // an instant keeps its ticks, which count from 1970 in UTC
    let naive = cast(&cast(&column, &DataType::Int64)?, &DataType::Timestamp(unit, None))?;
    let field = Field::new("version", DataType::Timestamp(unit, None), true);
    let texts = value_text::column(&naive, &field)?;
    Ok(Arc::new(texts.iter().map(|text| text.map(|text| text.replacen('T', " ", 1))).collect::<StringArray>()))
}
