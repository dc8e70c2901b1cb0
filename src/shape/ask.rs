//! A question in SQL over tables that are at hand.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use futures::StreamExt;

use super::{SnapshotTable, Tables, context, only_queries, said};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Asks a question, and hands the answer to `take`, batch by batch; returns its schema.
///
/// # Errors
/// If the question cannot be planned or fails, or if `take` does.
pub fn ask(
    engine: &Engine,
    tables: &Tables,
    small: Vec<(&str, RecordBatch)>,
    sql: &str,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<SchemaRef> {
    let place = || "SQL".to_string();
    let bad = |error: DataFusionError| {
        let mut names: Vec<&str> =
            tables.keys().map(String::as_str).chain(small.iter().map(|(name, _)| *name)).collect();
        names.sort_unstable();
        Error::BadQuestion { reason: said(&error), tables: names.join(", ") }
    };
    let failed = |error: DataFusionError| {
        Error::of_plan(error, |error| Error::QueryFailed { place: place(), reason: said(&error) })
    };
    let context = context(engine);
    for (name, snapshot) in tables {
        let table = SnapshotTable { snapshot: snapshot.clone(), readers: engine.readers() };
        context.register_table(name, Arc::new(table)).map_err(bad)?;
    }
    for (name, batch) in &small {
        context.register_batch(*name, batch.clone()).map_err(bad)?;
    }
    let frame = engine.reader().block_on(context.sql_with_options(sql, only_queries())).map_err(bad)?;
    let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
    let mut stream = engine.reader().block_on(frame.execute_stream()).map_err(failed)?;
    while let Some(batch) = engine.reader().block_on(stream.next()) {
        engine.check_stop()?;
        take(&batch.map_err(failed)?)?;
    }
    Ok(schema)
}
