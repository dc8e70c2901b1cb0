//! Lists as a run writes them: CSV with a header.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::{Gathered, bad_line};
use crate::csv::{Fields, Problem, Reader};
use crate::error::{Error, Result, WavesError};

const BUFFER_BYTES: usize = 1 << 20;

/// A CSV list, read up to its header.
pub(super) struct CsvList {
    reader: Reader<BufReader<File>>,
    fields: Fields,
    width: usize,
}

impl CsvList {
    /// Opens a list, and reads the names of its columns.
    pub(super) fn open(path: &Path, file: File) -> Result<(Self, Vec<String>)> {
        let mut reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, file));
        let mut fields = Fields::default();
        if reader.read(&mut fields).map_err(|problem| wrong(path, problem))?.is_none() {
            let reason = "is empty, and a list begins with a header\n  a list without IDs is a header alone".into();
            return Err(WavesError::BadList { list: path.into(), reason }.into());
        }
        let names: Option<Vec<String>> = fields.iter().map(|name| name.map(String::from)).collect();
        let names = names.ok_or_else(|| bad_line(path, 1, "a column has no name; a list begins with a header"))?;
        Ok((CsvList { reader, fields, width: names.len() }, names))
    }

    /// Adds rows.
    pub(super) fn read(&mut self, path: &Path, gathered: &mut Gathered) -> Result<()> {
        while !gathered.is_full() {
            let read = self.reader.read(&mut self.fields).map_err(|problem| wrong(path, problem))?;
            let Some(line) = read else { return Ok(()) };
            if self.fields.len() != self.width {
                let (fields, columns) = (count(self.fields.len(), "field"), count(self.width, "column"));
                return Err(bad_line(path, line, format!("it has {fields}, and the header names {columns}")));
            }
            gathered.push(line, self.fields.iter());
        }
        Ok(())
    }
}

fn count(number: usize, noun: &str) -> String {
    crate::report::count(number as u64, noun)
}

fn wrong(path: &Path, problem: Problem) -> Error {
    match problem {
        Problem::Unreadable(source) => Error::Unreadable { path: path.into(), source },
        Problem::NoCsv { line, reason } => bad_line(path, line, reason),
    }
}
