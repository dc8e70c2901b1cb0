//! The memory of the hash join: one small entry per row, partitioned by key hash. At the memory limit, entries spill to
//! a temporary file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::{Pod, Zeroable};

use crate::compare::discrepancy::Tier;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;

/// The entry of a row, in `WIDTH` numbers of 64 bits: row hash, key hash, address, and its tags.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct HashedRow<const WIDTH: usize>([u64; WIDTH]);

/// The numbers of 64 bits in an entry without tags, which has 32 bytes.
pub(super) const WIDTH: usize = 4;

impl<const WIDTH: usize> HashedRow<WIDTH> {
    /// Creates an entry whose tags are all zero.
    pub(super) fn new(row: [u64; 2], key: u64, address: RowAddress) -> Self {
        let mut entry = [0; WIDTH];
        entry[..self::WIDTH].copy_from_slice(&[row[0], row[1], key, address.0]);
        HashedRow(entry)
    }

    pub(super) fn row(&self) -> [u64; 2] {
        [self.0[0], self.0[1]]
    }

    pub(super) fn key(&self) -> u64 {
        self.0[2]
    }

    pub(super) fn address(&self) -> RowAddress {
        RowAddress(self.0[3])
    }

    pub(super) fn tags(&self) -> &[u64] {
        &self.0[self::WIDTH..]
    }

    pub(super) fn tags_mut(&mut self) -> &mut [u64] {
        &mut self.0[self::WIDTH..]
    }
}

/// A row address, with four flag bits: two for the tier of the row if it is equal as read, and two below.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct RowAddress(pub u64);

impl RowAddress {
    /// A row of the other side is equal.
    pub(super) const SETTLED: u64 = 1 << 61;
    /// The hashes do not settle the row, so it goes to the merge.
    pub(super) const OPEN: u64 = 1 << 60;
    const TIER_SHIFT: u32 = 62;
    const TIER: u64 = 0b11 << Self::TIER_SHIFT;
    const FLAGS: u64 = Self::TIER | Self::SETTLED | Self::OPEN;

    /// Creates the address of row `row` in chunk `chunk` (below 2²⁸). `tier` is the tier if the row is equal as read.
    pub(super) fn new(chunk: usize, row: usize, tier: Tier) -> Self {
        RowAddress((tier as u64) << Self::TIER_SHIFT | (chunk as u64) << 32 | row as u64)
    }

    /// The tier of the row if it is equal as read, considering its own side only.
    pub(super) fn tier(self) -> Tier {
        Tier::ALL[(self.0 >> Self::TIER_SHIFT) as usize]
    }

    pub(super) fn is(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    pub(super) fn chunk(self) -> usize {
        ((self.0 & !Self::FLAGS) >> 32) as usize
    }

    pub(super) fn row_in_chunk(self) -> usize {
        self.0 as u32 as usize
    }
}

/// Bytes of entries that a worker collects for a partition before it locks it.
const BLOCK_BYTES: usize = 2 << 10;
/// The target size of a partition, so that sorting one fits in a worker's cache.
const PARTITION_BYTES: u64 = 2 << 20;
const PARTITIONS_MAX: u64 = 2048;
/// Entries per read from the temporary file.
const READ_BACK: usize = 16 << 10;

/// All entries of one side. Workers add entries through [`Writer`]s.
pub(super) struct Partitions<'a, const WIDTH: usize> {
    engine: &'a Engine,
    partitions: Vec<Mutex<Partition<WIDTH>>>,
    /// The expected number of entries per partition.
    partition_rows: usize,
    /// The memory that the partitions have reserved, in bytes.
    held_bytes: AtomicU64,
    budget_bytes: u64,
    spill: Spill,
}

/// Entries in one allocation, sized in advance: small allocations would be scattered, and touching fresh memory costs
/// more than hashing.
struct Partition<const WIDTH: usize> {
    entries: Vec<HashedRow<WIDTH>>,
    spilled: Vec<Extent>,
}

/// A range of the temporary file.
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

/// The entries of a block, of `width` numbers of 64 bits each.
const fn block_of(width: usize) -> usize {
    let entries = BLOCK_BYTES / (width * size_of::<u64>());
    if entries > 8 { entries } else { 8 }
}

/// Returns the number of partitions for this many rows, with entries of `width` numbers of 64 bits.
pub(super) fn partitions_for(rows: u64, width: usize) -> usize {
    (bytes_of(rows, width) / PARTITION_BYTES).next_power_of_two().clamp(16, PARTITIONS_MAX) as usize
}

/// Returns the partition of a key hash. Uses other bits than the buckets of a partition.
pub(super) fn partition_of(key: u64, partitions: usize) -> usize {
    (key >> 32) as usize & (partitions - 1)
}

/// Returns the size in bytes of the entries of this many rows, each of `width` numbers of 64 bits.
pub(super) fn bytes_of(rows: u64, width: usize) -> u64 {
    rows.saturating_mul((width * size_of::<u64>()) as u64)
}

impl<'a, const WIDTH: usize> Partitions<'a, WIDTH> {
    /// Reserves memory for `rows` rows of one side, in `partitions` partitions and at most `budget_bytes` bytes.
    pub(super) fn new(engine: &'a Engine, partitions: usize, rows: u64, budget_bytes: u64) -> Self {
        // hashes are distributed evenly, so all partitions have about the same size
        let even = rows / partitions as u64;
        let partition_rows =
            (even + even / 16 + block_of(WIDTH) as u64).min(budget_bytes / bytes_of(partitions as u64, WIDTH));
        Partitions {
            engine,
            partitions: (0..partitions).map(|_| Mutex::new(Partition { entries: vec![], spilled: vec![] })).collect(),
            partition_rows: partition_rows as usize,
            held_bytes: AtomicU64::new(0),
            budget_bytes,
            spill: Spill { dir: engine.spill_dir(), file: Mutex::new(None), end: AtomicU64::new(0) },
        }
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The memory in use, in bytes.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Whether no entry was spilled.
    pub(super) fn is_held(&self) -> bool {
        self.spill.end.load(Ordering::Relaxed) == 0
    }

    /// The number of entries in a partition.
    pub(super) fn rows(&self, partition: usize) -> u64 {
        let partition = lock(&self.partitions[partition]);
        let spilled: usize = partition.spilled.iter().map(|extent| extent.entries).sum();
        (partition.entries.len() + spilled) as u64
    }

    /// Removes and returns the entries of a partition.
    pub(super) fn take(&self, partition: usize) -> Result<Vec<HashedRow<WIDTH>>> {
        let mut partition = lock(&self.partitions[partition]);
        let mut entries = std::mem::take(&mut partition.entries);
        let spilled = std::mem::take(&mut partition.spilled);
        entries.reserve_exact(spilled.iter().map(|extent| extent.entries).sum());
        self.read_back(spilled, |entry| entries.push(*entry))?;
        Ok(entries)
    }

    /// Creates the writer of one worker. The worker must call `finish`.
    pub(super) fn writer(&self) -> Writer<'_, 'a, WIDTH> {
        let buffers = self.partitions.iter().map(|_| Vec::new()).collect();
        Writer { entries: self, buffers }
    }

    /// Passes every entry of a partition to `each`, and frees the partition.
    pub(super) fn drain(&self, partition: usize, mut each: impl FnMut(&HashedRow<WIDTH>)) -> Result<()> {
        let mut partition = lock(&self.partitions[partition]);
        std::mem::take(&mut partition.entries).iter().for_each(&mut each);
        self.read_back(std::mem::take(&mut partition.spilled), each)
    }

    fn read_back(&self, spilled: Vec<Extent>, mut each: impl FnMut(&HashedRow<WIDTH>)) -> Result<()> {
        let mut buffer = vec![HashedRow::<WIDTH>::zeroed(); if spilled.is_empty() { 0 } else { READ_BACK }];
        for extent in spilled {
            self.engine.check_stop()?;
            let mut done = 0;
            while done < extent.entries {
                let count = READ_BACK.min(extent.entries - done);
                let piece = &mut buffer[..count];
                let offset = extent.offset + (done * size_of::<HashedRow<WIDTH>>()) as u64;
                self.spill.read(bytemuck::cast_slice_mut(piece), offset)?;
                piece.iter().for_each(&mut each);
                done += count;
            }
        }
        Ok(())
    }

    fn add(&self, partition: usize, block: &[HashedRow<WIDTH>]) -> Result<()> {
        let Partition { entries, spilled } = &mut *lock(&self.partitions[partition]);
        if entries.len() + block.len() > entries.capacity() && !self.claim(entries, block.len()) {
            spilled.push(self.spill.write(entries)?);
            self.engine.timings.count_spilled(size_of_val(entries.as_slice()) as u64);
            entries.clear();
        }
        entries.extend_from_slice(block);
        Ok(())
    }

    /// Reserves memory for more entries in a partition, and returns whether the limit allows it. The first reservation
    /// always succeeds, because the budget includes it for all partitions.
    fn claim(&self, entries: &mut Vec<HashedRow<WIDTH>>, more: usize) -> bool {
        // reserve here, because the workers together clear fresh memory faster than one thread would
        let added = match entries.capacity() {
            0 => self.partition_rows.max(more),
            capacity => (capacity / 4).max(more),
        };
        let bytes = bytes_of(added as u64, WIDTH);
        // a reallocation may copy the entries, which then take memory twice for a moment
        let moved = bytes_of(entries.capacity() as u64, WIDTH);
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let allowed = entries.capacity() == 0 || held + bytes + moved <= self.budget_bytes;
        match allowed {
            true => entries.reserve_exact(added),
            false => drop(self.held_bytes.fetch_sub(bytes, Ordering::Relaxed)),
        }
        allowed
    }
}

/// Collects the entries of one worker into blocks.
pub(super) struct Writer<'e, 'a, const WIDTH: usize> {
    entries: &'e Partitions<'a, WIDTH>,
    buffers: Vec<Vec<HashedRow<WIDTH>>>,
}

impl<const WIDTH: usize> Writer<'_, '_, WIDTH> {
    pub(super) fn push(&mut self, entry: HashedRow<WIDTH>) -> Result<()> {
        let partition = partition_of(entry.key(), self.buffers.len());
        let buffer = &mut self.buffers[partition];
        if buffer.capacity() == 0 {
            buffer.reserve_exact(block_of(WIDTH));
        }
        buffer.push(entry);
        if buffer.len() == block_of(WIDTH) {
            self.entries.add(partition, buffer)?;
            buffer.clear();
        }
        Ok(())
    }

    /// Adds the remaining entries.
    pub(super) fn finish(self) -> Result<()> {
        let left = self.buffers.into_iter().enumerate().filter(|(_, block)| !block.is_empty());
        for (partition, block) in left {
            self.entries.add(partition, &block)?;
        }
        Ok(())
    }
}

impl Spill {
    fn write<const WIDTH: usize>(&self, entries: &[HashedRow<WIDTH>]) -> Result<Extent> {
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

    /// Returns the temporary file. It has no name, so it vanishes when the process ends, even after a crash.
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

/// Locks a mutex that workers share.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // a worker that panicked has already ended the run
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_address_keeps_chunk_row_and_tier_apart() {
        let (chunk, row) = ((1 << 28) - 1, u32::MAX as usize);
        for tier in Tier::ALL {
            for flags in [0, RowAddress::SETTLED, RowAddress::OPEN, RowAddress::SETTLED | RowAddress::OPEN] {
                let address = RowAddress(RowAddress::new(chunk, row, tier).0 | flags);
                assert_eq!((address.chunk(), address.row_in_chunk(), address.tier()), (chunk, row, tier));
                assert_eq!(address.is(RowAddress::SETTLED), flags & RowAddress::SETTLED != 0);
                assert_eq!(address.is(RowAddress::OPEN), flags & RowAddress::OPEN != 0);
            }
        }
    }
}
