//! Decides which observations are causes, and which may be chance.
//!
//! Some observations do not come about by chance: a text that is another one in HTML's escapes is named even if it is
//! the only one. Others do: of dates within a month, every thirtieth pair is one day apart. Those are named only if they
//! are a good part of the column's mismatches, and stand out from what else was observed.

use std::collections::HashMap;

use super::describe::{Description, RuleScope, describe};
use super::hypotheses::{Accepted, all_of, by_kind, masks, patterns, shifts, standing_out};
use super::observation::{Cause, Detail, Observation};
use super::report::CauseReport;
use super::tally::{CauseTally, ColumnTally, Details, OTHER_PATHS, PathTally, Seen};
use super::{Observer, label_of};
use crate::sides::{Side, Sides};

/// The causes of a run, the most frequent first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Causes {
    /// The causes.
    pub reports: Vec<CauseReport>,
    /// The number of the cause that each observation speaks for.
    labels: HashMap<u64, usize>,
}

impl Causes {
    /// Decides on all observations. `mismatches` are those of each column, and `pairs` all pairs of rows.
    pub(crate) fn of(observer: &Observer, tally: &CauseTally, mismatches: &[u64], pairs: u64) -> Self {
        let mut found: Vec<(CauseReport, Vec<u64>)> = vec![];
        for (at, (column, mismatches)) in tally.columns.iter().zip(mismatches).enumerate() {
            for (path, at_path) in column.paths() {
                for accepted in decide(at_path, path, tally, observer) {
                    let labels = accepted.members.iter().map(|detail| {
                        label_of(at, path, &Observation::new(accepted.cause, accepted.on, detail.clone()))
                    });
                    let labels = labels.collect();
                    found.push((report(observer, at, path, accepted, *mismatches, at_path.cells, pairs), labels));
                }
            }
        }
        found.sort_by(|(one, _), (two, _)| {
            (two.count, &one.column, &one.path, one.cause).cmp(&(one.count, &two.column, &two.path, two.cause))
        });
        let labels =
            found.iter().enumerate().flat_map(|(number, (_, labels))| labels.iter().map(move |label| (*label, number)));
        Causes { labels: labels.collect(), reports: found.iter().map(|(report, _)| report.clone()).collect() }
    }

    /// The causes of a mismatch with these labels, by their numbers among the reports.
    pub(crate) fn of_labels(&self, labels: impl Iterator<Item = u64>) -> Vec<usize> {
        let mut named: Vec<usize> = labels.filter_map(|label| self.labels.get(&label).copied()).collect();
        named.sort_unstable();
        named.dedup();
        // where a part differs is said of parts whose cause is not known
        let place = |number: usize| (&self.reports[number].column, &self.reports[number].path);
        let is_known = |number: usize| {
            let has_cause =
                |other: &usize| self.reports[*other].cause != Cause::JsonPath && place(*other) == place(number);
            named.iter().any(has_cause)
        };
        named
            .iter()
            .copied()
            .filter(|number| self.reports[*number].cause != Cause::JsonPath || !is_known(*number))
            .collect()
    }
}

/// The causes of pairs of missing and extra keys, by column. Each pair stands for `times` pairs.
pub(super) fn reports_of_keys(
    observer: &Observer,
    columns: &[ColumnTally],
    missing: u64,
    times: f64,
) -> Vec<CauseReport> {
    let whole = CauseTally::default();
    let mut reports = vec![];
    for (at, column) in columns.iter().enumerate() {
        for (_, tally) in column.paths() {
            for accepted in decide(tally, "", &whole, observer) {
                let report = report(observer, at, "", accepted, missing, tally.cells, u64::MAX);
                let count = (report.count as f64 * times).round() as u64;
                let share = (count as f64 / missing.max(1) as f64).min(1.0);
                reports.push(CauseReport { count, share, of_keys: true, about: times != 1.0, ..report });
            }
        }
    }
    reports
}

fn report(
    observer: &Observer,
    at: usize,
    path: &str,
    accepted: Accepted,
    mismatches: u64,
    cells: u64,
    pairs: u64,
) -> CauseReport {
    let (name, is_private) = (&observer.columns[at].name, observer.columns[at].is_private);
    let stored = observer.columns[at].stored.as_ref().map(Sides::as_ref);
    let scope =
        RuleScope { column: name, stored, is_all: accepted.seen.count == pairs, is_only: accepted.seen.count == cells };
    let other = |column: usize| observer.columns.get(column).map_or("", |column| &column.name);
    let Description { detail, accept } = describe(&scope, path, accepted.cause, accepted.on, &accepted.detail, &other);
    let is_shown = !is_private;
    CauseReport {
        column: name.clone(),
        path: (!path.is_empty()).then(|| path.to_string()),
        cause: accepted.cause,
        count: accepted.seen.count,
        share: accepted.seen.count as f64 / mismatches.max(1) as f64,
        of_keys: false,
        about: false,
        detail: if is_shown { detail } else { String::new() },
        examples: if is_shown { accepted.seen.samples.clone() } else { vec![] },
        trend: None,
        accept: accept.filter(|_| is_shown),
        codes: match &accepted.detail {
            Detail::Codes { pairs, .. } => pairs.iter().map(|(old, _, count)| (old.to_string(), *count)).collect(),
            _ => vec![],
        },
    }
}

fn decide(tally: &PathTally, path: &str, whole: &CauseTally, observer: &Observer) -> Vec<Accepted> {
    let mut accepted = vec![];
    for ((cause, on), details) in &tally.found {
        match cause {
            Cause::TimeOffset => accepted.extend(shifts(*on, details, tally.cells)),
            Cause::TimeTruncated | Cause::Rounded => accepted.extend(masks(*cause, *on, details, tally.cells)),
            Cause::Scaled | Cause::DayOff => accepted.extend(standing_out(*cause, *on, details, tally.cells)),
            Cause::ColumnsExchanged if details.all.count < 3 && details.all.count * 20 < tally.cells => {}
            Cause::ListOrder | Cause::Case if details.all.count * 50 < tally.cells => {}
            Cause::NullForWord => accepted.extend(standing_out(*cause, *on, details, tally.absent[*on])),
            Cause::Stale => {
                let others = whole.staleness[on.other()];
                let is_known = observer.version.is_some() || whole.staleness[*on] >= 5.max(others * 3);
                accepted.extend(is_known.then(|| all_of(*cause, *on, details)));
            }
            Cause::Trimmed
            | Cause::Padded
            | Cause::Escaped
            | Cause::MisreadEncoding
            | Cause::TextEncoding
            | Cause::ByteOrder
            | Cause::ColumnsExchanged => accepted.extend(by_kind(*cause, *on, details)),
            _ if is_enough(*cause, *on, details, tally) => accepted.push(all_of(*cause, *on, details)),
            _ => {}
        }
    }
    let pattern = patterns(tally);
    let explained: u64 = accepted.iter().chain(&pattern).map(|accepted| accepted.seen.count).sum();
    accepted.extend(pattern);
    // where a document differs is worth a line even if it is not known why
    let is_part = !path.is_empty() && explained < tally.cells;
    if is_part && path != OTHER_PATHS {
        let samples = tally.unobserved.samples.clone();
        let seen = Seen { count: tally.cells - explained, samples };
        let members = vec![Detail::None];
        accepted.push(Accepted { cause: Cause::JsonPath, on: Side::New, detail: Detail::None, seen, members });
    }
    accepted
}

/// Whether there are enough observations of a cause whose details do not matter.
fn is_enough(cause: Cause, on: Side, details: &Details, tally: &PathTally) -> bool {
    let count = details.all.count;
    let is_share = |percent: u64, of: u64| count * 100 >= percent * of;
    match cause {
        // small numbers and short texts are related by chance
        Cause::Sign => count >= 2 && is_share(10, tally.cells),
        Cause::Prefix => match longest_frequent(details) {
            Some(len) if len >= 8 => true,
            _ => count >= 3 && is_share(10, tally.cells),
        },
        Cause::Wrapped => match wide_bits(details) {
            true => true,
            false => count >= 3 && is_share(20, tally.cells),
        },
        Cause::ZeroDate => count >= 2 || tally.cells == count,
        Cause::NullForEmpty => count >= 1 && is_share(20, tally.absent[on]),
        Cause::NullForZero => count >= 2 && is_share(80, tally.absent[on]),
        _ => true,
    }
}

/// The length to which most texts were cut; `None` if there are too many.
fn longest_frequent(details: &Details) -> Option<u64> {
    let each = details.each.as_ref()?;
    let most = each.iter().max_by_key(|(detail, seen)| (seen.count, (*detail).clone()))?;
    match most.0 {
        Detail::Length { len, .. } => Some(*len),
        _ => None,
    }
}

/// Whether integers were cut to 32 or 64 bits, which no chance does.
fn wide_bits(details: &Details) -> bool {
    details.each.iter().flatten().any(|(detail, _)| matches!(detail, Detail::Bits(32 | 64)))
}
