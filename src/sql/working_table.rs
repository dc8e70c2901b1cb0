//! Tables in working files, for queries that join them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;

use super::working_file_properties;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::snapshot::Snapshot;

/// A table that is being written to a working file. The file is removed with the engine.
pub(crate) struct WorkingTable {
    name: String,
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl WorkingTable {
    /// Creates a table. Its name must be unique among the working files of the engine.
    ///
    /// # Errors
    /// [`Error::Spill`], here and in the other functions, if the file cannot be written.
    pub(crate) fn create(engine: &Engine, name: &str, schema: SchemaRef) -> Result<Self> {
        let path = engine.spill_dir().join(format!("{name}.parquet"));
        let spilling = |reason: String| Error::Spill { dir: engine.spill_dir(), reason };
        let file = File::create_new(&path).map_err(|error| spilling(error.to_string()))?;
        let writer = ArrowWriter::try_new(file, schema, Some(working_file_properties()));
        Ok(WorkingTable { name: name.into(), path, writer: writer.map_err(|error| spilling(error.to_string()))? })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows).map_err(|error| Error::Spill { dir: self.path.clone(), reason: error.to_string() })
    }

    /// Completes the table and opens it.
    pub(crate) fn finish(self) -> Result<Arc<Snapshot>> {
        let Self { name, path, writer } = self;
        writer.close().map_err(|error| Error::Spill { dir: path.clone(), reason: error.to_string() })?;
        Ok(Arc::new(Snapshot::open_table(&name, &path.display().to_string(), true)?))
    }
}
