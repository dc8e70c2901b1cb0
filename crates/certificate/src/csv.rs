//! CSV in which NULL and the empty string are two things: NULL is an unquoted empty field, the empty string is `""`.
//!
//! csv-core reads and writes the bytes. It takes more for CSV than the lists of a delete may hold, so this module also
//! refuses what can be read in two ways, and says on which line it is.

use std::io::{self, BufRead, Read};

use csv_core::{ReadFieldResult, Writer};

/// Appends one record.
pub fn record<'a>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = Option<&'a str>>) {
    let (mut writer, start) = (Writer::new(), out.len());
    for field in fields {
        match field {
            None => out.push(b','),
            // csv-core writes this as it writes NULL
            Some("") => out.extend_from_slice(b"\"\","),
            Some(text) => {
                let at = out.len();
                // every byte may be a quote, and is doubled then; two quotes and a comma are around them
                out.resize(at + 2 * text.len() + 3, 0);
                let (_, _, length) = writer.field(text.as_bytes(), &mut out[at..]);
                let (_, ended) = writer.delimiter(&mut out[at + length..]);
                out.truncate(at + length + ended);
            }
        }
    }
    // after the last field, the line ends
    match out[start..].last_mut() {
        Some(comma) => *comma = b'\n',
        None => out.push(b'\n'),
    }
}

/// A record with the number of the line on which it begins.
pub type Record = (usize, Vec<Option<String>>);

/// Reads all records of a text; lines may end as Windows ends them.
///
/// # Errors
/// With a text that gives the line, if a quoted field does not end or is followed by anything but a comma.
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

const LONE_CARRIAGE_RETURN: &str = "a carriage return stands alone; lines end with a line feed";
const AFTER_QUOTE: &str = "there is more after a quoted field";

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system does not let us read on.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// This is no CSV.
    #[error("line {line}: {reason}")]
    NoCsv {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads records one after the other; no more than one is in memory.
pub struct Reader<R> {
    input: R,
    core: csv_core::Reader,
    /// The lines of the record.
    raw: Vec<u8>,
    /// How many lines have been begun.
    lines: u64,
    /// Whether the last of them was given the end that it lacks.
    is_cut: bool,
}

/// The fields of one record. Kept from record to record, so that reading allocates nothing.
#[derive(Debug, Default)]
pub struct Fields {
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
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the record has no field, as before the first record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The fields, `None` for NULL.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |(end, field)| {
            let text = &self.text[start..*end];
            start = *end;
            (*field == Field::Text).then_some(text)
        })
    }

    /// Takes out all fields.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, field: Option<&str>) {
        self.text.push_str(field.unwrap_or_default());
        self.ends.push((self.text.len(), field.map_or(Field::Null, |_| Field::Text)));
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads from the beginning of a text.
    pub fn new(input: R) -> Self {
        let mut core = csv_core::Reader::new();
        // its first call passes over a byte order mark, and would count the mark's bytes to the field; an empty line
        // has no fields to it and leaves it where it is
        core.read_field(b"\n", &mut [0]);
        Reader { input, core, raw: vec![], lines: 0, is_cut: false }
    }

    /// Reads the next record; returns the number of the line on which it begins, and `None` at the end.
    ///
    /// # Errors
    /// If a quoted field does not end or is followed by anything but a comma, if it is not UTF-8, and if the system
    /// cannot read.
    pub fn read(&mut self, fields: &mut Fields) -> Result<Option<u64>, Problem> {
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
        fields.clear();
        let mut text = std::mem::take(&mut fields.text).into_bytes();
        let length = match self.raw.as_slice() {
            // csv-core passes over empty lines; in a list of one column, each is a NULL
            b"" | b"\n" | b"\r\n" | b"\r" => {
                fields.ends.push((0, Field::Null));
                0
            }
            [b'\r', ..] => return Err(self.wrong(LONE_CARRIAGE_RETURN)),
            _ => self.split(&mut text, &mut fields.ends)?,
        };
        text.truncate(length);
        fields.text = String::from_utf8(text).map_err(|_| self.wrong("it is not UTF-8"))?;
        // a field that ends within a character is not UTF-8 either
        match fields.ends.iter().all(|(end, _)| fields.text.is_char_boundary(*end)) {
            true => Ok(Some(first_line)),
            false => Err(self.wrong("it is not UTF-8")),
        }
    }

    /// Splits the record into fields, and reads its further lines if it has any; returns the length of their text.
    fn split(&mut self, text: &mut Vec<u8>, ends: &mut Vec<(usize, Field)>) -> Result<usize, Problem> {
        let (mut at, mut length) = (0, 0);
        loop {
            let (start, text_start, line) = (at, length, self.lines);
            let is_last = loop {
                // no field is longer than its bytes, and csv-core wants room even for an empty one
                text.resize(text.len().max(self.raw.len() + 1), 0);
                let (result, read, written) = self.core.read_field(&self.raw[at..], &mut text[length..]);
                at += read;
                length += written;
                match result {
                    ReadFieldResult::Field { record_end } => break record_end,
                    ReadFieldResult::OutputFull => {}
                    // a line end within quotes is text; nothing else takes a whole line in and wants more
                    ReadFieldResult::InputEmpty | ReadFieldResult::End => {
                        if !self.more()? {
                            return Err(Problem::NoCsv { line, reason: "a quoted field does not end" });
                        }
                    }
                }
            };
            // without the comma or the line end, the last byte that was read
            let raw = &self.raw[start..at.saturating_sub(1).max(start)];
            let is_quoted = raw.first() == Some(&b'"');
            if is_quoted && !is_one_quoted(raw, &text[text_start..length]) {
                return Err(self.wrong(AFTER_QUOTE));
            }
            ends.push((length, if raw.is_empty() { Field::Null } else { Field::Text }));
            match &self.raw[at..] {
                _ if !is_last => {}
                // of a line end as Windows writes it, csv-core has read the first half; the file has to have the other
                b"\n" if is_quoted && self.is_cut => return Err(self.wrong(AFTER_QUOTE)),
                b"" | b"\n" => return Ok(length),
                _ if is_quoted => return Err(self.wrong(AFTER_QUOTE)),
                _ => return Err(self.wrong(LONE_CARRIAGE_RETURN)),
            }
        }
    }

    /// Adds a line to what was read; false at the end. The last line of a file may lack its end, and is given one.
    fn more(&mut self) -> Result<bool, Problem> {
        let room = RECORD_BYTES_MAX.saturating_sub(self.raw.len() as u64);
        let read = self.input.by_ref().take(room).read_until(b'\n', &mut self.raw)?;
        let has_end = self.raw.last() == Some(&b'\n');
        match read {
            _ if read as u64 == room && !has_end => Err(self.wrong("it is longer than 64 MiB")),
            0 => Ok(false),
            _ => {
                self.lines += 1;
                let is_mark = self.lines == 1 && self.raw == BYTE_ORDER_MARK;
                if !has_end && !is_mark {
                    self.raw.push(b'\n');
                    self.is_cut = true;
                }
                Ok(true)
            }
        }
    }

    fn wrong(&self, reason: &'static str) -> Problem {
        Problem::NoCsv { line: self.lines.max(1), reason }
    }
}

/// Whether bytes that begin with a quote are `text` in quotes and nothing more. csv-core takes the `b` of `"a"b` for text,
/// too: then either the last byte is no quote, or a quote of the text is not doubled.
fn is_one_quoted(raw: &[u8], text: &[u8]) -> bool {
    let quotes = text.iter().filter(|byte| **byte == b'"').count();
    raw.last() == Some(&b'"') && raw.len() == text.len() + quotes + 2
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn null_the_empty_string_and_the_word_null_differ() {
        let mut out = vec![];
        let fields = [None, Some(""), Some("NULL"), Some("a,\"b\"\n")];
        record(&mut out, fields);
        assert_eq!(out, b",\"\",NULL,\"a,\"\"b\"\"\n\"\n");
        record(&mut out, [Some("x"), None]);
        let read = records(str::from_utf8(&out).unwrap()).unwrap();
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

    /// What is read of a text that arrives in chunks, with `-` for NULL, or why it is refused.
    fn in_chunks(text: &str, bytes: usize) -> String {
        let mut reader = Reader::new(BufReader::with_capacity(bytes, text.as_bytes()));
        let (mut read, mut fields) = (vec![], Fields::default());
        loop {
            match reader.read(&mut fields) {
                Ok(None) => return read.join(" "),
                Ok(Some(line)) => {
                    let fields: Vec<_> =
                        fields.iter().map(|field| field.map_or("-".into(), |t| format!("{t:?}"))).collect();
                    read.push(format!("{line}:{}", fields.join(",")));
                }
                Err(problem) => return problem.to_string(),
            }
        }
    }

    #[test]
    fn where_a_buffer_ends_makes_no_difference() {
        let return_alone = "a carriage return stands alone; lines end with a line feed";
        for (text, expected) in [
            ("\"\",,x\n", r#"1:"",-,"x""#.to_string()),
            (",\n\"\"\n\n", r#"1:-,- 2:"" 3:-"#.into()),
            ("\"\"", r#"1:"""#.into()),
            ("\"a\"\"b\",\"\"\"\"\n", r#"1:"a\"b","\"""#.into()),
            ("a,b\r\n\"c\",\"\"\r\n,\r\n\r\n", r#"1:"a","b" 2:"c","" 3:-,- 4:-"#.into()),
            ("\"a\r\nb\n\",c\nd", r#"1:"a\r\nb\n","c" 4:"d""#.into()),
            ("\u{feff}\"\",é\n", r#"1:"","é""#.into()),
            ("\u{feff}", "".into()),
            ("\u{feff}\n\u{feff}", "1:- 2:\"\\u{feff}\"".into()),
            ("\u{feff}\u{feff}\"\"\n", "1:\"\\u{feff}\\\"\\\"\"".into()),
            ("a\n\"b\nc", "line 2: a quoted field does not end".into()),
            ("a\n\"b\"\"\nc\n", "line 2: a quoted field does not end".into()),
            ("\"", "line 1: a quoted field does not end".into()),
            ("\"a\"b\n", "line 1: there is more after a quoted field".into()),
            ("\"a\"b\"\n", "line 1: there is more after a quoted field".into()),
            ("\"a\"b\"\"\n", "line 1: there is more after a quoted field".into()),
            ("\"\"b,\n", "line 1: there is more after a quoted field".into()),
            ("\"a\n\"b", "line 2: there is more after a quoted field".into()),
            ("\"a\"\rb\n", "line 1: there is more after a quoted field".into()),
            ("a\rb\n", format!("line 1: {return_alone}")),
            ("\ra\n", format!("line 1: {return_alone}")),
            ("x,\ra\n", format!("line 1: {return_alone}")),
            ("a\r\r\n", format!("line 1: {return_alone}")),
            ("a,b\r", r#"1:"a","b""#.into()),
            ("a,\"b\"\r", "line 1: there is more after a quoted field".into()),
        ] {
            for bytes in [1, 2, 3, 7, 1000] {
                assert_eq!(in_chunks(text, bytes), expected, "{text:?} in chunks of {bytes}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let parts = [None, Some(""), Some("a"), Some("\""), Some(","), Some("\r"), Some("\n"), Some("\u{feff}é")];
        let mut out = vec![];
        record(&mut out, [Some("first")]);
        for one in parts {
            parts.iter().for_each(|other| record(&mut out, [one, *other]));
        }
        let read = records(str::from_utf8(&out).unwrap()).unwrap();
        let read: Vec<_> = read[1..].iter().map(|(_, fields)| [fields[0].as_deref(), fields[1].as_deref()]).collect();
        let written: Vec<_> = parts.iter().flat_map(|one| parts.map(|other| [*one, other])).collect();
        assert_eq!(read, written);
    }
}
