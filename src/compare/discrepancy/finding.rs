//! One discrepancy, as the merge hands it over.

use std::sync::Arc;

use super::Class;
use crate::columns::RowBatch;
use crate::sides::{Side, Sides};

#[derive(Debug, Clone)]
pub(crate) struct RowRef {
    pub batch: Arc<RowBatch>,
    /// Its row number in the batch.
    pub row: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Finding {
    /// A row that is only in old.
    Missing { old: RowRef },
    /// A row that is only in new.
    Extra { new: RowRef },
    /// Two rows with the same key and different values.
    Mismatch {
        rows: Sides<RowRef>,
        /// The columns that differ, as indexes in the pairing.
        changed: Vec<usize>,
        /// The labels of what the columns show, by which causes are found.
        labels: Vec<u64>,
    },
    /// A key that occurs more than once on a side.
    DuplicateKey {
        /// A row with the key.
        key: RowRef,
        /// The side of that row.
        side: Side,
        /// The number of rows with the key.
        rows: Sides<u64>,
    },
}

impl Finding {
    pub(crate) fn class(&self) -> Class {
        match self {
            Finding::Missing { .. } => Class::Missing,
            Finding::Extra { .. } => Class::Extra,
            Finding::Mismatch { .. } => Class::Mismatch,
            Finding::DuplicateKey { .. } => Class::DuplicateKey,
        }
    }

    /// Returns the row of one side, if the finding has one to show.
    pub(crate) fn row(&self, side: Side) -> Option<&RowRef> {
        match (self, side) {
            (Finding::Missing { old }, Side::Old) => Some(old),
            (Finding::Extra { new }, Side::New) => Some(new),
            (Finding::Mismatch { rows, .. }, side) => Some(&rows[side]),
            (Finding::Missing { .. } | Finding::Extra { .. } | Finding::DuplicateKey { .. }, _) => None,
        }
    }

    /// Returns a row with the key of the finding: old's, if there is one.
    pub(crate) fn key(&self) -> (Side, &RowRef) {
        match self {
            Finding::Missing { old } => (Side::Old, old),
            Finding::Extra { new } => (Side::New, new),
            Finding::Mismatch { rows, .. } => (Side::Old, &rows.old),
            Finding::DuplicateKey { key, side, .. } => (*side, key),
        }
    }

    /// The number of rows of each side that the finding covers.
    pub(crate) fn rows(&self) -> Sides<u64> {
        match self {
            Finding::Missing { .. } => Sides { old: 1, new: 0 },
            Finding::Extra { .. } => Sides { old: 0, new: 1 },
            Finding::Mismatch { .. } => Sides { old: 1, new: 1 },
            Finding::DuplicateKey { rows, .. } => *rows,
        }
    }
}
