//! Random tables. Two families of tests:
//!
//! * *agree*: the merge join, the hash join, and the equivalent SQL (`queries/`) have the same result;
//! * *correct*: the result is that of a naive recomputation from the drawn values, because agreement alone does not
//!   prove correctness.
//!
//! A drawn table is logical: rows of [`Value`]s. Each side has its own physical types for every column, split into
//! files, and order of rows, none of which may matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Builder};
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};
use countersign::report::Report;
use countersign::testing::Tiers;
use countersign::{Out, Strategy};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, FileFailurePersistence};

use crate::support::{Workshop, lines, trial, write_parquet};

/// The meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Float,
    Boolean,
    Instant,
    List,
}

/// One cell, by meaning; floats are stored by their bits, with one zero and one NaN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Float(u64),
    Boolean(bool),
    List(Vec<Option<i64>>),
}

type Row = Vec<Value>;

#[derive(Debug, Clone)]
struct Drawn {
    kinds: Vec<Kind>,
    key_len: usize,
    old: Vec<Row>,
    new: Vec<Row>,
    /// The physical type of each column, by side.
    types: [Vec<usize>; 2],
    /// The number of files, by side.
    files: [usize; 2],
    /// Whether the rows of a side are in key order.
    sorted: [bool; 2],
    row_group_rows: usize,
}

fn kind() -> impl proptest::strategy::Strategy<Value = Kind> {
    use Kind::*;
    prop_oneof![Just(Integer), Just(Text), Just(Float), Just(Boolean), Just(Instant), Just(List)]
}

fn key_kind() -> impl proptest::strategy::Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Integer), 3 => Just(Kind::Text), 1 => Just(Kind::Instant), 1 => Just(Kind::Boolean), 1 => Just(Kind::Float)]
}

/// Few distinct values, so that keys meet, repeat, and collide.
fn value(kind: Kind) -> BoxedStrategy<Value> {
    let some = match kind {
        Kind::Integer | Kind::Instant => {
            prop_oneof![(-9i64..40).prop_map(Value::Integer), (-3_000i64..3_000).prop_map(Value::Integer)].boxed()
        }
        Kind::Text => prop_oneof![
            prop::sample::select(vec![
                "",
                "a",
                "A",
                "a ",
                "NULL",
                "a,b",
                "é",
                "e\u{301}",
                "\"",
                "long enough to leave the view"
            ])
            .prop_map(|text| Value::Text(text.into())),
            "[a-c]{0,3}".prop_map(Value::Text),
        ]
        .boxed(),
        Kind::Float => prop::sample::select(vec![0.0, 0.5, -0.5, f64::NAN, f64::INFINITY, 1e10, -7.25])
            .prop_map(|float: f64| Value::Float(float.to_bits()))
            .boxed(),
        Kind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Kind::List => prop::collection::vec(prop::option::weighted(0.9, -2i64..3), 0..4).prop_map(Value::List).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 9 => some].boxed()
}

/// What happens to an old row in new.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Copied,
    Lost,
    Changed(usize),
    Twice,
}

fn drawn() -> impl proptest::strategy::Strategy<Value = Drawn> {
    let kinds = (prop::collection::vec(key_kind(), 1..3), prop::collection::vec(kind(), 0..4));
    kinds.prop_flat_map(|(keys, values)| {
        let kinds: Vec<Kind> = keys.iter().chain(&values).copied().collect();
        let row = kinds.iter().map(|kind| value(*kind)).collect::<Vec<_>>();
        let fate = prop_oneof![
            12 => Just(Fate::Copied), 2 => Just(Fate::Lost), 3 => (0usize..8).prop_map(Fate::Changed), 1 => Just(Fate::Twice)
        ];
        let rows = prop::collection::vec((row.clone(), fate, row.clone()), 0..60);
        let types = prop::collection::vec(0usize..12, kinds.len());
        let shape = (1usize..4, 1usize..4, any::<bool>(), any::<bool>(), 1usize..30);
        (rows, prop::collection::vec(row, 0..6), types.clone(), types, shape).prop_map(
            move |(rows, extra, old_types, new_types, (old_files, new_files, old_sorted, new_sorted, row_group_rows))| {
                let mut new = extra;
                for (row, fate, other) in &rows {
                    match fate {
                        Fate::Copied => new.push(row.clone()),
                        Fate::Lost => {}
                        Fate::Twice => new.extend([row.clone(), row.clone()]),
                        Fate::Changed(at) => {
                            let mut row = row.clone();
                            let at = at % row.len();
                            row[at] = other[at].clone();
                            new.push(row);
                        }
                    }
                }
                let mut old: Vec<Row> = rows.into_iter().map(|(row, ..)| row).collect();
                let key_len = keys.len();
                for (side, sorted) in [(&mut old, old_sorted), (&mut new, new_sorted)] {
                    if sorted {
                        side.sort_by(|one, two| key_order(&kinds, &one[..key_len], &two[..key_len]));
                    }
                }
                Drawn {
                    kinds: kinds.clone(),
                    key_len,
                    old,
                    new,
                    types: [old_types, new_types],
                    files: [old_files, new_files],
                    sorted: [old_sorted, new_sorted],
                    row_group_rows,
                }
            },
        )
    })
}

/// The order of keys, with NULL last, for tables that must look sorted.
fn key_order(kinds: &[Kind], one: &[Value], two: &[Value]) -> std::cmp::Ordering {
    let part = |(at, (one, two)): (usize, (&Value, &Value))| match (one, two) {
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Greater,
        (_, Value::Null) => std::cmp::Ordering::Less,
        (Value::Float(one), Value::Float(two)) => f64::from_bits(*one).total_cmp(&f64::from_bits(*two)),
        _ => {
            debug_assert!(at < kinds.len());
            one.cmp(two)
        }
    };
    one.iter().zip(two).enumerate().map(part).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}

fn name(at: usize, key_len: usize) -> String {
    if at < key_len { format!("k{at}") } else { format!("v{at}") }
}

/// A column in one of the physical types that can represent its kind.
fn column(kind: Kind, rows: &[Row], at: usize, choice: usize) -> ArrayRef {
    let integer = |row: &Row| match &row[at] {
        Value::Integer(value) => Some(*value),
        _ => None,
    };
    let (plain, types): (ArrayRef, Vec<DataType>) = match kind {
        Kind::Integer => (
            Arc::new(rows.iter().map(integer).collect::<Int64Array>()),
            vec![
                DataType::Int64,
                DataType::Int32,
                DataType::Int16,
                DataType::Decimal128(12, 2),
                DataType::Decimal256(60, 5),
                DataType::Float64,
            ],
        ),
        Kind::Instant => (
            Arc::new(rows.iter().map(integer).collect::<TimestampMillisecondArray>().with_timezone("UTC")),
            vec![
                DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                DataType::Timestamp(TimeUnit::Microsecond, Some("+09:00".into())),
                DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            ],
        ),
        Kind::Text => {
            let text = |row: &Row| match &row[at] {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            };
            let dictionary = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
            (
                Arc::new(rows.iter().map(text).collect::<StringArray>()),
                vec![DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary],
            )
        }
        Kind::Float => {
            let float = |(number, row): (usize, &Row)| match &row[at] {
                // both zeros, as they come
                Value::Float(bits) if *bits == 0 && number % 2 == 0 => Some(-0.0),
                Value::Float(bits) => Some(f64::from_bits(*bits)),
                _ => None,
            };
            (
                Arc::new(rows.iter().enumerate().map(float).collect::<Float64Array>()),
                vec![DataType::Float64, DataType::Float32],
            )
        }
        Kind::Boolean => {
            let boolean = |row: &Row| match &row[at] {
                Value::Boolean(value) => Some(*value),
                _ => None,
            };
            (Arc::new(rows.iter().map(boolean).collect::<BooleanArray>()), vec![DataType::Boolean])
        }
        Kind::List => {
            let mut builder = ListBuilder::new(Int64Builder::new());
            for row in rows {
                match &row[at] {
                    Value::List(items) => builder.append_value(items.iter().copied()),
                    _ => builder.append(false),
                }
            }
            let list = |item| Arc::new(Field::new("item", item, true));
            (
                Arc::new(builder.finish()),
                vec![DataType::List(list(DataType::Int64)), DataType::LargeList(list(DataType::Int32))],
            )
        }
    };
    cast(&plain, &types[choice % types.len()]).unwrap()
}

impl Drawn {
    fn write(&self, shop: &Workshop) {
        for (side, (name, rows)) in [("old", &self.old), ("new", &self.new)].into_iter().enumerate() {
            let batch = self.batch(rows, &self.types[side]);
            let batch = if self.sorted[side] { batch } else { scrambled(&batch) };
            let files = self.files[side];
            for file in 0..files {
                let (from, to) = (batch.num_rows() * file / files, batch.num_rows() * (file + 1) / files);
                let path = shop.path(&format!("{name}/{file}.parquet"));
                write_parquet(&path, &batch.slice(from, to - from), self.row_group_rows);
            }
        }
    }

    fn batch(&self, rows: &[Row], types: &[usize]) -> RecordBatch {
        let columns = self.kinds.iter().enumerate().map(|(at, kind)| {
            // -0.0 and 0.0 as keys of a sorted file would not be sorted to other readers
            (name(at, self.key_len), column(*kind, rows, at, types[at]), true)
        });
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn key(&self) -> Vec<String> {
        (0..self.key_len).map(|at| name(at, self.key_len)).collect()
    }
}

fn scrambled(batch: &RecordBatch) -> RecordBatch {
    let mut places: Vec<u32> = (0..batch.num_rows() as u32).collect();
    places.sort_by_key(|place| place.wrapping_mul(2_654_435_761));
    take_record_batch(batch, &arrow::array::UInt32Array::from(places)).unwrap()
}

/// The result, from the drawn values only.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    matched: u64,
    mismatch: u64,
    missing: u64,
    extra: u64,
    duplicate_keys: u64,
    duplicate_rows: [u64; 2],
    by_column: Vec<u64>,
}

fn recompute(drawn: &Drawn) -> Answer {
    let mut keys: BTreeMap<&[Value], [Vec<&Row>; 2]> = BTreeMap::new();
    for (side, rows) in [&drawn.old, &drawn.new].into_iter().enumerate() {
        for row in rows {
            keys.entry(&row[..drawn.key_len]).or_default()[side].push(row);
        }
    }
    let mut answer = Answer { by_column: vec![0; drawn.kinds.len() - drawn.key_len], ..Answer::default() };
    for [old, new] in keys.values() {
        match (old.as_slice(), new.as_slice()) {
            ([_], []) => answer.missing += 1,
            ([], [_]) => answer.extra += 1,
            ([old], [new]) if old == new => answer.matched += 1,
            ([old], [new]) => {
                answer.mismatch += 1;
                for (at, count) in answer.by_column.iter_mut().enumerate() {
                    *count += u64::from(old[drawn.key_len + at] != new[drawn.key_len + at]);
                }
            }
            _ => {
                answer.duplicate_keys += 1;
                answer.duplicate_rows[0] += old.len() as u64;
                answer.duplicate_rows[1] += new.len() as u64;
            }
        }
    }
    answer
}

fn answer_of(report: &Report) -> Answer {
    let compared = report.comparison().unwrap();
    let counts = compared.counts;
    Answer {
        matched: counts.matched,
        mismatch: counts.mismatch,
        missing: counts.missing,
        extra: counts.extra,
        duplicate_keys: counts.duplicate_keys,
        duplicate_rows: [compared.duplicate_rows.old, compared.duplicate_rows.new],
        by_column: compared.columns[compared.key.len()..].iter().map(|column| column.mismatches).collect(),
    }
}

/// Computes the same result with the queries in `queries/`.
fn ask_sql(drawn: &Drawn, shop: &Workshop) -> Answer {
    let [old, new] = ["o", "n"].map(|side| move |name: &String| format!("{side}.{name}"));
    let key = drawn.key();
    let same = |names: &[String]| {
        let parts = names.iter().map(|name| format!("({} IS NOT DISTINCT FROM {})", old(name), new(name)));
        parts.collect::<Vec<_>>().join(" AND ")
    };
    let values: Vec<String> = (drawn.key_len..drawn.kinds.len()).map(|at| name(at, drawn.key_len)).collect();
    let differ: Vec<String> =
        values.iter().map(|name| format!("({} IS DISTINCT FROM {})", old(name), new(name))).collect();
    let any = if differ.is_empty() { "false".into() } else { differ.join(" OR ") };
    let columns: String = differ.iter().map(|differ| format!(", count(*) FILTER (WHERE {differ})")).collect();
    let fill = |query: &str| {
        let query = query.replace("{key}", &key.join(", ")).replace("{same_key}", &same(&key));
        query.replace("{differs}", &any).replace("{columns}", &columns)
    };
    let classes = sql(drawn, shop, &fill(include_str!("../queries/classes.sql")));
    let mismatches = sql(drawn, shop, &fill(include_str!("../queries/mismatches.sql")));
    Answer {
        missing: classes[0],
        extra: classes[1],
        duplicate_keys: classes[2],
        duplicate_rows: [classes[3], classes[4]],
        matched: classes[5] - mismatches[0],
        mismatch: mismatches[0],
        by_column: mismatches[1..].to_vec(),
    }
}

/// Runs a query that yields one row of numbers.
fn sql(drawn: &Drawn, shop: &Workshop, query: &str) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(async {
        // DataFusion 55.2 takes a file whose least and greatest value are the same for constant, and
        // Parquet's statistics leave NaN out; without statistics it has to look
        let config = SessionConfig::new().with_collect_statistics(false);
        let context = SessionContext::new_with_config(config);
        for side in ["old", "new"] {
            let path = format!("{}/", shop.path(side).display());
            context.register_parquet(format!("{side}_files"), path, ParquetReadOptions::default()).await.unwrap();
            // SQL distinguishes the zeros, and adding one makes both the same
            let columns: Vec<String> = (drawn.kinds.iter().enumerate())
                .map(|(at, kind)| match (kind, name(at, drawn.key_len)) {
                    (Kind::Float, name) => format!("{name} + arrow_cast(0.0, 'Float64') AS {name}"),
                    (Kind::List, name) => format!("arrow_cast({name}, 'List(Int64)') AS {name}"),
                    (_, name) => name,
                })
                .collect();
            let view = format!("CREATE VIEW {side} AS SELECT {} FROM {side}_files", columns.join(", "));
            context.sql(&view).await.unwrap().collect().await.unwrap();
        }
        context.sql(query).await.unwrap_or_else(|error| panic!("{error}\n{query}")).collect().await.unwrap()
    });
    let batch = &batches[0];
    let numbers = batch.columns().iter().map(|column| match cast(column, &DataType::Int64).unwrap() {
        column if column.is_null(0) => 0,
        column => column.as_primitive::<Int64Type>().value(0) as u64,
    });
    numbers.collect()
}

/// Runs this number of cases unless `PROPTEST_CASES` specifies another.
fn config(cases: u32) -> Config {
    let persistence = FileFailurePersistence::SourceParallel("proptest-regressions");
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    Config { cases, failure_persistence: Some(Box::new(persistence)), ..Config::default() }
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn every_way_finds_what_a_recomputation_finds(drawn in drawn()) {
        let shop = Workshop::new();
        drawn.write(&shop);
        let expected = recompute(&drawn);
        prop_assert_eq!(&ask_sql(&drawn, &shop), &expected, "SQL");
        let key = drawn.key();
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        for (number, (way, key_hash_bits)) in [(None, 64), (Some(Strategy::Ordered), 64), (Some(Strategy::Hashed), 64), (Some(Strategy::Hashed), 4), (Some(Strategy::Hashed), 0)].into_iter().enumerate() {
            let mut trial = trial(&shop, &key);
            trial.options.strategy = way;
            trial.options.limits.key_hash_bits = key_hash_bits;
            trial.options.out = Some(Out::At(shop.path(&format!("run{number}"))));
            let report = trial.compare().unwrap();
            prop_assert_eq!(&answer_of(&report), &expected, "{:?} with {} bits", way, key_hash_bits);
            // no rule was given, so whatever is equal is equal by value
            prop_assert_eq!(report.tiers(), Tiers { exact: expected.matched, ..Tiers::default() });
            for (list, length) in [("missing", expected.missing), ("extra", expected.extra), ("mismatch", expected.mismatch), ("duplicate_keys", expected.duplicate_keys)] {
                let path = shop.path(&format!("run{number}/{list}.csv"));
                let content = std::fs::read(&path).unwrap();
                prop_assert_eq!(&content, &std::fs::read(shop.path(&format!("run0/{list}.csv"))).unwrap());
                let read = csv_records(&content);
                prop_assert_eq!(read as u64, length + 1, "{}", list);
            }
            let table = std::fs::read(shop.path(&format!("run{number}/discrepancies.parquet"))).unwrap();
            prop_assert!(table == std::fs::read(shop.path("run0/discrepancies.parquet")).unwrap());
        }
    }

    #[test]
    fn swapping_the_sides_swaps_missing_and_extra(drawn in drawn()) {
        let shop = Workshop::new();
        drawn.write(&shop);
        let key = drawn.key();
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let there = trial(&shop, &key);
        let mut back = there.clone();
        std::mem::swap(&mut back.job.sources.old, &mut back.job.sources.new);
        let (there, back) = (answer_of(&there.compare().unwrap()), answer_of(&back.compare().unwrap()));
        let swapped = Answer {
            missing: back.extra,
            extra: back.missing,
            duplicate_rows: [back.duplicate_rows[1], back.duplicate_rows[0]],
            ..back
        };
        prop_assert_eq!(there, swapped);
    }

    #[test]
    fn a_snapshot_against_itself_in_other_types_and_files_is_clean(drawn in drawn()) {
        let shop = Workshop::new();
        let mut same = drawn.clone();
        // without duplicates, so that nothing at all may be found
        let mut seen = std::collections::BTreeSet::new();
        same.old.retain(|row| seen.insert(row[..drawn.key_len].to_vec()));
        same.new = same.old.clone();
        same.write(&shop);
        let key = same.key();
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        for way in [None, Some(Strategy::Ordered), Some(Strategy::Hashed)] {
            for key in [key.as_slice(), &[]] {
                let mut trial = trial(&shop, key);
                trial.options.strategy = way;
                let report = trial.compare().unwrap();
                prop_assert_eq!(report.verdict.exit_code(), 0, "{:?}", report);
                prop_assert_eq!(report.counts().matched, same.old.len() as u64);
            }
        }
    }

    #[test]
    fn without_a_key_rows_are_a_multiset(drawn in drawn()) {
        let shop = Workshop::new();
        drawn.write(&shop);
        let mut copies: BTreeMap<&Row, [u64; 2]> = BTreeMap::new();
        drawn.old.iter().for_each(|row| copies.entry(row).or_default()[0] += 1);
        drawn.new.iter().for_each(|row| copies.entry(row).or_default()[1] += 1);
        let expected = copies.values().fold([0; 3], |[matched, missing, extra], [old, new]| {
            [matched + old.min(new), missing + old.saturating_sub(*new), extra + new.saturating_sub(*old)]
        });
        let mut lists = None;
        for (way, key_hash_bits) in [(Some(Strategy::Ordered), 64), (Some(Strategy::Hashed), 64), (Some(Strategy::Hashed), 4)] {
            let mut trial = trial(&shop, &[]);
            trial.options.strategy = way;
            trial.options.limits.key_hash_bits = key_hash_bits;
            let out = shop.path(&format!("run{}{key_hash_bits}", way.unwrap()));
            trial.options.out = Some(Out::At(out.clone()));
            let report = trial.compare().unwrap();
            prop_assert_eq!(report.tiers(), Tiers { exact: expected[0], ..Tiers::default() });
            let counts = report.counts();
            prop_assert_eq!([counts.matched, counts.missing, counts.extra], expected);
            let now = ["missing", "extra"].map(|list| lines(&out.join(format!("{list}.csv"))));
            let first = lists.get_or_insert_with(|| now.clone());
            prop_assert_eq!(&now, &*first);
        }
        let all: Vec<String> = (0..drawn.kinds.len()).map(|at| name(at, drawn.key_len)).collect();
        let same: Vec<String> = all.iter().map(|name| format!("(o.{name} IS NOT DISTINCT FROM n.{name})")).collect();
        let query = include_str!("../queries/copies.sql").replace("{key}", &all.join(", ")).replace("{same_key}", &same.join(" AND "));
        prop_assert_eq!(sql(&drawn, &shop, &query), expected.to_vec());
    }
}

/// The number of records in a CSV file, where line breaks in quotes do not count.
fn csv_records(content: &[u8]) -> usize {
    let mut quoted = false;
    content
        .iter()
        .filter(|&&byte| {
            quoted ^= byte == b'"';
            byte == b'\n' && !quoted
        })
        .count()
}

/// A key that occurs 100,000 times on each side does not cause a product of rows.
#[test]
fn a_key_that_repeats_without_end_is_one_finding() {
    let shop = Workshop::new();
    let many = |rows: i64| {
        let ids: ArrayRef = Arc::new(std::iter::repeat_n(7, 100_000).chain(0..rows).collect::<Int64Array>());
        RecordBatch::try_from_iter([("id", ids)]).unwrap()
    };
    write_parquet(&shop.path("old"), &many(3), 30_000);
    write_parquet(&shop.path("new"), &many(4), 30_000);
    for way in [Strategy::Ordered, Strategy::Hashed] {
        let mut trial = trial(&shop, &["id"]);
        trial.options.strategy = Some(way);
        let report = trial.compare().unwrap();
        assert_eq!((report.counts().duplicate_keys, report.counts().matched, report.counts().extra), (1, 3, 1));
        let duplicate = report.comparison().unwrap().duplicate_rows;
        assert_eq!((duplicate.old, duplicate.new), (100_000, 100_000));
    }
}
