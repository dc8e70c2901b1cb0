//! Expressions of a job on rows in memory: the conditions of waivers and the expressions of segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Int64Type, SchemaRef};
use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use futures::StreamExt;

use super::depth::require_shallow;
use super::execute::carry_out;
use super::{SNAPSHOT, SnapshotTable, context, plan_row_by_row, said};
use crate::equality::canonical::convert;
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::{Error, RequestError, Result};
use crate::job::Setting;
use crate::runtime::engine::Engine;
use crate::snapshot::Snapshot;

/// An expression that yields one value for each row.
#[derive(Debug, Clone)]
pub(crate) struct RowExpression {
    expression: Arc<dyn PhysicalExpr>,
    field: FieldRef,
    origin: String,
}

impl RowExpression {
    /// Plans an expression on rows of this schema.
    pub(crate) fn plan(engine: &Engine, schema: &SchemaRef, text: &Setting) -> Result<Self> {
        let origin = text.origin.to_string();
        match plan_row_by_row(engine, schema.as_ref().clone(), &text.text) {
            Ok((expression, field)) => Ok(RowExpression { expression, field, origin }),
            Err(reason) => Err(Error::request(origin, RequestError::BadCondition(reason))),
        }
    }

    /// Plans an expression that is true or false.
    pub(crate) fn condition(engine: &Engine, schema: &SchemaRef, text: &Setting) -> Result<Self> {
        let condition = RowExpression::plan(engine, schema, text)?;
        match condition.field.data_type() {
            DataType::Boolean => Ok(condition),
            other => {
                let reason = format!("it yields {other}, but a condition must be true or false");
                Err(Error::request(condition.origin, RequestError::BadCondition(reason)))
            }
        }
    }

    /// The names of the columns that the expression reads.
    pub(crate) fn columns(&self) -> Vec<String> {
        collect_columns(&self.expression).iter().map(|column| column.name().to_string()).collect()
    }

    /// Evaluates the expression for these rows.
    pub(crate) fn values(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let values = self.expression.evaluate(rows).and_then(|values| values.into_array(rows.num_rows()));
        values.map_err(|error| Error::request(&self.origin, RequestError::QueryFailed(said(&error))))
    }

    /// Whether a condition holds for each of these rows.
    pub(crate) fn holds(&self, rows: &RecordBatch) -> Result<BooleanArray> {
        let values = self.values(rows)?;
        Ok(values.as_boolean().iter().map(|holds| Some(holds == Some(true))).collect())
    }

    /// The type of the values.
    pub(crate) fn field(&self) -> &FieldRef {
        &self.field
    }

    /// The values for these rows as text, in the format of the values of the expression with the field `like`.
    pub(crate) fn texts(&self, rows: &RecordBatch, like: &FieldRef) -> Result<Vec<Option<String>>> {
        texts(&self.values(rows)?, &self.field, like)
    }
}

/// Converts values to text. With the same `like`, `5` and `5.00` have the same text, and so does an instant in two time
/// zones, provided that the type of `like` can represent the values.
fn texts(values: &ArrayRef, field: &FieldRef, like: &FieldRef) -> Result<Vec<Option<String>>> {
    let (own, like) = (plain_types::field("by", field), plain_types::field("by", like));
    let values = plain_types::array(values)?;
    let texts = match convert(&values, like.data_type()) {
        Ok(values) => value_text::column(&values, &like)?,
        Err(_) => value_text::column(&values, &own)?,
    };
    Ok(texts.iter().map(|text| text.map(String::from)).collect())
}

/// Counts the rows of a snapshot by the value of an expression, as text like `like`. Stops after more than `most`
/// values. `columns` are the columns that the expression can read: their names in it and their indices in the snapshot.
pub(crate) fn count_by(
    engine: &Engine,
    snapshot: &Snapshot,
    columns: &[(&str, usize)],
    by: &Setting,
    like: &FieldRef,
    most: usize,
) -> Result<BTreeMap<Option<String>, u64>> {
    let origin = by.origin.to_string();
    let failed = |error: DataFusionError| {
        let failed = |error| Error::request(&origin, RequestError::QueryFailed(said(&error)));
        Error::of_plan(error, &engine.spill_dir(), failed)
    };
    let context = context(engine);
    let table = SnapshotTable { snapshot: Arc::new(snapshot.clone()), readers: engine.scan_config() };
    context.register_table(SNAPSHOT, Arc::new(table)).map_err(failed)?;
    let frame = engine.reader().block_on(context.table(SNAPSHOT)).map_err(failed)?;
    let bad = |error: DataFusionError| Error::request(&origin, RequestError::BadCondition(said(&error)));
    let stored = |index: usize| snapshot.schema.field(index).name();
    let columns =
        columns.iter().map(|(name, index)| Expr::Column(Column::new_unqualified(stored(*index))).alias(*name));
    let frame = frame.select(columns.collect::<Vec<_>>()).map_err(bad)?;
    require_shallow(&by.text).map_err(|reason| Error::request(&origin, RequestError::BadCondition(reason)))?;
    let by = frame.parse_sql_expr(&by.text).map_err(bad)?;
    let grouped = frame.aggregate(vec![by.alias("by")], vec![count(lit(1)).alias("rows")]).map_err(bad)?;
    let mut stream = carry_out(engine, grouped).map_err(failed)?;
    let mut counts = BTreeMap::new();
    while let Some(batch) = engine.reader().block_on(stream.next()) {
        engine.check_stop()?;
        let batch = batch.map_err(failed)?;
        let texts = texts(batch.column(0), &batch.schema().fields()[0], like)?;
        for (text, rows) in texts.into_iter().zip(batch.column(1).as_primitive::<Int64Type>().values()) {
            *counts.entry(text).or_default() += *rows as u64;
        }
        if counts.len() > most {
            break;
        }
    }
    Ok(counts)
}
