//! Which stored rows the rows of a query result come from.

use std::collections::HashMap;

/// How the rows of a query result relate to the rows in the files of its side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lineage {
    /// Each row of the result comes from one stored row.
    Rows {
        /// Which stored column each column of the result is, unchanged, by name.
        columns: HashMap<String, String>,
        /// The stored list that is unnested, with one result row per item. Without one, a stored row becomes at most
        /// one result row for each row that it is joined with.
        unnested: Option<String>,
    },
    /// The stored rows cannot be determined; the reason names the part of the query.
    Lost {
        /// The operation: `GROUP BY`, `DISTINCT`.
        by: String,
    },
}
