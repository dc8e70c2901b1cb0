//! A table as Arrow arrays, in layouts that an Arrow schema in the footer brings back: dictionaries at any depth,
//! views, large offsets, zones.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float16Array,
    Float32Array, Float64Array, Int64Array, LargeListArray, ListArray, MapArray, NullArray, RecordBatch, StringArray,
    StructArray, Time32MillisecondArray, Time64MicrosecondArray, Time64NanosecondArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};

use super::Table;
use super::random::Random;
use super::shape::{Kind, Node, Shape, Unit};
use super::shred::half;
use super::value::{Value, json};

/// All rows, each column in a layout of its own.
pub fn batch(table: &Table, random: &mut Random) -> RecordBatch {
    let mut fields = vec![];
    let mut columns = vec![];
    for (at, node) in table.columns.iter().enumerate() {
        let values: Vec<&Value> = table.rows.iter().map(|row| &row[at]).collect();
        let (field, column) = column(node, &values, random);
        fields.push(field);
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn column(node: &Node, values: &[&Value], random: &mut Random) -> (FieldRef, ArrayRef) {
    let array = match &node.shape {
        Shape::Leaf(leaf) => {
            let plain = leaf_array(leaf.kind, values);
            let wanted = random.pick(&layouts(leaf.kind, plain.data_type()));
            // a dictionary may have too few codes for what there is
            cast(&plain, &wanted).unwrap_or(plain)
        }
        Shape::Struct(fields) => {
            let (mut types, mut arrays) = (vec![], vec![]);
            for (at, field) in fields.iter().enumerate() {
                let values: Vec<&Value> = values.iter().map(|value| part(value, at)).collect();
                let (field, array) = column(field, &values, random);
                types.push(field);
                arrays.push(array);
            }
            Arc::new(StructArray::new(types.into(), arrays, nulls(values)))
        }
        Shape::List(_, element) => {
            let items: Vec<&Value> = values
                .iter()
                .flat_map(|value| match value {
                    Value::List(items) => items.as_slice(),
                    _ => &[],
                })
                .collect();
            let lengths = values.iter().map(|value| match value {
                Value::List(items) => items.len(),
                _ => 0,
            });
            let (field, items) = column(element, &items, random);
            let nulls = nulls(values);
            match random.percent(30) {
                true => Arc::new(LargeListArray::new(field, OffsetBuffer::from_lengths(lengths), items, nulls)),
                false => Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, nulls)) as ArrayRef,
            }
        }
        Shape::Map(_, key, value) => {
            let entries: Vec<&(Value, Value)> = values
                .iter()
                .flat_map(|value| match value {
                    Value::Map(entries) => entries.as_slice(),
                    _ => &[],
                })
                .collect();
            let lengths = values.iter().map(|value| match value {
                Value::Map(entries) => entries.len(),
                _ => 0,
            });
            let (key_field, keys) = column(key, &entries.iter().map(|entry| &entry.0).collect::<Vec<_>>(), random);
            let (value_field, values_array) =
                column(value, &entries.iter().map(|entry| &entry.1).collect::<Vec<_>>(), random);
            let fields = Fields::from(vec![key_field, value_field]);
            let entries = StructArray::new(fields.clone(), vec![keys, values_array], None);
            let field = Arc::new(Field::new("key_value", DataType::Struct(fields), false));
            Arc::new(MapArray::new(field, OffsetBuffer::from_lengths(lengths), entries, nulls(values), false))
        }
    };
    let field = Field::new(&node.name, array.data_type().clone(), node.nullable);
    let field = match &node.shape {
        Shape::Leaf(leaf) if leaf.kind == Kind::Uuid => extension(field, "arrow.uuid"),
        Shape::Leaf(leaf) if leaf.kind == Kind::Json => extension(field, "arrow.json"),
        _ => field,
    };
    (field.into(), array)
}

fn extension(field: Field, name: &str) -> Field {
    let metadata =
        [("name", name), ("metadata", "")].map(|(key, value)| (format!("ARROW:extension:{key}"), value.into()));
    field.with_metadata(metadata.into())
}

/// A field of a struct, which may itself not be there.
fn part(value: &Value, at: usize) -> &Value {
    match value {
        Value::Struct(fields) => &fields[at],
        _ => &Value::Null,
    }
}

fn nulls(values: &[&Value]) -> Option<NullBuffer> {
    Some(values.iter().map(|value| !matches!(value, Value::Null)).collect::<NullBuffer>())
        .filter(|n| n.null_count() > 0)
}

/// The types that hold the same values and are the same to a reader who asks for values.
fn layouts(kind: Kind, plain: &DataType) -> Vec<DataType> {
    use DataType::*;
    let dictionary = |code: DataType| Dictionary(Box::new(code), Box::new(plain.clone()));
    let mut layouts = vec![plain.clone()];
    match kind {
        Kind::Text => layouts.extend([LargeUtf8, Utf8View, dictionary(Int8), dictionary(Int16), dictionary(UInt32)]),
        Kind::Json => layouts.extend([LargeUtf8, Utf8View]),
        Kind::Enum | Kind::Bson | Kind::Bytes => layouts.extend([LargeBinary, BinaryView, dictionary(Int8)]),
        Kind::Integer { .. } | Kind::Date => layouts.extend([dictionary(Int8), dictionary(Int32)]),
        Kind::Timestamp { .. } => {
            if let Timestamp(unit, Some(_)) = plain {
                layouts.extend(["Europe/Berlin", "+05:30"].map(|zone| Timestamp(*unit, Some(zone.into()))));
            }
        }
        _ => {}
    }
    layouts
}

fn leaf_array(kind: Kind, values: &[&Value]) -> ArrayRef {
    let integers = values.iter().map(|value| match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    });
    let narrow = integers.clone().map(|number| number.map(|number| number as i64));
    let floats = values.iter().map(|value| match value {
        Value::Float(number) => Some(*number),
        _ => None,
    });
    let bytes = values.iter().map(|value| match value {
        Value::Bytes(bytes) => Some(bytes.as_slice()),
        Value::Json(document, spelling) => Some(json(*document, *spelling).as_bytes()),
        _ => None,
    });
    let fixed = |length: u8| -> ArrayRef {
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes.clone(), length.into()).unwrap())
    };
    match kind {
        Kind::Boolean => {
            let boolean = |value: &&Value| match value {
                Value::Boolean(value) => Some(*value),
                _ => None,
            };
            Arc::new(values.iter().map(boolean).collect::<BooleanArray>())
        }
        Kind::Integer { bits, signed } => {
            use DataType::*;
            let wide: ArrayRef = match signed {
                true => Arc::new(narrow.collect::<Int64Array>()),
                false => Arc::new(integers.map(|number| number.map(|number| number as u64)).collect::<UInt64Array>()),
            };
            let types = if signed { [Int8, Int16, Int32, Int64] } else { [UInt8, UInt16, UInt32, UInt64] };
            cast(&wide, &types[bits.ilog2() as usize - 3]).unwrap()
        }
        Kind::Decimal { precision, scale, .. } => {
            let decimals = integers.collect::<Decimal128Array>();
            Arc::new(decimals.with_precision_and_scale(precision, scale as i8).unwrap())
        }
        Kind::Date => Arc::new(narrow.map(|number| number.map(|number| number as i32)).collect::<Date32Array>()),
        Kind::Time(Unit::Milli) => {
            Arc::new(narrow.map(|number| number.map(|number| number as i32)).collect::<Time32MillisecondArray>())
        }
        Kind::Time(Unit::Micro) => Arc::new(narrow.collect::<Time64MicrosecondArray>()),
        Kind::Time(Unit::Nano) => Arc::new(narrow.collect::<Time64NanosecondArray>()),
        Kind::Timestamp { unit, utc } => {
            let unit = match unit {
                Unit::Milli => TimeUnit::Millisecond,
                Unit::Micro => TimeUnit::Microsecond,
                Unit::Nano => TimeUnit::Nanosecond,
            };
            let zone = utc.then(|| "UTC".into());
            cast(&narrow.collect::<Int64Array>(), &DataType::Timestamp(unit, zone)).unwrap()
        }
        Kind::Int96 => cast(&narrow.collect::<Int64Array>(), &DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap(),
        Kind::Half => Arc::new(floats.map(|number| number.map(half)).collect::<Float16Array>()),
        Kind::Float => Arc::new(floats.map(|number| number.map(|number| number as f32)).collect::<Float32Array>()),
        Kind::Double => Arc::new(floats.collect::<Float64Array>()),
        Kind::Text | Kind::Json => {
            Arc::new(bytes.map(|bytes| bytes.map(|bytes| str::from_utf8(bytes).unwrap())).collect::<StringArray>())
        }
        Kind::Enum | Kind::Bson | Kind::Bytes => Arc::new(bytes.collect::<BinaryArray>()),
        Kind::Uuid => fixed(16),
        Kind::Interval => fixed(12),
        Kind::Fixed(length) => fixed(length),
        Kind::Unknown => Arc::new(NullArray::new(values.len())),
    }
}
