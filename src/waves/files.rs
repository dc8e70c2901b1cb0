//! The files of a cut in all formats. Their bytes depend only on the rows, not on how the rows are divided into
//! batches.

use std::io::Write;

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;

use super::columns::text;
use super::parameters::ListFormat;
use crate::csv;
use crate::error::Result;
use crate::id_list::{self, schema};
use crate::output::manifest::FileDigest;
use crate::output::run_dir::OutputFile;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};

/// A list that is being written.
pub(crate) struct ListFile {
    names: Vec<String>,
    form: Form,
}

enum Form {
    Csv(OutputFile),
    /// With the index of the ID column.
    Text(OutputFile, usize),
    Ndjson(OutputFile),
    Parquet(Box<ParquetFile>),
}

impl ListFile {
    /// Begins a list with these columns. `id` is the index of the ID column, which bare lines contain alone.
    pub(crate) fn begin(mut file: OutputFile, format: ListFormat, names: &[String], id: usize) -> Result<Self> {
        let form = match format {
            ListFormat::Csv => {
                let mut header = vec![];
                csv::record(&mut header, names.iter().map(|name| Some(name.as_str())));
                file.write_all(&header).map_err(|error| file.error(error))?;
                Form::Csv(file)
            }
            ListFormat::Text => Form::Text(file, id),
            ListFormat::Ndjson => Form::Ndjson(file),
            ListFormat::Parquet => Form::Parquet(ParquetFile::begin(file, schema(names))?.into()),
        };
        Ok(ListFile { names: names.to_vec(), form })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let texts = id_list::texts(rows, 0, self.names.len());
        let lines = 0..rows.num_rows();
        let (file, content) = match &mut self.form {
            Form::Parquet(file) => return file.write(rows),
            Form::Csv(file) => {
                let mut content = vec![];
                lines.for_each(|row| csv::record(&mut content, texts.iter().map(|column| text(column, row))));
                (file, content)
            }
            Form::Text(file, id) => {
                let ids = lines.map(|row| text(texts[*id], row).unwrap_or_default());
                let content: String = ids.flat_map(|id| [id, "\n"]).collect();
                (file, content.into_bytes())
            }
            Form::Ndjson(file) => {
                let mut content = String::new();
                lines.for_each(|row| object(&mut content, &self.names, &texts, row));
                (file, content.into_bytes())
            }
        };
        file.write_all(&content).map_err(|error| file.error(error))
    }

    pub(crate) fn finish(self) -> Result<FileDigest> {
        match self.form {
            Form::Csv(file) | Form::Text(file, _) | Form::Ndjson(file) => file.finish(),
            Form::Parquet(file) => file.finish(),
        }
    }
}

/// Appends a row as one line of JSON.
fn object(out: &mut String, names: &[String], texts: &[&StringArray], row: usize) {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    for (index, (name, column)) in names.iter().zip(texts).enumerate() {
        out.push_str(if index == 0 { "{" } else { "," });
        out.push_str(&json(name));
        out.push(':');
        match column.is_valid(row) {
            true => out.push_str(&json(column.value(row))),
            false => out.push_str("null"),
        }
    }
    out.push_str("}\n");
}

/// Rows that are encoded together. Pages end at these boundaries.
const PIECE_ROWS: usize = 1024;
/// A row group ends with the piece that brings it to this many encoded bytes.
const GROUP_BYTES: usize = 16 << 20;

/// A Parquet file that is being written.
pub(crate) struct ParquetFile {
    writer: ParquetWriter<OutputFile>,
    pieces: BatchCoalescer,
}

impl ParquetFile {
    pub(crate) fn begin(file: OutputFile, schema: SchemaRef) -> Result<Self> {
        let purpose = Purpose::Published { path: file.path(), dictionary_bytes: None };
        let writer = ParquetWriter::begin(file, schema.clone(), purpose)?;
        Ok(ParquetFile { writer, pieces: BatchCoalescer::new(schema, PIECE_ROWS) })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.pieces.push_batch(rows.clone())?;
        self.encode()
    }

    fn encode(&mut self) -> Result<()> {
        while let Some(piece) = self.pieces.next_completed_batch() {
            self.writer.write(&piece)?;
            self.writer.end_group_at(GROUP_BYTES)?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<FileDigest> {
        self.pieces.finish_buffered_batch()?;
        self.encode()?;
        self.writer.finish()?.finish()
    }
}
