//! Readings that lose nothing have a separate tier, cell by cell, with both strategies.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use countersign::job::file::JobFile;
use countersign::report::{Report, Style};
use countersign::{Limits, Options, Strategy};

use crate::support::{Workshop, lines, run, write_parquet};

/// Pairs that are exact, by reading, by rule, and tolerated, and pairs that differ.
pub type Found = [u64; 5];

fn found(report: &Report) -> Found {
    let tiers = report.tiers();
    [tiers.exact, tiers.by_reading, tiers.by_rule, tiers.tolerated, report.counts().mismatch]
}

fn write(shop: &Workshop, name: &str, columns: &[(&str, ArrayRef)]) {
    let ids: ArrayRef = Arc::new((0..columns[0].1.len() as i64).collect::<Int64Array>());
    let columns = std::iter::once(("id", ids)).chain(columns.iter().cloned());
    write_parquet(&shop.path(&format!("{name}.parquet")), &RecordBatch::try_from_iter(columns).unwrap(), 2);
}

fn ask(shop: &Workshop, compare: &str, way: Strategy) -> Report {
    let text = format!("old.path = \"old.parquet\"\nnew.path = \"new.parquet\"\n{compare}");
    fs::write(shop.path("job.toml"), text).unwrap();
    let file = JobFile::read(&shop.path("job.toml"), &[]).unwrap();
    assert_eq!(file.mistakes, [], "{compare}");
    let limits = Limits { threads: 1, batch_rows: 3, ..Limits::default() };
    let options = Options { strategy: Some(way), limits, ..Options::default() };
    countersign::compare(&file.job.unwrap(), &options).unwrap()
}

/// The tiers of pairs of cells under the rules of a column.
pub fn tiers(old: impl Array + 'static, new: impl Array + 'static, rules: &str) -> Found {
    let shop = Workshop::new();
    for (name, array) in
        [("old", arrow::array::make_array(old.to_data())), ("new", arrow::array::make_array(new.to_data()))]
    {
        write(&shop, name, &[("v", array)]);
    }
    let compare = format!("[compare]\nkey = \"id\"\n[compare.columns.v]\n{rules}\n");
    let [ordered, hashed] = [Strategy::Ordered, Strategy::Hashed].map(|way| ask(&shop, &compare, way));
    let columns = [&ordered, &hashed].map(|report| &report.comparison().unwrap().columns);
    assert_eq!((found(&ordered), columns[0]), (found(&hashed), columns[1]), "{rules}");
    // with one column, rows are what its cells are
    let column = &columns[0][1];
    let [exact, of_cells @ ..] = found(&ordered);
    assert_eq!([column.by_reading, column.by_rule, column.tolerated, column.mismatches], of_cells, "{rules}");
    assert_eq!(exact + of_cells[..3].iter().sum::<u64>(), ordered.counts().matched, "{rules}");
    found(&ordered)
}

pub fn texts<const N: usize>(texts: [&str; N]) -> StringArray {
    texts.into_iter().map(|text| Some(text).filter(|text| *text != "NULL")).collect()
}

pub fn bytes<const N: usize>(bytes: [&[u8]; N]) -> BinaryArray {
    bytes.into_iter().map(Some).collect()
}

pub fn decimals<const N: usize>(thousandths: [i128; N]) -> Decimal128Array {
    Decimal128Array::from_iter_values(thousandths).with_precision_and_scale(12, 3).unwrap()
}

/// Milliseconds of ISO 8601 texts in UTC.
pub fn millis<const N: usize>(times: [&str; N]) -> TimestampMillisecondArray {
    let millis = |time: &str| format!("{time}Z").parse::<jiff::Timestamp>().unwrap().as_millisecond();
    TimestampMillisecondArray::from_iter_values(times.map(millis))
}

#[test]
fn a_reading_that_loses_nothing_has_its_own_tier() {
    let by_reading = |count| [0, count, 0, 0, 0];
    assert_eq!(tiers(texts(["5", "-12.50", "1e-3"]), decimals([5_000, -12_500, 1]), "as = \"decimal\""), by_reading(3));
    assert_eq!(tiers(decimals([5_000, 7_000]), texts(["5.000", "+7"]), "as = \"decimal\""), by_reading(2));
    assert_eq!(tiers(texts(["007", "-3"]), Int64Array::from(vec![7, -3]), "as = \"integer\""), by_reading(2));
    let flags = || BooleanArray::from(vec![true, false]);
    assert_eq!(tiers(texts(["yes", "0"]), flags(), "as = \"boolean\""), by_reading(2));
    assert_eq!(tiers(flags(), Int64Array::from(vec![1, 0]), "as = \"boolean\""), by_reading(2));
    let times = || millis(["2026-07-01T10:00:00", "2026-01-01T11:00:00"]);
    let said = texts(["2026-07-01T12:00:00+02:00", "2026-01-01 11:00Z"]);
    assert_eq!(tiers(said, times().with_timezone("UTC"), "as = \"timestamp\""), by_reading(2));
    let dates = Date32Array::from(vec![0, 1]);
    let midnights = millis(["1970-01-01T00:00:00", "1970-01-02T00:00:00"]);
    assert_eq!(tiers(dates, midnights, "as = \"timestamp\""), by_reading(2));
    let ids = || [[0x9f_u8; 16], [0x0a; 16]];
    let written = ids().map(hex::encode);
    let written = || texts([written[0].as_str(), written[1].as_str()]);
    let fixed = FixedSizeBinaryArray::try_from_iter(ids().into_iter()).unwrap();
    assert_eq!(tiers(written(), fixed, "as = \"uuid\""), by_reading(2));
    assert_eq!(tiers(texts(["00ff", "0xFF"]), bytes([&[0, 255], &[255]]), "as = \"hex\""), by_reading(2));
    assert_eq!(tiers(bytes([&[0, 255], &[255]]), texts(["AP8=", "_w"]), "as = \"base64\""), by_reading(2));
    assert_eq!(tiers(Int64Array::from(vec![5, -1]), texts(["5", "-1"]), "as = \"text\""), by_reading(2));
    assert_eq!(tiers(flags(), texts(["true", "false"]), "as = \"text\""), by_reading(2));
}

#[test]
fn what_only_a_reading_makes_equal_within_one_family_is_by_rule() {
    // the first pair is equal as it is stored, the second one only as it is read
    let one_each = [1, 0, 1, 0, 0];
    for (old, new, rules) in [
        (["7", "5.0"], ["7", "5"], "as = \"decimal\""),
        (["7", "007"], ["7", "7"], "as = \"integer\""),
        (["yes", "yes"], ["yes", "true"], "as = \"boolean\""),
        (["2026-01-01", "2026-01-01"], ["2026-01-01", "2026-01-01 00:00"], "as = \"timestamp\"\nassume_tz = \"UTC\""),
        (["2026-01-01", "2026-01-01"], ["2026-01-01", "2026-01-01 09:00"], "as = \"date\""),
        (["00ff", "00ff"], ["00ff", "0x00FF"], "as = \"hex\""),
        (["/w==", "/w=="], ["/w==", "_w"], "as = \"base64\""),
        (["1.5", "1.5"], ["1.5", "1.50"], "as = \"float\""),
        (["{}", "{ }"], ["{}", "{}"], "as = \"json\""),
    ] {
        assert_eq!(tiers(texts(old), texts(new), rules), one_each, "{rules}");
    }
    let id = hex::encode([0x9f; 16]);
    let upper = id.to_uppercase();
    assert_eq!(tiers(texts([&id, &id]), texts([&id, &upper]), "as = \"uuid\""), one_each);
    let (old, new) = (Float64Array::from(vec![0.5, 0.1]), decimals([500, 100]));
    assert_eq!(tiers(old, new, "as = \"float\""), one_each);
    let (old, new) = (Int64Array::from(vec![5, 6]), decimals([5_000, 6_000]));
    assert_eq!(tiers(old, new, "as = \"integer\""), [2, 0, 0, 0, 0], "numbers are equal by value, whatever reads them");
}

#[test]
fn a_reading_that_may_lose_something_is_by_rule() {
    let by_rule = |count| [0, 0, count, 0, 0];
    let days = || Date32Array::from(vec![0, 1]);
    let times = || millis(["1970-01-01T00:00:00", "1970-01-02T09:30:00"]);
    assert_eq!(tiers(days(), times(), "as = \"date\""), by_rule(2));
    assert_eq!(tiers(texts(["1970-01-01", "1970-01-02"]), days(), "as = \"date\""), by_rule(2));
    assert_eq!(tiers(times().with_timezone("UTC"), days(), "as = \"date\"\nassume_tz = \"UTC\""), by_rule(2));
    let floats = || Float64Array::from(vec![0.5, 0.1]);
    assert_eq!(tiers(texts(["0.5", "0.1"]), floats(), "as = \"float\""), by_rule(2));
    let narrow = Float64Array::from(vec![0.5, f64::from(0.1_f32)]);
    assert_eq!(tiers(texts(["0.5", "0.1"]), narrow, "as = \"float32\""), by_rule(2));
    let wholes = || Int64Array::from(vec![1, 2]);
    assert_eq!(tiers(wholes(), Int64Array::from(vec![10, 20]), "old_expr = \"v * 10\""), by_rule(2));
    // a reading of what an expression yields is no better than the expression
    assert_eq!(tiers(wholes(), texts(["10", "20"]), "old_expr = \"v * 10\"\nas = \"decimal\""), by_rule(2));
}

#[test]
fn a_zone_loses_nothing_and_reads_no_hour_that_comes_twice_or_never() {
    let walls = || millis(["2026-07-01T12:00:00", "2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-10-25T03:00:00"]);
    // whichever of the two hours new has, or what lenient readers make of the one that is left out
    for [skipped, twice] in [
        ["2026-03-29T00:30:00", "2026-10-25T00:30:00"],
        ["2026-03-29T01:30:00", "2026-10-25T01:30:00"],
        ["2026-03-29T01:00:00", "2026-10-25T00:30:00"],
    ] {
        let instants = || millis(["2026-07-01T10:00:00", skipped, twice, "2026-10-25T02:00:00"]).with_timezone("UTC");
        for rules in ["assume_tz = \"Europe/Berlin\"", "as = \"timestamp\"\nassume_tz = \"Europe/Berlin\""] {
            assert_eq!(tiers(walls(), instants(), rules), [0, 2, 0, 0, 2], "{rules}");
            assert_eq!(tiers(instants(), walls(), rules), [0, 2, 0, 0, 2], "{rules}");
        }
        let rules = "assume_tz = \"Europe/Berlin\"\ntolerance = \"90m\"";
        assert_eq!(tiers(walls(), instants(), rules), [0, 2, 0, 0, 2], "what is not read is near nothing");
    }
    let said = texts(["2026-07-01 12:00", "2026-03-29 02:30", "2026-10-25 02:30", "2026-10-25 02:30+01:00"]);
    let instants = millis(["2026-07-01T10:00:00", "2026-03-29T01:30:00", "2026-10-25T01:30:00", "2026-10-25T01:30:00"]);
    let rules = "as = \"timestamp\"\nassume_tz = \"Europe/Berlin\"";
    assert_eq!(tiers(said, instants.with_timezone("UTC"), rules), [0, 2, 0, 0, 2]);
}

#[test]
fn codes_lose_nothing_where_no_two_stand_for_one_word() {
    let active = || texts(["active", "active", "idle", "NULL"]);
    let values = "values = { A = \"active\", I = \"idle\" }";
    // a word that old writes itself is equal by value
    assert_eq!(tiers(texts(["A", "active", "I", "NULL"]), active(), values), [2, 2, 0, 0, 0]);
    let swapped = "values = { a = \"b\", b = \"a\" }";
    assert_eq!(tiers(texts(["a", "b", "c"]), texts(["b", "a", "c"]), swapped), [1, 2, 0, 0, 0]);
    // two codes for one word, one of them the word itself
    let shared = "values = { A = \"active\", B = \"active\", I = \"idle\" }";
    assert_eq!(tiers(texts(["A", "B", "I", "NULL"]), active(), shared), [1, 1, 2, 0, 0]);
    let itself = "values = { A = \"active\", active = \"active\", I = \"idle\" }";
    assert_eq!(tiers(texts(["A", "active", "I", "NULL"]), active(), itself), [2, 1, 1, 0, 0]);
    // numbers are text as they are written, so a value that is not a code is also read: 1 and 2 both become 2
    let number = "values = { 1 = \"2\" }";
    assert_eq!(tiers(Int64Array::from(vec![1, 2, 3]), texts(["2", "2", "3"]), number), [0, 2, 1, 0, 0]);
}

#[test]
fn codes_are_told_apart_as_they_are_read() {
    let read = |values: &str| format!("values = {values}\nas = \"decimal\"");
    let numbers = || Int64Array::from(vec![1, 1, 3]);
    assert_eq!(tiers(texts(["a", "b", "3"]), numbers(), &read("{ a = \"1\", b = \"1.0\" }")), [0, 1, 2, 0, 0]);
    assert_eq!(tiers(texts(["a", "1.0", "3"]), numbers(), &read("{ a = \"1\" }")), [0, 2, 1, 0, 0]);
    // between texts, the table produces the values, and pairs that only the reading makes equal are by rule
    let (old, new) = (texts(["a", "a", "5", "5"]), texts(["5", "5.0", "5", "5.0"]));
    assert_eq!(tiers(old, new, &read("{ a = \"5\" }")), [1, 1, 2, 0, 0]);
}

#[test]
fn a_cell_counts_where_its_worst_rule_does() {
    let rules = "trim = true\nas = \"decimal\"\ntolerance = 0.5";
    let old = texts(["5", " 6", "7.4", "NULL", "nine", "11"]);
    let new = Int64Array::from(vec![Some(5), Some(6), Some(7), None, Some(9), Some(12)]);
    assert_eq!(tiers(old, new, rules), [1, 1, 1, 1, 2]);
}

#[test]
fn a_row_is_in_the_tier_of_its_worst_cell() {
    let shop = Workshop::new();
    let nothing = Int64Array::from(vec![None::<i64>; 5]);
    write(
        &shop,
        "old",
        &[
            ("v", Arc::new(texts(["NULL", "1", "2", "3", "4"]))),
            ("w", Arc::new(texts(["x", "x", "x ", "x ", "x"]))),
            ("n", Arc::new(Float64Array::from(vec![1.0, 1.0, 1.0, 1.1, 9.0]))),
            ("z", Arc::new(nothing.clone())),
        ],
    );
    write(
        &shop,
        "new",
        &[
            ("v", Arc::new(Int64Array::from(vec![None, Some(1), Some(2), Some(3), Some(4)]))),
            ("w", Arc::new(texts(["x", "x", "x", "x", "x"]))),
            ("n", Arc::new(Float64Array::from(vec![1.0; 5]))),
            ("z", Arc::new(nothing)),
        ],
    );
    let compare = "[compare]\nkey = \"id\"\n[compare.columns]\nv.as = \"decimal\"\nw.rtrim = true\nn.tolerance = 0.5\n";
    for way in [Strategy::Ordered, Strategy::Hashed] {
        let report = ask(&shop, compare, way);
        assert_eq!(found(&report), [1, 1, 1, 1, 1], "{way:?}");
        let cells = report.comparison().unwrap().columns[1..]
            .iter()
            .map(|column| [column.by_reading, column.by_rule, column.tolerated]);
        assert_eq!(cells.collect::<Vec<_>>(), [[4, 0, 0], [0, 2, 0], [0, 0, 1], [0, 0, 0]]);
        let text = report.to_text(Style::Plain);
        assert!(text.contains("1 exact, 1 by reading, 1 by rule, 1 tolerated"), "{text}");
    }
}

/// If old has two spellings of a word and new has one, the pair is the one that needs no rule, whichever comes first.
#[test]
fn copies_are_paired_by_the_best_tier() {
    let values = "[compare.columns.v]\nvalues = { a = \"b\" }\n";
    for old in [["a", "b"], ["b", "a"]] {
        let shop = Workshop::new();
        for (name, words) in [("old", texts(old)), ("new", texts(["b", "c"]))] {
            let batch = RecordBatch::try_from_iter([("v", Arc::new(words) as ArrayRef)]).unwrap();
            write_parquet(&shop.path(&format!("{name}.parquet")), &batch, 1);
        }
        for way in [Strategy::Ordered, Strategy::Hashed] {
            let report = ask(&shop, &format!("[compare]\nno_key = true\n{values}"), way);
            assert_eq!(found(&report), [1, 0, 0, 0, 0], "{old:?} {way:?}");
            assert_eq!((report.counts().missing, report.counts().extra), (1, 1));
        }
    }
}

#[test]
fn a_sign_off_that_accepts_rules_accepts_readings() {
    let shop = Workshop::new();
    let taken = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    let at: ArrayRef =
        Arc::new(TimestampMillisecondArray::from(vec![taken.as_millisecond() - 90_000_000; 4]).with_timezone("UTC"));
    write(
        &shop,
        "old",
        &[
            ("v", Arc::new(texts(["NULL", "5", " 6", "7"]))),
            ("n", Arc::new(decimals([1_000, 1_000, 1_000, 1_400]))),
            ("at", at.clone()),
        ],
    );
    write(
        &shop,
        "new",
        &[
            ("v", Arc::new(Int64Array::from(vec![None, Some(5), Some(6), Some(7)]))),
            ("n", Arc::new(decimals([1_000; 4]))),
            ("at", at),
        ],
    );
    fs::write(shop.path("ids.csv"), "id\n0\n1\n2\n3\n").unwrap();
    let approved = |accepted: &str| -> BTreeSet<String> {
        let side = |name: &str| format!("[{name}]\npath = \"{name}.parquet\"\ntaken_at = {taken}\n");
        let text = format!(
            "{}{}[compare]\nkey = \"id\"\n[compare.columns]\nv.as = \"decimal\"\nv.trim = true\nn.tolerance = 0.5\n\
             [in_flight]\ncolumn = \"at\"\n[signoff]\ndelete_from = \"old\"\naccept_tiers = {accepted}\n",
            side("old"),
            side("new")
        );
        fs::write(shop.path("job.toml"), text).unwrap();
        let out = format!("out{}", accepted.len());
        let (_, page, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", &out, "--quiet"]);
        assert!(shop.path(&out).join("approved.csv").exists(), "{page}{said}");
        let first = |line: &String| line.split(',').next().unwrap().to_string();
        let approved = lines(&shop.path(&out).join("approved.csv")).iter().map(first).collect();
        fs::remove_dir_all(shop.path(&out)).unwrap();
        approved
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(approved("[\"exact\"]"), ids(&["0"]));
    assert_eq!(approved("[\"by_reading\"]"), ids(&["1"]));
    assert_eq!(approved("[\"exact\", \"by_reading\"]"), ids(&["0", "1"]));
    assert_eq!(approved("[\"by_rule\"]"), ids(&["1", "2"]));
    assert_eq!(approved("[\"exact\", \"by_rule\"]"), ids(&["0", "1", "2"]));
    assert_eq!(approved("[\"tolerated\"]"), ids(&["3"]));
}
