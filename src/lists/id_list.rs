//! The ID lists: one CSV file per class, header first, one line per discrepancy, ordered by key.

use std::io::Write;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;

use super::csv;
use crate::discrepancy::{Class, Column, Layout, Tally};
use crate::error::{Error, Result};
use crate::render::Values;
use crate::run_dir::{Digest, OutputFile, RunDir};

/// Which findings a list holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    /// All of a class.
    Of(Class),
    /// Duplicate keys that are not in new at all: they have to be backfilled too.
    MissingDuplicated,
}

impl List {
    const ALL: [(List, &'static str); 5] = [
        (List::Of(Class::Missing), "missing.csv"),
        (List::Of(Class::Extra), "extra.csv"),
        (List::Of(Class::Mismatch), "mismatch.csv"),
        (List::Of(Class::DuplicateKey), "duplicate_keys.csv"),
        (List::MissingDuplicated, "missing_duplicated.csv"),
    ];

    fn holds(self, class: Class, new_rows: u64) -> bool {
        match self {
            List::Of(own) => own == class,
            List::MissingDuplicated => class == Class::DuplicateKey && new_rows == 0,
        }
    }

    fn has_counts(self) -> bool {
        matches!(self, List::Of(Class::DuplicateKey) | List::MissingDuplicated)
    }

    fn length(self, tally: &Tally) -> u64 {
        match self {
            List::Of(class) => tally.count(class),
            List::MissingDuplicated => tally.missing_duplicated,
        }
    }
}

/// All lists of a run, being written.
pub struct IdLists(Vec<(List, OutputFile, u64)>);

impl IdLists {
    /// Begins every list with its header; a list without entries is a file with a header only.
    pub fn create(run_dir: &RunDir, layout: &Layout) -> Result<Self> {
        let names = layout.key_names();
        let mut lists = vec![];
        for (list, name) in List::ALL {
            let counts: &[&str] = if list.has_counts() { &["old_rows", "new_rows"] } else { &[] };
            let mut header = String::new();
            csv::record(&mut header, names.iter().copied().chain(counts.iter().copied()).map(Some));
            let mut file = run_dir.create(name)?;
            file.write_all(header.as_bytes()).map_err(|error| file.error(error))?;
            lists.push((list, file, 0));
        }
        Ok(IdLists(lists))
    }

    /// Adds the findings of a batch of the table to the lists they belong to.
    pub fn write(&mut self, batch: &RecordBatch, classes: &[Class]) -> Result<()> {
        let keys = Column::Key.of(batch).as_struct();
        let columns = keys.columns().iter().zip(keys.fields());
        let columns: Vec<Values> = columns.map(|(array, field)| Values::of(array, field)).collect::<Result<_>>()?;
        let counts = [Column::OldRows, Column::NewRows].map(|column| column.of(batch).as_primitive::<UInt64Type>());
        let mut lines: Vec<String> = self.0.iter().map(|_| String::new()).collect();
        for (row, &class) in classes.iter().enumerate() {
            let key: Vec<Option<String>> = columns.iter().map(|column| column.bare(row)).collect();
            let rows = counts.map(|counts| counts.value(row).to_string());
            for ((list, _, length), lines) in self.0.iter_mut().zip(&mut lines) {
                if !list.holds(class, counts[1].value(row)) {
                    continue;
                }
                let rows: &[String] = if list.has_counts() { &rows } else { &[] };
                let rows = rows.iter().map(|count| Some(count.as_str()));
                csv::record(lines, key.iter().map(Option::as_deref).chain(rows));
                *length += 1;
            }
        }
        for ((_, file, _), lines) in self.0.iter_mut().zip(lines) {
            file.write_all(lines.as_bytes()).map_err(|error| file.error(error))?;
        }
        Ok(())
    }

    /// Ends every list and checks that it is as long as its count.
    pub fn finish(self, tally: &Tally) -> Result<Vec<Digest>> {
        let finish = |(list, file, length): (List, OutputFile, u64)| {
            let digest = file.finish()?;
            match list.length(tally) {
                count if count == length => Ok(digest),
                count => Err(Error::Internal(format!("{} has {length} lines for a count of {count}", digest.path))),
            }
        };
        self.0.into_iter().map(finish).collect()
    }
}
