//! How the memory limit is divided: what the process takes whatever it does, what each worker takes to read, and
//! the rest, which entries and sorts may fill, one after the other.
//!
//! When it gets tight, batches become smaller, then there are fewer workers, and then the comparison is refused
//! before it begins, with the limit that it would need.

use crate::error::{Error, Result};
use crate::job::Limits;

/// What the process takes before it reads anything, measured.
const BASE_BYTES: u64 = 64 << 20;
/// What a worker takes whatever it reads: decompression, the writer's buffers, what the allocator holds back.
const WORKER_BYTES: u64 = 12 << 20;
/// How many batches of each side a merge may hold: three before it, and those that gathered findings keep.
const BATCHES_HELD: u64 = 11;
/// How many batches of each side sorts hold besides those that they count: being read, gathered, written or read back.
const BATCHES_UNCOUNTED: u64 = 8;
/// Sorting and matching are not begun with less than this, nor with less than room for so many batches: a sort
/// that spilled merges its runs from a few batches of each. Small batches may be fewer.
const WORKING_BYTES_MIN: u64 = 32 << 20;
const WORKING_BATCHES: u64 = 256;
const WORKING_SMALL_BATCHES: u64 = 24;
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// The footers themselves.
    pub footer_bytes: u64,
    /// The pages that one worker has open, of both sides.
    pub page_bytes: u64,
    /// One row of each side.
    pub row_bytes: u64,
}

/// How the work is to be done within a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    /// How many workers there are.
    pub threads: usize,
    /// Rows per batch.
    pub batch_rows: usize,
    /// How many spilled runs a sort merges at a time.
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
    /// [`Error::MemoryTooSmall`] if even one worker with the smallest batches does not fit.
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
            let batches = if batch_rows > BATCH_ROWS_SMALL { WORKING_BATCHES } else { WORKING_SMALL_BATCHES };
            let working_min = WORKING_BYTES_MIN.max(batches * batch_bytes);
            if batch_rows >= BATCH_ROWS_SMALL.min(limits.batch_rows) || batch_bytes >= BATCH_BYTES_QUICK {
                needed = needed.min(held_bytes + working_min);
            }
            if let Some(working_bytes) = limits.working.or(limits.memory.checked_sub(held_bytes))
                && (working_bytes >= working_min || limits.working.is_some())
            {
                let runs_merged = working_bytes / RUN_BATCHES / batch_bytes.max(1);
                let runs_merged = runs_merged.clamp(RUNS_MERGED_MIN, RUNS_MERGED_MAX) as usize;
                return Ok(Division { threads, batch_rows, runs_merged, held_bytes, working_bytes });
            }
        }
        Err(Error::MemoryTooSmall { limit: limits.memory, needed })
    }

    fn held_bytes(&self, threads: usize, batch_bytes: u64) -> u64 {
        let worker = WORKER_BYTES + self.page_bytes + BATCHES_HELD * batch_bytes;
        BASE_BYTES + self.footer_bytes + BATCHES_UNCOUNTED * batch_bytes + threads as u64 * worker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(memory: u64, demand: Demand) -> Result<Division> {
        demand.divide(&Limits { threads: 4, memory, ..Limits::default() })
    }

    #[test]
    fn batches_shrink_before_workers_go_and_then_it_is_refused() {
        let demand = Demand { footer_bytes: 1 << 20, page_bytes: 40 << 20, row_bytes: 2_000 };
        let plenty = within(16 << 30, demand).unwrap();
        assert_eq!((plenty.threads, plenty.batch_rows), (4, 8192));
        assert_eq!(plenty.held_bytes + plenty.working_bytes, 16 << 30);
        let tight = within(512 << 20, demand).unwrap();
        assert_eq!((tight.threads, tight.batch_rows), (4, 1024));
        let tighter = within(300 << 20, demand).unwrap();
        assert_eq!((tighter.threads, tighter.batch_rows), (2, 1024));
        let Err(Error::MemoryTooSmall { needed, .. }) = within(100 << 20, demand) else { panic!("it cannot fit") };
        let named = within(needed, demand).unwrap();
        assert_eq!((named.threads, named.batch_rows), (1, 1024));
        assert_eq!(within(needed - 1, demand).unwrap().batch_rows, 512);
        // of wide rows, few make a batch
        let wide = Demand { row_bytes: 80_000, ..demand };
        let Err(Error::MemoryTooSmall { needed, .. }) = within(100 << 20, wide) else { panic!("it cannot fit") };
        assert_eq!(within(needed, wide).unwrap().batch_rows, 16);
    }
}
