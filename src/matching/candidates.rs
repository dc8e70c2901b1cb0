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
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use futures::{StreamExt, stream};
use parquet::arrow::arrow_reader::RowSelection;

use super::Comparison;
use super::entries::{Place, lock};
use crate::canonical::order::ASCENDING;
use crate::columns::ColumnPair;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::meter::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot, compact};

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

/// A set of rows of both sides: some kept with their values, the rest marked, to be read again.
pub struct Candidates {
    chunks: Vec<Chunk>,
    bits: Vec<Vec<AtomicU64>>,
    kept: Sides<Mutex<Vec<RecordBatch>>>,
    /// How many bytes kept rows may still take.
    room_bytes: AtomicI64,
}

impl Candidates {
    /// No row of these snapshots; room to keep so many bytes of rows.
    pub fn none(snapshots: &Sides<Snapshot>, room_bytes: u64) -> Self {
        let mut chunks = vec![];
        for snapshot in snapshots.iter() {
            for (file, row_group, rows) in snapshot.row_groups().filter(|(_, _, rows)| *rows > 0) {
                chunks.push(Chunk { side: snapshot.side, file, row_group, rows: rows as usize });
            }
        }
        let words = |chunk: &Chunk| (0..chunk.rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let bits = chunks.iter().map(words).collect();
        Candidates { chunks, bits, kept: Sides::default(), room_bytes: AtomicI64::new(room_bytes as i64) }
    }

    /// The chunks, by number.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Adds a row, to be read again.
    pub fn mark(&self, place: Place) {
        let row = place.row_in_chunk();
        self.bits[place.chunk()][row / 64].fetch_or(1 << (row % 64), Ordering::Relaxed);
    }

    /// Adds rows of one chunk with their values.
    pub fn keeper(&self, side: Side) -> Keeper<'_> {
        Keeper { candidates: self, side, gathered: vec![], gathered_bytes: 0 }
    }

    /// How many rows are in the set.
    pub fn count(&self) -> u64 {
        let marked = self.bits.iter().flatten().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()));
        let kept = self.kept.iter().map(|kept| lock(kept).iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        marked.sum::<u64>() + kept.sum::<u64>()
    }

    /// One side's rows of the set in key order, under the memory limit; those that were not kept are read again.
    pub fn sorted<'a>(&self, comparison: &Comparison<'a>, side: Side) -> Result<Sorted<'a>> {
        let Comparison { engine, .. } = comparison;
        let kept = std::mem::take(&mut *lock(&self.kept[side]));
        let kept = (!kept.is_empty()).then(|| Kept::of(engine, kept));
        let plan = sort_plan(comparison, side, self.reads(side), kept).map_err(Error::internal)?;
        let runtime = engine.reader();
        // only within the runtime does a plan find the threads for its partitions
        let _within = runtime.enter();
        let stream = plan.execute(0, engine.task());
        let stream = stream.map_err(|error| Error::of_plan(error, &engine.spill_dir(), Error::internal))?;
        let width = comparison.pairing.projection(side).len();
        Ok(Sorted { engine, side, plan, stream, width })
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
pub struct Keeper<'a> {
    candidates: &'a Candidates,
    side: Side,
    gathered: Vec<RecordBatch>,
    gathered_bytes: usize,
}

/// Rows are put together until they take so many bytes, so that few rows do not become tiny batches.
const KEPT_BATCH_BYTES: usize = 1 << 20;

impl Keeper<'_> {
    /// Adds the rows of a batch for which `open` is true; `places` are those of all rows of the batch.
    pub fn keep(
        &mut self,
        batch: &RecordBatch,
        open: BooleanBuffer,
        places: impl Iterator<Item = Place>,
    ) -> Result<()> {
        if self.candidates.room_bytes.load(Ordering::Relaxed) <= 0 {
            let open = places.zip(&open).filter(|(_, open)| *open);
            open.for_each(|(place, _)| self.candidates.mark(place));
            return Ok(());
        }
        let rows = compact(&filter_record_batch(batch, &BooleanArray::new(open, None))?)?;
        let bytes = rows.get_array_memory_size();
        self.candidates.room_bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
        self.gathered.push(rows);
        self.gathered_bytes += bytes;
        if self.gathered_bytes >= KEPT_BATCH_BYTES { self.finish() } else { Ok(()) }
    }

    /// Hands the rows over.
    pub fn finish(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
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

/// Rows that were kept, on their way into the sort. They count against the memory that sorts may fill until the sort
/// has taken them over, which counts them itself.
#[derive(Debug)]
struct Kept {
    schema: SchemaRef,
    batches: Mutex<std::vec::IntoIter<RecordBatch>>,
    memory: MemoryReservation,
}

impl Kept {
    fn of(engine: &Engine, batches: Vec<RecordBatch>) -> Self {
        let memory = MemoryConsumer::new("kept rows").register(&engine.environment().memory_pool);
        memory.grow(batches.iter().map(RecordBatch::get_array_memory_size).sum());
        Kept { schema: batches[0].schema(), batches: Mutex::new(batches.into_iter()), memory }
    }
}

impl PartitionStream for Kept {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Hands the rows over; there is nothing left for a second time.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = std::mem::take(&mut *lock(&self.batches));
        let memory = self.memory.split(self.memory.size());
        let batches = batches.map(move |batch| {
            memory.shrink(batch.get_array_memory_size());
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter(batches)))
    }
}

/// Scans the reads, adds the rows that were kept, and the canonical keys, and sorts by them.
fn sort_plan(
    comparison: &Comparison,
    side: Side,
    reads: Vec<FileRead>,
    kept: Option<Kept>,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let nothing_to_read = reads.is_empty();
    let scan = snapshots[side].plan(&engine.readers(), reads, &pairing.projection(side), engine.sort_partitions())?;
    let schema = scan.schema();
    let scan = match kept {
        None => scan,
        Some(kept) => {
            let kept = StreamingTableExec::try_new(schema.clone(), vec![Arc::new(kept)], None, [], false, None)?;
            let kept: Arc<dyn ExecutionPlan> = Arc::new(kept);
            match nothing_to_read {
                true => kept,
                // where there is room for one sort only, both go through it
                false if engine.sort_partitions() == 1 => {
                    Arc::new(CoalescePartitionsExec::new(UnionExec::try_new(vec![scan, kept])?))
                }
                false => UnionExec::try_new(vec![scan, kept])?,
            }
        }
    };
    let column = |at: usize| Arc::new(Column::new(schema.field(at).name(), at)) as Arc<dyn PhysicalExpr>;
    let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> =
        (0..schema.fields().len()).map(|at| (column(at), format!("raw {at}"))).collect();
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
    side: Side,
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
                Ok(Some(Err(error))) => {
                    return Err(Error::of_plan(error, &self.engine.spill_dir(), |error| {
                        Error::Internal(format!("sorting rows of the {} snapshot: {error}", self.side))
                    }));
                }
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
