//! The run directory: written beside its place, renamed into it, and whole once it has a manifest.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::manifest::{Digest, InputDigests, MANIFEST, Manifest, RunIdentity};
use crate::snapshot::{DataFile, Snapshot, absolute};
use crate::work_dir::{PREFIX, WorkDir};

/// Takes away what runs that were killed have left below a job's directory, which nobody else may be using.
///
/// Only a directory that holds nothing but preparations is such a leftover; whatever else stands there stays.
pub fn sweep(job_dir: &Path) {
    let names = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).map_or_else(|_| vec![], |entries| entries.flatten().map(|entry| entry.path()).collect())
    };
    let is_staging = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    for run in names(job_dir).into_iter().filter(|run| run.is_dir() && !run.is_symlink()) {
        let inside = names(&run);
        if !inside.is_empty() && inside.iter().all(is_staging) {
            // what cannot be taken away now is taken away next time
            let _ = fs::remove_dir_all(run);
        }
    }
}

/// A directory that was claimed for a run and is not one yet. Dropping it takes everything back.
pub struct RunDir {
    dir: PathBuf,
    staging: WorkDir,
    created: Created,
}

/// Who may read a file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Whoever the user's settings allow.
    All,
    /// The owner alone.
    Owner,
}

/// Directories that did not exist before, outermost first; they go again unless they are kept.
struct Created(Vec<PathBuf>);

impl Drop for Created {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            // somebody else may have put something in it
            let _ = fs::remove_dir(dir);
        }
    }
}

impl RunDir {
    /// Makes sure, before any work is done, that a run can be written here.
    pub fn claim(dir: &Path) -> Result<Self> {
        if dir.join(MANIFEST).exists() {
            return Err(Error::OutputHoldsRun { dir: dir.into() });
        }
        let missing: Vec<PathBuf> = dir
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .map(Path::to_path_buf)
            .collect();
        fs::create_dir_all(dir).map_err(Error::unwritable(dir))?;
        let created = Created(missing.into_iter().rev().collect());
        let staging = WorkDir::create(dir).map_err(Error::unwritable(dir))?;
        Ok(RunDir { dir: dir.into(), staging, created })
    }

    /// Refuses to write where one of the snapshots is read from.
    pub fn require_apart<'a>(&self, snapshots: impl IntoIterator<Item = &'a Snapshot>) -> Result<()> {
        let dir = absolute(&self.dir)?;
        for snapshot in snapshots.into_iter().map(Snapshot::input) {
            let below = Path::new(&snapshot.location);
            let is_below = below.is_dir() && dir.starts_with(absolute(below)?);
            let is_beside = |file: &DataFile| file.absolute_path.parent() == Some(&dir);
            if is_below || !Path::new(&snapshot.location).is_file() && snapshot.files.iter().any(is_beside) {
                return Err(Error::OutputInSnapshot { dir: self.dir.clone(), side: snapshot.side });
            }
        }
        Ok(())
    }

    /// Where working files go: the disk that was chosen for the output.
    pub fn spill_dir(&self) -> PathBuf {
        self.staging.path().into()
    }

    /// Begins a file of the run.
    pub fn create(&self, name: &str) -> Result<OutputFile> {
        self.create_for(Readers::All, name)
    }

    /// Begins a file of the run that only some may read. Its name may be a path below the directory.
    pub fn create_for(&self, readers: Readers, name: &str) -> Result<OutputFile> {
        let path = self.staging.path().join(name);
        let shown = self.dir.join(name);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(Error::unwritable(&shown))?;
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        if readers == Readers::Owner {
            options.mode(0o600);
        }
        let file = options.open(path).map_err(Error::unwritable(&shown))?;
        let sink = Digesting { file: BufWriter::new(file), digest: blake3::Hasher::new(), bytes: 0 };
        Ok(OutputFile { name: name.into(), shown, sink })
    }

    /// Writes the reports and the manifest, and puts everything in its place.
    ///
    /// `read` is what the run read; `reports` are file names with their content; `outputs` are the
    /// files that were written before.
    pub fn publish(
        self,
        identity: &RunIdentity,
        engine: &Engine,
        read: InputDigests,
        reports: Vec<(&'static str, String)>,
        mut outputs: Vec<Digest>,
    ) -> Result<()> {
        for (name, content) in reports {
            outputs.push(self.write(name, &content)?);
        }
        outputs.sort_by(|one, two| one.path.cmp(&two.path));
        let manifest = Manifest::of(identity, read, outputs);
        self.publish_as(engine, MANIFEST, &format!("{}\n", to_json(&manifest)?), &manifest.outputs)
    }

    /// Puts files in their place, and after them the one that makes them whole.
    pub fn publish_as(self, engine: &Engine, last: &str, content: &str, outputs: &[Digest]) -> Result<()> {
        self.write(last, content)?;
        engine.check_stop()?;
        self.put_in_place(outputs, last)
    }

    /// Writes a small file of the run.
    pub fn write(&self, name: &str, content: &str) -> Result<Digest> {
        let mut file = self.create(name)?;
        file.write_all(content.as_bytes()).map_err(|error| file.error(error))?;
        file.finish()
    }

    fn put_in_place(self, outputs: &[Digest], last: &str) -> Result<()> {
        if self.dir.join(last).exists() {
            return Err(Error::OutputHoldsRun { dir: self.dir.clone() });
        }
        self.place(outputs.iter().map(|output| output.path.as_str()).chain([last]))
    }

    /// Puts files and directories that were written here in their place, in this order; all of them or none.
    pub fn place<'a>(mut self, names: impl Iterator<Item = &'a str>) -> Result<()> {
        let mut placed = vec![];
        for name in names {
            let place = self.dir.join(name);
            if let Err(source) = fs::rename(self.staging.path().join(name), &place) {
                placed.iter().for_each(|place: &PathBuf| match place.is_dir() {
                    true => drop(fs::remove_dir_all(place)),
                    false => drop(fs::remove_file(place)),
                });
                return Err(Error::Unwritable { path: place, source });
            }
            placed.push(place);
        }
        self.created.0.clear();
        Ok(())
    }
}

/// A file of a run that is being written.
pub struct OutputFile {
    name: String,
    shown: PathBuf,
    sink: Digesting,
}

struct Digesting {
    file: BufWriter<File>,
    digest: blake3::Hasher,
    bytes: u64,
}

impl OutputFile {
    /// Where the file will be.
    pub fn place(&self) -> PathBuf {
        self.shown.clone()
    }

    /// Says which file a write failed on.
    pub fn error(&self, source: io::Error) -> Error {
        Error::Unwritable { path: self.shown.clone(), source }
    }

    /// Brings everything to the disk and ends the file.
    pub fn finish(mut self) -> Result<Digest> {
        let synced = self.sink.file.flush().and_then(|()| self.sink.file.get_ref().sync_all());
        synced.map_err(|source| Error::Unwritable { path: self.shown.clone(), source })?;
        let blake3 = self.sink.digest.finalize().to_hex().to_string();
        Ok(Digest { path: self.name, bytes: self.sink.bytes, blake3 })
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
