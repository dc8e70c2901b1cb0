//! The settings of one comparison, resolved once. Later modules never see a raw flag.

mod digest;
mod gate;
mod layout;
mod misplaced;
mod number;
mod check;
pub mod private;
mod reading;
pub mod rule;
mod column_type;
mod type_family;
pub mod file;
mod signoff;
mod waiver;
mod setting;
mod format;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Error;
use crate::sides::{Owner, Side, Sides};
pub use ::certificate::TakenAt;
pub use check::{Check, Expect, Literal, LiteralType};
pub use column_type::ColumnType;
pub use digest::{compare, evidence, settings};
pub use format::{FileEncoding, FileFormat, FormatSettings, Preset};
pub use gate::{Allowance, Gate};
pub use layout::{VARIES, decides, layout};
pub use misplaced::Misplaced;
pub use number::number;
pub use private::Private;
pub use rule::{Rule, RuleSettings};
pub use setting::{Origin, Setting};
pub use signoff::{AcceptedTier, Backup, Becomes, CHECKS_MAX, Cleanup, SignOff, Status, WritesStopped};
pub use type_family::TypeFamily;
pub use waiver::Waiver;

/// A comparison of two snapshots.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name of the job in reports.
    pub name: String,
    /// Whether there are two snapshots to compare.
    pub scope: Scope,
    /// Where each snapshot is, and how it is transformed.
    pub sources: Sides<Source>,
    /// Additional tables for queries, by table name.
    pub tables: BTreeMap<String, Source>,
    /// How rows of the two sides are paired.
    pub identity: Identity,
    /// Which columns are compared.
    pub selection: Selection,
    /// The settings of columns. Later ones override earlier ones.
    pub columns: Vec<ColumnSettings>,
    /// Which discrepancies the times of the snapshots may explain.
    pub in_flight: Option<InFlight>,
    /// The search for values under other keys.
    pub misplaced: Option<Misplaced>,
    /// Known differences.
    pub waivers: Vec<Waiver>,
    /// SQL expressions that rows are grouped by in reports.
    pub segments: Vec<Setting>,
    /// SQL assertions. The rows of their results are violations.
    pub checks: Vec<Check>,
    /// The columns whose values identify groups, which move as a whole.
    pub group: Vec<Setting>,
    /// Columns whose values may not be in any output.
    pub private: Option<Private>,
    /// What may be deleted.
    pub sign_off: Option<SignOff>,
    /// How many discrepancies are allowed.
    pub gate: Gate,
    /// Additional columns in the ID lists, beside the key.
    pub list_columns: Vec<Setting>,
    /// Whether each cause has an ID list of its own.
    pub lists_causes: bool,
}

impl Job {
    /// Returns the paths of all inputs, with the side or table that each belongs to.
    pub fn locations(&self) -> impl Iterator<Item = (Owner, &str)> {
        let sides = self.scope.sides().iter().map(|&side| (Owner::Side(side), &self.sources[side]));
        let tables = self.tables.iter().map(|(name, source)| (Owner::Table(name.clone()), source));
        let sources = sides.chain(tables);
        sources.flat_map(|(owner, source)| source.locations().map(move |location| (owner.clone(), location)))
    }

    /// Removes from an error what it may quote of the data, where the job has private columns.
    pub(crate) fn redact(&self, error: Error) -> Error {
        if self.private.is_some() { error.without_values() } else { error }
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
            lists_causes: false,
        }
    }
}

/// Which snapshots a job has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Two snapshots, which are compared.
    Both,
    /// Only old, before there is a new store: nothing is compared, and only checks run. The source of new is unused.
    OldAlone,
}

impl Scope {
    /// The sides that there are.
    pub fn sides(self) -> &'static [Side] {
        match self {
            Scope::Both => &Side::BOTH,
            Scope::OldAlone => &[Side::Old],
        }
    }
}

/// One table's export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A file, a directory, or a glob.
    pub path: Setting,
    /// Further ones, if the rows are in several places, such as the shards of a database.
    pub further_paths: Vec<Setting>,
    /// The column that gets the path of each row.
    pub shard: Option<String>,
    /// Whether columns that a file lacks are NULL in its rows, and capitals in names do not matter.
    pub union_by_name: bool,
    /// The part of the path that decides which rows it has. It is the same every night.
    pub layout: String,
    /// How the files are written.
    pub format: FormatSettings,
    /// SQL that transforms the snapshot before it is compared. The files are the table `snapshot`.
    pub query: Option<Query>,
    /// When the snapshot was taken.
    pub taken_at: Option<TakenAt>,
    /// Whether a table without rows is accepted.
    pub allow_empty: bool,
    /// The conditions for a valid snapshot.
    pub expects: Expectations,
    /// The unique columns of an additional table. Empty by default.
    pub key: Vec<Setting>,
}

/// The conditions for a valid snapshot. If one fails, the run is unverified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectations {
    /// The maximum age of the snapshot.
    pub max_age: Option<jiff::SignedDuration>,
    /// The maximum drop in rows since the previous run. Defaults to [`Allowance::usual_drop`].
    pub max_drop: Option<Allowance>,
    /// Whether the files must differ from those of earlier runs.
    pub must_change: bool,
}

impl Source {
    /// Creates a source from the files of a path, without further settings.
    pub fn of(path: Setting) -> Self {
        Source {
            layout: layout(&path.text),
            format: FormatSettings::none(path.origin.clone()),
            path,
            further_paths: vec![],
            shard: None,
            union_by_name: false,
            query: None,
            taken_at: None,
            allow_empty: false,
            expects: Expectations::default(),
            key: vec![],
        }
    }
}

impl Source {
    /// All paths.
    pub fn locations(&self) -> impl Iterator<Item = &str> {
        [&self.path].into_iter().chain(&self.further_paths).map(|path| path.text.as_str())
    }
}

/// An SQL query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The SQL text.
    pub sql: String,
    /// The file with the query; `None` if the query is inline in the job.
    pub file: Option<PathBuf>,
    /// The position of the setting in the job.
    pub origin: Origin,
}

/// How the times of the snapshots explain discrepancies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The column of each side with the write time or the version of a row.
    pub columns: Sides<Setting>,
    /// The longest time that a change may take to get from one store to the other.
    pub lag: jiff::SignedDuration,
    /// The time zone of times without one.
    pub assume_tz: Option<Setting>,
}

impl InFlight {
    /// Returns the lag in microseconds. A huge lag saturates, and so explains every discrepancy. It is limited to half
    /// the range, so that subtracting it from a time cannot overflow.
    pub fn lag_micros(&self) -> i64 {
        i64::try_from(self.lag.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2)
    }
}

/// The settings of one or several columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSettings {
    /// The columns, by their names in new. `*` matches any characters.
    pub names: Vec<Setting>,
    /// All columns of a kind of types, instead of names.
    pub of_type: Option<TypeFamily>,
    /// The name of the column in old, if it differs.
    pub old: Option<Setting>,
    /// The value of the column on each side, as an SQL expression.
    pub expressions: Sides<Option<Setting>>,
    /// The type of the column where it is stored as text.
    pub column_type: Option<ColumnType>,
    /// The rules.
    pub rules: RuleSettings,
    /// The position of the settings in the job.
    pub origin: Origin,
}

impl ColumnSettings {
    /// Whether the settings name or compute the columns of a side.
    pub fn has_own_columns(&self) -> bool {
        self.old.is_some() || self.expressions.iter().any(Option::is_some)
    }
}

/// How rows find their counterparts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// By the values of these columns, in this order.
    Key(Vec<Setting>),
    /// Without a key: whole rows are compared as a multiset.
    WholeRow,
}

impl Identity {
    /// Whether rows have a key.
    pub fn has_key(&self) -> bool {
        matches!(self, Identity::Key(_))
    }
}

/// Which columns are compared, and how they are paired.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Compare only these columns and the key; empty means all.
    pub columns: Vec<Setting>,
    /// Leave out these columns.
    pub ignore: Vec<Setting>,
    /// Pairs of old and new names, where these differ.
    pub map: Vec<(Setting, Setting)>,
}
