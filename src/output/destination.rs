//! Publishes directories: checks the destination before any work is done, and renames the finished directory into it.
//!
//! `rename(2)` replaces only an empty directory or nothing, so files that another process has put there meanwhile are
//! never lost.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use walkdir::WalkDir;

use crate::error::{Error, OutputError, Result};
use crate::output::manifest::MANIFEST;
use crate::runtime::work_dir::{Created, PREFIX, WorkDir, publish, sync_dir};

/// A path where a directory can be published, and the locked working directory beside it.
pub(crate) struct Destination {
    /// The path as the user wrote it.
    shown: PathBuf,
    /// The absolute path.
    path: PathBuf,
    parent: PathBuf,
    work: WorkDir,
    /// Parent directories that were created.
    created: Created,
}

/// The name, in the working directory, of the directory that is published.
const STAGED: &str = "publish";

impl Destination {
    /// Checks, before any work is done, that a directory can be published here.
    ///
    /// # Errors
    /// If the path exists and is not an empty directory, or if a rename cannot replace it.
    pub(crate) fn claim(shown: &Path) -> Result<Self> {
        // without a trailing slash, which would follow a link
        let plain: PathBuf = shown.components().collect();
        match fs::symlink_metadata(&plain) {
            Ok(meta) => Self::existing(shown, &plain, &meta),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::absent(shown, &plain),
            Err(error) => Err(Error::unwritable(shown)(error)),
        }
    }

    fn existing(shown: &Path, plain: &Path, meta: &fs::Metadata) -> Result<Self> {
        let unfit = |reason: &str| {
            let instead = free_name(shown).display().to_string();
            Error::from(OutputError::Unfit { dir: shown.into(), reason: reason.into(), instead })
        };
        if meta.is_symlink() {
            return Err(match plain.is_dir() {
                true => unfit("it is a symbolic link, which the output would replace"),
                false => Error::unwritable(shown)(io::Error::other(
                    "a symbolic link whose target is not a directory is in the way",
                )),
            });
        }
        if !meta.is_dir() {
            return Err(Error::unwritable(shown)(io::ErrorKind::NotADirectory.into()));
        }
        let path = fs::canonicalize(plain).map_err(Error::unwritable(shown))?;
        let here = std::env::current_dir().and_then(fs::canonicalize).map_err(Error::unwritable("."))?;
        let Some(parent) = path.parent().filter(|_| !here.starts_with(&path)) else {
            return Err(unfit("it is or contains the working directory, which is in use and is not replaced"));
        };
        if is_mount_point(&path, meta) {
            return Err(unfit("it is a mount point, which a rename cannot replace"));
        }
        require_empty(shown, &path)?;
        let above = fs::metadata(parent).map_err(Error::unwritable(shown))?;
        let work = WorkDir::create(parent).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                unfit("its parent directory is not writable, so it cannot be replaced")
            }
            _ => Error::unwritable(shown)(error),
        })?;
        // in a directory such as /tmp, only the owner of an entry may replace it
        const STICKY: u32 = 0o1000;
        let own = fs::metadata(work.path()).map_err(Error::unwritable(shown))?.uid();
        if above.mode() & STICKY != 0 && own != 0 && ![meta.uid(), above.uid()].contains(&own) {
            return Err(unfit("it belongs to another user, and only that user may replace it"));
        }
        let parent = parent.to_path_buf();
        Self::begin(Destination { shown: shown.into(), parent, path, work, created: Created::default() }, Some(meta))
    }

    fn absent(shown: &Path, plain: &Path) -> Result<Self> {
        let Some(name) = plain.file_name() else {
            return Err(Error::unwritable(shown)(io::ErrorKind::InvalidInput.into()));
        };
        let above = plain.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let created = Created::make(above).map_err(Error::unwritable(shown))?;
        let parent = fs::canonicalize(above).map_err(Error::unwritable(shown))?;
        let work = WorkDir::create(&parent).map_err(Error::unwritable(shown))?;
        Self::begin(Destination { shown: shown.into(), path: parent.join(name), parent, work, created }, None)
    }

    /// Creates the directory that will be published, with the permissions of the directory that it replaces.
    fn begin(self, replaces: Option<&fs::Metadata>) -> Result<Self> {
        let staged = self.staged();
        let made = fs::create_dir(&staged).and_then(|()| match replaces {
            Some(meta) => fs::set_permissions(&staged, fs::Permissions::from_mode(meta.mode() & 0o7777)),
            None => Ok(()),
        });
        made.map_err(Error::unwritable(&self.shown))?;
        Ok(self)
    }

    /// The absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory before it is published.
    pub(crate) fn staged(&self) -> PathBuf {
        self.work.path().join(STAGED)
    }

    /// A directory on the same file system for working files, which are not published.
    pub(crate) fn working(&self) -> PathBuf {
        self.work.path().into()
    }

    /// Syncs all files to disk and publishes the directory.
    ///
    /// # Errors
    /// If a sync or the rename fails. Then nothing is published.
    pub(crate) fn publish(mut self) -> Result<()> {
        let staged = self.staged();
        sync_tree(&staged).map_err(|(path, error)| Error::unwritable(self.shown_path(&staged, &path))(error))?;
        let replaces = fs::symlink_metadata(&self.path).ok();
        publish(|| fs::rename(&staged, &self.path)).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                require_empty(&self.shown, &self.path).err().unwrap_or_else(|| Error::unwritable(&self.shown)(error))
            }
            _ => Error::unwritable(&self.shown)(error),
        })?;
        if let Err(error) = sync_dir(&self.parent) {
            // a directory that may not survive a crash is not published
            if fs::rename(&self.path, &staged).is_err() {
                self.created.keep();
                return Err(OutputError::NotSynced { dir: self.shown.clone(), source: error }.into());
            }
            if replaces.is_some() {
                let _ = fs::create_dir(&self.path);
            }
            return Err(Error::unwritable(&self.shown)(error));
        }
        self.created.keep();
        Ok(())
    }

    /// The path of a staged file after it is published, as the user would write it.
    fn shown_path(&self, staged: &Path, path: &Path) -> PathBuf {
        path.strip_prefix(staged).map_or_else(|_| self.shown.clone(), |below| self.shown.join(below))
    }
}

fn require_empty(shown: &Path, dir: &Path) -> Result<()> {
    if dir.join(MANIFEST).exists() {
        return Err(OutputError::HoldsRun { dir: shown.into() }.into());
    }
    match fs::read_dir(dir).map_err(Error::unwritable(shown))?.next() {
        None => Ok(()),
        Some(Err(error)) => Err(Error::unwritable(shown)(error)),
        Some(Ok(entry)) => Err(OutputError::NotEmpty {
            dir: shown.into(),
            holds: entry.file_name().to_string_lossy().into_owned(),
            instead: free_name(shown).display().to_string(),
        }
        .into()),
    }
}

/// Returns an unused path in a directory.
fn free_name(dir: &Path) -> PathBuf {
    let numbered = (2..).map(|number| dir.join(format!("run-{number}")));
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    [dir.join("run")].into_iter().chain(numbered).find(is_free).unwrap_or_else(|| dir.join("run"))
}

/// Whether a directory is a mount point, including a bind mount of the same file system.
fn is_mount_point(path: &Path, meta: &fs::Metadata) -> bool {
    let is_other_disk =
        path.parent().and_then(|above| fs::metadata(above).ok()).is_some_and(|above| above.dev() != meta.dev());
    // kernels before 5.8 do not set this attribute
    let is_root = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    is_other_disk || is_root
}

/// Syncs a directory and all of its contents to disk. The error contains the path that could not be synced.
pub(crate) fn sync_tree(dir: &Path) -> Result<(), (PathBuf, io::Error)> {
    for entry in WalkDir::new(dir).contents_first(true) {
        let entry = entry.map_err(|error| (error.path().unwrap_or(dir).to_path_buf(), error.into()))?;
        let synced = match entry.file_type() {
            kind if kind.is_dir() => sync_dir(entry.path()),
            kind if kind.is_file() => File::open(entry.path()).and_then(|file| file.sync_all()),
            _ => Ok(()),
        };
        synced.map_err(|error| (entry.into_path(), error))?;
    }
    Ok(())
}

/// Whether a directory entry is a working directory of this program, which is never published.
pub(crate) fn is_staging(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with(PREFIX)
}
