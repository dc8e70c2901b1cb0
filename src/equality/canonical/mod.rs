//! VALUE: one definition of equality per domain.
//!
//! A column of either side is converted to a canonical array in the [`Domain`] of its pair. This is a plain Arrow array
//! in which two values are equal if and only if their canonical forms are, whatever their original type, unit, encoding
//! or layout. Everything downstream (merging, hashing, ordering) works on canonical arrays and does not depend on
//! types. Most columns are already canonical, and are not copied.

pub(crate) mod cells;
pub(crate) mod digits;
pub mod domain;
pub(crate) mod json;
mod nested;
pub(crate) mod number;
pub mod order;
pub mod row_hash;

pub use domain::Domain;
pub(crate) use domain::Ticks;
use domain::unit_of;
pub(crate) use nested::map_order;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use crate::sides::Side;
use crate::snapshot::types::ticks_per_second;

/// Converts a column of one side to canonical form.
///
/// `side` only matters for structs, whose fields have a different order on each side.
///
/// # Errors
/// If a value is outside the declared type of its column, such as a decimal with too many digits.
pub fn canonical(array: &ArrayRef, domain: &Domain, side: Side) -> Result<ArrayRef, ArrowError> {
    let target = domain.canonical_type();
    match (array.data_type(), domain) {
        (DataType::Null, _) => Ok(new_null_array(&target, array.len())),
        // in plain types, a column that contains only NULL is a boolean column
        (DataType::Boolean, _) if array.null_count() == array.len() => Ok(new_null_array(&target, array.len())),
        (DataType::Dictionary(_, value), _) => canonical(&convert(array, value)?, domain, side),
        (DataType::RunEndEncoded(_, value), _) => canonical(&convert(array, value.data_type())?, domain, side),
        (_, Domain::Null | Domain::Boolean | Domain::Int32 | Domain::Int64 | Domain::UInt64) => convert(array, &target),
        (_, Domain::Float) => {
            convert(array, &target).map(|floats| Arc::new(canonicalize_floats(floats.as_primitive())) as ArrayRef)
        }
        (_, Domain::Decimal128 { .. } | Domain::Decimal256 { .. }) => convert(array, &target),
        (_, Domain::Number { scale }) => number::forms(array, *scale),
        (_, Domain::Digits) => digits::exact_forms(array),
        (_, Domain::Text) => {
            Ok(Arc::new(convert(array, &DataType::Utf8View)?.as_string_view().clone().to_binary_view()))
        }
        (_, Domain::Binary | Domain::Uuid) => convert(array, &target),
        (_, Domain::Json) => json::forms(convert(array, &DataType::Utf8View)?.as_string_view()),
        (_, Domain::Date) => convert(&convert(array, &DataType::Date64)?, &target),
        (_, Domain::Timestamp(Ticks::Same) | Domain::Duration(Ticks::Same) | Domain::Time(Ticks::Same)) => {
            convert(array, &target)
        }
        (
            own,
            Domain::Timestamp(Ticks::Finer(unit))
            | Domain::Duration(Ticks::Finer(unit))
            | Domain::Time(Ticks::Finer(unit)),
        ) => {
            if own == &target {
                return Ok(array.clone());
            }
            // 64 bits of seconds in nanoseconds fit 128 bits, so nothing overflows
            let own_unit = unit_of(own).unwrap_or(*unit);
            let factor = ticks_per_second(unit) / ticks_per_second(&own_unit);
            let is_timestamp = matches!(own, DataType::Timestamp(..)) && own_unit != TimeUnit::Nanosecond;
            let ticks = convert(array, &DataType::Int64)?;
            let fine: PrimitiveArray<Decimal128Type> = ticks.as_primitive::<Int64Type>().unary(|ticks| {
                infinite(ticks, i64::MAX).filter(|_| is_timestamp).unwrap_or(i128::from(ticks) * factor)
            });
            Ok(Arc::new(fine.with_precision_and_scale(DECIMAL128_MAX_PRECISION, 0)?))
        }
        (_, Domain::List(item)) => nested::lists(array, item, side),
        (_, Domain::Multiset(item)) => nested::multisets(array, item, side),
        (_, Domain::Struct(fields)) => nested::structs(array.as_struct(), fields, side),
        (_, Domain::Map(key, value)) => nested::maps(array.as_map(), key, value, side),
    }
}

/// Positive infinity for times, in any unit; its negative is negative infinity.
pub(crate) const INFINITE: i128 = 10_i128.pow(37);

/// Detects the infinity of a database: its drivers write the largest number and its negative, or the smallest number.
/// In nanoseconds these are ordinary times, in coarser units they are beyond every calendar.
pub(crate) fn infinite(ticks: i64, largest: i64) -> Option<i128> {
    match ticks {
        ticks if ticks == largest => Some(INFINITE),
        ticks if ticks <= -largest => Some(-INFINITE),
        _ => None,
    }
}

/// Replaces -0.0 by 0.0 and every NaN by the same NaN, so that equal floats have equal bits.
pub(crate) fn canonicalize_floats(floats: &Float64Array) -> Float64Array {
    floats.unary::<_, Float64Type>(|value| match value {
        value if value.is_nan() => f64::NAN,
        // the sum of both zeros is positive zero
        value => value + 0.0,
    })
}

/// A cast that fails on a value that does not fit, instead of returning NULL.
pub(crate) fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &strict)
}
