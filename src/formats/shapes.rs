//! What the texts of a column look like. A column that has a shape in all rows can be read as the type of that shape
//! without an unreadable cell.

use std::fmt;

use crate::job::rule::ParseAs;

/// A set of shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shapes(u16);

impl Shapes {
    /// A number without leading zeros.
    pub(crate) const NUMBER: Shapes = Shapes(1);
    /// `t`, `f`, `true`, `false`, `0`, or `1`.
    pub(crate) const BOOLEAN: Shapes = Shapes(1 << 1);
    /// A date, or a date and a time without a zone.
    pub(crate) const CLOCK: Shapes = Shapes(1 << 2);
    /// A date and a time with a zone.
    pub(crate) const INSTANT: Shapes = Shapes(1 << 3);
    /// A UUID with hyphens.
    pub(crate) const UUID: Shapes = Shapes(1 << 4);
    /// Bytes in hexadecimal after `\x`.
    pub(crate) const HEX: Shapes = Shapes(1 << 5);
    /// An object or an array in JSON.
    pub(crate) const JSON: Shapes = Shapes(1 << 6);
    /// A time of day.
    pub(crate) const TIME: Shapes = Shapes(1 << 7);
    /// An array of PostgreSQL.
    pub(crate) const ARRAY: Shapes = Shapes(1 << 8);

    const NAMES: [(Shapes, &'static str); 9] = [
        (Shapes::NUMBER, "number"),
        (Shapes::BOOLEAN, "boolean"),
        (Shapes::CLOCK, "clock"),
        (Shapes::INSTANT, "instant"),
        (Shapes::UUID, "uuid"),
        (Shapes::HEX, "hex"),
        (Shapes::JSON, "json"),
        (Shapes::TIME, "time"),
        (Shapes::ARRAY, "array"),
    ];

    /// All shapes, which is what a column without values has.
    pub(crate) const ALL: Shapes = Shapes((1 << Shapes::NAMES.len()) - 1);
    pub(crate) const NONE: Shapes = Shapes(0);

    pub(crate) fn has(self, shape: Shapes) -> bool {
        self.0 & shape.0 != 0
    }

    pub(crate) fn and(self, other: Shapes) -> Shapes {
        Shapes(self.0 & other.0)
    }

    /// Whether every text with these shapes can be read as a type.
    pub(crate) fn fit(self, reading: ParseAs) -> bool {
        let fitting = match reading {
            ParseAs::Text => return true,
            ParseAs::Decimal => Shapes::NUMBER,
            ParseAs::Boolean => Shapes::BOOLEAN,
            ParseAs::Uuid => Shapes::UUID,
            ParseAs::Json => Shapes::JSON,
            ParseAs::Hex => Shapes::HEX,
            _ => Shapes::NONE,
        };
        self.has(fitting)
    }

    fn or(self, other: Shapes) -> Shapes {
        Shapes(self.0 | other.0)
    }

    /// Parses what [`fmt::Display`] writes.
    pub(crate) fn parse(names: &str) -> Shapes {
        let known = |name: &str| Shapes::NAMES.iter().find(|(_, known)| *known == name).map(|(shape, _)| *shape);
        names.split(' ').filter_map(known).fold(Shapes::NONE, Shapes::or)
    }

    /// The shapes that a text has.
    pub(crate) fn of(text: &str) -> Shapes {
        let bytes = text.as_bytes();
        match bytes.first() {
            Some(b'0'..=b'9') => {
                let mut shapes = times(bytes).or(if is_number(bytes) { Shapes::NUMBER } else { Shapes::NONE });
                if matches!(bytes, [b'0' | b'1']) {
                    shapes = shapes.or(Shapes::BOOLEAN);
                }
                shapes.or(if is_uuid(bytes) { Shapes::UUID } else { Shapes::NONE })
            }
            Some(b'-' | b'.') if is_number(bytes) => Shapes::NUMBER,
            Some(b'-') if text == "-Infinity" => Shapes::NUMBER,
            Some(b'I') if text == "Infinity" => Shapes::NUMBER,
            Some(b'N') if text == "NaN" => Shapes::NUMBER,
            Some(b't' | b'f' | b'T' | b'F') if is_boolean(text) => Shapes::BOOLEAN,
            Some(b'a'..=b'f' | b'A'..=b'F') if is_uuid(bytes) => Shapes::UUID,
            Some(b'\\') if is_hex(bytes) => Shapes::HEX,
            Some(b'{' | b'[') if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => match text {
                "{}" => Shapes::JSON.or(Shapes::ARRAY),
                _ => Shapes::JSON,
            },
            Some(b'{') if bytes.ends_with(b"}") => Shapes::ARRAY,
            _ => Shapes::NONE,
        }
    }
}

impl fmt::Display for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Shapes::NAMES.iter().filter(|(shape, _)| self.has(*shape)).map(|(_, name)| *name);
        f.write_str(&names.collect::<Vec<_>>().join(" "))
    }
}

/// The bytes after a run of digits, and how many there were.
fn digits(bytes: &[u8]) -> (usize, &[u8]) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &bytes[count..])
}

/// `-?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?`, with a digit before the exponent.
fn is_number(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, mut rest) = digits(bytes);
    if whole > 1 && bytes[0] == b'0' {
        return false;
    }
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix(b".") {
        (fraction, rest) = digits(after);
        if fraction == 0 {
            return false;
        }
    }
    if whole + fraction == 0 {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
            matches!(digits(exponent), (1.., []))
        }
        _ => false,
    }
}

fn is_boolean(text: &str) -> bool {
    ["t", "f", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"\\x").is_some_and(|hex| hex.len() % 2 == 0 && hex.iter().all(u8::is_ascii_hexdigit))
}

/// The shapes of a text that begins with a digit and may be a date or a time.
fn times(bytes: &[u8]) -> Shapes {
    if let Some(rest) = time_of_day(bytes) {
        return if rest.is_empty() { Shapes::TIME } else { Shapes::NONE };
    }
    let Some(rest) = date(bytes) else { return Shapes::NONE };
    let Some(rest) = rest.strip_prefix(b" ").or(rest.strip_prefix(b"T")) else {
        return if rest.is_empty() { Shapes::CLOCK } else { Shapes::NONE };
    };
    match time_of_day(rest) {
        Some([]) => Shapes::CLOCK,
        Some(zone) if is_zone(zone) => Shapes::INSTANT,
        _ => Shapes::NONE,
    }
}

/// The bytes after `YYYY-MM-DD`, if it is a day of the calendar.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (4, [b'-', rest @ ..]) = digits(bytes) else { return None };
    let year = number(&bytes[..4]);
    let (month, rest) = two(rest)?;
    let (day, rest) = two(rest.strip_prefix(b"-")?)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (year > 0 && (1..=days).contains(&day)).then_some(rest)
}

/// The bytes after `HH:MM:SS` and a fraction of at most nine digits.
fn time_of_day(bytes: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = two(bytes)?;
    let (minute, rest) = two(rest.strip_prefix(b":")?)?;
    let (second, rest) = two(rest.strip_prefix(b":")?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    match rest.strip_prefix(b".").map(digits) {
        None => Some(rest),
        Some((1..=9, rest)) => Some(rest),
        Some(_) => None,
    }
}

/// Whether this is `Z`, `UTC`, or a numeric offset.
fn is_zone(zone: &[u8]) -> bool {
    let zone = zone.strip_prefix(b" ").unwrap_or(zone);
    if matches!(zone, b"Z" | b"UTC") {
        return true;
    }
    let Some(offset) = zone.strip_prefix(b"+").or(zone.strip_prefix(b"-")) else { return false };
    let Some((hours, rest)) = two(offset) else { return false };
    let minutes = match rest {
        [] => Some(0),
        rest => match two(rest.strip_prefix(b":").unwrap_or(rest)) {
            Some((minutes, [])) => Some(minutes),
            _ => None,
        },
    };
    hours < 24 && minutes.is_some_and(|minutes| minutes < 60)
}

fn two(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes {
        [a, b, rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() => Some((number(&bytes[..2]), rest)),
        _ => None,
    }
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_shapes_of_values_that_can_be_read() {
        for (text, shapes) in [
            ("0", "number boolean"),
            ("12", "number"),
            ("-1.50", "number"),
            (".5", "number"),
            ("1e-300", "number"),
            ("007", ""),
            ("1.", ""),
            ("-", ""),
            ("1e", ""),
            ("+1", ""),
            ("t", "boolean"),
            ("FALSE", "boolean"),
            ("2024-02-29", "clock"),
            ("2023-02-29", ""),
            ("0000-00-00", ""),
            ("2024-01-01 10:00:00.5", "clock"),
            ("2024-01-01T10:00:00Z", "instant"),
            ("2024-01-01 10:00:00+00", "instant"),
            ("2024-01-01 10:00:00 UTC", "instant"),
            ("2024-01-01 24:00:00", ""),
            ("10:00:00", "time"),
            ("9F3C0a00-0000-4000-8000-000000000000", "uuid"),
            ("\\xDE", "hex"),
            ("\\xD", ""),
            ("{\"a\": 1}", "json"),
            ("[1]", "json"),
            ("{}", "json array"),
            ("{a,b}", "array"),
            ("", ""),
            ("abc", ""),
        ] {
            assert_eq!(Shapes::of(text).to_string(), shapes, "{text}");
            assert_eq!(Shapes::parse(shapes), Shapes::of(text));
        }
    }
}
