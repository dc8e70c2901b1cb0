//! `init` for stores that write the same data differently: the proposed job runs without changes, and with all
//! suggestions taken, stores that differ only in representation match.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array,
    Int32Array, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};

use crate::support::{Workshop, write_parquet};

pub const ROWS: i64 = 400;

pub type Columns = Vec<(&'static str, ArrayRef)>;

pub fn texts(text: impl Fn(i64) -> String) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(text(row))).collect::<StringArray>())
}

pub fn optional(text: impl Fn(i64) -> Option<String>) -> ArrayRef {
    Arc::new((0..ROWS).map(text).collect::<StringArray>())
}

pub fn integers(number: impl Fn(i64) -> i64) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(number(row))).collect::<Int64Array>())
}

pub fn cents(number: impl Fn(i64) -> Option<i128>) -> ArrayRef {
    Arc::new((0..ROWS).map(number).collect::<Decimal128Array>().with_precision_and_scale(12, 2).unwrap())
}

pub fn micros(time: impl Fn(i64) -> i64) -> TimestampMicrosecondArray {
    (0..ROWS).map(|row| Some(time(row))).collect()
}

/// A workshop with both sides, with the rows of new in another order.
pub fn shop(old: Columns, new: Columns) -> Workshop {
    let shop = Workshop::new();
    let old = RecordBatch::try_from_iter_with_nullable(old.into_iter().map(|(name, column)| (name, column, true)));
    let new = RecordBatch::try_from_iter_with_nullable(new.into_iter().map(|(name, column)| (name, column, true)));
    write_parquet(&shop.path("old.parquet"), &old.unwrap(), 150);
    let new = new.unwrap();
    let backwards: arrow::array::UInt32Array = (0..new.num_rows() as u32).rev().collect();
    write_parquet(&shop.path("new.parquet"), &arrow::compute::take_record_batch(&new, &backwards).unwrap(), 150);
    shop
}

/// Takes every suggestion of a job file.
pub fn taken(job: &str) -> String {
    let take = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') || rest.starts_with("    ") => rest.to_string(),
        _ => line.to_string(),
    };
    job.lines().map(take).collect::<Vec<_>>().join("\n")
}

/// The proposal, the exit code without changes, and the exit code with all suggestions taken.
pub fn proposed(shop: &Workshop) -> (String, i32, i32) {
    let init = shop.run(&["init", "old.parquet", "new.parquet", "--quiet"]);
    let said = String::from_utf8(init.stderr).unwrap();
    assert_eq!((init.status.code(), said.as_str()), (Some(0), ""));
    let job = String::from_utf8(init.stdout).unwrap();
    let run = |name: &str, text: &str| {
        fs::write(shop.path(name), text).unwrap();
        let check = shop.run(&["validate", name]);
        assert_eq!(check.status.code(), Some(0), "{}\n{text}", String::from_utf8_lossy(&check.stderr));
        let run = shop.run(&["run", name, "--quiet"]);
        assert!(run.stderr.is_empty(), "{}\n{text}", String::from_utf8_lossy(&run.stderr));
        run.status.code().unwrap()
    };
    let as_it_stands = run("proposed.toml", &job);
    (job.clone(), as_it_stands, run("taken.toml", &taken(&job)))
}

fn assert_only_writing(old: Columns, new: Columns, lines: &[&str]) {
    let shop = shop(old, new);
    let (job, as_it_stands, with_suggestions) = proposed(&shop);
    assert!(as_it_stands < 2, "{job}");
    assert_eq!(with_suggestions, 0, "{job}\n{}", String::from_utf8(shop.run(&["run", "taken.toml"]).stdout).unwrap());
    for line in lines {
        assert!(job.lines().any(|own| own.starts_with(line)), "no line `{line}` in\n{job}");
    }
}

#[test]
fn untyped_upper_case_and_padded() {
    assert_only_writing(
        vec![
            ("CUSTOMER_ID", texts(|row| format!("C{row:<9}"))),
            ("AMOUNT", optional(|row| (row % 7 > 0).then(|| format!("{}.{:02}", row, row % 100)))),
            ("ACTIVE", Arc::new((0..ROWS).map(|row| Some((row % 3 % 2) as i8)).collect::<Int8Array>())),
            ("CREATED_AT", Arc::new(micros(|row| row * 3_600_000_000))),
            ("COUNTRY", texts(|row| ["DE  ", "FR  "][row as usize % 2].into())),
            ("ETL_LOADED_AT", Arc::new(micros(|_| 1))),
        ],
        vec![
            ("customer_id", texts(|row| format!("C{row}"))),
            ("amount", cents(|row| (row % 7 > 0).then(|| i128::from(row * 100 + row % 100)))),
            ("active", Arc::new((0..ROWS).map(|row| Some(row % 3 % 2 == 1)).collect::<BooleanArray>())),
            ("created_at", Arc::new(micros(|row| row * 3_600_000_000).with_timezone("UTC"))),
            ("country", texts(|row| ["DE", "FR"][row as usize % 2].into())),
            ("etl_loaded_at", Arc::new(micros(|_| 2))),
        ],
        &[
            "key = [\"customer_id\"]",
            "#    \"etl_loaded_at\"",
            "as = \"decimal\"",
            "as = \"boolean\"",
            "assume_tz = \"UTC\"",
            "#rtrim = true",
        ],
    );
}

#[test]
fn empty_strings_for_null_and_another_case() {
    assert_only_writing(
        vec![
            ("id", integers(|row| row)),
            ("email", texts(|row| if row % 4 == 0 { String::new() } else { format!("User{row}@Example.org") })),
        ],
        vec![
            ("id", integers(|row| row)),
            ("email", optional(|row| (row % 4 > 0).then(|| format!("user{row}@example.org")))),
        ],
        &["key = [\"id\"]", "#casefold = true", "#empty_is_null = true"],
    );
}

#[test]
fn ids_as_text_and_documents_in_another_order() {
    let bytes = |row: i64| u128::from(row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
    let hyphened = |row: i64| {
        let hex: String = bytes(row).iter().map(|byte| format!("{byte:02X}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    };
    let ids = FixedSizeBinaryArray::try_from_iter((0..ROWS).map(bytes)).unwrap();
    assert_only_writing(
        vec![
            ("id", integers(|row| row)),
            ("ref", texts(hyphened)),
            ("doc", texts(|row| format!("{{\"a\": {row}, \"b\": [1.0]}}"))),
        ],
        vec![
            ("id", integers(|row| row)),
            ("ref", texts(|row| hyphened(row).to_lowercase())),
            ("doc", texts(|row| format!("{{\"b\":[1],\"a\":{row}}}"))),
        ],
        &["#as = \"json\""],
    );
    // 16 bytes against text: only hexadecimal or a UUID can be meant
    let shop = shop(
        vec![("id", integers(|row| row)), ("ref", texts(|row| hyphened(row).replace('-', "")))],
        vec![("id", integers(|row| row)), ("ref", Arc::new(ids))],
    );
    assert_eq!(proposed(&shop).1, 0);
}

#[test]
fn floats_of_two_widths_and_against_decimals() {
    assert_only_writing(
        vec![
            ("id", integers(|row| row)),
            ("ratio", Arc::new((0..ROWS).map(|row| Some(row as f32 / 10.0)).collect::<Float32Array>())),
            ("price", Arc::new((0..ROWS).map(|row| Some(row as f64 / 100.0)).collect::<Float64Array>())),
        ],
        vec![
            ("id", integers(|row| row)),
            ("ratio", Arc::new((0..ROWS).map(|row| Some(row as f64 / 10.0)).collect::<Float64Array>())),
            ("price", cents(|row| Some(row.into()))),
        ],
        &["key = [\"id\"]", "#as = \"float32\""],
    );
}

#[test]
fn codes_for_words() {
    assert_only_writing(
        vec![
            ("id", integers(|row| row)),
            ("status", texts(|row| ["A", "I", "P"][row as usize % 3].into())),
            ("tier", Arc::new((0..ROWS).map(|row| Some((row % 2) as i32)).collect::<Int32Array>())),
        ],
        vec![
            ("id", integers(|row| row)),
            ("status", texts(|row| ["active", "inactive", "paused"][row as usize % 3].into())),
            ("tier", texts(|row| (row % 2).to_string())),
        ],
        &["#values = { \"A\" = \"active\", \"I\" = \"inactive\", \"P\" = \"paused\" }"],
    );
}

#[test]
fn times_of_another_precision() {
    let milliseconds: TimestampMillisecondArray = (0..ROWS).map(|row| Some(row * 86_400_123)).collect();
    assert_only_writing(
        vec![
            ("id", integers(|row| row)),
            ("at", Arc::new(micros(|row| row * 86_400_123_000 + row % 900).with_timezone("UTC"))),
            ("day", texts(|row| format!("2026-01-{:02}", row % 28 + 1))),
        ],
        vec![
            ("id", integers(|row| row)),
            ("at", Arc::new(milliseconds.with_timezone("+01:00"))),
            (
                "day",
                Arc::new((0..ROWS).map(|row| Some(20_454 + (row % 28) as i32)).collect::<arrow::array::Date32Array>()),
            ),
        ],
        &["#truncate = \"millisecond\"", "as = \"date\""],
    );
}

#[test]
fn bytes_as_text() {
    let bytes = |row: i64| row.to_be_bytes().to_vec();
    let hex = |row: i64| bytes(row).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_only_writing(
        vec![("id", integers(|row| row)), ("blob", texts(hex))],
        vec![
            ("id", integers(|row| row)),
            ("blob", Arc::new((0..ROWS).map(|row| Some(bytes(row))).collect::<BinaryArray>())),
        ],
        &["as = \"hex\""],
    );
}

#[test]
fn values_that_stand_for_null_and_sets_in_any_order() {
    let lists = |is_old: bool| -> ArrayRef {
        let mut lists = ListBuilder::new(Int64Builder::new());
        for row in 0..ROWS {
            let mut items = [row, row + 1, row % 5];
            if is_old {
                items.reverse();
            }
            lists.append_value(items.map(Some));
        }
        Arc::new(lists.finish())
    };
    assert_only_writing(
        vec![
            ("id", integers(|row| row)),
            ("phone", texts(|row| if row % 3 == 0 { "N/A".into() } else { format!("+49{row}") })),
            ("tags", lists(true)),
        ],
        vec![
            ("id", integers(|row| row)),
            ("phone", optional(|row| (row % 3 > 0).then(|| format!("+49{row}")))),
            ("tags", lists(false)),
        ],
        &["#default_is_null = \"N/A\"", "#unordered = true"],
    );
}

#[test]
fn a_key_of_two_columns() {
    assert_only_writing(
        vec![
            ("order_id", integers(|row| row / 4)),
            ("line", integers(|row| row % 4)),
            ("sku", texts(|row| format!("s{}", row % 9))),
        ],
        vec![
            ("order_id", integers(|row| row / 4)),
            ("line", integers(|row| row % 4)),
            ("sku", texts(|row| format!("s{}", row % 9))),
        ],
        &["key = [\"order_id\", \"line\"]"],
    );
}

#[test]
fn real_differences_stay_differences() {
    let shop = shop(
        vec![
            ("id", integers(|row| row)),
            ("customerName", texts(|row| format!("n{row}"))),
            ("amount", cents(|row| Some(row.into()))),
        ],
        vec![
            ("id", integers(|row| row + 5)),
            ("customer_name", texts(|row| format!("n{}", row + 5))),
            ("amount", cents(|row| Some(i128::from(row + 5) + i128::from(row % 10 == 0) * 7_000))),
        ],
    );
    let (job, as_it_stands, _) = proposed(&shop);
    assert_eq!(as_it_stands, 1);
    assert!(job.contains("key = [\"id\"]"), "{job}");
    let paired = "# `customerName` in old; paired by values: 100.0 % of 395 pairs agree\nold = \"customerName\"";
    assert!(job.contains(paired), "{job}");
    let report = String::from_utf8(shop.run(&["run", "proposed.toml", "--quiet"]).stdout).unwrap();
    assert!(report.contains("not compared: nothing"), "{report}");
    assert!(report.contains("40 mismatches, 5 missing rows, 5 extra rows"), "{report}");
}

#[test]
fn without_a_key_rows_are_compared_whole() {
    let same = || texts(|row| format!("{}", row % 3));
    let shop = shop(vec![("a", same()), ("b", same())], vec![("a", same()), ("b", same())]);
    let (job, as_it_stands, _) = proposed(&shop);
    assert!(job.contains("no_key = true"), "{job}");
    assert_eq!(as_it_stands, 0, "{job}");
}
