//! Intervals: months, days and a length of time, none of which is a number of the others.

use super::clock::{self, HOUR, MINUTE, signed};

/// An interval. Years are 12 months and weeks are 7 days, but a month has no fixed number of days, and a day none of
/// hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    months: i64,
    days: i64,
    nanoseconds: i128,
}

/// A unit of an interval, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Interval {
    const ZERO: Interval = Interval { months: 0, days: 0, nanoseconds: 0 };

    /// Parses `1 year 2 mons 3 days 04:05:06.5`, `-1 days +02:03:00` (PostgreSQL), `P1Y2M3DT4H5M6.5S` (ISO 8601).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (sign, unsigned) = signed(text);
        match unsigned.strip_prefix('P') {
            Some(parts) => iso_8601(parts, sign),
            None => postgres(text),
        }
    }

    /// A length of time without months and days.
    pub(super) fn of_time(nanoseconds: i128) -> Self {
        Interval { nanoseconds, ..Interval::ZERO }
    }

    /// Bytes that are equal for equal intervals, and sort by months, days and time.
    pub(super) fn form(&self) -> [u8; 32] {
        let mut form = [0; 32];
        form[..8].copy_from_slice(&(self.months as u64 ^ 1 << 63).to_be_bytes());
        form[8..16].copy_from_slice(&(self.days as u64 ^ 1 << 63).to_be_bytes());
        form[16..].copy_from_slice(&(self.nanoseconds as u128 ^ 1 << 127).to_be_bytes());
        form
    }

    /// Adds a signed count of a unit. Only seconds may have a fraction.
    fn plus(self, count: &str, sign: i128, unit: Unit) -> Option<Self> {
        let (own, digits) = signed(count);
        let sign = sign * own;
        let calendar = |each: i64| -> Option<i64> {
            let count = i64::try_from(sign * i128::from(clock::whole(digits)?)).ok()?;
            count.checked_mul(each)
        };
        let time = |each: i128| Some(sign * i128::from(clock::whole(digits)?) * each);
        Some(match unit {
            Unit::Year => Interval { months: self.months.checked_add(calendar(12)?)?, ..self },
            Unit::Month => Interval { months: self.months.checked_add(calendar(1)?)?, ..self },
            Unit::Week => Interval { days: self.days.checked_add(calendar(7)?)?, ..self },
            Unit::Day => Interval { days: self.days.checked_add(calendar(1)?)?, ..self },
            Unit::Hour => Interval { nanoseconds: self.nanoseconds + time(HOUR)?, ..self },
            Unit::Minute => Interval { nanoseconds: self.nanoseconds + time(MINUTE)?, ..self },
            Unit::Second => Interval { nanoseconds: self.nanoseconds + sign * clock::seconds(digits)?, ..self },
        })
    }
}

/// Parses counts with units, from the largest to the smallest, and then a clock.
fn postgres(text: &str) -> Option<Interval> {
    let mut parts = text.split(' ');
    let mut interval = Interval::ZERO;
    let mut last = None;
    while let Some(count) = parts.next() {
        let unit = match count.contains(':') {
            true => Unit::Hour,
            false => unit(parts.next()?)?,
        };
        if last.is_some_and(|last| last >= unit) {
            return None;
        }
        last = Some(unit);
        if count.contains(':') {
            let (sign, clock) = signed(count);
            interval.nanoseconds = sign * clock::nanoseconds(clock)?;
            return parts.next().is_none().then_some(interval);
        }
        interval = interval.plus(count, 1, unit)?;
    }
    Some(interval)
}

fn unit(name: &str) -> Option<Unit> {
    Some(match name {
        "year" | "years" => Unit::Year,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "week" | "weeks" => Unit::Week,
        "day" | "days" => Unit::Day,
        "hour" | "hours" => Unit::Hour,
        "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "sec" | "secs" | "second" | "seconds" => Unit::Second,
        _ => return None,
    })
}

/// Parses what follows the `P` of ISO 8601.
fn iso_8601(text: &str, sign: i128) -> Option<Interval> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    if text.is_empty() || time.is_some_and(str::is_empty) {
        return None;
    }
    let mut interval = Interval::ZERO;
    let mut last = None;
    let all = |text, is_time| designated(text).map(move |part| (part, is_time));
    for (part, is_time) in all(date, false).chain(all(time.unwrap_or_default(), true)) {
        let designator = part.chars().next_back()?;
        let unit = match (designator, is_time) {
            ('Y', false) => Unit::Year,
            ('M', false) => Unit::Month,
            ('W', false) => Unit::Week,
            ('D', false) => Unit::Day,
            ('H', true) => Unit::Hour,
            ('M', true) => Unit::Minute,
            ('S', true) => Unit::Second,
            _ => return None,
        };
        if last.is_some_and(|last| last >= unit) {
            return None;
        }
        last = Some(unit);
        interval = interval.plus(part.strip_suffix(designator)?, sign, unit)?;
    }
    Some(interval)
}

/// Splits `1Y2M` after each letter.
fn designated(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|c: char| !c.is_ascii_digit() && !matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equality::rules::clock::SECOND;

    #[test]
    fn both_notations_are_read() {
        let half = 4 * HOUR + 5 * MINUTE + 13 * SECOND / 2;
        for (text, months, days, nanoseconds) in [
            ("1 year 2 mons 3 days 04:05:06.5", 14, 3, half),
            ("P1Y2M3DT4H5M6.5S", 14, 3, half),
            ("1 years 2 months 3 days 4 hours 5 mins 6.5 secs", 14, 3, half),
            ("-1 days +02:03:00", 0, -1, 2 * HOUR + 3 * MINUTE),
            ("P-1DT2H3M", 0, -1, 2 * HOUR + 3 * MINUTE),
            ("-P1DT2H", 0, -1, -2 * HOUR),
            ("1 mon", 1, 0, 0),
            ("-1 mons", -1, 0, 0),
            ("00:00:00", 0, 0, 0),
            ("PT0S", 0, 0, 0),
            ("-00:00:00.000001", 0, 0, -1000),
            ("PT-0.000001S", 0, 0, -1000),
            ("2 weeks", 0, 14, 0),
            ("P2W", 0, 14, 0),
            ("24:00:00", 0, 0, 24 * HOUR),
            ("PT90M", 0, 0, 90 * MINUTE),
            ("1000000:00:00", 0, 0, 1_000_000 * HOUR),
        ] {
            assert_eq!(Interval::parse(text), Some(Interval { months, days, nanoseconds }), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_interval_is_not_read() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "P1.5D",
            "PT1.5H",
            "P1M1Y",
            "PT1S1M",
            "P1H",
            "P1",
            "PD",
            "P1d",
            "1",
            "day",
            "1  day",
            "1 day ",
            "1.5 days",
            "1 day 1 day",
            "1 day 1 year",
            "04:05:06 1 day",
            "1 hour 04:05:06",
            "04:05:06.0000000001",
            "04:60:00",
            "1 fortnight",
            "9223372036854775808 days",
            "9223372036854775807 years",
            "--1 days",
        ] {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn forms_sort_as_their_parts_do() {
        let forms = ["-1 mons", "-1 days", "-00:00:01", "00:00:00", "00:00:01", "1 day", "1 mon"];
        let forms = forms.map(|text| Interval::parse(text).unwrap().form());
        assert!(forms.is_sorted());
    }
}
