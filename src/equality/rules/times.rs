//! Times as numbers, parsed from text and converted between zones.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::clock::SECOND;
use super::printed::{self, Printed};
use crate::equality::canonical::{INFINITE, convert, infinite};
use crate::snapshot::types::unit_name;

const DAY: i128 = 86_400 * SECOND;
/// The 400-year cycle of the Gregorian calendar, in nanoseconds. It is a whole number of weeks.
const CYCLE: i128 = 146_097 * DAY;

/// The zone for times without one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    zone: TimeZone,
    /// Set for a fixed offset, which does not need the calendar library with its limited range.
    fixed: Option<Offset>,
}

impl Zone {
    /// Parses a name such as `Europe/Berlin`, or an offset such as `+02:00`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let fixed = match name {
            "UTC" | "utc" | "Z" | "Etc/UTC" => Some(Offset::UTC),
            name => offset(name),
        };
        let zone = match fixed {
            Some(offset) => TimeZone::fixed(offset),
            None => TimeZone::get(name).ok()?,
        };
        Some(Zone { zone, fixed })
    }

    /// The instant of a local time; `None` if the local time occurs twice, or never.
    pub(crate) fn instant(&self, wall: i128) -> Option<i128> {
        self.resolve(wall, |shown| self.zone.to_ambiguous_timestamp(shown).unambiguous().ok())
    }

    /// The same, but the first instant if the local time occurs twice.
    pub(crate) fn first_instant(&self, wall: i128) -> Option<i128> {
        self.resolve(wall, |shown| {
            let found = self.zone.to_ambiguous_timestamp(shown);
            match found.offset() {
                AmbiguousOffset::Gap { .. } => None,
                AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. } => found.earlier().ok(),
            }
        })
    }

    fn resolve(&self, wall: i128, find: impl FnOnce(DateTime) -> Option<jiff::Timestamp>) -> Option<i128> {
        if is_infinite(wall) {
            return Some(wall);
        }
        if let Some(offset) = self.fixed {
            return Some(wall - i128::from(offset.seconds()) * SECOND);
        }
        let shift = into_calendar(wall);
        let shown = TimeZone::UTC.to_datetime(jiff::Timestamp::from_nanosecond(wall - shift).ok()?);
        Some(find(shown)?.as_nanosecond() + shift)
    }

    /// The local time of an instant.
    pub(crate) fn wall(&self, instant: i128) -> Option<i128> {
        if is_infinite(instant) {
            return Some(instant);
        }
        let offset = match self.fixed {
            Some(offset) => offset,
            None => self.zone.to_offset(jiff::Timestamp::from_nanosecond(instant - into_calendar(instant)).ok()?),
        };
        Some(instant + i128::from(offset.seconds()) * SECOND)
    }
}

/// Whether a time is the positive or negative infinity of a database.
pub(super) fn is_infinite(time: i128) -> bool {
    time.abs() == INFINITE
}

/// The offset that brings a time into the range of the calendar library when it is subtracted, in whole cycles of 400
/// years, after which all dates, weekdays and zone rules repeat. 9999-12-31 is the last day of many databases, and is
/// just outside that range.
fn into_calendar(time: i128) -> i128 {
    let last = jiff::Timestamp::MAX.as_nanosecond() - 2 * DAY;
    let first = jiff::Timestamp::MIN.as_nanosecond() + 2 * DAY;
    match time {
        time if time > last => (time - last + CYCLE - 1).div_euclid(CYCLE) * CYCLE,
        time if time < first => -((first - time + CYCLE - 1).div_euclid(CYCLE) * CYCLE),
        _ => 0,
    }
}

/// Parses `+02:00` or `-0530`.
fn offset(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i32>().ok()?, 0),
        4 => (digits[..2].parse::<i32>().ok()?, digits[2..].parse::<i32>().ok()?),
        _ => return None,
    };
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// A parsed time: the local time, and its offset from UTC if there is one.
pub(crate) struct ParsedTime {
    /// Nanoseconds since 1970-01-01 00:00 local time.
    pub wall: i128,
    /// Nanoseconds ahead of UTC.
    pub offset: Option<i128>,
}

impl ParsedTime {
    /// Parses ISO 8601: `2026-11-20`, `2026-11-20 02:00:00.123`, `2026-11-20T02:00:00+01:00`; also PostgreSQL's
    /// `infinity` and `-infinity`, and the notations of [`printed`].
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let infinite = match text {
            "infinity" => Some(INFINITE),
            "-infinity" => Some(-INFINITE),
            _ => None,
        };
        if let Some(wall) = infinite {
            return Some(ParsedTime { wall, offset: None });
        }
        if let Some(parsed) = counted(text) {
            return Some(parsed);
        }
        let Ok(pieces) = Pieces::parse(text) else {
            let Printed { date, time, offset } = printed::parse(text)?;
            return Some(ParsedTime { wall: wall_of(date.into()) + time, offset });
        };
        // the library would treat a leap second as the second before it
        if pieces.time_zone_annotation().is_some() || text.contains(":60") {
            return None;
        }
        let time = pieces.time().unwrap_or(jiff::civil::Time::midnight());
        let offset = pieces.to_numeric_offset().map(|offset| i128::from(offset.seconds()) * SECOND);
        Some(ParsedTime { wall: wall_of(pieces.date().to_datetime(time)), offset })
    }
}

/// Parses a time outside the calendar as reports and lists format it: `9223372036854775806 us`, and with a `Z` for an
/// instant.
fn counted(text: &str) -> Option<ParsedTime> {
    let (count, unit) = text.split_once(' ')?;
    let (unit, offset) = unit.strip_suffix('Z').map_or((unit, None), |unit| (unit, Some(0)));
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let unit = units.into_iter().find(|known| unit_name(known) == unit)?;
    let ticks: i64 = count.parse().ok()?;
    let wall = infinite(ticks, i64::MAX).filter(|_| unit != TimeUnit::Nanosecond);
    Some(ParsedTime { wall: wall.unwrap_or(i128::from(ticks) * length(&unit)), offset })
}

fn wall_of(shown: DateTime) -> i128 {
    let days = (shown.date() - Date::constant(1970, 1, 1)).get_days();
    let time = shown.time().duration_since(jiff::civil::Time::midnight()).as_nanos();
    i128::from(days) * DAY + time
}

/// The day of a time, counted from 1970-01-01; `None` if it does not fit 32 bits.
pub(super) fn day(wall: i128) -> Option<i32> {
    if is_infinite(wall) {
        return Some(if wall > 0 { i32::MAX } else { -i32::MAX });
    }
    i32::try_from(wall.div_euclid(DAY)).ok()
}

/// The times of an array in nanoseconds: since 1970 or midnight, or as a duration.
pub(super) fn nanoseconds(array: &ArrayRef) -> Result<Vec<Option<i128>>, ArrowError> {
    let (array, nanoseconds): (ArrayRef, i128) = match array.data_type() {
        // the result of `as = "timestamp"` has this unit already
        DataType::Decimal128(..) => {
            return Ok(array.as_primitive::<Decimal128Type>().iter().collect());
        }
        DataType::Null => return Ok(vec![None; array.len()]),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().iter();
            let nanoseconds = |day: i32| match infinite(i64::from(day), i64::from(i32::MAX)) {
                Some(infinite) => infinite,
                None => i128::from(day) * DAY,
            };
            return Ok(days.map(|day| day.map(nanoseconds)).collect());
        }
        DataType::Date64 => (array.clone(), 1_000_000),
        DataType::Timestamp(unit, _) | DataType::Duration(unit) => (array.clone(), length(unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => (array.clone(), length(unit)),
        other => return Err(ArrowError::CastError(format!("{other} is not a time"))),
    };
    let is_timestamp = matches!(array.data_type(), DataType::Timestamp(unit, _) if *unit != TimeUnit::Nanosecond);
    let ticks = convert(&array, &DataType::Int64)?;
    let ticks = ticks.as_primitive::<Int64Type>().iter();
    let time = |ticks: i64| match infinite(ticks, i64::MAX).filter(|_| is_timestamp) {
        Some(infinite) => infinite,
        None => i128::from(ticks) * nanoseconds,
    };
    Ok(ticks.map(|ticks| ticks.map(time)).collect())
}

/// The resolution of a type in nanoseconds; `None` if it is not a type of times.
pub(super) fn tick(data_type: &DataType) -> Option<i128> {
    match data_type {
        DataType::Date32 | DataType::Date64 => Some(DAY),
        DataType::Timestamp(unit, _) => Some(length(unit)),
        DataType::Dictionary(_, value) => tick(value),
        DataType::RunEndEncoded(_, value) => tick(value.data_type()),
        _ => None,
    }
}

fn length(unit: &TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => SECOND,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Nanoseconds as a canonical array of [`crate::equality::canonical::Ticks::Finer`] nanoseconds.
pub(super) fn forms(times: impl IntoIterator<Item = Option<i128>>) -> Result<Decimal128Array, ArrowError> {
    times.into_iter().collect::<Decimal128Array>().with_precision_and_scale(DECIMAL128_MAX_PRECISION, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equality::rules::clock::HOUR;

    #[test]
    fn a_wall_clock_time_that_is_shown_twice_or_never_is_no_instant() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let instant = |text: &str| berlin.instant(ParsedTime::parse(text).unwrap().wall);
        assert_eq!(instant("2026-07-01 12:00"), Some(ParsedTime::parse("2026-07-01 10:00").unwrap().wall));
        assert_eq!(instant("2026-03-29 02:30"), None);
        assert_eq!(instant("2026-10-25 02:30"), None);
        assert_eq!(Zone::named("+05:30").unwrap().instant(0), Some(-(5 * 3600 + 1800) * SECOND));
        assert!(Zone::named("Mars/Olympus").is_none());
    }

    #[test]
    fn of_two_instants_with_one_time_the_first_counts_for_either() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let wall = |text: &str| ParsedTime::parse(text).unwrap().wall;
        assert_eq!(berlin.first_instant(wall("2026-10-25 02:30")), Some(wall("2026-10-25 00:30")));
        assert_eq!(berlin.wall(wall("2026-10-25 01:30")), Some(wall("2026-10-25 02:30")));
        assert_eq!(berlin.first_instant(wall("2026-03-29 02:30")), None);
        assert_eq!(berlin.first_instant(wall("2026-07-01 12:00")), berlin.instant(wall("2026-07-01 12:00")));
    }

    #[test]
    fn what_no_calendar_shows_is_counted() {
        let parsed = |text: &str| ParsedTime::parse(text).map(|parsed| (parsed.wall, parsed.offset));
        assert_eq!(parsed("-9148557054318883170 us"), Some((-9_148_557_054_318_883_170_000, None)));
        assert_eq!(parsed("253402300800 sZ"), Some((253_402_300_800 * SECOND, Some(0))));
        assert_eq!(parsed("9223372036854775807 us"), Some((INFINITE, None)));
        for text in ["5 m", "5  us", "x us", "5us", "99999999999999999999 us"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn zones_reach_beyond_the_calendar() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let last = ParsedTime::parse("9999-12-31 00:00").unwrap().wall;
        assert_eq!(berlin.instant(last), Some(last - 3600 * SECOND));
        for far in [last + DAY, last + 1000 * CYCLE, -last * 3, i128::from(i64::MAX) * 1000] {
            let instant = berlin.instant(far).unwrap();
            assert_eq!(berlin.wall(instant), Some(far));
        }
        assert_eq!(berlin.instant(INFINITE), Some(INFINITE));
    }

    #[test]
    fn texts_say_times() {
        let parsed = |text: &str| ParsedTime::parse(text).map(|parsed| (parsed.wall, parsed.offset));
        assert_eq!(parsed("1970-01-02"), Some((DAY, None)));
        assert_eq!(parsed("1970-01-01T00:00:01Z"), Some((SECOND, Some(0))));
        assert_eq!(parsed("1970-01-01 00:00:00.000000001+01:00"), Some((1, Some(3600 * SECOND))));
        assert_eq!(parsed("1969-12-31 23:59:59"), Some((-SECOND, None)));
        assert_eq!(parsed("1970-01-01 08:00:01.000 +0800"), Some((8 * HOUR + SECOND, Some(8 * HOUR))));
        assert_eq!(parsed("Thu, 01 Jan 1970 00:00:01 GMT"), Some((SECOND, Some(0))));
        assert_eq!(parsed("1969-12-31 23:59:59.999999999 UTC"), Some((-1, Some(0))));
        assert_eq!(parsed("1970-01-01 00:00:00.000000001000"), Some((1, None)));
        for text in [
            "",
            "0000-00-00",
            "2026-02-30",
            "2016-12-31T23:59:60Z",
            "2020-01-01 00:00:00.0000000001",
            "20:00",
            "1760000000",
            "01/02/2026",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
