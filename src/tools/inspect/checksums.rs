//! Checks whether pages are at the offsets in the footer, and whether they have checksums, by the header of the first page of
//! every column chunk.
//!
//! A page header is a struct in Thrift's compact protocol, with its fields ordered by number: 1 is the type, 2 and 3
//! are sizes, and 4 is the optional checksum. A few bytes of it are enough.
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift> (PageHeader)

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use serde::{Deserialize, Serialize};

use super::{InspectFinding, Presence};
use crate::error::{Error, Result};
use crate::snapshot::{DataFile, Snapshot};

/// Whether pages have checksums, according to the first page of every column chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Checksums {
    /// Whether all, some, or none of the examined pages have a checksum.
    pub presence: Presence,
    /// The number of examined pages: the first of each column chunk.
    pub pages: u64,
    /// How many of them have a checksum.
    pub with: u64,
    /// How many of them are neither compressed nor have a checksum, so that a flipped bit goes undetected.
    pub unprotected: u64,
}

/// The needed fields of a page header.
#[derive(Debug, PartialEq, Eq)]
struct PageHeader {
    stored_bytes: u64,
    has_checksum: bool,
}

/// Four fields, each with at most three bytes for number and type and five bytes for the value.
const HEADER_BYTES: usize = 32;
/// The footer length and the magic bytes at the end of a file.
const TAIL_BYTES: u64 = 8;

/// Examines the first page of every column chunk. A file with a page at the wrong position is a finding.
pub(super) fn look(snapshot: &Snapshot, stop: &AtomicBool) -> Result<(Checksums, Vec<InspectFinding>)> {
    let mut seen = Checksums { presence: Presence::None, pages: 0, with: 0, unprotected: 0 };
    let mut damaged = vec![];
    for data in snapshot.files.iter() {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let found = match data.open() {
            Ok(file) => look_at_file(data, &file, &mut seen),
            Err(error) => Some(error),
        };
        damaged.extend(found.as_ref().map(InspectFinding::of));
    }
    seen.presence = Presence::of(seen.with, seen.pages);
    Ok((seen, damaged))
}

/// Adds up the pages of one file, and returns the first damage.
fn look_at_file(data: &DataFile, file: &File, seen: &mut Checksums) -> Option<Error> {
    let (mut first, mut more) = (None, 0);
    let end = end_of_data(file, data.size);
    for (row_group, group) in data.metadata.row_groups().iter().enumerate() {
        for chunk in group.columns().iter().filter(|chunk| chunk.num_values() > 0) {
            match first_header(file, end, chunk) {
                Some(header) => {
                    seen.pages += 1;
                    seen.with += u64::from(header.has_checksum);
                    let is_plain = chunk.compression() == Compression::UNCOMPRESSED;
                    seen.unprotected += u64::from(is_plain && !header.has_checksum);
                }
                None if first.is_none() => first = Some((row_group, chunk.column_path().string())),
                None => more += 1,
            }
        }
    }
    let (row_group, column) = first?;
    let others = if more == 0 { String::new() } else { format!(", as in {more} other column chunks") };
    let reason = format!("its first page is not at the offset in the footer{others}");
    Some(Error::Damaged { path: data.path.clone(), row_group, column, reason })
}

/// The offset at which the pages of a file end and its footer begins.
fn end_of_data(file: &File, size: u64) -> u64 {
    let mut length = [0; 4];
    let read = size.checked_sub(TAIL_BYTES).and_then(|at| file.read_exact_at(&mut length, at).ok().map(|()| at));
    read.map_or(0, |at| at.saturating_sub(u64::from(u32::from_le_bytes(length))))
}

/// The header of a chunk's first page; `None` if there is no valid header before `end`.
fn first_header(file: &File, end: u64, chunk: &ColumnChunkMetaData) -> Option<PageHeader> {
    let data = chunk.data_page_offset();
    // writers without a dictionary may set 0, which is the position of the file's magic bytes
    let dictionary = chunk.dictionary_page_offset().filter(|&offset| 0 < offset && offset < data);
    let offset = u64::try_from(dictionary.unwrap_or(data)).ok()?;
    let room = end.checked_sub(offset)?;
    let mut bytes = [0; HEADER_BYTES];
    let bytes = &mut bytes[..room.min(HEADER_BYTES as u64) as usize];
    file.read_exact_at(bytes, offset).ok()?;
    let header = parse(bytes)?;
    let needed = header.stored_bytes.max(u64::try_from(chunk.compressed_size()).ok()?);
    (needed <= room).then_some(header)
}

/// Parses the beginning of a page header.
fn parse(mut bytes: &[u8]) -> Option<PageHeader> {
    const I32: u8 = 5;
    const PAGE_TYPES: i64 = 4;
    let mut fields = [None; 5];
    let mut number = 0;
    loop {
        let byte = take(&mut bytes)?;
        // the high half is the distance from the previous field number; after a 0, the number itself follows
        number = match byte >> 4 {
            0 if byte == 0 => break,
            0 => zigzag(&mut bytes)?,
            step => number + i64::from(step),
        };
        let known = usize::try_from(number).ok().and_then(|number| fields.get_mut(number));
        let (Some(field), I32) = (known, byte & 0x0f) else { break };
        *field = Some(zigzag(&mut bytes)?);
    }
    let [_, Some(page_type), Some(size), Some(stored), checksum] = fields else { return None };
    let makes_sense = (0..PAGE_TYPES).contains(&page_type) && size >= 0;
    makes_sense.then_some(PageHeader { stored_bytes: u64::try_from(stored).ok()?, has_checksum: checksum.is_some() })
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

/// A signed integer of at most 32 bits: seven bits per byte, the lowest first, with the sign in the lowest bit.
fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let mut raw = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = take(bytes)?;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    None
}
