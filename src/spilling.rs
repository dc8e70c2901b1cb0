//! The memory of what DataFusion runs: each sort has its own to itself, and the rest of a plan shares a pool in which
//! what can spill leaves room for what cannot.
//!
//! With DataFusion's own pools, a sort can fail in the middle, however much memory there is. A sort has two consumers:
//! the sorter, which can spill, and the merge of its runs, which cannot, and which fails where the pool has nothing
//! left. `FairSpillPool` lets sorters fill the pool to the last byte: it holds a limit against each reservation, and a
//! sorter that spills splits its own into several; and it divides anew when a sort begins, while those before it keep
//! what they have. What a merge sets aside beforehand is given back in between, for other sorts to take.
//!
//! So each partition of each sort gets a pool of its own, and the sum of all of them is known before the first begins.
//! In it, a sorter and its merge come out by these numbers, of `bytes` for the partition and `aside`, a quarter of them:
//!
//! * While rows come in, the merge holds `aside`, and the sorter fills `bytes - 3/2 aside` (five eighths). It reckons
//!   every batch twice, so that is a sorted and an unsorted copy of what it holds.
//! * When it sorts what it holds, each batch becomes one sorted run, whose second copy is given back; the merge takes the
//!   batches over (one copy) and makes keys of them (less than another). That fits into what they were reckoned at.
//! * The output gathers as long as half of `aside` stays free, and is written out then.
//! * When the input has ended, the sorter holds nothing, and the merge of what was written out has all of `bytes`. It
//!   takes two runs at least, with two copies of a batch of each: four batches. [`SORT_BATCHES`] of them are granted.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    ReplaceChildrenOptions, replace_children_if_necessary,
};

/// How many batches one partition of a sort has room for, at least.
pub const SORT_BATCHES: u64 = 12;
/// The part of a pool that is kept from what can spill.
const ASIDE_PART: usize = 4;
/// The part of a plan's memory that is left to what is no sort, at least.
const REST_PART: u64 = 8;

/// A pool in which what can spill leaves room for what cannot, and has a fixed share.
#[derive(Debug)]
pub struct SpillingPool {
    bytes: usize,
    /// By how many consumers that can spill the room for them is divided.
    spillers: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What each consumer that can spill holds, by its id.
    spillers: HashMap<usize, usize>,
    spillable: usize,
    unspillable: usize,
}

impl SpillingPool {
    /// A pool of so many bytes for so many consumers that can spill.
    pub fn new(bytes: u64, spillers: usize) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        SpillingPool { bytes, spillers: spillers.max(1), state: Mutex::default() }
    }

    /// What is kept from what can spill.
    fn aside(&self) -> usize {
        self.bytes / ASIDE_PART
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much more a consumer that can spill may hold now.
    fn left_to(&self, consumer: &MemoryConsumer, state: &State) -> usize {
        let aside = self.aside().max(state.unspillable + self.aside() / 2);
        let room = self.bytes.saturating_sub(aside);
        match state.held_by(consumer) {
            // it has spilled everything already, and goes on only with this
            0 => room,
            held => (room / self.spillers).saturating_sub(held),
        }
    }
}

impl MemoryPool for SpillingPool {
    fn name(&self) -> &str {
        "spilling"
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.state().spillers.remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.state().add(reservation.consumer(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.state().remove(reservation.consumer(), shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let consumer = reservation.consumer();
        let free = self.bytes.saturating_sub(state.spillable + state.unspillable);
        let available = match consumer.can_spill() {
            true => self.left_to(consumer, &state).min(free),
            false => free,
        };
        if additional > available {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} wants {additional} bytes more, and {available} are left to it of {}",
                consumer.name(),
                self.bytes
            )));
        }
        state.add(consumer, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable + state.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

impl State {
    fn held_by(&self, consumer: &MemoryConsumer) -> usize {
        self.spillers.get(&consumer.id()).copied().unwrap_or(0)
    }

    fn add(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        match consumer.can_spill() {
            true => {
                *self.spillers.entry(consumer.id()).or_default() += bytes;
                self.spillable += bytes;
            }
            false => self.unspillable += bytes,
        }
    }

    fn remove(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        match consumer.can_spill() {
            true => {
                if let Some(held) = self.spillers.get_mut(&consumer.id()) {
                    *held -= bytes;
                }
                self.spillable -= bytes;
            }
            false => self.unspillable -= bytes,
        }
    }
}

impl fmt::Display for SpillingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(pool_size: {})", self.name(), self.bytes)
    }
}

/// How the memory of a plan is divided between its sorts and the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// What each partition of each sort has to itself.
    pub sort_bytes: u64,
    /// What the rest of the plan shares.
    pub rest_bytes: u64,
    /// How many consumers that can spill share it.
    spillers: usize,
}

impl Shares {
    /// Divides so many bytes among the parts of a plan.
    pub fn of(plan: &dyn ExecutionPlan, bytes: u64) -> Self {
        let mut holders = Holders::default();
        holders.count(plan);
        let Holders { sorts, spillers, others } = holders;
        // what cannot spill is given half of it: sorts can do with less
        let part = match (spillers + others) as u64 {
            0 => bytes / REST_PART,
            held => (bytes * held / (held + sorts as u64)).max(if others > 0 { bytes / 2 } else { 0 }),
        };
        let rest_bytes = if sorts == 0 { bytes } else { part.max(bytes / REST_PART) };
        Shares { sort_bytes: (bytes - rest_bytes) / sorts.max(1) as u64, rest_bytes, spillers }
    }

    /// Whether there are sorts that have less than this to themselves.
    pub fn are_below(&self, sort_bytes: u64) -> bool {
        self.sort_bytes > 0 && self.sort_bytes < sort_bytes
    }

    /// Gives each sort of a plan its own memory. Returns what the plan is to run with.
    pub fn grant(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: &TaskContext,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let rest = with_pool(task, SpillingPool::new(self.rest_bytes, self.spillers))?;
        Ok((self.furnish(plan, &rest)?, rest))
    }

    fn furnish(&self, plan: Arc<dyn ExecutionPlan>, rest: &Arc<TaskContext>) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children().into_iter().map(|child| self.furnish(child.clone(), rest));
        let children = children.collect::<Result<Vec<_>>>()?;
        let is_sort = spilling_sort(plan.as_ref()).is_some();
        let children = match is_sort {
            // what feeds a sort has no part of its memory
            true => children.into_iter().map(|child| RunsWith::shared(child, rest.clone())).collect(),
            false => children,
        };
        let plan = replace_children_if_necessary(plan, children)?;
        match is_sort {
            true => RunsWith::own_pools(plan, self.sort_bytes, rest),
            false => Ok(plan),
        }
    }
}

/// What holds memory in a plan, in partitions.
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
            // they hold a few batches, and spill them where there is no room
            self.spillers += partitions.div_ceil(8);
        }
        plan.children().into_iter().for_each(|child| self.count(child.as_ref()));
    }
}

/// A sort of all rows; one of the first few keeps only those.
fn spilling_sort(plan: &dyn ExecutionPlan) -> Option<&SortExec> {
    plan.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_none())
}

/// What a plan has written to working files, in bytes.
pub fn spilled_bytes(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    own as u64 + plan.children().iter().map(|child| spilled_bytes(child.as_ref())).sum::<u64>()
}

fn with_pool(task: &TaskContext, pool: SpillingPool) -> Result<Arc<TaskContext>> {
    let aside = pool.aside();
    let environment = task.runtime_env();
    let environment: RuntimeEnv =
        RuntimeEnvBuilder::from_runtime_env(&environment).with_memory_pool(Arc::new(pool)).build()?;
    let config = task.session_config().clone().with_sort_spill_reservation_bytes(aside);
    Ok(Arc::new(TaskContext::default().with_session_config(config).with_runtime(environment.into())))
}

/// A part of a plan that runs with other memory than what is above it.
#[derive(Debug)]
pub struct RunsWith {
    input: Arc<dyn ExecutionPlan>,
    /// By partition; the last one for all that follow.
    tasks: Vec<Arc<TaskContext>>,
}

impl RunsWith {
    /// A sort, each of whose partitions has so many bytes to itself.
    pub fn own_pools(sort: Arc<dyn ExecutionPlan>, bytes: u64, task: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = 0..sort.output_partitioning().partition_count();
        let tasks = partitions.map(|_| with_pool(task, SpillingPool::new(bytes, 1))).collect::<Result<_>>()?;
        Ok(Arc::new(RunsWith { input: sort, tasks }))
    }

    fn shared(input: Arc<dyn ExecutionPlan>, task: Arc<TaskContext>) -> Arc<dyn ExecutionPlan> {
        Arc::new(RunsWith { input, tasks: vec![task] })
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
        let tasks = self.tasks.clone();
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| DataFusionError::Internal("RunsWith has one input".into()))?;
        Ok(Arc::new(RunsWith { input, tasks }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let own = self.tasks.get(partition).or(self.tasks.last()).cloned();
        self.input.execute(partition, own.unwrap_or(context))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
    use arrow::datatypes::Int64Type;
    use datafusion::execution::memory_pool::MemoryPool;
    use datafusion::physical_plan::execute_stream;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use futures::TryStreamExt;

    use super::*;

    #[test]
    fn what_can_spill_leaves_room_for_what_cannot() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SpillingPool::new(800, 2));
        let spiller = || MemoryConsumer::new("spiller").with_can_spill(true).register(&pool);
        let (one, two, merge) = (spiller(), spiller(), MemoryConsumer::new("merge").register(&pool));
        // a quarter is set aside, and the rest is halved
        one.try_grow(300).unwrap();
        one.try_grow(1).unwrap_err();
        // however it is split, it is one consumer's
        let part = one.split(200);
        one.try_grow(1).unwrap_err();
        two.try_grow(300).unwrap();
        merge.try_grow(200).unwrap();
        merge.try_grow(1).unwrap_err();
        // what is given back is there for the merge, and half of what is set aside stays free
        drop(part);
        merge.try_grow(100).unwrap();
        assert_eq!(pool.reserved(), 700);
        one.try_grow(101).unwrap_err();
        one.try_grow(50).unwrap();
        drop((one, two, merge));
        assert_eq!(pool.reserved(), 0);
        // what has spilled everything goes on with a batch that is larger than its share
        let (one, _two) = (spiller(), spiller());
        one.try_grow(500).unwrap();
        one.try_grow(1).unwrap_err();
    }

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
        for (partitions, mib) in [(1, 2), (1, 64), (7, 8), (32, 32)] {
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
                    let shares = Shares::of(plan.as_ref(), mib << 20);
                    let (plan, task) = shares.grant(plan, &context.task_ctx()).unwrap();
                    let sorted: Vec<RecordBatch> =
                        execute_stream(plan.clone(), task).unwrap().try_collect().await.unwrap();
                    (sorted, spilled_bytes(plan.as_ref()))
                });
                let ids = sorted.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
                assert!(ids.eq(0..rows), "{sql}: {partitions} partitions in {mib} MiB");
                assert_eq!(spilled > 0, mib < 32, "{sql}: {partitions} partitions in {mib} MiB");
            }
        }
    }
}
