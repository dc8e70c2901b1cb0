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

/// List the runs below a directory, job by job and over time
///
/// Reads what the run directories say of themselves; nothing else is kept anywhere. Ends with exit code 2 if there are
/// no runs.
#[derive(Debug, Args)]
pub(super) struct History {
    /// Where runs are written: an [output] dir, a job's directory in it, or anything above
    dir: PathBuf,

    /// How the list is written to standard output
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
}

/// How the list is written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

impl History {
    /// Lists the runs below a directory, for people.
    pub(super) fn list(dir: &Path) -> Result<u8> {
        History { dir: dir.into(), format: Format::Text }.run()
    }

    /// Lists the runs.
    pub(super) fn run(self) -> Result<u8> {
        if !self.dir.is_dir() {
            return Err(Error::Contradiction(format!("`{}` is no directory", self.dir.display())));
        }
        let (runs, skipped) = runs_below(&self.dir);
        if runs.is_empty() && skipped.is_empty() {
            return Err(Error::Contradiction(format!(
                "there are no runs below `{}`; `countersign run JOB.toml` writes them",
                self.dir.display()
            )));
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
        match jobs.iter_mut().find(|(name, _)| *name == run.told.job) {
            Some((_, runs)) => runs.push(run),
            None => jobs.push((&run.told.job, vec![run])),
        }
    }
    jobs.sort_by_key(|(name, _)| *name);
    jobs
}

fn text(runs: &[PastRun], skipped: &[Skipped]) -> String {
    let mut out = String::new();
    for (job, runs) in jobs(runs) {
        let totals: Vec<u64> = runs.iter().map(|run| run.told.counts.total()).collect();
        out += &format!("{}  {}  {}\n\n", escaped(job), count(runs.len() as u64, "run"), sparkline(&totals));
        let mut table = plain_table();
        let classes = Class::ALL.map(|class| class.field_name().replace('_', " "));
        let header = ["started", "snapshot of", "verdict"].map(String::from).into_iter().chain(classes);
        table.set_header(header.chain(["new", "resolved", "seconds", "run"].map(String::from)));
        for run in runs {
            let told = &run.told;
            let [new, resolved] = match &told.history {
                Some(history) => [history.new.total(), history.resolved.total()].map(grouped),
                None => [String::new(), String::new()],
            };
            let taken = told.run.inputs.new.taken_at.as_ref().map(|taken| taken.to.clone());
            let mut row = vec![told.run.started.clone(), taken.unwrap_or_default(), told.verdict.clone()];
            row.extend(Class::ALL.map(|class| grouped(told.counts[class])));
            row.extend([new, resolved, format!("{:.1}", told.run.seconds), told.run.id.clone()]);
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
    let told = &run.told;
    json!({
        "id": told.run.id,
        "started": told.run.started,
        "taken_at": told.run.inputs.new.taken_at,
        "dir": run.dir.display().to_string(),
        "verdict": told.verdict,
        "rows": told.rows,
        "counts": told.counts,
        "new": told.history.as_ref().map(|history| history.new),
        "resolved": told.history.as_ref().map(|history| history.resolved),
        "input_failures": told.input_failures,
        "seconds": told.run.seconds,
    })
}

/// Numbers as bars of eight heights; none at all is a blank on the line.
fn sparkline(numbers: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let bar = |number: &u64| match number {
        0 => '·',
        number => BARS[(u128::from(*number) * 8).div_ceil(u128::from(most)) as usize - 1],
    };
    numbers.iter().map(bar).collect()
}
