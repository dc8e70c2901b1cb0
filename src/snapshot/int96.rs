//! Exact reading of INT96 timestamps.
//!
//! INT96 stores a day and the nanoseconds of that day. Its range is much larger than that of 64-bit nanoseconds (1677
//! to 2262), and readers wrap around silently. So the values are checked before they are read: whole microseconds are
//! read as microseconds, others as nanoseconds, and a column that fits neither is refused. This decodes these columns
//! a second time, but only in files that have them; INT96 is deprecated and occurs mostly in files of older writers.
//! Layout: <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md> (INT96 timestamps).

use std::fs::File;
use std::path::Path;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::basic::Type;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::Int96Type;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use super::bounds::guarded;
use crate::error::{Error, Result};

/// The Julian day of 1970-01-01.
const JULIAN_DAY_1970: i128 = 2_440_588;
const NANOSECONDS_A_DAY: i128 = 86_400_000_000_000;
/// Values that are checked at a time.
const BATCH: usize = 4096;

/// The schema of a file in which each INT96 column has a unit that represents all of its values, and the columns
/// without such a unit: their top-level names, and the paths to the values.
///
/// A file without INT96 columns is not opened again.
pub(super) fn settle_units(
    path: &Path,
    file: &File,
    schema: SchemaRef,
    parquet: &SchemaDescriptor,
) -> Result<(SchemaRef, Vec<(String, String)>)> {
    if parquet.columns().iter().all(|column| column.physical_type() != Type::INT96) {
        return Ok((schema, vec![]));
    }
    let damaged = |reason: String, row_group: usize, column: &str| Error::Damaged {
        path: path.into(),
        row_group,
        column: column.into(),
        reason,
    };
    let reader = guarded(|| file.try_clone().map_err(ParquetError::from).and_then(SerializedFileReader::new));
    let reader = reader.map_err(|reason| damaged(reason, 0, "footer"))?;
    let mut fields: Vec<FieldRef> = schema.fields().to_vec();
    let mut inexact = vec![];
    for (leaf, column) in parquet.columns().iter().enumerate() {
        if column.physical_type() != Type::INT96 {
            continue;
        }
        let mut fits = Fits { microseconds: true, nanoseconds: true };
        for row_group in 0..reader.num_row_groups() {
            let looked = guarded(|| look(&reader, row_group, leaf, &mut fits));
            looked.map_err(|reason| damaged(reason, row_group, &column.path().string()))?;
        }
        let root = parquet.get_column_root_idx(leaf);
        // below the top level, the reader returns nanoseconds, whatever the schema specifies
        let unit = match (fields[root].data_type(), fits) {
            (DataType::Timestamp(..), Fits { microseconds: true, .. }) => TimeUnit::Microsecond,
            (_, Fits { nanoseconds: true, .. }) => TimeUnit::Nanosecond,
            _ => {
                inexact.push((fields[root].name().clone(), column.path().string()));
                continue;
            }
        };
        if let DataType::Timestamp(_, zone) = fields[root].data_type() {
            let data_type = DataType::Timestamp(unit, zone.clone());
            fields[root] = Field::clone(&fields[root]).with_data_type(data_type).into();
        }
    }
    Ok((Schema::new_with_metadata(fields, schema.metadata().clone()).into(), inexact))
}

/// The units that represent every value seen so far.
#[derive(Clone, Copy)]
struct Fits {
    microseconds: bool,
    nanoseconds: bool,
}

fn look(
    reader: &SerializedFileReader<File>,
    row_group: usize,
    leaf: usize,
    fits: &mut Fits,
) -> Result<(), ParquetError> {
    let column = reader.get_row_group(row_group)?.get_column_reader(leaf)?;
    let mut column = get_typed_column_reader::<Int96Type>(column);
    loop {
        let (mut values, mut definitions, mut repetitions) = (vec![], vec![], vec![]);
        let (records, _, _) =
            column.read_records(BATCH, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
        if records == 0 {
            return Ok(());
        }
        for value in values {
            let [low, high, day] = [0, 1, 2].map(|word| i128::from(value.data()[word]));
            // a day before the Julian epoch is stored as a negative number
            let day = i128::from(day as u32 as i32);
            let of_day = i128::from((high << 32 | low) as i64);
            let nanoseconds = (day - JULIAN_DAY_1970) * NANOSECONDS_A_DAY + of_day;
            fits.nanoseconds &= i64::try_from(nanoseconds).is_ok();
            fits.microseconds &= nanoseconds % 1_000 == 0 && i64::try_from(nanoseconds / 1_000).is_ok();
        }
    }
}
