//! `countersign run`.

mod execute;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;

use super::limits::WorkArgs;
use super::outcome::{Outcome, all_as_json};
use super::plan::{Planned, plan};
use super::{Format, INTERRUPTED, junit, metrics, print, signal, style, write_out};
use crate::checks::groups::{Combined, Member, combine};
use crate::equality::value_text::escaped;
use crate::error::{Error, Result};
use crate::job::file::GROUPS;
use crate::output::job_dir::JobDir;
use crate::output::replace::replace;
use crate::output::run_dir::RunDir;
use crate::report::overview::Overview;
use crate::report::page::Page;
use crate::report::{Style, markdown, page, text};
use crate::run::new_id;
use crate::runtime::engine::Engine;
use crate::runtime::log::{Level, log};

/// Run jobs, and write a run directory for each
///
/// A job file specifies what is compared and how, what is allowed, and where the runs are written: see
/// schemas/job.v1.json. Each run is written to DIR/JOB/RUN, and DIR/JOB/latest points to it. A job that
/// fails does not stop the others; the exit code is the highest of all jobs. Several jobs begin with an
/// overview, which is also written to DIR/overview.txt, .md, and .json.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The job files, and directories of job files
    #[arg(required = true, value_name = "JOB.toml|DIR")]
    jobs: Vec<PathBuf>,

    /// Run this many jobs at a time, which share the memory and the threads
    #[arg(long = "jobs", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_a_time: u16,

    /// Start no further job after one that is not clean
    #[arg(long)]
    fail_fast: bool,

    /// Print the reports of all jobs, not only of those that are not clean
    #[arg(long)]
    verbose: bool,

    /// Override a setting of the job files, such as compare.key=id
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Write the runs below this directory instead of [output] dir
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Look for earlier runs below this directory instead of the directory of the job
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,

    /// The format of reports on standard output
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,

    /// Write the results of the jobs as metrics, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE.prom")]
    metrics: Option<PathBuf>,

    /// Write the results as JUnit XML: a test case for each job and each check
    #[arg(long, value_name = "FILE.xml")]
    junit: Option<PathBuf>,

    /// Pipe each job's report as JSON to this shell command, even if the job failed
    #[arg(long, value_name = "COMMAND")]
    notify: Option<String>,

    /// The number of examples of each class in the reports
    #[arg(long, value_name = "N", default_value_t = crate::EXAMPLES)]
    examples: usize,

    #[command(flatten)]
    work: WorkArgs,
}

impl Run {
    /// Runs every job and returns the worst exit code.
    pub(super) fn run(self) -> Result<u8> {
        if let Some(dir) = self.history.as_ref().filter(|dir| !dir.is_dir()) {
            return Err(Error::request("--history", format!("`{}` is not a directory", dir.display())));
        }
        let stop = signal::on_signal();
        let (started, clock) = (Timestamp::now(), Instant::now());
        let plan = plan(&self.jobs, &self.set)?;
        let outcomes = self.execute(&plan, &stop);
        let groups = self.gather(&outcomes, &stop)?;
        let exit_code = outcomes.iter().map(Outcome::exit_code).max().unwrap_or(0);
        if !self.is_of_many() {
            self.print_one(&outcomes)?;
            self.write_results(&outcomes)?;
            return Ok(exit_code);
        }
        let overview = Overview {
            schema: "countersign/overview/v1".into(),
            started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            seconds: (clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            exit_code,
            jobs: outcomes.iter().map(Outcome::line).collect(),
        };
        let page = page::of_overview(&overview);
        self.print_all(&page, &outcomes)?;
        if let (Some(groups), false) = (groups, matches!(self.format, Format::Json)) {
            write_out(&groups)?;
        }
        // what was interrupted does not replace the overview of the last night
        if exit_code != INTERRUPTED {
            self.write_overview(&overview, &page, &plan)?;
        }
        self.write_results(&outcomes)?;
        Ok(exit_code)
    }

    /// Writes the files that other programs read. The reports are printed before, whatever becomes of these files.
    fn write_results(&self, outcomes: &[Outcome]) -> Result<()> {
        let metrics = self.metrics.as_ref().map_or(Ok(()), |file| metrics::write(file, outcomes));
        let junit = self.junit.as_ref().map_or(Ok(()), |file| junit::write(file, outcomes));
        metrics.and(junit)
    }

    /// Whether there may be several jobs, and therefore an overview.
    fn is_of_many(&self) -> bool {
        self.jobs.len() > 1 || self.jobs.iter().any(|argument| argument.is_dir())
    }

    fn print_one(&self, outcomes: &[Outcome]) -> Result<()> {
        match (outcomes, self.format) {
            ([Outcome { result: Ok(report), .. }], format) => {
                summarize(&report.to_markdown())?;
                print(report, format).map(drop)
            }
            (outcomes, Format::Json) => write_out(&all_as_json(outcomes)),
            _ => Ok(()),
        }
    }

    /// Prints the overview, and the reports of all jobs that are not clean.
    fn print_all(&self, page: &Page, outcomes: &[Outcome]) -> Result<()> {
        summarize(&markdown::render(page))?;
        match self.format {
            Format::Json => return write_out(&all_as_json(outcomes)),
            Format::Text => write_out(&text::render(page, style()))?,
            Format::Markdown => write_out(&markdown::render(page))?,
        }
        for Outcome { result, .. } in outcomes {
            let Ok(report) = result else { continue };
            if self.verbose || report.verdict.exit_code() != 0 {
                if matches!(self.format, Format::Text) {
                    let name = escaped(&report.job);
                    write_out(&format!("\n\n{name}\n{}\n", "-".repeat(name.chars().count())))?;
                } else {
                    write_out("\n")?;
                }
                print(report, self.format)?;
            }
        }
        Ok(())
    }

    /// Writes the overview below `--out`, or else to the directory to which all jobs write.
    fn write_overview(&self, overview: &Overview, page: &Page, plan: &[Planned]) -> Result<()> {
        let mut dirs: Vec<&PathBuf> = plan.iter().filter_map(|job| Some(&job.contents.as_ref().ok()?.runs)).collect();
        dirs.retain(|dir| !dir.as_os_str().is_empty());
        dirs.dedup();
        let dir = match (&self.out, dirs.as_slice()) {
            (Some(dir), _) => dir,
            (None, [dir]) => dir,
            (None, []) => return Ok(()),
            (None, _) => {
                let note =
                    "the jobs write to different directories, so no overview file was written; --out DIR writes one";
                log(Level::Warning, note);
                return Ok(());
            }
        };
        std::fs::create_dir_all(dir).map_err(Error::unwritable(dir))?;
        replace(&dir.join("overview.json"), &overview.to_json())?;
        replace(&dir.join("overview.md"), &markdown::render(page))?;
        replace(&dir.join("overview.txt"), &text::render(page, Style::Plain))
    }

    /// Combines the groups of several jobs, and returns the report text; `None` for one job or if no job has groups.
    fn gather(&self, outcomes: &[Outcome], stop: &Arc<AtomicBool>) -> Result<Option<String>> {
        let member = |outcome: &Outcome| {
            let report = outcome.result.as_ref().ok()?;
            let (groups, dir) = (report.groups()?.clone(), PathBuf::from(report.run.out.clone()?));
            Some(Member { job: report.job.clone(), run: report.run.id.clone(), dir, groups })
        };
        let members: Vec<Member> = outcomes.iter().filter_map(member).collect();
        let failed = outcomes.iter().filter(|outcome| outcome.result.is_err());
        let failed: Vec<&str> = failed.map(|outcome| outcome.job.as_str()).collect();
        let (Some(first), true) = (members.first(), self.is_of_many()) else { return Ok(None) };
        let runs = first.dir.parent().and_then(Path::parent).unwrap_or(Path::new(".")).to_path_buf();
        let job_dir = JobDir::open(&runs, GROUPS)?;
        let id = new_id();
        let run_dir = RunDir::claim(&job_dir.dir().join(&id))?;
        let engine = Engine::start(
            self.work.machine.limits(),
            &run_dir.spill_dir(),
            stop.clone(),
            self.work.machine.progress(),
        )?;
        let Combined { jobs, groups, .. } = combine(&engine, members, &failed, run_dir, self.examples)?;
        engine.progress.finish();
        job_dir.point_at_latest(&id)?;
        let names: Vec<&str> = jobs.iter().map(|job| job.job.as_str()).collect();
        let dir = job_dir.dir().join(&id);
        let page = page::of_groups(&groups, &names, &dir);
        Ok(Some(format!("\n{}", text::render(&page, Style::Plain))))
    }
}

/// Adds Markdown to the summary of the step of a GitHub workflow, if this is one.
fn summarize(markdown: &str) -> Result<()> {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&file);
    let written = opened.and_then(|mut opened| std::io::Write::write_all(&mut opened, markdown.as_bytes()));
    written.map_err(Error::unwritable(&file))
}
