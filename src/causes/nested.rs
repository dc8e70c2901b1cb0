//! Where two nested values or documents differ: the paths of their parts, such as `items[].price`.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use super::cell::{Cell, Number};

/// The parts of one cell that are looked at, so that a document of a million parts does not take minutes.
const PARTS_MAX: usize = 256;

/// A nested value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Single(Cell<'a>),
    List(Vec<Value<'a>>),
    /// The fields of a struct or an object, or the entries of a map.
    Fields(BTreeMap<String, Value<'a>>),
}

/// A part in which two values differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part<'a> {
    /// Where it is, with `[]` for items of a list.
    pub path: String,
    pub difference: Difference<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Difference<'a> {
    /// Two single values.
    Cells(Cell<'a>, Cell<'a>),
    /// The same items in another order.
    Order,
    /// A part that only one side has, or two parts of which one is nested.
    Shape,
}

impl<'a> Value<'a> {
    /// The cell of a nested column.
    pub(super) fn stored(array: &'a ArrayRef, row: usize) -> Value<'a> {
        if array.is_null(row) {
            return Value::Single(Cell::Null);
        }
        let list = |items: &'a ArrayRef, from: usize, to: usize| {
            Value::List((from..to.min(from + PARTS_MAX)).map(|item| Value::stored(items, item)).collect())
        };
        match array.data_type() {
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                Value::Fields(
                    columns.map(|(field, column)| (field.name().clone(), Value::stored(column, row))).collect(),
                )
            }
            DataType::List(_) => {
                let (lists, offsets) = (array.as_list::<i32>(), array.as_list::<i32>().value_offsets());
                list(lists.values(), offsets[row] as usize, offsets[row + 1] as usize)
            }
            DataType::LargeList(_) => {
                let (lists, offsets) = (array.as_list::<i64>(), array.as_list::<i64>().value_offsets());
                list(lists.values(), offsets[row] as usize, offsets[row + 1] as usize)
            }
            DataType::FixedSizeList(_, len) => {
                let from = row * *len as usize;
                list(array.as_fixed_size_list().values(), from, from + *len as usize)
            }
            DataType::Map(..) => {
                let (map, offsets) = (array.as_map(), array.as_map().value_offsets());
                let entries = offsets[row] as usize..offsets[row + 1] as usize;
                let entry = |at: usize| (Value::stored(map.keys(), at).to_name(), Value::stored(map.values(), at));
                Value::Fields(entries.take(PARTS_MAX).map(entry).collect())
            }
            _ => Value::Single(Cell::stored(array, row)),
        }
    }

    /// A JSON object or array; `None` for any other text.
    pub(super) fn parsed(text: &str) -> Option<Value<'static>> {
        let text = text.trim_start();
        text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok().map(of_json)).flatten()
    }

    /// The name of a map's entry.
    fn to_name(&self) -> String {
        match self {
            Value::Single(Cell::Text(text)) => text.to_string(),
            Value::Single(Cell::Number(number)) => number.to_string(),
            Value::Single(Cell::Boolean(value)) => value.to_string(),
            other => format!("{other:?}"),
        }
    }
}

fn of_json(value: serde_json::Value) -> Value<'static> {
    match value {
        serde_json::Value::Null => Value::Single(Cell::Null),
        serde_json::Value::Bool(value) => Value::Single(Cell::Boolean(value)),
        serde_json::Value::Number(number) => {
            Value::Single(Number::parse(&number.to_string()).map_or(Cell::Other, Cell::Number))
        }
        serde_json::Value::String(text) => Value::Single(Cell::Text(text.into())),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        serde_json::Value::Object(fields) => {
            Value::Fields(fields.into_iter().map(|(name, value)| (name, of_json(value))).collect())
        }
    }
}

/// The parts in which two values differ, each path once for each kind of difference.
pub(super) fn parts<'a>(old: &Value<'a>, new: &Value<'a>) -> Vec<Part<'a>> {
    let mut parts = vec![];
    compare(old, new, "", &mut parts);
    parts
}

fn compare<'a>(old: &Value<'a>, new: &Value<'a>, path: &str, parts: &mut Vec<Part<'a>>) {
    if parts.len() >= PARTS_MAX {
        return;
    }
    let mut add = |path: String, difference| parts.push(Part { path, difference });
    match (old, new) {
        (Value::Single(old), Value::Single(new)) if is_same(old, new) => {}
        (Value::Single(old), Value::Single(new)) => {
            add(path.into(), Difference::Cells(old.clone(), new.clone()));
        }
        (Value::Fields(old), Value::Fields(new)) => {
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                // numbers are keys of a map, of which there may be one for each row
                let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
                let part = if is_number { "{}" } else { name };
                let inner = if path.is_empty() { part.into() } else { format!("{path}.{part}") };
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => compare(old, new, &inner, parts),
                    _ => parts.push(Part { path: inner, difference: Difference::Shape }),
                }
            }
        }
        (Value::List(old), Value::List(new)) => {
            let inner = format!("{path}[]");
            if old.len() == new.len() && old != new && is_permutation(old, new) {
                return add(inner, Difference::Order);
            }
            old.iter().zip(new).for_each(|(old, new)| compare(old, new, &inner, parts));
            if old.len() != new.len() {
                parts.push(Part { path: inner, difference: Difference::Shape });
            }
        }
        _ => add(path.into(), Difference::Shape),
    }
}

/// Whether two cells are equal; numbers by value.
fn is_same(old: &Cell, new: &Cell) -> bool {
    match (old, new) {
        (Cell::Number(old), Cell::Number(new)) => old.aligned(*new).is_some_and(|(old, new, _)| old == new),
        (old, new) => old == new,
    }
}

fn is_permutation(old: &[Value], new: &[Value]) -> bool {
    let sorted = |items: &[Value]| {
        let mut texts: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        texts.sort_unstable();
        texts
    };
    sorted(old) == sorted(new)
}
