//! How the cells of a column are read: as which type, and in which notation.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// The types that a cell can be parsed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParseAs {
    /// Text as it is; bytes are decoded as UTF-8 unless there is an `encoding`.
    Text,
    /// Numbers of any size, exactly.
    Decimal,
    /// Whole numbers of any size.
    Integer,
    /// 64-bit floats.
    Float,
    /// 32-bit floats.
    Float32,
    /// Booleans: true and false, yes and no, on and off, 1 and 0.
    Boolean,
    /// Dates. The time of day is dropped.
    Date,
    /// Instants if one side has a zone or `assume_tz` gives one, otherwise local times.
    Timestamp,
    /// Times of day, and signed durations such as MySQL's `-838:59:59`.
    Time,
    /// Intervals of PostgreSQL and ISO 8601: months, days and a time, each compared by itself.
    Interval,
    /// UUIDs, as text or 16 bytes.
    Uuid,
    /// JSON, compared by value.
    Json,
    /// MongoDB's Extended JSON: typed wrappers are replaced by the values that they stand for.
    Ejson,
    /// Lists, array text of PostgreSQL, and JSON arrays. Items are compared by their text.
    Array,
    /// Sets: members with commas between them, array text of PostgreSQL, JSON arrays, and lists, without an order.
    Set,
    /// Composite values of PostgreSQL, JSON arrays, and structs, by the order of their parts.
    Composite,
    /// Key-value pairs: `hstore` of PostgreSQL, JSON objects, and maps. Keys and values are compared by their text.
    Hstore,
    /// Bytes, encoded in hexadecimal.
    Hex,
    /// Bytes, encoded in Base64.
    Base64,
}

impl ParseAs {
    /// Whether two different values of another family always remain different after parsing. Different spellings of one
    /// value (`5.0` and `5`, `yes` and `true`) do not count.
    pub fn loses_nothing(self) -> bool {
        match self {
            ParseAs::Text
            | ParseAs::Decimal
            | ParseAs::Integer
            | ParseAs::Boolean
            | ParseAs::Timestamp
            | ParseAs::Time
            | ParseAs::Interval
            | ParseAs::Uuid
            | ParseAs::Hex
            | ParseAs::Base64 => true,
            // numbers are rounded, the time of day is dropped, a JSON document has many spellings, and the parts of an
            // array, a set, and so on have no type
            ParseAs::Float
            | ParseAs::Float32
            | ParseAs::Date
            | ParseAs::Json
            | ParseAs::Ejson
            | ParseAs::Array
            | ParseAs::Set
            | ParseAs::Composite
            | ParseAs::Hstore => false,
        }
    }
}

impl fmt::Display for ParseAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseAs::Text => "text",
            ParseAs::Decimal => "decimal",
            ParseAs::Integer => "integer",
            ParseAs::Float => "float",
            ParseAs::Float32 => "float32",
            ParseAs::Boolean => "boolean",
            ParseAs::Date => "date",
            ParseAs::Timestamp => "timestamp",
            ParseAs::Time => "time",
            ParseAs::Interval => "interval",
            ParseAs::Uuid => "uuid",
            ParseAs::Json => "json",
            ParseAs::Ejson => "ejson",
            ParseAs::Array => "array",
            ParseAs::Set => "set",
            ParseAs::Composite => "composite",
            ParseAs::Hstore => "hstore",
            ParseAs::Hex => "hex",
            ParseAs::Base64 => "base64",
        })
    }
}

/// The unit of numbers that count from 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum EpochUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Second,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millisecond,
    /// Microseconds.
    #[serde(rename = "us")]
    Microsecond,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanosecond,
}

impl EpochUnit {
    /// The power of ten of nanoseconds in the unit.
    pub fn nanosecond_digits(self) -> u8 {
        match self {
            EpochUnit::Second => 9,
            EpochUnit::Millisecond => 6,
            EpochUnit::Microsecond => 3,
            EpochUnit::Nanosecond => 0,
        }
    }
}

impl fmt::Display for EpochUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EpochUnit::Second => "s",
            EpochUnit::Millisecond => "ms",
            EpochUnit::Microsecond => "us",
            EpochUnit::Nanosecond => "ns",
        })
    }
}

/// The encoding of text that is stored as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8, the default.
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1: each byte is the character with its number.
    #[serde(rename = "latin1")]
    Latin1,
    /// Windows-1252, which MySQL calls `latin1`.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Latin1 => "latin1",
            Encoding::Windows1252 => "windows-1252",
        })
    }
}
