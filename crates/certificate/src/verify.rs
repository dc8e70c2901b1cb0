//! What is checked of a certificate before anybody deletes on its word.

use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::digests::digests_of;
use crate::envelope::Certificate;
use crate::error::{Error, Result};
use crate::keys::PublicKey;
use crate::listed::Approved;
use crate::regular_file;
use crate::statement::{Moment, Predicate, Statement, Subject, Verdict};
use crate::wording::{count, grouped};

/// What is to be verified, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The certificate's file. The approved list is beside it.
    pub certificate: &'a Path,
    /// The key that has to have signed it.
    pub key: &'a PublicKey,
    /// IDs that have to be approved, every one.
    pub list: Option<&'a Path>,
    /// Where the files that were read are, to see that they are still the same.
    pub inputs: Option<&'a Path>,
    /// What time it is.
    pub now: Timestamp,
}

/// One of the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it was.
    pub outcome: Outcome,
    /// What was found; of a check that was not made, what would make it.
    pub description: String,
}

/// How a check ended. One that fails is an error, and no certificate is verified then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It was not asked for.
    NotChecked,
}

/// Clocks of two machines differ by less than this.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_mins(5);
/// No certificate is larger than this.
const CERTIFICATE_BYTES_MAX: u64 = 256 << 20;

/// A certificate that was verified.
pub struct Verified {
    /// What was signed.
    pub statement: Statement,
    /// The IDs that may be deleted.
    pub approved: Approved,
    /// What was checked, and what was not.
    pub checks: Vec<Check>,
}

/// Verifies a certificate, and returns what was checked; see [`Verified::of`].
///
/// # Errors
/// With the first check that fails. Nothing is verified then.
pub fn verify(request: &Request) -> Result<Vec<Check>> {
    Verified::of(request).map(|verified| verified.checks)
}

impl Verified {
    /// Verifies a certificate: its form, signature, time and verdict, the approved list, and what else is asked for.
    ///
    /// # Errors
    /// With the first check that fails. Nothing is verified then.
    pub fn of(request: &Request) -> Result<Self> {
        let file = request.certificate;
        let certificate = Certificate::parse(&read(file)?, file)?;
        let (statement, predicate) = (&certificate.statement, &certificate.statement.predicate);
        let tool = &predicate.tool;
        let form = format!("{}, written by {} {}", statement.predicate_type, tool.name, tool.version);
        certificate.require_signed_by(request.key, file)?;
        let signature = format!("Ed25519, key {}", request.key.id());
        require_in_time(predicate, request.now, file)?;
        let expiry = format!("signed {}, expires {}", predicate.signed_at, predicate.expires);
        require_approval(predicate, file)?;
        let verdict = verdict(predicate);
        let (approved, approved_words) = read_approved(statement, file)?;
        let list = match request.list {
            None => not_checked("list", "--list ids.csv does"),
            Some(list) => {
                let ids = approved.require_all(list, &predicate.key)?;
                holds("list", format!("all of {} in {} approved", count(ids, "ID"), list.display()))
            }
        };
        let inputs = match request.inputs {
            None => not_checked("inputs", "--inputs DIR does"),
            Some(dir) => holds("inputs", format!("{} unchanged", count(require_inputs(statement, dir)?, "file"))),
        };
        let checks = [
            holds("form", form),
            holds("signature", signature),
            holds("expiry", expiry),
            holds("verdict", verdict),
            holds("approved", approved_words),
            list,
            inputs,
        ];
        let checks = checks.into_iter().chain(other_outputs(statement)).collect();
        Ok(Verified { statement: certificate.statement, approved, checks })
    }
}

fn verdict(predicate: &Predicate) -> String {
    let counts = predicate.counts;
    format!(
        "{}: {} of {} of job {}",
        predicate.verdict.name(),
        grouped(counts.approved),
        count(counts.candidates, "candidate"),
        predicate.job
    )
}

fn holds(name: &'static str, description: String) -> Check {
    Check { name, outcome: Outcome::Holds, description }
}

fn not_checked(name: &'static str, description: &str) -> Check {
    Check { name, outcome: Outcome::NotChecked, description: description.into() }
}

/// The bytes of a certificate's file.
pub fn read(file: &Path) -> Result<Vec<u8>> {
    regular_file::read(file, CERTIFICATE_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Error::BadForm { file: file.into(), reason: error.to_string() },
        _ => Error::Unreadable { path: file.into(), source: error },
    })
}

fn require_in_time(predicate: &Predicate, now: Timestamp, file: &Path) -> Result<()> {
    let file = file.to_path_buf();
    let ahead = predicate.signed_at.instant().duration_since(now);
    if ahead > CLOCKS_DIFFER_MAX {
        let (signed_at, now) = (predicate.signed_at.to_string(), Moment::of(now).to_string());
        return Err(Error::NotYet { file, signed_at, now });
    }
    match predicate.expires.instant() <= now {
        true => Err(Error::Expired { file, expires: predicate.expires.to_string() }),
        false => Ok(()),
    }
}

fn require_approval(predicate: &Predicate, file: &Path) -> Result<()> {
    if predicate.verdict != Verdict::Unverified {
        return Ok(());
    }
    let failed = predicate.requirements.iter().filter(|requirement| !requirement.holds);
    let reasons = failed.map(|requirement| format!("{}: {}", requirement.name, requirement.description)).collect();
    Err(Error::Unverified { file: file.into(), reasons })
}

fn read_approved(statement: &Statement, file: &Path) -> Result<(Approved, String)> {
    // a statement that approves has one, as its form says
    let subject = statement.approved().ok_or_else(|| Error::internal("a certificate without an approved list"))?;
    let list = file.with_file_name(subject.path());
    let predicate = &statement.predicate;
    let approved = Approved::read(&list, &subject.digest, &predicate.key, predicate.approved.ids)?;
    let description = format!("{} in {}, unchanged", count(approved.len() as u64, "ID"), subject.path());
    Ok((approved, description))
}

/// Looks at every file that was read, and returns how many there are.
fn require_inputs(statement: &Statement, dir: &Path) -> Result<u64> {
    if !dir.is_dir() {
        return Err(Error::NoDirectory { path: dir.into() });
    }
    let mut inputs = 0;
    let mut problems = vec![];
    for subject in statement.subject.iter().filter(|subject| !subject.is_output()) {
        inputs += 1;
        let path = input_path(subject, dir);
        let problem = match digests_of(&path) {
            Ok(digests) if digests == subject.digest => continue,
            Ok(_) => "it has changed: its digests are others".into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it is not there".into(),
            Err(error) => error.to_string(),
        };
        problems.push(format!("{} (`{}`): {problem}", subject.name, path.display()));
    }
    match problems.is_empty() {
        true => Ok(inputs),
        false => Err(Error::InputsDiffer(problems)),
    }
}

/// Where an input is now. An absolute path that is not here is looked for by its name.
fn input_path(subject: &Subject, dir: &Path) -> PathBuf {
    let path = Path::new(subject.path());
    match path.file_name() {
        Some(name) if path.is_absolute() && !path.exists() => dir.join(name),
        // joining an absolute path is that path
        _ => dir.join(path),
    }
}

/// Outputs that no delete job needs.
fn other_outputs(statement: &Statement) -> Option<Check> {
    let is_other = |subject: &&Subject| subject.is_output() && subject.name != statement.predicate.approved.file;
    let others: Vec<_> = statement.subject.iter().filter(is_other).map(Subject::path).collect();
    let description = format!("{}: nothing is deleted by it", others.join(", "));
    (!others.is_empty()).then(|| not_checked("outputs", &description))
}
