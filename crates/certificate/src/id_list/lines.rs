//! Lists without a header: one bare ID per line. JSON lines also use its line reader.

use std::io::{BufRead, Read};

use super::Problem;
use crate::csv::Fields;

/// The maximum length of a line. A file with a longer one is not text.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Reads the lines of a text file, with only the current one in memory.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Lines { input, line: vec![], number: 0 }
    }

    /// The next line without its line end, and its number, counted from 1.
    pub(super) fn next_line(&mut self) -> Result<Option<(u64, &str)>, Problem> {
        self.line.clear();
        if self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        if line.len() as u64 == LINE_BYTES_MAX {
            return Err(bad_line(self.number, "it is longer than 64 MiB"));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| bad_line(self.number, "it is not UTF-8"))?;
        let text = if self.number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        Ok(Some((self.number, text)))
    }

    /// Reads the ID in the next line into `fields`. Returns the line.
    pub(super) fn next_id(&mut self, fields: &mut Fields) -> Result<Option<u64>, Problem> {
        fields.clear();
        match self.next_line()? {
            None => Ok(None),
            Some((line, "")) => {
                let reason = "the line is empty, but this list has one bare ID per line\n  \
                              remove the line; to list NULL or the empty string as an ID, use a .csv file";
                Err(bad_line(line, reason))
            }
            Some((line, id)) => {
                fields.push(Some(id));
                Ok(Some(line))
            }
        }
    }
}

pub(super) fn bad_line(line: u64, reason: impl Into<String>) -> Problem {
    Problem::BadLine { line, reason: reason.into() }
}
