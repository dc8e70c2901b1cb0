//! Known differences, accepted for a time.

use std::path::PathBuf;

use super::Setting;
use crate::class::Class;

/// A known difference that somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// What it is called; its discrepancies bear the name as their tag.
    pub name: Setting,
    /// The classes that it is for; all, if there are none.
    pub classes: Vec<Class>,
    /// The columns that may differ; all, if there are none. A mismatch in any other column is not waived.
    pub columns: Vec<Setting>,
    /// A condition in SQL over the discrepancy's columns.
    pub condition: Option<Setting>,
    /// An ID list: only these keys.
    pub ids: Option<(PathBuf, Setting)>,
    /// How many discrepancies it may cover.
    pub limit: u64,
    /// Who answers for it.
    pub owner: String,
    /// Why it is accepted.
    pub reason: String,
    /// Until when.
    pub expires: jiff::Timestamp,
}
