//! Cells by meaning, and what is equal.

use super::random::Random;
use super::shape::{Flavour, Kind, Leaf, Node, Shape, Unit};

#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Boolean(bool),
    /// Integers, unscaled decimals, days, ticks, and the nanoseconds of INT96.
    Integer(i128),
    Float(f64),
    /// Text and bytes.
    Bytes(Vec<u8>),
    /// A JSON document by its number, in one of its spellings.
    Json(u8, u8),
    List(Vec<Value>),
    Struct(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(one), Value::Boolean(two)) => one == two,
            (Value::Integer(one), Value::Integer(two)) => one == two,
            (Value::Float(one), Value::Float(two)) => one == two || one.is_nan() && two.is_nan(),
            (Value::Bytes(one), Value::Bytes(two)) => one == two,
            (Value::Json(one, _), Value::Json(two, _)) => one == two,
            (Value::List(one), Value::List(two)) | (Value::Struct(one), Value::Struct(two)) => one == two,
            // keys stand once, so the same number of entries and each of them found is enough
            (Value::Map(one), Value::Map(two)) => one.len() == two.len() && one.iter().all(|entry| two.contains(entry)),
            _ => false,
        }
    }
}

/// The spellings of some documents; those of one line mean the same.
const JSON: [&[&str]; 6] = [
    &["{\"a\": 1, \"b\": [true, null]}", "{\"b\":[true,null],\"a\":1}", "{\"a\":1.0,\"b\":[ true , null ]}"],
    &["{\"a\": 10, \"b\": [true, null]}", "{\"b\":[true,null],\"a\":1e1}"],
    &["[]", " [ ] "],
    &["\"\u{e9}\"", "\"\\u00e9\""],
    &["12345678901234567890.5", "1234567890123456789.05e1"],
    &["null", " null"],
];

/// How a document is spelled.
pub fn json(document: u8, spelling: u8) -> &'static str {
    let spellings = JSON[usize::from(document) % JSON.len()];
    spellings[usize::from(spelling) % spellings.len()]
}

const TEXTS: [&str; 10] =
    ["", "a", "A", "a ", "NULL", "\u{e9}", "e\u{301}", "long enough to leave the view", "x\0y", "\u{1f600}"];

impl Value {
    pub fn draw(node: &Node, random: &mut Random) -> Self {
        if node.nullable && random.percent(15) {
            return Value::Null;
        }
        match &node.shape {
            Shape::Leaf(leaf) => Value::draw_leaf(leaf, random),
            Shape::List(_, element) => {
                let length = random.pick(&[0, 1, 1, 2, 3, 5]);
                Value::List((0..length).map(|_| Value::draw(element, random)).collect())
            }
            Shape::Struct(fields) => Value::Struct(fields.iter().map(|field| Value::draw(field, random)).collect()),
            Shape::Map(_, key, value) => {
                let mut entries: Vec<(Value, Value)> = vec![];
                for _ in 0..random.below(4) {
                    let key = Value::draw(key, random);
                    if entries.iter().all(|(other, _)| *other != key) {
                        entries.push((key, Value::draw(value, random)));
                    }
                }
                Value::Map(entries)
            }
        }
    }

    fn draw_leaf(leaf: &Leaf, random: &mut Random) -> Self {
        let Leaf { kind, flavour, .. } = leaf;
        match kind {
            Kind::Unknown => Value::Null,
            Kind::Boolean => Value::Boolean(random.percent(50)),
            Kind::Half => Value::Float(float(*flavour, random, &[65504.0, 5.960_464_477_539_063e-8], 2048)),
            Kind::Float => Value::Float(float(*flavour, random, &[f32::MAX.into(), f32::MIN_POSITIVE.into()], 1 << 20)),
            Kind::Double => Value::Float(float(*flavour, random, &[f64::MAX, 5e-324, 0.1], 1 << 40)),
            Kind::Text | Kind::Enum => Value::Bytes(match flavour {
                Flavour::Few => random.pick(&TEXTS).as_bytes().to_vec(),
                // common beginnings, for the encodings that leave them out
                _ => format!("{}{}", "prefix/".repeat(random.below(4)), random.next() % 10_000).into_bytes(),
            }),
            Kind::Json => Value::Json(random.below(JSON.len()) as u8, random.below(4) as u8),
            Kind::Bson | Kind::Bytes => {
                let length = random.pick(&[0, 1, 2, 7, 40]);
                Value::Bytes(bytes(*flavour, length, random))
            }
            Kind::Fixed(length) => Value::Bytes(bytes(*flavour, (*length).into(), random)),
            Kind::Uuid => Value::Bytes(bytes(*flavour, 16, random)),
            Kind::Interval => Value::Bytes(bytes(*flavour, 12, random)),
            _ => {
                let (least, most) = kind.range();
                Value::Integer(integer(*flavour, least, most, random))
            }
        }
    }

    /// What stands in a row of a column that goes by steps, which end where the type does and begin again.
    pub fn step(kind: Kind, row: i64) -> Option<Self> {
        let number = match kind {
            Kind::Integer { bits: 32, signed: true } | Kind::Date => i128::from((row as i32).wrapping_mul(0x6000_0001)),
            Kind::Integer { bits: 64, signed: true } | Kind::Timestamp { .. } => {
                i128::from(row.wrapping_mul(0x6000_0000_0000_0001))
            }
            _ => return None,
        };
        Some(Value::Integer(number))
    }

    /// Another value of the same column.
    pub fn other(&self, node: &Node, random: &mut Random) -> Option<Self> {
        (0..20).map(|_| Value::draw(node, random)).find(|value| value != self)
    }

    /// The same value, JSON spelled in another way and maps in another order.
    pub fn respelled(&self, random: &mut Random) -> Self {
        match self {
            Value::Json(document, _) => Value::Json(*document, random.below(4) as u8),
            Value::List(items) => Value::List(items.iter().map(|item| item.respelled(random)).collect()),
            Value::Struct(fields) => Value::Struct(fields.iter().map(|field| field.respelled(random)).collect()),
            Value::Map(entries) => {
                let mut entries: Vec<_> =
                    entries.iter().map(|(key, value)| (key.clone(), value.respelled(random))).collect();
                random.shuffle(&mut entries);
                Value::Map(entries)
            }
            Value::Float(0.0) => Value::Float(random.pick(&[0.0, -0.0])),
            other => other.clone(),
        }
    }
}

fn bytes(flavour: Flavour, length: usize, random: &mut Random) -> Vec<u8> {
    match flavour {
        Flavour::Few => vec![random.pick(&[0, 1, 0xff]); length],
        _ => (0..length).map(|_| random.next() as u8).collect(),
    }
}

/// A number that the type holds exactly.
fn float(flavour: Flavour, random: &mut Random, ends: &[f64], whole: u64) -> f64 {
    let small = (random.next() % whole) as f64 - (whole / 2) as f64;
    match flavour {
        Flavour::Any | Flavour::Steps => small,
        Flavour::Few => random.pick(&[0.0, -0.0, 0.5, -0.25, f64::NAN, f64::INFINITY]),
        Flavour::Extreme => {
            let end = random.pick(ends);
            random.pick(&[end, -end, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, small])
        }
    }
}

fn integer(flavour: Flavour, least: i128, most: i128, random: &mut Random) -> i128 {
    let small = random.below(100) as i128 - 50;
    let number = match flavour {
        Flavour::Few => small / 10,
        Flavour::Extreme => random.pick(&[least, most, least + 1, most - 1, 0, -1, small]),
        Flavour::Any | Flavour::Steps => {
            ((i128::from(random.next()) << 64) | i128::from(random.next())) >> random.below(127)
        }
    };
    match (least..=most).contains(&number) {
        true => number,
        false if least < 0 => number % most,
        false => number.rem_euclid(most),
    }
}

impl Kind {
    /// The least and the greatest number of a kind that is stored as one.
    fn range(self) -> (i128, i128) {
        let day = |unit| match unit {
            Unit::Milli => 86_400_000,
            Unit::Micro => 86_400_000_000,
            Unit::Nano => 86_400_000_000_000,
        };
        match self {
            Kind::Integer { bits, signed: true } => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            Kind::Integer { bits, signed: false } => (0, (1 << bits) - 1),
            Kind::Decimal { precision, .. } => {
                let end = 10i128.pow(precision.into()) - 1;
                (-end, end)
            }
            Kind::Date => (i32::MIN.into(), i32::MAX.into()),
            Kind::Time(unit) => (0, day(unit) - 1),
            // what 64 bits of nanoseconds hold; beyond it other readers wrap around
            _ => (i64::MIN.into(), i64::MAX.into()),
        }
    }
}
