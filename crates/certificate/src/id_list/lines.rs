//! Lists without a header: one bare ID a line. JSON lines are read by it, too.

use std::io::{BufRead, Read};

use super::Problem;
use crate::csv::Fields;

/// No line is longer than this: beyond it, the file is no text.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The lines of a text file, one in memory at a time.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Begins before the first line.
    pub(super) fn new(input: R) -> Self {
        Lines { input, line: vec![], number: 0 }
    }

    /// The next line, without its end, and its number.
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

    /// Reads the ID of the next line into `fields`; returns the number of the line.
    pub(super) fn next_id(&mut self, fields: &mut Fields) -> Result<Option<u64>, Problem> {
        fields.clear();
        match self.next_line()? {
            None => Ok(None),
            Some((line, "")) => {
                let reason = "it is empty, and this list has one bare ID a line\n  \
                              take the line out; for NULL or the empty string as an ID, make it a .csv";
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
