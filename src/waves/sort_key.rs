//! Encodes values as bytes that sort like the values, so that every sort of a cut is by one binary column.

use super::parameters::Direction;

/// The marker before the bytes of a value. NULL sorts last in either direction.
const VALUE: u8 = 1;
const NULL: u8 = 2;

/// Appends a value. `write` encodes it for ascending order. No encoding may be a prefix of another.
pub(crate) fn push(out: &mut Vec<u8>, direction: Direction, value: Option<&str>, write: impl Fn(&mut Vec<u8>, &str)) {
    let Some(value) = value else { return out.push(NULL) };
    out.push(VALUE);
    let start = out.len();
    write(out, value);
    if direction == Direction::Descending {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// Encodes text. It sorts byte by byte.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    for byte in value.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(1);
        }
    }
    // sorts before any longer text
    out.extend([0, 0]);
}

/// Encodes a decimal number of any size, such as `-12.50`. It sorts by value; the position of other text is undefined.
pub(crate) fn number(out: &mut Vec<u8>, value: &str) {
    let (is_negative, digits) = value.strip_prefix('-').map_or((false, value), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() {
        return out.push(1);
    }
    let start = out.len();
    out.push(2);
    out.extend((whole.len() as u32).to_be_bytes());
    out.extend(whole.bytes().chain(fraction.bytes()));
    out.push(0);
    if is_negative {
        out[start] = 0;
        out[start + 1..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// Whether a text is an integer or a decimal number, such as `-12` or `0.50`.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(direction: Direction, value: Option<&str>, write: impl Fn(&mut Vec<u8>, &str)) -> Vec<u8> {
        let mut out = vec![];
        push(&mut out, direction, value, write);
        out
    }

    #[test]
    fn numbers_come_by_value() {
        let numbers =
            ["-100", "-99.5", "-9", "-0.51", "-0.5", "0", "0.05", "0.5", "0.51", "1", "9", "10", "10.01", "100"];
        assert!(numbers.iter().all(|number| is_number(number)));
        let keys: Vec<_> = numbers.iter().map(|value| bytes(Direction::Ascending, Some(value), number)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
        let keys: Vec<_> = numbers.iter().map(|value| bytes(Direction::Descending, Some(value), number)).collect();
        assert!(keys.is_sorted_by(|a, b| a > b));
        let same = |a, b| bytes(Direction::Ascending, Some(a), number) == bytes(Direction::Ascending, Some(b), number);
        assert!(same("0010.50", "10.5") && same("-0", "0.00"));
        assert!(!["", "-", "1.", ".5", "1e5", "+1", " 1", "0x1"].iter().any(|text| is_number(text)));
    }

    #[test]
    fn text_comes_by_bytes_and_null_last() {
        let texts = ["", "\0", "\0a", "a", "a\0", "a\0b", "aa", "b"];
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut keys: Vec<_> = texts.iter().map(|value| bytes(direction, Some(value), text)).collect();
            if direction == Direction::Descending {
                keys.reverse();
            }
            keys.push(bytes(direction, None, text));
            assert!(keys.is_sorted_by(|a, b| a < b));
        }
    }
}
