//! Ordered lists, `array_agg(x ORDER BY y)`, from sorted rows.
//!
//! DataFusion 55 stores a list that it must order as single values, and when it merges partitions, it counts the memory
//! of whole batches for each value (<https://github.com/apache/datafusion/issues/16517>): 200,000 rows request 22 GB.
//! If the rows are sorted before they are aggregated, neither happens: the sort can spill, and each list takes its
//! values in the order in which they arrive.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// Whether a query has an ordered aggregate. Then it runs in one partition, so that no partitions are merged.
pub(super) fn are_asked_for(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::AggregateFunction(function) = part {
                    found |= !function.params.order_by.is_empty();
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Removes the order from lists whose rows arrive in that order. Runs last, because the sort is planned because of it.
#[derive(Debug)]
pub(super) struct ListsOfSortedRows;

impl PhysicalOptimizerRule for ListsOfSortedRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let gather = |node: Arc<dyn ExecutionPlan>| -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
            let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(Transformed::no(node)) };
            let is_whole = matches!(aggregate.mode(), AggregateMode::Single | AggregateMode::SinglePartitioned);
            if !is_whole {
                return Ok(Transformed::no(node));
            }
            let functions = aggregate.aggr_expr().iter().map(|function| in_arrival_order(function, aggregate));
            let functions = functions.collect::<Result<Vec<_>>>()?;
            Ok(Transformed::yes(Arc::new(aggregate.with_new_aggr_exprs(functions))))
        };
        plan.transform_up(gather).data()
    }

    fn name(&self) -> &str {
        "lists_of_sorted_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn in_arrival_order(
    function: &Arc<AggregateFunctionExpr>,
    aggregate: &AggregateExec,
) -> Result<Arc<AggregateFunctionExpr>> {
    let is_list = function.fun().name() == "array_agg" && !function.is_distinct() && !function.is_reversed();
    let order = function.order_bys().to_vec();
    if !is_list || order.is_empty() || !aggregate.input().equivalence_properties().ordering_satisfy(order)? {
        return Ok(function.clone());
    }
    let gathered = AggregateExprBuilder::new(Arc::new(function.fun().clone()), function.expressions())
        .schema(aggregate.input_schema())
        .alias(function.name())
        .with_ignore_nulls(function.ignore_nulls())
        .build()?;
    Ok(Arc::new(gathered))
}
