//! Reads pages of local files for the Parquet reader, on the decoding thread and one at a time, so a row group is never
//! in memory as a whole.
//!
//! It uses the footer that was admitted, which is not read a second time.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::bounds::has_decodable_pages;
use super::{DataFile, types};
use crate::runtime::timings::{Stage, Timings};

/// The reader's metadata for a footer; built once and shared by all reads of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Prepared(Arc<OnceLock<ArrowReaderMetadata>>);

impl Prepared {
    fn get_or_make(&self, make: impl FnOnce() -> Result<ArrowReaderMetadata>) -> Result<ArrowReaderMetadata> {
        match self.0.get() {
            Some(prepared) => Ok(prepared.clone()),
            None => {
                let prepared = make()?;
                Ok(self.0.get_or_init(|| prepared).clone())
            }
        }
    }
}

/// An open file.
pub(super) struct LocalFile {
    input: Arc<File>,
    size: u64,
    meter: Arc<Timings>,
}

/// Buffer size for page headers, in bytes; most headers take a tenth of it.
const HEADER_BYTES: usize = 1 << 10;

impl LocalFile {
    /// Opens a file to read its pages.
    pub(super) fn of(file: &DataFile, meter: &Arc<Timings>) -> Result<Self> {
        let input = file.open().map_err(|error| ParquetError::External(error.into()))?;
        Ok(LocalFile { input: input.into(), size: file.stored_bytes(), meter: meter.clone() })
    }

    /// Opens a file for one read. If `skips` is set, the read leaves out rows, and the positions of all pages are
    /// loaded.
    pub(super) fn open(
        file: &DataFile,
        skips: bool,
        meter: &Arc<Timings>,
    ) -> Result<ParquetRecordBatchReaderBuilder<Self>> {
        let input = file.open().map_err(|error| ParquetError::External(error.into()))?;
        let metadata = match skips {
            false => prepared(file),
            true => with_positions(file, &input),
        }?;
        let input = LocalFile { input: input.into(), size: file.stored_bytes(), meter: meter.clone() };
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata))
    }
}

/// The reader's metadata for the footer of a file.
pub(super) fn prepared(file: &DataFile) -> Result<ArrowReaderMetadata> {
    file.prepared.get_or_make(|| prepare(file, file.metadata.clone()))
}

fn prepare(file: &DataFile, metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new().with_schema(types::with_views(&file.decoded));
    ArrowReaderMetadata::try_new(metadata, options)
}

/// The reader's metadata for the footer of a file, with the positions of all pages.
pub(super) fn with_positions(file: &DataFile, input: &File) -> Result<ArrowReaderMetadata> {
    file.prepared_pages.get_or_make(|| prepare(file, with_pages(file, input)?.into()))
}

/// The footer with the positions of all pages.
fn with_pages(file: &DataFile, input: &File) -> Result<ParquetMetaData> {
    if !has_decodable_pages(&file.metadata, input) {
        return Ok(file.metadata.as_ref().clone());
    }
    let mut reader = ParquetMetaDataReader::new_with_metadata(file.metadata.as_ref().clone())
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Optional);
    reader.read_page_indexes(input)?;
    reader.finish()
}

impl Length for LocalFile {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for LocalFile {
    type T = BufReader<ReadAt>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, ReadAt { input: self.input.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.meter.stage(Stage::Scan, || {
            let mut bytes = Vec::with_capacity(length);
            ReadAt { input: self.input.clone(), at: start }.take(length as u64).read_to_end(&mut bytes)?;
            self.meter.count_read(bytes.len() as u64);
            match bytes.len() == length {
                true => Ok(bytes.into()),
                false => Err(ParquetError::EOF(format!("the file ends before byte {}", start + length as u64))),
            }
        })
    }
}

/// Reads from a position, independently of other reads of the file.
pub(super) struct ReadAt {
    input: Arc<File>,
    at: u64,
}

impl Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
