//! The hashed rows of one side, at rest, for those of the other side to meet.
//!
//! Rows of the other side come from several threads at once. A held row waits; it is settled by the first row
//! with its key hash and its row hash, and opened by anything else that happens to its key hash: a row with
//! another row hash, a second row, or a second held row. Open rows are candidates for the merge.

use std::sync::atomic::{AtomicU64, Ordering};

use super::entries::{Entry, Place};
use crate::discrepancy::{Tier, Tiers};

/// The held rows of one partition, in buckets by the lowest bits of their key hash.
#[derive(Default)]
pub struct Held {
    entries: Vec<Entry>,
    /// Where each bucket begins, and where the last one ends.
    starts: Vec<u32>,
    /// For each held row, what it met: nothing (0), or the place of the row that settled it with
    /// [`Place::SETTLED`], and [`Place::OPEN`] once it takes a closer look.
    met: Vec<AtomicU64>,
}

impl Held {
    /// Puts the rows of one side at rest.
    pub fn of(mut entries: Vec<Entry>) -> Self {
        let buckets = (entries.len() / 2).next_power_of_two();
        let bucket = |entry: &Entry| entry.key as usize & (buckets - 1);
        entries.sort_unstable_by_key(|entry| (bucket(entry), entry.key));
        let mut starts = Vec::with_capacity(buckets + 1);
        for (at, entry) in entries.iter().enumerate() {
            starts.resize(bucket(entry) + 1, at as u32);
        }
        starts.resize(buckets + 1, entries.len() as u32);
        let met: Vec<AtomicU64> = std::iter::repeat_with(AtomicU64::default).take(entries.len()).collect();
        for (at, pair) in entries.windows(2).enumerate().filter(|(_, pair)| pair[0].key == pair[1].key) {
            debug_assert_eq!(bucket(&pair[0]), bucket(&pair[1]));
            met[at..=at + 1].iter().for_each(open);
        }
        Held { entries, starts, met }
    }

    /// Lets a row of the other side meet the one that it may equal; whether that settles it.
    pub fn meet(&self, row: &Entry) -> bool {
        let Some(at) = self.find(row.key) else { return false };
        let settle = || {
            let settled = row.place.0 | Place::SETTLED;
            self.met[at].compare_exchange(0, settled, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        if self.entries[at].row == row.row && settle() {
            return true;
        }
        open(&self.met[at]);
        false
    }

    /// The first held row with a key hash.
    fn find(&self, key: u64) -> Option<usize> {
        let buckets = self.starts.len().checked_sub(1)?;
        let bucket = key as usize & (buckets - 1);
        let (start, end) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let entries = &self.entries[start..end];
        // buckets hold two rows or so, unless many rows share a key
        let at = match entries.len() {
            ..=8 => entries.iter().position(|entry| entry.key == key)?,
            _ => entries.partition_point(|entry| entry.key < key),
        };
        (entries.get(at)?.key == key).then_some(start + at)
    }

    /// Counts the settled pairs, and names all rows that are open: the held ones, and those of the other side
    /// that were settled before something else came along.
    pub fn close(&self, mut open: impl FnMut(Place)) -> Tiers {
        let mut settled = Tiers::default();
        for (entry, met) in self.entries.iter().zip(&self.met) {
            let met = Place(met.load(Ordering::Relaxed));
            match (met.is(Place::SETTLED), met.is(Place::OPEN)) {
                (true, false) => {
                    let by_rule = entry.place.is(Place::BY_RULE) || met.is(Place::BY_RULE);
                    settled.add(if by_rule { Tier::ByRule } else { Tier::Exact }, 1);
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

fn open(met: &AtomicU64) {
    met.fetch_or(Place::OPEN, Ordering::Relaxed);
}
