//! Filters batches that contain all rows by a row selection.

use std::collections::VecDeque;

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

/// The rest of a selection.
pub(super) struct Sieve {
    selectors: VecDeque<RowSelector>,
    /// How many of the next selected rows were already delivered.
    delivered: u64,
}

impl Sieve {
    /// Skips the first `delivered` rows of a selection.
    pub(super) fn new(selection: RowSelection, delivered: u64) -> Self {
        Sieve { selectors: Vec::<RowSelector>::from(selection).into(), delivered }
    }

    /// The selected rows of the next batch.
    pub(super) fn pick(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut picked = BooleanBufferBuilder::new(batch.num_rows());
        while picked.len() < batch.num_rows() {
            let left = batch.num_rows() - picked.len();
            let Some(selector) = self.selectors.front_mut() else {
                picked.append_n(left, false);
                break;
            };
            let mut rows = selector.row_count.min(left);
            let is_selected = !selector.skip;
            let is_delivered = is_selected && self.delivered > 0;
            if is_delivered {
                rows = rows.min(usize::try_from(self.delivered).unwrap_or(rows));
                self.delivered -= rows as u64;
            }
            picked.append_n(rows, is_selected && !is_delivered);
            selector.row_count -= rows;
            if selector.row_count == 0 {
                self.selectors.pop_front();
            }
        }
        filter_record_batch(batch, &BooleanArray::new(picked.finish(), None))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn rows_are_picked_across_batches_and_after_those_delivered() {
        let selection = RowSelection::from_consecutive_ranges([1..3, 5..9].into_iter(), 12);
        for (delivered, wanted) in [(0, vec![1, 2, 5, 6, 7, 8]), (3, vec![6, 7, 8]), (6, vec![])] {
            let mut sieve = Sieve::new(selection.clone(), delivered);
            let mut picked = vec![];
            for start in [0, 4, 8] {
                let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(start..start + 4));
                let batch = RecordBatch::try_from_iter([("row", rows)]).unwrap();
                picked.extend_from_slice(sieve.pick(&batch).unwrap().column(0).as_primitive::<Int64Type>().values());
            }
            assert_eq!(picked, wanted);
        }
    }
}
