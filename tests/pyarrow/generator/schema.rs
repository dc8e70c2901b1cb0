//! The Parquet schema of a table, in the forms that its columns chose.

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};

use super::shape::{Kind, Leaf, ListForm, MapForm, Node, Shape, Storage, Unit};

/// The schema of these columns.
pub fn message(columns: &[Node]) -> TypePtr {
    let fields = columns.iter().map(|column| field(column, repetition(column)).into()).collect();
    Type::group_type_builder("schema").with_fields(fields).build().unwrap().into()
}

fn repetition(node: &Node) -> Repetition {
    if node.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED }
}

fn field(node: &Node, repetition: Repetition) -> Type {
    match &node.shape {
        Shape::Leaf(leaf) => primitive(&node.name, leaf, repetition),
        Shape::Struct(fields) => {
            let fields = fields.iter().map(|child| field(child, self::repetition(child)).into()).collect();
            Type::group_type_builder(&node.name).with_repetition(repetition).with_fields(fields).build().unwrap()
        }
        Shape::List(form, element) => list(node, *form, element, repetition),
        Shape::Map(form, key, value) => {
            let inner = [key, value].map(|child| field(child, self::repetition(child)).into()).to_vec();
            let (outside, inside) = match form {
                MapForm::Standard => (ConvertedType::MAP, ConvertedType::NONE),
                MapForm::Inner => (ConvertedType::MAP, ConvertedType::MAP_KEY_VALUE),
                MapForm::Outer => (ConvertedType::MAP_KEY_VALUE, ConvertedType::NONE),
            };
            let name = if inside == ConvertedType::NONE { "key_value" } else { "map" };
            let entries = Type::group_type_builder(name).with_repetition(Repetition::REPEATED);
            let entries = entries.with_converted_type(inside).with_fields(inner).build().unwrap();
            let map = Type::group_type_builder(&node.name).with_repetition(repetition).with_converted_type(outside);
            let map = map.with_logical_type((*form == MapForm::Standard).then_some(LogicalType::Map));
            map.with_fields(vec![entries.into()]).build().unwrap()
        }
    }
}

fn list(node: &Node, form: ListForm, element: &Node, repetition: Repetition) -> Type {
    let renamed = |name: &str| Node { name: name.into(), ..element.clone() };
    let (outer, inner) = match form {
        ListForm::Bare => return field(&renamed(&node.name), Repetition::REPEATED),
        // this name says of a group with a single field that the group is the element
        ListForm::TwoLevels => ("", "array"),
        ListForm::Standard => ("list", "element"),
        ListForm::Item => ("list", "item"),
        ListForm::Bag => ("bag", "array_element"),
    };
    let repeated = match form {
        ListForm::TwoLevels => field(&renamed(inner), Repetition::REPEATED),
        _ => {
            let group = Type::group_type_builder(outer).with_repetition(Repetition::REPEATED);
            group.with_fields(vec![field(&renamed(inner), self::repetition(element)).into()]).build().unwrap()
        }
    };
    let list = Type::group_type_builder(&node.name).with_repetition(repetition);
    let list = list.with_converted_type(ConvertedType::LIST);
    let list = list.with_logical_type((form == ListForm::Standard).then_some(LogicalType::List));
    list.with_fields(vec![repeated.into()]).build().unwrap()
}

fn primitive(name: &str, leaf: &Leaf, repetition: Repetition) -> Type {
    let (physical, length) = physical(leaf.kind);
    let (logical, converted) = annotation(leaf.kind);
    let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition).with_length(length);
    let builder = match leaf.kind {
        Kind::Decimal { precision, scale, .. } => builder.with_precision(precision.into()).with_scale(scale.into()),
        _ => builder,
    };
    match logical {
        // the builder writes the converted type that goes with it
        Some(logical) if !(leaf.legacy && converted != ConvertedType::NONE) => {
            builder.with_logical_type(Some(logical)).build().unwrap()
        }
        _ => builder.with_converted_type(converted).build().unwrap(),
    }
}

/// The physical type, and the length of one that is fixed.
pub fn physical(kind: Kind) -> (Physical, i32) {
    match kind {
        Kind::Boolean => (Physical::BOOLEAN, -1),
        Kind::Integer { bits: 64, .. } => (Physical::INT64, -1),
        Kind::Integer { .. } | Kind::Date | Kind::Time(Unit::Milli) | Kind::Unknown => (Physical::INT32, -1),
        Kind::Time(_) | Kind::Timestamp { .. } => (Physical::INT64, -1),
        Kind::Decimal { storage, .. } => match storage {
            Storage::Int32 => (Physical::INT32, -1),
            Storage::Int64 => (Physical::INT64, -1),
            Storage::Fixed(length) => (Physical::FIXED_LEN_BYTE_ARRAY, length.into()),
            Storage::Bytes => (Physical::BYTE_ARRAY, -1),
        },
        Kind::Int96 => (Physical::INT96, -1),
        Kind::Half => (Physical::FIXED_LEN_BYTE_ARRAY, 2),
        Kind::Float => (Physical::FLOAT, -1),
        Kind::Double => (Physical::DOUBLE, -1),
        Kind::Text | Kind::Enum | Kind::Json | Kind::Bson | Kind::Bytes => (Physical::BYTE_ARRAY, -1),
        Kind::Uuid => (Physical::FIXED_LEN_BYTE_ARRAY, 16),
        Kind::Interval => (Physical::FIXED_LEN_BYTE_ARRAY, 12),
        Kind::Fixed(length) => (Physical::FIXED_LEN_BYTE_ARRAY, length.into()),
    }
}

fn annotation(kind: Kind) -> (Option<LogicalType>, ConvertedType) {
    let parquet_unit = |unit| match unit {
        Unit::Milli => TimeUnit::MILLIS,
        Unit::Micro => TimeUnit::MICROS,
        Unit::Nano => TimeUnit::NANOS,
    };
    match kind {
        Kind::Integer { bits, signed } => {
            let converted = match (bits, signed) {
                (8, true) => ConvertedType::INT_8,
                (16, true) => ConvertedType::INT_16,
                (32, true) => ConvertedType::INT_32,
                (_, true) => ConvertedType::INT_64,
                (8, false) => ConvertedType::UINT_8,
                (16, false) => ConvertedType::UINT_16,
                (32, false) => ConvertedType::UINT_32,
                (_, false) => ConvertedType::UINT_64,
            };
            (Some(LogicalType::integer(bits as i8, signed)), converted)
        }
        Kind::Decimal { precision, scale, .. } => {
            (Some(LogicalType::decimal(scale.into(), precision.into())), ConvertedType::DECIMAL)
        }
        Kind::Date => (Some(LogicalType::Date), ConvertedType::DATE),
        Kind::Time(unit) => {
            let converted = match unit {
                Unit::Milli => ConvertedType::TIME_MILLIS,
                Unit::Micro => ConvertedType::TIME_MICROS,
                Unit::Nano => ConvertedType::NONE,
            };
            (Some(LogicalType::time(true, parquet_unit(unit))), converted)
        }
        Kind::Timestamp { unit, utc } => {
            // the converted types mean an instant, so a wall clock has none
            let converted = match (unit, utc) {
                (Unit::Milli, true) => ConvertedType::TIMESTAMP_MILLIS,
                (Unit::Micro, true) => ConvertedType::TIMESTAMP_MICROS,
                _ => ConvertedType::NONE,
            };
            (Some(LogicalType::timestamp(utc, parquet_unit(unit))), converted)
        }
        Kind::Text => (Some(LogicalType::String), ConvertedType::UTF8),
        Kind::Enum => (Some(LogicalType::Enum), ConvertedType::ENUM),
        // without the logical type a reader takes it for text, which is another family
        Kind::Json => (Some(LogicalType::Json), ConvertedType::NONE),
        Kind::Bson => (Some(LogicalType::Bson), ConvertedType::BSON),
        Kind::Uuid => (Some(LogicalType::Uuid), ConvertedType::NONE),
        Kind::Half => (Some(LogicalType::Float16), ConvertedType::NONE),
        Kind::Unknown => (Some(LogicalType::Unknown), ConvertedType::NONE),
        Kind::Interval => (None, ConvertedType::INTERVAL),
        Kind::Boolean | Kind::Int96 | Kind::Float | Kind::Double | Kind::Bytes | Kind::Fixed(_) => {
            (None, ConvertedType::NONE)
        }
    }
}
