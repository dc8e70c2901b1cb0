//! TELL: the report, once as data, and one file per format that shows it.

mod run;
mod column;
mod gates;
mod headline;
mod verdict;
mod document;
pub mod json;
pub mod overview;
pub(crate) mod page;
pub(crate) mod text;
pub(crate) mod markdown;

use serde::{Deserialize, Serialize};

use crate::causes::CauseReport;
use crate::checks::CheckReport;
use crate::checks::groups::GroupReport;
use crate::class::ByClass;
use crate::columns::{Coverage, Pairing};
use crate::compare::discrepancy::{Tally, Tiers};
use crate::explain::{
    Explained, InFlightReport, MisplacedReport, PrivateReport, SegmentReport, SliceReport, UnreadableCells,
    WaiverReport,
};
use crate::history::HistoryReport;
use crate::job::Job;
use crate::lists::Example;
use crate::sides::Sides;
use crate::snapshot::Snapshot;
use document::Document;

pub use ::certificate::wording::{count, grouped};
pub use column::{ColumnReport, RuleReport};
pub use gates::GateReport;
pub use run::{Input, MatchingWay, Run, RunStats, StageTime};
pub use text::Style;

/// Everything a run has to say. Its JSON form is versioned and described by `schemas/report.v1.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Document", into = "Document")]
pub struct Report {
    /// The job's name.
    pub job: String,
    /// The one-word answer.
    pub verdict: Verdict,
    /// The answer in one line: the verdict, in how many columns it holds, and what was left out.
    pub headline: String,
    /// Why the verdict is not `match`, a line each.
    pub reasons: Vec<String>,
    /// What is wrong with the snapshots themselves, a line each; then nothing is verified.
    pub input_failures: Vec<String>,
    /// Rows of each side.
    pub rows: Sides<u64>,
    /// The results of the checks.
    pub checks: Vec<CheckReport>,
    /// The circumstances. Everything else in a report depends on the data alone.
    pub run: Run,
    /// What the run looked at, and what only a comparison finds.
    pub scope: Scope,
}

/// What a run looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Scope {
    /// Two snapshots, row by row.
    Comparison(Box<Comparison>),
    /// Old alone, of which there are only checks. Nothing was compared.
    OldAlone,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// What makes the whole comparison doubtful, before anything else is looked at.
    pub suspicion: Option<String>,
    /// Rows, pairs of rows and keys by class.
    pub counts: Counts,
    /// The rows of duplicate keys, which no other class counts.
    pub duplicate_rows: Sides<u64>,
    /// What has to be copied from old to new.
    pub backfill: Backfill,
    /// How the matched pairs came to be equal; adds up to `counts.matched`.
    pub tiers: Tiers,
    /// What was allowed, and what was found of it.
    pub gates: Vec<GateReport>,
    /// What has become of the discrepancies since the run before.
    pub history: Option<HistoryReport>,
    /// What the snapshots' times explain.
    pub in_flight: Option<InFlightReport>,
    /// Values that are correct but under another key.
    pub misplaced: Option<MisplacedReport>,
    /// What has become of the waivers.
    pub waivers: Vec<WaiverReport>,
    /// Where the discrepancies are, by what the job groups rows by.
    pub segments: Vec<SegmentReport>,
    /// What mismatches look like they came from.
    pub causes: Vec<CauseReport>,
    /// The parts of the rows with far more discrepancies than their share.
    pub slices: Vec<SliceReport>,
    /// What moves as a whole.
    pub groups: Option<GroupReport>,
    /// Whose values are not shown.
    pub private: Option<PrivateReport>,
    /// The columns that identify a row; empty where rows were compared whole.
    pub key: Vec<String>,
    /// Every compared column.
    pub columns: Vec<ColumnReport>,
    /// What took part and what did not.
    pub coverage: Coverage,
    /// The cells of loaded files that are not what their columns should have.
    pub unreadable_cells: Vec<UnreadableCells>,
    /// The first few findings of each class, in key order.
    pub examples: Vec<Example>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Backfill {
    /// Rows in `missing.csv`.
    pub missing: u64,
    /// Keys in `missing_duplicated.csv`: several times in old, not at all in new.
    pub missing_duplicated: u64,
}

/// What the stages found.
pub struct StageResults<'a> {
    /// The counts.
    pub tally: &'a Tally,
    /// What is known of the discrepancies.
    pub explained: Explained,
    /// The first few of each class.
    pub examples: Vec<Example>,
    /// The cells of loaded files that are not what their columns should have.
    pub unreadable_cells: Vec<UnreadableCells>,
    /// The results of the checks.
    pub checks: Vec<CheckReport>,
    /// What moves as a whole.
    pub groups: Option<GroupReport>,
    /// What is wrong with the snapshots themselves.
    pub input_failures: Vec<String>,
}

impl Report {
    /// Puts together what the stages found.
    pub fn of(job: &Job, snapshots: &Sides<Snapshot>, pairing: &Pairing, found: StageResults, cost: RunStats) -> Self {
        let StageResults { tally, explained, examples, unreadable_cells, checks, groups, input_failures } = found;
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
        let reasons = verdict::reasons(pairing, &gates, &explained, &checks);
        let comparison = Comparison {
            suspicion: verdict::key_suspicion(tally, pairing),
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
            causes: explained.causes,
            slices: explained.slices,
            groups,
            private: explained.private,
            key: if pairing.keyed { pairing.keys().iter().map(|key| key.name.clone()).collect() } else { vec![] },
            columns: pairing.columns.iter().zip(&tally.columns).map(column).collect(),
            coverage,
            unreadable_cells,
            examples,
        };
        Report {
            job: job.name.clone(),
            verdict,
            headline,
            reasons,
            input_failures,
            rows: tally.rows,
            checks,
            run,
            scope: Scope::Comparison(Box::new(comparison)),
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
            job: job.name.clone(),
            verdict,
            headline: match input_failures.is_empty() {
                true => headline::of_old(verdict),
                false => headline::of_bad_input(verdict),
            },
            reasons: verdict::reasons_of_old(&checks),
            input_failures,
            rows: Sides { old: old.rows(), new: 0 },
            checks,
            run: cost.of_old(job, old),
            scope: Scope::OldAlone,
        }
    }

    /// What the comparison found, if there was one.
    pub fn comparison(&self) -> Option<&Comparison> {
        match &self.scope {
            Scope::Comparison(found) => Some(found),
            Scope::OldAlone => None,
        }
    }

    /// Rows, pairs of rows and keys by class; all zero if nothing was compared.
    pub fn counts(&self) -> Counts {
        self.comparison().map(|found| found.counts).unwrap_or_default()
    }

    /// How the matched pairs came to be equal; all zero if nothing was compared.
    pub fn tiers(&self) -> Tiers {
        self.comparison().map(|found| found.tiers).unwrap_or_default()
    }

    /// What took part and what did not; no column if nothing was compared.
    pub fn coverage(&self) -> &Coverage {
        static NO_COLUMN: Coverage =
            Coverage { compared: vec![], ignored: vec![], old_only: vec![], new_only: vec![], incomparable: vec![] };
        self.comparison().map_or(&NO_COLUMN, |found| &found.coverage)
    }

    /// What moves as a whole, if the job groups rows.
    pub fn groups(&self) -> Option<&GroupReport> {
        self.comparison()?.groups.as_ref()
    }

    /// The report as text.
    pub fn to_text(&self, style: Style) -> String {
        text::render(&page::of(self), style)
    }

    /// The report as Markdown.
    pub fn to_markdown(&self) -> String {
        markdown::render(&page::of(self))
    }

    /// The report in every format, as files of a run directory.
    pub(crate) fn files(&self) -> Vec<(&'static str, String)> {
        vec![
            ("report.json", json::render(self)),
            ("report.md", self.to_markdown()),
            ("report.txt", self.to_text(Style::Plain)),
        ]
    }
}
