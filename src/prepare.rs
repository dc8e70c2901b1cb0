//! PREPARE: opens the files of a job, plans its SQL, and collects all errors in the job before any row is read.
//! `validate` ends here. A run continues with what was opened.

use std::sync::Arc;

use crate::checks::{self, groups};
use crate::columns::{Pairing, Privacy, unknown_names};
use crate::error::{Error, Result};
use crate::explain;
use crate::history;
use crate::job::file::JobMistake;
use crate::job::{Job, Rule, Scope, Source};
use crate::output::run_dir::RunDir;
use crate::run::{Run, RunClock, Session};
use crate::runtime::engine::Engine;
use crate::runtime::options::Options;
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::{self, Snapshot};
use crate::sql;

/// A job without errors, with its files opened and its queries planned.
pub(crate) enum Prepared<'a> {
    Comparison(Box<Run<'a>>),
    /// There is no new snapshot to compare old with yet.
    OldAlone(Box<OldAlone<'a>>),
}

/// A run that has only old.
pub(crate) struct OldAlone<'a> {
    pub session: Session<'a>,
    pub old: Snapshot,
    pub privacy: Privacy,
}

/// Why a job was not prepared.
pub(crate) enum Refusal {
    /// All errors in the job.
    Job(Vec<JobError>),
    /// The first error that is not about the job but about the data or the machine.
    Other(Error),
}

/// One error in a job.
pub(crate) struct JobError {
    error: Error,
    /// The source in which the error was found, for errors that do not record their own origin.
    found_in: Option<String>,
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        JobError { error, found_in: None }
    }
}

impl JobError {
    fn found_in(source: &Source, error: Error) -> Self {
        JobError { error, found_in: Some(source.path.origin.to_string()) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Other(error)
    }
}

impl Refusal {
    /// Returns all errors as one, for callers without a job file whose lines could be listed.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Refusal::Other(error) => error,
            Refusal::Job(errors) => {
                let several: Vec<Error> = errors.into_iter().map(|found| found.error).collect();
                Error::all(several).err().unwrap_or_else(|| Error::internal("a job was refused without a reason"))
            }
        }
    }
}

/// Opens the files of a job, plans its SQL, and pairs its columns. `run_dir` is the output directory if the options do
/// not name one.
///
/// # Errors
/// All errors in the job, or the first other error.
pub(crate) fn prepare<'a>(
    job: &'a Job,
    options: &'a Options,
    run_dir: Option<RunDir>,
) -> Result<Prepared<'a>, Refusal> {
    let clock = RunClock::start();
    history::require_past(job, clock.started)?;
    let out = options.out.as_ref().map(|out| out.of_run(&clock.id));
    let run_dir = match (run_dir, out) {
        (None, Some(out)) => Some(RunDir::claim(&out)?),
        (given, _) => given,
    };
    if let Some(run_dir) = &run_dir {
        run_dir.require_apart(job)?;
    }
    let session = open_session(job, options, run_dir, clock)?;
    snapshot::require_room_for_footers(session.engine.limits(), job.locations())?;
    let mut errors = vec![];
    let prepared = open(session, false, &mut errors);
    match (errors.first(), prepared) {
        (None, Some(prepared)) => Ok(prepared),
        (None, None) => Err(Refusal::Other(Error::internal("a job without an error was not prepared"))),
        (Some(first), _) if first.error.is_about_the_job() => Err(Refusal::Job(errors)),
        (Some(_), _) => Err(Refusal::Other(Refusal::Job(errors).into_error())),
    }
}

/// Adds errors that only the files and the SQL of the job reveal to the errors in the text of the job file.
pub(crate) fn validate(job: Option<&Job>, in_text: Vec<JobMistake>) -> Result<Vec<JobMistake>> {
    Ok(examine(job, in_text)?.0)
}

/// How a pair of columns is compared.
pub(crate) struct ComparedColumn {
    pub name: String,
    pub types: Sides<String>,
    pub is_key: bool,
    pub rules: Vec<Rule>,
}

/// The same as [`validate`], and how each pair of columns is compared if the columns can be paired.
pub(crate) fn examine(
    job: Option<&Job>,
    mut in_text: Vec<JobMistake>,
) -> Result<(Vec<JobMistake>, Vec<ComparedColumn>)> {
    let Some(job) = job else { return Ok((in_text, vec![])) };
    let options = Options::default();
    let clock = RunClock::start();
    let mut errors = vec![];
    if let Err(error) = history::require_past(job, clock.started) {
        errors.push(error.into());
    }
    let session = open_session(job, &options, None, clock)?;
    let columns = match open(session, !in_text.is_empty(), &mut errors) {
        Some(Prepared::Comparison(run)) => {
            let Pairing { columns, key_len, keyed, .. } = &run.pairing;
            let compared = columns.iter().enumerate().map(|(at, column)| ComparedColumn {
                name: column.name.clone(),
                types: column.types.clone(),
                is_key: *keyed && at < *key_len,
                rules: column.rules().to_vec(),
            });
            compared.collect()
        }
        _ => vec![],
    };
    in_text.extend(mistakes(&errors));
    Ok((in_text, columns))
}

/// Converts errors to the form in which they are reported for a job file.
pub(crate) fn mistakes(errors: &[JobError]) -> impl Iterator<Item = JobMistake> + '_ {
    errors.iter().map(|JobError { error, found_in }| mistake(error, found_in.clone()))
}

fn open_session<'a>(
    job: &'a Job,
    options: &'a Options,
    run_dir: Option<RunDir>,
    clock: RunClock,
) -> Result<Session<'a>> {
    let beside = || run_dir.as_ref().map_or_else(std::env::temp_dir, RunDir::spill_dir);
    let temp = options.temp.clone().unwrap_or_else(beside);
    let engine = Engine::start(options.limits.clone(), &temp, options.stop.clone(), options.progress.clone())?;
    Ok(Session { job, options, clock, engine, run_dir, tables: sql::Tables::new() })
}

/// Opens everything that can be opened. If the text of the job already has errors (`text_is_wrong`), errors that may
/// only be consequences of these are omitted.
fn open<'a>(mut session: Session<'a>, text_is_wrong: bool, errors: &mut Vec<JobError>) -> Option<Prepared<'a>> {
    let job = session.job;
    let stage = session.engine.timings.clone();
    let _stage = stage.enter(Stage::Open);
    open_tables(&mut session, errors);
    match open_sides(&session, errors) {
        Sides { old: Some(old), new: Some(new) } => {
            let snapshots = Sides { old, new };
            match pair(&session, &snapshots) {
                Ok((pairing, privacy)) => {
                    let run = Box::new(Run::new(session, snapshots, pairing, privacy));
                    require_sound(&run, text_is_wrong, errors);
                    Some(Prepared::Comparison(run))
                }
                // a rule that could not be parsed may be the one that makes the columns comparable
                Err(error) => {
                    let is_consequence =
                        |error: &Error| text_is_wrong && matches!(error, Error::DifferentFamilies { .. });
                    let found = error.into_several().into_iter().filter(|error| !is_consequence(error));
                    errors.extend(found.map(JobError::from));
                    None
                }
            }
        }
        Sides { old: Some(old), new: None } if job.scope == Scope::OldAlone => {
            let privacy = Privacy::of_old(job, &old, &session.tables);
            let privacy = privacy.map_err(|error| errors.push(error.into())).ok()?;
            let old_alone = Box::new(OldAlone { session, old, privacy });
            let found = checks::errors(&old_alone.session, &old_alone.check_inputs());
            errors.extend(found.into_iter().map(JobError::from));
            Some(Prepared::OldAlone(old_alone))
        }
        Sides { new: Some(new), .. } => {
            errors.extend(unknown_names(&new, job).into_iter().map(JobError::from));
            None
        }
        Sides { new: None, .. } => None,
    }
}

fn open_tables(session: &mut Session, errors: &mut Vec<JobError>) {
    for (name, source) in &session.job.tables {
        match sql::open_table(&session.engine, name, source) {
            Ok(table) => drop(session.tables.insert(name.clone(), Arc::new(table))),
            Err(error) => errors.push(JobError::found_in(source, error)),
        }
    }
}

fn open_sides(session: &Session, errors: &mut Vec<JobError>) -> Sides<Option<Snapshot>> {
    let mut sides: Sides<Option<Snapshot>> = Sides::default();
    for &side in session.job.scope.sides() {
        let source = &session.job.sources[side];
        let planned = sql::plan_side(&session.engine, side, source, &session.tables, &session.job.columns);
        errors.extend(planned.mistakes.into_iter().map(|error| JobError::found_in(source, error)));
        sides[side] = planned.snapshot;
    }
    sides
}

fn pair(session: &Session, snapshots: &Sides<Snapshot>) -> Result<(Pairing, Privacy)> {
    let pairing = Pairing::of(snapshots, session.job)?;
    let privacy = Privacy::of(session.job, snapshots, &pairing, &session.tables)?;
    Ok((pairing, privacy))
}

/// Checks the settings of a job about discrepancies, groups, and checks.
fn require_sound(run: &Run, text_is_wrong: bool, errors: &mut Vec<JobError>) {
    let found = match explain::require_sound(run).and_then(|()| groups::require_sound(run)) {
        // a parameter that could not be parsed would also be reported as missing
        Ok(()) if text_is_wrong => vec![],
        Ok(()) => match checks::CheckInputs::planned(run) {
            Ok(inputs) => checks::errors(&run.session, &inputs),
            Err(error) => vec![error],
        },
        Err(error) => vec![error],
    };
    errors.extend(found.into_iter().map(JobError::from));
}

impl<'a> Run<'a> {
    /// Runs the queries that shape the sides, and pairs the columns again by the types of the results.
    pub(crate) fn start(mut self: Box<Self>) -> Result<Box<Self>> {
        let Run { session: Session { job, engine, tables, .. }, snapshots, .. } = &mut *self;
        let stage = engine.timings.clone();
        let _stage = stage.enter(Stage::Open);
        sql::require_keys(engine, job, tables)?;
        let mut is_shaped = false;
        for side in Side::BOTH {
            if let Some(shaped) = sql::run_side(engine, &snapshots[side], &job.sources[side], tables, &job.columns)? {
                snapshots[side] = shaped;
                is_shaped = true;
            }
        }
        if snapshots.iter().any(Snapshot::is_interpreted) {
            Side::BOTH.into_iter().try_for_each(|side| snapshots[side].examine(engine))?;
            is_shaped = true;
        }
        if !is_shaped {
            return Ok(self);
        }
        let (pairing, privacy) = pair(&self.session, &self.snapshots)?;
        let Run { session, snapshots, .. } = *self;
        let run = Box::new(Run::new(session, snapshots, pairing, privacy));
        let mut errors = vec![];
        require_sound(&run, false, &mut errors);
        match errors.is_empty() {
            true => Ok(run),
            false => Err(Refusal::Job(errors).into_error()),
        }
    }
}

impl OldAlone<'_> {
    /// Runs the query that shapes old.
    pub(crate) fn start(mut self: Box<Self>) -> Result<Box<Self>> {
        let Session { job, engine, tables, .. } = &self.session;
        let stage = engine.timings.clone();
        let _stage = stage.enter(Stage::Open);
        sql::require_keys(engine, job, tables)?;
        if let Some(shaped) = sql::run_side(engine, &self.old, &job.sources.old, tables, &job.columns)? {
            self.privacy = Privacy::of_old(job, &shaped, tables)?;
            self.old = shaped;
        }
        Ok(self)
    }

    pub(crate) fn check_inputs(&self) -> checks::CheckInputs<'_> {
        checks::CheckInputs::of_old(self.old.clone(), self.privacy.clone(), &self.session.tables)
    }
}

/// Splits an error into its origin and its message. `found_in` is the origin of errors that do not record their own.
pub(crate) fn mistake(error: &Error, found_in: Option<String>) -> JobMistake {
    match error {
        Error::Request { origin, problem } => JobMistake { origin: origin.clone(), message: problem.to_string() },
        error => JobMistake { origin: found_in.unwrap_or("[compare]".into()), message: error.to_string() },
    }
}
