//! The directory of a job's runs: one directory for each, `latest` for the last, and a lock that keeps two
//! runs of one job apart.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::run_dir::sweep;

/// The link to the last run.
const LATEST: &str = "latest";

/// A job's directory, locked for as long as this lives.
pub struct JobDir {
    dir: PathBuf,
    lock: File,
    lock_path: PathBuf,
}

impl JobDir {
    /// Locks the directory of a job below `runs`, and makes it if need be.
    pub fn open(runs: &Path, job: &str) -> Result<Self> {
        let dir = runs.join(job);
        let lock_path = dir.join(".lock");
        let unwritable = |source| Error::Unwritable { path: lock_path.clone(), source };
        let latest = dir.join(LATEST);
        if fs::symlink_metadata(&latest).is_ok_and(|meta| !meta.is_symlink()) {
            return Err(Error::Contradiction(format!(
                "`{}` is in the way: a link to the last run belongs there\n  move it, or choose another [output] dir",
                latest.display()
            )));
        }
        loop {
            fs::create_dir_all(&dir).map_err(Error::unwritable(&dir))?;
            let lock = File::options().create(true).append(true).open(&lock_path).map_err(unwritable)?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::JobRuns { job: job.into(), lock: lock_path }),
                Err(TryLockError::Error(source)) => return Err(unwritable(source)),
            }
            // a run that left nothing takes its lock file with it, perhaps just now
            let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
            let held = lock.metadata().map(identity).map_err(unwritable)?;
            if fs::metadata(&lock_path).map(identity).is_ok_and(|there| there == held) {
                sweep(&dir);
                return Ok(JobDir { dir, lock, lock_path });
            }
        }
    }

    /// The directory below which the runs are written.
    pub fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    /// Makes `latest` lead to a run.
    pub fn point_at_latest(&self, id: &str) -> Result<()> {
        let link = self.dir.join(LATEST);
        let fresh = self.dir.join(".latest");
        let _ = fs::remove_file(&fresh);
        let linked = std::os::unix::fs::symlink(id, &fresh).and_then(|()| fs::rename(&fresh, &link));
        linked.map_err(Error::unwritable(&link))
    }
}

impl Drop for JobDir {
    fn drop(&mut self) {
        // a directory without a run is not left behind
        if fs::read_dir(&self.dir).is_ok_and(|entries| entries.count() == 1) {
            let _ = fs::remove_file(&self.lock_path);
            let _ = fs::remove_dir(&self.dir);
            if let Some(runs) = self.dir.parent() {
                let _ = fs::remove_dir(runs);
            }
        }
        let _ = self.lock.unlock();
    }
}
