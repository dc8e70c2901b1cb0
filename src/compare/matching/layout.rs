//! The key order of a side, as the footers give it: the bounds of every row group, and which of them reach into a range.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, UInt64Array};

use super::cursor::KeyRange;
use crate::columns::{ColumnPair, Pairing};
use crate::equality::canonical::canonical;
use crate::equality::canonical::order::{KeyOrder, key_runs};
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::snapshot::{FileRead, Snapshot};

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

/// The row groups of one side in key order.
#[derive(Debug, Clone)]
pub(super) struct KeyLayout {
    pub(super) groups: Vec<RowGroup>,
    pub(super) bounds: Option<Bounds>,
}

#[derive(Debug, Clone)]
pub(super) struct RowGroup {
    file: usize,
    row_group: usize,
    pub rows: u64,
    /// Its index in the arrays of the bounds.
    pub bound: usize,
}

/// The statistics of the first key column in canonical form, with one row per row group.
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
        if listed.groups.len() <= 1 {
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
        let mut groups = listed.groups;
        let order = KeyOrder::of(std::slice::from_ref(&bounds.mins), std::slice::from_ref(&bounds.mins))?;
        let ends = KeyOrder::of(std::slice::from_ref(&bounds.maxs), std::slice::from_ref(&bounds.maxs))?;
        groups.sort_by(|a, b| order.compare(a.bound, b.bound).then_with(|| ends.compare(a.bound, b.bound)));
        let across = KeyOrder::of(std::slice::from_ref(&bounds.maxs), std::slice::from_ref(&bounds.mins))?;
        for pair in groups.windows(2) {
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
        Ok(Ok(KeyLayout { groups, bounds: Some(bounds) }))
    }

    /// Returns the row groups in the order of the files, without bounds.
    pub(super) fn as_listed(snapshot: &Snapshot) -> Self {
        let groups = snapshot
            .row_groups()
            .enumerate()
            .filter(|(_, (_, _, rows))| *rows > 0)
            .map(|(bound, (file, row_group, rows))| RowGroup { file, row_group, rows, bound })
            .collect();
        KeyLayout { groups, bounds: None }
    }

    /// Checks the first keys of the first and the middle row group.
    pub(super) fn looks_sorted(&self, engine: &Engine, snapshot: &Snapshot, pairing: &Pairing) -> Result<bool> {
        let side = snapshot.side;
        let columns: Vec<usize> = pairing.keys().iter().map(|column| column.at[side]).collect();
        let mut probes: Vec<&RowGroup> = self.groups.first().into_iter().collect();
        probes.extend(self.groups.get(self.groups.len() / 2).filter(|_| self.groups.len() > 1));
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
        let mut reads: Vec<FileRead> = vec![];
        for group in &self.groups {
            if !self.reaches_into(group, range)? {
                continue;
            }
            match reads.last_mut() {
                Some(last)
                    if last.file == group.file
                        && last.row_groups.last().is_some_and(|before| *before < group.row_group) =>
                {
                    last.row_groups.push(group.row_group);
                }
                _ => reads.push(FileRead::whole(group.file, [group.row_group])),
            }
        }
        Ok(reads)
    }

    fn reaches_into(&self, group: &RowGroup, range: &KeyRange) -> Result<bool> {
        let Some(bounds) = &self.bounds else { return Ok(true) };
        let compare = |values: &ArrayRef, bound: &ArrayRef| -> Result<Ordering> {
            Ok(KeyOrder::of(std::slice::from_ref(values), std::slice::from_ref(bound))?.compare(group.bound, 0))
        };
        let ends_before = match &range.start {
            Some(start) if bounds.nulls.value(group.bound) == 0 => compare(&bounds.maxs, start)?.is_lt(),
            _ => false,
        };
        let begins_after = match &range.end {
            Some(end) => compare(&bounds.mins, end)?.is_ge(),
            None => false,
        };
        Ok(!ends_before && !begins_after)
    }
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
        let mut groups = snapshot.row_groups().enumerate();
        let known = groups.all(|(at, (_, _, rows))| {
            bounds.nulls.value(at) == rows || (bounds.mins.is_valid(at) && bounds.maxs.is_valid(at))
        });
        known.then_some(bounds)
    }
}
