//! How a file is written: encodings, codecs, page versions and sizes, statistics and indexes.

use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, Type as Physical, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use super::Table;
use super::random::Random;

fn compression(random: &mut Random) -> Compression {
    random.pick(&[
        Compression::UNCOMPRESSED,
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::try_new(3).unwrap()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
    ])
}

fn encoding(physical: Physical, random: &mut Random) -> Encoding {
    use Encoding::*;
    random.pick(match physical {
        Physical::BOOLEAN => &[PLAIN, RLE],
        Physical::INT32 | Physical::INT64 => &[PLAIN, DELTA_BINARY_PACKED, DELTA_BINARY_PACKED, BYTE_STREAM_SPLIT],
        Physical::FLOAT | Physical::DOUBLE => &[PLAIN, BYTE_STREAM_SPLIT],
        Physical::BYTE_ARRAY => &[PLAIN, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY],
        Physical::FIXED_LEN_BYTE_ARRAY => &[PLAIN, DELTA_BYTE_ARRAY, BYTE_STREAM_SPLIT],
        Physical::INT96 => &[PLAIN],
    })
}

/// Settings for a table's file, whatever its rows are written from.
pub fn settings(schema: &SchemaDescriptor, table: &Table, random: &mut Random) -> WriterPropertiesBuilder {
    // a page costs time, and a few of each column are as good as hundreds
    let least = table.rows.len() / 15;
    let mut builder = WriterProperties::builder()
        .set_writer_version(random.pick(&[WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]))
        .set_compression(compression(random))
        .set_data_page_row_count_limit(random.pick(&[1, 5, 33, 100, 20_000]).max(least))
        .set_data_page_size_limit(random.pick(&[64, 1000, 1 << 20]))
        .set_dictionary_page_size_limit(random.pick(&[100, 1 << 20]))
        // pages are only cut between batches of this size
        .set_write_batch_size(random.pick(&[1, 7, 64, 1024]).max(least))
        .set_statistics_enabled(random.pick(&[
            EnabledStatistics::None,
            EnabledStatistics::Chunk,
            EnabledStatistics::Page,
            EnabledStatistics::Page,
        ]))
        .set_write_page_header_statistics(random.percent(30))
        .set_column_index_truncate_length(random.pick(&[None, Some(1), Some(64)]))
        .set_statistics_truncate_length(random.pick(&[None, Some(1), Some(64)]))
        .set_offset_index_disabled(random.percent(20))
        .set_bloom_filter_enabled(random.percent(10));
    if table.sorted && random.percent(60) {
        let sorting = |column| SortingColumn { column_idx: column, descending: false, nulls_first: true };
        builder = builder.set_sorting_columns(Some((0..table.keys as i32).map(sorting).collect()));
    }
    for column in schema.columns() {
        let path = ColumnPath::from(column.path().parts().to_vec());
        builder = builder
            .set_column_dictionary_enabled(path.clone(), random.percent(40))
            .set_column_encoding(path.clone(), encoding(column.physical_type(), random));
        if random.percent(20) {
            builder = builder.set_column_compression(path, compression(random));
        }
    }
    builder
}
