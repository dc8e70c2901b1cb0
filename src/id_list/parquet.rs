//! Lists in Parquet files. Values of any type become text in the format of the ID lists of a run.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use certificate::id_list::{Header, ListError};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::{Piece, Pieces, schema};
use crate::equality::{plain_types, value_text};
use crate::error::{Error, Result};
use crate::snapshot::{guarded, open_parquet};

/// Rows per decoded batch.
const BATCH_ROWS: usize = 1024;

pub(super) struct ParquetList {
    header: Header,
    reader: ParquetRecordBatchReader,
    row: u64,
}

impl ParquetList {
    pub(super) fn open(path: &Path, file: File) -> Result<Self> {
        let builder = open_parquet(file).map_err(|error| wrong(path, &error))?;
        let header = Header::of(builder.schema().fields().iter().map(|field| field.name().clone()));
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| wrong(path, &error))?;
        Ok(ParquetList { header, reader, row: 0 })
    }
}

impl Pieces for ParquetList {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next_piece(&mut self, path: &Path, _rows_max: usize) -> Result<Option<Piece>> {
        let Some(batch) = guarded(|| self.reader.next().transpose()).map_err(|error| wrong(path, &error))? else {
            return Ok(None);
        };
        let columns = self.header.names();
        let text = |(array, name): (&ArrayRef, &&str)| -> Result<ArrayRef> {
            let field = plain_types::field(name, batch.schema().field_with_name(name)?);
            Ok(Arc::new(value_text::column(&plain_types::array(array)?, &field)?))
        };
        let texts = batch.columns().iter().zip(&columns).map(text).collect::<Result<Vec<_>>>()?;
        let first = self.row + 1;
        self.row += batch.num_rows() as u64;
        Ok(Some(Piece { texts: RecordBatch::try_new(schema(&columns), texts)?, lines: (first..=self.row).collect() }))
    }
}

fn wrong(path: &Path, error: &impl ToString) -> Error {
    let reason = format!("is not a readable Parquet file: {}\n  write or copy it again", error.to_string());
    ListError::list(path, reason).into()
}
