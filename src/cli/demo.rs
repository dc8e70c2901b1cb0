//! `countersign demo`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, print, stop};
use crate::demo::Planted;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::report::Verdict;
use crate::{demo, verify};

/// Write a small pair of snapshots with known defects, and compare it
///
/// The story: subscriptions that were embedded in customers move to a table of their own. Afterwards
/// DIR holds both snapshots and a run directory to look around in. Ends with exit code 0 if every
/// planted defect was found, where `diff` on the same files would say 1.
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
        let job = demo::job(&self.dir);
        let report = verify(&job, stop::on_signal(), Progress::quiet())?;
        print(&report, Format::Text)?;
        let found = Planted::of(&report);
        if found != planted {
            return Err(Error::Internal(format!("the demo planted {planted:?} and found {found:?}")));
        }
        eprintln!(
            "\nEvery planted defect was found. Look at the lists in {}, or compare again:\n\n  \
             countersign diff {} {} --key subscription_id --ignore copied_at",
            report.run.out.as_deref().unwrap_or_default(),
            job.sources.old.path.text,
            job.sources.new.path.text
        );
        Ok(Verdict::Match)
    }
}
