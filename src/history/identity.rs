//! What a discrepancy is known by from run to run: its key, as the ID lists write it, with times in UTC and decimals
//! without the zeros at their end. Neither the way, nor the thread count, nor the width of an integer, the scale of a
//! decimal or the zone of a timestamp changes it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema};

use crate::class::Class;
use crate::compare::discrepancy::{TableColumn, classes};
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::sides::{Side, Sides};

/// A digest of 128 bits.
pub type Digest = [u8; 16];

/// One discrepancy, as a later run can recognise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FindingIdentity {
    /// Of the key; of the whole row where rows have none, with the number of the copy.
    pub key: Digest,
    /// What it is at present.
    pub state: FindingState,
}

/// What a discrepancy is at present. Another class, other columns or other values are a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FindingState {
    /// Its class.
    pub class: Class,
    /// Of a mismatch, each side's values in the changed columns, with the columns' names.
    pub values: Sides<Option<Digest>>,
}

/// Recognises the discrepancies of one run, piece by piece and in key order.
#[derive(Default)]
pub(crate) struct IdentityHasher {
    /// The last key, and how many copies of it there were.
    last: Option<(Digest, u64)>,
}

impl IdentityHasher {
    /// The identities of the rows of a piece of the table. `forgets` names columns of whose values later runs can make
    /// nothing.
    pub(crate) fn of(&mut self, piece: &RecordBatch, forgets: impl Fn(&str) -> bool) -> Result<Vec<FindingIdentity>> {
        let settled = settled(piece)?;
        let keys = digests(&Texts::of(&settled, TableColumn::Key)?, piece.num_rows());
        let sides = Sides { old: Texts::of(&settled, TableColumn::Old)?, new: Texts::of(&settled, TableColumn::New)? };
        let changed = TableColumn::Changed.of(piece).as_list::<i32>();
        let mut identities = Vec::with_capacity(piece.num_rows());
        for (row, class) in classes(piece).into_iter().enumerate() {
            let key = self.numbered(keys[row]);
            let names = changed.value(row);
            let names: Vec<&str> = names.as_string::<i32>().iter().flatten().collect();
            let values = Sides::from_fn(|side: Side| {
                (class == Class::Mismatch).then(|| {
                    let mut hasher = blake3::Hasher::new();
                    for name in &names {
                        absorb(&mut hasher, Some(name));
                        match sides[side].column(name).filter(|_| !forgets(name)) {
                            Some(values) => absorb(&mut hasher, values.text(row).as_deref()),
                            // what is not known is not what the other side holds
                            None => absorb(&mut hasher, Some(&format!("not known of {side}"))),
                        }
                    }
                    finish(&hasher)
                })
            });
            identities.push(FindingIdentity { key, state: FindingState { class, values } });
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

/// The digests by which later runs know keys: what [`IdentityHasher`] gives the first copy of each. `fields` are those of the
/// table's keys.
pub(crate) fn known_digests(keys: &[ArrayRef], fields: &Fields) -> Result<Vec<Digest>> {
    let rows = keys.first().map_or(0, |column| column.len());
    let settled = keys.iter().zip(fields).map(|(array, field)| in_utc(array, field));
    let settled = settled.collect::<Result<Vec<_>>>()?;
    let columns = settled.iter().map(|(array, field)| TextColumn::of(array, field));
    Ok(digests(&Texts(columns.collect::<Result<_>>()?), rows))
}

/// The digests of the keys of a piece of the table, by the very texts of the ID lists.
pub(crate) fn key_digests(piece: &RecordBatch) -> Result<Vec<Digest>> {
    let mut keys = Texts::of(piece, TableColumn::Key)?;
    keys.0.iter_mut().for_each(|column| column.is_decimal = false);
    Ok(digests(&keys, piece.num_rows()))
}

fn digests(keys: &Texts, rows: usize) -> Vec<Digest> {
    let of_row = |row: usize| {
        let texts: Vec<Option<String>> = keys.0.iter().map(|column| column.text(row)).collect();
        key_digest(texts.iter().map(Option::as_deref))
    };
    (0..rows).map(of_row).collect()
}

/// The columns of a struct of the table, as texts.
struct Texts<'a>(Vec<TextColumn<'a>>);

struct TextColumn<'a> {
    name: &'a str,
    values: Values<'a>,
    /// Whether zeros at the end mean nothing.
    is_decimal: bool,
}

impl<'a> Texts<'a> {
    fn of(piece: &'a RecordBatch, column: TableColumn) -> Result<Self> {
        let rows = column.of(piece).as_struct();
        let columns = rows.columns().iter().zip(rows.fields()).map(|(array, field)| TextColumn::of(array, field));
        Ok(Texts(columns.collect::<Result<_>>()?))
    }

    fn column(&self, name: &str) -> Option<&TextColumn<'a>> {
        self.0.iter().find(|column| column.name == name)
    }
}

impl<'a> TextColumn<'a> {
    fn of(array: &'a ArrayRef, field: &'a FieldRef) -> Result<Self> {
        let values = Values::of(array, field)?;
        Ok(TextColumn { name: field.name(), values, is_decimal: field.data_type().is_decimal() })
    }

    fn text(&self, row: usize) -> Option<String> {
        let text = self.values.to_csv_text(row)?;
        match self.is_decimal && text.contains('.') {
            true => Some(text.trim_end_matches('0').trim_end_matches('.').to_string()),
            false => Some(text),
        }
    }
}

/// A column with its times in UTC.
fn in_utc(array: &ArrayRef, field: &FieldRef) -> Result<(ArrayRef, FieldRef)> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let utc = DataType::Timestamp(*unit, Some("UTC".into()));
            Ok((cast(array, &utc)?, field.as_ref().clone().with_data_type(utc).into()))
        }
        _ => Ok((array.clone(), field.clone())),
    }
}

/// The table with the times of its structs in UTC.
fn settled(piece: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = piece.columns().to_vec();
    let mut fields = piece.schema().fields().to_vec();
    for at in [TableColumn::Key, TableColumn::Old, TableColumn::New].map(|column| column as usize) {
        let rows = columns[at].as_struct();
        let settled = rows.columns().iter().zip(rows.fields()).map(|(array, field)| in_utc(array, field));
        let (arrays, inner): (Vec<_>, Vec<_>) = settled.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let rows = StructArray::try_new_with_length(inner.into(), arrays, rows.nulls().cloned(), rows.len())?;
        fields[at] = fields[at].as_ref().clone().with_data_type(rows.data_type().clone()).into();
        columns[at] = Arc::new(rows);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// The digest of a key, by the texts that an ID list has for its columns.
pub fn key_digest<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Digest {
    digest_by(blake3::Hasher::new(), texts)
}

/// The digest of a row's texts by a hasher of one's own, such as one with a key.
pub(crate) fn digest_by<'a>(mut hasher: blake3::Hasher, texts: impl Iterator<Item = Option<&'a str>>) -> Digest {
    texts.for_each(|text| absorb(&mut hasher, text));
    finish(&hasher)
}

/// The digest of texts that come one by one; that of [`key_digest`] for the same texts.
#[derive(Default)]
pub(crate) struct TextHasher(blake3::Hasher);

impl TextHasher {
    /// Adds a text.
    pub(crate) fn add(&mut self, text: Option<&str>) {
        absorb(&mut self.0, text);
    }

    /// The digest of all that were added.
    pub(crate) fn finish(self) -> Digest {
        finish(&self.0)
    }
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
