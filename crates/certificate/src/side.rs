//! Types that sign-offs and comparisons share: a side, and when its snapshot was taken.

use std::fmt;

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The store that is being left.
    Old,
    /// The store that takes over.
    New,
}

impl Side {
    /// Both sides, old first: the order of every report.
    pub const BOTH: [Side; 2] = [Side::Old, Side::New];

    /// The name of the side: `old` or `new`.
    pub fn name(self) -> &'static str {
        match self {
            Side::Old => "old",
            Side::New => "new",
        }
    }

    /// The other side.
    pub fn other(self) -> Side {
        match self {
            Side::Old => Side::New,
            Side::New => Side::Old,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The time in which a snapshot was taken, as RFC 3339 texts in UTC.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TakenAt {
    /// When the export began.
    pub from: String,
    /// When it ended.
    pub to: String,
}
