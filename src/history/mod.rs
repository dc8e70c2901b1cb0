//! Compares a run with earlier ones: which discrepancies are new, persist, are resolved, or came back.
//!
//! Every run directory contains the history of its run (`history.parquet`). A run is compared with the last earlier run
//! that read other snapshots. Therefore, a retry for the same snapshots has the same result as the first try, and age
//! counts pairs of snapshots instead of runs.

mod identity;
mod inputs;
mod past;
mod clean;
mod store;
mod retain;
mod unclean;
mod violations;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::class::ByClass;
use crate::columns::Privacy;
use crate::error::Result;
use crate::job::Job;
use crate::output::manifest::{InputDigests, compare_digest};
use crate::output::run_dir::RunDir;
use crate::run::Session;
use crate::runtime::engine::Engine;
use crate::sides::Sides;

pub use identity::{DiscrepancyDigest, key_digest};
pub(crate) use identity::{FindingIdentity, IdentityHasher, TextHasher, digest_by, key_digests, known_digests};
pub(crate) use inputs::{failures, require_past};
pub(crate) use past::{PastRun, Skipped, runs_below};
pub(crate) use retain::retain;
pub(crate) use store::{FILE, HistoryStore, StoredFinding};
pub(crate) use violations::ViolationStanding;
pub(crate) use violations::{CheckHistory, ViolationHistory, half};

use store::HistoryWriter;
use unclean::KeyWriter;

/// The history from the runs before this one.
pub(crate) struct History {
    /// The baseline of this run.
    pub previous: Option<PastRun>,
    /// The history of the baseline.
    known: HistoryStore,
    /// The last run that read other snapshots, even if its history cannot be used.
    pub last: Option<PastRun>,
    /// The earlier run of the same snapshots, if this run is a retry.
    pub retry_of: Option<String>,
    /// Why there is no baseline, although there are earlier runs.
    pub new_baseline: Option<String>,
    /// The last run that read the current files of a side, by side.
    pub same_files: Sides<Option<PastRun>>,
    /// Runs that could not be used.
    pub skipped: Vec<Skipped>,
}

/// Writes a temporary file with the digests of all keys that had a discrepancy in the history of the last `wanted`
/// snapshot pairs before this run. A key occurs once for each pair. Returns `None` if fewer pairs exist, or if a pair
/// has no run that shows which rows were clean under the current job.
///
/// The file is in Parquet format, with the 16-byte column `key`. The pairs are read one after the other, so memory does
/// not depend on their number.
pub fn past_unclean(
    engine: &Engine,
    job: &Job,
    history: Option<&Path>,
    privacy: &Privacy,
    run: &Path,
    wanted: usize,
) -> Result<Option<PathBuf>> {
    let pairs = history.and_then(|history| clean::last_pairs(job, history, privacy, run, wanted));
    let Some(pairs) = pairs else { return Ok(None) };
    let path = engine.spill_dir().join("unclean.parquet");
    let mut writer = KeyWriter::create(&path)?;
    for past in &pairs {
        let written = store::each_unclean(past, |keys| {
            engine.check_stop()?;
            writer.write(keys)
        })?;
        if written.is_err() {
            return Ok(None);
        }
    }
    writer.finish()?;
    Ok(Some(path))
}

impl History {
    /// Reads the earlier runs of a job that reads these files, if the job is configured to use them.
    ///
    /// # Errors
    /// If what is known does not fit. A run that cannot be read is reported and skipped.
    pub(crate) fn read(session: &Session, privacy: &Privacy, inputs: Option<&InputDigests>) -> Result<Option<Self>> {
        let Session { job, engine, options, .. } = session;
        let (Some(dir), Some(inputs)) = (&options.history, inputs) else { return Ok(None) };
        let (mut runs, mut skipped) = runs_below(dir);
        // runs of only old are not comparable with runs of both sides
        runs.retain(|run| run.summary.job == job.name && run.scope() == job.scope);
        skipped.extend(missing(&runs));
        let has_same = |run: &PastRun| Sides::from_fn(|side| run.has_same(side, &inputs.inputs[side]));
        let last_with = |of: fn(&Sides<bool>) -> bool| runs.iter().rev().find(|run| of(&has_same(run))).cloned();
        let same_files = Sides { old: last_with(|same| same.old), new: last_with(|same| same.new) };

        let pairs = pairs(runs);
        let own = pairs.iter().position(|run| has_same(run).iter().all(|same| *same));
        let before = &pairs[..own.unwrap_or(pairs.len())];
        let mut history = History {
            previous: None,
            known: HistoryStore::default(),
            last: before.last().cloned(),
            retry_of: own.map(|own| pairs[own].summary.run.id.clone()),
            new_baseline: None,
            same_files,
            skipped,
        };
        let (compare, recognition) = (compare_digest(job), privacy.recognition());
        for run in before.iter().rev() {
            let id = &run.summary.run.id;
            if run.compare != compare {
                history.new_baseline = Some(format!("[compare] has changed since run {id}"));
                break;
            }
            if run.recognition != recognition || recognition.is_none() {
                let reason = "the key is private, and its digest key differs from that of run";
                history.new_baseline = Some(format!("{reason} {id}"));
                break;
            }
            match store::read(run, engine)? {
                Ok(known) => {
                    history.known = known;
                    history.previous = Some(run.clone());
                    break;
                }
                Err(reason) => history.skipped.push(Skipped { dir: run.dir.display().to_string(), reason }),
            }
        }
        Ok(Some(history))
    }
}

/// Returns the last run of each pair of snapshots, in the order in which the pairs were first seen. Runs with invalid
/// snapshots are left out.
fn pairs(runs: Vec<PastRun>) -> Vec<PastRun> {
    let mut pairs: Vec<PastRun> = vec![];
    for run in runs.into_iter().filter(|run| run.summary.input_failures.is_empty()) {
        match pairs.iter_mut().find(|pair| pair.has_same_pair(&run)) {
            Some(pair) => *pair = run,
            None => pairs.push(run),
        }
    }
    pairs
}

/// Returns runs whose baseline no longer exists.
fn missing(runs: &[PastRun]) -> Vec<Skipped> {
    let is_there = |id: &String| runs.iter().any(|run| run.summary.run.id == *id);
    let gone = runs.iter().filter_map(|run| {
        let previous = run.summary.history.as_ref()?.previous.as_ref().filter(|id| !is_there(id))?;
        let reason = format!("its baseline, run {previous}, no longer exists");
        Some(Skipped { dir: run.dir.display().to_string(), reason })
    });
    gone.collect()
}

/// How a discrepancy relates to the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Not in the baseline.
    New,
    /// Also in the baseline.
    Persisting,
    /// It was gone, and came back.
    Flapping,
}

impl Persistence {
    /// The code in data.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Persistence::New => "new",
            Persistence::Persisting => "persisting",
            Persistence::Flapping => "flapping",
        }
    }
}

/// A discrepancy, with its history in earlier runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingHistory {
    /// How it relates to the baseline.
    pub standing: Persistence,
    /// The number of consecutive pairs of snapshots in which it has been seen, including this one.
    pub age: u32,
    /// The first run that found it; `None` if that is this run.
    pub first_run: Option<Arc<str>>,
    /// Its entry in the baseline.
    pub before: Option<StoredFinding>,
    /// Its identity across runs.
    pub identity: FindingIdentity,
}

/// How the discrepancies have changed since the baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct HistoryReport {
    /// The baseline of this run. Without one, all discrepancies are new.
    pub previous: Option<String>,
    /// The earlier run of the same snapshots, if this run is a retry. A retry does not increase ages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The earlier run that read the same files of one side, if only the files of the other side have changed. Either
    /// the store is no longer written to, or its last export was read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_files: Option<Sides<Option<String>>>,
    /// Why there is no baseline, although there are earlier runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_baseline: Option<String>,
    /// Discrepancies that were not in the baseline.
    pub new: ByClass<u64>,
    /// Discrepancies that were also in the baseline.
    pub persisting: ByClass<u64>,
    /// Discrepancies of the baseline that are gone, by their class in it.
    pub resolved: ByClass<u64>,
    /// Discrepancies that were gone, and came back.
    pub flapping: ByClass<u64>,
    /// The number of persisting discrepancies whose class, changed columns, or values differ from those in the
    /// baseline.
    pub changed: u64,
    /// Causes of mismatches of the baseline that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_causes: Vec<String>,
    /// The discrepancy that has persisted longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Oldest>,
    /// Earlier runs that could not be used, with the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// The discrepancy that has persisted longest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Oldest {
    /// The number of consecutive pairs of snapshots in which it has been seen.
    pub age: u32,
    /// The first run that found it.
    pub first_run: String,
}

/// Relates every discrepancy to the baseline, and writes the history of this run.
pub(crate) struct HistoryTracker {
    known: HistoryStore,
    report: HistoryReport,
    run: Arc<str>,
    writer: Option<HistoryWriter>,
}

impl HistoryTracker {
    /// Starts with the history of the baseline. `run` is the ID of this run.
    pub(crate) fn begin(history: History, run: &str, run_dir: Option<&RunDir>) -> Result<Self> {
        let writer = run_dir.map(|run_dir| HistoryWriter::create(run_dir.create(FILE)?)).transpose()?;
        let same_files = history.same_files.map(|run| run.map(|run| run.summary.run.id));
        let is_one_sided = history.retry_of.is_none() && same_files.iter().any(Option::is_some);
        let report = HistoryReport {
            same_files: is_one_sided.then_some(same_files),
            previous: history.previous.map(|run| run.summary.run.id),
            retry_of: history.retry_of,
            new_baseline: history.new_baseline,
            skipped: history.skipped,
            ..HistoryReport::default()
        };
        Ok(HistoryTracker { known: history.known, report, run: run.into(), writer })
    }

    /// Returns the history of discrepancies.
    pub(crate) fn of(&mut self, identities: &[FindingIdentity]) -> Vec<FindingHistory> {
        let seen = identities.iter().map(|&identity| {
            let before = self.known.take(&identity.key);
            let (standing, age) = match &before {
                None => (Persistence::New, 1),
                Some(StoredFinding { gone_for: Some(_), .. }) => (Persistence::Flapping, 1),
                Some(known) => (Persistence::Persisting, known.age + 1),
            };
            let first_run = before.as_ref().map(|known| known.first_run.clone());
            FindingHistory { standing, age, first_run, before, identity }
        });
        seen.collect()
    }

    /// Counts the discrepancies and writes them to the history. `in_flight` returns which of them are in flight, and
    /// `counted` has which of them count against the gates.
    pub(crate) fn take(
        &mut self,
        seen: &[FindingHistory],
        in_flight: impl Fn(usize) -> bool,
        counted: &[bool],
    ) -> Result<()> {
        let mut known = Vec::with_capacity(seen.len());
        for (row, seen) in seen.iter().enumerate() {
            let state = seen.identity.state;
            let first_run = seen.first_run.clone().unwrap_or_else(|| self.run.clone());
            self.count(seen, &first_run);
            let (in_flight, counted) = (in_flight(row), counted[row]);
            let entry = StoredFinding { state, first_run, age: seen.age, in_flight, counted, gone_for: None };
            known.push((seen.identity.key, entry));
        }
        self.write(&known)
    }

    fn count(&mut self, seen: &FindingHistory, first_run: &str) {
        let class = seen.identity.state.class;
        let report = &mut self.report;
        match seen.standing {
            Persistence::New => report.new[class] += 1,
            Persistence::Flapping => report.flapping[class] += 1,
            Persistence::Persisting => {
                report.persisting[class] += 1;
                report.changed +=
                    u64::from(seen.before.as_ref().is_some_and(|known| known.state != seen.identity.state));
                if report.oldest.as_ref().is_none_or(|oldest| oldest.age < seen.age) {
                    report.oldest = Some(Oldest { age: seen.age, first_run: first_run.into() });
                }
            }
        }
    }

    fn write(&mut self, known: &[(DiscrepancyDigest, StoredFinding)]) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.write(known))
    }

    /// What is left of what the run before knew is gone.
    pub(crate) fn finish(mut self) -> Result<HistoryReport> {
        let known = std::mem::take(&mut self.known);
        for (_, known) in known.left().filter(|(_, known)| known.gone_for.is_none()) {
            self.report.resolved[known.state.class] += 1;
        }
        let mut gone = known.left().filter_map(|(key, known)| Some((*key, known.gone()?))).peekable();
        while gone.peek().is_some() {
            let some: Vec<_> = gone.by_ref().take(store::GROUP_ROWS).collect();
            self.write(&some)?;
        }
        self.writer.take().map_or(Ok(()), HistoryWriter::finish)?;
        Ok(self.report)
    }
}

impl HistoryReport {
    /// The counts by status, in the order of every report.
    pub fn by_status(&self) -> [(&'static str, &ByClass<u64>); 4] {
        [
            ("new", &self.new),
            ("flapping", &self.flapping),
            ("persisting", &self.persisting),
            ("resolved", &self.resolved),
        ]
    }

    /// Whether there is nothing to report because there are no earlier runs.
    pub fn is_first(&self) -> bool {
        let HistoryReport { previous, retry_of, new_baseline, same_files, skipped, .. } = self;
        previous.is_none() && retry_of.is_none() && new_baseline.is_none() && same_files.is_none() && skipped.is_empty()
    }
}
