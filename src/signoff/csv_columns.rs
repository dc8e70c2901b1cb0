//! Chosen columns of a list in CSV, read batch by batch, with the error messages of a sign-off.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use certificate::id_list::{ColumnFault, Form, Header, IdList, ListError};

use crate::error::{Error, Result};
use crate::id_list::{BUFFER_BYTES, Lines, next_columns};
use crate::runtime::file_identity::InputFile;

/// Lines that are read together.
const BATCH_LINES: usize = 8192;

/// A list that is being read.
pub(super) struct CsvColumns {
    /// The file, which has to stay the same.
    pub input: InputFile,
    list: IdList<BufReader<File>>,
}

impl CsvColumns {
    /// Opens a list, and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (input, file) = InputFile::open(path.into(), path.into()).map_err(Error::unreadable(path))?;
        match IdList::open(BufReader::with_capacity(BUFFER_BYTES, file), Form::Csv, "") {
            Ok(list) => Ok(CsvColumns { input, list }),
            Err(problem) => Err(problem.of(path).into()),
        }
    }

    /// The names of its columns.
    pub(super) fn header(&self) -> &Header {
        self.list.header()
    }

    /// The indices of columns, each of which the list has to have once.
    pub(super) fn indices(&self, names: &[String]) -> Result<Vec<usize>, ColumnFault> {
        self.header().indices(names.iter().map(String::as_str))
    }

    /// The next lines, of the columns at `indices`; `None` at the end.
    ///
    /// # Errors
    /// If a line has another number of fields than the header.
    pub(super) fn next_batch(&mut self, indices: &[usize]) -> Result<Option<Lines>> {
        next_columns(&mut self.list, indices, BATCH_LINES).map_err(|problem| problem.of(&self.input.path).into())
    }

    /// What is wrong with a line.
    pub(super) fn wrong(&self, line: u64, reason: impl Into<String>) -> Error {
        ListError::line(&self.input.path, line, reason).into()
    }
}
