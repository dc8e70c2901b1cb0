//! The memory limit holds for all data: the process stays below it or refuses before it begins.
//!
//! Small versions of what `.ci/soak` runs in full; each is a separate process that reports its peak memory.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::support::{Workshop, write_parquet};

const MIB: u64 = 1 << 20;

/// Compares `old` and `new` within a limit, and returns the report or the error message.
fn compare(shop: &Workshop, limit: u64, more: &[&str]) -> Result<Value, String> {
    let limit = format!("{limit}MiB");
    let mut args = vec!["diff", "old", "new", "--quiet", "--format", "json", "--memory", &limit];
    args.extend(if more.contains(&"--no-key") { &[] as &[&str] } else { &["--key", "id"] });
    args.extend(more);
    let output = shop.run(&args);
    match output.status.code() {
        Some(0 | 1) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        Some(2) => Err(String::from_utf8(output.stderr).unwrap()),
        other => panic!("ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Compares within a limit and checks that it held; retries with the limit that a refusal suggests.
fn within(shop: &Workshop, limit: u64, more: &[&str]) -> Value {
    let (limit, report) = match compare(shop, limit, more) {
        Ok(report) => (limit, report),
        Err(said) => {
            let needed = said.split("needs about ").nth(1).and_then(|rest| rest.split(' ').next());
            let limit = needed.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{said}"));
            assert!(said.contains("MiB, but --memory allows"), "{said}");
            (limit, compare(shop, limit, more).unwrap())
        }
    };
    let peak = report["run"]["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak <= limit * MIB, "{} MiB held, {limit} MiB allowed", peak / MIB);
    report
}

fn count(report: &Value, class: &str) -> u64 {
    report["counts"][class].as_u64().unwrap()
}

fn write(path: &Path, ids: Vec<i64>, values: Vec<i64>, row_group_rows: usize) {
    let columns: [(&str, ArrayRef); 2] =
        [("id", Arc::new(Int64Array::from(ids))), ("value", Arc::new(Int64Array::from(values)))];
    write_parquet(path, &RecordBatch::try_from_iter(columns).unwrap(), row_group_rows);
}

/// The position of a row in an order that is unrelated to its number.
fn scattered(rows: i64) -> impl Iterator<Item = i64> {
    (0..rows).map(move |row| row * 7_368_787 % rows)
}

#[test]
fn sides_in_no_order_spill() {
    let shop = Workshop::new();
    let rows = 1_000_000;
    write(&shop.path("old/1.parquet"), scattered(rows).collect(), scattered(rows).collect(), 100_000);
    let changed = |id: i64| if id % 1_000 == 0 { -id - 1 } else { id };
    write(&shop.path("new/1.parquet"), (0..rows).rev().collect(), (0..rows).rev().map(changed).collect(), 100_000);
    let report = within(&shop, 144, &[]);
    assert_eq!((count(&report, "mismatch"), count(&report, "matched")), (1_000, 999_000));
    assert!(report["run"]["spilled_bytes"].as_u64().unwrap() > 0);
    // all of them different: nothing is settled by hashing, and everything is sorted
    let different = (0..rows).rev().map(|id| -id - 1).collect();
    write(&shop.path("new/1.parquet"), (0..rows).rev().collect(), different, 100_000);
    let report = within(&shop, 144, &["--out", "run"]);
    assert_eq!((count(&report, "mismatch"), count(&report, "matched")), (1_000_000, 0));
}

#[test]
fn any_number_of_threads() {
    let shop = Workshop::new();
    let rows = 300_000;
    write(&shop.path("old/1.parquet"), scattered(rows).collect(), scattered(rows).collect(), 20_000);
    write(&shop.path("new/1.parquet"), (0..rows).rev().collect(), (0..rows).rev().map(|id| -id - 1).collect(), 20_000);
    for threads in ["1", "7", "32"] {
        for limit in [160, 256] {
            // refused before it begins or not at all: nothing of it is missing
            let report = within(&shop, limit, &["--threads", threads]);
            assert_eq!(count(&report, "mismatch"), rows as u64);
        }
        let job = "[job]\nname = \"sorted\"\n[old]\npath = \"old\"\nquery = \"SELECT * FROM snapshot ORDER BY value\"\n\
                   [new]\npath = \"new\"\nquery = \"SELECT id, sum(value) AS value FROM snapshot GROUP BY id ORDER BY id\"\n\
                   [compare]\nkey = [\"id\"]\n";
        std::fs::write(shop.path("sorted.toml"), job).unwrap();
        let args = ["run", "sorted.toml", "--quiet", "--format", "json", "--memory", "256MiB", "--threads", threads];
        let output = shop.run(&args);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn footers_are_reckoned_with_before_they_are_read() {
    let shop = Workshop::new();
    let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
    for side in ["old", "new"] {
        std::fs::create_dir_all(shop.path(side)).unwrap();
        let notes = KeyValue::new("notes".into(), "x".repeat(40 << 20));
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![notes])).build();
        let file = File::create(shop.path(&format!("{side}/1.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    let refused = compare(&shop, 160, &[]).unwrap_err();
    assert!(refused.contains("the footer of `") && refused.contains("1.parquet` alone has 40.0 MiB"), "{refused}");
    // with what it names, it works, and that is kept
    assert_eq!(count(&within(&shop, 160, &[]), "matched"), 2);
}

#[test]
fn one_key_for_all_rows() {
    let shop = Workshop::new();
    let rows = 1_000_000;
    write(&shop.path("old/1.parquet"), vec![7; rows], scattered(rows as i64).collect(), 100_000);
    write(&shop.path("new/1.parquet"), vec![7; rows], scattered(rows as i64).collect(), 100_000);
    let report = within(&shop, 176, &["--strategy", "hashed"]);
    assert_eq!((count(&report, "duplicate_keys"), count(&report, "matched")), (1, 0));
    // the same rows as a multiset, each of them a million times
    write(&shop.path("new/1.parquet"), vec![7; rows / 2], vec![1; rows / 2], 100_000);
    write(&shop.path("old/1.parquet"), vec![7; rows], vec![1; rows], 100_000);
    let report = within(&shop, 176, &["--no-key", "--strategy", "hashed", "--out", "run"]);
    assert_eq!((count(&report, "matched"), count(&report, "missing")), (500_000, 500_000));
}

#[test]
fn large_cells() {
    let shop = Workshop::new();
    for (side, first) in [("old", 'a'), ("new", 'b')] {
        let ids: ArrayRef = Arc::new((0..24).collect::<Int64Array>());
        let text = |id: i64| format!("{first}{}", "0123456789abcdef".repeat(1 << 17).split_at(id as usize).1);
        let texts: ArrayRef = Arc::new((0..24).map(|id| Some(text(id))).collect::<StringArray>());
        let batch = RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap();
        write_parquet(&shop.path(&format!("{side}/1.parquet")), &batch, 8);
    }
    let report = within(&shop, 128, &["--out", "run"]);
    assert_eq!(count(&report, "mismatch"), 24);
    let report = within(&shop, 128, &["--strategy", "hashed", "--out", "run-hashed"]);
    assert_eq!(count(&report, "mismatch"), 24);
}

#[test]
fn many_columns() {
    let shop = Workshop::new();
    for (side, changed) in [("old", 0), ("new", 1)] {
        let column = |number: i64| -> ArrayRef {
            Arc::new(
                (0..2_000).map(|row| row * number + if row % 500 == 3 { changed } else { 0 }).collect::<Int64Array>(),
            )
        };
        let ids: ArrayRef = Arc::new((0..2_000).collect::<Int64Array>());
        let columns = (0..800).map(|number| (format!("column {number}"), column(number)));
        let batch = RecordBatch::try_from_iter([("id".to_string(), ids)].into_iter().chain(columns)).unwrap();
        write_parquet(&shop.path(&format!("{side}/1.parquet")), &batch, 1_000);
    }
    let report = within(&shop, 128, &["--out", "run"]);
    assert_eq!(count(&report, "mismatch"), 4);
}

#[test]
fn one_large_row_group() {
    let shop = Workshop::new();
    let rows = 1_000_000;
    write(&shop.path("old/1.parquet"), (0..rows).collect(), scattered(rows).collect(), rows as usize);
    write(
        &shop.path("new/1.parquet"),
        (0..rows).collect(),
        scattered(rows).map(|v| v / 2 * 2).collect(),
        rows as usize,
    );
    let report = within(&shop, 144, &["--out", "run"]);
    assert_eq!((count(&report, "mismatch"), count(&report, "matched")), (500_000, 500_000));
}

#[test]
fn many_small_files() {
    let shop = Workshop::new();
    for file in 0..500 {
        let ids: Vec<i64> = (file * 10..file * 10 + 10).collect();
        write(&shop.path(&format!("old/{file:04}.parquet")), ids.clone(), ids.clone(), 10);
        write(&shop.path(&format!("new/{file:04}.parquet")), ids.clone(), ids, 10);
    }
    let report = within(&shop, 160, &["--strategy", "hashed"]);
    assert_eq!(count(&report, "matched"), 5_000);
}
