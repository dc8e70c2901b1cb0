//! Writes a temporary file with the digests of keys of discrepancies.

use std::fs::File;
use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::store::GROUP_ROWS;
use crate::error::Result;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};

/// Writes digests in the order of input.
pub(super) struct KeyWriter {
    schema: SchemaRef,
    file: ParquetWriter<File>,
}

impl KeyWriter {
    /// Creates the file.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let schema: SchemaRef = Schema::new(vec![Field::new("key", DataType::FixedSizeBinary(16), false)]).into();
        let purpose = Purpose::Digests { dir: path.parent().unwrap_or(path).into(), group_rows: GROUP_ROWS };
        Ok(KeyWriter { schema: schema.clone(), file: ParquetWriter::create(path, schema, purpose)? })
    }

    /// Adds 16-byte digests.
    pub(super) fn write(&mut self, keys: ArrayRef) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), vec![keys])?;
        self.file.write(&batch)
    }

    pub(super) fn finish(self) -> Result<()> {
        self.file.finish().map(drop)
    }
}
