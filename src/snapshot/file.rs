//! Fetches bytes of local files for the Parquet reader, on the thread that decodes them.
//!
//! The footer is the one that was admitted; it is not read a second time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::DataFile;
use crate::buffers::Buffers;
use crate::meter::{Meter, Stage};

/// A footer with the places of all pages, for reads that skip some.
pub type PageIndex = Arc<OnceLock<Arc<ParquetMetaData>>>;

/// What a part of a scan needs to know of its file.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The file.
    pub file: DataFile,
    /// Whether rows are skipped.
    pub skips: bool,
}

/// Opens the files of a scan.
#[derive(Debug)]
pub struct LocalFiles {
    /// Where the bytes and the time are counted.
    pub meter: Arc<Meter>,
    /// Where the bytes go.
    pub buffers: Arc<Buffers>,
}

impl ParquetFileReaderFactory for LocalFiles {
    fn create_reader(
        &self,
        _: usize,
        part: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let Some(opened) = part.extension::<Opened>() else {
            return Err(DataFusionError::Internal("a part of a scan names no file".into()));
        };
        let input = File::open(&opened.file.absolute_path)?;
        Ok(Box::new(LocalFile {
            input,
            opened: opened.clone(),
            meter: self.meter.clone(),
            buffers: self.buffers.clone(),
        }))
    }
}

struct LocalFile {
    input: File,
    opened: Opened,
    meter: Arc<Meter>,
    buffers: Arc<Buffers>,
}

impl LocalFile {
    fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end - range.start;
        let mut input = &self.input;
        let bytes = self.buffers.fill(wanted as usize, |buffer| -> Result<()> {
            input.seek(SeekFrom::Start(range.start))?;
            input.take(wanted).read_to_end(buffer)?;
            Ok(())
        })?;
        self.meter.count_read(bytes.len() as u64);
        match bytes.len() as u64 == wanted {
            true => Ok(bytes),
            false => Err(ParquetError::EOF(format!("the file ends before byte {}", range.end))),
        }
    }

    fn footer(&self) -> Result<Arc<ParquetMetaData>> {
        let DataFile { metadata, pages, .. } = &self.opened.file;
        if !self.opened.skips {
            return Ok(metadata.clone());
        }
        if let Some(with_pages) = pages.get() {
            return Ok(with_pages.clone());
        }
        let mut reader = ParquetMetaDataReader::new_with_metadata(metadata.as_ref().clone())
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional);
        reader.read_page_indexes(&self.input)?;
        Ok(pages.get_or_init(|| reader.finish().map_or_else(|_| metadata.clone(), Arc::new)).clone())
    }
}

impl AsyncFileReader for LocalFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let bytes = self.meter.during(Stage::Scan, || self.fetch(range));
        async move { bytes }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let bytes = self.meter.during(Stage::Scan, || ranges.into_iter().map(|range| self.fetch(range)).collect());
        async move { bytes }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let footer = self.meter.during(Stage::Scan, || self.footer());
        async move { footer }.boxed()
    }
}
