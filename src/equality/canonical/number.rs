//! Exact comparison of floats and decimals, and of decimals whose scales are too far apart for 76 digits.
//!
//! Every value is placed on the decimal grid of the pair's scale: the largest grid point that is not above the value,
//! and a remainder. A decimal is always on a grid point. A float is on one only if it is exactly that decimal (0.5 is;
//! 0.1 is not, because no binary fraction is a tenth). Otherwise, the bits of the float follow as the remainder. The
//! bytes sort like the numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryBuilder};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, Float64Type, i256};
use arrow::error::ArrowError;

/// Width of a form in bytes: class, grid point, remainder.
pub(crate) const WIDTH: i32 = 1 + 32 + 8;

type Form = [u8; WIDTH as usize];

/// Classes: below the grid, on it, above it, NaN.
#[derive(Clone, Copy)]
enum Class {
    Below = 0,
    On = 1,
    Above = 2,
    NotANumber = 3,
}

/// The forms of an array of integers, decimals or floats on the grid of `scale`.
pub(crate) fn forms(array: &ArrayRef, scale: i8) -> Result<ArrayRef, ArrowError> {
    if array.data_type().is_floating() {
        let floats = cast(array, &DataType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>();
        return build(floats.nulls(), floats.values().iter().map(|&value| of_float(value, scale)));
    }
    let own_scale = match array.data_type() {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => *scale,
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    };
    let decimals = cast(array, &DataType::Decimal256(76, own_scale))?;
    let decimals = decimals.as_primitive::<Decimal256Type>();
    let steps = (i16::from(scale) - i16::from(own_scale)) as u32;
    build(decimals.nulls(), decimals.values().iter().map(|&value| of_decimal(value, steps)))
}

fn build(nulls: Option<&NullBuffer>, forms: impl Iterator<Item = Form>) -> Result<ArrayRef, ArrowError> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(forms.size_hint().0, WIDTH);
    for (row, form) in forms.enumerate() {
        match nulls.is_some_and(|nulls| nulls.is_null(row)) {
            true => builder.append_null(),
            false => builder.append_value(form)?,
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn form(class: Class, grid: i256, rest: u64) -> Form {
    let mut bytes = [0; WIDTH as usize];
    bytes[0] = class as u8;
    bytes[1..33].copy_from_slice(&grid.to_be_bytes());
    // two's complement sorts as unsigned once the sign bit is flipped
    bytes[1] ^= 0x80;
    bytes[33..].copy_from_slice(&rest.to_be_bytes());
    bytes
}

fn of_decimal(unscaled: i256, steps: u32) -> Form {
    let ten = i256::from_i128(10);
    match ten.checked_pow(steps).and_then(|power| unscaled.checked_mul(power)) {
        Some(grid) => form(Class::On, grid, 0),
        // only one type of a pair can be this large at the common scale, so its own digits decide
        None if unscaled.is_negative() => form(Class::Below, unscaled, 0),
        None => form(Class::Above, unscaled, 0),
    }
}

fn of_float(value: f64, scale: i8) -> Form {
    if value.is_nan() {
        return form(Class::NotANumber, i256::ZERO, 0);
    }
    if value == 0.0 {
        return form(Class::On, i256::ZERO, 0);
    }
    let rest = sortable_bits(value);
    match grid_point(value, scale as u32) {
        Some((grid, true)) => form(Class::On, grid, 0),
        Some((grid, false)) => form(Class::On, grid, rest),
        None if value < 0.0 => form(Class::Below, i256::ZERO, rest),
        None => form(Class::Above, i256::ZERO, rest),
    }
}

/// The largest multiple of 10^-scale that is not above a finite value, and whether it is the value. `None` beyond 256
/// bits.
fn grid_point(value: f64, scale: u32) -> Option<(i256, bool)> {
    if value.is_infinite() {
        return None;
    }
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i128;
    let (mantissa, exponent) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    };
    let odd = mantissa.trailing_zeros();
    let mantissa = if value < 0.0 { -(mantissa >> odd) } else { mantissa >> odd };
    // value · 10^scale = mantissa · 5^scale · 2^shift, with an odd mantissa
    let shift = exponent + odd as i32 + scale as i32;
    let five = i256::from_i128(5).checked_pow(scale)?;
    let product = i256::from_i128(mantissa).checked_mul(five)?;
    if shift < 0 {
        let whole = match shift > -255 {
            true => product >> (-shift) as u8,
            false if product.is_negative() => i256::MINUS_ONE,
            false => i256::ZERO,
        };
        return Some((whole, false));
    }
    if shift > 254 {
        return None;
    }
    product.checked_mul(i256::ONE << shift as u8).map(|grid| (grid, true))
}

/// The bits of a float, rearranged so that they sort like the floats; never 0 for a number.
fn sortable_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_a_decimal_only_where_it_is_exactly_that_decimal() {
        let half = of_float(0.5, 1);
        assert_eq!(half, of_decimal(i256::from_i128(5), 0));
        assert_ne!(of_float(0.1, 1), of_decimal(i256::ONE, 0));
        assert_ne!(of_float(0.1, 20), of_decimal(i256::ONE, 19));
        assert_eq!(of_float(-3.0, 0), of_decimal(i256::from_i128(-3), 0));
        assert_eq!(of_float(-0.0, 4), of_decimal(i256::ZERO, 4));
        assert_eq!(of_float(1e22, 0), of_decimal(i256::from_i128(10_000_000_000_000_000_000_000), 0));
    }

    #[test]
    fn forms_sort_as_numbers_do() {
        let ascending = [
            f64::NEG_INFINITY,
            -1e300,
            -1e18,
            -2.5,
            -2.25,
            -2.0,
            -1e-300,
            -0.0,
            5e-324,
            0.1,
            0.3,
            0.5,
            1.0,
            1.0000000000000002,
            1e17,
            1e18,
            1e300,
            f64::INFINITY,
            f64::NAN,
        ];
        for scale in [0, 1, 9, 38, 76] {
            let forms: Vec<_> = ascending.iter().map(|&value| of_float(value, scale)).collect();
            assert!(forms.windows(2).all(|pair| pair[0] < pair[1]), "scale {scale}");
        }
    }

    #[test]
    fn a_decimal_stands_between_its_neighbouring_floats() {
        // 0.1 as a double is slightly more than a tenth
        let tenth = of_decimal(i256::ONE, 0);
        assert!(of_float(0.09999999999999999, 1) < tenth);
        assert!(tenth < of_float(0.1, 1));
    }
}
