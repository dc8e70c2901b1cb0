//! Reads selected columns of a CSV list batch by batch.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use certificate::id_list::{ColumnFault, Form, Header, IdList, ListError};

use crate::error::{Error, Result};
use crate::id_list::{BUFFER_BYTES, Lines, next_columns};
use crate::runtime::file_identity::InputFile;

/// Lines per batch.
const BATCH_LINES: usize = 8192;

pub(super) struct CsvColumns {
    /// The file, which must not change during the sign-off.
    pub input: InputFile,
    list: IdList<BufReader<File>>,
}

impl CsvColumns {
    /// Opens a list and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (input, file) = InputFile::open(path.into(), path.into()).map_err(Error::unreadable(path))?;
        match IdList::open(BufReader::with_capacity(BUFFER_BYTES, file), Form::Csv, "") {
            Ok(list) => Ok(CsvColumns { input, list }),
            Err(problem) => Err(problem.of(path).into()),
        }
    }

    pub(super) fn header(&self) -> &Header {
        self.list.header()
    }

    /// The indices of columns, each of which must occur exactly once.
    pub(super) fn indices(&self, names: &[String]) -> Result<Vec<usize>, ColumnFault> {
        self.header().indices(names.iter().map(String::as_str))
    }

    /// Reads the columns at `indices` of the next lines; `None` at the end.
    ///
    /// # Errors
    /// If the number of fields in a line differs from that of the header.
    pub(super) fn next_batch(&mut self, indices: &[usize]) -> Result<Option<Lines>> {
        next_columns(&mut self.list, indices, BATCH_LINES).map_err(|problem| problem.of(&self.input.path).into())
    }

    /// An error in a line.
    pub(super) fn wrong(&self, line: u64, reason: impl Into<String>) -> Error {
        ListError::line(&self.input.path, line, reason).into()
    }
}
