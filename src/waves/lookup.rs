//! Looks up ascending digests in a sorted stream by merging.

use arrow::array::{AsArray, RecordBatch};

use super::columns::DIGEST_BYTES;
use super::sorter::SortedIds;
use crate::error::Result;

/// A stream sorted by digest, its first column. Digests must be looked up in ascending order.
pub(crate) struct MergeLookup<'a> {
    sorted: SortedIds<'a>,
    batch: Option<RecordBatch>,
    row: usize,
    /// The digest that was found or passed last.
    last: Option<[u8; DIGEST_BYTES]>,
    passed: u64,
}

impl<'a> MergeLookup<'a> {
    pub(crate) fn of(mut sorted: SortedIds<'a>) -> Result<Self> {
        let batch = sorted.next().transpose()?;
        Ok(MergeLookup { sorted, batch, row: 0, last: None, passed: 0 })
    }

    /// The row with this digest (the first of several): its batch, and its index in the batch.
    pub(crate) fn find(&mut self, digest: &[u8]) -> Result<Option<(&RecordBatch, usize)>> {
        while self.current().is_some_and(|current| current < digest) {
            self.pass()?;
        }
        match self.current() == Some(digest) {
            true => {
                self.last = digest.try_into().ok();
                Ok(self.batch.as_ref().map(|batch| (batch, self.row)))
            }
            false => Ok(None),
        }
    }

    /// The number of digests in the whole stream that were not looked up.
    pub(crate) fn left(&mut self) -> Result<u64> {
        while self.batch.is_some() {
            self.pass()?;
        }
        Ok(self.passed)
    }

    fn current(&self) -> Option<&[u8]> {
        self.batch.as_ref().map(|batch| batch.column(0).as_binary::<i32>().value(self.row))
    }

    fn pass(&mut self) -> Result<()> {
        let digest: Option<[u8; DIGEST_BYTES]> = self.current().and_then(|current| current.try_into().ok());
        if digest != self.last {
            self.passed += 1;
            self.last = digest;
        }
        self.row += 1;
        if self.batch.as_ref().is_some_and(|batch| self.row == batch.num_rows()) {
            self.batch = self.sorted.next().transpose()?;
            self.row = 0;
        }
        Ok(())
    }
}
