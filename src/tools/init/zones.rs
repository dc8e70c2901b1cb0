//! Finds the time zone of timestamps without one: the zones that fit the data, widely used ones first.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::Field;

use super::readings::{distinctly, equal};
use crate::job::RuleSettings;
use crate::sides::Sides;

/// Pairs on which every zone is tried. They are spread over all sampled pairs, to cover both halves of a year.
const TRIED_PAIRS: usize = 240;
/// Of zones that fit equally well, the first of these is proposed.
const LIKELY: [&str; 32] = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Chicago",
    "America/Denver",
    "America/Toronto",
    "America/Sao_Paulo",
    "America/Mexico_City",
    "America/Bogota",
    "America/Argentina/Buenos_Aires",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Athens",
    "Europe/Kyiv",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Cairo",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "Africa/Nairobi",
    "Asia/Dubai",
    "Asia/Jerusalem",
    "Asia/Kolkata",
    "Asia/Bangkok",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Seoul",
    "Australia/Sydney",
    "Australia/Brisbane",
    "Pacific/Auckland",
];

/// The zone that explains the most.
pub(super) struct ZoneFit {
    pub name: String,
    /// The pairs that it makes equal.
    pub agree: usize,
    /// Other zones that fit the tried pairs equally well.
    pub others: Vec<String>,
}

/// All zones, and those found for other columns.
#[derive(Default)]
pub(super) struct Zones {
    all: Vec<String>,
    found: Vec<String>,
}

impl Zones {
    /// The zone, other than UTC, that makes the most pairs equal; `None` if no zone makes any equal.
    pub(super) fn best(
        &mut self,
        fields: &Sides<Field>,
        rules: &RuleSettings,
        cells: &Sides<ArrayRef>,
    ) -> Option<ZoneFit> {
        let few = spread(cells)?;
        let tried = few.old.len();
        let under = |zone: &str, cells: &Sides<ArrayRef>| {
            let rules = RuleSettings { assume_tz: Some(zone.into()), ..rules.clone() };
            equal(fields, &rules, cells).map_or(0, |(agree, _)| agree)
        };
        // if UTC fits, no other zone is needed
        if under("UTC", &few) + distinctly(tried) >= tried {
            return None;
        }
        if self.all.is_empty() {
            self.all = all_zones();
        }
        let counted: Vec<(usize, &String)> = self.all.iter().map(|zone| (under(zone, &few), zone)).collect();
        let most = counted.iter().map(|(agree, _)| *agree).max().filter(|most| *most > 0)?;
        let mut fitting: Vec<String> =
            counted.into_iter().filter(|(agree, _)| *agree == most).map(|(_, zone)| zone.clone()).collect();
        // all columns of a store are in one zone
        let name = match self.found.iter().find(|found| fitting.contains(found)) {
            Some(found) => found.clone(),
            None => fitting.first()?.clone(),
        };
        fitting.retain(|zone| *zone != name);
        if !self.found.contains(&name) {
            self.found.push(name.clone());
        }
        Some(ZoneFit { agree: under(&name, cells), name, others: fitting })
    }
}

/// A few pairs, spread over all rows.
fn spread(cells: &Sides<ArrayRef>) -> Option<Sides<ArrayRef>> {
    let rows = cells.old.len();
    let every = rows.div_ceil(TRIED_PAIRS).max(1);
    let indices: UInt32Array = (0..rows as u32).step_by(every).collect();
    Sides::try_from_fn(|side| take(&cells[side], &indices, None)).ok()
}

/// Named zones, the widely used ones first, then the others by name, then the fixed offsets from UTC.
fn all_zones() -> Vec<String> {
    let areas =
        ["Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/"];
    let mut named: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_string()).collect();
    named.retain(|name| areas.iter().any(|area| name.starts_with(area)) && !LIKELY.contains(&name.as_str()));
    named.sort();
    named.dedup();
    let ahead = (-48..=56).map(|quarters: i32| {
        let sign = if quarters < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", quarters.abs() / 4, quarters.abs() % 4 * 15)
    });
    let fixed: Vec<String> = ahead.filter(|name| name != "+00:00").collect();
    LIKELY.iter().map(|name| name.to_string()).chain(named).chain(fixed).collect()
}
