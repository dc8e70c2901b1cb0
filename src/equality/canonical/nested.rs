//! Lists, structs and maps: the canonical form of a nested cell is the bytes of its children.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder, LargeListArray, MapArray, StructArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;

use super::cells::KeyBytes;
use super::domain::{Domain, FieldPair};
use super::{canonical, convert};
use crate::sides::Side;

/// The form of a list: the number of items, then the items in order.
pub(super) fn lists(array: &ArrayRef, item: &Domain, side: Side) -> Result<ArrayRef, ArrowError> {
    let ListItems { list, items } = ListItems::of(array, item, side)?;
    let (cells, offsets) = (KeyBytes::of(&items), list.value_offsets());
    Ok(build(list.nulls(), list.len(), |row, out| {
        let items = offsets[row] as usize..offsets[row + 1] as usize;
        out.extend_from_slice(&(items.len() as u64).to_le_bytes());
        items.for_each(|item| cells.append(item, out));
    }))
}

/// The form of a multiset: the number of items, then the items sorted by their bytes.
pub(super) fn multisets(array: &ArrayRef, item: &Domain, side: Side) -> Result<ArrayRef, ArrowError> {
    let ListItems { list, items } = ListItems::of(array, item, side)?;
    let (cells, offsets) = (KeyBytes::of(&items), list.value_offsets());
    let bytes = |item: usize| {
        let mut bytes = vec![];
        cells.append(item, &mut bytes);
        bytes
    };
    Ok(build(list.nulls(), list.len(), |row, out| {
        let mut sorted: Vec<Vec<u8>> = (offsets[row] as usize..offsets[row + 1] as usize).map(bytes).collect();
        sorted.sort();
        out.extend_from_slice(&(sorted.len() as u64).to_le_bytes());
        sorted.into_iter().for_each(|bytes| out.extend(bytes));
    }))
}

/// A list column of any layout, with its items in canonical form.
struct ListItems {
    list: LargeListArray,
    items: ArrayRef,
}

impl ListItems {
    fn of(array: &ArrayRef, item: &Domain, side: Side) -> Result<Self, ArrowError> {
        let list = convert(array, &DataType::LargeList(item_field(array.data_type())))?;
        let list = list.as_list::<i64>().clone();
        let items = canonical(list.values(), item, side)?;
        Ok(ListItems { list, items })
    }
}

fn item_field(data_type: &DataType) -> FieldRef {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.clone(),
        DataType::ListView(item) | DataType::LargeListView(item) => item.clone(),
        other => unreachable!("{other} is not a list"),
    }
}

/// The form of a struct: its fields in the order of the pairing, which is the same for both sides.
pub(super) fn structs(array: &StructArray, fields: &[FieldPair], side: Side) -> Result<ArrayRef, ArrowError> {
    let columns: Vec<ArrayRef> = fields
        .iter()
        .map(|field| canonical(array.column(field.at[side]), &field.domain, side))
        .collect::<Result<_, _>>()?;
    let cells: Vec<_> = columns.iter().map(|column| KeyBytes::of(column)).collect();
    Ok(build(array.nulls(), array.len(), |row, out| {
        cells.iter().for_each(|cells| cells.append(row, out));
    }))
}

/// The form of a map: the number of entries, then the entries sorted by key.
pub(super) fn maps(array: &MapArray, key: &Domain, value: &Domain, side: Side) -> Result<ArrayRef, ArrowError> {
    let entries = MapEntries::of(array, key, value, side)?;
    Ok(build(array.nulls(), array.len(), |row, out| {
        let sorted = entries.sorted(row);
        out.extend_from_slice(&(sorted.len() as u64).to_le_bytes());
        sorted.into_iter().for_each(|(_, bytes)| out.extend(bytes));
    }))
}

/// The entries of a map column, to be sorted by key.
struct MapEntries {
    offsets: Vec<usize>,
    keys: ArrayRef,
    values: ArrayRef,
}

impl MapEntries {
    /// Converts keys and values to canonical form.
    fn of(array: &MapArray, key: &Domain, value: &Domain, side: Side) -> Result<Self, ArrowError> {
        Ok(MapEntries {
            offsets: array.value_offsets().iter().map(|&offset| offset as usize).collect(),
            keys: canonical(array.keys(), key, side)?,
            values: canonical(array.values(), value, side)?,
        })
    }

    /// The entries of one map sorted by key, then by value if a key occurs more than once, each with its index among
    /// all entries and its bytes.
    fn sorted(&self, row: usize) -> Vec<(usize, Vec<u8>)> {
        let (keys, values) = (KeyBytes::of(&self.keys), KeyBytes::of(&self.values));
        let entries: Range<usize> = self.offsets[row]..self.offsets[row + 1];
        let mut sorted: Vec<_> = entries
            .map(|entry| {
                let mut bytes = vec![];
                keys.append(entry, &mut bytes);
                values.append(entry, &mut bytes);
                (entry, bytes)
            })
            .collect();
        sorted.sort_by(|(_, one), (_, two)| one.cmp(two));
        sorted
    }
}

fn build(nulls: Option<&NullBuffer>, rows: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) -> ArrayRef {
    let mut builder = BinaryViewBuilder::with_capacity(rows);
    let mut bytes = vec![];
    for row in 0..rows {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            builder.append_null();
            continue;
        }
        bytes.clear();
        write(row, &mut bytes);
        builder.append_value(&bytes);
    }
    Arc::new(builder.finish())
}

/// The permutation of all entries of a map column that sorts the entries of each map by key.
///
/// Entries outside of every map keep their positions.
pub(crate) fn map_order(array: &MapArray, key: &Domain, value: &Domain, side: Side) -> Result<UInt64Array, ArrowError> {
    let entries = MapEntries::of(array, key, value, side)?;
    let mut order: Vec<u64> = (0..array.entries().len() as u64).collect();
    for row in 0..array.len() {
        let start = entries.offsets[row];
        for (index, (entry, _)) in entries.sorted(row).into_iter().enumerate() {
            order[start + index] = entry as u64;
        }
    }
    Ok(order.into())
}
