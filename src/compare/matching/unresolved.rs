//! The rows that hashing leaves open: kept with their values or marked by one bit, and sorted in the end.

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

/// One row group of one side: what a worker hashes at a time.
pub(super) struct Chunk {
    /// The side.
    pub side: Side,
    file: usize,
    row_group: usize,
    rows: usize,
}

impl Chunk {
    /// All of it.
    pub(super) fn read(&self) -> FileRead {
        FileRead::whole(self.file, [self.row_group])
    }
}

/// A set of rows of both sides: some kept with their values, the rest marked, to be read again.
pub(super) struct Unresolved {
    chunks: Vec<Chunk>,
    bits: Vec<Vec<AtomicU64>>,
    kept: Sides<Mutex<Vec<RecordBatch>>>,
    /// How many bytes kept rows may still take.
    room_bytes: AtomicI64,
    /// How many rows a batch has, at most.
    batch_rows: usize,
}

impl Unresolved {
    /// No row of these snapshots; room to keep so many bytes of rows.
    pub(super) fn none(engine: &Engine, snapshots: &Sides<Snapshot>, room_bytes: u64) -> Self {
        let mut chunks = vec![];
        for snapshot in snapshots.iter() {
            for (file, row_group, rows) in snapshot.row_groups().filter(|(_, _, rows)| *rows > 0) {
                chunks.push(Chunk { side: snapshot.side, file, row_group, rows: rows as usize });
            }
        }
        let words = |chunk: &Chunk| (0..chunk.rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let bits = chunks.iter().map(words).collect();
        let (kept, room_bytes) = (Sides::default(), AtomicI64::new(room_bytes as i64));
        Unresolved { chunks, bits, kept, room_bytes, batch_rows: engine.batch_rows() }
    }

    /// The chunks, by number.
    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Adds a row, to be read again.
    pub(super) fn mark(&self, place: RowAddress) {
        let row = place.row_in_chunk();
        self.bits[place.chunk()][row / 64].fetch_or(1 << (row % 64), Ordering::Relaxed);
    }

    /// Adds rows of one chunk with their values.
    pub(super) fn keeper(&self, side: Side) -> Keeper<'_> {
        Keeper { candidates: self, side, gathered: vec![], gathered_bytes: 0, gathered_rows: 0 }
    }

    /// How many rows are in the set.
    pub(super) fn count(&self) -> u64 {
        let marked = self.bits.iter().flatten().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()));
        let kept = self.kept.iter().map(|kept| lock(kept).iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        marked.sum::<u64>() + kept.sum::<u64>()
    }

    /// The rows of the set in key order, by side, under the memory limit; those that were not kept are read again.
    pub(super) fn sorted<'a>(&self, comparison: &Comparison<'a>) -> Result<Sides<SortedSide<'a>>> {
        let Comparison { engine, .. } = comparison;
        let kept = Sides::from_fn(|side| std::mem::take(&mut *lock(&self.kept[side])));
        let waiting_bytes: u64 = kept.iter().flatten().map(|batch| batch.get_array_memory_size() as u64).sum();
        let kept = kept.map(|kept| (!kept.is_empty()).then(|| KeptRows::of(kept)));
        let unsorted = Sides::try_from_fn(|side| unsorted(comparison, side, self.reads(side), kept[side].as_ref()));
        let unsorted = unsorted.map_err(Error::internal)?;
        // both sides are sorted at the same time, and each of their partitions has to get through with what it is given
        let partitions: usize = unsorted.iter().map(|plan| plan.output_partitioning().partition_count()).sum();
        let sorted = |side: Side| -> Result<SortedSide<'a>> {
            let own_memory = |sort| engine.with_own_memory(sort, partitions, waiting_bytes);
            let plan = sort_plan(comparison, side, unsorted[side].clone(), own_memory).map_err(Error::internal)?;
            let runtime = engine.reader();
            // only within the runtime does a plan find the threads for its partitions
            let _within = runtime.enter();
            let stream = plan.execute(0, engine.task());
            let stream = stream.map_err(|error| Error::of_plan(error, &engine.spill_dir(), Error::internal))?;
            let width = comparison.pairing.projection(side).len();
            Ok(SortedSide { engine, side, plan, stream, width })
        };
        Sides::try_from_fn(sorted)
    }

    /// One read per row group, so that a single large file is sorted by several workers, too.
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

/// Keeps rows of one chunk, compactly, as long as there is room; after that it marks them.
pub(super) struct Keeper<'a> {
    candidates: &'a Unresolved,
    side: Side,
    gathered: Vec<RecordBatch>,
    gathered_bytes: usize,
    gathered_rows: usize,
}

/// Rows are put together until they take so many bytes, so that few rows do not become tiny batches.
const KEPT_BATCH_BYTES: usize = 1 << 20;

impl Keeper<'_> {
    /// Adds the rows of a batch for which `open` is true; `places` are those of all rows of the batch.
    pub(super) fn keep(
        &mut self,
        batch: &RecordBatch,
        open: BooleanBuffer,
        places: impl Iterator<Item = RowAddress>,
    ) -> Result<()> {
        if self.candidates.room_bytes.load(Ordering::Relaxed) <= 0 {
            let open = places.zip(&open).filter(|(_, open)| *open);
            open.for_each(|(place, _)| self.candidates.mark(place));
            return Ok(());
        }
        let rows = compact(&filter_record_batch(batch, &BooleanArray::new(open, None))?)?;
        let bytes = rows.get_array_memory_size();
        self.candidates.room_bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
        // a sort takes a batch that it has to cut for more than it is
        if self.gathered_rows + rows.num_rows() > self.candidates.batch_rows {
            self.finish()?;
        }
        self.gathered_bytes += bytes;
        self.gathered_rows += rows.num_rows();
        self.gathered.push(rows);
        if self.gathered_bytes >= KEPT_BATCH_BYTES { self.finish() } else { Ok(()) }
    }

    /// Hands the rows over.
    pub(super) fn finish(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        (self.gathered_bytes, self.gathered_rows) = (0, 0);
        if let Some(first) = gathered.first() {
            lock(&self.candidates.kept[self.side]).push(concat_batches(&first.schema(), &gathered)?);
        }
        Ok(())
    }
}

/// The set bits, as the reader takes them.
fn selection(words: &[AtomicU64], rows: usize) -> RowSelection {
    let words: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    RowSelection::from_boolean_buffer(BooleanBuffer::new(words.into(), 0, rows))
}

/// Rows that were kept, on their way into the sort, which counts them as it takes them over.
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

    /// Hands the rows over; there is nothing left for a second time.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = std::mem::take(&mut *lock(&self.batches));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter(batches.map(Ok))))
    }
}

/// Scans the reads, and adds the rows that were kept.
fn unsorted(
    comparison: &Comparison,
    side: Side,
    reads: Vec<FileRead>,
    kept: Option<&KeptRows>,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let nothing_to_read = reads.is_empty();
    let scan = snapshots[side].plan(&engine.readers(), reads, &pairing.projection(side), engine.sort_partitions())?;
    let Some(kept) = kept else { return Ok(scan) };
    let kept = StreamingTableExec::try_new(scan.schema(), vec![Arc::new(kept.clone())], None, [], false, None)?;
    let kept: Arc<dyn ExecutionPlan> = Arc::new(kept);
    Ok(match nothing_to_read {
        true => kept,
        // where there is room for one sort only, both go through it
        false if engine.sort_partitions() == 1 => {
            Arc::new(CoalescePartitionsExec::new(UnionExec::try_new(vec![scan, kept])?))
        }
        false => UnionExec::try_new(vec![scan, kept])?,
    })
}

/// Adds the canonical keys to a side's rows, and sorts by them.
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

/// One side's candidates in key order.
pub(super) struct SortedSide<'a> {
    engine: &'a Engine,
    side: Side,
    plan: Arc<dyn ExecutionPlan>,
    stream: SendableRecordBatchStream,
    width: usize,
}

impl SortedSide<'_> {
    /// The next batch, as the snapshot's files have it.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            // sorting can keep us waiting long for the first batch
            let next = async { tokio::time::timeout(Duration::from_millis(200), self.stream.next()).await };
            let waited = self.engine.meter.stage(Stage::Decode, || self.engine.reader().block_on(next));
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
        self.engine.meter.count_spilled(spilled_bytes(self.plan.as_ref()));
    }
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
