//! Causes of differences between times.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::cell::{DAY, SECOND};
use super::observation::{Cause, Detail, Observation};
use crate::sides::Side;

/// Clocks are set in steps of a quarter of an hour.
const STEP: i128 = 900 * SECOND;
/// The largest distance that counts as an offset: the zones of the world are 26 hours apart.
const OFFSET_MAX: i128 = 26 * 3600 * SECOND;
/// Distances of whole days up to this many count as offsets, too.
const DAYS_MAX: i128 = 366;

/// The units to which times are cut, by number.
pub(super) const UNITS: [(&str, i128); 6] =
    [("us", 1_000), ("ms", 1_000_000), ("s", SECOND), ("min", 60 * SECOND), ("h", 3600 * SECOND), ("day", DAY)];

/// Zones with summer time, each for all that have the same clocks; those with more people come first.
pub(super) const ZONES: [&str; 30] = [
    "America/New_York",
    "Europe/Berlin",
    "America/Chicago",
    "Europe/London",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/Mexico_City",
    "Europe/Athens",
    "Africa/Cairo",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Asia/Tehran",
    "Australia/Sydney",
    "America/Santiago",
    "America/Denver",
    "America/Halifax",
    "Asia/Jerusalem",
    "Africa/Casablanca",
    "Europe/Kyiv",
    "America/Havana",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "America/Asuncion",
    "Asia/Beirut",
    "America/St_Johns",
    "America/Anchorage",
    "Asia/Amman",
    "Atlantic/Azores",
    "Europe/Chisinau",
    "Asia/Baku",
];

/// What two times show.
pub(super) fn observe(old: i128, new: i128) -> Option<Observation> {
    if let Some(side) = zero_date(old, new) {
        return Some(Observation::plain(Cause::ZeroDate, side));
    }
    if is_offset(new - old) {
        return Some(shift(old, new));
    }
    truncated(old, new).or_else(|| other_unit(old, new))
}

/// Whether clocks may be this far apart, or calendars.
fn is_offset(distance: i128) -> bool {
    let is_in_reach = distance.abs() <= OFFSET_MAX || distance % DAY == 0 && distance.abs() <= DAYS_MAX * DAY;
    distance % STEP == 0 && is_in_reach
}

/// What two dates show, in days since 1970.
pub(super) fn observe_dates(old: i64, new: i64) -> Option<Observation> {
    let (old, new) = (i128::from(old) * DAY, i128::from(new) * DAY);
    if let Some(side) = zero_date(old, new) {
        return Some(Observation::plain(Cause::ZeroDate, side));
    }
    match ((new - old) / DAY).abs() {
        ..=DAYS_MAX => Some(shift(old, new)),
        _ => None,
    }
}

/// What two times of day show, in nanoseconds since midnight.
pub(super) fn observe_times_of_day(old: i128, new: i128) -> Option<Observation> {
    match (new - old) % STEP {
        0 => Some(shift(old, new)),
        _ => truncated(old, new),
    }
}

/// The side with a time that stores write where there is none, if only one has it.
fn zero_date(old: i128, new: i128) -> Option<Side> {
    match (is_zero(old), is_zero(new)) {
        (true, false) => Some(Side::Old),
        (false, true) => Some(Side::New),
        _ => None,
    }
}

/// The first day of 1970, 1900 and of the calendar, and what becomes of `0000-00-00`; any zone may have moved it.
pub(super) fn is_zero(time: i128) -> bool {
    const ZEROS: [i128; 5] = [0, -25_567, -719_162, -719_528, -719_560];
    ZEROS.iter().any(|day| {
        let distance = time - day * DAY;
        distance.abs() <= 14 * 3600 * SECOND && distance % STEP == 0
    })
}

fn shift(old: i128, new: i128) -> Observation {
    let seconds = ((new - old) / SECOND) as i64;
    if seconds.abs() == 86_400 {
        return Observation::new(Cause::DayOff, Side::New, Detail::Shift { seconds, new_is_local: 0, old_is_local: 0 });
    }
    let zones = |instant: i128, offset: i64| match i64::try_from(instant.div_euclid(SECOND)) {
        Ok(instant) => CLOCKS.zones(instant, offset),
        Err(_) => 0,
    };
    let (new_is_local, old_is_local) = (zones(old, seconds), zones(new, -seconds));
    Observation::new(Cause::TimeOffset, Side::New, Detail::Shift { seconds, new_is_local, old_is_local })
}

fn truncated(old: i128, new: i128) -> Option<Observation> {
    let masks = |fine: i128, coarse: i128| {
        let mask = |fits: &dyn Fn(i128, i128) -> bool| {
            let is_coarse = |unit: i128| coarse.rem_euclid(unit) == 0 && fits(fine.rem_euclid(unit), unit);
            let units = UNITS.iter().enumerate().filter(|(_, (_, unit))| is_coarse(*unit));
            units.fold(0_u8, |mask, (number, _)| mask | 1 << number)
        };
        let cut = mask(&|below, _| below > 0 && fine - below == coarse);
        let rounded = mask(&|below, unit| {
            let nearest = if below * 2 >= unit { fine - below + unit } else { fine - below };
            below > 0 && nearest == coarse
        });
        Detail::Units { cut, rounded }
    };
    const NONE: Detail = Detail::Units { cut: 0, rounded: 0 };
    match (masks(old, new), masks(new, old)) {
        (NONE, NONE) => None,
        (NONE, detail) => Some(Observation::new(Cause::TimeTruncated, Side::Old, detail)),
        (detail, _) => Some(Observation::new(Cause::TimeTruncated, Side::New, detail)),
    }
}

/// Times since 1970 that were read in another unit.
fn other_unit(old: i128, new: i128) -> Option<Observation> {
    factor_of_units(old, new).map(|detail| Observation::new(Cause::TimeUnit, Side::New, detail))
}

/// The factor between two numbers if it is that of two units of time. The smaller one may have lost its fraction.
pub(super) fn factor_of_units(old: i128, new: i128) -> Option<Detail> {
    for factor in [1_000, 1_000_000, 1_000_000_000_i128] {
        let is_times = |small: i128, large: i128| small != 0 && large.div_euclid(factor) == small;
        if is_times(old, new) {
            return Some(Detail::Factor { of: factor, by: 1 });
        }
        if is_times(new, old) {
            return Some(Detail::Factor { of: 1, by: factor });
        }
    }
    None
}

/// What two integers show that count from 1970 in one unit, or in two.
pub(super) fn observe_epochs(old: i128, new: i128) -> Option<Observation> {
    let (of_old, of_new) = (epoch_unit(old)?, epoch_unit(new)?);
    if of_old != of_new {
        let detail = factor_of_units(old, new)?;
        return Some(Observation::new(Cause::TimeUnit, Side::New, detail));
    }
    let (old, new) = (old * of_old, new * of_new);
    is_offset(new - old).then(|| shift(old, new))
}

/// The unit in nanoseconds in which a number is a time from 1990 to 2100.
fn epoch_unit(number: i128) -> Option<i128> {
    const FROM: i128 = 631_152_000;
    const TO: i128 = 4_102_444_800;
    [1, 1_000, 1_000_000, SECOND]
        .into_iter()
        .find(|per| (FROM * per..TO * per).contains(&number))
        .map(|per| SECOND / per)
}

/// The offsets of all zones, by time.
struct Clocks {
    /// The seconds since 1970 at which an offset of any zone changes.
    changes: Vec<i64>,
    /// The zones with each offset, from each change on.
    offsets: Vec<BTreeMap<i64, u64>>,
}

static CLOCKS: LazyLock<Clocks> = LazyLock::new(Clocks::new);

impl Clocks {
    fn new() -> Self {
        let zones: Vec<TimeZone> = ZONES.iter().filter_map(|name| TimeZone::get(name).ok()).collect();
        let from = Timestamp::UNIX_EPOCH;
        let last = Timestamp::from_second(4_102_444_800).unwrap_or(Timestamp::MAX);
        let of_zone = |zone: &TimeZone| -> Vec<i64> {
            zone.following(from)
                .map(|change| change.timestamp())
                .take_while(|at| *at < last)
                .map(Timestamp::as_second)
                .collect()
        };
        let mut changes: Vec<i64> = zones.iter().flat_map(of_zone).chain([i64::MIN]).collect();
        changes.sort_unstable();
        changes.dedup();
        let at = |second: &i64| {
            let instant = Timestamp::from_second(*second).unwrap_or(from);
            let mut offsets: BTreeMap<i64, u64> = BTreeMap::new();
            for (number, zone) in zones.iter().enumerate() {
                *offsets.entry(zone.to_offset(instant).seconds().into()).or_default() |= 1 << number;
            }
            offsets
        };
        let offsets = changes.iter().map(at).collect();
        Clocks { changes, offsets }
    }

    /// The zones that are ahead of UTC by an offset at some second.
    fn zones(&self, second: i64, offset: i64) -> u64 {
        let next = self.changes.partition_point(|change| *change <= second);
        self.offsets[next - 1].get(&offset).copied().unwrap_or_default()
    }
}
