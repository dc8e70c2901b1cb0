//! Reads chosen row groups and rows of a snapshot as a DataFusion scan, one stream at a time.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use object_store::path::Path as ObjectPath;
use parquet::arrow::arrow_reader::RowSelection;

use super::file::{LocalFiles, Opened};
use super::{DataFile, Snapshot, damage};
use crate::engine::{Engine, Readers};
use crate::error::{Error, Result};
use crate::meter::Stage;

/// The part of one file that a scan reads.
#[derive(Debug, Clone)]
pub struct FileRead {
    /// The file's number in the snapshot.
    pub file: usize,
    /// Row groups to read, ascending, each whole or by a selection of its rows.
    pub row_groups: Vec<(usize, Option<RowSelection>)>,
}

impl FileRead {
    /// Reads these row groups whole.
    pub fn whole(file: usize, row_groups: impl IntoIterator<Item = usize>) -> Self {
        FileRead { file, row_groups: row_groups.into_iter().map(|group| (group, None)).collect() }
    }

    fn rows(&self, file: &DataFile) -> u64 {
        let rows = |(group, selection): &(usize, Option<RowSelection>)| match selection {
            Some(selection) => selection.row_count() as u64,
            None => file.metadata.row_group(*group).num_rows() as u64,
        };
        self.row_groups.iter().map(rows).sum()
    }
}

/// A stream of batches in the order of its reads, that accounts for every row it was to deliver.
pub struct Scan<'a> {
    snapshot: &'a Snapshot,
    engine: &'a Engine,
    reads: Vec<FileRead>,
    stream: SendableRecordBatchStream,
    promised: u64,
    delivered: u64,
}

impl Snapshot {
    /// Starts reading `columns` (positions in the schema) of the given parts, in the given order.
    pub fn scan<'a>(&'a self, engine: &'a Engine, reads: Vec<FileRead>, columns: &[usize]) -> Result<Scan<'a>> {
        let plan = self.plan(&engine.readers(), &reads, columns, 1).map_err(Error::internal)?;
        let stream = plan.execute(0, engine.task()).map_err(Error::internal)?;
        let promised = reads.iter().map(|read| read.rows(&self.files[read.file])).sum();
        Ok(Scan { snapshot: self, engine, reads, stream, promised, delivered: 0 })
    }

    /// All rows, one read per row group.
    pub fn all_reads(&self) -> Vec<FileRead> {
        let groups = self.row_groups().filter(|(_, _, rows)| *rows > 0);
        groups.map(|(file, group, _)| FileRead::whole(file, [group])).collect()
    }

    /// The schema of the batches of a scan of `columns`.
    pub fn scan_schema(&self, columns: &[usize]) -> SchemaRef {
        let fields: Vec<_> = columns.iter().map(|&at| self.schema.fields()[at].clone()).collect();
        Schema::new(fields).into()
    }

    /// A scan of the reads as a plan of at most `partitions` partitions; one keeps the reads' order.
    pub fn plan(
        &self,
        readers: &Readers,
        reads: &[FileRead],
        columns: &[usize],
        partitions: usize,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let Readers { meter, buffers, batch_rows } = readers;
        let (file_fields, partition_fields) = self.stored_fields().split_at(self.file_columns);
        let table = TableSchema::builder(Arc::new(Schema::new(file_fields.to_vec())))
            .with_table_partition_cols(partition_fields.to_vec())
            .build();
        let store = ObjectStoreUrl::local_filesystem();
        let files = LocalFiles { meter: meter.clone(), buffers: buffers.clone() };
        let source = ParquetSource::new(table).with_parquet_file_reader_factory(Arc::new(files));
        let mut groups = vec![FileGroup::new(vec![]); partitions.clamp(1, reads.len().max(1))];
        let count = groups.len();
        for (number, read) in reads.iter().enumerate() {
            groups[number % count].push(self.part(read)?);
        }
        let config = FileScanConfigBuilder::new(store, Arc::new(source))
            .with_file_groups(groups)
            .with_preserve_order(true)
            .with_batch_size(Some(*batch_rows))
            .with_projection_indices(Some(self.inputs(columns)))?
            .build();
        self.with_derived(DataSourceExec::from_data_source(config), columns)
    }

    fn part(&self, read: &FileRead) -> datafusion::error::Result<PartitionedFile> {
        let file = &self.files[read.file];
        let mut access = ParquetAccessPlan::new_none(file.metadata.num_row_groups());
        for (group, selection) in &read.row_groups {
            match selection {
                Some(selection) => access.set(*group, RowGroupAccess::Selection(selection.clone())),
                None => access.scan(*group),
            }
        }
        let location = ObjectPath::from_absolute_path(&file.absolute_path)?;
        let skips = read.row_groups.iter().any(|(_, selection)| selection.is_some());
        let opened = Opened { file: file.clone(), skips };
        let mut part = PartitionedFile::new("", file.size).with_extension(access).with_extension(opened);
        part.object_meta.location = location;
        part.partition_values = file.partition_values();
        part.arrow_schema = Some(file.schema.clone());
        Ok(part)
    }
}

impl Scan<'_> {
    /// The next batch that is not empty, `None` at the end. Decoding happens on the calling thread.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.engine.check_stop()?;
            let next = || self.engine.reader().block_on(self.stream.next());
            match self.engine.meter.during(Stage::Decode, next) {
                Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                Some(Ok(batch)) => {
                    self.delivered += batch.num_rows() as u64;
                    self.engine.progress.advance(batch.num_rows() as u64);
                    return Ok(Some(batch));
                }
                Some(Err(error)) => return Err(damage::locate(self.snapshot, &self.reads, &error)),
                None => return self.account().map(|()| None),
            }
        }
    }

    /// At the end, every promised row has to have come.
    fn account(&self) -> Result<()> {
        if self.delivered != self.promised {
            let reason =
                format!("the scan delivered {} rows where the footers promise {}", self.delivered, self.promised);
            return Err(damage::locate(self.snapshot, &self.reads, &DataFusionError::Internal(reason)));
        }
        Ok(())
    }
}
