//! `countersign keygen`.

use std::path::PathBuf;

use clap::Args;

use super::write_out;
use crate::certificate::PrivateKey;
use crate::error::Result;
use crate::runtime::log::escaped;

/// Generate a key pair for certificates
///
/// Writes the private key to NAME.key, readable only by you, and the public key to NAME.pub. Existing files are never
/// overwritten. Keep the private key where you sign off. Give the public key to the owner of the delete job over a
/// different channel than the certificates.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// The path of both files, without the extension
    #[arg(long, short, value_name = "NAME")]
    out: PathBuf,
}

impl Keygen {
    pub(super) fn run(self) -> Result<u8> {
        let key = PrivateKey::generate()?;
        let (private, public) = key.write(&self.out)?;
        write_out(&format!(
            "private key  {}\npublic key   {}\nkey id       {}\n",
            escaped(&private.display().to_string()),
            escaped(&public.display().to_string()),
            key.public().id()
        ))?;
        Ok(0)
    }
}
