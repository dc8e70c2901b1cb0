//! What the texts of a column look like. A column that has a shape in all rows can be read as the type of that shape
//! without an unreadable cell.

use std::fmt;

use super::notations::{
    Digits, date, is_array, is_base64, is_boolean, is_hex, is_json, is_number, is_uuid, is_zero_padded, is_zone,
    time_of_day,
};
use crate::job::rule::ParseAs;

/// What the texts of a column have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shapes {
    kinds: u16,
    width: Width,
    digits: Digits,
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
    pub(crate) const ALL: Shapes =
        Shapes { kinds: (1 << SHAPES.len()) - 1, width: Width::Unknown, digits: Digits::NONE };
    /// What texts of any form have in common.
    pub(crate) const NONE: Shapes = Shapes { kinds: 0, width: Width::Varies, digits: Digits::NONE };

    /// Whether all texts have a shape.
    pub(crate) fn has(self, shape: Shape) -> bool {
        self.kinds & bit(shape) != 0
    }

    /// Whether texts have nothing in common.
    pub(crate) fn are_arbitrary(self) -> bool {
        self.kinds == 0 && self.width == Width::Varies
    }

    /// The most digits of its numbers and times.
    pub(crate) fn digits(self) -> Digits {
        self.digits
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
        Shapes { kinds: self.kinds & other.kinds, width, digits: self.digits.or(other.digits) }
    }

    /// Takes up a text.
    pub(crate) fn narrow(&mut self, text: &str) {
        // looking at a whole text costs more than looking at its ends
        let of_ends = bit(Shape::Trimmed) | bit(Shape::Unpadded);
        if self.kinds & !of_ends != 0 {
            self.kinds &= kinds_of(text, self.kinds, &mut self.digits) | of_ends;
        }
        if is_zero_padded(text.as_bytes()) {
            self.kinds &= !bit(Shape::Unpadded);
        }
        // most texts end with a printable character
        let is_trimmed = text.as_bytes().last().is_none_or(u8::is_ascii_graphic) || text.trim_end().len() == text.len();
        if !is_trimmed {
            self.kinds &= !bit(Shape::Trimmed);
        }
        self.width = match self.width {
            Width::Varies => Width::Varies,
            // CHAR columns are filled up with nothing but blanks
            _ if !is_trimmed && text[text.trim_end().len()..].bytes().any(|byte| byte != b' ') => Width::Varies,
            Width::Unknown => Width::Same(characters(text)),
            Width::Same(width) if width == characters(text) => self.width,
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
        let kinds = names.split(' ').filter_map(known).fold(0, |kinds, bit| kinds | bit);
        Shapes { kinds, width, digits: Digits::NONE }
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

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

const fn bit(shape: Shape) -> u16 {
    1 << shape as u16
}

/// Which of some shapes a text has, other than those of its ends. Takes up its digits.
fn kinds_of(text: &str, of: u16, digits: &mut Digits) -> u16 {
    let bytes = text.as_bytes();
    let when = |shape: Shape, has: &dyn Fn() -> bool| if of & bit(shape) != 0 && has() { bit(shape) } else { 0 };
    let encoded = when(Shape::PlainHex, &|| is_hex(bytes)) | when(Shape::Base64, &|| is_base64(bytes));
    let mut number = || match of & bit(Shape::Number) != 0 && is_number(bytes, digits) {
        true => bit(Shape::Number),
        false => 0,
    };
    let own = match bytes.first() {
        // no bytes
        None => 0,
        Some(b'0'..=b'9') => {
            let number = number();
            let is_time = of & (bit(Shape::Clock) | bit(Shape::Instant) | bit(Shape::Time)) != 0;
            number
                | if is_time { times(bytes, digits) } else { 0 }
                | when(Shape::Boolean, &|| matches!(bytes, [b'0' | b'1']))
                | when(Shape::Uuid, &|| is_uuid(bytes))
        }
        Some(b'-' | b'.') if text != "-Infinity" => number(),
        Some(b'I' | b'N' | b'-') if matches!(text, "Infinity" | "-Infinity" | "NaN") => {
            digits.is_scientific = true;
            bit(Shape::Number)
        }
        Some(b'\\') => when(Shape::MarkedHex, &|| bytes.strip_prefix(b"\\x").is_some_and(is_hex)),
        Some(b'{' | b'[') if of & (bit(Shape::Json) | bit(Shape::Array)) == 0 => 0,
        Some(b'{' | b'[') if is_json(text) => bit(Shape::Json) | when(Shape::Array, &|| text == "{}"),
        Some(b'{') => when(Shape::Array, &|| is_array(bytes)),
        _ => when(Shape::Boolean, &|| is_boolean(text)) | when(Shape::Uuid, &|| is_uuid(bytes)),
    };
    encoded | own
}

/// The shapes of a text that begins with a digit and may be a date or a time.
fn times(bytes: &[u8], found: &mut Digits) -> u16 {
    if let Some(rest) = time_of_day(bytes, found) {
        return if rest.is_empty() { bit(Shape::Time) } else { 0 };
    }
    let Some(rest) = date(bytes) else { return 0 };
    let Some(rest) = rest.strip_prefix(b" ").or(rest.strip_prefix(b"T")) else {
        return if rest.is_empty() { bit(Shape::Clock) } else { 0 };
    };
    found.has_time = true;
    match time_of_day(rest, found) {
        Some([]) => bit(Shape::Clock),
        Some(zone) if is_zone(zone) => bit(Shape::Instant),
        _ => 0,
    }
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
            assert_eq!(found.digits.whole > 0 || found.digits.fraction > 0, shapes.contains("number"), "{text}");
            let expected = [shapes, padding, &format!("width-{}", text.len())].join(" ");
            assert_eq!(found.to_string(), expected.trim_start(), "{text}");
            let parsed = Shapes::parse(&found.to_string());
            assert_eq!(Shapes { digits: found.digits, ..parsed }, found);
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
