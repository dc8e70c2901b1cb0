//! The hashed way: no usable order, so every row is reduced to a key hash and a row hash first.
//!
//! Two rows, one on each side, alone with their key hash and with equal row hashes, are equal: the row
//! hash covers key and values with 128 bits and a secret of this run. That is all that hashing settles.
//! Every other row is a candidate; candidates are read again, sorted by key, and merged, and what a
//! discrepancy is, the merge decides from the values.

use std::collections::HashMap;
use std::collections::hash_map;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

use rayon::prelude::*;

use super::candidates::{Candidates, Chunk};
use super::cursor::{Cursor, Halt, KeyRange};
use super::entries::{Entries, Entry};
use super::merge::merge;
use super::{Comparison, Part};
use crate::canonical::row_hash::{RowHasher, Scratch};
use crate::columns::ReadCounts;
use crate::discrepancy::{Ledger, Tier, Tiers};
use crate::error::Result;
use crate::meter::Stage;
use crate::sides::{Side, Sides};

/// Hashes all rows, settles most of them, and merges the rest.
pub fn run(comparison: &Comparison) -> Result<Vec<Part>> {
    let Comparison { engine, snapshots, .. } = comparison;
    let candidates = Candidates::none(snapshots);
    let total = snapshots.iter().map(|side| side.rows()).sum();
    let entries = Entries::new(engine, total);
    engine.progress.begin("hashing", total);
    let read = hash_rows(comparison, candidates.chunks(), &entries)?;
    engine.progress.begin("matching", total);
    let settled = match_entries(comparison, &entries, &candidates)?;
    drop(entries);
    Ok(vec![compare_candidates(comparison, &candidates, settled, read)?])
}

/// Hashes every row. Returns how many cells rules were needed to read.
fn hash_rows(comparison: &Comparison, chunks: &[Chunk], entries: &Entries) -> Result<ReadCounts> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let hasher = RowHasher::new(engine.limits().key_hash_bits)?;
    let projections = Sides::from_fn(|side| pairing.projection(side));
    let hash_chunk = |scratch: &mut Scratch, (number, chunk): (usize, &Chunk)| -> Result<ReadCounts> {
        let mut scan = snapshots[chunk.side].scan(engine, vec![chunk.read()], &projections[chunk.side])?;
        let mut writer = entries.writer();
        let mut read = ReadCounts::new(pairing);
        let mut row = 0;
        while let Some(batch) = scan.next_batch()? {
            let rows = engine.meter.during(Stage::Settle, || pairing.rows(chunk.side, batch))?;
            let by_rule = if chunk.side == Side::Old { rows.read_by_rule() } else { None };
            read.count(chunk.side, &rows);
            engine.meter.during(Stage::Hash, || -> Result<()> {
                for (at, hash) in hasher.hash(&rows.keys, &rows.exact_arrays(), scratch).into_iter().enumerate() {
                    let by_rule = by_rule.as_ref().is_some_and(|rows| rows.value(at));
                    writer.push(Entry::new(hash, number as u32, row, by_rule))?;
                    row += 1;
                }
                Ok(())
            })?;
        }
        writer.finish()?;
        Ok(read)
    };
    engine.workers().install(|| {
        let chunks = chunks.par_iter().enumerate().with_max_len(1);
        chunks.map_init(Scratch::default, hash_chunk).try_reduce(
            || ReadCounts::new(pairing),
            |mut sum, part| {
                sum.add(&part);
                Ok(sum)
            },
        )
    })
}

/// What is known of the rows with one key hash.
struct Slot {
    /// The first row of each side.
    first: Sides<Option<Entry>>,
    /// Whether a side has more than one row.
    repeats: bool,
}

/// Marks every row that the hashes leave open, and returns the pairs that they settle.
fn match_entries(comparison: &Comparison, entries: &Entries, candidates: &Candidates) -> Result<Tiers> {
    comparison.engine.workers().install(|| {
        (0..entries.partitions())
            .into_par_iter()
            .with_max_len(1)
            .map_init(SlotMap::default, |slots, partition| {
                comparison.engine.check_stop()?;
                let matching = || match_partition(comparison, entries, partition, candidates, slots);
                comparison.engine.meter.during(Stage::Match, matching)
            })
            .try_reduce(Tiers::default, |mut sum, part| {
                sum.add(Tier::Exact, part.exact);
                sum.add(Tier::ByRule, part.by_rule);
                Ok(sum)
            })
    })
}

fn match_partition(
    comparison: &Comparison,
    entries: &Entries,
    partition: usize,
    candidates: &Candidates,
    slots: &mut SlotMap,
) -> Result<Tiers> {
    slots.clear();
    let mut rows = 0;
    entries.drain(partition, |entry| {
        rows += 1;
        let side = candidates.side(entry);
        match slots.entry(entry.key) {
            hash_map::Entry::Vacant(slot) => {
                let mut first = Sides::default();
                first[side] = Some(*entry);
                slot.insert(Slot { first, repeats: false });
            }
            hash_map::Entry::Occupied(mut slot) => {
                let slot = slot.get_mut();
                match &mut slot.first[side] {
                    first @ None => *first = Some(*entry),
                    Some(_) => {
                        slot.repeats = true;
                        candidates.mark(entry);
                    }
                }
            }
        }
    })?;
    let mut settled = Tiers::default();
    for slot in slots.values() {
        match &slot.first {
            Sides { old: Some(old), new: Some(new) } if !slot.repeats && old.same_row(new) => {
                settled.add(if old.by_rule() { Tier::ByRule } else { Tier::Exact }, 1);
            }
            first => first.iter().flatten().for_each(|entry| candidates.mark(entry)),
        }
    }
    comparison.engine.progress.advance(rows);
    Ok(settled)
}

/// Merges the rows that hashing left open.
///
/// `read` are the cells of all rows that a rule was needed to read; without those of the candidates, they
/// are those of the pairs that are settled.
fn compare_candidates(
    comparison: &Comparison,
    candidates: &Candidates,
    settled: Tiers,
    mut read: ReadCounts,
) -> Result<Part> {
    let Comparison { engine, pairing, .. } = comparison;
    let mut ledger = Ledger::new(comparison.layout.clone(), comparison.keep, engine.spill_dir());
    ledger.matched(Tier::Exact, settled.exact);
    ledger.matched(Tier::ByRule, settled.by_rule);
    Side::BOTH.into_iter().for_each(|side| ledger.seen(side, settled.exact + settled.by_rule));
    let open = candidates.count();
    if open > 0 {
        engine.progress.begin("comparing", open);
        let read_again = Mutex::new(ReadCounts::new(pairing));
        let open = |side: Side| -> Result<Cursor, Halt> {
            let mut sorted = candidates.sorted(comparison, side)?;
            let read_again = &read_again;
            let source = move || {
                let batch = sorted.next_batch()?.map(|batch| pairing.rows(side, batch)).transpose()?;
                if let (Some(rows), Ok(mut read)) = (&batch, read_again.lock()) {
                    read.count(side, rows);
                }
                Ok(batch)
            };
            Cursor::open(pairing, side, Box::new(source), KeyRange::default())
        };
        // a side is sorted when its first batch is there, so both are opened at once
        let (old, new) = engine.workers().join(|| open(Side::Old), || open(Side::New));
        engine.meter.during(Stage::Compare, || merge(pairing, Sides { old: old?, new: new? }, &mut ledger))?;
        read.subtract(&read_again.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
    ledger.read(&read);
    Part::close(ledger)
}

type SlotMap = HashMap<u64, Slot, BuildHasherDefault<KeyHash>>;

/// The keys of a [`SlotMap`] are hashes already. One multiplication spreads those that a test has
/// narrowed to a few bits.
#[derive(Default)]
struct KeyHash(u64);

impl Hasher for KeyHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("key hashes are written as whole words")
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
