//! What can go wrong, and the policy for saying so.
//!
//! * Every failure that a user can cause or meet is a variant here. It names the place (file, row
//!   group, column) as fields, and its text says what to do next.
//! * A failure means that nothing was verified: the program ends with exit code 2 (130 when it was
//!   interrupted) and leaves nothing half-written. Findings are not errors; they are the report.
//! * [`Error::Internal`] is a broken promise of this program, such as rows that do not add up. It
//!   is never caught and worked around.
//! * Messages are lowercase fragments that read well after `error: `.

mod context;
mod admission;
mod engine;
mod memory;
mod output;
mod waves;
mod format;

use std::io;
use std::path::PathBuf;

use ::certificate::id_list::ListError;
use ::certificate::wording::{disk_note, indented};

use crate::sides::{Owner, Side, Sides};
pub use admission::{AdmissionError, TableFormat};
pub(crate) use engine::io_error;
use format::{mistakes_note, plain_reason, skipped_note, suggestion_note, toml_key};
pub use memory::MemoryError;
pub use output::OutputError;
pub use waves::WavesError;

/// The result of anything that can fail to verify.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing exists under the path of a side.
    #[error("{owner} `{path}` does not exist")]
    NoSuchPath {
        /// What the path is for.
        owner: Owner,
        /// The path as given.
        path: String,
    },

    /// A directory or a glob that holds no data files.
    #[error(
        "{owner} `{path}` holds no data files{}\n  \
         an export that wrote nothing cannot be told from one that failed; check that it finished",
        skipped_note(*.skipped)
    )]
    NoFiles {
        /// What the path is for.
        owner: Owner,
        /// The path as given.
        path: String,
        /// How many files were passed over because their names begin with `_` or `.`.
        skipped: usize,
    },

    /// A malformed glob.
    #[error("{owner} `{path}` is not a valid pattern: {reason}")]
    BadPattern {
        /// What the path is for.
        owner: Owner,
        /// The pattern as given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A file or directory that the system does not let us read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file that is not a whole Parquet file.
    #[error(
        "`{}` {reason}\n  {}",
        path.display(),
        if *.among > 1 {
            "export it again; if it is no data, name the data files with a glob such as 'dir/**/*.parquet'"
        } else {
            "nothing was verified; export or copy the file again"
        }
    )]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// How many files were listed with it.
        among: usize,
        /// What is wrong with it, as the end of a sentence that begins with its name.
        reason: String,
    },

    /// A file whose footer is whole and whose data is not.
    #[error(
        "`{}` is damaged in row group {row_group}, column `{column}`: {}\n  \
         nothing was verified; export or copy the file again",
        path.display(),
        plain_reason(.reason)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The row group, counted from 0.
        row_group: usize,
        /// The column chunk that does not decode.
        column: String,
        /// What the decoder said.
        reason: String,
    },

    /// A file or directory name that cannot be used.
    #[error("cannot read `{}`: {reason}\n  rename it, or leave it out with a glob such as 'dir/**/*.parquet'", path.display())]
    BadFileName {
        /// The file.
        path: PathBuf,
        /// What is wrong with its name.
        reason: String,
    },

    /// INT96 timestamps with nanoseconds, beyond the years that nanoseconds reach.
    #[error(
        "column `{column}` of `{}` holds INT96 timestamps that cannot be read exactly\n  \
         outside the years 1677 to 2262 they have to be whole microseconds, in a column that is not nested;\n  \
         export it as a timestamp in microseconds, or ignore it: --ignore {column}, in a job ignore = [\"{column}\"]",
        path.display()
    )]
    Int96OutOfRange {
        /// The file.
        path: PathBuf,
        /// The column's path in the file.
        column: String,
    },

    /// A file that was replaced or deleted while it was being compared.
    #[error(
        "`{}` changed while it was being read: {how}\n  nothing was verified; run again once it stays as it is",
        path.display()
    )]
    ChangedWhileReading {
        /// The file.
        path: PathBuf,
        /// In which way.
        how: String,
    },

    /// A data file that was not there when the comparison began.
    #[error(
        "`{}` appeared in {} while it was being read\n  \
         nothing was verified; run again once the export has finished",
        path.display(), owner.to_string().trim_end_matches(',')
    )]
    AppearedWhileReading {
        /// The file.
        path: PathBuf,
        /// Whose file it would be.
        owner: Owner,
    },

    /// A side without a single row.
    #[error(
        "{owner} `{path}` has no rows\n  \
         an empty side usually means a failed export; if it is right, say so: --allow-empty, in a job allow_empty = true"
    )]
    EmptySide {
        /// What is empty.
        owner: Owner,
        /// The path as given.
        path: String,
    },

    /// Files of one side whose directories name different partition columns.
    #[error(
        "the files of {owner} are partitioned differently: `{}` by [{}], `{}` by [{}]",
        files[0].0.display(), files[0].1, files[1].0.display(), files[1].1
    )]
    PartitionsDisagree {
        /// Whose files.
        owner: Owner,
        /// Two files that differ, each with its partition columns.
        files: Box<[(PathBuf, String); 2]>,
    },

    /// Files of one side that give one column types that do not fit together.
    #[error(
        "column `{column}` is {first_type} in `{}` and {other_type} in `{}`\n  \
         the files of one side must agree; export them again, or ignore the column: --ignore {column}, in a job ignore = [\"{column}\"]",
        first.display(),
        other.display()
    )]
    FilesDisagree {
        /// The column.
        column: String,
        /// The first file.
        first: PathBuf,
        /// Its type there.
        first_type: String,
        /// A file that does not fit.
        other: PathBuf,
        /// Its type there.
        other_type: String,
    },

    /// A column that only some files of a side have.
    #[error(
        "column `{column}` is missing from `{}`, and other files of that side have it\n  \
         a missing value is not a NULL; export again, or ignore the column: --ignore {column}, in a job ignore = [\"{column}\"]",
        path.display()
    )]
    FileLacksColumn {
        /// The column.
        column: String,
        /// The first file without it.
        path: PathBuf,
    },

    /// Two columns of one file with the same name.
    #[error("column `{column}` stands twice in `{}`; no name can tell them apart", path.display())]
    ColumnTwice {
        /// The column.
        column: String,
        /// The file.
        path: PathBuf,
    },

    /// A column named on the command line that is not there.
    #[error("{option}: {place} `{column}`{}", suggestion_note(.suggestion.as_deref()))]
    NoSuchColumn {
        /// The option that named it, or the line of the job file.
        option: String,
        /// Where it is missing: `the old snapshot has no column`, for one.
        place: String,
        /// The name.
        column: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },

    /// Two words from the user about one column that contradict each other.
    #[error("{0}")]
    Contradiction(String),

    /// A pair of columns whose types have no common meaning of "equal".
    #[error(
        "column `{column}` is {} in old and {} in new: {} and {} do not compare by value\n  \
         say what is meant in the job file, or {otherwise}:\n\n      \
         [compare.columns.{}]\n      {line}",
        kinds.old.data_type, kinds.new.data_type, kinds.old.family, kinds.new.family, toml_key(.pair)
    )]
    DifferentFamilies {
        /// The column, or the path to a part of it.
        column: String,
        /// The pair's name.
        pair: String,
        /// What each side holds.
        kinds: Box<Sides<ErrorKind>>,
        /// The rule that would bridge them.
        line: String,
        /// What else can be done, to end a sentence.
        otherwise: String,
    },

    /// A rule that means nothing for the columns that it was chosen for.
    #[error(
        "{place}: `{rule}` {reason}\n  column `{column}` is {} in old and {} in new",
        types.old, types.new
    )]
    RuleDoesNotFit {
        /// Where it was chosen.
        place: String,
        /// The pair's name.
        column: String,
        /// The rule, as a line of a job file.
        rule: String,
        /// Why it does not fit, as the end of a sentence.
        reason: String,
        /// What each side holds.
        types: Box<Sides<String>>,
    },

    /// A key column whose type has no defined equality.
    #[error(
        "key column `{column}` is {old_type} in old and {new_type} in new, for which equality is not defined; choose another key"
    )]
    IncomparableKey {
        /// The pair's name.
        column: String,
        /// Old type.
        old_type: String,
        /// New type.
        new_type: String,
    },

    /// Nothing is left to compare.
    #[error(
        "no column is left to compare\n  check --columns, --ignore and --map: the sides share no comparable column"
    )]
    NothingToCompare,

    /// A value that does not fit the type that its column declares.
    #[error("column `{column}` of the {side} snapshot holds a value outside its declared type: {reason}")]
    ValueOutOfType {
        /// The side.
        side: Side,
        /// The pair's name.
        column: String,
        /// What the conversion said.
        reason: String,
    },

    /// A job file with mistakes in it.
    #[error("`{}` has {}\n{}", file.display(), mistakes_note(.mistakes.len()), indented(.mistakes))]
    BadJob {
        /// The file.
        file: PathBuf,
        /// The mistakes, each with its place.
        mistakes: Vec<String>,
    },

    /// A query that is not one, or that asks for what is not there.
    #[error(
        "{place}: the query cannot be planned: {reason}\n  the tables are: {tables}; names count as they are written"
    )]
    BadQuery {
        /// Where the user wrote it.
        place: String,
        /// What is wrong with it.
        reason: String,
        /// The tables that there are.
        tables: String,
    },

    /// A query that was planned and then failed over the data.
    #[error("{place}: the query failed: {reason}")]
    QueryFailed {
        /// Where the job speaks of it.
        place: String,
        /// What the engine said.
        reason: String,
    },

    /// A query that yields nothing.
    #[error(
        "{place}: the query of the {side} snapshot yields no rows\n  \
         an empty side usually means a wrong condition or a failed export; if it is right, say allow_empty = true"
    )]
    EmptyQuery {
        /// Where the job speaks of it.
        place: String,
        /// The side.
        side: Side,
    },

    /// An expression that is not one, or that asks for what is not there.
    #[error("{place}: the expression cannot be planned over the {side} snapshot: {reason}")]
    BadExpression {
        /// Where it stands.
        place: String,
        /// The side.
        side: Side,
        /// What is wrong with it.
        reason: String,
    },

    /// An expression over discrepancies that is not one, or that asks for what is not there.
    #[error("{place}: the expression cannot be planned: {reason}")]
    BadCondition {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        reason: String,
    },

    /// An expression that failed over a row.
    #[error(
        "an expression over the {side} snapshot failed: {}\n  {}\n  \
         `try_cast` yields NULL where `cast` fails, and `nullif(x, 0)` keeps a divisor from being zero",
        plain_reason(.reason), .expressions.join("\n  ")
    )]
    ExpressionFailed {
        /// The side.
        side: Side,
        /// The expressions of that side, one of which failed, each after its place.
        expressions: Vec<String>,
        /// What the engine said.
        reason: String,
    },

    /// Another run of the job is under way.
    #[error("job `{job}` is being run already (`{}` is locked)\n  wait for that run to end", lock.display())]
    JobRuns {
        /// The job.
        job: String,
        /// The lock.
        lock: PathBuf,
    },

    /// Output that cannot be written: no permission, disk full, a file in the way.
    #[error("cannot write `{}`: {source}{}", path.display(), disk_note(.source))]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Working files that cannot be written or read back.
    #[error("cannot spill to `{}`: {reason}\n  nothing was verified; free some space there, choose another directory with --temp, or raise --memory; working files go to --temp, or else beside --out, or else below TMPDIR", dir.display())]
    Spill {
        /// The directory of the working files.
        dir: PathBuf,
        /// What the system said.
        reason: String,
    },

    /// Files that are whole and cannot be compared all the same.
    #[error(transparent)]
    Admission(#[from] AdmissionError),

    /// A memory limit that is too small.
    #[error(transparent)]
    Memory(#[from] MemoryError),

    /// A place where nothing can be published.
    #[error(transparent)]
    Output(#[from] OutputError),

    /// An ID list that cannot be used.
    #[error(transparent)]
    List(#[from] ListError),

    /// Lists that cannot be cut into waves.
    #[error(transparent)]
    Waves(#[from] WavesError),

    /// A certificate that cannot be made or believed.
    #[error(transparent)]
    Certificate(#[from] ::certificate::Error),

    /// The user asked us to stop.
    #[error("interrupted; nothing was verified and nothing was written")]
    Interrupted,

    /// This program broke a promise of its own.
    #[error("internal error: {0}\n  nothing was verified; please report this")]
    Internal(String),
}

/// What a column holds, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorKind {
    /// Its type.
    pub data_type: String,
    /// The kind of value, of which one never compares with another.
    pub family: String,
}

impl Error {
    /// An [`Error::Internal`] from anything that can say what happened.
    pub fn internal(what: impl ToString) -> Self {
        Error::Internal(what.to_string())
    }

    /// An [`Error::Unwritable`] for a path; for use in `map_err`.
    pub fn unwritable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Unwritable { path, source }
    }

    /// An [`Error::Unreadable`] for a path; for use in `map_err`.
    pub fn unreadable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Unreadable { path, source }
    }
}
