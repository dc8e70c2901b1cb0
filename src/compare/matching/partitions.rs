//! The hashed way's memory: one small entry per row, partitioned by key hash, spilled to one working
//! file at the memory limit.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::{Pod, Zeroable};

use crate::compare::discrepancy::Tier;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;

/// What is remembered of a row: 32 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct HashedRow {
    /// The row hash.
    pub row: [u64; 2],
    /// The key hash.
    pub key: u64,
    /// Where the row stands.
    pub place: RowAddress,
}

/// Where a row stands, and four bits that say what is known of it: two for its tier if it is equal as read.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct RowAddress(pub u64);

impl RowAddress {
    /// A row of the other side equals it.
    pub(super) const SETTLED: u64 = 1 << 61;
    /// It takes a closer look.
    pub(super) const OPEN: u64 = 1 << 60;
    const TIER_SHIFT: u32 = 62;
    const TIER: u64 = 0b11 << Self::TIER_SHIFT;
    const FLAGS: u64 = Self::TIER | Self::SETTLED | Self::OPEN;

    /// Row `row` of chunk `chunk` (below 2²⁸), of this tier if it is equal as read.
    pub(super) fn new(chunk: usize, row: usize, tier: Tier) -> Self {
        RowAddress((tier as u64) << Self::TIER_SHIFT | (chunk as u64) << 32 | row as u64)
    }

    /// The row's tier if it is equal as read, as far as its own side tells.
    pub(super) fn tier(self) -> Tier {
        Tier::ALL[(self.0 >> Self::TIER_SHIFT) as usize]
    }

    /// Whether a bit is set.
    pub(super) fn is(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// The chunk that holds the row.
    pub(super) fn chunk(self) -> usize {
        ((self.0 & !Self::FLAGS) >> 32) as usize
    }

    /// The row's number in its chunk.
    pub(super) fn row_in_chunk(self) -> usize {
        self.0 as u32 as usize
    }
}

/// Entries that a worker gathers for a partition before it takes its lock; 2 kB.
const BLOCK: usize = 64;
/// Rows per partition that the number of partitions aims at, so that sorting one fits a worker's cache.
const PARTITION_ROWS: u64 = 64 << 10;
const PARTITIONS_MAX: u64 = 2048;
/// Entries that are read back from the working file at a time.
const READ_BACK: usize = 16 << 10;

/// All entries of one side. Workers add to it through [`Writer`]s.
pub(super) struct Partitions<'a> {
    engine: &'a Engine,
    partitions: Vec<Mutex<Partition>>,
    /// How many entries a partition is likely to hold.
    partition_rows: usize,
    /// What the partitions have claimed of the memory, in bytes.
    held_bytes: AtomicU64,
    budget_bytes: u64,
    spill: Spill,
}

/// Entries in one piece of memory, sized beforehand: what is allocated in passing is scattered, and touching
/// fresh memory costs more than hashing.
#[derive(Default)]
struct Partition {
    entries: Vec<HashedRow>,
    spilled: Vec<Extent>,
}

/// A piece of the working file.
#[derive(Clone, Copy)]
struct Extent {
    offset: u64,
    entries: usize,
}

struct Spill {
    dir: PathBuf,
    file: Mutex<Option<std::sync::Arc<File>>>,
    end: AtomicU64,
}

/// Into how many partitions rows are split.
pub(super) fn partitions_for(rows: u64) -> usize {
    (rows / PARTITION_ROWS).next_power_of_two().clamp(16, PARTITIONS_MAX) as usize
}

/// The partition of a key hash, by bits that the buckets of a partition do not use.
pub(super) fn partition_of(key: u64, partitions: usize) -> usize {
    (key >> 32) as usize & (partitions - 1)
}

/// What the entries of this many rows take, in bytes.
pub(super) fn bytes_of(rows: u64) -> u64 {
    rows.saturating_mul(size_of::<HashedRow>() as u64)
}

impl<'a> Partitions<'a> {
    /// Room for so many rows of one side, in so many partitions and bytes of memory.
    pub(super) fn new(engine: &'a Engine, partitions: usize, rows: u64, budget_bytes: u64) -> Self {
        // hashes spread evenly, so all partitions are about equally large
        let even = rows / partitions as u64;
        let partition_rows = (even + even / 16 + BLOCK as u64).min(budget_bytes / bytes_of(partitions as u64));
        Partitions {
            engine,
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            partition_rows: partition_rows as usize,
            held_bytes: AtomicU64::new(0),
            budget_bytes,
            spill: Spill { dir: engine.spill_dir(), file: Mutex::new(None), end: AtomicU64::new(0) },
        }
    }

    /// How many partitions there are.
    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// What is in memory, in bytes.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Whether all of it is in memory.
    pub(super) fn is_held(&self) -> bool {
        self.spill.end.load(Ordering::Relaxed) == 0
    }

    /// How many entries a partition has.
    pub(super) fn rows(&self, partition: usize) -> u64 {
        let partition = lock(&self.partitions[partition]);
        let spilled: usize = partition.spilled.iter().map(|extent| extent.entries).sum();
        (partition.entries.len() + spilled) as u64
    }

    /// Takes the entries of a partition.
    pub(super) fn take(&self, partition: usize) -> Result<Vec<HashedRow>> {
        let mut partition = lock(&self.partitions[partition]);
        let mut entries = std::mem::take(&mut partition.entries);
        let spilled = std::mem::take(&mut partition.spilled);
        entries.reserve_exact(spilled.iter().map(|extent| extent.entries).sum());
        self.read_back(spilled, |entry| entries.push(*entry))?;
        Ok(entries)
    }

    /// A worker's own access, to be finished when it is done.
    pub(super) fn writer(&self) -> Writer<'_, 'a> {
        let buffers = self.partitions.iter().map(|_| Vec::new()).collect();
        Writer { entries: self, buffers }
    }

    /// Hands every entry of a partition to `each`, and frees what it held.
    pub(super) fn drain(&self, partition: usize, mut each: impl FnMut(&HashedRow)) -> Result<()> {
        let mut partition = lock(&self.partitions[partition]);
        std::mem::take(&mut partition.entries).iter().for_each(&mut each);
        self.read_back(std::mem::take(&mut partition.spilled), each)
    }

    fn read_back(&self, spilled: Vec<Extent>, mut each: impl FnMut(&HashedRow)) -> Result<()> {
        let mut buffer = vec![HashedRow::zeroed(); if spilled.is_empty() { 0 } else { READ_BACK }];
        for extent in spilled {
            self.engine.check_stop()?;
            let mut done = 0;
            while done < extent.entries {
                let count = READ_BACK.min(extent.entries - done);
                let piece = &mut buffer[..count];
                let offset = extent.offset + (done * size_of::<HashedRow>()) as u64;
                self.spill.read(bytemuck::cast_slice_mut(piece), offset)?;
                piece.iter().for_each(&mut each);
                done += count;
            }
        }
        Ok(())
    }

    fn add(&self, partition: usize, block: &[HashedRow]) -> Result<()> {
        let Partition { entries, spilled } = &mut *lock(&self.partitions[partition]);
        if entries.len() + block.len() > entries.capacity() && !self.claim(entries, block.len()) {
            spilled.push(self.spill.write(entries)?);
            self.engine.meter.count_spilled(size_of_val(entries.as_slice()) as u64);
            entries.clear();
        }
        entries.extend_from_slice(block);
        Ok(())
    }

    /// Makes room for more entries in a partition; whether the memory allows it. The first room is always granted:
    /// all partitions together have been reckoned with.
    fn claim(&self, entries: &mut Vec<HashedRow>, more: usize) -> bool {
        // here, because all workers together have fresh memory cleared sooner than one would
        let added = match entries.capacity() {
            0 => self.partition_rows.max(more),
            capacity => (capacity / 4).max(more),
        };
        let bytes = bytes_of(added as u64);
        // entries move when there is no room behind them, and are there twice meanwhile
        let moved = bytes_of(entries.capacity() as u64);
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let allowed = entries.capacity() == 0 || held + bytes + moved <= self.budget_bytes;
        match allowed {
            true => entries.reserve_exact(added),
            false => drop(self.held_bytes.fetch_sub(bytes, Ordering::Relaxed)),
        }
        allowed
    }
}

/// Gathers one worker's entries into blocks.
pub(super) struct Writer<'e, 'a> {
    entries: &'e Partitions<'a>,
    buffers: Vec<Vec<HashedRow>>,
}

impl Writer<'_, '_> {
    /// Adds an entry.
    pub(super) fn push(&mut self, entry: HashedRow) -> Result<()> {
        let partition = partition_of(entry.key, self.buffers.len());
        let buffer = &mut self.buffers[partition];
        if buffer.capacity() == 0 {
            buffer.reserve_exact(BLOCK);
        }
        buffer.push(entry);
        if buffer.len() == BLOCK {
            self.entries.add(partition, buffer)?;
            buffer.clear();
        }
        Ok(())
    }

    /// Hands over what is left.
    pub(super) fn finish(self) -> Result<()> {
        let left = self.buffers.into_iter().enumerate().filter(|(_, block)| !block.is_empty());
        for (partition, block) in left {
            self.entries.add(partition, &block)?;
        }
        Ok(())
    }
}

impl Spill {
    fn write(&self, entries: &[HashedRow]) -> Result<Extent> {
        let bytes: &[u8] = bytemuck::cast_slice(entries);
        let offset = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let file = self.file().map_err(|error| self.error(&error))?;
        file.write_all_at(bytes, offset).map_err(|error| self.error(&error))?;
        Ok(Extent { offset, entries: entries.len() })
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let file = self.file().map_err(|error| self.error(&error))?;
        file.read_exact_at(bytes, offset).map_err(|error| self.error(&error))
    }

    /// The working file; it has no name, so it vanishes with the process however that ends.
    fn file(&self) -> std::io::Result<std::sync::Arc<File>> {
        let mut file = lock(&self.file);
        match &*file {
            Some(file) => Ok(file.clone()),
            None => Ok(file.insert(tempfile::tempfile_in(&self.dir)?.into()).clone()),
        }
    }

    fn error(&self, error: &std::io::Error) -> Error {
        Error::Spill { dir: self.dir.clone(), reason: error.to_string() }
    }
}

/// Access to what workers share.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // a worker that panicked has ended the run already
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_chunk_row_and_tier_apart() {
        let (chunk, row) = ((1 << 28) - 1, u32::MAX as usize);
        for tier in Tier::ALL {
            for flags in [0, RowAddress::SETTLED, RowAddress::OPEN, RowAddress::SETTLED | RowAddress::OPEN] {
                let place = RowAddress(RowAddress::new(chunk, row, tier).0 | flags);
                assert_eq!((place.chunk(), place.row_in_chunk(), place.tier()), (chunk, row, tier));
                assert_eq!(place.is(RowAddress::SETTLED), flags & RowAddress::SETTLED != 0);
                assert_eq!(place.is(RowAddress::OPEN), flags & RowAddress::OPEN != 0);
            }
        }
    }
}
