//! Runs planned jobs, several at a time if asked.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::Run;
use crate::cli::outcome::{Failure, Outcome};
use crate::cli::plan::Planned;
use crate::cli::{COULD_NOT_VERIFY, INTERRUPTED, STACK_BYTES, fail};
use crate::error::{Error, Result};
use crate::history::{self, runs_below};
use crate::job::Job;
use crate::job::file::{JobFile, refusal};
use crate::output::job_dir::JobDir;
use crate::prepare::{self, Refusal, validate};
use crate::report::Report;
use crate::runtime::options::{Limits, Options, Out};
use crate::runtime::progress::Progress;

/// Why no further job is started.
enum Halt {
    Interrupted,
    /// A job that was not clean.
    After(String),
}

impl Run {
    /// Runs every job of a plan. The outcomes have its order.
    pub(super) fn execute(&self, plan: &[Planned], stop: &Arc<AtomicBool>) -> Vec<Outcome> {
        let workers = usize::from(self.at_a_time).min(plan.len());
        let next = AtomicUsize::new(0);
        let halt: Mutex<Option<Halt>> = Mutex::new(None);
        let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::new(vec![]);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(planned) = plan.get(at) else { return };
                let outcome = match held(&halt) {
                    Some(reason) => self.skipped(planned, reason),
                    None => self.run_one(planned, workers, stop),
                };
                let code = outcome.exit_code();
                if let Ok(mut halt) = halt.lock()
                    && halt.is_none()
                {
                    *halt = match code {
                        INTERRUPTED => Some(Halt::Interrupted),
                        1.. if self.fail_fast => Some(Halt::After(outcome.job.clone())),
                        _ => None,
                    };
                }
                if let Ok(mut outcomes) = outcomes.lock() {
                    outcomes.push((at, outcome));
                }
            }
        };
        std::thread::scope(|scope| {
            // the main thread is one of the workers
            for number in 1..workers {
                let named = std::thread::Builder::new().name(format!("job-{number}")).stack_size(STACK_BYTES);
                // with fewer threads, the others run its jobs
                let _ = named.spawn_scoped(scope, work);
            }
            work();
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_default();
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn skipped(&self, planned: &Planned, error: String) -> Outcome {
        let failure = Failure { exit_code: COULD_NOT_VERIFY, error, was_skipped: true };
        let (job, last_good) = self.identity(planned);
        Outcome { file: planned.file.clone(), job, last_good, result: Err(failure) }
    }

    fn run_one(&self, planned: &Planned, workers: usize, stop: &Arc<AtomicBool>) -> Outcome {
        let file = planned.file.clone();
        let failed = |error: &Error| {
            let (job, last_good) = self.identity(planned);
            let is_interrupted = matches!(error, Error::Interrupted);
            let text = if is_interrupted { "interrupted".into() } else { error.to_string() };
            let failure = Failure { exit_code: fail(error), error: text, was_skipped: is_interrupted };
            Outcome { file: planned.file.clone(), job, last_good, result: Err(failure) }
        };
        let compared = match &planned.contents {
            Ok(contents) => self.compare(&file, contents, workers, stop),
            Err(error) => return self.notified(failed(error)),
        };
        let outcome = match compared {
            Ok(report) => {
                let last_good = match report.verdict.exit_code() {
                    0 => seconds(&report.run.started),
                    _ => self.identity(planned).1,
                };
                Outcome { file, job: report.job.clone(), last_good, result: Ok(report) }
            }
            Err(error) => failed(&error),
        };
        self.notified(outcome)
    }

    /// Tells the command of `--notify` about an outcome.
    fn notified(&self, outcome: Outcome) -> Outcome {
        if let Some(command) = &self.notify {
            outcome.notify(command);
        }
        outcome
    }

    /// The name of a job, or else the stem of its file name, and the start of its last good run, which only `--metrics`
    /// needs.
    fn identity(&self, planned: &Planned) -> (String, Option<i64>) {
        let Ok(JobFile { job: Some(job), runs, .. }) = &planned.contents else {
            return (planned.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), None);
        };
        let last_good = || {
            self.metrics.as_ref()?;
            let dir = self.history.clone().unwrap_or_else(|| self.out.as_ref().unwrap_or(runs).join(&job.name));
            let (runs, _) = runs_below(&dir);
            let good = runs.iter().rev().find(|run| run.summary.job == job.name && run.summary.is_good())?;
            seconds(&good.summary.run.started)
        };
        (job.name.clone(), last_good())
    }

    fn compare(&self, file: &Path, contents: &JobFile, workers: usize, stop: &Arc<AtomicBool>) -> Result<Report> {
        let JobFile { job, runs, retain, mistakes } = contents;
        let job = match job {
            Some(job) if mistakes.is_empty() => job,
            job => return Err(refusal(file, validate(job.as_ref(), mistakes.clone())?)),
        };
        let job_dir = JobDir::open(self.out.as_ref().unwrap_or(runs), &job.name)?;
        let options = Options {
            out: Some(Out::Below(job_dir.dir())),
            history: Some(self.history.clone().unwrap_or_else(|| job_dir.dir())),
            examples: self.examples,
            ..shared(self.work.options(stop), workers)
        };
        let report = run(file, job, &options)?;
        self.work.tell_timings(&report.run);
        job_dir.point_at_latest(&report.run.id)?;
        if let Some(whole) = retain {
            history::retain(&job_dir.dir(), &job.name, *whole);
        }
        Ok(report)
    }
}

/// Why no further job is started, for the user.
fn held(halt: &Mutex<Option<Halt>>) -> Option<String> {
    match halt.lock().ok()?.as_ref()? {
        Halt::Interrupted => Some("not started: the command was interrupted".into()),
        Halt::After(job) => Some(format!("not started: `{job}` was not clean")),
    }
}

/// The options of one of several jobs that run at a time: its share of the machine.
fn shared(options: Options, workers: usize) -> Options {
    if workers < 2 {
        return options;
    }
    let Limits { threads, memory, .. } = options.limits;
    let limits = Limits { threads: (threads / workers).max(1), memory: memory / workers as u64, ..options.limits };
    Options { limits, progress: Progress::quiet(), ..options }
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

/// Converts a time of a report to seconds since 1970.
fn seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}
