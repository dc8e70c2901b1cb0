//! What to delete, and the conditions for it.

use jiff::{SignedDuration, Timestamp};

use super::{Check, Setting};
use crate::sides::Side;

/// The maximum number of checks of a sign-off.
pub const CHECKS_MAX: usize = 64;

/// The terms of a sign-off.
#[derive(Debug, Clone)]
pub struct SignOff {
    /// The side to delete from.
    pub delete_from: Side,
    /// What the delete job does to a row.
    pub cleanup: Cleanup,
    /// The columns of a candidate's ID; empty for the compare key.
    pub candidate_key: Vec<Setting>,
    /// The table that decides whether a candidate has been migrated.
    pub source_of_truth: Option<Status>,
    /// A copy of this table, which must agree with it.
    pub local_status: Option<Status>,
    /// The tiers that are accepted.
    pub accept_tiers: Vec<AcceptedTier>,
    /// The time since when, as a person declares, nothing has been written.
    pub writes_stopped: Option<WritesStopped>,
    /// The maximum age of the snapshots.
    pub max_age: SignedDuration,
    /// The number of consecutive pairs of snapshots, including this one, in which a row must be free of discrepancies.
    pub clean_runs: u32,
    /// How long the certificate is valid.
    pub expires: SignedDuration,
    /// A backup that must also contain the rows.
    pub backup: Option<Backup>,
    /// SQL assertions. The candidates that their results name are blocked.
    pub checks: Vec<Check>,
}

impl SignOff {
    /// Whether rows of a tier may be deleted. A job that accepts lossy rules also accepts readings, which lose nothing.
    pub fn accepts(&self, tier: AcceptedTier) -> bool {
        let is_named = |tier| self.accept_tiers.contains(&tier);
        is_named(tier) || tier == AcceptedTier::ByReading && is_named(AcceptedTier::ByRule)
    }
}

/// A declaration that nothing is written anymore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritesStopped {
    /// The time since when this is so.
    pub instant: Timestamp,
    /// The text in the job, and its position.
    pub origin: Setting,
}

/// What a delete job does to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleanup {
    /// The row is deleted.
    Row,
    /// One column of the row is cleared.
    Column {
        /// The column to clear.
        column: Setting,
        /// What the column contains afterwards.
        becomes: Becomes,
    },
}

/// The content of a column that was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Becomes {
    /// As many spaces as the value had characters.
    BlankSameWidth,
    /// An empty list.
    EmptyList,
    /// NULL.
    Null,
}

impl Becomes {
    /// The code in a job file.
    pub fn name(self) -> &'static str {
        match self {
            Becomes::BlankSameWidth => "blank_same_width",
            Becomes::EmptyList => "empty_list",
            Becomes::Null => "null",
        }
    }
}

/// A table that holds the state of each candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The name of the additional table.
    pub table: Setting,
    /// The column with the candidates.
    pub key: Setting,
    /// The column with the states.
    pub column: Setting,
    /// The state that a candidate must have.
    pub must_be: String,
}

/// A backup of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// A Parquet file, a directory, or a glob.
    pub path: Setting,
    /// The maximum age of its oldest file.
    pub max_age: SignedDuration,
}

/// How two rows are equal.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedTier {
    /// By value.
    Exact,
    /// By a reading that loses nothing.
    ByReading,
    /// By a lossy rule. Accepting it also accepts `by_reading`.
    ByRule,
    /// Within a tolerance.
    Tolerated,
}
