//! What tells that a file is still the one that was looked at first.
//!
//! A path says nothing of that: a file may be replaced by another of the same size and the same time of writing, as
//! `rsync -t` and `cp -p` do. Device and inode tell a replaced file, and the time of the last change to the inode, which
//! nobody can set, tells one that was written to.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::regular_file;

/// Device, inode, size, and the times of the last write and of the last change to the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// A regular file that was opened, and has to be the same whenever it is opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    /// Where it is, as the user named it.
    pub path: PathBuf,
    /// Where it is opened.
    pub location: PathBuf,
    identity: FileIdentity,
}

/// File systems keep times in steps as long as this, or in whole seconds.
const TIME_STEP: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

impl FileIdentity {
    /// Of what is known of a file.
    pub(crate) fn of(meta: &Metadata) -> Self {
        FileIdentity {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// The size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How long to wait until a further write would show: a write in the same step as the last one does not.
    fn unsettled(&self) -> Option<Duration> {
        let (seconds, nanos) = self.changed;
        let step = if nanos == 0 { SECOND } else { TIME_STEP };
        let at = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        // a clock that runs behind the file's says nothing
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + at).ok()?;
        step.checked_sub(age)
    }
}

impl InputFile {
    /// Opens a file for the first time, and notes what it is. `location` is where it is, from the root.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(path: PathBuf, location: PathBuf) -> io::Result<(Self, File)> {
        let file = regular_file::open(&location)?;
        let mut identity = FileIdentity::of(&file.metadata()?);
        if let Some(wait) = identity.unsettled() {
            thread::sleep(wait);
            identity = FileIdentity::of(&file.metadata()?);
        }
        Ok((InputFile { path, location, identity }, file))
    }

    /// What it was when it was first opened.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Opens it again.
    ///
    /// # Errors
    /// If it is no longer the same.
    pub(crate) fn reopen(&self) -> Result<File> {
        let file = regular_file::open(&self.location).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.changed("it is gone"),
            _ => Error::unreadable(&self.path)(error),
        })?;
        self.require(&file.metadata().map_err(Error::unreadable(&self.path))?)?;
        Ok(file)
    }

    /// Makes sure that the path still leads to the file, and that it was not written to.
    ///
    /// # Errors
    /// If it is no longer the same.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        let meta = fs::metadata(&self.location).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.changed("it is gone"),
            _ => Error::unreadable(&self.path)(error),
        })?;
        self.require(&meta)
    }

    /// The one place that compares.
    fn require(&self, meta: &Metadata) -> Result<()> {
        let (then, now) = (self.identity, FileIdentity::of(meta));
        match () {
            () if then == now => Ok(()),
            () if (then.device, then.inode) != (now.device, now.inode) => {
                Err(self.changed("another file is in its place"))
            }
            () if (then.size, then.written) != (now.size, now.written) => Err(self.changed("it was written to")),
            () => Err(self.changed("it was written to, or its name, owner, permissions or links were changed")),
        }
    }

    fn changed(&self, how: &str) -> Error {
        Error::ChangedWhileReading { path: self.path.clone(), how: how.into() }
    }
}
