//! The hashed rows of one side, at rest, for those of the other side to meet.
//!
//! Rows of the other side come from several threads at once. A held row waits; it is settled by the first row
//! with its key hash and its row hash, and opened by anything else that happens to its key hash: a row with
//! another row hash, a second row, or a second held row. Open rows are candidates for the merge.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::buffer::BooleanBuffer;

use super::partitions::{HashedRow, RowAddress, partition_of};
use crate::compare::discrepancy::Tiers;

/// What this many held rows take, in bytes: each an entry, what it met, and about half the start of a bucket.
pub(super) fn bytes_of(rows: u64) -> u64 {
    let each = size_of::<HashedRow>() + size_of::<AtomicU64>() + size_of::<u32>() / 2;
    rows.saturating_mul(each as u64)
}

/// The held rows of one partition, in buckets by the lowest bits of their key hash.
pub(super) struct BuildTable {
    entries: Vec<HashedRow>,
    /// Where each bucket begins, and where the last one ends.
    starts: Vec<u32>,
    /// For each held row, what it met: nothing (0), or the place of the row that settled it with
    /// [`RowAddress::SETTLED`], and [`RowAddress::OPEN`] once it takes a closer look.
    met: Vec<AtomicU64>,
}

impl BuildTable {
    /// Puts the rows of one side at rest.
    pub(super) fn of(mut entries: Vec<HashedRow>) -> Self {
        let buckets = (entries.len() / 2).next_power_of_two();
        let bucket = |entry: &HashedRow| entry.key as usize & (buckets - 1);
        entries.sort_unstable_by_key(|entry| (bucket(entry), entry.key));
        let mut starts = Vec::with_capacity(buckets + 1);
        for (at, entry) in entries.iter().enumerate() {
            starts.resize(bucket(entry) + 1, at as u32);
        }
        starts.resize(buckets + 1, entries.len() as u32);
        let met: Vec<AtomicU64> = std::iter::repeat_with(AtomicU64::default).take(entries.len()).collect();
        for (at, pair) in entries.windows(2).enumerate().filter(|(_, pair)| pair[0].key == pair[1].key) {
            debug_assert_eq!(bucket(&pair[0]), bucket(&pair[1]));
            met[at..=at + 1].iter().for_each(mark_open);
        }
        BuildTable { entries, starts, met }
    }

    /// Lets a row of the other side meet the one that it may equal; whether that settles it.
    pub(super) fn probe(&self, row: &HashedRow) -> bool {
        let found = self.find(self.bucket(row.key), row.key);
        found.is_some_and(|at| self.resolve(at, row))
    }

    /// The bucket of a key hash.
    fn bucket(&self, key: u64) -> Range<usize> {
        let buckets = self.starts.len() - 1;
        let bucket = key as usize & (buckets - 1);
        self.starts[bucket] as usize..self.starts[bucket + 1] as usize
    }

    /// The first row of a bucket with a key hash.
    fn find(&self, bucket: Range<usize>, key: u64) -> Option<usize> {
        let start = bucket.start;
        let entries = &self.entries[bucket];
        // buckets hold two rows or so, unless many rows share a key
        let at = match entries.len() {
            ..=8 => entries.iter().position(|entry| entry.key == key)?,
            _ => entries.partition_point(|entry| entry.key < key),
        };
        (entries.get(at)?.key == key).then_some(start + at)
    }

    /// Settles a held row by the row that it met, or opens it.
    fn resolve(&self, at: usize, row: &HashedRow) -> bool {
        let settle = || {
            let settled = row.place.0 | RowAddress::SETTLED;
            self.met[at].compare_exchange(0, settled, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        if self.entries[at].row == row.row && settle() {
            return true;
        }
        mark_open(&self.met[at]);
        false
    }

    /// Counts the settled pairs, and names all rows that are open: the held ones, and those of the other side
    /// that were settled before something else came along.
    pub(super) fn finish(&self, mut open: impl FnMut(RowAddress)) -> Tiers {
        let mut settled = Tiers::default();
        for (entry, met) in self.entries.iter().zip(&self.met) {
            let met = RowAddress(met.load(Ordering::Relaxed));
            match (met.is(RowAddress::SETTLED), met.is(RowAddress::OPEN)) {
                (true, false) => {
                    // old tells the tier, and new says exact
                    settled.add(entry.place.tier().max(met.tier()), 1);
                }
                (true, true) => {
                    open(entry.place);
                    open(met);
                }
                (false, _) => open(entry.place),
            }
        }
        settled
    }
}

/// Lets many rows meet those that they may equal, each in its partition; which of them stay open.
///
/// Every step is taken for all rows before the next one is, so that the processor can wait for many places of
/// memory at a time instead of one after the other.
pub(super) fn probe_all(held: &[BuildTable], rows: &[HashedRow]) -> BooleanBuffer {
    let held = |row: &HashedRow| &held[partition_of(row.key, held.len())];
    let buckets: Vec<Range<usize>> = rows.iter().map(|row| held(row).bucket(row.key)).collect();
    let found = rows.iter().zip(buckets).map(|(row, bucket)| held(row).find(bucket, row.key));
    let found: Vec<Option<usize>> = found.collect();
    BooleanBuffer::collect_bool(rows.len(), |at| {
        !found[at].is_some_and(|place| held(&rows[at]).resolve(place, &rows[at]))
    })
}

fn mark_open(met: &AtomicU64) {
    met.fetch_or(RowAddress::OPEN, Ordering::Relaxed);
}
