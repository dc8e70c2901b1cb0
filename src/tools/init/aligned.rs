//! Rows with the same key on both sides, equal or not. The effect of a rule on a column shows in cells that are equal
//! as well as in those that differ.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take, take_record_batch};
use parquet::arrow::arrow_reader::RowSelection;

use super::columns::{Columns, PairedColumns};
use crate::equality::canonical::cells::KeyBytes;
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot, compact};

/// The largest number of sampled pairs of rows.
const ROWS_MAX: usize = 5_000;
/// Bytes of new's rows that are kept. Large cells reduce the number of rows.
const BYTES_MAX: usize = 128 << 20;

/// Pairs of rows with the same key, with all columns.
pub(super) struct Aligned {
    rows: Sides<RecordBatch>,
}

/// The position of a row of new whose key is in the sample.
struct AlignedRow {
    file: usize,
    group: usize,
    row: usize,
    old: u32,
}

impl Aligned {
    /// Finds the counterparts of old's sample. `None` if rows have no key, or if no row has a counterpart.
    pub(super) fn of(
        engine: &Engine,
        sides: &Sides<Snapshot>,
        columns: &Columns,
        key: &[String],
    ) -> Result<Option<Self>> {
        let by_name = |name: &String| columns.pairs.iter().find(|pair| pair.name == *name);
        let pairs: Vec<&PairedColumns> = key.iter().filter_map(by_name).collect();
        if pairs.is_empty() {
            return Ok(None);
        }
        let sample = &columns.samples.old;
        let own: Vec<ArrayRef> = pairs.iter().map(|pair| pair.sample.old.clone()).collect();
        let Some(keys) = keys(&pairs, &own, Side::Old) else { return Ok(None) };
        let mut wanted: HashMap<Vec<u8>, Option<u32>> = HashMap::new();
        for (row, key) in keys.into_iter().enumerate() {
            // a duplicate key does not identify a row
            wanted.entry(key).and_modify(|known| *known = None).or_insert(Some(row as u32));
        }
        let Some(met) = meet(engine, &sides.new, &pairs, &wanted)? else { return Ok(None) };
        let (new, old) = read(engine, &sides.new, &met)?;
        if old.is_empty() {
            return Ok(None);
        }
        let old = take_record_batch(sample, &UInt32Array::from(old))?;
        Ok(Some(Aligned { rows: Sides { old, new } }))
    }

    /// The cells of a pair of columns.
    pub(super) fn cells(&self, pair: &PairedColumns) -> Option<Sides<ArrayRef>> {
        let old = self.rows.old.column_by_name(pair.fields.old.name())?.clone();
        let new = self.rows.new.column_by_name(pair.fields.new.name())?.clone();
        Some(Sides { old, new })
    }

    /// The paired rows of both sides.
    pub(super) fn rows(&self) -> &Sides<RecordBatch> {
        &self.rows
    }
}

/// The keys of rows, as bytes.
fn keys(pairs: &[&PairedColumns], columns: &[ArrayRef], side: Side) -> Option<Vec<Vec<u8>>> {
    let mut parts: Vec<ArrayRef> = vec![];
    for (pair, column) in pairs.iter().zip(columns) {
        let form = pair.chain(&pair.rules)?.full(column, side).ok()?;
        parts.extend(form.arrays().cloned());
    }
    let rows = parts.first()?.len();
    let cells: Vec<KeyBytes> = parts.iter().map(|part| KeyBytes::of(part)).collect();
    let key = |row: usize| {
        let mut bytes = vec![];
        cells.iter().for_each(|cells| cells.append(row, &mut bytes));
        bytes
    };
    Some((0..rows).map(key).collect())
}

/// Finds the rows of new with these keys, in new's order; at most [`ROWS_MAX`], spread over all of them.
fn meet(
    engine: &Engine,
    new: &Snapshot,
    pairs: &[&PairedColumns],
    wanted: &HashMap<Vec<u8>, Option<u32>>,
) -> Result<Option<Vec<AlignedRow>>> {
    let indexes: Vec<usize> = pairs.iter().filter_map(|pair| new.schema.index_of(&pair.name).ok()).collect();
    let mut met: HashMap<u32, Option<AlignedRow>> = HashMap::new();
    for (file, group, _) in new.row_groups().filter(|(_, _, rows)| *rows > 0) {
        let mut scan = new.scan(engine, vec![FileRead::whole(file, [group])], &indexes)?;
        let mut first = 0;
        while let Some(batch) = scan.next_batch()? {
            let Some(keys) = keys(pairs, batch.columns(), Side::New) else { return Ok(None) };
            for (row, key) in keys.into_iter().enumerate() {
                if let Some(Some(old)) = wanted.get(&key) {
                    let found = AlignedRow { file, group, row: first + row, old: *old };
                    met.entry(*old).and_modify(|known| *known = None).or_insert(Some(found));
                }
            }
            first += batch.num_rows();
        }
    }
    let mut met: Vec<AlignedRow> = met.into_values().flatten().collect();
    met.sort_by_key(|met| met.old);
    let every = met.len().div_ceil(ROWS_MAX).max(1);
    let mut few: Vec<AlignedRow> = met.into_iter().step_by(every).collect();
    few.sort_by_key(|met| (met.file, met.group, met.row));
    Ok(Some(few))
}

/// Reads these rows of new, and returns the rows of the sample that they are paired with.
fn read(engine: &Engine, new: &Snapshot, met: &[AlignedRow]) -> Result<(RecordBatch, Vec<u32>)> {
    let all: Vec<usize> = (0..new.schema.fields().len()).collect();
    let (mut batches, mut old, mut bytes) = (vec![], vec![], 0);
    for part in met.chunk_by(|a, b| (a.file, a.group) == (b.file, b.group)) {
        let (file, group) = (part[0].file, part[0].group);
        let rows = new.row_groups().find(|(own_file, own_group, _)| (*own_file, *own_group) == (file, group));
        let rows = rows.map_or(0, |(_, _, rows)| rows as usize);
        let wanted = part.iter().map(|met| met.row..met.row + 1);
        let selection = RowSelection::from_consecutive_ranges(wanted, rows);
        let read = FileRead { file, row_groups: vec![group], selection: Some(selection) };
        let mut scan = new.scan(engine, vec![read], &all)?;
        while let Some(batch) = scan.next_batch()? {
            // copied, because a scan returns slices that would keep the whole decoded batch in memory
            let indexes: UInt32Array = (0..batch.num_rows() as u32).collect();
            let columns: Vec<ArrayRef> =
                batch.columns().iter().map(|column| take(column, &indexes, None)).collect::<Result<_, _>>()?;
            let batch = compact(&RecordBatch::try_new(batch.schema(), columns)?)?;
            bytes += batch.get_array_memory_size();
            batches.push(batch);
        }
        old.extend(part.iter().map(|met| met.old));
        if bytes > BYTES_MAX {
            break;
        }
    }
    Ok((concat_batches(&new.scan_schema(&all), &batches)?, old))
}
