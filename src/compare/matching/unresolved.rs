//! The rows that hashing does not settle. They are kept with their values or marked by one bit, and then sorted.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{StreamExt, stream};
use parquet::arrow::arrow_reader::RowSelection;

use super::Comparison;
use super::partitions::{RowAddress, lock};
use crate::columns::ColumnPair;
use crate::equality::canonical::order::ASCENDING;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::spilling::spilled_bytes;
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot, compact};

/// One row group of one side: the unit of work for hashing.
pub(super) struct Chunk {
    pub side: Side,
    file: usize,
    row_group: usize,
    rows: usize,
}

impl Chunk {
    /// Returns the read of the whole chunk.
    pub(super) fn read(&self) -> FileRead {
        FileRead::whole(self.file, [self.row_group])
    }
}

/// A set of rows of both sides. Some are kept with their values, and the others are marked, to be read again.
pub(super) struct Unresolved {
    chunks: Vec<Chunk>,
    bits: Vec<Vec<AtomicU64>>,
    kept: Sides<Mutex<Vec<RecordBatch>>>,
    /// Bytes that are left for kept rows. May become negative.
    room_bytes: AtomicI64,
    /// The maximum number of rows per batch.
    batch_rows: usize,
}

impl Unresolved {
    /// Creates an empty set for these snapshots, with memory for `room_bytes` bytes of kept rows.
    pub(super) fn none(engine: &Engine, snapshots: &Sides<Snapshot>, room_bytes: u64) -> Self {
        let mut chunks = vec![];
        for snapshot in snapshots.iter() {
            for (file, row_group, rows) in snapshot.row_groups().filter(|(_, _, rows)| *rows > 0) {
                chunks.push(Chunk { side: snapshot.side, file, row_group, rows: rows as usize });
            }
        }
        let zeros = |chunk: &Chunk| (0..chunk.rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let bits = chunks.iter().map(zeros).collect();
        let (kept, room_bytes) = (Sides::default(), AtomicI64::new(room_bytes as i64));
        Unresolved { chunks, bits, kept, room_bytes, batch_rows: engine.batch_rows() }
    }

    /// The chunks, by number.
    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Adds a row that will be read again.
    pub(super) fn mark(&self, address: RowAddress) {
        let row = address.row_in_chunk();
        self.bits[address.chunk()][row / 64].fetch_or(1 << (row % 64), Ordering::Relaxed);
    }

    /// Returns a keeper that adds rows of one chunk with their values.
    pub(super) fn keeper(&self, side: Side) -> Keeper<'_> {
        Keeper { candidates: self, side, gathered: vec![], gathered_bytes: 0, gathered_rows: 0 }
    }

    pub(super) fn count(&self) -> u64 {
        let marked = self.bits.iter().flatten().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()));
        let kept = self.kept.iter().map(|kept| lock(kept).iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        marked.sum::<u64>() + kept.sum::<u64>()
    }

    /// Returns the rows of the set by side, in key order, within the memory limit. Marked rows are read again.
    pub(super) fn sorted<'a>(&self, comparison: &Comparison<'a>) -> Result<Sides<SortedSide<'a>>> {
        let Comparison { engine, .. } = comparison;
        let kept = Sides::from_fn(|side| std::mem::take(&mut *lock(&self.kept[side])));
        let waiting_bytes: u64 = kept.iter().flatten().map(|batch| batch.get_array_memory_size() as u64).sum();
        let kept = kept.map(|kept| (!kept.is_empty()).then(|| KeptRows::of(kept)));
        let unsorted = Sides::try_from_fn(|side| unsorted(comparison, side, self.reads(side), kept[side].as_ref()));
        let unsorted = unsorted.map_err(Error::internal)?;
        // both sides are sorted at the same time, and every partition has a fixed share of the memory
        let partitions: usize = unsorted.iter().map(|plan| plan.output_partitioning().partition_count()).sum();
        let sorted = |side: Side| -> Result<SortedSide<'a>> {
            let own_memory = |sort| engine.with_own_memory(sort, partitions, waiting_bytes);
            let plan = sort_plan(comparison, side, unsorted[side].clone(), own_memory).map_err(Error::internal)?;
            let runtime = engine.reader();
            // a plan finds the threads for its partitions only within the runtime
            let _within = runtime.enter();
            let stream = plan.execute(0, engine.task());
            let stream = stream.map_err(|error| Error::of_plan(error, &engine.spill_dir(), Error::internal))?;
            let width = comparison.pairing.projection(side).len();
            Ok(SortedSide { engine, side, plan, stream, width })
        };
        Sides::try_from_fn(sorted)
    }

    /// Returns one read per row group, so that several workers can also sort a single large file.
    fn reads(&self, side: Side) -> Vec<FileRead> {
        let mut reads = vec![];
        for (chunk, words) in self.chunks.iter().zip(&self.bits).filter(|(chunk, _)| chunk.side == side) {
            let selection = selection(words, chunk.rows);
            if selection.selects_any() {
                let row_groups = vec![chunk.row_group];
                reads.push(FileRead { file: chunk.file, row_groups, selection: Some(selection) });
            }
        }
        reads
    }
}

/// Keeps copies of rows of one chunk while there is memory for them, and then marks rows.
pub(super) struct Keeper<'a> {
    candidates: &'a Unresolved,
    side: Side,
    gathered: Vec<RecordBatch>,
    gathered_bytes: usize,
    gathered_rows: usize,
}

/// Kept rows are concatenated up to this many bytes, so that few rows do not become tiny batches.
const KEPT_BATCH_BYTES: usize = 1 << 20;

impl Keeper<'_> {
    /// Adds the rows of a batch for which `open` is true. `addresses` are the addresses of all rows of the batch.
    pub(super) fn keep(
        &mut self,
        batch: &RecordBatch,
        open: BooleanBuffer,
        addresses: impl Iterator<Item = RowAddress>,
    ) -> Result<()> {
        if self.candidates.room_bytes.load(Ordering::Relaxed) <= 0 {
            let open = addresses.zip(&open).filter(|(_, open)| *open);
            open.for_each(|(address, _)| self.candidates.mark(address));
            return Ok(());
        }
        let rows = compact(&filter_record_batch(batch, &BooleanArray::new(open, None))?)?;
        let bytes = rows.get_array_memory_size();
        self.candidates.room_bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
        // a sort that has to split a batch counts more memory than the batch takes
        if self.gathered_rows + rows.num_rows() > self.candidates.batch_rows {
            self.finish()?;
        }
        self.gathered_bytes += bytes;
        self.gathered_rows += rows.num_rows();
        self.gathered.push(rows);
        if self.gathered_bytes >= KEPT_BATCH_BYTES { self.finish() } else { Ok(()) }
    }

    /// Adds the collected rows to the set.
    pub(super) fn finish(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        (self.gathered_bytes, self.gathered_rows) = (0, 0);
        if let Some(first) = gathered.first() {
            lock(&self.candidates.kept[self.side]).push(concat_batches(&first.schema(), &gathered)?);
        }
        Ok(())
    }
}

/// Converts the bits to a row selection.
fn selection(words: &[AtomicU64], rows: usize) -> RowSelection {
    let words: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    RowSelection::from_boolean_buffer(BooleanBuffer::new(words.into(), 0, rows))
}

/// Kept rows as an input of the sort, which accounts for their memory as it receives them.
#[derive(Debug, Clone)]
struct KeptRows {
    schema: SchemaRef,
    batches: Arc<Mutex<std::vec::IntoIter<RecordBatch>>>,
}

impl KeptRows {
    fn of(batches: Vec<RecordBatch>) -> Self {
        KeptRows { schema: batches[0].schema(), batches: Arc::new(Mutex::new(batches.into_iter())) }
    }
}

impl PartitionStream for KeptRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the rows. A second call returns none.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = std::mem::take(&mut *lock(&self.batches));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter(batches.map(Ok))))
    }
}

/// Builds the plan of the reads together with the kept rows.
fn unsorted(
    comparison: &Comparison,
    side: Side,
    reads: Vec<FileRead>,
    kept: Option<&KeptRows>,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let nothing_to_read = reads.is_empty();
    let scan =
        snapshots[side].plan(&engine.scan_config(), reads, &pairing.projection(side), engine.sort_partitions())?;
    let Some(kept) = kept else { return Ok(scan) };
    let kept = StreamingTableExec::try_new(scan.schema(), vec![Arc::new(kept.clone())], None, [], false, None)?;
    let kept: Arc<dyn ExecutionPlan> = Arc::new(kept);
    Ok(match nothing_to_read {
        true => kept,
        // if the memory allows only one sort, both inputs go through it
        false if engine.sort_partitions() == 1 => {
            Arc::new(CoalescePartitionsExec::new(UnionExec::try_new(vec![scan, kept])?))
        }
        false => UnionExec::try_new(vec![scan, kept])?,
    })
}

/// Adds the canonical keys to the rows of a side, and sorts by them.
fn sort_plan(
    comparison: &Comparison,
    side: Side,
    unsorted: Arc<dyn ExecutionPlan>,
    own_memory: impl FnOnce(Arc<dyn ExecutionPlan>) -> datafusion::error::Result<Arc<dyn ExecutionPlan>>,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let schema = unsorted.schema();
    let column = |at: usize| Arc::new(Column::new(schema.field(at).name(), at)) as Arc<dyn PhysicalExpr>;
    let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> =
        (0..schema.fields().len()).map(|at| (column(at), format!("raw {at}"))).collect();
    let mut order = vec![];
    for (at, pair) in comparison.pairing.keys().iter().enumerate() {
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
    let keyed = Arc::new(ProjectionExec::try_new(columns, unsorted)?);
    let Some(order) = LexOrdering::new(order) else { return Ok(keyed) };
    let sort = SortExec::new(order.clone(), keyed).with_preserve_partitioning(true);
    Ok(Arc::new(SortPreservingMergeExec::new(order, own_memory(Arc::new(sort))?)))
}

/// The unresolved candidates of one side, in key order.
pub(super) struct SortedSide<'a> {
    engine: &'a Engine,
    side: Side,
    plan: Arc<dyn ExecutionPlan>,
    stream: SendableRecordBatchStream,
    width: usize,
}

impl SortedSide<'_> {
    /// Returns the next batch, with the columns of the files.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            // the first batch may take long, so check regularly whether to stop
            let next = async { tokio::time::timeout(Duration::from_millis(200), self.stream.next()).await };
            let waited = self.engine.timings.stage(Stage::Decode, || self.engine.reader().block_on(next));
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
                Ok(Some(Err(error))) => {
                    return Err(Error::of_plan(error, &self.engine.spill_dir(), |error| {
                        Error::Internal(format!("sorting rows of the {} snapshot: {error}", self.side))
                    }));
                }
            }
        }
    }
}

impl Drop for SortedSide<'_> {
    fn drop(&mut self) {
        self.engine.timings.count_spilled(spilled_bytes(self.plan.as_ref()));
    }
}

/// A canonical part of a key column, as a scalar function for plans.
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

    /// Distinguishes the functions of one plan.
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
