//! Which files a path means, and which it refuses.

use std::fs;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use crate::support::{Workshop, write_parquet};

fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let ids: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids)]).unwrap()
}

/// `new` is one file of six rows; `old` is whatever the test writes.
fn shop() -> Workshop {
    let shop = Workshop::new();
    write_parquet(&shop.path("new"), &rows(0..6), 10);
    shop
}

fn diff(shop: &Workshop, old: &str) -> (i32, String) {
    let output = shop.run(&["diff", old, "new", "--key", "id", "--quiet"]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn a_glob_takes_the_directories_that_it_matches() {
    let shop = shop();
    write_parquet(&shop.path("old/a.parquet"), &rows(0..3), 10);
    write_parquet(&shop.path("old/more/b.parquet"), &rows(3..6), 10);
    fs::write(shop.path("old/_SUCCESS"), "").unwrap();
    for path in ["old", "old/", "old/*", "./old/*", "old/**", "old/**/*.parquet", "*ld"] {
        assert_eq!(diff(&shop, path).0, 0, "{path}");
    }
    assert_eq!(diff(&shop, "old/*.parquet").0, 1, "a narrower pattern means fewer rows");
    assert!(diff(&shop, "old/*.csv").1.contains("holds no data files"));
}

#[test]
fn what_stands_before_the_first_wildcard_is_no_partition() {
    let shop = shop();
    write_parquet(&shop.path("day=5/_tmp/x.parquet"), &rows(0..6), 10);
    let absolute = shop.path("day=5/_tmp/*.parquet").display().to_string();
    for path in ["day=5/_tmp/*.parquet", "./day=5/_tmp/*.parquet", &absolute] {
        assert_eq!(diff(&shop, path).0, 0, "{path}");
    }
    assert!(diff(&shop, "day=*/_tmp/*.parquet").1.contains("holds no data files"), "a hidden directory below it");
}

#[test]
fn names_that_look_like_something_else() {
    let shop = shop();
    for name in ["my data [1]/50% #x?/a b=c%20.parquet", "sp ace.parquet", "ünï.parquet", "[1].parquet"] {
        write_parquet(&shop.path(name), &rows(0..6), 10);
        assert_eq!(diff(&shop, name).0, 0, "{name}");
    }
    for (name, reason) in [("part.parquet#1", "`#` and a number"), ("t\tx.parquet", "control character")] {
        write_parquet(&shop.path(name), &rows(0..6), 10);
        let (code, said) = diff(&shop, name);
        assert!(code == 2 && said.contains(reason), "{said}");
    }
}

#[test]
fn a_pipe_is_no_snapshot_and_does_not_hang() {
    let shop = shop();
    fs::create_dir(shop.path("old")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(shop.path("old/pipe")).status().unwrap();
    assert!(made.success());
    let (code, said) = diff(&shop, "old");
    assert!(code == 2 && said.contains("`old/pipe` is not a regular file"), "{said}");
}

#[test]
fn a_run_is_not_written_into_a_snapshot() {
    let shop = shop();
    write_parquet(&shop.path("old/a.parquet"), &rows(0..6), 10);
    for (old, out) in [("old", "old"), ("old", "old/run"), ("old/*.parquet", "old")] {
        let output = shop.run(&["diff", old, "new", "--key", "id", "--out", out]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        let reason = if out == "old" { "`old` is not empty" } else { "is part of the old snapshot" };
        assert!(said.contains(reason), "{said}");
        assert_eq!(shop.names("old"), ["a.parquet"]);
    }
    let beside = shop.run(&["diff", "old/a.parquet", "new", "--key", "id", "--out", "run"]);
    assert_eq!(beside.status.code(), Some(0));
}
