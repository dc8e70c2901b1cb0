//! Which stored columns, and which fields of them, each column of a query's result is computed from.
//!
//! A sign-off asks whether every stored value was compared, so nothing is claimed in doubt: a nested column counts as
//! read only if it is passed on whole, or if its fields are taken by name. One item of a list, or its length, is not
//! the list.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Alias, Case, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan};

use super::SNAPSHOT;
use crate::snapshot::{FieldPath, keeps_nested};

/// The stored columns and fields that each column of the result reads, by its name.
pub(super) fn field_reads(plan: &LogicalPlan) -> HashMap<String, Vec<FieldPath>> {
    let names = plan.schema().fields().iter().map(|field| field.name().clone());
    names.zip(reads(plan)).collect()
}

/// The same, in the order of the plan's output. A plan whose rows cannot be traced to stored rows reads nothing.
fn reads(plan: &LogicalPlan) -> Vec<Vec<FieldPath>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let is_own = scan.table_name.table() == SNAPSHOT;
            let fields = scan.projected_schema.fields().iter();
            fields.map(|field| is_own.then(|| FieldPath::whole(field.name())).into_iter().collect()).collect()
        }
        LogicalPlan::Projection(projection) => {
            let input = Input { schema: projection.input.schema(), reads: reads(&projection.input) };
            projection.expr.iter().map(|expression| input.of(expression)).collect()
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::SubqueryAlias(_) => plan.inputs().into_iter().flat_map(reads).collect(),
        LogicalPlan::Window(window) => {
            let own = window.window_expr.iter().map(|_| vec![]);
            reads(&window.input).into_iter().chain(own).collect()
        }
        LogicalPlan::Join(join) => {
            let (left, right) = (reads(&join.left), reads(&join.right));
            match join.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti => left,
                JoinType::RightSemi | JoinType::RightAnti => right,
                JoinType::LeftMark => [left, vec![vec![]]].concat(),
                JoinType::RightMark => [right, vec![vec![]]].concat(),
                _ => [left, right].concat(),
            }
        }
        LogicalPlan::Unnest(unnest) => {
            let input = reads(&unnest.input);
            let mut seen: HashMap<usize, usize> = HashMap::new();
            let output = unnest.dependency_indices.iter().map(|index| {
                let paths = input.get(*index).cloned().unwrap_or_default();
                if !unnest.struct_type_columns.contains(index) {
                    return paths;
                }
                // a struct becomes one column for each of its fields, in their order
                let at = seen.entry(*index).or_default();
                *at += 1;
                match unnest.input.schema().field(*index).data_type() {
                    DataType::Struct(fields) => fields.get(*at - 1).map_or(vec![], |field| within(paths, field.name())),
                    _ => vec![],
                }
            });
            output.collect()
        }
        other => vec![vec![]; other.schema().fields().len()],
    }
}

fn within(paths: Vec<FieldPath>, field: &str) -> Vec<FieldPath> {
    paths.into_iter().map(|path| path.within(field)).collect()
}

/// The input of a projection.
struct Input<'a> {
    schema: &'a DFSchema,
    reads: Vec<Vec<FieldPath>>,
}

impl Input<'_> {
    fn of(&self, expression: &Expr) -> Vec<FieldPath> {
        match expression {
            Expr::Alias(Alias { expr, .. }) => self.of(expr),
            Expr::Column(column) => self.column(column),
            Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "get_field" => {
                let [of, names @ ..] = args.as_slice() else { return vec![] };
                let names: Option<Vec<&str>> = names.iter().map(literal_text).collect();
                names.map_or(vec![], |names| names.into_iter().fold(self.of(of), within))
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                let keeps = |arg: &&Expr| keeps_nested(func.name()) || !self.is_nested(arg);
                args.iter().filter(keeps).flat_map(|arg| self.of(arg)).collect()
            }
            Expr::Cast(cast) => self.of(&cast.expr),
            Expr::TryCast(cast) => self.of(&cast.expr),
            Expr::Case(Case { when_then_expr, else_expr, .. }) => {
                let results = when_then_expr.iter().map(|(_, then)| then).chain(else_expr);
                results.flat_map(|result| self.of(result)).collect()
            }
            other => {
                let mut paths = vec![];
                // the closure never fails
                let _ = other.apply_children(|part| {
                    paths.extend(if self.is_nested(part) { vec![] } else { self.of(part) });
                    Ok(TreeNodeRecursion::Continue)
                });
                paths
            }
        }
    }

    fn column(&self, column: &Column) -> Vec<FieldPath> {
        let index = self.schema.maybe_index_of_column(column);
        index.and_then(|index| self.reads.get(index)).cloned().unwrap_or_default()
    }

    fn is_nested(&self, expression: &Expr) -> bool {
        expression.get_type(self.schema).is_ok_and(|data_type| data_type.is_nested())
    }
}

fn literal_text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Some(text),
        _ => None,
    }
}
