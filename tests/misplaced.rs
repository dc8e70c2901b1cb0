//! Values that are correct but under another key: each kind, what is not evidence, and a naive recomputation.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take, take_record_batch};
use arrow::datatypes::{DataType, Field, TimeUnit};
use countersign::job::{Misplaced, Origin, Setting};
use countersign::report::Report;
use countersign::{Out, Strategy};
use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::nightly::content;
use crate::support::{Workshop, trial, write_parquet};

/// A row: a key, a number, two texts, and a flag.
type Row = (i64, Option<i64>, Option<&'static str>, Option<&'static str>, Option<bool>);

/// One side; `types` are the types of the number and of the first text.
fn table(rows: &[Row], types: [&DataType; 2]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let numbers: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>());
    let first: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>());
    let last: ArrayRef = Arc::new(rows.iter().map(|row| row.3).collect::<StringArray>());
    let flags: ArrayRef = Arc::new(rows.iter().map(|row| row.4).collect::<BooleanArray>());
    let (numbers, first) = (cast(&numbers, types[0]).unwrap(), cast(&first, types[1]).unwrap());
    let columns = [("id", ids), ("number", numbers), ("first", first), ("last", last), ("flag", flags)];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn dictionary() -> DataType {
    DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into())
}

fn snapshots(shop: &Workshop, old: &[Row], new: &[Row]) {
    write_parquet(&shop.path("old"), &table(old, [&DataType::Int32, &DataType::Utf8]), 3);
    write_parquet(&shop.path("new"), &table(new, [&DataType::Decimal128(12, 2), &dictionary()]), 4);
}

/// Searches for columns or for whole rows.
fn look(shop: &Workshop, key: &[&str], columns: &[&str], way: Option<Strategy>, threads: usize) -> (Report, String) {
    let out = tempfile::tempdir_in(shop.path("")).unwrap().keep();
    let mut trial = trial(shop, key);
    let names: Vec<String> = columns.iter().map(|name| name.to_string()).collect();
    let columns = Setting::flags("[misplaced]", &names);
    trial.job.misplaced = Some(Misplaced { columns, origin: Origin::Flag("[misplaced]") });
    (trial.options.strategy, trial.options.limits.threads, trial.options.out) =
        (way, threads, Some(Out::At(out.clone())));
    let report = trial.compare().unwrap();
    (report, fs::read_to_string(out.join("misplaced.csv")).unwrap())
}

/// The list of a comparison of rows by `id`, without its header.
fn found(old: &[Row], new: &[Row], columns: &[&str]) -> Vec<String> {
    let shop = Workshop::new();
    snapshots(&shop, old, new);
    let (_, list) = look(&shop, &["id"], columns, None, 2);
    list.lines().skip(1).map(String::from).collect()
}

const NONE: [&str; 0] = [];

/// Five kinds of misplaced values, and correct rows.
fn troubled() -> (Vec<Row>, Vec<Row>) {
    let row = |id, number, first, last| (id, Some(number), Some(first), Some(last), Some(true));
    let old = vec![
        row(1, 10, "ann", "one"),
        row(2, 20, "bob", "two"),
        row(3, 30, "cyd", "three"),
        row(5, 50, "eve", "five"),
        row(6, 60, "fay", "six"),
        row(7, 70, "gus", "seven"),
        row(8, 80, "hal", "eight"),
    ];
    let new = vec![
        row(1, 20, "bob", "two"),
        row(2, 10, "ann", "one"),
        row(5, 60, "fay", "six"),
        row(6, 61, "fay", "sixty"),
        row(7, 70, "seven", "gus"),
        row(8, 80, "hal", "eight"),
        row(9, 60, "fay", "six"),
        row(4711, 30, "cyd", "three"),
    ];
    (old, new)
}

#[test]
fn each_kind_with_both_keys_and_the_same_bytes_in_every_way() {
    let (old, new) = troubled();
    let shop = Workshop::new();
    snapshots(&shop, &old, &new);
    let mut first: Option<(BTreeMap<String, Vec<u8>>, Value)> = None;
    for way in [Strategy::Ordered, Strategy::Hashed] {
        for threads in [1, 2, 7] {
            let (report, list) = look(&shop, &["id"], &[], Some(way), threads);
            assert_eq!(
                list,
                "id,class,kind,columns,other_id\n1,mismatch,swapped,*,2\n2,mismatch,swapped,*,1\n\
                 3,missing,rekeyed,*,4711\n5,mismatch,copied,*,6\n7,mismatch,exchanged,\"first, last\",\n\
                 9,extra,copied,*,6\n4711,extra,rekeyed,*,3\n"
            );
            let found = report.comparison().unwrap().misplaced.as_ref().unwrap();
            assert_eq!((found.swapped, found.rekeyed, found.copied, found.exchanged), (2, 2, 2, 1));
            let words: Vec<&str> = found.examples.iter().map(|example| example.description.as_str()).collect();
            assert_eq!(
                words,
                [
                    "id = 1: swapped with id = 2",
                    "id = 3 was given the key id = 4711",
                    "id = 5: the values are those that old has under id = 6",
                    "id = 9: the values are those that old has under id = 6",
                    "id = 7: first and last are exchanged",
                ]
            );
            let dir = report.run.out.clone().unwrap();
            let bytes = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
            let bytes =
                bytes.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()));
            let lists = bytes.filter(|(name, _)| name.ends_with(".csv") || name.ends_with("discrepancies.parquet"));
            let mut told = serde_json::to_value(&report).unwrap();
            told.as_object_mut().unwrap().remove("run");
            let all = (lists.collect::<BTreeMap<_, _>>(), told);
            assert_eq!(all.0.len(), 7);
            assert!(*first.get_or_insert_with(|| all.clone()) == all, "{way} with {threads}");
            let text = fs::read_to_string(format!("{dir}/report.txt")).unwrap();
            assert!(text.contains("swapped    2  new has under each of two keys"), "{text}");
            assert!(text.contains("    id = 3 was given the key id = 4711\n"), "{text}");
            assert!(text.contains("(misplaced:swapped)"), "{text}");
        }
    }
}

#[test]
fn columns_by_themselves() {
    let (old, new) = troubled();
    assert_eq!(
        found(&old, &new, &["first", "number"]),
        [
            "1,mismatch,swapped,first,2",
            "1,mismatch,swapped,number,2",
            "2,mismatch,swapped,first,1",
            "2,mismatch,swapped,number,1",
            "3,missing,rekeyed,first,4711",
            "3,missing,rekeyed,number,4711",
            "5,mismatch,copied,first,6",
            "5,mismatch,copied,number,6",
            "7,mismatch,exchanged,\"first, last\",",
            "9,extra,copied,first,6",
            "9,extra,copied,number,6",
            "4711,extra,rekeyed,first,3",
            "4711,extra,rekeyed,number,3",
        ]
    );
}

#[test]
fn what_stands_everywhere_is_no_evidence() {
    let blank = |id, flag| (id, None, Some("  "), None, Some(flag));
    assert_eq!(found(&[blank(1, true), blank(2, false)], &[blank(1, false), blank(2, true)], &[]), NONE);
    assert_eq!(found(&[blank(1, true), blank(2, false)], &[blank(1, false), blank(2, true)], &["flag", "first"]), NONE);
    // a value of two keys of old belongs to neither, and one of them may be a row that is right
    let row = |id, first| (id, None, Some(first), None, None);
    let old = [row(1, "x"), row(2, "y"), row(3, "x")];
    assert_eq!(found(&old, &[row(1, "y"), row(2, "z"), row(3, "x")], &[]), ["1,mismatch,copied,*,2"]);
    assert_eq!(found(&old, &[row(1, "z"), row(2, "x"), row(3, "x")], &[]), NONE);
    assert_eq!(found(&old, &[row(1, "z"), row(2, "x"), row(3, "q")], &["first"]), NONE);
    // a duplicate key is left alone, and what it has is not its own
    let twice = [row(1, "x"), row(1, "w"), row(2, "y")];
    assert_eq!(found(&twice, &[row(1, "y"), row(2, "w")], &[]), NONE);
    assert_eq!(found(&[row(1, "x"), row(2, "y")], &[row(1, "y"), row(1, "y"), row(2, "q")], &[]), NONE);
    // blanks and equal values are not exchanged
    let pair = |id, first, last| (id, None, first, last, None);
    assert_eq!(found(&[pair(1, Some("a"), None)], &[pair(1, None, Some("a"))], &[]), NONE);
    assert_eq!(found(&[pair(1, Some("a"), Some(" "))], &[pair(1, Some(" "), Some("a"))], &[]), NONE);
    assert_eq!(
        found(&[pair(1, Some("a"), Some("b"))], &[pair(1, Some("b"), Some("a"))], &[]),
        ["1,mismatch,exchanged,\"first, last\","]
    );
}

#[test]
fn one_payload_under_fifty_keys() {
    let row = |id, number, first| (id, Some(number), Some(first), None, None);
    let old: Vec<Row> = (0..50).map(|id| row(id, id, "own")).chain([row(50, 50, "spread")]).collect();
    let new: Vec<Row> = (0..50).map(|id| row(id, 50, "spread")).chain([row(50, 51, "own")]).collect();
    let list = found(&old, &new, &[]);
    assert_eq!(list.len(), 50);
    assert!(list.iter().enumerate().all(|(id, line)| *line == format!("{id},mismatch,copied,*,50")));
    // for a row that was given several keys, the first of them is reported
    let given: Vec<Row> = (7..9).map(|id| row(id, 50, "spread")).collect();
    assert_eq!(
        found(&old[50..], &given, &[]),
        ["7,extra,rekeyed,*,50", "8,extra,rekeyed,*,50", "50,missing,rekeyed,*,7"]
    );
}

#[test]
fn keys_of_several_columns() {
    let (old, new) = troubled();
    let shop = Workshop::new();
    let with_part = |rows: &[Row], flag: bool| {
        let batch = table(rows, [&DataType::Int32, &DataType::Utf8]);
        let part: ArrayRef =
            Arc::new(rows.iter().map(|row| (row.0 % 2 == 1).then_some("a,b")).collect::<StringArray>());
        let columns = [("id", batch.column(0)), ("part", &part), ("first", batch.column(2)), ("last", batch.column(3))];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array.clone(), true)));
        let last = Int32Array::from_iter_values((0..rows.len() as i32).rev());
        if flag { take_record_batch(&batch.unwrap(), &last).unwrap() } else { batch.unwrap() }
    };
    write_parquet(&shop.path("old"), &with_part(&old, false), 100);
    write_parquet(&shop.path("new"), &with_part(&new, true), 100);
    let (report, list) = look(&shop, &["part", "id"], &[], None, 2);
    assert!(
        list.starts_with("part,id,class,kind,columns,other_part,other_id\n\"a,b\",1,mismatch,swapped,*,,2\n"),
        "{list}"
    );
    let first = &report.comparison().unwrap().misplaced.as_ref().unwrap().examples[0];
    assert_eq!(first.description, "part = \"a,b\", id = 1: swapped with part = NULL, id = 2");
}

/// A small random number generator with a seed, so that failures are reproducible.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn drawn(dice: &mut Dice) -> [Vec<Row>; 2] {
    const TEXTS: [Option<&str>; 12] = [
        None,
        Some(""),
        Some(" "),
        Some("a"),
        Some("b"),
        Some("c"),
        Some("d"),
        Some("e"),
        Some("f"),
        Some("g"),
        Some("h"),
        Some("a text that is longer than a view"),
    ];
    let payloads: Vec<Row> = (0..3 + dice.below(60))
        .map(|_| {
            let number = Some(dice.below(12) as i64).filter(|number| *number > 0);
            let flag = [None, Some(true), Some(false)][dice.below(3)];
            (0, number, TEXTS[dice.below(12)], TEXTS[dice.below(12)], flag)
        })
        .collect();
    let payload = |id: i64, dice: &mut Dice| {
        let (_, number, first, last, flag) = payloads[dice.below(payloads.len())];
        (id, number, first, last, flag)
    };
    let side = |dice: &mut Dice| {
        let mut rows: Vec<Row> = vec![];
        for id in 0..4 + dice.below(14) as i64 {
            let copies = [1, 1, 1, 1, 1, 1, 0, 0, 2][dice.below(9)];
            (0..copies).for_each(|_| rows.push(payload(id, dice)));
        }
        rows
    };
    let old = side(dice);
    let mut new = if dice.below(3) == 0 { side(dice) } else { old.clone() };
    for _ in 0..dice.below(6) {
        let rows = new.len().max(1);
        let (one, two) = (dice.below(rows), dice.below(rows));
        let (Some(first), Some(second)) = (new.get(one).copied(), new.get(two).copied()) else { continue };
        match dice.below(5) {
            0 | 1 => {
                (new[one], new[two]) =
                    ((first.0, second.1, second.2, second.3, second.4), (second.0, first.1, first.2, first.3, first.4))
            }
            2 => (new[one].2, new[one].3) = (first.3, first.2),
            3 => new[one].0 = 18 + (first.0 & 1),
            _ => drop(new.remove(one)),
        }
    }
    [old, new].map(|mut rows| {
        // in no order
        for at in (1..rows.len()).rev() {
            rows.swap(at, dice.below(at + 1));
        }
        rows
    })
}

/// The value of a unit, as evidence.
fn evidence(row: &Row, unit: &str) -> Option<String> {
    let text = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    let (tells, value) = match unit {
        "number" => (row.1.is_some(), format!("{:?}", row.1)),
        "first" => (text(row.2), format!("{:?}", row.2)),
        "last" => (text(row.3), format!("{:?}", row.3)),
        "flag" => (false, String::new()),
        _ => (row.1.is_some() || text(row.2) || text(row.3), format!("{:?}", (row.1, row.2, row.3, row.4))),
    };
    tells.then_some(value)
}

/// The list, computed from the definitions only.
fn expected(old: &[Row], new: &[Row], units: &[&str]) -> Vec<String> {
    let of = |rows: &[Row], id: i64| rows.iter().filter(|row| row.0 == id).copied().collect::<Vec<Row>>();
    let pair = |id: i64| match (of(old, id).as_slice(), of(new, id).as_slice()) {
        ([old], [new]) if old != new => Some((Some(*old), Some(*new))),
        ([old], []) => Some((Some(*old), None)),
        ([], [new]) => Some((None, Some(*new))),
        _ => None,
    };
    let owner = |id: i64, unit: &str| -> Option<i64> {
        let (own, new) = pair(id)?;
        let value = evidence(&new?, unit)?;
        if own.is_some_and(|own| evidence(&own, unit).as_ref() == Some(&value)) {
            return None;
        }
        let owners: Vec<i64> =
            old.iter().filter(|row| evidence(row, unit).as_ref() == Some(&value)).map(|row| row.0).collect();
        match owners.as_slice() {
            [owner] => pair(*owner).map(|_| *owner),
            _ => None,
        }
    };
    let is_alone = |id: i64| matches!(pair(id), Some((_, None) | (None, _)));
    let mut lines = vec![];
    for id in 0..20 {
        let Some((own, its_new)) = pair(id) else { continue };
        let class = match (own, its_new) {
            (Some(_), Some(_)) => "mismatch",
            (Some(_), None) => "missing",
            _ => "extra",
        };
        for unit in units {
            if let Some(other) = owner(id, unit) {
                let kind = match () {
                    () if owner(other, unit) == Some(id) => "swapped",
                    () if is_alone(id) && is_alone(other) => "rekeyed",
                    () => "copied",
                };
                lines.push(format!("{id},{class},{kind},{unit},{other}"));
            }
            if class == "missing"
                && let Some(given) = (0..20).find(|given| is_alone(*given) && owner(*given, unit) == Some(id))
            {
                lines.push(format!("{id},{class},rekeyed,{unit},{given}"));
            }
        }
        if let (Some(own), Some(new)) = (own, its_new)
            && evidence(&own, "first").is_some()
            && evidence(&own, "last").is_some()
            && own.2 != own.3
            && (own.2, own.3) == (new.3, new.2)
        {
            lines.push(format!("{id},{class},exchanged,\"first, last\","));
        }
    }
    lines
}

#[test]
fn a_naive_recomputation_finds_the_same() {
    let mut dice = Dice(7);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for case in 0..120 {
        let shop = Workshop::new();
        let [old, new] = drawn(&mut dice);
        snapshots(&shop, &old, &new);
        let way = [None, Some(Strategy::Hashed)][case % 2];
        for (units, columns) in
            [(&["*"] as &[&str], &[] as &[&str]), (&["last", "number", "flag"], &["last", "number", "flag"])]
        {
            let (report, list) = look(&shop, &["id"], columns, way, 1 + case % 3);
            let lines: Vec<&str> = list.lines().skip(1).collect();
            assert_eq!(lines, expected(&old, &new, units), "case {case} {units:?}\n{old:?}\n{new:?}");
            for line in lines {
                *kinds.entry(line.split(',').nth(2).unwrap().into()).or_default() += 1;
            }
            assert_eq!(report.comparison().unwrap().misplaced.as_ref().unwrap().not_searched, None);
        }
    }
    assert!(kinds.len() == 4 && kinds.values().all(|found| *found > 20), "{kinds:?}");
}

/// Two values of every type, swapped, and with other types in new.
#[test]
fn values_are_found_whatever_their_types() {
    use DataType::*;
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![5, 7]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["abc", "a text that is longer than a view"]));
    let halves = cast(&cast(&numbers, &Float64).unwrap(), &Float32).unwrap();
    let bytes: ArrayRef = Arc::new(StringArray::from(vec!["abc", "xyz"]));
    let bytes = cast(&bytes, &Binary).unwrap();
    let item = |data_type: DataType| List(Field::new("item", data_type, true).into());
    let list = |items: &ArrayRef, item: DataType| -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths([1, items.len() - 1]);
        let field = Field::new("item", item.clone(), true);
        Arc::new(ListArray::new(field.into(), offsets, cast(items, &item).unwrap(), None))
    };
    let nulls = new_null_array(&Null, 3);
    let fields = |data_type: DataType| Struct(vec![Field::new("a", data_type, true)].into());
    let structs: ArrayRef =
        Arc::new(StructArray::new(vec![Field::new("a", Int64, true)].into(), vec![numbers.clone()], None));
    let zoned = |unit: TimeUnit| Timestamp(unit, Some("UTC".into()));
    let days = cast(&cast(&numbers, &Int32).unwrap(), &Date32).unwrap();
    let cases: [(&str, ArrayRef, DataType); 12] = [
        ("integers", numbers.clone(), Decimal128(12, 2)),
        ("floats", halves, Decimal128(12, 2)),
        ("texts", texts.clone(), Dictionary(Int32.into(), Utf8.into())),
        ("views", cast(&texts, &Utf8View).unwrap(), LargeUtf8),
        ("bytes", bytes, FixedSizeBinary(3)),
        ("instants", cast(&numbers, &zoned(TimeUnit::Second)).unwrap(), zoned(TimeUnit::Microsecond)),
        (
            "clocks",
            cast(&numbers, &Timestamp(TimeUnit::Millisecond, None)).unwrap(),
            Timestamp(TimeUnit::Millisecond, None),
        ),
        ("days", days, Date64),
        ("lists", list(&numbers, Int64), LargeList(Field::new("item", Int32, true).into())),
        ("nulls in lists", list(&nulls, Null), item(Timestamp(TimeUnit::Millisecond, None))),
        ("structs", structs, fields(Int32)),
        ("lists of texts", list(&texts, Utf8), item(LargeUtf8)),
    ];
    for (name, old, data_type) in cases {
        let shop = Workshop::new();
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let swapped = take(&old, &Int32Array::from(vec![1, 0]), None).unwrap();
        let new = cast(&swapped, &data_type).unwrap();
        let side = |value: ArrayRef| RecordBatch::try_from_iter([("id", ids.clone()), ("value", value)]).unwrap();
        write_parquet(&shop.path("old"), &side(old), 100);
        write_parquet(&shop.path("new"), &side(new), 100);
        for columns in [&[] as &[&str], &["value"]] {
            let (report, _) = look(&shop, &["id"], columns, None, 2);
            assert_eq!(report.comparison().unwrap().misplaced.as_ref().unwrap().swapped, 2, "{name}");
        }
    }
}

#[test]
fn values_are_what_rules_make_of_them() {
    let shop = Workshop::new();
    let row = |id, first, last| (id, None, Some(first), Some(last), None);
    let old = [row(1, "1.0", "A"), row(2, "2", "B"), row(3, "x", "C"), row(4, "y", "D")];
    let new = [row(1, "2.00", "beta "), row(2, "1", "alpha"), row(3, "y", "D"), row(4, "x", "delta")];
    snapshots(&shop, &old, &new);
    let rules = "[compare.columns.first]\nas = \"decimal\"\n[compare.columns.last]\ntrim = true\nvalues = { A = \"alpha\", B = \"beta\", D = \"delta\" }\n";
    job_file(&shop, &format!("key = \"id\"\n[misplaced]\ncolumns = [\"first\", \"last\"]\n{rules}"));
    let (code, _, said) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let list = fs::read_to_string(shop.path("runs/job/latest/misplaced.csv")).unwrap();
    // what cannot be read as a number equals nothing, and new's D is no code of old's
    let expected = [
        "1,mismatch,swapped,first,2",
        "1,mismatch,swapped,last,2",
        "2,mismatch,swapped,first,1",
        "2,mismatch,swapped,last,1",
    ];
    assert_eq!(list.lines().skip(1).collect::<Vec<_>>(), expected);
}

fn run(shop: &Workshop, args: &[&str]) -> (i32, String, String) {
    let output = shop.run(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn job_file(shop: &Workshop, rest: &str) {
    let sides = "[old]\npath = \"old\"\n[new]\npath = \"new\"\n[compare]\n";
    fs::write(shop.path("job.toml"), [sides, rest].concat()).unwrap();
}

#[test]
fn three_hundred_thousand_swaps_within_a_small_memory() {
    let shop = Workshop::new();
    let rows = 300_000;
    let write = |file: &str, of: fn(i64) -> i64| {
        let ids: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
        let text = |id: i64| format!("payload {:x}", of(id) * 7_919);
        let texts: ArrayRef = Arc::new((0..rows).map(|id| Some(text(id))).collect::<StringArray>());
        write_parquet(&shop.path(file), &RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap(), 50_000);
    };
    write("old", |id| id);
    write("new", |id| id ^ 1);
    job_file(&shop, "key = \"id\"\n[misplaced]\n");
    let (code, out, said) = run(&shop, &["run", "job.toml", "--memory", "192MiB", "--format", "json", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["misplaced"]["swapped"], json!(rows), "{}", report["misplaced"]);
    assert!(report["run"]["peak_memory_bytes"].as_u64().unwrap() <= 192 << 20);
    // without enough memory, nothing is reported as absent
    let mut trial = trial(&shop, &["id"]);
    trial.job.misplaced = Some(Misplaced { columns: vec![], origin: Origin::Flag("[misplaced]") });
    trial.options.limits.working = Some(1 << 20);
    trial.options.out = Some(Out::At(shop.path("small")));
    let found = trial.compare().unwrap().comparison().unwrap().misplaced.clone().unwrap();
    assert!(found.swapped == 0 && found.not_searched.unwrap().contains("300000 discrepancies do not fit"));
    assert!(fs::read_to_string(shop.path("small/report.txt")).unwrap().contains("misplaced: not searched: the values"));
}

#[test]
fn a_private_value_is_told_by_its_keys_alone() {
    let shop = Workshop::new();
    let row = |id, first, last| (id, Some(id), Some(first), Some(last), None);
    let new = [row(1, "SECRET-B", "SECRET-Y"), row(2, "SECRET-A", "SECRET-Y"), row(3, "SECRET-Z", "SECRET-C")];
    snapshots(
        &shop,
        &[row(1, "SECRET-A", "SECRET-X"), row(2, "SECRET-B", "SECRET-Y"), row(3, "SECRET-C", "SECRET-Z")],
        &new,
    );
    job_file(&shop, "key = \"id\"\n[misplaced]\ncolumns = \"first\"\n[private]\ncolumns = [\"first\", \"last\"]\n");
    let mut said = String::new();
    for format in ["text", "json", "markdown"] {
        let (code, out, err) = run(&shop, &["run", "job.toml", "--format", format, "--metrics", "m.prom"]);
        assert_eq!(code, 1, "{err}");
        said += &(out + &err);
    }
    for entry in WalkDir::new(shop.path("")).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        if !["old", "new"].iter().any(|name| entry.file_name() == *name) {
            said += &content(entry.path());
        }
    }
    assert!(!said.contains("SECRET"), "{said}");
    assert!(said.contains("1,mismatch,swapped,first,2\n") && said.contains("3,mismatch,exchanged,\"first, last\",\n"));
    assert!(said.contains("countersign_tagged{job=\"job\",tag=\"misplaced:swapped\"} 2"));
    assert!(said.contains("id = 1: first is swapped with that of id = 2"));
    // private keys are only in the lists, if that is configured
    fs::remove_dir_all(shop.path("runs")).unwrap();
    job_file(
        &shop,
        "key = \"last\"\n[misplaced]\ncolumns = \"first\"\n[private]\ncolumns = \"last\"\nlists = \"plain\"\n",
    );
    let unique = [row(1, "b", "SECRET-X"), row(2, "a", "SECRET-Y")];
    snapshots(&shop, &[row(1, "a", "SECRET-X"), row(2, "b", "SECRET-Y")], &unique);
    let (code, out, err) = run(&shop, &["run", "job.toml"]);
    assert_eq!(code, 1, "{err}");
    let dir = shop.path("runs/job/latest");
    let list = fs::read_to_string(dir.join("misplaced.csv")).unwrap();
    assert!(
        list.ends_with("SECRET-X,mismatch,swapped,first,SECRET-Y\nSECRET-Y,mismatch,swapped,first,SECRET-X\n"),
        "{list}"
    );
    let shown = ["report.json", "report.txt", "report.md", "discrepancies.parquet", "history.parquet"];
    let shown: String = shown.iter().map(|name| content(&dir.join(name))).collect();
    assert!(out.contains("is swapped with that of") && !(out + &shown).contains("SECRET"));
}

#[test]
fn waivers_queries_and_history_know_it() {
    let shop = Workshop::new();
    let (old, new) = troubled();
    snapshots(&shop, &old, &new);
    let waiver = |name: &str, condition: &str| {
        format!(
            "[[waiver]]\nname = \"{name}\"\nwhere = \"{condition}\"\nlimit = 9\nowner = \"o\"\nreason = \"r\"\nexpires = 2999-01-01\n"
        )
    };
    let waivers = waiver("by-tag", "array_has(tags, 'misplaced:swapped')")
        + &waiver("by-column", "misplaced[1]['kind'] = 'rekeyed'");
    job_file(&shop, &format!("key = \"id\"\n[misplaced]\n{waivers}"));
    assert_eq!(run(&shop, &["validate", "job.toml"]).0, 0);
    for _ in 0..2 {
        let (code, out, said) = run(&shop, &["run", "job.toml", "--format", "json", "--quiet"]);
        assert_eq!(code, 1, "{said}");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!([&report["waivers"][0]["found"], &report["waivers"][1]["found"]], [&json!(2), &json!(2)]);
        let schema = serde_json::from_str(&countersign::report::json::schema()).unwrap();
        assert!(jsonschema::is_valid(&schema, &report));
    }
    let sql = "SELECT key['id'] AS id, misplaced[1]['kind'] AS kind, misplaced[1]['other_key'] AS other, tags[1] AS tag \
               FROM discrepancies ORDER BY id LIMIT 3";
    let (_, out, said) = run(&shop, &["query", "job.toml", sql, "--format", "csv"]);
    assert_eq!(
        out,
        "id,kind,other,tag\n1,swapped,2,misplaced:swapped\n2,swapped,1,misplaced:swapped\n3,rekeyed,4711,misplaced:rekeyed\n",
        "{said}"
    );
}

#[test]
fn nothing_is_found_and_said_so_and_nothing_is_said_unasked() {
    let shop = Workshop::new();
    let row = |id, number| (id, Some(number), None, None, None);
    snapshots(&shop, &[row(1, 1), row(2, 2)], &[row(1, 3), row(2, 2)]);
    job_file(&shop, "key = \"id\"\n[misplaced]\n");
    let (_, out, said) = run(&shop, &["run", "job.toml"]);
    assert!(out.contains("\n  misplaced (all values of a row): none\n"), "{out}{said}");
    let list = shop.path("runs/job/latest/misplaced.csv");
    assert_eq!(fs::read_to_string(&list).unwrap(), "id,class,kind,columns,other_id\n");
    job_file(&shop, "key = \"id\"\n");
    let (_, out, _) = run(&shop, &["run", "job.toml"]);
    assert!(!out.contains("misplaced") && !list.exists());
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let shop = Workshop::new();
    snapshots(&shop, &[(1, None, None, None, None)], &[(1, None, None, None, None)]);
    for (rest, line, words) in [
        ("key = \"id\"\n[misplaced]\ncolumns = [\"frist\"]\n", 8, "frist"),
        ("key = \"id\"\nignore = \"last\"\n[misplaced]\ncolumns = [\"last\"]\n", 9, "is not compared"),
        ("key = \"id\"\n[misplaced]\ncolumns = [\"first\", \"id\"]\n", 8, "`id` is a key column"),
        ("key = \"id\"\n[misplaced]\ncolumns = [\"first\", \"first\"]\n", 8, "`first` is a duplicate"),
        ("no_key = true\n[misplaced]\n", 7, "needs a key"),
        ("key = \"id\"\n[misplaced]\ncolumn = \"first\"\n", 8, "columns"),
    ] {
        job_file(&shop, rest);
        for command in ["validate", "run"] {
            let (code, _, said) = run(&shop, &[command, "job.toml"]);
            assert_eq!(code, 2, "{rest}");
            assert!(said.contains(words) && said.contains(&format!("job.toml:{line}")), "{said}");
        }
    }
}
