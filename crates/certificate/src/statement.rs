//! What is signed: an in-toto Statement whose subject is every file that was read or written, and whose predicate is
//! the sign-off.
//!
//! The order of the fields here is their order in the file, and nothing is left out where it is empty: one statement
//! has one form, down to the byte.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::digests::Digests;
pub use crate::moment::Moment;
use crate::side::{Side, TakenAt};

/// The kind of statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The kind of predicate.
pub const PREDICATE_TYPE: &str = "urn:countersign:signoff:v1";

/// A sign-off, and the files that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// Every file, by name.
    pub subject: Vec<Subject>,
    /// [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What was found.
    pub predicate: Predicate,
}

/// A file, and what proves that it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What the file was to the sign-off, a colon, and its path; see [`Role`].
    pub name: String,
    /// The digests of its content.
    pub digest: Digests,
}

/// What a file was to the sign-off; the beginning of its name as a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A file of the old or the new snapshot.
    Side(Side),
    /// A file of a further table.
    Table(String),
    /// The job file.
    Job,
    /// A file with a query.
    Sql,
    /// A file of the backup.
    Backup,
    /// The list of candidates.
    Candidates,
    /// A file that the sign-off wrote, beside the certificate.
    Output,
}

/// How the subjects that were written begin.
const OUTPUT: &str = "output";

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Side(side) => side.fmt(f),
            Role::Table(name) => write!(f, "table.{name}"),
            Role::Job => f.write_str("job"),
            Role::Sql => f.write_str("sql"),
            Role::Backup => f.write_str("backup"),
            Role::Candidates => f.write_str("candidates"),
            Role::Output => f.write_str(OUTPUT),
        }
    }
}

impl Subject {
    /// A file by its role; the path is the one that the job names, or an output's name in its directory.
    pub fn of(role: &Role, path: &str, digest: Digests) -> Self {
        Subject { name: format!("{role}:{path}"), digest }
    }

    /// The path, after the role.
    pub fn path(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, path)| path)
    }

    /// Whether the sign-off wrote it.
    pub fn is_output(&self) -> bool {
        self.name.split_once(':').is_some_and(|(role, _)| role == OUTPUT)
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The program that found it.
    pub tool: Tool,
    /// The job's name.
    pub job: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The side that the rows may be deleted from.
    pub delete_from: Store,
    /// What deletes a row.
    pub cleanup: Cleanup,
    /// The key columns, as the lists write them.
    pub key: Vec<String>,
    /// The candidates, counted.
    pub counts: Counts,
    /// The list of rows that may be deleted.
    pub approved: Approved,
    /// What had to hold.
    pub requirements: Vec<Requirement>,
    /// How many candidates each reason blocks; one may be blocked by several.
    pub blocked_by: BTreeMap<String, u64>,
    /// Which columns were compared.
    pub coverage: Coverage,
    /// Whether mistakes that were put in on purpose were found.
    pub canaries: Vec<Canary>,
    /// The IDs that evidence names; certificates of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Since when nothing is written, where the job declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_stopped: Option<Moment>,
    /// The two snapshots.
    pub snapshots: Snapshots,
    /// When it was signed.
    pub signed_at: Moment,
    /// From when on it approves nothing.
    pub expires: Moment,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// countersign. The packages of its workspace have one version.
    pub fn this() -> Self {
        Tool { name: "countersign".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// What a sign-off came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every candidate may be deleted.
    Approved,
    /// Some candidates are blocked, and the others may be deleted.
    PartlyApproved,
    /// Something could not be proved; nothing may be deleted.
    Unverified,
}

impl Verdict {
    /// The verdict's word, as in the file.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Approved => "approved",
            Verdict::PartlyApproved => "partly_approved",
            Verdict::Unverified => "unverified",
        }
    }
}

/// A store that rows are deleted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The store that is being left.
    Old,
    /// The store that takes over.
    New,
}

impl From<Side> for Store {
    fn from(side: Side) -> Self {
        match side {
            Side::Old => Store::Old,
            Side::New => Store::New,
        }
    }
}

/// What deletes a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cleanup {
    /// The row goes.
    Row,
    /// The row stays, and a column of it is overwritten.
    Column {
        /// The column.
        column: String,
        /// What it becomes, as the job has it.
        becomes: String,
    },
}

/// The candidates, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All of them.
    pub candidates: u64,
    /// Those that may be deleted.
    pub approved: u64,
    /// The others.
    pub blocked: u64,
}

/// The list of rows that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// The name of its subject, such as `output:approved.csv`.
    pub file: String,
    /// How many IDs it holds.
    pub ids: u64,
}

/// Something that had to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its name.
    pub name: String,
    /// Whether it held.
    pub holds: bool,
    /// What was counted to tell.
    pub figures: BTreeMap<String, u64>,
    /// The same for people.
    #[serde(rename = "words")]
    pub description: String,
}

/// Which columns were compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Compared.
    pub compared: Vec<String>,
    /// Left out by name.
    pub ignored: Vec<String>,
    /// In old alone.
    pub old_only: Vec<String>,
    /// In new alone.
    pub new_only: Vec<String>,
    /// Of types that have no comparison.
    pub incomparable: Vec<String>,
}

/// Mistakes that were put in on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Their kind.
    pub name: String,
    /// How many were put in.
    pub injected: u64,
    /// How many of them were found.
    pub caught: u64,
}

/// The IDs that evidence names, by what they turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// IDs that checks named.
    pub named: u64,
    /// Of them, those that are neither a candidate's nor any row's.
    pub of_nobody: u64,
    /// IDs that could not be read as values of their columns.
    pub unreadable: u64,
    /// Discrepancies whose keys neither snapshot has.
    pub lost: u64,
}

/// The two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshots {
    /// Of the store that is being left.
    pub old: SnapshotSeen,
    /// Of the store that takes over.
    pub new: SnapshotSeen,
}

/// A snapshot, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSeen {
    /// The path as given.
    pub path: String,
    /// When it was taken, if the job says so.
    pub taken_at: Option<TakenAt>,
    /// Its rows.
    pub rows: u64,
}

impl Statement {
    /// A statement about files, in the order of their names.
    pub fn of(mut subject: Vec<Subject>, predicate: Predicate) -> Self {
        subject.sort_by(|one, two| one.name.cmp(&two.name));
        Statement { kind: STATEMENT_TYPE.into(), subject, predicate_type: PREDICATE_TYPE.into(), predicate }
    }

    /// The subject of the approved list; `None` if no subject has the name that the predicate gives.
    pub fn approved(&self) -> Option<&Subject> {
        self.subject.iter().find(|subject| subject.name == self.predicate.approved.file)
    }

    /// Why this statement may not be signed or trusted; `None` if it may.
    pub fn flaw(&self) -> Option<String> {
        let predicate = &self.predicate;
        let flaw = |is_wrong: bool, description: &str| is_wrong.then(|| description.to_string());
        let nameless = || {
            let subject = self.subject.iter().find(|subject| subject.path().is_empty())?;
            Some(format!("the subject `{}` has no role and path", subject.name))
        };
        let malformed = || {
            let subject = self.subject.iter().find(|subject| !subject.digest.is_well_formed())?;
            Some(format!("the digests of `{}` are malformed", subject.name))
        };
        let is_sorted = self.subject.is_sorted_by(|one, two| one.name < two.name);
        flaw(self.kind != STATEMENT_TYPE || self.predicate_type != PREDICATE_TYPE, "it is of another kind")
            .or_else(|| flaw(!is_sorted, "its subjects are not in the order of their names, each once"))
            .or_else(nameless)
            .or_else(malformed)
            .or_else(|| flaw(predicate.key.is_empty(), "it names no key column"))
            .or_else(|| flaw(predicate.expires <= predicate.signed_at, "it expires before it was signed"))
            .or_else(|| match predicate.verdict {
                Verdict::Unverified => None,
                Verdict::Approved | Verdict::PartlyApproved => self.contradiction().map(String::from),
            })
    }

    /// What the rest of the statement has against its approval.
    fn contradiction(&self) -> Option<&'static str> {
        let predicate = &self.predicate;
        let Counts { candidates, approved, blocked } = predicate.counts;
        let approves_all = predicate.verdict == Verdict::Approved;
        let is_beside = |subject: &Subject| {
            let mut parts = Path::new(subject.path()).components();
            subject.is_output() && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        let fails = predicate.requirements.iter().any(|requirement| !requirement.holds);
        [
            (!self.approved().is_some_and(is_beside), "its approved list is not among its outputs"),
            (approved.checked_add(blocked) != Some(candidates), "its counts do not add up"),
            (predicate.approved.ids != approved, "its approved list is not as long as its count"),
            (approves_all && blocked > 0, "it approves all candidates, and some are blocked"),
            (approves_all && fails, "it approves all candidates, and a requirement does not hold"),
            (!approves_all && blocked == 0, "it approves a part of the candidates, and none is blocked"),
            (predicate.canaries.iter().any(Canary::is_missed), "it approves, and a canary was not caught"),
        ]
        .into_iter()
        .find_map(|(is_wrong, description)| is_wrong.then_some(description))
    }
}

impl Canary {
    fn is_missed(&self) -> bool {
        self.caught != self.injected
    }
}
