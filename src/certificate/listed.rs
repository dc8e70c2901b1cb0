//! The approved list, and a list that is held against it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::slice::ParallelSliceMut;

use super::digests::{Digesting, Digests};
use crate::csv::{Fields, Problem, Reader};
use crate::error::{CertificateError, Error, Result};
use crate::render::quoted;

/// 128 bits of what is known of an ID.
type Digest = [u8; 16];

/// The IDs of the approved list: 16 bytes each, in the order of their digests.
pub struct Approved {
    digests: Vec<Digest>,
    /// Where the digests with each beginning start, and after them where the last end. Most of a search in millions
    /// would wait for memory; this leaves a few neighbours of each digest to look at.
    starts: Vec<usize>,
    /// How many bits make a beginning.
    bits: u32,
}

/// An ID of a list: the texts of its key columns, `None` for NULL.
type Id<'a> = [Option<&'a str>];

impl Approved {
    /// Reads the approved list once: the IDs are those of the very bytes that have the digests of the certificate.
    ///
    /// # Errors
    /// If it is not the list that was signed, or not one of so many IDs.
    pub fn read(list: &Path, digests: &Digests, key: &[String], ids: u64) -> Result<Self> {
        let wrong = |reason: &str| CertificateError::BadList { list: list.into(), reason: reason.into() };
        let opened = File::open(list).map_err(|error| {
            wrong(&format!("cannot be read: {error}\n  it is the approved list, and belongs beside the certificate"))
        });
        let mut input = Digesting::of(opened?);
        let (mut found, mut bytes) = (vec![], vec![]);
        let read = each_id(list, input.reader(), key, |_, id| {
            found.push(digest_of(id, &mut bytes));
            Ok(())
        });
        if input.finish().map_err(Error::unreadable(list))? != *digests {
            let reason = "is not the approved list that was signed: its digest is another\n  \
                          it approves nothing; take it again from where it was signed";
            return Err(wrong(reason).into());
        }
        read?;
        if found.len() as u64 != ids {
            let reason = format!("holds {} IDs, and the certificate says {ids}\n  it approves nothing", found.len());
            return Err(wrong(&reason).into());
        }
        found.par_sort_unstable();
        match found.is_sorted_by(|one, two| one < two) {
            true => Ok(Approved::of(found)),
            false => {
                Err(wrong("names an ID twice, although it was signed\n  it approves nothing; sign off again").into())
            }
        }
    }

    /// Takes digests in their order, each once.
    fn of(digests: Vec<Digest>) -> Self {
        let bits = digests.len().max(1).ilog2().saturating_sub(2);
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (at, digest) in digests.iter().enumerate() {
            starts.resize(starts.len().max(beginning(digest, bits) + 1), at);
        }
        starts.resize((1 << bits) + 1, digests.len());
        Approved { digests, starts, bits }
    }

    fn find(&self, digest: &Digest) -> Option<usize> {
        let beginning = beginning(digest, self.bits);
        let (start, end) = (self.starts[beginning], self.starts[beginning + 1]);
        self.digests[start..end].binary_search(digest).ok().map(|at| start + at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Makes sure that a list names approved IDs alone, each once; returns how many.
    ///
    /// # Errors
    /// With the first line that is wrong.
    pub fn require_all(&self, list: &Path, key: &[String]) -> Result<u64> {
        let input = BufReader::with_capacity(1 << 20, File::open(list).map_err(Error::unreadable(list))?);
        let mut seen = vec![false; self.digests.len()];
        let (mut ids, mut bytes) = (0, vec![]);
        each_id(list, input, key, |line, id| {
            let wrong = |reason: &str| {
                let reason = format!("ID {} {reason}", words(id));
                CertificateError::BadLine { list: list.into(), line, reason }
            };
            let Some(place) = self.find(&digest_of(id, &mut bytes)) else {
                return Err(wrong("is not approved\n  delete nothing of this list; cut it from the approved one"));
            };
            if std::mem::replace(&mut seen[place], true) {
                return Err(wrong("stands in the list a second time\n  a list names every ID once"));
            }
            ids += 1;
            Ok(())
        })?;
        Ok(ids)
    }
}

/// The digest of an ID. Length first, so that its parts do not run into each other; NULL has no length. In one piece,
/// which BLAKE3 has a shorter way for; `bytes` is room for it.
fn digest_of(id: &Id, bytes: &mut Vec<u8>) -> Digest {
    bytes.clear();
    for text in id {
        match text {
            None => bytes.push(0),
            Some(text) => {
                bytes.push(1);
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    digest
}

/// The first bits of a digest, as a number.
fn beginning(digest: &Digest, bits: u32) -> usize {
    (u128::from_be_bytes(*digest) >> 64 >> (64 - bits)) as usize
}

/// Reads a list and calls a function for every ID, with its line.
fn each_id(
    list: &Path,
    input: impl BufRead,
    key: &[String],
    mut each: impl FnMut(u64, &Id) -> Result<(), CertificateError>,
) -> Result<()> {
    let problem = |problem| match problem {
        Problem::Unreadable(source) => Error::Unreadable { path: list.into(), source },
        Problem::NoCsv { line, reason } => bad_line(list, line, format!("{reason}; a list is CSV")).into(),
    };
    let (mut reader, mut fields) = (Reader::new(input), Fields::default());
    if reader.read(&mut fields).map_err(problem)?.is_none() {
        let reason = format!("is empty\n  a list begins with a header, here {}", key.join(","));
        return Err(CertificateError::BadList { list: list.into(), reason }.into());
    }
    let places = key_places(list, &fields, key)?;
    let columns = fields.len();
    while let Some(line) = reader.read(&mut fields).map_err(problem)? {
        if fields.len() != columns {
            let reason = format!("{} fields, and the header has {columns}", fields.len());
            return Err(bad_line(list, line, reason).into());
        }
        let row: Vec<_> = fields.iter().collect();
        match places.as_slice() {
            [at] => each(line, &[row[*at]])?,
            places => each(line, &places.iter().map(|at| row[*at]).collect::<Vec<_>>())?,
        }
    }
    Ok(())
}

/// Where the key columns stand. Others may stand between and after them.
fn key_places(list: &Path, header: &Fields, key: &[String]) -> Result<Vec<usize>, CertificateError> {
    let names: Vec<_> = header.iter().map(Option::unwrap_or_default).collect();
    let place = |column: &String| {
        let mut places = (0..names.len()).filter(|at| names[*at] == column);
        match (places.next(), places.next()) {
            (Some(at), None) => Ok(at),
            (found, _) => {
                let times = if found.is_some() { "several times" } else { "not" };
                let (key, names) = (key.join(", "), names.join(", "));
                let reason =
                    format!("the header is {names}, and key column `{column}` is {times} in it\n  the key is {key}");
                Err(bad_line(list, 1, reason))
            }
        }
    };
    key.iter().map(place).collect()
}

fn bad_line(list: &Path, line: u64, reason: String) -> CertificateError {
    CertificateError::BadLine { list: list.into(), line, reason }
}

/// An ID as people write it.
fn words(id: &Id) -> String {
    id.iter().map(|text| text.map_or("NULL".into(), quoted)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_is_found_and_no_other() {
        let digest = |id: &Id| digest_of(id, &mut vec![]);
        for number in [0, 1, 3, 4, 7, 8, 1000] {
            let mut digests: Vec<_> = (0..number).map(|id: u32| digest(&[Some(&id.to_string())])).collect();
            digests.extend([[0; 16], [0xff; 16]]);
            digests.sort_unstable();
            let approved = Approved::of(digests.clone());
            assert!(digests.iter().enumerate().all(|(at, digest)| approved.find(digest) == Some(at)));
            let others = (0..1000).map(|id: u32| digest(&[None, Some(&id.to_string())]));
            assert!(others.into_iter().all(|other| approved.find(&other).is_none()));
        }
        assert_eq!(Approved::of(vec![]).find(&[0; 16]), None);
    }

    #[test]
    fn ids_differ_where_their_texts_do() {
        let ids: [&Id; 8] = [
            &[None],
            &[Some("")],
            &[None, None],
            &[Some(""), None],
            &[None, Some("")],
            &[Some("ab"), Some("c")],
            &[Some("a"), Some("bc")],
            &[Some("abc"), Some("")],
        ];
        let digests: std::collections::BTreeSet<_> = ids.map(|id| digest_of(id, &mut vec![])).into();
        assert_eq!(digests.len(), ids.len());
    }
}
