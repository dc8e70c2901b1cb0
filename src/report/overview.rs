//! All jobs of a command on one page, a line each: what an engineer reads first in the morning.

use serde::Serialize;

use super::{Counts, Report, Verdict};
use crate::sides::Sides;

/// The jobs of a command. Its JSON form is described by `schemas/overview.v1.json`.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Overview {
    /// `countersign/overview/v1`.
    pub schema: String,
    /// When the command started, in UTC.
    pub started: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// The exit code of the command: the highest of all jobs.
    pub exit_code: u8,
    /// A line for each job, in the order of the command.
    pub jobs: Vec<JobLine>,
}

/// A job of a command.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct JobLine {
    /// The name of the job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// How it ended.
    pub outcome: JobOutcome,
    /// The exit code that the job alone would have.
    pub exit_code: u8,
    /// The error of a job that did not run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a run found; none for a job that did not run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// No discrepancy.
    Match,
    /// Discrepancies, every one of them allowed.
    Accepted,
    /// Discrepancies.
    Discrepant,
    /// The run is complete, but something could not be compared.
    Unverified,
    /// It could not run.
    Failed,
    /// It was not started, because of an earlier job, or was interrupted.
    NotRun,
}

/// What the run of a job found.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Found {
    /// The rows of each side.
    pub rows: Sides<u64>,
    /// The number of columns that were compared.
    pub compared_columns: usize,
    /// The number of columns, compared or not.
    pub columns: usize,
    /// Rows, pairs of rows, and keys by class.
    pub counts: Counts,
    /// Discrepancies that the run before did not have, also those that came back; none if there was no run to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<u64>,
    /// Checks that do not hold.
    pub failed_checks: usize,
    /// Why the verdict is not `match`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
    /// The run directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl JobOutcome {
    /// All of them, the most urgent first.
    pub const ALL: [JobOutcome; 6] = [
        JobOutcome::Failed,
        JobOutcome::Unverified,
        JobOutcome::Discrepant,
        JobOutcome::NotRun,
        JobOutcome::Accepted,
        JobOutcome::Match,
    ];

    /// The outcome as it is shown.
    pub fn word(self) -> &'static str {
        match self {
            JobOutcome::Match => Verdict::Match.word(),
            JobOutcome::Accepted => Verdict::Accepted.word(),
            JobOutcome::Discrepant => Verdict::Discrepant.word(),
            JobOutcome::Unverified => Verdict::Unverified.word(),
            JobOutcome::Failed => "FAILED",
            JobOutcome::NotRun => "NOT RUN",
        }
    }
}

impl From<Verdict> for JobOutcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Match => JobOutcome::Match,
            Verdict::Accepted => JobOutcome::Accepted,
            Verdict::Discrepant => JobOutcome::Discrepant,
            Verdict::Unverified => JobOutcome::Unverified,
        }
    }
}

impl Found {
    pub(crate) fn of(report: &Report) -> Self {
        let history = report.comparison().and_then(|found| found.history.as_ref());
        let baseline = history.filter(|history| history.previous.is_some());
        Found {
            rows: report.rows,
            compared_columns: report.coverage().compared.len(),
            columns: report.coverage().all(),
            counts: report.counts(),
            new: baseline.map(|history| history.new.total() + history.flapping.total()),
            failed_checks: report.checks.iter().filter(|check| !check.holds).count(),
            reasons: report.input_failures.iter().chain(&report.reasons).cloned().collect(),
            seconds: report.run.seconds,
            run: report.run.out.clone(),
        }
    }
}

impl Overview {
    /// The lines of an outcome, in the order of the command.
    pub(super) fn of_outcome(&self, outcome: JobOutcome) -> impl Iterator<Item = &JobLine> {
        self.jobs.iter().filter(move |line| line.outcome == outcome)
    }

    /// The most urgent outcome.
    pub(super) fn worst(&self) -> JobOutcome {
        let mut outcomes = JobOutcome::ALL.into_iter();
        outcomes.find(|outcome| self.of_outcome(*outcome).next().is_some()).unwrap_or(JobOutcome::Match)
    }

    /// The overview as JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// The JSON Schema of overviews.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Overview);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
