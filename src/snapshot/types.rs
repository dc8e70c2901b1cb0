//! The types of one side: their names, and how the files of one snapshot agree on a type per column.

use arrow::datatypes::DataType::*;
use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::basic::{ConvertedType, LogicalType};
use parquet::schema::types::{SchemaDescriptor, Type as ParquetType};

/// The metadata key under which Arrow stores an extension type in a field.
pub(crate) const EXTENSION: &str = "ARROW:extension:name";
const VARIANT: &str = "arrow.parquet.variant";
/// The metadata key with the type names of the files of a mixed column.
pub(super) const MIXED_TYPES: &str = "countersign.types";
/// The metadata key for the type that a column of text was loaded as, where some cells are not of that type.
pub(crate) const LOADED_TYPE: &str = "countersign.type";
/// The metadata key for the shapes of a column of text that was loaded.
pub(crate) const LOADED_SHAPES: &str = "countersign.shapes";
/// The metadata key for the time at which the rows of a file were exported, in the schema of a file that was loaded.
pub(crate) const TAKEN_AT: &str = "countersign.taken_at";
/// The metadata key for the name of a field's type in its file, if it is read as a wider type.
pub(crate) const STORED: &str = "countersign.stored";

/// A meaning beyond the type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// Sixteen bytes that are a UUID.
    Uuid,
    Json,
    /// Parquet's VARIANT, as the field or inside of it: one value has many encodings.
    Variant,
}

/// The extension type of a field, if it changes the meaning of equality.
pub(crate) fn extension(field: &Field) -> Option<Extension> {
    match field.metadata().get(EXTENSION)?.as_str() {
        "arrow.uuid" => Some(Extension::Uuid),
        "arrow.json" => Some(Extension::Json),
        VARIANT => Some(Extension::Variant),
        _ => None,
    }
}

/// The schema to read a file with: types that can be decoded, and marks on the columns that contain VARIANTs, which the
/// reader would return as plain structs.
pub(crate) fn readable(schema: &SchemaRef, parquet: &SchemaDescriptor) -> SchemaRef {
    let columns = parquet.root_schema().get_fields();
    let holds_variant = |name: &str| columns.iter().any(|column| column.name() == name && is_variant(column));
    let mark = |field: &FieldRef| -> FieldRef {
        let field: FieldRef = Field::clone(field).with_data_type(decodable(field.data_type())).into();
        if holds_variant(field.name()) {
            let variant = HashMap::from([(EXTENSION.to_string(), VARIANT.to_string())]);
            return Field::clone(&field).with_metadata(variant).into();
        }
        field
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(mark).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone()).into()
}

/// The path of the first map whose keys are nullable.
pub(crate) fn map_with_optional_key(parquet: &ParquetType) -> Option<String> {
    parquet.get_fields().iter().find_map(|column| optional_key(column.name(), column))
}

pub(crate) fn is_map(column: &ParquetType) -> bool {
    let info = column.get_basic_info();
    matches!(info.logical_type_ref(), Some(LogicalType::Map))
        || matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
}

fn optional_key(path: &str, column: &ParquetType) -> Option<String> {
    if column.is_primitive() {
        return None;
    }
    let key = column
        .get_fields()
        .first()
        .filter(|pair| is_map(column) && pair.is_group())
        .and_then(|pair| pair.get_fields().first());
    if key.is_some_and(|key| key.is_optional()) {
        return Some(path.into());
    }
    column.get_fields().iter().find_map(|part| optional_key(&format!("{path}.{}", part.name()), part))
}

pub(super) fn is_variant(column: &ParquetType) -> bool {
    let own = matches!(column.get_basic_info().logical_type_ref(), Some(LogicalType::Variant(_)));
    own || column.is_group() && column.get_fields().iter().any(|field| is_variant(field))
}

/// The kind of the values of a mixed column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mixed {
    Numbers,
    /// Timestamps with a zone.
    Instants,
    /// Timestamps without a zone.
    Clocks,
}

impl Mixed {
    const ALL: [Mixed; 3] = [Mixed::Numbers, Mixed::Instants, Mixed::Clocks];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Mixed::Numbers => "countersign.mixed.numbers",
            Mixed::Instants => "countersign.mixed.instants",
            Mixed::Clocks => "countersign.mixed.clocks",
        }
    }

    /// The kind of a field, if it is a mixed column.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        let name = field.metadata().get(EXTENSION)?;
        Mixed::ALL.into_iter().find(|mixed| mixed.extension() == name)
    }

    /// The type names of the files of a mixed field, for people.
    pub(crate) fn types(field: &Field) -> Option<&str> {
        Mixed::of(field)?;
        field.metadata().get(MIXED_TYPES).map(String::as_str)
    }
}

/// The name of a column's type for people: its meaning, independent of its layout in Arrow.
pub(crate) fn type_name(field: &Field) -> String {
    if let Some(stored) = field.metadata().get(STORED) {
        return stored.clone();
    }
    if let Some(types) = Mixed::types(field) {
        return types.into();
    }
    match extension(field) {
        Some(Extension::Uuid) => "uuid".into(),
        Some(Extension::Json) => "json".into(),
        Some(Extension::Variant) => "variant".into(),
        None => data_type_name(field.data_type()),
    }
}

/// The name of a type without extensions.
pub(crate) fn data_type_name(data_type: &DataType) -> String {
    match data_type {
        Null => "null".into(),
        Boolean => "boolean".into(),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => data_type.to_string().to_lowercase(),
        Float16 | Float32 | Float64 => data_type.to_string().to_lowercase(),
        Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) | Decimal256(p, s) => format!("decimal({p}, {s})"),
        Utf8 | LargeUtf8 | Utf8View => "text".into(),
        Binary | LargeBinary | BinaryView => "binary".into(),
        FixedSizeBinary(width) => format!("binary({width})"),
        Date32 | Date64 => "date".into(),
        Time32(unit) | Time64(unit) => format!("time({})", unit_name(unit)),
        Timestamp(unit, None) => format!("timestamp({})", unit_name(unit)),
        Timestamp(unit, Some(zone)) => format!("timestamp({}, {zone})", unit_name(unit)),
        Duration(unit) => format!("duration({})", unit_name(unit)),
        Interval(_) => "interval".into(),
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
            format!("list<{}>", type_name(item))
        }
        Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| format!("{}: {}", field.name(), type_name(field))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        Map(entries, _) => match entries.data_type() {
            Struct(fields) if fields.len() == 2 => {
                format!("map<{}, {}>", type_name(&fields[0]), type_name(&fields[1]))
            }
            _ => "map".into(),
        },
        Dictionary(_, value) => data_type_name(value),
        RunEndEncoded(_, value) => type_name(value),
        other => other.to_string().to_lowercase(),
    }
}

pub(crate) fn unit_name(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

/// The type in which a column is decoded: without dictionary and run-end encoding at every level, and with lists of
/// every layout as plain lists. An Arrow schema may specify dictionaries whose keys overflow when a batch spans row
/// groups, or dictionaries of types that the reader refuses as damage.
pub(crate) fn decodable(data_type: &DataType) -> DataType {
    let inner =
        |field: &FieldRef| -> FieldRef { Field::clone(field).with_data_type(decodable(field.data_type())).into() };
    match data_type {
        Dictionary(_, value) => decodable(value),
        RunEndEncoded(_, value) => decodable(value.data_type()),
        List(item) | FixedSizeList(item, _) | ListView(item) => List(inner(item)),
        LargeList(item) | LargeListView(item) => LargeList(inner(item)),
        Struct(fields) => Struct(fields.iter().map(inner).collect()),
        Map(entries, sorted) => Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

/// The first name that occurs twice among the fields of a struct, as a path.
pub(crate) fn name_twice(path: &str, fields: &Fields) -> Option<String> {
    fields.iter().enumerate().find_map(|(at, field)| {
        let path = if path.is_empty() { field.name().clone() } else { format!("{path}.{}", field.name()) };
        if fields[..at].iter().any(|earlier| earlier.name() == field.name()) {
            return Some(path);
        }
        match field.data_type() {
            Struct(fields) => name_twice(&path, fields),
            List(item) | LargeList(item) | FixedSizeList(item, _) => {
                name_twice(&path, &Fields::from(vec![Field::clone(item).with_name("[]")]))
            }
            _ => None,
        }
    })
}

/// The type in which a column is read: text and bytes as views, with unchanged values.
pub(crate) fn plain_field(field: &Field) -> FieldRef {
    field.clone().with_data_type(plain(field.data_type())).into()
}

/// The same with all children nullable, like the columns of a snapshot: a required child of a struct is NULL where the
/// struct is, and arrays that do not allow that cannot be sorted or concatenated.
pub(crate) fn nullable_inside(field: &Field) -> Field {
    field.clone().with_data_type(loosened(field.data_type()))
}

fn loosened(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| -> FieldRef { nullable_inside(field).with_nullable(true).into() };
    match data_type {
        List(item) => List(inner(item)),
        LargeList(item) => LargeList(inner(item)),
        Struct(fields) => Struct(fields.iter().map(inner).collect()),
        Map(entries, sorted) => match entries.data_type() {
            Struct(parts) if parts.len() == 2 => {
                let parts = [nullable_inside(&parts[0]).into(), inner(&parts[1])];
                Map(Field::clone(entries).with_data_type(Struct(parts.into_iter().collect())).into(), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// The schema of a file with text and bytes as views, which the reader creates directly.
pub(crate) fn with_views(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| plain_field(field));
    Schema::new_with_metadata(fields.collect::<Vec<FieldRef>>(), schema.metadata().clone()).into()
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        Utf8 | LargeUtf8 => Utf8View,
        Binary | LargeBinary => BinaryView,
        other => other.clone(),
    }
}

/// A field that represents all values of both fields without loss, or `None`.
pub(crate) fn widen_field(field: &Field, other: &Field) -> Option<Field> {
    // a column that is entirely NULL has no meaning beyond its type
    if field.data_type() == &Null {
        return Some(Field::clone(&plain_field(other)));
    }
    if other.data_type() != &Null && extension(field) != extension(other) {
        return None;
    }
    widen(field.data_type(), &plain(other.data_type())).map(|wider| field.clone().with_data_type(wider))
}

fn widen(a: &DataType, b: &DataType) -> Option<DataType> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Float16 | Float32 | Float64, Float16 | Float32 | Float64) => Some(wider(a, b)),
        // requires that every integer is exactly representable as a float, which is checked when it is read
        (whole, float) | (float, whole) if whole.is_integer() && float.is_floating() => Some(Float64),
        (Timestamp(one, zone), Timestamp(two, other)) if zone.is_some() == other.is_some() => {
            Some(Timestamp(*finer(one, two), zone.clone()))
        }
        (Duration(one), Duration(two)) => Some(Duration(*finer(one, two))),
        (Time32(one) | Time64(one), Time32(two) | Time64(two)) => match finer(one, two) {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => Some(Time32(*unit)),
            unit => Some(Time64(*unit)),
        },
        (Date32 | Date64, Date32 | Date64) => Some(Date64),
        (FixedSizeBinary(_) | BinaryView, FixedSizeBinary(_) | BinaryView) => Some(BinaryView),
        (List(one) | LargeList(one), List(two) | LargeList(two)) => {
            let item = widen_nested(one, two)?;
            Some(if matches!((a, b), (List(_), List(_))) { List(item) } else { LargeList(item) })
        }
        (Map(one, sorted), Map(two, _)) => {
            // the children of a map entry are identified by position, because their names are not reliable
            let (Struct(one_parts), Struct(two_parts)) = (one.data_type(), two.data_type()) else { return None };
            let key = widen_nested(&one_parts[0], &two_parts[0])?;
            let value = widen_nested(&one_parts[1], &two_parts[1])?;
            let parts = Struct(vec![Field::clone(&key).with_nullable(false).into(), value].into());
            Some(Map(Field::clone(one).with_data_type(parts).into(), *sorted))
        }
        (Struct(one), Struct(two)) if one.len() == two.len() => {
            let widened: Option<Vec<FieldRef>> = one
                .iter()
                .map(|field| widen_nested(field, two.iter().find(|other| other.name() == field.name())?))
                .collect();
            Some(Struct(widened?.into()))
        }
        _ => widen_exact(a, b),
    }
}

/// Widens below the top level, where the names of list items and nullability depend on the writer.
fn widen_nested(field: &FieldRef, other: &FieldRef) -> Option<FieldRef> {
    if extension(field) != extension(other) {
        return None;
    }
    let wider = widen(&plain(field.data_type()), &plain(other.data_type()))?;
    Some(field.as_ref().clone().with_data_type(wider).with_nullable(true).into())
}

fn wider(a: &DataType, b: &DataType) -> DataType {
    if a.primitive_width() > b.primitive_width() { a.clone() } else { b.clone() }
}

/// Widens integers and decimals: the digits before and after the point must both fit.
fn widen_exact(a: &DataType, b: &DataType) -> Option<DataType> {
    if a.is_signed_integer() && b.is_signed_integer() || a.is_unsigned_integer() && b.is_unsigned_integer() {
        return Some(wider(a, b));
    }
    if a.is_integer() && b.is_integer() && a != &UInt64 && b != &UInt64 {
        return Some(Int64);
    }
    let ((whole_a, scale_a), (whole_b, scale_b)) = (digits(a)?, digits(b)?);
    let (whole, scale) = (whole_a.max(whole_b), scale_a.max(scale_b));
    match whole + scale {
        ..=38 => Some(Decimal128((whole + scale) as u8, scale as i8)),
        39..=76 => Some(Decimal256((whole + scale) as u8, scale as i8)),
        _ => None,
    }
}

/// The maximum numbers of digits of a type before and after the decimal point.
pub(crate) fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    match data_type {
        Int8 | UInt8 => Some((3, 0)),
        Int16 | UInt16 => Some((5, 0)),
        Int32 | UInt32 => Some((10, 0)),
        Int64 => Some((19, 0)),
        UInt64 => Some((20, 0)),
        Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) | Decimal256(p, s) => {
            let (precision, scale) = (i16::from(*p), i16::from(*s));
            Some((precision - scale, scale.max(0)))
        }
        _ => None,
    }
}

pub(crate) fn ticks_per_second(unit: &TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The finer of two units, in which the values of both are whole numbers.
pub(crate) fn finer<'a>(a: &'a TimeUnit, b: &'a TimeUnit) -> &'a TimeUnit {
    if a > b { a } else { b }
}
