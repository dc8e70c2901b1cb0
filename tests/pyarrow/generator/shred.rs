//! Rows become columns: values with definition and repetition levels, as Dremel does it.

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};

use super::shape::{Kind, Node, Shape, Storage};
use super::value::{Value, json};

/// One leaf's part of some rows.
pub struct Column {
    pub kind: Kind,
    pub definitions: Vec<i16>,
    pub repetitions: Vec<i16>,
    pub values: Vec<Value>,
}

/// The leaves of these columns for these rows, in the schema's order.
pub fn shred(columns: &[Node], rows: &[Vec<Value>]) -> Vec<Column> {
    let mut leaves = vec![];
    columns.iter().for_each(|column| kinds(column, &mut leaves));
    let column = |kind| Column { kind, definitions: vec![], repetitions: vec![], values: vec![] };
    let mut out: Vec<Column> = leaves.into_iter().map(column).collect();
    for row in rows {
        let mut rest = out.as_mut_slice();
        for (column, value) in columns.iter().zip(row) {
            rest = put(column, Some(value), 0, 0, 0, rest);
        }
    }
    out
}

fn kinds(node: &Node, out: &mut Vec<Kind>) {
    match &node.shape {
        Shape::Leaf(leaf) => out.push(leaf.kind),
        Shape::List(_, element) => kinds(element, out),
        Shape::Struct(fields) => fields.iter().for_each(|field| kinds(field, out)),
        Shape::Map(_, key, value) => [key, value].into_iter().for_each(|child| kinds(child, out)),
    }
}

/// Puts a value, or that something above it is not there; returns the leaves behind it. `level` counts the
/// repeated fields around.
fn put<'a>(
    node: &Node,
    value: Option<&Value>,
    definition: i16,
    repetition: i16,
    level: i16,
    out: &'a mut [Column],
) -> &'a mut [Column] {
    let value = value.filter(|value| !matches!(value, Value::Null));
    let definition = definition + i16::from(node.nullable && value.is_some());
    match (&node.shape, value) {
        (Shape::Leaf(_), value) => {
            out[0].definitions.push(definition);
            out[0].repetitions.push(repetition);
            out[0].values.extend(value.cloned());
            &mut out[1..]
        }
        (Shape::Struct(fields), value) => {
            let mut rest = out;
            for (at, field) in fields.iter().enumerate() {
                let value = value.map(|value| match value {
                    Value::Struct(values) => &values[at],
                    other => panic!("{other:?} is no struct"),
                });
                rest = put(field, value, definition, repetition, level, rest);
            }
            rest
        }
        (Shape::List(_, element), value) => {
            let items: Vec<[Option<&Value>; 1]> = match value {
                Some(Value::List(items)) => items.iter().map(|item| [Some(item)]).collect(),
                _ => vec![],
            };
            repeated(&[element], &items, definition, repetition, level, out)
        }
        (Shape::Map(_, key, value_node), value) => {
            let entries: Vec<[Option<&Value>; 2]> = match value {
                Some(Value::Map(entries)) => entries.iter().map(|(key, value)| [Some(key), Some(value)]).collect(),
                _ => vec![],
            };
            repeated(&[key, value_node], &entries, definition, repetition, level, out)
        }
    }
}

fn repeated<'a, const N: usize>(
    nodes: &[&Node; N],
    items: &[[Option<&Value>; N]],
    definition: i16,
    repetition: i16,
    level: i16,
    out: &'a mut [Column],
) -> &'a mut [Column] {
    let nothing = [[None; N]];
    // something that repeats no time still takes a place
    let (items, there) = if items.is_empty() { (nothing.as_slice(), 0) } else { (items, 1) };
    let mut used = 0;
    for (number, item) in items.iter().enumerate() {
        let repetition = if number == 0 { repetition } else { level + 1 };
        let mut rest = &mut *out;
        let before = rest.len();
        for (node, value) in nodes.iter().zip(item) {
            rest = put(node, *value, definition + there, repetition, level + 1, rest);
        }
        used = before - rest.len();
    }
    &mut out[used..]
}

impl Column {
    /// Numbers of 32 or 64 bits, the unsigned ones by their bits.
    pub fn integers(&self) -> impl Iterator<Item = i64> {
        self.values.iter().map(|value| match value {
            Value::Integer(number) => *number as i64,
            other => panic!("{other:?} is no number"),
        })
    }

    pub fn floats(&self) -> impl Iterator<Item = f64> {
        self.values.iter().map(|value| match value {
            Value::Float(number) => *number,
            other => panic!("{other:?} is no float"),
        })
    }

    pub fn booleans(&self) -> Vec<bool> {
        self.values.iter().map(|value| matches!(value, Value::Boolean(true))).collect()
    }

    /// A Julian day, and the nanoseconds of that day.
    pub fn int96(&self) -> Vec<Int96> {
        const DAY: i128 = 86_400_000_000_000;
        let int96 = |value: &Value| match value {
            Value::Integer(number) => {
                let of_day = number.rem_euclid(DAY) as u64;
                let day = number.div_euclid(DAY) + 2_440_588;
                Int96::from(vec![of_day as u32, (of_day >> 32) as u32, day as u32])
            }
            other => panic!("{other:?} is no number"),
        };
        self.values.iter().map(int96).collect()
    }

    pub fn byte_arrays(&self) -> Vec<ByteArray> {
        self.values.iter().map(|value| bytes(self.kind, value).into()).collect()
    }

    pub fn fixed(&self) -> Vec<FixedLenByteArray> {
        self.values.iter().map(|value| bytes(self.kind, value).into()).collect()
    }
}

fn bytes(kind: Kind, value: &Value) -> Vec<u8> {
    match (kind, value) {
        (Kind::Half, Value::Float(number)) => half(*number).to_le_bytes().to_vec(),
        (Kind::Decimal { storage: Storage::Fixed(length), .. }, Value::Integer(number)) => {
            let whole = number.to_be_bytes();
            match usize::from(length).checked_sub(whole.len()) {
                Some(more) => [vec![if *number < 0 { 0xff } else { 0 }; more], whole.to_vec()].concat(),
                None => whole[whole.len() - usize::from(length)..].to_vec(),
            }
        }
        // as few bytes as keep the sign
        (_, Value::Integer(number)) => {
            let whole = number.to_be_bytes();
            let sign = if *number < 0 { 0xff } else { 0 };
            let is_spare = |at: usize| whole[at] == sign && (whole[at + 1] ^ sign) < 0x80;
            let from = (0..15).find(|at| !is_spare(*at)).unwrap_or(15);
            whole[from..].to_vec()
        }
        (_, Value::Bytes(bytes)) => bytes.clone(),
        (_, Value::Json(document, spelling)) => json(*document, *spelling).as_bytes().to_vec(),
        (_, other) => panic!("{other:?} has no bytes"),
    }
}

pub fn half(number: f64) -> <Float16Type as ArrowPrimitiveType>::Native {
    <Float16Type as ArrowPrimitiveType>::Native::from_f64(number)
}
