//! Cuts a stream of text into blocks of whole records, which workers parse independently.

use std::io::{self, Read};

use super::layout::{Dialect, Layout};

/// After this many blocks, their size doubles, because each becomes a row group, and the number of these is limited.
const BLOCKS_PER_SIZE: usize = 4096;

/// Whole records.
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    /// The line on which it begins, counted from 1.
    pub(crate) first_line: u64,
    /// Whether the file ends in the middle of something that its last record began: quotes, or an array.
    pub(crate) is_cut: bool,
}

/// Reads blocks one after the other.
pub(crate) struct Blocks<R> {
    input: R,
    cutter: Cutter,
    /// What follows the last block.
    rest: Vec<u8>,
    line: u64,
    /// Bytes that are read at a time. A block has about as many.
    block_bytes: usize,
    blocks: usize,
    record_max: usize,
    has_ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Cuts `input` into blocks of about `block_bytes`. No record may be longer than `record_max` bytes.
    pub(crate) fn new(input: R, layout: &Layout, block_bytes: usize, record_max: usize) -> Self {
        let cutter = match layout {
            Layout::Delimited(dialect) => Cutter::Fields(FieldCutter::new(dialect)),
            _ => Cutter::Documents(DocumentCutter::default()),
        };
        let record_max = record_max.max(block_bytes);
        Blocks { input, cutter, rest: vec![], line: 1, block_bytes, blocks: 0, record_max, has_ended: false }
    }

    /// The next block, or `None` at the end.
    ///
    /// # Errors
    /// If the input cannot be read. [`io::ErrorKind::FileTooLarge`] means that a record is too long.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<Block>> {
        let mut end = 0;
        while !self.has_ended && end == 0 {
            let before = self.rest.len();
            if before > self.record_max {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            let read = self.input.by_ref().take(self.block_bytes as u64).read_to_end(&mut self.rest)?;
            self.has_ended = read < self.block_bytes;
            end = self.cutter.last_end(&self.rest, before);
        }
        if self.has_ended && end == 0 {
            end = self.rest.len();
        }
        if end == 0 {
            return Ok(None);
        }
        self.blocks += 1;
        if self.blocks.is_multiple_of(BLOCKS_PER_SIZE) {
            self.block_bytes *= 2;
        }
        let rest = self.rest.split_off(end);
        let bytes = std::mem::replace(&mut self.rest, rest);
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let is_cut = self.has_ended && self.rest.is_empty() && self.cutter.is_open();
        Ok(Some(Block { bytes, first_line, is_cut }))
    }

    /// The line on which the next block begins.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }
}

/// Finds the ends of records. It continues where it stopped, so that no byte is looked at twice.
enum Cutter {
    Fields(FieldCutter),
    Documents(DocumentCutter),
}

impl Cutter {
    /// Returns the end of the last record in the bytes from `new` on, or 0 if none ends there.
    fn last_end(&mut self, bytes: &[u8], new: usize) -> usize {
        match self {
            Cutter::Fields(cutter) => cutter.last_end(bytes, new),
            Cutter::Documents(cutter) => cutter.last_end(bytes, new),
        }
    }

    /// Whether the bytes so far need an end.
    fn is_open(&self) -> bool {
        match self {
            Cutter::Fields(cutter) => matches!(cutter.state, FieldState::Quoted | FieldState::EscapedInQuotes),
            Cutter::Documents(cutter) => cutter.array == ArrayState::Open,
        }
    }
}

/// Records end at line breaks outside of quotes that are not escaped.
struct FieldCutter {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    /// A NULL that begins like a quoted field.
    quoted_null: Option<Vec<u8>>,
    comment: Option<u8>,
    state: FieldState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldState {
    RecordStart,
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two quotes.
    QuoteInQuotes,
    Escaped,
    EscapedInQuotes,
    /// After a NULL that begins like a quoted field, unless the field goes on.
    QuotedNull,
    Comment,
}

impl FieldCutter {
    fn new(dialect: &Dialect) -> Self {
        let quoted_null =
            dialect.nulls.iter().find(|null| null.first().is_some_and(|first| Some(*first) == dialect.quote));
        FieldCutter {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            escape: dialect.escapes.character(),
            quoted_null: quoted_null.cloned(),
            comment: dialect.comment,
            state: FieldState::RecordStart,
        }
    }

    fn last_end(&mut self, bytes: &[u8], new: usize) -> usize {
        if self.escape.is_none() && self.comment.is_none() && self.quoted_null.is_none() {
            return self.leap(bytes, new);
        }
        match self.plain_end(&bytes[new..]) {
            Some(end) => end_at(new, end),
            None => self.walk(bytes, new),
        }
    }

    /// The same if nothing is special but quotes, and the ends of lines and fields: looks at the quotes only, and at the
    /// bytes around them.
    fn leap(&mut self, bytes: &[u8], new: usize) -> usize {
        let Some(quote) = self.quote else { return self.plain_end(&bytes[new..]).map_or(0, |end| end_at(new, end)) };
        let (mut end, mut at) = (0, new);
        while at < bytes.len() {
            let next = memchr::memchr(quote, &bytes[at..]).map_or(bytes.len(), |found| at + found);
            match self.state {
                FieldState::Quoted if next == bytes.len() => return end,
                FieldState::Quoted => {
                    self.state = FieldState::QuoteInQuotes;
                    at = next + 1;
                }
                // two quotes are one that is part of the field
                FieldState::QuoteInQuotes if next == at => {
                    self.state = FieldState::Quoted;
                    at += 1;
                }
                _ => {
                    let outside = &bytes[at..next];
                    if let Some(line_end) = memchr::memrchr(b'\n', outside) {
                        end = at + line_end + 1;
                    }
                    self.state = match outside.last() {
                        None => self.state,
                        Some(b'\n') => FieldState::RecordStart,
                        Some(byte) if *byte == self.delimiter => FieldState::FieldStart,
                        Some(_) => FieldState::Plain,
                    };
                    let begins = matches!(self.state, FieldState::RecordStart | FieldState::FieldStart);
                    if next < bytes.len() {
                        self.state = if begins { FieldState::Quoted } else { FieldState::Plain };
                    }
                    at = next + 1;
                }
            }
        }
        end
    }

    /// The same from `bytes` alone if nothing in them is special but the ends of lines and fields: most exports have
    /// long stretches without quotes.
    fn plain_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let is_outside = matches!(self.state, FieldState::RecordStart | FieldState::FieldStart | FieldState::Plain);
        let special = [self.quote, self.escape, self.comment];
        let is_plain = is_outside && special.iter().flatten().all(|byte| memchr::memchr(*byte, bytes).is_none());
        let last = bytes.last().filter(|_| is_plain)?;
        self.state = match last {
            b'\n' => FieldState::RecordStart,
            byte if *byte == self.delimiter => FieldState::FieldStart,
            _ => FieldState::Plain,
        };
        Some(memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1))
    }

    fn walk(&mut self, bytes: &[u8], new: usize) -> usize {
        let mut end = 0;
        for (at, &byte) in bytes.iter().enumerate().skip(new) {
            let state = match self.state {
                FieldState::QuotedNull if [self.delimiter, b'\n', b'\r'].contains(&byte) => FieldState::Plain,
                FieldState::QuotedNull => FieldState::Quoted,
                state => state,
            };
            self.state = match state {
                FieldState::RecordStart if Some(byte) == self.comment => FieldState::Comment,
                FieldState::Comment if byte != b'\n' => FieldState::Comment,
                FieldState::EscapedInQuotes => FieldState::Quoted,
                FieldState::Escaped => FieldState::Plain,
                FieldState::Quoted if Some(byte) == self.escape => FieldState::EscapedInQuotes,
                FieldState::Quoted if Some(byte) == self.quote => FieldState::QuoteInQuotes,
                FieldState::Quoted if self.ends_null(bytes, at) => FieldState::QuotedNull,
                FieldState::Quoted => FieldState::Quoted,
                FieldState::QuoteInQuotes if Some(byte) == self.quote => FieldState::Quoted,
                FieldState::RecordStart | FieldState::FieldStart if Some(byte) == self.quote => FieldState::Quoted,
                _ if byte == b'\n' => {
                    end = at + 1;
                    FieldState::RecordStart
                }
                _ if byte == self.delimiter => FieldState::FieldStart,
                _ if Some(byte) == self.escape => FieldState::Escaped,
                _ => FieldState::Plain,
            };
        }
        end
    }

    /// Whether a NULL that begins like a quoted field ends at `at`.
    fn ends_null(&self, bytes: &[u8], at: usize) -> bool {
        let Some(null) = &self.quoted_null else { return false };
        let Some(start) = (at + 1).checked_sub(null.len()) else { return false };
        let begins_field = start.checked_sub(1).is_none_or(|before| [self.delimiter, b'\n'].contains(&bytes[before]));
        begins_field && bytes[start..=at] == **null
    }
}

/// An end in bytes that follow `start` others, if there is one.
fn end_at(start: usize, end: usize) -> usize {
    if end > 0 { start + end } else { 0 }
}

/// Documents end with their closing bracket. Those of an array are cut like those that follow each other.
#[derive(Default)]
struct DocumentCutter {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
    array: ArrayState,
}

/// The array around all documents, if there is one.
#[derive(Debug, Default, PartialEq, Eq)]
enum ArrayState {
    #[default]
    None,
    Open,
    Closed,
}

impl DocumentCutter {
    fn last_end(&mut self, bytes: &[u8], new: usize) -> usize {
        let mut end = 0;
        for (at, &byte) in bytes.iter().enumerate().skip(new) {
            match (self.in_text, byte) {
                (true, _) if self.is_escaped => self.is_escaped = false,
                (true, b'\\') => self.is_escaped = true,
                (true, b'"') => self.in_text = false,
                (true, _) => {}
                (false, b'"') => self.in_text = true,
                // the brackets of an array of documents are not counted
                (false, b'[') if self.depth > 0 => self.depth += 1,
                (false, b'[') => self.array = ArrayState::Open,
                (false, b']') if self.depth > 0 => self.depth -= 1,
                (false, b']') => self.array = ArrayState::Closed,
                (false, b'{') => self.depth += 1,
                (false, b'}') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        end = at + 1;
                    }
                }
                _ => {}
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::layout::resolve;
    use super::*;
    use crate::job::{FormatSettings, Origin, Preset};

    /// The blocks of a text, read a few bytes at a time.
    fn cut(text: &str, preset: Option<Preset>, name: &str) -> Vec<String> {
        let settings = FormatSettings { preset, ..FormatSettings::none(Origin::Flag("test")) };
        let layout = resolve(&settings, Path::new(name), &[]).unwrap().unwrap();
        let mut cutter = Blocks::new(io::empty(), &layout, 100, 100).cutter;
        let (mut blocks, mut rest) = (vec![], vec![]);
        for byte in text.bytes() {
            let before = rest.len();
            rest.push(byte);
            let end = cutter.last_end(&rest, before);
            if end > 0 {
                let block: Vec<u8> = rest.drain(..end).collect();
                blocks.push(String::from_utf8(block).unwrap());
            }
        }
        blocks.extend((!rest.is_empty()).then(|| String::from_utf8(rest).unwrap()));
        blocks
    }

    #[test]
    fn records_are_cut_outside_of_quotes() {
        assert_eq!(cut("a,\"b\nc\"\nd\n", None, "a.csv"), ["a,\"b\nc\"\n", "d\n"]);
        assert_eq!(cut("\"a\"\"\n\"\n5\" pipe\nx", None, "a.csv"), ["\"a\"\"\n\"\n", "5\" pipe\n", "x"]);
        assert_eq!(cut("a\\\nb\nc\"\n", Some(Preset::MysqlTab), "a"), ["a\\\nb\n", "c\"\n"]);
        let outfile = "\"a\\\"\n\",\\N\n1\n";
        assert_eq!(cut(outfile, Some(Preset::MysqlOutfile), "a"), ["\"a\\\"\n\",\\N\n", "1\n"]);
        let cloud = "1,\"N\n2,\"N,\n\"\n\"N,3\n";
        assert_eq!(cut(cloud, Some(Preset::CloudsqlMysql), "a"), ["1,\"N\n", "2,\"N,\n", "\"\n\"N,3\n"]);
        assert_eq!(cut("\"New\nYork\"\n1\n", Some(Preset::CloudsqlMysql), "a"), ["\"New\nYork\"\n", "1\n"]);
    }

    #[test]
    fn documents_are_cut_at_their_ends() {
        assert_eq!(cut("{\"a\": \"}\\\"{\"}\n{\"b\":[{}]}", None, "a.json"), ["{\"a\": \"}\\\"{\"}", "\n{\"b\":[{}]}"]);
        assert_eq!(cut("[{\"a\":[1]},\n {}]", None, "a.json"), ["[{\"a\":[1]}", ",\n {}", "]"]);
    }

    /// Looking at quotes alone finds the same ends as looking at every byte, however the bytes arrive.
    #[test]
    fn leaping_finds_what_walking_finds() {
        let layout = resolve(&FormatSettings::none(Origin::Flag("test")), Path::new("a.csv"), &[]).unwrap().unwrap();
        let Layout::Delimited(dialect) = layout else { panic!("CSV has fields") };
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..next(24)).map(|_| b"a,\"\n\r"[next(5) as usize]).collect();
            let (mut leaping, mut walking) = (FieldCutter::new(&dialect), FieldCutter::new(&dialect));
            let mut new = 0;
            while new < bytes.len() {
                let read = (new + 1 + next(6) as usize).min(bytes.len());
                let text = &bytes[..read];
                assert_eq!(leaping.leap(text, new), walking.walk(text, new), "{:?}", text.escape_ascii().to_string());
                let is_quoted = |cutter: &FieldCutter| cutter.state == FieldState::Quoted;
                assert_eq!(is_quoted(&leaping), is_quoted(&walking), "{:?}", text.escape_ascii().to_string());
                new = read;
            }
        }
    }

    #[test]
    fn blocks_know_their_lines_and_end_with_the_input() {
        let settings = FormatSettings::none(Origin::Flag("test"));
        let layout = resolve(&settings, Path::new("a.csv"), &[]).unwrap().unwrap();
        let mut blocks = Blocks::new("a\nb\n\"c\n".as_bytes(), &layout, 5, 100);
        let block = blocks.next_block().unwrap().unwrap();
        assert_eq!((&block.bytes[..], block.first_line, block.is_cut), (&b"a\nb\n"[..], 1, false));
        let block = blocks.next_block().unwrap().unwrap();
        assert_eq!((&block.bytes[..], block.first_line, block.is_cut), (&b"\"c\n"[..], 3, true));
        assert!(blocks.next_block().unwrap().is_none());
    }
}
