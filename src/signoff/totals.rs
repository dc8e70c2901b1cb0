//! The decisions on all candidates. Each row of the table of facts is decided; a candidate is approved if all its rows
//! are.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::BooleanBufferBuilder;

use super::SignOffContext;
use super::decide::{BlockReason, Facts, Policy, decide};
use super::facts::{FactsRow, FactsTable};
use super::ids::shown;
use crate::error::Result;
use crate::job::SignOff;
use crate::runtime::engine::Engine;

/// How many blocked candidates are shown.
const SHOWN: usize = 5;

/// The decisions in numbers.
pub(super) struct SignOffTotals {
    /// Candidates that nothing blocks.
    pub approved: u64,
    /// The numbers of these candidates.
    pub may_go: BooleanBufferBuilder,
    /// How many candidates each reason blocks, by its code.
    pub blocked_by: BTreeMap<String, u64>,
    /// The meanings of the reasons, by their codes.
    pub meanings: BTreeMap<String, String>,
    /// The first few blocked candidates.
    pub examples: Vec<(String, BTreeSet<String>)>,
    /// The facts of a candidate that nothing blocks.
    pub sound: Option<Facts>,
    /// Whether the comparison has no result for a row of the side.
    pub lacks_outcomes: bool,
}

/// A candidate, and what blocks it.
pub(super) struct Decision {
    /// Its ID, as in the list.
    pub id: Vec<Option<String>>,
    /// Every reason that blocks it; empty if it may be deleted.
    pub reasons: BTreeSet<BlockReason>,
}

impl Decision {
    /// The codes of its reasons, sorted.
    pub(super) fn codes(&self, terms: &SignOff) -> BTreeSet<String> {
        self.reasons.iter().map(|reason| reason.code(terms)).collect()
    }
}

/// Decides candidate by candidate, in list order. `row` is called with each row before the candidate's decision is
/// known, and `candidate` with the decision.
pub(super) fn each_decision(
    engine: &Engine,
    facts: &FactsTable,
    policy: &Policy,
    mut row: impl FnMut(&FactsRow) -> Result<()>,
    mut candidate: impl FnMut(Decision) -> Result<()>,
) -> Result<()> {
    let mut current: Option<(u64, Decision)> = None;
    facts.each(engine, |next| {
        if current.as_ref().is_none_or(|(number, _)| *number != next.candidate) {
            let started = Decision { id: next.id.clone(), reasons: BTreeSet::new() };
            if let Some((_, decision)) = current.replace((next.candidate, started)) {
                candidate(decision)?;
            }
        }
        if let Some((_, decision)) = &mut current {
            decision.reasons.extend(decide(&next.facts, policy));
        }
        row(&next)
    })?;
    current.map_or(Ok(()), |(_, decision)| candidate(decision))
}

impl SignOffTotals {
    /// Counts all decisions.
    pub(super) fn of(context: &SignOffContext, facts: &FactsTable, policy: &Policy) -> Result<Self> {
        let terms = context.terms;
        let mut totals = SignOffTotals {
            approved: 0,
            may_go: BooleanBufferBuilder::new(context.candidates.count as usize),
            blocked_by: BTreeMap::new(),
            meanings: BTreeMap::new(),
            examples: vec![],
            sound: None,
            lacks_outcomes: false,
        };
        let (mut lacks_outcomes, mut sound) = (false, None);
        let mut first_sound = |facts: &Facts| {
            if sound.is_none() && decide(facts, policy).is_empty() {
                sound = Some(facts.clone());
            }
        };
        each_decision(
            context.engine,
            facts,
            policy,
            |row| {
                lacks_outcomes |= row.facts.row.as_ref().is_some_and(|row| row.outcome.is_none());
                first_sound(&row.facts);
                Ok(())
            },
            |decision| {
                totals.take(&decision, terms);
                Ok(())
            },
        )?;
        Ok(SignOffTotals { sound, lacks_outcomes, ..totals })
    }

    fn take(&mut self, decision: &Decision, terms: &SignOff) {
        self.may_go.append(decision.reasons.is_empty());
        if decision.reasons.is_empty() {
            self.approved += 1;
            return;
        }
        let codes = decision.codes(terms);
        for code in &codes {
            *self.blocked_by.entry(code.clone()).or_default() += 1;
        }
        for reason in &decision.reasons {
            self.meanings.entry(reason.code(terms)).or_insert_with(|| reason.meaning(terms));
        }
        if self.examples.len() < SHOWN {
            self.examples.push((shown(&decision.id), codes));
        }
    }
}
