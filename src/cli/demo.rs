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

/// Write a small pair of snapshots with known defects, and compare it
///
/// The story: subscriptions that were embedded in customers move to a table of their own. Afterwards
/// DIR holds both snapshots, a job file with its query, and a run directory to look around in. Ends with
/// exit code 0 if every planted defect was found, where `run` on the same job would say 1.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to write it
    #[arg(default_value = "countersign-demo")]
    dir: PathBuf,

    /// Write thirty nights of a migration instead, and run the job of each
    #[arg(long, alias = "nights", conflicts_with = "migration")]
    history: bool,

    /// Write this example of a migration instead, a folder with a generate.sql, with snapshots of any size
    #[arg(long, value_name = "FOLDER")]
    migration: Option<PathBuf>,

    /// How large the snapshots of the migration are: what its generate.sql calls $size
    #[arg(long, value_name = "N", default_value_t = migration::SIZE, requires = "migration")]
    size: u64,
}

impl Demo {
    /// Writes the snapshots, compares them, prints the report, and checks it against what was planted.
    pub(super) fn run(self) -> Result<Verdict> {
        if let Some(folder) = &self.migration {
            return self.write_migration(folder);
        }
        if self.history {
            return self.run_nights();
        }
        let planted = demo::write(&self.dir)?;
        let (job, runs) = demo::job(&self.dir)?;
        let place = JobDir::open(&runs, &job.name)?;
        let out = Some(Out::Below(place.dir()));
        let report = compare(&job, &Options { out, stop: signal::on_signal(), ..Options::default() })?;
        place.point_at_latest(&report.run.id)?;
        print(&report, Format::Text)?;
        let found = Planted::of(&report);
        if found != planted {
            return Err(Error::Internal(format!("the demo planted {planted:?} and found {found:?}")));
        }
        eprintln!(
            "\nEvery planted defect was found. Look at the lists in {}, or run the job again:\n\n  countersign run {}",
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

    /// Writes thirty nights, runs them one after the other, and checks that each report tells what was planted.
    fn run_nights(self) -> Result<Verdict> {
        let stop = signal::on_signal();
        let mut runs = PathBuf::new();
        for night in thirty_nights::write(&self.dir)? {
            for _ in 0..night.runs {
                let file = thirty_nights::night_dir(&self.dir, night.number).join(thirty_nights::JOB);
                let JobFile { job: Some(job), runs: dir, mistakes, .. } = JobFile::read(&file, &[])? else {
                    return Err(Error::Internal("the demo's job makes no sense".into()));
                };
                if !mistakes.is_empty() {
                    return Err(refusal(&file, mistakes));
                }
                let place = JobDir::open(&dir, &job.name)?;
                let options = Options {
                    out: Some(Out::Below(place.dir())),
                    history: Some(place.dir()),
                    stop: stop.clone(),
                    ..Options::default()
                };
                let report = compare(&job, &options)?;
                place.point_at_latest(&report.run.id)?;
                night.require_told(&report)?;
                runs = place.dir();
            }
        }
        History::list(&runs)?;
        eprintln!(
            "\nEvery night's report told what was planted in it; record.json has it, and {} the reports.",
            runs.display()
        );
        Ok(Verdict::Match)
    }
}
