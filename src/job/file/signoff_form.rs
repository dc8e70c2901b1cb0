//! The form of `[signoff]` as serde reads it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::form::{CheckForm, Names};
use crate::job::rule::Scalar;
use crate::job::{AcceptedTier, Becomes};

/// What to delete, and the conditions for it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignOffForm {
    /// The side to delete from: `old` or `new`.
    pub delete_from: SideForm,
    /// What the delete job does to a row: `"row"` deletes it, and `{ column = "blob", becomes = "blank_same_width" }`
    /// clears one column.
    #[serde(default)]
    pub cleanup: CleanupForm,
    /// The columns of a candidate's ID. Defaults to the compare key. A candidate with another ID is approved if every
    /// row with that ID is.
    #[serde(default)]
    pub candidate_key: Names,
    /// The table that decides whether a candidate has been migrated. Required to delete from new.
    pub source_of_truth: Option<StatusForm>,
    /// A copy of this table, which must agree with it.
    pub local_status: Option<StatusForm>,
    /// The accepted tiers: `exact`, `by_reading`, `by_rule`, `tolerated`. Defaults to `exact`.
    #[serde(default = "exact")]
    pub accept_tiers: Vec<AcceptedTier>,
    /// The time since when, by your declaration, neither store has been written to. Then rows need no version column.
    pub writes_stopped: Option<Scalar>,
    /// The maximum age of the snapshots. Defaults to 24 hours.
    pub max_age: Option<String>,
    /// The number of consecutive pairs of snapshots, including this one, in which a row must be free of discrepancies.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub clean_runs: u32,
    /// How long the certificate is valid. Defaults to 24 hours.
    pub expires: Option<String>,
    /// A backup that must also contain the rows.
    pub backup: Option<BackupForm>,
    /// SQL assertions. The candidates that their results name are blocked.
    #[serde(default)]
    pub check: Vec<CheckForm>,
}

fn exact() -> Vec<AcceptedTier> {
    vec![AcceptedTier::Exact]
}

fn one() -> u32 {
    1
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SideForm {
    /// The store that is being left.
    Old,
    /// The store that takes over.
    New,
}

/// What a delete job does to a row.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum CleanupForm {
    /// `"row"`: delete it.
    Word(String),
    /// Clear one column of it.
    Column {
        /// The column to clear.
        column: String,
        /// What the column contains afterwards: `blank_same_width`, `empty_list`, or `null`.
        becomes: Becomes,
    },
}

impl Default for CleanupForm {
    fn default() -> Self {
        CleanupForm::Word("row".into())
    }
}

/// A table that holds the state of each candidate, one row per candidate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusForm {
    /// The name of the table in `[tables]`.
    pub table: String,
    /// The column with the candidates.
    pub key: String,
    /// The column with the states.
    pub column: String,
    /// The state that a candidate must have.
    pub must_be: Scalar,
}

/// A backup of the rows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupForm {
    /// A Parquet file, a directory, or a glob, relative to the job file.
    pub path: String,
    /// The maximum age of its oldest file, such as `24h`.
    pub max_age: String,
}
