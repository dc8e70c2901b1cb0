//! Why ID lists cannot be cut into waves.

use std::path::PathBuf;

/// Why lists cannot be cut into waves. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavesError {
    /// An ID that occurs more than once.
    #[error(
        "duplicate ID {id}: `{}`, line {}, and `{}`, line {}\n  \
         each ID must occur only once; if two lists overlap, cut one of them, and pass the other with --done",
        lines[0].0.display(), lines[0].1, lines[1].0.display(), lines[1].1
    )]
    Repeated {
        /// The ID, formatted for people.
        id: String,
        /// Two occurrences: list and line.
        lines: Box<[(PathBuf, u64); 2]>,
    },

    /// An earlier cut whose files have changed.
    #[error(
        "`{}`, of the earlier cut, {reason}\n  \
         it records which ID was in which wave; restore it, or cut without --previous", file.display()
    )]
    PreviousChanged {
        /// The file.
        file: PathBuf,
        /// What is wrong, to follow the name of the file in a sentence.
        reason: String,
    },

    /// An ID that has no row in the run.
    #[error("ID {id} has no row to write: {reason}")]
    NoRow {
        /// The ID, formatted for people.
        id: String,
        /// Why, and what to do.
        reason: String,
    },
}
