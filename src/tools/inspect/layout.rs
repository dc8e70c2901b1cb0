//! Files, row groups, and how they were written.

use std::collections::BTreeMap;

use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use serde::{Deserialize, Serialize};

use super::Presence;
use crate::snapshot::{DataFile, Snapshot};

/// The files of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FilesLayout {
    /// The number of data files, readable or not.
    pub count: u64,
    /// How many of them cannot be opened. The findings contain the reasons.
    pub unreadable: u64,
    /// The number of readable files without rows.
    pub empty: u64,
    /// Files that are skipped, because their names begin with `_` or `.`.
    pub passed_over: Vec<String>,
    /// The size of the readable files, in bytes.
    pub bytes: u64,
    /// Every readable file, sorted by name.
    pub readable: Vec<FileEntry>,
}

/// One readable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileEntry {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of its rows, according to its footer.
    pub rows: u64,
    /// The number of its row groups.
    pub row_groups: u64,
}

impl FilesLayout {
    /// Lists the readable files, and counts `unreadable` others.
    pub fn of(snapshot: &Snapshot, unreadable: u64) -> Self {
        let entry = |file: &DataFile| FileEntry {
            path: file.path.display().to_string(),
            bytes: file.size,
            rows: file.rows(),
            row_groups: file.metadata.num_row_groups() as u64,
        };
        let readable: Vec<FileEntry> = snapshot.files.iter().map(entry).collect();
        FilesLayout {
            count: readable.len() as u64 + unreadable,
            unreadable,
            empty: readable.iter().filter(|file| file.rows == 0).count() as u64,
            passed_over: snapshot.skipped.iter().map(|path| path.display().to_string()).collect(),
            bytes: snapshot.bytes(),
            readable,
        }
    }
}

/// The row groups of the readable files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RowGroups {
    /// The number of row groups.
    pub count: u64,
    /// How many of them have no rows.
    pub empty: u64,
    /// The rows of the smallest.
    pub rows_min: u64,
    /// The median number of rows.
    pub rows_median: u64,
    /// The rows of the largest.
    pub rows_max: u64,
}

impl RowGroups {
    /// Counts rows. All numbers are 0 if there are no row groups.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut rows: Vec<u64> = snapshot.row_groups().map(|(_, _, rows)| rows).collect();
        rows.sort_unstable();
        let at = |place: usize| rows.get(place).copied().unwrap_or(0);
        RowGroups {
            count: rows.len() as u64,
            empty: rows.partition_point(|&rows| rows == 0) as u64,
            rows_min: at(0),
            rows_median: at(rows.len() / 2),
            rows_max: at(rows.len().saturating_sub(1)),
        }
    }
}

/// How the readable files were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Storage {
    /// The programs that wrote the files, as named in the footers, by number of files.
    pub writers: Vec<LayoutTally>,
    /// The versions of the Parquet format in the footers, by number of files.
    pub format_versions: Vec<LayoutTally>,
    /// Compression, by number of column chunks.
    pub codecs: Vec<LayoutTally>,
    /// The size of all column chunks as stored, in bytes.
    pub compressed_bytes: u64,
    /// The size of all column chunks before compression, in bytes.
    pub uncompressed_bytes: u64,
    /// Whether all, some, or none of the column chunks have statistics.
    pub statistics: Presence,
    /// Whether all, some, or none of the column chunks have a page index.
    pub page_index: Presence,
}

/// A name, and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LayoutTally {
    /// The name.
    pub name: String,
    /// How often it occurs.
    pub count: u64,
}

impl LayoutTally {
    /// Counts names, the most frequent first.
    pub fn all(names: impl Iterator<Item = String>) -> Vec<Self> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        names.for_each(|name| *counts.entry(name).or_default() += 1);
        let mut tallies: Vec<_> = counts.into_iter().map(|(name, count)| LayoutTally { name, count }).collect();
        tallies.sort_by_key(|tally| std::cmp::Reverse(tally.count));
        tallies
    }
}

impl Storage {
    /// Collects the information in all footers.
    pub fn of(snapshot: &Snapshot) -> Self {
        let footers = || snapshot.files.iter().map(|file| file.metadata.file_metadata());
        let groups = || snapshot.files.iter().flat_map(|file| file.metadata.row_groups());
        let chunks = || groups().flat_map(|group| group.columns());
        let presence = |has: fn(&ColumnChunkMetaData) -> bool| {
            Presence::of(chunks().filter(|chunk| has(chunk)).count() as u64, chunks().count() as u64)
        };
        Storage {
            writers: LayoutTally::all(footers().map(|footer| footer.created_by().unwrap_or("unnamed").to_string())),
            format_versions: LayoutTally::all(footers().map(|footer| footer.version().to_string())),
            codecs: LayoutTally::all(chunks().map(codec)),
            compressed_bytes: chunks().map(|chunk| chunk.compressed_size().max(0) as u64).sum(),
            uncompressed_bytes: chunks().map(|chunk| chunk.uncompressed_size().max(0) as u64).sum(),
            statistics: presence(|chunk| chunk.statistics().is_some()),
            page_index: presence(|chunk| {
                chunk.column_index_offset().is_some() && chunk.offset_index_offset().is_some()
            }),
        }
    }
}

/// The compression of a column chunk, as one word.
pub(super) fn codec(chunk: &ColumnChunkMetaData) -> String {
    format!("{:?}", chunk.compression_codec()).to_lowercase()
}

/// The row order that the files declare. It is not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SortOrder {
    /// The most frequent declaration: columns, with ` descending` after those that descend.
    pub columns: Vec<String>,
    /// The number of row groups that declare exactly this.
    pub row_groups: u64,
}

impl SortOrder {
    /// Finds the most frequent declaration; no columns if there is none.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut declared: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        for group in snapshot.files.iter().flat_map(|file| file.metadata.row_groups()) {
            let columns = declaration(group);
            if !columns.is_empty() {
                *declared.entry(columns).or_default() += 1;
            }
        }
        let (columns, row_groups) = declared.into_iter().max_by_key(|(_, count)| *count).unwrap_or_default();
        SortOrder { columns, row_groups }
    }

    /// Whether a column is declared to ascend, alone or after other columns.
    pub fn names(&self, column: &str) -> bool {
        self.columns.iter().any(|declared| declared == column)
    }
}

fn declaration(group: &RowGroupMetaData) -> Vec<String> {
    let declared = group.sorting_columns().into_iter().flatten();
    let named = declared.filter_map(|sorting| {
        let column = group.columns().get(usize::try_from(sorting.column_idx).ok()?)?;
        let direction = if sorting.descending { " descending" } else { "" };
        Some(format!("{}{direction}", column.column_path().string()))
    });
    named.collect()
}
