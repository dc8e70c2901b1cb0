//! countersign compares two exports of the same data, exactly: which rows are missing, which are
//! extra, which differ and in what, and whether anything could not be told.
//!
//! The modules stand in the order of the data's way, and a module uses only what stands before it.
//! [`verify`] is the whole way on one screen.

pub mod sides;
pub(crate) mod class;
pub mod error;
pub mod job;
pub(crate) mod runtime;
pub(crate) mod snapshot;
pub(crate) mod equality;
pub(crate) mod sql;
pub(crate) mod columns;
pub(crate) mod compare;
pub(crate) mod output;
pub(crate) mod id_list;
pub(crate) mod history;
pub(crate) mod explain;
pub(crate) mod lists;
pub(crate) mod checks;
pub mod report;
pub(crate) mod prepare;
pub(crate) mod signoff;
pub(crate) mod waves;
pub(crate) mod tools;
pub mod cli;

pub use ::certificate;
pub use runtime::progress::Progress;

pub(crate) use ::certificate::{csv, regular_file};

pub use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use checks::{CheckInputs, Discrepancies};
use columns::{Pairing, Privacy};
use compare::discrepancy::{Layout, OutcomeRequest, Retention, Spooled};
use compare::matching::{self, Comparison, Matched};
use error::Result;
use explain::Explainer;
use history::{History, HistoryTracker};
use job::{Job, Scope};
use lists::ListsWritten;
use output::manifest::{FileDigest, InputDigests, RunIdentity};
use output::run_dir::RunDir;
use report::{MatchingWay, Report, RunClock, StageResults, StageTime};
use runtime::engine::Engine;
use runtime::timings::Stage;
use sides::{Side, Sides};
use snapshot::Snapshot;
use sql::Tables;

/// Compares two snapshots as the job says, and writes the run directory if it names one.
///
/// Setting `stop` ends the work at the next batch.
///
/// # Errors
/// Whatever keeps the snapshots from being verified. Nothing is left half-written then.
pub fn verify(job: &Job, stop: Arc<AtomicBool>, progress: Progress) -> Result<Report> {
    let verified = match job.scope {
        Scope::Both => compare(job, None, stop, progress, |_, _, _, _| Ok(None)).map(|compared| compared.report),
        Scope::OldAlone => examine(job, stop, progress),
    };
    verified.map_err(|error| match job.private {
        Some(_) => error.without_values(),
        None => error,
    })
}

/// A comparison that is over, for whoever asked how single rows came out.
pub(crate) struct Compared {
    pub(crate) report: Report,
    pub(crate) engine: Engine,
    pub(crate) tables: Tables,
    pub(crate) snapshots: Sides<Snapshot>,
    pub(crate) pairing: Pairing,
    pub(crate) privacy: Privacy,
    pub(crate) asked: Option<OutcomeRequest>,
    pub(crate) outcomes: Vec<Spooled>,
}

/// Compares both sides. `ask` may look at the snapshots before they are read, and ask how some of their rows come out.
pub(crate) fn compare(
    job: &Job,
    run_dir: Option<RunDir>,
    stop: Arc<AtomicBool>,
    progress: Progress,
    ask: impl FnOnce(&Engine, &Sides<Snapshot>, &Pairing, &Privacy) -> Result<Option<OutcomeRequest>>,
) -> Result<Compared> {
    let clock = RunClock::start(job);
    history::require_past(job, clock.started())?;
    let run_dir = claim(job, run_dir, &clock)?;
    let mut engine = start(job, run_dir.as_ref(), stop, progress)?;

    let tables = engine.meter.stage(Stage::Open, || open_tables(&engine, job))?;
    let open = || sql::open_sides(&engine, &job.sources, &tables, &job.columns);
    let snapshots = engine.meter.stage(Stage::Open, open)?;
    let pairing = Pairing::of(&snapshots, job)?;
    let privacy = Privacy::of(job, &snapshots, &pairing, &tables)?;
    explain::require_sound(&engine, job, &snapshots, &pairing, &privacy)?;
    checks::require_sound(&engine, job, &snapshots, &pairing, &privacy, &tables)?;
    checks::groups::require_sound(job, &snapshots, &pairing, &privacy)?;
    let asked = ask(&engine, &snapshots, &pairing, &privacy)?;
    engine.fit(&matching::demand(&snapshots, &pairing))?;
    let layout = Arc::new(Layout::of(&pairing, &snapshots));
    let keep =
        if run_dir.is_some() || job.misplaced.is_some() { Retention::All } else { Retention::First(job.examples) };
    let comparison = Comparison {
        engine: &engine,
        snapshots: &snapshots,
        pairing: &pairing,
        layout: layout.clone(),
        keep,
        asked: asked.as_ref(),
    };
    let Matched { findings, outcomes, tally, way, reason } = comparison.run(job.way)?;

    let sides = snapshots.as_ref().map(Some);
    let digests = || run_dir.as_ref().map(|_| InputDigests::of(&engine, job, sides, &tables)).transpose();
    let read = engine.meter.stage(Stage::Write, digests)?;
    let history = read.as_ref().map_or(Ok(None), |read| History::read(&engine, job, &privacy, read))?;
    let input_failures = history::failures(job, tally.rows, history.as_ref(), clock.started());
    let standings = history.map(|history| HistoryTracker::begin(history, clock.id(), run_dir.as_ref())).transpose()?;
    let mut explainer = Explainer::new(job, &comparison, &privacy, standings, clock.started())?;
    let look = || explainer.look_for_misplaced(job, &comparison, &findings, &tally);
    engine.meter.stage(Stage::Match, look)?;
    let write = || ListsWritten::write(&engine, run_dir.as_ref(), &layout, findings, &tally, job, &mut explainer);
    let mut lists = engine.meter.stage(Stage::Write, write)?;
    let explained = explainer.finish(&tally, run_dir.as_ref())?;
    lists.files.extend(explained.files.iter().cloned());

    let material = CheckInputs::of_pair(&snapshots, &privacy, &tables, run_dir.as_ref().map(Discrepancies::of_run));
    let checked = engine.meter.stage(Stage::Check, || checks::run(&engine, job, &material, run_dir.as_ref()))?;
    lists.files.extend(checked.files.iter().cloned());
    let found = checks::groups::Findings { tally: &tally, checked: &checked, input_failures: &input_failures };
    let gather = || checks::groups::gather(&engine, job, &snapshots, &pairing, &material, &found, run_dir.as_ref());
    let (groups, files) = engine.meter.stage(Stage::Check, gather)?.unzip();
    lists.files.extend(files.into_iter().flatten());

    require_unchanged(snapshots.iter().chain(tables.values().map(Arc::as_ref)))?;
    let (way, reason) = MatchingWay::of(&pairing, way, reason);
    let ListsWritten { examples, files } = lists;
    let found = StageResults { tally: &tally, explained, examples, checks: checked.reports, groups, input_failures };
    let mut report = Report::of(job, &snapshots, &pairing, found, clock.stop(&engine, way, reason));
    publish(job, &privacy, &engine, run_dir, read, files, &mut report)?;
    Ok(Compared { report, engine, tables, snapshots, pairing, privacy, asked, outcomes })
}

/// Runs the checks of a job that has old alone, before there is a new store.
fn examine(job: &Job, stop: Arc<AtomicBool>, progress: Progress) -> Result<Report> {
    let clock = RunClock::start(job);
    let run_dir = claim(job, None, &clock)?;
    let engine = start(job, run_dir.as_ref(), stop, progress)?;
    let tables = engine.meter.stage(Stage::Open, || open_tables(&engine, job))?;
    let open = || sql::open_side(&engine, Side::Old, &job.sources.old, &tables, &job.columns);
    let old = engine.meter.stage(Stage::Open, open)?;

    let material = CheckInputs::of_old(old.clone(), Privacy::of_old(job, &old, &tables)?, &tables);
    let checked = engine.meter.stage(Stage::Check, || checks::run(&engine, job, &material, run_dir.as_ref()))?;
    let sides = Sides { old: Some(&old), new: None };
    let digests = || run_dir.as_ref().map(|_| InputDigests::of(&engine, job, sides, &tables)).transpose();
    let read = engine.meter.stage(Stage::Write, digests)?;
    let history = read.as_ref().map_or(Ok(None), |read| History::read(&engine, job, &material.privacy, read))?;
    require_unchanged([&old].into_iter().chain(tables.values().map(Arc::as_ref)))?;
    let rows = Sides { old: old.rows(), new: 0 };
    let input_failures = history::failures(job, rows, history.as_ref(), clock.started());
    let cost = clock.stop(&engine, MatchingWay::None, "the job has no [new]".into());
    let mut report = Report::of_old(job, &old, checked.reports, input_failures, cost);
    publish(job, &material.privacy, &engine, run_dir, read, checked.files, &mut report)?;
    Ok(report)
}

/// Makes sure that a run directory can be written, where one is wanted, before anything is read.
fn claim(job: &Job, given: Option<RunDir>, clock: &RunClock) -> Result<Option<RunDir>> {
    let run_dir = match given {
        Some(given) => Some(given),
        None => clock.out().map(RunDir::claim).transpose()?,
    };
    run_dir.as_ref().map_or(Ok(()), |run_dir| run_dir.require_apart(job))?;
    Ok(run_dir)
}

fn start(job: &Job, run_dir: Option<&RunDir>, stop: Arc<AtomicBool>, progress: Progress) -> Result<Engine> {
    let beside = || run_dir.map_or_else(std::env::temp_dir, RunDir::spill_dir);
    let spill_dir = job.temp.clone().unwrap_or_else(beside);
    Engine::start(job.limits.clone(), &spill_dir, stop, progress)
}

/// Makes sure that what was read is still there as it was, now that everything was read.
fn require_unchanged<'a>(mut snapshots: impl Iterator<Item = &'a Snapshot>) -> Result<()> {
    snapshots.try_for_each(Snapshot::require_unchanged)
}

fn open_tables(engine: &Engine, job: &Job) -> Result<Tables> {
    snapshot::require_room_for_footers(engine.limits(), job.locations())?;
    let tables = sql::open_tables(&job.tables)?;
    sql::require_keys(engine, job, &tables)?;
    Ok(tables)
}

/// Writes the reports and the manifest, where a run is written.
fn publish(
    job: &Job,
    privacy: &Privacy,
    engine: &Engine,
    run_dir: Option<RunDir>,
    read: Option<InputDigests>,
    files: Vec<FileDigest>,
    report: &mut Report,
) -> Result<()> {
    engine.progress.finish();
    if let (Some(run_dir), Some(read)) = (run_dir, read) {
        let identity = RunIdentity { run: &report.run.id, job, privacy };
        let publish = || run_dir.publish(&identity, engine, read, report.files(), files);
        engine.meter.stage(Stage::Write, publish)?;
        report.run.stages = StageTime::all(&engine.meter);
    }
    Ok(())
}

/// What the integration tests and benchmarks reach into. Not an interface: it changes without notice.
#[doc(hidden)]
pub mod testing {
    pub use crate::columns::Privacy;
    pub use crate::compare::discrepancy::Tiers;
    pub use crate::compare::matching::MemoryEstimate;
    pub use crate::csv::records;
    pub use crate::equality::canonical::{Domain, canonical, domain, order, row_hash};
    pub use crate::history::{Digest as KeyDigest, key_digest, past_unclean};
    pub use crate::output::manifest::{FileDigest, of_file};
    pub use crate::runtime::engine::Engine;
    pub use crate::runtime::memory::Demand;
    pub use crate::snapshot::Snapshot;
    pub use crate::tools::inspect;
}
