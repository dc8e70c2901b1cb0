//! Timestamps as stores, drivers and languages print them, beyond ISO 8601.

use jiff::civil::Date;

use super::clock::{self, HOUR};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A printed timestamp.
#[derive(Debug, PartialEq)]
pub(super) struct Printed {
    pub date: Date,
    /// Nanoseconds since midnight.
    pub time: i128,
    /// Nanoseconds ahead of UTC.
    pub offset: Option<i128>,
}

/// Parses `2020-01-01 08:00:01.5 +0800 CST`, `2020-01-01 08:00:01 UTC`, `Wed, 01 Jan 2020 08:00:01 GMT` (RFC 1123), and
/// `Wed Jan 01 08:00:01 UTC 2020` (Java). Of the abbreviations of zones, only those of UTC have a single meaning.
pub(super) fn parse(text: &str) -> Option<Printed> {
    dashed(text).or_else(|| rfc_1123(text)).or_else(|| java(text))
}

fn dashed(text: &str) -> Option<Printed> {
    let (day, rest) = text.split_at_checked(10)?;
    let [year, month, day] = <[&str; 3]>::try_from(day.split('-').collect::<Vec<_>>()).ok()?;
    let date = date(year, clock::whole(month).filter(|_| month.len() == 2)?, day)?;
    let rest = rest.strip_prefix([' ', 'T'])?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let offset = match zone.strip_prefix(' ').unwrap_or(zone) {
        "" if zone.is_empty() => None,
        // Go prints the zone's abbreviation after the offset, and the offset again if there is no abbreviation
        zone => Some(match zone.split_once(' ') {
            Some((offset, name)) => self::offset(offset).filter(|offset| is_name(name, *offset))?,
            None => utc_or_offset(zone)?,
        }),
    };
    Some(Printed { date, time: time(clock)?, offset })
}

fn rfc_1123(text: &str) -> Option<Printed> {
    let [weekday, day, month, year, clock, zone] = <[&str; 6]>::try_from(text.split(' ').collect::<Vec<_>>()).ok()?;
    let date = date(year, month_number(month)?, day)?;
    is_weekday(weekday.strip_suffix(',')?, date).then_some(())?;
    Some(Printed { date, time: time(clock)?, offset: Some(utc_or_offset(zone)?) })
}

fn java(text: &str) -> Option<Printed> {
    let [weekday, month, day, clock, zone, year] = <[&str; 6]>::try_from(text.split(' ').collect::<Vec<_>>()).ok()?;
    let date = date(year, month_number(month)?, day)?;
    is_weekday(weekday, date).then_some(())?;
    Some(Printed { date, time: time(clock)?, offset: Some(utc(zone)?) })
}

fn date(year: &str, month: u64, day: &str) -> Option<Date> {
    let part = |digits: &str, length: usize| clock::whole(digits).filter(|_| digits.len() == length);
    let (year, day) = (part(year, 4)?, part(day, 2)?);
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

fn month_number(name: &str) -> Option<u64> {
    MONTHS.iter().position(|month| *month == name).map(|index| index as u64 + 1)
}

fn is_weekday(name: &str, date: Date) -> bool {
    WEEKDAYS[date.weekday().to_monday_zero_offset() as usize] == name
}

/// Parses a time of day with two digits for the hour.
fn time(text: &str) -> Option<i128> {
    clock::nanoseconds(text).filter(|time| text.find(':') == Some(2) && *time < 24 * HOUR)
}

fn utc_or_offset(text: &str) -> Option<i128> {
    utc(text).or_else(|| offset(text))
}

fn utc(name: &str) -> Option<i128> {
    matches!(name, "UTC" | "GMT" | "Z").then_some(0)
}

/// Parses `+08`, `+0800`, `+08:00` or `+08:00:00`, in nanoseconds.
fn offset(text: &str) -> Option<i128> {
    let (sign, digits) = clock::signed(text);
    if digits.len() == text.len() {
        return None;
    }
    let spread = match digits.len() {
        2 => format!("{digits}:00"),
        4 if digits.is_ascii() => format!("{}:{}", &digits[..2], &digits[2..]),
        _ => digits.to_string(),
    };
    let is_whole = !spread.contains('.');
    time(&spread).filter(|_| is_whole).map(|offset| sign * offset)
}

/// Whether this may be the name of a zone after its offset. A name of UTC must not contradict the offset.
fn is_name(name: &str, offset: i128) -> bool {
    match utc_or_offset(name) {
        Some(named) => named == offset,
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equality::rules::clock::SECOND;

    const EIGHT: i128 = 8 * HOUR + SECOND;

    #[test]
    fn what_stores_print_is_read() {
        let date = Date::constant(2020, 1, 1);
        let half = EIGHT + SECOND / 2;
        for (text, time, offset) in [
            ("2020-01-01 08:00:01.000 +0800", EIGHT, Some(8 * HOUR)),
            ("2020-01-01 08:00:01 UTC", EIGHT, Some(0)),
            ("2020-01-01 08:00:01 GMT", EIGHT, Some(0)),
            ("2020-01-01T08:00:01.5 Z", half, Some(0)),
            ("2020-01-01 08:00:01+00", EIGHT, Some(0)),
            ("2020-01-01 08:00:01-05:30:15", EIGHT, Some(-(5 * HOUR + 1815 * SECOND))),
            ("2020-01-01 08:00:01 -05", EIGHT, Some(-5 * HOUR)),
            ("Wed, 01 Jan 2020 08:00:01 GMT", EIGHT, Some(0)),
            ("Wed, 01 Jan 2020 08:00:01 +0800", EIGHT, Some(8 * HOUR)),
            ("2020-01-01 08:00:01.5 +0800 CST", half, Some(8 * HOUR)),
            ("2020-01-01 08:00:01.5 +0300 +03", half, Some(3 * HOUR)),
            ("2020-01-01 08:00:01 +0000 UTC", EIGHT, Some(0)),
            ("Wed Jan 01 08:00:01 UTC 2020", EIGHT, Some(0)),
            ("2020-01-01 08:00:01.000000000000", EIGHT, None),
        ] {
            assert_eq!(parse(text), Some(Printed { date, time, offset }), "{text}");
        }
    }

    #[test]
    fn what_has_several_meanings_or_none_is_not_read() {
        for text in [
            "2020-01-01 08:00:01 CST",
            "2020-01-01 08:00:01 +0800 UTC",
            "2020-01-01 08:00:01 +0300 +04",
            "2020-01-01 08:00:01 +0800 ",
            "2020-01-01 08:00:01 ",
            "2020-01-01  08:00:01 UTC",
            "2020-01-01 08:00:01 0800",
            "2020-01-01 08:00:01 +08:00.5",
            "2020-01-01 08:00:01 +0860",
            "2020-01-01 08:00:01 +24",
            "2020-01-01 08:00:01.0000000001 UTC",
            "2020-01-01 08:00:60 UTC",
            "2020-01-01 24:00:00 UTC",
            "2020-02-30 08:00:01 UTC",
            "2020-1-01 08:00:01 UTC",
            "2020-01-01 UTC",
            "0000-00-00 00:00:00 UTC",
            "Thu, 01 Jan 2020 08:00:01 GMT",
            "Wed, 01 Jan 2020 08:00:01",
            "Wed, 01 jan 2020 08:00:01 GMT",
            "Wed, 1 Jan 2020 08:00:01 GMT",
            "Wed Jan 01 08:00:01 CET 2020",
            "Thu Jan 01 08:00:01 UTC 2020",
            "Wed Jan 01 08:00:01 2020",
            "ééééé 08:00:01 UTC",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
