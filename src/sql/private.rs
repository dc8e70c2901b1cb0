//! Finds the columns of a query's result that show private values.
//!
//! The plan is followed upward from its tables. Private values that are only tested (`blob IS NULL`, `blob = ''`) or
//! counted are not shown; everything else that is computed from a private value is. If the output of an operator is
//! unclear, all of it counts as shown.

use std::collections::BTreeSet;

use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Alias, Case};
use datafusion::logical_expr::{Distinct, Expr, Join, JoinType, LogicalPlan, Operator};

/// For each column of a plan's output, whether it shows private values. `is_private` decides for a table and a column.
pub(super) fn shows(plan: &LogicalPlan, is_private: &dyn Fn(&str, &str) -> bool) -> Vec<bool> {
    // nothing is known about a query around the whole plan
    shows_within(plan, &PrivacyScope { is_private, outer: &|_| true })
}

/// The context of a plan.
struct PrivacyScope<'a> {
    /// Whether a column of a table is private.
    is_private: &'a dyn Fn(&str, &str) -> bool,
    /// Whether a column of the query around this one shows private values.
    outer: &'a dyn Fn(&Column) -> bool,
}

fn shows_within(plan: &LogicalPlan, scope: &PrivacyScope) -> Vec<bool> {
    let inputs = || plan.inputs().into_iter().map(|input| shows_within(input, scope)).collect::<Vec<_>>();
    let expressions = |expressions: &mut dyn Iterator<Item = &Expr>| {
        let seen = VisibleColumns { plan, shown: inputs().concat(), scope };
        expressions.map(|expression| seen.shows(expression)).collect::<Vec<bool>>()
    };
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = scan.table_name.table();
            scan.projected_schema.fields().iter().map(|field| (scope.is_private)(table, field.name())).collect()
        }
        LogicalPlan::Projection(projection) => expressions(&mut projection.expr.iter()),
        LogicalPlan::Distinct(Distinct::On(distinct)) => expressions(&mut distinct.select_expr.iter()),
        LogicalPlan::Aggregate(aggregate) => {
            let shown = expressions(&mut aggregate.group_expr.iter().chain(&aggregate.aggr_expr));
            // grouping sets add a column
            if shown.len() == plan.schema().fields().len() { shown } else { all_or_none(plan, shown) }
        }
        LogicalPlan::Window(window) => {
            let own = expressions(&mut window.window_expr.iter());
            [inputs().concat(), own].concat()
        }
        LogicalPlan::Unnest(unnest) => {
            let input = inputs().concat();
            unnest.dependency_indices.iter().map(|&index| input.get(index) != Some(&false)).collect()
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => inputs().concat(),
        LogicalPlan::Join(join) => shows_joined(join, scope),
        LogicalPlan::Union(_) => {
            let inputs = inputs();
            (0..plan.schema().fields().len())
                .map(|column| inputs.iter().any(|shown| shown.get(column) != Some(&false)))
                .collect()
        }
        LogicalPlan::Values(values) => {
            let rows: Vec<Vec<bool>> = values.values.iter().map(|row| expressions(&mut row.iter())).collect();
            (0..plan.schema().fields().len())
                .map(|column| rows.iter().any(|shown| shown.get(column) != Some(&false)))
                .collect()
        }
        LogicalPlan::EmptyRelation(_) => vec![false; plan.schema().fields().len()],
        _ => all_or_none(plan, inputs().concat()),
    }
}

/// The right input of a join can refer to the columns of the left input if it is a lateral subquery.
fn shows_joined(join: &Join, scope: &PrivacyScope) -> Vec<bool> {
    let left = shows_within(&join.left, scope);
    let outer = |column: &Column| match join.left.schema().maybe_index_of_column(column) {
        Some(index) => left.get(index) != Some(&false),
        None => (scope.outer)(column),
    };
    let right = shows_within(&join.right, &PrivacyScope { outer: &outer, ..*scope });
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::LeftMark => [left, vec![false]].concat(),
        JoinType::RightMark => [right, vec![false]].concat(),
        _ => [left, right].concat(),
    }
}

/// The names of all columns that a plan reads from tables.
pub(super) fn tables_columns(plan: &LogicalPlan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // the closure never fails
    let _ = plan.apply_with_subqueries(|part| {
        if let LogicalPlan::TableScan(scan) = part {
            names.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    names
}

/// Whether a plan reads a table of this name.
pub(super) fn reads_table(plan: &LogicalPlan, name: &str) -> bool {
    let mut reads = false;
    // the closure never fails
    let _ = plan.apply_with_subqueries(|part| {
        reads |= matches!(part, LogicalPlan::TableScan(scan) if scan.table_name.table() == name);
        Ok(TreeNodeRecursion::Continue)
    });
    reads
}

fn all_or_none(plan: &LogicalPlan, shown: Vec<bool>) -> Vec<bool> {
    vec![shown.contains(&true); plan.schema().fields().len()]
}

/// The columns that an expression of a plan can refer to.
struct VisibleColumns<'a> {
    plan: &'a LogicalPlan,
    /// Whether each column shows private values, for the columns of all inputs in order.
    shown: Vec<bool>,
    scope: &'a PrivacyScope<'a>,
}

impl VisibleColumns<'_> {
    /// Whether an expression shows private values, other than by the result of a test.
    fn shows(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Alias(Alias { expr, .. }) => self.shows(expr),
            Expr::Column(column) => self.column(column),
            // a column of an outer query
            Expr::OuterReferenceColumn(_, column) => (self.scope.outer)(column),
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_) => false,
            Expr::BinaryExpr(binary) if is_test(binary.op) => false,
            Expr::AggregateFunction(function) if function.func.name() == "count" => false,
            Expr::Case(Case { expr: _, when_then_expr, else_expr }) => {
                let results = when_then_expr.iter().map(|(_, then)| then).chain(else_expr);
                results.into_iter().any(|result| self.shows(result))
            }
            Expr::ScalarSubquery(subquery) => {
                let outer = |column: &Column| self.column(column);
                shows_within(&subquery.subquery, &PrivacyScope { outer: &outer, ..*self.scope }).contains(&true)
            }
            other => {
                let mut shown = false;
                let looked = other.apply_children(|part| {
                    shown |= self.shows(part);
                    Ok(TreeNodeRecursion::Continue)
                });
                shown || looked.is_err()
            }
        }
    }

    fn column(&self, column: &Column) -> bool {
        let mut start = 0;
        for input in self.plan.inputs() {
            let schema = input.schema();
            if let Some(index) = schema.maybe_index_of_column(column) {
                return self.shown.get(start + index) != Some(&false);
            }
            start += schema.fields().len();
        }
        // it may be a column of an outer query
        (self.scope.outer)(column)
    }
}

/// Whether an operator is a test, whose result is only true, false, or NULL.
fn is_test(operator: Operator) -> bool {
    use Operator::{
        And, Eq, Gt, GtEq, ILikeMatch, IsDistinctFrom, IsNotDistinctFrom, LikeMatch, Lt, LtEq, NotEq, NotILikeMatch,
        NotLikeMatch, Or, RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch,
    };
    matches!(
        operator,
        And | Or
            | Eq
            | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | IsDistinctFrom
            | IsNotDistinctFrom
            | LikeMatch
            | ILikeMatch
            | NotLikeMatch
            | NotILikeMatch
            | RegexMatch
            | RegexIMatch
            | RegexNotMatch
            | RegexNotIMatch
    )
}
