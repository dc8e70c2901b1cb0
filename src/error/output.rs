//! Why output cannot be published to a directory.

use std::io;
use std::path::PathBuf;

use crate::sides::Owner;

/// Why output cannot be published to a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The output directory already contains a run.
    #[error("`{}` already contains a run (it has a manifest.json)\n  a run is evidence and is never overwritten; choose another directory with --out", dir.display())]
    HoldsRun {
        /// The directory.
        dir: PathBuf,
    },

    /// An output directory that the next run would read as data.
    #[error(
        "`{}` is part of {}; the next run would read the output as data\n  \
         choose another directory with --out",
        dir.display(), owner.to_string().trim_end_matches(',')
    )]
    AmongInputs {
        /// The directory.
        dir: PathBuf,
        /// The owner of the files in it.
        owner: Owner,
    },

    /// Everything was published, but a failing disk neither confirms nor undoes it.
    #[error(
        "`{}` is complete, but the disk did not confirm that it is stored: {source}\n  \
         check the disk, and run again into another directory",
        dir.display()
    )]
    NotSynced {
        /// The directory.
        dir: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// An output directory that is not empty.
    #[error(
        "`{}` is not empty: it contains `{holds}`, and output is not mixed with other files\n  \
         choose a new directory, such as --out {instead}",
        dir.display()
    )]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// One of the entries in it.
        holds: String,
        /// A directory that can be used.
        instead: String,
    },

    /// An existing directory that no rename can replace.
    #[error("cannot publish to `{}`: {reason}\n  choose a new directory below it, such as --out {instead}", dir.display())]
    Unfit {
        /// The directory.
        dir: PathBuf,
        /// Why it cannot be replaced.
        reason: String,
        /// A directory that can be used.
        instead: String,
    },
}
