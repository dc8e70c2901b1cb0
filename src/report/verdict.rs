//! What a run's findings come to, and why.

use super::gates::Gates;
use super::{Verdict, count, grouped};
use crate::checks::CheckReport;
use crate::columns::{Coverage, Pairing};
use crate::compare::discrepancy::Tally;
use crate::explain::{Explained, WaiverReport};
use crate::sides::Side;

/// What a run's findings come to.
pub(super) fn of(
    tally: &Tally,
    coverage: &Coverage,
    gates: &Gates,
    waivers: &[WaiverReport],
    checks: &[CheckReport],
) -> Verdict {
    let has_gaps = !coverage.old_only.is_empty() || !coverage.new_only.is_empty();
    let alarms =
        has_gaps || waivers.iter().any(|waiver| waiver.problem.is_some()) || checks.iter().any(|check| !check.holds);
    // violations within a limit are accepted, as discrepancies are
    let is_clean = tally.is_clean() && !checks.iter().any(|check| check.list.is_some() && check.found > 0);
    match (coverage.incomparable.is_empty(), alarms, is_clean) {
        (false, ..) => Verdict::Unverified,
        (true, false, true) => Verdict::Match,
        (true, false, false) if gates.all_within() => Verdict::Accepted,
        _ => Verdict::Discrepant,
    }
}

/// Below this share of the smaller side's rows in pairs, the key is the first suspect: one in a hundred.
const KEY_SUSPECT_SHARE: u64 = 100;

/// Says so where hardly any row finds a counterpart.
pub(super) fn key_suspicion(tally: &Tally, pairing: &Pairing) -> Option<String> {
    let smaller = tally.rows.old.min(tally.rows.new);
    let paired = tally.matched() + tally.mismatch;
    if !pairing.keyed || smaller == 0 || paired * KEY_SUSPECT_SHARE >= smaller {
        return None;
    }
    let key = pairing.keys().iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
    Some(format!(
        "this key looks wrong: by ({key}), {} of {} of the smaller side have a counterpart",
        grouped(paired),
        count(smaller, "row")
    ))
}

/// Why the verdict is what it is, a line each.
pub(super) fn reasons(pairing: &Pairing, gates: &Gates, explained: &Explained, checks: &[CheckReport]) -> Vec<String> {
    let coverage = &pairing.coverage;
    let mut reasons = vec![];
    let columns = |names: &[String]| count(names.len() as u64, "column");
    if !coverage.incomparable.is_empty() {
        let names = coverage.incomparable.iter().zip(&pairing.incomparable_types);
        let names: Vec<String> = names
            .map(|(name, types)| match types.old == types.new {
                true => format!("{name} ({})", types.old),
                false => format!("{name} ({} in old, {} in new)", types.old, types.new),
            })
            .collect();
        reasons.push(format!("{} could not be compared: {}", columns(&coverage.incomparable), names.join(", ")));
    }
    reasons.extend(gates.reasons());
    reasons.extend(of_checks(checks));
    for waiver in &explained.waivers {
        let WaiverReport { name, owner, .. } = waiver;
        reasons.extend(waiver.problem.as_ref().map(|problem| format!("waiver {name} of {owner}: {problem}")));
    }
    reasons.extend(accepted(explained));
    for (side, names) in [(Side::Old, &coverage.old_only), (Side::New, &coverage.new_only)] {
        if !names.is_empty() {
            reasons.push(format!("{} only in {side}: {}", columns(names), names.join(", ")));
        }
    }
    reasons
}

/// Why the verdict on old alone is what it is, a line each.
pub(super) fn reasons_of_old(checks: &[CheckReport]) -> Vec<String> {
    let holding = checks.iter().filter(|check| check.holds).count() as u64;
    let mut reasons = vec!["nothing was compared: the job has no [new]".to_string()];
    reasons.extend(of_checks(checks));
    if holding > 0 {
        reasons.push(format!("{} {}", count(holding, "check"), if holding == 1 { "holds" } else { "hold" }));
    }
    reasons
}

/// The checks that found something, a line each.
fn of_checks(checks: &[CheckReport]) -> impl Iterator<Item = String> {
    let found = checks.iter().filter(|check| !check.holds || check.list.is_some() && check.found > 0);
    found.map(|check| {
        let accepted = if check.holds { "accepted: " } else { "" };
        format!("{accepted}check {}: {}, where {}", check.name, check.describe_found(), check.describe_expected())
    })
}

/// What does not count against the gates, and why.
fn accepted(explained: &Explained) -> Option<String> {
    let waived = explained.waivers.iter().filter(|waiver| waiver.problem.is_none()).map(|waiver| waiver.found).sum();
    let in_flight = explained.in_flight.as_ref().map_or(0, |found| found.counts.total() - found.twice);
    let parts = [(waived, "waived"), (in_flight, "in flight")];
    let parts = parts.iter().filter(|(found, _)| *found > 0).map(|(found, why)| format!("{} {why}", grouped(*found)));
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| format!("accepted: {}", parts.join(", ")))
}
