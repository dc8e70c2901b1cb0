//! WHERE: the parts of the rows that hold far more discrepancies than their share.
//!
//! A sample of the findings is compared with a sample of all rows, column by column: values of columns with few of them,
//! months and spans of times, spans of numbers, and pairs of these. What stands out by far more than chance, for as many
//! parts as were looked at, is reported. Small snapshots and few findings are looked at whole, and then all figures are
//! exact.

mod rows;
mod population;
mod conditions;

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};

use crate::causes::{CauseReport, Causes};
use crate::class::Class;
use crate::compare::discrepancy::{TableColumn, Tally, classes};
use crate::error::Result;
use crate::explain::causes;
use crate::run::Run;
use crate::sides::Side;
use conditions::{Condition, Evidence};
use population::Population;
use rows::{Columns, Rows};

/// The most slices of a run.
const SLICES_MAX: usize = 20;
/// The most slices of one class or cause.
const SLICES_OF_GROUP: usize = 3;
/// Fewer findings form no slice.
const FINDINGS_MIN: usize = 5;

/// A part of the rows with far more discrepancies than its share.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct SliceReport {
    /// The rows: `country = 'DE' and placed_at in 2025-03`.
    #[serde(rename = "where")]
    pub condition: String,
    /// The class of the discrepancies.
    pub class: Class,
    /// The cause of the mismatches, if the slice is about one: `paid_at: time_offset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The discrepancies of this class or cause in these rows.
    pub discrepancies: u64,
    /// The rows of old, or of new for extra rows.
    pub rows: u64,
    /// The share of all discrepancies of this class or cause, from 0 to 1.
    pub share_of_discrepancies: f64,
    /// The share of all rows, from 0 to 1.
    pub share_of_rows: f64,
    /// Whether the figures are estimates from samples.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about: bool,
}

/// Discrepancies that may have something in common.
struct Group<'a> {
    class: Class,
    cause: Option<&'a CauseReport>,
    /// The rows of the sample.
    members: Vec<usize>,
    /// How many discrepancies there are in all.
    count: u64,
}

/// Finds the slices of a run from a sample of its findings.
pub(super) fn find(
    run: &Run,
    sample: Option<&RecordBatch>,
    tally: &Tally,
    causes: &Causes,
) -> Result<Vec<SliceReport>> {
    let Some(sample) = sample else { return Ok(vec![]) };
    let classes = classes(sample);
    let groups = groups(sample, &classes, tally, causes);
    if groups.is_empty() {
        return Ok(vec![]);
    }
    let mut columns = Columns::of(&run.pairing, &run.privacy);
    let found = Rows::of_sample(&mut columns, sample, &classes)?;
    let is_whole = classes.len() as u64 == tally.discrepancies();
    let mut slices = vec![];
    for side in Side::BOTH {
        let own = |group: &&Group| (group.class == Class::Extra) == (side == Side::New);
        let groups: Vec<&Group> = groups.iter().filter(own).collect();
        if groups.is_empty() {
            continue;
        }
        columns.measure(&run.snapshots[side], &run.pairing);
        let candidates = groups.iter().map(|group| {
            let changed = often_changed(sample, group, &columns);
            let candidates = conditions::candidates(&columns, &found, &group.members);
            candidates.into_iter().filter(|condition| !changed[condition.column()]).collect()
        });
        let candidates: Vec<Vec<Condition>> = candidates.collect();
        let numbers: BTreeSet<usize> = candidates.iter().flatten().map(Condition::column).collect();
        if numbers.is_empty() {
            continue;
        }
        let numbers: Vec<usize> = numbers.into_iter().collect();
        let population = Population::of(run, side, &mut columns, &numbers)?;
        for (group, candidates) in groups.into_iter().zip(candidates) {
            let evidence =
                Evidence { columns: &columns, found: &found, members: &group.members, population: &population };
            slices.extend(of_group(group, &evidence, &candidates, is_whole));
        }
    }
    Ok(without_repetitions(slices))
}

/// The classes, and the causes that explain a part of the mismatches.
fn groups<'a>(sample: &RecordBatch, classes: &[Class], tally: &Tally, causes: &'a Causes) -> Vec<Group<'a>> {
    let of_class = |class: Class| {
        let members: Vec<usize> = (0..classes.len()).filter(|row| classes[*row] == class).collect();
        Group { class, cause: None, members, count: tally.count(class) }
    };
    let by_class = [Class::Mismatch, Class::Missing, Class::Extra].map(of_class);
    let mismatches = by_class[0].members.len();
    let of_rows = causes::of_rows(causes, sample);
    let of_cause = |(number, cause): (usize, &'a CauseReport)| {
        let members: Vec<usize> = (0..classes.len()).filter(|row| of_rows[*row].contains(&number)).collect();
        Group { class: Class::Mismatch, cause: Some(cause), members, count: cause.count }
    };
    let by_cause = causes.reports.iter().enumerate().map(of_cause);
    // what explains nearly all mismatches has the slices of the class
    let by_cause = by_cause.filter(|group| group.members.len() * 10 < mismatches * 9);
    by_class.into_iter().chain(by_cause).filter(|group| group.members.len() >= FINDINGS_MIN).collect()
}

/// Which columns differ in many of a group's rows. That they have certain values there says nothing about where.
fn often_changed(sample: &RecordBatch, group: &Group, columns: &Columns) -> Vec<bool> {
    const OFTEN: usize = 5;
    let changed = TableColumn::Changed.of(sample).as_list::<i32>();
    let mut counts = vec![0_usize; columns.names.len()];
    for row in &group.members {
        let names = changed.value(*row);
        for name in names.as_string::<i32>().iter().flatten() {
            columns.names.iter().position(|own| own == name).into_iter().for_each(|column| counts[column] += 1);
        }
    }
    counts.into_iter().map(|count| count * OFTEN >= group.members.len()).collect()
}

fn of_group(group: &Group, evidence: &Evidence, candidates: &[Condition], is_whole: bool) -> Vec<SliceReport> {
    let found = conditions::standing_out(evidence, candidates, SLICES_OF_GROUP);
    let report = |(conditions, strength): (Vec<Condition>, conditions::Strength)| {
        let share = strength.found as f64 / group.members.len() as f64;
        let discrepancies = if is_whole { strength.found as u64 } else { (share * group.count as f64).round() as u64 };
        // each of them is a row
        let all = evidence.population.rows;
        let rows = ((strength.share_of_rows * all as f64).round() as u64).max(discrepancies);
        let texts: Vec<String> = conditions.iter().map(|condition| condition.describe(evidence.columns)).collect();
        SliceReport {
            condition: texts.join(" and "),
            class: group.class,
            cause: group.cause.map(CauseReport::tag),
            discrepancies,
            rows,
            share_of_discrepancies: share,
            share_of_rows: rows as f64 / all.max(1) as f64,
            about: !is_whole || !evidence.population.is_whole,
        }
    };
    found.into_iter().map(report).collect()
}

/// The slices without those that say of a cause what others say of its class, the strongest first.
fn without_repetitions(slices: Vec<SliceReport>) -> Vec<SliceReport> {
    let mut kept: Vec<SliceReport> = vec![];
    for slice in slices {
        let is_known = |other: &SliceReport| other.condition == slice.condition && other.class == slice.class;
        if slice.cause.is_none() || !kept.iter().any(is_known) {
            kept.push(slice);
        }
    }
    kept.truncate(SLICES_MAX);
    kept
}
