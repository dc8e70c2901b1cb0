//! Reads one side in key order, batch by batch, and verifies the order.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::columns::{Pairing, RowBatch};
use crate::compare::discrepancy::{RowRef, Tier};
use crate::equality::canonical::order::{KeyOrder, key_runs};
use crate::error::{Error, Result};
use crate::sides::Side;

/// The reason why a side could not be read in key order.
#[derive(Debug)]
pub enum MergeError {
    /// A row sorts before the row that precedes it.
    OrderBroken(Side),
    /// Reading failed.
    Failed(Error),
}

impl From<Error> for MergeError {
    fn from(error: Error) -> Self {
        MergeError::Failed(error)
    }
}

impl From<arrow::error::ArrowError> for MergeError {
    fn from(error: arrow::error::ArrowError) -> Self {
        MergeError::Failed(error.into())
    }
}

/// The part of the key space that a cursor returns, by the first key column: from `start` (included) to `end`
/// (excluded). Each is a canonical column with one row, or `None` for an open end.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyRange {
    /// The first value in the range.
    pub start: Option<ArrayRef>,
    /// The first value after the range.
    pub end: Option<ArrayRef>,
}

/// Produces batches, and `None` at the end.
pub(super) type CursorSource<'a> = Box<dyn FnMut() -> Result<Option<RowBatch>> + Send + 'a>;

/// All rows of one side with the same key.
pub(super) struct KeyRun {
    /// The first row.
    pub first: RowRef,
    pub count: u64,
    /// If rules map different values to this key: all rows, ordered by their values as read.
    pub varied: Option<Vec<(Vec<u8>, RowRef)>>,
}

/// A batch, and the positions where its keys repeat.
struct Page {
    rows: Arc<RowBatch>,
    /// Rows with the same key as the next row, ascending. The next row may be the first of the next page.
    repeats: Vec<usize>,
}

impl Page {
    fn len(&self) -> usize {
        self.rows.raw.num_rows()
    }
}

/// A position in the rows of one side. It reads one page ahead, to know whether the key of the current row repeats.
pub(super) struct Cursor<'a> {
    pairing: &'a Pairing,
    side: Side,
    source: CursorSource<'a>,
    range: KeyRange,
    /// The last batch, untrimmed, to verify the order across batches.
    before: Option<Arc<RowBatch>>,
    current: Option<Page>,
    following: Option<Page>,
    row: usize,
    /// The number of repeats before `row` in the current page.
    repeats_passed: usize,
    delivered: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn open(
        pairing: &'a Pairing,
        side: Side,
        source: CursorSource<'a>,
        range: KeyRange,
    ) -> Result<Self, MergeError> {
        let mut cursor = Cursor {
            pairing,
            side,
            source,
            range,
            before: None,
            current: None,
            following: None,
            row: 0,
            repeats_passed: 0,
            delivered: 0,
        };
        cursor.current = cursor.load()?;
        cursor.look_ahead()?;
        Ok(cursor)
    }

    /// Returns the current batch and row; `None` at the end.
    pub(super) fn head(&self) -> Option<(&Arc<RowBatch>, usize)> {
        self.current.as_ref().map(|page| (&page.rows, self.row))
    }

    /// Returns how many rows, from the current one to the end of the batch, have keys that do not repeat.
    pub(super) fn unique_len(&self) -> usize {
        let Some(page) = &self.current else { return 0 };
        let end = page.repeats.get(self.repeats_passed).copied().unwrap_or(page.len());
        end - self.row
    }

    /// Skips `rows` rows of the current batch.
    pub(super) fn advance(&mut self, rows: usize) -> Result<(), MergeError> {
        self.row += rows;
        self.delivered += rows as u64;
        let Some(page) = &self.current else { return Ok(()) };
        self.repeats_passed += page.repeats[self.repeats_passed..].iter().take_while(|&&at| at < self.row).count();
        if self.row == page.len() {
            self.row = 0;
            self.repeats_passed = 0;
            self.current = self.following.take();
            self.look_ahead()?;
        }
        Ok(())
    }

    /// Skips and returns all rows with the current key.
    pub(super) fn take_run(&mut self) -> Result<Option<KeyRun>, MergeError> {
        let Some((batch, row)) = self.head() else { return Ok(None) };
        let first = RowRef { batch: batch.clone(), row };
        if self.pairing.keys_have_rules() {
            return self.take_varied_run(first).map(Some);
        }
        let mut count = 1;
        while self.repeats() {
            self.advance(1)?;
            count += 1;
        }
        self.advance(1)?;
        Ok(Some(KeyRun { first, count, varied: None }))
    }

    /// Returns a run whose rows may have different values for one key. Their order does not depend on the input order.
    fn take_varied_run(&mut self, first: RowRef) -> Result<KeyRun, MergeError> {
        let mut rows = vec![first];
        while self.repeats() {
            self.advance(1)?;
            rows.extend(self.head().map(|(batch, row)| RowRef { batch: batch.clone(), row }));
        }
        self.advance(1)?;
        let mut varied: Vec<(Vec<u8>, RowRef)> =
            rows.into_iter().map(|row| (row.batch.exact_bytes(row.row), row)).collect();
        // cells with one value as read may have had several; those that needed no rule come first, so that they are
        // paired first
        let tier = |RowRef { batch, row }: &RowRef| Tier::as_read(batch.read_rows.as_ref(), *row);
        varied.sort_by(|(a, a_row), (b, b_row)| a.cmp(b).then_with(|| tier(a_row).cmp(&tier(b_row))));
        Ok(KeyRun { first: varied[0].1.clone(), count: varied.len() as u64, varied: Some(varied) })
    }

    /// The number of rows that were passed.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    fn repeats(&self) -> bool {
        self.current.as_ref().is_some_and(|page| page.repeats.get(self.repeats_passed) == Some(&self.row))
    }

    fn look_ahead(&mut self) -> Result<(), MergeError> {
        if self.current.is_none() {
            return Ok(());
        }
        self.following = self.load()?;
        if let (Some(page), Some(following)) = (&mut self.current, &self.following) {
            let order = KeyOrder::of(&page.rows.keys, &following.rows.keys)?;
            if order.compare(page.len() - 1, 0).is_eq() {
                page.repeats.push(page.len() - 1);
            }
        }
        Ok(())
    }

    /// Loads the next page with rows in the range.
    fn load(&mut self) -> Result<Option<Page>, MergeError> {
        while let Some(rows) = (self.source)()? {
            let page = self.verify(Arc::new(rows))?;
            let (start, end) = self.bounds(&page.rows)?;
            if start == 0 && end == page.len() {
                return Ok(Some(page));
            }
            if start < end {
                return Ok(Some(trim(&page, start, end)));
            }
            if end == 0 && self.range.end.is_some() {
                // the batches ascend, so all later rows are beyond the range
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Verifies that a batch ascends, and that it continues where the last one ended.
    fn verify(&mut self, rows: Arc<RowBatch>) -> Result<Page, MergeError> {
        let steps = key_runs(&rows.keys)?;
        if steps.break_at.is_some() {
            return Err(MergeError::OrderBroken(self.side));
        }
        if let Some(before) = self.before.replace(rows.clone()) {
            let order = KeyOrder::of(&before.keys, &rows.keys)?;
            if order.compare(before.raw.num_rows() - 1, 0).is_gt() {
                return Err(MergeError::OrderBroken(self.side));
            }
        }
        let repeats = steps.repeats.set_indices().collect();
        Ok(Page { rows, repeats })
    }

    /// Returns the rows of a batch that are in the range.
    fn bounds(&self, rows: &RowBatch) -> Result<(usize, usize), MergeError> {
        let first_key = &rows.keys[..1];
        let below = |bound: &Option<ArrayRef>, otherwise: usize| -> Result<usize, MergeError> {
            let Some(bound) = bound else { return Ok(otherwise) };
            let order = KeyOrder::of(first_key, std::slice::from_ref(bound))?;
            Ok(partition_point(rows.raw.num_rows(), |row| order.compare(row, 0).is_lt()))
        };
        Ok((below(&self.range.start, 0)?, below(&self.range.end, rows.raw.num_rows())?))
    }
}

fn trim(page: &Page, start: usize, end: usize) -> Page {
    let rows = page.rows.slice(start, end - start);
    // rows with equal first key parts are never separated, so no repeat crosses a bound
    let repeats = page.repeats.iter().filter(|&&at| start <= at && at + 1 < end).map(|at| at - start).collect();
    Page { rows: Arc::new(rows), repeats }
}

/// Returns the first number below `len` for which `holds` is false. It must be true for all smaller numbers.
fn partition_point(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        match holds(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests;
