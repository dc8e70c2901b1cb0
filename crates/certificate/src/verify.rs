//! Verifies a certificate before a delete relies on it.

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

/// What to verify, and the files and the key to verify it with.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The certificate file. The approved list must be next to it.
    pub certificate: &'a Path,
    /// The public key of the signer.
    pub key: &'a PublicKey,
    /// A list whose IDs must all be approved; `None` skips this check.
    pub list: Option<&'a Path>,
    /// The directory of the files that the sign-off read, to check that they are unchanged; `None` skips this check.
    pub inputs: Option<&'a Path>,
    /// The current time.
    pub now: Timestamp,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the check, such as `signature`.
    pub name: &'static str,
    /// Whether the check was made.
    pub outcome: Outcome,
    /// What was found. If the check was not made, the option that requests it.
    pub description: String,
}

/// The outcome of a check. A failed check is an [`Error`] instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The check passed.
    Holds,
    /// The check was not requested.
    NotChecked,
}

/// The maximum clock difference between two machines that is accepted.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_mins(5);
/// The maximum size of a certificate file.
const CERTIFICATE_BYTES_MAX: u64 = 256 << 20;

/// A verified certificate.
pub struct Verified {
    /// The signed statement.
    pub statement: Statement,
    /// The IDs that may be deleted.
    pub approved: Approved,
    /// All checks, including those that were not requested.
    pub checks: Vec<Check>,
}

/// Verifies a certificate and returns its checks; see [`Verified::of`].
///
/// # Errors
/// The first check that fails. Then nothing is verified.
pub fn verify(request: &Request) -> Result<Vec<Check>> {
    Verified::of(request).map(|verified| verified.checks)
}

impl Verified {
    /// Verifies a certificate: its form, signature, expiry, and verdict, the approved list, and the requested checks.
    ///
    /// # Errors
    /// The first check that fails. Then nothing is verified.
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
        let (approved, approved_description) = read_approved(statement, file)?;
        let list = match request.list {
            None => not_checked("list", "use --list ids.csv"),
            Some(list) => {
                let ids = approved.require_all(list, &predicate.key)?;
                holds("list", format!("all of {} in {} approved", count(ids, "ID"), list.display()))
            }
        };
        let inputs = match request.inputs {
            None => not_checked("inputs", "use --inputs DIR"),
            Some(dir) => holds("inputs", format!("{} unchanged", count(require_inputs(statement, dir)?, "file"))),
        };
        let checks = [
            holds("form", form),
            holds("signature", signature),
            holds("expiry", expiry),
            holds("verdict", verdict),
            holds("approved", approved_description),
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

/// Reads the bytes of a certificate file of at most 256 MiB.
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
    // `Certificate::parse` refuses a statement that approves without a list
    let subject = statement.approved().ok_or_else(|| Error::internal("a certificate without an approved list"))?;
    let list = file.with_file_name(subject.path());
    let predicate = &statement.predicate;
    let approved = Approved::read(&list, &subject.digest, &predicate.key, predicate.approved.ids)?;
    let description = format!("{} in {}, unchanged", count(approved.len() as u64, "ID"), subject.path());
    Ok((approved, description))
}

/// Checks that every file that the sign-off read is unchanged. Returns the number of files.
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
            Ok(_) => "it has changed: its digests differ".into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it does not exist".into(),
            Err(error) => error.to_string(),
        };
        problems.push(format!("{} (`{}`): {problem}", subject.name, path.display()));
    }
    match problems.is_empty() {
        true => Ok(inputs),
        false => Err(Error::InputsDiffer(problems)),
    }
}

/// The current path of an input. An absolute path that does not exist is looked up in `dir` by its file name.
fn input_path(subject: &Subject, dir: &Path) -> PathBuf {
    let path = Path::new(subject.path());
    match path.file_name() {
        Some(name) if path.is_absolute() && !path.exists() => dir.join(name),
        // joining an absolute path yields that path
        _ => dir.join(path),
    }
}

/// The outputs that a delete job does not need, which are not checked.
fn other_outputs(statement: &Statement) -> Option<Check> {
    let is_other = |subject: &&Subject| subject.is_output() && subject.name != statement.predicate.approved.file;
    let others: Vec<_> = statement.subject.iter().filter(is_other).map(Subject::path).collect();
    let description = format!("{}: not needed for the delete", others.join(", "));
    (!others.is_empty()).then(|| not_checked("outputs", &description))
}
