//! Collects findings, so that they become rows of the table many at a time.

use std::sync::Arc;

use super::finding::Finding;
use crate::columns::RowBatch;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};

/// The maximum number of findings to collect before they become rows of the table.
const GATHER_FINDINGS: usize = 4096;
/// A lower maximum, in batches, for when memory is scarce or rows are large, and batches therefore small.
const GATHER_BATCHES_OF_FINDINGS: usize = 4;
/// The maximum number of batches that collected findings may keep in memory.
const GATHER_BATCHES: usize = 16;
/// The same for samples, whose findings are few and far between.
const SAMPLED_BATCHES: usize = 4;

/// Collects findings until they become rows of the table.
pub(super) struct Gathering {
    findings: Vec<Finding>,
    findings_max: usize,
    last_batch: Sides<Option<Arc<RowBatch>>>,
    batches_held: usize,
    batches_max: usize,
}

impl Gathering {
    /// Collects the findings that are kept.
    pub(super) fn of_kept(engine: &Engine) -> Self {
        Gathering::new(engine, GATHER_BATCHES)
    }

    /// Collects the findings of a sample.
    pub(super) fn of_sampled(engine: &Engine) -> Self {
        Gathering::new(engine, SAMPLED_BATCHES)
    }

    fn new(engine: &Engine, batches_max: usize) -> Self {
        let findings_max = GATHER_FINDINGS.min(GATHER_BATCHES_OF_FINDINGS * engine.batch_rows());
        Gathering { findings: vec![], findings_max, last_batch: Sides::default(), batches_held: 0, batches_max }
    }

    /// Adds a finding. Returns whether there are enough.
    pub(super) fn push(&mut self, finding: Finding) -> bool {
        let (side, key) = finding.key();
        let shown = Side::BOTH.into_iter().filter_map(|side| finding.row(side).map(|row| (side, row)));
        for (side, row) in shown.chain([(side, key)]) {
            if !self.last_batch[side].as_ref().is_some_and(|last| Arc::ptr_eq(last, &row.batch)) {
                self.last_batch[side] = Some(row.batch.clone());
                self.batches_held += 1;
            }
        }
        self.findings.push(finding);
        self.findings.len() >= self.findings_max || self.batches_held >= self.batches_max
    }

    /// Returns all findings, and begins again.
    pub(super) fn take(&mut self) -> Vec<Finding> {
        self.last_batch = Sides::default();
        self.batches_held = 0;
        std::mem::take(&mut self.findings)
    }
}
