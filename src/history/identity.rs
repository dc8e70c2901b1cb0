//! The identity of a discrepancy across runs: its key as in the ID lists, with times in UTC and decimals without
//! trailing zeros. It does not depend on the strategy, the number of threads, the width of an integer, the scale of a
//! decimal, or the zone of a timestamp.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema};

use crate::class::Class;
use crate::compare::discrepancy::{TableColumn, classes};
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::sides::{Side, Sides};

/// A 128-bit digest.
pub type DiscrepancyDigest = [u8; 16];

/// A discrepancy that a later run can recognize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FindingIdentity {
    /// The digest of the key. Without a key: of the whole row, with the number of the copy.
    pub key: DiscrepancyDigest,
    /// The current state.
    pub state: FindingState,
}

/// The current state of a discrepancy. It changes with the class, the changed columns, and the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FindingState {
    pub class: Class,
    /// The digests of each side's values in the changed columns of a mismatch, with the names of the columns.
    pub values: Sides<Option<DiscrepancyDigest>>,
}

/// Computes the identities of a run's discrepancies, piece by piece in key order.
#[derive(Default)]
pub(crate) struct IdentityHasher {
    /// The last key, and the number of its copies so far.
    last: Option<(DiscrepancyDigest, u64)>,
}

impl IdentityHasher {
    /// Returns the identities of the rows of a piece of the table. `forgets` is true for columns whose values later
    /// runs cannot compare.
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
                            // an unknown value differs from the other side's value
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

    /// Numbers copies of the same row, which follow each other, because each is a separate discrepancy.
    fn numbered(&mut self, key: DiscrepancyDigest) -> DiscrepancyDigest {
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

/// Returns the digests of keys for lookups in the history: those of [`IdentityHasher`] for the first copy of each key.
/// `fields` are the fields of the table's keys.
pub(crate) fn known_digests(keys: &[ArrayRef], fields: &Fields) -> Result<Vec<DiscrepancyDigest>> {
    let rows = keys.first().map_or(0, |column| column.len());
    let settled = keys.iter().zip(fields).map(|(array, field)| in_utc(array, field));
    let settled = settled.collect::<Result<Vec<_>>>()?;
    let columns = settled.iter().map(|(array, field)| TextColumn::of(array, field));
    Ok(digests(&Texts(columns.collect::<Result<_>>()?), rows))
}

/// Returns the digests of the keys in a piece of the table, computed from the exact texts of the ID lists.
pub(crate) fn key_digests(piece: &RecordBatch) -> Result<Vec<DiscrepancyDigest>> {
    let mut keys = Texts::of(piece, TableColumn::Key)?;
    keys.0.iter_mut().for_each(|column| column.is_decimal = false);
    Ok(digests(&keys, piece.num_rows()))
}

fn digests(keys: &Texts, rows: usize) -> Vec<DiscrepancyDigest> {
    let of_row = |row: usize| {
        let texts: Vec<Option<String>> = keys.0.iter().map(|column| column.text(row)).collect();
        key_digest(texts.iter().map(Option::as_deref))
    };
    (0..rows).map(of_row).collect()
}

/// The columns of a struct in the table, as text.
struct Texts<'a>(Vec<TextColumn<'a>>);

struct TextColumn<'a> {
    name: &'a str,
    values: Values<'a>,
    /// Whether trailing zeros are removed.
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

/// Converts the times of a column to UTC.
fn in_utc(array: &ArrayRef, field: &FieldRef) -> Result<(ArrayRef, FieldRef)> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let utc = DataType::Timestamp(*unit, Some("UTC".into()));
            Ok((cast(array, &utc)?, field.as_ref().clone().with_data_type(utc).into()))
        }
        _ => Ok((array.clone(), field.clone())),
    }
}

/// Converts the times in the structs of the table to UTC.
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

/// Returns the digest of a key, computed from its texts in an ID list.
pub fn key_digest<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> DiscrepancyDigest {
    digest_by(blake3::Hasher::new(), texts)
}

/// Returns the digest of a row's texts with a given hasher, such as a keyed one.
pub(crate) fn digest_by<'a>(
    mut hasher: blake3::Hasher,
    texts: impl Iterator<Item = Option<&'a str>>,
) -> DiscrepancyDigest {
    texts.for_each(|text| absorb(&mut hasher, text));
    finish(&hasher)
}

/// Computes the digest of texts one by one. The result is that of [`key_digest`] for the same texts.
#[derive(Default)]
pub(crate) struct TextHasher(blake3::Hasher);

impl TextHasher {
    pub(crate) fn add(&mut self, text: Option<&str>) {
        absorb(&mut self.0, text);
    }

    /// Returns the digest of all texts.
    pub(crate) fn finish(self) -> DiscrepancyDigest {
        finish(&self.0)
    }
}

/// Hashes the length first, so that different rows cannot have the same bytes.
fn absorb(hasher: &mut blake3::Hasher, text: Option<&str>) {
    match text {
        None => drop(hasher.update(&[0])),
        Some(text) => {
            hasher.update(&[1]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
    }
}

fn finish(hasher: &blake3::Hasher) -> DiscrepancyDigest {
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}
