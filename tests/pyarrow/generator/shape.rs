//! What a column is: its meaning, its physical type, and the form in which a nested one is annotated.

use super::random::Random;

/// What a leaf means. Each stands for one logical type, with the physical types that it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Integer {
        bits: u8,
        signed: bool,
    },
    Decimal {
        precision: u8,
        scale: u8,
        storage: Storage,
    },
    Date,
    Time(Unit),
    Timestamp {
        unit: Unit,
        utc: bool,
    },
    Int96,
    Half,
    Float,
    Double,
    Text,
    Enum,
    Json,
    Bson,
    Uuid,
    Interval,
    Bytes,
    Fixed(u8),
    /// NULL and nothing else.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Int32,
    Int64,
    Fixed(u8),
    Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Milli,
    Micro,
    Nano,
}

/// From which values a leaf draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Few values, so that dictionaries pay.
    Few,
    /// The ends of the type among small values: differences that need every bit there is.
    Extreme,
    /// From row to row by one wide step, which needs no bits at all in some encodings.
    Steps,
    Any,
}

#[derive(Debug, Clone)]
pub struct Leaf {
    pub kind: Kind,
    pub flavour: Flavour,
    /// Only the converted type of the first Parquet versions says what it is.
    pub legacy: bool,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub name: String,
    pub nullable: bool,
    pub shape: Shape,
}

#[derive(Debug, Clone)]
pub enum Shape {
    Leaf(Leaf),
    List(ListForm, Box<Node>),
    Struct(Vec<Node>),
    /// Keys and values.
    Map(MapForm, Box<Node>, Box<Node>),
}

/// How a list says that it is one; all that the format's rules for old files tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListForm {
    /// `list.element`, as the specification has it.
    Standard,
    /// `list.item`, with the converted type alone.
    Item,
    /// `bag.array_element`, as Hive writes it.
    Bag,
    /// Two levels: the repeated field is the element.
    TwoLevels,
    /// A repeated field without any annotation.
    Bare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapForm {
    /// `MAP` around `key_value`.
    Standard,
    /// `MAP` around `map`, which is annotated `MAP_KEY_VALUE`.
    Inner,
    /// `MAP_KEY_VALUE` outside, as some old writers have it.
    Outer,
}

impl Node {
    pub fn leaf(name: &str, kind: Kind) -> Self {
        let leaf = Leaf { kind, flavour: Flavour::Any, legacy: false };
        Node { name: name.into(), nullable: false, shape: Shape::Leaf(leaf) }
    }

    /// A random column, nested at most so deep.
    pub fn draw(name: &str, depth: usize, random: &mut Random) -> Self {
        let nullable = random.percent(70);
        let shape = match random.below(if depth == 0 { 6 } else { 12 }) {
            0..6 => Shape::Leaf(Leaf::draw(random)),
            6..=8 => {
                let element = Node::draw("element", depth - 1, random);
                Shape::List(ListForm::Standard, Box::new(element))
            }
            9..=10 => {
                let fields = 1 + random.below(3);
                let fields = (0..fields).map(|at| Node::draw(&format!("f{at}"), depth - 1, random));
                Shape::Struct(fields.collect())
            }
            _ => {
                let kinds = [Kind::Text, Kind::Integer { bits: 32, signed: true }, Kind::Date, Kind::Uuid];
                let key = Node::leaf("key", random.pick(&kinds));
                let value = Node::draw("value", depth - 1, random);
                Shape::Map(MapForm::Standard, Box::new(key), Box::new(value))
            }
        };
        let mut node = Node { name: name.into(), nullable, shape };
        node.restyle(random);
        node
    }

    /// Takes other forms and physical types, in which every value can be said as before.
    pub fn restyle(&mut self, random: &mut Random) {
        match &mut self.shape {
            Shape::Leaf(leaf) => {
                // a column of nothing but NULL, and NULL is what it has to hold
                self.nullable |= leaf.kind == Kind::Unknown;
                leaf.legacy = random.percent(25);
                leaf.kind = leaf.kind.restyled(random);
            }
            Shape::List(form, element) => {
                element.restyle_inside(random);
                let mut forms = vec![ListForm::Standard, ListForm::Standard, ListForm::Item, ListForm::Bag];
                let is_flat = matches!(element.shape, Shape::Leaf(_) | Shape::Struct(_));
                if is_flat && !element.nullable {
                    forms.push(ListForm::TwoLevels);
                    if !self.nullable {
                        forms.push(ListForm::Bare);
                    }
                }
                *form = random.pick(&forms);
            }
            Shape::Struct(fields) => fields.iter_mut().for_each(|field| field.restyle(random)),
            Shape::Map(form, key, value) => {
                *form = random.pick(&[MapForm::Standard, MapForm::Standard, MapForm::Inner, MapForm::Outer]);
                key.restyle(random);
                value.restyle_inside(random);
            }
        }
    }

    /// A list without an annotation only stands in a struct: alone in the repeated group of another list, it makes
    /// that group the element.
    fn restyle_inside(&mut self, random: &mut Random) {
        self.restyle(random);
        if let Shape::List(form @ ListForm::Bare, _) = &mut self.shape {
            *form = ListForm::TwoLevels;
        }
    }

    /// Whether any leaf is such.
    pub fn any(&self, is: &dyn Fn(&Leaf) -> bool) -> bool {
        match &self.shape {
            Shape::Leaf(leaf) => is(leaf),
            Shape::List(_, element) => element.any(is),
            Shape::Struct(fields) => fields.iter().any(|field| field.any(is)),
            Shape::Map(_, key, value) => key.any(is) || value.any(is),
        }
    }
}

impl Leaf {
    fn draw(random: &mut Random) -> Self {
        let flavour = random.pick(&[Flavour::Few, Flavour::Extreme, Flavour::Steps, Flavour::Any]);
        Leaf { kind: Kind::draw(random), flavour, legacy: false }
    }
}

impl Kind {
    fn draw(random: &mut Random) -> Self {
        let unit = random.pick(&[Unit::Milli, Unit::Micro, Unit::Nano]);
        match random.below(22) {
            0 => Kind::Boolean,
            1..5 => Kind::Integer { bits: random.pick(&[8, 16, 32, 64, 64]), signed: random.percent(60) },
            5 | 6 => {
                let precision = 1 + random.below(38) as u8;
                let scale = random.below(usize::from(precision) + 1) as u8;
                Kind::Decimal { precision, scale, storage: Storage::Bytes }
            }
            7 => Kind::Date,
            8 => Kind::Time(unit),
            9 | 10 => Kind::Timestamp { unit, utc: random.percent(50) },
            11 => Kind::Int96,
            12 => Kind::Half,
            13 => Kind::Float,
            14 => Kind::Double,
            15 | 16 => Kind::Text,
            17 => random.pick(&[Kind::Enum, Kind::Bson]),
            18 => Kind::Json,
            19 => Kind::Uuid,
            20 => random.pick(&[Kind::Interval, Kind::Unknown, Kind::Bytes]),
            _ => Kind::Fixed(1 + random.below(20) as u8),
        }
    }

    /// A kind of the same family that holds every value of this one in the same number.
    fn restyled(self, random: &mut Random) -> Self {
        match self {
            Kind::Integer { bits, signed } => {
                let wider = [8, 16, 32, 64].into_iter().filter(|wide| *wide >= bits).collect::<Vec<_>>();
                Kind::Integer { bits: random.pick(&wider), signed }
            }
            Kind::Decimal { precision, scale, .. } => {
                let mut storages = vec![Storage::Bytes];
                if precision <= 9 {
                    storages.push(Storage::Int32);
                }
                if precision <= 18 {
                    storages.push(Storage::Int64);
                }
                let least = (1..=16u8).find(|bytes| decimal_digits(*bytes) >= u32::from(precision)).unwrap_or(16);
                storages.push(Storage::Fixed(least));
                storages.push(Storage::Fixed(least + random.below(6) as u8));
                Kind::Decimal { precision, scale, storage: random.pick(&storages) }
            }
            Kind::Half => random.pick(&[Kind::Half, Kind::Half, Kind::Float]),
            Kind::Float => random.pick(&[Kind::Float, Kind::Float, Kind::Double]),
            other => other,
        }
    }
}

/// How many digits fit so many bytes.
fn decimal_digits(bytes: u8) -> u32 {
    match bytes {
        16.. => 38,
        bytes => (1u128 << (8 * u32::from(bytes) - 1)).ilog10(),
    }
}
