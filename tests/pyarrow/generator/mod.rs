//! Parquet files of every kind that a writer may leave behind, each from a seed.
//!
//! A [`Table`] is what a file means: columns and rows of [`Value`]s. How it is written is drawn apart from it
//! ([`write`]), so that one table becomes many files which have to be equal.

pub mod arrow;
pub mod random;
mod schema;
mod settings;
pub mod shape;
mod shred;
pub mod value;
pub mod write;

use std::collections::BTreeMap;

use self::random::Random;
use self::shape::{Kind, Node, Storage, Unit};
use self::value::Value;

#[derive(Debug, Clone)]
pub struct Table {
    pub columns: Vec<Node>,
    /// How many of the columns, from the first, are the key.
    pub keys: usize,
    pub rows: Vec<Vec<Value>>,
    /// Whether the rows stand in the key's order.
    pub sorted: bool,
}

/// What a comparison has to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    pub matched: u64,
    /// The rows of each class, by column [`ROW`], in order.
    pub mismatch: Vec<i64>,
    pub missing: Vec<i64>,
    pub extra: Vec<i64>,
    pub by_column: BTreeMap<String, u64>,
}

impl Expected {
    /// With the number of rows of each class in the place of the rows.
    pub fn without_rows(mut self) -> Self {
        for rows in [&mut self.mismatch, &mut self.missing, &mut self.extra] {
            rows.fill(0);
        }
        self
    }
}

/// The column that tells rows apart whatever the key is.
pub const ROW: &str = "row";

impl Table {
    pub fn draw(random: &mut Random) -> Self {
        let mut key_kinds = vec![key_kind(random)];
        if random.percent(25) {
            key_kinds.push(Kind::Integer { bits: 32, signed: true });
        }
        let keys = key_kinds.len();
        let name = |at: usize| ["id", "part"][at];
        let mut columns: Vec<Node> =
            key_kinds.iter().enumerate().map(|(at, kind)| Node::leaf(name(at), *kind)).collect();
        columns.push(Node::leaf(ROW, Kind::Integer { bits: 64, signed: true }));
        for at in 0..1 + random.below(6) {
            let depth = random.pick(&[0, 0, 1, 2, 3]);
            columns.push(Node::draw(&format!("{}{at}", random.pick(&["c", "C ", "\u{e9}_"])), depth, random));
        }
        let mut table = Table { columns, keys, rows: vec![], sorted: true };
        let rows = random.pick(&[0, 1, 2, 30, 60, 100, 100, 150, 200, 900]);
        table.rows = (0..rows).map(|number| table.row(number, random)).collect();
        table
    }

    /// A row whose key comes after that of the row before.
    fn row(&self, number: i64, random: &mut Random) -> Vec<Value> {
        let parts = if self.keys == 2 { vec![number / 7, number % 7] } else { vec![number] };
        let keys = parts.iter().zip(&self.columns).map(|(part, column)| match &column.shape {
            shape::Shape::Leaf(leaf) => key_value(leaf.kind, *part),
            other => panic!("{other:?} is no key"),
        });
        let mut row: Vec<Value> = keys.collect();
        row.push(Value::Integer(number.into()));
        row.extend(self.columns[self.keys + 1..].iter().map(|column| {
            let stepped = match &column.shape {
                shape::Shape::Leaf(leaf) if leaf.flavour == shape::Flavour::Steps => Value::step(leaf.kind, number),
                _ => None,
            };
            stepped.unwrap_or_else(|| Value::draw(column, random))
        }));
        row
    }

    pub fn key(&self) -> Vec<&str> {
        self.columns[..self.keys].iter().map(|column| column.name.as_str()).collect()
    }

    /// The columns in which something is such.
    pub fn columns_with(&self, is: &dyn Fn(&shape::Leaf) -> bool) -> Vec<String> {
        self.columns.iter().filter(|column| column.any(is)).map(|column| column.name.clone()).collect()
    }

    /// Columns for which no equality is defined.
    pub fn incomparable(&self) -> Vec<String> {
        self.columns_with(&|leaf| leaf.kind == Kind::Interval)
    }

    pub fn shuffled(&self, random: &mut Random) -> Self {
        let mut table = self.clone();
        random.shuffle(&mut table.rows);
        table.sorted = false;
        table
    }

    /// The same table in other forms and types, with other spellings of what is equal.
    pub fn restyled(&self, random: &mut Random) -> Self {
        let mut table = self.clone();
        for column in &mut table.columns[self.keys..] {
            column.nullable |= random.percent(20);
            column.restyle(random);
        }
        for row in &mut table.rows {
            row[self.keys..].iter_mut().for_each(|value| *value = value.respelled(random));
        }
        table
    }

    /// A restyled copy with a few known changes, and what they are.
    pub fn changed(&self, random: &mut Random) -> (Self, Expected) {
        let mut table = self.restyled(random);
        let mut expected = Expected::default();
        let incomparable = self.incomparable();
        for column in &self.columns {
            if !incomparable.contains(&column.name) {
                expected.by_column.insert(column.name.clone(), 0);
            }
        }
        let old = std::mem::take(&mut table.rows);
        for (number, mut row) in old.into_iter().enumerate() {
            let id = number as i64;
            match random.below(20) {
                0 => expected.missing.push(id),
                1 | 2 => {
                    let at = self.keys + 1 + random.below(row.len() - self.keys - 1);
                    let (old, column) = (&self.columns[at], &table.columns[at]);
                    match row[at].other(old, random) {
                        Some(other) if !incomparable.contains(&column.name) => {
                            row[at] = other;
                            expected.mismatch.push(id);
                            *expected.by_column.get_mut(&column.name).unwrap() += 1;
                        }
                        _ => expected.matched += 1,
                    }
                    table.rows.push(row);
                }
                _ => {
                    expected.matched += 1;
                    table.rows.push(row);
                }
            }
        }
        for more in 0..random.below(4) {
            let number = (self.rows.len() + more) as i64;
            expected.extra.push(number);
            // from the columns of old, whose types are the narrower ones
            table.rows.push(self.row(number, random));
        }
        (table, expected)
    }
}

fn key_kind(random: &mut Random) -> Kind {
    random.pick(&[
        Kind::Integer { bits: 64, signed: true },
        Kind::Integer { bits: 64, signed: true },
        Kind::Integer { bits: 32, signed: true },
        Kind::Integer { bits: 16, signed: true },
        Kind::Integer { bits: 32, signed: false },
        Kind::Integer { bits: 64, signed: false },
        Kind::Text,
        Kind::Text,
        Kind::Bytes,
        Kind::Uuid,
        Kind::Date,
        Kind::Double,
        Kind::Timestamp { unit: Unit::Micro, utc: true },
        Kind::Timestamp { unit: Unit::Nano, utc: false },
        Kind::Decimal { precision: 9, scale: 2, storage: Storage::Int32 },
        Kind::Decimal { precision: 12, scale: 2, storage: Storage::Fixed(6) },
        Kind::Decimal { precision: 30, scale: 2, storage: Storage::Fixed(13) },
        Kind::Decimal { precision: 30, scale: 2, storage: Storage::Bytes },
    ])
}

/// Greater for a greater number, on both sides of 0 where there are two.
fn key_value(kind: Kind, number: i64) -> Value {
    let around = i128::from(number) - 50;
    match kind {
        // the highest bit is in use, which a signed comparison would take for a sign
        Kind::Integer { bits: 64, signed: false } => Value::Integer((1 << 63) + around),
        Kind::Integer { bits: 32, signed: false } => Value::Integer((1 << 31) + around),
        Kind::Integer { bits: 64, .. } => Value::Integer(around * 1_000_000_000_000_007),
        Kind::Text => Value::Bytes(format!("key {number:05}").into_bytes()),
        Kind::Bytes => Value::Bytes((number as u16 + 0x7ff0).to_be_bytes().to_vec()),
        Kind::Uuid => Value::Bytes([(number as u16 + 0x7ff0).to_be_bytes().to_vec(), vec![7; 14]].concat()),
        Kind::Double => Value::Float(around as f64 / 4.0),
        Kind::Timestamp { .. } => Value::Integer(around * 1_000_000_007),
        _ => Value::Integer(around),
    }
}
