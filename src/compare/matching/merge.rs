//! Merges two sides that are in key order. This is the only place that decides what a discrepancy is.

use std::cmp::Ordering;
use std::sync::Arc;

use super::compare::compare;
use super::cursor::{Cursor, KeyRun, MergeError};
use crate::columns::{Pairing, RowBatch};
use crate::compare::discrepancy::{Finding, FindingSink, RowRef, Tier};
use crate::equality::canonical::order::{KeyOrder, leading_equal};
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};

/// The first guess at the number of consecutive keys that both sides share. It doubles while the guess is correct.
const FIRST_WINDOW: usize = 64;

/// Records every discrepancy between two sides, in key order.
///
/// With a key, rows with equal keys are compared column by column. A key that occurs more than once on a side is set
/// aside with all its rows. Without a key, rows form a multiset: the copies that both sides have are matched, and the
/// rest are missing or extra.
pub(super) fn merge(pairing: &Pairing, mut sides: Sides<Cursor>, sink: &mut FindingSink) -> Result<(), MergeError> {
    let mut orders = Orders::default();
    let mut window = FIRST_WINDOW;
    loop {
        let relation = match (sides.old.head(), sides.new.head()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => {
                let reach = sides.old.unique_len().min(sides.new.unique_len()).min(window);
                let shared = shared_keys(old, new, reach)?;
                if shared > 0 {
                    compare(pairing, Sides { old, new }, shared, sink)?;
                    window = if shared == window { window * 2 } else { FIRST_WINDOW };
                    sides.old.advance(shared)?;
                    sides.new.advance(shared)?;
                    continue;
                }
                orders.of(old.0, new.0)?.compare(old.1, new.1)
            }
        };
        window = FIRST_WINDOW;
        let old = if relation.is_le() { sides.old.take_run()? } else { None };
        let new = if relation.is_ge() { sides.new.take_run()? } else { None };
        match pairing.keyed {
            true => classify_key(old, new, sink)?,
            false => classify_copies(old, new, sink)?,
        }
    }
    for side in Side::BOTH {
        sink.seen(side, sides[side].delivered());
    }
    Ok(())
}

/// The key order of two batches, cached while the batches stay the same.
#[derive(Default)]
struct Orders(Option<(Sides<Arc<RowBatch>>, KeyOrder)>);

impl Orders {
    fn of(&mut self, old: &Arc<RowBatch>, new: &Arc<RowBatch>) -> Result<&KeyOrder, MergeError> {
        let known = |(pages, _): &(Sides<Arc<RowBatch>>, KeyOrder)| {
            Arc::ptr_eq(&pages.old, old) && Arc::ptr_eq(&pages.new, new)
        };
        let kept = match self.0.take().filter(known) {
            Some(kept) => kept,
            None => (Sides { old: old.clone(), new: new.clone() }, KeyOrder::of(&old.keys, &new.keys)?),
        };
        Ok(&self.0.insert(kept).1)
    }
}

/// Returns how many consecutive rows from two positions have equal keys, up to `reach`.
fn shared_keys(old: (&Arc<RowBatch>, usize), new: (&Arc<RowBatch>, usize), reach: usize) -> Result<usize, MergeError> {
    let mut shared = reach;
    for (old_key, new_key) in old.0.keys.iter().zip(&new.0.keys) {
        if shared == 0 {
            break;
        }
        shared = leading_equal((old_key, old.1), (new_key, new.1), shared)?;
    }
    Ok(shared)
}

/// Classifies one key by the rows that each side has.
fn classify_key(old: Option<KeyRun>, new: Option<KeyRun>, sink: &mut FindingSink) -> Result<()> {
    match (old, new) {
        (Some(KeyRun { first, count: 1, .. }), None) => sink.record(Finding::Missing { old: first }),
        (None, Some(KeyRun { first, count: 1, .. })) => sink.record(Finding::Extra { new: first }),
        (Some(KeyRun { count: 1, .. }), Some(KeyRun { count: 1, .. })) => {
            Err(Error::internal("a pair of equal keys was not compared"))
        }
        (old, new) => {
            let rows = Sides { old: count(&old), new: count(&new) };
            let key = old.map(|run| (Side::Old, run.first)).or(new.map(|run| (Side::New, run.first)));
            match key {
                Some((side, key)) => sink.record(Finding::DuplicateKey { key, side, rows }),
                None => Ok(()),
            }
        }
    }
}

/// Classifies one distinct row by the copies that each side has.
fn classify_copies(old: Option<KeyRun>, new: Option<KeyRun>, sink: &mut FindingSink) -> Result<()> {
    match (old, new) {
        (Some(KeyRun { varied: Some(old), .. }), Some(KeyRun { varied: Some(new), .. })) => {
            let left = pair_copies(Sides { old, new }, sink);
            left.old.into_iter().try_for_each(|row| sink.record(only_in(Side::Old, row)))?;
            left.new.into_iter().try_for_each(|row| sink.record(only_in(Side::New, row)))
        }
        (old, new) => {
            let (in_old, in_new) = (count(&old), count(&new));
            sink.matched(Tier::Exact, in_old.min(in_new));
            record_copies(Side::Old, old, in_new, sink)?;
            record_copies(Side::New, new, in_old, sink)
        }
    }
}

/// Records the copies in a run that the other side does not have.
fn record_copies(side: Side, run: Option<KeyRun>, in_other: u64, sink: &mut FindingSink) -> Result<()> {
    let Some(KeyRun { first, count, varied }) = run else { return Ok(()) };
    match varied {
        Some(varied) => {
            let mut left = varied.into_iter().skip(in_other as usize);
            left.try_for_each(|(_, row)| sink.record(only_in(side, row)))
        }
        None => (in_other..count).try_for_each(|_| sink.record(only_in(side, first.clone()))),
    }
}

/// Returns the finding for a row that the other side does not have.
fn only_in(side: Side, row: RowRef) -> Finding {
    match side {
        Side::Old => Finding::Missing { old: row },
        Side::New => Finding::Extra { new: row },
    }
}

/// Pairs copies that are equal as read, then copies that only rules make equal. Returns the rest.
fn pair_copies(runs: Sides<Vec<(Vec<u8>, RowRef)>>, sink: &mut FindingSink) -> Sides<Vec<RowRef>> {
    let mut left: Sides<Vec<RowRef>> = Sides::default();
    let mut new = runs.new.into_iter().peekable();
    for (old_bytes, old) in runs.old {
        while let Some((_, before)) = new.next_if(|(bytes, _)| *bytes < old_bytes) {
            left.new.push(before);
        }
        if new.next_if(|(bytes, _)| *bytes == old_bytes).is_none() {
            left.old.push(old);
            continue;
        }
        sink.matched(Tier::as_read(old.batch.read_rows.as_ref(), old.row), 1);
    }
    left.new.extend(new.map(|(_, row)| row));
    let paired = left.old.len().min(left.new.len());
    sink.matched(Tier::ByRule, paired as u64);
    left.map(|mut rows| rows.split_off(paired))
}

fn count(run: &Option<KeyRun>) -> u64 {
    run.as_ref().map_or(0, |run| run.count)
}

#[cfg(test)]
mod tests;
