//! The key order of a side, as the footers give it: the bounds of every row group or page, and which of them reach into
//! a range.

use std::cmp::Ordering;
use std::ops::Range;
use std::slice::from_ref;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::concat;
use parquet::arrow::arrow_reader::RowSelection;

use super::cursor::KeyRange;
use crate::columns::{ColumnPair, Pairing};
use crate::equality::canonical::canonical;
use crate::equality::canonical::order::{KeyOrder, key_runs};
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::snapshot::{FileRead, PageStatistics, Snapshot};

/// Why a snapshot cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Rules change the values of this column, and may change their order.
    Rules(String),
    /// The footers have no statistics for this column.
    NoStatistics(String),
    /// The row groups overlap in this column.
    Overlap(String),
    /// The first keys of a row group do not ascend.
    OutOfOrder,
}

impl Obstacle {
    /// Describes the obstacle, for a snapshot with this name.
    pub(crate) fn describe(&self, whose: &str) -> String {
        match self {
            Obstacle::NoStatistics(column) => format!("{whose} has no statistics for column `{column}`"),
            Obstacle::Overlap(column) => format!("row groups of {whose} overlap in column `{column}`"),
            Obstacle::Rules(column) => {
                format!("rules read column `{column}`, so the statistics of {whose} do not show its order")
            }
            Obstacle::OutOfOrder => format!("{whose} is not in key order"),
        }
    }
}

/// The parts of one side in key order.
#[derive(Debug, Clone)]
pub(super) struct KeyLayout {
    pub(super) parts: Vec<Part>,
    pub(super) bounds: Option<Bounds>,
}

/// A row group, or the rows of one page of the first key column.
#[derive(Debug, Clone)]
pub(super) struct Part {
    file: usize,
    row_group: usize,
    /// The number of rows of the row group.
    group_rows: u64,
    /// The first row, counted from 0 in the row group.
    first_row: u64,
    pub rows: u64,
    /// Its index in the arrays of the bounds.
    pub bound: usize,
}

/// The statistics of the first key column in canonical form, with one row per part.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub mins: ArrayRef,
    pub maxs: ArrayRef,
    pub nulls: UInt64Array,
}

impl KeyLayout {
    /// Sorts the row groups by the first key column. Returns the obstacle if that is not possible.
    pub(super) fn of(snapshot: &Snapshot, column: &ColumnPair) -> Result<Result<Self, Obstacle>> {
        let listed = Self::as_listed(snapshot);
        if listed.parts.len() <= 1 {
            return Ok(Ok(listed));
        }
        if column.chain.is_some() {
            return Ok(Err(Obstacle::Rules(column.name.clone())));
        }
        let Some(bounds) = Bounds::of(snapshot, column) else {
            return Ok(match declares_order(snapshot, column) {
                true => Ok(listed),
                false => Err(Obstacle::NoStatistics(column.name.clone())),
            });
        };
        let mut parts = listed.parts;
        let order = KeyOrder::of(from_ref(&bounds.mins), from_ref(&bounds.mins))?;
        let ends = KeyOrder::of(from_ref(&bounds.maxs), from_ref(&bounds.maxs))?;
        parts.sort_by(|a, b| order.compare(a.bound, b.bound).then_with(|| ends.compare(a.bound, b.bound)));
        let across = KeyOrder::of(from_ref(&bounds.maxs), from_ref(&bounds.mins))?;
        for pair in parts.windows(2) {
            let (before, after) = (pair[0].bound, pair[1].bound);
            // NULL sorts last, so a row group with a NULL has no upper bound below NULL
            let ascends = match bounds.nulls.value(before) > 0 {
                true => bounds.mins.is_null(after),
                false => across.compare(before, after).is_le(),
            };
            if !ascends {
                return Ok(Err(Obstacle::Overlap(column.name.clone())));
            }
        }
        Ok(Ok(KeyLayout { parts, bounds: Some(bounds) }))
    }

    /// Returns the row groups in the order of the files, without bounds.
    pub(super) fn as_listed(snapshot: &Snapshot) -> Self {
        let parts = snapshot
            .row_groups()
            .enumerate()
            .filter(|(_, (_, _, rows))| *rows > 0)
            .map(|(bound, (file, row_group, rows))| Part {
                file,
                row_group,
                group_rows: rows,
                first_row: 0,
                rows,
                bound,
            })
            .collect();
        KeyLayout { parts, bounds: None }
    }

    /// Divides the row groups that reach into a range by the pages of the first key column. Returns `None` if a row
    /// group has no usable page index.
    pub(super) fn by_pages(&self, snapshot: &Snapshot, column: &ColumnPair, range: &KeyRange) -> Result<Option<Self>> {
        if column.chain.is_some() {
            return Ok(None);
        }
        let (mut parts, mut bounds) = (vec![], vec![]);
        for group in &self.parts {
            if !self.reaches_into(group, range)? {
                continue;
            }
            let Some(pages) = snapshot.page_statistics(column.at[snapshot.side], group.file, group.row_group) else {
                return Ok(None);
            };
            let ends = pages.first_rows.iter().skip(1).chain(from_ref(&group.rows));
            let before = parts.len();
            let of_page = |(page, (&first_row, end)): (usize, (&u64, &u64))| Part {
                first_row,
                rows: end - first_row,
                bound: before + page,
                ..group.clone()
            };
            parts.extend(pages.first_rows.iter().zip(ends).enumerate().map(of_page));
            match Bounds::of_pages(snapshot, column, &pages, &parts[before..]) {
                Some(own) => bounds.push(own),
                None => return Ok(None),
            }
        }
        Ok(Bounds::joined(&bounds).map(|bounds| KeyLayout { parts, bounds: Some(bounds) }))
    }

    /// Checks the first keys of the first and the middle row group.
    pub(super) fn looks_sorted(&self, engine: &Engine, snapshot: &Snapshot, pairing: &Pairing) -> Result<bool> {
        let side = snapshot.side;
        let columns: Vec<usize> = pairing.keys().iter().map(|column| column.at[side]).collect();
        let mut probes: Vec<&Part> = self.parts.first().into_iter().collect();
        probes.extend(self.parts.get(self.parts.len() / 2).filter(|_| self.parts.len() > 1));
        for group in probes {
            let read = FileRead::whole(group.file, [group.row_group]);
            let mut scan = snapshot.scan(engine, vec![read], &columns)?;
            if let Some(batch) = scan.next_batch()? {
                let parts = pairing.keys().iter().zip(batch.columns());
                let parts = parts.map(|(column, array)| column.key_parts(array, side)).collect::<Result<Vec<_>>>()?;
                if key_runs(&parts.concat())?.break_at.is_some() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Returns the parts of the files that may contain keys of a range, in key order.
    pub(super) fn reads(&self, range: &KeyRange) -> Result<Vec<FileRead>> {
        let mut reached = vec![];
        for part in &self.parts {
            if self.reaches_into(part, range)? {
                reached.push(part.clone());
            }
        }
        let follows = |before: &Part, part: &Part| {
            before.file == part.file && (before.row_group, before.first_row) < (part.row_group, part.first_row)
        };
        Ok(reached.chunk_by(follows).map(read_of).collect())
    }

    fn reaches_into(&self, part: &Part, range: &KeyRange) -> Result<bool> {
        let Some(bounds) = &self.bounds else { return Ok(true) };
        let compare = |values: &ArrayRef, bound: &ArrayRef| -> Result<Ordering> {
            Ok(KeyOrder::of(from_ref(values), from_ref(bound))?.compare(part.bound, 0))
        };
        let ends_before = match &range.start {
            Some(start) if bounds.nulls.value(part.bound) == 0 => compare(&bounds.maxs, start)?.is_lt(),
            _ => false,
        };
        let begins_after = match &range.end {
            Some(end) => compare(&bounds.mins, end)?.is_ge(),
            None => false,
        };
        Ok(!ends_before && !begins_after)
    }
}

/// Returns the read of parts of one file, which ascend.
fn read_of(parts: &[Part]) -> FileRead {
    let mut row_groups = vec![];
    let mut selected: Vec<Range<usize>> = vec![];
    let mut rows = 0;
    for group in parts.chunk_by(|one, two| one.row_group == two.row_group) {
        row_groups.push(group[0].row_group);
        selected.extend(group.iter().map(|part| {
            let start = rows + part.first_row as usize;
            start..start + part.rows as usize
        }));
        rows += group[0].group_rows as usize;
    }
    let selection = RowSelection::from_consecutive_ranges(selected.into_iter(), rows);
    let selects_all = selection.row_count() == rows;
    FileRead { selection: (!selects_all).then_some(selection), ..FileRead::whole(parts[0].file, row_groups) }
}

/// Whether the snapshot is a single file that declares, without statistics, that it ascends by the first key column.
/// The declaration is verified while reading.
fn declares_order(snapshot: &Snapshot, column: &ColumnPair) -> bool {
    let [file] = snapshot.files.as_ref() else { return false };
    let key = snapshot.schema.field(column.at[snapshot.side]).name();
    let columns = file.metadata.file_metadata().schema_descr();
    file.metadata.row_groups().iter().all(|group| {
        let first = group.sorting_columns().and_then(|columns| columns.first());
        first.filter(|first| !first.descending).is_some_and(|first| {
            let column = columns.columns().get(first.column_idx as usize);
            column.is_some_and(|column| column.path().string() == *key)
        })
    })
}

impl Bounds {
    pub(super) fn of(snapshot: &Snapshot, column: &ColumnPair) -> Option<Self> {
        let statistics = snapshot.statistics(column.at[snapshot.side])?;
        let canonical = |array: &ArrayRef| canonical(array, &column.domain, snapshot.side).ok();
        let bounds = Bounds {
            mins: canonical(&statistics.mins)?,
            maxs: canonical(&statistics.maxs)?,
            nulls: statistics.nulls.iter().map(|count| count.unwrap_or(0)).collect::<Vec<_>>().into(),
        };
        bounds.are_known(snapshot.row_groups().map(|(_, _, rows)| rows)).then_some(bounds)
    }

    /// The bounds of the pages of one row group, which are these parts.
    fn of_pages(snapshot: &Snapshot, column: &ColumnPair, pages: &PageStatistics, parts: &[Part]) -> Option<Self> {
        let canonical = |array: &ArrayRef| canonical(array, &column.domain, snapshot.side).ok();
        let bounds = Bounds {
            mins: canonical(&pages.mins)?,
            maxs: canonical(&pages.maxs)?,
            nulls: pages.nulls.iter().map(|count| count.unwrap_or(0)).collect::<Vec<_>>().into(),
        };
        bounds.are_known(parts.iter().map(|part| part.rows)).then_some(bounds)
    }

    /// Whether every part has bounds, or nothing but NULLs. `rows` are the numbers of rows of the parts.
    fn are_known(&self, rows: impl IntoIterator<Item = u64>) -> bool {
        rows.into_iter()
            .enumerate()
            .all(|(at, rows)| self.nulls.value(at) == rows || (self.mins.is_valid(at) && self.maxs.is_valid(at)))
    }

    fn joined(bounds: &[Bounds]) -> Option<Self> {
        let join = |part: fn(&Bounds) -> &dyn Array| concat(&bounds.iter().map(part).collect::<Vec<_>>()).ok();
        Some(Bounds {
            mins: join(|bounds| &bounds.mins)?,
            maxs: join(|bounds| &bounds.maxs)?,
            nulls: bounds.iter().flat_map(|bounds| &bounds.nulls).collect(),
        })
    }
}
