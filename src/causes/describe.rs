//! What causes mean, and the lines of a job file that accept what they explain.

use std::fmt::Write;

use arrow::datatypes::{DataType, Field};
use certificate::wording::{count, quoted};

use super::cell::{DAY, Number, SECOND, Width};
use super::observation::{Cause, Detail};
use super::times::UNITS;
use crate::sides::{Side, Sides};

/// What a cause means.
pub(super) struct Description {
    /// What it means.
    pub detail: String,
    /// The lines that accept it; `None` if it is damage, or if no rule accepts exactly that.
    pub accept: Option<String>,
}

/// The most codes of a map that are written out.
const CODES_SHOWN: usize = 12;

/// What decides whether a rule accepts a cause and nothing else.
pub(super) struct RuleScope<'a> {
    /// The name of the column in reports.
    pub column: &'a str,
    /// The stored columns; `None` if one of them is computed.
    pub stored: Option<Sides<&'a Field>>,
    /// Whether all pairs of rows differ in this way. An expression changes all of them.
    pub is_all: bool,
    /// Whether all mismatches of whole cells in the column have this cause.
    pub is_only: bool,
}

/// Describes a cause of mismatches in a column. `other` names another column.
pub(super) fn describe<'a>(
    scope: &RuleScope,
    path: &str,
    cause: Cause,
    on: Side,
    detail: &Detail,
    other: &dyn Fn(usize) -> &'a str,
) -> Description {
    let column = scope.column;
    let text = detail_text(cause, on, detail, other);
    let accept = rule(scope, cause, detail).filter(|_| path.is_empty());
    Description { detail: text, accept: accept.map(|rule| format!("[compare.columns.{}]\n{rule}", key(column))) }
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.into() } else { string(name) }
}

/// A string of TOML.
fn string(text: &str) -> String {
    // JSON's escapes are among those of TOML's basic strings
    serde_json::Value::String(text.into()).to_string()
}

fn detail_text<'a>(cause: Cause, on: Side, detail: &Detail, other: &dyn Fn(usize) -> &'a str) -> String {
    let that = on.other();
    match cause {
        Cause::ColumnsExchanged => match detail {
            Detail::Column(column) => format!("exchanged with `{}`", other(*column)),
            _ => "exchanged with other columns".into(),
        },
        Cause::TimeOffset | Cause::DayOff => format!("new is {}", ahead(detail)),
        Cause::TimeZone => match detail {
            Detail::Zone { name, shown_by } => {
                format!("{shown_by} has the local time of {name} where {} has UTC", shown_by.other())
            }
            _ => String::new(),
        },
        Cause::TimeUnit => format!("new is old {} as if in another unit", factor(detail)),
        Cause::TimeTruncated => match detail {
            Detail::Units { rounded: 0, .. } => format!("{on} has times only to the {}", unit(detail)),
            _ => format!("{on} has times rounded to the {}", unit(detail)),
        },
        Cause::ZeroDate => format!("{on} has a date that stands for none"),
        Cause::Rounded => match detail {
            Detail::Places { rounded: 0, cut, .. } => format!("{on} is cut after {}", places(*cut)),
            Detail::Places { rounded, .. } => format!("{on} is rounded to {}", places(*rounded)),
            _ => format!("{on} is rounded"),
        },
        Cause::Float32 => format!("{on} went through a 32-bit float"),
        Cause::Scaled => format!("new is old {}", factor(detail)),
        Cause::Wrapped => match detail {
            Detail::Bits(bits) => format!("{on} did not fit {bits} bits and wrapped around"),
            _ => format!("{on} did not fit its type and wrapped around"),
        },
        Cause::Sign => "new has the other sign".into(),
        Cause::DigitsLost => format!("{on} went through a 64-bit float, which lost digits"),
        Cause::DecimalComma => format!("{on} has a comma for the decimal point"),
        Cause::Prefix => match detail {
            Detail::Length { len, is_bytes } => {
                format!("{on} is {that} cut after {}", count(*len, if *is_bytes { "byte" } else { "character" }))
            }
            _ => format!("{on} is {that} cut off, at different lengths"),
        },
        Cause::NullForEmpty => format!("{on} is NULL where {that} is empty"),
        Cause::NullForZero => format!("{on} is NULL where {that} is 0"),
        Cause::NullForWord => format!("{on} is NULL where {that} has the text {}", value(detail)),
        Cause::DefaultForNull => format!("{on} has {} where {that} is NULL", value(detail)),
        Cause::Constant => format!("{on} has {} wherever it differs", value(detail)),
        Cause::CodeMap => codes(detail),
        Cause::JsonOrder => "the same JSON, written otherwise".into(),
        Cause::ListOrder => "the same items in another order".into(),
        Cause::Stale => format!("the row in {on} was written earlier than that in {that}"),
        Cause::JsonPath => "this part differs, for no known cause".into(),
        _ => text_detail(cause, on, detail),
    }
}

/// What causes mean that are about texts and bytes.
fn text_detail(cause: Cause, on: Side, detail: &Detail) -> String {
    let how = match detail {
        Detail::How(how) => Some(*how),
        _ => None,
    };
    let with = |text: &str| match how {
        Some(how) => format!("{text} ({how})"),
        None => text.to_string(),
    };
    let that = on.other();
    match cause {
        Cause::Trimmed if how == Some("zero bytes") => "new lacks zero bytes that old has".into(),
        Cause::Trimmed => with("new lacks white space that old has"),
        Cause::Padded => match how {
            Some("zero bytes") => "new has zero bytes that old lacks".into(),
            Some("zeros") => format!("{on} has zeros in front"),
            _ => with("new has white space that old lacks"),
        },
        Cause::Case => "only upper and lower case differ".into(),
        Cause::UnicodeForm => "the same characters, in another Unicode normalization form".into(),
        Cause::DoubleEncoded => format!("{on} is UTF-8 that was encoded twice"),
        Cause::MisreadEncoding => with(&format!("{on} was read in a wrong encoding")),
        Cause::LostCharacters => match how {
            Some("left out") => format!("{on} lacks characters that an encoding did not have"),
            _ => format!("{on} has `?` or another mark for characters that an encoding did not have"),
        },
        Cause::Escaped => with(&format!("{on} is escaped once too often")),
        Cause::LineEnds => "only line ends differ".into(),
        Cause::CutAtNul => format!("{on} ends at the first zero byte"),
        Cause::ByteOrder => with(&format!("{on} has the same bytes in another order")),
        Cause::TextEncoding => with(&format!("{on} has the bytes of {that} as text")),
        _ => String::new(),
    }
}

/// How far new is ahead or behind.
fn ahead(detail: &Detail) -> String {
    let ticks = match detail {
        Detail::Shift { seconds, .. } => i128::from(*seconds) * SECOND,
        Detail::Distance { ticks, .. } => *ticks,
        _ => 0,
    };
    format!("exactly {} {}", duration(ticks.abs()), if ticks < 0 { "earlier" } else { "later" })
}

/// A duration, exactly.
fn duration(ticks: i128) -> String {
    const UNITS: [(i128, &str); 7] = [
        (DAY, "day"),
        (3600 * SECOND, "hour"),
        (60 * SECOND, "minute"),
        (SECOND, "second"),
        (1_000_000, "millisecond"),
        (1_000, "microsecond"),
        (1, "nanosecond"),
    ];
    let mut left = ticks;
    let mut parts = vec![];
    for (unit, name) in UNITS {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            parts.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    parts.join(" ")
}

fn factor(detail: &Detail) -> String {
    match detail {
        Detail::Factor { of, by: 1 } => format!("times {of}"),
        Detail::Factor { of: 1, by } => format!("divided by {by}"),
        Detail::Factor { of, by } => format!("times {of}/{by}"),
        _ => "times a factor".into(),
    }
}

fn unit(detail: &Detail) -> &'static str {
    match unit_code(detail) {
        Some("us") => "microsecond",
        Some("ms") => "millisecond",
        Some("s") => "second",
        Some("min") => "minute",
        Some("h") => "hour",
        _ => "day",
    }
}

fn unit_code(detail: &Detail) -> Option<&'static str> {
    match detail {
        Detail::Units { cut, rounded } => UNITS.get((cut | rounded).trailing_zeros() as usize).map(|(name, _)| *name),
        _ => None,
    }
}

fn places(mask: u64) -> String {
    match mask.trailing_zeros() {
        0 => "whole numbers".into(),
        1 => "1 decimal place".into(),
        places => format!("{places} decimal places"),
    }
}

fn value(detail: &Detail) -> String {
    match detail {
        Detail::Value(value) => quoted(value),
        _ => "the same value".into(),
    }
}

fn codes(detail: &Detail) -> String {
    let Detail::Codes { pairs, is_swap, others } = detail else { return String::new() };
    let mut text = String::from(if *is_swap { "values are swapped: " } else { "each value became another: " });
    for (number, (old, new, count)) in pairs.iter().take(CODES_SHOWN).enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{} → {} ({count})", quoted(old), quoted(new));
    }
    if pairs.len() > CODES_SHOWN {
        let _ = write!(text, ", and {} more", pairs.len() - CODES_SHOWN);
    }
    if *others > 0 {
        let _ = write!(text, "; {} not do so", if *others == 1 { "1 does".into() } else { format!("{others} do") });
    }
    text
}

/// The setting that makes exactly these pairs equal.
fn rule(scope: &RuleScope, cause: Cause, detail: &Detail) -> Option<String> {
    if let Some(rule) = expression(scope, cause, detail) {
        return Some(rule);
    }
    Some(match (cause, detail) {
        (Cause::Trimmed | Cause::Padded, Detail::How("at the end")) => "rtrim = true".into(),
        (Cause::Trimmed | Cause::Padded, Detail::How("at the start" | "at both ends") | Detail::Many) => {
            "trim = true".into()
        }
        (Cause::Case, _) => "casefold = true".into(),
        (Cause::UnicodeForm, _) => "nfc = true".into(),
        (Cause::NullForEmpty, _) => "empty_is_null = true".into(),
        (Cause::DefaultForNull | Cause::NullForWord, Detail::Value(value)) => {
            format!("default_is_null = {}", string(value))
        }
        (Cause::NullForZero, _) => "default_is_null = \"0\"".into(),
        (Cause::Rounded, Detail::Places { away, .. }) if *away != 0 => format!("round = {}", away.trailing_zeros()),
        (Cause::TimeTruncated, Detail::Units { rounded: 0, .. }) => match unit_code(detail)? {
            unit @ ("us" | "ms" | "s") => format!("truncate = \"{unit}\""),
            _ => return None,
        },
        (Cause::Float32, _) => "as = \"float32\"".into(),
        (Cause::DigitsLost, Detail::How(_)) => "as = \"float\"".into(),
        // what is no JSON would equal nothing
        (Cause::JsonOrder, _) if scope.is_only => "as = \"json\"".into(),
        (Cause::ListOrder, _) => "unordered = true".into(),
        (Cause::CodeMap, Detail::Codes { pairs, is_swap: false, .. }) => {
            let is_text =
                |field: &Field| matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            scope.stored.filter(|stored| is_text(stored.old))?;
            let table = pairs.iter().map(|(old, new, _)| format!("{} = {}", string(old), string(new)));
            format!("values = {{ {} }}", table.collect::<Vec<_>>().join(", "))
        }
        _ => return None,
    })
}

/// The expression for old that makes all pairs equal.
fn expression(scope: &RuleScope, cause: Cause, detail: &Detail) -> Option<String> {
    let Sides { old, new } = scope.stored.filter(|_| scope.is_all)?;
    let is_exact = |field: &Field| field.data_type().is_integer() || field.data_type().is_decimal();
    let is_time = |field: &Field| field.data_type().is_temporal();
    let set = |side: Side, text: String| Some(format!("{side}_expr = {}", string(&text)));
    match (cause, detail) {
        (Cause::Scaled, Detail::Factor { of, by: 1 }) if is_exact(old) && is_exact(new) => {
            set(Side::Old, format!("{} * {of}", identifier(old.name())))
        }
        (Cause::Scaled, Detail::Factor { of: 1, by }) if is_exact(old) && is_exact(new) => {
            set(Side::New, format!("{} * {by}", identifier(new.name())))
        }
        (Cause::TimeOffset | Cause::DayOff, Detail::Shift { seconds, .. }) if is_time(old) && is_time(new) => {
            set(Side::Old, shifted(&identifier(old.name()), i128::from(*seconds) * SECOND))
        }
        (Cause::TimeOffset | Cause::DayOff, Detail::Distance { ticks, .. }) if is_time(old) && is_time(new) => {
            set(Side::Old, shifted(&identifier(old.name()), *ticks))
        }
        _ => None,
    }
}

/// A name in SQL.
fn identifier(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().all(is_plain) && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => name.into(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A column moved by a duration, in SQL.
fn shifted(column: &str, ticks: i128) -> String {
    let sign = if ticks < 0 { '-' } else { '+' };
    let length = ticks.abs();
    let (count, unit) = match (length % DAY, length % (3600 * SECOND), length % SECOND) {
        (0, ..) => ((length / DAY).to_string(), "day"),
        (_, 0, _) => ((length / (3600 * SECOND)).to_string(), "hour"),
        (_, _, 0) => ((length / SECOND).to_string(), "second"),
        _ => {
            let seconds = Number { digits: length, scale: 9, width: Width::Exact };
            (seconds.to_string(), "second")
        }
    };
    format!("{column} {sign} INTERVAL '{count} {unit}'")
}
