//! The ID lists of causes: one CSV file each in `causes/`, like those of the classes.

use std::collections::BTreeMap;
use std::io::Write;

use arrow::array::{AsArray, RecordBatch};

use super::id_list::Lines;
use crate::causes::CauseReport;
use crate::compare::discrepancy::{Layout, TableColumn};
use crate::error::Result;
use crate::job::Setting;
use crate::output::run_dir::{FileAccess, OutputFile, RunDir};

/// The most lists of a run. The most frequent causes have one.
const LISTS_MAX: usize = 100;

/// Writes the lists.
pub(super) struct CauseLists {
    /// By the name of the cause in the table of discrepancies.
    files: BTreeMap<String, OutputFile>,
    columns: Vec<String>,
}

impl CauseLists {
    /// Creates a list for each cause, with its header.
    pub(super) fn create(
        run_dir: &RunDir,
        layout: &Layout,
        columns: &[Setting],
        causes: &[CauseReport],
        readers: FileAccess,
    ) -> Result<Self> {
        let columns: Vec<String> = columns.iter().map(|column| column.text.clone()).collect();
        let mut files = BTreeMap::new();
        for cause in causes.iter().filter(|cause| !cause.of_keys).take(LISTS_MAX) {
            if files.contains_key(&cause.tag()) {
                continue;
            }
            let mut file = run_dir.create_for(readers, &format!("causes/{}", file_name(cause, files.len() + 1)))?;
            let header = Lines::header(layout, columns.iter().map(String::as_str));
            file.write_all(&header).map_err(|error| file.error(error))?;
            files.insert(cause.tag(), file);
        }
        Ok(CauseLists { files, columns })
    }

    /// Adds the mismatches in a batch of the table to the lists of their causes. `table` names the causes.
    pub(super) fn write(&mut self, batch: &RecordBatch, table: &RecordBatch) -> Result<()> {
        let lines = Lines::of(batch, &self.columns)?;
        let causes = TableColumn::Causes.of(table).as_list::<i32>();
        let mut texts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let tags = causes.value(row);
            for tag in tags.as_string::<i32>().iter().flatten() {
                if let Some((tag, _)) = self.files.get_key_value(tag) {
                    lines.append(row, texts.entry(tag).or_default());
                }
            }
        }
        let texts: Vec<(String, Vec<u8>)> = texts.into_iter().map(|(tag, text)| (tag.into(), text)).collect();
        for (tag, text) in texts {
            if let Some(file) = self.files.get_mut(&tag) {
                file.write_all(&text).map_err(|error| file.error(error))?;
            }
        }
        Ok(())
    }

    /// Ends the lists.
    pub(super) fn finish(self) -> Result<()> {
        self.files.into_values().try_for_each(|file| file.finish().map(drop))
    }
}

/// `01-paid_at-time_offset.csv`: what a file system may not take is `_`, and the number keeps names apart.
fn file_name(cause: &CauseReport, number: usize) -> String {
    const LENGTH_MAX: usize = 80;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let place: String = cause.place().chars().take(LENGTH_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{number:02}-{place}-{}.csv", cause.cause.name())
}
