//! What all rows of a side are like, from some of them, or from all if there are few.

use arrow::array::ArrayRef;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use rayon::prelude::*;

use super::rows::{Columns, Rows};
use crate::equality::plain_types;
use crate::error::Result;
use crate::run::Run;
use crate::sides::Side;
use crate::snapshot::{FileRead, Snapshot};

/// A side with at most this many rows is read whole.
const WHOLE_ROWS: u64 = 100_000;
/// Of others, this many row groups are read from, evenly spread, and this many rows of each.
const BLOCKS: usize = 40;
const BLOCK_ROWS: usize = 256;
/// Row groups of at most this many rows are read from in several places.
const SPREAD_ROWS: usize = 250_000;

/// Rows of a side.
pub(super) struct Population {
    /// The rows that were read.
    pub read: Rows,
    /// Where each block of them begins.
    pub blocks: Vec<usize>,
    /// All rows of the side.
    pub rows: u64,
    /// Whether all rows were read.
    pub is_whole: bool,
}

impl Population {
    /// Reads some columns of a side.
    pub(super) fn of(run: &Run, side: Side, columns: &mut Columns, numbers: &[usize]) -> Result<Self> {
        let (snapshot, engine) = (&run.snapshots[side], &run.session.engine);
        let is_whole = snapshot.rows() <= WHOLE_ROWS;
        let readings = if is_whole { whole(snapshot) } else { spread(snapshot) };
        let at: Vec<usize> = numbers.iter().map(|number| run.pairing.columns[columns.at[*number]].at[side]).collect();
        let read_block = |read: FileRead| -> Result<Vec<Vec<ArrayRef>>> {
            let mut scan = snapshot.scan(engine, vec![read], &at)?.uncounted();
            let mut batches = vec![];
            while let Some(batch) = scan.next_batch()? {
                batches.push(batch.columns().iter().map(plain_types::array).collect::<Result<_, _>>()?);
            }
            Ok(batches)
        };
        let decoded: Vec<_> = engine.workers().install(|| {
            let reads = readings.par_iter().with_max_len(1);
            reads.map(|reading| read_block(reading.read.clone())).collect::<Result<_>>()
        })?;
        let (mut read, mut blocks) = (Rows::none(columns), vec![]);
        for (Reading { blocks: lengths, .. }, decoded) in readings.iter().zip(decoded) {
            let starts = lengths.iter().scan(read.len, |start, rows| Some(std::mem::replace(start, *start + rows)));
            blocks.extend(starts);
            decoded.iter().for_each(|batch| read.extend(columns, numbers, batch));
        }
        Ok(Population { read, blocks, rows: snapshot.rows(), is_whole })
    }
}

/// A part of a side, and the numbers of its rows that follow each other.
struct Reading {
    read: FileRead,
    blocks: Vec<usize>,
}

/// All rows, each row group as a block.
fn whole(snapshot: &Snapshot) -> Vec<Reading> {
    let rows = snapshot.row_groups().filter(|(_, _, rows)| *rows > 0).map(|(_, _, rows)| rows as usize);
    snapshot.all_reads().into_iter().zip(rows).map(|(read, rows)| Reading { read, blocks: vec![rows] }).collect()
}

/// Rows of row groups that are evenly spread over a side. The first of a row group cost little to decode; in the few row
/// groups of a side that is not large, they are spread, too.
fn spread(snapshot: &Snapshot) -> Vec<Reading> {
    let groups: Vec<(usize, usize, u64)> = snapshot.row_groups().filter(|(_, _, rows)| *rows > 0).collect();
    let step = groups.len().div_ceil(BLOCKS).max(1);
    let of_group = BLOCKS / groups.len().clamp(1, BLOCKS);
    let reading = |(file, group, all): &(usize, usize, u64)| {
        let all = *all as usize;
        let is_spread = all <= SPREAD_ROWS && of_group > 1;
        let (count, rows) = if is_spread { (of_group, BLOCK_ROWS) } else { (1, BLOCK_ROWS * of_group) };
        let (rows, every) = (rows.min(all / count), all / count);
        let blocks = vec![rows; count];
        let runs = blocks.iter().flat_map(|rows| [RowSelector::select(*rows), RowSelector::skip(every - rows)]);
        let rest = RowSelector::skip(all - every * count);
        let selection = Some(RowSelection::from_iter(runs.chain([rest])));
        Reading { read: FileRead { file: *file, row_groups: vec![*group], selection }, blocks }
    };
    groups.iter().step_by(step).map(reading).collect()
}
