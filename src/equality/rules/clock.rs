//! Times of day and lengths of time in digits: `08:00:01.5`, `-838:59:59`.

pub(super) const SECOND: i128 = 1_000_000_000;
pub(super) const MINUTE: i128 = 60 * SECOND;
pub(super) const HOUR: i128 = 60 * MINUTE;

/// The length of MySQL's longest TIME in hours, rounded up.
const HOURS_MAX: i128 = 839;

/// Parses a time of day, or MySQL's signed length of up to 838 hours, in nanoseconds. `24:00:00` is the end of the day.
pub(super) fn time(text: &str) -> Option<i128> {
    let (sign, clock) = signed(text);
    let nanoseconds = nanoseconds(clock)?;
    (nanoseconds < HOURS_MAX * HOUR && !text.starts_with('+')).then_some(sign * nanoseconds)
}

/// Splits off a sign, as 1 or -1.
pub(super) fn signed(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Parses `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fffffffff` with any number of hours, in nanoseconds.
pub(super) fn nanoseconds(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let (hours, minutes) = (whole(parts.next()?)?, sixtieths(parts.next()?)?);
    let nanoseconds = match parts.next() {
        None => 0,
        Some(seconds) => {
            sixtieths(seconds.split('.').next()?)?;
            self::seconds(seconds)?
        }
    };
    parts.next().is_none().then_some(i128::from(hours) * HOUR + i128::from(minutes) * MINUTE + nanoseconds)
}

/// Parses seconds such as `6` or `6.5`, in nanoseconds. What is finer than a nanosecond cannot be read.
pub(super) fn seconds(text: &str) -> Option<i128> {
    let (seconds, fraction) = match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text, "0"),
    };
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(9));
    let is_exact = rest.bytes().all(|byte| byte == b'0');
    let nanoseconds: i128 = format!("{kept:0<9}").parse().ok().filter(|_| is_exact)?;
    Some(i128::from(whole(seconds)?) * SECOND + nanoseconds)
}

/// Parses an unsigned whole number.
pub(super) fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Parses minutes or seconds, which have two digits.
fn sixtieths(digits: &str) -> Option<u64> {
    whole(digits).filter(|count| digits.len() == 2 && *count < 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_and_signed_lengths_are_read() {
        for (text, nanoseconds) in [
            ("00:00", 0),
            ("08:00:01", 8 * HOUR + SECOND),
            ("9:05", 9 * HOUR + 5 * MINUTE),
            ("23:59:59.999999999", 24 * HOUR - 1),
            ("24:00:00", 24 * HOUR),
            ("12:00:00.5", 12 * HOUR + SECOND / 2),
            ("12:00:00.500000000000", 12 * HOUR + SECOND / 2),
            ("-00:00:00", 0),
            ("-00:00:00.000000001", -1),
            ("838:59:59", 839 * HOUR - SECOND),
            ("-838:59:59", -(839 * HOUR - SECOND)),
        ] {
            assert_eq!(time(text), Some(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_too_fine_is_not_read() {
        for text in [
            "",
            "12",
            "12:",
            ":30",
            "12:5",
            "12:60",
            "12:00:60",
            "12:00:00.",
            "12:00:00,5",
            "12:00:00.0000000001",
            "839:00:00",
            "+12:00",
            "--12:00",
            " 12:00",
            "12:00 ",
            "12:00:00:00",
            "12:00+01",
            "12:00Z",
            "T12:00",
            "1²:00",
            "12:00:00.000000000é",
            "12:00:00.5.0",
            "99999999999999999999:00",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
