//! Batches of rows, as read and in the forms in which they are compared.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::{ColumnPair, Coverage, Pairing};
use crate::equality::canonical::cells::KeyBytes;
use crate::equality::canonical::{Domain, canonical};
use crate::equality::rules::{Canonical, ReadCells, RuleSet};
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};

/// A batch of one side.
#[derive(Debug, Clone)]
pub struct RowBatch {
    /// The columns as read from the snapshot, in the order of [`Pairing::projection`].
    pub raw: RecordBatch,
    /// The key of each row: the key columns after their rules, part by part.
    pub keys: Vec<ArrayRef>,
    /// The values that are compared if keys are equal, in the order of [`Pairing::checked`].
    pub exact: Vec<Canonical>,
    /// The cells that were parsed with rules, considering this side only.
    pub read_by: Vec<ReadBy>,
    /// The rows with such cells; `None` if there are none.
    pub read_rows: Option<ParsedRows>,
}

/// The cells of one column that were parsed with rules.
#[derive(Debug, Clone)]
pub struct ReadBy {
    /// The index of the column in the pairing.
    pub column: usize,
    /// The cells.
    pub cells: ReadCells,
}

/// Rows that were parsed with rules, each by its worst cell.
#[derive(Debug, Clone)]
pub struct ParsedRows {
    /// Rows that were parsed only with readings, which lose nothing.
    pub by_reading: BooleanBuffer,
    /// All other rows.
    pub by_rule: BooleanBuffer,
}

impl ParsedRows {
    /// Combines the cells of all columns; `None` if there are none.
    fn of(cells: &[ReadBy]) -> Option<Self> {
        let union = |part: fn(&ReadCells) -> &BooleanBuffer| {
            cells.iter().map(|read| part(&read.cells).clone()).reduce(|any, cells| &any | &cells)
        };
        let (by_reading, by_rule) = union(|cells| &cells.by_reading).zip(union(|cells| &cells.by_rule))?;
        Some(ParsedRows { by_reading: &by_reading & &!&by_rule, by_rule })
    }

    fn slice(&self, start: usize, len: usize) -> Self {
        ParsedRows { by_reading: self.by_reading.slice(start, len), by_rule: self.by_rule.slice(start, len) }
    }
}

/// The number of cells that were parsed with rules, by column.
#[derive(Debug, Clone, Default)]
pub struct ParseCounts(Vec<ParseCount>);

/// The number of cells of one column that were parsed with rules.
#[derive(Debug, Clone)]
pub struct ParseCount {
    /// Cells that were parsed only with readings, which lose nothing.
    pub by_reading: u64,
    /// All other cells that were parsed with rules.
    pub by_rule: u64,
    /// For each rule of the column, the cells that needed it.
    pub rules: Vec<u64>,
}

impl ParseCounts {
    /// Creates empty counts.
    pub fn new(pairing: &Pairing) -> Self {
        let none = |column: &ColumnPair| ParseCount { by_reading: 0, by_rule: 0, rules: vec![0; column.rules().len()] };
        ParseCounts(pairing.columns.iter().map(none).collect())
    }

    /// The columns, in the order of the pairing.
    pub fn columns(&self) -> impl Iterator<Item = &ParseCount> {
        self.0.iter()
    }

    /// Counts the cells of a batch.
    pub fn count(&mut self, rows: &RowBatch) {
        let count = |cells: &BooleanBuffer| cells.count_set_bits() as u64;
        for ReadBy { column, cells } in &rows.read_by {
            let counts = &mut self.0[*column];
            counts.by_reading += count(&cells.by_reading);
            counts.by_rule += count(&cells.by_rule);
            cells.rules.iter().for_each(|(rule, cells)| counts.rules[*rule] += count(cells));
        }
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &ParseCounts) {
        self.combine(other, |a, b| a + b);
    }

    /// Subtracts the counts of `other`.
    pub fn subtract(&mut self, other: &ParseCounts) {
        self.combine(other, |a, b| a - b);
    }

    fn combine(&mut self, other: &ParseCounts, with: fn(u64, u64) -> u64) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.by_reading = with(own.by_reading, other.by_reading);
            own.by_rule = with(own.by_rule, other.by_rule);
            own.rules.iter_mut().zip(&other.rules).for_each(|(own, other)| *own = with(*own, *other));
        }
    }
}

impl RowBatch {
    /// Returns a range of the rows.
    pub fn slice(&self, start: usize, len: usize) -> RowBatch {
        let read_by = |read: &ReadBy| ReadBy { column: read.column, cells: read.cells.slice(start, len) };
        RowBatch {
            raw: self.raw.slice(start, len),
            keys: self.keys.iter().map(|key| key.slice(start, len)).collect(),
            exact: self.exact.iter().map(|form| form.slice(start, len)).collect(),
            read_by: self.read_by.iter().map(read_by).collect(),
            read_rows: self.read_rows.as_ref().map(|rows| rows.slice(start, len)),
        }
    }

    /// Encodes a row as read, so that only equal rows have equal bytes.
    pub fn exact_bytes(&self, row: usize) -> Vec<u8> {
        let mut bytes = vec![];
        self.exact.iter().flat_map(Canonical::arrays).for_each(|array| KeyBytes::of(array).append(row, &mut bytes));
        bytes
    }
}

impl Pairing {
    /// The key columns.
    pub fn keys(&self) -> &[ColumnPair] {
        &self.columns[..self.key_len]
    }

    /// The compared columns that are not key columns.
    pub fn values(&self) -> &[ColumnPair] {
        &self.columns[self.key_len..]
    }

    /// The columns that a scan of one side reads: those in the order of [`Self::columns`], and the version if it is not
    /// one of them.
    pub fn projection(&self, side: Side) -> Vec<usize> {
        let mut columns: Vec<usize> = self.columns.iter().map(|column| column.at[side]).collect();
        let version = self.version.as_ref().map(|version| version.at[side]);
        columns.extend(version.filter(|at| !columns.contains(at)));
        columns
    }

    /// The index of the version column in a scan of one side.
    pub fn version_index(&self, side: Side) -> Option<usize> {
        let version = self.version.as_ref()?.at[side];
        self.projection(side).iter().position(|at| *at == version)
    }

    /// The columns in which rows with equal keys may differ: all value columns, and key columns with rules that map
    /// different values to one key.
    pub fn checked(&self) -> impl Iterator<Item = usize> {
        let may_differ = |at: &usize| *at >= self.key_len || self.columns[*at].chain.is_some();
        (0..self.columns.len()).filter(may_differ)
    }

    /// The compared columns by their indexes in both snapshots, if cells that are stored alike are equal: rows have a
    /// key, and no column is parsed.
    pub fn stored_alike(&self) -> Option<Vec<Sides<usize>>> {
        let is_parsed = |column: &ColumnPair| column.chain.as_ref().is_some_and(|rules| rules.has_readings());
        let is_eligible = self.keyed && !self.columns.iter().any(is_parsed);
        is_eligible.then(|| self.columns.iter().map(|column| column.at).collect())
    }

    /// The pairing of the key columns alone.
    pub fn keys_alone(&self) -> Pairing {
        Pairing {
            columns: self.keys().to_vec(),
            key_len: self.key_len,
            keyed: self.keyed,
            coverage: Coverage::default(),
            incomparable_types: vec![],
            version: None,
        }
    }

    /// Whether a rule maps different values to one key.
    pub fn keys_have_rules(&self) -> bool {
        self.keys().iter().any(|column| column.chain.is_some())
    }

    /// Converts a batch of one side to the forms in which it is compared.
    pub fn rows(&self, side: Side, raw: RecordBatch) -> Result<RowBatch> {
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
                read_by.extend(cells.map(|cells| ReadBy { column: at, cells }));
            }
            exact.push(form);
        }
        let read_rows = ParsedRows::of(&read_by);
        Ok(RowBatch { raw, keys, exact, read_by, read_rows })
    }
}

impl ColumnPair {
    /// Returns the cells of one side as read.
    pub fn exact(&self, array: &ArrayRef, side: Side) -> Result<Canonical> {
        match &self.chain {
            None => Ok(Canonical { value: self.canonical(array, side)?, unreadable: None }),
            Some(chain) => chain.exact(array, side).map_err(|error| self.located(error, side)),
        }
    }

    /// Returns the cells of one side after all rules except a tolerance.
    pub fn full(&self, array: &ArrayRef, side: Side) -> Result<Canonical> {
        match &self.chain {
            None => Ok(Canonical { value: self.canonical(array, side)?, unreadable: None }),
            Some(chain) => chain.full(array, side).map_err(|error| self.located(error, side)),
        }
    }

    /// Returns the cells of one side after all rules but one.
    pub fn without(&self, rule: usize, array: &ArrayRef, side: Side) -> Result<Canonical> {
        let chain = self.chain.as_ref().ok_or_else(|| Error::internal("a column without rules has no rule"))?;
        chain.without(rule, array, side).map_err(|error| self.located(error, side))
    }

    /// The domain after all rules except a tolerance.
    pub fn full_domain(&self) -> &Domain {
        self.chain.as_deref().map_or(&self.domain, RuleSet::full_domain)
    }

    /// Returns the cells of one side as key parts, after all rules.
    pub fn key_parts(&self, array: &ArrayRef, side: Side) -> Result<Vec<ArrayRef>> {
        Ok(self.full(array, side)?.arrays().cloned().collect())
    }

    /// The types of the key parts that [`Self::key_parts`] returns.
    pub fn key_part_types(&self) -> Vec<DataType> {
        match &self.chain {
            None => vec![self.domain.canonical_type()],
            Some(chain) => chain.key_part_types(),
        }
    }

    /// Returns the cells of one side in canonical form, before any rule.
    pub fn canonical(&self, array: &ArrayRef, side: Side) -> Result<ArrayRef> {
        canonical(array, &self.domain, side).map_err(|error| self.located(error.into(), side))
    }

    /// Adds the column to an error, because a conversion of a whole column fails if one value does.
    fn located(&self, error: Error, side: Side) -> Error {
        match error {
            Error::Internal(reason) => Error::ValueOutOfType { side, column: self.name.clone(), reason },
            other => other,
        }
    }

    /// The rules, if some of them can make unequal cells equal.
    pub fn forgiving(&self) -> Option<&RuleSet> {
        self.chain.as_deref().filter(|chain| chain.has_lossy_rules())
    }
}
