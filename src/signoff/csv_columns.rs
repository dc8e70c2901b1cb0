//! Chosen columns of a list in CSV, read batch by batch.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};

use crate::csv::{Fields, Problem, Reader};
use crate::error::{Error, Result};
use crate::runtime::file_identity::InputFile;

/// Lines that are read together.
const BATCH_LINES: usize = 8192;

/// A list that is being read.
pub(super) struct CsvColumns {
    /// The file, which has to stay the same.
    pub input: InputFile,
    reader: Reader<BufReader<File>>,
    /// The names of its columns.
    pub header: Vec<String>,
}

/// Some lines of a list.
pub(super) struct Lines {
    /// Their numbers.
    pub numbers: Vec<u64>,
    /// The chosen columns, as text.
    pub columns: Vec<ArrayRef>,
}

impl CsvColumns {
    /// Opens a list, and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (input, file) = InputFile::open(path.into(), path.into()).map_err(Error::unreadable(path))?;
        let mut list =
            CsvColumns { input, reader: Reader::new(BufReader::with_capacity(1 << 20, file)), header: vec![] };
        let mut fields = Fields::default();
        list.reader.read(&mut fields).map_err(|problem| list.problem(problem))?;
        list.header = fields.iter().map(|name| name.unwrap_or_default().into()).collect();
        Ok(list)
    }

    /// Where columns are, if the list has all of them.
    pub(super) fn places(&self, names: &[String]) -> Option<Vec<usize>> {
        names.iter().map(|name| self.header.iter().position(|column| column == name)).collect()
    }

    /// The next lines, of the columns at `places`; `None` at the end.
    ///
    /// # Errors
    /// If a line has another number of fields than the header.
    pub(super) fn next_batch(&mut self, places: &[usize]) -> Result<Option<Lines>> {
        let mut texts: Vec<Vec<Option<String>>> = vec![vec![]; places.len()];
        let (mut numbers, mut fields) = (vec![], Fields::default());
        while numbers.len() < BATCH_LINES {
            let Some(line) = self.reader.read(&mut fields).map_err(|problem| self.problem(problem))? else { break };
            if fields.len() != self.header.len() {
                let words = format!(" has {} fields, the header {}", fields.len(), self.header.len());
                return Err(self.wrong(line, &words));
            }
            let row: Vec<Option<&str>> = fields.iter().collect();
            places.iter().zip(&mut texts).for_each(|(at, texts)| texts.push(row[*at].map(String::from)));
            numbers.push(line);
        }
        let columns = texts.iter().map(|texts| Arc::new(StringArray::from_iter(texts)) as ArrayRef).collect();
        Ok((!numbers.is_empty()).then_some(Lines { numbers, columns }))
    }

    /// What is wrong with a line.
    pub(super) fn wrong(&self, line: u64, words: &str) -> Error {
        Error::Contradiction(format!("`{}`: line {line}{words}", self.input.path.display()))
    }

    fn problem(&self, problem: Problem) -> Error {
        match problem {
            Problem::Unreadable(source) => Error::Unreadable { path: self.input.path.clone(), source },
            problem => Error::Contradiction(format!("`{}`: {problem}", self.input.path.display())),
        }
    }
}
