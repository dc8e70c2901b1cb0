//! Decides which observations are causes, and which may be chance.
//!
//! Some observations do not come about by chance: a text that is another one in HTML's escapes is named even if it is
//! the only one. Others do: of dates within a month, every thirtieth pair is one day apart. Those are named only if they
//! are a good part of the column's mismatches, and stand out from what else was observed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::describe::{Description, describe};
use super::observation::{Cause, Detail, Observation};
use super::tally::{CauseExample, CauseTally, ColumnTally, Details, OTHER_PATHS, PathTally, Seen};
use super::{Observer, label_of, times};
use crate::sides::Side;

/// A cause of mismatches in one column, or in one part of a nested column.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CauseReport {
    /// The column.
    pub column: String,
    /// The part of a nested value or a document, such as `items[].price`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The cause.
    pub cause: Cause,
    /// The mismatches of the column that it explains.
    pub count: u64,
    /// Their share of all mismatches of the column, from 0 to 1.
    pub share: f64,
    /// Whether it is about keys instead: pairs of a missing and an extra row. The share is that of missing rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_keys: bool,
    /// Whether the count is an estimate from a sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about: bool,
    /// What it means here. Empty for private columns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The first examples in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<CauseExample>,
    /// How it has changed since the run before; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// The lines for the job file that would accept these mismatches, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
}

/// How the count of a cause has changed since the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// The run before had no such cause.
    New,
    /// More mismatches than before.
    Growing,
    /// As many as before.
    Steady,
    /// Fewer than before.
    Shrinking,
}

impl Trend {
    /// The name in data and text.
    pub fn name(self) -> &'static str {
        match self {
            Trend::New => "new",
            Trend::Growing => "growing",
            Trend::Steady => "steady",
            Trend::Shrinking => "shrinking",
        }
    }
}

impl CauseReport {
    /// The column, and the path in it.
    pub fn place(&self) -> String {
        match &self.path {
            None => self.column.clone(),
            Some(path) if path.starts_with('[') => format!("{}{path}", self.column),
            Some(path) => format!("{}.{path}", self.column),
        }
    }

    /// The place and the cause, as in the table of discrepancies.
    pub fn tag(&self) -> String {
        let keys = if self.of_keys { "missing and extra " } else { "" };
        format!("{keys}{}: {}", self.place(), self.cause.name())
    }
}

/// The causes of a run, the most frequent first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Causes {
    /// The causes.
    pub reports: Vec<CauseReport>,
    /// The number of the cause that each observation speaks for.
    labels: HashMap<u64, usize>,
}

/// A cause that was accepted, with the details that speak for it.
struct Accepted {
    cause: Cause,
    on: Side,
    detail: Detail,
    seen: Seen,
    /// The observations; those of `found` or of `patterns`.
    members: Vec<Detail>,
}

impl Causes {
    /// Decides on all observations. `mismatches` are those of each column.
    pub(crate) fn of(observer: &Observer, tally: &CauseTally, mismatches: &[u64]) -> Self {
        let mut found: Vec<(CauseReport, Vec<u64>)> = vec![];
        for (at, column) in observer.columns.iter().enumerate() {
            for (path, at_path) in &tally.columns[at].paths {
                for accepted in decide(at_path, path, tally, observer) {
                    let labels = accepted.members.iter().map(|detail| {
                        label_of(at, path, &Observation::new(accepted.cause, accepted.on, detail.clone()))
                    });
                    let labels = labels.collect();
                    found.push((report(observer, at, column.is_private, path, accepted, mismatches[at]), labels));
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
        for tally in column.paths.values() {
            for accepted in decide(tally, "", &whole, observer) {
                let report = report(observer, at, observer.columns[at].is_private, "", accepted, missing);
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
    is_private: bool,
    path: &str,
    accepted: Accepted,
    mismatches: u64,
) -> CauseReport {
    let name = &observer.columns[at].name;
    let other = |column: usize| observer.columns.get(column).map_or("", |column| &column.name);
    let Description { detail, accept } = describe(name, path, accepted.cause, accepted.on, &accepted.detail, &other);
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
        examples: if is_shown { accepted.seen.samples } else { vec![] },
        trend: None,
        accept: accept.filter(|_| is_shown),
    }
}

fn decide(tally: &PathTally, path: &str, whole: &CauseTally, observer: &Observer) -> Vec<Accepted> {
    let mut accepted = vec![];
    for ((cause, on), details) in &tally.found {
        match cause {
            Cause::TimeOffset => accepted.extend(shifts(*on, details, tally.cells)),
            Cause::TimeTruncated | Cause::Rounded => accepted.extend(masks(*cause, *on, details, tally.cells)),
            Cause::Scaled | Cause::DayOff => accepted.extend(standing_out(*cause, *on, details, tally.cells)),
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

/// Accepts the observations of each kind by themselves. Where blanks are is no kind.
fn by_kind(cause: Cause, on: Side, details: &Details) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![all_of(cause, on, details)] };
    let mut kinds: BTreeMap<&Detail, Details> = BTreeMap::new();
    for (detail, seen) in each {
        let kind = match detail {
            Detail::How("at the start" | "at the end" | "at both ends") => &Detail::None,
            detail => detail,
        };
        let of_kind = kinds.entry(kind).or_default();
        of_kind.all.add_all(seen);
        of_kind.each.get_or_insert_default().insert(detail.clone(), seen.clone());
    }
    kinds.values().map(|details| all_of(cause, on, details)).collect()
}

/// Accepts all observations, with the detail that they share.
fn all_of(cause: Cause, on: Side, details: &Details) -> Accepted {
    let members: Vec<Detail> = match &details.each {
        Some(each) => each.keys().cloned().collect(),
        None => vec![Detail::Many],
    };
    let detail = match (&details.each, members.as_slice()) {
        (_, [only]) => only.clone(),
        (Some(each), _) => {
            // a few of another kind do not change what it is
            let most = each.iter().max_by_key(|(detail, seen)| (seen.count, (*detail).clone()));
            match most {
                Some((detail, seen)) if seen.count * 10 >= details.all.count * 9 => detail.clone(),
                _ => Detail::Many,
            }
        }
        (None, _) => Detail::Many,
    };
    Accepted { cause, on, detail, seen: details.all.clone(), members }
}

/// Whether a detail with this count is more than chance: a good part of all cells, and not one of many alike.
fn stands_out(count: u64, cells: u64, all: impl Iterator<Item = u64>) -> bool {
    const LEAST: u64 = 3;
    const SHARE: u64 = 20;
    const PEERS_MAX: usize = 5;
    let peers = all.filter(|other| other * 3 >= count).count();
    count >= LEAST && count * SHARE >= cells && peers <= PEERS_MAX
}

/// Accepts each detail that stands out by itself.
fn standing_out(cause: Cause, on: Side, details: &Details, cells: u64) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![] };
    let mut sorted: Vec<_> = each.iter().collect();
    sorted.sort_by(|one, two| (two.1.count, one.0).cmp(&(one.1.count, two.0)));
    let is_only = |count: u64| count >= 1 && count == cells && cause == Cause::NullForWord;
    let out = sorted.iter().filter(|(_, seen)| {
        is_only(seen.count) || stands_out(seen.count, cells, each.values().map(|other| other.count))
    });
    out.map(|(detail, seen)| {
        let (detail, seen) = ((*detail).clone(), (*seen).clone());
        Accepted { cause, on, members: vec![detail.clone()], detail, seen }
    })
    .collect()
}

/// Accepts offsets of times: a zone if it explains more than any single offset.
fn shifts(on: Side, details: &Details, cells: u64) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![] };
    let mut left: BTreeMap<&Detail, &Seen> = each.iter().collect();
    let mut accepted = vec![];
    while let Some((cause, detail, members)) = best_shift(&left) {
        let count = |members: &[&Detail]| members.iter().map(|member| left[member].count).sum::<u64>();
        let own = count(&members);
        let by_offset = offsets(&left);
        if !stands_out(own, cells, by_offset.values().map(|members| count(members))) {
            break;
        }
        accepted.push(merged(cause, on, detail, &members, &left));
        let members: Vec<Detail> = members.into_iter().cloned().collect();
        left.retain(|detail, _| !members.contains(detail));
    }
    accepted
}

/// The observations of each offset in seconds.
fn offsets<'a>(left: &BTreeMap<&'a Detail, &Seen>) -> BTreeMap<i64, Vec<&'a Detail>> {
    let mut offsets: BTreeMap<i64, Vec<&Detail>> = BTreeMap::new();
    for &detail in left.keys() {
        if let Detail::Shift { seconds, .. } = detail {
            offsets.entry(*seconds).or_default().push(detail);
        }
    }
    offsets
}

/// The offset or the zone that explains most.
fn best_shift<'a>(left: &BTreeMap<&'a Detail, &Seen>) -> Option<(Cause, Detail, Vec<&'a Detail>)> {
    let count = |members: &[&Detail]| members.iter().map(|member| left[member].count).sum::<u64>();
    let by_offset = offsets(left);
    let (seconds, members) = by_offset.into_iter().max_by_key(|(seconds, members)| (count(members), -seconds.abs()))?;
    let mut best =
        (Cause::TimeOffset, Detail::Distance { ticks: i128::from(seconds) * 1_000_000_000, scale: None }, members);
    for (number, zone) in times::ZONES.iter().enumerate() {
        for is_new in [true, false] {
            let shows = |detail: &&&Detail| match detail {
                Detail::Shift { new_is_local, old_is_local, .. } => {
                    (if is_new { new_is_local } else { old_is_local }) >> number & 1 == 1
                }
                _ => false,
            };
            let members: Vec<&Detail> = left.keys().filter(shows).copied().collect();
            let halves: HashSet<i64> = members.iter().filter_map(|detail| seconds_of(detail)).collect();
            if halves.len() > 1 && count(&members) > count(&best.2) {
                let shown_by = if is_new { Side::New } else { Side::Old };
                best = (Cause::TimeZone, Detail::Zone { name: zone, shown_by }, members);
            }
        }
    }
    Some(best)
}

fn seconds_of(detail: &Detail) -> Option<i64> {
    match detail {
        Detail::Shift { seconds, .. } => Some(*seconds),
        _ => None,
    }
}

fn merged(cause: Cause, on: Side, detail: Detail, members: &[&Detail], seen: &BTreeMap<&Detail, &Seen>) -> Accepted {
    let mut all = Seen::default();
    members.iter().for_each(|member| all.add_all(seen[member]));
    Accepted { cause, on, detail, seen: all, members: members.iter().map(|member| (*member).clone()).collect() }
}

/// Fewer times or numbers with fewer digits may be so by chance.
const MASKED_MIN: u64 = 3;

/// Accepts the units or places that explain most of what masks of them explain.
fn masks(cause: Cause, on: Side, details: &Details, cells: u64) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![] };
    let mut left: BTreeMap<&Detail, &Seen> = each.iter().collect();
    let mut accepted = vec![];
    loop {
        let hypotheses = (0..64_u32).flat_map(|number| [(number, true), (number, false)]);
        let explains = |(number, by_rounding): &(u32, bool)| -> Vec<&Detail> {
            let fits = |detail: &&&Detail| match detail {
                Detail::Units(mask) => *by_rounding && *number < 8 && mask >> number & 1 == 1,
                Detail::Places { rounded, cut } => (if *by_rounding { rounded } else { cut }) >> number & 1 == 1,
                _ => false,
            };
            left.keys().filter(fits).copied().collect()
        };
        let count = |members: &[&Detail]| members.iter().map(|member| left[member].count).sum::<u64>();
        // of those that explain as much, the one that loses least
        let best = hypotheses.map(|hypothesis| (hypothesis, explains(&hypothesis)));
        let best = best.max_by_key(|((number, by_rounding), members)| {
            let finest = if cause == Cause::Rounded { i64::from(*number) } else { -i64::from(*number) };
            (count(members), finest, *by_rounding)
        });
        let Some(((number, by_rounding), members)) = best.filter(|(_, members)| !members.is_empty()) else { break };
        let own = count(&members);
        if own < MASKED_MIN || own * 100 < cells {
            break;
        }
        let detail = match cause {
            Cause::Rounded if by_rounding => Detail::Places { rounded: 1 << number, cut: 0 },
            Cause::Rounded => Detail::Places { rounded: 0, cut: 1 << number },
            _ => Detail::Units(1 << number),
        };
        accepted.push(merged(cause, on, detail, &members, &left));
        let members: Vec<Detail> = members.into_iter().cloned().collect();
        left.retain(|detail, _| !members.contains(detail));
    }
    accepted
}

/// Accepts at most one explanation for pairs of values that show nothing by themselves, and one for each side's NULLs.
fn patterns(tally: &PathTally) -> Vec<Accepted> {
    let mut accepted = vec![];
    let cells = tally.unobserved.count;
    for on in Side::BOTH {
        if let Some(details) = tally.patterns.get(&(Cause::DefaultForNull, on)) {
            let of = details.all.count;
            let default = standing_out(Cause::DefaultForNull, on, details, of);
            accepted.extend(default.into_iter().filter(|default| default.seen.count * 2 >= of));
        }
    }
    let details = |cause: Cause| tally.patterns.get(&(cause, Side::New));
    for cause in [Cause::TimeOffset, Cause::Scaled] {
        let found = details(cause).map_or(vec![], |details| standing_out(cause, Side::New, details, cells));
        if !found.is_empty() {
            accepted.extend(found);
            return accepted;
        }
    }
    let codes = details(Cause::CodeMap).and_then(|details| code_map(details, cells));
    let constant = details(Cause::Constant).and_then(|details| constant(details, tally, cells));
    accepted.extend(constant.or(codes));
    accepted
}

/// Accepts one value for many.
fn constant(details: &Details, tally: &PathTally, cells: u64) -> Option<Accepted> {
    let found = standing_out(Cause::Constant, Side::New, details, cells);
    let best = found.into_iter().next().filter(|found| found.seen.count >= 5 && found.seen.count * 2 >= cells)?;
    let Detail::Value(value) = &best.detail else { return None };
    let is_varied = match tally.patterns.get(&(Cause::CodeMap, Side::New)).and_then(|pairs| pairs.each.as_ref()) {
        None => true,
        Some(pairs) => {
            let of_value = |detail: &&Detail| matches!(detail, Detail::Pair(_, new) if new == value);
            pairs.keys().filter(of_value).count() >= 3
        }
    };
    is_varied.then_some(best)
}

/// Accepts a translation of codes: each code of old that it names became one code of new, nearly always.
fn code_map(details: &Details, cells: u64) -> Option<Accepted> {
    const LEAST: u64 = 8;
    let each = details.each.as_ref()?;
    let mut by_old: BTreeMap<&str, Vec<(&str, &Detail, &Seen)>> = BTreeMap::new();
    let mut values: HashSet<&str> = HashSet::new();
    for (detail, seen) in each {
        if let Detail::Pair(old, new) = detail {
            by_old.entry(old).or_default().push((new, detail, seen));
            values.extend([old.as_ref(), new.as_ref()]);
        }
    }
    let mut pairs: BTreeMap<&str, (&str, &Detail, &Seen)> = BTreeMap::new();
    for (old, news) in &by_old {
        let all: u64 = news.iter().map(|(_, _, seen)| seen.count).sum();
        let most = news.iter().max_by_key(|(new, _, seen)| (seen.count, *new))?;
        if most.2.count >= LEAST && most.2.count * 10 >= all * 9 {
            pairs.insert(old, *most);
        }
    }
    // of two values, each can only become the other
    let is_forced = |old: &str, new: &str| values.len() == 2 && by_old.contains_key(new) && by_old.contains_key(old);
    pairs.retain(|old, (new, _, _)| !is_forced(old, new));
    let sum: u64 = pairs.values().map(|(_, _, seen)| seen.count).sum();
    if pairs.is_empty() || sum * 2 < cells {
        return None;
    }
    let seen_of: BTreeMap<&Detail, &Seen> = pairs.values().map(|(_, detail, seen)| (*detail, *seen)).collect();
    let members: Vec<&Detail> = seen_of.keys().copied().collect();
    let is_swap = pairs.iter().any(|(old, (new, _, _))| pairs.get(new).is_some_and(|(back, _, _)| back == old));
    let mut listed: Vec<(Box<str>, Box<str>, u64)> =
        pairs.iter().map(|(old, (new, _, seen))| ((*old).into(), (*new).into(), seen.count)).collect();
    listed.sort_by(|one, two| (two.2, &one.0).cmp(&(one.2, &two.0)));
    Some(merged(Cause::CodeMap, Side::New, Detail::Codes { pairs: listed, is_swap }, &members, &seen_of))
}
