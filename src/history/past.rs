//! Reads earlier runs from their directories, without a database. A run directory that is incomplete is reported and
//! skipped.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use walkdir::WalkDir;

use crate::causes::CauseReport;
use crate::class::ByClass;
use crate::job::Scope;
use crate::job::TakenAt;
use crate::output::destination::is_staging;
use crate::output::manifest::{FileDigest, MANIFEST, Manifest, of_file};
use crate::regular_file::{self, DOCUMENT_BYTES_MAX};
use crate::sides::{Side, Sides};

/// The report of a past run. Contains only what later runs need, so that reports of other versions can also be read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunSummary {
    pub job: String,
    /// The code of the verdict.
    pub verdict: String,
    pub rows: Sides<u64>,
    /// Discrepancies by class.
    pub counts: ByClass<u64>,
    /// The causes of mismatches; `None` if the version of the run did not look for any.
    #[serde(default, deserialize_with = "known_causes")]
    pub causes: Option<Vec<CauseReport>>,
    /// Problems of the snapshots.
    #[serde(default)]
    pub input_failures: Vec<String>,
    /// How it related to its baseline.
    #[serde(default)]
    pub history: Option<HistorySummary>,
    pub run: RunRecord,
}

/// The causes that this version knows. Later versions may have others.
fn known_causes<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<CauseReport>>, D::Error> {
    let causes = Option::<Vec<serde_json::Value>>::deserialize(input)?;
    Ok(causes.map(|causes| causes.into_iter().filter_map(|cause| serde_json::from_value(cause).ok()).collect()))
}

impl RunSummary {
    /// Whether the run was successful.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.verdict.as_str(), "match" | "accepted")
    }

    /// Whether the run verified anything, with either result.
    pub(crate) fn is_verified(&self) -> bool {
        self.is_good() || self.verdict == "discrepant"
    }
}

/// How a past run related to its baseline.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HistorySummary {
    /// The ID of its baseline.
    #[serde(default)]
    pub previous: Option<String>,
    /// New discrepancies by class.
    pub new: ByClass<u64>,
    /// Resolved discrepancies by class.
    pub resolved: ByClass<u64>,
}

/// Information about a past run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunRecord {
    pub id: String,
    /// The start time in RFC 3339.
    pub started: String,
    /// The duration in seconds.
    pub seconds: f64,
    pub inputs: Sides<InputRecord>,
}

/// The snapshot of one side in a past run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InputRecord {
    /// When it was taken, if the job specified it.
    #[serde(default)]
    pub taken_at: Option<TakenAt>,
}

/// A complete run directory.
#[derive(Debug, Clone)]
pub(crate) struct PastRun {
    pub dir: PathBuf,
    /// The report of the run.
    pub summary: RunSummary,
    /// The digest of the settings for comparing.
    pub compare: String,
    /// The digest of all settings that decide in which rows the run finds a discrepancy, if its version wrote one.
    pub evidence: Option<String>,
    /// The digest that identifies how private keys are recognized.
    pub recognition: Option<String>,
    /// The digest of each side's data.
    content: Sides<blake3::Hash>,
    /// The files that the run wrote.
    outputs: Vec<FileDigest>,
}

/// A directory that looks like a run, but cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Skipped {
    /// The path of the directory.
    pub dir: String,
    /// What is wrong with the directory.
    pub reason: String,
}

/// Returns all runs below a directory, the oldest first, and the directories that could not be read.
pub(crate) fn runs_below(dir: &Path) -> (Vec<PastRun>, Vec<Skipped>) {
    let (mut runs, mut skipped) = (vec![], vec![]);
    // runs may be in other places and linked; `latest` is also a link, and its run is counted once
    let walk = WalkDir::new(dir).follow_links(true).sort_by_file_name().into_iter();
    // a staged directory is not a run yet
    let walk = walk.filter_entry(|entry| entry.depth() == 0 || !is_staging(entry.file_name()));
    for entry in walk.flatten() {
        let is_manifest = entry.file_name() == MANIFEST && entry.file_type().is_file();
        let Some(run_dir) = entry.path().parent().filter(|_| is_manifest) else { continue };
        match PastRun::read(run_dir) {
            Ok(run) => runs.push(run),
            Err(reason) => skipped.push(Skipped { dir: run_dir.display().to_string(), reason }),
        }
    }
    runs.sort_by(|a, b| a.order().cmp(&b.order()));
    // skip copies of a run
    runs.dedup_by(|a, b| a.summary.run.id == b.summary.run.id);
    (runs, skipped)
}

impl PastRun {
    fn read(dir: &Path) -> Result<Self, String> {
        let manifest: Manifest = json(&dir.join(MANIFEST))?;
        let summary: RunSummary = json(&dir.join("report.json"))?;
        if summary.run.id != manifest.run {
            return Err(format!(
                "its manifest belongs to run {}, but its report to run {}",
                manifest.run, summary.run.id
            ));
        }
        let content = Sides::from_fn(|side| content(&manifest.read.inputs[side]));
        let run = PastRun {
            dir: dir.into(),
            summary,
            compare: manifest.compare_blake3,
            evidence: manifest.evidence_blake3,
            recognition: manifest.recognition_blake3,
            content,
            outputs: manifest.outputs,
        };
        run.require_whole("report.json")?;
        Ok(run)
    }

    /// Whether the run compared two snapshots.
    pub(crate) fn scope(&self) -> Scope {
        if self.content.new == content(&[]) { Scope::OldAlone } else { Scope::Both }
    }

    /// Whether another run read the same data on both sides.
    pub(crate) fn has_same_pair(&self, other: &PastRun) -> bool {
        self.content == other.content
    }

    /// Whether another run read the same data on a side.
    pub(crate) fn has_same_data(&self, side: Side, other: &PastRun) -> bool {
        self.content[side] == other.content[side]
    }

    /// Whether the directory is a copy, according to its name.
    fn is_copy(&self) -> bool {
        self.dir.file_name().is_none_or(|name| name != self.summary.run.id.as_str())
    }

    /// The sort key: the start time, then the ID for runs of the same second, with copies last.
    fn order(&self) -> (&str, &str, bool) {
        (&self.summary.run.started, &self.summary.run.id, self.is_copy())
    }

    /// Checks that a file of the run has not changed.
    pub(crate) fn require_whole(&self, name: &str) -> Result<(), String> {
        let listed = self.outputs.iter().find(|output| output.path == name);
        let listed = listed.ok_or_else(|| format!("its manifest does not list `{name}`"))?;
        let found = of_file(&self.dir.join(name)).map_err(|error| format!("cannot read `{name}`: {error}"))?;
        match found.to_hex().as_str() == listed.blake3 {
            true => Ok(()),
            false => Err(format!("`{name}` has changed since the run wrote it")),
        }
    }

    /// Whether the run read the same data on a side.
    pub(crate) fn has_same(&self, side: Side, files: &[FileDigest]) -> bool {
        self.content[side] == content(files)
    }
}

/// A digest of the contents of files, independent of their names.
fn content(files: &[FileDigest]) -> blake3::Hash {
    let mut digests: Vec<&str> = files.iter().map(|file| file.blake3.as_str()).collect();
    digests.sort_unstable();
    blake3::hash(digests.join("\n").as_bytes())
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text =
        regular_file::read_text(path, DOCUMENT_BYTES_MAX).map_err(|error| format!("cannot read `{name}`: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("`{name}` is invalid: {error}"))
}
