//! Compares pairs of rows that have the same key: column by column, as read, then by the user's rules.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;

use crate::columns::{Pairing, Rows};
use crate::discrepancy::{Finding, Ledger, RowRef, Tier};
use crate::error::{Error, Result};
use crate::rules::{Chain, Judgement};
use crate::sides::{Side, Sides};

/// Where the pairs begin on each side.
type Pairs<'a> = Sides<(&'a Arc<Rows>, usize)>;

/// Takes down how `len` pairs of rows compare.
pub fn compare(pairing: &Pairing, pairs: Pairs, len: usize, ledger: &mut Ledger) -> Result<()> {
    let mut differing: Vec<(usize, BooleanBuffer)> = vec![];
    let mut tiers = Tiers::default();
    for (place, column) in pairing.checked().enumerate() {
        let Sides { old, new } = pairs.map(|(rows, start)| (&rows.exact[place], start));
        if pairing.columns[column].chain.is_none() && old.0.plainly_equals(old.1, new.0, new.1, len) {
            continue;
        }
        let forms = Sides { old, new }.map(|(form, start)| form.slice(start, len));
        let equal = forms.old.equals(&forms.new)?;
        tiers.add_read(column, &pairs, len, &equal, ledger);
        if equal.count_set_bits() == len {
            continue;
        }
        let mut unequal = !&equal;
        if let Some(chain) = pairing.columns[column].forgiving() {
            unequal = judge(chain, column, &pairs, &unequal, &mut tiers, ledger)?;
        }
        if unequal.count_set_bits() > 0 {
            differing.push((column, unequal));
        }
    }
    if differing.is_empty() && tiers.by_rule.is_none() && tiers.tolerated.is_none() {
        ledger.matched(Tier::Exact, len as u64);
        return Ok(());
    }
    record(pairing, pairs, len, &differing, &tiers, ledger)
}

/// Which pairs owe it to what that they are equal in some column.
#[derive(Default)]
struct Tiers {
    by_rule: Option<BooleanBuffer>,
    tolerated: Option<BooleanBuffer>,
}

fn include(bits: &mut Option<BooleanBuffer>, more: &BooleanBuffer) {
    *bits = Some(bits.take().map_or_else(|| more.clone(), |bits| &bits | more));
}

impl Tiers {
    /// Counts the cells that are equal as read, where a rule was needed to read them.
    fn add_read(&mut self, column: usize, pairs: &Pairs, len: usize, equal: &BooleanBuffer, ledger: &mut Ledger) {
        let mut any = None;
        for (side, (rows, start)) in [(Side::Old, pairs.old), (Side::New, pairs.new)] {
            for read in rows.read_by.iter().filter(|read| read.column == column) {
                let cells = &read.cells.slice(start, len) & equal;
                ledger.column(column).rules[read.rule] += cells.count_set_bits() as u64;
                if side == Side::Old {
                    include(&mut any, &cells);
                }
            }
        }
        if let Some(cells) = any {
            ledger.column(column).by_rule += cells.count_set_bits() as u64;
            include(&mut self.by_rule, &cells);
        }
    }
}

/// Asks the rules about the pairs that are not equal as read; returns those that differ all the same.
fn judge(
    chain: &Chain,
    column: usize,
    pairs: &Pairs,
    unequal: &BooleanBuffer,
    tiers: &mut Tiers,
    ledger: &mut Ledger,
) -> Result<BooleanBuffer> {
    let asked: Vec<usize> = unequal.set_indices().collect();
    let cells = |(rows, start): &(&Arc<Rows>, usize)| -> Result<ArrayRef> {
        let places: UInt32Array = asked.iter().map(|at| (start + at) as u32).collect();
        Ok(take(rows.raw.column(column), &places, None)?)
    };
    let Judgement { ruled, tolerated, needed } =
        chain.judge(&Sides { old: cells(&pairs.old)?, new: cells(&pairs.new)? })?;
    let tally = ledger.column(column);
    tally.by_rule += ruled.count_set_bits() as u64;
    tally.tolerated += tolerated.count_set_bits() as u64;
    let mut credited = BooleanBuffer::new_unset(asked.len());
    for (rule, cells) in needed {
        tally.rules[rule] += cells.count_set_bits() as u64;
        credited = &credited | &cells;
    }
    tally.by_either += (&(&ruled | &tolerated) & &!&credited).count_set_bits() as u64;
    let spread = |bits: &BooleanBuffer| spread(bits, &asked, unequal.len());
    include(&mut tiers.by_rule, &spread(&ruled));
    include(&mut tiers.tolerated, &spread(&tolerated));
    Ok(unequal & &!&spread(&(&ruled | &tolerated)))
}

/// Bits of some places among all of them.
fn spread(bits: &BooleanBuffer, places: &[usize], len: usize) -> BooleanBuffer {
    let mut all = BooleanBufferBuilder::new(len);
    all.append_n(len, false);
    bits.set_indices().for_each(|at| all.set_bit(places[at], true));
    all.finish()
}

fn record(
    pairing: &Pairing,
    pairs: Pairs,
    len: usize,
    differing: &[(usize, BooleanBuffer)],
    tiers: &Tiers,
    ledger: &mut Ledger,
) -> Result<()> {
    let none = || BooleanBuffer::new_unset(len);
    let mismatch = differing.iter().fold(none(), |any, (_, rows)| &any | rows);
    let matched = !&mismatch;
    let tolerated = &matched & tiers.tolerated.as_ref().unwrap_or(&none());
    let by_rule = &(&matched & tiers.by_rule.as_ref().unwrap_or(&none())) & &!&tolerated;
    let count = |rows: &BooleanBuffer| rows.count_set_bits() as u64;
    ledger.matched(Tier::Tolerated, count(&tolerated));
    ledger.matched(Tier::ByRule, count(&by_rule));
    ledger.matched(Tier::Exact, count(&matched) - count(&tolerated) - count(&by_rule));
    if differing.iter().any(|(column, _)| *column < pairing.key_len) {
        return Err(Error::internal("rows with one key were taken for a mismatch in it"));
    }
    for at in mismatch.set_indices() {
        let changed = differing.iter().filter(|(_, rows)| rows.value(at)).map(|(column, _)| *column).collect();
        let rows = pairs.map(|(rows, start)| RowRef { batch: rows.clone(), row: start + at });
        ledger.record(Finding::Mismatch { rows, changed })?;
    }
    Ok(())
}
