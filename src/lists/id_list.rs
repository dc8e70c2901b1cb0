//! The ID lists: one CSV file per class, with a header and one line per discrepancy, in key order.

use std::io::Write;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;

use crate::compare::discrepancy::{Class, Layout, TableColumn, Tally};
use crate::csv;
use crate::equality::value_text::Values;
use crate::error::{Error, Result};
use crate::job::Setting;
use crate::output::run_dir::{FileAccess, OutputFile, RunDir};
use crate::sides::Sides;

/// Selects the findings of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IdListWriter {
    /// All findings of a class.
    Of(Class),
    /// Duplicate keys that are not in new. They must also be backfilled.
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

/// Writes all lists of a run.
pub(super) struct IdLists {
    lists: Vec<(IdListWriter, OutputFile, u64)>,
    /// The additional columns, beside the key.
    columns: Vec<String>,
}

impl IdLists {
    /// Creates every list with its header. A list without entries has only a header.
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

    /// Adds the findings in a batch of the table to their lists.
    pub(super) fn write(&mut self, batch: &RecordBatch, classes: &[Class]) -> Result<()> {
        let keys = TableColumn::Key.of(batch).as_struct();
        let columns = keys.columns().iter().zip(keys.fields());
        let columns: Vec<Values> = columns.map(|(array, field)| Values::of(array, field)).collect::<Result<_>>()?;
        let counts =
            [TableColumn::OldRows, TableColumn::NewRows].map(|column| column.of(batch).as_primitive::<UInt64Type>());
        let more_columns = Sides {
            old: asked(&self.columns, batch, TableColumn::Old)?,
            new: asked(&self.columns, batch, TableColumn::New)?,
        };
        let mut lines: Vec<Vec<u8>> = self.lists.iter().map(|_| vec![]).collect();
        for (row, &class) in classes.iter().enumerate() {
            let key: Vec<Option<String>> = columns.iter().map(|column| column.to_csv_text(row)).collect();
            let rows = counts.map(|counts| counts.value(row).to_string());
            // a row that is only in new has only new's values
            let more_columns = if class == Class::Extra { &more_columns.new } else { &more_columns.old };
            for ((list, _, length), lines) in self.lists.iter_mut().zip(&mut lines) {
                if !list.holds(class, counts[1].value(row)) {
                    continue;
                }
                let more: Vec<Option<String>> = match list.has_counts() {
                    true => rows.iter().cloned().map(Some).collect(),
                    false => more_columns.iter().map(|column| column.to_csv_text(row)).collect(),
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
    pub(super) fn finish(self, tally: &Tally) -> Result<()> {
        let finish = |(list, file, length): (IdListWriter, OutputFile, u64)| {
            let digest = file.finish()?;
            match list.length(tally) {
                count if count == length => Ok(()),
                count => Err(Error::Internal(format!("{} has {length} lines for a count of {count}", digest.path))),
            }
        };
        self.lists.into_iter().try_for_each(finish)
    }
}

/// The lines of a list of mismatches: the key, and additional columns of old.
pub(super) struct Lines<'a> {
    key: Vec<Values<'a>>,
    more: Vec<Values<'a>>,
}

impl<'a> Lines<'a> {
    /// The first line.
    pub(super) fn header<'n>(layout: &'n Layout, more: impl Iterator<Item = &'n str>) -> Vec<u8> {
        let mut header = vec![];
        csv::record(&mut header, layout.key_names().into_iter().chain(more).map(Some));
        header
    }

    /// The lines of a batch of the table.
    pub(super) fn of(batch: &'a RecordBatch, columns: &[String]) -> Result<Self> {
        let keys = TableColumn::Key.of(batch).as_struct();
        let key = keys.columns().iter().zip(keys.fields()).map(|(array, field)| Values::of(array, field));
        Ok(Lines { key: key.collect::<Result<_>>()?, more: asked(columns, batch, TableColumn::Old)? })
    }

    /// Appends the line of a row.
    pub(super) fn append(&self, row: usize, out: &mut Vec<u8>) {
        let fields: Vec<Option<String>> =
            self.key.iter().chain(&self.more).map(|column| column.to_csv_text(row)).collect();
        csv::record(out, fields.iter().map(Option::as_deref));
    }
}

/// Returns the values of additional columns on one side.
fn asked<'a>(columns: &[String], batch: &'a RecordBatch, side: TableColumn) -> Result<Vec<Values<'a>>> {
    let rows = side.of(batch).as_struct();
    let field = |name: &String| rows.fields().iter().position(|field| field.name() == name);
    let columns = columns.iter().filter_map(field);
    columns.map(|at| Values::of(rows.column(at), &rows.fields()[at])).collect()
}
