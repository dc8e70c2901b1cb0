//! Cells as bytes: typed, length-prefixed, with NULL apart from every value.
//!
//! This is what nested values are compared by, and rows that have to be told apart whole. Each canonical array
//! writes a flag (0 for NULL, 1 for a value) and then either a fixed number of bytes or a length and
//! that many bytes. Two rows of one pair of tables therefore have the same bytes only if every cell
//! is equal; no separator and no sentinel is involved.

use arrow::array::{Array, AsArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, UInt64Type};

/// A canonical array, ready to write its cells.
pub(crate) enum KeyBytes<'a> {
    /// One byte each.
    Boolean(&'a BooleanArray),
    /// Four bytes each.
    Int32(&'a PrimitiveArray<Int32Type>),
    /// Eight bytes each.
    Int64(&'a PrimitiveArray<Int64Type>),
    /// Eight bytes each.
    UInt64(&'a PrimitiveArray<UInt64Type>),
    /// Eight bytes each.
    Float64(&'a PrimitiveArray<Float64Type>),
    /// Sixteen bytes each.
    Decimal128(&'a PrimitiveArray<Decimal128Type>),
    /// Thirty-two bytes each.
    Decimal256(&'a PrimitiveArray<Decimal256Type>),
    /// As many bytes as [`super::number::WIDTH`] says.
    Number(&'a FixedSizeBinaryArray),
    /// As many bytes as the cell has.
    Bytes(&'a BinaryViewArray),
}

impl<'a> KeyBytes<'a> {
    /// Looks at a canonical array; see [`super::Domain::canonical_type`] for the types there are.
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

/// A flag, and a value of a width that all cells of the column have.
fn put(out: &mut Vec<u8>, valid: bool, value: &[u8]) {
    out.push(u8::from(valid));
    match valid {
        true => out.extend_from_slice(value),
        // what stands under a NULL is the writer's leftover
        false => out.resize(out.len() + value.len(), 0),
    }
}
