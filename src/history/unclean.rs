//! Writes a temporary file with the digests of keys of discrepancies.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::store::GROUP_ROWS;
use crate::error::{Error, Result};

/// Writes digests in the order of input.
pub(super) struct KeyWriter {
    path: PathBuf,
    schema: SchemaRef,
    file: ArrowWriter<File>,
}

impl KeyWriter {
    /// Creates the file.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| spill_error(path, error.into()))?;
        let schema: SchemaRef = Schema::new(vec![Field::new("key", DataType::FixedSizeBinary(16), false)]).into();
        // digests are all different, and cannot be compressed
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = ArrowWriter::try_new(file, schema.clone(), Some(properties));
        Ok(KeyWriter { path: path.into(), schema, file: file.map_err(|error| spill_error(path, error))? })
    }

    /// Adds 16-byte digests.
    pub(super) fn write(&mut self, keys: ArrayRef) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), vec![keys])?;
        self.file.write(&batch).map_err(|error| spill_error(&self.path, error))
    }

    pub(super) fn finish(self) -> Result<()> {
        let KeyWriter { path, file, .. } = self;
        file.close().map(drop).map_err(|error| spill_error(&path, error))
    }
}

fn spill_error(path: &Path, error: ParquetError) -> Error {
    Error::Spill { dir: path.parent().unwrap_or(path).into(), reason: error.to_string() }
}
