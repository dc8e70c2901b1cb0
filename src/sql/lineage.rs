//! Follows the rows of a side's files through the plan of a query.

use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use super::SNAPSHOT;
use crate::snapshot::Lineage;

pub(super) fn lineage(plan: &LogicalPlan) -> Lineage {
    match trace(plan) {
        Ok(Trace { reads_snapshot: false, .. }) => Lineage::Lost { by: "a query that does not read `snapshot`".into() },
        Ok(Trace { columns, unnested, .. }) => {
            let names = plan.schema().fields().iter().map(|field| field.name().clone());
            let columns: HashMap<String, String> =
                names.zip(columns).filter_map(|(name, stored)| Some((name, stored?))).collect();
            Lineage::Rows { columns, unnested }
        }
        Err(by) => Lineage::Lost { by },
    }
}

/// The lineage of the output of a plan.
struct Trace {
    /// Whether the rows come from the side's files.
    reads_snapshot: bool,
    /// The stored column that is passed through to each output column; `None` for computed columns.
    columns: Vec<Option<String>>,
    /// The stored list that was unnested.
    unnested: Option<String>,
}

fn trace(plan: &LogicalPlan) -> Result<Trace, String> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let reads_snapshot = scan.table_name.table() == SNAPSHOT;
            let fields = scan.projected_schema.fields().iter();
            let columns = fields.map(|field| reads_snapshot.then(|| field.name().clone())).collect();
            Ok(Trace { reads_snapshot, columns, unnested: None })
        }
        LogicalPlan::Projection(projection) => {
            let input = trace(&projection.input)?;
            let stored = |expression: &Expr| {
                let index = projection.input.schema().maybe_index_of_column(column_of(expression)?)?;
                input.columns.get(index).cloned().flatten()
            };
            let columns = projection.expr.iter().map(stored).collect();
            Ok(Trace { columns, ..input })
        }
        LogicalPlan::Filter(filter) => trace(&filter.input),
        LogicalPlan::Sort(sort) => trace(&sort.input),
        LogicalPlan::Limit(limit) => trace(&limit.input),
        LogicalPlan::Repartition(repartition) => trace(&repartition.input),
        LogicalPlan::SubqueryAlias(alias) => trace(&alias.input),
        LogicalPlan::Window(window) => {
            let mut input = trace(&window.input)?;
            input.columns.extend(window.window_expr.iter().map(|_| None));
            Ok(input)
        }
        LogicalPlan::Join(join) => {
            let (left, right) = (trace_joined(&join.left)?, trace_joined(&join.right)?);
            if left.reads_snapshot && right.reads_snapshot {
                return Err("a join of `snapshot` with itself".into());
            }
            let reads_snapshot = left.reads_snapshot || right.reads_snapshot;
            let unnested = left.unnested.or(right.unnested);
            let columns = match join.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti => left.columns,
                JoinType::RightSemi | JoinType::RightAnti => right.columns,
                JoinType::LeftMark => [left.columns, vec![None]].concat(),
                JoinType::RightMark => [right.columns, vec![None]].concat(),
                _ => [left.columns, right.columns].concat(),
            };
            Ok(Trace { reads_snapshot, columns, unnested })
        }
        LogicalPlan::Unnest(unnest) => {
            let input = trace(&unnest.input)?;
            let lists: Vec<usize> = unnest.list_type_columns.iter().map(|(index, _)| *index).collect();
            let unnested = match (lists.as_slice(), &input.unnested) {
                ([], _) => input.unnested.clone(),
                ([index], None) => match input.columns.get(*index).cloned().flatten() {
                    Some(stored) => Some(stored),
                    None if !input.reads_snapshot => None,
                    None => return Err("unnest of something that is not a stored column".into()),
                },
                _ => return Err("unnest of several lists".into()),
            };
            let is_unnested = |index: &usize| lists.contains(index) || unnest.struct_type_columns.contains(index);
            let output = unnest.dependency_indices.iter();
            let columns = output
                .map(|index| if is_unnested(index) { None } else { input.columns.get(*index).cloned().flatten() });
            Ok(Trace { columns: columns.collect(), unnested, reads_snapshot: input.reads_snapshot })
        }
        LogicalPlan::Aggregate(_) => Err("GROUP BY".into()),
        LogicalPlan::Distinct(Distinct::All(_) | Distinct::On(_)) => Err("DISTINCT".into()),
        LogicalPlan::Union(_) => Err("UNION".into()),
        other => Err(format!("{}", other.display()).split([':', ' ']).next().unwrap_or_default().to_uppercase()),
    }
}

/// The same for one input of a join. An input that does not read the side's own files may be any plan.
fn trace_joined(plan: &LogicalPlan) -> Result<Trace, String> {
    if super::private::reads_table(plan, SNAPSHOT) {
        return trace(plan);
    }
    let columns = vec![None; plan.schema().fields().len()];
    Ok(Trace { reads_snapshot: false, columns, unnested: None })
}

fn column_of(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(Alias { expr, .. }) => column_of(expr),
        _ => None,
    }
}
