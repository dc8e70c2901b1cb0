//! The floor under every comparison: decodes all columns of Parquet files and does nothing with them.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/floor/Cargo.toml -- old.parquet new.parquet
//! ```
//!
//! One task per row group on as many threads as there are cores (`RAYON_NUM_THREADS` sets another number),
//! through the plain Arrow reader with strings as views. Prints how many rows went by.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut groups = vec![];
    for path in std::env::args().skip(1) {
        let metadata = ArrowReaderMetadata::load(&File::open(&path)?, Default::default())?;
        let viewed = ArrowReaderOptions::new().with_schema(with_views(metadata.schema()));
        let metadata = ArrowReaderMetadata::load(&File::open(&path)?, viewed)?;
        groups.extend((0..metadata.metadata().num_row_groups()).map(|group| (path.clone(), metadata.clone(), group)));
    }
    let rows = groups.par_iter().with_max_len(1).map(|(path, metadata, group)| -> Result<usize> {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, metadata.clone());
        let reader = reader.with_row_groups(vec![*group]).with_batch_size(8192).build()?;
        reader.map(|batch| Ok(batch?.num_rows())).sum()
    });
    let rows: usize = rows.collect::<Result<Vec<usize>>>()?.into_iter().sum();
    println!("{rows} rows decoded");
    Ok(())
}

fn with_views(schema: &Schema) -> Arc<Schema> {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary => field.as_ref().clone().with_data_type(DataType::BinaryView),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<Field>>(), schema.metadata().clone()))
}
