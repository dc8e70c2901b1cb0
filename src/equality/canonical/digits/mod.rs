//! Numbers of any size as decimal digits: the result of parsing text, and the input of rules that calculate.
//!
//! A number other than zero is `0.d₁d₂d₃… · 10^exponent` with neither a leading nor a trailing zero. So each value has
//! exactly one form, and the bytes of the forms sort like the numbers.

mod distance;

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, BinaryViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, Float32Type, Float64Type};
use arrow::error::ArrowError;

/// An exact number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Number {
    /// Not a number.
    Nan,
    /// Positive or negative infinity.
    Infinite {
        negative: bool,
    },
    Finite(Decimal),
}

/// Zero (without digits), or `±0.digits · 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// Which decimal a binary float counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FloatDecimal {
    /// Its exact value: 0.1 is slightly more than a tenth.
    Exact,
    /// The shortest decimal that parses back to it, which is the one that people see.
    Shortest,
    /// The same, of the 64-bit float with its value. A float of 32 bits has more digits then, which decide how it is
    /// rounded: some halves of the shortest decimal are less than a half.
    Widened,
}

impl Number {
    /// Parses the usual notation of programs: digits, a decimal point, an exponent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Decimal::parse(text).map(Number::Finite)
    }

    /// The same, and also the notations of databases for NaN and infinity.
    pub(crate) fn parse_any(text: &str) -> Option<Self> {
        let special = || {
            let (negative, size) = match text.strip_prefix('-') {
                Some(size) => (true, size),
                None => (false, text.strip_prefix('+').unwrap_or(text)),
            };
            match size.to_ascii_lowercase().as_str() {
                "nan" => Some(Number::Nan),
                "inf" | "infinity" => Some(Number::Infinite { negative }),
                _ => None,
            }
        };
        Number::parse(text).or_else(special)
    }

    fn of_float(value: f64, exact: bool, shortest: impl FnOnce() -> String) -> Self {
        if value.is_nan() {
            return Number::Nan;
        }
        if value.is_infinite() {
            return Number::Infinite { negative: value < 0.0 };
        }
        let text = if exact { format!("{value:.*}", fraction_digits(value)) } else { shortest() };
        Number::Finite(Decimal::parse(&text).unwrap_or_else(|| unreachable!("`{text}` was written as a number")))
    }

    /// Appends the form of the number. The bytes of forms sort like the numbers.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Number::Infinite { negative: true } => out.push(0),
            Number::Finite(decimal) => decimal.write(out),
            Number::Infinite { negative: false } => out.push(4),
            Number::Nan => out.push(5),
        }
    }

    /// The number with this form.
    pub(crate) fn read(form: &[u8]) -> Self {
        match form.first() {
            Some(0) => Number::Infinite { negative: true },
            Some(4) => Number::Infinite { negative: false },
            Some(1..=3) => Number::Finite(Decimal::read(form)),
            _ => Number::Nan,
        }
    }
}

/// How many digits after the decimal point represent a float exactly.
fn fraction_digits(value: f64) -> usize {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let (mantissa, exponent) = match exponent {
        0 => (bits & ((1 << 52) - 1), -1074),
        _ => (bits & ((1 << 52) - 1) | 1 << 52, exponent - 1075),
    };
    match mantissa {
        0 => 0,
        _ => (-(exponent + mantissa.trailing_zeros() as i32)).max(0) as usize,
    }
}

impl Decimal {
    /// Parses `-12.50`, `+7`, `.5`, `1e-3`; no white space and no thousands separators.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).collect();
        Some(Decimal { negative, digits, exponent: whole.len() as i64 + i64::from(exponent) }.settled())
    }

    /// Removes zeros at both ends, and the sign of zero.
    fn settled(mut self) -> Self {
        let leading = self.digits.iter().take_while(|&&digit| digit == b'0').count();
        self.digits.drain(..leading);
        self.exponent -= leading as i64;
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
        }
        match self.digits.is_empty() {
            true => Decimal { negative: false, digits: vec![], exponent: 0 },
            false => self,
        }
    }

    /// Whether the number is an integer.
    pub(crate) fn is_whole(&self) -> bool {
        self.digits.len() as i64 <= self.exponent.max(0)
    }

    /// The number times a power of ten; `None` if that is not an integer, or has more than 37 digits.
    pub(crate) fn scaled(&self, power: u8) -> Option<i128> {
        let length = self.exponent + i64::from(power);
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(length - self.digits.len() as i64).ok().filter(|_| length <= 37)?;
        let digits = std::str::from_utf8(&self.digits).ok()?;
        let size: i128 = format!("{digits}{}", "0".repeat(zeros)).parse().ok()?;
        Some(if self.negative { -size } else { size })
    }

    /// Rounds to `places` digits after the decimal point (before it, if negative), half away from zero.
    pub(crate) fn round(&self, places: i8) -> Self {
        self.cut(self.exponent + i64::from(places))
    }

    /// Rounds to a number of significant digits, half away from zero.
    pub(crate) fn round_to_digits(&self, count: u8) -> Self {
        self.cut(count.into())
    }

    /// Rounds to a number of digits, counted from the first one other than zero.
    fn cut(&self, kept: i64) -> Self {
        if kept >= self.digits.len() as i64 {
            return self.clone();
        }
        let Ok(kept) = usize::try_from(kept) else {
            return Decimal { negative: false, digits: vec![], exponent: 0 };
        };
        let mut digits = self.digits[..kept].to_vec();
        let mut exponent = self.exponent;
        if self.digits[kept] >= b'5' {
            match digits.iter().rposition(|&digit| digit < b'9') {
                Some(at) => {
                    digits[at] += 1;
                    digits.truncate(at + 1);
                }
                None => {
                    digits = vec![b'1'];
                    exponent += 1;
                }
            }
        }
        Decimal { negative: self.negative, digits, exponent }.settled()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.digits.is_empty() {
            return out.push(2);
        }
        out.push(if self.negative { 1 } else { 3 });
        let start = out.len();
        out.extend_from_slice(&(self.exponent as u64 ^ 1 << 63).to_be_bytes());
        out.extend_from_slice(&self.digits);
        if self.negative {
            // the larger the absolute value, the smaller the number; the end marker sorts after every digit
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
            out.push(0xff);
        }
    }

    fn read(form: &[u8]) -> Self {
        let negative = form[0] == 1;
        let body: Vec<u8> = match negative {
            true => form[1..form.len() - 1].iter().map(|byte| !byte).collect(),
            false => form[1..].to_vec(),
        };
        let Some((exponent, digits)) = body.split_first_chunk::<8>() else {
            return Decimal { negative: false, digits: vec![], exponent: 0 };
        };
        Decimal { negative, digits: digits.to_vec(), exponent: (u64::from_be_bytes(*exponent) ^ 1 << 63) as i64 }
    }
}

/// The numbers in a column; NULL stays NULL.
pub(crate) type Numbers = Vec<Option<Number>>;

/// The numbers of an array of integers, decimals or floats, or of forms that this module wrote.
pub(crate) fn numbers(array: &ArrayRef, floats: FloatDecimal) -> Result<Numbers, ArrowError> {
    let exact = floats == FloatDecimal::Exact;
    Ok(match array.data_type() {
        DataType::BinaryView => array.as_binary_view().iter().map(|form| form.map(Number::read)).collect(),
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().iter();
            values.map(|value| value.map(|value| Number::of_float(value, exact, || value.to_string()))).collect()
        }
        data_type if data_type.is_floating() => {
            let narrow = cast(array, &DataType::Float32)?;
            let values = narrow.as_primitive::<Float32Type>().iter();
            let shortest = |value: f32| match floats {
                FloatDecimal::Widened => f64::from(value).to_string(),
                FloatDecimal::Exact | FloatDecimal::Shortest => value.to_string(),
            };
            values.map(|value| value.map(|value| Number::of_float(value.into(), exact, || shortest(value)))).collect()
        }
        data_type => {
            let scale = match data_type {
                DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => *scale,
                DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
                _ => 0,
            };
            let wide = cast(array, &DataType::Decimal256(76, scale))?;
            let values = wide.as_primitive::<Decimal256Type>().iter();
            let number = |unscaled: arrow::datatypes::i256| {
                let Number::Finite(decimal) = Number::parse(&unscaled.to_string())? else { return None };
                let exponent = decimal.exponent - i64::from(scale);
                let zero = decimal.digits.is_empty();
                Some(Number::Finite(Decimal { exponent: if zero { 0 } else { exponent }, ..decimal }))
            };
            values.map(|value| value.and_then(number)).collect()
        }
    })
}

/// The forms of numbers.
pub(crate) fn forms(numbers: impl IntoIterator<Item = Option<Number>>) -> BinaryViewArray {
    let mut builder = BinaryViewBuilder::new();
    let mut bytes = vec![];
    for number in numbers {
        bytes.clear();
        match number {
            None => builder.append_null(),
            Some(number) => {
                number.write(&mut bytes);
                builder.append_value(&bytes);
            }
        }
    }
    builder.finish()
}

/// The exact forms of an array of integers, decimals or floats.
pub(crate) fn exact_forms(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::BinaryView => Ok(array.clone()),
        _ => Ok(Arc::new(forms(numbers(array, FloatDecimal::Exact)?))),
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let form = |number: &Number| {
            let mut bytes = vec![];
            number.write(&mut bytes);
            bytes
        };
        Some(form(self).cmp(&form(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Vec<u8> {
        let mut bytes = vec![];
        Number::parse(text).unwrap().write(&mut bytes);
        bytes
    }

    #[test]
    fn one_value_has_one_form() {
        for (one, two) in
            [("5", "5.00"), ("0", "-0.0"), ("1e2", "100"), ("+.5", "0.50"), ("-1200", "-1.2e3"), ("007", "7")]
        {
            assert_eq!(form(one), form(two), "{one} and {two}");
        }
    }

    #[test]
    fn forms_sort_as_numbers_do() {
        let ascending = [
            "-1e40",
            "-10",
            "-9.99",
            "-9.9",
            "-1",
            "-0.1",
            "-0.01",
            "0",
            "1e-30",
            "0.1",
            "0.12",
            "1",
            "9.9",
            "10",
            "123456789012345678901234567890",
        ];
        let forms: Vec<_> = ascending.map(form).into();
        assert!(forms.windows(2).all(|pair| pair[0] < pair[1]));
        for text in ascending {
            let number = Number::parse(text).unwrap();
            assert_eq!(Number::read(&form(text)), number, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_read_as_one() {
        for text in ["", " 1", "1 ", "1,000", "0x10", "1e", ".", "-", "--1", "1.2.3", "١", "1_000", "NaN"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (text, places, rounded) in [
            ("2.675", 2, "2.68"),
            ("-2.675", 2, "-2.68"),
            ("2.6749", 2, "2.67"),
            ("999.5", 0, "1000"),
            ("0.4", 0, "0"),
            ("0.5", 0, "1"),
            ("0.05", 0, "0"),
            ("1250", -2, "1300"),
            ("49", -2, "0"),
            ("50", -2, "100"),
            ("7", 3, "7"),
        ] {
            let Some(Number::Finite(decimal)) = Number::parse(text) else { unreachable!() };
            assert_eq!(Number::Finite(decimal.round(places)), Number::parse(rounded).unwrap(), "{text}");
        }
    }

    #[test]
    fn digits_are_counted_from_the_first() {
        for (text, count, rounded) in [
            ("16777216", 6, "16777200"),
            ("1.2345650", 6, "1.23457"),
            ("-1.234565", 6, "-1.23457"),
            ("1.2345649", 6, "1.23456"),
            ("0.000123456", 3, "0.000123"),
            ("999.5", 3, "1000"),
            ("0", 1, "0"),
            ("12", 255, "12"),
            ("45", 1, "50"),
        ] {
            let Some(Number::Finite(decimal)) = Number::parse(text) else { unreachable!() };
            assert_eq!(Number::Finite(decimal.round_to_digits(count)), Number::parse(rounded).unwrap(), "{text}");
        }
    }

    #[test]
    fn scaled_numbers_are_exact_or_not_there() {
        for (text, power, scaled) in [
            ("1577865601.5", 9, Some(1_577_865_601_500_000_000)),
            ("-0.000000001", 9, Some(-1)),
            ("0.0000000001", 9, None),
            ("0", 0, Some(0)),
            ("1e3", 0, Some(1000)),
            ("0.5", 0, None),
            ("1e36", 0, Some(10_i128.pow(36))),
            ("1e37", 0, None),
            ("1e2000000000", 9, None),
            ("1e-2000000000", 9, None),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().scaled(power), scaled, "{text}");
        }
    }

    #[test]
    fn a_float_is_what_it_is_or_what_it_shows() {
        let floats: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![0.1, 0.5, 1e300, 5e-324]));
        let exact = numbers(&floats, FloatDecimal::Exact).unwrap();
        assert_eq!(exact[0], Number::parse("0.1000000000000000055511151231257827021181583404541015625"));
        assert_eq!(exact[1], Number::parse("0.5"));
        let shortest = numbers(&floats, FloatDecimal::Shortest).unwrap();
        assert_eq!(shortest[0], Number::parse("0.1"));
        assert_eq!(shortest[2], Number::parse("1e300"));
        assert_eq!(shortest[3], Number::parse("5e-324"));
        let narrow: ArrayRef = Arc::new(arrow::array::Float32Array::from(vec![0.1]));
        let first = |floats| numbers(&narrow, floats).unwrap().remove(0);
        assert_eq!(first(FloatDecimal::Shortest), Number::parse("0.1"));
        assert_eq!(first(FloatDecimal::Widened), Number::parse("0.10000000149011612"));
    }
}
