//! `manifest.json`: the digests that prove that the inputs and outputs of a run are unchanged.

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

/// The file that marks a directory as a run. It is written last.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The inputs and outputs of a run, with their digests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of this format.
    pub schema: String,
    pub run: String,
    /// The version of countersign.
    pub version: String,
    /// The digest of all settings of the job that can change the result.
    pub job_blake3: String,
    /// The digest of the settings that specify how the job compares.
    pub compare_blake3: String,
    /// The digest of all settings that decide which rows are discrepancies; `None` in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_blake3: Option<String>,
    /// The digest of what later runs recognize rows by: a constant, unless the key is private. Then it is derived from
    /// the secret of the keyed digests; `None` if that secret was generated for this run.
    pub recognition_blake3: Option<String>,
    #[serde(flatten)]
    pub read: InputDigests,
    pub outputs: Vec<FileDigest>,
}

/// A file with its size and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// The name of an output in the run directory, or the path of an input.
    pub path: String,
    /// The size of the file.
    pub bytes: u64,
    /// The BLAKE3 digest of the content, in hexadecimal.
    pub blake3: String,
}

/// The files that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputDigests {
    pub inputs: Sides<Vec<FileDigest>>,
    /// The files of further tables, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Vec<FileDigest>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<FileDigest>,
}

/// The run that a manifest belongs to.
pub(crate) struct RunIdentity<'a> {
    /// The ID of the run.
    pub run: &'a str,
    pub job: &'a Job,
    pub privacy: &'a Privacy,
}

impl Manifest {
    /// Reads the manifest of a run directory.
    pub(crate) fn read(run: &Path) -> Result<Self> {
        let path = run.join(MANIFEST);
        let text = regular_file::read_text(&path, DOCUMENT_BYTES_MAX).map_err(Error::unreadable(&path))?;
        serde_json::from_str(&text)
            .map_err(|error| Error::unusable(&path, format!("is not the manifest of a run: {error}")))
    }

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

/// The digest of the settings that specify how a job compares.
pub(crate) fn compare_digest(job: &Job) -> String {
    of_json(&job::compare(job))
}

/// The digest of all settings of a job that decide which rows are discrepancies.
pub(crate) fn evidence_digest(job: &Job) -> String {
    of_json(&job::evidence(job))
}

fn of_json(value: &Value) -> String {
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}

impl InputDigests {
    /// Computes the digests of all inputs, which reads them again.
    ///
    /// # Errors
    /// If a file has changed since it was compared.
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

/// The query files of a job, with the SQL that was read from each.
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
                let digest = of_opened(file.open_input()?).map_err(Error::unreadable(&file.path))?;
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

/// The size in bytes of the pieces in which files are read. Mapping files would not be faster, would count toward the
/// memory of this process, and would kill the process if a file were truncated meanwhile.
const PIECE_BYTES: usize = 2 << 20;

/// Computes the digest of a file.
pub fn of_file(path: &Path) -> io::Result<blake3::Hash> {
    of_opened(regular_file::open(path)?)
}

/// Computes the digest of the rest of an open file.
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
