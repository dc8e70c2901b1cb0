//! The type of a loaded column, and the conversion of its text.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Decimal256Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit, i256};

use super::ColumnSummary;
use crate::equality::rules::{ParsedTime, parse_text};
use crate::error::Result;
use crate::formats::{Digits, Shape, Shapes};
use crate::job::ColumnType;
use crate::snapshot::{LOADED_SHAPES, LOADED_TYPE, Snapshot, type_name};

const MICROSECOND: i128 = 1_000;
const DAY: i128 = 86_400_000_000_000;

/// A column, and what was found in it.
pub(super) struct LoadedColumn {
    /// The shapes of its text; `None` if it has a type already.
    shapes: Option<Shapes>,
    stated: Option<ColumnType>,
    /// The type that it gets; `None` if it stays as it is.
    decided: Option<ColumnType>,
    /// Whether a time of the stated type is finer than a microsecond.
    has_nanoseconds: bool,
    unreadable: u64,
    first_unreadable: Option<u64>,
    rows: u64,
}

impl LoadedColumn {
    pub(super) fn new(field: &Field, shapes: Option<Shapes>, stated: Option<ColumnType>) -> Self {
        let shapes = shapes.filter(|_| field.data_type().is_string());
        let is_stated = stated.is_some();
        LoadedColumn {
            shapes: shapes.or(Some(Shapes::NONE).filter(|_| is_stated && field.data_type().is_string())),
            stated,
            decided: None,
            has_nanoseconds: shapes.is_some_and(|shapes| shapes.digits().has_nanoseconds),
            unreadable: 0,
            first_unreadable: None,
            rows: 0,
        }
    }

    /// Whether its cells have to be read to know whether they are of the stated type.
    pub(super) fn is_examined(&self) -> bool {
        self.shapes.is_some() && self.stated.as_ref().is_some_and(|stated| *stated != ColumnType::Text)
    }

    /// Takes up the cells of a batch.
    pub(super) fn examine(&mut self, array: &ArrayRef) -> Result<()> {
        let texts = cast(array, &DataType::Utf8View)?;
        let texts = texts.as_string_view();
        if let Some(stated) = &self.stated {
            let mut field = stated.field("");
            if let DataType::Timestamp(_, zone) = field.data_type() {
                let zone = zone.clone();
                let is_fine = |text: &str| ParsedTime::parse(text).is_some_and(|time| time.wall % MICROSECOND != 0);
                if texts.iter().flatten().any(is_fine) {
                    self.has_nanoseconds = true;
                    field = Field::new("", DataType::Timestamp(TimeUnit::Nanosecond, zone), true);
                }
            }
            let nulls = converted(texts, stated, &field)?.logical_nulls();
            for row in 0..texts.len() {
                if texts.is_valid(row) && nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    self.first_unreadable.get_or_insert(self.rows + row as u64);
                    self.unreadable += 1;
                }
            }
        }
        self.rows += texts.len() as u64;
        Ok(())
    }

    /// Decides the type, after all cells were examined.
    pub(super) fn settle(&mut self) {
        let Some(shapes) = self.shapes else { return };
        self.decided = match &self.stated {
            Some(ColumnType::Text) => None,
            Some(_) if self.unreadable > 0 => None,
            Some(stated) => Some(stated.clone()),
            None if shapes.are_unknown() => None,
            None if shapes.has(Shape::Number) => number_type(shapes.digits()),
            None if shapes.has(Shape::Boolean) => Some(ColumnType::Boolean),
            None if shapes.has(Shape::Uuid) => Some(ColumnType::Uuid),
            None if shapes.has(Shape::Instant) => Some(ColumnType::TimestampTz),
            None if shapes.has(Shape::Clock) && !shapes.digits().has_time => Some(ColumnType::Date),
            None if shapes.has(Shape::Clock) => Some(ColumnType::Timestamp),
            None if shapes.has(Shape::MarkedHex) => Some(ColumnType::Hex),
            None if shapes.has(Shape::Json) => Some(ColumnType::Json),
            None => None,
        };
    }

    /// Leaves the column as text.
    pub(super) fn keep_text(&mut self) {
        self.decided = None;
    }

    /// The field that it is written as.
    pub(super) fn field(&self, own: &Field) -> Field {
        match &self.decided {
            Some(decided) => {
                let field = decided.field(own.name());
                let mut metadata = field.metadata().clone();
                metadata.insert(LOADED_SHAPES.into(), String::new());
                let field = field.with_metadata(metadata);
                match field.data_type() {
                    DataType::Timestamp(_, zone) if self.has_nanoseconds => {
                        let zone = zone.clone();
                        field.with_data_type(DataType::Timestamp(TimeUnit::Nanosecond, zone))
                    }
                    _ => field,
                }
            }
            None => self.text_field(own),
        }
    }

    /// The field of a column that stays as it is. Later comparisons read its text as they would read that of the files.
    fn text_field(&self, own: &Field) -> Field {
        let Some(shapes) = self.shapes else { return own.clone().with_nullable(true) };
        let mut metadata = HashMap::from([(LOADED_SHAPES.to_string(), shapes.to_string())]);
        if let Some(stated) = &self.stated {
            metadata.insert(LOADED_TYPE.into(), stated.to_string());
        }
        Field::new(own.name(), DataType::Utf8, true).with_metadata(metadata)
    }

    /// Converts its cells to the type of its field.
    pub(super) fn convert(&self, array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
        match &self.decided {
            Some(decided) => {
                let texts = cast(array, &DataType::Utf8View)?;
                converted(texts.as_string_view(), decided, field)
            }
            None => Ok(cast(array, field.data_type())?),
        }
    }

    pub(super) fn summary(&self, snapshot: &Snapshot, own: &Field, name: impl Fn(&Path) -> String) -> ColumnSummary {
        let unreadable = self.first_unreadable.map(|row| {
            let found = snapshot.line_of(row).map(|(path, line)| {
                let file = name(path);
                line.map_or_else(|| file.clone(), |line| format!("{file} line {line}"))
            });
            (self.unreadable, found.unwrap_or_default())
        });
        ColumnSummary { name: own.name().clone(), type_name: type_name(&self.field(own)), unreadable }
    }
}

/// The narrowest type for all numbers; `None` if only text keeps them exactly.
fn number_type(digits: Digits) -> Option<ColumnType> {
    let all = digits.whole + digits.fraction;
    match (digits.is_scientific, digits.fraction) {
        (false, 0) if digits.whole <= 18 => Some(ColumnType::Integer),
        (false, fraction) if all <= 76 => Some(ColumnType::Decimal(all.max(1) as u8, fraction as i8)),
        _ => None,
    }
}

/// Converts text to a type, exactly. Cells that cannot be converted become NULL.
fn converted(texts: &StringViewArray, to: &ColumnType, field: &Field) -> Result<ArrayRef> {
    Ok(match to {
        ColumnType::Text | ColumnType::Json => match to.reading() {
            Some(reading) => cast(&parse_text(texts, reading)?, &DataType::Utf8)?,
            None => cast(texts, &DataType::Utf8)?,
        },
        ColumnType::Integer => {
            let number =
                |text: &str| decimal(text, 19, 0).and_then(i256::to_i128).and_then(|number| i64::try_from(number).ok());
            Arc::new(texts.iter().map(|text| text.and_then(number)).collect::<Int64Array>())
        }
        ColumnType::Decimal(precision, scale) => {
            let numbers =
                texts.iter().map(|text| text.and_then(|text| decimal(text, *precision, scale.unsigned_abs())));
            match field.data_type() {
                DataType::Decimal128(..) => {
                    let narrow = numbers.map(|number| number.and_then(i256::to_i128));
                    Arc::new(narrow.collect::<Decimal128Array>().with_precision_and_scale(*precision, *scale)?)
                }
                _ => Arc::new(numbers.collect::<Decimal256Array>().with_precision_and_scale(*precision, *scale)?),
            }
        }
        ColumnType::Date => {
            let day = |text: &str| {
                let time =
                    ParsedTime::parse(text).filter(|time| time.offset.is_none() && time.wall.rem_euclid(DAY) == 0)?;
                i32::try_from(time.wall.div_euclid(DAY)).ok()
            };
            Arc::new(texts.iter().map(|text| text.and_then(day)).collect::<Date32Array>())
        }
        ColumnType::Timestamp | ColumnType::TimestampTz => timestamps(texts, *to == ColumnType::TimestampTz, field),
        ColumnType::Float32 => cast(&parse_text(texts, crate::job::rule::ParseAs::Float32)?, &DataType::Float32)?,
        ColumnType::Float | ColumnType::Boolean | ColumnType::Uuid | ColumnType::Hex | ColumnType::Base64 => {
            match to.reading() {
                Some(reading) => parse_text(texts, reading)?,
                None => Arc::new(texts.clone()),
            }
        }
    })
}

fn timestamps(texts: &StringViewArray, are_instants: bool, field: &Field) -> ArrayRef {
    let nanoseconds = |text: &str| {
        let time = ParsedTime::parse(text)?;
        match (time.offset, are_instants) {
            (Some(offset), true) => Some(time.wall - offset),
            (None, false) => Some(time.wall),
            _ => None,
        }
    };
    let times = texts.iter().map(|text| text.and_then(nanoseconds));
    let zone: Option<Arc<str>> = are_instants.then(|| "UTC".into());
    match field.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let times = times.map(|time| time.and_then(|time| i64::try_from(time).ok()));
            Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone_opt(zone))
        }
        _ => {
            let micros =
                |time: i128| (time % MICROSECOND == 0).then(|| i64::try_from(time / MICROSECOND).ok()).flatten();
            let times = times.map(|time| time.and_then(micros));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone))
        }
    }
}

/// A number of at most `precision` digits, in units of its last decimal place; `None` if it does not fit exactly.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<i256> {
    match short_decimal(text.as_bytes(), scale) {
        Some(number) if number.unsigned_abs() < 10_u64.pow(u32::from(precision).min(18)) => Some(i256::from(number)),
        _ => long_decimal(text, precision, scale),
    }
}

/// The same for most numbers: at most 17 digits without superfluous ones.
fn short_decimal(text: &[u8], scale: u8) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > 18 || scale > 17 {
        return None;
    }
    let (mut number, mut places) = (0_i64, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + i64::from(byte - b'0');
                places = places.map(|places: u8| places + 1);
            }
            b'.' if places.is_none() => places = Some(0),
            _ => return None,
        }
    }
    let has_digits = digits.len() > usize::from(places.is_some());
    let zeros = scale.checked_sub(places.unwrap_or(0)).filter(|_| has_digits)?;
    let number = number.checked_mul(10_i64.checked_pow(u32::from(zeros))?)?;
    Some(if digits.len() < text.len() { -number } else { number })
}

fn long_decimal(text: &str, precision: u8, scale: u8) -> Option<i256> {
    let (is_negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    let (kept, rest) = fraction.split_at_checked(usize::from(scale)).unwrap_or((fraction, ""));
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let zeros = usize::from(scale) - kept.len();
    let digits = whole.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', zeros));
    let significant = digits.skip_while(|digit| *digit == b'0');
    let length = significant.clone().count();
    if length > usize::from(precision) {
        return None;
    }
    let signed = |number: i256| if is_negative { number.wrapping_neg() } else { number };
    if length <= MACHINE_DIGITS {
        let number = significant.fold(0, |number: i128, digit| number * 10 + i128::from(digit - b'0'));
        return Some(signed(i256::from_i128(number)));
    }
    let digits: String = significant.map(char::from).collect();
    i256::from_string(&digits).map(signed)
}

/// Numbers of at most this many digits fit into 128 bits.
const MACHINE_DIGITS: usize = 38;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, number) in [
            ("1.50", Some(150)),
            ("-1.5", Some(-150)),
            ("1.500", Some(150)),
            ("1.505", None),
            ("9999.99", Some(999_999)),
            ("10000.00", None),
            ("0", Some(0)),
            ("-0.00", Some(0)),
            (".5", Some(50)),
            ("1e2", None),
            ("", None),
            (".", None),
            ("1.5x", None),
            ("1..5", None),
            ("-", None),
            ("5.", Some(500)),
        ] {
            assert_eq!(decimal(text, 6, 2), number.map(i256::from_i128), "{text}");
            assert_eq!(long_decimal(text, 6, 2), number.map(i256::from_i128), "{text}");
        }
    }
}
