//! `countersign signoff`.

use std::path::PathBuf;

use clap::Args;

use super::limits::MachineArgs;
use super::{signal, write_out};
use crate::certificate::keys::PUBLIC_KEY_VARIABLE;
use crate::certificate::{PrivateKey, PublicKey};
use crate::equality::value_text::escaped;
use crate::error::{Error, Result};
use crate::job::file::{JobFile, refusal};
use crate::prepare::validate;
use crate::report::{count, grouped};
use crate::runtime::options::Options;
use crate::signoff::{self, AfterRequest, SignOffRequest};

/// Decide which rows may be deleted, and write a certificate
///
/// Every candidate is approved or blocked with every reason. A delete job takes approved.csv, checks it with
/// `countersign verify`, and deletes. With --after, fresh snapshots prove that exactly the approved rows are gone. See
/// docs/sign-off.md.
#[derive(Debug, Args)]
pub(super) struct SignOff {
    /// The job file, with a section [signoff]
    #[arg(value_name = "JOB.toml")]
    job: PathBuf,

    /// The IDs that a delete job wants to remove, as CSV with a header
    #[arg(long, value_name = "LIST", required_unless_present = "after")]
    candidates: Option<PathBuf>,

    /// Write the lists, the page, and the certificate to this directory
    #[arg(long, short, value_name = "DIR", required_unless_present = "after")]
    out: Option<PathBuf>,

    /// Sign the certificate with this private key, NAME.key of `countersign keygen`; with --after, the public key
    /// NAME.pub that verifies it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Write the complete approved rows to restore.parquet
    #[arg(long)]
    rows: bool,

    /// Prove with fresh snapshots that exactly the rows that this certificate approves are gone
    #[arg(long, value_name = "DIR/certificate.json", conflicts_with_all = ["candidates", "out", "rows"])]
    after: Option<PathBuf>,

    /// Override a setting of the job file, such as signoff.max_age=2h
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Look for earlier runs below this directory instead of the directory of the job
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,

    #[command(flatten)]
    machine: MachineArgs,
}

impl SignOff {
    /// Returns exit code 0 if all candidates are approved, 1 if some are blocked, and 2 if nothing was verified.
    pub(super) fn run(self) -> Result<u8> {
        let JobFile { job, runs, mistakes, .. } = JobFile::read(&self.job, &self.set)?;
        let job = match job {
            Some(job) if mistakes.is_empty() => job,
            job => return Err(refusal(&self.job, validate(job.as_ref(), mistakes)?)),
        };
        let own = runs.join(&job.name);
        let history = self.history.clone().or(Some(own).filter(|dir| dir.is_dir()));
        let options = Options { history, ..self.machine.options(&signal::on_signal()) };
        if let Some(certificate) = &self.after {
            let key = match (&self.key, std::env::var_os(PUBLIC_KEY_VARIABLE)) {
                (None, None) => None,
                (file, _) => Some(PublicKey::find(file.as_deref())?),
            };
            let (after, report) = signoff::verify_deletions(&job, &options, certificate, key.as_ref())?;
            let is_verified = report.verdict.exit_code() < 2;
            write_out(&page(&after, is_verified, key.is_some()))?;
            return Ok(match (is_verified, after.is_proved()) {
                (false, _) => 2,
                (true, false) => 1,
                (true, true) => 0,
            });
        }
        let (Some(candidates), Some(out)) = (self.candidates, self.out) else {
            return Err(Error::Internal("clap requires --candidates and --out".into()));
        };
        let key = self.key.as_deref().map(PrivateKey::read).transpose()?;
        let request = SignOffRequest { job_file: self.job, candidates, out, key, rows: self.rows };
        let signed = signoff::sign(&job, &options, &request)?;
        write_out(&signoff::text(&job, &signed)?)?;
        Ok(signed.exit_code())
    }
}

/// The number of IDs of a kind that are shown.
const SHOWN: usize = 5;

fn page(after: &AfterRequest, is_verified: bool, is_signed: bool) -> String {
    let mut out = match (is_verified, after.is_proved()) {
        (false, _) => "UNVERIFIED  not everything could be compared, so nothing is proved\n\n".to_string(),
        (true, true) => "PROVED  exactly what was approved is gone\n\n".into(),
        (true, false) => "NOT AS APPROVED  the result differs from what was approved\n\n".into(),
    };
    let approved = count(after.approved, &format!("approved {}", after.unit));
    out += &format!("  done         {} of {approved}\n", grouped(after.done()));
    for (name, ids) in [
        ("still there", &after.still_there),
        ("also gone", &after.gone_too),
        ("changed", &after.changed),
        ("lost", &after.lost),
    ] {
        let shown: Vec<String> = ids.first.iter().take(SHOWN).map(|id| escaped(id)).collect();
        let more = if ids.count > SHOWN as u64 { ", …" } else { "" };
        let shown = if ids.count == 0 { String::new() } else { format!("  {}{more}", shown.join("; ")) };
        out += &format!("  {name:<11}  {}{shown}\n", grouped(ids.count));
    }
    if after.lost.count > 0 {
        out += "               the other store no longer has each of these approved rows exactly once, unchanged\n";
    }
    if after.written_since > 0 {
        out += &format!("  newer        {}  since updated in the other store\n", grouped(after.written_since));
    }
    out += &format!("  in flight    {}\n", grouped(after.in_flight));
    let signature =
        if is_signed { ", and its signature is valid" } else { "; its signature was not checked: use --key NAME.pub" };
    out + &format!("  certificate  matches the files beside it{signature}\n")
}
