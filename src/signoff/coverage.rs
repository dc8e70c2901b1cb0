//! Checks that everything that would be deleted was compared: each stored column and each stored row. A query's result
//! is not what a delete removes from a side's files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::lit;

use super::SignOffContext;
use super::ids::{IdColumns, IdEquality};
use crate::columns::Pairing;
use crate::error::{Error, Result};
use crate::job::{Cleanup, Literal, SignOff};
use crate::report::Report;
use crate::sides::Side;
use crate::snapshot::{FieldPath, Lineage, Snapshot};
use crate::sql::{Catalog, column, write_rows};

const STORED_ROWS_SQL: &str = include_str!("../../queries/signoff/stored_rows.sql");

/// The stored columns that would be deleted, and that were neither compared nor ignored by name.
pub(super) fn uncovered(terms: &SignOff, report: &Report, pairing: &Pairing, snapshot: &Snapshot) -> Vec<String> {
    let own = terms.delete_from;
    let compared = pairing.columns.iter().flat_map(|pair| stored_columns(snapshot, pair.at[own]));
    let compared: BTreeSet<String> = compared.collect();
    let fields = fields_left_out(snapshot, pairing.columns.iter().map(|pair| pair.at[own]));
    let stored = snapshot.input().stored_fields().iter().map(|field| field.name());
    match &terms.cleanup {
        Cleanup::Row => {
            let alone = if own == Side::Old { &report.coverage().old_only } else { &report.coverage().new_only };
            let is_ignored = |name: &String| is_ignored(report, snapshot, name);
            let left_out = stored.filter(|name| !compared.contains(*name) && !is_ignored(name));
            let fields = fields.iter().filter(|path| compared.contains(&path.column) && !is_ignored(&path.column));
            let fields = fields.map(FieldPath::to_string).filter(|path| !is_ignored(path));
            let all: BTreeSet<String> = alone.iter().chain(left_out).cloned().chain(fields).collect();
            all.into_iter().collect()
        }
        Cleanup::Column { column, .. } => match compared.contains(&column.text) {
            true => fields.iter().filter(|path| path.column == column.text).map(FieldPath::to_string).collect(),
            false => vec![column.text.clone()],
        },
    }
}

/// The fields of stored structs that no compared column has the values of: `address['city']` is not all of `address`.
fn fields_left_out(snapshot: &Snapshot, compared: impl Iterator<Item = usize>) -> Vec<FieldPath> {
    let through_query = |path: FieldPath| match &snapshot.origin {
        None => vec![path],
        Some(origin) => {
            let stored = origin.field_reads.get(&path.column).cloned().unwrap_or_default().into_iter();
            stored.map(|stored| path.fields.iter().fold(stored, |stored, field| stored.within(field))).collect()
        }
    };
    let read: Vec<FieldPath> = compared.flat_map(|at| snapshot.field_reads(at)).flat_map(through_query).collect();
    let nested = snapshot.input().stored_fields().iter().filter(|field| field.data_type().is_nested());
    let leaves = nested.flat_map(|field| FieldPath::leaves(field));
    leaves.filter(|leaf| !read.iter().any(|path| path.contains(leaf))).collect()
}

/// The stored columns from which a column of a side's query is computed.
fn stored_columns(snapshot: &Snapshot, index: usize) -> Vec<String> {
    let shaped = snapshot.reads(index);
    match &snapshot.origin {
        None => shaped,
        Some(origin) => {
            let read = |name: &String| origin.made_of_snapshot.get(name).cloned().unwrap_or_default();
            shaped.iter().flat_map(read).collect()
        }
    }
}

/// Whether a stored column is ignored: by its own name, or by that of a query column that is computed from it.
fn is_ignored(report: &Report, snapshot: &Snapshot, stored: &str) -> bool {
    let ignored = &report.coverage().ignored;
    let is_named = |name: &str| ignored.iter().any(|ignored| ignored == name);
    match &snapshot.origin {
        None => is_named(stored) || ignored.iter().any(|ignored| ignored.starts_with(&format!("{stored} (of "))),
        Some(origin) => {
            let is_made_of = |of: &Vec<String>| of.iter().any(|name| name == stored);
            origin.made_of_snapshot.iter().any(|(name, of)| is_named(name) && is_made_of(of))
        }
    }
}

/// How the rows of a query come from stored rows.
pub(super) struct Traced {
    stored: Arc<Snapshot>,
    /// The stored columns that name a candidate.
    names: Vec<String>,
    /// The list that the query unnests.
    items: Option<String>,
    /// The fewest rows that a stored row becomes.
    least: i64,
}

/// Traces the rows of the side to stored rows; `None` if the side has no query.
///
/// # Errors
/// If the rows of the query cannot be traced. The message contains the line to write.
pub(super) fn trace(
    terms: &SignOff,
    snapshot: &Snapshot,
    pairing: &Pairing,
    ids: &IdColumns,
    key: &[String],
) -> Result<Option<Traced>> {
    let own = terms.delete_from;
    let Some(origin) = &snapshot.origin else { return Ok(None) };
    let (columns, unnested) = match &origin.lineage {
        Lineage::Rows { columns, unnested } => (columns, unnested),
        Lineage::Lost { by } => return Err(untraced(own, &format!("has {by}"), key)),
    };
    let names = (0..ids.len()).map(|at| {
        let name = ids.field(at, own).name();
        columns.get(name).cloned().ok_or_else(|| {
            untraced(own, &format!("computes `{name}` from something other than one stored column"), key)
        })
    });
    let names = names.collect::<Result<Vec<String>>>()?;
    // rows that a join multiplies then have the same key and are duplicates; they cannot make up for rows that the
    // query hides
    let sorted = |of: Option<&Vec<String>>| of.into_iter().flatten().cloned().collect::<BTreeSet<String>>();
    for name in pairing.keys().iter().map(|pair| snapshot.schema.field(pair.at[own]).name()) {
        let stored = sorted(origin.made_of_snapshot.get(name));
        if stored.is_empty() || stored != sorted(origin.made_of.get(name)) {
            return Err(untraced(own, &format!("takes key `{name}` from another table"), key));
        }
    }
    let (items, least) = match (unnested, &terms.cleanup) {
        (None, _) => (None, 1),
        (Some(list), Cleanup::Row) => (Some(list.clone()), 1),
        (Some(list), Cleanup::Column { column, .. }) if *list == column.text => (Some(list.clone()), 0),
        (Some(list), Cleanup::Column { .. }) => {
            return Err(untraced(own, &format!("unnests `{list}`, which is not the column to empty"), key));
        }
    };
    Ok(Some(Traced { stored: origin.snapshot.clone(), names, items, least }))
}

/// How many shaped rows the stored rows of each candidate should have become: a table of `stored` (the digest of the
/// ID) and `rows`.
pub(super) fn stored_rows(context: &SignOffContext, traced: &Traced) -> Result<Arc<Snapshot>> {
    let own = context.terms.delete_from;
    let Traced { stored, names, items, least } = traced;
    let digest = |form| context.ids.digest_of(names.iter().map(|name| column(name)).collect(), own, form);
    let no_list = || lit(ScalarValue::new_null_list(DataType::Int64, true, 1));
    let columns = vec![
        context.candidates.may_have(digest(IdEquality::Compared)).alias("may_be_candidate"),
        digest(IdEquality::Stored).alias("stored"),
        items.as_ref().map_or_else(no_list, |items| column(items)).alias("items"),
    ];
    let mut catalog = Catalog::spilling(context.engine);
    catalog.add_projection("stored_table", stored, columns)?;
    let values = BTreeMap::from([("least".to_string(), Literal::Integer(*least))]);
    let path = context.engine.spill_dir().join("stored-rows.parquet");
    write_rows(context.engine, catalog.plan(STORED_ROWS_SQL, &values, "[signoff]")?, &path)?;
    Ok(Arc::new(Snapshot::open_table("stored rows", &path.display().to_string())?))
}

fn untraced(own: Side, what: &str, key: &[String]) -> Error {
    Error::request(
        format!("[{own}] query"),
        format!(
            "it {what}, so it is unknown which stored rows belong to a candidate and would be deleted\n  \
         let each row of the result be one row of `snapshot`, with {} as stored: SELECT … FROM snapshot; or name \
         candidates by stored columns: candidate_key = [\"…\"]",
            key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    )
}
