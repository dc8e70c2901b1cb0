//! Merges two sides that stand in key order. The only place that decides what a discrepancy is.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;

use super::cursor::{Cursor, Halt};
use crate::canonical::order::{KeyOrder, equal_rows, leading};
use crate::columns::Rows;
use crate::discrepancy::{Finding, Ledger, RowRef};
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};

/// The first guess at how many rows two sides share in a row; it doubles while the guess holds.
const FIRST_WINDOW: usize = 64;

/// Takes down every discrepancy between two sides, in key order.
///
/// With a key, rows that share it are compared column by column, and a key that stands more than once
/// on a side is set aside with all its rows. Without one, rows are a multiset: as many copies as both
/// sides have are matched, and the rest is missing or extra.
pub fn merge(mut sides: Sides<Cursor>, keyed: bool, ledger: &mut Ledger) -> Result<(), Halt> {
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
                    compare_values(Sides { old, new }, shared, ledger)?;
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
        match keyed {
            true => classify_key(old, new, ledger)?,
            false => classify_copies(old, new, ledger)?,
        }
    }
    for side in Side::BOTH {
        ledger.seen(side, sides[side].delivered());
    }
    Ok(())
}

/// The comparison of two batches' keys, kept while the batches stay the same.
#[derive(Default)]
struct Orders(Option<(Sides<Arc<Rows>>, KeyOrder)>);

impl Orders {
    fn of(&mut self, old: &Arc<Rows>, new: &Arc<Rows>) -> Result<&KeyOrder, Halt> {
        let known =
            |(pages, _): &(Sides<Arc<Rows>>, KeyOrder)| Arc::ptr_eq(&pages.old, old) && Arc::ptr_eq(&pages.new, new);
        let kept = match self.0.take().filter(known) {
            Some(kept) => kept,
            None => (Sides { old: old.clone(), new: new.clone() }, KeyOrder::of(&old.keys, &new.keys)?),
        };
        Ok(&self.0.insert(kept).1)
    }
}

/// How many rows from two positions on have pairwise equal keys, looking no further than `reach`.
fn shared_keys(old: (&Arc<Rows>, usize), new: (&Arc<Rows>, usize), reach: usize) -> Result<usize, Halt> {
    let mut shared = reach;
    for (old_key, new_key) in old.0.keys.iter().zip(&new.0.keys) {
        if shared == 0 {
            break;
        }
        let equal = equal_rows(&old_key.slice(old.1, shared), &new_key.slice(new.1, shared))?;
        shared = leading(&equal);
    }
    Ok(shared)
}

/// Compares the values of `len` pairs of rows that have the same keys.
fn compare_values(rows: Sides<(&Arc<Rows>, usize)>, len: usize, ledger: &mut Ledger) -> Result<()> {
    let slice = |(rows, start): (&Arc<Rows>, usize), column: usize| rows.values[column].slice(start, len);
    let mut unequal: Vec<(usize, BooleanBuffer)> = vec![];
    for column in 0..rows.old.0.values.len() {
        let (old, new): (ArrayRef, ArrayRef) = (slice(rows.old, column), slice(rows.new, column));
        let equal = equal_rows(&old, &new)?;
        if equal.count_set_bits() < len {
            unequal.push((column, !&equal));
        }
    }
    let Some(((_, first), rest)) = unequal.split_first() else {
        ledger.matched(len as u64);
        return Ok(());
    };
    let any = rest.iter().fold(first.clone(), |any, (_, rows)| &any | rows);
    ledger.matched((len - any.count_set_bits()) as u64);
    for at in any.set_indices() {
        let changed = unequal.iter().filter(|(_, rows)| rows.value(at)).map(|(column, _)| *column).collect();
        let rows = rows.map(|(rows, start)| RowRef { batch: rows.clone(), row: start + at });
        ledger.record(Finding::Mismatch { rows, changed })?;
    }
    Ok(())
}

/// One key: the rows that each side has of it.
fn classify_key(old: Option<(RowRef, u64)>, new: Option<(RowRef, u64)>, ledger: &mut Ledger) -> Result<()> {
    match (old, new) {
        (Some((old, 1)), None) => ledger.record(Finding::Missing { old }),
        (None, Some((new, 1))) => ledger.record(Finding::Extra { new }),
        (Some((_, 1)), Some((_, 1))) => Err(Error::internal("a pair of equal keys was not compared")),
        (old, new) => {
            let rows = Sides { old: count(&old), new: count(&new) };
            let key = old.map(|(row, _)| (Side::Old, row)).or(new.map(|(row, _)| (Side::New, row)));
            match key {
                Some((side, key)) => ledger.record(Finding::DuplicateKey { key, side, rows }),
                None => Ok(()),
            }
        }
    }
}

/// One whole row: the copies that each side has of it.
fn classify_copies(old: Option<(RowRef, u64)>, new: Option<(RowRef, u64)>, ledger: &mut Ledger) -> Result<()> {
    let (in_old, in_new) = (count(&old), count(&new));
    ledger.matched(in_old.min(in_new));
    if let Some((old, _)) = old {
        for _ in in_new..in_old {
            ledger.record(Finding::Missing { old: old.clone() })?;
        }
    }
    if let Some((new, _)) = new {
        for _ in in_old..in_new {
            ledger.record(Finding::Extra { new: new.clone() })?;
        }
    }
    Ok(())
}

fn count(run: &Option<(RowRef, u64)>) -> u64 {
    run.as_ref().map_or(0, |(_, count)| *count)
}
