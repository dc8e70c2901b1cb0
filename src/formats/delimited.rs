//! Splits records whose fields may be quoted, as in RFC 4180.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::blocks::Block;
use super::cells::{Cells, LineEnd, Problem};
use super::escaped;
use super::layout::{Dialect, QuotedNulls};

/// Parses all records of a block.
pub(super) fn parse(dialect: &Dialect, line_end: LineEnd, block: &Block, cells: &mut Cells) -> Result<(), Problem> {
    let mut records = RecordReader::new(dialect, line_end, block, Some(cells.width()));
    while let Some(record) = records.next_record()? {
        for (at, field) in record.fields().enumerate() {
            cells.push(at, Some(field).filter(|field| !record.is_null(dialect, at, field)));
        }
        cells.end_row(record.line, record.ends.len())?;
    }
    Ok(())
}

/// Removes the first record of a block, which has the names of the columns.
pub(super) fn take_header(dialect: &Dialect, line_end: LineEnd, block: &mut Block) -> Result<Vec<String>, Problem> {
    let mut records = RecordReader::new(dialect, line_end, block, None);
    let Some(record) = records.next_record()? else { return Ok(vec![]) };
    let line = record.line;
    let names = record.fields().map(|name| String::from_utf8(name.to_vec()));
    let names = names.enumerate().map(|(column, name)| name.map_err(|_| Problem::NotUtf8 { line, column }));
    let names = names.collect::<Result<Vec<String>, Problem>>()?;
    // lines that end with carriage returns alone are one line here
    if names.iter().any(|name| name.replace("\r\n", "").contains('\r')) {
        return Err(Problem::MixedLineEnds { line });
    }
    let end = records.at;
    block.first_line += memchr::memchr_iter(b'\n', &block.bytes[..end]).count() as u64;
    block.bytes.drain(..end);
    Ok(names)
}

/// The number of fields of the first record of a block.
pub(super) fn first_width(dialect: &Dialect, line_end: LineEnd, block: &Block) -> Result<usize, Problem> {
    if escaped::is_needed(dialect) {
        return Ok(escaped::first_width(dialect, line_end, block));
    }
    let mut records = RecordReader::new(dialect, line_end, block, None);
    Ok(records.next_record()?.map_or(0, |record| record.ends.len()))
}

/// How the lines of a file end, by its first record.
pub(super) fn line_end(dialect: &Dialect, block: &Block) -> Result<LineEnd, Problem> {
    let mut records = RecordReader::new(dialect, LineEnd::Newline, block, None);
    records.accepts_any_end = true;
    Ok(match records.next_record()? {
        Some(record) if record.raw.ends_with(b"\r\n") => LineEnd::CarriageReturn,
        _ => LineEnd::Newline,
    })
}

/// More fields than any record has.
const FIELDS_MAX: usize = 1 << 17;

/// Reads the records of a block.
struct RecordReader<'a> {
    reader: Reader,
    dialect: &'a Dialect,
    line_end: LineEnd,
    block: &'a Block,
    /// The number of columns, if it is known.
    width: Option<usize>,
    /// Whether it is not known yet how lines end.
    accepts_any_end: bool,
    at: usize,
    line: u64,
    out: Vec<u8>,
    ends: Vec<usize>,
}

/// A record: its fields without quotes, and its bytes as they are in the file.
struct Record<'a> {
    text: &'a [u8],
    ends: &'a [usize],
    raw: &'a [u8],
    line: u64,
}

impl<'a> RecordReader<'a> {
    fn new(dialect: &'a Dialect, line_end: LineEnd, block: &'a Block, width: Option<usize>) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(dialect.delimiter).terminator(Terminator::Any(b'\n'));
        match dialect.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        let reader = builder.build();
        let (out, ends) = (vec![0; block.bytes.len() + 1], vec![0; width.unwrap_or(FIELDS_MAX) + 2]);
        let mut records = RecordReader {
            reader,
            dialect,
            line_end,
            block,
            width,
            accepts_any_end: false,
            at: 0,
            line: block.first_line,
            out,
            ends,
        };
        // the reader takes a byte order mark at the beginning of what it reads first for no data
        let _ = records.reader.read_record(b"\n", &mut records.out, &mut records.ends);
        records
    }

    fn next_record(&mut self) -> Result<Option<Record<'_>>, Problem> {
        let bytes = &self.block.bytes[..];
        while let Some(skipped) = self.skipped() {
            self.at += skipped;
            self.line += 1;
        }
        let (start, line) = (self.at, self.line);
        if start >= bytes.len() {
            return Ok(None);
        }
        // an empty line is a record of one field, which the reader would skip
        if let Some(len) = self.empty_line(&bytes[start..]) {
            self.at += len;
            self.line += 1;
            self.ends[0] = 0;
            return Ok(Some(Record { text: &[], ends: &self.ends[..1], raw: &[], line }));
        }
        let (mut written, mut fields) = (0, 0);
        loop {
            let (result, read, wrote, ended) =
                self.reader.read_record(&bytes[self.at..], &mut self.out[written..], &mut self.ends[fields..]);
            self.at += read;
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => break,
                // at the end of the block, the reader is called again without input
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(Problem::FieldCount { line, fields: fields + 1 });
                }
            }
        }
        let raw = &bytes[start..self.at];
        self.line += memchr::memchr_iter(b'\n', raw).count() as u64;
        if self.at == bytes.len() && self.block.is_cut {
            return Err(Problem::OpenQuotes { line });
        }
        match (self.line_end, raw.ends_with(b"\r\n"), raw.ends_with(b"\n")) {
            (LineEnd::CarriageReturn, true, _) => {
                written -= 1;
                self.ends[fields - 1] = written;
            }
            (LineEnd::Newline, true, _) if !self.accepts_any_end => return Err(Problem::MixedLineEnds { line }),
            (LineEnd::CarriageReturn, false, true) => return Err(Problem::MixedLineEnds { line }),
            _ => {}
        }
        Ok(Some(Record { text: &self.out[..written], ends: &self.ends[..fields], raw, line }))
    }

    /// The length of an empty line.
    fn empty_line(&self, bytes: &[u8]) -> Option<usize> {
        match (bytes, self.line_end) {
            ([b'\n', ..], LineEnd::Newline) => Some(1),
            ([b'\r', b'\n', ..], LineEnd::CarriageReturn) => Some(2),
            _ => None,
        }
    }

    /// The length of the next line if it is no record: a comment, or an empty line in a file of several columns.
    fn skipped(&self) -> Option<usize> {
        let rest = &self.block.bytes[self.at..];
        if rest.first().is_some_and(|first| Some(*first) == self.dialect.comment) {
            return Some(memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1));
        }
        self.empty_line(rest).filter(|_| self.width != Some(1))
    }
}

/// A position in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldAt {
    Start,
    Plain,
    Quotes,
    AfterQuotes,
}

impl Record<'_> {
    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// Whether a field is NULL: whether its text means NULL, and it is not quoted.
    fn is_null(&self, dialect: &Dialect, at: usize, field: &[u8]) -> bool {
        dialect.nulls.iter().any(|null| null == field)
            && (dialect.quoted_nulls == QuotedNulls::AreNull || !self.is_quoted(dialect, at))
    }

    /// Whether a field begins with a quote in the file.
    fn is_quoted(&self, dialect: &Dialect, field: usize) -> bool {
        let Some(quote) = dialect.quote.filter(|quote| memchr::memchr(*quote, self.raw).is_some()) else {
            return false;
        };
        let (mut number, mut at) = (0, FieldAt::Start);
        for &byte in self.raw {
            if at == FieldAt::Start && number == field {
                return byte == quote;
            }
            at = match at {
                FieldAt::Quotes if byte == quote => FieldAt::AfterQuotes,
                FieldAt::Quotes => FieldAt::Quotes,
                FieldAt::Start | FieldAt::AfterQuotes if byte == quote => FieldAt::Quotes,
                _ if byte == dialect.delimiter => {
                    number += 1;
                    FieldAt::Start
                }
                _ => FieldAt::Plain,
            };
        }
        false
    }
}
