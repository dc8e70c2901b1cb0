//! Which stored rows the rows of a query's result come from.

use std::collections::HashMap;

/// What a query makes of the rows of its side's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lineage {
    /// Each row of the result comes from one stored row.
    Rows {
        /// The stored column that each column of the result is, without any change, by name.
        columns: HashMap<String, String>,
        /// The stored list of which each item becomes a row; without one, a stored row becomes at most one row for each
        /// row that it is joined with.
        unnested: Option<String>,
    },
    /// Which stored rows a row comes from cannot be said; the reason names the part of the query.
    Lost {
        /// What the query does: `GROUP BY`, `DISTINCT`.
        by: String,
    },
}
