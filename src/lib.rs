//! countersign compares two exports of the same data, exactly: which rows are missing, which are
//! extra, which differ and in what, and whether anything could not be told.
//!
//! The modules stand in the order of the data's way, and a module uses only what stands before it.
//! [`verify`] is the whole way on one screen.

// the words
pub mod sides;
pub mod error;
pub mod job;
pub mod job_file;

// where the work runs
pub mod work_dir;
pub mod progress;
pub mod meter;
pub mod memory;
pub mod engine;

// the way
pub mod snapshot;
pub mod shape;
pub mod canonical;
pub mod plain;
pub mod render;
pub mod rules;
pub mod columns;
pub mod check;
pub mod discrepancy;
pub mod matching;
pub mod run_dir;
pub mod job_dir;
pub mod lists;
pub mod report;

// the commands
pub mod inspect;
pub mod init;
pub mod demo;
pub mod cli;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use columns::Pairing;
use discrepancy::{Keep, Layout};
use engine::Engine;
use error::Result;
use job::Job;
use lists::Lists;
use matching::Comparison;
use meter::Stage;
use progress::Progress;
use report::{Clock, Report, StageTime};
use run_dir::{Inputs, RunDir};

/// Compares two snapshots as the job says, and writes the run directory if it names one.
///
/// Setting `stop` ends the work at the next batch.
///
/// # Errors
/// Whatever keeps the snapshots from being verified. Nothing is left half-written then.
pub fn verify(job: &Job, stop: Arc<AtomicBool>, progress: Progress) -> Result<Report> {
    let clock = Clock::start(job);
    let run_dir = clock.out().map(RunDir::claim).transpose()?;
    let beside = || run_dir.as_ref().map_or_else(std::env::temp_dir, RunDir::spill_dir);
    let spill_dir = job.temp.clone().unwrap_or_else(beside);
    let mut engine = Engine::start(job.limits.clone(), &spill_dir, stop, progress)?;

    let tables = engine.meter.during(Stage::Open, || shape::open_tables(&job.tables))?;
    let open = || shape::open_sides(&engine, &job.sources, &tables, &job.columns);
    let snapshots = engine.meter.during(Stage::Open, open)?;
    run_dir.as_ref().map_or(Ok(()), |run_dir| run_dir.require_apart(&snapshots))?;
    let pairing = Pairing::of(&snapshots, job)?;
    engine.fit(&matching::demand(&snapshots, &pairing))?;
    let layout = Arc::new(Layout::of(&pairing, &snapshots));
    let keep = if run_dir.is_some() { Keep::All } else { Keep::First(job.examples) };
    let comparison =
        Comparison { engine: &engine, snapshots: &snapshots, pairing: &pairing, layout: layout.clone(), keep };
    let matched = comparison.run(job.way)?;
    let write = || Lists::write(&engine, run_dir.as_ref(), &layout, matched.findings, &matched.tally, job);
    let lists = engine.meter.during(Stage::Write, write)?;
    let mut report = Report::of(
        job,
        &snapshots,
        &pairing,
        &matched.tally,
        lists.examples,
        clock.stop(&engine, matched.way, matched.reason),
    );
    engine.progress.finish();

    if let Some(run_dir) = run_dir {
        let inputs = Inputs { snapshots: &snapshots, tables: &tables };
        let publish = || run_dir.publish(&report.run.id, job, &engine, inputs, report.files(), lists.files);
        engine.meter.during(Stage::Write, publish)?;
        report.run.stages = StageTime::all(&engine.meter);
    }
    Ok(report)
}
