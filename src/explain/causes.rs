//! The causes of single rows of the table of discrepancies.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};

use crate::causes::{CauseReport, Causes};
use crate::compare::discrepancy::{TableColumn, texts};
use crate::error::Result;

/// The causes of each row, by their numbers among the reports. The table has the labels of the merge.
pub(super) fn of_rows(causes: &Causes, table: &RecordBatch) -> Vec<Vec<usize>> {
    let labels = TableColumn::Causes.of(table).as_list::<i32>();
    let of_row = |row: usize| {
        let labels = labels.value(row);
        causes.of_labels(labels.as_string::<i32>().iter().flatten().filter_map(|label| label.parse().ok()))
    };
    (0..table.num_rows()).map(of_row).collect()
}

/// Replaces labels by the names of the causes for which they speak.
pub(super) fn named(causes: &Causes, table: &RecordBatch) -> Result<RecordBatch> {
    let tags: Vec<String> = causes.reports.iter().map(CauseReport::tag).collect();
    let of_rows = of_rows(causes, table);
    let named = of_rows.iter().map(|causes| causes.iter().map(|number| tags[*number].as_str()).collect());
    let mut columns = table.columns().to_vec();
    columns[TableColumn::Causes as usize] = Arc::new(texts(named));
    Ok(RecordBatch::try_new(table.schema(), columns)?)
}
