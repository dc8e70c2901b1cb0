//! How stores write numbers, times, UUIDs, bytes, and arrays.

use super::strict_json::Strict;

/// The most digits that the numbers and times of a column have. Only columns that were loaded know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digits {
    /// Digits before the decimal point of numbers.
    pub(crate) whole: u32,
    /// Digits after it.
    pub(crate) fraction: u32,
    /// Whether a number has an exponent, or is infinite or NaN.
    pub(crate) is_scientific: bool,
    /// Whether a date has a time of day.
    pub(crate) has_time: bool,
    /// Whether a time is finer than a microsecond.
    pub(crate) has_nanoseconds: bool,
}

impl Digits {
    pub(super) const NONE: Digits =
        Digits { whole: 0, fraction: 0, is_scientific: false, has_time: false, has_nanoseconds: false };

    /// The most digits of these and others.
    pub(super) fn or(self, other: Digits) -> Digits {
        Digits {
            whole: self.whole.max(other.whole),
            fraction: self.fraction.max(other.fraction),
            is_scientific: self.is_scientific || other.is_scientific,
            has_time: self.has_time || other.has_time,
            has_nanoseconds: self.has_nanoseconds || other.has_nanoseconds,
        }
    }
}

/// Whether a text is a number with leading zeros, or with a plus sign.
pub(super) fn is_zero_padded(bytes: &[u8]) -> bool {
    let is_digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    match bytes {
        [b'+', rest @ ..] => is_digits(rest),
        [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] => is_digits(bytes.strip_prefix(b"-").unwrap_or(bytes)),
        _ => false,
    }
}

/// Whether a text is an array as PostgreSQL prints it.
pub(super) fn is_array(bytes: &[u8]) -> bool {
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
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<Strict>(text).is_ok()
}

/// The bytes after a run of digits, and how many there were.
fn leading_digits(bytes: &[u8]) -> (usize, &[u8]) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &bytes[count..])
}

/// `-?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?`, with a digit before the exponent.
pub(super) fn is_number(bytes: &[u8], found: &mut Digits) -> bool {
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, mut rest) = leading_digits(bytes);
    if whole > 1 && bytes[0] == b'0' {
        return false;
    }
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix(b".") {
        (fraction, rest) = leading_digits(after);
        if fraction == 0 {
            return false;
        }
    }
    if whole + fraction == 0 {
        return false;
    }
    let is_number = match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
            matches!(leading_digits(exponent), (1.., []))
        }
        _ => false,
    };
    if is_number {
        found.whole = found.whole.max(whole as u32);
        found.fraction = found.fraction.max(fraction as u32);
        found.is_scientific |= !rest.is_empty();
    }
    is_number
}

pub(super) fn is_boolean(text: &str) -> bool {
    ["t", "f", "true", "false", "y", "n", "yes", "no"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

pub(super) fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

pub(super) fn is_hex(bytes: &[u8]) -> bool {
    bytes.len().is_multiple_of(2) && bytes.iter().all(u8::is_ascii_hexdigit)
}

pub(super) fn is_base64(bytes: &[u8]) -> bool {
    let digits = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"=")).unwrap_or(bytes);
    bytes.len().is_multiple_of(4)
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// The bytes after `YYYY-MM-DD`, if it is a day of the calendar.
pub(super) fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (4, [b'-', rest @ ..]) = leading_digits(bytes) else { return None };
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
pub(super) fn time_of_day<'a>(bytes: &'a [u8], found: &mut Digits) -> Option<&'a [u8]> {
    let (hour, rest) = two(bytes)?;
    let (minute, rest) = two(rest.strip_prefix(b":")?)?;
    let (second, rest) = two(rest.strip_prefix(b":")?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix(b".") else { return Some(rest) };
    match leading_digits(fraction) {
        (count @ 1..=9, rest) => {
            found.has_nanoseconds |= fraction[..count].iter().skip(6).any(|digit| *digit != b'0');
            Some(rest)
        }
        _ => None,
    }
}

/// Whether this is `Z`, `UTC`, or a numeric offset.
pub(super) fn is_zone(zone: &[u8]) -> bool {
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
