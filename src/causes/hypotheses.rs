//! Which details of many observations explain them, and whether that is more than chance.

use std::collections::{BTreeMap, HashSet};

use super::observation::{Cause, Detail};
use super::tally::{Details, PathTally, Seen};
use super::times;
use crate::sides::Side;

/// A cause that was accepted, with the details that speak for it.
pub(super) struct Accepted {
    pub cause: Cause,
    pub on: Side,
    pub detail: Detail,
    pub seen: Seen,
    /// The observations; those of `found` or of `patterns`.
    pub members: Vec<Detail>,
}

/// Accepts the observations of each kind by themselves. Where blanks are is no kind.
pub(super) fn by_kind(cause: Cause, on: Side, details: &Details) -> Vec<Accepted> {
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
pub(super) fn all_of(cause: Cause, on: Side, details: &Details) -> Accepted {
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
fn stands_out(cause: Cause, count: u64, cells: u64, all: impl Iterator<Item = u64>) -> bool {
    const LEAST: u64 = 3;
    const PEERS_MAX: usize = 5;
    // columns of few numbers or days have factors and distances by chance
    let percent = match cause {
        Cause::Scaled | Cause::DayOff => 20,
        Cause::TimeOffset | Cause::TimeZone => 10,
        _ => 5,
    };
    let peers = all.filter(|other| other * 3 >= count).count();
    count >= LEAST && count * 100 >= cells * percent && peers <= PEERS_MAX
}

/// Accepts each detail that stands out by itself.
pub(super) fn standing_out(cause: Cause, on: Side, details: &Details, cells: u64) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![] };
    let mut sorted: Vec<_> = each.iter().collect();
    sorted.sort_by(|one, two| (two.1.count, one.0).cmp(&(one.1.count, two.0)));
    let is_only = |count: u64| count >= 1 && count == cells && cause == Cause::NullForWord;
    let out = sorted.iter().filter(|(_, seen)| {
        is_only(seen.count) || stands_out(cause, seen.count, cells, each.values().map(|other| other.count))
    });
    out.map(|(detail, seen)| {
        let (detail, seen) = ((*detail).clone(), (*seen).clone());
        Accepted { cause, on, members: vec![detail.clone()], detail, seen }
    })
    .collect()
}

/// Accepts offsets of times: a zone if it explains more than any single offset.
pub(super) fn shifts(on: Side, details: &Details, cells: u64) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![] };
    let mut left: BTreeMap<&Detail, &Seen> = each.iter().collect();
    let mut accepted = vec![];
    while let Some((cause, detail, members)) = best_shift(&left) {
        let count = |members: &[&Detail]| members.iter().map(|member| left[member].count).sum::<u64>();
        let own = count(&members);
        let by_offset = offsets(&left);
        if !stands_out(cause, own, cells, by_offset.values().map(|members| count(members))) {
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
pub(super) fn masks(cause: Cause, on: Side, details: &Details, cells: u64) -> Vec<Accepted> {
    let Some(each) = &details.each else { return vec![] };
    let mut left: BTreeMap<&Detail, &Seen> = each.iter().collect();
    let mut accepted = vec![];
    loop {
        let hypotheses = (0..64_u32).flat_map(|number| [(number, true), (number, false)]);
        let explains = |(number, by_rounding): &(u32, bool)| -> Vec<&Detail> {
            let fits = |detail: &&&Detail| match detail {
                Detail::Units { rounded, cut } => {
                    *number < 8 && (if *by_rounding { rounded } else { cut }) >> number & 1 == 1
                }
                Detail::Places { rounded, cut, .. } => (if *by_rounding { rounded } else { cut }) >> number & 1 == 1,
                _ => false,
            };
            left.keys().filter(fits).copied().collect()
        };
        let count = |members: &[&Detail]| members.iter().map(|member| left[member].count).sum::<u64>();
        // of those that explain as much, the one that loses least
        let best = hypotheses.map(|hypothesis| (hypothesis, explains(&hypothesis)));
        let best = best.max_by_key(|((number, by_rounding), members)| {
            let finest = if cause == Cause::Rounded { i64::from(*number) } else { -i64::from(*number) };
            // numbers are rounded, and times are cut
            (count(members), finest, *by_rounding == (cause == Cause::Rounded))
        });
        let Some(((number, by_rounding), members)) = best.filter(|(_, members)| !members.is_empty()) else { break };
        let own = count(&members);
        if own < MASKED_MIN || own * 20 < cells {
            break;
        }
        let bit = 1 << number;
        let is_away = |detail: &&&Detail| matches!(detail, Detail::Places { away, .. } if away & bit != 0);
        let away = if by_rounding && members.iter().all(|detail| is_away(&detail)) { bit } else { 0 };
        let detail = match (cause, by_rounding) {
            (Cause::Rounded, true) => Detail::Places { rounded: bit, cut: 0, away },
            (Cause::Rounded, false) => Detail::Places { rounded: 0, cut: bit, away: 0 },
            (_, true) => Detail::Units { cut: 0, rounded: bit as u8 },
            (_, false) => Detail::Units { cut: bit as u8, rounded: 0 },
        };
        accepted.push(merged(cause, on, detail, &members, &left));
        let members: Vec<Detail> = members.into_iter().cloned().collect();
        left.retain(|detail, _| !members.contains(detail));
    }
    accepted
}

/// Accepts at most one explanation for pairs of values that show nothing by themselves, and one for each side's NULLs.
pub(super) fn patterns(tally: &PathTally) -> Vec<Accepted> {
    let mut accepted = vec![];
    let cells = tally.unobserved.count;
    for on in Side::BOTH {
        if let Some(details) = tally.patterns.get(&(Cause::DefaultForNull, on)) {
            let of = if details.each.is_some() { details.all.count } else { u64::MAX };
            let default = standing_out(Cause::DefaultForNull, on, details, of);
            accepted.extend(default.into_iter().filter(|default| default.seen.count * 10 >= of * 9));
        }
    }
    let details = |cause: Cause| tally.patterns.get(&(cause, Side::New));
    for cause in [Cause::TimeOffset, Cause::Scaled] {
        let found = details(cause).map_or(vec![], |details| standing_out(cause, Side::New, details, cells));
        // a factor is one only if it holds for several values
        let pairs = details(Cause::CodeMap).and_then(|pairs| pairs.each.as_ref());
        let is_varied = cause != Cause::Scaled || pairs.is_none_or(|pairs| pairs.len() >= 3 * found.len());
        if !found.is_empty() && is_varied {
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
    Some(merged(
        Cause::CodeMap,
        Side::New,
        Detail::Codes { pairs: listed, is_swap, others: cells - sum },
        &members,
        &seen_of,
    ))
}
