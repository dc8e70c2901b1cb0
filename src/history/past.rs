//! The runs before this one, as their directories tell them. No database: what a run directory does not hold whole is
//! told and passed over, never guessed.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use walkdir::WalkDir;

use crate::class::ByClass;
use crate::job::Scope;
use crate::job::TakenAt;
use crate::output::destination::is_staging;
use crate::output::manifest::{FileDigest, MANIFEST, Manifest, of_file};
use crate::regular_file::{self, DOCUMENT_BYTES_MAX};
use crate::sides::{Side, Sides};

/// The report of a past run; only what later runs need of it, so that reports of other versions are read, too.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunSummary {
    /// The job's name.
    pub job: String,
    /// The answer, in the report's word.
    pub verdict: String,
    /// Rows of each side.
    pub rows: Sides<u64>,
    /// Discrepancies by class.
    pub counts: ByClass<u64>,
    /// What was wrong with the snapshots themselves.
    #[serde(default)]
    pub input_failures: Vec<String>,
    /// How it stood to the run before.
    #[serde(default)]
    pub history: Option<HistorySummary>,
    /// The circumstances.
    pub run: RunRecord,
}

impl RunSummary {
    /// Whether it found everything in order.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.verdict.as_str(), "match" | "accepted")
    }

    /// Whether it verified anything, for better or worse.
    pub(crate) fn is_verified(&self) -> bool {
        self.is_good() || self.verdict == "discrepant"
    }
}

/// How a past run stood to the run before it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HistorySummary {
    /// The run that it was compared with.
    #[serde(default)]
    pub previous: Option<String>,
    /// What was new in it.
    pub new: ByClass<u64>,
    /// What it no longer found.
    pub resolved: ByClass<u64>,
}

/// The circumstances of a past run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunRecord {
    /// Its id.
    pub id: String,
    /// When it began, in RFC 3339.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// What each side was.
    pub inputs: Sides<InputRecord>,
}

/// One side's snapshot in a past run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InputRecord {
    /// When it was taken, if its job said so.
    #[serde(default)]
    pub taken_at: Option<TakenAt>,
}

/// A run directory that is whole.
#[derive(Debug, Clone)]
pub(crate) struct PastRun {
    /// Where it is.
    pub dir: PathBuf,
    /// Its report.
    pub told: RunSummary,
    /// The digest of how it compared.
    pub compare: String,
    /// The digest of everything that decided in which rows it found a discrepancy, if its version wrote one.
    pub evidence: Option<String>,
    /// The digest of what private keys were recognised by.
    pub recognition: Option<String>,
    /// The digest of the data of each side.
    content: Sides<blake3::Hash>,
    /// What it wrote.
    outputs: Vec<FileDigest>,
}

/// A directory that looks like a run and cannot be used as one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Skipped {
    /// The directory.
    pub dir: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All runs below a directory, the oldest first, and what could not be read.
pub(crate) fn runs_below(dir: &Path) -> (Vec<PastRun>, Vec<Skipped>) {
    let (mut runs, mut skipped) = (vec![], vec![]);
    // runs may be kept elsewhere and linked to; `latest` is a link, too, and the run that it leads to is taken once
    let walk = WalkDir::new(dir).follow_links(true).sort_by_file_name().into_iter();
    // what is being written is no run yet
    let walk = walk.filter_entry(|entry| entry.depth() == 0 || !is_staging(entry.file_name()));
    for entry in walk.flatten() {
        let is_manifest = entry.file_name() == MANIFEST && entry.file_type().is_file();
        let Some(run_dir) = entry.path().parent().filter(|_| is_manifest) else { continue };
        match PastRun::read(run_dir) {
            Ok(run) => runs.push(run),
            Err(reason) => skipped.push(Skipped { dir: run_dir.display().to_string(), reason }),
        }
    }
    runs.sort_by(|one, two| one.order().cmp(&two.order()));
    // a copy of a run is that run
    runs.dedup_by(|one, two| one.told.run.id == two.told.run.id);
    (runs, skipped)
}

impl PastRun {
    fn read(dir: &Path) -> Result<Self, String> {
        let manifest: Manifest = json(&dir.join(MANIFEST))?;
        let told: RunSummary = json(&dir.join("report.json"))?;
        if told.run.id != manifest.run {
            return Err(format!("its manifest is of run {}, its report of run {}", manifest.run, told.run.id));
        }
        let content = Sides::from_fn(|side| content(&manifest.read.inputs[side]));
        let run = PastRun {
            dir: dir.into(),
            told,
            compare: manifest.compare_blake3,
            evidence: manifest.evidence_blake3,
            recognition: manifest.recognition_blake3,
            content,
            outputs: manifest.outputs,
        };
        run.require_whole("report.json")?;
        Ok(run)
    }

    /// Whether it has compared two snapshots.
    pub(crate) fn scope(&self) -> Scope {
        if self.content.new == content(&[]) { Scope::OldAlone } else { Scope::Both }
    }

    /// Whether another run read the same data of both sides.
    pub(crate) fn has_same_pair(&self, other: &PastRun) -> bool {
        self.content == other.content
    }

    /// Whether another run read the same data of a side.
    pub(crate) fn has_same_data(&self, side: Side, other: &PastRun) -> bool {
        self.content[side] == other.content[side]
    }

    /// Whether it stands where its run has written it, as far as the name tells.
    fn is_copy(&self) -> bool {
        self.dir.file_name().is_none_or(|name| name != self.told.run.id.as_str())
    }

    /// When it began, its id for those of the same second, and copies last.
    fn order(&self) -> (&str, &str, bool) {
        (&self.told.run.started, &self.told.run.id, self.is_copy())
    }

    /// Checks that a file of the run is as it was written.
    pub(crate) fn require_whole(&self, name: &str) -> Result<(), String> {
        let listed = self.outputs.iter().find(|output| output.path == name);
        let listed = listed.ok_or_else(|| format!("its manifest does not name `{name}`"))?;
        let found = of_file(&self.dir.join(name)).map_err(|error| format!("cannot read `{name}`: {error}"))?;
        match found.to_hex().as_str() == listed.blake3 {
            true => Ok(()),
            false => Err(format!("`{name}` is not as the run wrote it")),
        }
    }

    /// Whether it read the same data of a side.
    pub(crate) fn has_same(&self, side: Side, files: &[FileDigest]) -> bool {
        self.content[side] == content(files)
    }
}

/// What files hold, whatever they are called: a digest of their digests.
fn content(files: &[FileDigest]) -> blake3::Hash {
    let mut digests: Vec<&str> = files.iter().map(|file| file.blake3.as_str()).collect();
    digests.sort_unstable();
    blake3::hash(digests.join("\n").as_bytes())
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text =
        regular_file::read_text(path, DOCUMENT_BYTES_MAX).map_err(|error| format!("cannot read `{name}`: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("`{name}` is not what a run writes: {error}"))
}
