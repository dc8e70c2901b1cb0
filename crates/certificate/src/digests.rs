//! Two digests of a file, computed in one pass: SHA-256 for other tools, and BLAKE3, which the manifests of runs
//! contain.

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

/// Bytes per read. Both hashes are fastest at this size.
const PIECE_BYTES: usize = 2 << 20;

/// Computes both digests of a file, reading it once.
pub fn digests_of(path: &Path) -> io::Result<Digests> {
    Digesting::of(regular_file::open(path)?).finish()
}

impl Digests {
    /// Whether both are 64 lower-case hexadecimal digits.
    pub fn is_well_formed(&self) -> bool {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        [&self.sha256, &self.blake3].iter().all(|digest| digest.len() == 64 && digest.bytes().all(is_hex))
    }
}

/// A reader that digests everything that is read, so that the bytes used are the bytes digested.
pub struct Digesting<R>(BufReader<Hashed<R>>);

struct Hashed<R> {
    input: R,
    sha256: Sha256,
    blake3: blake3::Hasher,
}

impl<R: Read> Digesting<R> {
    /// Wraps a reader at its first byte.
    pub fn of(input: R) -> Self {
        let hashed = Hashed { input, sha256: Sha256::new(), blake3: blake3::Hasher::new() };
        Digesting(BufReader::with_capacity(PIECE_BYTES, hashed))
    }

    /// The buffered reader of the content.
    pub fn reader(&mut self) -> &mut impl io::BufRead {
        &mut self.0
    }

    /// Reads the rest and returns the digests of the whole content.
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
