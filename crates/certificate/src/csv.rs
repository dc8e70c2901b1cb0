//! CSV that distinguishes NULL from the empty string: NULL is an unquoted empty field, the empty string is `""`.
//!
//! csv-core reads and writes the bytes. It accepts more than a list for a delete may contain, so this module also
//! refuses ambiguous input and reports its line.

use std::io::{self, BufRead, Read};

use csv_core::{ReadFieldResult, Writer};

/// Appends one record.
pub fn record<'a>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = Option<&'a str>>) {
    let (mut writer, start) = (Writer::new(), out.len());
    for field in fields {
        match field {
            None => out.push(b','),
            // csv-core would write nothing, which is NULL
            Some("") => out.extend_from_slice(b"\"\","),
            Some(text) => {
                let start = out.len();
                // worst case: every byte is a quote and is doubled; plus the enclosing quotes and the comma
                out.resize(start + 2 * text.len() + 3, 0);
                let (_, _, length) = writer.field(text.as_bytes(), &mut out[start..]);
                let (_, ended) = writer.delimiter(&mut out[start + length..]);
                out.truncate(start + length + ended);
            }
        }
    }
    // the comma after the last field becomes the line end
    match out[start..].last_mut() {
        Some(comma) => *comma = b'\n',
        None => out.push(b'\n'),
    }
}

/// A record: the line on which it begins, counted from 1, and its fields; `None` is NULL.
pub type Record = (usize, Vec<Option<String>>);

/// Reads all records of a text. Lines end with LF or CRLF.
///
/// # Errors
/// If the text is not valid CSV; see [`Reader::read`]. The message contains the line.
pub fn records(text: &str) -> Result<Vec<Record>, String> {
    let mut reader = Reader::new(text.as_bytes());
    let (mut records, mut fields) = (vec![], Fields::default());
    while let Some(line) = reader.read(&mut fields).map_err(|problem| problem.to_string())? {
        records.push((line as usize, fields.iter().map(|field| field.map(String::from)).collect()));
    }
    Ok(records)
}

/// The maximum length of a record. A file with a longer one is not CSV.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// Some programs write this at the start of a text. It is not part of the content.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

const LONE_CARRIAGE_RETURN: &str = "a carriage return without a line feed; lines end with a line feed";
const AFTER_QUOTE: &str = "unexpected text after a quoted field";

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system reported an error.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// The input is not valid CSV.
    #[error("line {line}: {reason}")]
    NoCsv {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with the line.
        reason: &'static str,
    },
}

/// Reads records one at a time; only the current one is in memory.
pub struct Reader<R> {
    input: R,
    core: csv_core::Reader,
    /// The bytes of the current record.
    raw: Vec<u8>,
    /// The number of lines read so far.
    lines: u64,
    /// Whether the last line lacked a line feed, which was added.
    is_cut: bool,
}

/// The fields of one record. Reused for every record to avoid allocations.
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
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no fields, as before the first record.
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

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub(crate) fn push(&mut self, field: Option<&str>) {
        self.text.push_str(field.unwrap_or_default());
        self.ends.push((self.text.len(), field.map_or(Field::Null, |_| Field::Text)));
    }
}

impl<R: BufRead> Reader<R> {
    /// Creates a reader for the start of a text.
    pub fn new(input: R) -> Self {
        let mut core = csv_core::Reader::new();
        // on its first call, csv-core skips a byte order mark but counts its bytes as read from the field; an empty
        // line uses up that first call without producing a field
        core.read_field(b"\n", &mut [0]);
        Reader { input, core, raw: vec![], lines: 0, is_cut: false }
    }

    /// Reads the next record into `fields`. Returns the line on which it begins, or `None` at the end.
    ///
    /// # Errors
    /// If a quoted field is not closed or is followed by anything but a comma or the line end, if a carriage return has
    /// no line feed, if the record is not UTF-8 or longer than 64 MiB, or if reading fails.
    pub fn read(&mut self, fields: &mut Fields) -> Result<Option<u64>, Problem> {
        self.raw.clear();
        if !self.more()? {
            return Ok(None);
        }
        if self.lines == 1 && self.raw.starts_with(BYTE_ORDER_MARK) {
            self.raw.drain(..BYTE_ORDER_MARK.len());
            // a mark alone is not a record
            if self.raw.is_empty() {
                return Ok(None);
            }
        }
        let first_line = self.lines;
        fields.clear();
        let mut text = std::mem::take(&mut fields.text).into_bytes();
        let length = match self.raw.as_slice() {
            // csv-core skips empty lines; in a list of one column, each is a NULL
            b"" | b"\n" | b"\r\n" | b"\r" => {
                fields.ends.push((0, Field::Null));
                0
            }
            [b'\r', ..] => return Err(self.wrong(LONE_CARRIAGE_RETURN)),
            _ => self.split(&mut text, &mut fields.ends)?,
        };
        text.truncate(length);
        fields.text = String::from_utf8(text).map_err(|_| self.wrong("it is not UTF-8"))?;
        // a field that ends within a character is not UTF-8, even if the whole record is
        match fields.ends.iter().all(|(end, _)| fields.text.is_char_boundary(*end)) {
            true => Ok(Some(first_line)),
            false => Err(self.wrong("it is not UTF-8")),
        }
    }

    /// Splits the record into fields, reading further lines if it has any. Returns the total text length in bytes.
    fn split(&mut self, text: &mut Vec<u8>, ends: &mut Vec<(usize, Field)>) -> Result<usize, Problem> {
        let (mut at, mut length) = (0, 0);
        loop {
            let (start, text_start, line) = (at, length, self.lines);
            let is_last = loop {
                // a field is never longer than its raw bytes, but csv-core needs room even for an empty one
                text.resize(text.len().max(self.raw.len() + 1), 0);
                let (result, read, written) = self.core.read_field(&self.raw[at..], &mut text[length..]);
                at += read;
                length += written;
                match result {
                    ReadFieldResult::Field { record_end } => break record_end,
                    ReadFieldResult::OutputFull => {}
                    // only a line end within quotes is text, so only then does a whole line not end the record
                    ReadFieldResult::InputEmpty | ReadFieldResult::End => {
                        if !self.more()? {
                            return Err(Problem::NoCsv { line, reason: "a quoted field is not closed" });
                        }
                    }
                }
            };
            // without the last byte read, which is the comma or the line end
            let raw = &self.raw[start..at.saturating_sub(1).max(start)];
            let is_quoted = raw.first() == Some(&b'"');
            if is_quoted && !is_one_quoted(raw, &text[text_start..length]) {
                return Err(self.wrong(AFTER_QUOTE));
            }
            ends.push((length, if raw.is_empty() { Field::Null } else { Field::Text }));
            match &self.raw[at..] {
                _ if !is_last => {}
                // csv-core has read the CR of a CRLF; the LF must be in the file
                b"\n" if is_quoted && self.is_cut => return Err(self.wrong(AFTER_QUOTE)),
                b"" | b"\n" => return Ok(length),
                _ if is_quoted => return Err(self.wrong(AFTER_QUOTE)),
                _ => return Err(self.wrong(LONE_CARRIAGE_RETURN)),
            }
        }
    }

    /// Appends the next line to the record; false at the end. Adds the line feed that the last line may lack.
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

/// Whether bytes that begin with a quote are exactly `text` in quotes. csv-core also accepts the `b` of `"a"b` as text;
/// then either the last byte is not a quote, or a quote of the text is not doubled.
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
        let return_alone = "a carriage return without a line feed; lines end with a line feed";
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
            ("a\n\"b\nc", "line 2: a quoted field is not closed".into()),
            ("a\n\"b\"\"\nc\n", "line 2: a quoted field is not closed".into()),
            ("\"", "line 1: a quoted field is not closed".into()),
            ("\"a\"b\n", "line 1: unexpected text after a quoted field".into()),
            ("\"a\"b\"\n", "line 1: unexpected text after a quoted field".into()),
            ("\"a\"b\"\"\n", "line 1: unexpected text after a quoted field".into()),
            ("\"\"b,\n", "line 1: unexpected text after a quoted field".into()),
            ("\"a\n\"b", "line 2: unexpected text after a quoted field".into()),
            ("\"a\"\rb\n", "line 1: unexpected text after a quoted field".into()),
            ("a\rb\n", format!("line 1: {return_alone}")),
            ("\ra\n", format!("line 1: {return_alone}")),
            ("x,\ra\n", format!("line 1: {return_alone}")),
            ("a\r\r\n", format!("line 1: {return_alone}")),
            ("a,b\r", r#"1:"a","b""#.into()),
            ("a,\"b\"\r", "line 1: unexpected text after a quoted field".into()),
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
        for part in parts {
            parts.iter().for_each(|other| record(&mut out, [part, *other]));
        }
        let read = records(str::from_utf8(&out).unwrap()).unwrap();
        let read: Vec<_> = read[1..].iter().map(|(_, fields)| [fields[0].as_deref(), fields[1].as_deref()]).collect();
        let written: Vec<_> = parts.iter().flat_map(|part| parts.map(|other| [*part, other])).collect();
        assert_eq!(read, written);
    }
}
