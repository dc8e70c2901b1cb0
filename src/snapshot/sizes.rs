//! Estimates the memory needed to read a snapshot, from its footers.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use parquet::basic::{Compression, PageType};
use parquet::file::metadata::ColumnChunkMetaData;

use super::{DataFile, Snapshot, listing};
use crate::error::{Error, MemoryError, Result};
use crate::runtime::memory::Demand;
use crate::runtime::options::Limits;
use crate::sides::Owner;

/// Minimum memory for a footer, as a multiple of its length: while it is decoded, and afterwards.
const FOOTER_READ: u64 = 2;
const FOOTER_KEPT: u64 = 3;
/// Approximate bytes that a reader keeps per file besides its footer.
const FILE_BYTES: u64 = 2 << 10;
/// Bytes to decode a column, besides its pages and decompression.
const COLUMN_BYTES: u64 = 24 << 10;
const CODEC_BYTES: u64 = 160 << 10;
/// Size of a view, or of another cell without a fixed width, in bytes.
const CELL_BYTES: u64 = 16;

/// Refuses files whose footers alone do not fit into a limit, judged by their lengths: after decoding them, it is too
/// late. Unreadable files are ignored here; opening them reports the error.
///
/// # Errors
/// [`MemoryError::Footers`], with a limit that is large enough.
pub(crate) fn require_room_for_footers<'a>(
    limits: &Limits,
    sources: impl IntoIterator<Item = (Owner, &'a str)>,
) -> Result<()> {
    let mut total = 0;
    let mut largest = (0, PathBuf::new());
    for (owner, location) in sources {
        for file in listing::list(&owner, location).map(|listing| listing.files).unwrap_or_default() {
            let bytes = footer_length(&file.path).unwrap_or(0);
            total += bytes;
            if bytes > largest.0 {
                largest = (bytes, file.path);
            }
        }
    }
    let (bytes, path) = largest;
    let footer_bytes = FOOTER_KEPT * total + FOOTER_READ * bytes;
    match (Demand { footer_bytes, ..Demand::default() }).divide(&Limits { threads: 1, ..limits.clone() }) {
        Err(Error::Memory(MemoryError::TooSmall { limit, needed })) => {
            Err(MemoryError::Footers { limit, needed, path, bytes }.into())
        }
        divided => divided.map(drop),
    }
}

/// The length of the footer as specified in the file, at most the size of the file, in bytes.
fn footer_length(path: &Path) -> io::Result<u64> {
    const END: u64 = 8;
    let meta = std::fs::metadata(path)?;
    // opening a pipe would block until a process writes to it
    if !meta.is_file() || meta.len() < END {
        return Ok(0);
    }
    let mut end = [0; END as usize];
    File::open(path)?.read_exact_at(&mut end, meta.len() - END)?;
    let [a, b, c, d, magic @ ..] = end;
    Ok(if magic == *b"PAR1" { u64::from(u32::from_le_bytes([a, b, c, d])).min(meta.len()) } else { 0 })
}

impl Snapshot {
    /// The size of the footers in memory, in bytes.
    pub fn footer_bytes(&self) -> u64 {
        // the copy with the positions of all pages is created when rows are read again
        self.files.iter().map(|file| FILE_BYTES + 2 * file.metadata.memory_size() as u64).sum()
    }

    /// The size of the pages that are open at the same time while `columns` are read, in bytes: one of each column in
    /// the largest row group, compressed and decompressed.
    pub fn page_bytes(&self, columns: &[usize]) -> u64 {
        let groups = self.files.iter().flat_map(|file| {
            let leaves = self.leaves(file, columns);
            let of_group =
                move |group: &[ColumnChunkMetaData]| leaves.iter().map(|&leaf| open_bytes(&group[leaf])).sum();
            file.metadata.row_groups().iter().map(move |group| of_group(group.columns()))
        });
        groups.max().unwrap_or(0)
    }

    /// The average size of a row of `columns` in memory, in bytes.
    pub fn row_bytes(&self, columns: &[usize]) -> u64 {
        let rows = self.rows().max(1);
        let stored: u64 = self
            .files
            .iter()
            .map(|file| {
                let leaves = self.leaves(file, columns);
                let groups = file.metadata.row_groups().iter();
                let bytes = |leaf: &usize, group: &[ColumnChunkMetaData]| decoded_bytes(&group[*leaf]);
                groups.map(|group| leaves.iter().map(|leaf| bytes(leaf, group.columns())).sum::<u64>()).sum::<u64>()
            })
            .sum();
        let fixed = |at: &usize| width(self.schema.field(*at).data_type());
        columns.iter().map(fixed).sum::<u64>() + stored / rows
    }

    /// The leaf columns of a file that a scan of `columns` decodes.
    pub(super) fn leaves(&self, file: &DataFile, columns: &[usize]) -> Vec<usize> {
        let inputs = self.inputs(columns);
        let names: HashSet<&str> = inputs.iter().map(|&at| self.schema.field(at).name().as_str()).collect();
        let schema = file.metadata.file_metadata().schema_descr();
        let is_read = |leaf: &usize| names.contains(schema.get_column_root(*leaf).name());
        (0..schema.num_columns()).filter(is_read).collect()
    }
}

/// A page of a column chunk, its dictionary, and the memory to decode them; the whole chunk, if its footer does not
/// count the pages.
fn open_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let bytes = chunk.compressed_size().saturating_add(chunk.uncompressed_size()).max(0) as u64;
    let codec = match chunk.compression() {
        Compression::ZSTD(_) | Compression::BROTLI(_) | Compression::GZIP(_) => CODEC_BYTES,
        _ => 0,
    };
    let is_data = |page: PageType| matches!(page, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
    let counts = chunk.page_encoding_stats().into_iter().flatten().filter(|stats| is_data(stats.page_type));
    let pages: u64 = counts.map(|stats| stats.count.max(0) as u64).sum();
    COLUMN_BYTES + codec + if pages > 2 { 2 * bytes / pages } else { bytes }
}

/// The decoded size of the text in a column chunk, in bytes. If its footer does not specify it, the encoded size is
/// used: a dictionary stores a text once that many rows have.
fn decoded_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let decoded = chunk.unencoded_byte_array_data_bytes().unwrap_or(0);
    decoded.max(chunk.uncompressed_size()).max(0) as u64
}

/// The size of a cell besides its text, in bytes.
fn width(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| width(field.data_type())).sum(),
        other => other.primitive_width().map_or(CELL_BYTES, |width| width as u64),
    }
}
