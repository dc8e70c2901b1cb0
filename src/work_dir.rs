//! Directories for working files. They vanish with the run that made them; where it was killed, with the next one
//! that works in the same place.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// How the names of working directories begin.
pub const PREFIX: &str = ".countersign-";
/// The file in each of them that its run has locked for as long as it lives.
const LOCK: &str = ".lock";

/// A directory of a run that is under way.
pub struct WorkDir {
    dir: TempDir,
    _lock: File,
}

impl WorkDir {
    /// Makes a directory below `parent`, and takes away what runs that were killed have left beside it.
    pub fn create(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create_new(dir.path().join(LOCK))?;
        lock.try_lock()?;
        Ok(WorkDir { dir, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Takes away working directories whose locks nobody holds.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for dir in named.map(|entry| entry.path()).filter(|dir| dir.is_dir() && !dir.is_symlink()) {
        // one without a lock may be in the making
        let abandoned = File::open(dir.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            // what cannot be taken away now is taken away next time
            let _ = fs::remove_dir_all(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_a_living_one_uses_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = WorkDir::create(parent.path()).unwrap();
        let killed = parent.path().join(".countersign-killed");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();
        fs::write(killed.join("entries"), "left over").unwrap();
        let other = parent.path().join(".countersign-without-a-lock");
        fs::create_dir(&other).unwrap();
        drop(WorkDir::create(parent.path()).unwrap());
        assert!(living.path().exists() && other.exists() && !killed.exists());
        drop(living);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
