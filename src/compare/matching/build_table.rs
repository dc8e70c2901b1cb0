//! The build table: the hashed rows of the build side, which the probe side looks up.
//!
//! Several threads probe at once. The first probe row with the same key hash and row hash settles a build row. Anything
//! else with the same key hash makes it unresolved: a row with another row hash, a second probe row, or a second build
//! row. Unresolved rows go to the merge.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arrow::buffer::BooleanBuffer;

use super::partitions::{self, HashedRow, RowAddress, partition_of};
use super::tags::{Settled, Tags};

/// Returns the size of this many build rows in bytes, with entries of `width` numbers of 64 bits: the entry, the probe
/// state, about half a bucket start, and which tags differ, for each.
pub(super) fn bytes_of(rows: u64, width: usize) -> u64 {
    let differing = if width > partitions::WIDTH { size_of::<AtomicU32>() } else { 0 };
    let each = width * size_of::<u64>() + size_of::<AtomicU64>() + size_of::<u32>() / 2 + differing;
    rows.saturating_mul(each as u64)
}

/// The build rows of one partition, in buckets by the lowest bits of their key hashes.
pub(super) struct BuildTable<const WIDTH: usize> {
    entries: Vec<HashedRow<WIDTH>>,
    /// The start of each bucket, and the end of the last one.
    starts: Vec<u32>,
    /// The probe state of each build row: 0 if it was not probed, or the address of the row that settled it with
    /// [`RowAddress::SETTLED`], and [`RowAddress::OPEN`] if it is unresolved.
    states: Vec<AtomicU64>,
    /// The tags in which each build row differs from the row that settled it, a bit each. Empty without tags.
    differing: Vec<AtomicU32>,
}

impl<const WIDTH: usize> BuildTable<WIDTH> {
    /// Builds the table from the entries of one partition.
    pub(super) fn of(mut entries: Vec<HashedRow<WIDTH>>) -> Self {
        let buckets = (entries.len() / 2).next_power_of_two();
        let bucket = |entry: &HashedRow<WIDTH>| entry.key() as usize & (buckets - 1);
        entries.sort_unstable_by_key(|entry| (bucket(entry), entry.key()));
        let mut starts = Vec::with_capacity(buckets + 1);
        for (at, entry) in entries.iter().enumerate() {
            starts.resize(bucket(entry) + 1, at as u32);
        }
        starts.resize(buckets + 1, entries.len() as u32);
        let states: Vec<AtomicU64> = std::iter::repeat_with(AtomicU64::default).take(entries.len()).collect();
        for (at, pair) in entries.windows(2).enumerate().filter(|(_, pair)| pair[0].key() == pair[1].key()) {
            debug_assert_eq!(bucket(&pair[0]), bucket(&pair[1]));
            states[at..=at + 1].iter().for_each(mark_open);
        }
        let tagged = if WIDTH > partitions::WIDTH { entries.len() } else { 0 };
        let differing = std::iter::repeat_with(AtomicU32::default).take(tagged).collect();
        BuildTable { entries, starts, states, differing }
    }

    /// Probes with a row of the other side. Returns whether it is settled.
    pub(super) fn probe(&self, row: &HashedRow<WIDTH>) -> bool {
        let found = self.find(self.bucket(row.key()), row.key());
        found.is_some_and(|index| self.resolve(index, row))
    }

    /// Returns the bucket of a key hash.
    fn bucket(&self, key: u64) -> Range<usize> {
        let buckets = self.starts.len() - 1;
        let bucket = key as usize & (buckets - 1);
        self.starts[bucket] as usize..self.starts[bucket + 1] as usize
    }

    /// Returns the first row with a key hash in a bucket.
    fn find(&self, bucket: Range<usize>, key: u64) -> Option<usize> {
        let start = bucket.start;
        let entries = &self.entries[bucket];
        // buckets have about two rows, unless many rows share a key
        let at = match entries.len() {
            ..=8 => entries.iter().position(|entry| entry.key() == key)?,
            _ => entries.partition_point(|entry| entry.key() < key),
        };
        (entries.get(at)?.key() == key).then_some(start + at)
    }

    /// Settles a build row with the probe row, or marks it as unresolved.
    fn resolve(&self, at: usize, row: &HashedRow<WIDTH>) -> bool {
        let settle = || {
            let settled = row.address().0 | RowAddress::SETTLED;
            self.states[at].compare_exchange(0, settled, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        let entry = &self.entries[at];
        if entry.row() == row.row() && settle() {
            // only the thread that settled the row gets here
            if let Some(differing) = self.differing.get(at) {
                differing.store(differing_tags(entry.tags(), row.tags()), Ordering::Relaxed);
            }
            return true;
        }
        mark_open(&self.states[at]);
        false
    }

    /// Counts the settled pairs, and reports all unresolved rows: the build rows, and the probe rows that settled one
    /// before another row with the same key hash appeared.
    pub(super) fn finish(&self, tags: &Tags, mut open: impl FnMut(RowAddress)) -> Settled {
        let mut settled = Settled::none(tags);
        for (at, (entry, state)) in self.entries.iter().zip(&self.states).enumerate() {
            let state = RowAddress(state.load(Ordering::Relaxed));
            match (state.is(RowAddress::SETTLED), state.is(RowAddress::OPEN)) {
                (true, false) => {
                    // the tier comes from old, and new always has the tier exact
                    let differing = self.differing.get(at).map_or(0, |tags| tags.load(Ordering::Relaxed));
                    settled.add(tags, entry.address().tier().max(state.tier()), differing);
                }
                (true, true) => {
                    open(entry.address());
                    open(state);
                }
                (false, _) => open(entry.address()),
            }
        }
        settled
    }
}

/// Probes with many rows, each in its partition. Returns which of them are unresolved.
///
/// Each step is done for all rows before the next step, so that the processor can overlap the cache misses.
pub(super) fn probe_all<const WIDTH: usize>(tables: &[BuildTable<WIDTH>], rows: &[HashedRow<WIDTH>]) -> BooleanBuffer {
    let table = |row: &HashedRow<WIDTH>| &tables[partition_of(row.key(), tables.len())];
    let buckets: Vec<Range<usize>> = rows.iter().map(|row| table(row).bucket(row.key())).collect();
    let found = rows.iter().zip(buckets).map(|(row, bucket)| table(row).find(bucket, row.key()));
    let found: Vec<Option<usize>> = found.collect();
    BooleanBuffer::collect_bool(rows.len(), |at| {
        !found[at].is_some_and(|index| table(&rows[at]).resolve(index, &rows[at]))
    })
}

/// Returns which tags differ, a bit each.
fn differing_tags(one: &[u64], two: &[u64]) -> u32 {
    one.iter().zip(two).enumerate().fold(0, |bits, (at, (one, two))| bits | u32::from(one != two) << at)
}

fn mark_open(state: &AtomicU64) {
    state.fetch_or(RowAddress::OPEN, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
