//! KNOW: every ID once, with what is known of it: whether it is finished, where an earlier cut has put it, its row.

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

/// What is known besides the lists, sorted by digest.
#[derive(Default)]
pub(crate) struct Annotations<'a> {
    /// Finished IDs.
    pub done: Option<MergeLookup<'a>>,
    /// Members of the cut before.
    pub previous: Option<MergeLookup<'a>>,
    /// Rows to be written.
    pub rows: Option<(&'a RowSource, RowLookup<'a>)>,
}

/// The IDs of the lists, by digest.
pub(crate) struct Ids<'a> {
    source: &'a Source,
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    listed: IdReader<'a>,
    known: Annotations<'a>,
    /// The row before the one at hand, to see that no ID comes twice.
    last: Option<(RecordBatch, usize)>,
    added: u64,
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeCounts {
    /// IDs that the cut before did not have.
    pub added: u64,
    /// IDs that it had and the lists do not.
    pub gone: u64,
    /// Finished IDs that the lists do not have.
    pub finished_unknown: u64,
}

const PLACE: usize = 1;
const TEXTS: usize = 2;

impl<'a> Ids<'a> {
    /// Begins before the first ID.
    pub(crate) fn of(
        source: &'a Source,
        columns: &'a UnitColumns,
        shape: &'a EntrySchema,
        listed: IdReader<'a>,
        known: Annotations<'a>,
    ) -> Self {
        Ids { source, columns, shape, listed, known, last: None, added: 0 }
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.listed.ids
    }

    /// What was read, and what was counted, once all IDs have come.
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
                    let member = member.map(|(batch, at)| batch.column(1).as_primitive::<UInt64Type>().value(at));
                    self.added += u64::from(member.is_none());
                    member
                }
                None => None,
            };
            members.append_option(member);
            if let Some((source, known)) = &mut self.known.rows {
                let id = || self.columns.id_words(&texts, row);
                let (array, at) = known.find(digest, id)?.ok_or_else(|| source.unknown(id()))?;
                rows.add(array, at);
            }
        }
        let (finished, members): (BooleanArray, UInt64Array) = (finished.finish(), members.finish());
        let rows = self.known.rows.as_ref().map(|_| rows.finish()).transpose()?;
        self.shape.batch(digests.clone(), finished, members, &batch.columns()[TEXTS..], rows)
    }

    /// Equal digests stand beside each other.
    fn require_unique(&mut self, batch: &RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            let (before, at) = match (row, &self.last) {
                (0, None) => continue,
                (0, Some((before, at))) => (before, *at),
                _ => (batch, row - 1),
            };
            if batch.column(0).as_binary::<i32>().value(row) != before.column(0).as_binary::<i32>().value(at) {
                continue;
            }
            let (one, two) = (self.texts(before), self.texts(batch));
            let id = |texts: &[&StringArray], row| self.columns.id_words(texts, row);
            if self.columns.key.iter().any(|column| text(one[*column], at) != text(two[*column], row)) {
                return Err(same_digest(&id(&one, at), &id(&two, row), self.columns.seed()));
            }
            let place = |batch: &RecordBatch, row| batch.column(PLACE).as_primitive::<UInt64Type>().value(row);
            return Err(repeated(self.source, id(&two, row), place(before, at), place(batch, row)));
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

/// Two things with one digest of 128 bits. By chance it does not happen; who tries for it gets no cut with this seed.
pub(crate) fn same_digest(one: &str, two: &str, seed: u64) -> Error {
    Error::Contradiction(format!(
        "--seed: {one} and {two} have the same place in every order that begins with {seed}\n  choose another number"
    ))
}

/// Values from several arrays, one after the other.
#[derive(Default)]
struct Gathered {
    arrays: Vec<ArrayRef>,
    places: Vec<(usize, usize)>,
}

impl Gathered {
    fn add(&mut self, array: ArrayRef, row: usize) {
        // the same batch is looked into many times in a row
        if self.arrays.last().is_none_or(|last| !Arc::ptr_eq(last, &array)) {
            self.arrays.push(array);
        }
        self.places.push((self.arrays.len() - 1, row));
    }

    fn finish(self) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&arrays, &self.places)?)
    }
}
