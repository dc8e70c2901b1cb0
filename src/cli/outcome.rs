//! The outcomes of the jobs of one command.

use std::io::Write;
use std::process::{Command, Stdio};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::Format;
use crate::equality::value_text::escaped;
use crate::report::{Report, grouped};
use crate::runtime::log::{self, Level};

/// The outcome of one job.
pub(super) struct Outcome {
    /// The name of the job, or the stem of its file name if the job has no name.
    pub job: String,
    /// The start of the last run with the verdict `match` or `accepted`, in seconds since 1970.
    pub last_good: Option<i64>,
    pub result: Result<Report, Failure>,
}

pub(super) struct Failure {
    pub exit_code: u8,
    pub error: String,
}

impl Outcome {
    pub(super) fn exit_code(&self) -> u8 {
        match &self.result {
            Ok(report) => report.verdict.exit_code(),
            Err(failure) => failure.exit_code,
        }
    }

    /// The report, or an object that describes the failure.
    pub(super) fn as_json(&self) -> Value {
        match &self.result {
            Ok(report) => serde_json::to_value(report).unwrap_or_default(),
            Err(Failure { exit_code, error }) => {
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

/// One line for each job.
pub(super) fn summary(outcomes: &[Outcome], format: Format) -> String {
    let rows = outcomes.iter().map(|outcome| match &outcome.result {
        Ok(report) => {
            let verdict = report.verdict.word().to_string();
            let columns = format!("{} of {}", report.coverage().compared.len(), report.coverage().all());
            let counts = report.counts();
            let counts =
                [counts.matched, counts.mismatch, counts.missing, counts.extra, counts.duplicate_keys].map(grouped);
            [
                vec![escaped(&outcome.job), verdict, columns],
                counts.to_vec(),
                vec![report.run.out.clone().unwrap_or_default()],
            ]
            .concat()
        }
        Err(_) => [vec![escaped(&outcome.job), "FAILED".into()], vec![String::new(); 7]].concat(),
    });
    let header = ["job", "verdict", "columns", "matched", "mismatch", "missing", "extra", "duplicate keys", "run"];
    if matches!(format, Format::Markdown) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut out = format!("\n{}|{}\n", line(&header.map(String::from)), " --- |".repeat(header.len()));
        rows.for_each(|row| out += &line(&row));
        return out;
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for number in 3..=7 {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("\n{}\n", table.trim_fmt())
}
