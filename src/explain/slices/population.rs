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
        let reads = if is_whole { snapshot.all_reads() } else { spread(snapshot) };
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
            let reads = reads.into_par_iter().with_max_len(1);
            reads.map(read_block).collect::<Result<_>>()
        })?;
        let (mut read, mut blocks) = (Rows::none(columns), vec![]);
        for block in decoded {
            blocks.push(read.len);
            block.iter().for_each(|batch| read.extend(columns, numbers, batch));
        }
        Ok(Population { read, blocks, rows: snapshot.rows(), is_whole })
    }
}

/// The first rows of row groups that are evenly spread over a side. A few of a row group cost little to decode.
fn spread(snapshot: &Snapshot) -> Vec<FileRead> {
    let groups: Vec<(usize, usize, u64)> = snapshot.row_groups().filter(|(_, _, rows)| *rows > 0).collect();
    let step = groups.len().div_ceil(BLOCKS).max(1);
    let rows = BLOCK_ROWS * (BLOCKS / groups.len().clamp(1, BLOCKS));
    let block = |(file, group, all): &(usize, usize, u64)| {
        let rows = rows.min(*all as usize);
        let rest = *all as usize - rows;
        let selection = RowSelection::from(vec![RowSelector::select(rows), RowSelector::skip(rest)]);
        FileRead { file: *file, row_groups: vec![*group], selection: Some(selection) }
    };
    groups.iter().step_by(step).map(block).collect()
}
