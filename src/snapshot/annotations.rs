//! Annotations of columns in a Parquet schema that the library handles incorrectly:
//!
//! * Integers of 8 and 16 bits are stored in 32 bits. The library truncates stored values to the annotated width, so
//!   that 128 and -128 become the same value. Such columns are read as 32-bit integers instead.
//! * The annotation (UUID, JSON) of repeated values without a list around them is lost, or fails the decoding of the
//!   footer.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::Result;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use super::types::{EXTENSION, STORED, is_variant};

/// The schema to read a file with; `None` if it is the file's own.
pub(super) fn readable(schema: &SchemaDescriptor) -> Result<Option<SchemaDescPtr>> {
    let root = schema.root_schema_ptr();
    let changed = rewritten(&root)?;
    Ok((!Arc::ptr_eq(&root, &changed)).then(|| Arc::new(SchemaDescriptor::new(changed))))
}

fn rewritten(column: &TypePtr) -> Result<TypePtr> {
    if column.is_primitive() {
        return primitive(column);
    }
    let fields = column.get_fields().iter().map(rewritten).collect::<Result<Vec<_>>>()?;
    if fields.iter().zip(column.get_fields()).all(|(new, old)| Arc::ptr_eq(new, old)) {
        return Ok(column.clone());
    }
    let info = column.get_basic_info();
    let mut group = Type::group_type_builder(column.name())
        .with_fields(fields)
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_id(info.has_id().then(|| info.id()));
    if info.has_repetition() {
        group = group.with_repetition(info.repetition());
    }
    Ok(Arc::new(group.build()?))
}

fn primitive(column: &TypePtr) -> Result<TypePtr> {
    let info = column.get_basic_info();
    let is_repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
    let (logical, converted) = match (narrow(column), meaning(column)) {
        (Some(Narrow { is_signed: true, .. }), _) => (None, ConvertedType::NONE),
        (Some(Narrow { is_signed: false, .. }), _) => (Some(LogicalType::integer(32, false)), ConvertedType::UINT_32),
        (None, Some(Meaning::Uuid)) if is_repeated => (None, ConvertedType::NONE),
        (None, Some(Meaning::Json)) if is_repeated => (Some(LogicalType::String), ConvertedType::UTF8),
        _ => return Ok(column.clone()),
    };
    let Type::PrimitiveType { physical_type, type_length, .. } = column.as_ref() else { return Ok(column.clone()) };
    let mut plain = Type::primitive_type_builder(column.name(), *physical_type)
        .with_converted_type(converted)
        .with_logical_type(logical)
        .with_length(*type_length)
        .with_id(info.has_id().then(|| info.id()));
    if info.has_repetition() {
        plain = plain.with_repetition(info.repetition());
    }
    Ok(Arc::new(plain.build()?))
}

/// The annotation of an integer that is stored in more bits than it has.
struct Narrow {
    is_signed: bool,
    name: &'static str,
}

fn narrow(column: &Type) -> Option<Narrow> {
    if column.is_group() || column.get_physical_type() != PhysicalType::INT32 {
        return None;
    }
    let info = column.get_basic_info();
    let (is_signed, name) = match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Integer(integer)), _) => match (integer.bit_width, integer.is_signed) {
            (8, true) => (true, "int8"),
            (16, true) => (true, "int16"),
            (8, false) => (false, "uint8"),
            (16, false) => (false, "uint16"),
            _ => return None,
        },
        (None, ConvertedType::INT_8) => (true, "int8"),
        (None, ConvertedType::INT_16) => (true, "int16"),
        (None, ConvertedType::UINT_8) => (false, "uint8"),
        (None, ConvertedType::UINT_16) => (false, "uint16"),
        _ => return None,
    };
    Some(Narrow { is_signed, name })
}

/// An annotation that Arrow stores in the metadata of a field.
#[derive(Clone, Copy)]
enum Meaning {
    Uuid,
    Json,
}

fn meaning(column: &Type) -> Option<Meaning> {
    let info = column.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Uuid), _) => Some(Meaning::Uuid),
        (Some(LogicalType::Json), _) | (None, ConvertedType::JSON) => Some(Meaning::Json),
        _ => None,
    }
}

/// A schema with all annotations of the file's own schema. Readers do not use it, because they lose them below lists.
pub(super) fn meant(schema: &SchemaRef, parquet: &SchemaDescriptor) -> SchemaRef {
    let columns = parquet.root_schema().get_fields();
    let annotate = |field: &FieldRef| {
        let stored = columns.iter().find(|column| column.name() == field.name() && !is_variant(column));
        stored.map_or_else(|| field.clone(), |column| annotated(field, column))
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(annotate).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone()).into()
}

/// A field with the annotations in the file's own schema, for it and its children.
fn annotated(field: &FieldRef, column: &Type) -> FieldRef {
    let is_repeated =
        column.get_basic_info().has_repetition() && column.get_basic_info().repetition() == Repetition::REPEATED;
    match field.data_type() {
        // a repeated field is a list by itself
        DataType::List(item) if is_repeated => with_type(field, DataType::List(own(item, column))),
        DataType::LargeList(item) if is_repeated => with_type(field, DataType::LargeList(own(item, column))),
        _ => own(field, column),
    }
}

/// The same for a single value of a column.
fn own(field: &FieldRef, column: &Type) -> FieldRef {
    if column.is_primitive() {
        return of_primitive(field, column);
    }
    let parts = column.get_fields();
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) => {
            let Some(repeated) = parts.first() else { return field.clone() };
            let item = item_of(item, repeated);
            match field.data_type() {
                DataType::List(_) => with_type(field, DataType::List(item)),
                _ => with_type(field, DataType::LargeList(item)),
            }
        }
        DataType::Map(entries, sorted) => match (entries.data_type(), parts.first()) {
            (DataType::Struct(fields), Some(pair)) if pair.is_group() && pair.get_fields().len() == fields.len() => {
                let fields = fields.iter().zip(pair.get_fields()).map(|(field, part)| annotated(field, part)).collect();
                let entries = with_type(entries, DataType::Struct(fields));
                with_type(field, DataType::Map(entries, *sorted))
            }
            _ => field.clone(),
        },
        DataType::Struct(fields) if fields.len() == parts.len() => {
            let fields = fields.iter().zip(parts).map(|(field, part)| annotated(field, part)).collect();
            with_type(field, DataType::Struct(fields))
        }
        _ => field.clone(),
    }
}

/// The item of a list; `repeated` is the repeated field in it: the item, or a group around it.
fn item_of(item: &FieldRef, repeated: &Type) -> FieldRef {
    match repeated.is_group() && repeated.get_fields().len() == 1 && repeated.get_fields()[0].name() == item.name() {
        true => annotated(item, &repeated.get_fields()[0]),
        false if repeated.is_primitive() || matches!(item.data_type(), DataType::Struct(_)) => own(item, repeated),
        false => repeated.get_fields().first().map_or_else(|| item.clone(), |element| annotated(item, element)),
    }
}

fn of_primitive(field: &FieldRef, column: &Type) -> FieldRef {
    let (key, word) = match (narrow(column), meaning(column)) {
        (Some(Narrow { name, .. }), _) => (STORED, name),
        (None, Some(Meaning::Uuid)) if field.data_type() == &DataType::FixedSizeBinary(16) => (EXTENSION, "arrow.uuid"),
        (None, Some(Meaning::Json)) if is_text(field.data_type()) => (EXTENSION, "arrow.json"),
        _ => return field.clone(),
    };
    let mut metadata: HashMap<String, String> = field.metadata().clone();
    metadata.insert(key.into(), word.into());
    Arc::new(Field::clone(field).with_metadata(metadata))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn with_type(field: &FieldRef, data_type: DataType) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(data_type))
}
