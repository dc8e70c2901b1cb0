//! The rules that calculate: `round`, `significant`, `truncate` and `tolerance`.
//!
//! A binary float counts as the shortest decimal that parses back to it, which is the one that people see: 0.015 and
//! 0.01 are 0.005 apart, whatever their binary fractions.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::error::ArrowError;
use bigdecimal::BigDecimal;

use super::times;
use crate::equality::canonical::digits::{Decimal, FloatDecimal, Number, forms, numbers};
use crate::job::rule::{Precision, Tolerance};
use crate::sides::Sides;

/// Rounds numbers to `places` digits after the decimal point, as canonical digits.
pub(super) fn rounded(array: &ArrayRef, places: i8) -> Result<ArrayRef, ArrowError> {
    rounded_by(array, FloatDecimal::Shortest, |decimal| decimal.round(places))
}

/// Rounds numbers to a number of significant digits, as canonical digits. Programs that print a few digits of a float
/// round its binary value.
pub(super) fn rounded_to_digits(array: &ArrayRef, digits: u8) -> Result<ArrayRef, ArrowError> {
    rounded_by(array, FloatDecimal::Widened, |decimal| decimal.round_to_digits(digits))
}

fn rounded_by(
    array: &ArrayRef,
    floats: FloatDecimal,
    round: impl Fn(&Decimal) -> Decimal,
) -> Result<ArrayRef, ArrowError> {
    let rounded = numbers(array, floats)?.into_iter().map(|number| match number {
        Some(Number::Finite(decimal)) => Some(Number::Finite(round(&decimal))),
        other => other,
    });
    Ok(Arc::new(forms(rounded)))
}

/// Truncates times to a unit, towards the past, as canonical nanoseconds.
pub(super) fn truncated(array: &ArrayRef, precision: Precision) -> Result<ArrayRef, ArrowError> {
    let unit = precision.nanoseconds();
    let cut = times::nanoseconds(array)?
        .into_iter()
        .map(|time| time.map(|time| if times::is_infinite(time) { time } else { time.div_euclid(unit) * unit }));
    Ok(Arc::new(times::forms(cut)?))
}

/// Which pairs of values are within a tolerance. A NULL is not within any tolerance.
pub(super) fn within(arrays: &Sides<ArrayRef>, tolerance: &Tolerance) -> Result<BooleanBuffer, ArrowError> {
    match tolerance {
        Tolerance::Duration(bound) => {
            let (old, new) = (times::nanoseconds(&arrays.old)?, times::nanoseconds(&arrays.new)?);
            let order = |old: i128, new| i128::abs_diff(old, new).cmp(&bound.end().unsigned_abs());
            let near = |pair| matches!(pair, (Some(old), Some(new)) if bound.admits(order(old, new)));
            Ok(old.into_iter().zip(new).map(near).collect())
        }
        Tolerance::Number { distance, rel } => {
            let (old, new) =
                (numbers(&arrays.old, FloatDecimal::Shortest)?, numbers(&arrays.new, FloatDecimal::Shortest)?);
            let decimal = |bound: &BigDecimal| Decimal::parse(&bound.to_plain_string());
            let end = distance.as_ref().and_then(|bound| decimal(bound.end()));
            let (distance, rel) = (distance.as_ref().zip(end), rel.as_ref().and_then(decimal));
            let near = |pair: (Option<Number>, Option<Number>)| match pair {
                (Some(Number::Finite(old)), Some(Number::Finite(new))) => {
                    distance.as_ref().is_some_and(|(bound, end)| bound.admits(old.cmp_distance(&new, end)))
                        || rel.as_ref().is_some_and(|rel| old.is_within_share(&new, rel))
                }
                // infinity is infinitely far from every number
                (Some(old), Some(new)) => old == new,
                _ => false,
            };
            Ok(old.into_iter().zip(new).map(near).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Float32Array, Float64Array, TimestampSecondArray};

    use super::*;
    use crate::job::rule::Bound;

    fn number(abs: Option<&str>, rel: Option<&str>) -> Tolerance {
        let parse = |text: &str| text.parse().unwrap();
        Tolerance::Number { distance: abs.map(parse).map(Bound::UpTo), rel: rel.map(parse) }
    }

    #[test]
    fn a_bound_from_below_is_not_part_of_a_tolerance() {
        let old: ArrayRef = Arc::new(Float64Array::from(vec![8.01, 8.0099, -0.005, 0.0, f64::NAN]));
        let new: ArrayRef =
            Arc::new(Decimal128Array::from(vec![8_000, 8_000, 5, 0, 0]).with_precision_and_scale(20, 3).unwrap());
        let below = Tolerance::Number { distance: Some(Bound::Below("0.01".parse().unwrap())), rel: None };
        let near = within(&Sides { old, new }, &below).unwrap();
        assert_eq!(near.iter().collect::<Vec<_>>(), [false, true, false, true, false]);
        let times = |seconds: Vec<i64>| Arc::new(TimestampSecondArray::from(seconds)) as ArrayRef;
        let arrays = Sides { old: times(vec![0, 0, 0]), new: times(vec![5, 4, -5]) };
        let near = |tolerance| within(&arrays, &tolerance).unwrap().iter().collect::<Vec<_>>();
        assert_eq!(near(Tolerance::Duration(Bound::Below(5_000_000_000))), [false, true, false]);
        assert_eq!(near(Tolerance::Duration(Bound::UpTo(5_000_000_000))), [true, true, true]);
    }

    #[test]
    fn both_bounds_are_part_of_a_tolerance() {
        let old: ArrayRef = Arc::new(Float64Array::from(vec![8.005, 8.0051, 0.1, f64::INFINITY, f64::NAN]));
        let new: ArrayRef =
            Arc::new(Decimal128Array::from(vec![8_000, 8_000, 100, 0, 0]).with_precision_and_scale(20, 3).unwrap());
        let near = within(&Sides { old, new }, &number(Some("0.005"), None)).unwrap();
        assert_eq!(near.iter().collect::<Vec<_>>(), [true, false, true, false, false]);
    }

    #[test]
    fn significant_digits_are_those_of_the_binary_value() {
        let digits = |array: ArrayRef| numbers(&rounded_to_digits(&array, 6).unwrap(), FloatDecimal::Exact).unwrap();
        let parsed = |text: &str| Number::parse(text);
        // as MariaDB prints them
        let narrow = Float32Array::from(vec![16_777_216.0, 0.1, -1.234_565, 26_143.45, 947.827_5]);
        assert_eq!(digits(Arc::new(narrow)), ["16777200", "0.1", "-1.23457", "26143.4", "947.828"].map(parsed));
        let wide = Float64Array::from(vec![1.234_565, 947.827_5]);
        assert_eq!(digits(Arc::new(wide)), ["1.23457", "947.828"].map(parsed));
    }

    #[test]
    fn a_share_is_of_the_larger_size() {
        let old: ArrayRef = Arc::new(Float64Array::from(vec![-100.0, -100.0, 0.0]));
        let new: ArrayRef = Arc::new(Float64Array::from(vec![-99.0, -98.9, 1e-9]));
        let near = within(&Sides { old, new }, &number(None, Some("0.01"))).unwrap();
        assert_eq!(near.iter().collect::<Vec<_>>(), [true, false, false]);
    }
}
