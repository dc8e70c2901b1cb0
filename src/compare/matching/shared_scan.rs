//! A scan of one side that several workers share, for when there are at least twice as many workers as key ranges.
//!
//! The columns are divided into groups, and each group is decoded ahead by whichever worker is free, while the merge
//! runs on another one. A worker that needs a batch that is not decoded yet decodes meanwhile, so none of them waits
//! while there is work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use rayon::{Scope, Yield};

use super::Comparison;
use super::partitions::lock;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::sides::Side;
use crate::snapshot::{FileRead, Scan, Snapshot};

/// Batches of a group that are decoded ahead.
const AHEAD: usize = 4;
/// How long a worker waits for another one before it looks for work again.
const WAIT: Duration = Duration::from_millis(1);

/// Batches of one side, decoded by several workers.
pub(super) struct SharedScan<'a> {
    groups: Vec<Arc<ColumnGroup<'a>>>,
    /// The group of each column, and its index there.
    columns: Vec<(usize, usize)>,
    engine: &'a Engine,
    snapshot: &'a Snapshot,
    reads: Vec<FileRead>,
    projection: Vec<usize>,
}

/// Columns that are decoded together.
struct ColumnGroup<'a> {
    state: Mutex<GroupState<'a>>,
    arrived: Condvar,
}

struct GroupState<'a> {
    /// `None` while a worker decodes, and after the last batch.
    scan: Option<Scan<'a>>,
    ready: VecDeque<Result<RecordBatch>>,
    has_ended: bool,
}

impl<'a> SharedScan<'a> {
    /// Opens the parts of a side.
    pub(super) fn open(comparison: &Comparison<'a>, side: Side, reads: Vec<FileRead>, workers: usize) -> Result<Self> {
        let Comparison { engine, snapshots, pairing, .. } = *comparison;
        let projection = pairing.projection(side);
        let snapshot = &snapshots[side];
        // expressions may read the same columns, which are decoded once within a group
        let is_computed = |column: &usize| *column >= snapshot.stored_fields().len();
        let groups = if projection.iter().any(is_computed) { 1 } else { workers };
        let divided = divide(&projection, groups, |column| snapshot.row_bytes(&[column]));
        let mut columns = vec![(0, 0); projection.len()];
        let mut groups = vec![];
        for (number, positions) in divided.iter().enumerate() {
            positions.iter().enumerate().for_each(|(index, &position)| columns[position] = (number, index));
            let stored: Vec<usize> = positions.iter().map(|&position| projection[position]).collect();
            let scan = snapshot.scan(engine, reads.clone(), &stored)?;
            // the rows are counted once, by the first group
            let scan = if number == 0 { scan } else { scan.uncounted() };
            let state = GroupState { scan: Some(scan), ready: VecDeque::new(), has_ended: false };
            groups.push(Arc::new(ColumnGroup { state: Mutex::new(state), arrived: Condvar::new() }));
        }
        Ok(SharedScan { engine, snapshot, reads, projection, groups, columns })
    }

    /// The next batch, or `None` at the end.
    pub(super) fn next_batch<'scope>(&mut self, scope: &Scope<'scope>) -> Result<Option<RecordBatch>>
    where
        'a: 'scope,
    {
        self.groups.iter().for_each(|group| group.read_ahead(scope));
        let parts = self.groups.iter().map(|group| group.next_batch());
        let parts = parts.collect::<Result<Vec<Option<RecordBatch>>>>()?;
        self.groups.iter().for_each(|group| group.read_ahead(scope));
        let parts: Vec<&RecordBatch> = match parts.iter().flatten().count() {
            0 => return Ok(None),
            given if given == parts.len() => parts.iter().flatten().collect(),
            _ => return Err(self.misaligned()),
        };
        if parts.iter().any(|part| part.num_rows() != parts[0].num_rows()) {
            return Err(self.misaligned());
        }
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|&(group, index)| parts[group].column(index).clone()).collect();
        Ok(Some(RecordBatch::try_new(self.snapshot.scan_schema(&self.projection), columns)?))
    }

    /// The error for columns with different numbers of rows: that of a scan of all columns together, which finds the
    /// damaged one.
    fn misaligned(&self) -> Error {
        let found = || -> Result<()> {
            let mut scan = self.snapshot.scan(self.engine, self.reads.clone(), &self.projection)?.uncounted();
            while scan.next_batch()?.is_some() {}
            Ok(())
        };
        let internal = || Error::internal("columns of one file have different numbers of rows");
        found().err().unwrap_or_else(internal)
    }
}

impl<'a> ColumnGroup<'a> {
    /// Lets a worker decode until enough batches are ready.
    fn read_ahead<'scope>(self: &Arc<Self>, scope: &Scope<'scope>)
    where
        'a: 'scope,
    {
        let mut state = lock(&self.state);
        if state.has_ended || state.ready.len() >= AHEAD {
            return;
        }
        if let Some(scan) = state.scan.take() {
            let group = self.clone();
            scope.spawn(move |scope| group.decode(scan, scope));
        }
    }

    /// Decodes one batch. A worker that waits for another one can then go on.
    fn decode<'scope>(self: &Arc<Self>, mut scan: Scan<'a>, scope: &Scope<'scope>)
    where
        'a: 'scope,
    {
        let ending = EndOnPanic(self);
        let batch = scan.next_batch().transpose();
        drop(ending);
        let mut state = lock(&self.state);
        state.has_ended = !matches!(batch, Some(Ok(_)));
        state.ready.extend(batch);
        if !state.has_ended {
            state.scan = Some(scan);
        }
        self.arrived.notify_all();
        drop(state);
        self.read_ahead(scope);
    }

    /// Takes the next batch. Until it is ready, this worker decodes other batches, if there are any to decode.
    fn next_batch(&self) -> Result<Option<RecordBatch>> {
        loop {
            let mut state = lock(&self.state);
            match state.ready.pop_front() {
                Some(batch) => return batch.map(Some),
                None if state.has_ended => return Ok(None),
                None => drop(state),
            }
            if rayon::yield_now() != Some(Yield::Executed) {
                let state = lock(&self.state);
                if state.ready.is_empty() && !state.has_ended {
                    drop(self.arrived.wait_timeout(state, WAIT));
                }
            }
        }
    }
}

/// Ends a group whose decoding panics, so that nobody waits for it. The scope passes the panic on.
struct EndOnPanic<'g, 'a>(&'g ColumnGroup<'a>);

impl Drop for EndOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = lock(&self.0.state);
            state.has_ended = true;
            state.ready.push_back(Err(Error::internal("a worker failed while it decoded")));
            self.0.arrived.notify_all();
        }
    }
}

/// Divides columns into at most `groups` groups of about the same weight. Returns their positions.
fn divide(columns: &[usize], groups: usize, weight: impl Fn(usize) -> u64) -> Vec<Vec<usize>> {
    let mut by_weight: Vec<(u64, usize)> =
        columns.iter().enumerate().map(|(position, &column)| (weight(column), position)).collect();
    by_weight.sort_unstable_by(|one, two| two.cmp(one));
    let mut divided = vec![(0, vec![]); groups.clamp(1, columns.len().max(1))];
    for (weight, position) in by_weight {
        if let Some((sum, positions)) = divided.iter_mut().min_by_key(|(sum, positions)| (*sum, positions.len())) {
            *sum += weight;
            positions.push(position);
        }
    }
    divided.into_iter().map(|(_, positions)| positions).filter(|positions| !positions.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_divided_evenly() {
        assert_eq!(divide(&[10, 11, 12, 13], 2, |column| if column == 11 { 90 } else { 30 }), [vec![1], vec![3, 2, 0]]);
        assert_eq!(divide(&[5, 6], 7, |_| 0), [vec![1], vec![0]]);
        assert_eq!(divide(&[5], 1, |_| 8), [vec![0]]);
    }
}
