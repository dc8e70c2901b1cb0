//! A scan of one side that all workers share, for when there are fewer key ranges than workers.
//!
//! The columns are divided into groups, and each group is decoded ahead by whichever worker is free, while the merge
//! runs on another one. A worker that needs a batch that is not decoded yet decodes meanwhile, so none of them waits
//! while there is work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use rayon::{Scope, Yield};

use super::Comparison;
use super::partitions::lock;
use crate::error::{Error, Result};
use crate::sides::Side;
use crate::snapshot::{FileRead, Scan};

/// Batches of a group that are decoded ahead.
const AHEAD: usize = 4;
/// How long a worker waits for another one before it looks for work again.
const WAIT: Duration = Duration::from_millis(1);

/// Batches of one side, decoded by all workers.
pub(super) struct SharedScan<'a> {
    groups: Vec<Arc<ColumnGroup<'a>>>,
    /// The group of each column, and its index there.
    columns: Vec<(usize, usize)>,
    schema: SchemaRef,
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
    pub(super) fn open(comparison: &Comparison<'a>, side: Side, reads: &[FileRead]) -> Result<Self> {
        let Comparison { engine, snapshots, pairing, .. } = comparison;
        let projection = pairing.projection(side);
        let snapshot = &snapshots[side];
        let divided = divide(&projection, engine.threads(), |column| snapshot.row_bytes(&[column]));
        let mut columns = vec![(0, 0); projection.len()];
        let mut groups = vec![];
        for (number, positions) in divided.iter().enumerate() {
            positions.iter().enumerate().for_each(|(index, &position)| columns[position] = (number, index));
            let stored: Vec<usize> = positions.iter().map(|&position| projection[position]).collect();
            let scan = snapshot.scan(engine, reads.to_vec(), &stored)?;
            // the rows are counted once, by the first group
            let scan = if number == 0 { scan } else { scan.uncounted() };
            let state = GroupState { scan: Some(scan), ready: VecDeque::new(), has_ended: false };
            groups.push(Arc::new(ColumnGroup { state: Mutex::new(state), arrived: Condvar::new() }));
        }
        Ok(SharedScan { groups, columns, schema: snapshot.scan_schema(&projection) })
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
            _ => return Err(Error::internal("columns of one file have different numbers of rows")),
        };
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|&(group, index)| parts[group].column(index).clone()).collect();
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
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
        let batch = scan.next_batch().transpose();
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
