//! Digests of the values that are searched for, and whether they are evidence.
//!
//! Values are compared after all rules except a tolerance, so 5 equals 5.00, and values that a rule makes equal are
//! equal here. Digests have 128 bits and a secret of the run.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::buffer::BooleanBuffer;

use crate::columns::{ColumnPair, Pairing};
use crate::equality::canonical::Domain;
use crate::equality::canonical::row_hash::RowHasher;
use crate::equality::rules::Canonical;
use crate::error::{Error, Result};
use crate::job;
use crate::sides::{Side, Sides};

/// The digest of a value.
pub(super) type Digest = [u8; 16];

/// Columns whose values are searched for together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Their index in the order of units.
    pub number: u16,
    /// Their name in lists.
    pub name: String,
    /// Their indexes in the pairing; never empty.
    pub columns: Vec<usize>,
}

/// The name of all columns together in lists.
pub(super) const WHOLE: &str = "*";

/// Returns the units that a job searches for.
///
/// # Errors
/// If rows have no key, or if a column is a key column or a duplicate.
pub(super) fn units(wanted: &job::Misplaced, pairing: &Pairing) -> Result<Vec<Unit>> {
    if !pairing.keyed {
        return Err(Error::request(
            &wanted.origin,
            "a search for misplaced values needs a key; set `key`, or omit [misplaced]",
        ));
    }
    if wanted.columns.is_empty() {
        let columns: Vec<usize> = (pairing.key_len..pairing.columns.len()).collect();
        let whole = Unit { number: 0, name: WHOLE.into(), columns };
        return Ok(Some(whole).filter(|unit| !unit.columns.is_empty()).into_iter().collect());
    }
    let indices = pairing.columns.iter().enumerate().map(|(at, column)| (column.name.as_str(), at));
    let (indices, mut named): (HashMap<&str, usize>, HashSet<&str>) = (indices.collect(), HashSet::new());
    let units = wanted.columns.iter().enumerate().map(|(number, word)| {
        let wrong = |reason: &str| Err(Error::request(&word.origin, format!("`{}` {reason}", word.text)));
        let Some(&at) = indices.get(word.text.as_str()) else {
            return wrong("is not compared, so the correct keys of its values are unknown");
        };
        if at < pairing.key_len {
            return wrong("is a key column, and only value columns can be misplaced");
        }
        if !named.insert(&word.text) {
            return wrong("is a duplicate");
        }
        let Ok(number) = u16::try_from(number) else {
            return wrong("exceeds the maximum of 65,536 columns");
        };
        Ok(Unit { number, name: word.text.clone(), columns: vec![at] })
    });
    units.collect()
}

/// Computes digests.
pub(super) struct Digester {
    hasher: RowHasher,
    columns: Vec<ColumnPair>,
}

impl Digester {
    /// Uses the columns of a pairing, and a new secret.
    pub(super) fn new(pairing: &Pairing) -> Result<Self> {
        Ok(Digester { hasher: RowHasher::new(64)?, columns: pairing.columns.clone() })
    }

    pub(super) fn columns(&self) -> &[ColumnPair] {
        &self.columns
    }

    /// Returns the digests of one side's values in these columns, row by row; `None` if the values are not evidence.
    pub(super) fn digests(&self, columns: &[usize], arrays: &[ArrayRef], side: Side) -> Result<Vec<Option<Digest>>> {
        let pairs = columns.iter().map(|&at| &self.columns[at]);
        let forms =
            pairs.clone().zip(arrays).map(|(pair, array)| form(pair, array, side)).collect::<Result<Vec<_>>>()?;
        let Some(rows) = forms.first().map(|form| form.value.len()) else { return Ok(vec![]) };
        let values: Vec<ArrayRef> = forms.iter().map(|form| form.value.clone()).collect();
        let mut hashes = vec![];
        self.hasher.hash(&values, &[], &mut hashes);
        let (mut telling, mut lost) = (BooleanBuffer::new_unset(rows), BooleanBuffer::new_unset(rows));
        for (pair, form) in pairs.zip(&forms) {
            telling = &telling | &tells(&form.value, pair.full_domain());
            // a value that cannot be parsed equals nothing
            if let Some(unreadable) = &form.unreadable {
                lost = &lost | &valid(unreadable);
            }
        }
        let is_evidence = &telling & &!&lost;
        let digest = |[low, high]: [u64; 2]| (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        Ok(hashes.iter().zip(&is_evidence).map(|(hash, is_evidence)| is_evidence.then(|| digest(hash.row))).collect())
    }
}

fn form(pair: &ColumnPair, array: &ArrayRef, side: Side) -> Result<Canonical> {
    match array.logical_null_count() == array.len() {
        true => {
            Ok(Canonical { value: new_null_array(&pair.full_domain().canonical_type(), array.len()), unreadable: None })
        }
        false => pair.full(array, side),
    }
}

/// Returns which cells are evidence. NULL, blanks, true, and false are too common.
fn tells(value: &ArrayRef, domain: &Domain) -> BooleanBuffer {
    let of_bytes = |is_blank: fn(&[u8]) -> bool| -> BooleanBuffer {
        value.as_binary_view().iter().map(|bytes| bytes.is_some_and(|bytes| !is_blank(bytes))).collect()
    };
    match domain {
        Domain::Null | Domain::Boolean => BooleanBuffer::new_unset(value.len()),
        Domain::Text => of_bytes(is_blank_text),
        Domain::Binary => of_bytes(|bytes| bytes.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())),
        _ => valid(value),
    }
}

fn is_blank_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.trim().is_empty())
}

fn valid(array: &ArrayRef) -> BooleanBuffer {
    match array.logical_nulls() {
        Some(nulls) => nulls.into_inner(),
        None => BooleanBuffer::new_set(array.len()),
    }
}

/// For each column, returns the first column whose values can be compared with its own: one with the same domain and,
/// if the domain does not fully define its values (the unit of a time is that of its column), with the same types and
/// rules.
pub(super) fn alike(columns: &[ColumnPair], types: Sides<&arrow::datatypes::Fields>) -> Vec<usize> {
    let is_alike = |a: usize, b: usize| {
        let (first, second) = (&columns[a], &columns[b]);
        let same_types = types.iter().all(|fields| fields[a].data_type() == fields[b].data_type());
        first.full_domain() == second.full_domain()
            && (says_all(first.full_domain()) || same_types && first.rules() == second.rules())
    };
    (0..columns.len()).map(|at| (0..at).find(|&other| is_alike(other, at)).unwrap_or(at)).collect()
}

fn says_all(domain: &Domain) -> bool {
    use Domain::*;
    matches!(
        domain,
        Int32
            | Int64
            | UInt64
            | Float
            | Decimal128 { .. }
            | Decimal256 { .. }
            | Number { .. }
            | Digits
            | Text
            | Binary
            | Uuid
            | Json
            | Date
    )
}
