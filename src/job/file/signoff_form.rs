//! `[signoff]` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::form::{CheckForm, Names};
use crate::job::rule::Scalar;
use crate::job::{AcceptedTier, Becomes};

/// What a delete job wants to remove, and what has to hold so that it may.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignOffForm {
    /// The side whose rows are to go: `old` or `new`.
    pub delete_from: SideForm,
    /// What is done to them: `"row"`, or `{ column = "blob", becomes = "blank_same_width" }`.
    #[serde(default)]
    pub cleanup: CleanupForm,
    /// The columns that a candidate is named by; the compare key, if nothing is said. A candidate that is named by others
    /// is approved if every row of it is.
    #[serde(default)]
    pub candidate_key: Names,
    /// The further table that decides in which state a candidate is. Has to be given to delete from new.
    pub source_of_truth: Option<StatusForm>,
    /// A copy of it that has to agree.
    pub local_status: Option<StatusForm>,
    /// How rows may have come to be equal: `exact`, `by_reading`, `by_rule`, `tolerated`; exact, if nothing is said.
    #[serde(default = "exact")]
    pub accept_tiers: Vec<AcceptedTier>,
    /// From when on nothing was written to either store, as you declare: then rows need no version column.
    pub writes_stopped: Option<Scalar>,
    /// How long ago the snapshots may have been taken; 24 hours, if nothing is said.
    pub max_age: Option<String>,
    /// In how many pairs of snapshots, this one included, a row has to have been without discrepancy.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub clean_runs: u32,
    /// How long the certificate holds; 24 hours, if nothing is said.
    pub expires: Option<String>,
    /// Where the rows have to stand besides.
    pub backup: Option<BackupForm>,
    /// Questions whose answers block the candidates that they name.
    #[serde(default)]
    pub check: Vec<CheckForm>,
}

fn exact() -> Vec<AcceptedTier> {
    vec![AcceptedTier::Exact]
}

fn one() -> u32 {
    1
}

/// A side.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SideForm {
    /// The store that is being left.
    Old,
    /// The store that takes over.
    New,
}

/// What is done to a row.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum CleanupForm {
    /// `"row"`: it is deleted.
    Word(String),
    /// A column of it is emptied.
    Column {
        /// The column.
        column: String,
        /// What stands in it afterwards: `blank_same_width`, `empty_list` or `null`.
        becomes: Becomes,
    },
}

impl Default for CleanupForm {
    fn default() -> Self {
        CleanupForm::Word("row".into())
    }
}

/// A table that tells states, one row for each candidate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusForm {
    /// The further table.
    pub table: String,
    /// Its column with candidates.
    pub key: String,
    /// Its column with states.
    pub column: String,
    /// The state that a candidate has to be in.
    pub must_be: Scalar,
}

/// A copy of the rows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupForm {
    /// A Parquet file, a directory or a glob, relative to the job file.
    pub path: String,
    /// How long ago its oldest file may have been written, such as `24h`.
    pub max_age: String,
}
