//! Locates a read error: the engine reports what went wrong, and the user needs to know where.

use std::io;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::schema::types::Type;

use super::bounds::{guarded, guarded_next};
use super::file::prepared;
use super::types::is_map;
use super::{DataFile, FileRead, Snapshot};
use crate::error::{Error, Result};

/// Reads a failed part again, one column chunk at a time, until one fails. `reason` is the message of the decoder.
///
/// This costs a second read of the part, but only after a run has failed.
pub(super) fn locate(snapshot: &Snapshot, read: &FileRead, reason: &str) -> Error {
    let file = &snapshot.files[read.file];
    match file.require_unchanged().and_then(|()| check(file, read)) {
        Err(found) => found,
        // a disk or a network may fail only once
        Ok(()) => Error::Unreadable {
            path: file.path.clone(),
            source: io::Error::other(format!("{reason}; a second read of the same data succeeded")),
        },
    }
}

fn check(file: &DataFile, read: &FileRead) -> Result<()> {
    let leaves = file.metadata.file_metadata().schema_descr().num_columns();
    for &row_group in &read.row_groups {
        for leaf in 0..leaves {
            check_chunk(file, row_group, leaf)?;
        }
    }
    Ok(())
}

fn check_chunk(file: &DataFile, row_group: usize, leaf: usize) -> Result<()> {
    let damaged = |reason: String| Error::Damaged {
        path: file.path.clone(),
        row_group,
        column: file.metadata.file_metadata().schema_descr().column(leaf).path().string(),
        reason,
    };
    let input = file.open()?;
    let reader = guarded(|| {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, prepared(file)?);
        let schema = builder.parquet_schema();
        let root = schema.get_column_root(leaf);
        // the reader does not accept a map without its values
        let mask = match holds_map(root) {
            false => ProjectionMask::leaves(schema, [leaf]),
            true => ProjectionMask::roots(schema, [schema.get_column_root_idx(leaf)]),
        };
        builder.with_row_groups(vec![row_group]).with_projection(mask).build()
    });
    let mut reader = reader.map_err(damaged)?;
    let mut rows = 0;
    while let Some(batch) = guarded_next(&mut reader) {
        rows += batch.map_err(damaged)?.num_rows() as i64;
    }
    match file.metadata.row_group(row_group).num_rows() {
        promised if promised == rows => Ok(()),
        promised => Err(damaged(format!("it has {rows} rows, but the footer specifies {promised}"))),
    }
}

fn holds_map(column: &Type) -> bool {
    is_map(column) || column.is_group() && column.get_fields().iter().any(|field| holds_map(field))
}
