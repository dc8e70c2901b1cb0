//! Checked arithmetic of constants. DataFusion folds constants before a query runs, without a check for overflow, so
//! they are calculated here first, with the checks that [`super::checked`] adds for columns.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::error::DataFusionError;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, Volatility};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::create_physical_expr;

use super::checked::checked;
use super::resolved;

/// Refuses sums, differences, and products of constants that overflow.
#[derive(Debug)]
pub(super) struct CheckedConstants;

impl AnalyzerRule for CheckedConstants {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| node.apply_expressions(|expression| expression.apply(require_to_fit)))?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "checked_constants"
    }
}

fn require_to_fit(part: &Expr) -> Result<TreeNodeRecursion> {
    let Expr::BinaryExpr(binary) = part else { return Ok(TreeNodeRecursion::Continue) };
    let is_arithmetic = matches!(binary.op, Operator::Plus | Operator::Minus | Operator::Multiply);
    if !is_arithmetic || !is_constant(part)? {
        return Ok(TreeNodeRecursion::Continue);
    }
    match calculate(part) {
        Err(error) if is_overflow(&error) => Err(error),
        // the query itself reports all other errors
        _ => Ok(TreeNodeRecursion::Jump),
    }
}

fn calculate(constant: &Expr) -> Result<()> {
    let constant = resolved(constant.clone(), &SimplifyContext::builder().build())?;
    let planning = PhysicalPlanningContext::default();
    let calculation = create_physical_expr(&constant, &DFSchema::empty(), &ExecutionProps::new(), &planning)?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &one_row)?;
    checked(calculation)?.evaluate(&row).map(drop)
}

fn is_overflow(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::ArithmeticOverflow(_)))
}

/// Whether an expression consists only of literals, operators, casts, and immutable functions.
fn is_constant(expression: &Expr) -> Result<bool> {
    let mut is_constant = true;
    expression.apply(|part| {
        is_constant &= match part {
            Expr::Literal(..) | Expr::BinaryExpr(_) | Expr::Negative(_) | Expr::Cast(_) | Expr::TryCast(_) => true,
            Expr::ScalarFunction(function) => function.func.signature().volatility == Volatility::Immutable,
            _ => false,
        };
        Ok(if is_constant { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_constant)
}
