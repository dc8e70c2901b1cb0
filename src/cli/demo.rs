//! `countersign demo`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::history::History;
use super::{Format, print, signal, write_out};
use crate::compare;
use crate::error::{Error, Result};
use crate::job::file::{JobFile, refusal};
use crate::output::job_dir::JobDir;
use crate::report::{Verdict, count};
use crate::runtime::engine::Engine;
use crate::runtime::options::{Limits, Options, Out};
use crate::runtime::progress::Progress;
use crate::tools::demo::Planted;
use crate::tools::demo::{self, migration, thirty_nights};

/// Write two small snapshots with known defects, and compare them
///
/// The example: subscriptions that were embedded in customers move to a separate table. Afterwards, DIR
/// contains both snapshots, a job file with its query, and a run directory. The exit code is 0 if every
/// planted defect was found; `run` on the same job exits with code 1.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The directory to write to
    #[arg(default_value = "countersign-demo")]
    dir: PathBuf,

    /// Write thirty nights of a migration instead, and run the job of each night
    #[arg(long, alias = "nights", conflicts_with = "migration")]
    history: bool,

    /// Write this example migration instead: a folder that contains a generate.sql
    #[arg(long, value_name = "FOLDER")]
    migration: Option<PathBuf>,

    /// The size of the snapshots of the migration: the parameter $size of its generate.sql
    #[arg(long, value_name = "N", default_value_t = migration::SIZE, requires = "migration")]
    size: u64,
}

impl Demo {
    /// Writes the snapshots, compares them, prints the report, and compares it with the planted defects.
    pub(super) fn run(self) -> Result<Verdict> {
        if let Some(folder) = &self.migration {
            return self.write_migration(folder);
        }
        if self.history {
            return self.run_nights();
        }
        let planted = demo::write(&self.dir)?;
        let (job, runs) = demo::job(&self.dir)?;
        let job_dir = JobDir::open(&runs, &job.name)?;
        let out = Some(Out::Below(job_dir.dir()));
        let report = compare(&job, &Options { out, stop: signal::on_signal(), ..Options::default() })?;
        job_dir.point_at_latest(&report.run.id)?;
        print(&report, Format::Text)?;
        let found = Planted::of(&report);
        if found != planted {
            return Err(Error::Internal(format!("the demo planted {planted:?} but found {found:?}")));
        }
        eprintln!(
            "\nEvery planted defect was found. The lists are in {}. To run the job again:\n\n  countersign run {}",
            report.run.out.as_deref().unwrap_or_default(),
            self.dir.join(demo::JOB).display()
        );
        Ok(Verdict::Match)
    }

    fn write_migration(&self, folder: &Path) -> Result<Verdict> {
        let spill = std::env::temp_dir();
        let engine = Engine::start(Limits::default(), &spill, signal::on_signal(), Progress::stderr())?;
        let files = migration::migration(&engine, folder, &self.dir, self.size)?;
        engine.progress.finish();
        for (file, rows) in files {
            write_out(&format!("{}  {}\n", file.display(), count(rows, "row")))?;
        }
        Ok(Verdict::Match)
    }

    /// Writes thirty nights, runs them in order, and checks that each report contains what was planted.
    fn run_nights(self) -> Result<Verdict> {
        let stop = signal::on_signal();
        let mut runs = PathBuf::new();
        for night in thirty_nights::write(&self.dir)? {
            for _ in 0..night.runs {
                let file = thirty_nights::night_dir(&self.dir, night.number).join(thirty_nights::JOB);
                let JobFile { job: Some(job), runs: dir, mistakes, .. } = JobFile::read(&file, &[])? else {
                    return Err(Error::Internal("the job of the demo is invalid".into()));
                };
                if !mistakes.is_empty() {
                    return Err(refusal(&file, mistakes));
                }
                let job_dir = JobDir::open(&dir, &job.name)?;
                let options = Options {
                    out: Some(Out::Below(job_dir.dir())),
                    history: Some(job_dir.dir()),
                    stop: stop.clone(),
                    ..Options::default()
                };
                let report = compare(&job, &options)?;
                job_dir.point_at_latest(&report.run.id)?;
                night.require_told(&report)?;
                runs = job_dir.dir();
            }
        }
        History::list(&runs)?;
        eprintln!(
            "\nEvery report contains what was planted that night. record.json lists it; the reports are in {}.",
            runs.display()
        );
        Ok(Verdict::Match)
    }
}
