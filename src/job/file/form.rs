//! The sections of a job file, as serde reads them and as the JSON Schema describes them to editors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::job::private::Mode;
use crate::job::rule::{RuleSettings, Scalar};
use crate::job::{FileEncoding, FileFormat, Preset, TypeFamily};

/// What to keep of old runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetainForm {
    /// The number of latest runs that keep their lists and their discrepancy table. Reports, manifests, and histories
    /// are always kept.
    #[schemars(range(min = 1))]
    pub whole: u32,
}

/// General settings of the job.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSection {
    /// The name of the job in reports and directories. Defaults to the name of the file.
    pub name: Option<String>,
}

/// The export of one table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceForm {
    /// A file, a directory, or a glob, relative to the job file, or a list of them, such as the shards of a database.
    /// `${VAR}` and `${VAR:-default}` are replaced from the environment.
    pub path: Names,
    /// The name of a column that gets the path of each row, for queries and segments. It is not compared.
    pub shard: Option<String>,
    /// Accept files that lack columns of others: they are NULL in their rows. Names that differ in capitals only are one
    /// column.
    #[serde(default)]
    pub union_by_name: bool,
    /// The program that wrote the files, such as `postgres-csv`.
    pub preset: Option<Preset>,
    /// The format of the files. Defaults to that of the preset, or to what their names or first bytes show.
    pub format: Option<FileFormat>,
    /// Whether the first record of a text file has the names of the columns.
    pub header: Option<bool>,
    /// The names of the columns of text files without a header.
    #[serde(default)]
    pub columns: Names,
    /// The character between two fields of a text file.
    pub delimiter: Option<OneCharacter>,
    /// The character around fields of a text file, or an empty text if there is none.
    pub quote: Option<Character>,
    /// The character before characters with a special meaning, or an empty text if there is none.
    pub escape: Option<Character>,
    /// The texts that mean NULL when they are not in quotes.
    pub null: Option<Names>,
    /// The character at the beginning of lines that are not data.
    pub comment: Option<OneCharacter>,
    /// The encoding of a text file.
    pub encoding: Option<FileEncoding>,
    /// SQL that transforms the snapshot: a query, or the path of a file with one. The files are the table `snapshot`.
    pub query: Option<String>,
    /// When the snapshot was taken.
    pub taken_at: Option<TakenAtForm>,
    /// Accept a table without rows.
    #[serde(default)]
    pub allow_empty: bool,
    /// The maximum age of the snapshot, such as `26h`. With an older snapshot the run is unverified.
    pub max_age: Option<String>,
    /// The maximum drop in rows since the previous run, as a share such as `"5 %"`. Defaults to 20 %.
    pub max_drop: Option<AllowanceForm>,
    /// Require files that no earlier run has read, unless the files of both sides are unchanged.
    #[serde(default)]
    pub must_change: bool,
    /// The columns that identify a row. Only for additional tables. A duplicate or NULL key is an error.
    #[serde(default)]
    pub key: Names,
}

/// A character.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct OneCharacter(pub char);

/// A character, or none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Character(pub String);

/// A time, or the period of an export.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum TakenAtForm {
    /// A time with its zone.
    At(Scalar),
    /// The start and the end of the export.
    Span {
        /// When the export began.
        from: Scalar,
        /// When the export ended.
        to: Scalar,
    },
}

/// One name, or a list of names.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Names {
    /// One name.
    One(String),
    /// A list of names.
    Many(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Names::Many(vec![])
    }
}

impl Names {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Names::One(name) => vec![name],
            Names::Many(names) => names,
        }
    }
}

/// An SQL assertion over `old`, `new`, `discrepancies`, and the additional tables. The rows of its result are
/// violations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckForm {
    /// The name in reports and of its ID list. Defaults to the name of the query's file.
    pub name: Option<String>,
    /// SQL: a query, or the path of a file with one.
    pub sql: Option<String>,
    /// The name of a built-in query, instead of `sql`.
    pub library: Option<String>,
    /// Tables that the query reads, by table name. Each is a query over the job's tables, or the path of a file with
    /// one.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Values of the parameters that the query declares in its header.
    #[serde(default)]
    pub params: BTreeMap<String, Scalar>,
    /// The columns of the result that identify the violating row. Defaults to the compare key, or `id`.
    #[serde(default)]
    pub id: Names,
    /// The columns of the result that correspond to those of `[group]`, if their names differ.
    #[serde(default)]
    pub group: Names,
    /// The expected result: `"empty"`, `{ at_most = 10 }`, or one value, `{ value = 0 }`.
    #[serde(default)]
    pub expect: ExpectForm,
}

/// The expected result of a check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ExpectForm {
    /// `"empty"`: no rows.
    Word(String),
    /// At most this number of rows.
    AtMost {
        /// The maximum number of rows.
        at_most: u64,
    },
    /// One row with one column.
    Value {
        /// Its value. Numbers are compared by value.
        value: Scalar,
    },
}

impl Default for ExpectForm {
    fn default() -> Self {
        ExpectForm::Word("empty".into())
    }
}

/// How rows and columns are compared.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareForm {
    /// The columns that identify a row on both sides.
    pub key: Option<Names>,
    /// Compare whole rows as a multiset, without a key.
    #[serde(default)]
    pub no_key: bool,
    /// Columns to leave out. A path such as `address.zip` names a field of a struct.
    #[serde(default)]
    pub ignore: Names,
    /// Compare only these columns and the key.
    #[serde(default)]
    pub only: Names,
    /// Rules for all columns of a kind of types on either side. All other rules override them.
    #[serde(default)]
    pub types: TypesForm,
    /// Rules for several columns at once. Later rules override earlier ones, and the settings of a column override
    /// both.
    #[serde(default)]
    pub rules: Vec<SharedRules>,
    /// Settings of single columns, by column name in new.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnForm>,
}

/// The settings of `[compare]` about rules.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesForm {
    /// Rules for all columns of a kind of types on either side. All other rules override them.
    #[serde(default)]
    pub types: TypesForm,
    /// Rules for several columns at once.
    #[serde(default)]
    pub rules: Vec<SharedRules>,
    /// Settings of single columns, by column name in new.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnForm>,
}

/// Rules by the kind of a column's type on either side.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TypesForm {
    /// Integers, decimals, and floats.
    pub number: Option<RuleSettings>,
    /// Text.
    pub text: Option<RuleSettings>,
    /// Booleans.
    pub boolean: Option<RuleSettings>,
    /// Bytes.
    pub binary: Option<RuleSettings>,
    /// UUIDs.
    pub uuid: Option<RuleSettings>,
    /// JSON documents.
    pub json: Option<RuleSettings>,
    /// Days.
    pub date: Option<RuleSettings>,
    /// Times of day.
    pub time: Option<RuleSettings>,
    /// Timestamps, with and without a zone.
    pub timestamp: Option<RuleSettings>,
    /// Durations.
    pub duration: Option<RuleSettings>,
    /// Lists.
    pub list: Option<RuleSettings>,
    /// Structs.
    pub r#struct: Option<RuleSettings>,
    /// Maps.
    pub map: Option<RuleSettings>,
}

impl TypesForm {
    /// The rules that are set, with their types.
    pub(super) fn into_rules(self) -> impl Iterator<Item = (TypeFamily, RuleSettings)> {
        let all = [
            (TypeFamily::Number, self.number),
            (TypeFamily::Text, self.text),
            (TypeFamily::Boolean, self.boolean),
            (TypeFamily::Binary, self.binary),
            (TypeFamily::Uuid, self.uuid),
            (TypeFamily::Json, self.json),
            (TypeFamily::Date, self.date),
            (TypeFamily::Time, self.time),
            (TypeFamily::Timestamp, self.timestamp),
            (TypeFamily::Duration, self.duration),
            (TypeFamily::List, self.list),
            (TypeFamily::Struct, self.r#struct),
            (TypeFamily::Map, self.map),
        ];
        all.into_iter().filter_map(|(family, rules)| Some((family, rules?)))
    }
}

/// Rules for several columns.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SharedRules {
    /// The columns, by their names in new. `*` matches any characters.
    pub columns: Names,
    /// The rules.
    #[serde(flatten)]
    pub rules: RuleSettings,
}

/// The settings of one column.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ColumnForm {
    /// The name of the column in old, if it differs.
    pub old: Option<String>,
    /// The value of the column in old, as an SQL expression over old's columns.
    pub old_expr: Option<String>,
    /// The value of the column in new, as an SQL expression over new's columns.
    pub new_expr: Option<String>,
    /// The type of the column where it is stored as text, such as `decimal(12,2)`.
    #[serde(rename = "type")]
    pub column_type: Option<String>,
    /// The rules.
    #[serde(flatten)]
    pub rules: RuleSettings,
}

/// Which discrepancies the times of the snapshots explain. Needs `taken_at` on both sides.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InFlightForm {
    /// The column with the write time or the version of a row, if its name is the same on both sides.
    pub column: Option<String>,
    /// The column in old.
    pub old_column: Option<String>,
    /// The column in new.
    pub new_column: Option<String>,
    /// The longest time that a change may take to get from one store to the other, such as `5m`. Defaults to zero.
    pub lag: Option<String>,
    /// The time zone of times without one.
    pub assume_tz: Option<String>,
}

/// Search for values that are correct but under another key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MisplacedForm {
    /// The columns whose values are searched for, each separately. Defaults to all values of a row together.
    #[serde(default)]
    pub columns: Names,
}

/// A file of waivers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaiversForm {
    /// Known differences that are accepted until they expire.
    #[serde(default)]
    pub waiver: Vec<WaiverForm>,
}

/// A known difference that is accepted until it expires.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaiverForm {
    /// The name of the waiver. Its discrepancies are tagged with it.
    pub name: String,
    /// The classes that it covers: mismatch, missing, extra, duplicate_keys. Defaults to all.
    #[serde(default)]
    pub classes: Names,
    /// The columns that may differ. A mismatch in another column is not waived.
    #[serde(default)]
    pub columns: Names,
    /// An SQL condition over the columns of `discrepancies.parquet`, such as `old['amount'] < 1`.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// An ID list with the key columns as its header. Only these keys are waived.
    pub ids: Option<String>,
    /// The maximum number of discrepancies that it may cover. If there are more, none is waived.
    pub limit: u64,
    /// The person responsible for it.
    pub owner: String,
    /// Why the difference is accepted.
    pub reason: String,
    /// When it expires: a time with its zone, or a day, which ends at midnight UTC.
    pub expires: Scalar,
}

/// How many discrepancies are allowed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GateForm {
    /// Pairs of rows that differ.
    pub mismatch: Option<AllowanceForm>,
    /// Rows that are only in old.
    pub missing: Option<AllowanceForm>,
    /// Rows that are only in new.
    pub extra: Option<AllowanceForm>,
    /// Keys that occur more than once on a side.
    pub duplicate_keys: Option<AllowanceForm>,
    /// Pairs of rows that differ in a column, by column name.
    #[serde(default)]
    pub columns: BTreeMap<String, AllowanceForm>,
    /// Pairs of rows that differ and did not differ in the previous run.
    pub new_mismatch: Option<AllowanceForm>,
    /// Rows that are only in old, and that the previous run did not find.
    pub new_missing: Option<AllowanceForm>,
    /// Rows that are only in new, and that the previous run did not find.
    pub new_extra: Option<AllowanceForm>,
    /// Keys that occur more than once on a side, and did not in the previous run.
    pub new_duplicate_keys: Option<AllowanceForm>,
    /// Violations of each check that the previous run did not find. The check is then judged by these alone, unless it
    /// has an `expect`.
    #[schemars(range(min = 0))]
    pub new_violations: Option<u64>,
    /// Count only discrepancies that have been seen in this number of consecutive pairs of snapshots.
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

/// By which columns or expressions discrepancies are counted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentsForm {
    /// Columns, or SQL expressions over compared columns such as `date_trunc('month', created_at)`. Rows are grouped by
    /// each of them.
    #[serde(default)]
    pub by: Names,
}

/// Rows that move as a whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupForm {
    /// The columns whose values identify a group, such as `account_id`. They must be compared columns of whole numbers
    /// or text.
    #[serde(default)]
    pub by: Names,
}

/// Columns whose values may not be in any output. They are replaced by digests, or by nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateForm {
    /// The private columns.
    pub columns: Names,
    /// `hash` writes digests, and `omit` writes nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Write the private columns of ID lists in plain text, to files that only their owner can read.
    pub lists: Option<PrivateLists>,
    /// A file with the key of the digests, 64 hexadecimal digits. Defaults to the variable COUNTERSIGN_PRIVATE_KEY, and
    /// without it to a random key for each run.
    pub key_file: Option<String>,
}

/// How ID lists contain private columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PrivateLists {
    /// In plain text.
    Plain,
}

/// The contents of the ID lists.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListsForm {
    /// Additional columns beside the key.
    #[serde(default)]
    pub columns: Names,
    /// Also write the keys of each cause to a list in `causes/`.
    #[serde(default)]
    pub causes: bool,
}

/// Where runs are written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputForm {
    /// The directory with a subdirectory for each job, and in it one for each run, relative to the job file. Defaults
    /// to `runs`.
    pub dir: Option<String>,
}
