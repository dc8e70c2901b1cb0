//! The hashed strategy, a hash join for sides without a usable order: every row is reduced to a key hash and a row
//! hash.
//!
//! Two rows, one from each side, are equal if their row hashes are equal and no other row has their key hash. The row
//! hash covers the key and the values with 128 bits, and with a secret of this run. Rules that make values equal are
//! applied before hashing, and [`Tags`] tell which of them were needed. Hashing settles nothing else. All other rows
//! are candidates: they are sorted by key and merged, and the merge decides from their values what a discrepancy is.
//!
//! The side with fewer rows is the build side, with 32 bytes per row and 8 per tag. If it fits in memory, the probe side
//! streams past it. Probe rows that are not settled are kept with their values while there is memory, so usually only
//! the candidates of the build side are read again. If it does not fit, both sides are spilled in partitions, which are
//! joined one after the other, and the candidates of both sides are read again.

use std::sync::Mutex;

use arrow::array::RecordBatch;
use bytesize::ByteSize;
use rayon::prelude::*;

use super::build_table::{self, BuildTable, probe_all};
use super::cursor::{Cursor, KeyRange, MergeError};
use super::merge::merge;
use super::partitions::{self, HashedRow, Partitions, RowAddress, WIDTH, partitions_for};
use super::tags::{Settled, Tags};
use super::unresolved::{Chunk, SortedSide, Unresolved};
use super::{AnswerPart, Comparison};
use crate::columns::ParseCounts;
use crate::compare::discrepancy::Tier;
use crate::equality::canonical::row_hash::{RowHash, RowHasher};
use crate::error::Result;
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The share of the working memory for the build table. The last quarter is for rows that are kept with their values.
const TABLE_SHARE: (u64, u64) = (3, 4);
const KEPT_SHARE: (u64, u64) = (1, 4);
/// If entries are spilled: the divisor for the part of the working memory in which partitions are joined.
const JOINING_SHARE: u64 = 4;

/// Returns how many bytes of entries of `width` numbers of 64 bits are kept in memory before they are spilled: as many
/// as a build table has room for.
pub(super) fn room_for_entries(working: u64, width: usize) -> u64 {
    let (entry, in_table) = (partitions::bytes_of(1, width), build_table::bytes_of(1, width));
    let room = u128::from(working) * u128::from(TABLE_SHARE.0 * entry) / u128::from(TABLE_SHARE.1 * in_table);
    room as u64
}

/// Returns how many bytes of entries of `width` numbers of 64 bits will be spilled for this many rows; `None` if one
/// side fits in memory.
pub(super) fn spilled_bytes(rows: Sides<u64>, width: usize, working: u64) -> Option<u64> {
    let fits = partitions::bytes_of(rows.old.min(rows.new), width) <= room_for_entries(working, width);
    let spilled = partitions::bytes_of(rows.old + rows.new, width).saturating_sub(working - working / JOINING_SHARE);
    (!fits).then_some(spilled)
}

/// Hashes all rows, settles most of them, and merges the rest.
pub(super) fn run(comparison: &Comparison) -> Result<Vec<AnswerPart>> {
    let tags = Tags::of(comparison.pairing);
    match tags.count() {
        0 => run_with::<WIDTH>(comparison, &tags),
        1 => run_with::<{ WIDTH + 1 }>(comparison, &tags),
        2 => run_with::<{ WIDTH + 2 }>(comparison, &tags),
        3 => run_with::<{ WIDTH + 3 }>(comparison, &tags),
        4 => run_with::<{ WIDTH + 4 }>(comparison, &tags),
        5..=8 => run_with::<{ WIDTH + 8 }>(comparison, &tags),
        9..=16 => run_with::<{ WIDTH + 16 }>(comparison, &tags),
        _ => run_with::<{ WIDTH + 32 }>(comparison, &tags),
    }
}

/// The strategy with entries of `WIDTH` numbers of 64 bits.
fn run_with<const WIDTH: usize>(comparison: &Comparison, tags: &Tags) -> Result<Vec<AnswerPart>> {
    let Comparison { engine, snapshots, .. } = comparison;
    let total = snapshots.iter().map(|side| side.rows()).sum();
    engine.progress.begin("hashing", total);
    let hashing = Hashing::<WIDTH>::of(comparison, tags)?;
    let working = engine.working_memory();
    let build_side = if snapshots.new.rows() < snapshots.old.rows() { Side::New } else { Side::Old };
    let partitions = partitions_for(snapshots[build_side].rows(), WIDTH);
    let candidates = Unresolved::none(engine, snapshots, working / KEPT_SHARE.1 * KEPT_SHARE.0);

    if let Some(spilled) = spilled_bytes(snapshots.as_ref().map(Snapshot::rows), WIDTH, working) {
        engine.progress.note(&format!(
            "{total} rows do not fit in the remaining memory ({}): about {} will spill to `{}`",
            ByteSize(working),
            ByteSize(spilled),
            engine.spill_dir().display()
        ));
    }
    let entries = Partitions::new(engine, partitions, snapshots[build_side].rows(), room_for_entries(working, WIDTH));
    let mut read = hashing.store(&candidates, build_side, &entries)?;
    let settled = match entries.is_held() {
        true => {
            let tables = build(comparison, entries)?;
            read.add(&hashing.probe(&candidates, build_side.other(), &tables)?);
            engine.timings.stage(Stage::Match, || close(comparison, tags, tables, &candidates))
        }
        false => {
            let probe_side = build_side.other();
            let room = working.saturating_sub(entries.held_bytes() + working / JOINING_SHARE);
            let others = Partitions::new(engine, partitions, snapshots[probe_side].rows(), room);
            read.add(&hashing.store(&candidates, probe_side, &others)?);
            engine.progress.begin("matching", total);
            match_partitions(comparison, tags, &entries, &others, &candidates)?
        }
    };
    Ok(vec![compare_candidates(comparison, tags, &candidates, settled, read)?])
}

struct Hashing<'a, const WIDTH: usize> {
    comparison: &'a Comparison<'a>,
    tags: &'a Tags,
    hasher: RowHasher,
    projections: Sides<Vec<usize>>,
}

impl<'a, const WIDTH: usize> Hashing<'a, WIDTH> {
    fn of(comparison: &'a Comparison<'a>, tags: &'a Tags) -> Result<Self> {
        let hasher = RowHasher::new(comparison.engine.limits().key_hash_bits)?;
        let projections = Sides::from_fn(|side| comparison.pairing.projection(side));
        Ok(Hashing { comparison, tags, hasher, projections })
    }

    /// Stores the entries of a side. Returns how many cells had to be parsed with rules.
    fn store(&self, candidates: &Unresolved, side: Side, entries: &Partitions<WIDTH>) -> Result<ParseCounts> {
        self.each_chunk(candidates, side, |number, chunk, scratch| {
            let mut writer = entries.writer();
            let read = self.each_batch(number, chunk, scratch, |_, hashed| {
                hashed.iter().try_for_each(|entry| writer.push(*entry))
            })?;
            writer.finish()?;
            Ok(read)
        })
    }

    /// Probes with the rows of a side, and keeps the rows that are not settled.
    fn probe(&self, candidates: &Unresolved, side: Side, tables: &[BuildTable<WIDTH>]) -> Result<ParseCounts> {
        self.each_chunk(candidates, side, |number, chunk, scratch| {
            let mut keeper = candidates.keeper(side);
            let read = self.each_batch(number, chunk, scratch, |batch, hashed| {
                let open = probe_all(tables, hashed);
                match open.count_set_bits() {
                    0 => Ok(()),
                    _ => keeper.keep(batch, open, hashed.iter().map(HashedRow::address)),
                }
            })?;
            keeper.finish()?;
            Ok(read)
        })
    }

    fn each_chunk(
        &self,
        candidates: &Unresolved,
        side: Side,
        work: impl Fn(usize, &Chunk, &mut Scratch<WIDTH>) -> Result<ParseCounts> + Sync,
    ) -> Result<ParseCounts> {
        let Comparison { engine, pairing, .. } = self.comparison;
        let none = || ParseCounts::new(pairing);
        engine.workers().install(|| {
            let chunks = candidates.chunks().iter().enumerate().filter(|(_, chunk)| chunk.side == side);
            let chunks: Vec<(usize, &Chunk)> = chunks.collect();
            let counts = chunks.into_par_iter().with_max_len(1);
            let counts = counts.map_init(Scratch::default, |scratch, (number, chunk)| work(number, chunk, scratch));
            counts.try_reduce(none, |mut sum, part| {
                sum.add(&part);
                Ok(sum)
            })
        })
    }

    /// Reads and hashes a chunk, batch by batch.
    fn each_batch(
        &self,
        number: usize,
        chunk: &Chunk,
        scratch: &mut Scratch<WIDTH>,
        mut work: impl FnMut(&RecordBatch, &[HashedRow<WIDTH>]) -> Result<()>,
    ) -> Result<ParseCounts> {
        let Comparison { engine, snapshots, pairing, .. } = self.comparison;
        let mut scan = snapshots[chunk.side].scan(engine, vec![chunk.read()], &self.projections[chunk.side])?;
        let mut read = ParseCounts::new(pairing);
        let mut start = 0;
        while let Some(batch) = scan.next_batch()? {
            let (rows, values, tagged) = engine.timings.stage(Stage::Canonicalize, || -> Result<_> {
                let rows = pairing.rows(chunk.side, batch)?;
                let (values, tagged) = self.tags.forms(pairing, &rows, chunk.side)?;
                Ok((rows, values, tagged))
            })?;
            // the merge decides requested rows, so they get a row hash that no row has
            let requested = self.comparison.requested.map(|request| request.includes(pairing, &rows.raw, chunk.side));
            let requested = requested.transpose()?.flatten();
            read.count(&rows);
            engine.timings.stage(Stage::Hash, || {
                let Scratch { hashes, tags, entries } = &mut *scratch;
                self.hasher.hash(&rows.keys, &values, hashes);
                entries.clear();
                entries.extend(hashes.iter().enumerate().map(|(at, hash)| {
                    let tier = Tier::as_read(rows.read_rows.as_ref(), at);
                    let is_requested = requested.as_ref().is_some_and(|rows| rows.value(at));
                    let row = if is_requested { hash.row.map(|word| !word) } else { hash.row };
                    HashedRow::new(row, hash.key, RowAddress::new(number, start + at, tier))
                }));
                for (number, cells) in tagged.iter().enumerate() {
                    self.hasher.tag(number, cells, tags);
                    entries.iter_mut().zip(&*tags).for_each(|(entry, tag)| entry.tags_mut()[number] = *tag);
                }
                work(&rows.raw, entries)
            })?;
            start += rows.raw.num_rows();
        }
        Ok(read)
    }
}

/// Buffers that a worker reuses for all its batches.
#[derive(Default)]
struct Scratch<const WIDTH: usize> {
    hashes: Vec<RowHash>,
    tags: Vec<u64>,
    entries: Vec<HashedRow<WIDTH>>,
}

/// Builds the tables of a side, one per partition.
fn build<const WIDTH: usize>(comparison: &Comparison, entries: Partitions<WIDTH>) -> Result<Vec<BuildTable<WIDTH>>> {
    let Comparison { engine, .. } = comparison;
    engine.workers().install(|| {
        let partitions = (0..entries.partitions()).into_par_iter().with_max_len(1);
        let rest = |partition| -> Result<BuildTable<WIDTH>> {
            engine.check_stop()?;
            engine.timings.stage(Stage::Match, || Ok(BuildTable::of(entries.take(partition)?)))
        };
        partitions.map(rest).collect()
    })
}

/// Marks the unresolved build rows, and counts the settled pairs.
fn close<const WIDTH: usize>(
    comparison: &Comparison,
    tags: &Tags,
    tables: Vec<BuildTable<WIDTH>>,
    candidates: &Unresolved,
) -> Settled {
    comparison.engine.workers().install(|| {
        let settled =
            tables.into_par_iter().with_max_len(1).map(|table| table.finish(tags, |address| candidates.mark(address)));
        settled.reduce(|| Settled::none(tags), both)
    })
}

fn both(mut sum: Settled, part: Settled) -> Settled {
    sum.add_all(&part);
    sum
}

/// Joins the partitions of both sides one by one, and marks all unresolved rows.
fn match_partitions<const WIDTH: usize>(
    comparison: &Comparison,
    tags: &Tags,
    entries: &Partitions<WIDTH>,
    others: &Partitions<WIDTH>,
    candidates: &Unresolved,
) -> Result<Settled> {
    let Comparison { engine, .. } = comparison;
    let room = engine.working_memory() / JOINING_SHARE / engine.threads() as u64;
    let join = |partition: usize| -> Result<Settled> {
        engine.check_stop()?;
        if build_table::bytes_of(entries.rows(partition), WIDTH) > room {
            // hashes are distributed evenly, so these are many rows with few keys, which go to the merge anyway
            for side in [entries, others] {
                engine.progress.advance(side.rows(partition));
                side.drain(partition, |entry| candidates.mark(entry.address()))?;
            }
            return Ok(Settled::none(tags));
        }
        let table = BuildTable::of(entries.take(partition)?);
        let mut rows = 0;
        others.drain(partition, |entry| {
            rows += 1;
            if !table.probe(entry) {
                candidates.mark(entry.address());
            }
        })?;
        let settled = table.finish(tags, |address| {
            rows += 1;
            candidates.mark(address);
        });
        engine.progress.advance(rows);
        Ok(settled)
    };
    engine.workers().install(|| {
        let partitions = (0..entries.partitions()).into_par_iter().with_max_len(1);
        let settled = partitions.map(|partition| engine.timings.stage(Stage::Match, || join(partition)));
        settled.try_reduce(|| Settled::none(tags), |sum, part| Ok(both(sum, part)))
    })
}

/// Merges the rows that hashing did not settle.
///
/// `read` has the cells of all rows that were parsed with rules. Subtracting those of the candidates leaves those of
/// the settled pairs.
fn compare_candidates<'a>(
    comparison: &Comparison<'a>,
    tags: &Tags,
    candidates: &Unresolved,
    settled: Settled,
    mut read: ParseCounts,
) -> Result<AnswerPart> {
    let Comparison { engine, pairing, .. } = comparison;
    let mut sink = comparison.sink();
    settled.record(tags, &mut sink);
    let open = candidates.count();
    if open > 0 {
        engine.progress.begin("comparing", open);
        let read_again = Mutex::new(ParseCounts::new(pairing));
        let open = |side: Side, mut sorted: SortedSide<'a>| -> Result<Cursor, MergeError> {
            let read_again = &read_again;
            let source = move || {
                let batch = sorted.next_batch()?.map(|batch| pairing.rows(side, batch)).transpose()?;
                if let (Some(rows), Ok(mut read)) = (&batch, read_again.lock()) {
                    read.count(rows);
                }
                Ok(batch)
            };
            Cursor::open(pairing, side, Box::new(source), KeyRange::default())
        };
        let Sides { old, new } = candidates.sorted(comparison)?;
        // opening a cursor waits for the sort of its side, so both are opened in parallel
        let (old, new) = engine.workers().join(|| open(Side::Old, old), || open(Side::New, new));
        engine.timings.stage(Stage::Compare, || merge(pairing, Sides { old: old?, new: new? }, &mut sink))?;
        read.subtract(&read_again.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
    sink.read(&read);
    AnswerPart::close(sink)
}
