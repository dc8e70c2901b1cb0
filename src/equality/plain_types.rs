//! Values in plain Arrow types, without views and dictionaries, for other programs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StringArray, StructArray, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType::{self, *};
use arrow::datatypes::{Field, FieldRef, Float64Type};
use arrow::error::ArrowError;

use crate::equality::canonical::{Domain, canonicalize_floats, convert, json, map_order};
use crate::sides::Side;

/// A renamed field of the plain type.
pub(crate) fn field(name: &str, field: &Field) -> FieldRef {
    let plain = field.clone().with_name(name).with_data_type(data_type(field.data_type()));
    plain.with_nullable(true).into()
}

/// The plain type with the same values.
pub(crate) fn data_type(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| self::field(field.name(), field);
    match data_type {
        Utf8 | LargeUtf8 | Utf8View => Utf8,
        Binary | LargeBinary | BinaryView => Binary,
        Dictionary(_, value) => self::data_type(value),
        RunEndEncoded(_, value) => self::data_type(value.data_type()),
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
            List(inner(item))
        }
        Struct(fields) => Struct(fields.iter().map(inner).collect()),
        Map(entries, sorted) => match entries.data_type() {
            Struct(fields) => {
                let key = fields[0].as_ref().clone().with_data_type(self::data_type(fields[0].data_type()));
                let fields = Struct(vec![key.into(), inner(&fields[1])].into());
                Map(entries.as_ref().clone().with_data_type(fields).into(), *sorted)
            }
            _ => data_type.clone(),
        },
        Null => Boolean,
        other => other.clone(),
    }
}

/// Converts values to the plain type.
pub(crate) fn array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    convert(array, &data_type(array.data_type()))
}

/// The normal form of plain values, which all equal values share: one zero, one NaN, maps sorted by key.
pub(crate) fn canonicalize(array: &ArrayRef, domain: &Domain, side: Side) -> Result<ArrayRef, ArrowError> {
    Ok(match (array.data_type(), domain) {
        (Float16 | Float32, Domain::Float | Domain::Number { .. }) => {
            let wide = convert(array, &Float64)?;
            let settled: ArrayRef = Arc::new(canonicalize_floats(wide.as_primitive::<Float64Type>()));
            convert(&settled, array.data_type())?
        }
        (Float64, Domain::Float | Domain::Number { .. }) => Arc::new(canonicalize_floats(array.as_primitive())),
        (Utf8, Domain::Json) => {
            let texts = array.as_string::<i32>().iter().map(|text| text.map(json::canonicalize));
            Arc::new(texts.collect::<StringArray>())
        }
        (List(item), Domain::List(domain)) => {
            let list = array.as_list::<i32>();
            let values = canonicalize(list.values(), domain, side)?;
            Arc::new(ListArray::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned())?)
        }
        (Struct(fields), Domain::Struct(pairs)) => {
            let (_, mut columns, nulls) = array.as_struct().clone().into_parts();
            for (at, column) in columns.iter_mut().enumerate() {
                *column = match pairs.iter().find(|pair| pair.at[side] == at) {
                    Some(pair) => canonicalize(column, &pair.domain, side)?,
                    // a field that is not compared may differ between equal values
                    None => new_null_array(column.data_type(), column.len()),
                };
            }
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?)
        }
        (Map(entries_field, sorted), Domain::Map(key, value)) => {
            let map = array.as_map();
            let order = map_order(map, key, value, side)?;
            let entries = take(map.entries(), &order, None)?;
            let (fields, mut columns, nulls) = entries.as_struct().clone().into_parts();
            columns[0] = canonicalize(&columns[0], key, side)?;
            columns[1] = canonicalize(&columns[1], value, side)?;
            let entries = StructArray::try_new(fields, columns, nulls)?;
            let offsets = map.offsets().clone();
            Arc::new(MapArray::try_new(entries_field.clone(), offsets, entries, map.nulls().cloned(), *sorted)?)
        }
        _ => array.clone(),
    })
}
