//! Two digests of a file in one reading: SHA-256, which other tools know, and BLAKE3, which the manifests of runs hold.

use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::regular_file;

/// The digests of a file's content, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// SHA-256.
    pub sha256: String,
    /// BLAKE3.
    pub blake3: String,
}

/// A file is read in pieces of this size; both hashes are at their fastest with it.
const PIECE_BYTES: usize = 2 << 20;

/// The digests of a file. It is read once.
pub fn digests_of(path: &Path) -> io::Result<Digests> {
    Digesting::of(regular_file::open(path)?).finish()
}

impl Digests {
    /// Whether they have the length and the letters of digests.
    pub fn is_well_formed(&self) -> bool {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        [&self.sha256, &self.blake3].iter().all(|digest| digest.len() == 64 && digest.bytes().all(is_hex))
    }
}

/// Reads something piece by piece and digests it on the way, so that what is used is what was digested.
pub struct Digesting<R>(BufReader<Hashed<R>>);

struct Hashed<R> {
    input: R,
    sha256: Sha256,
    blake3: blake3::Hasher,
}

impl<R: Read> Digesting<R> {
    /// Begins before the first byte.
    pub fn of(input: R) -> Self {
        let hashed = Hashed { input, sha256: Sha256::new(), blake3: blake3::Hasher::new() };
        Digesting(BufReader::with_capacity(PIECE_BYTES, hashed))
    }

    /// The reader to read it with.
    pub fn reader(&mut self) -> &mut impl io::BufRead {
        &mut self.0
    }

    /// Reads what was not read, and tells the digests of the whole.
    pub fn finish(self) -> io::Result<Digests> {
        let mut hashed = self.0.into_inner();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match hashed.read(&mut piece) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        let Hashed { sha256, blake3, .. } = hashed;
        Ok(Digests { sha256: hex::encode(sha256.finalize()), blake3: blake3.finalize().to_hex().to_string() })
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(piece)?;
        self.sha256.update(&piece[..read]);
        self.blake3.update_rayon(&piece[..read]);
        Ok(read)
    }
}
