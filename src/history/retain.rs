//! Removes the large files of old runs. Their reports and their histories are kept.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::past::runs_below;
use crate::output::destination::sync_tree;
use crate::runtime::work_dir::{WorkDir, sync_dir};

/// The files and directories of a run that grow with the number of discrepancies.
const LARGE: [&str; 8] = [
    "discrepancies.parquet",
    "missing.csv",
    "extra.csv",
    "mismatch.csv",
    "duplicate_keys.csv",
    "missing_duplicated.csv",
    "misplaced.csv",
    "causes",
];

/// Keeps all files of the last runs of a job, and only the reports, the manifest, and the history of the others. Only
/// runs in the job's own directory, where they were written, are changed.
pub(crate) fn retain(job_dir: &Path, job: &str, whole: usize) {
    let (mut runs, _) = runs_below(job_dir);
    runs.retain(|run| run.summary.job == job && run.dir == job_dir.join(&run.summary.run.id) && !run.dir.is_symlink());
    for run in &runs[..runs.len().saturating_sub(whole)] {
        // what cannot be removed now will be removed next time
        let _ = slim(job_dir, &run.dir);
    }
}

/// Removes the large files of a run in one step: a copy without them is built beside the run, and the two are
/// exchanged.
fn slim(job_dir: &Path, run: &Path) -> io::Result<()> {
    let is_large = |name: &str| fs::symlink_metadata(run.join(name)).is_ok_and(|meta| meta.is_file());
    if !LARGE.iter().any(|name| is_large(name)) {
        return Ok(());
    }
    let work = WorkDir::create(job_dir)?;
    let slim = work.path().join("slim");
    link_tree(run, &slim, &is_kept)?;
    sync_tree(&slim).map_err(|(_, error)| error)?;
    match renameat_with(CWD, &slim, CWD, run, RenameFlags::EXCHANGE) {
        // the complete run is removed with the working directory
        Ok(()) => sync_dir(job_dir),
        // the file system cannot exchange directories; a run with some of these files is read like one with none
        Err(_) => LARGE.iter().filter(|name| is_large(name)).try_for_each(|name| fs::remove_file(run.join(name))),
    }
}

fn is_kept(name: &str) -> bool {
    !LARGE.contains(&name)
}

/// Copies a directory by links, without those of its direct entries that are not wanted.
fn link_tree(from: &Path, to: &Path, is_wanted: &dyn Fn(&str) -> bool) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let (from, to) = (entry.path(), to.join(&name));
        if kind.is_dir() && !is_wanted(&name.to_string_lossy()) {
            continue;
        }
        if kind.is_dir() {
            link_tree(&from, &to, &|_| true)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if is_wanted(&name.to_string_lossy()) && fs::hard_link(&from, &to).is_err() {
            // some file systems have no links
            fs::copy(&from, &to)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}
