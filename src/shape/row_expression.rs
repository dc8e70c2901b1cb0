//! Expressions of a job over rows that are at hand: conditions of waivers, and what segments are made by.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Int64Type, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::lit;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use futures::StreamExt;

use super::{SNAPSHOT, SnapshotTable, checked, context, parts, said, unfit};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::job::Word;
use crate::plain;
use crate::render;
use crate::snapshot::Snapshot;

/// An expression that yields one value for each row.
#[derive(Debug, Clone)]
pub struct RowExpression {
    expression: Arc<dyn PhysicalExpr>,
    field: FieldRef,
    place: String,
}

impl RowExpression {
    /// Plans an expression over rows of this schema.
    pub fn plan(engine: &Engine, schema: &SchemaRef, text: &Word) -> Result<Self> {
        let place = text.place.to_string();
        let refused = |reason: String| Error::BadCondition { place: place.clone(), reason };
        let bad = |error: DataFusionError| refused(said(&error));
        let context = context(engine);
        let table = DFSchema::try_from(schema.as_ref().clone()).map_err(bad)?;
        let parsed = context.parse_sql_expr(&text.text, &table).map_err(bad)?;
        if let Some(reason) = parts(&parsed).find_map(unfit) {
            return Err(refused(reason.into()));
        }
        let expression = context.create_physical_expr(parsed, &table).and_then(checked).map_err(bad)?;
        let field = expression.return_field(schema).map_err(bad)?;
        Ok(RowExpression { expression, field, place })
    }

    /// Plans an expression that is true or false.
    pub fn condition(engine: &Engine, schema: &SchemaRef, text: &Word) -> Result<Self> {
        let condition = RowExpression::plan(engine, schema, text)?;
        match condition.field.data_type() {
            DataType::Boolean => Ok(condition),
            other => Err(Error::BadCondition {
                place: condition.place,
                reason: format!("it yields {other}, and a condition is true or false"),
            }),
        }
    }

    /// The columns that it reads.
    pub fn columns(&self) -> Vec<String> {
        collect_columns(&self.expression).iter().map(|column| column.name().to_string()).collect()
    }

    /// The values for these rows.
    pub fn values(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let values = self.expression.evaluate(rows).and_then(|values| values.into_array(rows.num_rows()));
        values.map_err(|error| Error::QueryFailed { place: self.place.clone(), reason: said(&error) })
    }

    /// For which of these rows a condition holds.
    pub fn holds(&self, rows: &RecordBatch) -> Result<BooleanArray> {
        let values = self.values(rows)?;
        Ok(values.as_boolean().iter().map(|holds| Some(holds == Some(true))).collect())
    }

    /// The values for these rows as text.
    pub fn texts(&self, rows: &RecordBatch) -> Result<Vec<Option<String>>> {
        let values = plain::array(&self.values(rows)?)?;
        let texts = render::column(&values, &plain::field(self.field.name(), &self.field))?;
        Ok(texts.iter().map(|text| text.map(String::from)).collect())
    }
}

/// Counts the rows of a snapshot by what an expression yields, as text; no more than `most` values and one.
pub fn count_by(engine: &Engine, snapshot: &Snapshot, by: &Word, most: usize) -> Result<BTreeMap<Option<String>, u64>> {
    let place = by.place.to_string();
    let failed = |error: DataFusionError| {
        Error::of_plan(error, |error| Error::QueryFailed { place: place.clone(), reason: said(&error) })
    };
    let context = context(engine);
    let table = SnapshotTable { snapshot: Arc::new(snapshot.clone()), readers: engine.readers() };
    context.register_table(SNAPSHOT, Arc::new(table)).map_err(failed)?;
    let frame = engine.reader().block_on(context.table(SNAPSHOT)).map_err(failed)?;
    let bad = |error: DataFusionError| Error::BadCondition { place: place.clone(), reason: said(&error) };
    let by = frame.parse_sql_expr(&by.text).map_err(bad)?;
    let grouped = frame.aggregate(vec![by.alias("by")], vec![count(lit(1)).alias("rows")]).map_err(bad)?;
    let mut stream = engine.reader().block_on(grouped.execute_stream()).map_err(failed)?;
    let mut counts = BTreeMap::new();
    while let Some(batch) = engine.reader().block_on(stream.next()) {
        engine.check_stop()?;
        let batch = batch.map_err(failed)?;
        let values = plain::array(batch.column(0))?;
        let texts = render::column(&values, &plain::field("by", batch.schema().field(0)))?;
        for (text, rows) in texts.iter().zip(batch.column(1).as_primitive::<Int64Type>().values()) {
            *counts.entry(text.map(String::from)).or_default() += *rows as u64;
        }
        if counts.len() > most {
            break;
        }
    }
    Ok(counts)
}
