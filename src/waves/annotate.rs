//! ANNOTATE: rejects duplicate IDs, and adds to each ID whether it is finished, its earlier assignment, and its row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, RecordBatch, StringArray, UInt64Array, UInt64Builder,
};
use arrow::compute::interleave;
use arrow::datatypes::UInt64Type;

use super::columns::{UnitColumns, text};
use super::entries::EntrySchema;
use super::lookup::MergeLookup;
use super::reading::{IdReader, Source, repeated};
use super::rows::{RowLookup, RowSource};
use crate::error::{Error, Result};
use crate::id_list;

/// What is known in addition to the lists, sorted by digest.
#[derive(Default)]
pub(crate) struct Annotations<'a> {
    pub done: Option<MergeLookup<'a>>,
    /// Assignments in the previous cut.
    pub previous: Option<MergeLookup<'a>>,
    /// Rows to write.
    pub rows: Option<(&'a RowSource, RowLookup<'a>)>,
}

/// The IDs of the lists, in digest order.
pub(crate) struct Ids<'a> {
    source: &'a Source,
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    listed: IdReader<'a>,
    known: Annotations<'a>,
    /// The row before the current one, to detect duplicate IDs.
    last: Option<(RecordBatch, usize)>,
    added: u64,
}

/// Differences between the lists and what was known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeCounts {
    /// IDs that the previous cut did not have.
    pub added: u64,
    /// IDs of the previous cut that are not in the lists.
    pub gone: u64,
    /// Finished IDs that are not in the lists.
    pub finished_unknown: u64,
}

const ADDRESS: usize = 1;
const TEXTS: usize = 2;

impl<'a> Ids<'a> {
    pub(crate) fn of(
        source: &'a Source,
        columns: &'a UnitColumns,
        shape: &'a EntrySchema,
        listed: IdReader<'a>,
        known: Annotations<'a>,
    ) -> Self {
        Ids { source, columns, shape, listed, known, last: None, added: 0 }
    }

    pub(crate) fn total(&self) -> u64 {
        self.listed.ids
    }

    /// What was read and counted. Complete only after the last ID.
    pub(crate) fn finish(mut self) -> Result<(IdReader<'a>, ChangeCounts)> {
        let left = |lookup: &mut Option<MergeLookup>| lookup.as_mut().map_or(Ok(0), MergeLookup::left);
        let counted = ChangeCounts {
            added: self.added,
            gone: left(&mut self.known.previous)?,
            finished_unknown: left(&mut self.known.done)?,
        };
        Ok((self.listed, counted))
    }

    fn know(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        self.require_unique(&batch)?;
        let digests = batch.column(0).as_binary::<i32>();
        let texts = self.texts(&batch);
        let (mut finished, mut members) = (BooleanBuilder::new(), UInt64Builder::new());
        let mut rows = Gathered::default();
        for row in 0..batch.num_rows() {
            let digest = digests.value(row);
            let is_finished = match &mut self.known.done {
                Some(done) => done.find(digest)?.is_some(),
                None => false,
            };
            finished.append_value(is_finished);
            let member = match &mut self.known.previous {
                Some(previous) => {
                    let member = previous.find(digest)?;
                    let member = member.map(|(batch, index)| batch.column(1).as_primitive::<UInt64Type>().value(index));
                    self.added += u64::from(member.is_none());
                    member
                }
                None => None,
            };
            members.append_option(member);
            if let Some((source, known)) = &mut self.known.rows {
                let id = || self.columns.describe_id(&texts, row);
                let (array, index) = known.find(digest, id)?.ok_or_else(|| source.unknown(id()))?;
                rows.add(array, index);
            }
        }
        let (finished, members): (BooleanArray, UInt64Array) = (finished.finish(), members.finish());
        let rows = self.known.rows.as_ref().map(|_| rows.finish()).transpose()?;
        self.shape.batch(digests.clone(), finished, members, &batch.columns()[TEXTS..], rows)
    }

    /// Equal digests are adjacent.
    fn require_unique(&mut self, batch: &RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            let (before, index) = match (row, &self.last) {
                (0, None) => continue,
                (0, Some((before, index))) => (before, *index),
                _ => (batch, row - 1),
            };
            if batch.column(0).as_binary::<i32>().value(row) != before.column(0).as_binary::<i32>().value(index) {
                continue;
            }
            let (one, two) = (self.texts(before), self.texts(batch));
            let id = |texts: &[&StringArray], row| self.columns.describe_id(texts, row);
            if self.columns.key.iter().any(|column| text(one[*column], index) != text(two[*column], row)) {
                return Err(same_digest(&id(&one, index), &id(&two, row), self.columns.seed()));
            }
            let address = |batch: &RecordBatch, row| batch.column(ADDRESS).as_primitive::<UInt64Type>().value(row);
            return Err(repeated(self.source, id(&two, row), address(before, index), address(batch, row)));
        }
        self.last = Some((batch.clone(), batch.num_rows() - 1));
        Ok(())
    }

    fn texts<'b>(&self, batch: &'b RecordBatch) -> Vec<&'b StringArray> {
        id_list::texts(batch, TEXTS, self.columns.names.len())
    }
}

impl Iterator for Ids<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.listed.sorted.next()?;
        Some(batch.and_then(|batch| self.know(batch)))
    }
}

/// The error for two IDs or groups with the same 128-bit digest. This does not happen by chance, only by construction.
pub(crate) fn same_digest(one: &str, two: &str, seed: u64) -> Error {
    Error::request("--seed", format!("{one} and {two} have the same digest with seed {seed}\n  use another seed"))
}

/// Values collected from several arrays.
#[derive(Default)]
struct Gathered {
    arrays: Vec<ArrayRef>,
    indices: Vec<(usize, usize)>,
}

impl Gathered {
    fn add(&mut self, array: ArrayRef, row: usize) {
        // consecutive values usually come from the same batch
        if self.arrays.last().is_none_or(|last| !Arc::ptr_eq(last, &array)) {
            self.arrays.push(array);
        }
        self.indices.push((self.arrays.len() - 1, row));
    }

    fn finish(self) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&arrays, &self.indices)?)
    }
}
