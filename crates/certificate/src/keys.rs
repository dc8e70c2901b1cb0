//! Ed25519 keys: private keys as PKCS#8 and public keys as SPKI, both in PEM, as OpenSSL and other tools read them.
//!
//! A key is identified by its key ID, the SHA-256 digest of the 32 bytes of the public key, in hexadecimal. Neither
//! errors nor `Debug` output contain a private key.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::regular_file;

/// The environment variable that may contain the public key: a path, or the PEM text itself.
pub const PUBLIC_KEY_VARIABLE: &str = "COUNTERSIGN_PUBLIC_KEY";
/// The maximum size of a key file.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// A private key, which signs.
pub struct PrivateKey(SigningKey);

/// A public key, which verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey of {:?}", self.public())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl PrivateKey {
    /// Generates a key from the random numbers of the system.
    pub fn generate() -> Result<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(Error::internal)?;
        Ok(PrivateKey(SigningKey::from_bytes(&secret)))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// If the file is not a private key, or if its mode gives the group or others any access.
    pub fn read(file: &Path) -> Result<Self> {
        let wrong = |reason: &str| Error::BadKey { file: file.into(), reason: reason.into() };
        let opened = regular_file::open(file).map_err(Error::unreadable(file))?;
        // of the opened file: the path may refer to another file by now
        let mode = opened.metadata().map_err(Error::unreadable(file))?.mode();
        if mode & 0o077 != 0 {
            let reason = format!(
                "is accessible to users other than its owner (mode {:03o}), so others may have signed with it\n  \
                 run chmod 600 on it, or create another key with `countersign keygen`",
                mode & 0o777
            );
            return Err(wrong(&reason));
        }
        let text = Zeroizing::new(read_text(opened).map_err(Error::unreadable(file))?);
        let key = SigningKey::from_pkcs8_pem(&text).map_err(|_| {
            wrong("is not an Ed25519 private key in PKCS#8 PEM\n  create one (NAME.key) with `countersign keygen --out NAME`")
        })?;
        Ok(PrivateKey(key))
    }

    /// The public key of this key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a message.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }

    /// Writes `NAME.key`, which only its owner can read, and `NAME.pub`; returns their paths.
    ///
    /// # Errors
    /// If one of the files exists or cannot be written. Then neither is left behind.
    pub fn write(&self, name: &Path) -> Result<(PathBuf, PathBuf)> {
        let with = |ending: &str| {
            let mut path = name.as_os_str().to_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let (private, public) = (with(".key"), with(".pub"));
        // without the public key: OpenSSL before 3.0 does not read a private key file that contains it
        let pair = KeypairBytes { secret_key: *self.0.as_bytes(), public_key: None };
        let text = pair.to_pkcs8_pem(LineEnding::LF).map_err(Error::internal)?;
        write_new(&private, 0o600, &text)?;
        if let Err(error) = write_new(&public, 0o644, &self.public().to_pem()?) {
            // a private key without its public key is useless
            let _ = fs::remove_file(&private);
            return Err(error);
        }
        Ok((private, public))
    }
}

impl PublicKey {
    /// Reads a key from `file`, or, if that is `None`, from the environment variable [`PUBLIC_KEY_VARIABLE`].
    ///
    /// # Errors
    /// If neither is given, or if the key cannot be read.
    pub fn find(file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            return Self::read(file);
        }
        match env::var(PUBLIC_KEY_VARIABLE) {
            Ok(text) if text.trim_start().starts_with("-----BEGIN") => Self::parse(&text, PUBLIC_KEY_VARIABLE.as_ref()),
            Ok(path) if !path.is_empty() => Self::read(path.as_ref()),
            Err(env::VarError::NotUnicode(path)) => Self::read(path.as_ref()),
            _ => Err(Error::NoKey { variable: PUBLIC_KEY_VARIABLE }),
        }
    }

    /// Reads a key file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = regular_file::open(file).and_then(read_text).map_err(Error::unreadable(file))?;
        Self::parse(&text, file)
    }

    /// Parses the text of a key file; `file` is its path in error messages. Weak keys are refused.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let key = VerifyingKey::from_public_key_pem(text.trim()).ok().filter(|key| !key.is_weak());
        let reason =
            "is not an Ed25519 public key in SPKI PEM\n  pass the NAME.pub file that `countersign keygen` wrote";
        let wrong = || Error::BadKey { file: file.into(), reason: reason.into() };
        Ok(PublicKey(key.ok_or_else(wrong)?))
    }

    /// The key as SPKI in PEM, the content of a key file.
    pub fn to_pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(Error::internal)
    }

    /// The key ID: the SHA-256 digest of the key, in hexadecimal.
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// Whether a signature over these bytes is valid for this key. Verification is strict: without the private key, a
    /// signature cannot be turned into another valid one.
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    match file.take(KEY_BYTES_MAX + 1).read_to_string(&mut text)? as u64 > KEY_BYTES_MAX {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large to be a key")),
        false => Ok(text),
    }
}

/// Creates a file. The path must not exist, not even as a dangling link.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<()> {
    let opened = File::options().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::KeyExists { file: path.into() },
        _ => Error::Unwritable { path: path.into(), source },
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // this call created it, and its content is incomplete
        let _ = fs::remove_file(path);
        Error::Unwritable { path: path.into(), source }
    })
}
