//! Finds the runs before a sign-off that show whether a row was clean.
//!
//! The history of a nightly job continues if a query or a path changes. A sign-off is stricter: a run that did not read
//! a row, or the column in which it differs, cannot show that the row was clean.

use std::path::Path;

use super::past::{PastRun, Skipped, runs_below};
use crate::columns::Privacy;
use crate::job::Job;
use crate::output::manifest::evidence_digest;

/// A run of each of the last `wanted` pairs of snapshots before that of the run in `own_dir`, oldest first; none, if
/// there are fewer, or if one of them has no run that says which rows were clean.
pub(super) fn last_pairs(
    job: &Job,
    history: &Path,
    privacy: &Privacy,
    own_dir: &Path,
    wanted: usize,
) -> Option<Vec<PastRun>> {
    let (mut runs, skipped) = runs_below(history);
    runs.retain(|run| run.summary.job == job.name && run.scope() == job.scope);
    let dirs: Vec<_> = runs.iter().map(|run| run.dir.clone()).collect();
    let (own, _) = runs_below(own_dir);
    let mut pairs = pairs(runs);
    pairs.retain(|pair| !own.iter().any(|own| pair[0].has_same_pair(own)));
    let last = pairs.split_off(pairs.len().checked_sub(wanted)?);
    let first = last.first()?;
    // a run that cannot be read may have read a separate pair, about which nothing is known
    let is_among = |skipped: &Skipped| is_later(Path::new(&skipped.dir), &first[0], &dirs);
    if skipped.iter().any(is_among) {
        return None;
    }
    let (evidence, recognition) = (evidence_digest(job), privacy.recognition()?);
    let says = |run: &PastRun| {
        let is_same = run.evidence.as_ref() == Some(&evidence) && run.recognition.as_ref() == Some(&recognition);
        is_same && run.summary.is_verified() && run.summary.input_failures.is_empty()
    };
    last.into_iter().map(|pair| pair.into_iter().rev().find(says)).collect()
}

/// Returns the runs of each pair of snapshots, in the order in which the pairs were first seen. Unverified runs are
/// included, because their pairs of snapshots existed.
fn pairs(runs: Vec<PastRun>) -> Vec<Vec<PastRun>> {
    let mut pairs: Vec<Vec<PastRun>> = vec![];
    for run in runs {
        match pairs.iter_mut().find(|pair| pair[0].has_same_pair(&run)) {
            Some(pair) => pair.push(run),
            None => pairs.push(vec![run]),
        }
    }
    pairs
}

/// Whether a directory is among a job's runs, and was written after one of them. Its name starts with the time.
fn is_later(dir: &Path, run: &PastRun, runs: &[impl AsRef<Path>]) -> bool {
    let is_beside = runs.iter().any(|run| run.as_ref().parent() == dir.parent());
    is_beside && dir.file_name().is_some_and(|name| name.to_string_lossy().as_ref() >= run.summary.run.id.as_str())
}
