//! The hashed way's memory: one small entry per row, partitioned by key hash, spilled to one working
//! file at the memory limit.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::{Pod, Zeroable};

use crate::canonical::row_hash::RowHash;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What is remembered of a row: 32 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Entry {
    row: [u64; 2],
    /// The key hash.
    pub key: u64,
    place: u64,
}

impl Entry {
    /// An entry for row `row` of chunk `chunk` (below 2³¹), and whether a rule was needed to read it.
    pub fn new(hash: RowHash, chunk: u32, row: u32, by_rule: bool) -> Self {
        let flag = if by_rule { BY_RULE } else { 0 };
        Entry {
            row: [hash.row as u64, (hash.row >> 64) as u64],
            key: hash.key,
            place: flag | u64::from(chunk) << 32 | u64::from(row),
        }
    }

    /// Whether a rule was needed to read the row.
    pub fn by_rule(&self) -> bool {
        self.place & BY_RULE != 0
    }

    /// Whether two rows have the same row hash.
    pub fn same_row(&self, other: &Entry) -> bool {
        self.row == other.row
    }

    /// The chunk that holds the row.
    pub fn chunk(&self) -> usize {
        ((self.place & !BY_RULE) >> 32) as usize
    }

    /// The row's number in its chunk.
    pub fn row_in_chunk(&self) -> usize {
        self.place as u32 as usize
    }
}

/// The bit of an entry's place that no chunk's number reaches.
const BY_RULE: u64 = 1 << 63;
/// Entries per block; 16 kB.
const BLOCK: usize = 512;
/// Rows per partition that the number of partitions aims at, so that a worker's match fits its cache.
const PARTITION_ROWS: u64 = 128 << 10;
const PARTITIONS_MAX: u64 = 1024;
/// Entries that are read back from the working file at a time.
const READ_BACK: usize = 16 << 10;

/// All entries of both sides. Workers add to it through [`Writer`]s.
pub struct Entries<'a> {
    engine: &'a Engine,
    partitions: Vec<Mutex<Partition>>,
    held_bytes: AtomicU64,
    budget_bytes: u64,
    spill: Spill,
}

#[derive(Default)]
struct Partition {
    blocks: Vec<Vec<Entry>>,
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

/// What the entries of this many rows take, in bytes.
pub fn bytes_of(rows: u64) -> u64 {
    rows.saturating_mul(size_of::<Entry>() as u64)
}

impl<'a> Entries<'a> {
    /// Room for this many rows of both sides together.
    pub fn new(engine: &'a Engine, rows: u64) -> Self {
        let partitions = (rows / PARTITION_ROWS).next_power_of_two().clamp(16, PARTITIONS_MAX);
        Entries {
            engine,
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            held_bytes: AtomicU64::new(0),
            budget_bytes: engine.working_memory(),
            spill: Spill { dir: engine.spill_dir(), file: Mutex::new(None), end: AtomicU64::new(0) },
        }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// A worker's own access, to be finished when it is done.
    pub fn writer(&self) -> Writer<'_, 'a> {
        let buffers = self.partitions.iter().map(|_| Vec::new()).collect();
        Writer { entries: self, buffers }
    }

    /// Hands every entry of a partition to `each`, and frees what it held.
    pub fn drain(&self, partition: usize, mut each: impl FnMut(&Entry)) -> Result<()> {
        let Partition { blocks, spilled } = std::mem::take(&mut *lock(&self.partitions[partition]));
        for block in blocks {
            block.iter().for_each(&mut each);
        }
        let mut buffer = vec![Entry::zeroed(); if spilled.is_empty() { 0 } else { READ_BACK }];
        for extent in spilled {
            self.engine.check_stop()?;
            let mut done = 0;
            while done < extent.entries {
                let count = READ_BACK.min(extent.entries - done);
                let piece = &mut buffer[..count];
                let offset = extent.offset + (done * size_of::<Entry>()) as u64;
                self.spill.read(bytemuck::cast_slice_mut(piece), offset)?;
                piece.iter().for_each(&mut each);
                done += count;
            }
        }
        Ok(())
    }

    fn partition_of(&self, entry: &Entry) -> usize {
        // bits that a hash table of the partition's entries does not use
        (entry.key >> 32) as usize & (self.partitions.len() - 1)
    }

    fn add(&self, partition: usize, block: Vec<Entry>) -> Result<()> {
        let bytes = size_of_val(block.as_slice()) as u64;
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut partition = lock(&self.partitions[partition]);
        partition.blocks.push(block);
        if held > self.budget_bytes {
            let blocks = std::mem::take(&mut partition.blocks);
            let entries = blocks.concat();
            drop(blocks);
            let extent = self.spill.write(&entries)?;
            partition.spilled.push(extent);
            let freed = size_of_val(entries.as_slice()) as u64;
            self.held_bytes.fetch_sub(freed, Ordering::Relaxed);
            self.engine.meter.count_spilled(freed);
        }
        Ok(())
    }
}

/// Gathers one worker's entries into blocks.
pub struct Writer<'e, 'a> {
    entries: &'e Entries<'a>,
    buffers: Vec<Vec<Entry>>,
}

impl Writer<'_, '_> {
    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) -> Result<()> {
        let partition = self.entries.partition_of(&entry);
        let buffer = &mut self.buffers[partition];
        if buffer.capacity() == 0 {
            buffer.reserve_exact(BLOCK);
        }
        buffer.push(entry);
        if buffer.len() == BLOCK {
            let block = std::mem::take(buffer);
            self.entries.add(partition, block)?;
        }
        Ok(())
    }

    /// Hands over what is left.
    pub fn finish(self) -> Result<()> {
        let left = self.buffers.into_iter().enumerate().filter(|(_, block)| !block.is_empty());
        for (partition, mut block) in left {
            block.shrink_to_fit();
            self.entries.add(partition, block)?;
        }
        Ok(())
    }
}

impl Spill {
    fn write(&self, entries: &[Entry]) -> Result<Extent> {
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // a worker that panicked has ended the run already
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
