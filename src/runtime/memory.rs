//! How the memory limit is divided: what the process takes whatever it does, what each worker takes to read, and
//! the rest, which entries and sorts may fill, one after the other.
//!
//! When it gets tight, batches become smaller, then there are fewer workers, and then the comparison is refused
//! before it begins, with the limit that it would need.
//!
//! Sorts that are open at the same time share the working memory evenly, and each of them is split into partitions only
//! as far as every partition has `SORT_PARTITION_BYTES`. What all partitions are granted, with the rows that wait for
//! them, is never more than the working memory, whatever the number of threads.

use crate::error::{MemoryError, Result};
use crate::runtime::options::Limits;
use crate::runtime::spilling::SORT_BATCHES;

/// What the process takes before it reads anything, measured.
const BASE_BYTES: u64 = 80 << 20;
/// What a worker takes whatever it reads: decompression, the writer's buffers, what the allocator holds back.
const WORKER_BYTES: u64 = 12 << 20;
/// How many batches of each side a merge may hold: three before it, and those that gathered findings keep.
const BATCHES_HELD: u64 = 11;
/// How many batches of each side sorts hold besides those that they count: being read, gathered, written or read back.
const BATCHES_UNCOUNTED: u64 = 8;
/// Sorting and matching are not begun with less than this, nor with less than room for so many batches: a sort
/// that spilled merges its runs from a few batches of each.
const WORKING_BYTES_MIN: u64 = 32 << 20;
const WORKING_BATCHES: u64 = 256;
/// Workers are given up before the working memory is less than this part of the limit.
const WORKING_PART: u64 = 5;
/// A sort is not begun with less than this.
const SORT_BYTES_MIN: u64 = 8 << 20;
/// What one partition of a sort should have to itself: views keep whole pages alive, so a sort holds more than it counts.
const SORT_PARTITION_BYTES: u64 = 256 << 20;
/// The same in batches, so that what merges the partitions has room for a few of each.
const SORT_PARTITION_BATCHES: u64 = 32;
/// Sorts do not put more together than this.
const IN_PLACE_BYTES_MAX: u64 = 1 << 20;
/// The part of the working memory that merges the partitions of sorts, where there are several.
const PARTITIONS_MERGED_PART: u64 = 16;
/// How many batches of each side are reckoned for each run that is merged: one being merged, and those that are read
/// ahead, by twice their size for what DataFusion does not count.
const RUN_BATCHES: u64 = 8;
const RUNS_MERGED_MIN: u64 = 4;
const RUNS_MERGED_MAX: u64 = 1024;
/// Batches are not made smaller than this as long as there are workers to do without, and never smaller than that.
const BATCH_ROWS_SMALL: usize = 1024;
const BATCH_ROWS_MIN: usize = 1;
/// A refusal names a limit that leaves room for batches of so many bytes, or not small ones: within the least limit of
/// all they would be single rows, which is slow.
const BATCH_BYTES_QUICK: u64 = 1 << 20;

/// What it takes to read a pair of snapshots, as their footers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The footers themselves.
    pub footer_bytes: u64,
    /// The pages that one worker has open, of both sides.
    pub page_bytes: u64,
    /// One row of each side.
    pub row_bytes: u64,
    /// How many rows the larger side has: no more of them can be in memory, however many batches are reckoned with.
    pub rows: u64,
    /// How many sorts are open at the same time.
    pub sorts: u64,
}

impl Default for Demand {
    /// Nothing to read; a sort of each side.
    fn default() -> Self {
        Demand { footer_bytes: 0, page_bytes: 0, row_bytes: 0, rows: u64::MAX, sorts: 2 }
    }
}

/// How the work is to be done within a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    /// How many workers there are.
    pub threads: usize,
    /// Rows per batch.
    pub batch_rows: usize,
    /// How many sorts are open at the same time.
    pub sorts: u64,
    /// Into how many partitions each of them is split, at most.
    pub sort_partitions: usize,
    /// What a batch of each side takes, together.
    pub batch_bytes: u64,
    /// How many spilled runs a partition of a sort merges at a time.
    pub runs_merged: usize,
    /// What everything but the working memory takes.
    pub held_bytes: u64,
    /// What entries and sorts may fill.
    pub working_bytes: u64,
}

impl Demand {
    /// Divides a limit.
    ///
    /// # Errors
    /// [`MemoryError::TooSmall`] if even one worker with the smallest batches does not fit.
    pub fn divide(&self, limits: &Limits) -> Result<Division> {
        let batches = |smallest: usize| {
            let halves = std::iter::successors(Some(limits.batch_rows), |rows| Some(rows / 2));
            halves.take_while(move |rows| *rows >= smallest.min(limits.batch_rows))
        };
        let all_workers = batches(BATCH_ROWS_SMALL).map(|rows| (limits.threads, rows));
        let fewer_workers = (1..limits.threads).rev().map(|threads| (threads, BATCH_ROWS_SMALL.min(limits.batch_rows)));
        let one_worker = batches(BATCH_ROWS_MIN).map(|rows| (1, rows));
        let mut needed = u64::MAX;
        for (threads, batch_rows) in all_workers.chain(fewer_workers).chain(one_worker) {
            let batch_bytes = batch_rows as u64 * self.row_bytes;
            let held_bytes = self.held_bytes(threads, batch_bytes);
            let batches = if batch_rows > BATCH_ROWS_SMALL { WORKING_BATCHES } else { self.sorts * SORT_BATCHES };
            // sorts may hold each row twice
            let sorted = (batches * batch_bytes).min(self.data_bytes().saturating_mul(2));
            let least = WORKING_BYTES_MIN.max(self.sorts * SORT_BYTES_MIN).max(sorted);
            if batch_rows >= BATCH_ROWS_SMALL.min(limits.batch_rows) || batch_bytes >= BATCH_BYTES_QUICK {
                needed = needed.min(held_bytes + least);
            }
            let wanted = if threads > 1 { least.max(limits.memory / WORKING_PART) } else { least };
            if let Some(working_bytes) = limits.working.or(limits.memory.checked_sub(held_bytes))
                && (working_bytes >= wanted || limits.working.is_some())
            {
                return Ok(self.division(threads, batch_rows, held_bytes, working_bytes));
            }
        }
        Err(MemoryError::TooSmall { limit: limits.memory, needed }.into())
    }

    fn division(&self, threads: usize, batch_rows: usize, held_bytes: u64, working_bytes: u64) -> Division {
        let Demand { sorts, row_bytes, .. } = *self;
        let batch_bytes = (batch_rows as u64 * row_bytes).max(1);
        let partition_bytes = SORT_PARTITION_BYTES.max(SORT_PARTITION_BATCHES * batch_bytes);
        let sort_partitions = (working_bytes / sorts / partition_bytes).clamp(1, threads as u64);
        let runs_merged = working_bytes / sort_partitions / RUN_BATCHES / batch_bytes;
        let runs_merged = runs_merged.clamp(RUNS_MERGED_MIN, RUNS_MERGED_MAX) as usize;
        let sort_partitions = sort_partitions as usize;
        Division { threads, batch_rows, sorts, sort_partitions, batch_bytes, runs_merged, held_bytes, working_bytes }
    }

    fn held_bytes(&self, threads: usize, batch_bytes: u64) -> u64 {
        let of_batches = |number: u64| (number * batch_bytes).min(self.data_bytes());
        let worker = WORKER_BYTES + self.page_bytes + of_batches(BATCHES_HELD);
        BASE_BYTES + self.footer_bytes + of_batches(BATCHES_UNCOUNTED) + threads as u64 * worker
    }

    /// All rows of both sides.
    fn data_bytes(&self) -> u64 {
        self.rows.saturating_mul(self.row_bytes)
    }
}

impl Division {
    /// Up to how many bytes, each row reckoned twice, sorts put rows together before they sort them. The views of a batch
    /// that is put together refer to all that it was made of, and so do those of every part that is cut off it; with more
    /// than two parts, a sort would take them for more than it has reckoned them at.
    pub fn in_place_bytes(&self) -> u64 {
        IN_PLACE_BYTES_MAX.min(self.batch_bytes * 2)
    }

    /// What each of so many partitions of sorts has to itself while they are open, and rows of `waiting_bytes` wait to
    /// be sorted.
    pub fn sort_bytes(&self, partitions: u64, waiting_bytes: u64) -> u64 {
        let merging = if partitions > self.sorts { self.working_bytes / PARTITIONS_MERGED_PART } else { 0 };
        self.working_bytes.saturating_sub(merging + waiting_bytes) / partitions.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn within(memory: u64, demand: Demand) -> Result<Division> {
        demand.divide(&Limits { threads: 4, memory, ..Limits::default() })
    }

    #[test]
    fn batches_shrink_before_workers_go_and_then_it_is_refused() {
        let demand = Demand { footer_bytes: 1 << 20, page_bytes: 40 << 20, row_bytes: 2_000, ..Demand::default() };
        let plenty = within(16 << 30, demand).unwrap();
        assert_eq!((plenty.threads, plenty.batch_rows), (4, 8192));
        assert_eq!(plenty.held_bytes + plenty.working_bytes, 16 << 30);
        let tight = within(512 << 20, demand).unwrap();
        assert_eq!((tight.threads, tight.batch_rows), (4, 1024));
        let tighter = within(320 << 20, demand).unwrap();
        assert_eq!((tighter.threads, tighter.batch_rows), (2, 1024));
        let Err(Error::Memory(MemoryError::TooSmall { needed, .. })) = within(100 << 20, demand) else {
            panic!("it cannot fit")
        };
        let named = within(needed, demand).unwrap();
        assert_eq!((named.threads, named.batch_rows), (1, 1024));
        assert_eq!(within(needed - 1, demand).unwrap().batch_rows, 512);
        // of wide rows, few make a batch
        let wide = Demand { row_bytes: 80_000, ..demand };
        let Err(Error::Memory(MemoryError::TooSmall { needed, .. })) = within(100 << 20, wide) else {
            panic!("it cannot fit")
        };
        assert_eq!(within(needed, wide).unwrap().batch_rows, 16);
    }

    #[test]
    fn what_sorts_are_granted_is_never_more_than_there_is() {
        const MIB: u64 = 1 << 20;
        let grid = [1, 2, 7, 16, 32, 128].into_iter().flat_map(|threads| {
            [256, 384, 512, 768, 1024, 2048, 4096, 6144, 8192, 12_288, 98_304].map(|memory| (threads, memory * MIB))
        });
        for (threads, memory) in grid {
            for (row_bytes, sorts) in [(48, 2), (80, 2), (2_000, 2), (200, 7)] {
                let demand = Demand { footer_bytes: MIB, page_bytes: 2 * MIB, row_bytes, sorts, ..Demand::default() };
                let division = demand.divide(&Limits { threads, memory, ..Limits::default() }).unwrap();
                let Division { held_bytes, working_bytes, sort_partitions, .. } = division;
                assert!(held_bytes + working_bytes <= memory);
                for partitions in sorts..=sorts * sort_partitions as u64 {
                    for waiting in [0, working_bytes / 4] {
                        let each = division.sort_bytes(partitions, waiting);
                        assert!(waiting + partitions * each <= working_bytes, "{threads} {memory} {partitions}");
                        // with one partition a side nothing is left for merging partitions, and none is needed
                        let merging = working_bytes - partitions * each - waiting;
                        let batch_bytes = division.batch_rows as u64 * row_bytes / 2;
                        assert!(partitions == sorts || merging >= 4 * partitions * batch_bytes);
                        // rows may wait only for the sorts of a comparison
                        assert!(sorts > 2 || each >= SORT_BATCHES * batch_bytes, "{threads} {memory} {partitions}");
                        assert!(each >= SORT_BYTES_MIN * 3 / 4);
                    }
                }
            }
        }
    }
}
