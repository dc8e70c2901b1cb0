//! CUT: which wave and which shard each ID goes to, in the order of the cut.

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

/// Where an ID goes, and the numbers of its unit and of itself in the order of the cut, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// Wave and shard.
    pub member: Member,
    /// The number of its unit.
    pub unit: u64,
    /// Its own number.
    pub number: u64,
}

impl Assigned {
    /// As bytes in the order of the files.
    fn key(self) -> [u8; 24] {
        let mut key = [0; 24];
        for (bytes, number) in key.chunks_mut(8).zip([self.member.packed(), self.unit, self.number]) {
            bytes.copy_from_slice(&number.to_be_bytes());
        }
        key
    }

    /// From such bytes.
    pub(crate) fn of(key: &[u8]) -> Self {
        let number = |at: usize| key[at * 8..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Assigned { member: Member::unpacked(number(0)), unit: number(1), number: number(2) }
    }
}

/// How the list is divided.
pub(crate) enum Cut {
    /// By the last unit of every wave.
    Sizes(Vec<u64>),
    /// As an earlier cut of so many waves has done; what is new joins the last one.
    Kept {
        /// The last wave.
        last: u32,
    },
}

impl Cut {
    /// How many waves there are: none is empty, but a list without IDs is a wave.
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

/// Gives every entry its place; they come out in the order of the files.
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
        // what is new goes where there is least, so everything else has to be known before
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

/// Goes through the units in order.
struct Cutter<'a> {
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    targets: Vec<u64>,
    /// The wave of what is new, where an earlier cut has decided on the rest.
    last: Option<u32>,
    /// The wave at hand, and the loads of its shards.
    wave: u32,
    shares: ShardLoads,
    unit: Option<Unit>,
    units: u64,
    ids: u64,
    weight: u64,
}

/// The unit at hand.
struct Unit {
    mark: [u8; UNIT_BYTES],
    member: Member,
    /// What it adds to its shard; nothing where the shard's load has counted it before.
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

    /// What the members of a group have in common; without groups every ID is a unit.
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

    /// The wave of a unit; units come in order.
    fn wave_of(&self, unit: u64) -> Option<u32> {
        let wave = self.targets.partition_point(|target| *target < unit);
        (wave < self.targets.len()).then_some(wave as u32 + 1)
    }
}

fn too_heavy() -> Error {
    Error::Contradiction("--balance: the weights add up to more than 64 bits hold\n  give them in a larger unit".into())
}

/// The loads of the shards of a wave.
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

    /// The least loaded shard, the first of several.
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
    fn empty_waves_are_none() {
        let waves = |targets: &[u64]| Cut::Sizes(targets.to_vec()).waves();
        assert_eq!((waves(&[5, 10]), waves(&[5, 5, 5]), waves(&[0])), (2, 1, 1));
    }
}
