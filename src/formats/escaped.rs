//! Splits records in which a character gives the next one another meaning, as MySQL and PostgreSQL write them.

use super::blocks::Block;
use super::cells::{Cells, LineEnd, Problem};
use super::layout::{Dialect, Escapes, QuotedNulls};

/// Whether a dialect has more than quotes.
pub(super) fn is_needed(dialect: &Dialect) -> bool {
    let begins_quoted = |null: &Vec<u8>| null.first().is_some_and(|first| Some(*first) == dialect.quote);
    dialect.escapes != Escapes::None || dialect.nulls.iter().any(begins_quoted)
}

/// How the lines of PostgreSQL end, which escapes carriage returns in values.
pub(super) fn line_end(block: &Block) -> LineEnd {
    let end = memchr::memchr(b'\n', &block.bytes).and_then(|end| end.checked_sub(1));
    match end.is_some_and(|before| block.bytes[before] == b'\r') {
        true => LineEnd::CarriageReturn,
        false => LineEnd::Newline,
    }
}

/// The line after the last row of PostgreSQL's text format.
const END_OF_DATA: &[u8] = b"\\.";

/// Parses all records of a block.
pub(super) fn parse(dialect: &Dialect, line_end: LineEnd, block: &Block, cells: &mut Cells) -> Result<(), Problem> {
    let mut splitter = Splitter::new(dialect, line_end, block);
    while splitter.begin_record(cells.width()) {
        let line = splitter.line;
        let mut fields = 0;
        loop {
            let is_null = splitter.read_field();
            cells.push(fields, (!is_null).then_some(&splitter.field[..]));
            fields += 1;
            if splitter.is_at_end_of_record() {
                break;
            }
        }
        if splitter.is_at_end() && block.is_cut {
            return Err(Problem::OpenQuotes { line });
        }
        cells.end_row(line, fields)?;
    }
    Ok(())
}

/// The number of fields of the first record of a block.
pub(super) fn first_width(dialect: &Dialect, line_end: LineEnd, block: &Block) -> usize {
    let mut splitter = Splitter::new(dialect, line_end, block);
    let mut fields = 0;
    if splitter.begin_record(2) {
        loop {
            splitter.read_field();
            fields += 1;
            if splitter.is_at_end_of_record() {
                break;
            }
        }
    }
    fields
}

struct Splitter<'a> {
    dialect: &'a Dialect,
    line_end: LineEnd,
    bytes: &'a [u8],
    at: usize,
    line: u64,
    /// The current field, without quotes and escapes.
    field: Vec<u8>,
}

impl<'a> Splitter<'a> {
    fn new(dialect: &'a Dialect, line_end: LineEnd, block: &'a Block) -> Self {
        Splitter { dialect, line_end, bytes: &block.bytes, at: 0, line: block.first_line, field: vec![] }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Skips lines that are no records. Returns whether there is another record, of `width` fields.
    fn begin_record(&mut self, width: usize) -> bool {
        loop {
            let rest = &self.bytes[self.at..];
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = match self.line_end {
                LineEnd::CarriageReturn => rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len]),
                LineEnd::Newline => &rest[..len],
            };
            let is_comment = line.first().is_some_and(|first| Some(*first) == self.dialect.comment);
            match () {
                () if rest.is_empty() => return false,
                // rows of another COPY may follow
                () if self.dialect.escapes == Escapes::Postgres && line == END_OF_DATA => {
                    self.at += (len + 1).min(rest.len());
                    self.line += 1;
                }
                () if is_comment || line.is_empty() && width > 1 => {
                    self.at += (len + 1).min(rest.len());
                    self.line += 1;
                }
                () => return true,
            }
        }
    }

    /// Reads a field, up to the delimiter or the end of the line. Returns whether it is NULL.
    fn read_field(&mut self) -> bool {
        self.field.clear();
        for null in &self.dialect.nulls {
            let after = self.at + null.len();
            if self.bytes[self.at..].starts_with(null) && self.ends_field(after) {
                self.at = after;
                return true;
            }
        }
        match self.dialect.quote {
            Some(quote) if self.bytes.get(self.at) == Some(&quote) => {
                self.read_quoted(quote);
                self.read_plain();
                let is_null = || self.dialect.nulls.contains(&self.field);
                self.dialect.quoted_nulls == QuotedNulls::AreNull && is_null()
            }
            _ => {
                self.read_plain();
                false
            }
        }
    }

    fn read_quoted(&mut self, quote: u8) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                byte if Some(byte) == self.dialect.escapes.character() => self.read_escaped(),
                byte if byte == quote && self.bytes.get(self.at) == Some(&quote) => {
                    self.field.push(quote);
                    self.at += 1;
                }
                byte if byte == quote => return,
                byte => {
                    self.line += u64::from(byte == b'\n');
                    self.field.push(byte);
                }
            }
        }
    }

    fn read_plain(&mut self) {
        let (delimiter, escape) = (self.dialect.delimiter, self.dialect.escapes.character());
        loop {
            let rest = &self.bytes[self.at..];
            let len = memchr::memchr3(delimiter, b'\n', escape.unwrap_or(delimiter), rest).unwrap_or(rest.len());
            self.field.extend_from_slice(&rest[..len]);
            self.at += len;
            match rest.get(len) {
                Some(byte) if Some(*byte) == escape => {
                    self.at += 1;
                    self.read_escaped();
                }
                Some(b'\n') if self.line_end == LineEnd::CarriageReturn && rest[..len].ends_with(b"\r") => {
                    self.field.pop();
                    return;
                }
                _ => return,
            }
        }
    }

    /// Reads what follows an escape character.
    fn read_escaped(&mut self) {
        let Some(&byte) = self.bytes.get(self.at) else { return };
        self.at += 1;
        self.line += u64::from(byte == b'\n');
        let character = match (self.dialect.escapes, byte) {
            (_, b'b') => 0x08,
            (_, b'n') => b'\n',
            (_, b'r') => b'\r',
            (_, b't') => b'\t',
            (Escapes::Mysql(_), b'0') => 0,
            (Escapes::Mysql(_), b'Z') => 0x1a,
            (Escapes::Postgres, b'f') => 0x0c,
            (Escapes::Postgres, b'v') => 0x0b,
            (Escapes::Postgres, b'0'..=b'7') => self.read_digits(byte, 8, 2),
            (Escapes::Postgres, b'x') if self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) => {
                self.read_digits(b'0', 16, 2)
            }
            (_, byte) => byte,
        };
        self.field.push(character);
    }

    /// Reads up to `most` more digits of a byte.
    fn read_digits(&mut self, first: u8, base: u32, most: usize) -> u8 {
        let mut number = char::from(first).to_digit(base).unwrap_or(0);
        for _ in 0..most {
            let digit = self.bytes.get(self.at).and_then(|byte| char::from(*byte).to_digit(base));
            let Some(digit) = digit else { break };
            number = number * base + digit;
            self.at += 1;
        }
        number as u8
    }

    /// Whether a field that ends at `at` is followed by a delimiter, the end of the line, or the end of the block.
    fn ends_field(&self, at: usize) -> bool {
        match &self.bytes[at..] {
            [] | [b'\n', ..] => true,
            [b'\r', b'\n', ..] => self.line_end == LineEnd::CarriageReturn,
            [byte, ..] => *byte == self.dialect.delimiter,
        }
    }

    /// Passes the delimiter or the end of the line. Returns whether the record ends.
    fn is_at_end_of_record(&mut self) -> bool {
        if self.line_end == LineEnd::CarriageReturn && self.bytes[self.at..].starts_with(b"\r\n") {
            self.at += 1;
        }
        let passed = self.bytes.get(self.at).copied();
        self.at += 1;
        match passed {
            Some(byte) if byte == self.dialect.delimiter => false,
            Some(_) => {
                self.line += 1;
                true
            }
            None => true,
        }
    }
}
