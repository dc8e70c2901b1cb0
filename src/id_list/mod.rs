//! ID lists in every form that they come in, read piece by piece as columns of text. `certificate::id_list` reads those
//! that are text themselves.

mod parquet;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use certificate::id_list::{Form, Header, IdList, ListError, Problem};

use self::parquet::ParquetList;
use crate::error::{Error, Result};
use crate::output::manifest::{FileDigest, of_opened};
use crate::output::run_dir::FileAccess;
use crate::runtime::file_identity::InputFile;
use crate::sides::Owner;
use crate::snapshot::refuse_path;

/// A list is read through a buffer of this size.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;
/// A piece ends with the row that brings it to this many bytes of text, however few rows that are.
const PIECE_BYTES: usize = 1 << 20;

/// A list, open and read up to its header.
pub(crate) struct List {
    /// Its path as the user gave it.
    pub path: PathBuf,
    /// The names of its columns; none for a list that is empty and has no header.
    pub columns: Vec<String>,
    pieces: Box<dyn Pieces>,
    /// What the file was before it was read.
    input: InputFile,
    readers: FileAccess,
}

/// What a list is in every form.
trait Pieces {
    /// The names of its columns.
    fn header(&self) -> &Header;

    /// The next rows of the list at `path`: about `rows_max` at most.
    fn next_piece(&mut self, path: &Path, rows_max: usize) -> Result<Option<Piece>>;
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
        let bad = |reason: &str| Error::from(ListError::list(path, reason));
        // opening a pipe is not for lists
        if !fs::metadata(path).map_err(Error::unreadable(path))?.is_file() {
            return Err(bad("is no file\n  name the list itself, such as RUN/missing.csv"));
        }
        refuse_path(&Owner::List, path)?;
        let opened = InputFile::open(path.into(), path.into());
        let (input, file) = opened.map_err(Error::unreadable(path))?;
        let mode = file.metadata().map_err(Error::unreadable(path))?.permissions().mode();
        let readers = if mode & 0o077 == 0 { FileAccess::Owner } else { FileAccess::All };
        let is_parquet = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
        let pieces: Box<dyn Pieces> = match Form::of(path) {
            Some(form) => Box::new(open_text(path, file, form, bare)?),
            None if is_parquet => Box::new(ParquetList::open(path, file)?),
            None => return Err(bad("is no list: the name of one ends with .csv, .txt, .ndjson, .jsonl or .parquet")),
        };
        if let Some(twice) = pieces.header().repeated() {
            return Err(Error::ColumnTwice { column: twice.into(), path: path.into() });
        }
        let columns = pieces.header().names().into_iter().map(String::from).collect();
        Ok(List { path: path.into(), columns, pieces, input, readers })
    }

    /// Whether it has a header of its own, or is at least known to have columns.
    pub(crate) fn has_header(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Who can read the file.
    pub(crate) fn readers(&self) -> FileAccess {
        self.readers
    }

    /// The next rows: `rows_max` at most, or a few more in Parquet.
    pub(crate) fn read(&mut self, rows_max: usize) -> Result<Option<Piece>> {
        self.pieces.next_piece(&self.path, rows_max)
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

/// Opens a list that is text. In CSV, it has to begin with a header.
fn open_text(path: &Path, file: File, form: Form, bare: &str) -> Result<IdList<BufReader<File>>> {
    let list = IdList::open(BufReader::with_capacity(BUFFER_BYTES, file), form, bare);
    let list = list.map_err(|problem| problem.of(path))?;
    let header = list.header();
    if form == Form::Csv && header.is_empty() {
        let reason = "is empty, and a list begins with a header\n  a list without IDs is a header alone";
        return Err(ListError::list(path, reason).into());
    }
    match header.lacks_a_name() {
        true => Err(ListError::line(path, 1, "a column has no name; a list begins with a header").into()),
        false => Ok(list),
    }
}

impl Pieces for IdList<BufReader<File>> {
    fn header(&self) -> &Header {
        self.header()
    }

    fn next_piece(&mut self, path: &Path, rows_max: usize) -> Result<Option<Piece>> {
        let all: Vec<usize> = (0..self.header().len()).collect();
        let schema = schema(self.header().names());
        match next_columns(self, &all, rows_max).map_err(|problem| problem.of(path))? {
            None => Ok(None),
            Some(Lines { numbers, columns }) => {
                Ok(Some(Piece { texts: RecordBatch::try_new(schema, columns)?, lines: numbers }))
            }
        }
    }
}

/// Some columns of some rows of a list that is text.
pub(crate) struct Lines {
    /// The line on which each row begins, from 1.
    pub numbers: Vec<u64>,
    /// The columns, as text.
    pub columns: Vec<ArrayRef>,
}

/// The next rows of a list that is text, of the columns at `indices`; `None` at the end.
pub(crate) fn next_columns<R: BufRead>(
    list: &mut IdList<R>,
    indices: &[usize],
    rows_max: usize,
) -> Result<Option<Lines>, Problem> {
    let mut columns: Vec<_> = indices.iter().map(|_| StringBuilder::with_capacity(rows_max, 0)).collect();
    let (mut numbers, mut bytes) = (vec![], 0);
    while numbers.len() < rows_max && bytes < PIECE_BYTES {
        let Some(row) = list.next_row()? else { break };
        let fields: Vec<Option<&str>> = row.fields().collect();
        for (column, at) in columns.iter_mut().zip(indices) {
            let text = fields.get(*at).copied().flatten();
            column.append_option(text);
            bytes += text.map_or(0, str::len);
        }
        numbers.push(row.line);
    }
    let columns = columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
    Ok((!numbers.is_empty()).then_some(Lines { numbers, columns }))
}

/// Columns of text.
pub(crate) fn schema<T: AsRef<str>>(columns: impl IntoIterator<Item = T>) -> SchemaRef {
    let columns = columns.into_iter().map(|name| Field::new(name.as_ref(), DataType::Utf8, true));
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

/// The columns of a batch of nothing but text, from an index on.
pub(crate) fn texts(batch: &RecordBatch, from: usize, columns: usize) -> Vec<&StringArray> {
    batch.columns()[from..from + columns].iter().map(|column| column.as_string()).collect()
}
