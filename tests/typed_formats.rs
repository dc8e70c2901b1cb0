//! Files of formats that have types: Arrow and ORC.

use std::fs;
use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{ArrayRef, Int64Array, IntervalMonthDayNanoArray, RecordBatch};

use crate::loading::counts;
use crate::support::Workshop;

#[test]
fn intervals_of_arrow_files_keep_months_days_and_nanoseconds() {
    let shop = Workshop::new();
    let intervals = IntervalMonthDayNanoArray::from(vec![
        Some(IntervalMonthDayNano::new(14, -3, 14_706_500_000_000)),
        Some(IntervalMonthDayNano::new(0, 1, 0)),
        Some(IntervalMonthDayNano::new(-1, 0, -500_000_000)),
        Some(IntervalMonthDayNano::new(0, 0, 0)),
        None,
    ]);
    let ids = Int64Array::from_iter_values(1..=5);
    let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("v", Arc::new(intervals) as ArrayRef)]);
    let batch = batch.unwrap();
    let mut writer =
        arrow::ipc::writer::FileWriter::try_new(fs::File::create(shop.path("old.arrow")).unwrap(), &batch.schema());
    let writer = writer.as_mut().unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let new = "id,v\n1,1 year 2 mons -3 days +04:05:06.5\n2,24:00:00\n3,-1 mons -00:00:00.5\n4,00:00:00\n5,\n";
    fs::write(shop.path("new.csv"), new).unwrap();
    fs::write(
        shop.path("job.toml"),
        "[old]\npath = \"old.arrow\"\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n\
         [compare.columns.v]\nas = \"interval\"\n",
    )
    .unwrap();
    assert_eq!(counts(&shop, &["run", "job.toml"]).1, [4, 1, 0, 0]);
}

/// Needs a build with the feature `orc`, as in `.ci/soak`.
#[cfg(feature = "orc")]
#[test]
fn orc_is_compared_by_its_types() {
    let shop = Workshop::new();
    let script = "
import datetime, decimal, pyarrow, pyarrow.orc, pyarrow.parquet
utc = datetime.timezone.utc
rows = [{'id': n, 'text': None if n % 7 == 0 else f't{n}', 'amount': decimal.Decimal(n) / 4, 'flag': n % 2 == 0,
         'day': datetime.date(1900, 1, 1) + datetime.timedelta(n * 31), 'ratio': n / 3, 'data': bytes([n % 256]),
         'at': datetime.datetime(1969, 12, 31, 23, 59, n % 60, n, tzinfo=utc), 'items': [n, None]}
        for n in range(2000)]
schema = pyarrow.schema({'id': pyarrow.int64(), 'text': pyarrow.string(), 'amount': pyarrow.decimal128(12, 2),
    'flag': pyarrow.bool_(), 'day': pyarrow.date32(), 'ratio': pyarrow.float64(), 'data': pyarrow.binary(),
    'at': pyarrow.timestamp('us', 'UTC'), 'items': pyarrow.list_(pyarrow.int32())})
table = pyarrow.Table.from_pylist(rows, schema=schema)
for name in ['uncompressed', 'zlib', 'snappy', 'zstd', 'lz4']:
    pyarrow.orc.write_table(table.drop_columns(['at']), f'{name}.orc', compression=name)
pyarrow.orc.write_table(table, 'times.orc')
pyarrow.parquet.write_table(table.drop_columns(['at']), 'same.parquet')
rows[1234]['amount'] += decimal.Decimal('0.01')
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema).drop_columns(['at']), 'other.parquet')
";
    let python = crate::support::python("orc", &["pyarrow==26.0.1"]);
    assert!(
        std::process::Command::new(python).args(["-c", script]).current_dir(shop.path("")).status().unwrap().success()
    );
    for name in ["uncompressed", "zlib", "snappy", "zstd", "lz4"] {
        let file = format!("{name}.orc");
        assert_eq!(counts(&shop, &["diff", &file, "same.parquet", "--key", "id"]).1, [2000, 0, 0, 0], "{name}");
        assert_eq!(counts(&shop, &["diff", &file, "other.parquet", "--key", "id"]).1, [1999, 1, 0, 0], "{name}");
    }
    // a time that the library reads wrongly would look like any other
    let (code, _, err) = crate::support::run(&shop, &["diff", "times.orc", "same.parquet", "--key", "id"]);
    assert!(code == 2 && err.contains("column `at` has times, which are not read exactly from ORC"), "{err}");
    let whole = fs::read(shop.path("zstd.orc")).unwrap();
    std::fs::write(shop.path("cut.orc"), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(crate::support::run(&shop, &["diff", "cut.orc", "same.parquet", "--key", "id"]).0, 2);
}
