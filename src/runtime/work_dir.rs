//! Locked working directories: spill files, and output before it is published. A run removes its own; those of a killed
//! run are removed by the next run that works in the same parent directory.
//!
//! The lock of a working directory `.countersign-NAME` is the file `.countersign-NAME.lock` beside it. It is created
//! before the directory and removed after it, so a directory never exists without its lock: a process that can take the
//! lock knows that the owner is gone. A directory with such a name but without a lock is not ours.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

/// The prefix of the names of working directories.
pub(crate) const PREFIX: &str = ".countersign-";
/// The suffix of the names of their locks.
const LOCK: &str = ".lock";
/// Random bytes in a name.
const RANDOM_BYTES: usize = 8;

/// What to remove on an interrupt, for the whole process.
static LIVE: Mutex<LiveDirs> = Mutex::new(LiveDirs { dirs: vec![], published: 0 });

struct LiveDirs {
    /// The directories of active runs, with their locks.
    dirs: Vec<(PathBuf, PathBuf)>,
    /// How many times this process has published something.
    published: u64,
}

fn live() -> MutexGuard<'static, LiveDirs> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Publishes something. An interrupt is handled before or after it, not during it.
pub(crate) fn publish<T>(rename: impl FnOnce() -> T) -> T {
    let mut live = live();
    live.published += 1;
    rename()
}

pub(crate) fn published() -> u64 {
    live().published
}

/// Removes the directories of all active runs, unless something was published since `published` was read; returns
/// whether it did. No run creates or publishes anything afterwards: the process is about to end.
pub(crate) fn abandon(published: u64) -> bool {
    let mut live = live();
    if live.published != published {
        return false;
    }
    live.dirs.drain(..).for_each(|(dir, lock)| remove(&dir, &lock));
    std::mem::forget(live);
    true
}

/// The directory of an active run.
pub(crate) struct WorkDir {
    dir: PathBuf,
    lock: PathBuf,
    _locked: File,
}

impl WorkDir {
    /// Creates a directory below `parent`, and removes what killed runs have left there.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        let mut live = live();
        loop {
            let mut random = [0; RANDOM_BYTES];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let name = format!("{PREFIX}{}", hex::encode(random));
            let (dir, lock) = (parent.join(&name), parent.join(name + LOCK));
            let locked = match File::options().write(true).create_new(true).open(&lock) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match locked.try_lock() {
                // another run's sweep may have found the file before it was locked, and removed it
                Ok(()) if !is_at(&locked, &lock) => continue,
                Err(TryLockError::WouldBlock) => continue,
                Ok(()) => {}
                Err(TryLockError::Error(error)) => {
                    let _ = fs::remove_file(&lock);
                    return Err(error);
                }
            }
            if let Err(error) = DirBuilder::new().mode(0o700).create(&dir) {
                let _ = fs::remove_file(&lock);
                return Err(error);
            }
            live.dirs.push((dir.clone(), lock.clone()));
            return Ok(WorkDir { dir, lock, _locked: locked });
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        remove(&self.dir, &self.lock);
        live().dirs.retain(|(dir, _)| *dir != self.dir);
    }
}

/// Removes a directory, and its lock only once the directory is gone.
fn remove(dir: &Path, lock: &Path) {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {} // the next sweep tries again
        _ => drop(fs::remove_file(lock)),
    }
}

/// Removes working directories whose owners are gone.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(LOCK).filter(|stem| is_name(stem)) else { continue };
        let (dir, lock) = (parent.join(stem), entry.path());
        // our locks are empty files
        if !fs::symlink_metadata(&lock).is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
            continue;
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let Ok(locked) = File::options().write(true).custom_flags(flags.cast_signed()).open(&lock) else { continue };
        if locked.try_lock().is_ok() && is_at(&locked, &lock) {
            remove(&dir, &lock);
        }
    }
}

/// Whether [`WorkDir::create`] could have generated the name.
fn is_name(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).unwrap_or_default();
    random.len() == 2 * RANDOM_BYTES && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether an open file is still the one at its path.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata().map(identity), fs::symlink_metadata(path).map(identity)) {
        (Ok(open), Ok(there)) => open == there,
        _ => false,
    }
}

/// Syncs the entries of a directory to the disk, if its file system supports that and we have permission.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Directories that this run created, outermost first. Unless they are kept, those that are empty are removed on drop.
#[derive(Default)]
pub(crate) struct Created(Vec<PathBuf>);

impl Created {
    /// Creates a directory and its missing parents.
    pub(crate) fn make(dir: &Path) -> io::Result<Self> {
        let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        missing.reverse();
        // after an error, the directories created so far are removed
        let mut created = Created::default();
        for dir in missing {
            match fs::create_dir(&dir) {
                Ok(()) => {
                    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).map(PathBuf::from);
                    created.0.push(dir);
                    sync_dir(above.as_deref().unwrap_or(Path::new(".")))?;
                }
                // another process created it first, or the path ends in `..`
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        match dir.as_os_str().is_empty() || dir.is_dir() {
            true => Ok(created),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            // another process may have put something in it
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(parent: &Path, name: &str) -> PathBuf {
        let dir = parent.join(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("entries"), "left over").unwrap();
        dir
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_a_living_one_uses_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = WorkDir::create(parent.path()).unwrap();
        let killed = left(parent.path(), ".countersign-0123456789abcdef");
        fs::write(parent.path().join(".countersign-0123456789abcdef.lock"), "").unwrap();
        // killed before it created its directory
        fs::write(parent.path().join(".countersign-fedcba9876543210.lock"), "").unwrap();
        drop(WorkDir::create(parent.path()).unwrap());
        assert!(living.path().exists() && !killed.exists());
        drop(living);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        // no lock, a lock with content, another name, and a lock that is a symbolic link
        left(parent.path(), ".countersign-0000000000000000");
        left(parent.path(), ".countersign-1111111111111111");
        fs::write(parent.path().join(".countersign-1111111111111111.lock"), "mine").unwrap();
        left(parent.path(), ".countersign-mine");
        fs::write(parent.path().join(".countersign-mine.lock"), "").unwrap();
        fs::write(parent.path().join("victim"), "").unwrap();
        std::os::unix::fs::symlink("victim", parent.path().join(".countersign-2222222222222222.lock")).unwrap();
        let before = fs::read_dir(parent.path()).unwrap().count();
        drop(WorkDir::create(parent.path()).unwrap());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), before);
    }
}
