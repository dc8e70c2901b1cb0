//! The decision: what blocks a candidate. Whatever cannot be decided blocks; nothing is skipped.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::class::Class;
use crate::columns::Pairing;
use crate::columns::version::VersionKind;
use crate::compare::discrepancy::{Outcome, Tier};
use crate::job::{AcceptedTier, Job, SignOff};
use crate::sides::{Side, Sides};

/// The facts about a candidate and one of its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether a part of its ID is NULL.
    pub has_null: bool,
    /// Its state in the source of truth; `None` if the job has no source of truth.
    pub truth: Option<RowState>,
    /// Its state in the local status table; `None` if the job has none.
    pub local: Option<RowState>,
    /// The checks that name it, one bit for each.
    pub checks: u64,
    /// Whether the side stores rows of it that the job's query does not return.
    pub has_hidden_rows: bool,
    /// One of its rows on the side that rows are deleted from; `None` if it has no row there.
    pub row: Option<RowFacts>,
}

/// The state of a candidate in a status table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowState {
    /// The table does not have it.
    Absent,
    /// Its state is NULL.
    Null,
    /// The table has several rows of it.
    Several,
    Value(String),
}

/// The facts about a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowFacts {
    /// Its outcome in the comparison.
    pub outcome: Option<Outcome>,
    /// The checks that name it by its key, one bit for each.
    pub checks: u64,
    /// Whether a waiver covers its discrepancy.
    pub is_waived: bool,
    /// Whether the times of the snapshots explain its discrepancy.
    pub is_in_flight: bool,
    /// Whether its group is ready; `None` if the job has no groups.
    pub group_is_ready: Option<bool>,
    /// Whether the backup has it; `None` if the job has no backup.
    pub is_backed_up: Option<bool>,
    /// Whether it matched in the earlier pairs of snapshots; `None` if the job does not require it.
    pub was_clean: Option<bool>,
}

/// A requirement of all candidates, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequirementCheck {
    pub requires: Requires,
    pub holds: bool,
    /// What was found, as text.
    pub description: String,
}

/// The basis of all decisions: the job's terms, the times of its snapshots, and what blocks every candidate.
pub(super) struct Policy<'a> {
    pub terms: &'a SignOff,
    /// When the exports began, minus the lag, in microseconds since 1970; `None` if versions are not times, or if a
    /// snapshot's time is unknown.
    pub began: Option<Sides<i64>>,
    /// What blocks every candidate: failed requirements, and failed checks that name no candidate.
    pub always: BTreeSet<BlockReason>,
}

/// A status table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StatusTable {
    /// The source of truth.
    Truth,
    /// The local copy of the status.
    Local,
}

/// What is wrong with a candidate's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StatusFault {
    /// It is a different one.
    SaysOtherwise,
    /// It is NULL.
    IsNull,
    /// There are several.
    HasSeveral,
    /// The table does not have the candidate.
    DoesNotKnow,
}

/// A requirement of all candidates together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Requires {
    /// The comparison is verified, and all evidence is found.
    Verified,
    /// Every column that would be deleted is compared, or ignored by name.
    Covered,
    /// The snapshots are fresh.
    FreshSnapshots,
    /// The status tables are fresh.
    FreshStatuses,
    /// The earlier pairs of snapshots are known.
    CleanRuns,
    /// The backup is complete and fresh.
    UsableBackup,
    /// Writes had stopped before both exports, as the job declares.
    WritesStopped,
}

/// Why a candidate is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum BlockReason {
    /// A part of its ID is NULL.
    NullKey,
    /// It has no row.
    NoRow,
    /// The side stores rows of it that were not compared.
    HiddenRows,
    /// The comparison has no result for its row.
    NoOutcome,
    /// The other side does not have its row.
    OnlyCopy,
    /// The key of its row is a duplicate key.
    DuplicateKey,
    /// The sides differ in its row.
    Mismatch,
    /// The sides differ in its row, and a waiver covers that.
    Waived,
    /// The rows are equal in a tier that is not accepted.
    Tier,
    /// The row was written after an export had begun.
    InFlight,
    /// It is unknown when the row was written.
    InFlightUnknown,
    /// Its group is not ready.
    GroupNotReady,
    /// The backup does not have the row.
    NotBackedUp,
    /// The row differed in an earlier pair of snapshots.
    NotCleanBefore,
    /// The other side has the row under another candidate.
    OfAnotherCandidate,
    /// A status table does not have the required state for it.
    Status(StatusTable, StatusFault),
    /// The two status tables disagree.
    StatusesDisagree,
    /// A check names it. The number is the check's index in the sign-off.
    Check(u8),
    /// A requirement does not hold.
    Requirement(Requires),
    /// Nothing is approved, because the sign-off is unverified.
    Unverified,
}

/// Every reason that blocks a candidate, according to one of its rows; empty if it may be deleted.
pub(super) fn decide(facts: &Facts, policy: &Policy) -> Vec<BlockReason> {
    let terms = policy.terms;
    let mut reasons: Vec<BlockReason> = policy.always.iter().copied().collect();
    let mut block = |blocks: bool, reason: BlockReason| reasons.extend(blocks.then_some(reason));
    block(facts.has_null, BlockReason::NullKey);
    block(facts.row.is_none(), BlockReason::NoRow);
    block(facts.has_hidden_rows, BlockReason::HiddenRows);
    for (table, status, state) in [
        (StatusTable::Truth, &terms.source_of_truth, &facts.truth),
        (StatusTable::Local, &terms.local_status, &facts.local),
    ] {
        let fault = status.as_ref().and_then(|status| status_fault(state.as_ref(), &status.must_be));
        reasons.extend(fault.map(|fault| BlockReason::Status(table, fault)));
    }
    if terms.source_of_truth.is_some() && terms.local_status.is_some() && facts.truth != facts.local {
        reasons.push(BlockReason::StatusesDisagree);
    }
    let checks = facts.checks | facts.row.as_ref().map_or(0, |row| row.checks);
    reasons.extend((0..u64::BITS as u8).filter(|check| checks >> check & 1 == 1).map(BlockReason::Check));
    if let Some(row) = &facts.row {
        reasons.extend(of_row(row, policy));
    }
    reasons
}

fn status_fault(state: Option<&RowState>, must_be: &str) -> Option<StatusFault> {
    match state {
        Some(RowState::Value(value)) if value == must_be => None,
        Some(RowState::Value(_)) => Some(StatusFault::SaysOtherwise),
        Some(RowState::Null) => Some(StatusFault::IsNull),
        Some(RowState::Several) => Some(StatusFault::HasSeveral),
        Some(RowState::Absent) | None => Some(StatusFault::DoesNotKnow),
    }
}

fn of_row(row: &RowFacts, policy: &Policy) -> Vec<BlockReason> {
    let Some(outcome) = &row.outcome else { return vec![BlockReason::NoOutcome] };
    let terms = policy.terms;
    let (own, other) = (terms.delete_from, terms.delete_from.other());
    let is_duplicate = outcome.rows[own] != 1 || outcome.class == Some(Class::DuplicateKey);
    let has_other = outcome.rows[other] > 0;
    let is_late = if row.is_in_flight { Some(true) } else { policy.is_late(outcome) };
    let mut reasons = vec![];
    let mut block = |blocks: bool, reason: BlockReason| reasons.extend(blocks.then_some(reason));
    block(is_duplicate, BlockReason::DuplicateKey);
    block(!has_other, BlockReason::OnlyCopy);
    block(is_late == Some(true), BlockReason::InFlight);
    block(has_other && !is_duplicate && is_late.is_none(), BlockReason::InFlightUnknown);
    match own {
        Side::Old => {
            block(outcome.class == Some(Class::Mismatch), BlockReason::Mismatch);
            block(row.is_waived, BlockReason::Waived);
            let is_accepted = outcome.tier.is_some_and(|tier| terms.accepts(accepted(tier)));
            block(outcome.class.is_none() && !is_accepted, BlockReason::Tier);
        }
        // half-copied rows may differ; a row without a counterpart is the only copy, which blocks above
        Side::New => block(outcome.is_moved, BlockReason::OfAnotherCandidate),
    }
    block(row.group_is_ready == Some(false), BlockReason::GroupNotReady);
    block(row.is_backed_up == Some(false), BlockReason::NotBackedUp);
    block(row.was_clean == Some(false), BlockReason::NotCleanBefore);
    reasons
}

/// The job's name for a tier.
fn accepted(tier: Tier) -> AcceptedTier {
    match tier {
        Tier::Exact => AcceptedTier::Exact,
        Tier::ByReading => AcceptedTier::ByReading,
        Tier::ByRule => AcceptedTier::ByRule,
        Tier::Tolerated => AcceptedTier::Tolerated,
    }
}

impl<'a> Policy<'a> {
    /// The policy of a job. `checks` are the checks that block every candidate.
    pub(super) fn new(
        job: &Job,
        terms: &'a SignOff,
        pairing: &Pairing,
        requirements: &[RequirementCheck],
        checks: BTreeSet<BlockReason>,
    ) -> Self {
        let is_time = pairing.version.as_ref().is_some_and(|version| matches!(version.kind, VersionKind::Time));
        let lag = job.in_flight.as_ref().map(|in_flight| in_flight.lag_micros());
        let began = |side: Side| {
            let taken = job.sources[side].taken_at.as_ref()?.from.parse::<Timestamp>().ok()?;
            Some(taken.as_microsecond().saturating_sub(lag?))
        };
        let began = match (is_time, began(Side::Old), began(Side::New)) {
            (true, Some(old), Some(new)) => Some(Sides { old, new }),
            _ => None,
        };
        let failing = requirements.iter().filter(|requirement| !requirement.holds);
        let failing = failing.map(|requirement| BlockReason::Requirement(requirement.requires));
        Policy { terms, began, always: failing.chain(checks).collect() }
    }

    /// Whether a row was written after one of the exports had begun; `None` if that is unknown.
    fn is_late(&self, outcome: &Outcome) -> Option<bool> {
        let stopped = self.terms.writes_stopped.as_ref().map(|stopped| stopped.instant.as_microsecond());
        let after = |side: Side, began: Option<i64>| Some(outcome.versions[side]? > began?);
        if let Some(stopped) = stopped {
            let written = Side::BOTH.into_iter().any(|side| after(side, Some(stopped)) == Some(true));
            // the declaration is either wrong for this row or holds for it
            return Some(written && self.began.is_some());
        }
        let began = self.began?;
        match outcome.class {
            None | Some(Class::Mismatch) => {
                let first = Some(began.old.min(began.new));
                Some(after(Side::Old, first)? || after(Side::New, first)?)
            }
            Some(Class::Missing) => after(Side::Old, Some(began.new)).filter(|is_late| *is_late),
            Some(Class::Extra) => after(Side::New, Some(began.old)).filter(|is_late| *is_late),
            Some(Class::DuplicateKey) => None,
        }
    }
}

impl Requires {
    /// The code of the requirement, and of the reason that blocks if it does not hold.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Requires::Verified => "unverified",
            Requires::Covered => "uncovered",
            Requires::FreshSnapshots => "snapshots_too_old",
            Requires::FreshStatuses => "statuses_too_old",
            Requires::CleanRuns => "not_clean_before",
            Requires::UsableBackup => "backup_unusable",
            Requires::WritesStopped => "writes_not_stopped",
        }
    }

    /// The requirement as text.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Requires::Verified => "the comparison is verified",
            Requires::Covered => "every deleted column is compared",
            Requires::FreshSnapshots => "the snapshots are fresh",
            Requires::FreshStatuses => "the status tables are fresh",
            Requires::CleanRuns => "the earlier pairs are known",
            Requires::UsableBackup => "the backup is complete and fresh",
            Requires::WritesStopped => "writes have stopped",
        }
    }
}

impl BlockReason {
    /// The code in lists and certificates.
    pub(super) fn code(self, terms: &SignOff) -> String {
        let code = match self {
            BlockReason::NullKey => "null_key",
            BlockReason::NoRow => "no_row",
            BlockReason::HiddenRows => "hidden_rows",
            BlockReason::NoOutcome => "no_outcome",
            BlockReason::OnlyCopy => "only_copy",
            BlockReason::DuplicateKey => "duplicate_key",
            BlockReason::Mismatch => "mismatch",
            BlockReason::Waived => "waived",
            BlockReason::Tier => "tier",
            BlockReason::InFlight => "in_flight",
            BlockReason::InFlightUnknown => "in_flight_unknown",
            BlockReason::GroupNotReady => "group_not_ready",
            BlockReason::NotBackedUp => "not_backed_up",
            BlockReason::NotCleanBefore => "not_clean_before",
            BlockReason::OfAnotherCandidate => "of_another_candidate",
            BlockReason::Status(table, fault) => return format!("{}_{}", table.code(), fault.code()),
            BlockReason::StatusesDisagree => "statuses_disagree",
            BlockReason::Check(number) => return format!("check:{}", check_name(terms, number)),
            BlockReason::Requirement(requires) => requires.code(),
            BlockReason::Unverified => "sign_off_unverified",
        };
        code.into()
    }

    /// The meaning as text.
    pub(super) fn meaning(self, terms: &SignOff) -> String {
        let meaning = match self {
            BlockReason::NullKey => "a part of its ID is NULL",
            BlockReason::NoRow => "the snapshot to delete from does not have it",
            BlockReason::HiddenRows => "the side stores rows of it that the job's query does not return",
            BlockReason::NoOutcome => "the comparison has no result for its row",
            BlockReason::OnlyCopy => "the other store does not have it: this is the only copy",
            BlockReason::DuplicateKey => "its key occurs more than once",
            BlockReason::Mismatch => "old and new differ",
            BlockReason::Waived => "it differs; a waiver covers that, but not a delete",
            BlockReason::Tier => "it is equal only under a rule that the sign-off does not accept",
            BlockReason::InFlight => "it was written after the export of a snapshot had begun",
            BlockReason::InFlightUnknown => "it is unknown when it was written",
            BlockReason::GroupNotReady => "its group is not ready as a whole",
            BlockReason::NotBackedUp => "the backup does not have it, or has different values",
            BlockReason::NotCleanBefore | BlockReason::Requirement(Requires::CleanRuns) => {
                "it differed in an earlier pair of snapshots, or these are unknown"
            }
            BlockReason::OfAnotherCandidate => "old has its row under another candidate, which may be in another state",
            BlockReason::Status(table, fault) => return fault.meaning(table),
            BlockReason::StatusesDisagree => "the local status and the source of truth disagree",
            BlockReason::Check(number) => return format!("check {} names it", check_name(terms, number)),
            BlockReason::Requirement(Requires::Verified) => "the comparison is not verified",
            BlockReason::Requirement(Requires::Covered) => "a column would be deleted that was not compared",
            BlockReason::Requirement(Requires::FreshSnapshots) => "a snapshot is too old, or its age is unknown",
            BlockReason::Requirement(Requires::FreshStatuses) => "a status table is too old",
            BlockReason::Requirement(Requires::UsableBackup) => "the backup is too old, or lacks columns",
            BlockReason::Requirement(Requires::WritesStopped) => {
                "writes had not stopped before both exports, or continued"
            }
            BlockReason::Unverified => "the sign-off is unverified, so nothing may be deleted",
        };
        meaning.into()
    }
}

fn check_name(terms: &SignOff, number: u8) -> &str {
    terms.checks.get(usize::from(number)).map_or("", |check| check.name.text.as_str())
}

impl StatusTable {
    fn code(self) -> &'static str {
        match self {
            StatusTable::Truth => "source_of_truth",
            StatusTable::Local => "local_status",
        }
    }
}

impl StatusFault {
    fn code(self) -> &'static str {
        match self {
            StatusFault::SaysOtherwise => "says_otherwise",
            StatusFault::IsNull => "is_null",
            StatusFault::HasSeveral => "has_several",
            StatusFault::DoesNotKnow => "does_not_know",
        }
    }

    fn meaning(self, table: StatusTable) -> String {
        let meaning = match (table, self) {
            (StatusTable::Truth, StatusFault::SaysOtherwise) => "the source of truth has it in another state",
            (StatusTable::Truth, StatusFault::IsNull) => "the source of truth has no state for it",
            (StatusTable::Truth, StatusFault::HasSeveral) => "the source of truth has it more than once",
            (StatusTable::Truth, StatusFault::DoesNotKnow) => "the source of truth does not have it",
            (StatusTable::Local, StatusFault::SaysOtherwise) => "the local status is different",
            (StatusTable::Local, StatusFault::IsNull) => "the local status is NULL",
            (StatusTable::Local, StatusFault::HasSeveral) => "the local status table has it more than once",
            (StatusTable::Local, StatusFault::DoesNotKnow) => "the local status table does not have it",
        };
        meaning.into()
    }
}

impl fmt::Display for Requires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
