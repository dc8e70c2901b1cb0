//! Parses cells as the type that `as` specifies. An unreadable cell is recorded, and never treated as NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewBuilder, BooleanArray, Date32Array, FixedSizeBinaryBuilder,
    Float64Array, StringViewArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Float64Type};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::times::{self, ParsedTime, Zone, is_infinite};
use crate::equality::canonical::digits::{self, FloatDecimal, Number};
use crate::equality::canonical::domain::{Family, family};
use crate::equality::canonical::{Domain, Ticks, convert, json};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;
use crate::job::rule::ParseAs;
use crate::sides::Side;

/// A parsed column.
pub(super) struct Parsed {
    /// The values; NULL if the cell is NULL or unreadable.
    pub array: ArrayRef,
    /// For unreadable cells, the side and the text of the cell, so that they are not equal to anything on the other
    /// side; NULL for all others. `None` for columns that are not parsed.
    pub unreadable: Option<ArrayRef>,
}

/// Whether cells of a family can be parsed as this type.
pub(super) fn reads(reading: ParseAs, from: Family) -> bool {
    use Family::{Binary, Boolean, Date, Json, NaiveTimestamp, Number, Text, Time, Uuid, ZonedTimestamp};
    let sources: &[Family] = match reading {
        ParseAs::Text => &[Text, Number, Boolean, Binary, Uuid, Json, Date, Time, ZonedTimestamp, NaiveTimestamp],
        ParseAs::Decimal | ParseAs::Integer | ParseAs::Float | ParseAs::Float32 => &[Text, Number],
        ParseAs::Boolean => &[Text, Number, Boolean],
        ParseAs::Date | ParseAs::Timestamp => &[Text, Date, ZonedTimestamp, NaiveTimestamp],
        ParseAs::Uuid => &[Text, Uuid, Binary],
        ParseAs::Json => &[Text, Json],
        ParseAs::Hex | ParseAs::Base64 => &[Text, Binary],
    };
    sources.contains(&from)
}

/// The domain of parsed values.
pub(super) fn domain(reading: ParseAs) -> Domain {
    match reading {
        ParseAs::Text => Domain::Text,
        ParseAs::Decimal | ParseAs::Integer => Domain::Digits,
        ParseAs::Float | ParseAs::Float32 => Domain::Float,
        ParseAs::Boolean => Domain::Boolean,
        ParseAs::Date => Domain::Date,
        ParseAs::Timestamp => Domain::Timestamp(Ticks::Finer(arrow::datatypes::TimeUnit::Nanosecond)),
        ParseAs::Uuid => Domain::Uuid,
        ParseAs::Json => Domain::Json,
        ParseAs::Hex | ParseAs::Base64 => Domain::Binary,
    }
}

/// How times are interpreted in a pair of columns that are read as timestamps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ZonePolicy {
    /// Whether times are compared as instants, rather than as local times.
    pub instants: bool,
    /// The zone of times without one.
    pub zone: Option<Zone>,
    /// Whether the two instants with the same local time count as one.
    pub either_hour: bool,
}

impl ZonePolicy {
    /// The instant of a local time.
    fn instant(&self, wall: i128) -> Option<i128> {
        match (&self.zone, self.instants) {
            (Some(zone), true) if self.either_hour => zone.first_instant(wall),
            (Some(zone), true) => zone.instant(wall),
            (None, true) => Some(wall).filter(|wall| is_infinite(*wall)),
            (_, false) => Some(wall),
        }
    }

    /// An instant in the form in which it is compared.
    fn settled(&self, instant: i128) -> Option<i128> {
        match &self.zone {
            Some(zone) if self.either_hour => zone.first_instant(zone.wall(instant)?).or(Some(instant)),
            _ => Some(instant),
        }
    }
}

/// Parses a column of one side; `floats` determines which decimals its binary floats count as.
pub(super) fn read(
    array: &ArrayRef,
    field: &Field,
    reading: ParseAs,
    floats: FloatDecimal,
    clocks: &ZonePolicy,
    side: Side,
) -> Result<Parsed> {
    let cells = StoredCells { array, field };
    let array: ArrayRef = match reading {
        ParseAs::Text => match family(field) {
            Some(Family::Text) => array.clone(),
            Some(Family::Binary) => Arc::new(cells.encoded()?),
            _ => Arc::new(StringViewArray::from(&cells.texts()?)),
        },
        ParseAs::Decimal => Arc::new(digits::forms(cells.numbers(floats, |_| true)?)),
        ParseAs::Integer => {
            let whole = |number: &Number| matches!(number, Number::Finite(decimal) if decimal.is_whole());
            Arc::new(digits::forms(cells.numbers(floats, whole)?))
        }
        ParseAs::Float | ParseAs::Float32 => Arc::new(cells.floats(reading == ParseAs::Float32)?),
        ParseAs::Boolean => Arc::new(cells.booleans()?),
        ParseAs::Date => {
            let wall = cells.walls(clocks)?.into_iter();
            Arc::new(wall.map(|wall| wall.and_then(times::day)).collect::<Date32Array>())
        }
        ParseAs::Timestamp => Arc::new(times::forms(cells.instants(clocks)?)?),
        ParseAs::Uuid => cells.uuids()?,
        ParseAs::Json => {
            let texts = convert(array, &DataType::Utf8View)?;
            let texts = texts.as_string_view().iter();
            let documents = texts.map(|text| text.filter(|text| json::has_meaning(text)));
            Arc::new(documents.collect::<StringViewArray>())
        }
        ParseAs::Hex => Arc::new(cells.bytes(from_hex)?),
        ParseAs::Base64 => Arc::new(cells.bytes(from_base64)?),
    };
    let unreadable = unreadable(&cells, &array, side)?;
    Ok(Parsed { array, unreadable: Some(unreadable) })
}

/// Parses text as a type that needs no zone. Cells that cannot be parsed become NULL.
pub(crate) fn parse_text(texts: &StringViewArray, reading: ParseAs) -> Result<ArrayRef> {
    let field = Field::new("", DataType::Utf8View, true);
    let clocks = ZonePolicy { instants: false, zone: None, either_hour: false };
    let array: ArrayRef = Arc::new(texts.clone());
    Ok(read(&array, &field, reading, FloatDecimal::Exact, &clocks, Side::Old)?.array)
}

fn unreadable(cells: &StoredCells, read: &ArrayRef, side: Side) -> Result<ArrayRef> {
    let lost = |row: usize| cells.array.is_valid(row) && read.is_null(row);
    if read.null_count() == cells.array.logical_null_count() || !(0..read.len()).any(lost) {
        return Ok(new_null_array(&DataType::BinaryView, read.len()));
    }
    let texts = cells.texts()?;
    let mut builder = BinaryViewBuilder::new();
    for row in 0..read.len() {
        match lost(row) {
            true => builder.append_value([&[side as u8], texts.value(row).as_bytes()].concat()),
            false => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// A stored column.
struct StoredCells<'a> {
    array: &'a ArrayRef,
    field: &'a Field,
}

impl StoredCells<'_> {
    fn is_text(&self) -> bool {
        family(self.field) == Some(Family::Text)
    }

    /// The cells as text.
    fn texts(&self) -> Result<arrow::array::StringArray> {
        let plain = plain_types::array(self.array)?;
        value_text::column(&plain, &plain_types::field(self.field.name(), self.field))
    }

    fn of_text<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>> {
        let texts = convert(self.array, &DataType::Utf8View)?;
        Ok(texts.as_string_view().iter().map(|text| text.and_then(&parse)).collect())
    }

    fn numbers(&self, floats: FloatDecimal, fits: impl Fn(&Number) -> bool) -> Result<digits::Numbers> {
        let numbers = match self.is_text() {
            true => self.of_text(Number::parse_any)?,
            false => digits::numbers(self.array, floats)?,
        };
        Ok(numbers.into_iter().map(|number| number.filter(|number| fits(number))).collect())
    }

    fn floats(&self, narrow: bool) -> Result<Float64Array> {
        let parse = |text: &str| {
            let value = if narrow { text.parse::<f32>().map(f64::from) } else { text.parse::<f64>() };
            // a number beyond the range of floats is not infinity
            let infinite = text.trim_start_matches(['+', '-']).to_lowercase().starts_with("inf");
            value.ok().filter(|value| value.is_finite() || value.is_nan() || infinite)
        };
        if self.array.data_type().is_floating() {
            let wide = convert(self.array, &DataType::Float64)?;
            let values = wide.as_primitive::<Float64Type>().iter();
            let narrowed = |value: f64| if narrow { f64::from(value as f32) } else { value };
            let fits = |value: &f64| narrowed(*value).is_finite() || !value.is_finite();
            return Ok(values.map(|value| value.filter(fits).map(narrowed)).collect());
        }
        match self.is_text() {
            true => Ok(self.of_text(parse)?.into_iter().collect()),
            // parsed as digits first, so that a decimal is rounded only once
            false => Ok(self.texts()?.iter().map(|text| text.and_then(parse)).collect()),
        }
    }

    fn booleans(&self) -> Result<BooleanArray> {
        if self.is_text() {
            return Ok(self.of_text(boolean)?.into_iter().collect());
        }
        match self.array.data_type() {
            DataType::Boolean => Ok(self.array.as_boolean().clone()),
            DataType::Null => Ok(BooleanArray::new_null(self.array.len())),
            _ => {
                let (no, yes) = (Number::parse("0"), Number::parse("1"));
                let truth = |number: Option<Number>| match number {
                    number if number.is_none() => None,
                    number if number == no => Some(false),
                    number if number == yes => Some(true),
                    _ => None,
                };
                Ok(digits::numbers(self.array, FloatDecimal::Exact)?.into_iter().map(truth).collect())
            }
        }
    }

    /// Local times: those of the zone for instants.
    fn walls(&self, clocks: &ZonePolicy) -> Result<Vec<Option<i128>>> {
        let shown = |instant: i128| match &clocks.zone {
            Some(zone) => zone.wall(instant),
            None => Some(instant),
        };
        if self.is_text() {
            return self.of_text(|text| {
                let parsed = ParsedTime::parse(text)?;
                parsed.offset.map_or(Some(parsed.wall), |offset| shown(parsed.wall - offset))
            });
        }
        let zoned = family(self.field) == Some(Family::ZonedTimestamp);
        let times = times::nanoseconds(self.array)?.into_iter();
        Ok(times.map(|time| if zoned { time.and_then(shown) } else { time }).collect())
    }

    /// Instants or local times, depending on the pair of columns.
    fn instants(&self, clocks: &ZonePolicy) -> Result<Vec<Option<i128>>> {
        if self.is_text() {
            return self.of_text(|text| {
                let parsed = ParsedTime::parse(text)?;
                match parsed.offset {
                    Some(offset) if clocks.instants => clocks.settled(parsed.wall - offset),
                    Some(_) => None,
                    None => clocks.instant(parsed.wall),
                }
            });
        }
        let zoned = family(self.field) == Some(Family::ZonedTimestamp);
        let times = times::nanoseconds(self.array)?.into_iter();
        let instant = |time: i128| if zoned { clocks.settled(time) } else { clocks.instant(time) };
        Ok(times.map(|time| time.and_then(instant)).collect())
    }

    fn bytes(&self, parse: fn(&str) -> Option<Vec<u8>>) -> Result<BinaryArray> {
        if self.is_text() {
            return Ok(self.of_text(parse)?.iter().map(Option::as_deref).collect());
        }
        Ok(convert(self.array, &DataType::Binary)?.as_binary::<i32>().clone())
    }

    /// Decodes UTF-8.
    fn encoded(&self) -> Result<StringViewArray> {
        let bytes = convert(self.array, &DataType::Binary)?;
        let texts = bytes.as_binary::<i32>().iter();
        Ok(texts.map(|bytes| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())).collect())
    }

    fn uuids(&self) -> Result<ArrayRef> {
        let ids: Vec<Option<[u8; 16]>> = match self.is_text() {
            true => self.of_text(uuid)?,
            false => {
                let bytes = convert(self.array, &DataType::Binary)?;
                bytes.as_binary::<i32>().iter().map(|bytes| bytes.and_then(|bytes| bytes.try_into().ok())).collect()
            }
        };
        let mut builder = FixedSizeBinaryBuilder::with_capacity(ids.len(), 16);
        for id in ids {
            match id {
                Some(id) => builder.append_value(id)?,
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `9f3c…` with hyphens in the usual positions or without any, in braces or as a URN.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let text = text.strip_prefix('{').map_or(Some(text), |inner| inner.strip_suffix('}'))?;
    let digits = match text.len() {
        32 => text.to_string(),
        36 => {
            let hyphens: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
            (hyphens == [8, 13, 18, 23]).then(|| text.replace('-', ""))?
        }
        _ => return None,
    };
    hex::decode(digits).ok()?.try_into().ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = ["0x", "0X", "\\x"].iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text);
    hex::decode(digits).ok()
}

/// MIME, MySQL and PostgreSQL break lines after 64 or 76 characters (RFC 2045, section 6.8).
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.replace(['\r', '\n'], "");
    let free = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&base64::alphabet::STANDARD, free);
    let for_urls = GeneralPurpose::new(&base64::alphabet::URL_SAFE, free);
    standard.decode(&text).or_else(|_| for_urls.decode(&text)).ok()
}
