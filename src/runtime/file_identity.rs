//! Detects that a file was replaced or written to since it was first opened.
//!
//! Path, size and modification time are not enough: `rsync -t` and `cp -p` can replace a file with another one of the
//! same size and modification time. Device and inode reveal a replaced file. The inode change time, which no program
//! can set, reveals a file that was written to.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::regular_file;

/// Device, inode, size in bytes, modification time, and inode change time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// A regular file that must be the same file, unchanged, whenever it is opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    /// As the user named it.
    pub path: PathBuf,
    /// The absolute path under which it is opened.
    pub location: PathBuf,
    identity: FileIdentity,
}

/// The resolution of file system times: at most this, or whole seconds.
const TIME_STEP: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

impl FileIdentity {
    pub(crate) fn of(meta: &Metadata) -> Self {
        FileIdentity {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How long to wait until a further write would change the times; `None` if any write changes them now. A write
    /// within the same time step as the last one leaves them unchanged.
    fn unsettled(&self) -> Option<Duration> {
        let (seconds, nanos) = self.changed;
        let step = if nanos == 0 { SECOND } else { TIME_STEP };
        let at = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        // a clock that is behind the file's times gives no age
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + at).ok()?;
        step.checked_sub(age)
    }
}

impl InputFile {
    /// Opens a file for the first time and records its identity. `location` is its absolute path.
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

    /// Its identity when it was first opened.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Opens the file again.
    ///
    /// # Errors
    /// If it has changed.
    pub(crate) fn reopen(&self) -> Result<File> {
        let file = regular_file::open(&self.location).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.changed("it is gone"),
            _ => Error::unreadable(&self.path)(error),
        })?;
        self.require(&file.metadata().map_err(Error::unreadable(&self.path))?)?;
        Ok(file)
    }

    /// Checks that the path still leads to the same, unchanged file.
    ///
    /// # Errors
    /// If it has changed.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        let meta = fs::metadata(&self.location).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.changed("it is gone"),
            _ => Error::unreadable(&self.path)(error),
        })?;
        self.require(&meta)
    }

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
