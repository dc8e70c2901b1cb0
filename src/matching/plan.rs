//! Decides which way to match, from what the footers say and a look at the first keys.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::concat;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::cursor::KeyRange;
use crate::canonical::order::{KeyOrder, steps};
use crate::canonical::{canonical, convert};
use crate::columns::Pairing;
use crate::engine::Engine;
use crate::error::Result;
use crate::job::Way;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot};

/// How a pair of snapshots will be matched, and why.
pub enum Plan {
    /// Merge these ranges of the key space, each from the row groups that reach into it.
    Ordered {
        /// The ranges, ascending, that together cover every key.
        ranges: Vec<KeyRange>,
        /// Each side's row groups in key order.
        layouts: Box<Sides<KeyLayout>>,
    },
    /// Hash everything; the reason says what keeps the sides from being merged.
    Hashed {
        /// Why, in words.
        reason: String,
    },
}

impl Plan {
    /// Chooses a way, or follows the user's choice.
    pub fn choose(
        engine: &Engine,
        snapshots: &Sides<Snapshot>,
        pairing: &Pairing,
        forced: Option<Way>,
    ) -> Result<Plan> {
        if forced == Some(Way::Hashed) {
            return Ok(Plan::Hashed { reason: "as asked".into() });
        }
        let found = Sides::try_from_fn(|side| KeyLayout::of(&snapshots[side], pairing))?;
        let layouts = match (found, forced) {
            (Sides { old: Ok(old), new: Ok(new) }, _) => Sides { old, new },
            (found, Some(_)) => Sides::from_fn(|side| match &found[side] {
                Ok(layout) => layout.clone(),
                Err(_) => KeyLayout::as_listed(&snapshots[side]),
            }),
            (Sides { old: Err(reason), .. } | Sides { new: Err(reason), .. }, None) => {
                return Ok(Plan::Hashed { reason });
            }
        };
        if forced.is_none() {
            for side in Side::BOTH {
                if !layouts[side].looks_sorted(engine, &snapshots[side], pairing)? {
                    return Ok(Plan::Hashed { reason: format!("{side} is not in key order") });
                }
            }
        }
        let ranges = ranges(&layouts, engine.limits().threads)?;
        Ok(Plan::Ordered { ranges, layouts: layouts.into() })
    }
}

/// One side's row groups in key order.
#[derive(Debug, Clone)]
pub struct KeyLayout {
    groups: Vec<Group>,
    bounds: Option<Bounds>,
}

#[derive(Debug, Clone)]
struct Group {
    file: usize,
    row_group: usize,
    rows: u64,
    /// Its number in the bounds' arrays.
    bound: usize,
}

/// What the statistics say of the first key column, in canonical form, one row per row group.
#[derive(Debug, Clone)]
struct Bounds {
    mins: ArrayRef,
    maxs: ArrayRef,
    nulls: UInt64Array,
}

impl KeyLayout {
    /// Puts the row groups in key order, or says in words why that cannot be done.
    fn of(snapshot: &Snapshot, pairing: &Pairing) -> Result<Result<Self, String>> {
        let listed = Self::as_listed(snapshot);
        if listed.groups.len() <= 1 {
            return Ok(Ok(listed));
        }
        let side = snapshot.side;
        if pairing.columns[0].chain.is_some() {
            let column = &pairing.columns[0].name;
            return Ok(Err(format!("rules read column `{column}`, so the statistics do not tell the order of keys")));
        }
        let Some(bounds) = Bounds::of(snapshot, pairing) else {
            if declares_order(snapshot, pairing) {
                return Ok(Ok(listed));
            }
            return Ok(Err(format!("{side} has no statistics for column `{}`", pairing.columns[0].name)));
        };
        let mut groups = listed.groups;
        let order = KeyOrder::of(std::slice::from_ref(&bounds.mins), std::slice::from_ref(&bounds.mins))?;
        let ends = KeyOrder::of(std::slice::from_ref(&bounds.maxs), std::slice::from_ref(&bounds.maxs))?;
        groups.sort_by(|one, two| order.compare(one.bound, two.bound).then_with(|| ends.compare(one.bound, two.bound)));
        let across = KeyOrder::of(std::slice::from_ref(&bounds.maxs), std::slice::from_ref(&bounds.mins))?;
        for pair in groups.windows(2) {
            let (before, after) = (pair[0].bound, pair[1].bound);
            // NULL comes last, so a row group that holds one has no end short of NULL
            let ascends = match bounds.nulls.value(before) > 0 {
                true => bounds.mins.is_null(after),
                false => across.compare(before, after).is_le(),
            };
            if !ascends {
                return Ok(Err(format!("row groups of {side} overlap in column `{}`", pairing.columns[0].name)));
            }
        }
        Ok(Ok(KeyLayout { groups, bounds: Some(bounds) }))
    }

    /// The row groups as the files list them, with nothing known of their keys.
    fn as_listed(snapshot: &Snapshot) -> Self {
        let groups = snapshot
            .row_groups()
            .enumerate()
            .filter(|(_, (_, _, rows))| *rows > 0)
            .map(|(bound, (file, row_group, rows))| Group { file, row_group, rows, bound })
            .collect();
        KeyLayout { groups, bounds: None }
    }

    /// Reads the first keys of the first and of the middle row group.
    fn looks_sorted(&self, engine: &Engine, snapshot: &Snapshot, pairing: &Pairing) -> Result<bool> {
        let side = snapshot.side;
        let columns: Vec<usize> = pairing.keys().iter().map(|column| column.at[side]).collect();
        let mut probes: Vec<&Group> = self.groups.first().into_iter().collect();
        probes.extend(self.groups.get(self.groups.len() / 2).filter(|_| self.groups.len() > 1));
        for group in probes {
            let read = FileRead::whole(group.file, [group.row_group]);
            let mut scan = snapshot.scan(engine, vec![read], &columns)?;
            if let Some(batch) = scan.next_batch()? {
                let parts = pairing.keys().iter().zip(batch.columns());
                let parts = parts.map(|(column, array)| column.key_parts(array, side)).collect::<Result<Vec<_>>>()?;
                if steps(&parts.concat())?.break_at.is_some() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The parts of the files that may hold keys of a range, in key order.
    pub fn reads(&self, range: &KeyRange) -> Result<Vec<FileRead>> {
        let mut reads: Vec<FileRead> = vec![];
        for group in &self.groups {
            if !self.reaches_into(group, range)? {
                continue;
            }
            match reads.last_mut() {
                Some(last)
                    if last.file == group.file
                        && last.row_groups.last().is_some_and(|(before, _)| *before < group.row_group) =>
                {
                    last.row_groups.push((group.row_group, None));
                }
                _ => reads.push(FileRead::whole(group.file, [group.row_group])),
            }
        }
        Ok(reads)
    }

    fn reaches_into(&self, group: &Group, range: &KeyRange) -> Result<bool> {
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

/// Whether the snapshot is one file that claims, without statistics to show for it, to ascend by the
/// first key column. The claim is verified while reading.
fn declares_order(snapshot: &Snapshot, pairing: &Pairing) -> bool {
    let [file] = snapshot.files.as_slice() else { return false };
    let key = snapshot.schema.field(pairing.columns[0].at[snapshot.side]).name();
    let columns = file.metadata.file_metadata().schema_descr();
    file.metadata.row_groups().iter().all(|group| {
        let first = group.sorting_columns().and_then(|columns| columns.first());
        first
            .is_some_and(|first| !first.descending && columns.column(first.column_idx as usize).path().string() == *key)
    })
}

impl Bounds {
    fn of(snapshot: &Snapshot, pairing: &Pairing) -> Option<Self> {
        let column = &pairing.columns[0];
        let field = snapshot.schema.field(column.at[snapshot.side]);
        let (mut mins, mut maxs, mut nulls) = (vec![], vec![], vec![]);
        for file in &snapshot.files {
            let schema = file.metadata.file_metadata().schema_descr();
            let statistics = StatisticsConverter::try_new(field.name(), &file.schema, schema).ok()?;
            statistics.parquet_column_index()?;
            let groups = file.metadata.row_groups();
            // the files of a side may differ in type; the side's own type holds them all
            mins.push(convert(&statistics.row_group_mins(groups).ok()?, field.data_type()).ok()?);
            maxs.push(convert(&statistics.row_group_maxes(groups).ok()?, field.data_type()).ok()?);
            let counts = statistics.row_group_null_counts(groups).ok()?;
            nulls.extend(counts.iter().map(|count| count.unwrap_or(0)));
        }
        let join = |parts: Vec<ArrayRef>| concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>()).ok();
        let canonical = |array: ArrayRef| canonical(&array, &column.domain, snapshot.side).ok();
        let bounds = Bounds { mins: canonical(join(mins)?)?, maxs: canonical(join(maxs)?)?, nulls: nulls.into() };
        let mut groups = snapshot.row_groups().enumerate();
        let known = groups.all(|(at, (_, _, rows))| {
            bounds.nulls.value(at) == rows || (bounds.mins.is_valid(at) && bounds.maxs.is_valid(at))
        });
        known.then_some(bounds)
    }
}

/// Cuts the key space at row-group borders of the side with more rows, into about two ranges per thread.
/// Fewer, larger ranges are better: a row group on a border is decoded twice.
fn ranges(layouts: &Sides<KeyLayout>, threads: usize) -> Result<Vec<KeyRange>> {
    let rows = |layout: &KeyLayout| layout.groups.iter().map(|group| group.rows).sum::<u64>();
    let larger = if rows(&layouts.old) > rows(&layouts.new) { &layouts.old } else { &layouts.new };
    let everything = vec![KeyRange::default()];
    let wanted = if threads == 1 { 1 } else { threads as u64 * 2 };
    let (Some(bounds), true) =
        (&larger.bounds, layouts.iter().all(|layout| layout.bounds.is_some() || layout.groups.len() <= 1))
    else {
        return Ok(everything);
    };
    let (total, mut passed) = (rows(larger), 0);
    let mut cuts: Vec<ArrayRef> = vec![];
    for group in &larger.groups {
        let due = passed * wanted / total > cuts.len() as u64;
        let min = bounds.mins.slice(group.bound, 1);
        let ascends = match cuts.last() {
            Some(last) => KeyOrder::of(std::slice::from_ref(last), std::slice::from_ref(&min))?.compare(0, 0).is_lt(),
            None => true,
        };
        if due && ascends && min.is_valid(0) {
            cuts.push(min);
        }
        passed += group.rows;
    }
    let starts = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
    let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
    Ok(starts.zip(ends).map(|(start, end)| KeyRange { start, end }).collect())
}
