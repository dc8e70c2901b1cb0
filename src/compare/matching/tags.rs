//! Tags let hashes settle pairs of rows that only rules make equal.
//!
//! The row hash of a column with rules covers its cells under all rules. A tag is a 64-bit hash of a cell under fewer
//! rules: if the tags of a pair are equal, the pair is equal without the rules that were left out. So two rows with the
//! same row hash are equal, and their tags determine the tier, and which rules were needed:
//!
//! * The first tag of a column is of its cells as read. If it is equal, no rule was needed.
//! * With several rules, there is a tag for each of them, of the cells under all other rules. If it differs, the rule
//!   was needed.
//!
//! A tag is smaller than a row hash because it decides nothing but this: with unequal cells whose tags collide, which
//! happens once in 2⁶⁴ pairs, equal rows count as exact.

use arrow::array::ArrayRef;

use crate::columns::{Pairing, RowBatch};
use crate::compare::discrepancy::{FindingSink, Tier, Tiers};
use crate::error::Result;
use crate::sides::Side;

/// The maximum number of tags of a row: [`Settled`] handles the tags that differ as the bits of a word.
const TAGS_MAX: usize = u32::BITS as usize;

/// The tags of the rows of a comparison.
#[derive(Default)]
pub(super) struct Tags {
    columns: Vec<TaggedColumn>,
}

/// A column whose rules are settled by tags.
struct TaggedColumn {
    /// Its index in the pairing.
    column: usize,
    /// Its first tag, of the cells as read.
    first: usize,
    /// Its rules. With more than one, their tags follow the first.
    rules: Vec<usize>,
}

impl TaggedColumn {
    fn tags(&self) -> usize {
        if self.rules.len() > 1 { 1 + self.rules.len() } else { 1 }
    }
}

impl Tags {
    /// Chooses the tags for a pairing. Columns without tags are hashed as read, so rows that need their rules become
    /// candidates. These are columns with a tolerance or a reading, and all columns of rows without a key, because
    /// there the merge decides which copies belong together.
    pub(super) fn of(pairing: &Pairing) -> Self {
        let checked = pairing.checked().filter(|_| pairing.keyed);
        let rules = |at: usize| Some((at, pairing.columns[at].chain.as_ref()?.separable()?));
        Tags::of_columns(checked.filter_map(rules))
    }

    /// Gives columns with these rules their tags, while there are tags.
    pub(super) fn of_columns(separable: impl IntoIterator<Item = (usize, Vec<usize>)>) -> Self {
        let mut tags = Tags::default();
        for (column, rules) in separable {
            let tagged = TaggedColumn { column, first: tags.count(), rules };
            if tagged.first + tagged.tags() <= TAGS_MAX {
                tags.columns.push(tagged);
            }
        }
        tags
    }

    /// The number of tags of a row.
    pub(super) fn count(&self) -> usize {
        self.columns.last().map_or(0, |last| last.first + last.tags())
    }

    /// Returns what the row hash covers beside the key, and the cells for each tag.
    pub(super) fn forms(
        &self,
        pairing: &Pairing,
        rows: &RowBatch,
        side: Side,
    ) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        let (mut values, mut tagged) = (vec![], vec![]);
        let mut columns = self.columns.iter().peekable();
        for (at, exact) in pairing.checked().zip(&rows.exact) {
            let Some(column) = columns.next_if(|column| column.column == at) else {
                values.extend(exact.arrays().cloned());
                continue;
            };
            let (pair, array) = (&pairing.columns[at], rows.raw.column(at));
            // the key is hashed under its rules anyway
            if at >= pairing.key_len {
                values.extend(pair.full(array, side)?.arrays().cloned());
            }
            tagged.push(exact.value.clone());
            for rule in column.rules.iter().filter(|_| column.rules.len() > 1) {
                tagged.push(pair.without(*rule, array, side)?.value);
            }
        }
        Ok((values, tagged))
    }
}

/// The counts of pairs that hashes settled.
pub(super) struct Settled {
    /// The pairs, by tier.
    pub tiers: Tiers,
    /// The pairs that are equal only by rules, by tagged column.
    by_rule: Vec<u64>,
    /// Those of them for which no single rule was needed.
    by_either: Vec<u64>,
    /// Those of them for which each rule was needed.
    needed: Vec<Vec<u64>>,
}

impl Settled {
    pub(super) fn none(tags: &Tags) -> Self {
        let zeros = vec![0; tags.columns.len()];
        let needed = tags.columns.iter().map(|column| vec![0; column.rules.len()]).collect();
        Settled { tiers: Tiers::default(), by_rule: zeros.clone(), by_either: zeros, needed }
    }

    /// Adds a pair. `as_read` is the tier of its columns without tags, and `differing` has a bit for each tag that
    /// differs.
    pub(super) fn add(&mut self, tags: &Tags, as_read: Tier, differing: u32) {
        let mut tier = as_read;
        if differing > 0 {
            for (at, column) in tags.columns.iter().enumerate() {
                let differs = |tag: usize| differing & 1 << tag != 0;
                if !differs(column.first) {
                    continue;
                }
                tier = tier.max(Tier::ByRule);
                self.by_rule[at] += 1;
                let mut is_credited = false;
                for (number, needed) in self.needed[at].iter_mut().enumerate() {
                    let is_needed = column.rules.len() == 1 || differs(column.first + 1 + number);
                    *needed += u64::from(is_needed);
                    is_credited |= is_needed;
                }
                self.by_either[at] += u64::from(!is_credited);
            }
        }
        self.tiers.add(tier, 1);
    }

    /// The counts of a tagged column: the pairs that are equal only by rules, those for which no single rule was needed,
    /// and those for which each rule was needed.
    #[cfg(test)]
    pub(super) fn of_column(&self, at: usize) -> (u64, u64, Vec<u64>) {
        (self.by_rule[at], self.by_either[at], self.needed[at].clone())
    }

    /// Adds the counts of another part.
    pub(super) fn add_all(&mut self, other: &Settled) {
        let add =
            |own: &mut Vec<u64>, other: &Vec<u64>| own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        self.tiers.add_all(&other.tiers);
        add(&mut self.by_rule, &other.by_rule);
        add(&mut self.by_either, &other.by_either);
        self.needed.iter_mut().zip(&other.needed).for_each(|(own, other)| add(own, other));
    }

    /// Records the counts.
    pub(super) fn record(&self, tags: &Tags, sink: &mut FindingSink) {
        Tier::ALL.into_iter().for_each(|tier| sink.matched(tier, self.tiers.count(tier)));
        Side::BOTH.into_iter().for_each(|side| sink.seen(side, self.tiers.total()));
        for (at, column) in tags.columns.iter().enumerate() {
            let tally = sink.column(column.column);
            tally.by_rule += self.by_rule[at];
            tally.by_either += self.by_either[at];
            column.rules.iter().zip(&self.needed[at]).for_each(|(rule, needed)| tally.rules[*rule] += needed);
        }
    }
}
