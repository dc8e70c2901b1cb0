//! Digests for looking up rows whose values would take too much memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray};

use crate::equality::canonical::row_hash::RowHasher;
use crate::error::{Error, Result};

/// The size of a digest in bytes.
pub(crate) const DIGEST_BYTES: i32 = 16;

/// Computes 128-bit digests of canonical columns. Equal rows have equal digests on both sides, and unequal rows have
/// unequal ones: the secret is random for each run, so collisions can be neither crafted nor expected.
///
/// Digests of different runs cannot be compared.
#[derive(Clone)]
pub(crate) struct ValueHasher(Arc<RowHasher>);

impl ValueHasher {
    /// Creates a hasher with a new secret.
    pub(crate) fn new() -> Result<Self> {
        Ok(ValueHasher(Arc::new(RowHasher::new(u64::BITS)?)))
    }

    /// Returns the digest of each row of these columns, which are canonical and have the same length.
    pub(crate) fn of(&self, columns: &[ArrayRef]) -> Result<FixedSizeBinaryArray> {
        let mut hashes = vec![];
        self.0.hash(columns, &[], &mut hashes);
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.row).flat_map(u64::to_le_bytes).collect();
        FixedSizeBinaryArray::try_new(DIGEST_BYTES, bytes.into(), None).map_err(Error::internal)
    }
}
