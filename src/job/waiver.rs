//! Known differences that are accepted until they expire.

use std::path::PathBuf;

use super::Setting;
use crate::class::Class;

/// A known difference, with a person responsible for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The name of the waiver. Its discrepancies are tagged with it.
    pub name: Setting,
    /// The classes that it covers; empty for all.
    pub classes: Vec<Class>,
    /// The columns that may differ; empty for all. A mismatch in another column is not waived.
    pub columns: Vec<Setting>,
    /// An SQL condition over the columns of the discrepancy table.
    pub condition: Option<Setting>,
    /// An ID list, and its setting. Only these keys are waived.
    pub ids: Option<(PathBuf, Setting)>,
    /// The maximum number of discrepancies that it may cover.
    pub limit: u64,
    /// The person responsible for it.
    pub owner: String,
    /// Why the difference is accepted.
    pub reason: String,
    /// When it expires.
    pub expires: jiff::Timestamp,
}
