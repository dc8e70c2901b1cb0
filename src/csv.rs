//! CSV in which NULL and the empty string are two things: NULL is an unquoted empty field, the empty
//! string is `""`. General CSV writers and readers cannot say that per field, which is why this one exists.

use std::io::{self, BufRead, Read};

/// Appends one record.
pub(crate) fn record<'a>(out: &mut String, fields: impl IntoIterator<Item = Option<&'a str>>) {
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match field {
            None => {}
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            }
            Some(text) => out.push_str(text),
        }
    }
    out.push('\n');
}

/// A record with the number of the line on which it begins.
pub(crate) type Record = (usize, Vec<Option<String>>);

/// Reads all records of a text; lines may end as Windows ends them.
///
/// # Errors
/// In words, with the line, if a quoted field does not end or is followed by anything but a comma.
pub fn records(text: &str) -> Result<Vec<Record>, String> {
    let mut reader = Reader::new(text.as_bytes());
    let (mut records, mut fields) = (vec![], Fields::default());
    while let Some(line) = reader.read(&mut fields).map_err(|problem| problem.to_string())? {
        records.push((line as usize, fields.iter().map(|field| field.map(String::from)).collect()));
    }
    Ok(records)
}

/// No record is longer than this: beyond it, the file is no CSV.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// What some programs put before the first character of a text, and no part of it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The system does not let us read on.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// What stands there is no CSV.
    #[error("line {line}: {reason}")]
    NoCsv {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads records one after the other; no more than one is in memory.
pub(crate) struct Reader<R> {
    input: R,
    raw: Vec<u8>,
    /// How many lines have been begun.
    lines: u64,
}

/// The fields of one record. Kept from record to record, so that reading allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: String,
    ends: Vec<(usize, Field)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Null,
    Text,
}

impl Fields {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The fields, `None` for NULL.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |(end, field)| {
            let text = &self.text[start..*end];
            start = *end;
            (*field == Field::Text).then_some(text)
        })
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads from the beginning of a text.
    pub(crate) fn new(input: R) -> Self {
        Reader { input, raw: vec![], lines: 0 }
    }

    /// Reads the next record; returns the number of the line on which it begins, and `None` at the end.
    ///
    /// # Errors
    /// If a quoted field does not end or is followed by anything but a comma, if it is not UTF-8, and if the system
    /// cannot read.
    pub(crate) fn read(&mut self, fields: &mut Fields) -> Result<Option<u64>, Problem> {
        self.raw.clear();
        if !self.more()? {
            return Ok(None);
        }
        if self.lines == 1 && self.raw.starts_with(BYTE_ORDER_MARK) {
            self.raw.drain(..BYTE_ORDER_MARK.len());
            // nothing but a mark is no record
            if self.raw.is_empty() {
                return Ok(None);
            }
        }
        let first_line = self.lines;
        let mut text = std::mem::take(&mut fields.text).into_bytes();
        text.clear();
        fields.ends.clear();
        let mut at = 0;
        loop {
            let field = match self.raw.get(at) {
                Some(b'"') => {
                    at = self.unquote(at + 1, &mut text)?;
                    Field::Text
                }
                _ => {
                    let rest = &self.raw[at..];
                    let length = rest.iter().position(|byte| matches!(byte, b',' | b'\n')).unwrap_or(rest.len());
                    let (field, after) = rest.split_at(length);
                    let is_last = after.first() != Some(&b',');
                    let field = if is_last { field.strip_suffix(b"\r").unwrap_or(field) } else { field };
                    if field.contains(&b'\r') {
                        return Err(self.wrong("a carriage return stands alone; lines end with a line feed"));
                    }
                    text.extend_from_slice(field);
                    at += length;
                    if field.is_empty() { Field::Null } else { Field::Text }
                }
            };
            fields.ends.push((text.len(), field));
            match &self.raw[at..] {
                [b',', ..] => at += 1,
                [] | b"\n" | b"\r\n" => break,
                _ => return Err(self.wrong("there is more after a quoted field")),
            }
        }
        fields.text = String::from_utf8(text).map_err(|_| self.wrong("it is not UTF-8"))?;
        // a field that ends within a character is not UTF-8 either
        match fields.ends.iter().all(|(end, _)| fields.text.is_char_boundary(*end)) {
            true => Ok(Some(first_line)),
            false => Err(self.wrong("it is not UTF-8")),
        }
    }

    /// Adds what stands between quotes to `text`, from its first byte on; returns where the closing quote has ended.
    fn unquote(&mut self, start: usize, text: &mut Vec<u8>) -> Result<usize, Problem> {
        let (first_line, mut at) = (self.lines, start);
        loop {
            let Some(length) = self.raw[at..].iter().position(|byte| *byte == b'"') else {
                text.extend_from_slice(&self.raw[at..]);
                at = self.raw.len();
                match self.more()? {
                    true => continue,
                    false => return Err(Problem::NoCsv { line: first_line, reason: "a quoted field does not end" }),
                }
            };
            text.extend_from_slice(&self.raw[at..at + length]);
            at += length + 1;
            match self.raw.get(at) {
                Some(b'"') => {
                    text.push(b'"');
                    at += 1;
                }
                _ => return Ok(at),
            }
        }
    }

    /// Adds a line to what was read; false at the end.
    fn more(&mut self) -> Result<bool, Problem> {
        let room = RECORD_BYTES_MAX.saturating_sub(self.raw.len() as u64);
        let read = self.input.by_ref().take(room).read_until(b'\n', &mut self.raw)?;
        match read {
            _ if read as u64 == room && self.raw.last() != Some(&b'\n') => Err(self.wrong("it is longer than 64 MiB")),
            0 => Ok(false),
            _ => {
                self.lines += 1;
                Ok(true)
            }
        }
    }

    fn wrong(&self, reason: &'static str) -> Problem {
        Problem::NoCsv { line: self.lines.max(1), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_the_empty_string_and_the_word_null_differ() {
        let mut out = String::new();
        let fields = [None, Some(""), Some("NULL"), Some("a,\"b\"\n")];
        record(&mut out, fields);
        assert_eq!(out, ",\"\",NULL,\"a,\"\"b\"\"\n\"\n");
        record(&mut out, [Some("x"), None]);
        let read = records(&out).unwrap();
        assert_eq!(read[0], (1, fields.map(|field| field.map(String::from)).to_vec()));
        assert_eq!(read[1], (3, vec![Some("x".into()), None]));
        // a list of one column has a line for NULL
        assert_eq!(
            records("id\r\n\n7").unwrap(),
            [(1, vec![Some("id".into())]), (2, vec![None]), (3, vec![Some("7".into())])]
        );
        assert!(records("a,\"b").unwrap_err().contains("line 1"));
        assert!(records("a\n\"b\"c").unwrap_err().contains("line 2"));
        // a comma at the very end still begins a field, and a quote within one is a character
        assert_eq!(records("a\"b,").unwrap(), [(1, vec![Some("a\"b".into()), None])]);
        assert_eq!(records("\u{feff}id\n\u{feff}").unwrap()[0].1, [Some("id".into())]);
        assert_eq!(records("").unwrap(), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let read = |bytes: &[u8]| Reader::new(bytes).read(&mut Fields::default()).unwrap_err().to_string();
        assert_eq!(read(b"a\xff,b\n"), "line 1: it is not UTF-8");
        assert_eq!(read(b"\xc3,\xa4\n"), "line 1: it is not UTF-8");
    }
}
