//! `countersign verify`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::write_out;
use crate::certificate::{Check, Outcome, PublicKey, Request, verify};
use crate::error::Result;
use crate::runtime::log::escaped;

/// Verify a certificate before you delete rows
///
/// Checks the form, the signature, the expiry, and the verdict, and that the approved list beside the certificate
/// is the one that was signed. The exit code is 0 if everything holds; otherwise, it is 2, and nothing is verified.
/// Specify the public key with --key, or in COUNTERSIGN_PUBLIC_KEY as a path or as PEM text; it is never read from
/// the certificate.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The certificate
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,

    /// The public key of the person who signs off
    #[arg(long, short, value_name = "NAME.pub")]
    key: Option<PathBuf>,

    /// IDs to be deleted, all of which must be approved: CSV with a header that names the key columns
    #[arg(long, short, value_name = "ids.csv")]
    list: Option<PathBuf>,

    /// Check that the files that were signed off are unchanged below this directory
    #[arg(long, value_name = "DIR")]
    inputs: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self) -> Result<u8> {
        let key = PublicKey::find(self.key.as_deref())?;
        let checks = verify(&Request {
            certificate: &self.certificate,
            key: &key,
            list: self.list.as_deref(),
            inputs: self.inputs.as_deref(),
            now: Timestamp::now(),
        })?;
        // printed only after the last check, so that a partial result cannot look like success
        write_out(&checks.iter().map(line).collect::<String>())?;
        Ok(0)
    }
}

fn line(check: &Check) -> String {
    let Check { name, outcome, description } = check;
    let description = escaped(description);
    match outcome {
        Outcome::Holds => format!("{name:<9}  ok           {description}\n"),
        Outcome::NotChecked => format!("{name:<9}  not checked  {description}\n"),
    }
}
