//! Runs SQL queries within the memory limit.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::source_as_provider;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use super::{SnapshotTable, ordered_lists};
use crate::runtime::engine::Engine;
use crate::runtime::memory::{Demand, Division};
use crate::runtime::spilling::SortShares;

/// The memory in bytes that one partition of a sort should have. With less, the number of partitions is reduced.
const SORT_BYTES: u64 = 32 << 20;

/// Runs a query. The memory for reading its tables is reserved before it begins, and there are only as many partitions
/// as its sorts have memory for.
///
/// # Errors
/// [`crate::error::MemoryError::TooSmall`], wrapped in an error of DataFusion, if not even one partition fits.
pub(super) fn carry_out(engine: &Engine, frame: DataFrame) -> Result<SendableRecordBatchStream> {
    let (mut state, plan) = frame.into_parts();
    let plan = state.optimize(&plan)?;
    let division = engine.divide(&demand(&plan)?).map_err(|error| DataFusionError::External(error.into()))?;
    engine.reader().block_on(async {
        let (plan, task) = physical(engine, &mut state, &plan, &division).await?;
        execute_stream(plan, task)
    })
}

/// The memory that is needed to read the tables of a query.
fn demand(plan: &LogicalPlan) -> Result<Demand> {
    let mut demand = Demand::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = source_as_provider(&scan.source)?.downcast_ref::<SnapshotTable>()
        {
            let snapshot = &table.snapshot;
            let all: Vec<usize> = (0..snapshot.schema.fields().len()).collect();
            let columns = scan.projection.as_ref().unwrap_or(&all);
            demand.footer_bytes += snapshot.footer_bytes();
            demand.page_bytes += snapshot.page_bytes(columns);
            demand.row_bytes += snapshot.row_bytes(columns);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(demand)
}

async fn physical(
    engine: &Engine,
    state: &mut SessionState,
    plan: &LogicalPlan,
    division: &Division,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
    // sort-merge joins need at least two partitions; with one, DataFusion plans a hash join in memory
    let least = if state.config().options().optimizer.prefer_hash_join { 1 } else { 2 };
    let most = if least == 1 && ordered_lists::are_asked_for(plan)? { 1 } else { division.threads };
    let mut partitions = most.max(least);
    loop {
        *state.config_mut() =
            state.config().clone().with_target_partitions(partitions).with_batch_size(division.batch_rows);
        let plan = state.query_planner().create_physical_plan(plan, state).await?;
        let shares = SortShares::of(plan.as_ref(), division.working_bytes);
        if partitions <= least || !shares.are_below(SORT_BYTES) {
            let task = engine.task_of(division)?;
            return shares.grant(plan, &task);
        }
        partitions = partitions.div_ceil(2).max(least);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch};
    use datafusion::physical_plan::displayable;

    use super::*;
    use crate::runtime::options::Limits;
    use crate::runtime::progress::Progress;
    use crate::sql::Catalog;

    /// A hash join in memory could not spill.
    #[test]
    fn joins_of_any_size_are_sorted_however_few_threads_there_are() {
        let dir = tempfile::tempdir().unwrap();
        for threads in [1, 2, 7] {
            let limits = Limits { threads, memory: 256 << 20, ..Limits::default() };
            let engine = Engine::start(limits, dir.path(), Arc::default(), Progress::quiet()).unwrap();
            let mut catalog = Catalog::spilling(&engine);
            for name in ["a", "b"] {
                let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2])) as _)]).unwrap();
                catalog.add_rows(name, rows).unwrap();
            }
            for join in ["LEFT JOIN", "JOIN", "LEFT ANTI JOIN", "LEFT SEMI JOIN"] {
                let query = catalog.question(&format!("SELECT a.id FROM a {join} b ON a.id = b.id")).unwrap();
                let (mut state, plan) = query.frame.into_parts();
                let plan = state.optimize(&plan).unwrap();
                let division = engine.divide(&Demand::default()).unwrap();
                let planned = physical(&engine, &mut state, &plan, &division);
                let (plan, _) = engine.reader().block_on(planned).unwrap();
                let shown = displayable(plan.as_ref()).indent(false).to_string();
                assert!(shown.contains("SortMergeJoin") && !shown.contains("HashJoin"), "{threads} {join}: {shown}");
            }
        }
    }
}
