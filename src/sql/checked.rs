//! Arithmetic that fails on overflow instead of wrapping around.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// Checks the arithmetic in projections, filters, and arguments of aggregates.
#[derive(Debug)]
pub(super) struct CheckedArithmetic;

impl PhysicalOptimizerRule for CheckedArithmetic {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let checked_node = |node: Arc<dyn ExecutionPlan>| -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
            if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
                let columns = projection.expr().iter().map(|column| {
                    Ok(ProjectionExpr { expr: checked(column.expr.clone())?, alias: column.alias.clone() })
                });
                let columns = columns.collect::<Result<Vec<_>>>()?;
                return Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(columns, projection.input().clone())?)));
            }
            if let Some(filter) = node.downcast_ref::<FilterExec>() {
                let condition = checked(filter.predicate().clone())?;
                return Ok(Transformed::yes(Arc::new(
                    FilterExecBuilder::from(filter).with_predicate(condition).build()?,
                )));
            }
            if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
                let functions = aggregate.aggr_expr().iter().map(|function| {
                    let parts = function.all_expressions();
                    let args = parts.args.into_iter().map(checked).collect::<Result<Vec<_>>>()?;
                    let checked = function.with_new_expressions(args, parts.order_by_exprs);
                    Ok(checked.map_or_else(|| function.clone(), Arc::new))
                });
                let functions = functions.collect::<Result<Vec<_>>>()?;
                return Ok(Transformed::yes(Arc::new(aggregate.with_new_aggr_exprs(functions))));
            }
            Ok(Transformed::no(node))
        };
        plan.transform_up(checked_node).data()
    }

    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Makes every sum, difference, and product in an expression fail on overflow.
pub(super) fn checked(expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let checked = |expression: Arc<dyn PhysicalExpr>| {
        Ok(match expression.downcast_ref::<BinaryExpr>() {
            Some(binary) if matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) => {
                Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)) as Arc<dyn PhysicalExpr>)
            }
            _ => Transformed::no(expression),
        })
    };
    expression.transform_up(checked).data()
}
