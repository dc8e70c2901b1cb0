//! The types that a job can state for columns that are stored as text.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, TimeUnit};

use super::rule::ParseAs;

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// Text as it is.
    Text,
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers of this many digits, of which this many are decimal places.
    Decimal(u8, i8),
    /// 64-bit floats.
    Float,
    /// 32-bit floats.
    Float32,
    /// Booleans.
    Boolean,
    /// Dates.
    Date,
    /// Timestamps without a zone.
    Timestamp,
    /// Instants.
    TimestampTz,
    /// UUIDs.
    Uuid,
    /// JSON documents.
    Json,
    /// Bytes in hexadecimal.
    Hex,
    /// Bytes in Base64.
    Base64,
}

impl ColumnType {
    /// How text is parsed as this type; `None` for text.
    pub fn reading(&self) -> Option<ParseAs> {
        Some(match self {
            ColumnType::Text => return None,
            ColumnType::Integer => ParseAs::Integer,
            ColumnType::Decimal(..) => ParseAs::Decimal,
            ColumnType::Float => ParseAs::Float,
            ColumnType::Float32 => ParseAs::Float32,
            ColumnType::Boolean => ParseAs::Boolean,
            ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz => ParseAs::Timestamp,
            ColumnType::Uuid => ParseAs::Uuid,
            ColumnType::Json => ParseAs::Json,
            ColumnType::Hex => ParseAs::Hex,
            ColumnType::Base64 => ParseAs::Base64,
        })
    }

    /// The field of a column of this type.
    pub fn field(&self, name: &str) -> Field {
        let data_type = match self {
            ColumnType::Text | ColumnType::Json => DataType::Utf8,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Decimal(precision, scale) if *precision <= DECIMAL128_MAX_PRECISION => {
                DataType::Decimal128(*precision, *scale)
            }
            ColumnType::Decimal(precision, scale) => DataType::Decimal256(*precision, *scale),
            ColumnType::Float => DataType::Float64,
            ColumnType::Float32 => DataType::Float32,
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Uuid => DataType::FixedSizeBinary(16),
            ColumnType::Hex | ColumnType::Base64 => DataType::Binary,
        };
        let field = Field::new(name, data_type, true);
        let extension = match self {
            ColumnType::Uuid => "arrow.uuid",
            ColumnType::Json => "arrow.json",
            _ => return field,
        };
        field.with_metadata([("ARROW:extension:name".to_string(), extension.to_string())].into())
    }
}

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.trim().to_ascii_lowercase();
        let (name, arguments) = match plain.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')')),
            None => (plain.as_str(), None),
        };
        let numbers: Option<Vec<u8>> = arguments
            .map(|list| list.split(',').map(|number| number.trim().parse().ok()).collect())
            .unwrap_or(Some(vec![]));
        Ok(match (name, numbers.as_deref()) {
            ("decimal" | "numeric", Some(&[precision])) if (1..=DECIMAL256_MAX_PRECISION).contains(&precision) => {
                ColumnType::Decimal(precision, 0)
            }
            ("decimal" | "numeric", Some(&[precision, scale]))
                if (1..=DECIMAL256_MAX_PRECISION).contains(&precision) && scale <= precision =>
            {
                ColumnType::Decimal(precision, scale.cast_signed())
            }
            ("text" | "varchar" | "char" | "string", Some(_)) => ColumnType::Text,
            ("integer" | "int" | "bigint" | "smallint", Some([])) => ColumnType::Integer,
            ("float" | "double" | "double precision", Some([])) => ColumnType::Float,
            ("float32" | "real", Some([])) => ColumnType::Float32,
            ("boolean" | "bool", Some([])) => ColumnType::Boolean,
            ("date", Some([])) => ColumnType::Date,
            ("timestamp" | "datetime", Some([])) => ColumnType::Timestamp,
            ("timestamptz" | "timestamp with time zone", Some([])) => ColumnType::TimestampTz,
            ("uuid", Some([])) => ColumnType::Uuid,
            ("json" | "jsonb", Some([])) => ColumnType::Json,
            ("hex" | "bytea", Some([])) => ColumnType::Hex,
            ("base64", Some([])) => ColumnType::Base64,
            _ => {
                return Err(format!(
                    "`{text}` is not a type; use integer, decimal(12,2), float, float32, boolean, date, timestamp, \
                     timestamptz, uuid, json, hex, base64, or text"
                ));
            }
        })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            ColumnType::Text => "text",
            ColumnType::Integer => "integer",
            ColumnType::Float => "float",
            ColumnType::Float32 => "float32",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
            ColumnType::TimestampTz => "timestamptz",
            ColumnType::Uuid => "uuid",
            ColumnType::Json => "json",
            ColumnType::Hex => "hex",
            ColumnType::Base64 => "base64",
        })
    }
}
