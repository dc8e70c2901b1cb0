//! Writes `discrepancies.parquet`.
//!
//! The ends of pages and row groups depend only on the rows, so that the bytes do not depend on the input batches. All
//! workers encode the columns of a piece together.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::output::run_dir::OutputFile;
use crate::runtime::parquet_file::{ParquetWriter, Purpose, append_group};

/// The maximum number of rows, and of encoded bytes, of a row group.
const GROUP_ROWS: usize = 1 << 20;
const GROUP_BYTES: usize = 32 << 20;

/// The maximum size of a dictionary in bytes. Beyond it, lookups cost more than they save.
const DICTIONARY_BYTES: usize = 64 << 10;

/// Writes the file.
pub(super) struct DiscrepanciesWriter {
    purpose: Purpose,
    schema: SchemaRef,
    writer: SerializedFileWriter<OutputFile>,
    factory: ArrowRowGroupWriterFactory,
    group: Option<RowGroupWriter>,
}

/// The current row group.
struct RowGroupWriter {
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl DiscrepanciesWriter {
    /// Creates the file.
    pub(super) fn create(file: OutputFile, schema: SchemaRef) -> Result<Self> {
        let purpose = Purpose::Published { path: file.path(), dictionary_bytes: Some(DICTIONARY_BYTES) };
        let (writer, factory, purpose) = ParquetWriter::begin(file, schema.clone(), purpose)?.into_parts()?;
        Ok(DiscrepanciesWriter { purpose, schema, writer, factory, group: None })
    }

    /// Adds a piece. Pieces must be cut at the same rows in every run, because pages end with them.
    pub(super) fn write(&mut self, piece: &RecordBatch) -> Result<()> {
        let mut group = match self.group.take() {
            Some(group) => group,
            None => {
                let number = self.writer.flushed_row_groups().len();
                let columns = self.factory.create_column_writers(number).map_err(Error::internal)?;
                RowGroupWriter { columns, rows: 0 }
            }
        };
        let columns = self.schema.fields().par_iter().zip(piece.columns());
        let leaves = columns.map(|(field, column)| compute_leaves(field, column));
        let leaves = leaves.collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
        let leaves: Vec<ArrowLeafColumn> = leaves.into_iter().flatten().collect();
        let encoded = group.columns.par_iter_mut().zip(&leaves).try_for_each(|(column, leaf)| column.write(leaf));
        encoded.map_err(Error::internal)?;
        group.rows += piece.num_rows();
        let bytes: usize = group.columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
        match group.rows >= GROUP_ROWS || bytes >= GROUP_BYTES {
            true => self.end(group),
            false => {
                self.group = Some(group);
                Ok(())
            }
        }
    }

    fn end(&mut self, group: RowGroupWriter) -> Result<()> {
        let chunks = group.columns.into_par_iter().map(ArrowColumnWriter::close);
        let chunks = chunks.collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
        append_group(&mut self.writer, chunks).map_err(|error| self.purpose.error(error))
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<()> {
        if let Some(group) = self.group.take() {
            self.end(group)?;
        }
        let file = self.writer.into_inner().map_err(|error| self.purpose.error(error))?;
        file.finish().map(drop)
    }
}
