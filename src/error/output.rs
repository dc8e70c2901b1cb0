//! What keeps a directory from being published in a place.

use std::io;
use std::path::PathBuf;

use crate::sides::Owner;

/// Why nothing can be published in a place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The output directory holds a run already.
    #[error("`{}` already holds a run (it has a manifest.json)\n  a run is evidence and is not overwritten; name another directory with --out", dir.display())]
    HoldsRun {
        /// The directory.
        dir: PathBuf,
    },

    /// An output directory that the next run would read as data.
    #[error(
        "`{}` is part of {}; what is written there would be read as data the next time\n  \
         name another directory with --out",
        dir.display(), owner.to_string().trim_end_matches(',')
    )]
    AmongInputs {
        /// The directory.
        dir: PathBuf,
        /// Whose files would be listed with it.
        owner: Owner,
    },

    /// Everything was published, and a disk that fails does neither confirm it nor take it back.
    #[error(
        "`{}` is whole, but the disk has not confirmed it: {source}\n  \
         check the disk, and run again into another directory",
        dir.display()
    )]
    NotSynced {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// An output directory with something in it.
    #[error(
        "`{}` is not empty: it holds `{holds}`, and output is not mixed with other files\n  \
         name a new directory, such as --out {instead}",
        dir.display()
    )]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// Something in it.
        holds: String,
        /// A directory that would do.
        instead: String,
    },

    /// An existing directory that no rename can replace.
    #[error("cannot publish to `{}`: {reason}\n  name a new directory below it, such as --out {instead}", dir.display())]
    Unfit {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        reason: String,
        /// A directory that would do.
        instead: String,
    },
}
