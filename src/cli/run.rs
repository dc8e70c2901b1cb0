//! `countersign run` and `countersign validate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::limits::WorkArgs;
use super::outcome::{Failure, Outcome, all_as_json, summary};
use super::{Format, INTERRUPTED, fail, metrics, print, signal, write_out};
use crate::checks::groups::{Combined, Member, combine};
use crate::equality::value_text::escaped;
use crate::error::{Error, Result};
use crate::history::{self, runs_below};
use crate::job::Job;
use crate::job::file::{GROUPS, JobFile, refusal};
use crate::output::job_dir::JobDir;
use crate::output::run_dir::RunDir;
use crate::prepare::{self, Refusal, validate};
use crate::report::{Report, Style, page, text};
use crate::run::new_id;
use crate::runtime::engine::Engine;
use crate::runtime::options::{Options, Out};

/// Run jobs, and write a run directory for each
///
/// A job file specifies what is compared and how, what is allowed, and where the runs are written: see
/// schemas/job.v1.json. Each run is written to DIR/JOB/RUN, and DIR/JOB/latest points to it. A job that
/// fails does not stop the others; the exit code is the highest of all jobs.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The job files
    #[arg(required = true, value_name = "JOB.toml")]
    jobs: Vec<PathBuf>,

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

    /// Pipe each job's report as JSON to this shell command, even if the job failed
    #[arg(long, value_name = "COMMAND")]
    notify: Option<String>,

    /// The number of examples of each class in the reports
    #[arg(long, value_name = "N", default_value_t = crate::EXAMPLES)]
    examples: usize,

    #[command(flatten)]
    work: WorkArgs,
}

/// Report every error in job files, without reading data
///
/// Checks the settings, the files that they name, the footers of these files, the SQL, and whether every
/// column can be compared. The exit code is 2 if there is an error.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The job files
    #[arg(required = true, value_name = "JOB.toml")]
    jobs: Vec<PathBuf>,

    /// Override a setting of the job files, such as compare.key=id
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The file of each job of one command, by the name of the job.
type JobNames = BTreeMap<String, PathBuf>;

impl Run {
    /// Runs every job and returns the worst exit code.
    pub(super) fn run(self) -> Result<u8> {
        if let Some(dir) = self.history.as_ref().filter(|dir| !dir.is_dir()) {
            return Err(Error::request("--history", format!("`{}` is not a directory", dir.display())));
        }
        let stop = signal::on_signal();
        let mut outcomes: Vec<Outcome> = vec![];
        let mut names = BTreeMap::new();
        for file in &self.jobs {
            let outcome = self.run_one(file, &mut names, &stop);
            let interrupted = outcome.exit_code() == INTERRUPTED;
            if let Some(command) = &self.notify {
                outcome.notify(command);
            }
            if let (Ok(report), false) = (&outcome.result, matches!(self.format, Format::Json)) {
                if !outcomes.is_empty() {
                    write_out("\n")?;
                }
                print(report, self.format)?;
            }
            outcomes.push(outcome);
            if interrupted {
                break;
            }
        }
        if let Some(file) = &self.metrics {
            metrics::write(file, &outcomes)?;
        }
        let groups = self.gather(&outcomes, &stop)?;
        match (self.format, outcomes.as_slice()) {
            (Format::Json, [Outcome { result: Ok(report), .. }]) if self.jobs.len() == 1 => {
                print(report, self.format)?;
            }
            (Format::Json, _) => write_out(&all_as_json(&outcomes))?,
            (_, [_]) => {}
            (format, outcomes) => write_out(&summary(outcomes, format))?,
        }
        if let (Some(groups), false) = (groups, matches!(self.format, Format::Json)) {
            write_out(&groups)?;
        }
        Ok(outcomes.iter().map(Outcome::exit_code).max().unwrap_or(0))
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
        let (Some(first), true) = (members.first(), self.jobs.len() > 1) else { return Ok(None) };
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

    fn run_one(&self, file: &Path, names: &mut JobNames, stop: &Arc<AtomicBool>) -> Outcome {
        match self.compare(file, names, stop) {
            Ok(report) if report.verdict.exit_code() == 0 => {
                Outcome { job: report.job.clone(), last_good: seconds(&report.run.started), result: Ok(report) }
            }
            Ok(report) => {
                let last_good = self.metrics.as_ref().and_then(|_| self.last_good(file).1);
                Outcome { job: report.job.clone(), last_good, result: Ok(report) }
            }
            Err(error) => {
                let failure = Failure { exit_code: fail(&error), error: error.to_string() };
                let stem = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let (job, last_good) = self.last_good(file);
                Outcome { job: job.unwrap_or_else(stem), last_good, result: Err(failure) }
            }
        }
    }

    /// The name of the job, and the start of its last good run, which only `--metrics` needs.
    fn last_good(&self, file: &Path) -> (Option<String>, Option<i64>) {
        let Ok(JobFile { job: Some(job), runs, .. }) = JobFile::read(file, &self.set) else { return (None, None) };
        let last_good = || {
            self.metrics.as_ref()?;
            let dir = self.history.clone().unwrap_or_else(|| self.out.as_ref().unwrap_or(&runs).join(&job.name));
            let (runs, _) = runs_below(&dir);
            let good = runs.iter().rev().find(|run| run.summary.job == job.name && run.summary.is_good())?;
            seconds(&good.summary.run.started)
        };
        let last_good = last_good();
        (Some(job.name), last_good)
    }

    fn compare(&self, file: &Path, names: &mut JobNames, stop: &Arc<AtomicBool>) -> Result<Report> {
        let JobFile { job, runs, retain, mistakes } = JobFile::read(file, &self.set)?;
        let job = match job {
            Some(job) if mistakes.is_empty() => job,
            job => return Err(refusal(file, validate(job.as_ref(), mistakes)?)),
        };
        if let Some(other) = names.insert(job.name.clone(), file.to_path_buf()).filter(|other| other != file) {
            return Err(Error::unusable(
                file,
                format!(
                    "has the same job name as `{}`, `{}`, so their runs would be mixed\n  \
                 give one of them another [job] name",
                    other.display(),
                    job.name
                ),
            ));
        }
        let job_dir = JobDir::open(self.out.as_ref().unwrap_or(&runs), &job.name)?;
        let options = Options {
            out: Some(Out::Below(job_dir.dir())),
            history: Some(self.history.clone().unwrap_or_else(|| job_dir.dir())),
            examples: self.examples,
            ..self.work.options(stop)
        };
        let report = run(file, &job, &options)?;
        self.work.tell_timings(&report.run);
        job_dir.point_at_latest(&report.run.id)?;
        if let Some(whole) = retain {
            history::retain(&job_dir.dir(), &job.name, whole);
        }
        Ok(report)
    }
}

/// Runs the job of a file. If the job is invalid, the error lists everything that is wrong with it.
fn run(file: &Path, job: &Job, options: &Options) -> Result<Report> {
    let in_job = |error: Error| match job.redact(error) {
        error if error.is_about_the_job() => refusal(file, vec![prepare::mistake(&error, None)]),
        error => error,
    };
    match prepare::prepare(job, options, None) {
        Ok(prepared) => prepared.execute().map_err(in_job),
        Err(Refusal::Job(errors)) => Err(refusal(file, prepare::mistakes(&errors).collect())),
        Err(Refusal::Other(error)) => Err(job.redact(error)),
    }
}

impl Validate {
    /// Validates every job; 0 if all are valid.
    pub(super) fn run(self) -> Result<u8> {
        let mut worst = 0;
        for file in &self.jobs {
            let checked = JobFile::read(file, &self.set).and_then(|JobFile { job, mistakes, .. }| {
                let mistakes = validate(job.as_ref(), mistakes)?;
                match job {
                    Some(job) if mistakes.is_empty() => Ok(job),
                    _ => Err(refusal(file, mistakes)),
                }
            });
            match checked {
                Ok(job) => write_out(&format!("{}: job `{}` is valid\n", file.display(), escaped(&job.name)))?,
                Err(error) => worst = worst.max(fail(&error)),
            }
        }
        Ok(worst)
    }
}

/// Converts a time of a report to seconds since 1970.
fn seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}
