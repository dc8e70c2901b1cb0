//! Chooses a strategy, based on the footers and a sample of the keys.

use std::fmt;

use super::cursor::KeyRange;
use super::layout::{KeyLayout, Obstacle};
use super::ranges::cut;
use crate::columns::{ColumnPair, Pairing};
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::runtime::options::Strategy;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The strategy for a pair of snapshots, with its reason.
pub(super) enum Plan {
    /// Merge key ranges. Each is read from the row groups that overlap it, and may be cut again.
    Ordered {
        /// The ranges in ascending order, which together cover every key.
        ranges: Vec<KeyRange>,
        /// The row groups of each side in key order.
        layouts: Box<Sides<KeyLayout>>,
    },
    /// Hash everything.
    Hashed { reason: StrategyReason },
}

/// Why a pair of snapshots is hashed.
#[derive(Debug, Clone)]
pub(super) enum StrategyReason {
    /// The user requested it.
    AsAsked,
    Obstacle(Side, Obstacle),
}

impl fmt::Display for StrategyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StrategyReason::AsAsked => f.write_str("as requested"),
            StrategyReason::Obstacle(side, obstacle) => f.write_str(&obstacle.describe(&side.to_string())),
        }
    }
}

impl Plan {
    /// Chooses a strategy, or follows the user's choice.
    pub(super) fn choose(
        engine: &Engine,
        snapshots: &Sides<Snapshot>,
        pairing: &Pairing,
        forced: Option<Strategy>,
    ) -> Result<Plan> {
        if forced == Some(Strategy::Hashed) {
            return Ok(Plan::Hashed { reason: StrategyReason::AsAsked });
        }
        let found = Sides::try_from_fn(|side| KeyLayout::of(&snapshots[side], &pairing.columns[0]))?;
        let layouts = match (found, forced) {
            (Sides { old: Ok(old), new: Ok(new) }, _) => Sides { old, new },
            (found, Some(_)) => Sides::from_fn(|side| match &found[side] {
                Ok(layout) => layout.clone(),
                Err(_) => KeyLayout::as_listed(&snapshots[side]),
            }),
            (Sides { old: Err(obstacle), .. }, None) => return Ok(Plan::hashed(Side::Old, obstacle)),
            (Sides { new: Err(obstacle), .. }, None) => return Ok(Plan::hashed(Side::New, obstacle)),
        };
        if forced.is_none() {
            for side in Side::BOTH {
                if !layouts[side].looks_sorted(engine, &snapshots[side], pairing)? {
                    return Ok(Plan::hashed(side, Obstacle::OutOfOrder));
                }
            }
        }
        let ranges = cut(&layouts, engine.threads(), &KeyRange::default())?;
        Ok(Plan::Ordered { ranges, layouts: layouts.into() })
    }

    fn hashed(side: Side, obstacle: Obstacle) -> Self {
        Plan::Hashed { reason: StrategyReason::Obstacle(side, obstacle) }
    }
}

/// How the row groups of a snapshot are arranged by one column, according to the footers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ranges {
    /// At most one row group has rows, so there is nothing to order.
    OneRowGroup,
    /// The row groups can be ordered so that their ranges ascend without overlapping.
    Ascend,
    /// The only file declares that it ascends, but has no statistics.
    Declared,
    /// The ranges overlap.
    Overlap,
    /// There are no statistics, or the column has no order.
    Unknown,
}

impl Ranges {
    /// Inspects the statistics of one column; `None` is a column without an order.
    pub fn of(snapshot: &Snapshot, column: Option<&ColumnPair>) -> Result<Self> {
        let Some(column) = column else { return Ok(Ranges::Unknown) };
        Ok(match KeyLayout::of(snapshot, column)? {
            Ok(layout) if layout.parts.len() <= 1 => Ranges::OneRowGroup,
            Ok(KeyLayout { bounds: None, .. }) => Ranges::Declared,
            Ok(_) => Ranges::Ascend,
            Err(Obstacle::Overlap(_)) => Ranges::Overlap,
            Err(_) => Ranges::Unknown,
        })
    }
}

#[cfg(test)]
mod tests;
