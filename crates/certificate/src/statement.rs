//! The content of a certificate: an in-toto Statement. Its subjects are all files that the sign-off read or wrote, and
//! its predicate is the result of the sign-off.
//!
//! Fields are serialized in the order of this module, and empty fields are not omitted, so that a statement has exactly
//! one byte representation. Only fields that later versions added are omitted when they are absent.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::digests::Digests;
pub use crate::moment::Moment;
use crate::side::{Side, TakenAt};

/// The `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The `predicateType` of every statement, with the version of the format.
pub const PREDICATE_TYPE: &str = "urn:countersign:signoff:v1";

/// The result of a sign-off, and the files that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// All files, sorted by name.
    pub subject: Vec<Subject>,
    /// [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The result of the sign-off.
    pub predicate: Predicate,
}

/// A file, with the digests that identify its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The role of the file, a colon, and its path, such as `output:approved.csv`; see [`Role`].
    pub name: String,
    /// The digests of its content.
    pub digest: Digests,
}

/// The role of a file in the sign-off. The name of its subject begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A file of the old or the new snapshot.
    Side(Side),
    /// A file of an additional table of the job.
    Table(String),
    /// The job file.
    Job,
    /// An SQL file.
    Sql,
    /// A file of the backup.
    Backup,
    /// The list of candidates.
    Candidates,
    /// A file that the sign-off wrote, in the directory of the certificate.
    Output,
}

/// The role of subjects that the sign-off wrote.
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
    /// A subject. `path` is the path in the job, or the name of an output in its directory.
    pub fn of(role: &Role, path: &str, digest: Digests) -> Self {
        Subject { name: format!("{role}:{path}"), digest }
    }

    /// The path: the part of the name after the role.
    pub fn path(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, path)| path)
    }

    /// Whether the sign-off wrote the file.
    pub fn is_output(&self) -> bool {
        self.name.split_once(':').is_some_and(|(role, _)| role == OUTPUT)
    }
}

/// The result of a sign-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The program that made the sign-off.
    pub tool: Tool,
    /// The name of the job.
    pub job: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The store that rows may be deleted from.
    pub delete_from: Store,
    /// How a row is deleted.
    pub cleanup: Cleanup,
    /// The key columns, by their names in the lists.
    pub key: Vec<String>,
    /// The numbers of candidates.
    pub counts: Counts,
    /// The list of rows that may be deleted.
    pub approved: Approved,
    /// The requirements, and whether they hold.
    pub requirements: Vec<Requirement>,
    /// The number of candidates that each reason blocks. A candidate may be blocked by several reasons.
    pub blocked_by: BTreeMap<String, u64>,
    /// Which columns were compared.
    pub coverage: Coverage,
    /// The canaries, and whether the comparison found them.
    pub canaries: Vec<Canary>,
    /// The IDs that evidence names; `None` in certificates of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// When writes to the stores stopped; `None` if the job does not declare it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_stopped: Option<Moment>,
    /// The two snapshots.
    pub snapshots: Snapshots,
    /// When it was signed.
    pub signed_at: Moment,
    /// When the certificate expires. From then on it approves nothing.
    pub expires: Moment,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// The name of the program.
    pub name: String,
    /// The version of the program.
    pub version: String,
}

impl Tool {
    /// This program. All packages of the workspace have the same version.
    pub fn this() -> Self {
        Tool { name: "countersign".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// The verdict of a sign-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every candidate may be deleted.
    Approved,
    /// Some candidates are blocked; the others may be deleted.
    PartlyApproved,
    /// Something could not be proved; nothing may be deleted.
    Unverified,
}

impl Verdict {
    /// The name of the verdict, as in the file.
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

/// How a row is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cleanup {
    /// The row is removed.
    Row,
    /// The row stays, and one of its columns is overwritten.
    Column {
        /// The column.
        column: String,
        /// The new value of the column, as in the job.
        becomes: String,
    },
}

/// The numbers of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All candidates.
    pub candidates: u64,
    /// The candidates that may be deleted.
    pub approved: u64,
    /// The candidates that may not be deleted.
    pub blocked: u64,
}

/// The list of rows that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// The name of its subject, such as `output:approved.csv`.
    pub file: String,
    /// The number of IDs in the list.
    pub ids: u64,
}

/// A condition of the sign-off that must hold for all candidates together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The code of the requirement.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// The figures that decided it.
    pub figures: BTreeMap<String, u64>,
    /// The result as text.
    #[serde(rename = "words")]
    pub description: String,
}

/// Which columns were compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The columns that were compared.
    pub compared: Vec<String>,
    /// The columns that the job ignores by name.
    pub ignored: Vec<String>,
    /// The columns that only old has.
    pub old_only: Vec<String>,
    /// The columns that only new has.
    pub new_only: Vec<String>,
    /// The columns whose types cannot be compared.
    pub incomparable: Vec<String>,
}

/// A kind of defect that the sign-off injected into a copy of the candidates, to prove that the comparison finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The kind of defect.
    pub name: String,
    /// The number of injected defects.
    pub injected: u64,
    /// The number of them that the comparison found.
    pub caught: u64,
}

/// The numbers of IDs that evidence names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The IDs that checks named.
    pub named: u64,
    /// Those of them that belong to no candidate and to no row.
    pub of_nobody: u64,
    /// The IDs that could not be parsed as values of their columns.
    pub unreadable: u64,
    /// The discrepancies whose keys are in neither snapshot.
    pub lost: u64,
}

/// The two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshots {
    /// The snapshot of the store that is being left.
    pub old: SnapshotSeen,
    /// The snapshot of the store that takes over.
    pub new: SnapshotSeen,
}

/// A snapshot that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSeen {
    /// The path in the job.
    pub path: String,
    /// When it was taken; `None` if unknown.
    pub taken_at: Option<TakenAt>,
    /// The number of rows.
    pub rows: u64,
}

impl Statement {
    /// Creates a statement; sorts the subjects by name.
    pub fn of(mut subject: Vec<Subject>, predicate: Predicate) -> Self {
        subject.sort_by(|a, b| a.name.cmp(&b.name));
        Statement { kind: STATEMENT_TYPE.into(), subject, predicate_type: PREDICATE_TYPE.into(), predicate }
    }

    /// The subject of the approved list; `None` if no subject has the name that the predicate gives.
    pub fn approved(&self) -> Option<&Subject> {
        self.subject.iter().find(|subject| subject.name == self.predicate.approved.file)
    }

    /// The first reason why the statement may not be signed or accepted; `None` if it is valid.
    pub fn flaw(&self) -> Option<String> {
        let predicate = &self.predicate;
        let flaw = |is_wrong: bool, reason: &str| is_wrong.then(|| reason.to_string());
        let nameless = || {
            let subject = self.subject.iter().find(|subject| subject.path().is_empty())?;
            Some(format!("the subject `{}` does not consist of a role and a path", subject.name))
        };
        let malformed = || {
            let subject = self.subject.iter().find(|subject| !subject.digest.is_well_formed())?;
            Some(format!("the digests of `{}` are malformed", subject.name))
        };
        let is_sorted = self.subject.is_sorted_by(|a, b| a.name < b.name);
        flaw(
            self.kind != STATEMENT_TYPE || self.predicate_type != PREDICATE_TYPE,
            "its statement type or predicate type is not supported",
        )
        .or_else(|| flaw(!is_sorted, "its subjects are not sorted by name, or not unique"))
        .or_else(nameless)
        .or_else(malformed)
        .or_else(|| flaw(predicate.key.is_empty(), "it names no key column"))
        .or_else(|| flaw(predicate.expires <= predicate.signed_at, "it expires before it was signed"))
        .or_else(|| match predicate.verdict {
            Verdict::Unverified => None,
            Verdict::Approved | Verdict::PartlyApproved => self.contradiction().map(String::from),
        })
    }

    /// The first contradiction between an approving verdict and the rest of the statement.
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
            (!self.approved().is_some_and(is_beside), "its approved list is not one of its outputs"),
            (approved.checked_add(blocked) != Some(candidates), "its counts do not add up"),
            (predicate.approved.ids != approved, "the length of its approved list differs from its count"),
            (approves_all && blocked > 0, "it approves all candidates, but some are blocked"),
            (approves_all && fails, "it approves all candidates, but a requirement does not hold"),
            (!approves_all && blocked == 0, "it approves some of the candidates, but no candidate is blocked"),
            (predicate.canaries.iter().any(Canary::is_missed), "it approves candidates, but a canary was not caught"),
        ]
        .into_iter()
        .find_map(|(is_wrong, reason)| is_wrong.then_some(reason))
    }
}

impl Canary {
    fn is_missed(&self) -> bool {
        self.caught != self.injected
    }
}
