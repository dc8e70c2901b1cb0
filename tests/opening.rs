//! How paths are resolved to files, and which paths are refused.

use std::fs;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use crate::support::{Workshop, write_parquet};

fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let ids: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids)]).unwrap()
}

/// `new` is one file of six rows; `old` is written by the test.
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
    assert!(diff(&shop, "old/*.csv").1.contains("contains no data files"));
}

#[test]
fn what_stands_before_the_first_wildcard_is_no_partition() {
    let shop = shop();
    write_parquet(&shop.path("day=5/_tmp/x.parquet"), &rows(0..6), 10);
    let absolute = shop.path("day=5/_tmp/*.parquet").display().to_string();
    for path in ["day=5/_tmp/*.parquet", "./day=5/_tmp/*.parquet", &absolute] {
        assert_eq!(diff(&shop, path).0, 0, "{path}");
    }
    assert!(diff(&shop, "day=*/_tmp/*.parquet").1.contains("contains no data files"), "a hidden directory below it");
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
fn a_url_is_no_path() {
    let shop = shop();
    for url in ["s3://bucket/table/", "gs://bucket/*.parquet", "https://example.com/a.parquet"] {
        let (code, said) = diff(&shop, url);
        assert!(code == 2 && said.contains("is a URL, but countersign reads only local files"), "{said}");
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

/// A table of two files, one of which was removed according to its log; returns the path of the current file.
fn table_with_a_log(shop: &Workshop, root: &str, data: &str, log: &str) -> String {
    let counts = format!("{root}/{data}a.parquet");
    write_parquet(&shop.path(&counts), &rows(0..3), 10);
    write_parquet(&shop.path(&format!("{root}/{data}removed.parquet")), &rows(3..6), 10);
    let log = shop.path(&format!("{root}/{log}"));
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(log, "{}").unwrap();
    counts
}

#[test]
fn a_table_whose_log_says_which_files_count_is_refused_from_wherever_it_is_entered() {
    for (format, data, log) in [
        ("a Delta Lake table", "", "_delta_log/00000000000000000001.json"),
        ("a Delta Lake table", "day=1/", "_delta_log/00000000000000000001.json"),
        ("an Apache Iceberg table", "data/day=1/", "metadata/00001-5f0c.metadata.json"),
        ("an Apache Iceberg table", "data/", "metadata/version-hint.text"),
        ("an Apache Hudi table", "day=1/", ".hoodie/hoodie.properties"),
        ("an Apache Paimon table", "bucket-0/", "snapshot/snapshot-1"),
        ("the output of a Spark stream", "", "_spark_metadata/0"),
        ("Databricks commit files", "day=1/", "day=1/_committed_718"),
        ("Databricks commit files", "", "_started_718"),
        ("a transactional Hive table", "delta_0000001_0000001_0000/", "delta_0000001_0000001_0000/_x"),
        ("the output of a job that has not finished", "", "_temporary/0/_temporary/attempt_1/part-0.parquet"),
    ] {
        let shop = shop();
        let counts = table_with_a_log(&shop, "old", data, log);
        fs::create_dir_all(shop.path("old/manifest")).unwrap();
        std::os::unix::fs::symlink(shop.path(&counts), shop.path("link.parquet")).unwrap();
        let folder = format!("old/{data}");
        let pattern = format!("old/{data}*.parquet");
        for path in ["old", "./old/", &folder, &pattern, "old/**", &counts, "link.parquet"] {
            let (code, said) = diff(&shop, path);
            assert!(code == 2 && said.contains(format), "{log}, {path}: {said}");
            let inspected = shop.run(&["inspect", path]);
            assert_eq!(inspected.status.code(), Some(2), "{log}, {path}");
            let proposed = shop.run(&["init", path, "new"]);
            assert_eq!(proposed.status.code(), Some(2), "{log}, {path}");
        }
    }
}

#[test]
fn a_folder_of_a_table_without_files_is_said_to_be_one() {
    let shop = shop();
    fs::create_dir_all(shop.path("old/_delta_log")).unwrap();
    assert!(diff(&shop, "old").1.contains("a Delta Lake table"));
    fs::write(shop.path("old/_delta_log/0.json"), "{}").unwrap();
    assert!(diff(&shop, "old").1.contains("a Delta Lake table"));
}

#[test]
fn names_that_only_resemble_those_of_a_log_are_read() {
    for beside in ["metadata/readme.txt", "snapshot/LATEST", "base_20260101/_x", "_committed", "delta_1_2/_x"] {
        let shop = shop();
        write_parquet(&shop.path("old/data/a.parquet"), &rows(0..6), 10);
        let beside = shop.path(&format!("old/{beside}"));
        fs::create_dir_all(beside.parent().unwrap()).unwrap();
        fs::write(beside, "").unwrap();
        assert_eq!(diff(&shop, "old/data").0, 0);
    }
}

#[test]
fn tables_backups_and_lists_are_refused_inside_of_a_table_with_a_log() {
    let shop = shop();
    let counts = table_with_a_log(&shop, "table", "", "_delta_log/0.json");
    let job = "[old]\npath = \"new\"\n[new]\npath = \"new\"\n[compare]\nkey = [\"id\"]\n[tables.t]\npath = \"table\"\n";
    fs::write(shop.path("job.toml"), job).unwrap();
    for args in
        [&["run", "job.toml"][..], &["validate", "job.toml"], &["waves", &counts, "--out", "w", "--sizes", "rest"]]
    {
        let output = shop.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("a Delta Lake table"), "{args:?}: {said}");
    }
}
