//! Searches for values of new among those of old, over all discrepancies of a run.
//!
//! A value can be misplaced only if one discrepancy has it in new, and another has it in old. Therefore, the side with
//! fewer values is indexed first, and the values of the other side are looked up. The remaining values are counted in
//! all rows of old: a value that old has under several keys belongs to none of them.

use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray, UInt32Array};
use arrow::compute::{interleave, take};
use bytesize::ByteSize;
use rayon::prelude::*;

use super::Kind;
use super::evidence::{Digester, Unit};
use super::value_index::{FindingId, IndexedValue, ValueIndex, keep_single};
use crate::class::Class;
use crate::compare::discrepancy::{Spooled, TableColumn, Tally, classes};
use crate::compare::matching::Comparison;
use crate::error::{Error, Result};
use crate::sides::Side;

/// The shares of the working memory, in sixteenths, for claims, links, and keys. Claims are freed before output is
/// written. Links and keys are kept until then, beside the buffers of the writers.
const CLAIMS_SHARE: u64 = 8;
const LINKS_SHARE: u64 = 1;
const KEYS_SHARE: u64 = 1;
const SHARES: u64 = 16;
/// The memory for a claim in bytes, with its index entry and its counter.
const CLAIM_BYTES: u64 = size_of::<IndexedValue>() as u64 + ValueIndex::BYTES + size_of::<AtomicU32>() as u64;
const LINK_BYTES: u64 = size_of::<Link>() as u64;

/// A discrepancy, and another one that it shares a value with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// The position of the discrepancy in key order.
    pub row: u32,
    /// The number of the unit.
    pub unit: u16,
    /// How the two are related.
    pub kind: Kind,
    /// The position of the other discrepancy.
    pub other: u32,
}

/// The result of a search.
#[derive(Default)]
pub(super) struct Links {
    /// Sorted by row, then by unit.
    links: Vec<Link>,
    keys: Keys,
}

impl Links {
    /// Returns the links of a range of discrepancies.
    pub(super) fn of(&self, rows: std::ops::Range<u64>) -> &[Link] {
        let position = |row: u64| self.links.partition_point(|link| u64::from(link.row) < row);
        &self.links[position(rows.start)..position(rows.end)]
    }

    /// Returns the keys of the other discrepancies, one for each link.
    pub(super) fn keys(&self, links: &[Link]) -> Result<Option<StructArray>> {
        self.keys.of(links.iter().map(|link| link.other))
    }
}

/// The keys of some discrepancies.
#[derive(Default)]
struct Keys {
    /// The positions of the discrepancies, ascending.
    rows: Vec<u32>,
    /// Their keys, in the same order.
    parts: Vec<ArrayRef>,
    /// The index of the first row in each part.
    starts: Vec<usize>,
}

impl Keys {
    fn of(&self, rows: impl Iterator<Item = u32>) -> Result<Option<StructArray>> {
        let indices: Vec<(usize, usize)> = rows
            .filter_map(|row| self.rows.binary_search(&row).ok())
            .map(|at| {
                let part = self.starts.partition_point(|start| *start <= at) - 1;
                (part, at - self.starts[part])
            })
            .collect();
        let parts: Vec<&dyn Array> = self.parts.iter().map(|part| part.as_ref()).collect();
        match indices.is_empty() {
            true => Ok(None),
            false => Ok(Some(interleave(&parts, &indices)?.as_struct().clone())),
        }
    }
}

/// A search over the discrepancies of a run.
pub(super) struct Search<'a> {
    pub comparison: &'a Comparison<'a>,
    pub digester: &'a Digester,
    /// All discrepancies, in key order.
    pub findings: &'a [Spooled],
    pub tally: &'a Tally,
}

/// The result of a step of a search; `None` if the memory is not sufficient.
type Step<T> = Result<Option<T>>;

impl Search<'_> {
    /// Searches for the values of these units. Returns the reason if that is not possible.
    pub(super) fn run(&self, units: &[Unit]) -> Result<std::result::Result<Links, String>> {
        match self.links(units)? {
            Some(links) => Ok(Ok(links)),
            None => Ok(Err(format!(
                "the values of {} discrepancies do not fit in the available memory ({}); increase --memory \
                 to search for them",
                self.tally.discrepancies(),
                ByteSize(self.comparison.engine.working_memory())
            ))),
        }
    }

    fn links(&self, units: &[Unit]) -> Step<Links> {
        if self.tally.discrepancies() >= FindingId::ROWS_MAX {
            return Ok(None);
        }
        let mut links = vec![];
        for unit in units {
            let Some((owners, claims)) = self.candidates(unit)? else { return Ok(None) };
            if owners.is_empty() {
                continue;
            }
            let counts = self.count(unit, &owners)?;
            links.extend(linked(unit, &owners, &counts, &claims));
            if links.len() as u64 * LINK_BYTES > self.share(LINKS_SHARE) {
                return Ok(None);
            }
        }
        links.sort_unstable();
        links.shrink_to_fit();
        let Some(keys) = self.keys(&links)? else { return Ok(None) };
        Ok(Some(Links { links, keys }))
    }

    fn share(&self, sixteenths: u64) -> u64 {
        self.comparison.engine.working_memory() / SHARES * sixteenths
    }

    fn each_batch(&self, mut each: impl FnMut(u64, &RecordBatch) -> Result<bool>) -> Result<()> {
        let mut first = 0;
        for part in self.findings {
            for batch in part.read()? {
                self.comparison.engine.check_stop()?;
                let batch = batch?;
                if !each(first, &batch)? {
                    return Ok(());
                }
                first += batch.num_rows() as u64;
            }
        }
        Ok(())
    }

    /// Returns the values that exactly one discrepancy has in old, and the equal values in new.
    fn candidates(&self, unit: &Unit) -> Step<(Vec<IndexedValue>, Vec<IndexedValue>)> {
        let count = |side: Side| match side {
            Side::Old => self.tally.mismatch + self.tally.missing,
            Side::New => self.tally.mismatch + self.tally.extra,
        };
        let fewer = if count(Side::New) <= count(Side::Old) { Side::New } else { Side::Old };
        let room = (self.share(CLAIMS_SHARE) / CLAIM_BYTES) as usize;
        let Some(mut first) = self.claims(unit, fewer, room.min(count(fewer) as usize), None)? else { return Ok(None) };
        first.sort_unstable();
        let left = (room - first.len()).min(count(fewer.other()) as usize);
        let Some(mut second) = self.claims(unit, fewer.other(), left, Some(&ValueIndex::of(&first)))? else {
            return Ok(None);
        };
        second.sort_unstable();
        let (mut owners, mut claims) = if fewer == Side::New { (second, first) } else { (first, second) };
        keep_single(&mut owners);
        {
            let known = ValueIndex::of(&owners);
            claims.retain(|claim| known.find(&claim.digest).is_some());
        }
        let known = ValueIndex::of(&claims);
        owners.retain(|owner| known.find(&owner.digest).is_some());
        Ok(Some((owners, claims)))
    }

    /// Returns the values of one side's rows. For new, only those that differ from old's under the same key. With
    /// `among`, only values that it contains.
    fn claims(&self, unit: &Unit, side: Side, room: usize, among: Option<&ValueIndex>) -> Step<Vec<IndexedValue>> {
        let mut claims = Vec::with_capacity(room);
        let mut fits = true;
        self.each_batch(|first, batch| {
            let classes = classes(batch);
            let values = self.digests(unit, batch, side)?;
            let own = if side == Side::New { self.digests(unit, batch, Side::Old)? } else { vec![None; values.len()] };
            let changed = TableColumn::Changed.of(batch).as_list::<i32>();
            let differs = |row: usize| {
                let names = changed.value(row);
                let mut names = names.as_string::<i32>().iter().flatten();
                names.any(|name| unit.columns.iter().any(|&at| self.digester.columns()[at].name == name))
            };
            for (row, digest) in values.into_iter().enumerate() {
                let Some(digest) = digest else { continue };
                let is_alone = classes[row] != Class::Mismatch;
                let is_own = side == Side::New && !is_alone && (own[row] == Some(digest) || !differs(row));
                if is_own || among.is_some_and(|others| others.find(&digest).is_none()) {
                    continue;
                }
                fits = claims.len() < room;
                if !fits {
                    return Ok(false);
                }
                claims.push(IndexedValue { digest, finding: FindingId::new(first + row as u64, is_alone) });
            }
            Ok(true)
        })?;
        Ok(fits.then_some(claims))
    }

    fn digests(&self, unit: &Unit, batch: &RecordBatch, side: Side) -> Result<Vec<Option<super::evidence::Digest>>> {
        let rows = TableColumn::of_side(side).of(batch).as_struct();
        let arrays: Vec<ArrayRef> = unit.columns.iter().map(|&at| rows.column(at).clone()).collect();
        self.digester.digests(&unit.columns, &arrays, side)
    }

    /// Returns how many rows of old have each owner's value.
    fn count(&self, unit: &Unit, owners: &[IndexedValue]) -> Result<Vec<AtomicU32>> {
        let Comparison { engine, snapshots, pairing, .. } = self.comparison;
        let old = &snapshots.old;
        let columns: Vec<usize> = unit.columns.iter().map(|&at| pairing.columns[at].at.old).collect();
        let lookup = ValueIndex::of(owners);
        let counts: Vec<AtomicU32> = owners.iter().map(|_| AtomicU32::new(0)).collect();
        engine.progress.begin("searching for owners", old.rows());
        engine.workers().install(|| {
            old.all_reads().into_par_iter().with_max_len(1).try_for_each(|read| {
                let mut scan = old.scan(engine, vec![read], &columns)?;
                while let Some(batch) = scan.next_batch()? {
                    let digests = self.digester.digests(&unit.columns, batch.columns(), Side::Old)?;
                    for owner in digests.iter().flatten().filter_map(|digest| lookup.find(digest)) {
                        counts[owner].fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok::<(), Error>(())
            })
        })?;
        old.require_unchanged()?;
        debug_assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 0), "what old has is found in old");
        Ok(counts)
    }

    /// Returns the keys of all discrepancies that others are linked to.
    fn keys(&self, links: &[Link]) -> Step<Keys> {
        let mut rows: Vec<u32> = links.iter().map(|link| link.other).collect();
        rows.sort_unstable();
        rows.dedup();
        let room = self.share(KEYS_SHARE);
        let (mut parts, mut starts, mut bytes) = (vec![], vec![], size_of_val(rows.as_slice()) as u64);
        let mut next = 0;
        self.each_batch(|first, batch| {
            let end = first + batch.num_rows() as u64;
            let wanted = rows[next..].iter().take_while(|row| u64::from(**row) < end);
            let wanted: UInt32Array = wanted.map(|row| row - first as u32).collect();
            if !wanted.is_empty() {
                let part = take(TableColumn::Key.of(batch), &wanted, None)?;
                bytes += part.get_array_memory_size() as u64;
                starts.push(next);
                parts.push(part);
                next += wanted.len();
            }
            Ok(next < rows.len() && bytes <= room)
        })?;
        Ok((bytes <= room).then_some(Keys { rows, parts, starts }))
    }
}

/// Links discrepancies that share a value which old has exactly once.
fn linked(unit: &Unit, owners: &[IndexedValue], counts: &[AtomicU32], claims: &[IndexedValue]) -> Vec<Link> {
    let known = ValueIndex::of(owners);
    let claimed = claims.iter().filter_map(|claim| {
        let owner = known.find(&claim.digest).filter(|owner| counts[*owner].load(Ordering::Relaxed) == 1)?;
        let owner = owners[owner].finding;
        let kind = if claim.finding.is_alone() && owner.is_alone() { Kind::Rekeyed } else { Kind::Copied };
        Some(Link { row: claim.finding.row(), unit: unit.number, kind, other: owner.row() })
    });
    let mut links: Vec<Link> = claimed.collect();
    links.sort_unstable();
    let owner_of = |row: u32| links.binary_search_by_key(&row, |link| link.row).ok().map(|at| links[at].other);
    let swapped: Vec<bool> = links.iter().map(|link| owner_of(link.other) == Some(link.row)).collect();
    for (link, _) in links.iter_mut().zip(swapped).filter(|(_, swapped)| *swapped) {
        link.kind = Kind::Swapped;
    }
    // a missing row is linked to the first of its other keys
    let rekeyed = links.iter().filter(|link| link.kind == Kind::Rekeyed);
    let mut given: Vec<Link> = rekeyed.map(|link| Link { row: link.other, other: link.row, ..*link }).collect();
    given.sort_unstable();
    given.dedup_by_key(|link| link.row);
    links.extend(given);
    links
}
