//! The statistics of one column in the footers, per row group.

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;

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

impl Snapshot {
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

/// A cast that fails on a value that does not fit, instead of returning NULL.
fn exactly(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}
