//! Parses cells as the type that `as` specifies. An unreadable cell is recorded, and never treated as NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewBuilder, BooleanArray, Date32Array, FixedSizeBinaryBuilder,
    Float64Array, StringViewArray, StringViewBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field, Float64Type, TimeUnit};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::intervals::Interval;
use super::times::{self, ParsedTime, Zone, is_infinite};
use super::{arrays, clock, composites, encodings};
use crate::equality::canonical::digits::{self, Decimal, FloatDecimal, Number};
use crate::equality::canonical::domain::{Family, family};
use crate::equality::canonical::{Domain, Ticks, convert, json};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;
use crate::formats::plain_json;
use crate::job::rule::{Encoding, EpochUnit, ParseAs};
use crate::sides::Side;

/// A parsed column.
pub(super) struct Parsed {
    /// The values; NULL if the cell is NULL or unreadable.
    pub array: ArrayRef,
    /// For unreadable cells, the side and the text of the cell, so that they are not equal to anything on the other
    /// side; NULL for all others. `None` for columns that are not parsed.
    pub unreadable: Option<ArrayRef>,
}

/// Whether cells of a family can be parsed as this type. Numbers can only be times if their unit is known.
pub(super) fn reads(reading: ParseAs, from: Family, unit: Option<EpochUnit>) -> bool {
    use Family::{
        Binary, Boolean, Date, Duration, Json, List, Map, NaiveTimestamp, Number, Struct, Text, Time, Uuid,
        ZonedTimestamp,
    };
    let sources: &[Family] = match reading {
        ParseAs::Text => &[Text, Number, Boolean, Binary, Uuid, Json, Date, Time, ZonedTimestamp, NaiveTimestamp],
        ParseAs::Decimal | ParseAs::Integer | ParseAs::Float | ParseAs::Float32 => &[Text, Number],
        ParseAs::Boolean => &[Text, Number, Boolean],
        ParseAs::Date | ParseAs::Timestamp if unit.is_some() => &[Text, Number, Date, ZonedTimestamp, NaiveTimestamp],
        ParseAs::Date | ParseAs::Timestamp => &[Text, Date, ZonedTimestamp, NaiveTimestamp],
        ParseAs::Time => &[Text, Time, Duration],
        ParseAs::Interval => &[Text, Duration],
        ParseAs::Array | ParseAs::Set => &[Text, Json, List],
        ParseAs::Composite => &[Text, Json, Struct],
        ParseAs::Hstore => &[Text, Json, Map],
        ParseAs::Uuid => &[Text, Uuid, Binary],
        ParseAs::Json | ParseAs::Ejson => &[Text, Json],
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
        ParseAs::Timestamp => Domain::Timestamp(Ticks::Finer(TimeUnit::Nanosecond)),
        ParseAs::Time => Domain::Time(Ticks::Finer(TimeUnit::Nanosecond)),
        ParseAs::Uuid => Domain::Uuid,
        ParseAs::Json | ParseAs::Ejson | ParseAs::Array | ParseAs::Set | ParseAs::Composite | ParseAs::Hstore => {
            Domain::Json
        }
        ParseAs::Interval | ParseAs::Hex | ParseAs::Base64 => Domain::Binary,
    }
}

/// How values are written in a pair of columns, where their types do not specify it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notation {
    /// Which decimal a binary float counts as.
    pub floats: FloatDecimal,
    /// How times without a zone are interpreted.
    pub clocks: ZonePolicy,
    /// The unit of numbers that are read as times.
    pub unit: Option<EpochUnit>,
    /// The encoding of bytes that are read as text.
    pub encoding: Encoding,
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

/// Parses a column of one side.
pub(super) fn read(
    array: &ArrayRef,
    field: &Field,
    reading: ParseAs,
    notation: &Notation,
    side: Side,
) -> Result<Parsed> {
    let Notation { floats, .. } = *notation;
    let cells = StoredCells { array, field };
    let array: ArrayRef = match reading {
        ParseAs::Text => match family(field) {
            Some(Family::Text) => array.clone(),
            Some(Family::Binary) => Arc::new(cells.encoded(notation.encoding)?),
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
            let wall = cells.walls(notation)?.into_iter();
            Arc::new(wall.map(|wall| wall.and_then(times::day)).collect::<Date32Array>())
        }
        ParseAs::Timestamp => Arc::new(times::forms(cells.instants(notation)?)?),
        ParseAs::Time => Arc::new(times::forms(cells.lengths()?)?),
        ParseAs::Interval => {
            let forms = cells.intervals()?.into_iter().map(|interval| interval.map(|interval| interval.form()));
            Arc::new(forms.collect::<BinaryArray>())
        }
        ParseAs::Uuid => cells.uuids()?,
        ParseAs::Json => {
            let texts = convert(array, &DataType::Utf8View)?;
            let texts = texts.as_string_view().iter();
            let documents = texts.map(|text| text.filter(|text| json::has_meaning(text)));
            Arc::new(documents.collect::<StringViewArray>())
        }
        ParseAs::Ejson => cells.documents(|text| plain_json(text).filter(|plain| json::has_meaning(plain)))?,
        ParseAs::Array => match family(field) {
            Some(Family::List) => Arc::new(arrays::documents(array, field)?),
            _ => cells.documents(arrays::document)?,
        },
        ParseAs::Set => match family(field) {
            Some(Family::List) => {
                let documents = arrays::documents(array, field)?;
                Arc::new(documents.iter().map(|list| list.and_then(composites::members)).collect::<StringViewArray>())
            }
            _ => cells.documents(composites::set)?,
        },
        ParseAs::Composite => match family(field) {
            Some(Family::Struct) => Arc::new(composites::records(array, field)?),
            _ => cells.documents(composites::record)?,
        },
        ParseAs::Hstore => match family(field) {
            Some(Family::Map) => Arc::new(composites::maps(array, field)?),
            _ => cells.documents(composites::pairs)?,
        },
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
    let notation = Notation { floats: FloatDecimal::Exact, clocks, unit: None, encoding: Encoding::Utf8 };
    let array: ArrayRef = Arc::new(texts.clone());
    Ok(read(&array, &field, reading, &notation, Side::Old)?.array)
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

    /// JSON documents of text.
    fn documents(&self, parse: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
        Ok(Arc::new(StringViewArray::from_iter(self.of_text(parse)?)))
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

    /// The times in a column of text or numbers; `None` for a column of times.
    fn written_times(&self, unit: Option<EpochUnit>) -> Result<Option<Vec<Option<ParsedTime>>>> {
        let epoch = |number: &Decimal| {
            let wall = number.scaled(unit?.nanosecond_digits())?;
            Some(ParsedTime { wall, offset: Some(0) })
        };
        Ok(match family(self.field) {
            // with a unit, digits are never a date without hyphens
            Some(Family::Text) => Some(self.of_text(|text| match unit.and_then(|_| Decimal::parse(text)) {
                Some(number) => epoch(&number),
                None => ParsedTime::parse(text),
            })?),
            Some(Family::Number) => {
                let numbers = digits::numbers(self.array, FloatDecimal::Shortest)?.into_iter();
                let time = |number: Option<Number>| match number {
                    Some(Number::Finite(number)) => epoch(&number),
                    _ => None,
                };
                Some(numbers.map(time).collect())
            }
            _ => None,
        })
    }

    /// Local times: those of the zone for instants.
    fn walls(&self, notation: &Notation) -> Result<Vec<Option<i128>>> {
        let shown = |instant: i128| match &notation.clocks.zone {
            Some(zone) => zone.wall(instant),
            None => Some(instant),
        };
        if let Some(times) = self.written_times(notation.unit)? {
            let wall = |ParsedTime { wall, offset }| offset.map_or(Some(wall), |offset| shown(wall - offset));
            return Ok(times.into_iter().map(|time| time.and_then(wall)).collect());
        }
        let zoned = family(self.field) == Some(Family::ZonedTimestamp);
        let times = times::nanoseconds(self.array)?.into_iter();
        Ok(times.map(|time| if zoned { time.and_then(shown) } else { time }).collect())
    }

    /// Instants or local times, depending on the pair of columns.
    fn instants(&self, notation: &Notation) -> Result<Vec<Option<i128>>> {
        let clocks = &notation.clocks;
        if let Some(times) = self.written_times(notation.unit)? {
            let instant = |ParsedTime { wall, offset }| match offset {
                Some(offset) if clocks.instants => clocks.settled(wall - offset),
                Some(_) => None,
                None => clocks.instant(wall),
            };
            return Ok(times.into_iter().map(|time| time.and_then(instant)).collect());
        }
        let zoned = family(self.field) == Some(Family::ZonedTimestamp);
        let times = times::nanoseconds(self.array)?.into_iter();
        let instant = |time: i128| if zoned { clocks.settled(time) } else { clocks.instant(time) };
        Ok(times.map(|time| time.and_then(instant)).collect())
    }

    /// Times of day and lengths of time in nanoseconds.
    fn lengths(&self) -> Result<Vec<Option<i128>>> {
        match self.is_text() {
            true => self.of_text(clock::time),
            false => Ok(times::nanoseconds(self.array)?),
        }
    }

    fn intervals(&self) -> Result<Vec<Option<Interval>>> {
        match self.is_text() {
            true => self.of_text(Interval::parse),
            false => {
                let lengths = times::nanoseconds(self.array)?.into_iter();
                Ok(lengths.map(|length| length.map(Interval::of_time)).collect())
            }
        }
    }

    fn bytes(&self, parse: fn(&str) -> Option<Vec<u8>>) -> Result<BinaryArray> {
        if self.is_text() {
            return Ok(self.of_text(parse)?.iter().map(Option::as_deref).collect());
        }
        Ok(convert(self.array, &DataType::Binary)?.as_binary::<i32>().clone())
    }

    /// Decodes bytes.
    fn encoded(&self, encoding: Encoding) -> Result<StringViewArray> {
        let bytes = convert(self.array, &DataType::Binary)?;
        let mut texts = StringViewBuilder::with_capacity(bytes.len());
        for bytes in bytes.as_binary::<i32>() {
            texts.append_option(bytes.and_then(|bytes| encodings::decode(bytes, encoding)));
        }
        Ok(texts.finish())
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
