//! Records the decisions of the merge: counts every finding, and keeps those that lists or reports need.

use std::sync::Arc;

use super::finding::{Finding, RowRef};
use super::outcomes::{Outcomes, PairOutcomes};
use super::spool::{Spool, Spooled};
use super::table::Layout;
use super::{Class, ColumnTally, Tally, Tier};
use crate::causes::{CauseTally, Observer};
use crate::columns::{ParseCounts, RowBatch};
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};

/// Which findings are kept. All are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// All, for complete lists.
    All,
    /// The first few of each class, for the examples in the report.
    First(usize),
}

/// The maximum number of findings to collect before they become rows of the table.
const GATHER_FINDINGS: usize = 4096;
/// A lower maximum, in batches, for when memory is scarce or rows are large, and batches therefore small.
const GATHER_BATCHES_OF_FINDINGS: usize = 4;
/// The maximum number of batches that collected findings may keep in memory.
const GATHER_BATCHES: usize = 16;

/// What was recorded of one part of a comparison.
pub(crate) struct Recorded {
    /// The counts.
    pub tally: Tally,
    /// What the mismatches show, if anyone asks.
    pub causes: Option<CauseTally>,
    /// The findings that are kept.
    pub findings: Spooled,
    /// The outcomes of requested rows.
    pub outcomes: Option<Spooled>,
}

/// Receives the findings of one part of a comparison, in key order.
pub(crate) struct FindingSink<'a> {
    layout: Arc<Layout>,
    keep: Retention,
    kept: [usize; Class::ALL.len()],
    gathered: Vec<Finding>,
    gathered_max: usize,
    last_batch: Sides<Option<Arc<RowBatch>>>,
    batches_held: usize,
    spool: Spool,
    outcomes: Option<Outcomes<'a>>,
    causes: Option<(&'a Observer, CauseTally)>,
    tally: Tally,
}

impl<'a> FindingSink<'a> {
    /// Creates an empty sink. What does not fit in memory spills to disk.
    pub(crate) fn new(
        layout: Arc<Layout>,
        keep: Retention,
        outcomes: Option<Outcomes<'a>>,
        observer: Option<&'a Observer>,
        engine: &Engine,
    ) -> Self {
        FindingSink {
            causes: observer.map(|observer| (observer, observer.tally())),
            tally: Tally::new(layout.columns()),
            spool: Spool::new(layout.schema(), engine.spill_dir()),
            layout,
            keep,
            outcomes,
            kept: [0; Class::ALL.len()],
            gathered: vec![],
            gathered_max: GATHER_FINDINGS.min(GATHER_BATCHES_OF_FINDINGS * engine.batch_rows()),
            last_batch: Sides::default(),
            batches_held: 0,
        }
    }

    /// Adds to the number of rows of a side.
    pub(crate) fn seen(&mut self, side: Side, rows: u64) {
        self.tally.rows[side] += rows;
    }

    /// Adds pairs of equal rows.
    pub(crate) fn matched(&mut self, tier: Tier, pairs: u64) {
        self.tally.tiers.add(tier, pairs);
    }

    /// The counts of one column.
    pub(crate) fn column(&mut self, column: usize) -> &mut ColumnTally {
        &mut self.tally.columns[column]
    }

    /// Adds the counts of cells that were parsed with rules, in pairs that are equal as read.
    pub(crate) fn read(&mut self, counts: &ParseCounts) {
        self.tally.read(counts);
    }

    /// Records the outcomes of pairs of rows with unique keys, if outcomes are requested.
    pub(crate) fn pairs(&mut self, pairs: &PairOutcomes) -> Result<()> {
        self.outcomes.as_mut().map_or(Ok(()), |outcomes| outcomes.pairs(pairs))
    }

    /// Records a pair of rows that differ, and what their values show.
    pub(crate) fn record_mismatch(&mut self, rows: Sides<RowRef>, changed: Vec<usize>) -> Result<()> {
        let labels = match &mut self.causes {
            Some((observer, tally)) => {
                let pair = rows.as_ref().map(|row| (row.batch.as_ref(), row.row));
                observer.observe(&pair, &changed, tally)?
            }
            None => vec![],
        };
        self.record(Finding::Mismatch { rows, changed, labels })
    }

    /// Records a discrepancy. Findings must be recorded in key order.
    pub(crate) fn record(&mut self, finding: Finding) -> Result<()> {
        self.count(&finding);
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.finding(&finding)?;
        }
        let kept = &mut self.kept[finding.class() as usize];
        if matches!(self.keep, Retention::First(few) if *kept >= few) {
            return Ok(());
        }
        *kept += 1;
        let (side, key) = finding.key();
        let shown = Side::BOTH.into_iter().filter_map(|side| finding.row(side).map(|row| (side, row)));
        for (side, row) in shown.chain([(side, key)]) {
            if !self.last_batch[side].as_ref().is_some_and(|last| Arc::ptr_eq(last, &row.batch)) {
                self.last_batch[side] = Some(row.batch.clone());
                self.batches_held += 1;
            }
        }
        self.gathered.push(finding);
        if self.gathered.len() >= self.gathered_max || self.batches_held >= GATHER_BATCHES {
            self.flush()?;
        }
        Ok(())
    }

    /// Finishes the part.
    pub(crate) fn close(mut self) -> Result<Recorded> {
        self.flush()?;
        let outcomes = self.outcomes.map(Outcomes::close).transpose()?;
        let causes = self.causes.map(|(_, causes)| causes);
        Ok(Recorded { tally: self.tally, causes, findings: self.spool.close()?, outcomes })
    }

    fn count(&mut self, finding: &Finding) {
        let tally = &mut self.tally;
        match finding {
            Finding::Missing { .. } => tally.missing += 1,
            Finding::Extra { .. } => tally.extra += 1,
            Finding::Mismatch { changed, .. } => {
                tally.mismatch += 1;
                changed.iter().for_each(|&column| tally.columns[column].mismatches += 1);
            }
            Finding::DuplicateKey { rows, .. } => {
                tally.duplicate_keys += 1;
                tally.missing_duplicated += u64::from(rows.new == 0);
                Side::BOTH.into_iter().for_each(|side| tally.duplicate_rows[side] += rows[side]);
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.gathered.is_empty() {
            let rows = self.layout.rows(&self.gathered)?;
            self.spool.push(rows)?;
        }
        self.gathered.clear();
        self.last_batch = Sides::default();
        self.batches_held = 0;
        Ok(())
    }
}
