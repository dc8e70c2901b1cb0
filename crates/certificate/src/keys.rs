//! Ed25519 keys: a private one as PKCS#8 and a public one as SPKI, both in PEM, as OpenSSL and other tools read them.
//!
//! A key is known by its id, the SHA-256 digest of the 32 bytes of the public key in hexadecimal. Nothing here shows
//! what is in a private key, neither errors nor `Debug`.

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

/// The environment's variable that may hold the public key: a path, or the PEM text itself.
pub const PUBLIC_KEY_VARIABLE: &str = "COUNTERSIGN_PUBLIC_KEY";
/// No key file is larger than this.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// A key that signs.
pub struct PrivateKey(SigningKey);

/// A key that verifies.
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
    /// Makes a key of what the system gives as random.
    pub fn generate() -> Result<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(Error::internal)?;
        Ok(PrivateKey(SigningKey::from_bytes(&secret)))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// If it is not a key, or if users other than its owner can read it.
    pub fn read(file: &Path) -> Result<Self> {
        let wrong = |reason: &str| Error::BadKey { file: file.into(), reason: reason.into() };
        let opened = regular_file::open(file).map_err(Error::unreadable(file))?;
        // of the file that was opened: the name may be given to another one meanwhile
        let mode = opened.metadata().map_err(Error::unreadable(file))?.mode();
        if mode & 0o077 != 0 {
            let reason = format!(
                "can be used by others than its owner (its mode is {:03o}), so anybody may have signed with it\n  \
                 chmod 600, or make another key with `countersign keygen`",
                mode & 0o777
            );
            return Err(wrong(&reason));
        }
        let text = Zeroizing::new(read_text(opened).map_err(Error::unreadable(file))?);
        let key = SigningKey::from_pkcs8_pem(&text).map_err(|_| {
            wrong("is no Ed25519 private key in PKCS#8 PEM\n  make one with `countersign keygen --out NAME`: NAME.key")
        })?;
        Ok(PrivateKey(key))
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }

    /// Writes `NAME.key`, which only its owner can read, and `NAME.pub`; returns their paths.
    ///
    /// # Errors
    /// If one of them exists; then neither is written.
    pub fn write(&self, name: &Path) -> Result<(PathBuf, PathBuf)> {
        let with = |ending: &str| {
            let mut path = name.as_os_str().to_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let (private, public) = (with(".key"), with(".pub"));
        // without the public half in it: OpenSSL before 3.0 does not read a key that has one
        let pair = KeypairBytes { secret_key: *self.0.as_bytes(), public_key: None };
        let text = pair.to_pkcs8_pem(LineEnding::LF).map_err(Error::internal)?;
        write_new(&private, 0o600, &text)?;
        if let Err(error) = write_new(&public, 0o644, &self.public().to_pem()?) {
            // half a pair helps nobody
            let _ = fs::remove_file(&private);
            return Err(error);
        }
        Ok((private, public))
    }
}

impl PublicKey {
    /// Reads a key from a file; without one, from what [`PUBLIC_KEY_VARIABLE`] holds.
    ///
    /// # Errors
    /// If neither is there, and if it is no key.
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

    /// Reads the text of a key file; `file` is for what is said of it.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let key = VerifyingKey::from_public_key_pem(text.trim()).ok().filter(|key| !key.is_weak());
        let reason = "is no Ed25519 public key in SPKI PEM\n  give the NAME.pub that `countersign keygen` wrote";
        let wrong = || Error::BadKey { file: file.into(), reason: reason.into() };
        Ok(PublicKey(key.ok_or_else(wrong)?))
    }

    /// The text of a key file.
    pub fn to_pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(Error::internal)
    }

    /// What the key is known by.
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// Whether a signature over these bytes is of this key, by the strict rules: one message has one signature that
    /// nobody without the key can turn into another.
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    match file.take(KEY_BYTES_MAX + 1).read_to_string(&mut text)? as u64 > KEY_BYTES_MAX {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large for a key")),
        false => Ok(text),
    }
}

/// Writes a file that must not exist, not even as a link to nowhere.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<()> {
    let opened = File::options().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::KeyExists { file: path.into() },
        _ => Error::Unwritable { path: path.into(), source },
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // it is ours, and not a key
        let _ = fs::remove_file(path);
        Error::Unwritable { path: path.into(), source }
    })
}
