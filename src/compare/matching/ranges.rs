//! Cuts the key space into ranges that workers process one after the other.
//!
//! Cuts are at the boundaries of row groups. A row group of the other side that spans a cut is decoded twice.
//! Therefore, the side with larger row groups is cut, and expensive cuts are left out. The ranges become smaller
//! towards the end, so that all workers finish at about the same time.

use std::slice::from_ref;

use arrow::array::{Array, ArrayRef};

use super::cursor::KeyRange;
use super::layout::{Bounds, KeyLayout};
use crate::equality::canonical::order::KeyOrder;
use crate::error::Result;
use crate::sides::Sides;

/// The number of row groups per worker that a side must have to be cut at its own boundaries.
const GROUPS_A_WORKER: usize = 4;
/// A range has about this fraction of a worker's share of the remaining rows.
const SHARE_OF_REST: u64 = 2;
/// No range is smaller than this fraction of a worker's share of all rows.
const SMALLEST_SHARE: u64 = 16;
/// The fraction of all rows that may be decoded twice.
const TWICE_SHARE: u64 = 16;

/// Cuts the key space for `threads` workers. The ranges are in ascending order, and together cover every key.
pub(super) fn cut(layouts: &Sides<KeyLayout>, threads: usize) -> Result<Vec<KeyRange>> {
    let Sides { old, new } = layouts;
    let (fewer, more) = if old.groups.len() < new.groups.len() { (old, new) } else { (new, old) };
    let (cut, other) = match fewer.groups.len() >= threads * GROUPS_A_WORKER {
        true => (fewer, more),
        false => (more, fewer),
    };
    let Some(bounds) = cut.bounds.as_ref().filter(|_| threads > 1) else { return Ok(vec![KeyRange::default()]) };
    if other.bounds.is_none() && other.groups.len() > 1 {
        return Ok(vec![KeyRange::default()]);
    }
    let (total, workers) = (rows(cut), threads as u64);
    let (mut passed, mut in_range, mut twice) = (0, 0, 0);
    let mut cuts: Vec<ArrayRef> = vec![];
    for group in &cut.groups {
        let wanted = ((total - passed) / (SHARE_OF_REST * workers)).max(total / (SMALLEST_SHARE * workers));
        let min = bounds.mins.slice(group.bound, 1);
        if in_range >= wanted.max(1) && min.is_valid(0) && ascends(cuts.last(), &min)? {
            let cost = rows_across(other, &min)?;
            if twice + cost <= (total + rows(other)) / TWICE_SHARE {
                cuts.push(min);
                twice += cost;
                in_range = 0;
            }
        }
        passed += group.rows;
        in_range += group.rows;
    }
    let starts = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
    let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
    Ok(starts.zip(ends).map(|(start, end)| KeyRange { start, end }).collect())
}

fn rows(layout: &KeyLayout) -> u64 {
    layout.groups.iter().map(|group| group.rows).sum()
}

fn ascends(last: Option<&ArrayRef>, next: &ArrayRef) -> Result<bool> {
    last.map_or(Ok(true), |last| Ok(KeyOrder::of(from_ref(last), from_ref(next))?.compare(0, 0).is_lt()))
}

/// Returns the number of rows in row groups that span a cut.
fn rows_across(layout: &KeyLayout, cut: &ArrayRef) -> Result<u64> {
    let Some(Bounds { mins, maxs, nulls }) = &layout.bounds else { return Ok(rows(layout)) };
    let (begins, ends) = (KeyOrder::of(from_ref(mins), from_ref(cut))?, KeyOrder::of(from_ref(maxs), from_ref(cut))?);
    let across = layout.groups.iter().filter(|group| {
        let ends_after = nulls.value(group.bound) > 0 || ends.compare(group.bound, 0).is_ge();
        ends_after && begins.compare(group.bound, 0).is_lt()
    });
    Ok(across.map(|group| group.rows).sum())
}

#[cfg(test)]
mod tests;
