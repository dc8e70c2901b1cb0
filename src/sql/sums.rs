//! Sums that are wide enough for their rows: the sum of integers is a decimal with 38 digits, and the sum of long
//! decimals one with 76, so that no sum wraps around.

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition, cast};
use datafusion::optimizer::AnalyzerRule;

/// Decimals with at most this many digits have room for the sum of ten billion values.
const ROOMY_DIGITS: u8 = 28;

/// Widens the arguments of sums.
#[derive(Debug)]
pub(super) struct WideSums;

impl AnalyzerRule for WideSums {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            if !matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
                return Ok(Transformed::no(plan));
            }
            let inputs = plan.inputs();
            let Some(schema) = inputs.first().map(|input| input.schema().as_ref().clone()) else {
                return Ok(Transformed::no(plan));
            };
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expression| {
                let name = names.save(&expression);
                expression
                    .transform_up(|part| widened(part, &schema))
                    .map(|widened| widened.update_data(|part| name.restore(part)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })
        .data()
    }

    fn name(&self) -> &str {
        "wide_sums"
    }
}

fn widened(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let wide = |args: &mut Vec<Expr>| -> Result<bool> {
        let [arg] = args.as_mut_slice() else { return Ok(false) };
        match wider(&arg.get_type(schema)?) {
            Some(wider) => {
                *arg = cast(arg.clone(), wider);
                Ok(true)
            }
            None => Ok(false),
        }
    };
    match expression {
        Expr::AggregateFunction(mut function) if function.func.name() == "sum" => {
            let widened = wide(&mut function.params.args)?;
            Ok(Transformed::new_transformed(Expr::AggregateFunction(function), widened))
        }
        Expr::WindowFunction(mut function) if matches!(&function.fun, WindowFunctionDefinition::AggregateUDF(sum) if sum.name() == "sum") =>
        {
            let widened = wide(&mut function.params.args)?;
            Ok(Transformed::new_transformed(Expr::WindowFunction(function), widened))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The type to sum in; `None` if the type itself has room.
fn wider(own: &DataType) -> Option<DataType> {
    match own {
        integer if integer.is_integer() => Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
        DataType::Decimal128(precision, scale) if *precision > ROOMY_DIGITS => {
            Some(DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale))
        }
        _ => None,
    }
}
