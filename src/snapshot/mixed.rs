//! Columns whose files have types without a common lossless Arrow type: integers beyond 2^53 and floats, or
//! microseconds of the year 9999 and nanoseconds.
//!
//! Their values are stored as text that represents each exactly, and are interpreted when they are compared.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::DataFile;
use super::types::{EXTENSION, MIXED_TYPES, Mixed, data_type_name, ticks_per_second, unit_name};
use crate::job::rule::ParseAs;

/// The metadata key for the type names of the files of a mixed column.
impl Mixed {
    /// A field for a column whose files have these types.
    pub(crate) fn field(self, name: &str, types: &[DataType]) -> Field {
        let mut names: Vec<String> = vec![];
        for data_type in types.iter().map(data_type_name) {
            if !names.contains(&data_type) {
                names.push(data_type);
            }
        }
        let metadata = [(EXTENSION.into(), self.extension().into()), (MIXED_TYPES.into(), names.join(" or "))];
        Field::new(name, DataType::Utf8View, true).with_metadata(HashMap::from(metadata))
    }

    /// How the text is parsed.
    pub(crate) fn reading(self) -> ParseAs {
        match self {
            Mixed::Numbers => ParseAs::Decimal,
            Mixed::Instants | Mixed::Clocks => ParseAs::Timestamp,
        }
    }

    /// A plain type of the same kind, which has the same comparison rules.
    pub(crate) fn resembling(self, field: &Field) -> Field {
        let data_type = match self {
            Mixed::Numbers => DataType::Float64,
            Mixed::Instants => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Mixed::Clocks => DataType::Timestamp(TimeUnit::Nanosecond, None),
        };
        Field::new(field.name(), data_type, true)
    }

    /// The kind of a column with values of two types, if it is a mixed column.
    pub(crate) fn joining(one: &DataType, two: &DataType) -> Option<Self> {
        match (one, two) {
            (DataType::Timestamp(_, one), DataType::Timestamp(_, two)) if one.is_some() == two.is_some() => {
                Some(if one.is_some() { Mixed::Instants } else { Mixed::Clocks })
            }
            (one, two) if one.is_numeric() && two.is_numeric() => Some(Mixed::Numbers),
            _ => None,
        }
    }
}

/// Converts the values of a column in a file to text that represents each exactly.
pub(super) fn texts(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let array = match array.data_type() {
        DataType::Timestamp(unit, zone) => return times(array, *unit, zone.is_some()),
        data_type if data_type.is_floating() => {
            let floats = cast(array, &DataType::Float64)?;
            let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
            // Rust prints all digits of a float if the precision is high enough
            let text = |value: f64| match value.is_finite() {
                true => {
                    let digits = format!("{value:.1074}");
                    digits.trim_end_matches('0').trim_end_matches('.').to_string()
                }
                false => value.to_string(),
            };
            let texts = floats.iter().map(|value| value.map(text));
            return Ok(Arc::new(texts.collect::<StringViewArray>()));
        }
        _ => array.clone(),
    };
    cast(&array, &DataType::Utf8View)
}

/// The first second of the year 1 and the last second of the year 9999, since 1970.
const YEARS: std::ops::RangeInclusive<i128> = -62_135_596_800..=253_402_300_799;

/// Times in ISO 8601, or a count of their unit if the calendar does not reach them.
fn times(array: &ArrayRef, unit: TimeUnit, are_instants: bool) -> Result<ArrayRef, ArrowError> {
    let ticks = cast(array, &DataType::Int64)?;
    let ticks = ticks.as_primitive::<Int64Type>();
    let is_shown = |ticks: &i64| YEARS.contains(&(i128::from(*ticks).div_euclid(ticks_per_second(&unit))));
    let shown: ArrayRef = Arc::new(ticks.iter().map(|ticks| ticks.filter(is_shown)).collect::<Int64Array>());
    let zone = are_instants.then(|| "UTC".into());
    let texts = cast(&cast(&shown, &DataType::Timestamp(unit, zone))?, &DataType::Utf8View)?;
    let texts = texts.as_string_view().iter().zip(ticks.iter());
    let end = if are_instants { "Z" } else { "" };
    let text = |(text, ticks): (Option<&str>, Option<i64>)| match text {
        Some(text) => Some(text.to_string()),
        None => ticks.map(|ticks| format!("{ticks} {}{end}", unit_name(&unit))),
    };
    Ok(Arc::new(texts.map(text).collect::<StringViewArray>()))
}

/// Whether the statistics of a file show that all values of a column fit a type. Without statistics, they do not.
pub(super) fn is_known_to_fit(file: &DataFile, field: &Field, target: &DataType) -> bool {
    /// 64-bit floats represent all integers up to this one.
    const EXACT: i128 = 1 << 53;
    let factor = match (field.data_type(), target) {
        (own, target) if own == target => return true,
        (whole, DataType::Float64) if whole.is_integer() => None,
        (DataType::Timestamp(own, _), DataType::Timestamp(target, _)) if own == target => return true,
        (DataType::Timestamp(own, _), DataType::Timestamp(target, _)) => {
            Some(ticks_per_second(target) / ticks_per_second(own))
        }
        _ => return true,
    };
    let parquet = file.metadata.file_metadata().schema_descr();
    let Ok(converter) = StatisticsConverter::try_new(field.name(), &file.schema, parquet) else { return false };
    let groups = file.metadata.row_groups();
    let fits = |value: i128| match factor {
        None => value.abs() <= EXACT,
        Some(factor) => i64::try_from(value * factor).is_ok(),
    };
    let (mins, maxs) = (converter.row_group_mins(groups), converter.row_group_maxes(groups));
    let (Ok(mins), Ok(maxs), Ok(nulls)) = (mins, maxs, converter.row_group_null_counts(groups)) else { return false };
    let (Some(mins), Some(maxs)) = (whole_numbers(&mins), whole_numbers(&maxs)) else { return false };
    (0..groups.len()).all(|group| match (mins[group], maxs[group]) {
        (Some(min), Some(max)) => fits(min) && fits(max),
        _ => {
            let rows = groups[group].num_rows() as u64;
            let is_null = arrow::array::Array::is_valid(&nulls, group) && nulls.value(group) == rows;
            rows == 0 || is_null
        }
    })
}

fn whole_numbers(array: &ArrayRef) -> Option<Vec<Option<i128>>> {
    let array = match array.data_type() {
        DataType::Timestamp(..) => cast(array, &DataType::Int64).ok()?,
        _ => array.clone(),
    };
    let wide = cast(&array, &DataType::Decimal128(38, 0)).ok()?;
    Some(wide.as_primitive::<arrow::datatypes::Decimal128Type>().iter().collect())
}
