//! What has to hold for all candidates together.

use jiff::{SignedDuration, Timestamp};

use crate::columns::{ColumnPair, Pairing};
use crate::job::{Cleanup, Job, SignOff};
use crate::report::{Report, Verdict};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// A requirement of all candidates, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Its name, which is also the reason that blocks where it does not hold.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, in words.
    pub words: String,
}

/// What concerns all candidates.
pub fn requirements(
    job: &Job,
    terms: &SignOff,
    report: &Report,
    pairing: &Pairing,
    rows: &Snapshot,
    now: Timestamp,
) -> Vec<Requirement> {
    let age = |side: Side| {
        let taken = job.sources[side].taken_at.as_ref()?;
        Some(now.duration_since(taken.from.parse::<Timestamp>().ok()?))
    };
    let ages = Sides::from_fn(age);
    let is_fresh = |side: Side| ages[side].is_some_and(|age| age <= terms.max_age && !age.is_negative());
    let words = |side: Side| match ages[side] {
        Some(age) => format!("{side} is {:#} old", SignedDuration::from_mins(age.as_mins())),
        None => format!("nothing tells how old {side} is"),
    };
    // that of the rows has a column of ours
    let coverage = &report.coverage;
    let gaps = [&coverage.incomparable, &coverage.old_only, &coverage.new_only];
    let is_whole = report.verdict != Verdict::Unverified && coverage.incomparable.is_empty() && compares(pairing);
    let compared = match compares(pairing) {
        true => format!(
            "{} compared columns, {} not compared",
            coverage.compared.len(),
            gaps.iter().map(|gap| gap.len()).sum::<usize>() + coverage.ignored.len()
        ),
        false => "nothing but the key is compared".into(),
    };
    let own = terms.delete_from;
    let uncovered = uncovered(terms, report, pairing, rows);
    let mut requirements = vec![
        Requirement { name: "unverified", holds: is_whole, words: compared },
        Requirement {
            name: "uncovered",
            holds: uncovered.is_empty(),
            words: match uncovered.as_slice() {
                [] => format!("every column of {own} that goes was compared, or is ignored by name"),
                names => format!("not compared: {}", names.join(", ")),
            },
        },
        Requirement {
            name: "snapshots_too_old",
            holds: Side::BOTH.into_iter().all(is_fresh),
            words: format!("{}, {}; {:#} is allowed", words(Side::Old), words(Side::New), terms.max_age),
        },
    ];
    requirements.extend(statuses_are_fresh(job, terms, now));
    requirements
}

/// The columns that would go, and that nothing tells about: those of one side alone, and an emptied one that is ignored.
fn uncovered(terms: &SignOff, report: &Report, pairing: &Pairing, rows: &Snapshot) -> Vec<String> {
    let coverage = &report.coverage;
    let own = terms.delete_from;
    let alone = if own == Side::Old { &coverage.old_only } else { &coverage.new_only };
    match &terms.cleanup {
        Cleanup::Row => alone.clone(),
        Cleanup::Column { column, .. } => {
            // a column that a query has taken apart is compared as what it became
            let is_stored = rows.schema.fields().iter().any(|field| *field.name() == column.text);
            let stored = |pair: &ColumnPair| rows.schema.field(pair.at[own]).name();
            let is_compared = pairing.columns.iter().any(|pair| *stored(pair) == column.text);
            if is_stored && !is_compared { vec![column.text.clone()] } else { vec![] }
        }
    }
}

/// Whether the status tables are as young as they have to be, where the job says how old they are.
fn statuses_are_fresh(job: &Job, terms: &SignOff, now: Timestamp) -> Option<Requirement> {
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
    let words =
        ages.iter().map(|(table, age, _)| format!("{table} is {:#} old", SignedDuration::from_mins(age.as_mins())));
    Some(Requirement {
        name: "statuses_too_old",
        holds: ages.iter().all(|(_, age, allowed)| age <= allowed && !age.is_negative()),
        words: words.collect::<Vec<_>>().join(", "),
    })
}

/// Whether anything but the key is compared.
pub fn compares(pairing: &Pairing) -> bool {
    pairing.columns.len() > pairing.key_len
}
