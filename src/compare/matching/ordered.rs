//! The ordered way: both sides stand in key order, so ranges of keys are merged side by side.
//!
//! Memory is a few batches per worker, whatever the row count. Nothing here is trusted: the cursors
//! verify the order of every row they pass, and the rows of all ranges have to add up to the footers.
//! If either fails, the result is thrown away and the hashed way gives the answer.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::cursor::{Cursor, KeyRange, MergeError};
use super::merge::merge;
use super::plan::KeyLayout;
use super::{AnswerPart, Comparison};
use crate::error::{Error, Result};
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};

/// Compares range by range. The parts come back in key order.
pub(super) fn run(
    comparison: &Comparison,
    ranges: &[KeyRange],
    layouts: &Sides<KeyLayout>,
) -> Result<Vec<AnswerPart>, MergeError> {
    let Comparison { engine, snapshots, .. } = comparison;
    engine.progress.begin("comparing", snapshots.iter().map(|side| side.rows()).sum());
    let abandoned = AtomicBool::new(false);
    let mut results: Vec<(usize, Result<AnswerPart, MergeError>)> = engine.workers().install(|| {
        // a bridge hands the ranges out one by one, the large ones first
        let ranges = ranges.iter().enumerate().par_bridge();
        let compared = ranges.map(|(number, range)| {
            let result = compare_range(comparison, range, layouts, &abandoned);
            if result.is_err() {
                abandoned.store(true, Ordering::Relaxed);
            }
            (number, result)
        });
        compared.collect()
    });
    results.sort_by_key(|(number, _)| *number);
    let mut parts = vec![];
    let mut failure = None;
    for (_, result) in results {
        match (result, &failure) {
            (Ok(part), _) => parts.push(part),
            // the workers that were called off say nothing of why
            (Err(MergeError::Failed(Error::Interrupted)), Some(_)) => {}
            (Err(halt), None | Some(MergeError::Failed(Error::Interrupted))) => failure = Some(halt),
            (Err(_), Some(_)) => {}
        }
    }
    if let Some(halt) = failure {
        return Err(halt);
    }
    for side in Side::BOTH {
        let seen: u64 = parts.iter().map(|part| part.tally.rows[side]).sum();
        if seen != snapshots[side].rows() {
            // statistics that do not hold their rows send some of them to no range at all
            return Err(MergeError::OrderBroken(side));
        }
    }
    Ok(parts)
}

fn compare_range(
    comparison: &Comparison,
    range: &KeyRange,
    layouts: &Sides<KeyLayout>,
    abandoned: &AtomicBool,
) -> Result<AnswerPart, MergeError> {
    let Comparison { engine, snapshots, pairing, .. } = comparison;
    let open = |side: Side| -> Result<Cursor, MergeError> {
        let reads = layouts[side].reads(range)?;
        let mut scan = snapshots[side].scan(engine, reads, &pairing.projection(side))?;
        let source = Box::new(move || match abandoned.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => {
                let settle = |batch| engine.meter.stage(Stage::Canonicalize, || pairing.rows(side, batch));
                scan.next_batch()?.map(settle).transpose()
            }
        });
        Cursor::open(pairing, side, source, range.clone())
    };
    let cursors = Sides::try_from_fn(open)?;
    let mut ledger = comparison.ledger();
    engine.meter.stage(Stage::Compare, || merge(pairing, cursors, &mut ledger))?;
    Ok(AnswerPart::close(ledger)?)
}
