//! Why a memory limit is exceeded.

use std::path::PathBuf;

use bytesize::ByteSize;

/// Why a memory limit is too small. Nothing was verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The limit does not leave enough room to read.
    #[error(
        "this comparison needs about {} MiB, but --memory allows {}\n  \
         nothing was verified; raise --memory, or leave wide columns out with --ignore or --columns",
        needed.div_ceil(1 << 20), ByteSize(*.limit)
    )]
    TooSmall {
        /// The limit, in bytes.
        limit: u64,
        /// What one worker needs, in bytes.
        needed: u64,
    },

    /// The limit does not leave enough room for the footers of the files.
    #[error(
        "reading the footers of the files needs about {} MiB, but --memory allows {}\n  \
         the footer of `{}` alone has {}; nothing was verified; raise --memory, or write the files without the \
         key-value metadata that their writer put into the footer",
        needed.div_ceil(1 << 20), ByteSize(*.limit), path.display(), ByteSize(*.bytes)
    )]
    Footers {
        /// The limit, in bytes.
        limit: u64,
        /// What the footers need, in bytes.
        needed: u64,
        /// The file with the longest footer.
        path: PathBuf,
        /// The length of that footer, in bytes.
        bytes: u64,
    },

    /// A sort or a query exceeded the memory limit.
    #[error("the work does not fit in the memory limit: {reason}\n  nothing was verified; raise --memory")]
    RanOut {
        /// The message of the engine.
        reason: String,
    },
}
