//! Reads ID lists of all formats in pieces, as columns of text. `certificate::id_list` parses the text formats.

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

/// The buffer size for reading a list, in bytes.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;
/// A piece ends with the row that reaches this many bytes of text, however few rows it has.
const PIECE_BYTES: usize = 1 << 20;

/// An open list, positioned after its header.
pub(crate) struct List {
    /// The path as given by the user.
    pub path: PathBuf,
    /// The column names. An empty list without a header has none.
    pub columns: Vec<String>,
    pieces: Box<dyn Pieces>,
    /// Identifies the file, to detect changes while it is read.
    input: InputFile,
    readers: FileAccess,
}

/// A list of any format.
trait Pieces {
    fn header(&self) -> &Header;

    /// Reads at most about `rows_max` rows. `path` is for error messages.
    fn next_piece(&mut self, path: &Path, rows_max: usize) -> Result<Option<Piece>>;
}

pub(crate) struct Piece {
    /// All columns as text, in the order of the header.
    pub texts: RecordBatch,
    /// The line on which each row begins, or in Parquet the number of the row; counted from 1.
    pub lines: Vec<u64>,
}

impl List {
    /// Opens a list. `bare` is the column name of a list without a header.
    ///
    /// # Errors
    /// If the file does not exist, its extension is unknown, or it has no header where the format requires one.
    pub(crate) fn open(path: &Path, bare: &str) -> Result<Self> {
        let bad = |reason: &str| Error::from(ListError::list(path, reason));
        // checked before opening, because opening a pipe can block
        if !fs::metadata(path).map_err(Error::unreadable(path))?.is_file() {
            return Err(bad("is not a file\n  pass the list itself, such as RUN/missing.csv"));
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
            None => return Err(bad("is not a list: list names end with .csv, .txt, .ndjson, .jsonl or .parquet")),
        };
        if let Some(repeated) = pieces.header().repeated() {
            return Err(Error::ColumnTwice { column: repeated.into(), path: path.into() });
        }
        let columns = pieces.header().names().into_iter().map(String::from).collect();
        Ok(List { path: path.into(), columns, pieces, input, readers })
    }

    /// Whether the columns of the list are known.
    pub(crate) fn has_header(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Who may read the file, by its mode.
    pub(crate) fn readers(&self) -> FileAccess {
        self.readers
    }

    /// Reads the next rows: at most `rows_max`, or a few more in Parquet.
    pub(crate) fn read(&mut self, rows_max: usize) -> Result<Option<Piece>> {
        self.pieces.next_piece(&self.path, rows_max)
    }

    /// Returns the digest of the file after all of it has been read.
    ///
    /// # Errors
    /// If the file has changed since it was opened.
    pub(crate) fn finish(self) -> Result<FileDigest> {
        let List { path, input, .. } = self;
        let blake3 = of_opened(input.reopen()?).map_err(Error::unreadable(&path))?.to_hex().to_string();
        input.require_unchanged()?;
        Ok(FileDigest { path: path.display().to_string(), bytes: input.identity().size(), blake3 })
    }
}

/// Opens a list in a text format. A CSV list must have a header.
fn open_text(path: &Path, file: File, form: Form, bare: &str) -> Result<IdList<BufReader<File>>> {
    let list = IdList::open(BufReader::with_capacity(BUFFER_BYTES, file), form, bare);
    let list = list.map_err(|problem| problem.of(path))?;
    let header = list.header();
    if form == Form::Csv && header.is_empty() {
        let reason = "is empty, but a list starts with a header\n  write a list without IDs as a header alone";
        return Err(ListError::list(path, reason).into());
    }
    match header.lacks_a_name() {
        true => Err(ListError::line(path, 1, "a column has no name; a list starts with a header").into()),
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

/// Selected columns of consecutive rows of a text list.
pub(crate) struct Lines {
    /// The line on which each row begins, from 1.
    pub numbers: Vec<u64>,
    /// The columns as text.
    pub columns: Vec<ArrayRef>,
}

/// Reads the columns at `indices` of the next rows of a text list; `None` at the end.
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
        for (column, index) in columns.iter_mut().zip(indices) {
            let text = fields.get(*index).copied().flatten();
            column.append_option(text);
            bytes += text.map_or(0, str::len);
        }
        numbers.push(row.line);
    }
    let columns = columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
    Ok((!numbers.is_empty()).then_some(Lines { numbers, columns }))
}

/// A schema of nullable text columns.
pub(crate) fn schema<T: AsRef<str>>(columns: impl IntoIterator<Item = T>) -> SchemaRef {
    let columns = columns.into_iter().map(|name| Field::new(name.as_ref(), DataType::Utf8, true));
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

/// `columns` columns of a batch, starting at index `from`; all must be text.
pub(crate) fn texts(batch: &RecordBatch, from: usize, columns: usize) -> Vec<&StringArray> {
    batch.columns()[from..from + columns].iter().map(|column| column.as_string()).collect()
}
