//! Which columns of an answer show values of private columns.
//!
//! The plan is followed from its tables upwards. What is merely tested (`blob IS NULL`, `blob = ''`) or counted is not
//! shown; whatever else is made of a private value is. Where it is not clear what an operator makes of its input, all of
//! its output counts as shown.

use std::collections::BTreeSet;

use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Alias, Case};
use datafusion::logical_expr::{Distinct, Expr, Join, JoinType, LogicalPlan, Operator};

/// For each column of a plan's output, whether it shows private values. `is_private` says it of the columns of tables.
pub(super) fn shows(plan: &LogicalPlan, is_private: &dyn Fn(&str, &str) -> bool) -> Vec<bool> {
    // of what stands around the whole plan nothing is known
    shows_within(plan, &PrivacyScope { is_private, outer: &|_| true })
}

/// What is known around a plan.
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
            // grouping sets add a column of their own
            if shown.len() == plan.schema().fields().len() { shown } else { all_or_none(plan, shown) }
        }
        LogicalPlan::Window(window) => {
            let own = expressions(&mut window.window_expr.iter());
            [inputs().concat(), own].concat()
        }
        LogicalPlan::Unnest(unnest) => {
            let input = inputs().concat();
            unnest.dependency_indices.iter().map(|&at| input.get(at) != Some(&false)).collect()
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
                .map(|at| inputs.iter().any(|shown| shown.get(at) != Some(&false)))
                .collect()
        }
        LogicalPlan::Values(values) => {
            let rows: Vec<Vec<bool>> = values.values.iter().map(|row| expressions(&mut row.iter())).collect();
            (0..plan.schema().fields().len()).map(|at| rows.iter().any(|shown| shown.get(at) != Some(&false))).collect()
        }
        LogicalPlan::EmptyRelation(_) => vec![false; plan.schema().fields().len()],
        _ => all_or_none(plan, inputs().concat()),
    }
}

/// The right side of a join may look at the left one's columns, if it is a lateral query.
fn shows_joined(join: &Join, scope: &PrivacyScope) -> Vec<bool> {
    let left = shows_within(&join.left, scope);
    let outer = |column: &Column| match join.left.schema().maybe_index_of_column(column) {
        Some(at) => left.get(at) != Some(&false),
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
    // every part of a plan can be looked at
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
    // every part of a plan can be looked at
    let _ = plan.apply_with_subqueries(|part| {
        reads |= matches!(part, LogicalPlan::TableScan(scan) if scan.table_name.table() == name);
        Ok(TreeNodeRecursion::Continue)
    });
    reads
}

fn all_or_none(plan: &LogicalPlan, shown: Vec<bool>) -> Vec<bool> {
    vec![shown.contains(&true); plan.schema().fields().len()]
}

/// What an expression of a plan sees.
struct VisibleColumns<'a> {
    plan: &'a LogicalPlan,
    /// The columns of all inputs, one after the other.
    shown: Vec<bool>,
    scope: &'a PrivacyScope<'a>,
}

impl VisibleColumns<'_> {
    /// Whether an expression yields anything of a private value but whether something holds of it.
    fn shows(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Alias(Alias { expr, .. }) => self.shows(expr),
            Expr::Column(column) => self.column(column),
            // of a query around this one
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
            if let Some(at) = schema.maybe_index_of_column(column) {
                return self.shown.get(start + at) != Some(&false);
            }
            start += schema.fields().len();
        }
        // it may be of a query that is further out
        (self.scope.outer)(column)
    }
}

/// Whether an operator's result tells of its operands only whether something holds.
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
