//! Divides the rows of the table into pieces with a fixed number of rows, or fewer if rows are large.
//!
//! The end of a piece depends only on the rows, and not on the input batches.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;

use crate::error::Result;

/// The maximum number of rows, and of bytes of text and lists, of a piece. The row that reaches a limit is the last
/// one.
const PIECE_ROWS: usize = 8192;
const PIECE_BYTES: u64 = 8 << 20;

/// Collects rows until they are a piece.
#[derive(Default)]
pub(super) struct Pieces {
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
}

impl Pieces {
    /// Adds rows, and passes every complete piece to `each`.
    pub(super) fn push(&mut self, batch: &RecordBatch, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let bytes = row_bytes(batch);
        let mut start = 0;
        for (row, bytes) in bytes.into_iter().enumerate() {
            self.rows += 1;
            self.bytes += bytes;
            if self.rows == PIECE_ROWS || self.bytes >= PIECE_BYTES {
                self.waiting.push(batch.slice(start, row + 1 - start));
                start = row + 1;
                self.finish(&mut each)?;
            }
        }
        if start < batch.num_rows() {
            self.waiting.push(batch.slice(start, batch.num_rows() - start));
        }
        Ok(())
    }

    /// Passes the remaining rows to `each`.
    pub(super) fn finish(&mut self, mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let waiting = std::mem::take(self).waiting;
        match waiting.first() {
            Some(first) => each(concat_batches(&first.schema(), &waiting)?),
            None => Ok(()),
        }
    }
}

/// Returns the size of each row in bytes, without the parts that have the same size in all rows.
fn row_bytes(batch: &RecordBatch) -> Vec<u64> {
    let mut sums = vec![0; batch.num_rows()];
    batch.columns().iter().for_each(|column| add_bytes(column, &mut sums));
    sums
}

/// Adds the size of each value of an array of a plain type, in bytes.
fn add_bytes(array: &ArrayRef, sums: &mut [u64]) {
    let spans = |offsets: &OffsetBuffer<i32>, sums: &mut [u64]| {
        sums.iter_mut().zip(offsets.lengths()).for_each(|(sum, length)| *sum += length as u64);
    };
    match array.data_type() {
        DataType::Utf8 => spans(array.as_string::<i32>().offsets(), sums),
        DataType::Binary => spans(array.as_binary::<i32>().offsets(), sums),
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|column| add_bytes(column, sums)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_items(list.offsets(), list.values(), sums);
        }
        DataType::Map(..) => {
            let map = array.as_map();
            map.entries().columns().iter().for_each(|column| add_items(map.offsets(), column, sums));
        }
        _ => {}
    }
}

/// The size of a list item without its text, in bytes.
const ITEM_BYTES: u64 = 16;

fn add_items(offsets: &OffsetBuffer<i32>, items: &ArrayRef, sums: &mut [u64]) {
    let mut bytes = vec![ITEM_BYTES; items.len()];
    add_bytes(items, &mut bytes);
    for (sum, span) in sums.iter_mut().zip(offsets.windows(2)) {
        *sum += bytes[span[0] as usize..span[1] as usize].iter().sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, StringArray};

    use super::*;

    #[test]
    fn the_ends_of_pieces_do_not_depend_on_batches() {
        let texts: Vec<String> =
            (0..12_000).map(|row| "x".repeat(if row % 7 == 0 { 30_000 } else { row % 5 })).collect();
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let numbers: ArrayRef = Arc::new((0..12_000).collect::<Int32Array>());
        let all = RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap();
        let cut = |step: usize| {
            let (mut pieces, mut ends) = (Pieces::default(), vec![]);
            let mut add = |piece: RecordBatch| {
                ends.push(piece.num_rows());
                Ok(())
            };
            for start in (0..all.num_rows()).step_by(step) {
                pieces.push(&all.slice(start, step.min(all.num_rows() - start)), &mut add).unwrap();
            }
            pieces.finish(&mut add).unwrap();
            ends
        };
        let ends = cut(12_000);
        assert_eq!(ends.iter().sum::<usize>(), 12_000);
        assert!(ends.len() > 3 && ends.iter().all(|rows| *rows <= PIECE_ROWS));
        assert_eq!(ends, cut(1_000));
        assert_eq!(ends, cut(8_191));
    }
}
