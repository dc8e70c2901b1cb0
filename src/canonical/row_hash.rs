//! Digests of rows, to find the few rows that need a closer look.
//!
//! The row hash is XXH3-128 over the bytes of all compared cells, key included (see
//! [`super::cells`]). The key hash is XXH3-64 over the bytes of the key cells, which come first; 64
//! bits are enough for it, because two keys that share one are told apart by a second look and cost
//! time only. Both take a secret that is drawn anew for every run: collisions can be crafted against
//! a known secret, and nobody knows this one.
//! XXH3: <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.

use arrow::array::ArrayRef;
use xxhash_rust::xxh3::{xxh3_64_with_secret, xxh3_128_with_secret};

use super::cells::Cells;
use crate::error::{Error, Result};

/// The digests of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHash {
    /// Of the key's values.
    pub key: u64,
    /// Of all compared values, the key's included.
    pub row: u128,
}

/// Hashes rows. One for both sides of a run, so that equal rows meet.
pub struct RowHasher {
    secret: [u8; 192],
    key_mask: u64,
}

impl RowHasher {
    /// Draws a secret from the operating system. Only the lowest `key_bits` bits of the key hash are kept.
    pub fn new(key_bits: u32) -> Result<Self> {
        let mut secret = [0; 192];
        getrandom::fill(&mut secret).map_err(Error::internal)?;
        let key_mask = u64::MAX.checked_shr(64 - key_bits.min(64)).unwrap_or(0);
        Ok(RowHasher { secret, key_mask })
    }

    /// The digests of every row of a batch: the key's canonical columns, then the values'.
    pub fn hash(&self, keys: &[ArrayRef], values: &[ArrayRef], scratch: &mut Scratch) -> Vec<RowHash> {
        let rows = keys[0].len();
        let key_cells: Vec<_> = keys.iter().map(|column| Cells::of(column)).collect();
        let value_cells: Vec<_> = values.iter().map(|column| Cells::of(column)).collect();
        let Scratch { bytes, starts, places, key_ends } = scratch;

        starts.clear();
        starts.resize(rows, 0);
        key_cells.iter().chain(&value_cells).for_each(|cells| cells.add_widths(starts));
        let mut total = 0;
        for start in starts.iter_mut() {
            total += std::mem::replace(start, total);
        }
        bytes.resize(total.max(bytes.len()), 0);
        places.clone_from(starts);
        key_cells.iter().for_each(|cells| cells.write(0..rows, bytes, places));
        key_ends.clone_from(places);
        value_cells.iter().for_each(|cells| cells.write(0..rows, bytes, places));

        let ends = starts.iter().zip(key_ends.iter()).zip(places.iter());
        ends.map(|((&start, &key_end), &end)| RowHash {
            key: xxh3_64_with_secret(&bytes[start..key_end], &self.secret) & self.key_mask,
            row: xxh3_128_with_secret(&bytes[start..end], &self.secret),
        })
        .collect()
    }
}

/// Buffers that one worker reuses from batch to batch: the rows' bytes and where each row begins and ends.
#[derive(Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    places: Vec<usize>,
    key_ends: Vec<usize>,
}
