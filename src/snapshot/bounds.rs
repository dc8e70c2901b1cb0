//! Reads the footer of a file that somebody else has written, and holds its numbers against the file.
//!
//! Everything that reads rows trusts the footer's offsets and counts, and some of the Parquet library panics where they
//! make no sense. They are checked once, so that a damaged footer is named with its row group and column, and not met
//! in the middle of the work.

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

/// More rows than any file has. Sums of what fewer rows take fit 64 bits.
const ROWS_MAX: i64 = 1 << 44;
/// More bytes than any column chunk has once it is decompressed.
const CHUNK_BYTES_MAX: i64 = 1 << 44;

/// The Parquet library numbers row groups with 16 bits, as the format does in an optional field.
pub(super) const ROW_GROUPS_MAX: u64 = i16::MAX as u64;

/// What is wrong with a footer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FooterFlaw {
    /// It says what cannot be.
    Footer(String),
    /// The library cannot read it, whoever is to blame, or its file is no Parquet file.
    Unreadable(String),
    /// It lists more row groups than the Parquet library can number.
    RowGroups(u64),
    /// Some columns take a key to read.
    Encrypted,
    /// What it says of a column chunk.
    Chunk {
        /// The row group, counted from 0.
        row_group: usize,
        /// The column's path.
        column: String,
        /// Why that cannot be.
        reason: String,
    },
}

impl Display for FooterFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FooterFlaw::Footer(reason) | FooterFlaw::Unreadable(reason) => f.write_str(reason),
            FooterFlaw::RowGroups(number) => {
                write!(f, "it has {number} row groups, of which {ROW_GROUPS_MAX} can be read")
            }
            FooterFlaw::Encrypted => f.write_str("it has encrypted columns"),
            FooterFlaw::Chunk { row_group, column, reason } => {
                write!(f, "row group {row_group}, column `{column}`: {reason}")
            }
        }
    }
}

/// Reads the footer of a file and the Arrow schema that its writer left in it.
///
/// That schema is a hint. Tools that rename or drop columns leave it as it was, others write types that Arrow's own reader
/// does not know or nest deeper than it follows; the file is then read by its Parquet types alone.
pub(super) fn load(file: &File, size: u64) -> Result<Loaded, FooterFlaw> {
    let outline = outline(file, size).map_err(FooterFlaw::Footer)?;
    if outline.row_groups > ROW_GROUPS_MAX {
        return Err(FooterFlaw::RowGroups(outline.row_groups));
    }
    if outline.is_encrypted {
        return Err(FooterFlaw::Encrypted);
    }
    // the counts of pages say how large these are
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

/// A footer that was read.
pub(super) struct Loaded {
    /// What readers take.
    pub footer: ArrowReaderMetadata,
    /// The schema as its writer annotated it.
    pub stored: SchemaDescPtr,
}

/// A footer as it is read by: with the types that values are read in, and with a count of rows that is that of the row
/// groups. Readers stop at the footer's own, which some old writers left at 0.
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

/// The same row groups in a footer that says something else of the file.
pub(super) fn with_file(metadata: ParquetMetaData, file: FileMetaData) -> ParquetMetaData {
    let groups = metadata.into_builder().take_row_groups();
    ParquetMetaDataBuilder::new(file).set_row_groups(groups).build()
}

/// Opens a Parquet file that is read from its beginning to its end, and is no snapshot: a list, or a table of a run.
pub(crate) fn open_parquet(file: File) -> Result<ParquetRecordBatchReaderBuilder<File>, FooterFlaw> {
    let size = file.metadata().map_err(|error| FooterFlaw::Footer(error.to_string()))?.len();
    let Loaded { footer, .. } = load(&file, size)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer))
}

/// Decodes something of a file. Where the library panics over what it finds there, that is the file's fault, and an
/// error like all others.
pub(crate) fn guarded<T, E: Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match panic::catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("the decoder gave up: {}", text.unwrap_or_default()))
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

/// Whether the offset indexes of a file can be decoded; they are only a help, and the file is read without them otherwise.
pub(super) fn has_decodable_pages(metadata: &ParquetMetaData, file: &File) -> bool {
    /// What a field and the number of a list's elements take at most.
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

/// Checks that a footer's numbers are possible in a file of this size.
fn require_possible(metadata: &ParquetMetaData, size: u64) -> Result<(), FooterFlaw> {
    let footer = |reason: String| Err(FooterFlaw::Footer(reason));
    let mut rows: i64 = 0;
    for (row_group, group) in metadata.row_groups().iter().enumerate() {
        let own = group.num_rows();
        rows = rows.saturating_add(own);
        if own < 0 || rows > ROWS_MAX {
            return footer(format!("row group {row_group} promises {own} rows"));
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
        promised => footer(format!("it promises {promised} rows")),
    }
}

/// What is impossible about a column chunk, in words.
fn flaw(chunk: &ColumnChunkMetaData, group: &RowGroupMetaData, size: u64) -> Option<String> {
    let (values, rows) = (chunk.num_values(), group.num_rows());
    let decoded = [chunk.uncompressed_size(), chunk.unencoded_byte_array_data_bytes().unwrap_or(0)];
    if let Some(bytes) = decoded.into_iter().find(|bytes| !(0..=CHUNK_BYTES_MAX).contains(bytes)) {
        return Some(format!("its footer says that it takes {bytes} bytes decompressed"));
    }
    // a column that does not repeat has one value or NULL for each row, others at least one
    let is_flat = chunk.column_descr().max_rep_level() == 0;
    if values < rows || is_flat && values != rows {
        return Some(format!("its footer promises {values} values for the {rows} rows of the row group"));
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
