//! The rules that make two columns comparable, found on rows with the same key.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;

use super::readings::{
    Bridge, ReadingCandidates, distinctly, equal, forms, in_utc, is_notation, known, natural, readings, unreadable,
};
use super::zones::Zones;
use crate::job::{Rule, RuleSettings};
use crate::report::count;
use crate::sides::Sides;

/// The rules that make two columns comparable, from cells of rows with the same key: the finest reading that makes the
/// most of them equal.
pub(super) fn bridge_aligned(fields: &Sides<Field>, cells: &Sides<ArrayRef>, zones: &mut Zones) -> Bridge {
    let families = match natural(fields) {
        Ok(()) => return Bridge::by(RuleSettings::default()),
        Err(None) => return Bridge::none(),
        Err(Some(families)) => families,
    };
    let ReadingCandidates { mut exact, lossy, otherwise } = readings(families, fields, cells);
    let known = known(cells);
    let agreeing = |rules: &RuleSettings| Some(equal(fields, rules, cells)?.0);
    if !exact.iter().any(|rules| agreeing(rules).is_some_and(|agree| agree > 0)) {
        exact.extend(otherwise);
    }
    let mut tried: Vec<(usize, RuleSettings)> =
        exact.into_iter().filter_map(|rules| Some((agreeing(&rules)?, rules))).collect();
    let Some(most) = tried.iter().map(|(agree, _)| *agree).max() else { return Bridge::none() };
    let Some(first) = tried.iter().position(|(agree, _)| agree + distinctly(known) > most || *agree == most) else {
        return Bridge::none();
    };
    if most == 0 && known > 0 && is_notation(families) {
        return Bridge::none();
    }
    let (agree, rules) = match most {
        // they differ only in the cells that they cannot read
        0 => {
            let lost = |rules: &RuleSettings| {
                forms(fields, rules, cells).map_or(usize::MAX, |forms| forms.iter().map(unreadable).sum())
            };
            let Some(index) = (0..tried.len()).min_by_key(|&index| lost(&tried[index].1)) else {
                return Bridge::none();
            };
            tried.swap_remove(index)
        }
        _ => tried.swap_remove(first),
    };
    let mut bridge = Bridge::by(rules);
    let explained = set_zone(&mut bridge, fields, cells, zones, agree);
    let share = |agree: usize| share(agree, known);
    let pairs = count(known as u64, "pair");
    let coarser = lossy.into_iter().filter_map(|rules| Some((agreeing(&rules)?, rules)));
    let coarser = coarser.filter(|(agree, _)| *agree > explained + distinctly(known));
    if let Some((agree, rules)) = coarser.max_by_key(|(agree, _)| *agree) {
        let lines: Vec<String> = rules.rules().unwrap_or_default().iter().map(Rule::to_string).collect();
        let (lines, of) = (lines.join(", "), share(agree));
        let own = share(explained);
        bridge.notes.push(format!(
            "{lines} instead would explain {of:.1} % of {pairs} (now {own:.1} %), but can make different values equal"
        ));
    }
    bridge
}

/// The rules for times in text, of which those without a zone are in the zone that makes the most of them equal.
pub(super) fn zoned(fields: &Sides<Field>, cells: &Sides<ArrayRef>, zones: &mut Zones) -> Bridge {
    let rules = in_utc();
    let agree = equal(fields, &rules, cells).map_or(0, |(agree, _)| agree);
    let mut bridge = Bridge::by(rules);
    set_zone(&mut bridge, fields, cells, zones, agree);
    bridge
}

/// Replaces UTC by the zone that makes distinctly more than `agree` cells equal, if there is one. Returns how many are
/// equal then.
fn set_zone(
    bridge: &mut Bridge,
    fields: &Sides<Field>,
    cells: &Sides<ArrayRef>,
    zones: &mut Zones,
    agree: usize,
) -> usize {
    let known = known(cells);
    let Some(rules) = bridge.rules.as_mut().filter(|rules| rules.assume_tz.is_some()) else { return agree };
    let found = zones.best(fields, rules, cells);
    let Some(found) = found.filter(|found| found.agree > agree + distinctly(known)) else { return agree };
    let (of, utc) = (share(found.agree, known), share(agree, known));
    let pairs = count(known as u64, "pair");
    bridge.notes.push(format!("{} explains {of:.1} % of {pairs}, UTC {utc:.1} %", found.name));
    if let Some(example) = found.others.first() {
        let many = match found.others.len() {
            1 => format!("so does {example}"),
            more => format!("so do {more} other zones, such as {example}"),
        };
        bridge.notes.push(format!("{many}: set the zone that the store uses"));
    }
    rules.assume_tz = Some(found.name);
    found.agree
}

/// A count of `known` pairs in percent.
fn share(agree: usize, known: usize) -> f64 {
    agree as f64 * 100.0 / known.max(1) as f64
}
