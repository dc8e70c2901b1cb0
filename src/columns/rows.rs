//! Batches of rows on their way: as they were read, and in the forms in which they are compared.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::{ColumnPair, Pairing};
use crate::canonical::cells::Cells;
use crate::canonical::{Domain, canonical};
use crate::error::{Error, Result};
use crate::rules::{Chain, Form};
use crate::sides::Side;

/// One batch of one side.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The columns as read from the snapshot, in the order of [`Pairing::projection`].
    pub raw: RecordBatch,
    /// What identifies each row: the key columns under their rules, part by part.
    pub keys: Vec<ArrayRef>,
    /// What is compared of rows with the same key, in the order of [`Pairing::checked`].
    pub exact: Vec<Form>,
    /// The cells that a rule was needed to read, as far as this side tells.
    pub read_by: Vec<ReadBy>,
}

/// The cells of one column that count for one rule if they are equal as read.
#[derive(Debug, Clone)]
pub struct ReadBy {
    /// The column, by its number in the pairing.
    pub column: usize,
    /// The rule, by its number in the column's chain.
    pub rule: usize,
    /// The cells.
    pub cells: BooleanBuffer,
}

/// How many cells rules were needed to read, by column.
#[derive(Debug, Clone, Default)]
pub struct ReadCounts(Vec<ReadCount>);

/// How many cells of one column rules were needed to read.
#[derive(Debug, Clone)]
pub struct ReadCount {
    /// Cells of old that some rule was needed for.
    pub any: u64,
    /// Cells that each rule of the column's chain was needed for.
    pub rules: Vec<u64>,
}

impl ReadCounts {
    /// Nothing counted yet.
    pub fn new(pairing: &Pairing) -> Self {
        let none = |column: &ColumnPair| ReadCount { any: 0, rules: vec![0; column.rules().len()] };
        ReadCounts(pairing.columns.iter().map(none).collect())
    }

    /// The columns, in the order of the pairing.
    pub fn columns(&self) -> impl Iterator<Item = &ReadCount> {
        self.0.iter()
    }

    /// Counts the cells of a batch of one side. Rules that new tells of are never needed alone, so whether any
    /// is needed, old tells.
    pub fn count(&mut self, side: Side, rows: &Rows) {
        for (at, count) in self.0.iter_mut().enumerate() {
            let of_column = rows.read_by.iter().filter(|read| read.column == at);
            let mut any: Option<BooleanBuffer> = None;
            for read in of_column {
                count.rules[read.rule] += read.cells.count_set_bits() as u64;
                any = Some(any.map_or_else(|| read.cells.clone(), |any| &any | &read.cells));
            }
            if side == Side::Old {
                count.any += any.map_or(0, |any| any.count_set_bits() as u64);
            }
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &ReadCounts) {
        self.combine(other, |one, two| one + two);
    }

    /// Takes away what was counted elsewhere.
    pub fn subtract(&mut self, other: &ReadCounts) {
        self.combine(other, |one, two| one - two);
    }

    fn combine(&mut self, other: &ReadCounts, with: fn(u64, u64) -> u64) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.any = with(own.any, other.any);
            own.rules.iter_mut().zip(&other.rules).for_each(|(own, other)| *own = with(*own, *other));
        }
    }
}

impl Rows {
    /// A part of the rows.
    pub fn slice(&self, start: usize, len: usize) -> Rows {
        let read_by = |read: &ReadBy| ReadBy { cells: read.cells.slice(start, len), ..read.clone() };
        Rows {
            raw: self.raw.slice(start, len),
            keys: self.keys.iter().map(|key| key.slice(start, len)).collect(),
            exact: self.exact.iter().map(|form| form.slice(start, len)).collect(),
            read_by: self.read_by.iter().map(read_by).collect(),
        }
    }

    /// Which rows a rule was needed to read, in any column; `None` where there is no such rule.
    pub fn read_by_rule(&self) -> Option<BooleanBuffer> {
        let (first, rest) = self.read_by.split_first()?;
        Some(rest.iter().fold(first.cells.clone(), |any, read| &any | &read.cells))
    }

    /// What one row is as read, as bytes that only equal rows have.
    pub fn exact_bytes(&self, row: usize) -> Vec<u8> {
        let mut bytes = vec![];
        self.exact.iter().flat_map(Form::arrays).for_each(|array| Cells::of(array).append(row, &mut bytes));
        bytes
    }

    /// All that a row is as read: what its row hash covers besides the key.
    pub fn exact_arrays(&self) -> Vec<ArrayRef> {
        self.exact.iter().flat_map(Form::arrays).cloned().collect()
    }
}

impl Pairing {
    /// The key columns.
    pub fn keys(&self) -> &[ColumnPair] {
        &self.columns[..self.key_len]
    }

    /// The compared columns that are not part of the key.
    pub fn values(&self) -> &[ColumnPair] {
        &self.columns[self.key_len..]
    }

    /// What a scan of one side has to read: the columns in the order of [`Self::columns`], and the version, if it is none
    /// of them.
    pub fn projection(&self, side: Side) -> Vec<usize> {
        let mut columns: Vec<usize> = self.columns.iter().map(|column| column.at[side]).collect();
        let version = self.version.as_ref().map(|version| version.at[side]);
        columns.extend(version.filter(|at| !columns.contains(at)));
        columns
    }

    /// Where the version stands in what a scan of one side reads.
    pub fn version_place(&self, side: Side) -> Option<usize> {
        let version = self.version.as_ref()?.at[side];
        self.projection(side).iter().position(|at| *at == version)
    }

    /// The columns of which rows with the same key may have different values: all that are not part of the
    /// key, and key columns whose rules take different values for one key.
    pub fn checked(&self) -> impl Iterator<Item = usize> {
        let may_differ = |at: &usize| *at >= self.key_len || self.columns[*at].chain.is_some();
        (0..self.columns.len()).filter(may_differ)
    }

    /// Whether a rule takes different values for one key.
    pub fn keys_have_rules(&self) -> bool {
        self.keys().iter().any(|column| column.chain.is_some())
    }

    /// Brings a batch of one side to the forms in which it is compared.
    pub fn rows(&self, side: Side, raw: RecordBatch) -> Result<Rows> {
        let mut keys = vec![];
        for (column, array) in self.keys().iter().zip(raw.columns()) {
            keys.extend(column.key_parts(array, side)?);
        }
        let (mut exact, mut read_by) = (vec![], vec![]);
        for at in self.checked() {
            let (column, array) = (&self.columns[at], raw.column(at));
            let form = column.exact(array, side)?;
            if let Some(chain) = &column.chain {
                let cells = chain.read_by(array, &form, side)?;
                read_by.extend(cells.into_iter().map(|(rule, cells)| ReadBy { column: at, rule, cells }));
            }
            exact.push(form);
        }
        Ok(Rows { raw, keys, exact, read_by })
    }
}

impl ColumnPair {
    /// One side's cells as read.
    pub fn exact(&self, array: &ArrayRef, side: Side) -> Result<Form> {
        match &self.chain {
            None => Ok(Form { value: self.canonical(array, side)?, unreadable: None }),
            Some(chain) => chain.exact(array, side).map_err(|error| self.located(error, side)),
        }
    }

    /// One side's cells under all rules but a tolerance.
    pub fn full(&self, array: &ArrayRef, side: Side) -> Result<Form> {
        match &self.chain {
            None => Ok(Form { value: self.canonical(array, side)?, unreadable: None }),
            Some(chain) => chain.full(array, side).map_err(|error| self.located(error, side)),
        }
    }

    /// Where cells meet under all rules but a tolerance.
    pub fn full_domain(&self) -> &Domain {
        self.chain.as_deref().map_or(&self.domain, Chain::full_domain)
    }

    /// One side's cells as parts of a key, under all rules.
    pub fn key_parts(&self, array: &ArrayRef, side: Side) -> Result<Vec<ArrayRef>> {
        Ok(self.full(array, side)?.arrays().cloned().collect())
    }

    /// The types of the parts of a key that [`Self::key_parts`] yields.
    pub fn key_part_types(&self) -> Vec<DataType> {
        match &self.chain {
            None => vec![self.domain.canonical_type()],
            Some(chain) => chain.key_part_types(),
        }
    }

    /// One side's cells in canonical form, before any rule.
    pub fn canonical(&self, array: &ArrayRef, side: Side) -> Result<ArrayRef> {
        canonical(array, &self.domain, side).map_err(|error| self.located(error.into(), side))
    }

    /// Conversions of whole columns fail over single values.
    fn located(&self, error: Error, side: Side) -> Error {
        match error {
            Error::Internal(reason) => Error::ValueOutOfType { side, column: self.name.clone(), reason },
            other => other,
        }
    }

    /// The rules, where there are some that can make unequal cells equal.
    pub fn forgiving(&self) -> Option<&Chain> {
        self.chain.as_deref().filter(|chain| chain.forgives())
    }
}
