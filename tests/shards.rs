//! Sides in several places, and sides whose files have other columns than each other.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::Value;

use crate::support::{Workshop, run, write_parquet};

/// A table of IDs and texts under these names of columns.
fn table(names: [&str; 2], ids: &[i64], texts: &[&str]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    RecordBatch::try_from_iter([(names[0], ids), (names[1], texts)]).unwrap()
}

fn report(shop: &Workshop, job: &str) -> (i32, Value, String) {
    fs::write(shop.path("job.toml"), job).unwrap();
    let (code, out, err) = run(shop, &["run", "job.toml", "--quiet", "--format", "json"]);
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

#[test]
fn a_side_may_be_in_several_places() {
    let shop = Workshop::new();
    for (dir, ids, texts) in [("a", [1, 2], ["x", "y"]), ("b", [3, 4], ["z", "w"])] {
        fs::create_dir_all(shop.path(&format!("shards/{dir}"))).unwrap();
        write_parquet(&shop.path(&format!("shards/{dir}/part.parquet")), &table(["id", "v"], &ids, &texts), 10);
    }
    write_parquet(&shop.path("new.parquet"), &table(["id", "v"], &[1, 2, 3, 5], &["x", "y", "Z", "q"]), 10);
    let job = "[old]\npath = [\"shards/a\", \"shards/b/*.parquet\"]\nshard = \"shard\"\n[new]\npath = \"new.parquet\"\n\
               [compare]\nkey = \"id\"\n";
    for strategy in ["ordered", "hashed"] {
        fs::write(shop.path("job.toml"), job).unwrap();
        let (code, out, err) = run(&shop, &["run", "job.toml", "--quiet", "--strategy", strategy]);
        assert_eq!(code, 1, "{err}");
        assert!(out.contains("compared in 2 of 3 columns; not compared: shard (of old)"), "{out}");
        assert!(out.contains("1 mismatch, 1 missing row, 1 extra row"), "{out}");
        assert!(out.contains("old  shards/a, shards/b/*.parquet  4 rows  2 files"), "{out}");
    }
    let (code, out, err) =
        run(&shop, &["query", "job.toml", "SELECT shard, count(*) AS n FROM old GROUP BY shard ORDER BY shard"]);
    assert!(code == 0 && out.contains("shards/a") && out.contains("shards/b/*.parquet"), "{out}{err}");
    // a key in two shards is a key that occurs twice
    write_parquet(&shop.path("shards/b/more.parquet"), &table(["id", "v"], &[1], &["x"]), 10);
    let (_, found, _) = report(&shop, job);
    assert_eq!(found["counts"]["duplicate_keys"], 1, "{found}");
    // a file counts once
    let twice = job.replace("\"shards/b/*.parquet\"", "\"shards/*/part.parquet\"");
    let (code, _, err) = report(&shop, &twice);
    assert!(code == 2 && err.contains("`shards/a/part.parquet` is in two of the paths"), "{err}");
    let (code, _, err) = report(&shop, &job.replace("[\"shards/a\", \"shards/b/*.parquet\"]", "[]"));
    assert!(code == 2 && err.contains("expected a path, or a list of paths"), "{err}");
}

#[test]
fn columns_that_files_lack_are_null_where_that_is_allowed() {
    let shop = Workshop::new();
    let file = |dir: &str, name: &str, batch: &RecordBatch| {
        fs::create_dir_all(shop.path(dir)).unwrap();
        write_parquet(&shop.path(&format!("{dir}/{name}.parquet")), batch, 10);
    };
    let both = |ids: &[i64], names: [&str; 3]| {
        let id: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let v: ArrayRef = Arc::new(StringArray::from(vec!["v"; ids.len()]));
        let w: ArrayRef = Arc::new(StringArray::from(vec!["w"; ids.len()]));
        RecordBatch::try_from_iter([(names[0], id), (names[1], v), (names[2], w)]).unwrap()
    };
    let bare = table(["id", "v"], &[1, 2], &["v", "v"]);
    let full = both(&[3, 4], ["id", "v", "w"]);
    let capitals = both(&[5], ["ID", "V", "W"]);
    // by all orders of the files
    let files = [&bare, &full, &capitals];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let expected: ArrayRef = Arc::new(StringArray::from(vec![None, None, Some("w"), Some("w"), Some("w")]));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]));
    let v: ArrayRef = Arc::new(StringArray::from(vec!["v"; 5]));
    let new = RecordBatch::try_from_iter([("id", id), ("v", v), ("w", expected)]).unwrap();
    file("new", "all", &new);
    let job = |order: usize, union: &str| {
        format!("[old]\npath = \"old{order}\"\n{union}[new]\npath = \"new\"\n[compare]\nkey = \"id\"\n")
    };
    for (number, order) in orders.iter().enumerate() {
        for (place, which) in order.iter().enumerate() {
            file(&format!("old{number}"), &format!("part-{place}"), files[*which]);
        }
        let (code, found, err) = report(&shop, &job(number, "union_by_name = true\n"));
        assert!(code == 0 && found["counts"]["matched"] == 5, "{order:?}: {err} {found}");
        let absent = &found["run"]["inputs"]["old"]["absent_columns"];
        assert_eq!(absent[0]["rows"], 2, "{absent}");
        assert_eq!((absent.as_array().unwrap().len(), &absent[0]["files"]), (1, &1.into()));
        let (code, _, err) = report(&shop, &job(number, ""));
        assert!(code == 2, "without the setting, the run is refused: {err}");
    }
    let (_, out, _) = run(&shop, &["run", "job.toml", "--quiet", "--set", "old.union_by_name=true"]);
    assert!(out.contains("3 files, W is NULL in 2 rows of 1 file without it"), "{out}");
    // a key has to be in every file
    file("keyless", "part-0", &table(["id", "v"], &[1], &["v"]));
    let other: ArrayRef = Arc::new(StringArray::from(vec!["v"]));
    file("keyless", "part-1", &RecordBatch::try_from_iter([("v", other)]).unwrap());
    let keyless = "[old]\npath = \"keyless\"\nunion_by_name = true\n[new]\npath = \"new\"\n[compare]\nkey = \"id\"\n";
    let (code, _, err) = report(&shop, keyless);
    assert!(code == 2 && err.contains("part-1.parquet") && err.contains("`id`"), "{err}");
}

#[test]
fn files_of_text_may_lack_columns_too() {
    let shop = Workshop::new();
    for (name, text) in [("a", "id,v\n1,x\n"), ("b", "v,ID,n\ny,2,7\n")] {
        fs::create_dir_all(shop.path("csv")).unwrap();
        fs::write(shop.path(&format!("csv/{name}.csv")), text).unwrap();
    }
    fs::write(shop.path("new.csv"), "id,v,n\n1,x,\n2,y,7.0\n").unwrap();
    let text = "[old]\npath = \"csv\"\nunion_by_name = true\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n";
    let (code, found, err) = report(&shop, text);
    assert!(code == 0 && found["counts"]["matched"] == 2, "{err} {found}");
}

#[test]
fn a_column_of_shards_hides_no_column() {
    let shop = Workshop::new();
    write_parquet(&shop.path("one.parquet"), &table(["id", "v"], &[1], &["x"]), 10);
    write_parquet(&shop.path("new.parquet"), &table(["id", "Shard"], &[1], &["WRONG"]), 10);
    let job = |shard: &str| {
        format!(
            "[old]\npath = [\"one.parquet\"]\nshard = \"{shard}\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n"
        )
    };
    let (code, _, err) = report(&shop, &job(""));
    assert!(code == 2 && err.contains("`shard` needs the name of a column"), "{err}");
    let (_, _, err) = report(&shop, &(job("shard") + "[signoff]\ndelete_from = \"old\"\n"));
    assert!(err.contains("`shard` cannot be used in a job with [signoff]"), "{err}");
    for shard in ["v", "V"] {
        let (code, _, err) = report(&shop, &job(shard));
        assert!(code == 2 && err.contains("is the name of a column in the files; choose another"), "{shard}: {err}");
    }
    // a column of the other side with that name is one that only this side has
    let (code, found, err) = report(&shop, &job("shard"));
    assert!(code == 1 && found["coverage"]["new_only"][0] == "Shard", "{found} {err}");
    assert_eq!(found["coverage"]["ignored"][0], "shard (of old)");
    // the same file by another spelling
    let twice = job("shard").replace("[\"one.parquet\"]", "[\"one.parquet\", \"link.parquet\"]");
    std::os::unix::fs::symlink(shop.path("one.parquet"), shop.path("link.parquet")).unwrap();
    let (code, _, err) = report(&shop, &twice);
    assert!(code == 2 && err.contains("is in two of the paths"), "{err}");
}

#[test]
fn names_that_differ_in_capitals_within_a_file_are_two_columns() {
    let shop = Workshop::new();
    let text = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let id = |id: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![id])) };
    fs::create_dir(shop.path("old")).unwrap();
    let both = [("id", id(1)), ("a", text(Some("1"))), ("A", text(Some("2")))];
    write_parquet(&shop.path("old/1.parquet"), &RecordBatch::try_from_iter(both).unwrap(), 10);
    let one = [("id", id(2)), ("A", text(Some("5")))];
    write_parquet(&shop.path("old/2.parquet"), &RecordBatch::try_from_iter(one).unwrap(), 10);
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let texts = |values: [Option<&str>; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let new = [("id", ids), ("a", texts([Some("1"), None])), ("A", texts([Some("2"), Some("5")]))];
    write_parquet(&shop.path("new.parquet"), &RecordBatch::try_from_iter(new).unwrap(), 10);
    let job = "[old]\npath = \"old\"\nunion_by_name = true\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n";
    let (code, found, err) = report(&shop, job);
    assert!(code == 0 && found["counts"]["matched"] == 2, "{found} {err}");
    // what a directory name says is not NULL where a file lacks the column
    for (day, batch) in [(1, vec![("id", id(1)), ("day", id(7))]), (2, vec![("id", id(2))])] {
        fs::create_dir_all(shop.path(&format!("days/day={day}"))).unwrap();
        let path = shop.path(&format!("days/day={day}/part.parquet"));
        write_parquet(&path, &RecordBatch::try_from_iter(batch).unwrap(), 10);
    }
    let (ids, days): (ArrayRef, ArrayRef) =
        (Arc::new(Int64Array::from(vec![1, 2])), Arc::new(Int64Array::from(vec![Some(7), None])));
    write_parquet(&shop.path("new.parquet"), &RecordBatch::try_from_iter([("id", ids), ("day", days)]).unwrap(), 10);
    let (code, _, err) = report(&shop, &job.replace("path = \"old\"", "path = \"days\""));
    assert!(code == 2 && err.contains("`day`"), "{err}");
}
