//! Reads the footer of a file and validates its numbers against the file.
//!
//! All code that reads rows trusts the offsets and counts in the footer, and some of the Parquet library panics if they
//! are wrong. They are checked once, so that a damaged footer is reported with its row group and column, and not found
//! in the middle of a run.

use std::fmt::{self, Display};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataOptions,
    ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::schema::types::SchemaDescPtr;

use super::annotations;
use super::head::{has_room_for_pages, outline};

/// More rows than any file has. Sums over fewer rows fit into 64 bits.
const ROWS_MAX: i64 = 1 << 44;
/// More bytes than any decompressed column chunk has.
const CHUNK_BYTES_MAX: i64 = 1 << 44;

/// The Parquet library numbers row groups with 16 bits, as the format does in an optional field.
pub(super) const ROW_GROUPS_MAX: u64 = i16::MAX as u64;

/// What is wrong with a footer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FooterFlaw {
    /// A number in it is impossible.
    Footer(String),
    /// The library cannot decode it, or the file is not a Parquet file.
    Unreadable(String),
    /// It lists more row groups than the Parquet library can number.
    RowGroups(u64),
    /// Some columns are encrypted.
    Encrypted,
    /// A number of a column chunk is impossible.
    Chunk {
        /// The row group, counted from 0.
        row_group: usize,
        /// The path of the column.
        column: String,
        /// What is impossible.
        reason: String,
    },
}

impl Display for FooterFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FooterFlaw::Footer(reason) | FooterFlaw::Unreadable(reason) => f.write_str(reason),
            FooterFlaw::RowGroups(number) => {
                write!(f, "it has {number} row groups, but at most {ROW_GROUPS_MAX} can be read")
            }
            FooterFlaw::Encrypted => f.write_str("it has encrypted columns"),
            FooterFlaw::Chunk { row_group, column, reason } => {
                write!(f, "row group {row_group}, column `{column}`: {reason}")
            }
        }
    }
}

/// Reads the footer of a file and the Arrow schema that its writer stored in it.
///
/// That schema is a hint. Tools that rename or drop columns do not update it, and others write types that Arrow's
/// reader does not support or nest deeper than it can follow. In these cases, the file is read by its Parquet types
/// alone.
pub(super) fn load(file: &File, size: u64) -> Result<Loaded, FooterFlaw> {
    let outline = outline(file, size).map_err(FooterFlaw::Footer)?;
    if outline.row_groups > ROW_GROUPS_MAX {
        return Err(FooterFlaw::RowGroups(outline.row_groups));
    }
    if outline.is_encrypted {
        return Err(FooterFlaw::Encrypted);
    }
    // the number of pages determines how large these indexes are
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let decode = || ParquetMetaDataReader::new().with_metadata_options(Some(options)).parse_and_finish(file);
    let metadata = guarded(decode).map_err(FooterFlaw::Unreadable)?;
    require_possible(&metadata, size)?;
    let stored = metadata.file_metadata().schema_descr_ptr();
    let metadata = guarded(|| settled(metadata)).map_err(FooterFlaw::Unreadable)?;
    let with = |skip: bool| {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(skip);
        guarded(|| ArrowReaderMetadata::try_new(metadata.clone(), options))
    };
    let footer = with(false).or_else(|_| with(true)).map_err(FooterFlaw::Unreadable)?;
    Ok(Loaded { footer, stored })
}

/// A footer that was read and checked.
pub(super) struct Loaded {
    /// The metadata for readers.
    pub footer: ArrowReaderMetadata,
    /// The schema as its writer annotated it.
    pub stored: SchemaDescPtr,
}

/// A footer for reading: with the types in which values are read, and with the row count of the row groups. Readers
/// stop at the row count of the footer, which some old writers left at 0.
fn settled(metadata: ParquetMetaData) -> parquet::errors::Result<Arc<ParquetMetaData>> {
    let file = metadata.file_metadata();
    let rows = metadata.row_groups().iter().map(RowGroupMetaData::num_rows).sum();
    let schema = annotations::readable(file.schema_descr())?;
    if schema.is_none() && file.num_rows() == rows {
        return Ok(metadata.into());
    }
    let schema = schema.unwrap_or_else(|| file.schema_descr_ptr());
    let file = FileMetaData::new(
        file.version(),
        rows,
        file.created_by().map(str::to_string),
        file.key_value_metadata().cloned(),
        schema,
        file.column_orders().cloned(),
    );
    Ok(with_file(metadata, file).into())
}

/// The same row groups in a footer with other file metadata.
pub(super) fn with_file(metadata: ParquetMetaData, file: FileMetaData) -> ParquetMetaData {
    let groups = metadata.into_builder().take_row_groups();
    ParquetMetaDataBuilder::new(file).set_row_groups(groups).build()
}

/// Opens a Parquet file that is read sequentially and is not a snapshot: a list, or a table of a run.
pub(crate) fn open_parquet(file: File) -> Result<ParquetRecordBatchReaderBuilder<File>, FooterFlaw> {
    let size = file.metadata().map_err(|error| FooterFlaw::Footer(error.to_string()))?.len();
    let Loaded { footer, .. } = load(&file, size)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer))
}

/// Runs a decoder. If the library panics on the content of a file, the file is at fault, and the panic becomes an error
/// like any other.
pub(crate) fn guarded<T, E: Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match panic::catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("the decoder panicked: {}", text.unwrap_or_default()))
        }
    }
}

/// [`guarded`] for the items of a reader.
pub(super) fn guarded_next<T, E>(reader: &mut impl Iterator<Item = Result<T, E>>) -> Option<Result<T, String>>
where
    E: Display,
{
    guarded(|| reader.next().transpose()).transpose()
}

/// Whether the offset indexes of a file can be decoded. They are optional: if not, the file is read without them.
pub(super) fn has_decodable_pages(metadata: &ParquetMetaData, file: &File) -> bool {
    /// Maximum size of a field header and of the length of a list, in bytes.
    const START_BYTES: u64 = 12;
    let chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let ranges = chunks.filter_map(|chunk| Some((chunk.offset_index_offset()?, chunk.offset_index_length()?)));
    ranges.filter_map(|(offset, bytes)| u64::try_from(offset).ok().zip(u64::try_from(bytes).ok())).all(
        |(offset, bytes)| {
            let mut start = vec![0; usize::try_from(bytes.min(START_BYTES)).unwrap_or(0)];
            file.read_exact_at(&mut start, offset).is_ok() && has_room_for_pages(&start, bytes)
        },
    )
}

/// Checks that the numbers in a footer are possible for a file of this size.
fn require_possible(metadata: &ParquetMetaData, size: u64) -> Result<(), FooterFlaw> {
    let footer = |reason: String| Err(FooterFlaw::Footer(reason));
    let mut rows: i64 = 0;
    for (row_group, group) in metadata.row_groups().iter().enumerate() {
        let own = group.num_rows();
        rows = rows.saturating_add(own);
        if own < 0 || rows > ROWS_MAX {
            return footer(format!("row group {row_group} specifies {own} rows"));
        }
        if group.total_byte_size() < 0 {
            return footer(format!("row group {row_group} has {} bytes", group.total_byte_size()));
        }
        for chunk in group.columns() {
            flaw(chunk, group, size).map_or(Ok(()), |reason| {
                Err(FooterFlaw::Chunk { row_group, column: chunk.column_path().string(), reason })
            })?;
        }
    }
    match metadata.file_metadata().num_rows() {
        promised if (0..=ROWS_MAX).contains(&promised) => Ok(()),
        promised => footer(format!("it specifies {promised} rows")),
    }
}

/// What is impossible about a column chunk, as an error message.
fn flaw(chunk: &ColumnChunkMetaData, group: &RowGroupMetaData, size: u64) -> Option<String> {
    let (values, rows) = (chunk.num_values(), group.num_rows());
    let decoded = [chunk.uncompressed_size(), chunk.unencoded_byte_array_data_bytes().unwrap_or(0)];
    if let Some(bytes) = decoded.into_iter().find(|bytes| !(0..=CHUNK_BYTES_MAX).contains(bytes)) {
        return Some(format!("its footer specifies a decompressed size of {bytes} bytes"));
    }
    // a column that does not repeat has one value or NULL per row; other columns have at least one
    let is_flat = chunk.column_descr().max_rep_level() == 0;
    if values < rows || is_flat && values != rows {
        return Some(format!("its footer specifies {values} values for the {rows} rows of the row group"));
    }
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let ranges = [
        ("pages", Some(start), Some(chunk.compressed_size())),
        ("data pages", Some(chunk.data_page_offset()), Some(0)),
        ("column index", chunk.column_index_offset(), chunk.column_index_length().map(i64::from)),
        ("offset index", chunk.offset_index_offset(), chunk.offset_index_length().map(i64::from)),
    ];
    ranges.into_iter().find_map(|(name, offset, length)| {
        let (offset, length) = (offset?, length.unwrap_or(0));
        let end = u64::try_from(offset).ok().zip(u64::try_from(length).ok());
        let is_inside = end.and_then(|(offset, length)| offset.checked_add(length)).is_some_and(|end| end <= size);
        (!is_inside)
            .then(|| format!("its footer puts {length} bytes of {name} at byte {offset} of a file of {size} bytes"))
    })
}
