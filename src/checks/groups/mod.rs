//! GATHER: the groups that move as a whole, such as accounts with all their rows. A group is ready if nothing at all is
//! wrong with it, untouched if new has none of its rows, and partial otherwise.
//!
//! A group in doubt is never ready: while a doubt may concern any group, no group is ready.

mod counting;
mod output;
mod combine;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::checks::{CheckInputs, CheckResults, Discrepancies, is_id};
use crate::columns::Pairing;
use crate::compare::discrepancy::Tally;
use crate::error::{Error, Result};
use crate::run::{Run, Session};
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
pub(crate) use combine::{Combined, Member, combine};
use counting::Counting;
use output::Output;

/// The groups of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupReport {
    /// The columns whose values make a group.
    pub by: Vec<String>,
    /// Groups with which nothing at all is wrong.
    pub ready: u64,
    /// Groups of which new has rows, and not all of them right.
    pub partial: u64,
    /// Groups of which new has no row.
    pub untouched: u64,
    /// Why no group is called ready, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// The first few partial groups.
    pub first: Vec<Group>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Group {
    /// What its rows have in common, in the order of the columns; none for NULL.
    pub values: Vec<Option<String>>,
    /// Its rows on each side.
    pub rows: Sides<u64>,
    /// Its discrepancies; of duplicate keys, their rows.
    pub discrepancies: u64,
    /// What checks found in it.
    pub violations: u64,
}

/// The file with every group.
pub(crate) const TABLE: &str = "groups.parquet";

/// What the stages before have found.
pub(crate) struct Findings<'a> {
    /// The counts.
    pub tally: &'a Tally,
    /// The results of the checks.
    pub checked: &'a CheckResults,
    /// What is wrong with the snapshots themselves.
    pub input_failures: &'a [String],
}

/// Makes sure that a job's rows can be gathered as it says.
///
/// # Errors
/// If a column is not compared, is private, or is no column of IDs.
pub(crate) fn require_sound(run: &Run) -> Result<()> {
    let Run { session: Session { job, .. }, snapshots, pairing, privacy, .. } = run;
    for column in &job.group {
        let wrong = |description: String| Err(Error::request(&column.origin, description));
        let Some(pair) = pairing.columns.iter().find(|pair| pair.name == column.text) else {
            return wrong(format!("no compared column is called `{}`, and rows are gathered by such", column.text));
        };
        for side in Side::BOTH {
            let field = snapshots[side].schema.field(pair.at[side]);
            if !is_id(field.data_type()) {
                return wrong(format!(
                    "`{}` is {} in {side}; groups must be integers or text",
                    column.text, pair.types[side]
                ));
            }
        }
        if privacy.hides_pair(&pair.name) {
            return wrong(format!("`{}` is private, and groups would show it", pair.name));
        }
    }
    Ok(())
}

/// Counts the groups of a comparison, and writes every group; `None` if the job has no groups or no run is written.
pub(crate) fn gather(run: &Run, material: &CheckInputs, found: &Findings) -> Result<Option<GroupReport>> {
    let Run { session: Session { engine, job, options, run_dir, .. }, snapshots, pairing, .. } = run;
    let (Some(run_dir), false) = (run_dir, job.group.is_empty()) else { return Ok(None) };
    let _stage = engine.timings.enter(Stage::Check);
    engine.progress.begin("gathering", 0);
    let by: Vec<String> = job.group.iter().map(|column| column.text.clone()).collect();
    let Some(Discrepancies::File(path)) = &material.discrepancies else {
        return Err(Error::Internal("groups need the table of discrepancies".into()));
    };
    let discrepancies = open_file("discrepancies", path)?;
    let counting = Counting::of(snapshots, pairing, &by);
    let counted = counting.count(engine, snapshots, &discrepancies, &found.checked.violations)?;
    let mut doubts = doubts(pairing, found);
    let attributed = counted.attributed(engine)?;
    for side in Side::BOTH {
        let missed = found.tally.duplicate_rows[side].abs_diff(attributed.duplicate_rows[side]);
        if missed > 0 {
            doubts.push(format!("{missed} rows of duplicate keys of {side} could not be found again by their keys"));
        }
    }
    match attributed.unknown_violations {
        0 => {}
        1 => doubts.push("1 violation is of a group that neither side has".into()),
        many => doubts.push(format!("{many} violations are of groups that neither side has")),
    }
    let question = counted.states(engine, &by, doubts.is_empty())?;
    let output = Output::create(run_dir, &by, question.schema(), "groups_", options.examples)?;
    let (report, _) = output.write(engine, question, doubts)?;
    Ok(Some(report))
}

/// Opens a Parquet file that this run or another has written.
fn open_file(name: &str, path: &Path) -> Result<Arc<Snapshot>> {
    Ok(Arc::new(Snapshot::open_table(name, &path.display().to_string())?))
}

/// What may concern any group.
fn doubts(pairing: &Pairing, found: &Findings) -> Vec<String> {
    let coverage = &pairing.coverage;
    let mut doubts = found.input_failures.to_vec();
    for (names, description) in [
        (&coverage.incomparable, "could not be compared"),
        (&coverage.old_only, "only in old"),
        (&coverage.new_only, "only in new"),
    ] {
        if !names.is_empty() {
            doubts.push(format!("{description}: {}", names.join(", ")));
        }
    }
    let values = found.checked.reports.iter().filter(|check| check.list.is_none() && !check.holds);
    doubts.extend(values.map(|check| format!("check {} fails, and says of no group that it is at fault", check.name)));
    doubts
}
