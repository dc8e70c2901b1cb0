//! COMPARE RUNS: what is new since the last pair of snapshots, what persists, what is gone, and what came back.
//!
//! Every run directory holds what its run knew (`history.parquet`). A run is compared with the last one before it that
//! read other snapshots; so a retry of the same night says the same as the first try, and age counts pairs of snapshots
//! and not runs.

mod clean;
mod identity;
mod inputs;
mod store;
mod past;
mod retain;
mod unclean;

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

pub use identity::{Digest, key_digest};
pub(crate) use identity::{FindingIdentity, IdentityHasher, TextHasher, digest_by, key_digests, known_digests};
pub(crate) use inputs::{failures, require_past};
pub(crate) use past::{PastRun, Skipped, runs_below};
pub(crate) use retain::retain;
pub(crate) use store::{FILE, HistoryStore, StoredFinding};

use store::HistoryWriter;
use unclean::KeyWriter;

/// What the runs before this one tell it.
pub(crate) struct History {
    /// The run that this one is compared with.
    pub previous: Option<PastRun>,
    /// What that run knew.
    known: HistoryStore,
    /// The last run of other snapshots, whether anything that it knew can be used or not.
    pub last: Option<PastRun>,
    /// The earlier run of the same snapshots, if this is a retry.
    pub retry_of: Option<String>,
    /// Why there is nothing to compare with, although there are runs.
    pub new_baseline: Option<String>,
    /// The last run that read a side's files just as they are now, by side.
    pub same_files: Sides<Option<PastRun>>,
    /// Runs that could not be used.
    pub skipped: Vec<Skipped>,
}

/// A working file of the digests of all keys that had a discrepancy in one of the last pairs of snapshots before the one
/// of a run that stands elsewhere; a key stands there once for each pair. None, if there are not so many pairs, or if
/// of one of them no run says which rows were clean by the job as it is now.
///
/// It is a Parquet file with the column `key`, of 16 bytes. The pairs are read one after the other, in few bytes of
/// memory, however many there are.
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
    /// Looks for the runs of a job that reads these files, if the job asks for them.
    ///
    /// # Errors
    /// If what is known does not fit. A run that cannot be read is told and passed over.
    pub(crate) fn read(session: &Session, privacy: &Privacy, inputs: Option<&InputDigests>) -> Result<Option<Self>> {
        let Session { job, engine, options, .. } = session;
        let (Some(dir), Some(inputs)) = (&options.history, inputs) else { return Ok(None) };
        let (mut runs, mut skipped) = runs_below(dir);
        // a look at old alone says nothing of a comparison, nor the other way round
        runs.retain(|run| run.told.job == job.name && run.scope() == job.scope);
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
            retry_of: own.map(|own| pairs[own].told.run.id.clone()),
            new_baseline: None,
            same_files,
            skipped,
        };
        let (compare, recognition) = (compare_digest(job), privacy.recognition());
        for run in before.iter().rev() {
            let id = &run.told.run.id;
            if run.compare != compare {
                history.new_baseline = Some(format!("what [compare] says has changed since run {id}"));
                break;
            }
            if run.recognition != recognition || recognition.is_none() {
                let reason = "the key is private, and its digests are by another key than in run";
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

/// The last run of each pair of snapshots, in the order in which the pairs were first seen. Runs whose snapshots were not
/// what they had to be are left out.
fn pairs(runs: Vec<PastRun>) -> Vec<PastRun> {
    let mut pairs: Vec<PastRun> = vec![];
    for run in runs.into_iter().filter(|run| run.told.input_failures.is_empty()) {
        match pairs.iter_mut().find(|pair| pair.has_same_pair(&run)) {
            Some(pair) => *pair = run,
            None => pairs.push(run),
        }
    }
    pairs
}

/// Runs that a later one was compared with, and that are no longer there.
fn missing(runs: &[PastRun]) -> Vec<Skipped> {
    let is_there = |id: &String| runs.iter().any(|run| run.told.run.id == *id);
    let gone = runs.iter().filter_map(|run| {
        let previous = run.told.history.as_ref()?.previous.as_ref().filter(|id| !is_there(id))?;
        let reason = format!("run {previous}, which this one was compared with, is no longer there");
        Some(Skipped { dir: run.dir.display().to_string(), reason })
    });
    gone.collect()
}

/// How a discrepancy stands to the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Not known.
    New,
    /// There already.
    Persisting,
    /// It was gone, and is back.
    Flapping,
}

impl Persistence {
    /// The word in data.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Persistence::New => "new",
            Persistence::Persisting => "persisting",
            Persistence::Flapping => "flapping",
        }
    }
}

/// A discrepancy, as the runs before see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingHistory {
    /// How it stands to the run before.
    pub standing: Persistence,
    /// In how many pairs of snapshots in a row it has been seen, this one included.
    pub age: u32,
    /// The run that saw it first; `None` if that is this one.
    pub first_run: Option<Arc<str>>,
    /// What was known of it.
    pub before: Option<StoredFinding>,
    /// What it is known by.
    pub identity: FindingIdentity,
}

/// What has become of the discrepancies since the run before.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct HistoryReport {
    /// The run that this one was compared with; without one, everything is new.
    pub previous: Option<String>,
    /// The earlier run of the same snapshots, if this was a retry. It adds nothing to any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The earlier run that read the same files of one side, while those of the other have changed: a store that stands
    /// still, or its last export once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_files: Option<Sides<Option<String>>>,
    /// Why a new count begins, although there are earlier runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_baseline: Option<String>,
    /// Discrepancies that were not known.
    pub new: ByClass<u64>,
    /// Discrepancies that the run before had, too.
    pub persisting: ByClass<u64>,
    /// Discrepancies of the run before that are gone, by the class that they had.
    pub resolved: ByClass<u64>,
    /// Discrepancies that were gone, and are back.
    pub flapping: ByClass<u64>,
    /// Of those that persist, how many have another class, other changed columns or other values than before.
    pub changed: u64,
    /// The longest that one has persisted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Oldest>,
    /// Earlier runs that could not be used, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// The discrepancy that has been there longest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Oldest {
    /// In how many pairs of snapshots in a row it has been seen.
    pub age: u32,
    /// The run that saw it first.
    pub first_run: String,
}

/// Tells of every discrepancy how it stands to the run before, and writes down what is known now.
pub(crate) struct HistoryTracker {
    known: HistoryStore,
    report: HistoryReport,
    run: Arc<str>,
    writer: Option<HistoryWriter>,
}

impl HistoryTracker {
    /// Begins with what the run before knew. `run` is the id of this one.
    pub(crate) fn begin(history: History, run: &str, run_dir: Option<&RunDir>) -> Result<Self> {
        let writer = run_dir.map(|run_dir| HistoryWriter::create(run_dir.create(FILE)?)).transpose()?;
        let same_files = history.same_files.map(|run| run.map(|run| run.told.run.id));
        let is_one_sided = history.retry_of.is_none() && same_files.iter().any(Option::is_some);
        let report = HistoryReport {
            same_files: is_one_sided.then_some(same_files),
            previous: history.previous.map(|run| run.told.run.id),
            retry_of: history.retry_of,
            new_baseline: history.new_baseline,
            skipped: history.skipped,
            ..HistoryReport::default()
        };
        Ok(HistoryTracker { known: history.known, report, run: run.into(), writer })
    }

    /// How discrepancies stand to the run before.
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

    /// Counts them and writes them down. `in_flight` says which of them the snapshots' times explain, `counted` which of
    /// them count against the gates.
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

    fn write(&mut self, known: &[(Digest, StoredFinding)]) -> Result<()> {
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
    /// What has become of discrepancies, in the order of every report.
    pub fn fates(&self) -> [(&'static str, &ByClass<u64>); 4] {
        [
            ("new", &self.new),
            ("flapping", &self.flapping),
            ("persisting", &self.persisting),
            ("resolved", &self.resolved),
        ]
    }

    /// Whether there is nothing to tell, because no run came before.
    pub fn is_first(&self) -> bool {
        let HistoryReport { previous, retry_of, new_baseline, same_files, skipped, .. } = self;
        previous.is_none() && retry_of.is_none() && new_baseline.is_none() && same_files.is_none() && skipped.is_empty()
    }
}
