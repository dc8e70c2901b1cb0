//! `countersign verify`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::write_out;
use crate::certificate::{Check, Outcome, PublicKey, Request, verify};
use crate::error::Result;
use crate::runtime::log::escaped;

/// Check a certificate before deleting on its word
///
/// Checks form, signature, expiry and verdict, and that the approved list beside the certificate is the one that was
/// signed. Ends with exit code 0 if everything holds, and 2 otherwise; then nothing is verified. The public key is
/// given with --key, or in COUNTERSIGN_PUBLIC_KEY as a path or as the PEM text itself; it is never taken from the certificate.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The certificate
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,

    /// The public key of whoever may sign off
    #[arg(long, short, value_name = "NAME.pub")]
    key: Option<PathBuf>,

    /// IDs about to be deleted: every one has to be approved. A header, the key columns in it by name
    #[arg(long, short, value_name = "ids.csv")]
    list: Option<PathBuf>,

    /// Look, below this directory, whether the files that were signed off are still the same
    #[arg(long, value_name = "DIR")]
    inputs: Option<PathBuf>,
}

impl Verify {
    /// Checks the certificate.
    pub(super) fn run(self) -> Result<u8> {
        let key = PublicKey::find(self.key.as_deref())?;
        let checks = verify(&Request {
            certificate: &self.certificate,
            key: &key,
            list: self.list.as_deref(),
            inputs: self.inputs.as_deref(),
            now: Timestamp::now(),
        })?;
        // not before the last check: what looks verified on the way could be taken for the whole
        write_out(&checks.iter().map(line).collect::<String>())?;
        Ok(0)
    }
}

fn line(check: &Check) -> String {
    let Check { name, outcome, words } = check;
    let words = escaped(words);
    match outcome {
        Outcome::Holds => format!("{name:<9}  ok           {words}\n"),
        Outcome::NotChecked => format!("{name:<9}  not checked  {words}\n"),
    }
}
