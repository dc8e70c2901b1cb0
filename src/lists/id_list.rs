//! The ID lists: one CSV file per class, header first, one line per discrepancy, ordered by key.

use std::io::Write;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;

use crate::compare::discrepancy::{Class, Layout, TableColumn, Tally};
use crate::csv;
use crate::equality::value_text::Values;
use crate::error::{Error, Result};
use crate::job::Setting;
use crate::output::manifest::FileDigest;
use crate::output::run_dir::{FileAccess, OutputFile, RunDir};
use crate::sides::Sides;

/// Which findings a list holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IdListWriter {
    /// All of a class.
    Of(Class),
    /// Duplicate keys that are not in new at all: they have to be backfilled too.
    MissingDuplicated,
}

impl IdListWriter {
    const ALL: [(IdListWriter, &'static str); 5] = [
        (IdListWriter::Of(Class::Missing), "missing.csv"),
        (IdListWriter::Of(Class::Extra), "extra.csv"),
        (IdListWriter::Of(Class::Mismatch), "mismatch.csv"),
        (IdListWriter::Of(Class::DuplicateKey), "duplicate_keys.csv"),
        (IdListWriter::MissingDuplicated, "missing_duplicated.csv"),
    ];

    fn holds(self, class: Class, new_rows: u64) -> bool {
        match self {
            IdListWriter::Of(own) => own == class,
            IdListWriter::MissingDuplicated => class == Class::DuplicateKey && new_rows == 0,
        }
    }

    fn has_counts(self) -> bool {
        matches!(self, IdListWriter::Of(Class::DuplicateKey) | IdListWriter::MissingDuplicated)
    }

    fn length(self, tally: &Tally) -> u64 {
        match self {
            IdListWriter::Of(class) => tally.count(class),
            IdListWriter::MissingDuplicated => tally.missing_duplicated,
        }
    }
}

/// All lists of a run, being written.
pub(super) struct IdLists {
    lists: Vec<(IdListWriter, OutputFile, u64)>,
    /// The columns that the lists hold besides the key.
    columns: Vec<String>,
}

impl IdLists {
    /// Begins every list with its header; a list without entries is a file with a header only.
    pub(super) fn create(run_dir: &RunDir, layout: &Layout, columns: &[Setting], readers: FileAccess) -> Result<Self> {
        let columns: Vec<String> = columns.iter().map(|column| column.text.clone()).collect();
        let names = layout.key_names();
        let mut lists = vec![];
        for (list, name) in IdListWriter::ALL {
            let more: Vec<&str> = match list.has_counts() {
                true => vec!["old_rows", "new_rows"],
                false => columns.iter().map(String::as_str).collect(),
            };
            let mut header = vec![];
            csv::record(&mut header, names.iter().copied().chain(more).map(Some));
            let mut file = run_dir.create_for(readers, name)?;
            file.write_all(&header).map_err(|error| file.error(error))?;
            lists.push((list, file, 0));
        }
        Ok(IdLists { lists, columns })
    }

    /// Adds the findings of a batch of the table to the lists they belong to.
    pub(super) fn write(&mut self, batch: &RecordBatch, classes: &[Class]) -> Result<()> {
        let keys = TableColumn::Key.of(batch).as_struct();
        let columns = keys.columns().iter().zip(keys.fields());
        let columns: Vec<Values> = columns.map(|(array, field)| Values::of(array, field)).collect::<Result<_>>()?;
        let counts =
            [TableColumn::OldRows, TableColumn::NewRows].map(|column| column.of(batch).as_primitive::<UInt64Type>());
        let asked = Sides { old: self.asked(batch, TableColumn::Old)?, new: self.asked(batch, TableColumn::New)? };
        let mut lines: Vec<Vec<u8>> = self.lists.iter().map(|_| vec![]).collect();
        for (row, &class) in classes.iter().enumerate() {
            let key: Vec<Option<String>> = columns.iter().map(|column| column.to_csv_text(row)).collect();
            let rows = counts.map(|counts| counts.value(row).to_string());
            // a row that is only in new has only new's values
            let asked = if class == Class::Extra { &asked.new } else { &asked.old };
            for ((list, _, length), lines) in self.lists.iter_mut().zip(&mut lines) {
                if !list.holds(class, counts[1].value(row)) {
                    continue;
                }
                let more: Vec<Option<String>> = match list.has_counts() {
                    true => rows.iter().cloned().map(Some).collect(),
                    false => asked.iter().map(|column| column.to_csv_text(row)).collect(),
                };
                csv::record(lines, key.iter().chain(&more).map(Option::as_deref));
                *length += 1;
            }
        }
        for ((_, file, _), lines) in self.lists.iter_mut().zip(lines) {
            file.write_all(&lines).map_err(|error| file.error(error))?;
        }
        Ok(())
    }

    /// Ends every list and checks that it is as long as its count.
    pub(super) fn finish(self, tally: &Tally) -> Result<Vec<FileDigest>> {
        let finish = |(list, file, length): (IdListWriter, OutputFile, u64)| {
            let digest = file.finish()?;
            match list.length(tally) {
                count if count == length => Ok(digest),
                count => Err(Error::Internal(format!("{} has {length} lines for a count of {count}", digest.path))),
            }
        };
        self.lists.into_iter().map(finish).collect()
    }

    /// The values of the columns that were asked for, as one side has them.
    fn asked<'a>(&self, batch: &'a RecordBatch, side: TableColumn) -> Result<Vec<Values<'a>>> {
        let rows = side.of(batch).as_struct();
        let field = |name: &String| rows.fields().iter().position(|field| field.name() == name);
        let columns = self.columns.iter().filter_map(field);
        columns.map(|at| Values::of(rows.column(at), &rows.fields()[at])).collect()
    }
}
