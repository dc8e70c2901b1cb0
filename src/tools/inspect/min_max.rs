//! NULL counts, smallest values, and largest values of columns, from the footers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::columns::ColumnPair;
use crate::equality::canonical::order::KeyOrder;
use crate::equality::plain_types;
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::snapshot::{Snapshot, Statistics};

/// The smallest or largest value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bound {
    /// The value as shown to a person: text in quotes.
    pub value: String,
    /// Whether the column contains exactly this value. Writers may truncate long values, and many do not record it.
    pub exact: bool,
}

/// Statistics of a whole column, from the footers or from the directory names.
#[derive(Default)]
pub(super) struct MinMax {
    /// The number of NULLs, if it is known for every row group.
    pub nulls: Option<u64>,
    /// The smallest value, if it is known for every row group.
    pub min: Option<Bound>,
    /// The largest value, if it is known for every row group.
    pub max: Option<Bound>,
}

impl MinMax {
    /// Reads the statistics of one column. `pair` is the column as it is compared, if it can be.
    pub(super) fn of(snapshot: &Snapshot, at: usize, pair: Option<&ColumnPair>) -> Result<Self> {
        let found = match snapshot.is_partition(at) {
            true => of_directories(snapshot, at),
            false => snapshot.statistics(at),
        };
        let Some(statistics) = found else { return Ok(MinMax::default()) };
        let nulls = nulls_of_row_groups(snapshot, at, &statistics);
        let mut ends = MinMax { nulls: nulls.iter().copied().sum(), min: None, max: None };
        let Some(pair) = pair else { return Ok(ends) };
        // a row group without statistics may contain the smallest or the largest value
        let rows = snapshot.row_groups().map(|(_, _, rows)| rows);
        let is_known = |((rows, nulls), at): ((u64, &Option<u64>), usize)| {
            *nulls == Some(rows) || statistics.mins.is_valid(at) && statistics.maxs.is_valid(at)
        };
        if rows.zip(&nulls).zip(0..).all(is_known) {
            let field = snapshot.schema.field(at);
            ends.min = bound(field, pair, snapshot, &statistics.mins, &statistics.min_exact, false)?;
            ends.max = bound(field, pair, snapshot, &statistics.maxs, &statistics.max_exact, true)?;
        }
        Ok(ends)
    }
}

/// The NULL counts of the row groups. A required column has no NULLs, even if the footer does not contain the count.
fn nulls_of_row_groups(snapshot: &Snapshot, at: usize, statistics: &Statistics) -> Vec<Option<u64>> {
    let name = snapshot.schema.field(at).name();
    let required: Vec<bool> = snapshot
        .files
        .iter()
        .map(|file| file.schema.field_with_name(name).is_ok_and(|field| !field.is_nullable()))
        .collect();
    let groups = snapshot.row_groups().zip(&statistics.nulls);
    groups.map(|((file, _, rows), nulls)| nulls.or((required[file] || rows == 0).then_some(0))).collect()
}

/// The smallest or the largest of the row groups' values, in the sort order of a diff.
fn bound(
    field: &Field,
    pair: &ColumnPair,
    snapshot: &Snapshot,
    values: &ArrayRef,
    exact: &BooleanArray,
    greatest: bool,
) -> Result<Option<Bound>> {
    let Ok(canonical) = pair.canonical(values, snapshot.side) else { return Ok(None) };
    let canonical = [canonical];
    let order = KeyOrder::of(&canonical, &canonical)?;
    let known = (0..values.len()).filter(|&at| values.is_valid(at));
    let at = match greatest {
        true => known.max_by(|&a, &b| order.compare(a, b)),
        false => known.min_by(|&a, &b| order.compare(a, b)),
    };
    let Some(at) = at else { return Ok(None) };
    let may_be_cut = matches!(field.data_type(), DataType::Utf8View | DataType::BinaryView);
    let value = plain_types::canonicalize(&plain_types::array(&values.slice(at, 1))?, &pair.domain, snapshot.side)?;
    let plain_field = plain_types::field(field.name(), field);
    let value = Values::of(&value, &plain_field)?.display(0);
    Ok(Some(Bound { value, exact: !may_be_cut || exact.is_valid(at) && exact.value(at) }))
}

/// The values of a partition column in the form of statistics.
fn of_directories(snapshot: &Snapshot, at: usize) -> Option<Statistics> {
    let nth = (0..at).filter(|&before| snapshot.is_partition(before)).count();
    let of_files: Vec<Vec<ScalarValue>> = snapshot.files.iter().map(|file| file.partition_values()).collect();
    let of_group = |(file, _, rows): (usize, usize, u64)| Some((of_files.get(file)?.get(nth)?.clone(), rows));
    let groups: Vec<(ScalarValue, u64)> = snapshot.row_groups().map(of_group).collect::<Option<_>>()?;
    let nulls: UInt64Array = groups.iter().map(|(value, rows)| Some(if value.is_null() { *rows } else { 0 })).collect();
    let values = ScalarValue::iter_to_array(groups.into_iter().map(|(value, _)| value)).ok()?;
    let exact = BooleanArray::from(vec![true; values.len()]);
    Some(Statistics { mins: Arc::clone(&values), maxs: values, nulls, min_exact: exact.clone(), max_exact: exact })
}
