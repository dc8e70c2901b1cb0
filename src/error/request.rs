//! What can be wrong with a setting.

use super::format::suggestion_note;
use crate::sides::{Side, Sides};

/// What is wrong with a setting. [`Error::Request`](super::Error::Request) adds the position of the setting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The setting contradicts another setting or the data.
    #[error("{0}")]
    Invalid(String),

    /// A column that does not exist.
    #[error("{searched} `{column}`{}", suggestion_note(.suggestion.as_deref()))]
    NoSuchColumn {
        /// Where it was searched, for example `the old snapshot has no column`.
        searched: String,
        /// The requested name.
        column: String,
        /// The most similar name that exists.
        suggestion: Option<String>,
    },

    /// A rule that does not apply to the types of its columns.
    #[error("`{rule}` {reason}\n  column `{column}` is {} in old and {} in new", types.old, types.new)]
    RuleDoesNotFit {
        /// The name of the pair.
        column: String,
        /// The rule, as a line of a job file.
        rule: String,
        /// Why it does not apply, to follow the rule in a sentence.
        reason: String,
        /// The type on each side.
        types: Sides<String>,
    },

    /// The key of a further table that does not identify its rows.
    #[error("`{columns}` is not a key of table `{table}`: {found}\n  fix the table, or remove the key from the job")]
    NotAKey {
        /// The columns, separated by commas.
        columns: String,
        /// The name of the table.
        table: String,
        /// The first few keys that are NULL or occur more than once. They quote the data.
        found: String,
    },

    /// A query that cannot be parsed or planned.
    #[error("the query cannot be planned: {reason}\n  available tables: {tables}; names are case-sensitive")]
    BadQuery {
        /// What is wrong with it.
        reason: String,
        /// The available tables.
        tables: String,
    },

    /// A query that failed during execution.
    #[error("the query failed: {0}")]
    QueryFailed(
        /// The message of the engine, which may quote the data.
        String,
    ),

    /// A query that returned no rows.
    #[error(
        "the query of the {0} snapshot returned no rows\n  \
         an empty side usually means a wrong condition or a failed export; if it is intended, set allow_empty = true"
    )]
    EmptyQuery(
        /// The side.
        Side,
    ),

    /// An expression that cannot be parsed or planned.
    #[error("the expression cannot be planned over the {side} snapshot: {reason}")]
    BadExpression {
        /// The side.
        side: Side,
        /// What is wrong with it.
        reason: String,
    },

    /// An expression over discrepancies that cannot be parsed or planned.
    #[error("the expression cannot be planned: {0}")]
    BadCondition(
        /// What is wrong with it.
        String,
    ),
}

impl From<String> for RequestError {
    fn from(problem: String) -> Self {
        RequestError::Invalid(problem)
    }
}

impl From<&str> for RequestError {
    fn from(problem: &str) -> Self {
        RequestError::Invalid(problem.into())
    }
}
