//! Writes Parquet files with settings for each purpose, and maps write failures to errors.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;

use crate::error::{Error, RequestError, Result, io_error};

/// The purpose of a file. The run that writes a working file also reads it; errors name its directory, `dir`. All other
/// files are for users; errors name their `path`.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// A working table of any size: fast to write and to read.
    WorkingTable { dir: PathBuf },
    /// A working table of text that is read once or twice: fast to write. Its values are hardly ever pruned.
    TextTable { dir: PathBuf },
    /// The result of a user's query, as a working table. Its types may not be supported by Parquet.
    Answer {
        dir: PathBuf,
        /// The origin of the query, such as `[old] sql`, for error messages.
        origin: String,
    },
    /// A working table of a few rows, written with the defaults of the library.
    SmallWorkingTable { dir: PathBuf },
    /// Digests in a working file. They are unique and random, so dictionaries and compression do not help.
    Digests { dir: PathBuf, group_rows: usize },
    /// A small published table, with the same bytes in every run.
    Published {
        path: PathBuf,
        /// The maximum dictionary size in bytes; `None` uses the default of the library.
        dictionary_bytes: Option<usize>,
    },
    /// History for the next run of the job, which reads it row group by row group.
    History { path: PathBuf, group_rows: usize },
    /// Rows that a user or a demonstration exports.
    Export { path: PathBuf, is_compressed: bool },
}

impl Purpose {
    fn properties(&self) -> WriterProperties {
        let builder = WriterProperties::builder();
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let builder = match self {
            Purpose::WorkingTable { .. } | Purpose::Answer { .. } => builder
                .set_compression(Compression::LZ4_RAW)
                .set_statistics_enabled(EnabledStatistics::Chunk)
                .set_max_row_group_row_count(Some(WORKING_GROUP_ROWS)),
            // without dictionaries and statistics, writing takes half as long
            Purpose::TextTable { .. } => builder
                .set_compression(Compression::LZ4_RAW)
                .set_dictionary_enabled(false)
                .set_statistics_enabled(EnabledStatistics::None)
                .set_max_row_group_row_count(None),
            Purpose::Digests { group_rows, .. } => builder
                .set_compression(Compression::UNCOMPRESSED)
                .set_dictionary_enabled(false)
                .set_max_row_group_row_count(Some(*group_rows)),
            Purpose::Published { dictionary_bytes, .. } => {
                let builder =
                    builder.set_compression(zstd).set_created_by(format!("countersign {}", env!("CARGO_PKG_VERSION")));
                match dictionary_bytes {
                    Some(bytes) => builder.set_dictionary_page_size_limit(*bytes),
                    None => builder,
                }
            }
            Purpose::History { group_rows, .. } => {
                builder.set_compression(zstd).set_max_row_group_row_count(Some(*group_rows))
            }
            Purpose::Export { is_compressed: true, .. } => builder.set_compression(zstd),
            Purpose::Export { is_compressed: false, .. } | Purpose::SmallWorkingTable { .. } => builder,
        };
        builder.build()
    }

    /// Maps a failed write: an I/O error if the system reported one, otherwise a value that Parquet does not support if
    /// a user's query produced it, or else an error of this program.
    pub(crate) fn error(&self, error: ParquetError) -> Error {
        if let Some(source) = io_error(&error) {
            return self.io_error(io::Error::new(source.kind(), source.to_string()));
        }
        // the error of the last flush is kept as text only, quoted
        if let ParquetError::General(text) = &error
            && let Some(quoted) = text.strip_prefix("fail to get inner writer: ")
        {
            let full = io::Error::from(io::ErrorKind::StorageFull).to_string();
            let is_full = quoted.contains(&full) || quoted.contains("No space left");
            let kind = if is_full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
            return self.io_error(io::Error::new(kind, quoted.trim_matches('"').to_string()));
        }
        match self {
            // the only values that Parquet does not support are some intervals
            Purpose::Answer { origin, .. } => {
                let reason =
                    format!("its result cannot be stored in Parquet; cast intervals to another type ({error})");
                Error::request(origin, RequestError::QueryFailed(reason))
            }
            Purpose::WorkingTable { dir }
            | Purpose::TextTable { dir }
            | Purpose::SmallWorkingTable { dir }
            | Purpose::Digests { dir, .. } => Error::Spill { dir: dir.clone(), reason: error.to_string() },
            Purpose::Published { .. } | Purpose::History { .. } | Purpose::Export { .. } => Error::internal(error),
        }
    }

    /// Maps an I/O error when creating or writing the file.
    pub(crate) fn io_error(&self, source: io::Error) -> Error {
        match self {
            Purpose::WorkingTable { dir }
            | Purpose::TextTable { dir }
            | Purpose::Answer { dir, .. }
            | Purpose::SmallWorkingTable { dir }
            | Purpose::Digests { dir, .. } => Error::Spill { dir: dir.clone(), reason: source.to_string() },
            Purpose::Published { path, .. } | Purpose::History { path, .. } | Purpose::Export { path, .. } => {
                Error::Unwritable { path: path.clone(), source }
            }
        }
    }
}

/// Rows per row group of working tables.
const WORKING_GROUP_ROWS: usize = 256 << 10;

pub(crate) struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    purpose: Purpose,
}

impl ParquetWriter<File> {
    /// Creates a file, replacing an existing one.
    pub(crate) fn create(path: &Path, schema: SchemaRef, purpose: Purpose) -> Result<Self> {
        let file = File::create(path).map_err(|error| purpose.io_error(error))?;
        Self::begin(file, schema, purpose)
    }
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts writing to a sink. This is the only constructor of a Parquet writer.
    pub(crate) fn begin(sink: W, schema: SchemaRef, purpose: Purpose) -> Result<Self> {
        match ArrowWriter::try_new(sink, schema, Some(purpose.properties())) {
            Ok(writer) => Ok(ParquetWriter { writer, purpose }),
            Err(error) => Err(purpose.error(error)),
        }
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows).map_err(|error| self.purpose.error(error))
    }

    /// Ends the row group if its encoded size has reached `bytes`.
    pub(crate) fn end_group_at(&mut self, bytes: usize) -> Result<()> {
        match self.writer.in_progress_size() >= bytes {
            true => self.writer.flush().map_err(|error| self.purpose.error(error)),
            false => Ok(()),
        }
    }

    /// Writes the footer and returns the sink.
    pub(crate) fn finish(self) -> Result<W> {
        let ParquetWriter { writer, purpose } = self;
        writer.into_inner().map_err(|error| purpose.error(error))
    }

    /// For callers that encode the columns of a row group in parallel: returns the file writer, the factory of column
    /// writers, and the purpose for error messages.
    pub(crate) fn into_parts(self) -> Result<(SerializedFileWriter<W>, ArrowRowGroupWriterFactory, Purpose)> {
        let ParquetWriter { writer, purpose } = self;
        match writer.into_serialized_writer() {
            Ok((writer, factory)) => Ok((writer, factory, purpose)),
            Err(error) => Err(purpose.error(error)),
        }
    }
}

/// Adds columns that were encoded on their own as a row group.
pub(crate) fn append_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    columns: Vec<ArrowColumnChunk>,
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    columns.into_iter().try_for_each(|column| column.append_to_row_group(&mut group))?;
    group.close().map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, IntervalMonthDayNanoArray};
    use arrow::datatypes::{DataType, Field, IntervalUnit, Schema};

    use super::*;

    /// A disk that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(sink: impl Write + Send, purpose: Purpose) -> Result<()> {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2]))])?;
        let mut file = ParquetWriter::begin(sink, schema, purpose)?;
        file.write(&rows)?;
        file.finish().map(drop)
    }

    #[test]
    fn a_full_disk_is_the_working_directory_or_the_file() {
        let dir = || PathBuf::from("spill");
        let path = || PathBuf::from("out/table.parquet");
        for purpose in [
            Purpose::WorkingTable { dir: dir() },
            Purpose::Answer { dir: dir(), origin: "[old] sql".into() },
            Purpose::SmallWorkingTable { dir: dir() },
            Purpose::Digests { dir: dir(), group_rows: 10 },
        ] {
            assert!(written(vec![], purpose.clone()).is_ok());
            let said = written(Full, purpose).unwrap_err().to_string();
            assert!(said.starts_with("cannot spill to `spill`: no storage space"), "{said}");
        }
        for purpose in [
            Purpose::Published { path: path(), dictionary_bytes: None },
            Purpose::History { path: path(), group_rows: 10 },
            Purpose::Export { path: path(), is_compressed: true },
        ] {
            assert!(written(vec![], purpose.clone()).is_ok());
            let said = written(Full, purpose).unwrap_err().to_string();
            assert!(said.starts_with("cannot write `out/table.parquet`: no storage space"), "{said}");
            assert!(said.contains("free some space"), "{said}");
        }
    }

    #[test]
    fn a_value_without_a_form_in_parquet_is_the_query_s_fault() {
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("i", interval, true)]));
        let rows =
            RecordBatch::try_new(schema.clone(), vec![Arc::new(IntervalMonthDayNanoArray::from(vec![None]))]).unwrap();
        let purpose = Purpose::Answer { dir: "spill".into(), origin: "[old] sql".into() };
        let written = ParquetWriter::begin(vec![], schema, purpose).and_then(|mut file| file.write(&rows));
        assert!(matches!(written, Err(Error::Request { origin, .. }) if origin == "[old] sql"));
    }
}
