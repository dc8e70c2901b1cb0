//! ARRANGE: puts units (groups, or IDs if there are no groups) in cut order.
//!
//! Plain IDs arrive in digest order, which is the shuffle. Units of different weight are spread: by
//! descending weight, each takes the position furthest from the earlier ones. Groups are collected, reduced to one row
//! each, and ordered; then their members follow them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, RecordBatch, UInt64Array, UInt64Builder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use xxhash_rust::xxh3::xxh3_64;

use super::annotate::{Ids, same_digest};
use super::columns::{DIGEST_BYTES, OrderKind, UnitColumns, text};
use super::entries::{Entries, EntrySchema, Member};
use super::lookup::MergeLookup;
use super::sorter::{SortedIds, Sorter};
use crate::compare::discrepancy::{Spool, Spooled};
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;

/// Bytes of the group number at the beginning of a member's key.
pub(crate) const UNIT_BYTES: usize = 8;
/// 2^64 divided by the golden ratio: its multiples, as fractions of 2^64, are spread as evenly as possible.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// Groups per batch.
const BATCH_GROUPS: usize = 8192;

/// Entries in cut order.
pub(crate) struct Arranged<'a> {
    /// The entries. With groups, a key begins with the number of the group.
    pub entries: Entries<'a>,
    pub units: u64,
}

/// Puts IDs in order. `known` contains the assignments of groups in an earlier cut.
pub(crate) fn arrange<'a>(
    engine: &'a Engine,
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    ids: &'a mut Ids<'_>,
    known: Option<MergeLookup<'a>>,
) -> Result<Arranged<'a>> {
    if columns.is_grouped() {
        return by_group(engine, columns, shape, ids, known);
    }
    let units = ids.total();
    let entries: Entries = match (columns.manner(), columns.is_weighted()) {
        (OrderKind::Shuffled, false) => Box::new(ids),
        (OrderKind::Shuffled, true) => {
            let ranked = sorted(engine, shape, ids, |batch| heavy_first(columns, shape, batch))?;
            Box::new(sorted(engine, shape, ranked, spread(columns.seed(), shape))?)
        }
        (OrderKind::Ordered, _) => Box::new(sorted(engine, shape, ids, |batch| in_order(columns, shape, batch))?),
    };
    Ok(Arranged { entries, units })
}

/// Sorts entries by another key.
fn sorted<'a>(
    engine: &'a Engine,
    shape: &EntrySchema,
    entries: impl Iterator<Item = Result<RecordBatch>>,
    mut key: impl FnMut(&RecordBatch) -> BinaryArray,
) -> Result<SortedIds<'a>> {
    let mut sorter = Sorter::begin(engine, shape.schema())?;
    for batch in entries {
        let batch = batch?;
        sorter.push(shape.keyed(&batch, key(&batch))?)?;
    }
    Ok(sorter.finish())
}

/// Builds one key per row.
fn keys(rows: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) -> BinaryArray {
    let (mut keys, mut bytes) = (BinaryBuilder::new(), vec![]);
    for row in 0..rows {
        bytes.clear();
        write(row, &mut bytes);
        keys.append_value(&bytes);
    }
    keys.finish()
}

/// Keys by descending weight, then by digest.
fn heavy_first(columns: &UnitColumns, shape: &EntrySchema, batch: &RecordBatch) -> BinaryArray {
    let (texts, digests) = (shape.texts(batch), shape.key(batch));
    keys(batch.num_rows(), |row, key| {
        key.extend((!columns.weight(&texts, row)).to_be_bytes());
        key.extend(digests.value(row));
    })
}

/// Keys in the requested order, then by digest.
fn in_order(columns: &UnitColumns, shape: &EntrySchema, batch: &RecordBatch) -> BinaryArray {
    let (texts, digests) = (shape.texts(batch), shape.key(batch));
    keys(batch.num_rows(), |row, key| {
        columns.push_order(key, &texts, row);
        key.extend(digests.value(row));
    })
}

/// Keys that spread units, which arrive by rank.
fn spread(seed: u64, shape: &EntrySchema) -> impl FnMut(&RecordBatch) -> BinaryArray {
    let mut rank = 0;
    move |batch| {
        keys(shape.key(batch).len(), |_, key| {
            key.extend(position(seed, rank).to_be_bytes());
            rank += 1;
        })
    }
}

/// The position of a unit by its rank, as a fraction of 2^64. Positions are distinct, and those of the first `n` ranks
/// are spread evenly for every `n`.
fn position(seed: u64, rank: u64) -> u64 {
    xxh3_64(&seed.to_le_bytes()).wrapping_add(rank.wrapping_mul(GOLDEN))
}

/// A group, reduced to one row.
struct UnitRow {
    digest: [u8; DIGEST_BYTES],
    /// The sort key of its first member.
    order: Vec<u8>,
    weight: u64,
    member: Option<Member>,
}

fn by_group<'a>(
    engine: &'a Engine,
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    ids: &'a mut Ids<'_>,
    known: Option<MergeLookup<'a>>,
) -> Result<Arranged<'a>> {
    let gathered = sorted(engine, shape, ids, |batch| {
        let (texts, digests) = (shape.texts(batch), shape.key(batch));
        let groups = columns.group_digests(&texts);
        keys(batch.num_rows(), |row, key| {
            key.extend(groups.value(row));
            columns.push_order(key, &texts, row);
            key.extend(digests.value(row));
        })
    })?;
    let Reduced { ranked, members, units } = reduce(engine, columns, shape, gathered, known)?;
    let mut groups = MergeLookup::of(numbered(engine, columns, ranked)?)?;
    let mut sorter = Sorter::begin(engine, shape.schema())?;
    for batch in members.read()? {
        sorter.push(follow(shape, &batch?, &mut groups)?)?;
    }
    Ok(Arranged { entries: Box::new(sorter.finish()), units })
}

/// Groups by rank, and their members in the order in which they arrived.
struct Reduced<'a> {
    ranked: SortedIds<'a>,
    members: Spooled,
    units: u64,
}

/// Reduces groups, whose members are adjacent, to one row each.
fn reduce<'a>(
    engine: &'a Engine,
    columns: &UnitColumns,
    shape: &EntrySchema,
    gathered: SortedIds,
    mut known: Option<MergeLookup>,
) -> Result<Reduced<'a>> {
    let mut spool = Spool::new(shape.schema().clone(), engine.spill_dir());
    let mut ranks = UnitStream::begin(engine, columns.manner())?;
    let mut group: Option<UnitRow> = None;
    let mut last: Option<(RecordBatch, usize)> = None;
    let mut units = 0;
    for batch in gathered {
        let batch = batch?;
        let (texts, keys) = (shape.texts(&batch), shape.key(&batch));
        for row in 0..batch.num_rows() {
            let key = keys.value(row);
            let (digest, rest) = key.split_at(DIGEST_BYTES);
            let goes_on = group.as_ref().is_some_and(|group| group.digest == digest);
            if !goes_on {
                units += 1;
                let found = known.as_mut().map_or(Ok(None), |known| known.find(digest))?;
                let member = found.map(|(batch, index)| batch.column(1).as_primitive::<UInt64Type>().value(index));
                let digest = digest.try_into().map_err(Error::internal)?;
                let order = rest[..rest.len() - DIGEST_BYTES].to_vec();
                let next = UnitRow { digest, order, weight: 0, member: member.map(Member::unpacked) };
                group.replace(next).map_or(Ok(()), |whole| ranks.push(whole))?;
            } else {
                let (before, index) = match row {
                    0 => last.as_ref().map(|(before, index)| (shape.texts(before), *index)).unwrap_or_default(),
                    _ => (texts.clone(), row - 1),
                };
                if columns.group.iter().any(|column| text(before[*column], index) != text(texts[*column], row)) {
                    let shown = [columns.describe_group(&before, index), columns.describe_group(&texts, row)];
                    return Err(same_digest(&shown[0], &shown[1], columns.seed()));
                }
            }
            let Some(group) = &mut group else { continue };
            group.weight = group.weight.saturating_add(columns.weight(&texts, row));
            match (shape.member(&batch, row), group.member) {
                (Some(own), Some(other)) if own != other => {
                    return Err(divided(columns.describe_group(&texts, row), own, other));
                }
                (own, other) => group.member = own.or(other),
            }
        }
        last = Some((batch.clone(), batch.num_rows() - 1));
        spool.push(batch)?;
    }
    group.map_or(Ok(()), |whole| ranks.push(whole))?;
    Ok(Reduced { ranked: ranks.finish()?, members: spool.close()?, units })
}

/// The error for a group whose IDs had two assignments in the earlier cut: they were in different groups then.
fn divided(group: String, one: Member, other: Member) -> Error {
    let shown = |member: Member| match member.wave {
        0 => "no wave".to_string(),
        wave => format!("wave {wave}, shard {}", member.shard),
    };
    Error::request(
        "--previous",
        format!(
            "group {group} had IDs in {} and in {} of the earlier cut, so some IDs have changed groups\n  \
         a group cannot be divided; make a new cut without --previous",
            shown(one),
            shown(other)
        ),
    )
}

/// Buffers groups in front of the sort by rank.
struct UnitStream<'a> {
    manner: OrderKind,
    sorter: Sorter<'a>,
    schema: SchemaRef,
    waiting: Vec<UnitRow>,
}

impl<'a> UnitStream<'a> {
    fn begin(engine: &'a Engine, manner: OrderKind) -> Result<Self> {
        let schema: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Binary, false),
            Field::new("group", DataType::Binary, false),
            Field::new("member", DataType::UInt64, true),
        ]));
        Ok(UnitStream { manner, sorter: Sorter::begin(engine, &schema)?, schema, waiting: vec![] })
    }

    fn push(&mut self, group: UnitRow) -> Result<()> {
        self.waiting.push(group);
        if self.waiting.len() >= BATCH_GROUPS { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<()> {
        let groups = std::mem::take(&mut self.waiting);
        let ranks = keys(groups.len(), |row, key| {
            match self.manner {
                OrderKind::Shuffled => key.extend((!groups[row].weight).to_be_bytes()),
                OrderKind::Ordered => key.extend(&groups[row].order),
            }
            key.extend(groups[row].digest);
        });
        let digests = BinaryArray::from_iter_values(groups.iter().map(|group| group.digest));
        let members: UInt64Array = groups.iter().map(|group| group.member.map(Member::packed)).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(ranks), Arc::new(digests), Arc::new(members)];
        self.sorter.push(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn finish(mut self) -> Result<SortedIds<'a>> {
        if !self.waiting.is_empty() {
            self.hand_on()?;
        }
        Ok(self.sorter.finish())
    }
}

/// Gives every group its position, and sorts groups by digest again.
fn numbered<'a>(engine: &'a Engine, columns: &UnitColumns, ranked: SortedIds) -> Result<SortedIds<'a>> {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Binary, false),
        Field::new("position", DataType::UInt64, false),
        Field::new("member", DataType::UInt64, true),
    ]));
    let mut sorter = Sorter::begin(engine, &schema)?;
    let mut rank = 0;
    for batch in ranked {
        let batch = batch?;
        let ranks = rank..rank + batch.num_rows() as u64;
        rank = ranks.end;
        let positions: UInt64Array = match columns.manner() {
            OrderKind::Shuffled => UInt64Array::from_iter_values(ranks.map(|rank| position(columns.seed(), rank))),
            OrderKind::Ordered => UInt64Array::from_iter_values(ranks),
        };
        let columns = vec![batch.column(1).clone(), Arc::new(positions), batch.column(2).clone()];
        sorter.push(RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(sorter.finish())
}

/// Replaces the group digest in the keys of members by the position of the group, and adds the group's assignment.
fn follow(shape: &EntrySchema, batch: &RecordBatch, groups: &mut MergeLookup) -> Result<RecordBatch> {
    let (mut keys, mut members, mut key) = (BinaryBuilder::new(), UInt64Builder::new(), vec![]);
    let own = shape.key(batch);
    for row in 0..batch.num_rows() {
        let (digest, rest) = own.value(row).split_at(DIGEST_BYTES);
        let Some((group, index)) = groups.find(digest)? else {
            return Err(Error::Internal("a group has no position".into()));
        };
        key.clear();
        key.extend(group.column(1).as_primitive::<UInt64Type>().value(index).to_be_bytes());
        key.extend(rest);
        keys.append_value(&key);
        let member = group.column(2).as_primitive::<UInt64Type>();
        members.append_option(member.is_valid(index).then(|| member.value(index)));
    }
    shape.joined(batch, keys.finish(), members.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ranks_are_spread_evenly_however_many() {
        for first in [10_u64, 100, 1000, 4321] {
            let mut tenths = [0_u64; 10];
            for rank in 0..first {
                tenths[((u128::from(position(7, rank)) * 10) >> 64) as usize] += 1;
            }
            let (least, most) = (tenths.iter().min().unwrap(), tenths.iter().max().unwrap());
            assert!(most - least <= 3, "{first}: {tenths:?}");
        }
    }
}
