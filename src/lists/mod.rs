//! LIST: every finding goes to its list, complete and in key order; the first few become examples.

mod csv;
mod example;
mod id_list;

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::discrepancy::{Class, Layout, Spooled, Tally, classes};
use crate::error::{Error, Result};
use crate::job::{Job, Word};
use crate::run_dir::{Digest, OutputFile, RunDir};
use example::examples_of;
use id_list::IdLists;

pub use example::{Change, Example, Named};

/// What came of the findings.
pub struct Lists {
    /// The files that were written.
    pub files: Vec<Digest>,
    /// The first few findings of each class.
    pub examples: Vec<Example>,
}

impl Lists {
    /// Reads the findings once, in key order.
    pub fn write(
        run_dir: Option<&RunDir>,
        layout: &Layout,
        findings: Vec<Spooled>,
        tally: &Tally,
        job: &Job,
    ) -> Result<Self> {
        let mut outputs = run_dir.map(|run_dir| Outputs::create(run_dir, layout, &job.list_columns)).transpose()?;
        let mut examples: Vec<Example> = vec![];
        for part in findings {
            for batch in part.read()? {
                let batch = batch?;
                examples_of(&batch, layout, job.examples, &mut examples)?;
                if let Some(outputs) = &mut outputs {
                    outputs.write(&batch)?;
                }
            }
        }
        let files = outputs.map(|outputs| outputs.finish(tally)).transpose()?.unwrap_or_default();
        examples.sort_by_key(|example| example.class);
        Ok(Lists { files, examples })
    }
}

/// Rows of one written batch of the table; a fixed number, so that the bytes do not depend on how the
/// findings came.
const TABLE_BATCH_ROWS: usize = 8192;

struct Outputs {
    ids: IdLists,
    batches: BatchCoalescer,
    table: ArrowWriter<OutputFile>,
    rows: u64,
}

impl Outputs {
    fn create(run_dir: &RunDir, layout: &Layout, columns: &[Word]) -> Result<Self> {
        let file = run_dir.create("discrepancies.parquet")?;
        Ok(Outputs {
            ids: IdLists::create(run_dir, layout, columns)?,
            batches: BatchCoalescer::new(layout.schema(), TABLE_BATCH_ROWS),
            table: table_writer(file, layout.schema())?,
            rows: 0,
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.ids.write(batch, &classes(batch))?;
        self.rows += batch.num_rows() as u64;
        self.batches.push_batch(batch.clone())?;
        self.write_completed()
    }

    fn write_completed(&mut self) -> Result<()> {
        while let Some(batch) = self.batches.next_completed_batch() {
            let written = self.table.write(&batch);
            written.map_err(|error| table_error(self.table.inner().place(), error))?;
        }
        Ok(())
    }

    /// Ends all files. Each list has to be as long as its count.
    fn finish(mut self, tally: &Tally) -> Result<Vec<Digest>> {
        self.batches.finish_buffered_batch()?;
        self.write_completed()?;
        let total: u64 = Class::ALL.into_iter().map(|class| tally.count(class)).sum();
        if self.rows != total {
            return Err(Error::Internal(format!("{} of {total} discrepancies reached the lists", self.rows)));
        }
        let place = self.table.inner().place();
        let file = self.table.into_inner().map_err(|error| table_error(place, error))?;
        let mut files = self.ids.finish(tally)?;
        files.push(file.finish()?);
        Ok(files)
    }
}

fn table_writer(file: OutputFile, schema: SchemaRef) -> Result<ArrowWriter<OutputFile>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("countersign {}", env!("CARGO_PKG_VERSION")))
        .build();
    ArrowWriter::try_new(file, schema, Some(properties)).map_err(Error::internal)
}

/// Finds the system's words in a Parquet writer's error.
fn table_error(path: PathBuf, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => Error::Unwritable { path, source: *source },
            Err(other) => Error::internal(other),
        },
        other => Error::internal(other),
    }
}
