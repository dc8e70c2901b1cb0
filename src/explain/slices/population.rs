//! What all rows of a side are like, from some of them, or from all if there are few.

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

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
    pub(super) fn of(run: &Run, side: Side, columns: &mut Columns) -> Result<Self> {
        let (snapshot, engine) = (&run.snapshots[side], &run.session.engine);
        let is_whole = snapshot.rows() <= WHOLE_ROWS;
        let reads = if is_whole { snapshot.all_reads() } else { spread(snapshot) };
        let at: Vec<usize> = columns.at.iter().map(|at| run.pairing.columns[*at].at[side]).collect();
        let (mut read, mut blocks) = (Rows::none(columns), vec![]);
        for part in reads {
            blocks.push(read.len);
            let mut scan = snapshot.scan(engine, vec![part], &at)?.uncounted();
            while let Some(batch) = scan.next_batch()? {
                let batch: RecordBatch = batch;
                let plain = batch.columns().iter().map(plain_types::array).collect::<Result<Vec<_>, _>>()?;
                read.extend(columns, &plain);
            }
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
