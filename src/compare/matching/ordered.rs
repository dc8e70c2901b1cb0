//! The ordered strategy, a merge join: both sides are in key order, and key ranges are merged in parallel.
//!
//! Memory is a few batches per worker, whatever the number of rows. The order is not trusted: the cursors verify it row
//! by row, and the rows of all ranges must add up to the footers' counts. If a check fails, the result is discarded and
//! the hash join runs instead.
//!
//! Ranges in which all compared columns are the same bytes on both sides are not decoded, except for the keys of old.
//! Where there are fewer ranges than workers, the others are cut again within row groups, by the page index. Without
//! one, several workers decode a range.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use rayon::Scope;
use rayon::prelude::*;

use super::cursor::{Cursor, KeyRange, MergeError};
use super::layout::KeyLayout;
use super::merge::merge;
use super::ranges::cut;
use super::shared_scan::SharedScan;
use super::{AnswerPart, Comparison};
use crate::compare::discrepancy::Tier;
use crate::error::{Error, Result};
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, identical_bytes};

/// Compares the ranges. Returns the parts in key order.
pub(super) fn run(
    comparison: &Comparison,
    ranges: &[KeyRange],
    layouts: &Sides<KeyLayout>,
) -> Result<Vec<AnswerPart>, MergeError> {
    let Comparison { engine, snapshots, .. } = comparison;
    engine.progress.begin("comparing", snapshots.iter().map(|side| side.rows()).sum());
    let abandoned = AtomicBool::new(false);
    let workers = engine.threads() / ranges.len().max(1);
    let parts = engine.workers().scope(|scope| {
        each_range(ranges, &abandoned, |range| compare_range(comparison, range, layouts, &abandoned, scope, workers))
    })?;
    let parts: Vec<AnswerPart> = parts.into_iter().flatten().collect();
    for side in Side::BOTH {
        let seen: u64 = parts.iter().map(|part| part.recorded.tally.rows[side]).sum();
        if seen != snapshots[side].rows() {
            // if statistics are wrong, some rows belong to no range
            return Err(MergeError::OrderBroken(side));
        }
    }
    Ok(parts)
}

/// Works on ranges in parallel. Returns the results in the order of the ranges, or the first error that explains why
/// all of them were abandoned.
fn each_range<T: Send>(
    ranges: &[KeyRange],
    abandoned: &AtomicBool,
    work: impl Fn(&KeyRange) -> Result<T, MergeError> + Sync,
) -> Result<Vec<T>, MergeError> {
    // a bridge hands out the ranges one by one, the large ones first
    let worked = ranges.iter().enumerate().par_bridge().map(|(number, range)| {
        let result = work(range);
        if result.is_err() {
            abandoned.store(true, Ordering::Relaxed);
        }
        (number, result)
    });
    let mut results: Vec<(usize, Result<T, MergeError>)> = worked.collect();
    results.sort_by_key(|(number, _)| *number);
    let mut done = vec![];
    let mut failure = None;
    for (_, result) in results {
        match (result, &failure) {
            (Ok(result), _) => done.push(result),
            // workers that were cancelled do not know the reason
            (Err(MergeError::Failed(Error::Interrupted)), Some(_)) => {}
            (Err(halt), None | Some(MergeError::Failed(Error::Interrupted))) => failure = Some(halt),
            (Err(_), Some(_)) => {}
        }
    }
    failure.map_or(Ok(done), Err)
}

/// Compares one range with as many workers. Returns its parts in key order.
fn compare_range<'scope>(
    comparison: &'scope Comparison,
    range: &KeyRange,
    layouts: &Sides<KeyLayout>,
    abandoned: &AtomicBool,
    scope: &Scope<'scope>,
    workers: usize,
) -> Result<Vec<AnswerPart>, MergeError> {
    let reads = Sides::try_from_fn(|side| layouts[side].reads(range))?;
    if let Some(part) = skip_identical(comparison, range, &reads)? {
        return Ok(vec![part]);
    }
    if workers <= 1 {
        return Ok(vec![merge_range(comparison, range, reads, abandoned, None)?]);
    }
    let pages = by_pages(comparison, range, layouts)?;
    match cut(&pages, workers, range)?.as_slice() {
        [_] => Ok(vec![merge_range(comparison, range, reads, abandoned, Some((scope, workers)))?]),
        ranges => each_range(ranges, abandoned, |range| {
            let reads = Sides::try_from_fn(|side| pages[side].reads(range))?;
            merge_range(comparison, range, reads, abandoned, None)
        }),
    }
}

/// Returns the pages of each side in a range, or its row groups if they have no page index.
fn by_pages(comparison: &Comparison, range: &KeyRange, layouts: &Sides<KeyLayout>) -> Result<Sides<KeyLayout>> {
    let Comparison { snapshots, pairing, .. } = comparison;
    Sides::try_from_fn(|side| {
        let pages = layouts[side].by_pages(&snapshots[side], &pairing.columns[0], range)?;
        Ok(pages.unwrap_or_else(|| layouts[side].clone()))
    })
}

/// Merges one range. If it is `shared`, several workers decode it, within a scope.
fn merge_range<'scope>(
    comparison: &'scope Comparison,
    range: &KeyRange,
    mut reads: Sides<Vec<FileRead>>,
    abandoned: &AtomicBool,
    shared: Option<(&Scope<'scope>, usize)>,
) -> Result<AnswerPart, MergeError> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let open = |side: Side| -> Result<Cursor, MergeError> {
        let reads = std::mem::take(&mut reads[side]);
        let mut next_batch: Box<dyn FnMut() -> Result<Option<RecordBatch>> + Send> = match shared {
            // shared scans keep more batches, which the workers without a range do not need
            Some((scope, workers)) => {
                let mut scan = SharedScan::open(comparison, side, reads, workers)?;
                Box::new(move || scan.next_batch(scope))
            }
            None => {
                let mut scan = snapshots[side].scan(engine, reads, &pairing.projection(side))?;
                Box::new(move || scan.next_batch())
            }
        };
        let source = Box::new(move || match abandoned.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => {
                let settle = |batch| engine.timings.stage(Stage::Canonicalize, || pairing.rows(side, batch));
                next_batch()?.map(settle).transpose()
            }
        });
        Cursor::open(pairing, side, source, range.clone())
    };
    let cursors = Sides::try_from_fn(open)?;
    let mut sink = comparison.sink();
    engine.timings.stage(Stage::Compare, || merge(pairing, cursors, &mut sink))?;
    Ok(AnswerPart::close(sink)?)
}

/// Compares a range whose columns are the same bytes on both sides, from the keys of old alone; `None` if they are not,
/// or if a key repeats. The keys are read as always, so a broken order is noticed.
fn skip_identical(
    comparison: &Comparison,
    range: &KeyRange,
    reads: &Sides<Vec<FileRead>>,
) -> Result<Option<AnswerPart>, MergeError> {
    let Comparison { engine, snapshots, pairing, requested, .. } = comparison;
    let Some(columns) = pairing.stored_alike().filter(|_| requested.is_none()) else { return Ok(None) };
    let Some(bytes) = identical_bytes(engine, snapshots, reads, &columns)? else { return Ok(None) };
    let keys = pairing.keys_alone();
    let old = &snapshots.old;
    let mut scan = old.scan(engine, reads.old.clone(), &keys.projection(Side::Old))?.uncounted();
    let source = Box::new(|| scan.next_batch()?.map(|batch| keys.rows(Side::Old, batch)).transpose());
    let mut cursor = Cursor::open(&keys, Side::Old, source, range.clone())?;
    let mut sink = comparison.sink();
    while cursor.head().is_some() {
        let rows = cursor.unique_len();
        if rows == 0 {
            return Ok(None);
        }
        sink.matched(Tier::Exact, rows as u64);
        cursor.advance(rows)?;
    }
    let rows = cursor.delivered();
    Side::BOTH.into_iter().for_each(|side| sink.seen(side, rows));
    engine.progress.advance(2 * rows);
    Ok(Some(AnswerPart { identical_bytes: 2 * bytes, ..AnswerPart::close(sink)? }))
}
