//! Tables in working files, for queries that join them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::snapshot::Snapshot;

/// A table that is being written to a working file. The file is removed with the engine.
pub(crate) struct WorkingTable {
    name: String,
    path: PathBuf,
    writer: ParquetWriter<File>,
}

impl WorkingTable {
    /// Creates a table. Its name must be unique among the working files of the engine.
    ///
    /// # Errors
    /// [`Error::Spill`], here and in the other functions, if the file cannot be written.
    pub(crate) fn create(engine: &Engine, name: &str, schema: SchemaRef) -> Result<Self> {
        let path = engine.spill_dir().join(format!("{name}.parquet"));
        let purpose = Purpose::WorkingTable { dir: engine.spill_dir() };
        let file = File::create_new(&path).map_err(|error| purpose.io_error(error))?;
        Ok(WorkingTable { name: name.into(), path, writer: ParquetWriter::begin(file, schema, purpose)? })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows)
    }

    /// Completes the table and opens it.
    pub(crate) fn finish(self) -> Result<Arc<Snapshot>> {
        let Self { name, path, writer } = self;
        writer.finish()?;
        Ok(Arc::new(Snapshot::open_table(&name, &path.display().to_string())?))
    }
}
