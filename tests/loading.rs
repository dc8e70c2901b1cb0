//! Files that are not Parquet are compared by value, and what cannot be read is named with its file and line.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_avro::writer::AvroWriter;
use serde_json::Value;

use crate::support::{Workshop, run, write_parquet};

/// Five rows of many types, as `new.parquet`.
fn write_typed(shop: &Workshop) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
        ("name", Arc::new(StringArray::from(vec![Some("a,b"), Some(""), None, Some("say \"x\"\nnow"), Some("\\N")]))),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![Some(150), Some(-5), Some(0), None, Some(1_000_000)])
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        ("active", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true), Some(false)]))),
        ("born", Arc::new(Date32Array::from(vec![Some(0), Some(19_000), None, Some(-1), Some(1)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(500_000), Some(0), None, Some(1), Some(2)]))),
        ("score", Arc::new(Float64Array::from(vec![Some(0.1), Some(1e300), None, Some(-2.5), Some(3.0)]))),
    ];
    write_parquet(
        &shop.path("new.parquet"),
        &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap(),
        2,
    );
}

/// The same rows as CSV.
const CSV: &str = "id,name,price,active,born,at,score\n\
    1,\"a,b\",1.50,true,1970-01-01,1970-01-01 00:00:00.5,0.1\n\
    2,\"\",-0.05,f,2022-01-08,1970-01-01 00:00:00,1e+300\n\
    3,,0,,,,\n\
    4,\"say \"\"x\"\"\nnow\",,T,1969-12-31,1970-01-01T00:00:00.000001,-2.5\n\
    5,\\N,10000.00,0,1970-01-02,1970-01-01 00:00:00.000002,3\n";

/// The same rows as JSON documents.
const DOCUMENTS: &str = r#"{"id":1,"name":"a,b","price":1.5,"active":true,"born":"1970-01-01","at":"1970-01-01T00:00:00.500","score":0.1}
{"id":2,"name":"","price":-0.05,"active":false,"born":"2022-01-08","at":"1970-01-01 00:00:00","score":1e300}
{"id":3,"price":0,"born":null}
{"id":4,"name":"say \"x\"\nnow","active":true,"born":"1969-12-31","at":"1970-01-01T00:00:00.000001","score":-2.5}
{"score":3.0,"id":5,"name":"\\N","price":10000,"active":false,"born":"1970-01-02","at":"1970-01-01 00:00:00.000002"}
"#;

/// The verdict and the counts of a comparison: matched, mismatch, missing, extra.
pub(crate) fn counts(shop: &Workshop, args: &[&str]) -> (String, [u64; 4]) {
    let (code, out, err) = run(shop, &[args, &["--format", "json", "--quiet"]].concat());
    assert!([0, 1].contains(&code), "{args:?}: {err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let count = |class: &str| report["counts"][class].as_u64().unwrap();
    (report["verdict"].as_str().unwrap().into(), ["matched", "mismatch", "missing", "extra"].map(count))
}

#[test]
fn text_is_equal_to_the_values_that_it_stands_for() {
    let shop = Workshop::new();
    write_typed(&shop);
    fs::write(shop.path("a.csv"), CSV).unwrap();
    fs::write(shop.path("a.ndjson"), DOCUMENTS).unwrap();
    let array = format!("[{}]", DOCUMENTS.trim_end().lines().collect::<Vec<_>>().join(",\n "));
    fs::write(shop.path("a.json"), array).unwrap();
    fs::write(
        shop.path("crlf.csv"),
        format!("\u{feff}{}", CSV.replace('\n', "\r\n").replace("\"x\"\"\r\n", "\"x\"\"\n")),
    )
    .unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{CSV}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(shop.path("utf16.csv"), utf16).unwrap();
    for strategy in ["ordered", "hashed"] {
        for old in ["a.csv", "a.ndjson", "a.json", "crlf.csv", "utf16.csv"] {
            let found = counts(&shop, &["diff", old, "new.parquet", "--key", "id", "--strategy", strategy]);
            assert_eq!(found, ("match".into(), [5, 0, 0, 0]), "{old} {strategy}");
        }
    }
    // the sides may differ, and neither has types
    for (old, new) in [("a.csv", "a.ndjson"), ("a.json", "utf16.csv"), ("a.csv", "a.csv")] {
        if old != new {
            assert_eq!(
                counts(&shop, &["diff", old, new, "--key", "id"]),
                ("match".into(), [5, 0, 0, 0]),
                "{old} {new}"
            );
        }
    }
    // every change is found
    for (from, to) in [
        ("\"a,b\"", "\"a;b\""),
        ("2,\"\"", "2,"),
        ("3,,0", "3,\"\",0"),
        ("1.50", "1.51"),
        ("-0.05,f", "-0.05,t"),
        ("1969-12-31", "1969-12-30"),
        ("00.000001", "00.000002"),
        ("0.1\n", "0.10000000000000002\n"),
        ("\\N", ""),
    ] {
        fs::write(shop.path("b.csv"), CSV.replacen(from, to, 1)).unwrap();
        for new in ["new.parquet", "a.ndjson"] {
            let found = counts(&shop, &["diff", "b.csv", new, "--key", "id"]);
            assert_eq!(found, ("discrepant".into(), [4, 1, 0, 0]), "{from} {to} {new}");
        }
    }
}

#[test]
fn compressed_files_are_read_by_their_first_bytes() {
    let shop = Workshop::new();
    write_typed(&shop);
    fs::write(shop.path("a.csv"), CSV).unwrap();
    fs::create_dir(shop.path("parts")).unwrap();
    let compress = |command: &str, args: &[&str], to: &str| {
        let output = Command::new(command).args(args).arg(shop.path("a.csv")).output();
        let output = output.unwrap_or_else(|error| panic!("{command} is needed: {error}"));
        assert!(output.status.success(), "{command}");
        fs::write(shop.path(to), &output.stdout).unwrap();
        fs::write(shop.path(&format!("{to}.cut")), &output.stdout[..output.stdout.len() - 12]).unwrap();
    };
    compress("gzip", &["-c"], "a.csv.gz");
    compress("bzip2", &["-c"], "a.csv.bz2");
    compress("xz", &["-c"], "a.csv.xz");
    compress("zstd", &["-c", "-q"], "a.csv.zst");
    for old in ["a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zst"] {
        assert_eq!(counts(&shop, &["diff", old, "new.parquet", "--key", "id"]).1, [5, 0, 0, 0], "{old}");
        fs::copy(shop.path(&format!("{old}.cut")), shop.path(&format!("cut.{old}"))).unwrap();
        let (code, _, err) = run(&shop, &["diff", &format!("cut.{old}"), "new.parquet", "--key", "id"]);
        assert!(code == 2 && err.contains(&format!("cut.{old}")), "{old}: {err}");
    }
}

/// Runs the comparison of a text with one of the same columns, which fails, and returns the error.
fn refused(text: &[u8], settings: &str) -> String {
    let shop = Workshop::new();
    fs::write(shop.path("new.csv"), "id,v\n1,a\n").unwrap();
    fs::write(shop.path("old.csv"), text).unwrap();
    let job = format!("[old]\npath = \"old.csv\"\n{settings}\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n");
    fs::write(shop.path("job.toml"), job).unwrap();
    let (code, out, err) = run(&shop, &["run", "job.toml", "--quiet", "--out", "runs"]);
    assert_eq!((code, out.as_str()), (2, ""), "{settings}: {err}");
    assert!(shop.runs("runs/job").is_empty());
    err
}

#[test]
fn bad_records_are_named_with_their_lines() {
    for (text, settings, said) in [
        (&b"id,v\n1,a\n2,b,c\n3,d\n"[..], "", "old.csv` line 3: there are 3 fields, but 2 columns"),
        (b"id,v\n1,\"a\nb\"\n2\n", "", "old.csv` line 4: there are 1 fields, but 2 columns"),
        (b"id,v\n1,a\n2,\"b\n3,c\n", "", "old.csv` line 3: the file ends within quotes"),
        (b"id,v\n1,a\n2,\xff\n", "", "old.csv` line 3: column `v` is not UTF-8"),
        (b"id,id\n1,a\n", "", "duplicate column `id`"),
        (b"", "", "old.csv` line 1: the file is empty"),
        (b"id,v\r1,a\r2,b\r", "", "old.csv` line 1: lines do not end alike"),
        (b"id,v\n1,a\r\n", "", "old.csv` line 2: lines do not end alike"),
        (b"id,v\r\n1,a\r\n2,b\n", "", "old.csv` line 3: lines do not end alike"),
        (b"\"a\r\nb\",id,v\n1,2,a\r\n", "", "old.csv` line 3: lines do not end alike"),
        (b"1,a\n", "header = false", "has no header; name its 2 columns"),
        (b"1,a\n", "columns = [\"id\"]", "line 1: there are 2 fields, but 1 columns"),
        (b"{\"id\": 1}\n\n{\"id\": }\n", "format = \"json\"", "old.csv` line 3: is not a JSON document"),
        (b"{\"id\": 1, \"id\": 2}", "format = \"json\"", "`id` occurs twice"),
        (b"[1]", "format = \"json\"", "line 1: is not a JSON document"),
        (b"[{\"id\": 1},\n{\"id\": 2}\n", "format = \"json\"", "line 3: the array of documents does not end"),
        (b"[{\"id\": 1},\n{\"id\"", "format = \"json\"", "line 2: is not a JSON document"),
        (b"id,v\n", "preset = \"mongo-json\"\nformat = \"csv\"", "preset `mongo-json` is for another format"),
        (b"id,v\n", "delimiter = \"é\"", "has to be an ASCII character"),
    ] {
        let err = refused(text, settings);
        assert!(err.contains(said), "{}: {err}", String::from_utf8_lossy(text));
    }
}

#[test]
fn cells_that_are_not_of_their_type_are_mismatches_with_their_lines() {
    let shop = Workshop::new();
    write_typed(&shop);
    let text = CSV.replace("-0.05,f", "n/a,f").replace("5,\\N,10000.00,0", "x5,\\N,10000.00,maybe");
    fs::write(shop.path("old.csv"), text).unwrap();
    for strategy in ["ordered", "hashed"] {
        let args = ["diff", "old.csv", "new.parquet", "--key", "id", "--strategy", strategy, "--format", "json"];
        let (code, out, err) = run(&shop, &args);
        assert_eq!(code, 1, "{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        let count = |class: &str| report["counts"][class].as_u64().unwrap();
        // the row whose key cannot be read has no counterpart
        assert_eq!(["matched", "mismatch", "missing", "extra"].map(count), [3, 1, 1, 1]);
        let cells = report["unreadable_cells"].as_array().unwrap();
        let cells: Vec<String> = cells
            .iter()
            .map(|cells| {
                let first = &cells["first"][0];
                let [column, reading, file, text] =
                    [&cells["column"], &cells["reading"], &first["file"], &first["text"]]
                        .map(|text| text.as_str().unwrap());
                format!("{column} {reading} {} {file}:{} {text}", cells["cells"], first["line"])
            })
            .collect();
        assert_eq!(
            cells,
            ["id decimal 1 old.csv:7 x5", "price decimal 1 old.csv:3 n/a", "active boolean 1 old.csv:7 maybe"]
        );
    }
    let (_, out, _) = run(&shop, &["diff", "old.csv", "new.parquet", "--key", "id"]);
    assert!(out.contains("unreadable cells") && out.contains("old.csv:3  \"n/a\""), "{out}");
}

#[test]
fn presets_know_nulls_and_escapes() {
    let shop = Workshop::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("v", Arc::new(StringArray::from(vec![Some("a\tb\\c\n"), Some(""), None, Some("N")]))),
    ];
    write_parquet(&shop.path("new.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 2);
    let names = ["--columns-old", "id,v"];
    for (preset, text, has_header) in [
        ("postgres-csv", "id,v\n1,\"a\tb\\c\n\"\n2,\"\"\n3,\n4,N\n", true),
        ("cloudsql-postgres", "1,\"a\tb\\c\n\"\n2,\"\"\n3,\n4,N\n", false),
        ("postgres-text", "1\ta\\tb\\\\c\\n\n2\t\n3\t\\N\n4\tN\n\\.\n", false),
        ("postgres-text", "1\ta\\tb\\\\c\\n\n2\t\n\\.\n3\t\\N\n4\tN\n\\.\n", false),
        ("mysql-tab", "1\ta\\tb\\\\c\\\n\n2\t\n3\t\\N\n4\tN\n", false),
        ("mysql-outfile", "1,\"a\tb\\\\c\\\n\"\n2,\"\"\n3,\\N\n4,\"N\"\n", false),
        ("cloudsql-mysql", "\"1\",\"a\tb\\c\n\"\n\"2\",\"\"\n\"3\",\"N\n\"4\",\"N\"\n", false),
        ("snowflake-csv", "id,v\n1,\"a\tb\\c\n\"\n2,\"\"\n3,\\N\n4,\"N\"\n", true),
        ("dms-csv", "1,\"a\tb\\c\n\"\n2,\"\"\n3,NULL\n4,N\n", false),
    ] {
        fs::write(shop.path("old.txt"), text).unwrap();
        let args = ["diff", "old.txt", "new.parquet", "--key", "id", "--preset-old", preset];
        let args = [&args[..], if has_header { &[] } else { &names }].concat();
        assert_eq!(counts(&shop, &args), ("match".into(), [4, 0, 0, 0]), "{preset}");
    }
    // in Oracle, the empty string is NULL
    fs::write(shop.path("old.csv"), "id,v\n1,\"a\tb\\c\n\"\n2,\"\"\n3,\n4,N\n").unwrap();
    let found = counts(&shop, &["diff", "old.csv", "new.parquet", "--key", "id", "--preset-old", "oracle-csv"]);
    assert_eq!(found.1, [3, 1, 0, 0]);
}

#[test]
fn typed_documents_are_what_they_stand_for() {
    let shop = Workshop::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_id", Arc::new(StringArray::from(vec!["65a000000000000000000000", "65b000000000000000000000"]))),
        ("n", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None]).with_timezone("UTC"))),
    ];
    write_parquet(
        &shop.path("new.parquet"),
        &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap(),
        2,
    );
    for (preset, text) in [
        (
            "mongo-json",
            r#"{"_id":{"$oid":"65a000000000000000000000"},"n":{"$numberLong":"9007199254740993"},"at":{"$date":{"$numberLong":"1500"}}}
               {"_id":{"$oid":"65b000000000000000000000"},"n":null}"#,
        ),
        (
            "mongo-json",
            r#"{"_id":"65a000000000000000000000","n":9007199254740993,"at":{"$date":"1970-01-01T00:00:01.500Z"}} {"_id":"65b000000000000000000000","at":{"$undefined":true}}"#,
        ),
        (
            "dynamodb-json",
            r#"{"Item":{"_id":{"S":"65a000000000000000000000"},"n":{"N":"9007199254740993"},"at":{"S":"1970-01-01T00:00:01.5Z"}}}
               {"Item":{"_id":{"S":"65b000000000000000000000"},"n":{"NULL":true}}}"#,
        ),
    ] {
        fs::write(shop.path("old.json"), text).unwrap();
        let args = ["diff", "old.json", "new.parquet", "--key", "_id", "--preset-old", preset];
        assert_eq!(counts(&shop, &args), ("match".into(), [2, 0, 0, 0]), "{text}");
    }
}

/// Parts of a side, whose documents have different members.
#[test]
fn members_that_documents_lack_are_null() {
    let shop = Workshop::new();
    fs::create_dir(shop.path("old")).unwrap();
    fs::write(shop.path("old/1.json"), r#"{"id": 1} {"id": 2, "a": {"b": 1}}"#).unwrap();
    fs::write(shop.path("old/2.json"), r#"{"id": 3, "a": "text"} {"id": 4, "z": 1.50}"#).unwrap();
    fs::write(shop.path("new.csv"), "id,a,z\n1,,\n2,\"{\"\"b\"\": 1}\",\n3,\"\"\"text\"\"\",\n4,,1.5\n").unwrap();
    assert_eq!(counts(&shop, &["diff", "old", "new.csv", "--key", "id"]), ("match".into(), [4, 0, 0, 0]));
    fs::write(shop.path("old/3.csv"), "id\n5\n").unwrap();
    let (code, _, err) = run(&shop, &["diff", "old", "new.csv", "--key", "id"]);
    assert!(code == 2 && err.contains("`old/1.json` is JSON, `old/3.csv` is delimited text"), "{err}");
}

/// Runs the comparison of two texts by `id`, and returns the counts.
fn compared(old: (&str, &str), new: &str, more: &[&str]) -> [u64; 4] {
    let shop = Workshop::new();
    fs::write(shop.path(old.0), old.1).unwrap();
    fs::write(shop.path("new.csv"), new).unwrap();
    counts(&shop, &[&["diff", old.0, "new.csv", "--key", "id"], more].concat()).1
}

#[test]
fn what_looks_alike_is_not_equal() {
    for (old, new) in [
        // what spreadsheets and templates do to text
        ("{C:\\temp}", "{C:temp}"),
        ("{{ name }}", "{{name}}"),
        ("{null}", "{NULL}"),
        ("007", "7"),
        ("+7", "7"),
        ("\u{feff}A", "A"),
        ("{}", "[]"),
        ("ab\t ", "ab"),
    ] {
        let file = |value: &str| format!("id,v\n1,{value}\n2,{value}\n");
        assert_eq!(compared(("old.csv", &file(old)), &file(new), &[]), [0, 2, 0, 0], "{old:?} {new:?}");
        assert_eq!(compared(("old.csv", &file(old)), &file(old), &[]), [2, 0, 0, 0], "{old:?}");
    }
    // a mark at the beginning of the first cell after the header
    assert_eq!(compared(("old.csv", "id\n\u{feff}A\n"), "id\nA\n", &[]), [0, 0, 1, 1]);
    // a carriage return is part of a value of MySQL, and a cell of its own
    let preset = ["--preset-old", "mysql-tab", "--columns-old", "id,v"];
    assert_eq!(compared(("old.txt", "1\tx\r\n2\ty\r\n"), "id,v\n1,x\n2,y\n", &preset), [0, 2, 0, 0]);
    for (old, new) in [
        (r#"{"$date":"2024-01-01T00:00:00.123456Z"}"#, r#"{"$date":"2024-01-01T00:00:00.123999Z"}"#),
        (r#"{"$undefined":5}"#, "null"),
        (r#"{"$binary":{"base64":"aGk=","subType":"00"}}"#, r#"{"$binary":{"base64":"aGk=","subType":"05"}}"#),
        (r#"{"$oid":"hello"}"#, r#""hello""#),
    ] {
        let shop = Workshop::new();
        for (name, value) in [("old.json", old), ("new.json", new)] {
            fs::write(shop.path(name), format!(r#"{{"id":1,"v":{value}}}"#)).unwrap();
        }
        let args =
            ["diff", "old.json", "new.json", "--key", "id", "--preset-old", "mongo-json", "--preset-new", "mongo-json"];
        assert_eq!(counts(&shop, &args).1, [0, 1, 0, 0], "{old} {new}");
    }
    // integers are no postal codes
    let shop = Workshop::new();
    fs::write(shop.path("old.csv"), "id,v\n01234,a\n").unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(vec![1234]))), ("v", Arc::new(StringArray::from(vec!["a"])))];
    write_parquet(&shop.path("new.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 2);
    let (code, _, err) = run(&shop, &["diff", "old.csv", "new.parquet", "--key", "id"]);
    assert!(code == 2 && err.contains("text and numbers cannot be compared by value"), "{err}");
}

#[test]
fn avro_files_that_are_cut_short_are_refused() {
    let shop = Workshop::new();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let rows = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let mut writer =
        AvroWriter::new(fs::File::create(shop.path("whole.avro")).unwrap(), rows.schema().as_ref().clone()).unwrap();
    for _ in 0..3 {
        writer.write(&rows).unwrap();
    }
    writer.finish().unwrap();
    let whole = fs::read(shop.path("whole.avro")).unwrap();
    let (_, counted, err) = run(&shop, &["load", "whole.avro", "whole"]);
    assert!(counted.starts_with("300 rows from 1 file"), "{counted}{err}");
    let marker = whole[whole.len() - 16..].to_vec();
    for cut in whole.len() / 2..whole.len() {
        // between two blocks, nothing shows that there was more
        if whole[..cut].ends_with(&marker) {
            continue;
        }
        fs::write(shop.path("cut.avro"), &whole[..cut]).unwrap();
        let (code, _, err) = run(&shop, &["load", "cut.avro", "cut", "--quiet"]);
        assert!(code == 2 && err.contains("cut.avro"), "{cut}: {err}");
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(shop.path("flipped.avro"), flipped).unwrap();
    assert_eq!(run(&shop, &["load", "flipped.avro", "flipped"]).0, 2);
}

/// A type that cannot hold a cell is not taken: the column stays text, and compares like the file.
#[test]
fn load_makes_nothing_null() {
    for cells in [
        "1600-01-01 00:00:00\n2024-01-01 00:00:00.000000001",
        "\"{\"\"a\"\":1,\"\"a\"\":2}\"\n{}",
        "\"{\"\"a\"\":1e999999999999}\"\n{}",
        "9999-12-31 00:00:00.000000001\n0001-01-01",
    ] {
        let shop = Workshop::new();
        let rows: Vec<String> = cells.lines().enumerate().map(|(id, cell)| format!("{id},{cell}\n")).collect();
        fs::write(shop.path("old.csv"), format!("id,v\n{}", rows.concat())).unwrap();
        fs::write(shop.path("null.csv"), "id,v\n0,\n1,\n").unwrap();
        for args in [&["--key", "id"][..], &[]] {
            let (code, out, err) = run(&shop, &[&["load", "old.csv", "snap"], args].concat());
            assert_eq!(code, 0, "{cells}: {out}{err}");
            assert_eq!(counts(&shop, &["diff", "snap", "null.csv", "--key", "id"]).1, [0, 2, 0, 0], "{cells}");
            assert_eq!(counts(&shop, &["diff", "snap", "old.csv", "--key", "id"]).1, [2, 0, 0, 0], "{cells}");
            fs::remove_dir_all(shop.path("snap")).unwrap();
        }
    }
}

#[test]
fn load_writes_typed_files_that_compare_alike() {
    let shop = Workshop::new();
    write_typed(&shop);
    let rows: Vec<&str> = CSV.split_inclusive('\n').collect();
    // the rows of the header and of two keys, the others, and those that follow
    let shuffled = [rows[0], rows[6], rows[3], rows[1], rows[4], rows[5], rows[2]].concat();
    fs::write(shop.path("old.csv"), &shuffled).unwrap();
    let (code, out, err) = run(&shop, &["load", "old.csv", "snap", "--key", "id"]);
    assert_eq!(code, 0, "{err}");
    for line in [
        "5 rows from 1 file",
        "id      int64",
        "price   decimal(7, 2)",
        "active  boolean",
        "born    date",
        "at      timestamp(us)",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let (_, out, _) = run(&shop, &["diff", "snap", "new.parquet", "--key", "id"]);
    assert!(out.contains("MATCH") && out.contains("way    ordered"), "{out}");
    // a second time, the directory is in the way
    assert_eq!(run(&shop, &["load", "old.csv", "snap"]).0, 2);
    // cells that are not of the stated type stay text, and are read as that type
    fs::write(shop.path("dirty.csv"), CSV.replace("-0.05", "n/a")).unwrap();
    let (code, out, err) = run(&shop, &["load", "dirty.csv", "dirty", "--type", "price=decimal(12,2)"]);
    assert!(code == 0 && out.contains("1 cell is not of the type, in `dirty.csv` line 3"), "{out}{err}");
    for old in ["dirty.csv", "dirty"] {
        assert_eq!(counts(&shop, &["diff", old, "new.parquet", "--key", "id"]).1, [4, 1, 0, 0], "{old}");
    }
    // `init` knows when the rows were exported
    let (code, _, err) =
        run(&shop, &["load", "old.csv", "timed", "--key", "id", "--taken-at", "2026-11-20T03:00:00+01:00"]);
    assert_eq!(code, 0, "{err}");
    let (_, job, _) = run(&shop, &["init", "timed", "new.parquet"]);
    assert!(job.contains("[old]\npath = \"timed\"\ntaken_at = \"2026-11-20T02:00:00Z\"\n\n[new]"), "{job}");
    let (code, _, err) = run(&shop, &["load", "old.csv", "other", "--type", "prise=text"]);
    assert!(code == 2 && err.contains("no column `prise`; did you mean `price`?"), "{err}");
    assert!(!shop.path("other").exists());
}

#[test]
fn load_reads_a_pipe() {
    let shop = Workshop::new();
    write_typed(&shop);
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("countersign"))
        .args(["load", "-", "snap", "--preset", "postgres-csv", "--key", "id", "--quiet"])
        .current_dir(shop.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(CSV.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(counts(&shop, &["diff", "snap", "new.parquet", "--key", "id"]).1, [5, 0, 0, 0]);
}
