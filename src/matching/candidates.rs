//! The rows that hashing leaves open: one bit per row, and a sorted second reading of those set.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use futures::StreamExt;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::Comparison;
use super::entries::Entry;
use crate::canonical::order::ASCENDING;
use crate::columns::ColumnPair;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::meter::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot, locate_damage};

/// One row group of one side: what a worker hashes at a time.
pub struct Chunk {
    /// The side.
    pub side: Side,
    file: usize,
    row_group: usize,
    rows: usize,
}

impl Chunk {
    /// All of it.
    pub fn read(&self) -> FileRead {
        FileRead::whole(self.file, [self.row_group])
    }
}

/// A set of rows of both sides.
pub struct Candidates {
    chunks: Vec<Chunk>,
    bits: Vec<Vec<AtomicU64>>,
}

impl Candidates {
    /// No row of these snapshots.
    pub fn none(snapshots: &Sides<Snapshot>) -> Self {
        let mut chunks = vec![];
        for snapshot in snapshots.iter() {
            for (file, row_group, rows) in snapshot.row_groups().filter(|(_, _, rows)| *rows > 0) {
                chunks.push(Chunk { side: snapshot.side, file, row_group, rows: rows as usize });
            }
        }
        let words = |chunk: &Chunk| (0..chunk.rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let bits = chunks.iter().map(words).collect();
        Candidates { chunks, bits }
    }

    /// The chunks, by number.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The side that an entry's row stands on.
    pub fn side(&self, entry: &Entry) -> Side {
        self.chunks[entry.chunk()].side
    }

    /// Adds an entry's row.
    pub fn mark(&self, entry: &Entry) {
        let row = entry.row_in_chunk();
        self.bits[entry.chunk()][row / 64].fetch_or(1 << (row % 64), Ordering::Relaxed);
    }

    /// How many rows are in the set.
    pub fn count(&self) -> u64 {
        self.bits.iter().flatten().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }

    /// Reads one side's rows of the set again, in key order, under the memory limit.
    pub fn sorted<'a>(&self, comparison: &Comparison<'a>, side: Side) -> Result<Sorted<'a>> {
        let Comparison { engine, snapshots, .. } = comparison;
        let reads = self.reads(side);
        let plan = sort_plan(comparison, side, &reads).map_err(Error::internal)?;
        let stream = plan.execute(0, engine.task()).map_err(Error::internal)?;
        let width = comparison.pairing.columns.len();
        Ok(Sorted { engine, snapshot: &snapshots[side], reads, plan, stream, width })
    }

    /// One read per row group, so that a single large file is sorted by several workers, too.
    fn reads(&self, side: Side) -> Vec<FileRead> {
        let mut reads = vec![];
        for (chunk, words) in self.chunks.iter().zip(&self.bits).filter(|(chunk, _)| chunk.side == side) {
            let selection = selection(words, chunk.rows);
            if selection.selects_any() {
                reads.push(FileRead { file: chunk.file, row_groups: vec![(chunk.row_group, Some(selection))] });
            }
        }
        reads
    }
}

/// The set bits as runs of rows to skip and to read.
fn selection(words: &[AtomicU64], rows: usize) -> RowSelection {
    let is_set = |row: usize| words[row / 64].load(Ordering::Relaxed) >> (row % 64) & 1 == 1;
    let mut selectors: Vec<RowSelector> = vec![];
    let mut row = 0;
    while row < rows {
        if row % 64 == 0 && words[row / 64].load(Ordering::Relaxed) == 0 {
            let empty = 64.min(rows - row);
            extend(&mut selectors, true, empty);
            row += empty;
            continue;
        }
        extend(&mut selectors, !is_set(row), 1);
        row += 1;
    }
    selectors.into()
}

fn extend(selectors: &mut Vec<RowSelector>, skip: bool, rows: usize) {
    match selectors.last_mut() {
        Some(last) if last.skip == skip => last.row_count += rows,
        _ => selectors.push(RowSelector { row_count: rows, skip }),
    }
}

/// Scans the reads, adds the canonical keys, sorts by them.
fn sort_plan(
    comparison: &Comparison,
    side: Side,
    reads: &[FileRead],
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let scan = snapshots[side].plan(&engine.readers(), reads, &pairing.projection(side), engine.sort_partitions())?;
    let schema = scan.schema();
    let column = |at: usize| Arc::new(Column::new(schema.field(at).name(), at)) as Arc<dyn PhysicalExpr>;
    let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> =
        (0..pairing.columns.len()).map(|at| (column(at), format!("raw {at}"))).collect();
    let mut order = vec![];
    for (at, pair) in pairing.keys().iter().enumerate() {
        for (part, data_type) in pair.key_part_types().into_iter().enumerate() {
            let function = ScalarUDF::from(KeyPart::new(pair.clone(), part, data_type.clone(), side));
            let field: FieldRef = Field::new(format!("key {at} part {part}"), data_type, true).into();
            let name = field.name().clone();
            let options = Arc::new(ConfigOptions::default());
            let key = ScalarFunctionExpr::new(&name, Arc::new(function), vec![column(at)], field, options);
            order.push(PhysicalSortExpr::new(Arc::new(Column::new(&name, columns.len())), ASCENDING));
            columns.push((Arc::new(key), name));
        }
    }
    let keyed = Arc::new(ProjectionExec::try_new(columns, scan)?);
    let Some(order) = LexOrdering::new(order) else { return Ok(keyed) };
    let sorted = SortExec::new(order.clone(), keyed).with_preserve_partitioning(true);
    Ok(Arc::new(SortPreservingMergeExec::new(order, Arc::new(sorted))))
}

/// One side's candidates in key order.
pub struct Sorted<'a> {
    engine: &'a Engine,
    snapshot: &'a Snapshot,
    reads: Vec<FileRead>,
    plan: Arc<dyn ExecutionPlan>,
    stream: SendableRecordBatchStream,
    width: usize,
}

impl Sorted<'_> {
    /// The next batch, as the snapshot's files have it.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            // sorting can keep us waiting long for the first batch
            let next = async { tokio::time::timeout(Duration::from_millis(200), self.stream.next()).await };
            let waited = self.engine.meter.during(Stage::Decode, || self.engine.reader().block_on(next));
            self.engine.check_stop()?;
            match waited {
                Err(_) => continue,
                Ok(None) => return Ok(None),
                Ok(Some(Ok(batch))) if batch.num_rows() == 0 => continue,
                Ok(Some(Ok(batch))) => {
                    self.engine.progress.advance(batch.num_rows() as u64);
                    let raw: Vec<usize> = (0..self.width).collect();
                    return Ok(Some(batch.project(&raw)?));
                }
                Ok(Some(Err(error))) => return Err(locate_damage(self.snapshot, &self.reads, &error)),
            }
        }
    }
}

impl Drop for Sorted<'_> {
    fn drop(&mut self) {
        self.engine.meter.count_spilled(spilled_bytes(self.plan.as_ref()));
    }
}

fn spilled_bytes(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    own as u64 + plan.children().iter().map(|child| spilled_bytes(child.as_ref())).sum::<u64>()
}

/// A part of a key column as it is compared, as a function that a plan can call.
#[derive(Debug)]
struct KeyPart {
    pair: ColumnPair,
    part: usize,
    data_type: DataType,
    side: Side,
    signature: Signature,
}

impl KeyPart {
    fn new(pair: ColumnPair, part: usize, data_type: DataType, side: Side) -> Self {
        KeyPart { pair, part, data_type, side, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// What tells one such function of a plan from another.
    fn identity(&self) -> (&str, usize, Side) {
        (&self.pair.name, self.part, self.side)
    }
}

impl PartialEq for KeyPart {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for KeyPart {}

impl Hash for KeyPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl ScalarUDFImpl for KeyPart {
    fn name(&self) -> &str {
        "key_part"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> datafusion::error::Result<FieldRef> {
        Ok(Field::new(self.name(), self.data_type.clone(), true).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let column = args.args[0].to_array(args.number_rows)?;
        let parts = self.pair.key_parts(&column, self.side).map_err(|error| DataFusionError::External(error.into()))?;
        Ok(ColumnarValue::Array(parts[self.part].clone()))
    }
}
