//! Maps values to rows: digests with the positions of their rows, sorted.

use super::evidence::Digest;

/// The position of a discrepancy in key order, and whether its row exists on one side only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FindingId(u32);

impl FindingId {
    /// The number of discrepancies that can be represented.
    pub(super) const ROWS_MAX: u64 = 1 << 31;

    /// Creates the ID of a row, which must be below [`Self::ROWS_MAX`].
    pub(super) fn new(row: u64, is_alone: bool) -> Self {
        FindingId((row as u32) << 1 | u32::from(is_alone))
    }

    /// The position of the discrepancy.
    pub(super) fn row(self) -> u32 {
        self.0 >> 1
    }

    /// Whether the row is missing or extra.
    pub(super) fn is_alone(self) -> bool {
        self.0 & 1 == 1
    }
}

/// A value of a discrepancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexedValue {
    pub digest: Digest,
    pub finding: FindingId,
}

/// Keeps only claims whose value is unique. The claims must be sorted.
pub(super) fn keep_single(claims: &mut Vec<IndexedValue>) {
    let (mut kept, mut start) = (0, 0);
    while start < claims.len() {
        let copies = claims[start..].iter().take_while(|claim| claim.digest == claims[start].digest).count();
        if copies == 1 {
            claims[kept] = claims[start];
            kept += 1;
        }
        start += copies;
    }
    claims.truncate(kept);
}

/// Finds digests among sorted claims. The first bits of a digest select its bucket, because digests are distributed
/// evenly.
pub(super) struct ValueIndex<'a> {
    claims: &'a [IndexedValue],
    /// The start of each bucket, and the end of the last one.
    starts: Vec<u32>,
    shift: u32,
}

impl<'a> ValueIndex<'a> {
    /// The maximum size per claim in bytes.
    pub(super) const BYTES: u64 = 4;

    /// Builds the index of sorted claims.
    pub(super) fn of(claims: &'a [IndexedValue]) -> Self {
        let bits = claims.len().max(2).ilog2();
        let shift = u32::BITS - bits;
        let buckets = 1_usize << bits;
        let mut starts = Vec::with_capacity(buckets + 1);
        for (at, claim) in claims.iter().enumerate() {
            let bucket = first_bits(&claim.digest, shift);
            starts.resize(starts.len().max(bucket + 1), at as u32);
        }
        starts.resize(buckets + 1, claims.len() as u32);
        ValueIndex { claims, starts, shift }
    }

    /// Returns the index of the first claim with this value.
    pub(super) fn find(&self, digest: &Digest) -> Option<usize> {
        let bucket = first_bits(digest, self.shift);
        let span = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        let found = span.start + self.claims[span.clone()].partition_point(|claim| claim.digest < *digest);
        (found < span.end && self.claims[found].digest == *digest).then_some(found)
    }
}

fn first_bits(digest: &Digest, shift: u32) -> usize {
    (u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_and_duplicates_are_removed() {
        let digest = |number: u64| blake3::hash(&number.to_le_bytes()).as_bytes()[..16].try_into().unwrap();
        let claim = |number: u64| IndexedValue {
            digest: digest(number / 2),
            finding: FindingId::new(number, number.is_multiple_of(3)),
        };
        for len in [0, 1, 2, 3, 1_000] {
            let mut claims: Vec<IndexedValue> = (0..len).map(claim).collect();
            claims.sort_unstable();
            let lookup = ValueIndex::of(&claims);
            for number in 0..len {
                let found = claims[lookup.find(&digest(number / 2)).unwrap()];
                assert_eq!(
                    (found.finding.row(), found.finding.is_alone()),
                    (number as u32 / 2 * 2, number / 2 * 2 % 3 == 0)
                );
            }
            assert_eq!(lookup.find(&digest(len)), None);
            keep_single(&mut claims);
            assert_eq!(claims.len() as u64, len % 2);
        }
    }
}
