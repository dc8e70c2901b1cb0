//! The common domain of two columns: the set of values in which both are compared exactly.

use std::collections::{HashMap, HashSet};
use std::fmt;

use arrow::datatypes::DataType::{self, *};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, Field, Fields, TimeUnit};

use crate::sides::Sides;
use crate::snapshot::types::{Extension, digits, extension, finer};

/// The domain of a pair of columns, chosen once from both types. Every value of either side has exactly one canonical
/// form in it, and two values are equal if and only if their forms are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Domain {
    /// Both columns contain only NULL.
    Null,
    /// `false` before `true`.
    Boolean,
    /// Signed integers of at most 32 bits.
    Int32,
    /// Signed integers of at most 64 bits.
    Int64,
    /// Unsigned integers of at most 64 bits.
    UInt64,
    /// Binary floating point; -0.0 is 0.0, and there is one NaN, which sorts last.
    Float,
    /// Numbers with at most 38 digits at this scale.
    Decimal128 {
        /// Digits after the decimal point.
        scale: i8,
    },
    /// Numbers with at most 76 digits at this scale.
    Decimal256 {
        /// Digits after the decimal point.
        scale: i8,
    },
    /// Floats and exact numbers, or decimals whose scales are too far apart for 76 digits; see `number.rs`.
    Number {
        /// Digits after the decimal point of the grid on which values are placed.
        scale: i8,
    },
    /// Numbers of any size; see `digits/`.
    Digits,
    /// Text, compared by its UTF-8 bytes.
    Text,
    /// Bytes.
    Binary,
    /// UUIDs, compared by their 16 bytes.
    Uuid,
    /// JSON, compared by meaning; see `json.rs`.
    Json,
    /// Days, stored in milliseconds.
    Date,
    /// Times of day, in this unit.
    Time(Ticks),
    /// Instants, or local times without a zone, in this unit since 1970.
    Timestamp(Ticks),
    /// Durations.
    Duration(Ticks),
    /// Lists, in order.
    List(Box<Domain>),
    /// Lists as multisets, for the rule `unordered`.
    Multiset(Box<Domain>),
    /// Structs, by field.
    Struct(Vec<FieldPair>),
    /// Maps, by key.
    Map(Box<Domain>, Box<Domain>),
}

/// The unit in which times are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ticks {
    /// Both sides have the same unit, so 64 bits are enough.
    Same,
    /// The units differ; the finer unit in 128 bits, so that distant dates do not overflow.
    Finer(TimeUnit),
}

/// A field that both structs have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPair {
    /// The name in new.
    pub name: String,
    /// Its index in the struct of each side.
    pub at: Sides<usize>,
    /// The domain of its values.
    pub domain: Domain,
}

/// Families of types. Types of different families are not comparable without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Integers, decimals and floats.
    Number,
    /// Character strings.
    Text,
    /// True and false.
    Boolean,
    /// Byte strings.
    Binary,
    /// UUIDs.
    Uuid,
    /// JSON documents.
    Json,
    /// Calendar days.
    Date,
    /// Times of day.
    Time,
    /// Instants.
    ZonedTimestamp,
    /// Local times without a zone.
    NaiveTimestamp,
    /// Durations.
    Duration,
    /// Lists.
    List,
    /// Structs.
    Struct,
    /// Maps.
    Map,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Number => "numbers",
            Family::Text => "text",
            Family::Boolean => "booleans",
            Family::Binary => "binary",
            Family::Uuid => "UUIDs",
            Family::Json => "JSON",
            Family::Date => "dates",
            Family::Time => "times of day",
            Family::ZonedTimestamp => "timestamps with a zone",
            Family::NaiveTimestamp => "timestamps without a zone",
            Family::Duration => "durations",
            Family::List => "lists",
            Family::Struct => "structs",
            Family::Map => "maps",
        })
    }
}

/// Why two types have no common domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDomain {
    /// They, or two fields inside of them, belong to different families.
    Families {
        /// The column, or the path to the fields.
        path: String,
        /// The family on each side.
        families: Sides<Family>,
    },
    /// At least one has no defined equality.
    Undefined,
}

/// Findings while two nested types are paired.
#[derive(Debug, Default)]
pub struct Nested {
    /// Struct fields that only one side has, as dotted paths.
    pub one_sided: Sides<Vec<String>>,
}

impl Domain {
    /// The domain of two columns. `path` names the pair. Struct fields that only one side has are recorded in `nested`;
    /// fields for which `ignored` returns true are skipped.
    pub fn of(
        path: &str,
        fields: Sides<&Field>,
        ignored: &mut dyn FnMut(&str) -> bool,
        nested: &mut Nested,
    ) -> Result<Domain, NoDomain> {
        let types = fields.map(|field| resolve(field.data_type()));
        let null = types.map(|data_type| data_type == &Null);
        let families = Sides {
            old: if null.old { family(fields.new) } else { family(fields.old) },
            new: if null.new { family(fields.old) } else { family(fields.new) },
        };
        if null.old && null.new {
            return Ok(Domain::Null);
        }
        let (Some(old), Some(new)) = (families.old, families.new) else { return Err(NoDomain::Undefined) };
        if old != new {
            return Err(NoDomain::Families { path: path.into(), families: Sides { old, new } });
        }
        // a column that is entirely NULL takes the type of the other side
        let types = Sides {
            old: if null.old { types.new } else { types.old },
            new: if null.new { types.old } else { types.new },
        };
        Ok(match old {
            Family::Number => number(types.old, types.new),
            Family::Text => Domain::Text,
            Family::Boolean => Domain::Boolean,
            Family::Binary => Domain::Binary,
            Family::Uuid => Domain::Uuid,
            Family::Json => Domain::Json,
            Family::Date => Domain::Date,
            Family::Time => Domain::Time(ticks(types.old, types.new)),
            Family::ZonedTimestamp | Family::NaiveTimestamp => Domain::Timestamp(ticks(types.old, types.new)),
            Family::Duration => Domain::Duration(ticks(types.old, types.new)),
            Family::List => {
                let items = types.map(item);
                Domain::List(Box::new(Domain::of(&format!("{path}[]"), items, ignored, nested)?))
            }
            Family::Struct => Domain::Struct(struct_fields(path, types.map(children), ignored, nested)?),
            Family::Map => {
                let entries = types.map(children);
                let part = |at: usize| entries.map(|fields| fields[at].as_ref());
                let key = Domain::of(&format!("{path}.key"), part(0), ignored, nested)?;
                let value = Domain::of(&format!("{path}.value"), part(1), ignored, nested)?;
                Domain::Map(Box::new(key), Box::new(value))
            }
        })
    }

    /// The Arrow type of canonical arrays in this domain.
    pub fn canonical_type(&self) -> DataType {
        match self {
            Domain::Null | Domain::Boolean => Boolean,
            Domain::Int32 => Int32,
            Domain::Int64 | Domain::Date => Int64,
            Domain::Timestamp(Ticks::Same) | Domain::Duration(Ticks::Same) | Domain::Time(Ticks::Same) => Int64,
            Domain::Timestamp(Ticks::Finer(_)) | Domain::Duration(Ticks::Finer(_)) | Domain::Time(Ticks::Finer(_)) => {
                Decimal128(DECIMAL128_MAX_PRECISION, 0)
            }
            Domain::UInt64 => UInt64,
            Domain::Float => Float64,
            Domain::Decimal128 { scale } => Decimal128(DECIMAL128_MAX_PRECISION, *scale),
            Domain::Decimal256 { scale } => Decimal256(DECIMAL256_MAX_PRECISION, *scale),
            Domain::Number { .. } => FixedSizeBinary(super::number::WIDTH),
            Domain::Digits | Domain::Text | Domain::Binary | Domain::Uuid | Domain::Json => BinaryView,
            Domain::List(_) | Domain::Multiset(_) | Domain::Struct(_) | Domain::Map(..) => BinaryView,
        }
    }
}

/// The type of the values under dictionary or run-end encoding.
fn resolve(data_type: &DataType) -> &DataType {
    match data_type {
        Dictionary(_, value) => resolve(value),
        RunEndEncoded(_, value) => resolve(value.data_type()),
        other => other,
    }
}

/// The family of a field; `None` if its equality is not defined, or if all of its values are NULL.
pub fn family(field: &Field) -> Option<Family> {
    Some(match resolve(field.data_type()) {
        _ if extension(field) == Some(Extension::Variant) => return None,
        Utf8 | LargeUtf8 | Utf8View if extension(field) == Some(Extension::Json) => Family::Json,
        FixedSizeBinary(16) if extension(field) == Some(Extension::Uuid) => Family::Uuid,
        Boolean => Family::Boolean,
        Utf8 | LargeUtf8 | Utf8View => Family::Text,
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => Family::Binary,
        Date32 | Date64 => Family::Date,
        Time32(_) | Time64(_) => Family::Time,
        Timestamp(_, Some(_)) => Family::ZonedTimestamp,
        Timestamp(_, None) => Family::NaiveTimestamp,
        Duration(_) => Family::Duration,
        List(_) | LargeList(_) | ListView(_) | LargeListView(_) | FixedSizeList(..) => Family::List,
        Struct(_) => Family::Struct,
        Map(..) => Family::Map,
        number if number.is_numeric() => Family::Number,
        _ => return None,
    })
}

fn number(old: &DataType, new: &DataType) -> Domain {
    if old.is_floating() && new.is_floating() {
        return Domain::Float;
    }
    let (Some((whole_old, scale_old)), Some((whole_new, scale_new))) = (digits(old), digits(new)) else {
        // one is a float: exact only on the grid of the other's decimals
        let scale = digits(old).or(digits(new)).map_or(0, |(_, scale)| scale);
        return Domain::Number { scale: scale as i8 };
    };
    let small = |data_type: &DataType| matches!(data_type, Int8 | Int16 | Int32 | UInt8 | UInt16);
    match (old, new) {
        (old, new) if small(old) && small(new) => Domain::Int32,
        (UInt64, new) if new.is_unsigned_integer() => Domain::UInt64,
        (old, UInt64) if old.is_unsigned_integer() => Domain::UInt64,
        (old, new) if old.is_integer() && new.is_integer() && old != &UInt64 && new != &UInt64 => Domain::Int64,
        _ => {
            let scale = scale_old.max(scale_new);
            match whole_old.max(whole_new) + scale {
                ..=38 => Domain::Decimal128 { scale: scale as i8 },
                39..=76 => Domain::Decimal256 { scale: scale as i8 },
                _ => Domain::Number { scale: scale as i8 },
            }
        }
    }
}

fn ticks(old: &DataType, new: &DataType) -> Ticks {
    match (unit_of(old), unit_of(new)) {
        (Some(old), Some(new)) if old != new => Ticks::Finer(*finer(&old, &new)),
        _ => Ticks::Same,
    }
}

/// The unit of a type of times.
pub fn unit_of(data_type: &DataType) -> Option<TimeUnit> {
    match data_type {
        Timestamp(unit, _) | Duration(unit) | Time32(unit) | Time64(unit) => Some(*unit),
        _ => None,
    }
}

fn item(data_type: &DataType) -> &Field {
    match data_type {
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => item,
        other => unreachable!("{other} is in the list family"),
    }
}

/// The fields of a struct, or of the entries of a map.
fn children(data_type: &DataType) -> &Fields {
    match data_type {
        Struct(fields) => fields,
        Map(entries, _) => children(entries.data_type()),
        other => unreachable!("{other} has fields"),
    }
}

fn struct_fields(
    path: &str,
    fields: Sides<&Fields>,
    ignored: &mut dyn FnMut(&str) -> bool,
    nested: &mut Nested,
) -> Result<Vec<FieldPair>, NoDomain> {
    let names = fields.map(|fields| fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>());
    let (pairs, one_sided) = pair_names(&names);
    for (side, names) in [(&mut nested.one_sided.old, one_sided.old), (&mut nested.one_sided.new, one_sided.new)] {
        let paths = names.iter().map(|name| format!("{path}.{name}"));
        side.extend(paths.filter(|path| !ignored(path)));
    }
    let mut paired = vec![];
    for at in pairs {
        let name = fields.new[at.new].name();
        let path = format!("{path}.{name}");
        if ignored(&path) {
            continue;
        }
        let sides = Sides { old: fields.old[at.old].as_ref(), new: fields.new[at.new].as_ref() };
        let domain = Domain::of(&path, sides, ignored, nested)?;
        paired.push(FieldPair { name: name.clone(), at, domain });
    }
    Ok(paired)
}

/// Pairs equal names, and then names that differ only in case if that is unambiguous.
///
/// Returns the indexes of the pairs in the order of the new side, and the names that are left over.
pub fn pair_names<'a>(names: &Sides<Vec<&'a str>>) -> (Vec<Sides<usize>>, Sides<Vec<&'a str>>) {
    let index: HashMap<&str, usize> = names.old.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut partner: Vec<Option<usize>> = names.new.iter().map(|new| index.get(new).copied()).collect();
    let exact: HashSet<usize> = partner.iter().flatten().copied().collect();
    let mut folded: HashMap<String, Sides<Vec<usize>>> = HashMap::new();
    for (old, name) in names.old.iter().enumerate().filter(|(old, _)| !exact.contains(old)) {
        folded.entry(name.to_lowercase()).or_default().old.push(old);
    }
    for (new, name) in names.new.iter().enumerate().filter(|(new, _)| partner[*new].is_none()) {
        folded.entry(name.to_lowercase()).or_default().new.push(new);
    }
    for alike in folded.values() {
        if let ([old], [new]) = (alike.old.as_slice(), alike.new.as_slice()) {
            partner[*new] = Some(*old);
        }
    }
    let taken: HashSet<usize> = partner.iter().flatten().copied().collect();
    let left = Sides {
        old: (0..names.old.len()).filter(|old| !taken.contains(old)).map(|old| names.old[old]).collect(),
        new: (0..names.new.len()).filter(|&new| partner[new].is_none()).map(|new| names.new[new]).collect(),
    };
    let pairs = partner.iter().enumerate().filter_map(|(new, old)| old.map(|old| Sides { old, new })).collect();
    (pairs, left)
}
