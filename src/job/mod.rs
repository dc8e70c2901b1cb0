//! What one comparison is asked to do, resolved once; nothing downstream sees a raw flag.

pub mod file;
mod check;
mod digest;
mod gate;
mod layout;
mod misplaced;
mod number;
pub mod private;
pub mod rule;
mod signoff;
mod waiver;
mod setting;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::sides::{Owner, Side, Sides};
pub use ::certificate::TakenAt;
pub use check::{Check, Expect, Literal, LiteralType};
pub use digest::{compare, evidence, settings};
pub use gate::{Allowance, Gate};
pub use layout::{VARIES, decides, layout};
pub use misplaced::Misplaced;
pub use number::number;
pub use private::Private;
pub use rule::{Rule, RuleSettings};
pub use setting::{Origin, Setting};
pub use signoff::{AcceptedTier, Backup, Becomes, CHECKS_MAX, Cleanup, SignOff, Status, WritesStopped};
pub use waiver::Waiver;

/// One comparison of two snapshots.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job's name in reports.
    pub name: String,
    /// Whether there are two snapshots to compare.
    pub scope: Scope,
    /// Where each snapshot is, and what is made of it.
    pub sources: Sides<Source>,
    /// Further tables, for the queries.
    pub tables: BTreeMap<String, Source>,
    /// How rows of the two sides find each other.
    pub identity: Identity,
    /// Which columns take part.
    pub selection: Selection,
    /// What single columns are told, the general before the particular.
    pub columns: Vec<ColumnSettings>,
    /// What the snapshots' times may explain.
    pub in_flight: Option<InFlight>,
    /// What is looked for under other keys.
    pub misplaced: Option<Misplaced>,
    /// Known differences.
    pub waivers: Vec<Waiver>,
    /// What rows are grouped by in reports, as expressions in SQL.
    pub segments: Vec<Setting>,
    /// Questions whose answers are violations.
    pub checks: Vec<Check>,
    /// The columns whose values make the groups that move as a whole.
    pub group: Vec<Setting>,
    /// Values that must not leave.
    pub private: Option<Private>,
    /// What may be deleted.
    pub sign_off: Option<SignOff>,
    /// How many discrepancies are allowed.
    pub gate: Gate,
    /// Columns that the ID lists hold besides the key.
    pub list_columns: Vec<Setting>,
    /// The matching way to take; `None` lets the planner choose.
    pub way: Option<Strategy>,
    /// What the work may cost.
    pub limits: Limits,
    /// Where the run directory goes; `None` writes none.
    pub out: Option<Out>,
    /// Where the runs before this one are looked for; `None` compares with none.
    pub history: Option<PathBuf>,
    /// Where working files go; `None` takes the run directory's disk, or the system's directory for such files.
    pub temp: Option<PathBuf>,
    /// How many examples of each class the reports show.
    pub examples: usize,
}

/// How many examples of each class reports show unless told otherwise.
pub const EXAMPLES: usize = 3;

impl Job {
    /// Where the files are that are read, and what they are to the job.
    pub fn locations(&self) -> impl Iterator<Item = (Owner, &str)> {
        let sides = match self.scope {
            Scope::Both => Side::BOTH.as_slice(),
            Scope::OldAlone => &[Side::Old],
        };
        let sides = sides.iter().map(|&side| (Owner::Side(side), &self.sources[side]));
        let tables = self.tables.iter().map(|(name, source)| (Owner::Table(name.clone()), source));
        sides.chain(tables).map(|(owner, source)| (owner, source.path.text.as_str()))
    }

    /// A comparison of two snapshots by the data alone: no rules, no gates, nothing written.
    pub fn new(name: &str, sources: Sides<Source>, identity: Identity) -> Self {
        Job {
            name: name.into(),
            scope: Scope::Both,
            sources,
            tables: BTreeMap::new(),
            identity,
            selection: Selection::default(),
            columns: vec![],
            in_flight: None,
            misplaced: None,
            waivers: vec![],
            segments: vec![],
            checks: vec![],
            group: vec![],
            private: None,
            sign_off: None,
            gate: Gate::default(),
            list_columns: vec![],
            way: None,
            limits: Limits::default(),
            out: None,
            history: None,
            temp: None,
            examples: EXAMPLES,
        }
    }
}

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Two snapshots, which are compared.
    Both,
    /// Old alone, before there is a new store: nothing is compared, and only checks are run. The source of new says nothing.
    OldAlone,
}

/// One table's export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A file, a directory or a glob.
    pub path: Setting,
    /// What of the path says which rows it stands for, and stays the same from night to night.
    pub layout: String,
    /// What shapes the snapshot before it is compared; the files are table `snapshot` in it.
    pub query: Option<Query>,
    /// When the snapshot was taken.
    pub taken_at: Option<TakenAt>,
    /// Whether a table without rows is right.
    pub allow_empty: bool,
    /// What a snapshot has to be so that anything follows from it.
    pub expects: Expectations,
    /// The columns that are unique in a further table; none, if nothing is said.
    pub key: Vec<Setting>,
}

/// What a snapshot has to be so that anything follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectations {
    /// How long ago it may have been taken.
    pub max_age: Option<jiff::SignedDuration>,
    /// How many rows fewer than in the run before it may have; [`Allowance::usual_drop`] if nothing is said.
    pub max_drop: Option<Allowance>,
    /// Whether its files have to be others than those of earlier runs.
    pub must_change: bool,
}

impl Source {
    /// Just the files of a path.
    pub fn of(path: Setting) -> Self {
        Source {
            layout: layout(&path.text),
            path,
            query: None,
            taken_at: None,
            allow_empty: false,
            expects: Expectations::default(),
            key: vec![],
        }
    }
}

/// A query in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The text.
    pub sql: String,
    /// The file that holds it; `None` if it stands in the job itself.
    pub file: Option<PathBuf>,
    /// Where the job speaks of it.
    pub place: Origin,
}

/// How the times of the snapshots explain discrepancies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The column of each side that tells when a row was written, or which version of it this is.
    pub columns: Sides<Setting>,
    /// How long a change may take from one store to the other.
    pub lag: jiff::SignedDuration,
    /// The zone of times that name none.
    pub assume_tz: Option<Setting>,
}

impl InFlight {
    /// The lag in microseconds. An absurdly long one explains every discrepancy, as it says, and never wraps around;
    /// half the range is left for the times that it is taken from.
    pub fn lag_micros(&self) -> i64 {
        i64::try_from(self.lag.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2)
    }
}

/// What is said of some columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSettings {
    /// The columns: names of the new side, in which `*` stands for anything.
    pub names: Vec<Setting>,
    /// The old column's name, where it is another one.
    pub old: Option<Setting>,
    /// What the column is on each side, as an expression in SQL.
    pub expressions: Sides<Option<Setting>>,
    /// The rules.
    pub rules: RuleSettings,
    /// Where the settings stand.
    pub place: Origin,
}

impl ColumnSettings {
    /// Whether they say which columns of the sides they are about.
    pub fn has_own_columns(&self) -> bool {
        self.old.is_some() || self.expressions.iter().any(Option::is_some)
    }
}

/// Where a run directory goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Exactly there.
    At(PathBuf),
    /// Below it, under the run's id.
    Below(PathBuf),
}

impl Out {
    /// The directory of a run.
    pub fn of_run(&self, id: &str) -> PathBuf {
        match self {
            Out::At(dir) => dir.clone(),
            Out::Below(dir) => dir.join(id),
        }
    }
}

/// How rows find their counterparts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// By the values of these columns, in this order.
    Key(Vec<Setting>),
    /// Not at all: rows are compared whole, as a multiset.
    WholeRow,
}

impl Identity {
    /// Whether rows have a key.
    pub fn has_key(&self) -> bool {
        matches!(self, Identity::Key(_))
    }
}

/// Which columns are compared, and with which.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Compare only these (and the key); empty means all.
    pub columns: Vec<Setting>,
    /// Leave these out.
    pub ignore: Vec<Setting>,
    /// Old name and new name, where the names alone do not say it.
    pub map: Vec<(Setting, Setting)>,
}

/// A way of bringing equal keys together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Merge two sides that stand in key order; falls back to hashed when they do not.
    Ordered,
    /// Hash every row, and read again only what the hashes do not settle.
    Hashed,
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Strategy::Ordered => "ordered",
            Strategy::Hashed => "hashed",
        })
    }
}

/// What the work may cost. None of these changes an answer.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Worker threads, at least 1; fewer work where memory is tight.
    pub threads: usize,
    /// Memory for the whole process, in bytes; beyond it the work spills to disk, or is refused.
    pub memory: u64,
    /// The part of it that entries and sorts may fill; `None` takes what reading leaves. Tests narrow it.
    pub working: Option<u64>,
    /// Rows per batch, at most.
    pub batch_rows: usize,
    /// How many bits of the key hash are used, 0 to 64. Fewer bits mean more collisions, which cost
    /// time and never truth; tests narrow it to prove that.
    pub key_hash_bits: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory: 4 << 30,
            working: None,
            batch_rows: 8192,
            key_hash_bits: 64,
        }
    }
}
