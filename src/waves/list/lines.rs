//! Lists without a header: one bare ID a line. Other line by line formats read their lines here, too.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Gathered, bad_line};
use crate::error::{Error, Result};

const BUFFER_BYTES: usize = 1 << 20;
/// No line is longer than this: beyond it, the file is no text.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The lines of a text file, one in memory at a time.
pub(super) struct Lines {
    input: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Begins before the first line.
    pub(super) fn open(file: File) -> Self {
        Lines { input: BufReader::with_capacity(BUFFER_BYTES, file), line: vec![], number: 0 }
    }

    /// The next line, without its end, and its number.
    pub(super) fn next(&mut self, path: &Path) -> Result<Option<(u64, &str)>> {
        self.line.clear();
        let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        if read.map_err(Error::unreadable(path))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        if line.len() as u64 == LINE_BYTES_MAX {
            return Err(bad_line(path, self.number, "it is longer than 64 MiB"));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| bad_line(path, self.number, "it is not UTF-8"))?;
        let text = if self.number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        Ok(Some((self.number, text)))
    }
}

/// A list of bare IDs.
pub(super) struct BareList(Lines);

impl BareList {
    /// Opens a list.
    pub(super) fn open(file: File) -> Self {
        BareList(Lines::open(file))
    }

    /// Adds rows.
    pub(super) fn read(&mut self, path: &Path, gathered: &mut Gathered) -> Result<()> {
        while !gathered.is_full() {
            match self.0.next(path)? {
                None => break,
                Some((line, "")) => {
                    let reason = "it is empty, and this list has one bare ID a line\n  \
                                  take the line out; for NULL or the empty string as an ID, make it a .csv";
                    return Err(bad_line(path, line, reason));
                }
                Some((line, id)) => gathered.push(line, [Some(id)].into_iter()),
            }
        }
        Ok(())
    }
}
