//! Compares pairs of rows with equal keys column by column, first as read, then with the user's rules.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;

use crate::columns::{Pairing, RowBatch};
use crate::compare::discrepancy::{FindingSink, PairOutcomes, RowRef, Tier};
use crate::equality::rules::{Canonical, ReadCells, RuleOutcome, RuleSet};
use crate::error::{Error, Result};
use crate::sides::Sides;

/// The start of the pairs on each side.
type Starts<'a> = Sides<(&'a Arc<RowBatch>, usize)>;

/// Compares `len` pairs of rows and records the result.
pub(super) fn compare(pairing: &Pairing, pairs: Starts, len: usize, sink: &mut FindingSink) -> Result<()> {
    let mut differing: Vec<(usize, BooleanBuffer)> = vec![];
    let mut tiers = TierMask::default();
    for (position, column) in pairing.checked().enumerate() {
        let Sides { old, new } = pairs.map(|(rows, start)| (&rows.exact[position], start));
        if pairing.columns[column].chain.is_none() && old.0.plainly_equals(old.1, new.0, new.1, len) {
            continue;
        }
        let forms = Sides { old, new }.map(|(form, start)| form.slice(start, len));
        let equal = forms.old.equals(&forms.new)?;
        tiers.add_read(column, &pairs, len, &equal, sink);
        if equal.count_set_bits() == len {
            continue;
        }
        let mut unequal = !&equal;
        if let Some(chain) = pairing.columns[column].forgiving() {
            unequal = judge(chain, column, &pairs, &unequal, &mut tiers, sink)?;
        }
        if unequal.count_set_bits() > 0 {
            let lost = [&forms.old, &forms.new].into_iter().filter_map(Canonical::is_lost);
            if let Some(lost) = lost.reduce(|one, other| &one | &other) {
                sink.column(column).unreadable += count(&(&unequal & &lost));
            }
            differing.push((column, unequal));
        }
    }
    if differing.is_empty() && tiers.are_all_exact() {
        sink.matched(Tier::Exact, len as u64);
        return sink.pairs(&PairOutcomes { starts: pairs, len, mismatch: None, tiers: &[] });
    }
    record(pairing, pairs, len, &differing, &tiers, sink)
}

/// The pairs that have a cell of each tier; `None` if there are none. Exact cells are not recorded.
#[derive(Default)]
struct TierMask {
    by_reading: Option<BooleanBuffer>,
    by_rule: Option<BooleanBuffer>,
    tolerated: Option<BooleanBuffer>,
}

fn include(bits: &mut Option<BooleanBuffer>, more: &BooleanBuffer) {
    if more.has_true() {
        *bits = Some(bits.take().map_or_else(|| more.clone(), |bits| &bits | more));
    }
}

impl TierMask {
    fn are_all_exact(&self) -> bool {
        self.by_reading.is_none() && self.by_rule.is_none() && self.tolerated.is_none()
    }

    /// Counts the cells that are equal as read, but only because of rules.
    fn add_read(&mut self, column: usize, pairs: &Starts, len: usize, equal: &BooleanBuffer, sink: &mut FindingSink) {
        let tally = sink.column(column);
        for (rows, start) in pairs.iter() {
            for read in rows.read_by.iter().filter(|read| read.column == column) {
                let ReadCells { rules, by_reading, by_rule } = read.cells.slice(*start, len);
                for (rule, cells) in rules {
                    tally.rules[rule] += count(&(&cells & equal));
                }
                let (by_reading, by_rule) = (&by_reading & equal, &by_rule & equal);
                tally.by_reading += count(&by_reading);
                tally.by_rule += count(&by_rule);
                include(&mut self.by_reading, &by_reading);
                include(&mut self.by_rule, &by_rule);
            }
        }
    }

    /// Divides the matched pairs by tier. A pair has the tier of its worst cell.
    fn of_pairs(&self, matched: &BooleanBuffer) -> [(Tier, BooleanBuffer); 4] {
        let mut left = matched.clone();
        let mut take = |cells: &Option<BooleanBuffer>| {
            let Some(cells) = cells else { return BooleanBuffer::new_unset(matched.len()) };
            let taken = &left & cells;
            left = &left & &!cells;
            taken
        };
        let tolerated = take(&self.tolerated);
        let by_rule = take(&self.by_rule);
        let by_reading = take(&self.by_reading);
        [(Tier::Exact, left), (Tier::ByReading, by_reading), (Tier::ByRule, by_rule), (Tier::Tolerated, tolerated)]
    }
}

fn count(bits: &BooleanBuffer) -> u64 {
    bits.count_set_bits() as u64
}

/// Applies the rules to the pairs that are not equal as read. Returns those that still differ.
fn judge(
    chain: &RuleSet,
    column: usize,
    pairs: &Starts,
    unequal: &BooleanBuffer,
    tiers: &mut TierMask,
    sink: &mut FindingSink,
) -> Result<BooleanBuffer> {
    let unequal_rows: Vec<usize> = unequal.set_indices().collect();
    // the items of a slice of lists are those of the whole column
    let is_flat = !pairs.old.0.raw.column(column).data_type().is_nested();
    let are_all = is_flat && unequal_rows.len() == unequal.len();
    let cells = |(rows, start): &(&Arc<RowBatch>, usize)| -> Result<ArrayRef> {
        if are_all {
            return Ok(rows.raw.column(column).slice(*start, unequal.len()));
        }
        let indices: UInt32Array = unequal_rows.iter().map(|at| (start + at) as u32).collect();
        Ok(take(rows.raw.column(column), &indices, None)?)
    };
    let RuleOutcome { ruled, tolerated, needed } =
        chain.apply_rules(&Sides { old: cells(&pairs.old)?, new: cells(&pairs.new)? })?;
    let tally = sink.column(column);
    tally.by_rule += count(&ruled);
    tally.tolerated += count(&tolerated);
    let mut credited = BooleanBuffer::new_unset(unequal_rows.len());
    for (rule, cells) in needed {
        tally.rules[rule] += count(&cells);
        credited = &credited | &cells;
    }
    tally.by_either += count(&(&(&ruled | &tolerated) & &!&credited));
    let spread = |bits: &BooleanBuffer| match are_all {
        true => bits.clone(),
        false => spread(bits, &unequal_rows, unequal.len()),
    };
    include(&mut tiers.by_rule, &spread(&ruled));
    include(&mut tiers.tolerated, &spread(&tolerated));
    Ok(unequal & &!&spread(&(&ruled | &tolerated)))
}

/// Expands bits at some positions to a mask of all positions.
fn spread(bits: &BooleanBuffer, indices: &[usize], len: usize) -> BooleanBuffer {
    let mut all = BooleanBufferBuilder::new(len);
    all.append_n(len, false);
    bits.set_indices().for_each(|at| all.set_bit(indices[at], true));
    all.finish()
}

fn record(
    pairing: &Pairing,
    pairs: Starts,
    len: usize,
    differing: &[(usize, BooleanBuffer)],
    tiers: &TierMask,
    sink: &mut FindingSink,
) -> Result<()> {
    let mismatch = differing.iter().fold(BooleanBuffer::new_unset(len), |any, (_, rows)| &any | rows);
    let tiers = tiers.of_pairs(&!&mismatch);
    tiers.iter().for_each(|(tier, rows)| sink.matched(*tier, count(rows)));
    if differing.iter().any(|(column, _)| *column < pairing.key_len) {
        return Err(Error::internal("rows with equal keys have a mismatch in a key column"));
    }
    sink.pairs(&PairOutcomes { starts: pairs, len, mismatch: Some(&mismatch), tiers: &tiers })?;
    for at in mismatch.set_indices() {
        let changed = differing.iter().filter(|(_, rows)| rows.value(at)).map(|(column, _)| *column).collect();
        let rows = pairs.map(|(rows, start)| RowRef { batch: rows.clone(), row: start + at });
        sink.record_mismatch(rows, changed)?;
    }
    Ok(())
}
