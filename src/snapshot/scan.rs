//! Reads chosen row groups and rows of a snapshot, as batches or as a table for DataFusion.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use parquet::arrow::arrow_reader::RowSelection;

use super::decode::{Batches, compact};
use super::{DataFile, Snapshot};
use crate::error::{Error, Result};
use crate::runtime::engine::{Engine, ScanConfig};
use crate::runtime::timings::Stage;

/// The part of one file that a scan reads.
#[derive(Debug, Clone)]
pub struct FileRead {
    /// The index of the file in the snapshot.
    pub file: usize,
    /// The row groups to read, ascending.
    pub row_groups: Vec<usize>,
    /// The rows to read; `None` means all.
    pub selection: Option<RowSelection>,
}

impl FileRead {
    /// Reads whole row groups.
    pub fn whole(file: usize, row_groups: impl IntoIterator<Item = usize>) -> Self {
        FileRead { file, row_groups: row_groups.into_iter().collect(), selection: None }
    }

    /// The number of rows, according to the footer.
    pub(super) fn rows(&self, file: &DataFile) -> u64 {
        match &self.selection {
            Some(selection) => selection.row_count() as u64,
            None => self.row_groups.iter().map(|&group| file.metadata.row_group(group).num_rows() as u64).sum(),
        }
    }
}

/// Batches in the order of their reads, for one worker of a comparison.
pub struct Scan<'a> {
    engine: &'a Engine,
    batches: Batches,
    /// Whether the progress counts its rows.
    is_counted: bool,
}

impl Snapshot {
    /// Starts to read `columns` (indexes in the schema) of the given parts, in the given order.
    pub fn scan<'a>(&self, engine: &'a Engine, reads: Vec<FileRead>, columns: &[usize]) -> Result<Scan<'a>> {
        Ok(Scan { engine, batches: Batches::of(self, engine.scan_config(), reads, columns)?, is_counted: true })
    }

    /// All rows, with one read per row group.
    pub fn all_reads(&self) -> Vec<FileRead> {
        let groups = self.row_groups().filter(|(_, _, rows)| *rows > 0);
        groups.map(|(file, group, _)| FileRead::whole(file, [group])).collect()
    }

    /// A scan as a DataFusion plan with at most `partitions` partitions, for sorts that keep its rows. Its errors are
    /// ours, wrapped by DataFusion.
    pub fn plan(
        &self,
        readers: &ScanConfig,
        reads: Vec<FileRead>,
        columns: &[usize],
        partitions: usize,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let count = partitions.clamp(1, reads.len().max(1));
        let mut parts = vec![vec![]; count];
        for (number, read) in reads.into_iter().enumerate() {
            parts[number % count].push(read);
        }
        let schema = self.scan_schema(columns);
        let partition = |reads: Vec<FileRead>| -> Arc<dyn PartitionStream> {
            let (snapshot, readers) = (self.clone(), readers.clone());
            Arc::new(ScanPartition { snapshot, readers, reads, columns: columns.to_vec(), schema: schema.clone() })
        };
        let partitions = parts.into_iter().map(partition).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema.clone(), partitions, None, [], false, None)?))
    }
}

impl Scan<'_> {
    /// The same scan of rows that another scan counts in the progress.
    pub fn uncounted(self) -> Self {
        Scan { is_counted: false, ..self }
    }

    /// The next non-empty batch, or `None` at the end. Decoding happens on the calling thread.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.engine.check_stop()?;
            match self.engine.timings.stage(Stage::Decode, || self.batches.next()).transpose()? {
                Some(batch) if batch.num_rows() == 0 => continue,
                Some(batch) => {
                    self.engine.progress.advance(if self.is_counted { batch.num_rows() as u64 } else { 0 });
                    return Ok(Some(batch));
                }
                None => return Ok(None),
            }
        }
    }
}

struct ScanPartition {
    snapshot: Snapshot,
    readers: ScanConfig,
    reads: Vec<FileRead>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl fmt::Debug for ScanPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads of the {} snapshot", self.reads.len(), self.snapshot.side)
    }
}

impl PartitionStream for ScanPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let engine_error = |error: Error| DataFusionError::External(error.into());
        let batches = Batches::of(&self.snapshot, self.readers.clone(), self.reads.clone(), &self.columns);
        let (batches, refused) = match batches {
            Ok(batches) => (Some(batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        let batches = refused.into_iter().chain(batches.into_iter().flatten());
        // few rows of a page must not keep all of its text in memory
        let selects = self.reads.iter().any(|read| read.selection.is_some());
        let batches = batches.map(move |batch| if selects { compact(&batch?) } else { batch });
        let batches = stream::iter(batches.map(move |batch| batch.map_err(engine_error)));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}
