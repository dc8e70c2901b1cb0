//! `misplaced.csv`: every value that is correct but under another key, with that key.

use std::io::Write;

use arrow::array::{AsArray, RecordBatch, StructArray};

use crate::compare::discrepancy::{Layout, TableColumn, classes};
use crate::csv;
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::explain::Misplacements;
use crate::output::run_dir::{FileAccess, OutputFile, RunDir};

/// Writes the list.
pub(super) struct MisplacedList {
    file: OutputFile,
    key_len: usize,
}

impl MisplacedList {
    /// Creates the list with its header.
    pub(super) fn create(run_dir: &RunDir, layout: &Layout, readers: FileAccess) -> Result<Self> {
        let names = layout.key_names();
        let others: Vec<String> = names.iter().map(|name| format!("other_{name}")).collect();
        let own = names.iter().copied().chain(["class", "kind", "columns"]);
        let mut header = vec![];
        csv::record(&mut header, own.chain(others.iter().map(String::as_str)).map(Some));
        let mut file = run_dir.create_for(readers, "misplaced.csv")?;
        file.write_all(&header).map_err(|error| file.error(error))?;
        Ok(MisplacedList { file, key_len: names.len() })
    }

    /// Adds the misplaced values in a batch of the table.
    pub(super) fn write(&mut self, batch: &RecordBatch, found: &Misplacements) -> Result<()> {
        let keys = columns(TableColumn::Key.of(batch).as_struct())?;
        let others = found.others.as_ref().map_or(Ok(vec![]), columns)?;
        let mut lines = vec![];
        for ((row, class), annotations) in classes(batch).into_iter().enumerate().zip(&found.rows) {
            for annotation in annotations {
                let own: Vec<Option<String>> = keys.iter().map(|column| column.to_csv_text(row)).collect();
                let other: Vec<Option<String>> = match annotation.other {
                    Some(other) => others.iter().map(|column| column.to_csv_text(other)).collect(),
                    None => vec![None; self.key_len],
                };
                let codes = [class.name(), annotation.kind.name(), &annotation.columns].map(Some);
                let own = own.iter().map(Option::as_deref);
                csv::record(&mut lines, own.chain(codes).chain(other.iter().map(Option::as_deref)));
            }
        }
        self.file.write_all(&lines).map_err(|error| self.file.error(error))
    }

    /// Ends the list.
    pub(super) fn finish(self) -> Result<()> {
        self.file.finish().map(drop)
    }
}

fn columns(keys: &StructArray) -> Result<Vec<Values<'_>>> {
    keys.columns().iter().zip(keys.fields()).map(|(column, field)| Values::of(column, field)).collect()
}
