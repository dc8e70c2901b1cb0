//! What a discrepancy is known by from run to run: its key, as the ID lists write it. Neither the way, nor the thread
//! count, nor the width of an integer changes it.

use arrow::array::{AsArray, RecordBatch};

use crate::class::Class;
use crate::discrepancy::{Column, classes};
use crate::error::Result;
use crate::render::Values;
use crate::sides::{Side, Sides};

/// A digest of 128 bits.
pub type Digest = [u8; 16];

/// One discrepancy, as a later run can recognise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Of the key; of the whole row where rows have none, with the number of the copy.
    pub key: Digest,
    /// What it is at present.
    pub state: State,
}

/// What a discrepancy is at present. Another class, other columns or other values are a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Its class.
    pub class: Class,
    /// Of a mismatch, each side's values in the changed columns, with the columns' names.
    pub values: Sides<Option<Digest>>,
}

/// Recognises the discrepancies of one run, piece by piece and in key order.
#[derive(Default)]
pub struct Recogniser {
    /// The last key, and how many copies of it there were.
    last: Option<(Digest, u64)>,
}

impl Recogniser {
    /// The identities of the rows of a piece of the table. `forgets` names columns of whose values later runs can make
    /// nothing.
    pub fn of(&mut self, piece: &RecordBatch, forgets: impl Fn(&str) -> bool) -> Result<Vec<Identity>> {
        let keys = key_digests(piece)?;
        let sides = Sides { old: values_of(piece, Column::Old)?, new: values_of(piece, Column::New)? };
        let changed = Column::Changed.of(piece).as_list::<i32>();
        let mut identities = Vec::with_capacity(piece.num_rows());
        for (row, class) in classes(piece).into_iter().enumerate() {
            let key = self.numbered(keys[row]);
            let names = changed.value(row);
            let names: Vec<&str> = names.as_string::<i32>().iter().flatten().collect();
            let values = Sides::from_fn(|side: Side| {
                (class == Class::Mismatch).then(|| {
                    let mut hasher = blake3::Hasher::new();
                    for (name, values) in sides[side].iter().filter(|(name, _)| names.contains(name)) {
                        absorb(&mut hasher, Some(name));
                        if !forgets(name) {
                            absorb(&mut hasher, values.bare(row).as_deref());
                        }
                    }
                    finish(&hasher)
                })
            });
            identities.push(Identity { key, state: State { class, values } });
        }
        Ok(identities)
    }

    /// Copies of one row stand beside each other, and each is a discrepancy of its own.
    fn numbered(&mut self, key: Digest) -> Digest {
        let copy = self.last.filter(|(last, _)| *last == key).map_or(0, |(_, copy)| copy + 1);
        self.last = Some((key, copy));
        match copy {
            0 => key,
            copy => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(&key).update(&copy.to_le_bytes());
                finish(&hasher)
            }
        }
    }
}

/// The digests of the keys of a piece of the table.
pub fn key_digests(piece: &RecordBatch) -> Result<Vec<Digest>> {
    let keys = values_of(piece, Column::Key)?;
    let of_row = |row: usize| {
        let texts: Vec<Option<String>> = keys.iter().map(|(_, values)| values.bare(row)).collect();
        key_digest(texts.iter().map(Option::as_deref))
    };
    Ok((0..piece.num_rows()).map(of_row).collect())
}

/// The digest of a key, by the texts that an ID list has for its columns.
pub fn key_digest<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    texts.for_each(|text| absorb(&mut hasher, text));
    finish(&hasher)
}

fn values_of(piece: &RecordBatch, column: Column) -> Result<Vec<(&str, Values<'_>)>> {
    let rows = column.of(piece).as_struct();
    let columns = rows.columns().iter().zip(rows.fields());
    columns.map(|(array, field)| Ok((field.name().as_str(), Values::of(array, field)?))).collect()
}

/// Length first, so that no two rows run into each other.
fn absorb(hasher: &mut blake3::Hasher, text: Option<&str>) {
    match text {
        None => drop(hasher.update(&[0])),
        Some(text) => {
            hasher.update(&[1]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
    }
}

fn finish(hasher: &blake3::Hasher) -> Digest {
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}
