//! Values that may stand under another key.

use super::{Origin, Setting};

/// Whether and how values are looked for under other keys than their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The columns whose values are looked for, each by itself; if there are none, all of a row's values together.
    pub columns: Vec<Setting>,
    /// Where the job asks for it.
    pub place: Origin,
}
