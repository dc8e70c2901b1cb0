//! What keeps ID lists from being cut.

use std::path::PathBuf;

/// Why lists cannot be cut into waves. Nothing was written then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavesError {
    /// An ID that stands more than once.
    #[error(
        "ID {id} stands twice: `{}`, line {}, and `{}`, line {}\n  \
         a list names every ID once; if two lists overlap, cut one, and give the other with --done",
        places[0].0.display(), places[0].1, places[1].0.display(), places[1].1
    )]
    Repeated {
        /// The ID, as people write it.
        id: String,
        /// Two places where it stands: list and line.
        places: Box<[(PathBuf, u64); 2]>,
    },

    /// An earlier cut whose files are not what it wrote.
    #[error(
        "`{}`, of the earlier cut, {reason}\n  \
         without it nobody knows which ID was in which wave; restore it, or cut without --previous", file.display()
    )]
    PreviousChanged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, to end a sentence that begins with its name.
        reason: String,
    },

    /// An ID without a single row in the run.
    #[error("ID {id} has no row to write: {reason}")]
    NoRow {
        /// The ID, as people write it.
        id: String,
        /// Why, and what to do.
        reason: String,
    },
}
