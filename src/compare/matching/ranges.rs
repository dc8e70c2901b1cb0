//! Cuts the key space into ranges that workers process one after the other.
//!
//! Cuts are at the boundaries of parts: of row groups, or of pages where there are few row groups. A part of the other
//! side that spans a cut is decoded twice. Therefore, the side with larger parts is cut, and expensive cuts are left out.
//! The ranges become smaller towards the end, so that all workers finish at about the same time.

use std::slice::from_ref;

use arrow::array::{Array, ArrayRef};

use super::cursor::KeyRange;
use super::layout::{Bounds, KeyLayout};
use crate::equality::canonical::order::KeyOrder;
use crate::error::Result;
use crate::sides::Sides;

/// The number of parts per worker that a side must have to be cut at its own boundaries.
const PARTS_A_WORKER: usize = 4;
/// A range has about this fraction of a worker's share of the remaining rows.
const SHARE_OF_REST: u64 = 2;
/// No range is smaller than this fraction of a worker's share of all rows.
const SMALLEST_SHARE: u64 = 16;
/// The fraction of all rows that may be decoded twice.
const TWICE_SHARE: u64 = 16;

/// Cuts a range for `threads` workers. The results are in ascending order, and together cover every key of the range.
pub(super) fn cut(layouts: &Sides<KeyLayout>, threads: usize, range: &KeyRange) -> Result<Vec<KeyRange>> {
    let Sides { old, new } = layouts;
    let (fewer, more) = if old.parts.len() < new.parts.len() { (old, new) } else { (new, old) };
    let (cut, other) = match fewer.parts.len() >= threads * PARTS_A_WORKER {
        true => (fewer, more),
        false => (more, fewer),
    };
    let Some(bounds) = cut.bounds.as_ref().filter(|_| threads > 1) else { return Ok(vec![range.clone()]) };
    if other.bounds.is_none() && other.parts.len() > 1 {
        return Ok(vec![range.clone()]);
    }
    let (total, workers) = (rows(cut), threads as u64);
    let (mut passed, mut in_range, mut twice) = (0, 0, 0);
    let mut cuts: Vec<ArrayRef> = vec![];
    for part in &cut.parts {
        let wanted = ((total - passed) / (SHARE_OF_REST * workers)).max(total / (SMALLEST_SHARE * workers));
        let min = bounds.mins.slice(part.bound, 1);
        let before = cuts.last().or(range.start.as_ref());
        if in_range >= wanted.max(1) && min.is_valid(0) && is_between(before, &min, range.end.as_ref())? {
            let cost = rows_across(other, &min)?;
            if twice + cost <= (total + rows(other)) / TWICE_SHARE {
                cuts.push(min);
                twice += cost;
                in_range = 0;
            }
        }
        passed += part.rows;
        in_range += part.rows;
    }
    let starts = std::iter::once(range.start.clone()).chain(cuts.iter().cloned().map(Some));
    let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(range.end.clone()));
    Ok(starts.zip(ends).map(|(start, end)| KeyRange { start, end }).collect())
}

fn rows(layout: &KeyLayout) -> u64 {
    layout.parts.iter().map(|part| part.rows).sum()
}

/// Whether a key is above one bound and below another, where they exist.
fn is_between(before: Option<&ArrayRef>, key: &ArrayRef, after: Option<&ArrayRef>) -> Result<bool> {
    let ascend = |one: &ArrayRef, two: &ArrayRef| -> Result<bool> {
        Ok(KeyOrder::of(from_ref(one), from_ref(two))?.compare(0, 0).is_lt())
    };
    Ok(before.map_or(Ok(true), |before| ascend(before, key))? && after.map_or(Ok(true), |after| ascend(key, after))?)
}

/// Returns the number of rows in parts that span a cut.
fn rows_across(layout: &KeyLayout, cut: &ArrayRef) -> Result<u64> {
    let Some(Bounds { mins, maxs, nulls }) = &layout.bounds else { return Ok(rows(layout)) };
    let (begins, ends) = (KeyOrder::of(from_ref(mins), from_ref(cut))?, KeyOrder::of(from_ref(maxs), from_ref(cut))?);
    let across = layout.parts.iter().filter(|part| {
        let ends_after = nulls.value(part.bound) > 0 || ends.compare(part.bound, 0).is_ge();
        ends_after && begins.compare(part.bound, 0).is_lt()
    });
    Ok(across.map(|part| part.rows).sum())
}

#[cfg(test)]
mod tests;
