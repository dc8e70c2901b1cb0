//! `init` proposes a key whose name is like an ID, and not a column that is unique by chance.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, UInt64Array};

use crate::init::{Columns, ROWS, integers, proposed, shop, texts};
use crate::support::{Workshop, write_parquet};

fn latitude(swapped: bool) -> ArrayRef {
    let degrees = |row: i64| i128::from(if swapped && row < 2 { 1 - row } else { row } * 7_919 - 40_000);
    let degrees: Decimal128Array = (0..ROWS).map(|row| Some(degrees(row))).collect();
    Arc::new(degrees.with_precision_and_scale(9, 6).unwrap())
}

#[test]
fn two_ids_come_before_a_measure() {
    let side = |swapped: bool| -> Columns {
        vec![
            ("lat", latitude(swapped)),
            ("customer_id", integers(|row| row / 2)),
            ("kind", texts(|row| ["home", "work"][row as usize % 2].into())),
        ]
    };
    let (job, ..) = proposed(&shop(side(false), side(true)));
    assert!(job.contains("\nkey = [\"customer_id\", \"kind\"]\n"), "{job}");
}

#[test]
fn three_columns_may_be_a_key() {
    let side = || -> Columns {
        vec![
            ("v", integers(|_| 1)),
            ("a_no", integers(|row| row / 100)),
            ("b_no", integers(|row| row / 10 % 10)),
            ("c_no", integers(|row| row % 10)),
        ]
    };
    let (job, as_it_stands, _) = proposed(&shop(side(), side()));
    assert!(job.contains("\nkey = [\"a_no\", \"b_no\", \"c_no\"]\n"), "{job}");
    assert_eq!(as_it_stands, 0);
}

#[test]
fn a_key_of_which_a_few_repeat_is_a_key() {
    let write = |shop: &Workshop, name: &str, ids: Vec<i64>| {
        let values: Int64Array =
            ids.iter().map(|id| Some(id % 10 + i64::from(name == "new.parquet" && *id == 77))).collect();
        let ids: Int64Array = ids.into_iter().map(Some).collect();
        let columns: [(&str, ArrayRef); 2] = [("order_id", Arc::new(ids)), ("v", Arc::new(values))];
        write_parquet(&shop.path(name), &RecordBatch::try_from_iter(columns).unwrap(), 2_000);
    };
    let shop = Workshop::new();
    write(&shop, "old.parquet", (0..5_000).collect());
    write(&shop, "new.parquet", (0..5_000).chain([5, 6, 7]).collect());
    let (job, as_it_stands, _) = proposed(&shop);
    let key = "# key candidate order_id: 3 keys repeat on a side, never NULL, 4,997 paired (99.9 %)\n\
               # these few may be errors in the data: they are reported as duplicate keys\nkey = [\"order_id\"]\n";
    assert!(job.contains(key), "{job}");
    assert_eq!(as_it_stands, 1);
    let report = String::from_utf8(shop.run(&["run", "proposed.toml", "--quiet"]).stdout).unwrap();
    assert!(report.contains("1 mismatch, 3 duplicate keys"), "{report}");
}

#[test]
fn floats_are_a_key_where_there_is_no_other() {
    let ids = |row: i64| (1_u64 << 53) - 200 + row as u64;
    let old = || -> ArrayRef { Arc::new((0..ROWS).map(|row| Some(ids(row / 2))).collect::<UInt64Array>()) };
    let new = || -> ArrayRef { Arc::new((0..ROWS).map(|row| Some(ids(row / 2) as f64)).collect::<Float64Array>()) };
    let kind = || texts(|row| ["home", "work"][row as usize % 2].into());
    let (job, as_it_stands, _) =
        proposed(&shop(vec![("customer_id", old()), ("kind", kind())], vec![("customer_id", new()), ("kind", kind())]));
    let key = "# `customer_id` is a float on a side, and floats above 2^53 (9,007,199,254,740,992) do not represent \
               every whole number: export it as an integer or as text; with as = \"float\", more keys match, but \
               adjacent IDs become equal\nkey = [\"customer_id\", \"kind\"]\n";
    assert!(job.contains(key), "{job}");
    assert_eq!(as_it_stands, 0);
}
