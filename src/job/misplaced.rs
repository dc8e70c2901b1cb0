//! The settings of the search for misplaced values.

use super::{Origin, Setting};

/// Which values are searched for under other keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The columns whose values are searched for, each separately; empty for all values of a row together.
    pub columns: Vec<Setting>,
    /// The position of the setting in the job.
    pub origin: Origin,
}
