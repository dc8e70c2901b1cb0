//! Checks the beginning of a footer before the Parquet library decodes it.
//!
//! The library recurses as deep as the schema is nested, and allocates memory for as many children and row groups as
//! the footer specifies. A malicious or damaged footer would end the whole process: neither a stack overflow nor a
//! failed allocation can be caught. So these numbers are checked here first. A footer is a struct in Thrift's compact
//! protocol.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Maximum nesting of a schema, in Parquet groups. A list takes two of them.
pub(super) const DEPTH_MAX: usize = 256;
/// Maximum nesting of skipped values, which is also the limit of the library.
const SKIP_DEPTH_MAX: u32 = 64;
/// Size of the footer length and the magic number, in bytes.
const TAIL_BYTES: u64 = 8;
const MAGIC: &[u8; 4] = b"PAR1";

/// The types of fields and elements in Thrift's compact protocol.
mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
}

/// The fields of `FileMetaData` that are read.
const SCHEMA: i16 = 2;
const ROW_GROUPS: i16 = 4;
const ENCRYPTION_ALGORITHM: i16 = 8;
/// The field of `SchemaElement` with the number of its children among the following elements.
const CHILDREN: i16 = 5;

/// Facts about a footer.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub row_groups: u64,
    /// Whether some columns are encrypted.
    pub is_encrypted: bool,
}

/// Checks that a file's footer can be decoded. A missing footer is not an error here: the library reports it.
///
/// # Errors
/// A message to follow `has a damaged Parquet footer: `.
pub(super) fn outline(file: &File, size: u64) -> Result<Outline, String> {
    match footer(file, size).map_err(|error| error.to_string())? {
        None => Ok(Outline::default()),
        Some((input, bytes)) => Walk { input, left: bytes }.file_metadata(),
    }
}

/// Whether an offset index of `bytes` bytes, which begins with `start`, can contain as many pages as it specifies. The
/// library allocates memory for all of them before it reads the first.
pub(super) fn has_room_for_pages(start: &[u8], bytes: u64) -> bool {
    match start.split_first() {
        // field 1, a list
        Some((0x19, list)) => Walk { input: list, left: bytes }.list().is_ok(),
        _ => true,
    }
}

/// Whether a column index can contain as many pages as each of its lists specifies.
pub(super) fn has_room_for_bounds(index: &[u8]) -> bool {
    Walk { input: index, left: index.len() as u64 }.skip(kind::STRUCT, 0).is_ok()
}

/// The footer of a file and its length in bytes; `None` if the file does not end like a Parquet file.
fn footer(mut file: &File, size: u64) -> io::Result<Option<(impl Read, u64)>> {
    let Some(end) = size.checked_sub(TAIL_BYTES) else { return Ok(None) };
    let mut tail = [0; TAIL_BYTES as usize];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    let bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(start) = end.checked_sub(bytes).filter(|_| magic == *MAGIC) else { return Ok(None) };
    file.seek(SeekFrom::Start(start))?;
    Ok(Some((BufReader::new(file).take(bytes), bytes)))
}

/// Steps through a footer.
struct Walk<R> {
    input: R,
    /// Bytes that are left.
    left: u64,
}

impl<R: Read> Walk<R> {
    fn file_metadata(&mut self) -> Result<Outline, String> {
        let mut id = 0;
        let mut outline = Outline::default();
        loop {
            let kind = self.field(&mut id)?;
            match (id, kind) {
                (_, kind::STOP) => return Ok(outline),
                (SCHEMA, kind::LIST) => self.schema()?,
                (ROW_GROUPS, kind::LIST) => {
                    let (kind, elements) = self.list()?;
                    outline.row_groups = elements;
                    (0..elements).try_for_each(|_| self.skip_element(kind, 1))?;
                }
                (ENCRYPTION_ALGORITHM, kind) => {
                    outline.is_encrypted = true;
                    self.skip(kind, 0)?;
                }
                (SCHEMA | ROW_GROUPS, _) => return Err(format!("its field {id} is not a list")),
                (_, kind) => self.skip(kind, 0)?,
            }
        }
    }

    /// Walks through the elements of a schema. Each is followed by its children.
    fn schema(&mut self) -> Result<(), String> {
        let (kind, elements) = self.list()?;
        if elements > 0 && kind != kind::STRUCT {
            return Err("its schema is not a list of structs".into());
        }
        // for each enclosing group, how many of its children are still to come
        let mut open: Vec<u64> = vec![];
        for element in 0..elements {
            let children = self.schema_element()?;
            if let Some(siblings) = open.last_mut() {
                *siblings -= 1;
            }
            if children > elements - element - 1 {
                return Err(format!(
                    "its schema has an element with {children} children, but only {elements} elements"
                ));
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > DEPTH_MAX {
                return Err(format!("its schema is nested more than {DEPTH_MAX} levels deep"));
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        Ok(())
    }

    fn schema_element(&mut self) -> Result<u64, String> {
        let (mut id, mut children) = (0, 0);
        loop {
            match self.field(&mut id)? {
                kind::STOP => return Ok(children),
                kind::I32 if id == CHILDREN => {
                    let number = zigzag(self.varint()?);
                    children = u64::try_from(number).map_err(|_| format!("its schema has {number} children"))?;
                }
                _ if id == CHILDREN => return Err("the number of children in its schema is not a number".into()),
                kind => self.skip(kind, 0)?,
            }
        }
    }

    /// The type of the next field. `id` is the ID of the previous field and becomes that of this one.
    fn field(&mut self, id: &mut i16) -> Result<u8, String> {
        let byte = self.byte()?;
        let kind = byte & 0x0f;
        if kind == kind::STOP {
            return Ok(kind);
        }
        let next = match byte >> 4 {
            0 => i16::try_from(zigzag(self.varint()?)).ok(),
            step => id.checked_add(i16::from(step)),
        };
        *id = next.ok_or("the ID of a field in it is out of range")?;
        Ok(kind)
    }

    /// The type and the number of the elements of a list. Each takes at least one byte.
    fn list(&mut self) -> Result<(u8, u64), String> {
        let byte = self.byte()?;
        let elements = match byte >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        if elements > self.left {
            return Err(format!("a list of {elements} elements begins only {} bytes before its end", self.left));
        }
        Ok((byte & 0x0f, elements))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), String> {
        if depth > SKIP_DEPTH_MAX {
            return Err(format!("its values are nested more than {SKIP_DEPTH_MAX} levels deep"));
        }
        match kind {
            // the type of a boolean field contains its value
            kind::TRUE | kind::FALSE => Ok(()),
            kind::BYTE => self.pass(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.pass(8),
            kind::BINARY => {
                let bytes = self.varint()?;
                self.pass(bytes)
            }
            kind::LIST | kind::SET => {
                let (kind, elements) = self.list()?;
                (0..elements).try_for_each(|_| self.skip_element(kind, depth + 1))
            }
            kind::MAP => {
                let entries = self.varint()?;
                let kinds = if entries == 0 { 0 } else { self.byte()? };
                (0..entries).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth + 1)?;
                    self.skip_element(kinds & 0x0f, depth + 1)
                })
            }
            kind::STRUCT => {
                let mut id = 0;
                loop {
                    match self.field(&mut id)? {
                        kind::STOP => return Ok(()),
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            kind => Err(format!("a value in it has the unknown type {kind}")),
        }
    }

    /// Skips an element of a list, where a boolean takes a byte.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<(), String> {
        match kind {
            kind::TRUE | kind::FALSE => self.pass(1),
            kind => self.skip(kind, depth),
        }
    }

    fn pass(&mut self, bytes: u64) -> Result<(), String> {
        match io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink()) {
            Ok(passed) if passed == bytes => {
                self.left = self.left.saturating_sub(bytes);
                Ok(())
            }
            Ok(_) => Err(ENDS.into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        let mut byte = [0];
        self.input.read_exact(&mut byte).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ENDS.to_string(),
            _ => error.to_string(),
        })?;
        self.left = self.left.saturating_sub(1);
        Ok(byte[0])
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number in it does not end".into())
    }
}

const ENDS: &str = "it ends within a value";

/// A signed number in zigzag encoding: 0, -1, 1, -2 …
fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
