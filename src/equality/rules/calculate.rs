//! The rules that calculate: `round`, `truncate` and `tolerance`.
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
    let rounded = numbers(array, FloatDecimal::Shortest)?.into_iter().map(|number| match number {
        Some(Number::Finite(decimal)) => Some(Number::Finite(decimal.round(places))),
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

/// Which pairs of values differ by at most a tolerance. A NULL is not within any tolerance.
pub(super) fn within(arrays: &Sides<ArrayRef>, tolerance: &Tolerance) -> Result<BooleanBuffer, ArrowError> {
    match tolerance {
        Tolerance::Duration(longest) => {
            let (old, new) = (times::nanoseconds(&arrays.old)?, times::nanoseconds(&arrays.new)?);
            let near =
                |pair| matches!(pair, (Some(old), Some(new)) if i128::abs_diff(old, new) <= longest.unsigned_abs());
            Ok(old.into_iter().zip(new).map(near).collect())
        }
        Tolerance::Number { abs, rel } => {
            let (old, new) =
                (numbers(&arrays.old, FloatDecimal::Shortest)?, numbers(&arrays.new, FloatDecimal::Shortest)?);
            let decimal = |bound: &Option<BigDecimal>| Decimal::parse(&bound.as_ref()?.to_plain_string());
            let (abs, rel) = (decimal(abs), decimal(rel));
            let near = |pair: (Option<Number>, Option<Number>)| match pair {
                (Some(Number::Finite(old)), Some(Number::Finite(new))) => {
                    abs.as_ref().is_some_and(|abs| old.is_within(&new, abs))
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
    use arrow::array::{Decimal128Array, Float64Array};

    use super::*;

    fn number(abs: Option<&str>, rel: Option<&str>) -> Tolerance {
        let parse = |text: &str| text.parse().unwrap();
        Tolerance::Number { abs: abs.map(parse), rel: rel.map(parse) }
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
    fn a_share_is_of_the_larger_size() {
        let old: ArrayRef = Arc::new(Float64Array::from(vec![-100.0, -100.0, 0.0]));
        let new: ArrayRef = Arc::new(Float64Array::from(vec![-99.0, -98.9, 1e-9]));
        let near = within(&Sides { old, new }, &number(None, Some("0.01"))).unwrap();
        assert_eq!(near.iter().collect::<Vec<_>>(), [true, false, false]);
    }
}
