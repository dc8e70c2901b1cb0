//! `countersign keygen`.

use std::path::PathBuf;

use clap::Args;

use super::write_out;
use crate::certificate::PrivateKey;
use crate::error::Result;
use crate::runtime::log::escaped;

/// Make a pair of keys for certificates
///
/// Writes NAME.key, which signs and which only you can read, and NAME.pub, which verifies. Neither is ever overwritten.
/// Keep the private key where sign-offs are made; give the public key to whoever deletes, by another way than the
/// certificates.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// The name of both files, without its ending
    #[arg(long, short, value_name = "NAME")]
    out: PathBuf,
}

impl Keygen {
    /// Makes the keys.
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
