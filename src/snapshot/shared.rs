//! Converts the values of a file to the common type of its side, exactly.

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

use super::mixed::texts;
use super::types::Mixed;
use super::{DataFile, Snapshot, type_name};
use crate::error::{AdmissionError, Result};

/// Converts the values of a file to the type of a column of the snapshot.
pub(super) fn typed(snapshot: &Snapshot, file: &DataFile, values: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if values.data_type() == field.data_type() && Mixed::of(field).is_none() {
        return Ok(values.clone());
    }
    match convert(values, field) {
        Ok(converted) => Ok(converted),
        Err(error) => Err(AdmissionError::FilesDoNotFit {
            side: snapshot.side,
            path: file.path.clone(),
            column: field.name().clone(),
            value: misfit(values, field).unwrap_or_else(|| error.to_string()),
            shared: type_name(field),
        }
        .into()),
    }
}

fn convert(values: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    if Mixed::of(field).is_some() {
        return texts(values);
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let converted = cast_with_options(values, field.data_type(), &strict)?;
    // the cast would silently round an integer that a float cannot represent
    let is_exact = !rounds(values.data_type(), field.data_type())
        || cast_with_options(&converted, values.data_type(), &strict)?.as_ref() == values.as_ref();
    match is_exact {
        true => Ok(converted),
        false => Err(ArrowError::CastError("an integer beyond 2^53 that is not exact as a float".into())),
    }
}

/// Whether a conversion turns integers into floats, at any level.
fn rounds(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(from) | DataType::LargeList(from), DataType::List(to) | DataType::LargeList(to))
        | (DataType::Map(from, _), DataType::Map(to, _)) => rounds(from.data_type(), to.data_type()),
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.iter().zip(to).any(|(from, to)| rounds(from.data_type(), to.data_type()))
        }
        (from, to) => from.is_integer() && to.is_floating(),
    }
}

/// The first value that cannot be converted, formatted for people.
fn misfit(values: &ArrayRef, field: &Field) -> Option<String> {
    let row = (0..values.len()).find(|&row| convert(&values.slice(row, 1), field).is_err())?;
    array_value_to_string(values, row).ok()
}
