//! Cells as bytes: typed, length-prefixed, with NULL apart from every value.
//!
//! This is what rows are hashed from and what nested values are compared by. Each canonical array
//! writes a flag (0 for NULL, 1 for a value) and then either a fixed number of bytes or a length and
//! that many bytes. Two rows of one pair of tables therefore have the same bytes only if every cell
//! is equal; no separator and no sentinel is involved.

use std::ops::Range;

use arrow::array::{Array, AsArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, UInt64Type, i256,
};

use super::number;

/// A canonical array, ready to write its cells.
pub enum Cells<'a> {
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
    /// As many bytes as [`number::WIDTH`] says.
    Number(&'a FixedSizeBinaryArray),
    /// As many bytes as the cell has.
    Bytes(&'a BinaryViewArray),
}

/// Bytes of the NULL flag.
const FLAG: usize = 1;
/// Bytes of a length.
const LENGTH: usize = 4;

impl<'a> Cells<'a> {
    /// Looks at a canonical array; see [`super::Domain::canonical_type`] for the types there are.
    pub fn of(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Boolean => Cells::Boolean(array.as_boolean()),
            DataType::Int32 => Cells::Int32(array.as_primitive()),
            DataType::Int64 => Cells::Int64(array.as_primitive()),
            DataType::UInt64 => Cells::UInt64(array.as_primitive()),
            DataType::Float64 => Cells::Float64(array.as_primitive()),
            DataType::Decimal128(..) => Cells::Decimal128(array.as_primitive()),
            DataType::Decimal256(..) => Cells::Decimal256(array.as_primitive()),
            DataType::FixedSizeBinary(_) => Cells::Number(array.as_fixed_size_binary()),
            DataType::BinaryView => Cells::Bytes(array.as_binary_view()),
            other => unreachable!("{other} is not a canonical type"),
        }
    }

    /// The width of every cell, or `None` where each has its own.
    fn fixed_width(&self) -> Option<usize> {
        let value = match self {
            Cells::Boolean(_) => 1,
            Cells::Int32(_) => 4,
            Cells::Int64(_) | Cells::UInt64(_) | Cells::Float64(_) => 8,
            Cells::Decimal128(_) => 16,
            Cells::Decimal256(_) => 32,
            Cells::Number(_) => number::WIDTH as usize,
            Cells::Bytes(_) => return None,
        };
        Some(FLAG + value)
    }

    /// Adds each row's width to `widths`.
    pub fn add_widths(&self, widths: &mut [usize]) {
        match (self.fixed_width(), self) {
            (Some(width), _) => widths.iter_mut().for_each(|sum| *sum += width),
            (None, Cells::Bytes(array)) => {
                // the low half of a view is its length
                for (row, (sum, view)) in widths.iter_mut().zip(array.views()).enumerate() {
                    let length = if array.is_null(row) { 0 } else { *view as u32 as usize };
                    *sum += FLAG + LENGTH + length;
                }
            }
            (None, _) => unreachable!("only byte strings vary"),
        }
    }

    /// Writes the cells of `rows`, each at its place in `out`, and moves the places on.
    pub fn write(&self, rows: Range<usize>, out: &mut [u8], places: &mut [usize]) {
        match self {
            Cells::Boolean(array) => {
                for (row, place) in rows.zip(places) {
                    let valid = array.is_valid(row);
                    put(out, place, valid, [u8::from(valid && array.value(row))]);
                }
            }
            Cells::Int32(array) => write_primitive(array, rows, out, places),
            Cells::Int64(array) => write_primitive(array, rows, out, places),
            Cells::UInt64(array) => write_primitive(array, rows, out, places),
            Cells::Float64(array) => write_primitive(array, rows, out, places),
            Cells::Decimal128(array) => write_primitive(array, rows, out, places),
            Cells::Decimal256(array) => write_primitive(array, rows, out, places),
            Cells::Number(array) => {
                for (row, place) in rows.zip(places) {
                    let valid = array.is_valid(row);
                    let mut form = [0; number::WIDTH as usize];
                    if valid {
                        form.copy_from_slice(array.value(row));
                    }
                    put(out, place, valid, form);
                }
            }
            Cells::Bytes(array) => {
                for (row, place) in rows.zip(places) {
                    let valid = array.is_valid(row);
                    let bytes: &[u8] = if valid { array.value(row) } else { &[] };
                    put(out, place, valid, (bytes.len() as u32).to_le_bytes());
                    out[*place..*place + bytes.len()].copy_from_slice(bytes);
                    *place += bytes.len();
                }
            }
        }
    }

    /// Appends one cell.
    pub fn append(&self, row: usize, out: &mut Vec<u8>) {
        let width = match (self.fixed_width(), self) {
            (Some(width), _) => width,
            (None, Cells::Bytes(array)) if array.is_valid(row) => FLAG + LENGTH + array.value(row).len(),
            (None, _) => FLAG + LENGTH,
        };
        let start = out.len();
        out.resize(start + width, 0);
        self.write(row..row + 1, &mut out[start..], &mut [0]);
    }
}

fn put<const N: usize>(out: &mut [u8], place: &mut usize, valid: bool, value: [u8; N]) {
    let cell = &mut out[*place..*place + FLAG + N];
    cell[0] = u8::from(valid);
    cell[FLAG..].copy_from_slice(&value);
    *place += FLAG + N;
}

fn write_primitive<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    rows: Range<usize>,
    out: &mut [u8],
    places: &mut [usize],
) where
    T::Native: Default + LittleEndian,
{
    for (row, place) in rows.zip(places) {
        let valid = array.is_valid(row);
        // what stands under a NULL is the writer's leftover
        let value = if valid { array.value(row) } else { T::Native::default() };
        value.put(out, place, valid);
    }
}

/// A number as bytes that do not depend on the machine.
trait LittleEndian {
    fn put(self, out: &mut [u8], place: &mut usize, valid: bool);
}

macro_rules! little_endian {
    ($($native:ty),*) => {$(
        impl LittleEndian for $native {
            fn put(self, out: &mut [u8], place: &mut usize, valid: bool) {
                put(out, place, valid, self.to_le_bytes());
            }
        }
    )*};
}

little_endian!(i32, i64, u64, f64, i128, i256);
