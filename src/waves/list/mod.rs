//! ID lists in every form that they come in, read piece by piece as columns of text.

mod lines;
mod json;
mod parquet;
mod table;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::json::JsonList;
use self::lines::BareList;
use self::parquet::ParquetList;
use self::table::CsvList;
use crate::error::{Error, Result, WavesError};
use crate::output::manifest::{FileDigest, of_opened};
use crate::output::run_dir::FileAccess;
use crate::runtime::file_identity::InputFile;
use crate::sides::Owner;
use crate::snapshot::refuse_path;

/// A piece ends with the row that brings it to so many bytes of text, however few rows that are.
const PIECE_BYTES: usize = 1 << 20;

/// A list, open and read up to its header.
pub(crate) struct List {
    /// Its path as the user gave it.
    pub path: PathBuf,
    /// The names of its columns; none for a list that is empty and has no header.
    pub columns: Vec<String>,
    form: Form,
    /// What the file was before it was read.
    input: InputFile,
    readers: FileAccess,
}

enum Form {
    Csv(CsvList),
    Bare(BareList),
    Json(JsonList),
    Parquet(ParquetList),
}

/// Some rows of a list.
pub(crate) struct Piece {
    /// All columns as text, in the order of the header.
    pub texts: RecordBatch,
    /// The line on which each row begins; in Parquet the number of the row. From 1.
    pub lines: Vec<u64>,
}

impl List {
    /// Opens a list. `bare` is what the ID's column is called where a list has no header.
    ///
    /// # Errors
    /// If there is no such file, if the end of its name says nothing of what it is, or if it has no header.
    pub(crate) fn open(path: &Path, bare: &str) -> Result<Self> {
        let bad = |reason: &str| Error::from(WavesError::BadList { list: path.into(), reason: reason.into() });
        // opening a pipe is not for lists
        if !fs::metadata(path).map_err(Error::unreadable(path))?.is_file() {
            return Err(bad("is no file\n  name the list itself, such as RUN/missing.csv"));
        }
        refuse_path(&Owner::List, path)?;
        let opened = InputFile::open(path.into(), path.into());
        let (input, file) = opened.map_err(Error::unreadable(path))?;
        let mode = file.metadata().map_err(Error::unreadable(path))?.permissions().mode();
        let readers = if mode & 0o077 == 0 { FileAccess::Owner } else { FileAccess::All };
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (form, columns) = match ending.as_str() {
            "csv" => CsvList::open(path, file).map(|(list, columns)| (Form::Csv(list), columns))?,
            "txt" => (Form::Bare(BareList::open(file)), vec![bare.to_string()]),
            "ndjson" | "jsonl" => JsonList::open(path, file).map(|(list, columns)| (Form::Json(list), columns))?,
            "parquet" => ParquetList::open(path, file).map(|(list, columns)| (Form::Parquet(list), columns))?,
            _ => return Err(bad("is no list: the name of one ends with .csv, .txt, .ndjson, .jsonl or .parquet")),
        };
        if let Some(twice) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
            return Err(Error::ColumnTwice { column: twice.1.clone(), path: path.into() });
        }
        Ok(List { path: path.into(), columns, form, input, readers })
    }

    /// Whether it has a header of its own, or is at least known to have columns.
    pub(crate) fn has_header(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Who can read the file.
    pub(crate) fn readers(&self) -> FileAccess {
        self.readers
    }

    /// The next rows: at most so many.
    pub(crate) fn read(&mut self, rows: usize) -> Result<Option<Piece>> {
        let mut gathered = Gathered::new(&self.columns, rows);
        match &mut self.form {
            Form::Csv(list) => list.read(&self.path, &mut gathered)?,
            Form::Bare(list) => list.read(&self.path, &mut gathered)?,
            Form::Json(list) => list.read(&self.path, &self.columns, &mut gathered)?,
            Form::Parquet(list) => return list.read(&self.path, &self.columns),
        }
        gathered.finish(&self.columns)
    }

    /// What the file was, once all of it was read.
    ///
    /// # Errors
    /// If it has changed meanwhile.
    pub(crate) fn finish(self) -> Result<FileDigest> {
        let List { path, input, .. } = self;
        let blake3 = of_opened(input.reopen()?).map_err(Error::unreadable(&path))?.to_hex().to_string();
        input.require_unchanged()?;
        Ok(FileDigest { path: path.display().to_string(), bytes: input.identity().size(), blake3 })
    }
}

/// Columns of text.
pub(crate) fn schema(columns: &[String]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>()))
}

/// The columns of a batch of nothing but text, from a place on.
pub(crate) fn texts(batch: &RecordBatch, from: usize, columns: usize) -> Vec<&StringArray> {
    batch.columns()[from..from + columns].iter().map(|column| column.as_string()).collect()
}

/// Rows on their way into a piece.
struct Gathered {
    columns: Vec<StringBuilder>,
    lines: Vec<u64>,
    bytes: usize,
    rows_max: usize,
}

impl Gathered {
    fn new(columns: &[String], rows_max: usize) -> Self {
        let builder = |_| StringBuilder::with_capacity(rows_max, 0);
        Gathered { columns: columns.iter().map(builder).collect(), lines: vec![], bytes: 0, rows_max }
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= self.rows_max || self.bytes >= PIECE_BYTES
    }

    fn push<'a>(&mut self, line: u64, fields: impl Iterator<Item = Option<&'a str>>) {
        for (column, field) in self.columns.iter_mut().zip(fields) {
            column.append_option(field);
            self.bytes += field.map_or(0, str::len);
        }
        self.lines.push(line);
    }

    fn finish(self, columns: &[String]) -> Result<Option<Piece>> {
        if self.lines.is_empty() {
            return Ok(None);
        }
        let arrays = self.columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
        Ok(Some(Piece { texts: RecordBatch::try_new(schema(columns), arrays)?, lines: self.lines }))
    }
}

fn bad_line(list: &Path, line: u64, reason: impl Into<String>) -> Error {
    WavesError::BadLine { list: list.into(), line, reason: reason.into() }.into()
}
