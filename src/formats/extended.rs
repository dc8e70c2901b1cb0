//! Replaces typed wrappers in JSON by the values that they stand for: MongoDB's Extended JSON and DynamoDB's attributes.

use std::str::FromStr;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::temporal_conversions::timestamp_ms_to_datetime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::layout::Documents;
use super::raw_json::{Member, Value, quoted};

/// A cell: a value at the top of a document.
pub(super) enum Cell {
    Null,
    /// A text, a number, or a boolean.
    Plain(String),
    /// An object or an array, in JSON.
    Nested(String),
}

impl Cell {
    /// The cell in JSON; `None` is NULL.
    pub(super) fn into_json(self, was_text: bool) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Plain(text) if was_text => Some(quoted(&text)),
            Cell::Plain(text) | Cell::Nested(text) => Some(text),
        }
    }
}

/// A value, and whether it is a text.
pub(super) type TypedCell = (Cell, bool);

/// The cell that a value stands for.
pub(super) fn cell(style: Documents, raw: &RawValue) -> serde_json::Result<TypedCell> {
    let value = Value::of(raw)?;
    let scalar = match style {
        Documents::Plain => None,
        Documents::Extended => extended(&value)?,
        Documents::Attributes => attribute(&value)?,
    };
    Ok(match (scalar, value) {
        (Some(Scalar::Null), _) | (None, Value::Null) => (Cell::Null, false),
        (Some(Scalar::Text(text)), _) | (None, Value::Text(text)) => (Cell::Plain(text), true),
        (Some(Scalar::Literal(text)), _) => (Cell::Plain(text), false),
        (None, Value::Literal(text)) => (Cell::Plain(text.into()), false),
        (None, _) if style == Documents::Plain => (Cell::Nested(raw.get().into()), false),
        (None, _) => (Cell::Nested(json(style, raw)?), false),
    })
}

/// A document of Extended JSON in plain JSON; `None` if it is not JSON.
pub(crate) fn plain_json(text: &str) -> Option<String> {
    json(Documents::Extended, serde_json::from_str(text).ok()?).ok()
}

/// What a wrapper of one value stands for.
enum Scalar {
    Null,
    Text(String),
    Literal(String),
}

/// A value in plain JSON.
fn json(style: Documents, raw: &RawValue) -> serde_json::Result<String> {
    let value = Value::of(raw)?;
    let scalar = match style {
        Documents::Plain => return Ok(raw.get().into()),
        Documents::Extended => extended(&value)?,
        Documents::Attributes => attribute(&value)?,
    };
    match scalar {
        Some(Scalar::Null) => return Ok("null".into()),
        Some(Scalar::Text(text)) => return Ok(quoted(&text)),
        Some(Scalar::Literal(text)) => return Ok(text),
        None => {}
    }
    let list = |items: &[&RawValue]| -> serde_json::Result<String> {
        let items = items.iter().map(|item| json(style, item)).collect::<serde_json::Result<Vec<String>>>()?;
        Ok(format!("[{}]", items.join(",")))
    };
    let object = |members: &[Member]| -> serde_json::Result<String> {
        let members = members.iter().map(|(name, value)| Ok(format!("{}:{}", quoted(name), json(style, value)?)));
        Ok(format!("{{{}}}", members.collect::<serde_json::Result<Vec<String>>>()?.join(",")))
    };
    match &value {
        Value::Object(members) if style == Documents::Attributes => match &members[..] {
            [(kind, inner)] => match (kind.as_ref(), Value::of(inner)?) {
                ("M", Value::Object(members)) => object(&members),
                ("L", Value::Array(items)) => list(&items),
                ("SS" | "NS" | "BS", Value::Array(items)) => set(kind, &items),
                _ => Ok(raw.get().into()),
            },
            members => object(members),
        },
        Value::Object(members) => object(members),
        Value::Array(items) => list(items),
        _ => Ok(raw.get().into()),
    }
}

/// The only member of an object.
fn only<'a>(value: &'a Value) -> Option<(&'a str, &'a RawValue)> {
    match value {
        Value::Object(members) => match &members[..] {
            [(name, value)] => Some((name.as_ref(), value)),
            _ => None,
        },
        _ => None,
    }
}

/// The value of a wrapper of Extended JSON.
fn extended(value: &Value) -> serde_json::Result<Option<Scalar>> {
    let Some((kind, inner)) = only(value) else { return Ok(None) };
    Ok(match (kind, Value::of(inner)?) {
        ("$oid", Value::Text(text)) if is_hex(&text, 24) => Some(Scalar::Text(text)),
        ("$uuid" | "$symbol", Value::Text(text)) => Some(Scalar::Text(text)),
        ("$numberInt" | "$numberLong" | "$numberDouble" | "$numberDecimal", Value::Text(text)) => number(text),
        ("$date", inner) => date(&inner).map(Scalar::Text),
        ("$undefined", Value::Literal("true")) => Some(Scalar::Null),
        ("$binary", Value::Object(parts)) if parts.len() == 2 => {
            let part = |wanted: &str| parts.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
            let text = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            match (text(part("base64")).and_then(|text| STANDARD.decode(text).ok()), text(part("subType"))) {
                (Some(bytes), Some(kind)) if kind == "04" && bytes.len() == 16 => Some(Scalar::Text(uuid(&bytes))),
                (Some(bytes), Some(kind)) if kind == "00" => Some(Scalar::Text(hexadecimal(&bytes))),
                _ => None,
            }
        }
        _ => None,
    })
}

/// A number, or a text if JSON has no such number; `None` if it is neither.
fn number(text: String) -> Option<Scalar> {
    match serde_json::from_str::<serde_json::Number>(&text) {
        Ok(_) => Some(Scalar::Literal(text)),
        Err(_) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => Some(Scalar::Text(text)),
        // beyond the range of floats
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => {
            Some(Scalar::Text(text))
        }
        Err(_) => None,
    }
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An instant in ISO 8601, in milliseconds; `None` if it is finer, or not an instant.
fn date(inner: &Value) -> Option<String> {
    let milliseconds = match inner {
        Value::Text(text) => {
            let at = Tz::from_str("UTC").and_then(|utc| string_to_datetime(&utc, text)).ok()?;
            let milliseconds = at.timestamp_millis();
            (at.timestamp_subsec_nanos() % 1_000_000 == 0).then_some(milliseconds)?
        }
        Value::Literal(number) => number.parse::<i64>().ok()?,
        value => match only(value)? {
            ("$numberLong", raw) => serde_json::from_str::<String>(raw.get()).ok()?.parse::<i64>().ok()?,
            _ => return None,
        },
    };
    // to the end of the year 9999, and beyond
    Some(timestamp_ms_to_datetime(milliseconds)?.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// The value of an attribute of DynamoDB.
fn attribute(value: &Value) -> serde_json::Result<Option<Scalar>> {
    let Some((kind, inner)) = only(value) else { return Ok(None) };
    Ok(match (kind, Value::of(inner)?) {
        ("S", Value::Text(text)) => Some(Scalar::Text(text)),
        ("N", Value::Text(text)) => number(text),
        ("B", Value::Text(text)) => Some(Scalar::Text(binary(&text))),
        ("BOOL", Value::Literal(truth)) => Some(Scalar::Literal(truth.into())),
        ("NULL", Value::Literal("true")) => Some(Scalar::Null),
        _ => None,
    })
}

/// A set of DynamoDB as a sorted list, because its order means nothing.
fn set(kind: &str, items: &[&RawValue]) -> serde_json::Result<String> {
    let texts = items.iter().map(|item| serde_json::from_str::<String>(item.get()));
    let Ok(mut texts) = texts.collect::<serde_json::Result<Vec<String>>>() else {
        let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
        return Ok(format!("[{}]", items.join(",")));
    };
    texts.sort();
    let item = |text: &String| match kind {
        "NS" => text.clone(),
        "BS" => quoted(&binary(text)),
        _ => quoted(text),
    };
    Ok(format!("[{}]", texts.iter().map(item).collect::<Vec<_>>().join(",")))
}

/// Base64 as hexadecimal.
fn binary(base64: &str) -> String {
    STANDARD.decode(base64).map_or_else(|_| base64.into(), |bytes| hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    format!("\\x{}", hex::encode(bytes))
}

fn uuid(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
