//! Guards: what a delete must find unchanged in a row. The guard is the row's version if it has one that is not
//! private, otherwise a hash of its values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::Expr;

use super::SignOffContext;
use crate::columns::{ColumnPair, Pairing, Privacy};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;
use crate::history::digest_by;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::{column, row_function};

/// The guard of the rows of one side.
pub(super) enum RowGuard {
    /// The version in this column.
    Version(String),
    /// A hash of the values.
    RowHash(Box<GuardHash>),
}

impl RowGuard {
    /// The guard of the rows to delete.
    ///
    /// # Errors
    /// If it is a hash of private values, and the job has no permanent key.
    pub(super) fn new(context: &SignOffContext) -> Result<Self> {
        let own = context.terms.delete_from;
        let snapshot = &context.snapshots[own];
        match context.pairing.version.as_ref().filter(|_| !context.privacy.hides_versions()) {
            Some(version) => Ok(RowGuard::Version(snapshot.schema.field(version.at[own]).name().clone())),
            None => {
                let hash = GuardHash::new(context.pairing, context.privacy, snapshot, own)?;
                Ok(RowGuard::RowHash(Box::new(hash)))
            }
        }
    }

    /// The name of the column of guards in lists.
    pub(super) fn name(&self) -> &'static str {
        match self {
            RowGuard::Version(_) => "version",
            RowGuard::RowHash(_) => "row_hash",
        }
    }

    /// The guard of each row of the side's table.
    pub(super) fn expression(&self) -> Expr {
        match self {
            RowGuard::Version(version) => {
                let texts = row_function("version_text", DataType::Utf8, |columns| version_texts(&columns[0]));
                texts.call(vec![column(version)])
            }
            RowGuard::RowHash(hash) => hash.expression(),
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
    /// The hash of one side's rows.
    ///
    /// # Errors
    /// If a column is private, and the job gives no key that lasts.
    pub(super) fn new(pairing: &Pairing, privacy: &Privacy, snapshot: &Snapshot, side: Side) -> Result<Self> {
        let field = |pair: &ColumnPair| snapshot.schema.fields()[pair.at[side]].clone();
        let fields = pairing.columns.iter().map(field).collect();
        Ok(GuardHash { hasher: privacy.row_hasher()?, fields })
    }

    /// The hash of each row of the side's table.
    pub(super) fn expression(&self) -> Expr {
        let hash = self.clone();
        let function = row_function("row_hash", DataType::Utf8, move |columns| {
            let hashes = hash.of(columns)?;
            Ok(Arc::new(hashes.into_iter().map(Some).collect::<StringArray>()))
        });
        function.call(self.fields.iter().map(|field| column(field.name())).collect())
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
