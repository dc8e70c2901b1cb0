//! Divides the memory limit into a fixed amount for the process, the amount that each worker needs to read, and the
//! working memory, which entries and sorts use one after the other.
//!
//! If memory is scarce, batches become smaller; then there are fewer workers; then the comparison is refused before it
//! begins, with the limit that it would need.
//!
//! Sorts that are open at the same time share the working memory evenly. Each is split into partitions only as far as
//! every partition gets `SORT_PARTITION_BYTES`. The memory granted to all partitions, plus the rows that wait for them,
//! never exceeds the working memory, whatever the number of threads.

use crate::error::{MemoryError, Result};
use crate::runtime::options::Limits;
use crate::runtime::spilling::SORT_BATCHES;

/// Bytes that the process takes before it reads anything, measured.
const BASE_BYTES: u64 = 80 << 20;
/// Bytes that a worker takes whatever it reads: decompression, write buffers, memory that the allocator retains.
const WORKER_BYTES: u64 = 12 << 20;
/// Batches of each side that a merge may keep: three in the cursors, and those that pending findings refer to.
const BATCHES_HELD: u64 = 11;
/// Batches of each side that sorts keep without counting them: being read, collected, written or read back.
const BATCHES_UNCOUNTED: u64 = 8;
/// Sorts and joins do not start with less than this many bytes, nor with room for fewer than this many batches: a sort
/// that spilled merges its runs from a few batches of each.
const WORKING_BYTES_MIN: u64 = 32 << 20;
const WORKING_BATCHES: u64 = 256;
/// Fewer workers are used before the working memory falls below this fraction (1/5) of the limit.
const WORKING_PART: u64 = 5;
/// A sort does not start with less than this, in bytes.
const SORT_BYTES_MIN: u64 = 8 << 20;
/// Bytes that each partition of a sort should have. Views keep whole pages alive, so a sort holds more than it counts.
const SORT_PARTITION_BYTES: u64 = 256 << 20;
/// The same as a number of batches, so that the merge of the partitions has room for a few of each.
const SORT_PARTITION_BATCHES: u64 = 32;
/// Sorts do not concatenate more bytes than this.
const IN_PLACE_BYTES_MAX: u64 = 1 << 20;
/// The fraction (1/16) of the working memory for merging the partitions of sorts, if there are several.
const PARTITIONS_MERGED_PART: u64 = 16;
/// Batches of each side that are assumed per merged run: one being merged and those read ahead, doubled for the memory
/// that DataFusion does not count.
const RUN_BATCHES: u64 = 8;
const RUNS_MERGED_MIN: u64 = 4;
const RUNS_MERGED_MAX: u64 = 1024;
/// Batches do not get smaller than `BATCH_ROWS_SMALL` while there are workers to give up, and never smaller than
/// `BATCH_ROWS_MIN`.
const BATCH_ROWS_SMALL: usize = 1024;
const BATCH_ROWS_MIN: usize = 1;
/// When refusing, suggest a limit that allows batches of at least this many bytes, or of `BATCH_ROWS_SMALL` rows.
/// Within the smallest possible limit, a batch would be a single row, which is slow.
const BATCH_BYTES_QUICK: u64 = 1 << 20;

/// The memory needed to read a pair of snapshots, taken from their footers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Size of the footers, in bytes.
    pub footer_bytes: u64,
    /// Size of the pages that one worker has open, on both sides, in bytes.
    pub page_bytes: u64,
    /// Size of one row of each side together, in bytes.
    pub row_bytes: u64,
    /// Rows of the larger side, which limits how many can be in memory.
    pub rows: u64,
    /// The number of sorts that are open at the same time.
    pub sorts: u64,
}

impl Default for Demand {
    /// Nothing to read, and one sort per side.
    fn default() -> Self {
        Demand { footer_bytes: 0, page_bytes: 0, row_bytes: 0, rows: u64::MAX, sorts: 2 }
    }
}

/// How a memory limit is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    pub threads: usize,
    pub batch_rows: usize,
    /// The number of sorts that are open at the same time.
    pub sorts: u64,
    /// The maximum number of partitions per sort.
    pub sort_partitions: usize,
    /// Size of a batch of each side together, in bytes.
    pub batch_bytes: u64,
    /// How many spilled runs a partition of a sort merges at a time.
    pub runs_merged: usize,
    /// Everything except the working memory, in bytes.
    pub held_bytes: u64,
    /// The memory for entries and sorts, in bytes.
    pub working_bytes: u64,
}

impl Demand {
    /// Divides the limit.
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

    /// Size of all rows of both sides, in bytes.
    fn data_bytes(&self) -> u64 {
        self.rows.saturating_mul(self.row_bytes)
    }
}

impl Division {
    /// The number of bytes, counting each row twice, up to which a sort concatenates rows before it sorts them. The
    /// views of a concatenated batch refer to everything it was made of, and so do the views of every slice of it; with
    /// more than two slices, a sort would count more than it reserved.
    pub fn in_place_bytes(&self) -> u64 {
        IN_PLACE_BYTES_MAX.min(self.batch_bytes * 2)
    }

    /// Bytes for each of `partitions` sort partitions that are open at the same time, while rows of `waiting_bytes`
    /// wait to be sorted.
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
        // a batch of wide rows has few of them
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
                        // with one partition per side, nothing is reserved for merging partitions, and none is needed
                        let merging = working_bytes - partitions * each - waiting;
                        let batch_bytes = division.batch_rows as u64 * row_bytes / 2;
                        assert!(partitions == sorts || merging >= 4 * partitions * batch_bytes);
                        // only the sorts of a comparison have rows waiting
                        assert!(sorts > 2 || each >= SORT_BATCHES * batch_bytes, "{threads} {memory} {partitions}");
                        assert!(each >= SORT_BYTES_MIN * 3 / 4);
                    }
                }
            }
        }
    }
}
