//! Digests by which rows are looked up where their values would take too much room.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray};

use crate::equality::canonical::row_hash::RowHasher;
use crate::error::{Error, Result};

/// Bytes of a digest.
pub(crate) const DIGEST_BYTES: i32 = 16;

/// Makes digests of 128 bits from canonical columns. Equal rows have equal digests on both sides, and unequal rows unequal
/// ones: the secret is drawn anew for each run, so a collision can be neither crafted nor expected.
///
/// Digests of different runs cannot be compared.
#[derive(Clone)]
pub(crate) struct ValueHasher(Arc<RowHasher>);

impl ValueHasher {
    /// With a fresh secret.
    pub(crate) fn new() -> Result<Self> {
        Ok(ValueHasher(Arc::new(RowHasher::new(u64::BITS)?)))
    }

    /// One digest for each row of these columns, which are canonical and equally long.
    pub(crate) fn of(&self, columns: &[ArrayRef]) -> Result<FixedSizeBinaryArray> {
        let mut hashes = vec![];
        self.0.hash(columns, &[], &mut hashes);
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.row).flat_map(u64::to_le_bytes).collect();
        FixedSizeBinaryArray::try_new(DIGEST_BYTES, bytes.into(), None).map_err(Error::internal)
    }
}
