//! What a delete job wants to remove, and what has to hold so that it may.

use jiff::{SignedDuration, Timestamp};

use super::{Check, Setting};
use crate::sides::Side;

/// No sign-off has more checks than this.
pub const CHECKS_MAX: usize = 64;

/// The terms of a sign-off.
#[derive(Debug, Clone)]
pub struct SignOff {
    /// The side whose rows are to go.
    pub delete_from: Side,
    /// What is done to them.
    pub cleanup: Cleanup,
    /// The columns that a candidate is named by; the compare key, if there are none.
    pub candidate_key: Vec<Setting>,
    /// The table that decides in which state a candidate is.
    pub source_of_truth: Option<Status>,
    /// A copy of it, which has to agree.
    pub local_status: Option<Status>,
    /// How rows may have come to be equal.
    pub accept_tiers: Vec<AcceptedTier>,
    /// From when on nothing was written, as a person declares.
    pub writes_stopped: Option<WritesStopped>,
    /// How long ago the snapshots may have been taken.
    pub max_age: SignedDuration,
    /// In how many pairs of snapshots, this one included, a row has to have been without discrepancy.
    pub clean_runs: u32,
    /// How long the certificate holds.
    pub expires: SignedDuration,
    /// Where the rows have to stand besides.
    pub backup: Option<Backup>,
    /// Questions whose answers block the candidates that they name.
    pub checks: Vec<Check>,
}

impl SignOff {
    /// Whether rows of a tier may go. A job that accepts rules which may lose something also accepts readings that do not.
    pub fn accepts(&self, tier: AcceptedTier) -> bool {
        let is_named = |tier| self.accept_tiers.contains(&tier);
        is_named(tier) || tier == AcceptedTier::ByReading && is_named(AcceptedTier::ByRule)
    }
}

/// A declaration that nothing is written any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritesStopped {
    /// Since when.
    pub instant: Timestamp,
    /// What the job says, and where.
    pub origin: Setting,
}

/// What is done to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleanup {
    /// It is deleted.
    Row,
    /// A column of it is emptied.
    Column {
        /// The column.
        column: Setting,
        /// What stands in it afterwards.
        becomes: Becomes,
    },
}

/// What stands in a column that was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Becomes {
    /// As many blanks as the value had characters.
    BlankSameWidth,
    /// A list without items.
    EmptyList,
    /// NULL.
    Null,
}

impl Becomes {
    /// The word of the job file.
    pub fn name(self) -> &'static str {
        match self {
            Becomes::BlankSameWidth => "blank_same_width",
            Becomes::EmptyList => "empty_list",
            Becomes::Null => "null",
        }
    }
}

/// A table that tells states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The further table.
    pub table: Setting,
    /// Its column with candidates.
    pub key: Setting,
    /// Its column with states.
    pub column: Setting,
    /// The state that a candidate has to be in.
    pub must_be: String,
}

/// A copy of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// A file, a directory or a glob.
    pub path: Setting,
    /// How long ago its oldest file may have been written.
    pub max_age: SignedDuration,
}

/// How rows came to be equal.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedTier {
    /// By value.
    Exact,
    /// Through a reading that loses nothing.
    ByReading,
    /// By another rule that the user chose. Accepting it accepts `by_reading` as well.
    ByRule,
    /// Within a tolerance that the user chose.
    Tolerated,
}
