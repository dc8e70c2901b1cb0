//! Who has which value: digests with the places of their rows, in order.

use super::evidence::Digest;

/// The place of a discrepancy in key order, and whether its row stands on one side only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FindingId(u32);

impl FindingId {
    /// Discrepancies from this one on have no place.
    pub(super) const ROWS_MAX: u64 = 1 << 31;

    /// The place of a row, which has to be before [`Self::ROWS_MAX`].
    pub(super) fn new(row: u64, is_alone: bool) -> Self {
        FindingId((row as u32) << 1 | u32::from(is_alone))
    }

    /// The number of the discrepancy.
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
    /// The value's digest.
    pub digest: Digest,
    /// Where it stands.
    pub place: FindingId,
}

/// Leaves the claims whose value no other one of them has. They have to be in order.
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

/// Finds digests among ordered claims: their first bits say where to look, since digests are spread evenly.
pub(super) struct ValueIndex<'a> {
    claims: &'a [IndexedValue],
    /// Where the claims of each bucket begin, and the end.
    starts: Vec<u32>,
    shift: u32,
}

impl<'a> ValueIndex<'a> {
    /// Bytes that it takes for each claim, at most.
    pub(super) const BYTES: u64 = 4;

    /// Over ordered claims.
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

    /// The place of the first claim of this value.
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
    fn digests_are_found_and_doubled_ones_are_left_out() {
        let digest = |number: u64| blake3::hash(&number.to_le_bytes()).as_bytes()[..16].try_into().unwrap();
        let claim = |number: u64| IndexedValue {
            digest: digest(number / 2),
            place: FindingId::new(number, number.is_multiple_of(3)),
        };
        for len in [0, 1, 2, 3, 1_000] {
            let mut claims: Vec<IndexedValue> = (0..len).map(claim).collect();
            claims.sort_unstable();
            let lookup = ValueIndex::of(&claims);
            for number in 0..len {
                let found = claims[lookup.find(&digest(number / 2)).unwrap()];
                assert_eq!(
                    (found.place.row(), found.place.is_alone()),
                    (number as u32 / 2 * 2, number / 2 * 2 % 3 == 0)
                );
            }
            assert_eq!(lookup.find(&digest(len)), None);
            keep_single(&mut claims);
            assert_eq!(claims.len() as u64, len % 2);
        }
    }
}
