//! `countersign history`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::write_out;
use crate::class::Class;
use crate::equality::value_text::escaped;
use crate::error::{Error, Result};
use crate::history::{PastRun, Skipped, runs_below};
use crate::report::text::{indented, plain_table, right_align};
use crate::report::{count, grouped};

/// List the runs below a directory, by job and over time
///
/// Everything comes from the run directories; there is no other record. The exit code is 2 if there are no runs.
#[derive(Debug, Args)]
pub(super) struct History {
    /// A directory with runs: an [output] dir, the directory of a job in it, or any directory above
    dir: PathBuf,

    /// The format of the list on standard output
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Human-readable
    #[default]
    Text,
    /// Machine-readable
    Json,
}

impl History {
    /// Lists the runs below a directory as text.
    pub(super) fn list(dir: &Path) -> Result<u8> {
        History { dir: dir.into(), format: Format::Text }.run()
    }

    pub(super) fn run(self) -> Result<u8> {
        if !self.dir.is_dir() {
            return Err(Error::unusable(&self.dir, "is not a directory"));
        }
        let (runs, skipped) = runs_below(&self.dir);
        if runs.is_empty() && skipped.is_empty() {
            return Err(Error::unusable(&self.dir, "contains no runs\n  `countersign run JOB.toml` writes them"));
        }
        write_out(&match self.format {
            Format::Text => text(&runs, &skipped),
            Format::Json => as_json(&runs, &skipped),
        })?;
        Ok(0)
    }
}

fn jobs(runs: &[PastRun]) -> Vec<(&str, Vec<&PastRun>)> {
    let mut jobs: Vec<(&str, Vec<&PastRun>)> = vec![];
    for run in runs {
        match jobs.iter_mut().find(|(name, _)| *name == run.summary.job) {
            Some((_, runs)) => runs.push(run),
            None => jobs.push((&run.summary.job, vec![run])),
        }
    }
    jobs.sort_by_key(|(name, _)| *name);
    jobs
}

fn text(runs: &[PastRun], skipped: &[Skipped]) -> String {
    let mut out = String::new();
    for (job, runs) in jobs(runs) {
        let totals: Vec<u64> = runs.iter().map(|run| run.summary.counts.total()).collect();
        out += &format!("{}  {}  {}\n\n", escaped(job), count(runs.len() as u64, "run"), sparkline(&totals));
        let mut table = plain_table();
        let classes = Class::ALL.map(|class| class.field_name().replace('_', " "));
        let header = ["started", "snapshot of", "verdict"].map(String::from).into_iter().chain(classes);
        table.set_header(header.chain(["new", "resolved", "seconds", "run"].map(String::from)));
        for run in runs {
            let report = &run.summary;
            let [new, resolved] = match &report.history {
                Some(history) => [history.new.total(), history.resolved.total()].map(grouped),
                None => [String::new(), String::new()],
            };
            let taken = report.run.inputs.new.taken_at.as_ref().map(|taken| taken.to.clone());
            let mut row = vec![report.run.started.clone(), taken.unwrap_or_default(), report.verdict.clone()];
            row.extend(Class::ALL.map(|class| grouped(report.counts[class])));
            row.extend([new, resolved, format!("{:.1}", report.run.seconds), report.run.id.clone()]);
            table.add_row(row.iter().map(|cell| escaped(cell)));
        }
        right_align(&mut table, &[3, 4, 5, 6, 7, 8, 9]);
        out += &format!("{}\n", indented(&table));
    }
    for Skipped { dir, reason } in skipped {
        out += &format!("passed over: {}: {}\n", escaped(dir), escaped(reason));
    }
    out.trim_end().to_string() + "\n"
}

fn as_json(runs: &[PastRun], skipped: &[Skipped]) -> String {
    let of_job = |(job, runs): (&str, Vec<&PastRun>)| {
        let runs: Vec<_> = runs.iter().map(|run| one(run)).collect();
        json!({ "job": job, "runs": runs })
    };
    let jobs: Vec<_> = jobs(runs).into_iter().map(of_job).collect();
    let all = json!({ "schema": "countersign/history/v1", "jobs": jobs, "skipped": skipped });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn one(run: &PastRun) -> serde_json::Value {
    let report = &run.summary;
    json!({
        "id": report.run.id,
        "started": report.run.started,
        "taken_at": report.run.inputs.new.taken_at,
        "dir": run.dir.display().to_string(),
        "verdict": report.verdict,
        "rows": report.rows,
        "counts": report.counts,
        "new": report.history.as_ref().map(|history| history.new),
        "resolved": report.history.as_ref().map(|history| history.resolved),
        "input_failures": report.input_failures,
        "seconds": report.run.seconds,
    })
}

/// Draws numbers as bars of eight heights. Zero is a dot on the baseline.
fn sparkline(numbers: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let bar = |number: &u64| match number {
        0 => '·',
        number => BARS[(u128::from(*number) * 8).div_ceil(u128::from(most)) as usize - 1],
    };
    numbers.iter().map(bar).collect()
}
