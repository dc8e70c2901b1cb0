//! Checks that everything that would be deleted was compared: each stored column and each stored row. A query's result
//! is not what a delete removes from a side's files.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::SignOffContext;
use super::ids::{IdColumns, IdEquality};
use crate::columns::Pairing;
use crate::error::{Error, Result};
use crate::job::{Becomes, Cleanup, SignOff};
use crate::report::Report;
use crate::sides::Side;
use crate::snapshot::{Lineage, Snapshot};
use crate::sql::{Catalog, quoted, write_rows};

/// The stored columns that would be deleted, and that were neither compared nor ignored by name.
pub(super) fn uncovered(terms: &SignOff, report: &Report, pairing: &Pairing, snapshot: &Snapshot) -> Vec<String> {
    let own = terms.delete_from;
    let compared = pairing.columns.iter().flat_map(|pair| stored_columns(snapshot, pair.at[own]));
    let compared: BTreeSet<String> = compared.collect();
    let stored = snapshot.input().stored_fields().iter().map(|field| field.name());
    match &terms.cleanup {
        Cleanup::Row => {
            let alone = if own == Side::Old { &report.coverage.old_only } else { &report.coverage.new_only };
            let is_ignored = |name: &String| is_ignored(report, snapshot, name);
            let left_out = stored.filter(|name| !compared.contains(*name) && !is_ignored(name));
            alone.iter().chain(left_out).cloned().collect::<BTreeSet<_>>().into_iter().collect()
        }
        Cleanup::Column { column, .. } => match compared.contains(&column.text) {
            true => vec![],
            false => vec![column.text.clone()],
        },
    }
}

/// The stored columns from which a column of a side's query is computed.
fn stored_columns(snapshot: &Snapshot, at: usize) -> Vec<String> {
    let shaped = snapshot.reads(at);
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
    let ignored = &report.coverage.ignored;
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
    /// The stored columns that name a candidate, quoted for SQL.
    names: String,
    /// The number of query rows that a stored row should become, in SQL.
    expected: String,
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
        columns.get(name).map(|stored| quoted(stored)).ok_or_else(|| {
            untraced(own, &format!("computes `{name}` from something other than one stored column"), key)
        })
    });
    let names = names.collect::<Result<Vec<String>>>()?.join(", ");
    // then rows that a join multiplies have the same key and are duplicates; they cannot make up for rows that the
    // query hides
    let sorted = |of: Option<&Vec<String>>| of.into_iter().flatten().cloned().collect::<BTreeSet<String>>();
    for name in pairing.keys().iter().map(|pair| snapshot.schema.field(pair.at[own]).name()) {
        let stored = sorted(origin.made_of_snapshot.get(name));
        if stored.is_empty() || stored != sorted(origin.made_of.get(name)) {
            return Err(untraced(own, &format!("takes key `{name}` from another table"), key));
        }
    }
    let expected = match (unnested, &terms.cleanup) {
        (None, _) => "1".to_string(),
        (Some(list), Cleanup::Row) => format!("greatest(1, {})", items(list)),
        (Some(list), Cleanup::Column { column, .. }) if *list == column.text => items(list),
        (Some(list), Cleanup::Column { .. }) => {
            return Err(untraced(own, &format!("unnests `{list}`, which is not the column to empty"), key));
        }
    };
    Ok(Some(Traced { stored: origin.snapshot.clone(), names, expected }))
}

/// How many query rows the stored rows of each candidate should have become: a table of `id` (as stored) and `rows`.
pub(super) fn stored_rows(context: &SignOffContext, traced: &Traced) -> Result<Arc<Snapshot>> {
    let own = context.terms.delete_from;
    let Traced { stored, names, expected } = traced;
    let mut catalog = Catalog::spilling(context.engine);
    catalog.add("stored", stored)?;
    catalog.add_function(context.ids.function("stored_id", own, IdEquality::Stored));
    catalog.add_function(context.ids.function("compared_id", own, IdEquality::Compared));
    catalog.add_function(context.candidates.function("may_be_asked"));
    let sql = format!(
        "SELECT stored_id({names}) AS id, CAST(sum({expected}) AS BIGINT) AS rows FROM stored WHERE may_be_asked(compared_id({names})) \
         GROUP BY stored_id({names})"
    );
    let path = context.engine.spill_dir().join("stored-rows.parquet");
    write_rows(context.engine, catalog.question(&sql)?, &path)?;
    Ok(Arc::new(Snapshot::open_table("stored rows", &path.display().to_string(), true)?))
}

/// The number of rows that the items of a list become, in SQL.
fn items(list: &str) -> String {
    format!("coalesce(CAST(cardinality({}) AS BIGINT), 0)", quoted(list))
}

fn untraced(own: Side, what: &str, key: &[String]) -> Error {
    Error::Contradiction(format!(
        "[{own}] query: it {what}, so it is unknown which stored rows belong to a candidate and would be deleted\n  \
         let each row of the result be one row of `snapshot`, with {} as stored: SELECT … FROM snapshot; or name \
         candidates by stored columns: candidate_key = [\"…\"]",
        key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    ))
}

/// The condition in SQL that a column `value` is empty. `width` is the other side's value.
pub(super) fn is_empty(becomes: Becomes, value: &str, width: &str) -> String {
    match becomes {
        Becomes::Null => format!("{value} IS NULL"),
        Becomes::EmptyList => format!("({value} IS NULL OR cardinality({value}) = 0)"),
        Becomes::BlankSameWidth => {
            format!("btrim({value}) = '' AND character_length({value}) = character_length({width})")
        }
    }
}
