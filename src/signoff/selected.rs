//! Whole rows of candidates, in working files: for the backup, for canaries, and for restoring them.

use std::sync::Arc;

use super::SignOffContext;
use super::ids::IdEquality;
use crate::error::Result;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, quoted, write_rows};

/// Which rows are selected.
pub(super) enum SelectedRows<'a> {
    /// Those of all candidates, and possibly a few others.
    OfCandidates,
    /// Those with these keys: a table with a column `key` of digests.
    WithKeys(&'a Arc<Snapshot>),
}

/// Selects rows of a side, or of a copy of the side that rows are deleted from, sorted by key.
pub(super) fn selected_rows(
    context: &SignOffContext,
    snapshot: &Snapshot,
    name: &str,
    rows: SelectedRows,
) -> Result<Snapshot> {
    let side = snapshot.side;
    let mut catalog = Catalog::spilling(context.engine);
    catalog.add("t", &Arc::new(snapshot.clone()))?;
    let columns: Vec<String> =
        snapshot.schema.fields().iter().map(|field| format!("t.{}", quoted(field.name()))).collect();
    let condition = match rows {
        SelectedRows::OfCandidates => {
            catalog.add_function(context.ids.function("compared_id", side, IdEquality::Compared));
            catalog.add_function(context.candidates.function("may_be_asked"));
            format!("WHERE may_be_asked(compared_id({}))", context.ids.sql(side, "t"))
        }
        SelectedRows::WithKeys(keys) => {
            catalog.add("keys", keys)?;
            catalog.add_function(context.keys.function("compared_key", side, IdEquality::Compared));
            format!("LEFT SEMI JOIN keys ON compared_key({}) = keys.\"key\"", context.keys.sql(side, "t"))
        }
    };
    let sql = format!("SELECT {} FROM t {condition} ORDER BY {}", columns.join(", "), context.keys.sql(side, "t"));
    let path = context.engine.spill_dir().join(format!("{name}-{side}.parquet"));
    write_rows(context.engine, catalog.question(&sql)?, &path)?;
    Snapshot::open(side, &path.display().to_string(), true)
}
