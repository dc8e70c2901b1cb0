//! What proves that a run's files, and what it read, are still the same: `manifest.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::columns::Privacy;
use crate::error::{Error, Result};
use crate::job::{self, Job};
use crate::regular_file::{self, DOCUMENT_BYTES_MAX};
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::Tables;

/// The file that makes a directory a run. It is written last.
pub(crate) const MANIFEST: &str = "manifest.json";

/// A run's files and what it read, by their digests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of this form.
    pub schema: String,
    /// The run's id.
    pub run: String,
    /// The version of countersign.
    pub version: String,
    /// Of everything in the job that can change its answer.
    pub job_blake3: String,
    /// Of how the job compares.
    pub compare_blake3: String,
    /// Of everything in the job that decides in which rows a discrepancy is found; runs of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_blake3: Option<String>,
    /// Of what rows are recognised by in later runs: of nothing secret, unless the key is private; then of the key of
    /// its digests, and none where that was the run's own.
    pub recognition_blake3: Option<String>,
    /// What the run read.
    #[serde(flatten)]
    pub read: InputDigests,
    /// What it wrote.
    pub outputs: Vec<FileDigest>,
}

/// A file, and what proves that it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// An output's name in the run directory, or an input's path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The BLAKE3 digest of its content, in hexadecimal.
    pub blake3: String,
}

/// What a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputDigests {
    /// The files of each side.
    pub inputs: Sides<Vec<FileDigest>>,
    /// The files of further tables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Vec<FileDigest>>,
    /// The files of queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<FileDigest>,
}

/// The run that a manifest is of.
pub(crate) struct RunIdentity<'a> {
    /// The run's id.
    pub run: &'a str,
    /// The job.
    pub job: &'a Job,
    /// Its private columns.
    pub privacy: &'a Privacy,
}

impl Manifest {
    /// Reads the manifest of a run directory.
    pub(crate) fn read(run: &Path) -> Result<Self> {
        let path = run.join(MANIFEST);
        let text = regular_file::read_text(&path, DOCUMENT_BYTES_MAX).map_err(Error::unreadable(&path))?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Contradiction(format!("`{}` is not what a run writes: {error}", path.display())))
    }

    /// The manifest of a run.
    pub(crate) fn of(identity: &RunIdentity, read: InputDigests, outputs: Vec<FileDigest>) -> Self {
        let RunIdentity { run, job, privacy } = *identity;
        Manifest {
            schema: "countersign/manifest/v1".into(),
            run: run.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            job_blake3: of_json(&job::settings(job)),
            compare_blake3: compare_digest(job),
            evidence_blake3: Some(evidence_digest(job)),
            recognition_blake3: privacy.recognition(),
            read,
            outputs,
        }
    }
}

/// The digest of how a job compares.
pub(crate) fn compare_digest(job: &Job) -> String {
    of_json(&job::compare(job))
}

/// The digest of everything in a job that decides in which rows a discrepancy is found.
pub(crate) fn evidence_digest(job: &Job) -> String {
    of_json(&job::evidence(job))
}

fn of_json(value: &Value) -> String {
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}

impl InputDigests {
    /// Reads everything that was compared once more.
    ///
    /// # Errors
    /// If a file is no longer the one that was compared.
    pub(crate) fn of(engine: &Engine, job: &Job, snapshots: Sides<Option<&Snapshot>>, tables: &Tables) -> Result<Self> {
        let queries = query_files(job).into_iter().map(|(path, sql)| query_digest(&path, sql)).collect();
        let inputs = |side: Side| snapshots[side].map(|snapshot| file_digests(engine, snapshot.input()));
        Ok(InputDigests {
            inputs: Sides::try_from_fn(|side| inputs(side).unwrap_or(Ok(vec![])))?,
            tables: tables
                .iter()
                .map(|(name, table)| Ok((name.clone(), file_digests(engine, table)?)))
                .collect::<Result<_>>()?,
            queries,
        })
    }
}

/// The files of queries that a job names, with what was read of each.
fn query_files(job: &Job) -> BTreeMap<PathBuf, &str> {
    let of_sides = job.sources.iter().filter_map(|source| source.query.as_ref());
    let of_checks = job.checks.iter().flat_map(|check| {
        let inputs = check.inputs.iter().map(|(_, query)| query);
        [&check.query].into_iter().chain(inputs)
    });
    of_sides.chain(of_checks).filter_map(|query| Some((query.file.clone()?, query.sql.as_str()))).collect()
}

fn query_digest(path: &Path, sql: &str) -> FileDigest {
    let blake3 = blake3::hash(sql.as_bytes()).to_hex().to_string();
    FileDigest { path: path.display().to_string(), bytes: sql.len() as u64, blake3 }
}

fn file_digests(engine: &Engine, snapshot: &Snapshot) -> Result<Vec<FileDigest>> {
    engine.workers().install(|| {
        let files = snapshot.files.par_iter();
        files
            .map(|file| {
                engine.check_stop()?;
                let digest = of_opened(file.open()?).map_err(Error::unreadable(&file.path))?;
                file.require_unchanged()?;
                Ok(FileDigest {
                    path: file.path.display().to_string(),
                    bytes: file.size,
                    blake3: digest.to_hex().to_string(),
                })
            })
            .collect()
    })
}

/// A file is read in pieces of this size. Mapping it would be no faster, counts as memory of ours, and ends the
/// process if somebody cuts the file off meanwhile.
const PIECE_BYTES: usize = 2 << 20;

/// The digest of a file.
pub fn of_file(path: &Path) -> io::Result<blake3::Hash> {
    of_opened(regular_file::open(path)?)
}

/// The digest of what is left to read of a file.
pub(crate) fn of_opened(mut file: File) -> io::Result<blake3::Hash> {
    let mut digest = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digest.finalize()),
            read => {
                digest.update_rayon(&piece[..read]);
            }
        }
    }
}
