//! The approved list: looks up single IDs, and checks that it contains every ID of another list.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;

use rayon::slice::ParallelSliceMut;

use crate::digests::{Digesting, Digests};
use crate::error::{Error, Result};
use crate::id_list::{ColumnFault, Form, Header, IdList, ListError, Problem};
use crate::{regular_file, wording};

/// A 128-bit digest of an ID.
type Digest = [u8; 16];

/// The IDs of the approved list as sorted 16-byte digests, with an index for lookups.
pub struct Approved {
    ids: Vec<Digest>,
    /// For each value of the first bits, the index of the first digest with them; one more entry for the end.
    starts: Vec<usize>,
}

/// The average number of digests with the same first bits.
const IDS_PER_START: usize = 16;

/// An ID in a list: the texts of its key columns; `None` for NULL.
pub type Id<'a> = [Option<&'a str>];

impl Approved {
    /// Reads and digests the approved list in one pass, so that the IDs come from exactly the bytes that were signed.
    ///
    /// # Errors
    /// If it is not the list that was signed, does not contain `ids` IDs, or contains a duplicate ID.
    pub fn read(list: &Path, digests: &Digests, key: &[String], ids: u64) -> Result<Self> {
        let wrong = |reason: &str| Error::from(ListError::list(list, reason));
        let opened = regular_file::open(list).map_err(|error| {
            wrong(&format!("cannot be read: {error}\n  it is the approved list and must be next to the certificate"))
        });
        let opened = opened?;
        // limits the allocation, whatever the certificate contains: a line has at least two bytes
        let lines_max = opened.metadata().map_err(Error::unreadable(list))?.len() / 2;
        let mut input = Digesting::of(opened);
        let (mut found, mut bytes) = (Vec::with_capacity(ids.min(lines_max) as usize), vec![]);
        let read = each_id(list, input.reader(), key, |_, id| {
            found.push(digest_of(id, &mut bytes));
            ControlFlow::Continue(())
        });
        if input.finish().map_err(Error::unreadable(list))? != *digests {
            let reason = "is not the approved list that was signed: its digest differs\n  \
                          it approves nothing; copy it again from where it was signed";
            return Err(wrong(reason));
        }
        read?;
        if found.len() as u64 != ids {
            let reason =
                format!("contains {} IDs, but the certificate records {ids}\n  it approves nothing", found.len());
            return Err(wrong(&reason));
        }
        found.par_sort_unstable();
        match found.is_sorted_by(|a, b| a < b) {
            true => Ok(Approved::of(found)),
            false => {
                Err(wrong("contains a duplicate ID, although it was signed\n  it approves nothing; sign off again"))
            }
        }
    }

    /// Builds the index over sorted digests.
    fn of(ids: Vec<Digest>) -> Self {
        let buckets = (ids.len() / IDS_PER_START).next_power_of_two();
        let mut starts = vec![0; buckets + 1];
        ids.iter().for_each(|id| starts[first_bits(id, buckets) + 1] += 1);
        (0..buckets).for_each(|bucket| starts[bucket + 1] += starts[bucket]);
        Approved { ids, starts }
    }

    /// The number of approved IDs.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no ID is approved.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether an ID is approved. `id` has the texts of the key columns in the order of `Predicate::key`; `None` for
    /// NULL.
    pub fn contains(&self, id: &Id) -> bool {
        self.position(&digest_of(id, &mut vec![])).is_some()
    }

    /// The index of a digest; `None` if the ID is not approved.
    fn position(&self, id: &Digest) -> Option<usize> {
        let bucket = first_bits(id, self.starts.len() - 1);
        let start = self.starts[bucket];
        self.ids[start..self.starts[bucket + 1]].binary_search(id).ok().map(|offset| start + offset)
    }

    /// Requires that a list contains only approved IDs, each once. Returns their number. The list is streamed.
    ///
    /// # Errors
    /// The first line with an ID that is not approved or is a duplicate.
    pub fn require_all(&self, list: &Path, key: &[String]) -> Result<u64> {
        let open = || {
            let file = regular_file::open(list).map_err(Error::unreadable(list))?;
            Ok::<_, Error>(BufReader::with_capacity(1 << 20, file))
        };
        let (mut lines, mut bytes) = (Vec::with_capacity(LINES_AT_ONCE), vec![]);
        let mut seen = Bits::none(self.len());
        let (mut count, mut fault) = (0, None);
        each_id(list, open()?, key, |line, id| {
            count += 1;
            lines.push((digest_of(id, &mut bytes), line));
            if lines.len() == LINES_AT_ONCE {
                fault = self.first_fault(&mut lines, &mut seen);
            }
            if fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match fault.or_else(|| self.first_fault(&mut lines, &mut seen)) {
            None => Ok(count),
            Some((line, fault)) => Err(describe(list, open()?, key, line, fault)?.into()),
        }
    }

    /// Looks up a batch of lines, clears it, and returns the first faulty line. Marks approved IDs as seen. The batch
    /// is sorted by digest first, because lookups in random order would mostly wait for memory.
    fn first_fault(&self, lines: &mut Vec<(Digest, u64)>, seen: &mut Bits) -> Option<(u64, Fault)> {
        lines.par_sort_unstable();
        let faults = lines.drain(..).filter_map(|(digest, line)| match self.position(&digest) {
            None => Some((line, Fault::NotApproved)),
            Some(index) if seen.get(index) => Some((line, Fault::Repeated)),
            Some(index) => {
                seen.set(index);
                None
            }
        });
        faults.min()
    }
}

/// The number of lines that are looked up together.
const LINES_AT_ONCE: usize = 1 << 20;

/// What is wrong with a line of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    NotApproved,
    Repeated,
}

/// Describes a fault with its ID. Reads the list again up to the line, because IDs are not kept as text.
fn describe(list: &Path, input: impl BufRead, key: &[String], line: u64, fault: Fault) -> Result<ListError> {
    let mut id = "an ID".to_string();
    each_id(list, input, key, |current, texts| {
        if current < line {
            return ControlFlow::Continue(());
        }
        id = format!("ID {}", wording::id(texts.iter().copied()));
        ControlFlow::Break(())
    })?;
    let description = match fault {
        Fault::NotApproved => {
            format!("{id} is not approved\n  do not delete from this list; derive it from the approved list")
        }
        Fault::Repeated => format!("{id} is a duplicate\n  each ID may appear only once"),
    };
    Ok(ListError::line(list, line, description))
}

/// The first bits of a digest, as a number below `buckets`, which is a power of two.
fn first_bits(id: &Digest, buckets: usize) -> usize {
    let first = u64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]]);
    // a shift by 64 bits, with a single bucket, overflows
    first.checked_shr(u64::BITS - buckets.trailing_zeros()).unwrap_or(0) as usize
}

/// The digest of an ID. Each part is prefixed with its length, so that no two IDs have the same bytes; NULL has no
/// length. The parts are collected in the buffer `bytes`, because BLAKE3 is faster on one slice.
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

/// Calls `each` for every ID of a list, with its line, until it breaks.
fn each_id(
    list: &Path,
    input: impl BufRead,
    key: &[String],
    mut each: impl FnMut(u64, &Id) -> ControlFlow<()>,
) -> Result<()> {
    let mut rows = IdList::open(input, Form::Csv, "").map_err(|problem| refused(list, problem))?;
    if rows.header().is_empty() {
        return Err(
            ListError::list(list, format!("is empty\n  start the list with a header, here {}", key.join(","))).into()
        );
    }
    let indices = rows.header().indices(key.iter().map(String::as_str));
    let indices = indices.map_err(|fault| column_fault(list, rows.header(), key, &fault))?;
    while let Some(row) = rows.next_row().map_err(|problem| refused(list, problem))? {
        let fields: Vec<_> = row.fields().collect();
        let flow = match indices.as_slice() {
            [index] => each(row.line, &[fields[*index]]),
            indices => each(row.line, &indices.iter().map(|index| fields[*index]).collect::<Vec<_>>()),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn refused(list: &Path, problem: Problem) -> Error {
    match problem {
        Problem::Unreadable(source) => Error::Unreadable { path: list.into(), source },
        Problem::BadLine { line, reason } => {
            ListError::line(list, line, format!("{reason}; the list must be CSV")).into()
        }
        Problem::FieldCount { line, fields, columns } => {
            ListError::line(list, line, format!("{fields} fields, but the header has {columns}")).into()
        }
    }
}

fn column_fault(list: &Path, header: &Header, key: &[String], fault: &ColumnFault) -> ListError {
    let times = if fault.is_repeated { "several times" } else { "not" };
    let (column, key, names) = (&fault.column, key.join(", "), header.names().join(", "));
    let reason = format!("the header is {names}, but key column `{column}` is {times} in it\n  the key is {key}");
    ListError::line(list, 1, reason)
}

/// A bit set of fixed length.
struct Bits(Vec<u64>);

impl Bits {
    fn none(length: usize) -> Self {
        Bits(vec![0; length.div_ceil(64)])
    }

    fn get(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_among_few_and_many() {
        for count in [0_u32, 1, 2, 17, 1_000, 5_000] {
            let digest = |number: u32| {
                let mut digest = [0; 16];
                digest.copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
                digest
            };
            let mut ids: Vec<Digest> = (0..count).map(digest).collect();
            ids.sort_unstable();
            let approved = Approved::of(ids.clone());
            let found = |number: u32| approved.position(&digest(number)).map(|at| ids[at] == digest(number));
            assert!((0..count).all(|number| found(number) == Some(true)));
            assert!((count..count + 100).all(|number| found(number).is_none()));
        }
    }

    #[test]
    fn the_first_wrong_line_is_found() {
        let digest = |number: u8| [number; 16];
        let approved = Approved::of([1, 3, 5, 7].map(digest).to_vec());
        let first = |batches: &[&[u8]]| {
            let mut seen = Bits::none(4);
            let mut line = 0;
            batches.iter().find_map(|numbers| {
                let mut lines = numbers.iter().map(|number| {
                    line += 1;
                    (digest(*number), line)
                });
                approved.first_fault(&mut lines.by_ref().collect(), &mut seen)
            })
        };
        assert_eq!((first(&[]), first(&[&[7, 1], &[5, 3]])), (None, None));
        assert_eq!(first(&[&[5, 1, 8, 0, 4]]), Some((3, Fault::NotApproved)));
        assert_eq!(first(&[&[7, 5, 7, 7, 0]]), Some((3, Fault::Repeated)));
        assert_eq!(first(&[&[7, 5], &[1, 7, 0]]), Some((4, Fault::Repeated)));
        assert_eq!(first(&[&[9, 9]]), Some((1, Fault::NotApproved)));
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
