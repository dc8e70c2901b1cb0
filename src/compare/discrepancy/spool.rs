//! Stores findings: a few in memory, many in a temporary file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;

use crate::error::{Error, Result};

/// The maximum size in bytes of the findings of one part of a comparison in memory.
const MEMORY_BYTES: usize = 1 << 20;
/// The number of rows and bytes to collect per batch, so that sparse findings do not become tiny batches.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 1 << 20;

/// Stores batches in order.
pub(crate) struct Spool {
    schema: SchemaRef,
    dir: PathBuf,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    head: Vec<RecordBatch>,
    head_bytes: usize,
    tail: Option<FileWriter<BufWriter<File>>>,
}

/// Returns the batches in the same order, any number of times.
pub(crate) struct Spooled {
    dir: PathBuf,
    head: Vec<RecordBatch>,
    tail: Option<Arc<File>>,
}

impl Spool {
    pub(crate) fn new(schema: SchemaRef, dir: PathBuf) -> Self {
        Spool {
            schema,
            dir,
            pending: vec![],
            pending_rows: 0,
            pending_bytes: 0,
            head: vec![],
            head_bytes: 0,
            tail: None,
        }
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.pending_rows += batch.num_rows();
        self.pending_bytes += batch.get_array_memory_size();
        self.pending.push(batch);
        if self.pending_rows >= BATCH_ROWS || self.pending_bytes >= BATCH_BYTES {
            self.settle()?;
        }
        Ok(())
    }

    /// Finishes writing.
    pub(crate) fn close(mut self) -> Result<Spooled> {
        self.settle()?;
        let dir = self.dir.clone();
        let tail = match self.tail.take() {
            None => None,
            Some(writer) => Some(Arc::new(finish(writer).map_err(|reason| spill_error(&dir, reason))?)),
        };
        Ok(Spooled { dir, head: self.head, tail })
    }

    fn settle(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let batch = concat_batches(&self.schema, &self.pending)?;
        self.pending.clear();
        self.pending_rows = 0;
        self.pending_bytes = 0;
        let bytes = batch.get_array_memory_size();
        if self.tail.is_none() && self.head_bytes + bytes <= MEMORY_BYTES {
            self.head_bytes += bytes;
            self.head.push(batch);
            return Ok(());
        }
        self.write(&batch).map_err(|reason| spill_error(&self.dir, reason))
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let writer = match &mut self.tail {
            Some(writer) => writer,
            None => {
                let file = BufWriter::new(tempfile::tempfile_in(&self.dir)?);
                self.tail.insert(FileWriter::try_new(file, &self.schema)?)
            }
        };
        writer.write(batch)
    }
}

fn finish(mut writer: FileWriter<BufWriter<File>>) -> Result<File, ArrowError> {
    writer.finish()?;
    let buffered = writer.into_inner()?;
    Ok(buffered.into_inner().map_err(|error| error.into_error())?)
}

impl Spooled {
    /// Returns the batches, in the order in which they were added.
    pub(crate) fn read(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let tail = match &self.tail {
            None => None,
            Some(file) => {
                let reading = SpoolReader { file: file.clone(), position: 0 };
                let reader = FileReader::try_new(BufReader::new(reading), None);
                Some(reader.map_err(|reason| spill_error(&self.dir, reason))?)
            }
        };
        let tail = tail.into_iter().flatten();
        let dir = self.dir.clone();
        let tail = tail.map(move |batch| batch.map_err(|reason| spill_error(&dir, reason)));
        Ok(self.head.clone().into_iter().map(Ok).chain(tail))
    }
}

/// Reads a file with its own position, so that several readers can share the file.
struct SpoolReader {
    file: Arc<File>,
    position: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for SpoolReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.file.metadata()?.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

fn spill_error(dir: &std::path::Path, reason: ArrowError) -> Error {
    Error::Spill { dir: dir.to_path_buf(), reason: reason.to_string() }
}
