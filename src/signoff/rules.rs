//! The rules: what blocks a candidate. What cannot be decided blocks; nothing is skipped.

use std::collections::BTreeSet;

use crate::class::Class;
use crate::job::{AcceptedTier, SignOff};
use crate::sides::Side;

/// What is known of a row of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFacts {
    /// How many rows of its side have its key.
    pub copies: u64,
    /// Whether the other side has its key.
    pub in_other: bool,
    /// Whether the other side has it under another candidate.
    pub is_of_another: bool,
    /// How it came to be equal; none, if it did not.
    pub tier: Option<AcceptedTier>,
    /// The class of its discrepancy, if it has one.
    pub class: Option<Class>,
    /// Whether a waiver covers its discrepancy.
    pub is_waived: bool,
    /// Whether it was written after one of the snapshots was taken, as far as can be told; none, if it cannot.
    pub is_late: Option<bool>,
    /// Whether its group is ready; none, if the job has no groups.
    pub group_is_ready: Option<bool>,
    /// Whether the backup has it; none, if there is to be no backup.
    pub is_backed_up: Option<bool>,
    /// Whether it was without discrepancy in the pairs of snapshots before, as far as they are asked; none, if they are not.
    pub was_clean: Option<bool>,
}

/// In which state a table has a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusFound {
    /// It does not know it.
    Absent,
    /// It says NULL.
    Null,
    /// It has several rows of it.
    Several,
    /// It says this.
    Value(String),
}

/// What is known of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CandidateFacts {
    /// Whether a part of its ID is NULL.
    pub has_null: bool,
    /// Its rows on the side that they are to be deleted from.
    pub rows: Vec<RowFacts>,
    /// Its state by the source of truth; none, if there is none.
    pub truth: Option<StatusFound>,
    /// Its state by the local copy; none, if there is none.
    pub local: Option<StatusFound>,
    /// The checks that name it.
    pub checks: BTreeSet<String>,
}

/// Every reason that blocks a candidate, in the order of the alphabet; none, if it may go.
pub fn reasons(facts: &CandidateFacts, terms: &SignOff) -> BTreeSet<String> {
    let mut reasons: BTreeSet<String> = facts.checks.iter().map(|check| format!("check:{check}")).collect();
    let mut block = |reason: &str| {
        reasons.insert(reason.into());
    };
    if facts.has_null {
        block("null_key");
    }
    if facts.rows.is_empty() {
        block("no_row");
    }
    for (status, found, name) in
        [(&terms.source_of_truth, &facts.truth, "source_of_truth"), (&terms.local_status, &facts.local, "local_status")]
    {
        match (status, found) {
            (None, _) => {}
            (Some(status), Some(StatusFound::Value(value))) if *value == status.must_be => {}
            (Some(_), Some(StatusFound::Value(_))) => block(&format!("{name}_says_otherwise")),
            (Some(_), Some(StatusFound::Null)) => block(&format!("{name}_is_null")),
            (Some(_), Some(StatusFound::Several)) => block(&format!("{name}_has_several")),
            (Some(_), Some(StatusFound::Absent) | None) => block(&format!("{name}_does_not_know")),
        }
    }
    if let (Some(truth), Some(local), Some(_), Some(_)) =
        (&facts.truth, &facts.local, &terms.source_of_truth, &terms.local_status)
        && truth != local
    {
        block("statuses_disagree");
    }
    for row in &facts.rows {
        reasons.extend(of_row(row, terms));
    }
    reasons
}

fn of_row(row: &RowFacts, terms: &SignOff) -> Vec<String> {
    let mut reasons = vec![];
    let mut block = |blocks: bool, reason: &str| {
        if blocks {
            reasons.push(reason.to_string());
        }
    };
    block(row.copies != 1 || row.class == Some(Class::DuplicateKey), "duplicate_key");
    block(!row.in_other, "only_copy");
    block(row.is_late == Some(true), "in_flight");
    block(row.in_other && row.is_late.is_none(), "in_flight_unknown");
    match terms.delete_from {
        Side::Old => {
            block(row.class == Some(Class::Mismatch), "mismatch");
            block(row.is_waived, "waived");
            let is_accepted = row.tier.is_some_and(|tier| terms.accepts(tier));
            block(row.class.is_none() && row.in_other && !is_accepted, "tier");
        }
        // half-copied rows may differ; what has no counterpart is the only copy, and that is told above
        Side::New => block(row.is_of_another, "of_another_candidate"),
    }
    block(row.group_is_ready == Some(false), "group_not_ready");
    block(row.is_backed_up == Some(false), "not_backed_up");
    block(row.was_clean == Some(false), "not_clean_before");
    reasons
}

/// What a reason means.
pub fn words(reason: &str) -> String {
    let words = match reason {
        "null_key" => "a part of its ID is NULL",
        "no_row" => "the snapshot that it is to be deleted from does not have it",
        "only_copy" => "the other store does not have it: this is the only copy",
        "duplicate_key" => "its key stands more than once",
        "mismatch" => "old and new differ",
        "waived" => "it differs, and a waiver covers that; waivers do not reach deletes",
        "tier" => "it is equal only by a rule that is not accepted here",
        "in_flight" => "it was written after a snapshot had begun",
        "in_flight_unknown" => "nothing tells when it was written",
        "group_not_ready" => "its group is not ready as a whole",
        "not_backed_up" => "the backup does not have it, or has another",
        "not_clean_before" => "it differed in a pair of snapshots before this one, or these are not known",
        "source_of_truth_says_otherwise" => "the source of truth has it in another state",
        "source_of_truth_is_null" => "the source of truth has no state for it",
        "source_of_truth_has_several" => "the source of truth has it more than once",
        "source_of_truth_does_not_know" => "the source of truth does not know it",
        "local_status_says_otherwise" => "the local status is another",
        "local_status_is_null" => "the local status is NULL",
        "local_status_has_several" => "the local status has it more than once",
        "local_status_does_not_know" => "the local status does not know it",
        "statuses_disagree" => "the local status and the source of truth disagree",
        "of_another_candidate" => "old has a row of it under another candidate, whose state is another question",
        "uncovered" => "a column would go that nothing was compared with",
        "statuses_too_old" => "a status table is too old",
        "snapshots_too_old" => "a snapshot is too old, or nothing tells how old it is",
        "unverified" => "the comparison is not verified",
        "backup_unusable" => "the backup is too old, or lacks columns",
        other => match other.strip_prefix("check:") {
            Some(check) => return format!("check {check} names it"),
            None => "",
        },
    };
    words.into()
}
