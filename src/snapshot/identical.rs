//! Finds columns whose chunks are the same bytes in both snapshots, so that nothing has to be decoded to compare them.
//!
//! The same bytes mean the same values only if both sides read them alike, so everything that determines how a chunk is
//! read must agree: its types and levels, its codec, and the type that it is read as. The pages are not decoded, but
//! their headers must count as many values as the footer, and their checksums must hold.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use arrow::datatypes::Field;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::bounds::guarded;
use super::file::LocalFile;
use super::{DataFile, FileRead, Snapshot};
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};

/// Bytes that are compared at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// One row group of each side.
type GroupPair<'a> = Sides<(&'a DataFile, usize)>;

/// Returns how many bytes of `columns` (indexes in the schemas) the parts of both sides have in common, on each side,
/// if all of them are the same; `None` if something differs, or may be read differently.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn identical_bytes(
    engine: &Engine,
    snapshots: &Sides<Snapshot>,
    reads: &Sides<Vec<FileRead>>,
    columns: &[Sides<usize>],
) -> Result<Option<u64>> {
    let groups = Sides::from_fn(|side| row_groups(&snapshots[side], &reads[side]));
    let Sides { old: Some(old), new: Some(new) } = groups else { return Ok(None) };
    if old.len() != new.len() {
        return Ok(None);
    }
    let pairs: Vec<GroupPair> = old.into_iter().zip(new).map(|(old, new)| Sides { old, new }).collect();
    // footers first: the sizes of chunks nearly always show a difference
    let mut chunks = vec![];
    for pair in &pairs {
        match chunks_read_alike(snapshots, pair, columns) {
            Some(alike) => chunks.push(alike),
            None => return Ok(None),
        }
    }
    let mut bytes = 0;
    for (pair, chunks) in pairs.iter().zip(chunks) {
        let files = Sides::try_from_fn(|side| pair[side].0.open())?;
        for chunk in chunks {
            engine.check_stop()?;
            let is_same = engine.timings.stage(Stage::Scan, || same_bytes(engine, &files, pair, &chunk))?;
            if !is_same || !has_sound_pages(engine, pair, chunk.old) {
                return Ok(None);
            }
            bytes += chunk.old.byte_range().1;
        }
    }
    Ok(Some(bytes))
}

/// The row groups that are read whole, in this order; `None` if some rows are left out.
fn row_groups<'a>(snapshot: &'a Snapshot, reads: &[FileRead]) -> Option<Vec<(&'a DataFile, usize)>> {
    let mut groups = vec![];
    for read in reads {
        let file = &snapshot.files[read.file];
        groups.extend(read.row_groups.iter().map(|group| (file, *group)));
    }
    reads.iter().all(|read| read.selection.is_none()).then_some(groups)
}

/// The chunks of columns in a pair of row groups, if their footers show no difference.
fn chunks_read_alike<'a>(
    snapshots: &Sides<Snapshot>,
    pair: &GroupPair<'a>,
    columns: &[Sides<usize>],
) -> Option<Vec<Sides<&'a ColumnChunkMetaData>>> {
    let meta = pair.map(|(file, group)| file.metadata.row_group(group));
    if meta.old.num_rows() != meta.new.num_rows() {
        return None;
    }
    let mut chunks = vec![];
    for column in columns {
        if !is_read_alike(snapshots, pair, column) {
            return None;
        }
        let leaves = Sides::from_fn(|side| snapshots[side].leaves(pair[side].0, &[column[side]]));
        if leaves.old.len() != leaves.new.len() {
            return None;
        }
        for (old, new) in leaves.old.into_iter().zip(leaves.new) {
            let chunk = Sides { old: meta.old.column(old), new: meta.new.column(new) };
            if layout(chunk.old) != layout(chunk.new) {
                return None;
            }
            chunks.push(chunk);
        }
    }
    Some(chunks)
}

/// Whether both sides read a column as one type: as its files store it, and as they are decoded.
fn is_read_alike(snapshots: &Sides<Snapshot>, pair: &GroupPair, column: &Sides<usize>) -> bool {
    let types = Sides::from_fn(|side| {
        let (snapshot, file, column) = (&snapshots[side], pair[side].0, column[side]);
        // partition columns and expressions are not stored
        let own = (column < snapshot.file_columns).then(|| snapshot.schema.field(column))?;
        let kind = |field: &Field| (field.data_type().clone(), field.metadata().clone());
        let stored = kind(file.schema.field_with_name(own.name()).ok()?);
        let decoded = kind(file.decoded.field_with_name(own.name()).ok()?);
        (stored == kind(own)).then_some((stored, decoded))
    });
    types.old.is_some() && types.old == types.new
}

/// What has to agree for the same bytes to be the same values.
fn layout(chunk: &ColumnChunkMetaData) -> impl PartialEq + use<> {
    let column = chunk.column_descr();
    let types =
        (column.physical_type(), column.logical_type_ref().cloned(), column.converted_type(), column.type_length());
    let decimal = (column.type_precision(), column.type_scale());
    let levels = (column.max_def_level(), column.max_rep_level());
    (types, decimal, levels, chunk.compression(), chunk.num_values(), chunk.byte_range().1)
}

fn same_bytes(
    engine: &Engine,
    files: &Sides<File>,
    pair: &GroupPair,
    chunk: &Sides<&ColumnChunkMetaData>,
) -> Result<bool> {
    let (start, len) = (chunk.map(|chunk| chunk.byte_range().0), chunk.old.byte_range().1 as usize);
    let mut blocks = Sides { old: vec![0; BLOCK_BYTES.min(len)], new: vec![0; BLOCK_BYTES.min(len)] };
    let mut done = 0;
    while done < len {
        let size = BLOCK_BYTES.min(len - done);
        for side in Side::BOTH {
            let read = files[side].read_exact_at(&mut blocks[side][..size], start[side] + done as u64);
            read.map_err(Error::unreadable(&pair[side].0.path))?;
        }
        engine.timings.count_read(2 * size as u64);
        if blocks.old[..size] != blocks.new[..size] {
            return Ok(false);
        }
        done += size;
    }
    Ok(true)
}

/// Whether the page headers of a chunk count as many values as its footer, and all checksums hold. The pages are not
/// decompressed.
fn has_sound_pages(engine: &Engine, pair: &GroupPair, chunk: &ColumnChunkMetaData) -> bool {
    let (file, group) = pair.old;
    let counted = guarded(|| {
        // declared as uncompressed, the contents of pages are returned as they are, after their checksums
        let raw = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let rows = file.metadata.row_group(group).num_rows() as usize;
        let input = Arc::new(LocalFile::of(file, &engine.timings)?);
        let mut pages = SerializedPageReader::new(input, &raw, rows, None)?;
        let mut values = 0;
        while let Some(page) = pages.get_next_page()? {
            if !matches!(page, Page::DictionaryPage { .. }) {
                values += i64::from(page.num_values());
            }
        }
        Ok::<_, ParquetError>(values)
    });
    counted.is_ok_and(|values| values == chunk.num_values())
}
