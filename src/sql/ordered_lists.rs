//! Lists in an order, `array_agg(x ORDER BY y)`, out of sorted rows.
//!
//! DataFusion 55 keeps a list that it has to order as single values, and where partitions are merged it counts the memory of
//! whole batches for each of them (<https://github.com/apache/datafusion/issues/16517>): 200,000 rows ask for 22 GB. Rows
//! that are sorted before they are gathered need neither: the sort spills, and each list takes its values in the order in
//! which they come.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// Whether a query gathers values in an order. It is carried out in one partition then, so that nothing has to be merged.
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

/// Takes the order out of lists whose rows come in it. Runs last: the sort below is there because of that order.
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
