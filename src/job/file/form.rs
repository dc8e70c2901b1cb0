//! The form of a job file, as serde reads it and as the JSON Schema tells it to editors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::signoff_form::SignOffForm;
use crate::job::private::Mode;
use crate::job::rule::{RuleSettings, Scalar};

/// A job of countersign: two snapshots, how they compare, what is allowed, and what is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobForm {
    /// What the job is called.
    #[serde(default)]
    pub job: JobSection,
    /// The snapshot of the store that is being left.
    pub old: SourceForm,
    /// The snapshot of the store that takes over; without it nothing is compared, and only the checks are run.
    pub new: Option<SourceForm>,
    /// Further tables, by the names under which queries find them.
    #[serde(default)]
    pub tables: BTreeMap<String, SourceForm>,
    /// How rows and columns compare.
    pub compare: Option<CompareForm>,
    /// How many discrepancies are allowed; a class that is not named stays at 0.
    #[serde(default)]
    pub gate: GateForm,
    /// What the snapshots' times explain.
    pub in_flight: Option<InFlightForm>,
    /// What is looked for under other keys than its own.
    pub misplaced: Option<MisplacedForm>,
    /// Known differences, accepted for a time.
    #[serde(default)]
    pub waiver: Vec<WaiverForm>,
    /// A file with more of them, which several jobs may share.
    pub waivers: Option<String>,
    /// Where discrepancies are counted.
    #[serde(default)]
    pub segments: SegmentsForm,
    /// Questions whose answers are violations.
    #[serde(default)]
    pub check: Vec<CheckForm>,
    /// What moves as a whole.
    #[serde(default)]
    pub group: GroupForm,
    /// Values that must not leave.
    pub private: Option<PrivateForm>,
    /// What may be deleted, and on which terms: `countersign signoff`.
    pub signoff: Option<SignOffForm>,
    /// What the ID lists hold.
    #[serde(default)]
    pub lists: ListsForm,
    /// Where runs are written.
    #[serde(default)]
    pub output: OutputForm,
    /// What is kept of old runs; everything, if nothing is said.
    pub retain: Option<RetainForm>,
}

/// What is kept of old runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetainForm {
    /// How many of the last runs keep their lists and their table; reports, manifests and histories always stay.
    #[schemars(range(min = 1))]
    pub whole: u32,
}

/// What the job is called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSection {
    /// The job's name in reports and directories; without one, the file's name.
    pub name: Option<String>,
}

/// One table's export.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceForm {
    /// A Parquet file, a directory or a glob, relative to the job file; `${VAR}` and `${VAR:-default}` are
    /// taken from the environment.
    pub path: String,
    /// SQL that shapes the snapshot: a query, or the path of a file with one. The files are table `snapshot`.
    pub query: Option<String>,
    /// When the snapshot was taken.
    pub taken_at: Option<TakenAtForm>,
    /// Whether a table without rows is right.
    #[serde(default)]
    pub allow_empty: bool,
    /// How long ago the snapshot may have been taken, such as `26h`; older ones verify nothing.
    pub max_age: Option<String>,
    /// How many rows fewer than in the run before the snapshot may have, as a share such as `"5 %"`; 20 % if nothing is
    /// said.
    pub max_drop: Option<AllowanceForm>,
    /// Whether the files have to be others than those of earlier runs, unless both sides' are the same as then.
    #[serde(default)]
    pub must_change: bool,
    /// Of a further table: the columns that identify a row. A key that stands more than once, or is NULL, is an error.
    #[serde(default)]
    pub key: Names,
}

/// A time, or the time in which an export ran.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum TakenAtForm {
    /// A time with its zone.
    At(Scalar),
    /// From when to when the export ran.
    Span {
        /// When it began.
        from: Scalar,
        /// When it ended.
        to: Scalar,
    },
}

/// One name, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Names {
    /// One name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Names::Many(vec![])
    }
}

impl Names {
    /// The names, in order.
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Names::One(name) => vec![name],
            Names::Many(names) => names,
        }
    }
}

/// A question in SQL over `old`, `new`, `discrepancies` and the further tables; the rows of its answer are violations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckForm {
    /// What it is called in reports, and in the name of its list; without it, the query's file's name.
    pub name: Option<String>,
    /// SQL: a query, or the path of a file with one.
    pub sql: Option<String>,
    /// A query of the library instead, by its name.
    pub library: Option<String>,
    /// Tables that the query reads, by their names; each is a query over the job's tables, or the path of a file with one.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Values of the parameters that the query declares at its head.
    #[serde(default)]
    pub params: BTreeMap<String, Scalar>,
    /// The columns of its answer that say which row is at fault; if nothing is said the key's, or `id`.
    #[serde(default)]
    pub id: Names,
    /// The columns of its answer that are those of [group], where they are called something else.
    #[serde(default)]
    pub group: Names,
    /// What the answer has to be: `"empty"`, `{ at_most = 10 }`, or one value, `{ value = 0 }`.
    #[serde(default)]
    pub expect: ExpectForm,
}

/// What the answer of a check has to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ExpectForm {
    /// `"empty"`: no rows.
    Word(String),
    /// So many rows at most.
    AtMost {
        /// How many.
        at_most: u64,
    },
    /// One row of one column.
    Value {
        /// Its value; numbers compare as numbers.
        value: Scalar,
    },
}

impl Default for ExpectForm {
    fn default() -> Self {
        ExpectForm::Word("empty".into())
    }
}

/// How rows and columns compare.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareForm {
    /// The columns that identify a row on both sides.
    pub key: Option<Names>,
    /// Compare whole rows as a multiset, without a key.
    #[serde(default)]
    pub no_key: bool,
    /// Columns to leave out; a path such as `address.zip` names a field of a struct.
    #[serde(default)]
    pub ignore: Names,
    /// Compare only these columns, and the key.
    #[serde(default)]
    pub only: Names,
    /// Rules for several columns at once; later ones win, and those of a column win over these.
    #[serde(default)]
    pub rules: Vec<SharedRules>,
    /// What single columns are told, by the names that they have in new.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnForm>,
}

/// Rules for several columns.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SharedRules {
    /// The columns, by the names that they have in new; `*` stands for anything.
    pub columns: Names,
    /// The rules.
    #[serde(flatten)]
    pub rules: RuleSettings,
}

/// What one column is told.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ColumnForm {
    /// The column's name in old, where it is another one.
    pub old: Option<String>,
    /// What the column is in old, as an expression in SQL over old's columns.
    pub old_expr: Option<String>,
    /// What the column is in new, as an expression in SQL over new's columns.
    pub new_expr: Option<String>,
    /// The rules.
    #[serde(flatten)]
    pub rules: RuleSettings,
}

/// How the times of the snapshots explain discrepancies. Needs `taken_at` on both sides.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InFlightForm {
    /// The column that tells when a row was written, or which version of it this is, where both sides call it the same.
    pub column: Option<String>,
    /// That column of old.
    pub old_column: Option<String>,
    /// That column of new.
    pub new_column: Option<String>,
    /// How long a change may take from one store to the other, such as `5m`; no time at all, if nothing is said.
    pub lag: Option<String>,
    /// The zone of times that name none.
    pub assume_tz: Option<String>,
}

/// Says which discrepancies are values that are right and stand under another key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MisplacedForm {
    /// The columns whose values are looked for, each by itself; if nothing is said, all values of a row together.
    #[serde(default)]
    pub columns: Names,
}

/// A file of known differences.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaiversForm {
    /// Known differences, accepted for a time.
    #[serde(default)]
    pub waiver: Vec<WaiverForm>,
}

/// A known difference, accepted for a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaiverForm {
    /// What it is called; its discrepancies are tagged with it.
    pub name: String,
    /// The classes that it is for: mismatch, missing, extra, duplicate_keys; all, if nothing is said.
    #[serde(default)]
    pub classes: Names,
    /// The columns that may differ; a mismatch in any other is not waived.
    #[serde(default)]
    pub columns: Names,
    /// A condition in SQL over the columns of `discrepancies.parquet`, such as `old['amount'] < 1`.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// An ID list with the key columns as its header: only these keys.
    pub ids: Option<String>,
    /// How many discrepancies it may cover; more, and none is waived.
    pub limit: u64,
    /// Who answers for it.
    pub owner: String,
    /// Why the difference is accepted.
    pub reason: String,
    /// Until when: a time with its zone, or a day, which ends in UTC.
    pub expires: Scalar,
}

/// How many discrepancies are allowed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GateForm {
    /// Pairs of rows that differ.
    pub mismatch: Option<AllowanceForm>,
    /// Rows only in old.
    pub missing: Option<AllowanceForm>,
    /// Rows only in new.
    pub extra: Option<AllowanceForm>,
    /// Keys that stand more than once on a side.
    pub duplicate_keys: Option<AllowanceForm>,
    /// Pairs of rows that differ in a column.
    #[serde(default)]
    pub columns: BTreeMap<String, AllowanceForm>,
    /// Pairs of rows that differ, and did not in the run before.
    pub new_mismatch: Option<AllowanceForm>,
    /// Rows only in old that the run before did not have.
    pub new_missing: Option<AllowanceForm>,
    /// Rows only in new that the run before did not have.
    pub new_extra: Option<AllowanceForm>,
    /// Keys that stand more than once on a side, and did not in the run before.
    pub new_duplicate_keys: Option<AllowanceForm>,
    /// Count only discrepancies that have been seen in so many pairs of snapshots in a row.
    #[schemars(range(min = 1))]
    pub persisting_for: Option<u32>,
}

/// A number of rows, or a share of them: `10`, `"0.1 %"`, `0.001`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum AllowanceForm {
    /// A number of rows.
    Count(#[schemars(range(min = 0))] u64),
    /// A share of the rows, from 0 to 1.
    Rate(f64),
    /// A share in percent.
    Percent(String),
}

/// Where discrepancies are counted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentsForm {
    /// Columns, or expressions in SQL over compared columns such as `date_trunc('month', created_at)`; rows are grouped by
    /// each of them.
    #[serde(default)]
    pub by: Names,
}

/// What moves as a whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupForm {
    /// The columns whose values make a group, such as `account_id`; compared columns, of whole numbers or text.
    #[serde(default)]
    pub by: Names,
}

/// Values that must not leave: in everything that is written or shown, digests stand in their place, or nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateForm {
    /// The columns.
    pub columns: Names,
    /// `hash` for digests, `omit` for nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Write ID lists with private columns as they are, readable by their owner only.
    pub lists: Option<PrivateLists>,
    /// A file with the key of the digests, 64 hexadecimal digits; without one it is taken from COUNTERSIGN_PRIVATE_KEY,
    /// and without that drawn for each run.
    pub key_file: Option<String>,
}

/// How ID lists hold private columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PrivateLists {
    /// As they are.
    Plain,
}

/// What the ID lists hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListsForm {
    /// Columns besides the key.
    #[serde(default)]
    pub columns: Names,
}

/// Where runs are written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputForm {
    /// The directory that holds a directory for each job and in it one for each run, relative to the job
    /// file; `runs` by default.
    pub dir: Option<String>,
}
