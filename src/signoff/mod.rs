//! SIGN: may these rows be deleted? Each candidate is approved or blocked, with every reason that blocks it, and a
//! certificate says on what that rests. Nothing is deleted here.

mod after;
mod backup;
mod candidates;
mod canaries;
mod certify;
mod evidence;
mod page;
mod requirements;
mod rules;
mod terms;
mod write;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;

pub use after::{After, after};
pub use canaries::Canary;
pub use requirements::Requirement;
pub use rules::{CandidateFacts, RowFacts, StatusFound, reasons, words};

use crate::certificate::PrivateKey;
use crate::columns::{Pairing, Privacy};
use crate::csv;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::{Digest, key_digest, past_knowledge};
use crate::job::{Identity, Job, Out, SignOff};
use crate::progress::Progress;
use crate::report::{Report, Verdict, count};
use crate::run_dir::RunDir;
use crate::shape::{self, Tables};
use crate::sides::Sides;
use crate::snapshot::Snapshot;
use candidates::Candidates;
use evidence::{Rows, Sources};
use requirements::{compares, requirements};
use terms::{candidate_key, require_decidable, require_shown, terms};

/// What is asked for on the command line.
pub struct Request {
    /// The job file.
    pub job_file: PathBuf,
    /// The list of candidates.
    pub candidates: PathBuf,
    /// Where everything is written.
    pub out: PathBuf,
    /// The key that signs; without one, the certificate is not signed and no delete job accepts it.
    pub key: Option<PrivateKey>,
    /// Whether the approved rows are written whole.
    pub rows: bool,
}

/// The answer.
#[derive(Debug)]
pub struct Signed {
    /// The run that it rests on.
    pub report: Report,
    /// What concerns all candidates.
    pub requirements: Vec<Requirement>,
    /// What proves that the comparison can fail.
    pub canaries: Vec<Canary>,
    /// How many candidates there are.
    pub candidates: u64,
    /// How many of them may go.
    pub approved: u64,
    /// How many each reason blocks.
    pub blocked_by: BTreeMap<String, u64>,
    /// The first few that are blocked, with their reasons.
    pub examples: Vec<(String, BTreeSet<String>)>,
    /// Whether anything was verified at all.
    pub is_verified: bool,
    /// Who signed: the id of the key; none for a certificate that is not signed.
    pub key_id: Option<String>,
    /// Until when it holds.
    pub expires: Timestamp,
    /// Where it is written.
    pub out: PathBuf,
}

impl Signed {
    /// 0 if all are approved, 1 if some are blocked, 2 if nothing was verified.
    pub fn exit_code(&self) -> u8 {
        match (self.is_verified, self.approved == self.candidates) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }
}

/// Decides on every candidate, and writes the lists and the certificate.
///
/// # Errors
/// If the job has no `[signoff]`, the list is no list of candidates, or anything keeps the snapshots from being compared.
/// Nothing is left half-written then.
pub fn sign(job: &Job, request: &Request, stop: Arc<AtomicBool>, progress: Progress) -> Result<Signed> {
    decide(job, request, stop, progress).map_err(|error| without_values(job, error))
}

/// What went wrong, without what it may quote of private data.
fn without_values(job: &Job, error: Error) -> Error {
    if job.private.is_some() { error.without_values() } else { error }
}

fn decide(job: &Job, request: &Request, stop: Arc<AtomicBool>, progress: Progress) -> Result<Signed> {
    let terms = terms(job)?;
    let now = Timestamp::now();
    let run_dir = RunDir::claim(&request.out)?;
    let place = request.out.join(RUN);
    let undo = Undo(Some(place.clone()));
    let checks = job.checks.iter().chain(&terms.checks).cloned().collect();
    let whole = Job { out: Some(Out::At(place.clone())), checks, ..job.clone() };
    let report = crate::verify(&whole, stop.clone(), progress)?;

    let engine = Engine::start(job.limits.clone(), &run_dir.spill_dir(), stop, Progress::quiet())?;
    let tables = shape::open_tables(&job.tables)?;
    let snapshots = shape::open_sides(&engine, &job.sources, &tables, &job.columns)?;
    let pairing = Pairing::of(&snapshots, job)?;
    let privacy = Privacy::of(job, &snapshots, &pairing, &tables)?;
    require_decidable(terms, &snapshots, &pairing, &place)?;
    let (key, types) = candidate_key(terms, &snapshots, &pairing)?;
    require_shown(&privacy, request, &key)?;
    let candidates = Candidates::read(&request.candidates, &key, &types)?;
    if candidates.texts.is_empty() {
        return Err(Error::Contradiction(format!("`{}` has no candidates", request.candidates.display())));
    }
    let selected = evidence::select(&engine, terms, &snapshots, &pairing, &candidates, &types)?;
    let own_pairing = Pairing::of(&selected, job)?;
    let sources = Sources {
        engine: &engine,
        job,
        terms,
        whole: &snapshots,
        rows: &selected,
        pairing: &own_pairing,
        privacy: &privacy,
        candidates: &candidates,
        backup_files: RefCell::default(),
    };
    let mut rows = Rows::read(&sources)?;
    rows.take_discrepancies(&engine, &place.join("discrepancies.parquet"))?;
    if report.groups.is_some() {
        rows.take_groups(&sources, &place.join("groups_ready.csv"))?;
    }
    let mut requirements = requirements(job, terms, &report, &own_pairing, &selected[terms.delete_from], now);
    if terms.clean_runs > 1 {
        let past = past_knowledge(&engine, job, &place, terms.clean_runs as usize - 1)?;
        let words = match &past {
            Some(_) => format!("the {} before this one are known", count(u64::from(terms.clean_runs) - 1, "pair")),
            None => {
                format!("fewer than the {} before this one are known", count(u64::from(terms.clean_runs) - 1, "pair"))
            }
        };
        requirements.push(Requirement { name: "not_clean_before", holds: past.is_some(), words });
        rows.take_past(past.as_deref());
    }
    if let Some(backup) = &terms.backup {
        let (wrong, requirement) = backup::compare(&sources, &tables, backup, now)?;
        rows.take_backup(&wrong);
        requirements.push(requirement);
    }
    let mut facts = rows.by_candidate(&candidates);
    take_statuses(&engine, terms, &tables, &candidates, &mut facts)?;
    take_checks(&whole, terms, &report, &place, &candidates, &rows, &mut facts)?;

    let is_sound = |key: &[Option<String>]| {
        let places = rows.of(&key_digest(key.iter().map(Option::as_deref)));
        places.iter().all(|&place| rows.facts[place].class.is_none() && rows.facts[place].copies == 1)
    };
    let canaries = release_canaries(&engine, job, &selected, &own_pairing, &is_sound, terms, &facts)?;
    let failing: BTreeSet<String> =
        requirements.iter().filter(|requirement| !requirement.holds).map(|failing| failing.name.to_string()).collect();
    let decisions: Vec<BTreeSet<String>> =
        facts.iter().map(|facts| reasons(facts, terms).union(&failing).cloned().collect()).collect();
    let caught = !canaries.is_empty() && canaries.iter().all(Canary::is_caught);
    // without a row that is equal, nothing is approved, and there is nothing that a canary could be put into
    let has_sound = decisions.iter().any(BTreeSet::is_empty);
    let is_verified = report.verdict != Verdict::Unverified && (caught || !has_sound) && compares(&own_pairing);

    let mut signed = Signed {
        requirements,
        canaries,
        candidates: decisions.len() as u64,
        approved: if is_verified { decisions.iter().filter(|reasons| reasons.is_empty()).count() as u64 } else { 0 },
        blocked_by: BTreeMap::new(),
        examples: vec![],
        is_verified,
        key_id: request.key.as_ref().map(|key| key.public().id()),
        expires: now + terms.expires,
        out: request.out.clone(),
        report,
    };
    write::all(&sources, request, &rows, &decisions, &mut signed, run_dir, now)?;
    undo.keep();
    Ok(signed)
}

/// The run's directory in that of the sign-off.
const RUN: &str = "run";

/// Takes the run away again, unless it is kept.
struct Undo(Option<PathBuf>);

impl Undo {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(run) = &self.0 {
            // where the run itself failed, there is nothing
            let _ = std::fs::remove_dir_all(run);
            let _ = run.parent().map(std::fs::remove_dir);
        }
    }
}

/// The answer for a terminal.
pub fn text(job: &Job, signed: &Signed) -> Result<String> {
    Ok(page::text(job, terms(job)?, signed))
}

/// The directory of a certificate.
fn directory(certificate: &Path) -> Result<PathBuf> {
    let dir = certificate.parent().unwrap_or(Path::new("")).to_path_buf();
    match dir.join(RUN).is_dir() {
        true => Ok(dir),
        false => Err(Error::Contradiction(format!(
            "`{}` does not stand in the directory of its sign-off: {RUN}/ is not beside it",
            certificate.display()
        ))),
    }
}

fn take_statuses(
    engine: &Engine,
    terms: &SignOff,
    tables: &Tables,
    candidates: &Candidates,
    facts: &mut [CandidateFacts],
) -> Result<()> {
    if let Some(status) = &terms.source_of_truth {
        let found = evidence::statuses(engine, status, tables, candidates)?;
        facts.iter_mut().zip(found).for_each(|(facts, found)| facts.truth = Some(found));
    }
    if let Some(status) = &terms.local_status {
        let found = evidence::statuses(engine, status, tables, candidates)?;
        facts.iter_mut().zip(found).for_each(|(facts, found)| facts.local = Some(found));
    }
    Ok(())
}

/// Takes in which candidates the checks of the sign-off name: by their own columns, or by the key of their rows. A check
/// that fails and names nobody blocks everybody.
fn take_checks(
    job: &Job,
    terms: &SignOff,
    report: &Report,
    run: &Path,
    candidates: &Candidates,
    rows: &Rows,
    facts: &mut [CandidateFacts],
) -> Result<()> {
    for check in &terms.checks {
        let name = &check.name.text;
        let Some(found) = report.checks.iter().find(|found| found.name == *name) else { continue };
        let Some(list) = &found.list else {
            if !found.holds {
                facts.iter_mut().for_each(|facts| {
                    facts.checks.insert(name.clone());
                });
            }
            continue;
        };
        let path = run.join(list);
        let text = std::fs::read_to_string(&path).map_err(Error::unreadable(&path))?;
        let mut records = csv::records(&text).map_err(Error::Internal)?.into_iter();
        let header: Vec<String> =
            records.next().map(|(_, names)| names.into_iter().flatten().collect()).unwrap_or_default();
        let places = |names: &[String]| -> Option<Vec<usize>> {
            names.iter().map(|name| header.iter().position(|column| column == name)).collect()
        };
        let key: Vec<String> = match &job.identity {
            Identity::Key(key) => key.iter().map(|name| name.text.clone()).collect(),
            Identity::WholeRow => vec![],
        };
        let digest = |fields: &[Option<String>], places: &[usize]| -> Digest {
            key_digest(places.iter().map(|at| fields[*at].as_deref()))
        };
        let told: Vec<String> = check.id.iter().map(|name| name.text.clone()).collect();
        let id = vec!["id".to_string()];
        let same_length = |names: &Vec<String>| names.len() == candidates.key.len();
        // by the names of the list, by those that the check gives, or by the `id` of a question of the library
        let named = [&candidates.key, &told, &id]
            .into_iter()
            .filter(|names| same_length(names))
            .find_map(|names| places(names));
        match (named, places(&key)) {
            (Some(places), _) => {
                for (_, fields) in records {
                    if let Some(&at) = candidates.places.get(&digest(&fields, &places)) {
                        facts[at].checks.insert(name.clone());
                    }
                }
            }
            (None, Some(places)) => {
                for (_, fields) in records {
                    for &row in rows.of(&digest(&fields, &places)) {
                        facts[rows.candidates[row]].checks.insert(name.clone());
                    }
                }
            }
            (None, None) => {
                return Err(Error::Contradiction(format!(
                    "{}: check {name} of [signoff] has to name candidates: its answer has columns {}, and neither {} nor {}",
                    check.name.place,
                    header.join(", "),
                    candidates.key.join(", "),
                    key.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// Puts canaries into the comparison and, where statuses count, among them.
fn release_canaries(
    engine: &Engine,
    job: &Job,
    selected: &Sides<Snapshot>,
    pairing: &Pairing,
    is_sound: &dyn Fn(&[Option<String>]) -> bool,
    terms: &SignOff,
    facts: &[CandidateFacts],
) -> Result<Vec<Canary>> {
    let mut canaries = canaries::release(engine, job, selected, pairing, is_sound)?;
    if let (Some(_), Some(sound)) =
        (&terms.source_of_truth, facts.iter().find(|facts| reasons(facts, terms).is_empty()))
    {
        let stale = [StatusFound::Absent, StatusFound::Null, StatusFound::Several, StatusFound::Value("canary".into())];
        let injected = stale.len() as u64;
        let blocked =
            |truth: StatusFound| !reasons(&CandidateFacts { truth: Some(truth), ..sound.clone() }, terms).is_empty();
        let caught = stale.into_iter().filter(|truth| blocked(truth.clone())).count() as u64;
        canaries.push(Canary { name: "stale status".into(), injected, caught, is_possible: true });
    }
    Ok(canaries)
}
