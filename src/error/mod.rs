//! All errors, and the policy for reporting them.
//!
//! * Every failure that a user can cause or encounter is a variant here. Its fields locate the problem (file, row
//!   group, column), and its message explains what to do next.
//! * A failure means that nothing was verified: the program ends with exit code 2 (130 if it was interrupted) and
//!   leaves no partial output. Findings are not errors; they are in the report.
//! * [`Error::Internal`] is a violated invariant of this program, such as row counts that do not add up. It is never
//!   caught and worked around.
//! * Messages are lowercase fragments that read well after `error: `.

mod context;
mod engine;
mod memory;
mod output;
mod waves;
mod format;
mod request;
mod admission;

use std::io;
use std::path::PathBuf;

use ::certificate::id_list::ListError;
use ::certificate::wording::{disk_note, indented};

use crate::sides::{Owner, Side, Sides};
pub use admission::{AdmissionError, TableFormat};
pub(crate) use engine::io_error;
use format::{mistakes_note, plain_reason, skipped_note, toml_key};
pub use memory::MemoryError;
pub use output::OutputError;
pub use request::RequestError;
pub use waves::WavesError;

/// The result of an operation that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a comparison failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path of a snapshot or table does not exist.
    #[error("{owner} `{path}` does not exist")]
    NoSuchPath {
        /// The role of the path.
        owner: Owner,
        /// The path as given.
        path: String,
    },

    /// A directory or a glob without data files.
    #[error(
        "{owner} `{path}` contains no data files{}\n  \
         an empty export looks the same as a failed one; check that the export finished",
        skipped_note(*.skipped)
    )]
    NoFiles {
        /// The role of the path.
        owner: Owner,
        /// The path as given.
        path: String,
        /// How many files were skipped because their names begin with `_` or `.`.
        skipped: usize,
    },

    /// A malformed glob.
    #[error("{owner} `{path}` is not a valid pattern: {reason}")]
    BadPattern {
        /// The role of the path.
        owner: Owner,
        /// The pattern as given.
        path: String,
        /// What is wrong with the pattern.
        reason: String,
    },

    /// A file or directory that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// A file that is not a complete Parquet file.
    #[error(
        "`{}` {reason}\n  {}",
        path.display(),
        if *.among > 1 {
            "export it again; if it is not a data file, select the data files with a glob such as 'dir/**/*.parquet'"
        } else {
            "nothing was verified; export or copy the file again"
        }
    )]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// How many files were listed, including this one.
        among: usize,
        /// What is wrong with it, to follow the name of the file in a sentence.
        reason: String,
    },

    /// A file with an intact footer and damaged data.
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
        /// The column chunk that cannot be decoded.
        column: String,
        /// The message of the decoder.
        reason: String,
    },

    /// A file or directory name that cannot be used.
    #[error("cannot read `{}`: {reason}\n  rename it, or exclude it with a glob such as 'dir/**/*.parquet'", path.display())]
    BadFileName {
        /// The file.
        path: PathBuf,
        /// What is wrong with the name.
        reason: String,
    },

    /// INT96 timestamps with nanoseconds, outside the years that 64-bit nanoseconds can represent.
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
        "`{}` changed while it was being read: {how}\n  \
         nothing was verified; run again once the file no longer changes",
        path.display()
    )]
    ChangedWhileReading {
        /// The file.
        path: PathBuf,
        /// How it changed.
        how: String,
    },

    /// A data file that appeared after the comparison began.
    #[error(
        "`{}` appeared in {} while it was being read\n  \
         nothing was verified; run again once the export has finished",
        path.display(), owner.to_string().trim_end_matches(',')
    )]
    AppearedWhileReading {
        /// The file.
        path: PathBuf,
        /// The role of the snapshot or table that it would belong to.
        owner: Owner,
    },

    /// A side without rows.
    #[error(
        "{owner} `{path}` has no rows\n  \
         an empty side usually means a failed export; if it is intended, allow it: --allow-empty, in a job allow_empty = true"
    )]
    EmptySide {
        /// The role of the path.
        owner: Owner,
        /// The path as given.
        path: String,
    },

    /// A snapshot that was taken in the future.
    #[error(
        "`taken_at` of the {side} snapshot, {from}, is in the future; the current time is {now}\n  \
         nothing was verified; check the job's `taken_at` and the clock of this machine"
    )]
    TakenInFuture {
        /// The side.
        side: Side,
        /// When it was taken.
        from: String,
        /// The current time.
        now: String,
    },

    /// Files of one side whose directories name different partition columns.
    #[error(
        "the files of {owner} are partitioned differently: `{}` by [{}], `{}` by [{}]",
        files[0].0.display(), files[0].1, files[1].0.display(), files[1].1
    )]
    PartitionsDisagree {
        /// The role of the files.
        owner: Owner,
        /// Two files that differ, each with its partition columns.
        files: Box<[(PathBuf, String); 2]>,
    },

    /// Files of one side in which a column has incompatible types.
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
        /// The type in the first file.
        first_type: String,
        /// A file with an incompatible type.
        other: PathBuf,
        /// The type in the other file.
        other_type: String,
    },

    /// A column that only some files of a side have.
    #[error(
        "column `{column}` is missing from `{}`, but other files of that side have it\n  \
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
    #[error("duplicate column `{column}` in `{}`; columns are identified by their names", path.display())]
    ColumnTwice {
        /// The column.
        column: String,
        /// The file.
        path: PathBuf,
    },

    /// A setting that cannot be used: an option, a line of the job file, or a query that it names.
    #[error("{origin}: {problem}")]
    Request {
        /// The position of the setting.
        origin: String,
        /// What is wrong with it.
        problem: Box<RequestError>,
    },

    /// A column that is both chosen and ignored.
    #[error("`{column}` is listed in both {chosen} and {ignored}")]
    ListedInBoth {
        /// The name of the pair.
        column: String,
        /// The position of the setting that compares it.
        chosen: String,
        /// The position of the setting that ignores it.
        ignored: String,
    },

    /// A file or directory that exists but is not what it has to be.
    #[error("`{}` {problem}", path.display())]
    UnusablePath {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it, to follow its name in a sentence, and what to do.
        problem: String,
    },

    /// A pair of columns whose types cannot be compared by value.
    #[error(
        "column `{column}` is {} in old and {} in new: {} and {} cannot be compared by value\n  \
         choose a conversion in the job file, or {otherwise}:\n\n      \
         [compare.columns.{}]\n      {line}",
        kinds.old.data_type, kinds.new.data_type, kinds.old.family, kinds.new.family, toml_key(.pair)
    )]
    DifferentFamilies {
        /// The column, or the path to a part of it.
        column: String,
        /// The name of the pair.
        pair: String,
        /// The type on each side.
        kinds: Box<Sides<ErrorKind>>,
        /// A line for the job file that makes the types comparable.
        line: String,
        /// An alternative, to end the sentence.
        otherwise: String,
    },

    /// Times that have a zone on one side only.
    #[error(
        "the times of column `{column}` have a zone on one side only; state the zone of the others:\n\n      \
         [compare.columns.{}]\n      assume_tz = \"UTC\"", toml_key(.column)
    )]
    ZoneUnknown {
        /// The name of the pair.
        column: String,
    },

    /// A key column whose type has no defined equality.
    #[error(
        "key column `{column}` is {old_type} in old and {new_type} in new, for which equality is not defined; choose another key"
    )]
    IncomparableKey {
        /// The name of the pair.
        column: String,
        /// The type in old.
        old_type: String,
        /// The type in new.
        new_type: String,
    },

    /// No column is left to compare.
    #[error(
        "no column is left to compare\n  check --columns, --ignore and --map: the sides share no comparable column"
    )]
    NothingToCompare,

    /// A value outside the declared type of its column.
    #[error("column `{column}` of the {side} snapshot holds a value outside its declared type: {reason}")]
    ValueOutOfType {
        /// The side.
        side: Side,
        /// The name of the pair.
        column: String,
        /// The message of the conversion.
        reason: String,
    },

    /// A job file with errors.
    #[error("`{}` has {}\n{}", file.display(), mistakes_note(.mistakes.len()), indented(.mistakes))]
    BadJob {
        /// The file.
        file: PathBuf,
        /// The errors, each with its position.
        mistakes: Vec<String>,
    },

    /// An error, and what to do about it in this command.
    #[error("{error}\n\n  {advice}")]
    Advised {
        /// The error.
        error: Box<Error>,
        /// What to do.
        advice: &'static str,
    },

    /// Several errors, such as all columns at fault.
    #[error("{}", several(.0))]
    Several(Vec<Error>),

    /// An expression that failed on a row.
    #[error(
        "an expression over the {side} snapshot failed: {}\n  {}\n  \
         `try_cast` returns NULL where `cast` fails, and `nullif(x, 0)` avoids a division by zero",
        plain_reason(.reason), .expressions.join("\n  ")
    )]
    ExpressionFailed {
        /// The side.
        side: Side,
        /// The expressions of that side, each after its position. One of them failed.
        expressions: Vec<String>,
        /// The message of the engine.
        reason: String,
    },

    /// Another run of the same job is active.
    #[error("job `{job}` is already running (`{}` is locked)\n  wait until that run has ended", lock.display())]
    JobRuns {
        /// The job.
        job: String,
        /// The lock file.
        lock: PathBuf,
    },

    /// Output that cannot be written: no permission, a full disk, or a file in the way.
    #[error("cannot write `{}`: {source}{}", path.display(), disk_note(.source))]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// Working files that cannot be written or read back.
    #[error("cannot spill to `{}`: {reason}\n  nothing was verified; free some space there, choose another directory with --temp, or raise --memory; working files are written to --temp, otherwise beside --out, otherwise below TMPDIR", dir.display())]
    Spill {
        /// The directory of the working files.
        dir: PathBuf,
        /// The error of the system.
        reason: String,
    },

    /// Files that are not damaged but cannot be compared.
    #[error(transparent)]
    Admission(#[from] AdmissionError),

    /// A memory limit that is too small.
    #[error(transparent)]
    Memory(#[from] MemoryError),

    /// A directory to which output cannot be published.
    #[error(transparent)]
    Output(#[from] OutputError),

    /// An ID list that cannot be used.
    #[error(transparent)]
    List(#[from] ListError),

    /// Lists that cannot be cut into waves.
    #[error(transparent)]
    Waves(#[from] WavesError),

    /// A certificate that cannot be issued or accepted.
    #[error(transparent)]
    Certificate(#[from] ::certificate::Error),

    /// The run was interrupted.
    #[error("interrupted; nothing was verified and nothing was written")]
    Interrupted,

    /// A violated invariant of this program.
    #[error("internal error: {0}\n  nothing was verified; please report this")]
    Internal(String),
}

/// The type of a column in an error message.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorKind {
    /// Its type.
    pub data_type: String,
    /// Its family. Types of different families are not comparable without a rule.
    pub family: String,
}

impl Error {
    /// An [`Error::Internal`] with a message.
    pub fn internal(what: impl ToString) -> Self {
        Error::Internal(what.to_string())
    }

    /// An [`Error::Request`].
    pub fn request(origin: impl ToString, problem: impl Into<RequestError>) -> Self {
        Error::Request { origin: origin.to_string(), problem: Box::new(problem.into()) }
    }

    /// An [`Error::UnusablePath`].
    pub fn unusable(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Error::UnusablePath { path: path.into(), problem: problem.into() }
    }

    /// One error of several, if there are any.
    pub(crate) fn all(mut errors: Vec<Error>) -> Result<()> {
        match errors.len() {
            0 => Ok(()),
            1 => errors.pop().map_or(Ok(()), Err),
            _ => Err(Error::Several(errors)),
        }
    }

    /// The errors that this one consists of.
    pub(crate) fn into_several(self) -> Vec<Error> {
        match self {
            Error::Several(errors) => errors,
            other => vec![other],
        }
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

/// The texts of several errors, each after a blank line.
fn several(errors: &[Error]) -> String {
    errors.iter().map(Error::to_string).collect::<Vec<_>>().join("\n\n")
}
