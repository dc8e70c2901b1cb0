//! Rows as what slices are made of: for each column a value, a month, or a place on a line.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray, RecordBatch};

use crate::causes::{Trait, trait_of};
use crate::class::Class;
use crate::columns::{Pairing, Privacy};
use crate::compare::discrepancy::TableColumn;
use crate::error::Result;
use crate::sides::Side;

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
}

#[derive(Default)]
struct Values {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
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
            at,
        }
    }

    /// The text of a value.
    pub(super) fn text(&self, column: usize, value: u32) -> &str {
        self.values[column].texts.get(value as usize).map_or("", String::as_str)
    }

    fn number(&mut self, column: usize, text: String) -> u32 {
        let values = &mut self.values[column];
        if let Some(number) = values.numbers.get(&text) {
            return *number;
        }
        if values.texts.len() >= VALUES_MAX {
            return NO_VALUE;
        }
        let number = values.texts.len() as u32;
        values.numbers.insert(text.clone(), number);
        values.texts.push(text);
        number
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

    /// Adds all rows of a batch, whose columns are those of `columns`.
    pub(super) fn extend(&mut self, columns: &mut Columns, batch: &[ArrayRef]) {
        for (column, array) in batch.iter().enumerate() {
            (0..array.len()).for_each(|row| self.add(columns, column, array, row));
        }
        self.len += batch.first().map_or(0, |array| array.len());
    }

    fn add(&mut self, columns: &mut Columns, column: usize, array: &ArrayRef, row: usize) {
        let (value, place) = match trait_of(array, row) {
            Trait::None => (NO_VALUE, None),
            Trait::Value(text) => (columns.number(column, text), None),
            Trait::Number(number) => {
                columns.lines[column] = Some(Line::Numbers);
                (columns.number(column, number.to_string()), Some(number))
            }
            Trait::Day { month, day } => {
                columns.lines[column] = Some(Line::Days);
                (columns.number(column, month), Some(day))
            }
            Trait::Time { month, second } => {
                columns.lines[column] = Some(Line::Seconds);
                (columns.number(column, month), Some(second))
            }
        };
        self.values[column].push(value);
        self.places[column].push(place);
    }
}
