//! Items of lists that are matched by a field of their own, whatever their order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};

use crate::equality::canonical::cells::KeyBytes;
use crate::equality::canonical::{Domain, canonical};
use crate::equality::plain_types;
use crate::error::Result;
use crate::sides::Side;

/// Whether the items of a list column are structs with a field of this name.
pub(super) fn have(field: &Field, name: &str) -> bool {
    match plain_types::data_type(field.data_type()) {
        DataType::List(item) => match item.data_type() {
            DataType::Struct(fields) => fields.iter().any(|field| field.name().to_lowercase() == name.to_lowercase()),
            _ => false,
        },
        _ => false,
    }
}

/// A list column with the items of each list in the order of a field, and then of all of their values.
pub(super) fn in_order(array: &ArrayRef, by: &str, domain: &Domain, side: Side) -> Result<ArrayRef> {
    let Domain::List(item) = domain else { return Ok(array.clone()) };
    let Domain::Struct(pairs) = item.as_ref() else { return Ok(array.clone()) };
    let exact = pairs.iter().find(|pair| pair.name == by);
    let pair = exact.or_else(|| pairs.iter().find(|pair| pair.name.to_lowercase() == by.to_lowercase()));
    let plain = plain_types::array(array)?;
    let (Some(pair), DataType::List(field)) = (pair, plain.data_type()) else { return Ok(array.clone()) };
    let lists = plain.as_list::<i32>();
    let offsets: Vec<usize> = lists.value_offsets().iter().map(|&offset| offset as usize).collect();
    let (first, last) = (offsets[0], offsets[lists.len()]);
    let items = lists.values().slice(first, last - first);
    let keys = canonical(items.as_struct().column(pair.at[side]), &pair.domain, side)?;
    let wholes = canonical(&items, item, side)?;
    let (cells, whole_cells) = (KeyBytes::of(&keys), KeyBytes::of(&wholes));
    let bytes = |cells: &KeyBytes, of: &ArrayRef, at: usize| {
        let mut bytes = vec![];
        cells.append(at, &mut bytes);
        // NULL sorts first
        of.is_valid(at).then_some(bytes)
    };
    let key = |at: u32| (bytes(&cells, &keys, at as usize), bytes(&whole_cells, &wholes, at as usize));
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    for list in offsets.windows(2) {
        order[list[0] - first..list[1] - first].sort_by_cached_key(|&at| key(at));
    }
    let sorted = take(&items, &UInt32Array::from(order), None)?;
    let lengths = offsets.windows(2).map(|list| list[1] - list[0]);
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, sorted, lists.nulls().cloned())?))
}
