//! Divides the memory of a plan between its sorts and the rest of the plan.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary};

use super::runs_with::{HandsOver, with_pool};
use super::{RunsWith, SpillingPool};

/// The minimum fraction (1/8) of a plan's memory for everything that is not a sort.
const REST_PART: u64 = 8;

/// How the memory of a plan is divided, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SortShares {
    /// The total.
    bytes: u64,
    /// For each partition of each sort.
    pub sort_bytes: u64,
    /// Shared by the rest of the plan.
    pub rest_bytes: u64,
    /// How many consumers that can spill share the rest.
    spillers: usize,
}

impl SortShares {
    /// Divides `bytes` among the parts of a plan.
    pub(crate) fn of(plan: &dyn ExecutionPlan, bytes: u64) -> Self {
        let mut holders = Holders::default();
        holders.count(plan);
        let Holders { sorts, spillers, others } = holders;
        // consumers that cannot spill get half of the memory, because sorts can work with less
        let part = match (spillers + others) as u64 {
            0 => bytes / REST_PART,
            consumers => (bytes * consumers / (consumers + sorts as u64)).max(if others > 0 { bytes / 2 } else { 0 }),
        };
        let rest_bytes = if sorts == 0 { bytes } else { part.max(bytes / REST_PART) };
        SortShares { bytes, sort_bytes: (bytes - rest_bytes) / sorts.max(1) as u64, rest_bytes, spillers }
    }

    /// Whether a consumer has less than `bytes` to itself.
    pub(crate) fn are_below(&self, bytes: u64) -> bool {
        (self.sort_bytes > 0 && self.sort_bytes < bytes)
            || (self.spillers > 0 && self.rest_bytes / (self.spillers as u64) < bytes / 2)
    }

    /// Gives each sort of a plan its own memory. Returns the changed plan and the context to run it with.
    pub(crate) fn grant(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: &TaskContext,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let rest = with_pool(task, SpillingPool::shared(self.rest_bytes, self.spillers))?;
        Ok((self.furnish(plan, &rest)?, rest))
    }

    fn furnish(&self, plan: Arc<dyn ExecutionPlan>, rest: &Arc<TaskContext>) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children().into_iter().map(|child| self.furnish(child.clone(), rest));
        let children = children.collect::<Result<Vec<_>>>()?;
        let own_memory = match plan.as_ref() {
            sort if spilling_sort(sort).is_some() => Some((self.sort_bytes, HandsOver::Cut)),
            // it holds a few batches of each partition, whose views refer to everything that was sorted. It counts all
            // of that again with every batch, and a smaller pool would not have as much as it counts
            merge if merge.is::<SortPreservingMergeExec>() => Some((self.bytes, HandsOver::AsItIs)),
            _ => None,
        };
        let Some((own_bytes, input)) = own_memory else { return replace_children_if_necessary(plan, children) };
        // the input of a sort does not use its memory
        let children = children.into_iter().map(|child| RunsWith::shared(child, rest.clone(), input)).collect();
        RunsWith::own_pools(replace_children_if_necessary(plan, children)?, own_bytes, rest)
    }
}

/// The consumers of memory in a plan, counted by partitions.
#[derive(Default)]
struct Holders {
    sorts: usize,
    spillers: usize,
    others: usize,
}

impl Holders {
    fn count(&mut self, plan: &dyn ExecutionPlan) {
        let partitions = plan.output_partitioning().partition_count();
        if spilling_sort(plan).is_some() {
            self.sorts += partitions;
        } else if plan.is::<AggregateExec>() || plan.is::<NestedLoopJoinExec>() {
            self.spillers += partitions;
        } else if plan.is::<HashJoinExec>() || plan.is::<SortMergeJoinExec>() || plan.is::<CrossJoinExec>() {
            self.others += partitions;
        } else if plan.is::<RepartitionExec>() {
            // a repartition holds a few batches, and spills them if memory is short
            self.spillers += partitions.div_ceil(8);
        }
        plan.children().into_iter().for_each(|child| self.count(child.as_ref()));
    }
}

/// A sort of all rows. A top-k sort is not one: it keeps only the first few rows.
fn spilling_sort(plan: &dyn ExecutionPlan) -> Option<&SortExec> {
    plan.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_none())
}

/// Bytes that a plan has spilled.
pub(crate) fn spilled_bytes(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    own as u64 + plan.children().iter().map(|child| spilled_bytes(child.as_ref())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
    use arrow::datatypes::Int64Type;
    use datafusion::physical_plan::execute_stream;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use futures::TryStreamExt;

    use super::*;

    #[test]
    fn sorts_of_a_plan_get_through_with_what_they_are_given() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let rows = 80_000;
        let batch = |from: i64| {
            let ids = (from..from + 1_000).map(|row| row * 7_368_787 % rows);
            let texts = ids.clone().map(|id| Some(format!("a text that is not so short {id}")));
            let columns: [(&str, ArrayRef); 2] = [
                ("id", Arc::new(ids.clone().collect::<Int64Array>())),
                ("text", Arc::new(texts.collect::<StringViewArray>())),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let batches: Vec<RecordBatch> = (0..rows).step_by(1_000).map(batch).collect();
        for (partitions, mib) in [(1, 2), (1, 64), (7, 32), (32, 128)] {
            let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(1_000);
            let config = config.with_sort_in_place_threshold_bytes(100_000);
            let context = SessionContext::new_with_config(config);
            let parts = batches.chunks(batches.len().div_ceil(partitions)).map(<[_]>::to_vec).collect();
            let table = datafusion::datasource::MemTable::try_new(batches[0].schema(), parts).unwrap();
            context.register_table("t", Arc::new(table)).unwrap();
            for sql in ["SELECT * FROM t ORDER BY id", "SELECT id, max(text) FROM t GROUP BY id ORDER BY id, max(text)"]
            {
                let (sorted, spilled) = runtime.block_on(async {
                    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
                    let shares = SortShares::of(plan.as_ref(), mib << 20);
                    let (plan, task) = shares.grant(plan, &context.task_ctx()).unwrap();
                    let sorted: Vec<RecordBatch> =
                        execute_stream(plan.clone(), task).unwrap().try_collect().await.unwrap();
                    (sorted, spilled_bytes(plan.as_ref()))
                });
                let ids = sorted.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
                assert!(ids.eq(0..rows), "{sql}: {partitions} partitions in {mib} MiB");
                // the rows take about 4 MiB
                assert!(spilled > 0 || mib > 2, "{sql}: {partitions} partitions in {mib} MiB");
            }
        }
    }
}
