//! Estimates the strategy and the cost of a comparison without running it.

use super::layout::Obstacle;
use super::partitions::WIDTH;
use super::plan::{Plan, StrategyReason};
use super::{build_table, hashed};
use crate::columns::Pairing;
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::runtime::memory::{Demand, Division};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Returns why a pair of snapshots cannot be merged; `None` if the merge join would be chosen.
///
/// Like the planner, this reads the first keys of a few row groups.
pub(crate) fn obstacle(engine: &Engine, snapshots: &Sides<Snapshot>, pairing: &Pairing) -> Result<Option<Obstacle>> {
    Ok(match Plan::choose(engine, snapshots, pairing, None)? {
        Plan::Hashed { reason: StrategyReason::Obstacle(_, obstacle) } => Some(obstacle),
        Plan::Hashed { reason: StrategyReason::AsAsked } | Plan::Ordered { .. } => None,
    })
}

/// The estimated memory of a comparison, by strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct MemoryEstimate {
    /// The assumed number of worker threads.
    pub threads: usize,
    /// The assumed memory limit, in bytes.
    pub limit_bytes: u64,
    /// The memory of a merge join in bytes, independent of the number of rows.
    pub ordered_bytes: u64,
    /// The memory of a hash join in bytes if few rows differ. If many differ, sorting them fills the limit.
    pub hashed_bytes: u64,
    /// The number of bytes that a hash join would spill to disk.
    pub hashed_spilled_bytes: u64,
}

impl MemoryEstimate {
    /// Estimates the memory for this many rows on each side, within `limit_bytes`.
    pub fn of(division: &Division, limit_bytes: u64, rows: Sides<u64>) -> Self {
        let Division { threads, held_bytes, working_bytes, .. } = *division;
        let smaller = rows.old.min(rows.new);
        let (at_rest, spilled) = match hashed::spilled_bytes(rows, WIDTH, working_bytes) {
            None => (build_table::bytes_of(smaller, WIDTH), 0),
            Some(spilled) => (working_bytes, spilled),
        };
        MemoryEstimate {
            threads,
            limit_bytes,
            ordered_bytes: held_bytes,
            hashed_bytes: held_bytes + at_rest,
            hashed_spilled_bytes: spilled,
        }
    }
}

/// Returns the memory that is needed to read these snapshots.
pub(crate) fn demand(snapshots: &Sides<Snapshot>, pairing: &Pairing) -> Demand {
    let of_sides = |what: fn(&Snapshot, &[usize]) -> u64| -> u64 {
        Side::BOTH.into_iter().map(|side| what(&snapshots[side], &pairing.projection(side))).sum()
    };
    Demand {
        footer_bytes: of_sides(|snapshot, _| snapshot.footer_bytes()),
        page_bytes: of_sides(Snapshot::page_bytes),
        row_bytes: of_sides(Snapshot::row_bytes),
        rows: snapshots.old.rows().max(snapshots.new.rows()),
        ..Demand::default()
    }
}

#[cfg(test)]
mod tests;
