//! `countersign demo`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, print, stop};
use crate::demo::Planted;
use crate::error::{Error, Result};
use crate::job::{Job, Out};
use crate::job_dir::JobDir;
use crate::progress::Progress;
use crate::report::Verdict;
use crate::{demo, verify};

/// Write a small pair of snapshots with known defects, and compare it
///
/// The story: subscriptions that were embedded in customers move to a table of their own. Afterwards
/// DIR holds both snapshots, a job file with its query, and a run directory to look around in. Ends with
/// exit code 0 if every planted defect was found, where `run` on the same job would say 1.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where to write it
    #[arg(default_value = "countersign-demo")]
    dir: PathBuf,
}

impl Demo {
    /// Writes the snapshots, compares them, prints the report, and checks it against what was planted.
    pub fn run(self) -> Result<Verdict> {
        let planted = demo::write(&self.dir)?;
        let (job, runs) = demo::job(&self.dir)?;
        let place = JobDir::open(&runs, &job.name)?;
        let job = Job { out: Some(Out::Below(place.dir())), ..job };
        let report = verify(&job, stop::on_signal(), Progress::quiet())?;
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
}
