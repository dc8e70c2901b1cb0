//! Sorts batches by their first column (bytes, never NULL) within the engine's memory limit, and spills what exceeds
//! it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, stream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::equality::canonical::order::ASCENDING;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::spilling::spilled_bytes;

/// Batches that may wait in front of and behind a sort.
const WAITING: usize = 1;

/// Takes batches in any order; [`Sorter::finish`] returns them sorted.
pub(crate) struct Sorter<'a> {
    input: Sender<RecordBatch>,
    sorted: SortedIds<'a>,
}

/// Sorted batches.
pub(crate) struct SortedIds<'a> {
    engine: &'a Engine,
    plan: Arc<dyn ExecutionPlan>,
    output: Receiver<datafusion::error::Result<RecordBatch>>,
    task: JoinHandle<()>,
}

impl<'a> Sorter<'a> {
    /// Begins a sort of batches with this schema.
    pub(crate) fn begin(engine: &'a Engine, schema: &SchemaRef) -> Result<Self> {
        let (input, incoming) = channel(WAITING);
        let plan =
            sort_plan(schema, incoming).and_then(|plan| engine.with_even_share(plan)).map_err(Error::internal)?;
        let runtime = engine.reader();
        // only inside the runtime does a plan find the threads for its spill files
        let _within = runtime.enter();
        let stream = plan.execute(0, engine.task());
        let mut stream = stream.map_err(|error| Error::of_plan(error, &engine.spill_dir(), Error::internal))?;
        let (outgoing, output) = channel(WAITING);
        let task = runtime.spawn(async move {
            while let Some(batch) = stream.next().await {
                if outgoing.send(batch).await.is_err() {
                    break;
                }
            }
        });
        Ok(Sorter { input, sorted: SortedIds { engine, plan, output, task } })
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.sorted.engine.check_stop()?;
        match self.input.blocking_send(batch) {
            Ok(()) => Ok(()),
            // the sort ended before its input did, so its output contains the reason
            Err(_) => match self.sorted.receive()? {
                Some(_) | None => Err(Error::Internal("a sort ended early".into())),
            },
        }
    }

    /// Ends the input.
    pub(crate) fn finish(self) -> SortedIds<'a> {
        self.sorted
    }
}

impl SortedIds<'_> {
    fn receive(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            // the first batch of a sort can take long, and the user may stop the cut meanwhile
            let next = async { tokio::time::timeout(Duration::from_millis(200), self.output.recv()).await };
            let waited = self.engine.reader().block_on(next);
            self.engine.check_stop()?;
            match waited {
                Err(_) => continue,
                Ok(None) => return Ok(None),
                Ok(Some(Ok(batch))) if batch.num_rows() == 0 => continue,
                Ok(Some(Ok(batch))) => return Ok(Some(batch)),
                Ok(Some(Err(error))) => {
                    return Err(Error::of_plan(error, &self.engine.spill_dir(), |error| {
                        Error::Internal(format!("sorting IDs: {error}"))
                    }));
                }
            }
        }
    }
}

impl Iterator for SortedIds<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receive().transpose()
    }
}

impl Drop for SortedIds<'_> {
    fn drop(&mut self) {
        self.task.abort();
        self.engine.timings.count_spilled(spilled_bytes(self.plan.as_ref()));
    }
}

fn sort_plan(schema: &SchemaRef, incoming: Receiver<RecordBatch>) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let source = Arc::new(Incoming { schema: schema.clone(), batches: Mutex::new(Some(incoming)) });
    let source = StreamingTableExec::try_new(schema.clone(), vec![source], None, [], false, None)?;
    let first = Arc::new(Column::new(schema.field(0).name(), 0));
    let order = LexOrdering::new([PhysicalSortExpr::new(first, ASCENDING)]);
    let order = order.ok_or_else(|| DataFusionError::Internal("a sort without a key".into()))?;
    Ok(Arc::new(SortExec::new(order, Arc::new(source))))
}

/// Incoming batches as the input of a plan.
#[derive(Debug)]
struct Incoming {
    schema: SchemaRef,
    batches: Mutex<Option<Receiver<RecordBatch>>>,
}

impl PartitionStream for Incoming {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Hands over the batches. A second call returns an empty stream.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner).take();
        let batches = stream::unfold(batches, async |batches| {
            let mut batches = batches?;
            let batch = batches.recv().await?;
            Some((Ok(batch), Some(batches)))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}
