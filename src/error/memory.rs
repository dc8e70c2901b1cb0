//! What does not fit into a memory limit.

use std::path::PathBuf;

use bytesize::ByteSize;

/// Why a memory limit is too small. Nothing was verified then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The limit leaves no room to read in.
    #[error(
        "this comparison needs about {} MiB, and --memory allows {}\n  \
         nothing was verified; allow more, or leave wide columns out with --ignore or --columns",
        needed.div_ceil(1 << 20), ByteSize(*.limit)
    )]
    TooSmall {
        /// The limit, in bytes.
        limit: u64,
        /// What one worker needs, in bytes.
        needed: u64,
    },

    /// The limit leaves no room for the footers of the files.
    #[error(
        "reading the footers of the files needs about {} MiB, and --memory allows {}\n  \
         the footer of `{}` alone has {}; nothing was verified; allow more, or have the files written without the notes \
         (key-value metadata) that their writer put there",
        needed.div_ceil(1 << 20), ByteSize(*.limit), path.display(), ByteSize(*.bytes)
    )]
    Footers {
        /// The limit, in bytes.
        limit: u64,
        /// What the footers need, in bytes.
        needed: u64,
        /// The file with the longest footer.
        path: PathBuf,
        /// How long that is, in bytes.
        bytes: u64,
    },

    /// A sort or a query ran out of the memory limit.
    #[error("the work does not fit in the memory limit: {reason}\n  nothing was verified; raise --memory")]
    RanOut {
        /// What the engine said.
        reason: String,
    },
}
