//! Cells as bytes: typed, length-prefixed, and with NULL distinct from every value.
//!
//! Nested values are compared in this form, and so are rows that have to be distinguished as a whole. Each canonical
//! array writes a flag (0 for NULL, 1 for a value) and then either a fixed number of bytes, or a length and that many
//! bytes. So two rows of a pair of tables have the same bytes only if every cell is equal, without separators or
//! sentinels.

use arrow::array::{Array, AsArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, UInt64Type};

/// A canonical array that can write its cells.
pub(crate) enum KeyBytes<'a> {
    /// 1 byte.
    Boolean(&'a BooleanArray),
    /// 4 bytes.
    Int32(&'a PrimitiveArray<Int32Type>),
    /// 8 bytes.
    Int64(&'a PrimitiveArray<Int64Type>),
    /// 8 bytes.
    UInt64(&'a PrimitiveArray<UInt64Type>),
    /// 8 bytes.
    Float64(&'a PrimitiveArray<Float64Type>),
    /// 16 bytes.
    Decimal128(&'a PrimitiveArray<Decimal128Type>),
    /// 32 bytes.
    Decimal256(&'a PrimitiveArray<Decimal256Type>),
    /// [`super::number::WIDTH`] bytes.
    Number(&'a FixedSizeBinaryArray),
    /// Variable length.
    Bytes(&'a BinaryViewArray),
}

impl<'a> KeyBytes<'a> {
    /// Downcasts a canonical array; see [`super::Domain::canonical_type`] for the possible types.
    pub(crate) fn of(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Boolean => KeyBytes::Boolean(array.as_boolean()),
            DataType::Int32 => KeyBytes::Int32(array.as_primitive()),
            DataType::Int64 => KeyBytes::Int64(array.as_primitive()),
            DataType::UInt64 => KeyBytes::UInt64(array.as_primitive()),
            DataType::Float64 => KeyBytes::Float64(array.as_primitive()),
            DataType::Decimal128(..) => KeyBytes::Decimal128(array.as_primitive()),
            DataType::Decimal256(..) => KeyBytes::Decimal256(array.as_primitive()),
            DataType::FixedSizeBinary(_) => KeyBytes::Number(array.as_fixed_size_binary()),
            DataType::BinaryView => KeyBytes::Bytes(array.as_binary_view()),
            other => unreachable!("{other} is not a canonical type"),
        }
    }

    /// Appends one cell.
    pub(crate) fn append(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            KeyBytes::Boolean(array) => put(out, array.is_valid(row), &[u8::from(array.value(row))]),
            KeyBytes::Int32(array) => put(out, array.is_valid(row), &array.value(row).to_le_bytes()),
            KeyBytes::Int64(array) => put(out, array.is_valid(row), &array.value(row).to_le_bytes()),
            KeyBytes::UInt64(array) => put(out, array.is_valid(row), &array.value(row).to_le_bytes()),
            KeyBytes::Float64(array) => put(out, array.is_valid(row), &array.value(row).to_le_bytes()),
            KeyBytes::Decimal128(array) => put(out, array.is_valid(row), &array.value(row).to_le_bytes()),
            KeyBytes::Decimal256(array) => put(out, array.is_valid(row), &array.value(row).to_le_bytes()),
            KeyBytes::Number(array) => put(out, array.is_valid(row), array.value(row)),
            KeyBytes::Bytes(array) => {
                let valid = array.is_valid(row);
                let bytes: &[u8] = if valid { array.value(row) } else { &[] };
                put(out, valid, &(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Appends a flag and a value of fixed width.
fn put(out: &mut Vec<u8>, valid: bool, value: &[u8]) {
    out.push(u8::from(valid));
    match valid {
        true => out.extend_from_slice(value),
        // the bytes under a NULL are undefined
        false => out.resize(out.len() + value.len(), 0),
    }
}
