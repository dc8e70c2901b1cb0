//! The statistics of one column: per row group from the footers, per page from the page indexes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::bounds::guarded;
use super::file::with_positions;
use super::head::has_room_for_bounds;
use super::{DataFile, Mixed, Snapshot};

/// The statistics of one column: one entry per row group, in the order of [`Snapshot::row_groups`].
#[derive(Debug)]
pub struct Statistics {
    /// The minimum, in the type of the column; NULL if the footer does not specify it or there is no value.
    pub mins: ArrayRef,
    /// The maximum, likewise.
    pub maxs: ArrayRef,
    /// The number of NULLs; NULL if the footer does not specify it.
    pub nulls: UInt64Array,
    /// Whether the minimum is a value of the column: a writer may truncate a long one.
    pub min_exact: BooleanArray,
    /// Whether the maximum is a value of the column.
    pub max_exact: BooleanArray,
}

/// The statistics of one column in one row group, with one entry per page.
#[derive(Debug)]
pub(crate) struct PageStatistics {
    /// The first row of each page, counted from 0 in the row group. Ascends strictly, from 0.
    pub first_rows: Vec<u64>,
    /// The minimum, which may be a truncated value, in the type of the column; NULL if the page has no value.
    pub mins: ArrayRef,
    /// The maximum, which may be a rounded value, likewise.
    pub maxs: ArrayRef,
    /// The number of NULLs; NULL if the page index does not specify it.
    pub nulls: UInt64Array,
}

impl Snapshot {
    /// The statistics of the pages of a column; `None` if the file has no page index that can be used.
    pub(crate) fn page_statistics(&self, column: usize, file: usize, row_group: usize) -> Option<PageStatistics> {
        let field = self.schema.field(column);
        if Mixed::of(field).is_some() {
            return None;
        }
        let file = &self.files[file];
        guarded(|| of_pages(file, row_group, field)).ok().flatten()
    }

    /// The statistics of a column; `None` for columns without their own statistics (nested and partition columns) and
    /// for columns on which the files do not agree.
    pub fn statistics(&self, column: usize) -> Option<Statistics> {
        let field = self.schema.field(column);
        if Mixed::of(field).is_some() {
            return None;
        }
        let parts: Vec<Statistics> = self.files.iter().map(|file| of_file(file, field)).collect::<Option<_>>()?;
        let join = |part: fn(&Statistics) -> &dyn Array| concat(&parts.iter().map(part).collect::<Vec<_>>()).ok();
        let flags = |part: fn(&Statistics) -> &BooleanArray| parts.iter().flat_map(part).collect();
        Some(Statistics {
            mins: join(|part| part.mins.as_ref())?,
            maxs: join(|part| part.maxs.as_ref())?,
            nulls: parts.iter().flat_map(|part| &part.nulls).collect(),
            min_exact: flags(|part| &part.min_exact),
            max_exact: flags(|part| &part.max_exact),
        })
    }
}

fn of_file(file: &DataFile, field: &Field) -> Option<Statistics> {
    let parquet = file.metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(field.name(), &file.schema, parquet).ok()?;
    converter.parquet_column_index()?;
    read(&converter.with_missing_null_counts_as_zero(false), file, field.data_type()).ok()
}

fn read(converter: &StatisticsConverter, file: &DataFile, data_type: &DataType) -> Result<Statistics, ParquetError> {
    let groups = file.metadata.row_groups();
    // the types of the files may differ; the type of the side represents all of their values
    Ok(Statistics {
        mins: exactly(&converter.row_group_mins(groups)?, data_type)?,
        maxs: exactly(&converter.row_group_maxes(groups)?, data_type)?,
        nulls: converter.row_group_null_counts(groups)?,
        min_exact: converter.row_group_is_min_value_exact(groups)?,
        max_exact: converter.row_group_is_max_value_exact(groups)?,
    })
}

fn of_pages(file: &DataFile, row_group: usize, field: &Field) -> Result<Option<PageStatistics>, ParquetError> {
    let parquet = file.metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(field.name(), &file.schema, parquet)?;
    let Some(leaf) = converter.parquet_column_index() else { return Ok(None) };
    let input = file.open().map_err(|error| ParquetError::External(error.into()))?;
    let group = file.metadata.row_group(row_group);
    let Some(bounds) = column_index(file, group, leaf, &input)? else { return Ok(None) };
    let positions = with_positions(file, &input)?;
    let Some(positions) = positions.metadata().offset_index().and_then(|groups| groups.get(row_group)) else {
        return Ok(None);
    };
    let first_rows = positions[leaf].page_locations().iter().map(|page| u64::try_from(page.first_row_index));
    let Ok(first_rows) = first_rows.collect::<Result<Vec<u64>, _>>() else { return Ok(None) };
    let is_possible = first_rows.first() == Some(&0)
        && first_rows.is_sorted_by(|before, after| before < after)
        && first_rows.last().is_some_and(|last| *last < group.num_rows() as u64);
    let (bounds, positions) = (vec![bounds], vec![positions.clone()]);
    let statistics = PageStatistics {
        mins: exactly(&converter.data_page_mins(&bounds, &positions, [&0])?, field.data_type())?,
        maxs: exactly(&converter.data_page_maxes(&bounds, &positions, [&0])?, field.data_type())?,
        nulls: converter.data_page_null_counts(&bounds, &positions, [&0])?,
        first_rows,
    };
    let pages = statistics.first_rows.len();
    let is_complete = [statistics.mins.len(), statistics.maxs.len(), statistics.nulls.len()] == [pages; 3];
    Ok((is_possible && is_complete).then_some(statistics))
}

/// The column indexes of a row group, of which only that of one column is read.
fn column_index(
    file: &DataFile,
    group: &RowGroupMetaData,
    leaf: usize,
    input: &File,
) -> Result<Option<Vec<ColumnIndexMetaData>>, ParquetError> {
    let chunk = group.column(leaf);
    let (Some(start), Some(len)) = (chunk.column_index_offset(), chunk.column_index_length()) else { return Ok(None) };
    let mut index = vec![0; usize::try_from(len)?];
    input.read_exact_at(&mut index, u64::try_from(start)?)?;
    if !has_room_for_bounds(&index) {
        return Ok(None);
    }
    let alone = group.columns().iter().enumerate().map(|(at, chunk)| match at == leaf {
        true => Ok(chunk.clone()),
        false => chunk.clone().into_builder().set_column_index_offset(None).set_column_index_length(None).build(),
    });
    let alone = group.clone().into_builder().set_column_metadata(alone.collect::<Result<_, _>>()?).build()?;
    let metadata = ParquetMetaData::new(file.metadata.file_metadata().clone(), vec![alone]);
    let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
        .with_column_index_policy(PageIndexPolicy::Optional)
        .with_offset_index_policy(PageIndexPolicy::Skip);
    reader.read_page_indexes(input)?;
    Ok(reader.finish()?.column_index().and_then(|groups| groups.first().cloned()))
}

/// A cast that fails on a value that does not fit, instead of returning NULL.
fn exactly(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}
