//! ASSIGN: assigns each ID to a wave and a shard, in cut order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::array::{BinaryArray, BinaryBuilder, RecordBatch};

use super::arrange::UNIT_BYTES;
use super::columns::UnitColumns;
use super::entries::{Entries, EntrySchema, Member};
use super::sorter::Sorter;
use crate::compare::discrepancy::Spool;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;

/// The wave and shard of an ID, and the numbers of its unit and of the ID in cut order, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub member: Member,
    pub unit: u64,
    pub number: u64,
}

impl Assigned {
    /// Encodes it as bytes that sort in file order.
    fn key(self) -> [u8; 24] {
        let mut key = [0; 24];
        for (bytes, number) in key.chunks_mut(8).zip([self.member.packed(), self.unit, self.number]) {
            bytes.copy_from_slice(&number.to_be_bytes());
        }
        key
    }

    /// Decodes a key.
    pub(crate) fn of(key: &[u8]) -> Self {
        let number = |index: usize| key[index * 8..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Assigned { member: Member::unpacked(number(0)), unit: number(1), number: number(2) }
    }
}

/// How the list is divided.
pub(crate) enum Cut {
    /// By the last unit of each wave.
    Sizes(Vec<u64>),
    /// As in an earlier cut with this many waves. New IDs join the last wave.
    Kept { last: u32 },
}

impl Cut {
    /// The number of waves. Empty waves do not count, but a list without IDs has one wave.
    pub(crate) fn waves(&self) -> u32 {
        match self {
            Cut::Sizes(targets) => {
                let before = std::iter::once(&0).chain(targets);
                targets.iter().zip(before).filter(|(target, before)| target > before).count().max(1) as u32
            }
            Cut::Kept { last } => *last,
        }
    }
}

/// Assigns every entry to a wave and a shard, and returns the entries in file order.
pub(crate) fn assign<'a>(
    engine: &'a Engine,
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    entries: Entries<'a>,
    division: &Cut,
    shards: Option<u32>,
) -> Result<Entries<'a>> {
    let shard_count = shards.unwrap_or(1);
    let (entries, loads): (Entries, _) = match division {
        Cut::Sizes(_) => (entries, vec![0; shard_count as usize]),
        // new IDs go to the least loaded shard, so the loads must be known first
        Cut::Kept { last } => {
            let mut loads = vec![0_u64; shard_count as usize];
            let mut spool = Spool::new(shape.schema().clone(), engine.spill_dir());
            for batch in entries {
                let batch = batch?;
                add_loads(columns, shape, &batch, *last, &mut loads);
                spool.push(batch)?;
            }
            (Box::new(spool.close()?.read()?), loads)
        }
    };
    let mut cutter = Cutter::of(columns, shape, division, loads);
    if shards.is_none() && matches!(division, Cut::Sizes(_)) {
        return Ok(Box::new(entries.map(move |batch| cutter.cut(&batch?))));
    }
    let mut sorter = Sorter::begin(engine, shape.schema())?;
    for batch in entries {
        sorter.push(cutter.cut(&batch?)?)?;
    }
    Ok(Box::new(sorter.finish()))
}

fn add_loads(columns: &UnitColumns, shape: &EntrySchema, batch: &RecordBatch, wave: u32, loads: &mut [u64]) {
    let texts = shape.texts(batch);
    for row in 0..batch.num_rows() {
        let member = shape.member(batch, row).filter(|member| member.wave == wave);
        let load = member.and_then(|member| loads.get_mut((member.shard as usize).checked_sub(1)?));
        if let Some(load) = load {
            *load = load.saturating_add(columns.weight(&texts, row));
        }
    }
}

/// Assigns units in order.
struct Cutter<'a> {
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    targets: Vec<u64>,
    /// The wave of new units, if an earlier cut has decided the rest.
    last: Option<u32>,
    /// The current wave, and the loads of its shards.
    wave: u32,
    shares: ShardLoads,
    unit: Option<Unit>,
    units: u64,
    ids: u64,
    weight: u64,
}

/// The current unit.
struct Unit {
    mark: [u8; UNIT_BYTES],
    member: Member,
    /// The weight that it adds to its shard; `None` if the shard's load already includes it.
    weight: Option<u64>,
}

impl<'a> Cutter<'a> {
    fn of(columns: &'a UnitColumns, shape: &'a EntrySchema, division: &Cut, loads: Vec<u64>) -> Self {
        let (targets, last) = match division {
            Cut::Sizes(targets) => (targets.clone(), None),
            Cut::Kept { last } => (vec![], Some(*last)),
        };
        let (shares, wave) = (ShardLoads::of(loads), last.unwrap_or(1));
        Cutter { columns, shape, targets, last, wave, shares, unit: None, units: 0, ids: 0, weight: 0 }
    }

    fn cut(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (texts, keys) = (self.shape.texts(batch), self.shape.key(batch));
        let mut assigned = BinaryBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 24);
        for row in 0..batch.num_rows() {
            let mark = self.mark(keys, row);
            let member = match self.unit.as_ref().filter(|unit| mark == Some(unit.mark)) {
                Some(unit) => unit.member,
                None => self.begin(mark.unwrap_or_default(), self.shape.member(batch, row)),
            };
            let weight = self.columns.weight(&texts, row);
            self.weight = self.weight.checked_add(weight).ok_or_else(too_heavy)?;
            if let Some(sum) = self.unit.as_mut().and_then(|unit| unit.weight.as_mut()) {
                *sum += weight;
            }
            self.ids += 1;
            assigned.append_value(Assigned { member, unit: self.units, number: self.ids }.key());
        }
        self.shape.keyed(batch, assigned.finish())
    }

    /// The group number that the members of a group share; `None` without groups, where every ID is a unit.
    fn mark(&self, keys: &BinaryArray, row: usize) -> Option<[u8; UNIT_BYTES]> {
        self.columns.is_grouped().then(|| keys.value(row).first_chunk().copied()).flatten()
    }

    fn begin(&mut self, mark: [u8; UNIT_BYTES], known: Option<Member>) -> Member {
        // no other unit was assigned since, so its shard is still the least loaded one
        if let Some(Unit { weight: Some(weight), .. }) = self.unit.take() {
            self.shares.add(weight);
        }
        self.units += 1;
        let wave = match (known, self.last) {
            (Some(member), _) => {
                self.unit = Some(Unit { mark, member, weight: None });
                return member;
            }
            (None, Some(last)) => Some(last),
            (None, None) => self.wave_of(self.units),
        };
        let Some(wave) = wave else {
            self.unit = Some(Unit { mark, member: Member::LEFT_OVER, weight: None });
            return Member::LEFT_OVER;
        };
        if wave != self.wave {
            self.wave = wave;
            self.shares.clear();
        }
        let member = Member { wave, shard: self.shares.least() };
        self.unit = Some(Unit { mark, member, weight: Some(0) });
        member
    }

    /// The wave of a unit; `None` after the last wave.
    fn wave_of(&self, unit: u64) -> Option<u32> {
        let wave = self.targets.partition_point(|target| *target < unit);
        (wave < self.targets.len()).then_some(wave as u32 + 1)
    }
}

fn too_heavy() -> Error {
    Error::request("--balance", "the sum of the weights exceeds 64 bits\n  use a larger unit for weights")
}

struct ShardLoads {
    loads: BinaryHeap<Reverse<(u64, u32)>>,
    count: u32,
}

impl ShardLoads {
    fn of(loads: Vec<u64>) -> Self {
        let count = loads.len() as u32;
        ShardLoads { loads: loads.into_iter().zip(1..).map(Reverse).collect(), count }
    }

    fn clear(&mut self) {
        *self = ShardLoads::of(vec![0; self.count as usize]);
    }

    /// The least loaded shard; the first one of several.
    fn least(&self) -> u32 {
        self.loads.peek().map_or(1, |Reverse((_, shard))| *shard)
    }

    /// Adds weight to the least loaded shard.
    fn add(&mut self, weight: u64) {
        if let Some(mut least) = self.loads.peek_mut() {
            least.0.0 = least.0.0.saturating_add(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_loaded_shard_is_next_and_the_first_of_several() {
        let mut shares = ShardLoads::of(vec![0, 5, 0]);
        let mut taken = vec![];
        for weight in [3, 4, 1, 9, 2] {
            taken.push(shares.least());
            shares.add(weight);
        }
        assert_eq!(taken, [1, 3, 1, 1, 3]);
    }

    #[test]
    fn keys_keep_their_numbers() {
        let assigned = Assigned { member: Member { wave: 3, shard: 70_000 }, unit: u64::MAX, number: 1 };
        assert_eq!(Assigned::of(&assigned.key()), assigned);
    }

    #[test]
    fn empty_waves_do_not_count() {
        let waves = |targets: &[u64]| Cut::Sizes(targets.to_vec()).waves();
        assert_eq!((waves(&[5, 10]), waves(&[5, 5, 5]), waves(&[0])), (2, 1, 1));
    }
}
