//! What the texts of a column look like. A column that has a shape in all rows can be read as the type of that shape
//! without an unreadable cell.

use std::fmt;

use super::strict_json::Strict;
use crate::job::rule::ParseAs;

/// What the texts of a column have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shapes {
    kinds: u16,
    width: Width,
}

/// The number of characters of the texts of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// There are no texts.
    Unknown,
    /// All have this many.
    Same(usize),
    Varies,
}

/// A shape that a text can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A number without leading zeros.
    Number,
    /// `t`, `f`, `true`, `false`, `y`, `n`, `yes`, `no`, `0`, or `1`.
    Boolean,
    /// A date, or a date and a time without a zone.
    Clock,
    /// A date and a time with a zone.
    Instant,
    /// A UUID with hyphens.
    Uuid,
    /// Bytes in hexadecimal after `\x`.
    MarkedHex,
    /// Bytes in hexadecimal.
    PlainHex,
    /// Bytes in Base64, with padding.
    Base64,
    /// An object or an array in JSON.
    Json,
    /// A time of day.
    Time,
    /// An array of PostgreSQL.
    Array,
    /// Anything that does not end with white space.
    Trimmed,
    /// Anything but a number with leading zeros or a plus sign, such as a postal code or a phone number.
    Unpadded,
}

const SHAPES: [(Shape, &str); 13] = [
    (Shape::Number, "number"),
    (Shape::Boolean, "boolean"),
    (Shape::Clock, "clock"),
    (Shape::Instant, "instant"),
    (Shape::Uuid, "uuid"),
    (Shape::MarkedHex, "marked-hex"),
    (Shape::PlainHex, "plain-hex"),
    (Shape::Base64, "base64"),
    (Shape::Json, "json"),
    (Shape::Time, "time"),
    (Shape::Array, "array"),
    (Shape::Trimmed, "trimmed"),
    (Shape::Unpadded, "unpadded"),
];

impl Shapes {
    /// All shapes, which is what a column without values has.
    pub(crate) const ALL: Shapes = Shapes { kinds: (1 << SHAPES.len()) - 1, width: Width::Unknown };
    /// What texts of any form have in common.
    pub(crate) const NONE: Shapes = Shapes { kinds: 0, width: Width::Varies };

    /// Whether all texts have a shape.
    pub(crate) fn has(self, shape: Shape) -> bool {
        self.kinds & bit(shape) != 0
    }

    /// Whether there is nothing but NULLs.
    pub(crate) fn are_unknown(self) -> bool {
        self == Shapes::ALL
    }

    /// Whether texts have one width to which blanks fill them up, as CHAR columns do.
    pub(crate) fn are_padded(self) -> bool {
        matches!(self.width, Width::Same(1..)) && !self.has(Shape::Trimmed)
    }

    /// Whether all texts are the digits of a UUID, without hyphens.
    pub(crate) fn are_uuid_digits(self) -> bool {
        self.has(Shape::PlainHex) && self.width == Width::Same(32)
    }

    /// What these texts and others have in common.
    pub(crate) fn and(self, other: Shapes) -> Shapes {
        let width = match (self.width, other.width) {
            (Width::Unknown, width) | (width, Width::Unknown) => width,
            (Width::Same(own), Width::Same(others)) if own == others => self.width,
            _ => Width::Varies,
        };
        Shapes { kinds: self.kinds & other.kinds, width }
    }

    /// Takes up a text.
    pub(crate) fn narrow(&mut self, text: &str) {
        // looking at a whole text costs more than looking at its ends
        let of_ends = bit(Shape::Trimmed) | bit(Shape::Unpadded);
        if self.kinds & !of_ends != 0 {
            self.kinds &= kinds_of(text) | of_ends;
        }
        if is_zero_padded(text.as_bytes()) {
            self.kinds &= !bit(Shape::Unpadded);
        }
        let end = text[text.trim_end().len()..].bytes();
        let is_blank = end.clone().all(|byte| byte == b' ');
        if end.len() > 0 {
            self.kinds &= !bit(Shape::Trimmed);
        }
        self.width = match self.width {
            // CHAR columns are filled up with nothing but blanks
            _ if !is_blank => Width::Varies,
            Width::Varies => Width::Varies,
            Width::Unknown => Width::Same(text.chars().count()),
            Width::Same(width) if width == text.chars().count() => self.width,
            Width::Same(_) => Width::Varies,
        };
    }

    /// Whether every text with these shapes can be read as a type.
    pub(crate) fn fit(self, reading: ParseAs) -> bool {
        let fitting = match reading {
            ParseAs::Text => return true,
            ParseAs::Decimal => &[Shape::Number][..],
            ParseAs::Boolean => &[Shape::Boolean],
            ParseAs::Uuid => &[Shape::Uuid],
            ParseAs::Json => &[Shape::Json],
            ParseAs::Hex => &[Shape::MarkedHex, Shape::PlainHex],
            ParseAs::Base64 => &[Shape::Base64],
            _ => &[],
        };
        fitting.iter().any(|shape| self.has(*shape))
    }

    /// Parses what [`fmt::Display`] writes.
    pub(crate) fn parse(names: &str) -> Shapes {
        let known = |name: &str| SHAPES.iter().find(|(_, known)| *known == name).map(|(shape, _)| bit(*shape));
        let width = names.split(' ').find_map(|name| name.strip_prefix("width-"));
        let width = match width {
            Some("unknown") => Width::Unknown,
            width => width.and_then(|width| width.parse().ok()).map_or(Width::Varies, Width::Same),
        };
        Shapes { kinds: names.split(' ').filter_map(known).fold(0, |kinds, bit| kinds | bit), width }
    }
}

impl fmt::Display for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = SHAPES.iter().filter(|(shape, _)| self.has(*shape)).map(|(_, name)| name.to_string());
        let width = match self.width {
            Width::Same(width) => Some(format!("width-{width}")),
            Width::Unknown => Some("width-unknown".into()),
            Width::Varies => None,
        };
        f.write_str(&names.chain(width).collect::<Vec<_>>().join(" "))
    }
}

const fn bit(shape: Shape) -> u16 {
    1 << shape as u16
}

/// Whether a text is a number with leading zeros, or with a plus sign.
fn is_zero_padded(bytes: &[u8]) -> bool {
    let is_digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    match bytes {
        [b'+', rest @ ..] => is_digits(rest),
        [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] => is_digits(bytes.strip_prefix(b"-").unwrap_or(bytes)),
        _ => false,
    }
}

/// Whether a text is an array as PostgreSQL prints it.
fn is_array(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut depth = 0_usize;
    loop {
        let mut is_opened = false;
        while let [b'{', after @ ..] = rest {
            depth += 1;
            rest = after;
            is_opened = true;
        }
        match rest {
            [b'}', ..] if is_opened => {}
            [b'"', quoted @ ..] => {
                let mut at = 0;
                while quoted.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if quoted[at] == b'\\' { 2 } else { 1 };
                }
                let Some(after) = quoted.get(at + 1..) else { return false };
                rest = after;
            }
            plain => {
                let is_plain = |byte: &u8| !byte.is_ascii_whitespace() && !b"{}\\\",".contains(byte);
                let len = plain.iter().take_while(|byte| is_plain(byte)).count();
                if len == 0 {
                    return false;
                }
                rest = &plain[len..];
            }
        }
        while let [b'}', after @ ..] = rest {
            let Some(outer) = depth.checked_sub(1) else { return false };
            depth = outer;
            rest = after;
        }
        match rest {
            [] => return depth == 0,
            [b',', after @ ..] if depth > 0 => rest = after,
            _ => return false,
        }
    }
}

/// Whether a text is JSON in which each name occurs once and all texts are Unicode.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<Strict>(text).is_ok()
}

/// The shapes of a text, other than those of its ends.
fn kinds_of(text: &str) -> u16 {
    let bytes = text.as_bytes();
    let when = |holds: bool, shape: Shape| if holds { bit(shape) } else { 0 };
    let encoded = when(is_hex(bytes), Shape::PlainHex) | when(is_base64(bytes), Shape::Base64);
    encoded
        | match bytes.first() {
            // no bytes
            None => 0,
            Some(b'0'..=b'9') => {
                times(bytes)
                    | when(is_number(bytes), Shape::Number)
                    | when(matches!(bytes, [b'0' | b'1']), Shape::Boolean)
                    | when(is_uuid(bytes), Shape::Uuid)
            }
            Some(b'-' | b'.') => when(is_number(bytes) || text == "-Infinity", Shape::Number),
            Some(b'I' | b'N') if matches!(text, "Infinity" | "NaN") => bit(Shape::Number),
            Some(b'\\') => when(bytes.strip_prefix(b"\\x").is_some_and(is_hex), Shape::MarkedHex),
            Some(b'{' | b'[') if is_json(text) => bit(Shape::Json) | when(text == "{}", Shape::Array),
            Some(b'{') => when(is_array(bytes), Shape::Array),
            _ => when(is_boolean(text), Shape::Boolean) | when(is_uuid(bytes), Shape::Uuid),
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
    ["t", "f", "true", "false", "y", "n", "yes", "no"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.len().is_multiple_of(2) && bytes.iter().all(u8::is_ascii_hexdigit)
}

fn is_base64(bytes: &[u8]) -> bool {
    let digits = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"=")).unwrap_or(bytes);
    bytes.len().is_multiple_of(4)
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// The shapes of a text that begins with a digit and may be a date or a time.
fn times(bytes: &[u8]) -> u16 {
    if let Some(rest) = time_of_day(bytes) {
        return if rest.is_empty() { bit(Shape::Time) } else { 0 };
    }
    let Some(rest) = date(bytes) else { return 0 };
    let Some(rest) = rest.strip_prefix(b" ").or(rest.strip_prefix(b"T")) else {
        return if rest.is_empty() { bit(Shape::Clock) } else { 0 };
    };
    match time_of_day(rest) {
        Some([]) => bit(Shape::Clock),
        Some(zone) if is_zone(zone) => bit(Shape::Instant),
        _ => 0,
    }
}

/// The bytes after `YYYY-MM-DD`, if it is a day of the calendar.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (4, [b'-', rest @ ..]) = digits(bytes) else { return None };
    let year = number(&bytes[..4]);
    let (month, rest) = two(rest)?;
    let (day, rest) = two(rest.strip_prefix(b"-")?)?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
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
            ("120", "number"),
            ("-1.50", "number"),
            (".5", "number"),
            ("1e-300", "number"),
            ("007", ""),
            ("1.", ""),
            ("-", ""),
            ("1e5e", "plain-hex base64"),
            ("+1", ""),
            ("t", "boolean"),
            ("FALSE", "boolean"),
            ("N", "boolean"),
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
            ("\\xDE", "marked-hex"),
            ("\\xD", ""),
            ("aGk=", "base64"),
            ("{\"a\": 1}", "json"),
            ("[1]", "json"),
            ("{}", "json array"),
            ("{a,b}", "array"),
            ("{{1,2},{\"x y\",NULL}}", "array"),
            ("{a b}", ""),
            ("{a}, {b}", ""),
            ("{\\rtf1}", ""),
            ("{", ""),
            ("{a,}", ""),
            ("{\"a\":1,\"a\":2}", ""),
            ("[\"\\ud800\"]", ""),
            ("", "plain-hex base64"),
            ("abcde", ""),
        ] {
            let mut found = Shapes::ALL;
            found.narrow(text);
            let padding = if ["007", "+1"].contains(&text) { "trimmed" } else { "trimmed unpadded" };
            let expected = [shapes, padding, &format!("width-{}", text.len())].join(" ");
            assert_eq!(found.to_string(), expected.trim_start(), "{text}");
            assert_eq!(Shapes::parse(&found.to_string()), found);
        }
    }

    #[test]
    fn padding_has_one_width() {
        let shapes = |texts: &[&str]| {
            let mut shapes = Shapes::ALL;
            texts.iter().for_each(|text| shapes.narrow(text));
            shapes
        };
        assert!(shapes(&["ab  ", "é   "]).are_padded());
        assert!(shapes(&["ab  "]).and(shapes(&["abcd"])).are_padded());
        assert!(!shapes(&["ab ", "é   "]).are_padded());
        assert!(!shapes(&["abcd"]).are_padded());
        assert!(!shapes(&["ab  "]).and(shapes(&["a"])).are_padded());
        assert!(!shapes(&["ab\t ", "abcd"]).are_padded());
        assert!(!Shapes::ALL.are_padded() && !Shapes::NONE.are_padded());
        assert_eq!(Shapes::ALL.and(shapes(&["1"])), shapes(&["1"]));
    }
}
