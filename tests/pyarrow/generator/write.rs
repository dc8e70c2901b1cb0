//! A table as a file: by the crate's low-level writer, which can say everything, or by its Arrow writer, which
//! leaves an Arrow schema with types of its own behind.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::arrow::array::RecordBatch;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter, encode_arrow_schema};
use parquet::basic::Type as Physical;
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::SchemaDescriptor;

use super::Table;
use super::arrow;
use super::random::Random;
use super::schema::{message, physical};
use super::settings::settings;
use super::shape::{Kind, Node};
use super::shred::{Column, shred};

/// Writes a table one way or the other.
pub fn write(table: &Table, path: &Path, random: &mut Random) {
    let is_plain = table.columns_with(&|leaf| leaf.kind == Kind::Interval).is_empty();
    match is_plain && random.percent(35) {
        true => write_arrow(table, path, random),
        false => write_columns(table, path, random),
    }
}

fn write_columns(table: &Table, path: &Path, random: &mut Random) {
    let schema = message(&table.columns);
    let descriptor = SchemaDescriptor::new(schema.clone());
    let mut settings = settings(&descriptor, table, random);
    if random.percent(6) {
        settings = settings.set_key_value_metadata(Some(vec![stale_schema(table, random)]));
    }
    let settings = Arc::new(settings.build());
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, settings).unwrap();
    let mut rows = table.rows.as_slice();
    let most = row_group_rows(table, random);
    while !rows.is_empty() {
        let is_empty = random.percent(10);
        let (now, later) = rows.split_at(if is_empty { 0 } else { 1 + random.below(most.min(rows.len())) });
        rows = later;
        let mut group = file.next_row_group().unwrap();
        for column in shred(&table.columns, now) {
            let mut writer = group.next_column().unwrap().unwrap();
            put(&column, &mut writer);
            writer.close().unwrap();
        }
        group.close().unwrap();
    }
    file.close().unwrap();
}

fn row_group_rows(table: &Table, random: &mut Random) -> usize {
    random.pick(&[7, 64, 1000]).max(table.rows.len() / 10)
}

fn put(column: &Column, writer: &mut SerializedColumnWriter<'_>) {
    match physical(column.kind).0 {
        Physical::BOOLEAN => batch::<BoolType>(column, &column.booleans(), writer),
        Physical::INT32 => {
            // unsigned ones keep their bits
            batch::<Int32Type>(column, &column.integers().map(|number| number as i32).collect::<Vec<_>>(), writer);
        }
        Physical::INT64 => batch::<Int64Type>(column, &column.integers().collect::<Vec<_>>(), writer),
        Physical::INT96 => batch::<Int96Type>(column, &column.int96(), writer),
        Physical::FLOAT => {
            batch::<FloatType>(column, &column.floats().map(|number| number as f32).collect::<Vec<_>>(), writer);
        }
        Physical::DOUBLE => batch::<DoubleType>(column, &column.floats().collect::<Vec<_>>(), writer),
        Physical::BYTE_ARRAY => batch::<ByteArrayType>(column, &column.byte_arrays(), writer),
        Physical::FIXED_LEN_BYTE_ARRAY => batch::<FixedLenByteArrayType>(column, &column.fixed(), writer),
    }
}

fn batch<T: DataType>(column: &Column, values: &[T::T], writer: &mut SerializedColumnWriter<'_>) {
    let (definitions, repetitions) = (&column.definitions, &column.repetitions);
    // levels of a column that has none are not looked at
    writer.typed::<T>().write_batch(values, Some(definitions), Some(repetitions)).unwrap();
}

fn write_arrow(table: &Table, path: &Path, random: &mut Random) {
    let batches = batches(table, random);
    let schema = batches[0].schema();
    let leaves = ArrowSchemaConverter::new().convert(&schema).unwrap();
    let settings = settings(&leaves, table, random).set_max_row_group_row_count(Some(row_group_rows(table, random)));
    let settings = settings.set_coerce_types(random.percent(30)).build();
    let options = ArrowWriterOptions::new().with_properties(settings).with_skip_arrow_metadata(random.percent(15));
    let mut writer = ArrowWriter::try_new_with_options(File::create(path).unwrap(), schema, options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
}

/// An Arrow schema of another table, as it is left behind by a tool that changes columns and copies the metadata.
fn stale_schema(table: &Table, random: &mut Random) -> KeyValue {
    let mut other = Table { rows: vec![], ..table.clone() };
    other.columns.retain(|column| !column.any(&|leaf| leaf.kind == Kind::Interval));
    match random.below(4) {
        0 => _ = other.columns.pop(),
        1 => other.columns.push(Node::leaf("added", Kind::Text)),
        2 => other.columns.reverse(),
        _ => other.columns.iter_mut().for_each(|column| column.name.push('_')),
    }
    let schema = arrow::batch(&other, random).schema();
    KeyValue::new("ARROW:schema".into(), encode_arrow_schema(&schema))
}

/// The rows in batches, each with dictionaries of its own, which together may hold more than their codes tell apart.
fn batches(table: &Table, random: &mut Random) -> Vec<RecordBatch> {
    let layouts = random.clone();
    let whole = arrow::batch(table, random);
    let parts = table.rows.chunks(100).map(|rows| {
        let part = Table { rows: rows.to_vec(), ..table.clone() };
        arrow::batch(&part, &mut layouts.clone())
    });
    let parts: Vec<RecordBatch> = parts.collect();
    let is_one_schema = parts.windows(2).all(|pair| pair[0].schema() == pair[1].schema());
    if parts.is_empty() || !is_one_schema { vec![whole] } else { parts }
}
