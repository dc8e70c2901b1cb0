//! The approved list, and a list that is held against it.

use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::slice::ParallelSliceMut;

use super::digests::{Digesting, Digests};
use crate::csv::{Fields, Problem, Reader};
use crate::error::{CertificateError, Error, Result};
use crate::regular_file;
use crate::render::quoted;

/// 128 bits of what is known of an ID.
type Digest = [u8; 16];

/// The IDs of the approved list: 16 bytes each, in the order of their digests.
pub struct Approved(Vec<Digest>);

/// What is wrong with a line of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    NotApproved,
    Repeated,
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
        let opened = regular_file::open(list).map_err(|error| {
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
            true => Ok(Approved(found)),
            false => {
                Err(wrong("names an ID twice, although it was signed\n  it approves nothing; sign off again").into())
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes sure that a list names approved IDs alone, each once; returns how many.
    ///
    /// # Errors
    /// With the first line that is wrong.
    pub fn require_all(&self, list: &Path, key: &[String]) -> Result<u64> {
        let open = || {
            regular_file::open(list)
                .map(|file| BufReader::with_capacity(1 << 20, file))
                .map_err(Error::unreadable(list))
        };
        let (mut listed, mut bytes) = (vec![], vec![]);
        each_id(list, open()?, key, |line, id| {
            listed.push((digest_of(id, &mut bytes), line));
            Ok(())
        })?;
        listed.par_sort_unstable();
        let Some((line, fault)) = self.first_fault(&listed) else { return Ok(listed.len() as u64) };
        let words = |id: &str| match fault {
            Fault::NotApproved => {
                format!("{id} is not approved\n  delete nothing of this list; cut it from the approved one")
            }
            Fault::Repeated => format!("{id} stands in the list a second time\n  a list names every ID once"),
        };
        // texts are not kept for millions of lines that are right: the one that is wrong is read again, if it can be
        let mut id = None;
        let find = |input| {
            each_id(list, input, key, |at, texts| {
                id = id.take().or_else(|| (at == line).then(|| format!("ID {}", shown(texts))));
                Ok(())
            })
        };
        let _ = open().and_then(find);
        Err(bad_line(list, line, words(id.as_deref().unwrap_or("an ID"))).into())
    }

    /// The first line of a list that is wrong. The list comes in the order of its digests, so both are gone through side
    /// by side: looking millions of IDs up one by one would mostly wait for memory.
    fn first_fault(&self, listed: &[(Digest, u64)]) -> Option<(u64, Fault)> {
        let mut approved = self.0.iter().peekable();
        let mut last = None;
        let mut first = None;
        for (digest, line) in listed {
            while approved.next_if(|approved| *approved < digest).is_some() {}
            let fault = if approved.peek() != Some(&digest) {
                Fault::NotApproved
            } else if last == Some(digest) {
                Fault::Repeated
            } else {
                last = Some(digest);
                continue;
            };
            first = first.into_iter().chain([(*line, fault)]).min();
        }
        first
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
fn shown(id: &Id) -> String {
    id.iter().map(|text| text.map_or("NULL".into(), quoted)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_line_is_found() {
        let digest = |number: u8| [number; 16];
        let approved = Approved([1, 3, 5, 7].map(digest).to_vec());
        let first = |numbers: &[u8]| {
            let mut listed: Vec<_> = numbers.iter().zip(1..).map(|(number, line)| (digest(*number), line)).collect();
            listed.sort_unstable();
            approved.first_fault(&listed)
        };
        assert_eq!((first(&[]), first(&[7, 1, 5, 3])), (None, None));
        assert_eq!(first(&[5, 1, 8, 0, 4]), Some((3, Fault::NotApproved)));
        assert_eq!(first(&[7, 5, 7, 7, 0]), Some((3, Fault::Repeated)));
        assert_eq!(first(&[9, 9]), Some((1, Fault::NotApproved)));
        assert_eq!(Approved(vec![]).first_fault(&[(digest(1), 2)]), Some((2, Fault::NotApproved)));
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
