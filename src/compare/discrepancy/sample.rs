//! A sample of findings that does not depend on how they were divided among workers: those whose keys have the smallest
//! hashes. If there are few findings, the sample is all of them.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::DataType;
use xxhash_rust::xxh3::xxh3_64;

use super::finding::{Finding, RowRef};
use super::gathering::Gathering;
use super::table::Layout;
use crate::causes::common_form;
use crate::equality::canonical::cells::KeyBytes;
use crate::error::Result;
use crate::sides::Side;

/// The size of the sample.
const SAMPLE_ROWS: usize = 8_192;

/// The largest hash that is still in the sample of the whole comparison, for all workers.
#[derive(Debug)]
pub(super) struct SampleLimit {
    limit: AtomicU64,
    /// The smallest hashes so far.
    smallest: Mutex<BinaryHeap<u64>>,
}

impl SampleLimit {
    pub(super) fn none() -> Self {
        SampleLimit { limit: AtomicU64::new(u64::MAX), smallest: Mutex::default() }
    }

    /// Begins again.
    pub(super) fn forget(&self) {
        self.limit.store(u64::MAX, Ordering::Relaxed);
        lock(&self.smallest).clear();
    }

    /// Whether a hash is among the smallest so far.
    fn admits(&self, hash: u64) -> bool {
        // copies of a row have one hash, and may be many
        let limit = self.limit.load(Ordering::Relaxed);
        if hash >= limit && limit < u64::MAX {
            return false;
        }
        let mut smallest = lock(&self.smallest);
        smallest.push(hash);
        if smallest.len() > SAMPLE_ROWS {
            smallest.pop();
            self.limit.store(smallest.peek().copied().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        true
    }
}

fn lock(smallest: &Mutex<BinaryHeap<u64>>) -> MutexGuard<'_, BinaryHeap<u64>> {
    smallest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects the sample of one part of a comparison.
pub(super) struct Sampler<'a> {
    layout: Arc<Layout>,
    limit: &'a SampleLimit,
    gathering: Gathering,
    hashes: Vec<u64>,
    taken: Sample,
    bytes: Vec<u8>,
}

/// Sampled findings, as rows of the table of discrepancies in the order of their hashes.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    hashes: Vec<u64>,
    rows: Vec<RecordBatch>,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(layout: Arc<Layout>, limit: &'a SampleLimit, gathering: Gathering) -> Self {
        Sampler { layout, limit, gathering, hashes: vec![], taken: Sample::default(), bytes: vec![] }
    }

    /// Takes a finding if its key has a small hash.
    pub(super) fn offer(&mut self, finding: &Finding) -> Result<()> {
        let (_, key) = finding.key();
        self.bytes.clear();
        for part in &key.batch.keys {
            match part.data_type() {
                // keys that are one except for capitals or blanks come into the sample together
                DataType::BinaryView if part.is_valid(key.row) => {
                    common_form(part.as_binary_view().value(key.row), &mut self.bytes);
                }
                _ => KeyBytes::of(part).append(key.row, &mut self.bytes),
            }
        }
        let hash = xxh3_64(&self.bytes);
        // a row of large cells has little that others have, too, and a sample of them would fill the memory
        if is_large(finding) || !self.limit.admits(hash) {
            return Ok(());
        }
        self.hashes.push(hash);
        if self.gathering.push(finding.clone()) {
            self.flush()?;
        }
        Ok(())
    }

    pub(super) fn close(mut self) -> Result<Sample> {
        self.flush()?;
        self.taken.cut()?;
        Ok(self.taken)
    }

    fn flush(&mut self) -> Result<()> {
        let findings = self.gathering.take();
        if findings.is_empty() {
            return Ok(());
        }
        self.taken.rows.push(self.layout.rows(&findings)?);
        self.taken.hashes.append(&mut self.hashes);
        self.taken.cut_if_long()
    }
}

/// Whether the texts and bytes of a finding's rows are too long for a sample.
fn is_large(finding: &Finding) -> bool {
    const BYTES_MAX: usize = 1 << 14;
    let bytes = |array: &ArrayRef, row: usize| match array.data_type() {
        _ if array.is_null(row) => 0,
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::BinaryView => array.as_binary_view().value(row).len(),
        DataType::Utf8 => array.as_string::<i32>().value(row).len(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value(row).len(),
        DataType::LargeBinary => array.as_binary::<i64>().value(row).len(),
        DataType::FixedSizeBinary(len) => *len as usize,
        _ => 0,
    };
    let rows = Side::BOTH.into_iter().filter_map(|side| finding.row(side));
    let sizes =
        rows.map(|RowRef { batch, row }| batch.raw.columns().iter().map(|array| bytes(array, *row)).sum::<usize>());
    sizes.sum::<usize>() > BYTES_MAX
}

impl Sample {
    /// Adds the sample of a later part.
    pub(crate) fn add(&mut self, later: Sample) -> Result<()> {
        self.hashes.extend(later.hashes);
        self.rows.extend(later.rows);
        self.cut_if_long()
    }

    fn cut_if_long(&mut self) -> Result<()> {
        if self.hashes.len() > 2 * SAMPLE_ROWS { self.cut() } else { Ok(()) }
    }

    /// All sampled rows; `None` if there are none.
    pub(crate) fn finish(mut self) -> Result<Option<RecordBatch>> {
        self.cut()?;
        Ok(self.rows.pop())
    }

    /// Keeps the smallest hashes, in order.
    fn cut(&mut self) -> Result<()> {
        let Some(first) = self.rows.first() else { return Ok(()) };
        let all = concat_batches(&first.schema(), &self.rows)?;
        let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
        order.sort_by_key(|row| self.hashes[*row as usize]);
        order.truncate(SAMPLE_ROWS);
        self.hashes = order.iter().map(|row| self.hashes[*row as usize]).collect();
        self.rows = vec![take_record_batch(&all, &UInt32Array::from(order))?];
        Ok(())
    }
}
