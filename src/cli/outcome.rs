//! The outcomes of the jobs of one command.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::report::Report;
use crate::report::overview::{Found, JobLine, JobOutcome};
use crate::runtime::log::{self, Level};

/// The outcome of one job.
pub(super) struct Outcome {
    /// The job file.
    pub file: PathBuf,
    /// The name of the job, or the stem of its file name if the job has no name.
    pub job: String,
    /// The start of the last run with the verdict `match` or `accepted`, in seconds since 1970.
    pub last_good: Option<i64>,
    pub result: Result<Report, Failure>,
}

/// Why there is no report.
pub(super) struct Failure {
    pub exit_code: u8,
    pub error: String,
    /// Whether the job was not started, or interrupted.
    pub was_skipped: bool,
}

impl Outcome {
    pub(super) fn exit_code(&self) -> u8 {
        match &self.result {
            Ok(report) => report.verdict.exit_code(),
            Err(failure) => failure.exit_code,
        }
    }

    /// Its line in the overview.
    pub(super) fn line(&self) -> JobLine {
        let outcome = match &self.result {
            Ok(report) => report.verdict.into(),
            Err(Failure { was_skipped: true, .. }) => JobOutcome::NotRun,
            Err(_) => JobOutcome::Failed,
        };
        JobLine {
            job: self.job.clone(),
            file: self.file.display().to_string(),
            outcome,
            exit_code: self.exit_code(),
            error: self.result.as_ref().err().map(|failure| failure.error.clone()),
            found: self.result.as_ref().ok().map(Found::of),
        }
    }

    /// The report, or an object that describes the failure.
    pub(super) fn as_json(&self) -> Value {
        match &self.result {
            Ok(report) => serde_json::to_value(report).unwrap_or_default(),
            Err(Failure { exit_code, error, .. }) => {
                json!({ "job": self.job, "verdict": "failed", "exit_code": exit_code, "error": error })
            }
        }
    }

    /// Passes the outcome to a shell command on standard input. A failure is logged and has no other effect.
    pub(super) fn notify(&self, command: &str) {
        let run = || -> std::io::Result<()> {
            let mut child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn()?;
            let text = serde_json::to_string(&self.as_json()).unwrap_or_default() + "\n";
            // the command need not read all of its input
            let _ = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
            match child.wait()? {
                status if status.success() => Ok(()),
                status => Err(std::io::Error::other(status.to_string())),
            }
        };
        if let Err(error) = run() {
            log::log(Level::Warning, &format!("--notify {command}: {error}"));
        }
    }
}

pub(super) fn all_as_json(outcomes: &[Outcome]) -> String {
    let all: Vec<_> = outcomes.iter().map(Outcome::as_json).collect();
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}
