//! Small pairs of snapshots for the unit tests of matching.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{DEFAULT_DATA_PAGE_ROW_COUNT_LIMIT, EnabledStatistics, WriterProperties};
use tempfile::TempDir;

use crate::columns::Pairing;
use crate::compare::discrepancy::TableColumn;
use crate::job::{ColumnSettings, Identity, Job, Origin, RuleSettings, Setting, Source};
use crate::runtime::engine::Engine;
use crate::runtime::options::Limits;
use crate::runtime::progress::Progress;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Two snapshots that were opened and paired, and an engine to read them.
pub(super) struct TestPair {
    pub engine: Engine,
    pub snapshots: Sides<Snapshot>,
    pub pairing: Pairing,
    _dir: TempDir,
}

/// What the footer of a test file states about the order of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Footer {
    /// Minimum and maximum of every row group.
    Statistics,
    /// The same, and a page index, with at most this many rows per page.
    Pages(usize),
    /// Nothing.
    Silent,
    /// That the rows ascend by the first column, without statistics.
    DeclaresOrder,
    /// That the rows descend by the first column, without statistics.
    DeclaresDescending,
}

/// The row groups of each file of a side.
pub(super) type Files = Vec<Vec<RecordBatch>>;

/// How the rows of a [`TestPair`] are matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matching<'a> {
    /// The key columns; empty to compare whole rows.
    pub key: &'a [&'a str],
    /// The columns whose case is ignored.
    pub casefold: &'a [&'a str],
    pub threads: usize,
    pub footers: Sides<Footer>,
}

impl<'a> Matching<'a> {
    /// Matches by a key, with one thread and without rules.
    pub(super) fn by(key: &'a [&'a str]) -> Self {
        let footers = Sides { old: Footer::Statistics, new: Footer::Statistics };
        Matching { key, casefold: &[], threads: 1, footers }
    }

    /// Opens two snapshots without rows that have the columns of a batch, for tests that bring their own rows.
    pub(super) fn columns_of(self, batch: &RecordBatch) -> TestPair {
        let empty = || vec![vec![batch.slice(0, 0)]];
        self.files(Sides { old: empty(), new: empty() })
    }

    /// Writes the files, and opens them.
    pub(super) fn files(self, files: Sides<Files>) -> TestPair {
        let dir = tempfile::tempdir().unwrap();
        let source = |side: Side| {
            let below = dir.path().join(side.to_string());
            std::fs::create_dir(&below).unwrap();
            for (number, row_groups) in files[side].iter().enumerate() {
                write(&below.join(format!("{number:03}.parquet")), row_groups, self.footers[side]);
            }
            setting(below.to_str().unwrap())
        };
        let sources = Sides::from_fn(|side| Source::of(source(side)));
        let snapshots = Sides::from_fn(|side| Snapshot::open(side, &sources[side].path.text).unwrap());
        let identity = match self.key {
            [] => Identity::WholeRow,
            key => Identity::Key(key.iter().map(|name| setting(name)).collect()),
        };
        let columns = self.casefold.iter().map(|name| ColumnSettings {
            names: vec![setting(name)],
            of_type: None,
            old: None,
            expressions: Sides::default(),
            column_type: None,
            rules: RuleSettings { casefold: Some(true), ..RuleSettings::default() },
            origin: Origin::Flag("test"),
        });
        let job = Job { columns: columns.collect(), ..Job::new("test", sources, identity) };
        let pairing = Pairing::of(&snapshots, &job).unwrap();
        let limits = Limits { threads: self.threads, ..Limits::default() };
        let engine = Engine::start(limits, dir.path(), Arc::default(), Progress::quiet()).unwrap();
        TestPair { engine, snapshots, pairing, _dir: dir }
    }
}

fn setting(text: &str) -> Setting {
    Setting { text: text.into(), origin: Origin::Flag("test") }
}

fn write(path: &Path, row_groups: &[RecordBatch], footer: Footer) {
    let statistics = match footer {
        Footer::Statistics => EnabledStatistics::Chunk,
        Footer::Pages(_) => EnabledStatistics::Page,
        Footer::Silent | Footer::DeclaresOrder | Footer::DeclaresDescending => EnabledStatistics::None,
    };
    let first_column = |descending| vec![SortingColumn { column_idx: 0, descending, nulls_first: false }];
    let order = match footer {
        Footer::Statistics | Footer::Pages(_) | Footer::Silent => None,
        Footer::DeclaresOrder => Some(first_column(false)),
        Footer::DeclaresDescending => Some(first_column(true)),
    };
    let page_rows = match footer {
        Footer::Pages(rows) => rows,
        _ => DEFAULT_DATA_PAGE_ROW_COUNT_LIMIT,
    };
    let properties = WriterProperties::builder()
        .set_statistics_enabled(statistics)
        .set_sorting_columns(order)
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(page_rows)
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, row_groups[0].schema(), Some(properties)).unwrap();
    for rows in row_groups {
        writer.write(rows).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// A batch whose columns may have NULLs, so that all batches of a table have one schema.
pub(super) fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// A column of integers.
pub(super) fn integers(values: impl IntoIterator<Item = impl Into<Option<i64>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}

/// A column of text, in the type that scans return.
pub(super) fn texts<'a>(values: impl IntoIterator<Item = impl Into<Option<&'a str>>>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<StringViewArray>())
}

/// A batch with the column `id`.
pub(super) fn ids(values: impl IntoIterator<Item = impl Into<Option<i64>>>) -> RecordBatch {
    table([("id", integers(values))])
}

/// Writes the cells of a row, separated by commas.
pub(super) fn row_text(columns: &[ArrayRef], row: usize) -> String {
    let options = FormatOptions::new().with_null("NULL");
    let cell = |column: &ArrayRef| ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string();
    columns.iter().map(cell).collect::<Vec<_>>().join(",")
}

/// Writes each row of the table of discrepancies as one line: its class, the key or the rows, and what differs.
pub(super) fn finding_lines(batch: &RecordBatch) -> Vec<String> {
    let columns = |column: TableColumn| column.of(batch).as_struct().columns().to_vec();
    let finding = |at: usize| {
        let class = row_text(std::slice::from_ref(TableColumn::Class.of(batch)), at);
        let row = |column: TableColumn| row_text(&columns(column), at);
        match class.as_str() {
            "missing" => format!("missing {}", row(TableColumn::Old)),
            "extra" => format!("extra {}", row(TableColumn::New)),
            "mismatch" => {
                let changed: ArrayRef = TableColumn::Changed.of(batch).as_list::<i32>().value(at);
                let changed: Vec<String> =
                    (0..changed.len()).map(|at| row_text(std::slice::from_ref(&changed), at)).collect();
                format!("mismatch {} to {} in {}", row(TableColumn::Old), row(TableColumn::New), changed.join(","))
            }
            _ => {
                let counts = [TableColumn::OldRows, TableColumn::NewRows].map(|column| column.of(batch).clone());
                format!("duplicate {} in rows {}", row(TableColumn::Key), row_text(&counts, at))
            }
        }
    };
    (0..batch.num_rows()).map(finding).collect()
}
