//! Parts of a plan that run with their own memory pool.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

use super::SpillingPool;

/// A part of a plan that runs with another memory pool than the operators above it.
#[derive(Debug)]
pub(crate) struct RunsWith {
    input: Arc<dyn ExecutionPlan>,
    /// By partition; the last one applies to all further partitions.
    tasks: Vec<Arc<TaskContext>>,
    hands_over: HandsOver,
}

/// How batches are handed on.
#[derive(Debug, Clone, Copy)]
pub(super) enum HandsOver {
    AsItIs,
    /// Copied out of larger buffers.
    Cut,
}

impl RunsWith {
    /// Gives each partition of a sort its own pool of `bytes`.
    pub(crate) fn own_pools(
        sort: Arc<dyn ExecutionPlan>,
        bytes: u64,
        task: &TaskContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = 0..sort.output_partitioning().partition_count();
        let tasks = partitions.map(|_| with_pool(task, SpillingPool::of_sort(bytes))).collect::<Result<_>>()?;
        Ok(Arc::new(RunsWith { input: sort, tasks, hands_over: HandsOver::AsItIs }))
    }

    /// Gives all partitions of an input the same context.
    pub(super) fn shared(
        input: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        hands_over: HandsOver,
    ) -> Arc<dyn ExecutionPlan> {
        Arc::new(RunsWith { input, tasks: vec![task], hands_over })
    }
}

impl DisplayAs for RunsWith {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for RunsWith {
    fn name(&self) -> &str {
        "RunsWith"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (tasks, hands_over) = (self.tasks.clone(), self.hands_over);
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| DataFusionError::Internal("RunsWith has one input".into()))?;
        Ok(Arc::new(RunsWith { input, tasks, hands_over }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let own = self.tasks.get(partition).or(self.tasks.last()).cloned();
        let stream = self.input.execute(partition, own.unwrap_or(context))?;
        Ok(match self.hands_over {
            HandsOver::AsItIs => stream,
            HandsOver::Cut => {
                Box::pin(RecordBatchStreamAdapter::new(stream.schema(), stream.map(|batch| cut_out(batch?))))
            }
        })
    }
}

/// A context with another pool. A sort reserves the pool's set-aside bytes for its merge.
pub(super) fn with_pool(task: &TaskContext, pool: SpillingPool) -> Result<Arc<TaskContext>> {
    let aside = pool.aside();
    let environment = task.runtime_env();
    let environment: RuntimeEnv =
        RuntimeEnvBuilder::from_runtime_env(&environment).with_memory_pool(Arc::new(pool)).build()?;
    let config = task.session_config().clone().with_sort_spill_reservation_bytes(aside);
    Ok(Arc::new(TaskContext::default().with_session_config(config).with_runtime(environment.into())))
}

/// Copies a batch out of larger buffers, if it refers to them: an aggregate returns slices of all its groups, and a
/// scan returns views of whole pages. A sort would count each slice as the whole buffer.
fn cut_out(batch: RecordBatch) -> Result<RecordBatch> {
    let own = |column: &ArrayRef| -> Result<usize> {
        let text = match column.data_type() {
            DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
            DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
            _ => 0,
        };
        Ok(column.to_data().get_slice_memory_size()? + text)
    };
    let own = batch.columns().iter().map(own).sum::<Result<usize>>()?;
    if batch.get_array_memory_size() <= 2 * own {
        return Ok(batch);
    }
    let rows = UInt64Array::from_iter_values(0..batch.num_rows() as u64);
    let column = |column: &ArrayRef| -> Result<ArrayRef> {
        Ok(match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => take(column, &rows, None)?,
        })
    };
    let columns = batch.columns().iter().map(column).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}
