//! Writes Parquet files whose columns are encoded on all cores.

use std::fs::File;
use std::path::Path;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::parquet_file::{ParquetWriter, Purpose, append_group};
use crate::error::Result;

/// A file to which row groups are added that were encoded on their own.
pub(crate) struct GroupwiseParquetWriter {
    schema: SchemaRef,
    writer: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    purpose: Purpose,
}

/// A file whose columns are encoded in parallel. Call its methods on the pool of workers that encode.
pub(crate) struct ParallelParquetWriter {
    file: GroupwiseParquetWriter,
    /// The columns of the current row group; none before its first row.
    columns: Vec<OpenColumn>,
    rows: usize,
}

/// The writers of the leaves of a column.
type OpenColumn = Vec<ArrowColumnWriter>;

/// The most rows of a row group.
const GROUP_ROWS: usize = 1 << 20;

impl ParallelParquetWriter {
    /// Creates a file, replacing an existing one.
    pub(crate) fn create(path: &Path, schema: SchemaRef, purpose: Purpose) -> Result<Self> {
        let file = GroupwiseParquetWriter::create(path, schema, purpose)?;
        Ok(ParallelParquetWriter { file, columns: vec![], rows: 0 })
    }

    /// Adds rows to the current row group.
    pub(crate) fn write(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let ParallelParquetWriter { file, columns, .. } = self;
        let schema = &file.schema;
        let mut write = || -> Result<(), ParquetError> {
            if columns.is_empty() {
                let mut leaves = file.column_writers(0)?;
                for (field, array) in schema.fields().iter().zip(arrays) {
                    let count = compute_leaves(field, array)?.len();
                    columns.push(leaves.by_ref().take(count).collect());
                }
            }
            let cells = columns.par_iter_mut().zip(arrays).zip(schema.fields().par_iter());
            cells.try_for_each(|((column, array), field)| {
                let leaves = compute_leaves(field, array)?;
                column.iter_mut().zip(leaves).try_for_each(|(writer, leaf)| writer.write(&leaf))
            })
        };
        write().map_err(|error| file.purpose.error(error))?;
        self.rows += arrays.first().map_or(0, |array| array.len());
        Ok(())
    }

    /// Ends the row group if its encoded size has reached `bytes`, or if it has as many rows as one may have.
    pub(crate) fn end_group_at(&mut self, bytes: usize) -> Result<()> {
        let encoded: usize = self.columns.iter().flatten().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
        match encoded >= bytes || self.rows >= GROUP_ROWS {
            true => self.end_group(),
            false => Ok(()),
        }
    }

    fn end_group(&mut self) -> Result<()> {
        self.rows = 0;
        let columns = std::mem::take(&mut self.columns);
        if columns.is_empty() {
            return Ok(());
        }
        let close = |column: OpenColumn| column.into_iter().map(ArrowColumnWriter::close).collect();
        let closed = columns.into_par_iter().map(close).collect::<Result<Vec<Vec<ArrowColumnChunk>>, ParquetError>>();
        let closed = closed.map_err(|error| self.file.purpose.error(error))?;
        self.file.append(closed.into_iter().flatten().collect())
    }

    /// Ends the row group, and writes the footer.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.end_group()?;
        self.file.finish()
    }
}

impl GroupwiseParquetWriter {
    /// Creates a file, replacing an existing one.
    pub(crate) fn create(path: &Path, schema: SchemaRef, purpose: Purpose) -> Result<Self> {
        let (writer, factory, purpose) = ParquetWriter::create(path, schema.clone(), purpose)?.into_parts()?;
        Ok(GroupwiseParquetWriter { schema, writer, factory, purpose })
    }

    /// The writers of the leaves of all columns, for the row group that will be the `ahead`-th after the last one.
    fn column_writers(&self, ahead: usize) -> Result<std::vec::IntoIter<ArrowColumnWriter>, ParquetError> {
        let number = self.writer.flushed_row_groups().len() + ahead;
        Ok(self.factory.create_column_writers(number)?.into_iter())
    }

    /// Encodes the row group that will be the `ahead`-th after the last one, on the calling thread.
    pub(crate) fn encode(&self, ahead: usize, arrays: &[ArrayRef]) -> Result<Vec<ArrowColumnChunk>> {
        let encode = || -> Result<Vec<ArrowColumnChunk>, ParquetError> {
            let mut writers = self.column_writers(ahead)?;
            let mut chunks = vec![];
            for (field, array) in self.schema.fields().iter().zip(arrays) {
                for leaf in compute_leaves(field, array)? {
                    let Some(mut writer) = writers.next() else { break };
                    writer.write(&leaf)?;
                    chunks.push(writer.close()?);
                }
            }
            Ok(chunks)
        };
        encode().map_err(|error| self.purpose.error(error))
    }

    /// Adds a row group that was encoded on its own.
    pub(crate) fn append(&mut self, chunks: Vec<ArrowColumnChunk>) -> Result<()> {
        append_group(&mut self.writer, chunks).map_err(|error| self.purpose.error(error))
    }

    /// Writes the footer.
    pub(crate) fn finish(self) -> Result<()> {
        self.writer.close().map(drop).map_err(|error| self.purpose.error(error))
    }
}
