//! Rows as what slices are made of: for each column a value, a month, or a place on a line.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray, RecordBatch};

use crate::causes::{Trait, trait_of};
use crate::class::Class;
use crate::columns::{Pairing, Privacy};
use crate::compare::discrepancy::TableColumn;
use crate::error::Result;
use crate::sides::Side;
use crate::snapshot::Snapshot;

/// A column with more values forms no slices by value.
const VALUES_MAX: usize = 2_000;

/// The value of a cell that has none, or one of too many.
pub(super) const NO_VALUE: u32 = u32::MAX;

/// The columns that slices are sought in, with the values that have been seen in each.
pub(super) struct Columns {
    pub names: Vec<String>,
    /// Their positions in the pairing.
    pub at: Vec<usize>,
    values: Vec<Values>,
    /// What the places of each column count.
    pub lines: Vec<Option<Line>>,
    /// The first and the last place of each column, if the footers of a side say so.
    pub ranges: Vec<Option<(i64, i64)>>,
}

#[derive(Default)]
struct Values {
    texts: HashMap<String, u32>,
    numbers: HashMap<i64, u32>,
    known: Vec<Value>,
}

/// A value that many rows may have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Number(i64),
    /// A month since the year 0.
    Month(i64),
}

/// What the places of a column count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Numbers,
    Days,
    Seconds,
}

/// Rows, column by column.
#[derive(Default)]
pub(super) struct Rows {
    pub len: usize,
    /// The numbers of the values, by column.
    pub values: Vec<Vec<u32>>,
    /// The places, by column.
    pub places: Vec<Vec<Option<i64>>>,
}

impl Columns {
    /// All compared columns whose values may be shown.
    pub(super) fn of(pairing: &Pairing, privacy: &Privacy) -> Self {
        let at: Vec<usize> = (0..pairing.columns.len()).filter(|at| !privacy.hides(*at)).collect();
        Columns {
            names: at.iter().map(|at| pairing.columns[*at].name.clone()).collect(),
            values: at.iter().map(|_| Values::default()).collect(),
            lines: vec![None; at.len()],
            ranges: vec![None; at.len()],
            at,
        }
    }

    /// Takes the ranges of the columns from the statistics of a side.
    pub(super) fn measure(&mut self, snapshot: &Snapshot, pairing: &Pairing) {
        for column in 0..self.at.len() {
            let at = pairing.columns[self.at[column]].at[snapshot.side];
            let range = self.lines[column].and_then(|_| {
                let statistics = snapshot.statistics(at)?;
                let firsts = (0..statistics.mins.len()).filter_map(|group| place_of(&statistics.mins, group));
                let lasts = (0..statistics.maxs.len()).filter_map(|group| place_of(&statistics.maxs, group));
                firsts.min().zip(lasts.max())
            });
            self.ranges[column] = range;
        }
    }

    /// The value of a number.
    pub(super) fn value(&self, column: usize, number: u32) -> &Value {
        self.values[column].known.get(number as usize).unwrap_or(&Value::Null)
    }
}

impl Values {
    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = self.add(Value::Text(text.into()));
        if number != NO_VALUE {
            self.texts.insert(text.into(), number);
        }
        number
    }

    fn number(&mut self, key: i64, value: Value) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.add(value);
        if number != NO_VALUE {
            self.numbers.insert(key, number);
        }
        number
    }

    fn add(&mut self, value: Value) -> u32 {
        // the first is NULL's
        if self.known.is_empty() {
            self.known.push(Value::Null);
        }
        if self.known.len() > VALUES_MAX {
            return NO_VALUE;
        }
        self.known.push(value);
        self.known.len() as u32 - 1
    }
}

impl Rows {
    /// No rows.
    pub(super) fn none(columns: &Columns) -> Self {
        Rows { len: 0, values: vec![vec![]; columns.at.len()], places: vec![vec![]; columns.at.len()] }
    }

    /// Sampled findings: new's values of extra rows, and old's of all others.
    pub(super) fn of_sample(columns: &mut Columns, sample: &RecordBatch, classes: &[Class]) -> Result<Self> {
        let mut rows = Rows::none(columns);
        let side = |class: Class| if class == Class::Extra { Side::New } else { Side::Old };
        for column in 0..columns.at.len() {
            for (row, class) in classes.iter().enumerate() {
                let values = TableColumn::of_side(side(*class)).of(sample).as_struct().column(columns.at[column]);
                rows.add(columns, column, values, row);
            }
        }
        rows.len = classes.len();
        Ok(rows)
    }

    /// Adds all rows of a batch, which has some of the columns.
    pub(super) fn extend(&mut self, columns: &mut Columns, numbers: &[usize], batch: &[ArrayRef]) {
        for (column, array) in numbers.iter().zip(batch) {
            (0..array.len()).for_each(|row| self.add(columns, *column, array, row));
        }
        self.len += batch.first().map_or(0, |array| array.len());
    }

    fn add(&mut self, columns: &mut Columns, column: usize, array: &ArrayRef, row: usize) {
        let values = &mut columns.values[column];
        let (value, place, line) = match trait_of(array, row) {
            Trait::None => (NO_VALUE, None, None),
            Trait::Null => (0, None, None),
            Trait::Text(text) => (values.text(&text), None, None),
            Trait::Number(number) => (values.number(number, Value::Number(number)), Some(number), Some(Line::Numbers)),
            Trait::Day { month, day } => (values.number(month, Value::Month(month)), Some(day), Some(Line::Days)),
            Trait::Time { month, second } => {
                (values.number(month, Value::Month(month)), Some(second), Some(Line::Seconds))
            }
        };
        columns.lines[column] = line.or(columns.lines[column]);
        self.values[column].push(value);
        self.places[column].push(place);
    }
}

/// The place of a cell on the line of its column.
fn place_of(array: &ArrayRef, row: usize) -> Option<i64> {
    match trait_of(array, row) {
        Trait::None | Trait::Null | Trait::Text(_) => None,
        Trait::Number(place) | Trait::Day { day: place, .. } | Trait::Time { second: place, .. } => Some(place),
    }
}
