//! TELL: the report, once as data, and one file per format that shows it.

mod clock;
mod column;
mod gates;
mod headline;
pub mod json;
pub mod text;
pub mod markdown;
mod verdict;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::checks::CheckReport;
use crate::checks::groups::GroupReport;
use crate::class::ByClass;
use crate::columns::{Coverage, Pairing};
use crate::compare::discrepancy::{Tally, Tiers};
use crate::explain::{Explained, InFlightReport, MisplacedReport, PrivateReport, SegmentReport, WaiverReport};
use crate::history::HistoryReport;
use crate::job::{Job, TakenAt};
use crate::lists::Example;
use crate::runtime::options::Strategy;
use crate::runtime::timings::Timings;
use crate::sides::Sides;
use crate::snapshot::Snapshot;

pub use ::certificate::wording::{count, grouped};
pub use clock::RunStats;
pub use column::{ColumnReport, RuleReport};
pub use gates::GateReport;

/// Everything a run has to say. Its JSON form is versioned and described by `schemas/report.v1.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// The version of this form.
    pub schema: String,
    /// The job's name.
    pub job: String,
    /// The one-word answer.
    pub verdict: Verdict,
    /// The answer in one line: the verdict, in how many columns it holds, and what was left out.
    #[serde(default)]
    pub headline: String,
    /// What makes the whole comparison doubtful, before anything else is looked at.
    pub suspicion: Option<String>,
    /// Why the verdict is not `match`, a line each.
    pub reasons: Vec<String>,
    /// What is wrong with the snapshots themselves, a line each; then nothing is verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_failures: Vec<String>,
    /// Rows of each side.
    pub rows: Sides<u64>,
    /// Rows, pairs of rows and keys by class.
    pub counts: Counts,
    /// The rows of duplicate keys, which no other class counts.
    pub duplicate_rows: Sides<u64>,
    /// What has to be copied from old to new.
    pub backfill: Backfill,
    /// How the matched pairs came to be equal; adds up to `counts.matched`.
    pub tiers: Tiers,
    /// What was allowed, and what was found of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateReport>,
    /// What has become of the discrepancies since the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryReport>,
    /// What the snapshots' times explain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlightReport>,
    /// Values that are correct but under another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misplaced: Option<MisplacedReport>,
    /// What has become of the waivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverReport>,
    /// Where the discrepancies are, by what the job groups rows by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentReport>,
    /// The results of the checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckReport>,
    /// What moves as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<GroupReport>,
    /// Whose values are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<PrivateReport>,
    /// The columns that identify a row; empty where rows were compared whole.
    pub key: Vec<String>,
    /// Every compared column.
    pub columns: Vec<ColumnReport>,
    /// What took part and what did not.
    pub coverage: Coverage,
    /// The first few findings of each class, in key order.
    pub examples: Vec<Example>,
    /// The circumstances. Everything else in a report depends on the data alone.
    pub run: Run,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No discrepancy at all.
    Match,
    /// Discrepancies, every one of them allowed.
    Accepted,
    /// Discrepancies.
    Discrepant,
    /// The run is complete, but something could not be compared.
    Unverified,
}

impl Verdict {
    /// The verdict as it is written in data.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Match => "match",
            Verdict::Accepted => "accepted",
            Verdict::Discrepant => "discrepant",
            Verdict::Unverified => "unverified",
        }
    }

    /// The exit code that says the same: 0 for what is verified, 1 for discrepancies, 2 for the rest.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Match | Verdict::Accepted => 0,
            Verdict::Discrepant => 1,
            Verdict::Unverified => 2,
        }
    }
}

/// Counts by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Counts {
    /// Pairs of equal rows.
    pub matched: u64,
    /// Pairs of rows with one key and different values.
    pub mismatch: u64,
    /// Rows only in old.
    pub missing: u64,
    /// Rows only in new.
    pub extra: u64,
    /// Keys that stand more than once on a side.
    pub duplicate_keys: u64,
}

impl Counts {
    /// The discrepancies.
    pub fn by_class(&self) -> ByClass<u64> {
        let Counts { mismatch, missing, extra, duplicate_keys, .. } = *self;
        ByClass { mismatch, missing, extra, duplicate_keys }
    }
}

/// What has to be copied from old to new: two lists, two counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Backfill {
    /// Rows in `missing.csv`.
    pub missing: u64,
    /// Keys in `missing_duplicated.csv`: several times in old, not at all in new.
    pub missing_duplicated: u64,
}

/// The circumstances of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    /// Names the run: when it started, and a random part.
    pub id: String,
    /// When it started, in UTC.
    pub started: String,
    /// The program's version.
    pub version: String,
    /// How equal keys were brought together.
    pub way: MatchingWay,
    /// Why that strategy was used.
    pub way_reason: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// The threads' time, by what they were doing: more than the wall-clock time where several worked.
    pub stages: Vec<StageTime>,
    /// The most memory that the process held, where the system says.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes fetched from the snapshots, second readings included.
    pub bytes_read: u64,
    /// Bytes that went to working files.
    pub spilled_bytes: u64,
    /// What each side was.
    pub inputs: Sides<Input>,
    /// Where the lists are, if they were written.
    pub out: Option<String>,
}

/// How long threads were at one stage of the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageTime {
    /// The stage: open, scan, decode, settle, hash, match, compare, check, write.
    pub stage: String,
    /// The time, added up from all threads.
    pub seconds: f64,
}

impl StageTime {
    /// The times that were recorded so far.
    pub fn all(meter: &Timings) -> Vec<Self> {
        let round = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        meter
            .times()
            .into_iter()
            .map(|(stage, time)| StageTime { stage: stage.name().into(), seconds: round(time) })
            .collect()
    }
}

/// One side's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Input {
    /// The path as given.
    pub path: String,
    /// How many files were read.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// The query that shaped the snapshot: its file, or `inline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// When the snapshot was taken, if the job says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<TakenAt>,
    /// Files passed over because their names begin with `_` or `.`.
    pub skipped_files: usize,
    /// Those of them that look like data, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_data: Vec<String>,
}

/// How equal keys were brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchingWay {
    /// By merging sides that stand in key order.
    Ordered,
    /// By hashing every row.
    Hashed,
    /// Without a key; the reason names the way that was taken.
    Multiset,
    /// Not at all: the job has old alone.
    None,
}

/// What the stages found.
pub struct StageResults<'a> {
    /// The counts.
    pub tally: &'a Tally,
    /// What is known of the discrepancies.
    pub explained: Explained,
    /// The first few of each class.
    pub examples: Vec<Example>,
    /// The results of the checks.
    pub checks: Vec<CheckReport>,
    /// What moves as a whole.
    pub groups: Option<GroupReport>,
    /// What is wrong with the snapshots themselves.
    pub input_failures: Vec<String>,
}

impl MatchingWay {
    /// The strategy of a comparison, with its reason.
    pub fn of(pairing: &Pairing, way: Strategy, reason: String) -> (Self, String) {
        match (pairing.keyed, way) {
            (false, way) => (MatchingWay::Multiset, format!("whole rows, {way}: {reason}")),
            (true, Strategy::Ordered) => (MatchingWay::Ordered, reason),
            (true, Strategy::Hashed) => (MatchingWay::Hashed, reason),
        }
    }
}

impl Report {
    /// Puts together what the stages found.
    pub fn of(job: &Job, snapshots: &Sides<Snapshot>, pairing: &Pairing, found: StageResults, cost: RunStats) -> Self {
        let StageResults { tally, explained, examples, checks, groups, input_failures } = found;
        let coverage = pairing.coverage.clone();
        let counts = Counts {
            matched: tally.matched(),
            mismatch: tally.mismatch,
            missing: tally.missing,
            extra: tally.extra,
            duplicate_keys: tally.duplicate_keys,
        };
        let column = |(pair, tally)| ColumnReport::of(pair, tally, pairing.keyed);
        let gates = gates::check(&job.gate, tally, &explained.weighed, pairing);
        let run = cost.of_comparison(job, snapshots);
        let (verdict, headline) = match input_failures.is_empty() {
            true => {
                let verdict = verdict::of(tally, &coverage, &gates, &explained.waivers, &checks);
                (verdict, headline::of_comparison(verdict, &coverage, &run.inputs))
            }
            false => (Verdict::Unverified, headline::of_bad_input(Verdict::Unverified)),
        };
        Report {
            schema: "countersign/report/v1".into(),
            job: job.name.clone(),
            verdict,
            headline,
            suspicion: verdict::key_suspicion(tally, pairing),
            reasons: verdict::reasons(pairing, &gates, &explained, &checks),
            input_failures,
            rows: tally.rows,
            counts,
            duplicate_rows: tally.duplicate_rows,
            backfill: Backfill { missing: tally.missing, missing_duplicated: tally.missing_duplicated },
            tiers: tally.tiers,
            gates: gates.named(),
            history: explained.history,
            in_flight: explained.in_flight,
            misplaced: explained.misplaced,
            waivers: explained.waivers,
            segments: explained.segments,
            checks,
            groups,
            private: explained.private,
            key: if pairing.keyed { pairing.keys().iter().map(|key| key.name.clone()).collect() } else { vec![] },
            columns: pairing.columns.iter().zip(&tally.columns).map(column).collect(),
            coverage,
            examples,
            run,
        }
    }

    /// Puts together what was found in old alone. Nothing is compared then, so the verdict is never `match`.
    pub fn of_old(
        job: &Job,
        old: &Snapshot,
        checks: Vec<CheckReport>,
        input_failures: Vec<String>,
        cost: RunStats,
    ) -> Self {
        let fails = checks.iter().any(|check| !check.holds);
        let verdict = match (input_failures.is_empty(), fails) {
            (false, _) => Verdict::Unverified,
            (true, true) => Verdict::Discrepant,
            (true, false) => Verdict::Accepted,
        };
        Report {
            schema: "countersign/report/v1".into(),
            job: job.name.clone(),
            verdict,
            headline: match input_failures.is_empty() {
                true => headline::of_old(verdict),
                false => headline::of_bad_input(verdict),
            },
            suspicion: None,
            reasons: verdict::reasons_of_old(&checks),
            input_failures,
            rows: Sides { old: old.rows(), new: 0 },
            counts: Counts { matched: 0, mismatch: 0, missing: 0, extra: 0, duplicate_keys: 0 },
            duplicate_rows: Sides::default(),
            backfill: Backfill { missing: 0, missing_duplicated: 0 },
            tiers: Tiers::default(),
            gates: vec![],
            history: None,
            in_flight: None,
            misplaced: None,
            waivers: vec![],
            segments: vec![],
            checks,
            groups: None,
            private: None,
            key: vec![],
            columns: vec![],
            coverage: Coverage::default(),
            examples: vec![],
            run: cost.of_old(job, old),
        }
    }

    /// Whether two snapshots were compared at all.
    pub fn is_comparison(&self) -> bool {
        self.run.way != MatchingWay::None
    }

    /// The report in every format, as files of a run directory.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        vec![
            ("report.json", json::render(self)),
            ("report.md", markdown::render(self)),
            ("report.txt", text::render(self, text::Style::Plain)),
        ]
    }
}
