//! The requirements of all candidates together.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::SignOffContext;
use super::coverage::uncovered;
use super::decide::{RequirementCheck, Requires};
use super::evidence::EvidenceCounts;
use crate::columns::Pairing;
use crate::error::Result;
use crate::history::runs_below;
use crate::job::{Job, SignOff};
use crate::report::{Report, Verdict, count};
use crate::sides::{Side, Sides};

/// All requirements except those of earlier runs and of the backup. `run` is the directory of the run.
pub(super) fn requirements(
    context: &SignOffContext,
    report: &Report,
    evidence: &EvidenceCounts,
    run: &Path,
    now: Timestamp,
) -> Result<Vec<RequirementCheck>> {
    let SignOffContext { job, terms, pairing, snapshots, .. } = context;
    let mut requirements = vec![
        verified(report, pairing, evidence),
        covered(context, report, uncovered(terms, report, pairing, &snapshots[terms.delete_from])),
        fresh_snapshots(job, terms, now),
    ];
    requirements.extend(fresh_statuses(job, terms, now));
    requirements.extend(writes_stopped(context, report, run));
    Ok(requirements)
}

fn verified(report: &Report, pairing: &Pairing, evidence: &EvidenceCounts) -> RequirementCheck {
    let coverage = report.coverage();
    let gaps = [&coverage.incomparable, &coverage.old_only, &coverage.new_only];
    let left_out = gaps.iter().map(|gap| gap.len()).sum::<usize>() + coverage.ignored.len();
    let found = if !compares(pairing) {
        "only the key is compared".into()
    } else if let Some(first) = &evidence.first_unreadable {
        format!("{} in the evidence cannot be read, such as: {first}", count(evidence.unreadable, "ID"))
    } else if evidence.lost > 0 {
        format!("the run lists {} that neither side has", count(evidence.lost, "key"))
    } else {
        format!("{} compared columns, {left_out} not compared", coverage.compared.len())
    };
    let is_whole = report.verdict != Verdict::Unverified && coverage.incomparable.is_empty();
    RequirementCheck {
        requires: Requires::Verified,
        holds: is_whole && compares(pairing) && evidence.is_whole(),
        description: found,
    }
}

fn covered(context: &SignOffContext, report: &Report, uncovered: Vec<String>) -> RequirementCheck {
    let own = context.terms.delete_from;
    let found = match uncovered.as_slice() {
        [] => format!("every column of {own} that would be deleted was compared, or is ignored by name"),
        names => {
            let stored = |name: &&String| context.snapshots[own].origin.is_some() && !is_gap(report, name);
            let advice = if names.iter().any(|name| stored(&name)) { "; add it to the query of the job" } else { "" };
            format!("not compared: {}{advice}", names.join(", "))
        }
    };
    RequirementCheck { requires: Requires::Covered, holds: uncovered.is_empty(), description: found }
}

fn is_gap(report: &Report, name: &str) -> bool {
    let coverage = report.coverage();
    coverage.old_only.iter().chain(&coverage.new_only).any(|gap| gap == name)
}

fn fresh_snapshots(job: &Job, terms: &SignOff, now: Timestamp) -> RequirementCheck {
    let age = |side: Side| {
        let taken = job.sources[side].taken_at.as_ref()?;
        Some(now.duration_since(taken.from.parse::<Timestamp>().ok()?))
    };
    let ages = Sides::from_fn(age);
    let is_fresh = |side: Side| ages[side].is_some_and(|age| age <= terms.max_age && !age.is_negative());
    let found = |side: Side| match ages[side] {
        Some(age) => format!("{side} is {:#} old", SignedDuration::from_mins(age.as_mins())),
        None => format!("the age of {side} is unknown"),
    };
    RequirementCheck {
        requires: Requires::FreshSnapshots,
        holds: Side::BOTH.into_iter().all(is_fresh),
        description: format!("{}, {}; the maximum is {:#}", found(Side::Old), found(Side::New), terms.max_age),
    }
}

/// Whether the status tables are fresh, if the job specifies when they were taken.
fn fresh_statuses(job: &Job, terms: &SignOff, now: Timestamp) -> Option<RequirementCheck> {
    let tables = [&terms.source_of_truth, &terms.local_status].into_iter().flatten();
    let ages: Vec<(String, SignedDuration, SignedDuration)> = tables
        .filter_map(|status| {
            let source = job.tables.get(&status.table.text)?;
            let taken = source.taken_at.as_ref()?.from.parse::<Timestamp>().ok()?;
            let allowed = source.expects.max_age.unwrap_or(terms.max_age).min(terms.max_age);
            Some((status.table.text.clone(), now.duration_since(taken), allowed))
        })
        .collect();
    if ages.is_empty() {
        return None;
    }
    let found =
        ages.iter().map(|(table, age, _)| format!("{table} is {:#} old", SignedDuration::from_mins(age.as_mins())));
    Some(RequirementCheck {
        requires: Requires::FreshStatuses,
        holds: ages.iter().all(|(_, age, allowed)| age <= allowed && !age.is_negative()),
        description: found.collect::<Vec<_>>().join(", "),
    })
}

/// Whether writes had stopped before both exports, if the job declares it, and no later run contradicts it.
fn writes_stopped(context: &SignOffContext, report: &Report, run: &Path) -> Option<RequirementCheck> {
    let SignOffContext { job, terms, history, .. } = context;
    let stopped = terms.writes_stopped.as_ref()?;
    let taken = |from: &str| from.parse::<Timestamp>().ok();
    let is_before = |side: Side| {
        let own = job.sources[side].taken_at.as_ref();
        own.and_then(|own| taken(&own.from)).is_some_and(|taken| stopped.instant <= taken)
    };
    let late: Vec<String> =
        Side::BOTH.into_iter().filter(|side| !is_before(*side)).map(|side| side.to_string()).collect();
    let (own, _) = runs_below(run);
    let (earlier, _) = history.map(runs_below).unwrap_or_default();
    let changed = earlier.iter().filter(|past| past.summary.job == job.name).find_map(|past| {
        let own = own.first()?;
        Side::BOTH.into_iter().find_map(|side| {
            let since =
                past.summary.run.inputs[side].taken_at.as_ref().and_then(|at| taken(&at.from))? >= stopped.instant;
            let is_other = past.summary.rows[side] != report.rows[side] || !past.has_same_data(side, own);
            (since && is_other).then(|| format!("run {} has since read different data of {side}", past.summary.run.id))
        })
    });
    let declared = format!("declared in {}: at {}", stopped.origin.origin, stopped.origin.text);
    let found = match (late.as_slice(), &changed) {
        ([], None) => declared.clone(),
        ([], Some(changed)) => format!("{declared}; {changed}"),
        (late, _) => format!("{declared}; {} was exported earlier, or at an unknown time", late.join(" and ")),
    };
    Some(RequirementCheck {
        requires: Requires::WritesStopped,
        holds: late.is_empty() && changed.is_none(),
        description: found,
    })
}

/// Whether any column besides the key is compared.
pub(super) fn compares(pairing: &Pairing) -> bool {
    pairing.columns.len() > pairing.key_len
}
