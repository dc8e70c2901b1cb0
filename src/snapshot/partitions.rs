//! Infers the types of Hive partition columns from directory names.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;

use super::listing::ListedFile;
use crate::error::{Error, Result};
use crate::sides::Owner;

/// The values of the partition columns of one file, with the names of the columns.
type PartitionValues = Vec<(String, ScalarValue)>;

/// The partition columns of a side, and their values for each file.
///
/// A column is an integer or a date only if every directory name is exactly the printed form of such a value; `007`
/// stays text.
pub(super) fn columns(owner: &Owner, files: &[ListedFile]) -> Result<(Vec<FieldRef>, Vec<PartitionValues>)> {
    let names = |file: &ListedFile| file.partitions.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let first = &files[0];
    let columns = names(first);
    if let Some(other) = files.iter().find(|file| names(file) != columns) {
        let described = |file: &ListedFile| (file.path.clone(), names(file).join(", "));
        let files = Box::new([described(first), described(other)]);
        return Err(Error::PartitionsDisagree { owner: owner.clone(), files });
    }
    let mut fields = vec![];
    let mut values = vec![PartitionValues::new(); files.len()];
    for (at, name) in columns.iter().enumerate() {
        let texts: StringArray = files.iter().map(|file| file.partitions[at].1.as_deref()).collect();
        let typed = type_texts(texts)?;
        fields.push(FieldRef::from(Field::new(name, typed.data_type().clone(), true)));
        for (file, values) in values.iter_mut().enumerate() {
            let value = ScalarValue::try_from_array(&typed, file).map_err(Error::internal)?;
            values.push((name.clone(), value));
        }
    }
    Ok((fields, values))
}

fn type_texts(texts: StringArray) -> Result<ArrayRef> {
    let texts: ArrayRef = Arc::new(texts);
    if texts.null_count() == texts.len() {
        return Ok(new_null_array(&DataType::Null, texts.len()));
    }
    for candidate in [DataType::Int64, DataType::Date32] {
        let typed = cast(&texts, &candidate)?;
        if cast(&typed, &DataType::Utf8)?.as_ref() == texts.as_ref() {
            return Ok(typed);
        }
    }
    Ok(cast(&texts, &DataType::Utf8View)?)
}
