//! Which earlier runs prove that a row was clean, and which only seem to.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, IntervalDayTimeArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::IntervalDayTime;
use jiff::{SignedDuration, Timestamp};

use crate::support::{Workshop, lines, run, write_parquet};

/// When all rows were written, in microseconds since 1970: long before the snapshots.
const WRITTEN: i64 = 1_700_000_000_000_000;

/// Writes rows 1 to 5 and one row that only this night has, so that the files of each night differ; row 3 of new is
/// wrong if `is_wrong`.
fn write_night(shop: &Workshop, dir: &str, night: i64, is_wrong: bool) {
    let ids: Vec<i64> = (1..=5).chain([100 + night]).collect();
    for side in ["old", "new"] {
        for (name, part) in [("part-a", &ids[..3]), ("part-b", &ids[3..])] {
            let value = |id: &i64| if is_wrong && side == "new" && *id == 3 { 999 } else { *id };
            let columns: [(&str, ArrayRef); 3] = [
                ("id", Arc::new(part.iter().copied().collect::<Int64Array>())),
                ("value", Arc::new(part.iter().map(value).collect::<Int64Array>())),
                ("at", Arc::new(TimestampMicrosecondArray::from(vec![WRITTEN; part.len()]).with_timezone("UTC"))),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            // both sides have the same rows, and are not the same files
            let group_rows = if side == "old" { 2 } else { 10 };
            write_parquet(&shop.path(&format!("{dir}/{side}/region={name}/{name}.parquet")), &batch, group_rows);
        }
    }
}

/// A job for the snapshots in a directory; `side` are lines for both sides, in which `SIDE` is the name of the side.
fn write_job(shop: &Workshop, side: &str, compare: &str) {
    let taken = Timestamp::now() - SignedDuration::from_hours(2);
    let section = |name: &str| format!("[{name}]\ntaken_at = {taken}\n{}\n", side.replace("SIDE", name));
    let text = format!(
        "{}{}[tables.regions]\npath = \"regions.parquet\"\n[compare]\nkey = \"id\"\n{compare}[in_flight]\ncolumn = \"at\"\n\
         [signoff]\ndelete_from = \"old\"\nclean_runs = 3\n",
        section("old"),
        section("new"),
    );
    fs::write(shop.path("job.toml"), text).unwrap();
}

fn shop() -> Workshop {
    let shop = Workshop::new();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    write_parquet(&shop.path("regions.parquet"), &RecordBatch::try_from_iter([("region", ids)]).unwrap(), 10);
    fs::write(shop.path("ids.csv"), "id\n1\n3\n").unwrap();
    shop
}

const PLAIN: &str = "path = \"exports/SIDE\"";

/// Runs a night whose job has these lines.
fn night(shop: &Workshop, night: i64, is_wrong: bool, side: &str, compare: &str) {
    write_night(shop, "exports", night, is_wrong);
    write_job(shop, side, compare);
    let (code, out, said) = run(shop, &["run", "job.toml", "--quiet"]);
    assert!(code < 2, "{out}{said}");
}

/// Signs off the third night with the plain job, and returns what blocks each candidate.
fn blocked(shop: &Workshop) -> Vec<String> {
    write_night(shop, "exports", 3, false);
    write_job(shop, PLAIN, "");
    signed(shop)
}

fn signed(shop: &Workshop) -> Vec<String> {
    let (code, out, said) =
        run(shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "signed", "--quiet"]);
    assert!(shop.path("signed/blocked.csv").exists(), "{code} {out}{said}");
    lines(&shop.path("signed/blocked.csv"))
}

#[test]
fn nights_that_compared_alike_say_which_rows_were_clean() {
    let shop = shop();
    night(&shop, 1, true, PLAIN, "");
    night(&shop, 2, false, PLAIN, "");
    assert_eq!(blocked(&shop), ["3,not_clean_before"]);
}

#[test]
fn nights_that_compared_otherwise_say_nothing() {
    let query = "path = \"exports/SIDE\"\nquery = ";
    for (name, side, compare) in [
        ("a query that hides the row", format!("{query}\"SELECT * FROM snapshot WHERE id <> 3\""), ""),
        ("a query that hides the column", format!("{query}\"SELECT id, at FROM snapshot\""), ""),
        ("a query in a file", format!("{query}\"query.sql\""), ""),
        ("a pattern", "path = \"exports/SIDE/*/part-b*\"".into(), ""),
        ("a partition", "path = \"exports/SIDE/region=part-b\"".into(), ""),
        ("another file", "path = \"exports/SIDE/region=part-b/part-b.parquet\"".into(), ""),
        ("an ignored column", PLAIN.into(), "ignore = \"value\"\n"),
        ("a tolerance", PLAIN.into(), "[compare.columns.value]\ntolerance = 1000\n"),
    ] {
        let shop = shop();
        fs::write(shop.path("query.sql"), "SELECT id, at FROM snapshot\n").unwrap();
        night(&shop, 1, true, &side, compare);
        night(&shop, 2, true, &side, compare);
        assert_eq!(blocked(&shop), ["1,not_clean_before", "3,not_clean_before"], "{name}");
    }
}

#[test]
fn another_table_is_another_question() {
    let shop = shop();
    night(&shop, 1, false, PLAIN, "");
    night(&shop, 2, false, PLAIN, "");
    write_night(&shop, "exports", 3, false);
    write_job(&shop, PLAIN, "");
    fs::copy(shop.path("regions.parquet"), shop.path("others.parquet")).unwrap();
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), text.replace("regions.parquet", "others.parquet")).unwrap();
    assert_eq!(signed(&shop), ["1,not_clean_before", "3,not_clean_before"]);
}

#[test]
fn a_night_that_verified_nothing_is_no_clean_night() {
    let shop = shop();
    night(&shop, 0, false, PLAIN, "");
    night(&shop, 1, false, PLAIN, "");
    write_night(&shop, "exports", 2, false);
    write_job(&shop, "path = \"exports/SIDE\"\nmax_age = \"1s\"", "");
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 2);
    assert_eq!(blocked(&shop), ["1,not_clean_before", "3,not_clean_before"]);
    // once the same snapshots are verified, they count
    write_night(&shop, "exports", 2, false);
    write_job(&shop, PLAIN, "");
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    fs::remove_dir_all(shop.path("signed")).unwrap();
    assert_eq!(blocked(&shop), [""; 0]);
}

#[test]
fn a_night_with_a_column_that_nothing_compares_is_no_clean_night() {
    let shop = shop();
    let write = |night: i64| {
        for side in ["old", "new"] {
            let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 3, 100 + night]));
            let span: ArrayRef = Arc::new(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 1); 3]));
            let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![WRITTEN; 3]).with_timezone("UTC"));
            let batch = RecordBatch::try_from_iter([("id", ids.clone()), ("value", ids), ("span", span), ("at", at)]);
            let group_rows = if side == "old" { 2 } else { 10 };
            write_parquet(&shop.path(&format!("exports/{side}/all.parquet")), &batch.unwrap(), group_rows);
        }
    };
    for night in [1, 2] {
        write(night);
        write_job(&shop, PLAIN, "");
        assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 2);
    }
    write(3);
    let why = signed(&shop);
    assert!(why.len() == 2 && why.iter().all(|why| why.contains("not_clean_before")), "{why:?}");
}

#[test]
fn a_run_of_an_earlier_version_or_one_that_is_gone_says_nothing() {
    for change in ["earlier version", "unreadable"] {
        let shop = shop();
        night(&shop, 1, false, PLAIN, "");
        night(&shop, 2, false, PLAIN, "");
        let last = shop.runs("runs/job").pop().unwrap();
        let manifest = shop.path(&format!("runs/job/{last}/manifest.json"));
        let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        match change {
            "earlier version" => {
                assert!(document.as_object_mut().unwrap().remove("evidence_blake3").is_some());
                fs::write(&manifest, document.to_string()).unwrap();
            }
            _ => fs::write(shop.path(&format!("runs/job/{last}/report.json")), "{").unwrap(),
        }
        assert_eq!(blocked(&shop), ["1,not_clean_before", "3,not_clean_before"], "{change}");
    }
}

#[test]
fn the_night_s_date_decides_nothing() {
    for (name, first, second, third) in [
        ("dates", "exports-2026-11-25", "exports-2026-11-26", "exports-2026-11-27"),
        ("a run's number", "n/7f3a9", "n/8b1c2", "n/9d"),
        ("parts of a date", "year=2026/month=11/day=30", "year=2026/month=12/day=1", "year=2026/month=12/day=2"),
    ] {
        let shop = shop();
        for (night, dir) in [first, second, third].into_iter().enumerate() {
            write_night(&shop, dir, night as i64, false);
            write_job(&shop, &format!("path = \"{dir}/SIDE\""), "");
            if dir != third {
                assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
            }
        }
        assert_eq!(signed(&shop), [""; 0], "{name}");
    }
    // the value of a variable, and a date that is laid over the file
    let shop = shop();
    write_job(&shop, "path = \"${NIGHT:-monday}/SIDE\"", "");
    for (night, dir) in ["monday", "tuesday", "wednesday"].into_iter().enumerate() {
        write_night(&shop, dir, night as i64, false);
    }
    let command = |args: &[&str], night: &str| {
        let mut command = assert_cmd::Command::cargo_bin("countersign").unwrap();
        command.current_dir(shop.path("")).args(args).env("NIGHT", night).output().unwrap().status.code()
    };
    assert_eq!(command(&["run", "job.toml", "--quiet"], ""), Some(0));
    assert_eq!(command(&["run", "job.toml", "--quiet"], "tuesday"), Some(0));
    let args = ["signoff", "job.toml", "--candidates", "ids.csv", "--out", "signed", "--quiet"];
    assert_eq!(command(&args, "wednesday"), Some(0));
}

/// A persisting discrepancy persists from night to night, however the snapshots are shaped before they are compared.
#[test]
fn the_nightly_history_goes_on_with_another_query() {
    let shop = shop();
    night(&shop, 1, true, "path = \"exports/SIDE\"\nquery = \"SELECT * FROM snapshot WHERE id > 1\"", "");
    write_night(&shop, "exports", 2, true);
    write_job(&shop, PLAIN, "");
    let (_, out, said) = run(&shop, &["run", "job.toml", "--quiet", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(report["history"]["persisting"]["mismatch"], 1, "{report}");
    assert!(report["history"]["new_baseline"].is_null());
}
