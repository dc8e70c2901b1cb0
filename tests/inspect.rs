//! `inspect` reports known properties of files, and predicts what `diff` does.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use serde_json::{Value, json};

use crate::support::Workshop;

/// Written by `pyarrow.parquet.write_table(…, write_page_checksum=True, compression="none", row_group_size=2)`, because
/// no Rust writer writes checksums: `id` 1 to 4, `name` "a" to "d".
const WITH_CHECKSUMS: &[u8] = include_bytes!("data/checksums.parquet");

fn write(path: &Path, batch: &RecordBatch, properties: WriterPropertiesBuilder) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = properties.set_max_row_group_row_count(Some(10)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(values: impl IntoIterator<Item = Option<&'static str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Thirty rows in three row groups: `id` ascends, `falls` descends, `shuffled` is unordered, `one` is constant, and
/// `note` is NULL in every third row.
fn thirty() -> RecordBatch {
    batch(vec![
        ("id", ints(0..30)),
        ("falls", ints((0..30).rev())),
        ("shuffled", ints((0..30).map(|row| row * 7 % 30))),
        ("one", texts((0..30).map(|_| Some("EUR")))),
        ("note", texts((0..30).map(|row| (row % 3 > 0).then_some("a note")))),
    ])
}

fn look(shop: &Workshop, args: &[&str]) -> (i32, Value) {
    let output = shop.run(&[&["inspect", "--format", "json"], args].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn text(shop: &Workshop, args: &[&str]) -> String {
    String::from_utf8(shop.run(&[&["inspect"], args].concat()).stdout).unwrap()
}

fn column<'a>(found: &'a Value, name: &str) -> &'a Value {
    found["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap()
}

#[test]
fn layout_and_values_are_what_the_footers_say() {
    let shop = Workshop::new();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    write(&shop.path("t.parquet"), &thirty(), properties);
    let (code, found) = look(&shop, &["t.parquet"]);
    assert_eq!((code, &found["looks"], &found["broken"]), (0, &json!("whole"), &json!([])));
    assert_eq!(found["rows"], 30);
    assert_eq!(
        found["row_groups"],
        json!({ "count": 3, "empty": 0, "rows_min": 10, "rows_median": 10, "rows_max": 10 })
    );
    assert_eq!(found["files"]["bytes"], fs::metadata(shop.path("t.parquet")).unwrap().len());
    assert_eq!(found["storage"]["codecs"], json!([{ "name": "snappy", "count": 15 }]));
    assert_eq!(found["storage"]["statistics"], "all");
    assert_eq!(found["storage"]["page_index"], "all");
    let id = column(&found, "id");
    assert_eq!((&id["type"], &id["nulls"], &id["ranges"]), (&json!("int64"), &json!(0), &json!("ascend")));
    assert_eq!(id["min"], json!({ "value": "0", "exact": true }));
    assert_eq!(id["max"], json!({ "value": "29", "exact": true }));
    assert_eq!(column(&found, "shuffled")["ranges"], "overlap");
    assert_eq!(column(&found, "shuffled")["max"]["value"], "29");
    let note = column(&found, "note");
    assert_eq!((&note["type"], &note["nulls"]), (&json!("text"), &json!(10)));
    assert!((note["null_rate"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(note["min"]["value"], "\"a note\"");
    // the row groups of `falls` can be sorted regardless of the rows in them; `one` ascends but is constant
    assert_eq!(found["key_candidates"], json!(["id", "falls"]));
    assert_eq!(found["key"], Value::Null);
    let said = text(&shop, &["t.parquet"]);
    assert!(said.contains("10 (33.3 %)") && said.contains("3 of 10 rows"), "{said}");
    assert!(said.contains("row groups ascend by `id`, `falls`") && said.contains("--key"), "{said}");
}

#[test]
fn the_way_that_is_foreseen_is_the_way_that_diff_takes() {
    let shop = Workshop::new();
    let plain = WriterProperties::builder;
    let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    write(&shop.path("plain"), &thirty(), plain());
    write(&shop.path("bare"), &thirty(), plain().set_statistics_enabled(EnabledStatistics::None));
    let declared = plain().set_statistics_enabled(EnabledStatistics::None).set_sorting_columns(Some(vec![sorted]));
    write(&shop.path("declared"), &thirty(), declared);
    write(&shop.path("small"), &thirty().slice(0, 5), plain());
    for (part, from) in [("a", 20), ("b", 0), ("c", 10)] {
        write(&shop.path(&format!("parts/{part}")), &thirty().slice(from, 10), plain());
    }
    for (path, key, way, ranges, first_keys) in [
        ("plain", "id", "ordered", "ascend", "ascend"),
        ("plain", "id,note", "ordered", "ascend", "ascend"),
        ("plain", "falls", "hashed", "ascend", "out_of_order"),
        ("plain", "shuffled", "hashed", "overlap", "not_read"),
        ("bare", "id", "hashed", "unknown", "not_read"),
        ("declared", "id", "ordered", "declared", "ascend"),
        ("declared", "falls", "hashed", "unknown", "not_read"),
        ("small", "id", "ordered", "one_row_group", "ascend"),
        ("small", "falls", "hashed", "one_row_group", "out_of_order"),
        ("parts", "id", "ordered", "ascend", "ascend"),
    ] {
        let (code, found) = look(&shop, &[path, "--key", key]);
        let foreseen = &found["key"];
        assert_eq!(code, 0);
        assert_eq!(foreseen["way"], way, "{path} by {key}: {foreseen}");
        assert_eq!(foreseen["ranges"], ranges, "{path} by {key}");
        assert_eq!(foreseen["first_keys"], first_keys, "{path} by {key}");
        let diff = shop.run(&["diff", path, path, "--key", key, "--format", "json", "--quiet"]);
        let report: Value = serde_json::from_slice(&diff.stdout).unwrap();
        assert_eq!(report["run"]["way"], way, "{path} by {key}");
        let reason = foreseen["reason"].as_str().unwrap();
        assert!(!reason.contains(" old") && !reason.contains("old "), "there are no sides: {reason}");
    }
    let (_, declared) = look(&shop, &["declared"]);
    assert_eq!(declared["sorted_by"], json!({ "columns": ["id"], "row_groups": 3 }));
    assert_eq!(column(&declared, "id")["declared_sorted"], true);
}

#[test]
fn memory_grows_with_the_rows_in_the_hashed_way_only() {
    let shop = Workshop::new();
    write(&shop.path("few"), &batch(vec![("id", ints(0..1))]), WriterProperties::builder());
    write(&shop.path("many"), &batch(vec![("id", ints(0..1_000))]), WriterProperties::builder());
    let memory = |path| look(&shop, &[path, "--key", "id"]).1["key"]["memory"].clone();
    let of = |memory: &Value, field: &str| memory[field].as_u64().unwrap();
    let (few, many) = (memory("few"), memory("many"));
    let for_rows = |memory: &Value| of(memory, "hashed_bytes") - of(memory, "ordered_bytes");
    assert_eq!(for_rows(&many) - for_rows(&few), 42 * 999);
    assert_eq!(of(&many, "hashed_spilled_bytes"), 0);
    let limits = countersign::Limits { threads: 2, memory: 1 << 30, ..Default::default() };
    let division = countersign::testing::Demand::default().divide(&limits).unwrap();
    let rows = countersign::sides::Sides { old: 1 << 29, new: 1 << 29 };
    let beyond = countersign::testing::MemoryEstimate::of(&division, limits.memory, rows);
    assert_eq!(beyond.hashed_bytes, 1 << 30, "the limit holds");
    let working = (1 << 30) - beyond.ordered_bytes;
    assert_eq!(beyond.hashed_spilled_bytes, (32 << 30) - (working - working / 4));
}

#[test]
fn what_statistics_leave_out_is_unknown_and_never_a_guess() {
    let shop = Workshop::new();
    let none = WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None);
    write(&shop.path("t/bare"), &thirty(), none);
    let (_, found) = look(&shop, &["t"]);
    let note = column(&found, "note");
    assert_eq!((&found["storage"]["statistics"], &note["statistics"]), (&json!("none"), &json!("none")));
    assert_eq!((&note["nulls"], &note["min"], &note["max"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(text(&shop, &["t"]).contains("unknown"));
    // half of them known is as good as nothing known
    write(&shop.path("t/known"), &thirty(), WriterProperties::builder());
    let (_, found) = look(&shop, &["t"]);
    let note = column(&found, "note");
    assert_eq!((&note["statistics"], &note["nulls"], &note["min"]), (&json!("some"), &Value::Null, &Value::Null));
    assert_eq!(column(&found, "id")["ranges"], "unknown");
}

#[test]
fn a_required_column_has_no_null_whatever_the_footer_leaves_out() {
    let shop = Workshop::new();
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let rows = RecordBatch::try_new(schema, vec![ints(0..5)]).unwrap();
    write(&shop.path("t"), &rows, WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None));
    assert_eq!(column(&look(&shop, &["t"]).1, "id")["nulls"], 0);
}

#[test]
fn values_that_the_writer_cut_are_bounds() {
    let shop = Workshop::new();
    let rows = batch(vec![("t", texts([Some("abcdefgh"), Some("stuvwxyz")]))]);
    write(&shop.path("t"), &rows, WriterProperties::builder().set_statistics_truncate_length(Some(4)));
    let (_, found) = look(&shop, &["t"]);
    assert_eq!(column(&found, "t")["min"], json!({ "value": "\"abcd\"", "exact": false }));
    assert_eq!(column(&found, "t")["max"], json!({ "value": "\"stuw\"", "exact": false }));
    let said = text(&shop, &["t"]);
    assert!(said.contains("≥ \"abcd\"") && said.contains("≤ \"stuw\""), "{said}");
}

#[test]
fn checksums_are_in_all_some_or_none_of_the_pages() {
    let shop = Workshop::new();
    fs::create_dir(shop.path("t")).unwrap();
    fs::write(shop.path("t/a"), WITH_CHECKSUMS).unwrap();
    let plain = batch(vec![("id", ints(5..7)), ("name", texts([Some("e"), None]))]);
    write(&shop.path("t/b"), &plain, WriterProperties::builder());
    let squeezed = WriterProperties::builder().set_compression(Compression::SNAPPY);
    write(&shop.path("squeezed"), &plain, squeezed);
    for (path, presence, pages, with, unprotected) in
        [("t/a", "all", 4, 4, 0), ("t/b", "none", 2, 0, 2), ("t", "some", 6, 4, 2), ("squeezed", "none", 2, 0, 0)]
    {
        let (code, found) = look(&shop, &[path]);
        let expected = json!({ "presence": presence, "pages": pages, "with": with, "unprotected": unprotected });
        assert_eq!((code, &found["checksums"]), (0, &expected), "{path}");
        assert_eq!(found["remarks"].as_array().unwrap().len(), usize::from(unprotected > 0), "{path}");
    }
}

#[test]
fn every_broken_file_is_listed_and_the_rest_is_described() {
    let shop = Workshop::new();
    write(&shop.path("t/good"), &thirty(), WriterProperties::builder());
    let good = fs::read(shop.path("t/good")).unwrap();
    fs::write(shop.path("t/truncated"), &good[..good.len() / 2]).unwrap();
    fs::write(shop.path("t/empty"), "").unwrap();
    fs::write(shop.path("t/notes.txt"), "not data").unwrap();
    fs::write(shop.path("t/_SUCCESS"), "").unwrap();
    let mut hole = good.clone();
    hole[4..200].fill(0);
    fs::write(shop.path("t/hole"), &hole).unwrap();
    // the last bytes of data are gone and the footer is whole, so the last page runs into the footer
    let unindexed = WriterProperties::builder().set_statistics_enabled(EnabledStatistics::Chunk);
    write(&shop.path("t/cut"), &thirty(), unindexed.set_offset_index_disabled(true));
    let whole = fs::read(shop.path("t/cut")).unwrap();
    let length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let footer = whole.len() - 8 - length;
    fs::write(shop.path("t/cut"), [&whole[..footer - 10], &whole[footer..]].concat()).unwrap();

    let (code, found) = look(&shop, &["t", "--key", "id"]);
    assert_eq!((code, &found["looks"]), (2, &json!("broken")));
    let broken: Vec<(&str, &str)> = found["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["file"].as_str().unwrap(), finding["what"].as_str().unwrap()))
        .collect();
    let files: Vec<&str> = broken.iter().map(|(file, _)| *file).collect();
    assert_eq!(files, ["t/empty", "t/notes.txt", "t/truncated", "t/cut", "t/hole"]);
    for ((_, what), words) in broken.iter().zip([
        "is empty",
        "is text, such as CSV",
        "is truncated",
        "row group 2, column `note`: its first page is not at the offset in the footer",
        "row group 0, column `id`: its first page is not at the offset in the footer",
    ]) {
        assert!(what.contains(words), "{what}");
    }
    assert_eq!(found["files"]["count"], 6);
    assert_eq!(found["files"]["unreadable"], 3);
    assert_eq!(found["files"]["passed_over"], json!(["t/_SUCCESS"]));
    assert_eq!(found["rows"], 90);
    let said = text(&shop, &["t"]);
    assert!(said.starts_with("LOOKS BROKEN  5 findings"), "{said}");
    for words in ["`t/truncated` is truncated", "export it again", "6, 3 of them unreadable", "1 skipped"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}

#[test]
fn nothing_but_broken_files_is_still_an_answer() {
    let shop = Workshop::new();
    fs::create_dir(shop.path("t")).unwrap();
    for name in ["a", "b"] {
        fs::write(shop.path("t").join(name), "no parquet").unwrap();
    }
    let (code, found) = look(&shop, &["t", "--key", "id"]);
    assert_eq!((code, found["broken"].as_array().unwrap().len()), (2, 2));
    assert_eq!((&found["columns"], &found["key"]["way"]), (&json!([]), &Value::Null));
    assert!(text(&shop, &["t", "--key", "id"]).contains("strategy  none: no file can be read"));
}

#[test]
fn columns_on_which_files_disagree_are_named_with_the_files() {
    let shop = Workshop::new();
    let plain = WriterProperties::builder;
    write(&shop.path("t/a"), &batch(vec![("id", ints(0..3)), ("x", ints(0..3)), ("y", ints(0..3))]), plain());
    write(&shop.path("t/b"), &batch(vec![("id", ints(3..6)), ("x", texts([Some("1"), None, None]))]), plain());
    let narrow: ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![6]));
    write(&shop.path("t/c"), &batch(vec![("id", narrow)]), plain());
    let (code, found) = look(&shop, &["t", "--key", "id"]);
    assert_eq!(code, 2);
    let what = |at: usize| found["broken"][at]["what"].as_str().unwrap();
    assert_eq!(found["broken"].as_array().unwrap().len(), 2);
    assert_eq!(what(0), "column `x` is int64 in `t/a` and text in `t/b`");
    assert_eq!(what(1), "column `y` is missing from 2 of 3 files, first `t/b`");
    assert_eq!(column(&found, "y")["files"], 1);
    let types = json!([{ "name": "int32", "count": 1 }, { "name": "int64", "count": 2 }]);
    assert_eq!((&column(&found, "id")["type"], &column(&found, "id")["file_types"]), (&json!("int64"), &types));
    // what fits together is described all the same
    assert_eq!(column(&found, "id")["max"]["value"], "6");
    assert_eq!(found["key"]["way"], "ordered");
    let by_x = look(&shop, &["t", "--key", "x"]).1;
    assert_eq!(by_x["key"]["way"], Value::Null);
    assert_eq!(by_x["key"]["reason"], "the files do not agree on key column `x`");
}

#[test]
fn a_directory_a_glob_and_partitions_are_listed_as_for_diff() {
    let shop = Workshop::new();
    let plain = WriterProperties::builder;
    write(&shop.path("t/day=1/a.parquet"), &batch(vec![("id", ints(0..3))]), plain());
    write(&shop.path("t/day=2/b.parquet"), &batch(vec![("id", ints(3..6))]), plain());
    write(&shop.path("t/day=__HIVE_DEFAULT_PARTITION__/c.parquet"), &batch(vec![("id", ints(6..8))]), plain());
    for path in ["t", "t/*", "t/**/*.parquet"] {
        let (code, found) = look(&shop, &[path]);
        assert_eq!((code, &found["rows"], &found["path"]), (0, &json!(8), &json!(path)));
        let day = column(&found, "day");
        assert_eq!((&day["partition"], &day["type"], &day["nulls"]), (&json!(true), &json!("int64"), &json!(2)));
        assert_eq!((&day["min"]["value"], &day["max"]["value"]), (&json!("1"), &json!("2")));
    }
    let (_, found) = look(&shop, &["t/day=[12]/*"]);
    assert_eq!(found["rows"], 6);
}

#[test]
fn an_empty_snapshot_is_remarked_on() {
    let shop = Workshop::new();
    write(&shop.path("t/a"), &thirty().slice(0, 0), WriterProperties::builder());
    let (code, found) = look(&shop, &["t", "--key", "id"]);
    assert_eq!((code, &found["rows"], &found["key"]["reason"]), (0, &json!(0), &json!("there are no rows")));
    assert!(found["remarks"][0].as_str().unwrap().starts_with("it has no rows"));
    write(&shop.path("t/b"), &thirty(), WriterProperties::builder());
    let (_, found) = look(&shop, &["t"]);
    assert_eq!(found["remarks"][0], "1 of 2 files have no rows, first `t/a`");
    assert_eq!(found["files"]["empty"], 1);
}

#[test]
fn a_type_that_diff_cannot_compare_is_remarked_on() {
    let shop = Workshop::new();
    let intervals: ArrayRef = Arc::new(arrow::array::IntervalYearMonthArray::from(vec![1]));
    write(&shop.path("t"), &batch(vec![("id", ints(0..1)), ("iv", intervals)]), WriterProperties::builder());
    let (code, found) = look(&shop, &["t", "--key", "id"]);
    assert_eq!((code, &found["key"]["way"]), (0, &json!("ordered")));
    assert!(found["remarks"][0].as_str().unwrap().starts_with("column `iv` is interval"), "{}", found["remarks"]);
    let (_, found) = look(&shop, &["t", "--key", "iv"]);
    assert_eq!(found["key"]["reason"], "key column `iv` is interval, for which equality is not defined");
}

#[test]
fn what_cannot_be_looked_at_is_an_error() {
    let shop = Workshop::new();
    write(&shop.path("t"), &thirty(), WriterProperties::builder());
    fs::create_dir(shop.path("nothing")).unwrap();
    for (args, words) in [
        (&["nowhere"] as &[&str], "the snapshot `nowhere` does not exist"),
        (&["nothing"], "the snapshot `nothing` contains no data files"),
        (&["t", "--key", "idd"], "the snapshot has no column `idd`; did you mean `id`?"),
        (&["t", "--key", "id,id"], "--key: duplicate column `id`"),
    ] {
        let output = shop.run(&[&["inspect"], args].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_damaged_page_that_the_planner_meets_is_a_finding() {
    let shop = Workshop::new();
    let mut bytes = WITH_CHECKSUMS.to_vec();
    // the values of `id` in the first row group are 1 and 2 in eight bytes each
    let at = bytes.windows(16).position(|bytes| bytes == [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    bytes[at] = 3;
    fs::write(shop.path("t"), bytes).unwrap();
    let (code, found) = look(&shop, &["t"]);
    assert_eq!((code, &found["broken"]), (0, &json!([])), "data is not read without need");
    let (code, found) = look(&shop, &["t", "--key", "id"]);
    assert_eq!((code, &found["key"]["way"]), (2, &Value::Null));
    let what = found["broken"][0]["what"].as_str().unwrap();
    assert!(what.contains("`t` is damaged in row group 0, column `id`"), "{what}");
}

#[test]
fn no_control_character_reaches_the_terminal() {
    let shop = Workshop::new();
    let evil = "\u{1b}[2J\u{7}\r\n\u{202e}x";
    let name = format!("v{evil}");
    let value: ArrayRef = Arc::new(StringArray::from(vec![evil]));
    write(&shop.path("t/a\u{202e}"), &batch(vec![(&name, value)]), WriterProperties::builder());
    fs::write(shop.path("t/b\u{202e}"), "").unwrap();
    let said = text(&shop, &["t", "--key", &name]);
    assert!(said.contains("\\u{1b}[2J") && said.contains("b\\u{202e}"), "{said}");
    assert!(!said.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{said:?}");
}

#[test]
fn the_schema_in_the_repo_is_current() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/inspect.v1.json");
    let current = countersign::testing::inspect::schema().unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&place, &current).unwrap();
    }
    assert_eq!(fs::read_to_string(&place).unwrap(), current, "UPDATE=1 rewrites it");
}

#[test]
fn the_json_form_fits_the_schema() {
    let schema = serde_json::from_str(&countersign::testing::inspect::schema().unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let shop = Workshop::new();
    write(&shop.path("t/good"), &thirty(), WriterProperties::builder());
    fs::write(shop.path("t/bad"), "").unwrap();
    for args in [&["t/good"] as &[&str], &["t", "--key", "id"], &["t/bad"]] {
        let (_, found) = look(&shop, args);
        let errors: Vec<String> = validator.iter_errors(&found).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(found["schema"], "countersign/inspect/v1");
        let mut incomplete = found.clone();
        incomplete.as_object_mut().unwrap().remove("looks");
        assert!(!validator.is_valid(&incomplete), "a schema that takes anything proves nothing");
    }
}
