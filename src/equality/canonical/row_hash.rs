//! Hashes of rows, to find the few rows that must be compared in full.
//!
//! Each row has three lanes of 64 bits: one for the key hash, and two that together are the row hash, over key and
//! values. Column by column, every cell is absorbed into the lanes as two words, with the folded multiply of wyhash:
//! the 128-bit product of two words, with its halves combined by XOR. A number is used directly, and so is a byte
//! string of at most twelve bytes together with its length; a longer one is hashed to two words by XXH3-128. NULL is
//! two random words, which a value has only by chance. Each lane and each column mixes in its own words.
//!
//! These words and the secret of XXH3 are derived from a secret that is generated for every run: collisions can be
//! crafted against a known secret, and this one is random. The key hash needs only 64 bits, because a collision of keys
//! is detected by comparing them, and costs only time.
//!
//! wyhash: <https://github.com/wangyi-fudan/wyhash>;
//! XXH3: <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewArray, MAX_INLINE_VIEW_LEN, PrimitiveArray,
};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, UInt64Type};
use xxhash_rust::xxh3::{xxh3_64_with_secret, xxh3_128_with_secret};

use crate::error::{Error, Result};

/// The hashes of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHash {
    /// The key hash.
    pub key: u64,
    /// The row hash, over all compared values including the key.
    pub row: [u64; 2],
}

/// A cell, or the hash of a long one.
type Words = [u64; 2];

/// Hashes rows. Both sides of a run share one, so that equal rows have equal hashes.
pub struct RowHasher {
    secret: [u8; 192],
    key_mask: u64,
}

/// The words that one column mixes in: two for each lane, and two for NULL.
struct ColumnSecret {
    lanes: [Words; LANES],
    null: Words,
}

/// The lane of the key hash, and the two of the row hash.
const LANES: usize = 3;
/// Rows that are hashed together, column by column, so that their lanes stay in the L1 cache.
const BLOCK_ROWS: usize = 1024;

impl RowHasher {
    /// Generates a secret. Only the lowest `key_bits` bits of the key hash are kept.
    pub fn new(key_bits: u32) -> Result<Self> {
        let mut secret = [0; 192];
        getrandom::fill(&mut secret).map_err(Error::internal)?;
        let key_mask = u64::MAX.checked_shr(64 - key_bits.min(64)).unwrap_or(0);
        Ok(RowHasher { secret, key_mask })
    }

    /// Hashes every row of a batch, given its canonical key columns and value columns.
    pub fn hash(&self, keys: &[ArrayRef], values: &[ArrayRef], hashes: &mut Vec<RowHash>) {
        hashes.clear();
        hashes.resize(keys[0].len(), RowHash { key: 0, row: [0; 2] });
        let column = |(number, array)| Column { array, secret: self.of_column(number), long: &self.secret };
        let columns: Vec<Column> = keys.iter().chain(values).enumerate().map(column).collect();
        for (block, hashes) in hashes.chunks_mut(BLOCK_ROWS).enumerate() {
            let start = block * BLOCK_ROWS;
            for (number, column) in columns.iter().enumerate() {
                match number < keys.len() {
                    true => column.absorb(start, hashes, |hash, words, [key, low, high]| {
                        hash.key = mix(words, hash.key, key);
                        hash.row = [mix(words, hash.row[0], low), mix(words, hash.row[1], high)];
                    }),
                    false => column.absorb(start, hashes, |hash, words, [_, low, high]| {
                        hash.row = [mix(words, hash.row[0], low), mix(words, hash.row[1], high)];
                    }),
                }
            }
            hashes.iter_mut().for_each(|hash| hash.key &= self.key_mask);
        }
    }

    /// Hashes every cell of a column to a tag of 64 bits. Tags with different numbers have nothing in common.
    pub fn tag(&self, number: usize, cells: &ArrayRef, tags: &mut Vec<u64>) {
        tags.clear();
        tags.resize(cells.len(), 0);
        let secret = self.of_column(usize::MAX - number);
        let column = Column { array: cells, secret, long: &self.secret };
        column.absorb(0, tags, |tag, words, [lane, ..]| *tag = mix(words, 0, lane));
    }

    fn of_column(&self, number: usize) -> ColumnSecret {
        let word = |at: usize| xxh3_64_with_secret(&[number.to_le_bytes(), at.to_le_bytes()].concat(), &self.secret);
        let pair = |at: usize| [word(2 * at), word(2 * at + 1)];
        ColumnSecret { lanes: std::array::from_fn(pair), null: pair(LANES) }
    }
}

/// The folded multiply: combines 128 bits of input with the lane.
#[inline(always)]
fn mix(words: Words, lane: u64, secret: Words) -> u64 {
    let product = u128::from(words[0] ^ secret[0]) * u128::from(words[1] ^ lane ^ secret[1]);
    product as u64 ^ (product >> 64) as u64
}

/// A canonical column to be absorbed into the lanes.
struct Column<'a> {
    array: &'a ArrayRef,
    secret: ColumnSecret,
    long: &'a [u8; 192],
}

impl Column<'_> {
    /// Calls `mix` with the hash and the cell of every row from `start` on, and with the words of the column. See
    /// [`super::Domain::canonical_type`] for the possible types.
    fn absorb<H>(&self, start: usize, hashes: &mut [H], mix: impl Fn(&mut H, Words, [Words; LANES])) {
        let array = self.array;
        match array.data_type() {
            DataType::Boolean => {
                let values = array.as_boolean().values();
                self.each(start, hashes, |row| [u64::from(values.value(row)), 0], mix);
            }
            DataType::Int32 => self.each_number::<Int32Type, _>(start, hashes, |value| [value as u64, 0], mix),
            DataType::Int64 => self.each_number::<Int64Type, _>(start, hashes, |value| [value as u64, 0], mix),
            DataType::UInt64 => self.each_number::<UInt64Type, _>(start, hashes, |value| [value, 0], mix),
            DataType::Float64 => self.each_number::<Float64Type, _>(start, hashes, |value| [value.to_bits(), 0], mix),
            DataType::Decimal128(..) => {
                self.each_number::<Decimal128Type, _>(start, hashes, |value| halves(value as u128), mix);
            }
            DataType::Decimal256(..) => {
                self.each_number::<Decimal256Type, _>(start, hashes, |value| self.long(&value.to_le_bytes()), mix);
            }
            DataType::FixedSizeBinary(_) => {
                let forms = array.as_fixed_size_binary();
                self.each(start, hashes, |row| self.long(forms.value(row)), mix);
            }
            DataType::BinaryView => {
                let bytes: &BinaryViewArray = array.as_binary_view();
                let views = bytes.views();
                let words = |row: usize| match views[row] {
                    short if short as u32 <= MAX_INLINE_VIEW_LEN => halves(short),
                    _ => self.long(bytes.value(row)),
                };
                self.each(start, hashes, words, mix);
            }
            other => unreachable!("{other} is not a canonical type"),
        }
    }

    fn each_number<T: ArrowPrimitiveType, H>(
        &self,
        start: usize,
        hashes: &mut [H],
        words: impl Fn(T::Native) -> Words,
        mix: impl Fn(&mut H, Words, [Words; LANES]),
    ) {
        let values = PrimitiveArray::<T>::values(self.array.as_primitive::<T>());
        self.each(start, hashes, |row| words(values[row]), mix);
    }

    fn each<H>(
        &self,
        start: usize,
        hashes: &mut [H],
        words: impl Fn(usize) -> Words,
        mix: impl Fn(&mut H, Words, [Words; LANES]),
    ) {
        let ColumnSecret { lanes, null } = self.secret;
        let rows = (start..).zip(hashes);
        match self.array.nulls() {
            None => rows.for_each(|(row, hash)| mix(hash, words(row), lanes)),
            // the bytes under a NULL are undefined
            Some(nulls) => rows.for_each(|(row, hash)| {
                let words = if nulls.is_valid(row) { words(row) } else { null };
                mix(hash, words, lanes);
            }),
        }
    }

    fn long(&self, bytes: &[u8]) -> Words {
        halves(xxh3_128_with_secret(bytes, self.long))
    }
}

fn halves(wide: u128) -> Words {
    [wide as u64, (wide >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use arrow::array::{BinaryViewArray, Int64Array};

    use super::*;

    fn hashes(keys: &[ArrayRef], values: &[ArrayRef]) -> Vec<RowHash> {
        let mut hashes = vec![];
        RowHasher::new(64).unwrap().hash(keys, values, &mut hashes);
        hashes
    }

    #[test]
    fn rows_that_differ_in_one_cell_have_other_hashes() {
        let long = "a string that is longer than twelve bytes";
        let texts: Vec<Option<String>> = vec![
            None,
            Some(String::new()),
            Some("a".into()),
            Some("a\0".into()),
            Some(long.into()),
            Some(long[1..].into()),
        ];
        let numbers = [None, Some(0), Some(1), Some(-1), Some(i64::MIN), Some(1 << 32)];
        let rows: Vec<_> = texts.iter().flat_map(|text| numbers.map(|number| (text.clone(), number))).collect();
        let text: BinaryViewArray = rows.iter().map(|(text, _)| text.as_deref().map(str::as_bytes)).collect();
        let number: Int64Array = rows.iter().map(|(_, number)| *number).collect();
        let (text, number): (ArrayRef, ArrayRef) = (Arc::new(text), Arc::new(number));
        let key = std::slice::from_ref(&number);
        let found = hashes(key, &[text.clone(), number.clone()]);
        let distinct = |lane: fn(&RowHash) -> u64| found.iter().map(lane).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|hash| hash.row[0]), rows.len());
        assert_eq!(distinct(|hash| hash.row[1]), rows.len());
        assert_eq!(distinct(|hash| hash.key), numbers.len());
        // the same cell in another column hashes differently
        let swapped = RowHasher::new(64).unwrap();
        let (mut one, mut two) = (vec![], vec![]);
        swapped.hash(key, &[number.clone(), text.clone()], &mut one);
        swapped.hash(key, &[text, number.clone()], &mut two);
        let at = rows.iter().position(|(text, number)| text.as_deref() == Some("a") && *number == Some(1)).unwrap();
        assert_ne!(one[at].row, two[at].row);
        assert_eq!(one[at].key, two[at].key);
    }
}
