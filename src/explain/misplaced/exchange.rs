//! Finds columns of a row whose values are exchanged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{ArrayRef, AsArray, RecordBatch};

use super::evidence::{Digest, Digester, alike};
use crate::class::Class;
use crate::compare::discrepancy::{Layout, TableColumn};
use crate::error::Result;
use crate::sides::Sides;

pub(super) struct Exchange {
    /// The indexes of the value columns, by name.
    columns: HashMap<String, usize>,
    /// For each column, the first column that it can be compared with.
    alike: Vec<usize>,
}

impl Exchange {
    /// Uses the columns of the table.
    pub(super) fn of(layout: &Layout) -> Self {
        let columns = layout.columns().iter().enumerate().skip(layout.key_names().len());
        let (old, new) = (layout.fields(TableColumn::Old), layout.fields(TableColumn::New));
        Exchange {
            columns: columns.map(|(at, column)| (column.name.clone(), at)).collect(),
            alike: alike(layout.columns(), Sides { old: &old, new: &new }),
        }
    }

    /// Returns the pairs of exchanged columns in each row of a piece: new's value in each is old's value in the other.
    pub(super) fn pairs(
        &self,
        digester: &Digester,
        piece: &RecordBatch,
        classes: &[Class],
    ) -> Result<Vec<Vec<[usize; 2]>>> {
        let changed = TableColumn::Changed.of(piece).as_list::<i32>();
        let suspects = classes.iter().enumerate().map(|(row, &class)| {
            if class != Class::Mismatch || changed.value_length(row) < 2 {
                return vec![];
            }
            let names = changed.value(row);
            let mut columns: Vec<usize> =
                names.as_string::<i32>().iter().flatten().filter_map(|name| self.columns.get(name).copied()).collect();
            columns.sort_unstable();
            columns
        });
        let suspects: Vec<Vec<usize>> = suspects.collect();
        let wanted: BTreeSet<usize> = suspects.iter().filter(|columns| columns.len() > 1).flatten().copied().collect();
        let of_column = |at: usize| {
            let digests = Sides::try_from_fn(|side| {
                let values: ArrayRef = TableColumn::of_side(side).of(piece).as_struct().column(at).clone();
                digester.digests(&[at], &[values], side)
            });
            Ok((at, digests?))
        };
        let digests = wanted.into_iter().map(of_column);
        let digests: BTreeMap<usize, Sides<Vec<Option<Digest>>>> = digests.collect::<Result<_>>()?;
        let is_exchanged = |row: usize, [a, b]: [usize; 2]| {
            let (a, b) = (&digests[&a], &digests[&b]);
            match (a.old[row], b.old[row]) {
                (Some(first), Some(second)) => {
                    first != second && b.new[row] == Some(first) && a.new[row] == Some(second)
                }
                _ => false,
            }
        };
        let pairs = suspects.iter().enumerate().map(|(row, columns)| {
            let pairs = columns.iter().enumerate().flat_map(|(index, &a)| {
                columns[index + 1..].iter().map(move |&b| [a, b]).filter(|[a, b]| self.are_alike(*a, *b))
            });
            pairs.filter(|pair| is_exchanged(row, *pair)).collect()
        });
        Ok(pairs.collect())
    }

    fn are_alike(&self, a: usize, b: usize) -> bool {
        self.alike[a] == self.alike[b]
    }
}
