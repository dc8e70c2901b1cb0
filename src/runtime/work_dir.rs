//! Locked directories for what is being worked on: spill files, and output before it is published. They go with the run
//! that made them; where that was killed, the next one that works in the same parent removes them.
//!
//! A working directory `.countersign-NAME` has its lock beside it, `.countersign-NAME.lock`. The lock is made before the
//! directory and removed after it, so there is no moment at which a directory exists without one: whoever can take the
//! lock knows that the owner is gone. A directory of such a name without a lock is not ours.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

/// How the names of working directories begin.
pub(crate) const PREFIX: &str = ".countersign-";
/// How the names of their locks end.
const LOCK: &str = ".lock";
/// Random bytes in a name.
const RANDOM_BYTES: usize = 8;

/// What an interrupt has to clear away, for the whole process.
static LIVE: Mutex<LiveDirs> = Mutex::new(LiveDirs { dirs: vec![], published: 0 });

struct LiveDirs {
    /// The directories of runs that are under way, with their locks.
    dirs: Vec<(PathBuf, PathBuf)>,
    /// How often something was published.
    published: u64,
}

fn live() -> MutexGuard<'static, LiveDirs> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Publishes something: an interrupt comes before it or after it.
pub(crate) fn publish<T>(rename: impl FnOnce() -> T) -> T {
    let mut live = live();
    live.published += 1;
    rename()
}

/// How often this process has published something.
pub(crate) fn published() -> u64 {
    live().published
}

/// Removes all directories of runs that are under way, unless something was published since; returns whether it did.
/// No run makes or publishes anything afterwards: the process is about to end.
pub(crate) fn abandon(published: u64) -> bool {
    let mut live = live();
    if live.published != published {
        return false;
    }
    live.dirs.drain(..).for_each(|(dir, lock)| remove(&dir, &lock));
    std::mem::forget(live);
    true
}

/// A directory of a run that is under way.
pub(crate) struct WorkDir {
    dir: PathBuf,
    lock: PathBuf,
    _locked: File,
}

impl WorkDir {
    /// Makes a directory below `parent`, and removes what runs that were killed have left beside it.
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
                // a sweep of another run may have found the file before it was locked, and removed it
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

    /// Where it is.
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

/// Removes a directory, and its lock once the directory is gone.
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
        // ours are empty files
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

/// Whether a name is one that [`WorkDir::create`] gives.
fn is_name(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).unwrap_or_default();
    random.len() == 2 * RANDOM_BYTES && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a file is still what its path leads to.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata().map(identity), fs::symlink_metadata(path).map(identity)) {
        (Ok(open), Ok(there)) => open == there,
        _ => false,
    }
}

/// Brings the names in a directory to the disk, where its file system can do that and we may open it.
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

/// Directories that did not exist before, outermost first. They are removed again, if they are empty, unless they are
/// kept.
#[derive(Default)]
pub(crate) struct Created(Vec<PathBuf>);

impl Created {
    /// Makes a directory and those above it that are missing.
    pub(crate) fn make(dir: &Path) -> io::Result<Self> {
        let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        missing.reverse();
        // what was made before an error is removed again, too
        let mut created = Created::default();
        for dir in missing {
            match fs::create_dir(&dir) {
                Ok(()) => {
                    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).map(PathBuf::from);
                    created.0.push(dir);
                    sync_dir(above.as_deref().unwrap_or(Path::new(".")))?;
                }
                // somebody else was faster, or it ends in `..`
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        match dir.as_os_str().is_empty() || dir.is_dir() {
            true => Ok(created),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Keeps them.
    pub(crate) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            // somebody else may have put something in it
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
        // killed before it had its directory
        fs::write(parent.path().join(".countersign-fedcba9876543210.lock"), "").unwrap();
        drop(WorkDir::create(parent.path()).unwrap());
        assert!(living.path().exists() && !killed.exists());
        drop(living);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        // no lock, a lock with something in it, another name, and a lock that is a link
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
