//! Matching brings rows with equal keys together. Two strategies produce the same findings, byte for byte. `plan` picks
//! the cheaper one that is correct, and only `merge` decides what a discrepancy is.

#[cfg(test)]
mod test_pair;
mod compare;
mod cursor;
mod partitions;
mod unresolved;
mod tags;
mod build_table;
mod merge;
mod hashed;
mod layout;
mod shared_scan;
mod ranges;
mod ordered;
mod plan;
mod estimate;
#[cfg(test)]
mod tests;

pub use estimate::MemoryEstimate;
pub(crate) use estimate::{demand, obstacle};
pub(crate) use layout::Obstacle;
pub(crate) use plan::Ranges;

use std::sync::Arc;

use crate::causes::CauseTally;
use crate::columns::Pairing;
use crate::compare::discrepancy::{
    FindingSink, Layout, Observed, OutcomeRequest, Outcomes, Recorded, Retention, Sample, Spooled, Tally,
};
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::options::Strategy;
use crate::sides::Sides;
use crate::snapshot::Snapshot;
use cursor::MergeError;
use plan::Plan;

/// The inputs of matching.
pub(crate) struct Comparison<'a> {
    pub engine: &'a Engine,
    pub snapshots: &'a Sides<Snapshot>,
    pub pairing: &'a Pairing,
    /// The layout of the discrepancy table.
    pub layout: Arc<Layout>,
    pub retention: Retention,
    /// The rows whose outcomes are requested.
    pub requested: Option<&'a OutcomeRequest>,
    /// What findings are explained with; `None` if no one asks why.
    pub observed: Option<Observed<'a>>,
}

/// The result of matching.
pub(crate) struct Matched {
    /// The counts of all rows of both sides.
    pub tally: Tally,
    /// What all mismatches show.
    pub causes: CauseTally,
    /// A sample of the findings.
    pub sample: Sample,
    /// The findings, in key order if the parts are read one after the other.
    pub findings: Vec<Spooled>,
    /// The outcomes of the requested rows.
    pub outcomes: Vec<Spooled>,
    /// The strategy that produced the result.
    pub strategy: Strategy,
    /// The reason for this strategy, for the report.
    pub reason: String,
}

/// A part of the result: one key range, or all keys.
struct AnswerPart {
    recorded: Recorded,
    /// Bytes of both sides that are the same, and that were not decoded.
    identical_bytes: u64,
}

impl AnswerPart {
    fn close(sink: FindingSink) -> Result<Self> {
        Ok(AnswerPart { recorded: sink.close()?, identical_bytes: 0 })
    }
}

impl Comparison<'_> {
    /// Creates the sink for one part of the comparison.
    fn sink(&self) -> FindingSink<'_> {
        let outcomes = |asked| Outcomes::new(asked, self.pairing, self.layout.clone(), self.engine);
        FindingSink::new(
            self.layout.clone(),
            self.retention,
            self.requested.map(outcomes),
            self.observed.as_ref(),
            self.engine,
        )
    }

    /// Compares both sides, with the requested strategy or the cheaper one that is correct.
    pub(crate) fn run(&self, forced: Option<Strategy>) -> Result<Matched> {
        let reason = match Plan::choose(self.engine, self.snapshots, self.pairing, forced)? {
            Plan::Hashed { reason } => reason.to_string(),
            Plan::Ordered { ranges, layouts } => match ordered::run(self, &ranges, &layouts) {
                Ok(parts) => return self.gather(parts, Strategy::Ordered, "both sides are in key order".into()),
                Err(MergeError::Failed(error)) => return Err(error),
                Err(MergeError::OrderBroken(side)) => {
                    // the discarded findings may be wrong
                    self.observed.iter().for_each(Observed::forget);
                    format!("the key order of {side} broke while reading")
                }
            },
        };
        let parts = hashed::run(self)?;
        self.gather(parts, Strategy::Hashed, reason)
    }

    /// Adds up the parts, and checks that no row was lost or counted twice.
    fn gather(&self, parts: Vec<AnswerPart>, way: Strategy, reason: String) -> Result<Matched> {
        let mut tally = Tally::new(&self.pairing.columns);
        let mut causes = CauseTally::new(self.pairing.columns.len());
        let mut sample = Sample::default();
        let (mut findings, mut outcomes) = (vec![], vec![]);
        for AnswerPart { recorded, identical_bytes } in parts {
            tally.add(&recorded.tally);
            recorded.causes.into_iter().for_each(|part| causes.add(part));
            recorded.sample.into_iter().try_for_each(|part| sample.add(part))?;
            self.engine.timings.count_identical(identical_bytes);
            findings.push(recorded.findings);
            outcomes.extend(recorded.outcomes);
        }
        for snapshot in self.snapshots.iter() {
            snapshot.require_unchanged()?;
        }
        tally.conserve(Sides { old: self.snapshots.old.rows(), new: self.snapshots.new.rows() })?;
        Ok(Matched { tally, causes, sample, findings, outcomes, strategy: way, reason })
    }
}

impl From<MergeError> for Error {
    /// Converts errors of merges of sorted rows, where a row out of order is a bug in the sort.
    fn from(halt: MergeError) -> Self {
        match halt {
            MergeError::Failed(error) => error,
            MergeError::OrderBroken(side) => Error::Internal(format!("sorted rows of {side} are not in order")),
        }
    }
}
