//! The run directory: staged beside its destination, and published by one rename.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use walkdir::WalkDir;

use crate::error::{Error, OutputError, Result};
use crate::job::Job;
use crate::output::destination::Destination;
use crate::output::manifest::{FileDigest, InputDigests, MANIFEST, Manifest, RunIdentity};
use crate::runtime::engine::Engine;
use crate::sides::Owner;
use crate::snapshot::would_list;

/// A directory that is being written. Nothing is at the destination until it is published. Dropping it removes it.
pub(crate) struct RunDir {
    /// The destination as the user wrote it.
    shown: PathBuf,
    /// The absolute path of the destination.
    path: PathBuf,
    staged: PathBuf,
    /// The directory for working files.
    working: PathBuf,
    /// `None` for a nested directory, which is published with the directory that contains it.
    destination: Option<Destination>,
    /// The files that are complete.
    files: Arc<Mutex<Vec<FileDigest>>>,
}

/// Who can read a file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileAccess {
    /// All users that the umask allows.
    All,
    /// Only the owner.
    Owner,
}

/// Files that runs, sign-offs, and cuts write. A listing of an input must not find them.
const OUTPUTS: [&str; 12] = [
    "discrepancies.parquet",
    "history.parquet",
    "manifest.json",
    "report.json",
    "missing.csv",
    "keys.parquet",
    "restore.parquet",
    "run/discrepancies.parquet",
    "wave-01.csv",
    "wave-01.parquet",
    "wave-01.rows.parquet",
    "wave-01/shard-001.parquet",
];

impl RunDir {
    /// Checks, before any work is done, that a directory can be published here, and creates the staged directory.
    ///
    /// # Errors
    /// If the destination exists and is not empty, or if it is not writable.
    pub(crate) fn claim(dir: &Path) -> Result<Self> {
        let destination = Destination::claim(dir)?;
        Ok(RunDir {
            shown: dir.into(),
            path: destination.path().into(),
            staged: destination.staged(),
            working: destination.working(),
            destination: Some(destination),
            files: Arc::default(),
        })
    }

    /// Creates a directory in this one, which is published with it.
    pub(crate) fn nested(&self, name: &str) -> Result<Self> {
        let (shown, path, staged) = (self.shown.join(name), self.path.join(name), self.staged.join(name));
        fs::create_dir(&staged).map_err(Error::unwritable(&shown))?;
        Ok(RunDir { shown, path, staged, working: self.working.clone(), destination: None, files: Arc::default() })
    }

    /// Refuses a destination among the inputs of a job.
    ///
    /// # Errors
    /// If a listing of one of the inputs would find files that are written here.
    pub(crate) fn require_apart(&self, job: &Job) -> Result<()> {
        let backup = job.sign_off.iter().filter_map(|terms| terms.backup.as_ref());
        let backup = backup.map(|backup| (Owner::Backup, backup.path.text.as_str()));
        self.require_apart_from(job.locations().chain(backup))
    }

    /// Refuses a destination among these inputs.
    ///
    /// # Errors
    /// If a listing of one of the inputs would find files that are written here.
    pub(crate) fn require_apart_from<'a>(&self, inputs: impl Iterator<Item = (Owner, &'a str)>) -> Result<()> {
        for (owner, location) in inputs.filter(|(_, location)| !location.is_empty()) {
            if would_list(location, &self.path, &OUTPUTS)? {
                return Err(OutputError::AmongInputs { dir: self.shown.clone(), owner }.into());
            }
        }
        Ok(())
    }

    /// The directory for working files, on the file system of the output. It is not published.
    pub(crate) fn spill_dir(&self) -> PathBuf {
        self.working.clone()
    }

    /// The path of a file until the directory is published.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.staged.join(name)
    }

    /// Creates a file of the run.
    pub(crate) fn create(&self, name: &str) -> Result<OutputFile> {
        self.create_for(FileAccess::All, name)
    }

    /// Creates a file of the run for these readers. Its name can be a path below the directory.
    pub(crate) fn create_for(&self, readers: FileAccess, name: &str) -> Result<OutputFile> {
        let path = self.path_of(name);
        let shown = self.shown.join(name);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(Error::unwritable(&shown))?;
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        if readers == FileAccess::Owner {
            options.mode(0o600);
        }
        let file = options.open(path).map_err(Error::unwritable(&shown))?;
        let sink = DigestingWriter { file: BufWriter::new(file), digest: blake3::Hasher::new(), bytes: 0 };
        Ok(OutputFile { name: name.into(), shown, sink, files: self.files.clone() })
    }

    /// Writes the reports and the manifest, and publishes the run.
    ///
    /// `read` are the digests of the inputs; `reports` are file names with their contents.
    pub(crate) fn publish(
        self,
        identity: &RunIdentity,
        engine: &Engine,
        read: InputDigests,
        reports: Vec<(&'static str, String)>,
    ) -> Result<()> {
        for (name, content) in reports {
            self.write(name, &content)?;
        }
        let mut outputs = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        outputs.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Manifest::of(identity, read, outputs);
        let text = format!("{}\n", to_json(&manifest)?);
        self.publish_as(engine, MANIFEST, &text, manifest.outputs.iter().map(|output| output.path.as_str()))
    }

    /// Writes the file that lists all other files, and publishes the directory.
    ///
    /// `outputs` are the files that it lists.
    ///
    /// # Errors
    /// If the file cannot be written or the directory cannot be published. Then nothing is published.
    pub(crate) fn publish_as<'a>(
        self,
        engine: &Engine,
        last: &'a str,
        content: &str,
        outputs: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        self.write(last, content)?;
        self.require_named(&outputs.chain([last]).collect())?;
        engine.check_stop()?;
        self.destination.map_or(Ok(()), Destination::publish)
    }

    /// Writes a complete file of the run.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<FileDigest> {
        let mut file = self.create(name)?;
        file.write_all(content.as_bytes()).map_err(|error| file.error(error))?;
        file.finish()
    }

    /// Fails if a file is listed neither in the last file nor in the manifest of a nested run.
    fn require_named(&self, outputs: &BTreeSet<&str>) -> Result<()> {
        let is_nested_run = |dir: &Path| dir != self.staged && dir.join(MANIFEST).is_file();
        let entries = WalkDir::new(&self.staged).into_iter().filter_entry(|entry| !is_nested_run(entry.path()));
        for entry in entries {
            let entry = entry.map_err(|error| Error::unwritable(&self.shown)(error.into()))?;
            let name = entry.path().strip_prefix(&self.staged).unwrap_or(entry.path()).to_string_lossy();
            if !entry.file_type().is_dir() && !outputs.contains(name.as_ref()) {
                return Err(Error::Internal(format!("`{name}` was written but is not listed anywhere")));
            }
        }
        Ok(())
    }
}

/// A file of a run that is being written.
pub(crate) struct OutputFile {
    name: String,
    shown: PathBuf,
    sink: DigestingWriter,
    /// The complete files of the directory. This file is added when it is complete.
    files: Arc<Mutex<Vec<FileDigest>>>,
}

struct DigestingWriter {
    file: BufWriter<File>,
    digest: blake3::Hasher,
    bytes: u64,
}

impl OutputFile {
    /// The path of the file after it is published.
    pub(crate) fn path(&self) -> PathBuf {
        self.shown.clone()
    }

    /// Adds the path of this file to an I/O error.
    pub(crate) fn error(&self, source: io::Error) -> Error {
        Error::Unwritable { path: self.shown.clone(), source }
    }

    /// Syncs the file to disk and adds it to the files of the directory.
    pub(crate) fn finish(mut self) -> Result<FileDigest> {
        let synced = self.sink.file.flush().and_then(|()| self.sink.file.get_ref().sync_all());
        synced.map_err(|source| Error::Unwritable { path: self.shown.clone(), source })?;
        let blake3 = self.sink.digest.finalize().to_hex().to_string();
        let digest = FileDigest { path: self.name, bytes: self.sink.bytes, blake3 };
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(digest.clone());
        Ok(digest)
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.file.write(bytes)?;
        self.sink.digest.update(&bytes[..written]);
        self.sink.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.file.flush()
    }
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(Error::internal)
}
