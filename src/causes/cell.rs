//! One cell as a value that causes can be looked for in, whatever its Arrow type.

use std::borrow::Cow;
use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, make_array};
use arrow::datatypes::*;
use jiff::tz::TimeZone;

use crate::equality::canonical::{Domain, Ticks, infinite};
use crate::snapshot::types::ticks_per_second;

/// Nanoseconds.
pub(super) const SECOND: i128 = 1_000_000_000;
pub(super) const DAY: i128 = 86_400 * SECOND;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    /// Days since 1970.
    Date(i64),
    /// Nanoseconds since midnight.
    Time(i128),
    /// Nanoseconds since 1970.
    Timestamp(i128),
    /// What no cause is known for: infinite times, durations, decimals of more than 38 digits.
    Other,
}

/// A number, exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// The value times ten to the power of `scale`.
    pub digits: i128,
    pub scale: u32,
    pub width: Width,
}

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Exact,
    Float32,
    Float64,
}

impl Number {
    /// An integer.
    pub(super) fn integer(value: impl Into<i128>) -> Self {
        Number { digits: value.into(), scale: 0, width: Width::Exact }
    }

    /// A float by the shortest decimal that stands for it; `None` if that has too many digits.
    fn float(text: &str, width: Width) -> Option<Self> {
        Number::parse(text).map(|number| Number { width, ..number })
    }

    /// A decimal number in text, without spaces, with or without an exponent; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (sign, unsigned) = match mantissa.as_bytes().first()? {
            b'-' => (-1, &mantissa[1..]),
            b'+' => (1, &mantissa[1..]),
            _ => (1, mantissa),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
            digits = digits.checked_mul(10)?.checked_add(digit)?;
        }
        let scale = (fraction.len() as i32).checked_sub(exponent)?;
        let number = match u32::try_from(scale) {
            Ok(scale) => Number { digits: sign * digits, scale, width: Width::Exact },
            Err(_) => {
                let power = 10_i128.checked_pow(scale.unsigned_abs())?;
                Number::integer(sign * digits.checked_mul(power)?)
            }
        };
        (number.scale <= 38).then(|| number.reduced())
    }

    /// The same number without zeros at its end.
    pub(super) fn reduced(mut self) -> Self {
        // 128 bits are divided many times slower
        if let Ok(mut digits) = i64::try_from(self.digits) {
            while self.scale > 0 && digits % 10 == 0 {
                digits /= 10;
                self.scale -= 1;
            }
            return Number { digits: digits.into(), ..self };
        }
        while self.scale > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }

    /// How many digits it has, without zeros at either end.
    pub(super) fn digits_count(self) -> u32 {
        self.reduced().digits.unsigned_abs().checked_ilog10().map_or(0, |power| power + 1)
    }

    /// Both numbers at one scale; `None` if that is too much to calculate with in 128 bits.
    pub(super) fn aligned(self, other: Number) -> Option<(i128, i128, u32)> {
        const LARGEST: i128 = 1 << 124;
        let scale = self.scale.max(other.scale);
        let at = |number: Number| match scale - number.scale {
            0 => Some(number.digits),
            more => number.digits.checked_mul(10_i128.checked_pow(more)?),
        };
        let is_small = |digits: &i128| digits.unsigned_abs() <= LARGEST as u128;
        Some((at(self).filter(is_small)?, at(other).filter(is_small)?, scale))
    }

    /// The integer, if it is one.
    pub(super) fn as_integer(self) -> Option<i128> {
        let reduced = self.reduced();
        (reduced.scale == 0).then_some(reduced.digits)
    }

    /// The nearest 64-bit float.
    pub(super) fn to_f64(self) -> f64 {
        // a quotient of two floats that are exact is rounded once
        const EXACT: u128 = 1 << 53;
        match self.digits.unsigned_abs() < EXACT && self.scale <= 22 {
            true => self.digits as f64 / 10_f64.powi(self.scale as i32),
            false => format!("{}e-{}", self.digits, self.scale).parse().unwrap_or(f64::NAN),
        }
    }
}

impl<'a> Cell<'a> {
    /// The cell of an array as a side stores it.
    pub(super) fn stored(array: &'a ArrayRef, row: usize) -> Cell<'a> {
        if array.is_null(row) {
            return Cell::Null;
        }
        macro_rules! integer {
            ($type:ty) => {
                Cell::Number(Number::integer(array.as_primitive::<$type>().value(row)))
            };
        }
        match array.data_type() {
            DataType::Boolean => Cell::Boolean(array.as_boolean().value(row)),
            DataType::Int8 => integer!(Int8Type),
            DataType::Int16 => integer!(Int16Type),
            DataType::Int32 => integer!(Int32Type),
            DataType::Int64 => integer!(Int64Type),
            DataType::UInt8 => integer!(UInt8Type),
            DataType::UInt16 => integer!(UInt16Type),
            DataType::UInt32 => integer!(UInt32Type),
            DataType::UInt64 => integer!(UInt64Type),
            DataType::Float32 => {
                let value = array.as_primitive::<Float32Type>().value(row);
                Number::float(&value.to_string(), Width::Float32).map_or(Cell::Other, Cell::Number)
            }
            DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
            DataType::Decimal256(_, scale) => match array.as_primitive::<Decimal256Type>().value(row).to_i128() {
                Some(digits) => decimal(digits, *scale),
                None => Cell::Other,
            },
            DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).into()),
            DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row).into()),
            DataType::Utf8View => Cell::Text(array.as_string_view().value(row).into()),
            DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => Cell::Bytes(array.as_fixed_size_binary().value(row)),
            DataType::Date32 => Cell::Date(array.as_primitive::<Date32Type>().value(row).into()),
            DataType::Date64 => Cell::Date(array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
            DataType::Time32(TimeUnit::Second) => time(array.as_primitive::<Time32SecondType>().value(row), 1),
            DataType::Time32(_) => time(array.as_primitive::<Time32MillisecondType>().value(row), 1_000),
            DataType::Time64(TimeUnit::Microsecond) => {
                time(array.as_primitive::<Time64MicrosecondType>().value(row), 1_000_000)
            }
            DataType::Time64(_) => time(array.as_primitive::<Time64NanosecondType>().value(row), SECOND),
            DataType::Timestamp(TimeUnit::Second, _) => {
                timestamp(array.as_primitive::<TimestampSecondType>().value(row), TimeUnit::Second)
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                timestamp(array.as_primitive::<TimestampMillisecondType>().value(row), TimeUnit::Millisecond)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row), TimeUnit::Microsecond)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                timestamp(array.as_primitive::<TimestampNanosecondType>().value(row), TimeUnit::Nanosecond)
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let key = Cell::stored(&make_array(dictionary.keys().slice(row, 1).to_data()), 0).to_index();
                key.map_or(Cell::Other, |key| Cell::stored(dictionary.values(), key))
            }
            _ => Cell::Other,
        }
    }

    /// The index that an integer is.
    fn to_index(&self) -> Option<usize> {
        match self {
            Cell::Number(number) => usize::try_from(number.digits).ok(),
            _ => None,
        }
    }

    /// The cell of a column in the form in which it is compared; `unit` is that of times which both sides store alike.
    pub(super) fn compared(array: &'a ArrayRef, row: usize, domain: &Domain, unit: TimeUnit) -> Option<Cell<'a>> {
        if array.is_null(row) {
            return Some(Cell::Null);
        }
        let ticks = |ticks: &Ticks| match ticks {
            Ticks::Same => Some((i128::from(array.as_primitive::<Int64Type>().value(row)), unit)),
            Ticks::Finer(unit) => Some((array.as_primitive::<Decimal128Type>().value(row), *unit)),
        };
        Some(match domain {
            Domain::Boolean | Domain::Int32 | Domain::Int64 | Domain::UInt64 => Cell::stored(array, row),
            Domain::Float | Domain::Decimal128 { .. } | Domain::Decimal256 { .. } => Cell::stored(array, row),
            Domain::Binary | Domain::Uuid => Cell::stored(array, row),
            Domain::Text => match std::str::from_utf8(array.as_binary_view().value(row)) {
                Ok(text) => Cell::Text(text.into()),
                Err(_) => Cell::Other,
            },
            // the form of a document is its text after a mark
            Domain::Json => match array.as_binary_view().value(row).split_first() {
                Some((_, text)) => Cell::Text(String::from_utf8_lossy(text)),
                None => Cell::Other,
            },
            Domain::Date => Cell::Date(array.as_primitive::<Int64Type>().value(row).div_euclid(86_400_000)),
            Domain::Timestamp(own) => {
                let (ticks, unit) = ticks(own)?;
                nanoseconds(ticks, unit).map_or(Cell::Other, Cell::Timestamp)
            }
            Domain::Time(own) => {
                let (ticks, unit) = ticks(own)?;
                nanoseconds(ticks, unit).map_or(Cell::Other, Cell::Time)
            }
            _ => return None,
        })
    }
}

fn float(value: f64) -> Cell<'static> {
    Number::float(&value.to_string(), Width::Float64).map_or(Cell::Other, Cell::Number)
}

fn decimal(digits: i128, scale: i8) -> Cell<'static> {
    match u32::try_from(scale) {
        Ok(scale) => Cell::Number(Number { digits, scale, width: Width::Exact }),
        Err(_) => Cell::Other,
    }
}

fn time(ticks: impl Into<i128>, per_second: i128) -> Cell<'static> {
    Cell::Time(ticks.into() * (SECOND / per_second))
}

fn timestamp(ticks: i64, unit: TimeUnit) -> Cell<'static> {
    match infinite(ticks, i64::MAX).filter(|_| unit != TimeUnit::Nanosecond) {
        Some(_) => Cell::Other,
        None => nanoseconds(ticks.into(), unit).map_or(Cell::Other, Cell::Timestamp),
    }
}

/// `None` for infinite times and those beyond all calendars.
fn nanoseconds(ticks: i128, unit: TimeUnit) -> Option<i128> {
    const CALENDAR: i128 = 400_000 * 366 * DAY;
    let time = ticks.checked_mul(SECOND / ticks_per_second(&unit))?;
    (time.abs() < CALENDAR).then_some(time)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Number { digits, scale, .. } = self.reduced();
        let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale as usize + 1);
        let (whole, fraction) = text.split_at(text.len() - scale as usize);
        let sign = if digits < 0 { "-" } else { "" };
        match fraction {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

impl Cell<'_> {
    /// The value as short text, by which equal values are counted; `None` for NULL, and for what is long or binary.
    pub(super) fn to_short_text(&self) -> Option<Box<str>> {
        const LENGTH_MAX: usize = 64;
        match self {
            Cell::Boolean(value) => Some(value.to_string().into()),
            Cell::Number(number) => Some(number.to_string().into()),
            Cell::Text(text) if text.len() <= LENGTH_MAX => Some(text.as_ref().into()),
            Cell::Date(days) => {
                let days = i32::try_from(*days).ok()?;
                let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
                Some(date.to_string().into())
            }
            Cell::Timestamp(time) => Some(jiff::Timestamp::from_nanosecond(*time).ok()?.to_string().into()),
            _ => None,
        }
    }
}

/// What a cell has in common with others.
pub(crate) enum Trait<'a> {
    /// Nothing that is worth counting: numbers with fractions, long text, bytes, nested values.
    None,
    /// NULL.
    Null,
    /// A short text, or a truth value.
    Text(Cow<'a, str>),
    /// An integer.
    Number(i64),
    /// A date: its month since the year 0, and its day since 1970.
    Day { month: i64, day: i64 },
    /// A time: its month since the year 0, and its second since 1970.
    Time { month: i64, second: i64 },
}

/// What the cell of a stored column has in common with others.
pub(crate) fn trait_of(array: &ArrayRef, row: usize) -> Trait<'_> {
    const TEXT_MAX: usize = 40;
    let month = |second: i64| {
        let time = TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(second).ok()?);
        Some(i64::from(time.year()) * 12 + i64::from(time.month()) - 1)
    };
    if array.data_type().is_nested() {
        return Trait::None;
    }
    match Cell::stored(array, row) {
        Cell::Null => Trait::Null,
        Cell::Boolean(value) => Trait::Text(if value { "true".into() } else { "false".into() }),
        Cell::Text(text) if text.len() <= TEXT_MAX => Trait::Text(text),
        Cell::Number(number) => {
            number.as_integer().and_then(|number| i64::try_from(number).ok()).map_or(Trait::None, Trait::Number)
        }
        Cell::Date(day) => month(day * 86_400).map_or(Trait::None, |month| Trait::Day { month, day }),
        Cell::Timestamp(time) => {
            let second = time.div_euclid(SECOND) as i64;
            month(second).map_or(Trait::None, |month| Trait::Time { month, second })
        }
        _ => Trait::None,
    }
}
