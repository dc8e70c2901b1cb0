//! Records the decisions of the merge: counts every finding, and keeps those that lists or reports need.

use std::sync::Arc;

use super::finding::{Finding, RowRef};
use super::gathering::Gathering;
use super::outcomes::{Outcomes, PairOutcomes};
use super::sample::{Sample, SampleLimit, Sampler};
use super::spool::{Spool, Spooled};
use super::table::Layout;
use super::{Class, ColumnTally, Tally, Tier};
use crate::causes::{CauseTally, Observer};
use crate::columns::ParseCounts;
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

/// What findings are explained with.
pub(crate) struct Observed<'a> {
    /// Looks for causes of mismatches.
    pub observer: &'a Observer,
    sample_limit: SampleLimit,
}

impl<'a> Observed<'a> {
    pub(crate) fn by(observer: &'a Observer) -> Self {
        Observed { observer, sample_limit: SampleLimit::none() }
    }

    /// Begins again.
    pub(crate) fn forget(&self) {
        self.sample_limit.forget();
    }
}

/// What was recorded of one part of a comparison.
pub(crate) struct Recorded {
    /// The counts.
    pub tally: Tally,
    /// What the mismatches show, if anyone asks.
    pub causes: Option<CauseTally>,
    /// A sample of the findings, likewise.
    pub sample: Option<Sample>,
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
    gathering: Gathering,
    spool: Spool,
    outcomes: Option<Outcomes<'a>>,
    explaining: Option<Explaining<'a>>,
    tally: Tally,
}

/// What is recorded to explain findings.
struct Explaining<'a> {
    observer: &'a Observer,
    causes: CauseTally,
    sampler: Sampler<'a>,
}

impl<'a> FindingSink<'a> {
    /// Creates an empty sink. What does not fit in memory spills to disk.
    pub(crate) fn new(
        layout: Arc<Layout>,
        keep: Retention,
        outcomes: Option<Outcomes<'a>>,
        observed: Option<&'a Observed<'a>>,
        engine: &Engine,
    ) -> Self {
        let explaining = observed.map(|Observed { observer, sample_limit }| Explaining {
            observer,
            causes: observer.tally(),
            sampler: Sampler::new(layout.clone(), sample_limit, Gathering::of_sampled(engine)),
        });
        FindingSink {
            explaining,
            tally: Tally::new(layout.columns()),
            spool: Spool::new(layout.schema(), engine.spill_dir()),
            layout,
            keep,
            outcomes,
            kept: [0; Class::ALL.len()],
            gathering: Gathering::of_kept(engine),
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
        let labels = match &mut self.explaining {
            Some(Explaining { observer, causes, .. }) => {
                let pair = rows.as_ref().map(|row| (row.batch.as_ref(), row.row));
                observer.observe(&pair, &changed, causes)?
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
        if let Some(Explaining { sampler, .. }) = &mut self.explaining {
            sampler.offer(&finding)?;
        }
        let kept = &mut self.kept[finding.class() as usize];
        if matches!(self.keep, Retention::First(few) if *kept >= few) {
            return Ok(());
        }
        *kept += 1;
        if self.gathering.push(finding) { self.flush() } else { Ok(()) }
    }

    /// Finishes the part.
    pub(crate) fn close(mut self) -> Result<Recorded> {
        self.flush()?;
        let outcomes = self.outcomes.map(Outcomes::close).transpose()?;
        let (causes, sample) = match self.explaining {
            Some(Explaining { causes, sampler, .. }) => (Some(causes), Some(sampler.close()?)),
            None => (None, None),
        };
        Ok(Recorded { tally: self.tally, causes, sample, findings: self.spool.close()?, outcomes })
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
        let findings = self.gathering.take();
        match findings.is_empty() {
            true => Ok(()),
            false => self.spool.push(self.layout.rows(&findings)?),
        }
    }
}
