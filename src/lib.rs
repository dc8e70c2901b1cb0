//! countersign compares two exports of the same data, exactly: which rows are missing, which are
//! extra, which differ and in what, and whether anything could not be told.
//!
//! The modules stand in the order of the data's way, and a module uses only what stands before it.
//! [`verify`] is the whole way on one screen.

// the words
pub mod sides;
pub mod class;
pub mod csv;
pub(crate) mod regular_file;
pub mod error;
pub mod job;
pub mod job_file;

// where the work runs
pub mod talk;
pub mod work_dir;
pub mod progress;
pub mod meter;
pub mod memory;
pub mod engine;

// the way
pub mod snapshot;
pub mod canonical;
pub mod plain;
pub mod render;
pub mod shape;
pub mod rules;
pub mod columns;
pub mod discrepancy;
pub mod matching;
pub mod manifest;
pub mod run_dir;
pub mod job_dir;
pub mod history;
pub mod explain;
pub mod lists;
pub mod checks;
pub mod groups;
pub mod report;
pub mod certificate;
pub mod mistakes;
pub mod signoff;

// the commands
pub mod inspect;
pub mod init;
pub mod demo;
pub mod generate;
pub mod nights;
pub mod waves;
pub mod cli;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use checks::{Discrepancies, Material};
use columns::Pairing;
use discrepancy::{Keep, Layout};
use engine::Engine;
use error::Result;
use explain::Explainer;
use history::{History, Standings};
use job::{Job, Scope};
use lists::Lists;
use manifest::{Digest, InputDigests};
use matching::{Comparison, Matched};
use meter::Stage;
use progress::Progress;
use report::{Clock, Found, MatchingWay, Report, StageTime};
use run_dir::RunDir;
use shape::Tables;
use sides::{Side, Sides};

/// Compares two snapshots as the job says, and writes the run directory if it names one.
///
/// Setting `stop` ends the work at the next batch.
///
/// # Errors
/// Whatever keeps the snapshots from being verified. Nothing is left half-written then.
pub fn verify(job: &Job, stop: Arc<AtomicBool>, progress: Progress) -> Result<Report> {
    let verified = match job.scope {
        Scope::Both => compare(job, stop, progress),
        Scope::OldAlone => examine(job, stop, progress),
    };
    verified.map_err(|error| match job.private {
        Some(_) => error.without_values(),
        None => error,
    })
}

fn compare(job: &Job, stop: Arc<AtomicBool>, progress: Progress) -> Result<Report> {
    let clock = Clock::start(job);
    history::require_past(job, clock.started())?;
    let run_dir = clock.out().map(RunDir::claim).transpose()?;
    let mut engine = start(job, run_dir.as_ref(), stop, progress)?;

    let tables = engine.meter.during(Stage::Open, || open_tables(&engine, job))?;
    let open = || shape::open_sides(&engine, &job.sources, &tables, &job.columns);
    let snapshots = engine.meter.during(Stage::Open, open)?;
    run_dir.as_ref().map_or(Ok(()), |run_dir| run_dir.require_apart(snapshots.iter()))?;
    let pairing = Pairing::of(&snapshots, job)?;
    explain::require_sound(&engine, job, &snapshots, &pairing)?;
    checks::require_sound(&engine, job, &snapshots, &pairing, &tables)?;
    groups::require_sound(job, &snapshots, &pairing)?;
    engine.fit(&matching::demand(&snapshots, &pairing))?;
    let layout = Arc::new(Layout::of(&pairing, &snapshots));
    let keep = if run_dir.is_some() || job.misplaced.is_some() { Keep::All } else { Keep::First(job.examples) };
    let comparison =
        Comparison { engine: &engine, snapshots: &snapshots, pairing: &pairing, layout: layout.clone(), keep };
    let Matched { findings, tally, way, reason } = comparison.run(job.way)?;

    let sides = snapshots.as_ref().map(Some);
    let digests = || run_dir.as_ref().map(|_| InputDigests::of(&engine, job, sides, &tables)).transpose();
    let read = engine.meter.during(Stage::Write, digests)?;
    let history = read.as_ref().map_or(Ok(None), |read| History::read(&engine, job, read))?;
    let input_failures = history::failures(job, tally.rows, history.as_ref(), clock.started());
    let standings = history.map(|history| Standings::begin(history, clock.id(), run_dir.as_ref())).transpose()?;
    let mut explainer = Explainer::new(&engine, job, &snapshots, &pairing, &layout, standings, clock.started())?;
    let look = || explainer.look_for_misplaced(job, &comparison, &findings, &tally);
    engine.meter.during(Stage::Match, look)?;
    let write = || Lists::write(&engine, run_dir.as_ref(), &layout, findings, &tally, job, &mut explainer);
    let mut lists = engine.meter.during(Stage::Write, write)?;
    let explained = explainer.finish(&tally, run_dir.as_ref())?;
    lists.files.extend(explained.files.iter().cloned());

    let material = Material::of_pair(job, &snapshots, &pairing, &tables, run_dir.as_ref().map(Discrepancies::of_run));
    let checked = engine.meter.during(Stage::Check, || checks::run(&engine, job, &material, run_dir.as_ref()))?;
    lists.files.extend(checked.files.iter().cloned());
    let found = groups::Findings { tally: &tally, checked: &checked, input_failures: &input_failures };
    let gather = || groups::gather(&engine, job, &snapshots, &pairing, &material, &found, run_dir.as_ref());
    let (groups, files) = engine.meter.during(Stage::Check, gather)?.unzip();
    lists.files.extend(files.into_iter().flatten());

    let (way, reason) = MatchingWay::of(&pairing, way, reason);
    let Lists { examples, files } = lists;
    let found = Found { tally: &tally, explained, examples, checks: checked.reports, groups, input_failures };
    let mut report = Report::of(job, &snapshots, &pairing, found, clock.stop(&engine, way, reason));
    publish(job, &engine, run_dir, read, files, &mut report)?;
    Ok(report)
}

/// Runs the checks of a job that has old alone, before there is a new store.
fn examine(job: &Job, stop: Arc<AtomicBool>, progress: Progress) -> Result<Report> {
    let clock = Clock::start(job);
    let run_dir = clock.out().map(RunDir::claim).transpose()?;
    let engine = start(job, run_dir.as_ref(), stop, progress)?;
    let tables = engine.meter.during(Stage::Open, || open_tables(&engine, job))?;
    let open = || shape::open_side(&engine, Side::Old, &job.sources.old, &tables, &job.columns);
    let old = engine.meter.during(Stage::Open, open)?;
    run_dir.as_ref().map_or(Ok(()), |run_dir| run_dir.require_apart([&old]))?;

    let material = Material::of_old(job, old.clone(), &tables);
    let checked = engine.meter.during(Stage::Check, || checks::run(&engine, job, &material, run_dir.as_ref()))?;
    let sides = Sides { old: Some(&old), new: None };
    let digests = || run_dir.as_ref().map(|_| InputDigests::of(&engine, job, sides, &tables)).transpose();
    let read = engine.meter.during(Stage::Write, digests)?;
    let history = read.as_ref().map_or(Ok(None), |read| History::read(&engine, job, read))?;
    let rows = Sides { old: old.rows(), new: 0 };
    let input_failures = history::failures(job, rows, history.as_ref(), clock.started());
    let cost = clock.stop(&engine, MatchingWay::None, "the job has no [new]".into());
    let mut report = Report::of_old(job, &old, checked.reports, input_failures, cost);
    publish(job, &engine, run_dir, read, checked.files, &mut report)?;
    Ok(report)
}

fn start(job: &Job, run_dir: Option<&RunDir>, stop: Arc<AtomicBool>, progress: Progress) -> Result<Engine> {
    let beside = || run_dir.map_or_else(std::env::temp_dir, RunDir::spill_dir);
    let spill_dir = job.temp.clone().unwrap_or_else(beside);
    Engine::start(job.limits.clone(), &spill_dir, stop, progress)
}

fn open_tables(engine: &Engine, job: &Job) -> Result<Tables> {
    let tables = shape::open_tables(&job.tables)?;
    shape::require_keys(engine, job, &tables)?;
    Ok(tables)
}

/// Writes the reports and the manifest, where a run is written.
fn publish(
    job: &Job,
    engine: &Engine,
    run_dir: Option<RunDir>,
    read: Option<InputDigests>,
    files: Vec<Digest>,
    report: &mut Report,
) -> Result<()> {
    engine.progress.finish();
    if let (Some(run_dir), Some(read)) = (run_dir, read) {
        let publish = || run_dir.publish(&report.run.id, job, engine, read, report.files(), files);
        engine.meter.during(Stage::Write, publish)?;
        report.run.stages = StageTime::all(&engine.meter);
    }
    Ok(())
}
