//! The directory of a job: one directory for each run, the link `latest`, and a lock that prevents two runs of a job at
//! the same time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::runtime::work_dir::{Created, WorkDir, is_at, sync_dir};

/// The name of the link to the last run.
const LATEST: &str = "latest";

/// A job's directory, locked until this is dropped.
pub(crate) struct JobDir {
    dir: PathBuf,
    lock: File,
    lock_path: PathBuf,
    /// Directories that were created; they are removed if the run leaves no output.
    created: Created,
}

impl JobDir {
    /// Locks the directory of a job below `runs`, and creates it if it does not exist.
    pub(crate) fn open(runs: &Path, job: &str) -> Result<Self> {
        let dir = runs.join(job);
        let lock_path = dir.join(".lock");
        let unwritable = |source| Error::Unwritable { path: lock_path.clone(), source };
        let latest = dir.join(LATEST);
        if fs::symlink_metadata(&latest).is_ok_and(|meta| !meta.is_symlink()) {
            return Err(Error::unusable(
                latest,
                "is in the way of the link to the last run\n  move it, or choose another [output] dir",
            ));
        }
        loop {
            let created = Created::make(&dir).map_err(Error::unwritable(&dir))?;
            let lock = match File::options().create(true).append(true).open(&lock_path) {
                // a run without output has just removed the directory
                Err(error) if error.kind() == io::ErrorKind::NotFound && !dir.exists() => continue,
                lock => lock.map_err(unwritable)?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::JobRuns { job: job.into(), lock: lock_path }),
                Err(TryLockError::Error(source)) => return Err(unwritable(source)),
            }
            // a run without output removes its lock file, possibly just before the lock was taken
            if is_at(&lock, &lock_path) {
                return Ok(JobDir { dir, lock, lock_path, created });
            }
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    /// Points `latest` to a run.
    pub(crate) fn point_at_latest(&self, id: &str) -> Result<()> {
        let link = self.dir.join(LATEST);
        let linked = WorkDir::create(&self.dir).and_then(|work| {
            let fresh = work.path().join(LATEST);
            std::os::unix::fs::symlink(id, &fresh)?;
            fs::rename(&fresh, &link)?;
            sync_dir(&self.dir)
        });
        linked.map_err(Error::unwritable(&link))
    }
}

impl Drop for JobDir {
    fn drop(&mut self) {
        // a directory that was created for this run and contains only the lock file is removed
        match fs::read_dir(&self.dir).is_ok_and(|entries| entries.count() == 1) {
            true => drop(fs::remove_file(&self.lock_path)),
            false => self.created.keep(),
        }
        let _ = self.lock.unlock();
    }
}
