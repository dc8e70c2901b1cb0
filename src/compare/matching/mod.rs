//! MATCH: brings equal keys of both sides together. Two ways lead to the same findings, byte for byte;
//! `plan` picks the cheaper one that is right, and `merge` alone decides what a discrepancy is.

mod unresolved;
mod compare;
mod cursor;
mod partitions;
mod estimate;
mod hashed;
mod build_table;
mod merge;
mod ordered;
mod plan;
mod ranges;

pub use estimate::MemoryEstimate;
pub(crate) use estimate::{demand, obstacle};
pub(crate) use plan::{Obstacle, Ranges};

use std::sync::Arc;

use crate::columns::Pairing;
use crate::compare::discrepancy::{FindingSink, Layout, OutcomeRequest, Outcomes, Retention, Spooled, Tally};
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::options::Strategy;
use crate::sides::Sides;
use crate::snapshot::Snapshot;
use cursor::MergeError;
use plan::Plan;

/// Everything that matching needs to know.
pub(crate) struct Comparison<'a> {
    /// Where the work runs.
    pub engine: &'a Engine,
    /// Both sides.
    pub snapshots: &'a Sides<Snapshot>,
    /// What is compared with what.
    pub pairing: &'a Pairing,
    /// The table that findings become.
    pub layout: Arc<Layout>,
    /// Which findings are kept.
    pub keep: Retention,
    /// The rows of which it is asked how they come out.
    pub asked: Option<&'a OutcomeRequest>,
}

/// What matching found.
pub(crate) struct Matched {
    /// All rows of both sides, classified.
    pub tally: Tally,
    /// The findings, in key order when read one part after the other.
    pub findings: Vec<Spooled>,
    /// How the rows came out that were asked about.
    pub outcomes: Vec<Spooled>,
    /// The way that gave the answer.
    pub way: Strategy,
    /// Why that way, in words.
    pub reason: String,
}

/// One part of the answer: a range of keys, or all of them.
struct AnswerPart {
    tally: Tally,
    findings: Spooled,
    outcomes: Option<Spooled>,
}

impl AnswerPart {
    fn close(ledger: FindingSink) -> Result<Self> {
        let (tally, findings, outcomes) = ledger.close()?;
        Ok(AnswerPart { tally, findings, outcomes })
    }
}

impl Comparison<'_> {
    /// A ledger for one part of the comparison.
    fn ledger(&self) -> FindingSink<'_> {
        let outcomes = |asked| Outcomes::new(asked, self.pairing, self.layout.clone(), self.engine);
        FindingSink::new(self.layout.clone(), self.keep, self.asked.map(outcomes), self.engine)
    }

    /// Compares both sides, by the way that is asked for or by the cheaper one that is right.
    pub(crate) fn run(&self, forced: Option<Strategy>) -> Result<Matched> {
        let reason = match Plan::choose(self.engine, self.snapshots, self.pairing, forced)? {
            Plan::Hashed { reason } => reason.to_string(),
            Plan::Ordered { ranges, layouts } => match ordered::run(self, &ranges, &layouts) {
                Ok(parts) => return self.gather(parts, Strategy::Ordered, "both sides are in key order".into()),
                Err(MergeError::Failed(error)) => return Err(error),
                Err(MergeError::OrderBroken(side)) => format!("the key order of {side} broke while reading"),
            },
        };
        let parts = hashed::run(self)?;
        self.gather(parts, Strategy::Hashed, reason)
    }

    /// Adds up the parts and checks that no row was lost or counted twice.
    fn gather(&self, parts: Vec<AnswerPart>, way: Strategy, reason: String) -> Result<Matched> {
        let mut tally = Tally::new(&self.pairing.columns);
        let (mut findings, mut outcomes) = (vec![], vec![]);
        for part in parts {
            tally.add(&part.tally);
            findings.push(part.findings);
            outcomes.extend(part.outcomes);
        }
        for snapshot in self.snapshots.iter() {
            snapshot.require_unchanged()?;
        }
        tally.conserve(Sides { old: self.snapshots.old.rows(), new: self.snapshots.new.rows() })?;
        Ok(Matched { tally, findings, outcomes, way, reason })
    }
}

impl From<MergeError> for Error {
    /// For merges of sorted input, where a break is a broken promise of the sort.
    fn from(halt: MergeError) -> Self {
        match halt {
            MergeError::Failed(error) => error,
            MergeError::OrderBroken(side) => Error::Internal(format!("sorted rows of {side} are not in order")),
        }
    }
}
