//! Whole rows of candidates, in working files: for the backup, for canaries, and for restoring them.

use std::sync::Arc;

use super::SignOffContext;
use super::ids::IdEquality;
use crate::error::Result;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, column, numbered, write_rows};

const ROWS_OF_CANDIDATES_SQL: &str = include_str!("../../queries/signoff/rows_of_candidates.sql");
const ROWS_WITH_KEYS_SQL: &str = include_str!("../../queries/signoff/rows_with_keys.sql");

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
    let SignOffContext { engine, ids, keys, candidates, .. } = context;
    let side = snapshot.side;
    let names: Vec<String> = snapshot.schema.fields().iter().map(|field| field.name().clone()).collect();
    let values = names.iter().zip(numbered("v", names.len())).map(|(name, value)| column(name).alias(value));
    let columns = values.chain([
        keys.digest(side, IdEquality::Compared).alias("key"),
        candidates.may_have(ids.digest(side, IdEquality::Compared)).alias("may_be_candidate"),
    ]);
    let mut catalog = Catalog::spilling(engine);
    catalog.add_projection("own", &Arc::new(snapshot.clone()), columns.collect())?;
    let selected = match rows {
        SelectedRows::OfCandidates => catalog.question(ROWS_OF_CANDIDATES_SQL)?,
        SelectedRows::WithKeys(wanted) => {
            catalog.add("keys", wanted)?;
            catalog.question(ROWS_WITH_KEYS_SQL)?
        }
    };
    let path = engine.spill_dir().join(format!("{name}-{side}.parquet"));
    write_rows(engine, selected.renamed(names)?.sorted_by(&keys.names(side))?, &path)?;
    Snapshot::open(side, &path.display().to_string())
}
