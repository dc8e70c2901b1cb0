//! Causes: each one that is planted among random differences is named with its exact count, in both strategies, and
//! random differences have none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::*;
use countersign::Strategy;

use crate::support::{Trial, Workshop, trial, write_parquet};

const ROWS: usize = 2_000;

/// A generator of numbers, the same on every machine (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

const WORDS: [&str; 24] = [
    "oak",
    "birch",
    "maple",
    "cedar",
    "willow",
    "hazel",
    "larch",
    "beech",
    "spruce",
    "poplar",
    "acacia",
    "juniper",
    "Zürich",
    "Málaga",
    "Kraków",
    "Łódź",
    "Ørsted",
    "señor",
    "naïve",
    "coöperate",
    "Tromsø",
    "façade",
    "Curaçao",
    "Håkon",
];

fn text(random: &mut Random) -> String {
    let words: Vec<&str> = (0..2 + random.below(4)).map(|_| random.pick(&WORDS)).collect();
    format!("{} {}", words.join(" "), random.below(1_000))
}

/// Microseconds from 2015 to 2030.
fn time(random: &mut Random) -> i64 {
    1_420_070_400_000_000 + random.below(15 * 365 * 86_400_000_000) as i64
}

/// Whether a row is the `part`-th of every twenty.
fn is_part(row: usize, part: usize) -> bool {
    row % 20 == part
}

/// A column of both sides. Rows 3 of 20 have what `plant` makes, 11 of 20 what `other` makes, and 7 of 20 another value.
struct Planted {
    old: ArrayRef,
    new: ArrayRef,
}

/// What becomes of a value on each side.
type Change<'a, T> = &'a dyn Fn(&T) -> (T, T);
type TextChange<'a> = &'a dyn Fn(&str) -> (Text, Text);
type Text = Option<String>;

fn planted<T: Clone, A: Array + 'static>(
    seed: u64,
    mut draw: impl FnMut(&mut Random) -> T,
    plant: impl Fn(&T) -> (T, T),
    other: Option<Change<T>>,
    build: impl Fn(Vec<T>) -> A,
) -> Planted {
    let mut random = Random(seed);
    let (mut old, mut new) = (vec![], vec![]);
    for row in 0..ROWS {
        let value = draw(&mut random);
        let pair = match row {
            row if is_part(row, 3) => plant(&value),
            row if is_part(row, 11) => other.map_or((value.clone(), value.clone()), |other| other(&value)),
            row if is_part(row, 7) => (value, draw(&mut random)),
            _ => (value.clone(), value),
        };
        old.push(pair.0);
        new.push(pair.1);
    }
    Planted { old: Arc::new(build(old)), new: Arc::new(build(new)) }
}

fn some(text: &str) -> Text {
    Some(text.into())
}

fn texts(seed: u64, plant: TextChange, other: Option<TextChange>) -> Planted {
    let as_text = |value: &Text| value.clone().unwrap();
    let plant = |value: &Text| plant(&as_text(value));
    let other = other.map(|other| move |value: &Text| other(&value.clone().unwrap()));
    let other = other.as_ref().map(|other| other as &dyn Fn(&Text) -> (Text, Text));
    planted(seed, |random| Some(text(random)), plant, other, StringArray::from)
}

/// The same with old's value left as it is.
fn changed(seed: u64, change: &dyn Fn(&str) -> String) -> Planted {
    texts(seed, &|value| (some(value), Some(change(value))), None)
}

fn integers(seed: u64, plant: impl Fn(i64) -> i64) -> Planted {
    let draw = |random: &mut Random| (1 << 33) + random.below(1 << 40) as i64;
    planted(seed, draw, |value| (*value, plant(*value)), None, Int64Array::from)
}

fn decimals(seed: u64, plant: impl Fn(i128) -> i128) -> Planted {
    let draw = |random: &mut Random| i128::from(random.below(90_000_000)) * 100 + 1_001 + i128::from(random.below(99));
    let build = |digits: Vec<i128>| Decimal128Array::from(digits).with_precision_and_scale(18, 4).unwrap();
    planted(seed, draw, |value| (*value, plant(*value)), None, build)
}

fn times(seed: u64, plant: &dyn Fn(i64) -> i64, other: Option<&dyn Fn(i64) -> i64>) -> Planted {
    let plant = |value: &i64| (*value, plant(*value));
    let other = other.map(|other| move |value: &i64| (*value, other(*value)));
    let other = other.as_ref().map(|other| other as &dyn Fn(&i64) -> (i64, i64));
    planted(seed, time, plant, other, |times| TimestampMicrosecondArray::from(times).with_timezone("UTC"))
}

fn bytes(seed: u64, plant: impl Fn(&[u8]) -> Vec<u8>) -> Planted {
    let draw = |random: &mut Random| -> Vec<u8> {
        [random.next(), random.next()].iter().flat_map(|half| half.to_be_bytes()).map(|byte| byte | 0x80).collect()
    };
    let build = |values: Vec<Vec<u8>>| BinaryArray::from_iter_values(values);
    planted(seed, draw, |value: &Vec<u8>| (value.clone(), plant(value)), None, build)
}

fn prefix(value: &str, len: usize) -> String {
    value.chars().take(len).collect()
}

/// UTF-8 read as Windows-1252 or, where that has no character, as Latin-1.
fn double_encoded(value: &str) -> String {
    encoding_rs::WINDOWS_1252.decode_without_bom_handling(value.as_bytes()).0.into()
}

fn accented(value: &str) -> String {
    format!("Zürich {value}")
}

fn berlin(utc: i64) -> i64 {
    let instant = jiff::Timestamp::from_microsecond(utc).unwrap();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    utc + i64::from(zone.to_offset(instant).seconds()) * 1_000_000
}

const HOUR: i64 = 3_600_000_000;

/// The columns with what is planted in them.
fn catalogue() -> Vec<(&'static str, Planted)> {
    let swapped =
        |id: &[u8]| [3, 2, 1, 0, 5, 4, 7, 6].iter().chain(&[8, 9, 10, 11, 12, 13, 14, 15]).map(|&at| id[at]).collect();
    let code = |value: &str| if value.len().is_multiple_of(2) { "refunded" } else { "shipped" };
    let became = |value: &str| if value.len().is_multiple_of(2) { "cancelled" } else { "sent" };
    vec![
        ("time_offset", times(1, &|time| time + HOUR, None)),
        ("time_offset", times(2, &|time| time - 37_000_000, None)),
        ("time_zone", times(3, &berlin, None)),
        ("time_unit", integers(4, |value| value)), // replaced below
        ("day_off", times(5, &|time| time - 24 * HOUR, None)),
        ("time_truncated", times(6, &|time| time / 1_000_000 * 1_000_000, None)),
        ("zero_date", times(7, &|_| 0, None)),
        ("rounded", decimals(8, |value| (value + 50) / 100 * 100)),
        ("scaled", decimals(9, |value| value * 100)),
        ("scaled", decimals(10, |value| value * 119)),
        ("sign", integers(11, |value| -value)),
        ("wrapped", integers(12, |value| value & 0xffff_ffff)),
        ("digits_lost", integers(13, |value| value)), // replaced below
        (
            "decimal_comma",
            texts(14, &|value| (Some(format!("{}.25", value.len())), Some(format!("{},25", value.len()))), None),
        ),
        ("prefix", changed(15, &|value| prefix(value, 10))),
        ("trimmed", texts(16, &|value| (Some(format!("{value}  ")), some(value)), None)),
        ("padded", changed(17, &|value| format!("{value} "))),
        ("padded", texts(18, &|value| (Some(format!("{}", value.len())), Some(format!("{:06}", value.len()))), None)),
        ("case", changed(19, &str::to_uppercase)),
        (
            "unicode_form",
            texts(20, &|value| (Some(accented(value)), Some(accented(value).replace('ü', "u\u{308}"))), None),
        ),
        ("double_encoded", texts(21, &|value| (Some(accented(value)), Some(double_encoded(&accented(value)))), None)),
        (
            "misread_encoding",
            texts(
                22,
                &|value| {
                    (
                        Some(accented(value)),
                        Some(encoding_rs::MACINTOSH.decode_without_bom_handling(accented(value).as_bytes()).0.into()),
                    )
                },
                None,
            ),
        ),
        (
            "lost_characters",
            texts(
                23,
                &|value| (Some(accented(value)), Some(accented(value).replace(|c: char| !c.is_ascii(), "?"))),
                None,
            ),
        ),
        ("escaped", texts(24, &|value| (Some(format!("{value} & co")), Some(format!("{value} &amp; co"))), None)),
        ("line_ends", texts(25, &|value| (Some(format!("{value}\nx")), Some(format!("{value}\r\nx"))), None)),
        ("cut_at_nul", texts(26, &|value| (Some(format!("{value}\0rest")), some(value)), None)),
        ("null_for_empty", texts(27, &|_| (some(""), None), None)),
        ("null_for_word", texts(28, &|_| (None, some("NULL")), None)),
        ("default_for_null", texts(29, &|_| (None, some("unknown yet")), None)),
        ("code_map", texts(30, &|value| (some(code(value)), some(became(value))), None)),
        ("constant", changed(31, &|_| "deleted by job 17".into())),
        ("byte_order", bytes(32, swapped)),
        ("text_encoding", bytes(33, |id| hex::encode(id).into_bytes())),
        (
            "json_order",
            texts(
                34,
                &|value| {
                    (Some(format!("{{\"a\":1,\"b\":\"{value}\"}}")), Some(format!("{{\"b\": \"{value}\", \"a\": 1}}")))
                },
                None,
            ),
        ),
        ("list_order", texts(35, &|value| (Some(format!("[\"{value}\",1]")), Some(format!("[1,\"{value}\"]"))), None)),
    ]
}

/// Columns whose old values need another range.
fn special() -> Vec<(&'static str, Planted)> {
    let epoch = |random: &mut Random| time(random) / 1_000_000;
    let large = |random: &mut Random| (1 << 60) + (random.next() >> 13) as i64 * 512 + 1;
    let fractions = |random: &mut Random| (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    let zeros = |random: &mut Random| Some(1_000 + random.below(1 << 40) as i64);
    vec![
        ("time_unit", planted(41, epoch, |value| (*value, value * 1_000), None, Int64Array::from)),
        ("digits_lost", planted(42, large, |value| (*value, *value as f64 as i64), None, Int64Array::from)),
        ("float32", planted(43, fractions, |value| (*value, f64::from(*value as f32)), None, Float64Array::from)),
        ("null_for_zero", planted(44, zeros, |_| (Some(0), None), None, Int64Array::from)),
    ]
}

fn write(shop: &Workshop, columns: &[(String, Planted)], sorted: bool) {
    let mut order: Vec<i64> = (0..ROWS as i64).collect();
    if !sorted {
        let mut random = Random(99);
        order.sort_by_cached_key(|_| random.next());
    }
    let rows = UInt32Array::from_iter_values(order.iter().map(|row| *row as u32));
    for (side, of) in [("old", 0), ("new", 1)] {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
        let named = columns
            .iter()
            .map(|(name, planted)| (name.as_str(), if of == 0 { planted.old.clone() } else { planted.new.clone() }));
        let taken = [("id", ids)]
            .into_iter()
            .chain(named)
            .map(|(name, column)| (name, arrow::compute::take(&column, &rows, None).unwrap()));
        let batch = RecordBatch::try_from_iter_with_nullable(taken.map(|(name, column)| (name, column, true))).unwrap();
        write_parquet(&shop.path(side), &batch, 300);
    }
}

/// The causes of each column with their counts, and all of them as JSON.
fn causes(trial: &Trial) -> (BTreeMap<String, Vec<(String, u64)>>, String) {
    let report = trial.compare().unwrap();
    let json = serde_json::to_value(&report).unwrap()["causes"].clone();
    let mut found: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for cause in json.as_array().into_iter().flatten() {
        let text = |name: &str| cause[name].as_str().unwrap_or_default().to_string();
        found.entry(text("column")).or_default().push((text("cause"), cause["count"].as_u64().unwrap()));
    }
    (found, json.to_string())
}

fn named(columns: Vec<(&'static str, Planted)>) -> Vec<(String, Planted)> {
    columns.into_iter().enumerate().map(|(at, (cause, planted))| (format!("{at:02}_{cause}"), planted)).collect()
}

#[test]
fn every_cause_is_named_with_its_exact_count_among_random_differences() {
    let shop = Workshop::new();
    let replaced = |(cause, _): &(&str, Planted)| !matches!(*cause, "time_unit" | "digits_lost");
    let columns = named(catalogue().into_iter().filter(replaced).chain(special()).collect());
    write(&shop, &columns, true);
    let mut own = trial(&shop, &["id"]);
    own.options.strategy = Some(Strategy::Ordered);
    let (found, json) = causes(&own);
    let mut wrong = vec![];
    for (name, _) in &columns {
        let cause = name.split_once('_').unwrap().1;
        let expected = vec![(cause.to_string(), 100)];
        if found.get(name) != Some(&expected) {
            wrong.push(format!("{name}: {:?}", found.get(name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // neither the strategy, nor the threads, nor the order of the rows change a byte
    own.options.strategy = Some(Strategy::Hashed);
    own.options.limits.threads = 7;
    assert_eq!(causes(&own).1, json);
    write(&shop, &columns, false);
    assert_eq!(causes(&own).1, json);
}

#[test]
fn two_causes_in_one_column_are_both_named() {
    let shop = Workshop::new();
    let upper = |value: &str| (some(value), Some(value.to_uppercase()));
    let empty = |_: &str| (some(""), None);
    let html = |value: &str| (Some(format!("<{value}>")), Some(format!("&lt;{value}&gt;")));
    let columns = vec![
        ("padded case", texts(1, &|value| (some(value), Some(format!("{value} "))), Some(&upper))),
        ("prefix null_for_empty", texts(2, &|value| (some(value), Some(prefix(value, 9))), Some(&empty))),
        ("escaped constant", texts(3, &html, Some(&|value| (some(value), some("redacted"))))),
        ("time_offset time_truncated", times(4, &|time| time + HOUR, Some(&|time| time / 1_000 * 1_000))),
        ("time_offset time_offset", times(5, &|time| time + HOUR, Some(&|time| time - 3 * HOUR))),
        ("day_off zero_date", times(6, &|time| time + 24 * HOUR, Some(&|_| 0))),
    ];
    let columns: Vec<(String, Planted)> =
        columns.into_iter().map(|(name, planted)| (name.to_string(), planted)).collect();
    write(&shop, &columns, true);
    let found = causes(&trial(&shop, &["id"])).0;
    for (name, _) in &columns {
        let mut expected: Vec<(String, u64)> = name.split(' ').map(|cause| (cause.to_string(), 100)).collect();
        let mut own = found.get(name).cloned().unwrap_or_default();
        expected.sort();
        own.sort();
        assert_eq!(own, expected, "{name}");
    }
}

/// Random differences have no cause: of a thousand columns, fewer than one in a hundred is given one.
#[test]
fn random_differences_have_no_cause() {
    const SEEDS: u64 = 1_000;
    const COLUMNS: u64 = 40;
    const FALSE_MAX: usize = 10;
    let mut wrong = vec![];
    for first in (0..SEEDS).step_by(COLUMNS as usize) {
        let shop = Workshop::new();
        let columns =
            (first..first + COLUMNS).map(|seed| (format!("c{seed}"), random_column(seed))).collect::<Vec<_>>();
        write(&shop, &columns, true);
        let (found, _) = causes(&trial(&shop, &["id"]));
        wrong.extend(found.into_iter().map(|(column, causes)| format!("{column}: {causes:?}")));
    }
    assert!(wrong.len() < FALSE_MAX, "{}: {}", wrong.len(), wrong.join("\n"));
}

fn random_column(seed: u64) -> Planted {
    let states = ["new", "paid", "sent", "returned", "lost", "closed"];
    let differ = !seed.is_multiple_of(3);
    match seed % 10 {
        0 => {
            planted(seed, |random| Some(text(random)), |value| (value.clone(), value.clone()), None, StringArray::from)
        }
        1 => planted(
            seed,
            |random| random.below(1_000_000) as i64,
            |value| (*value, value ^ 0x5a5a),
            None,
            Int64Array::from,
        ),
        2 => planted(seed, |random| random.below(100) as i64, |value| (*value, *value), None, Int64Array::from),
        3 => {
            let build = |digits: Vec<i128>| Decimal128Array::from(digits).with_precision_and_scale(12, 2).unwrap();
            planted(seed, |random| i128::from(random.below(1_000_000)), |value| (*value, *value), None, build)
        }
        4 => planted(seed, time, |value| (*value, *value), None, TimestampMicrosecondArray::from),
        // whole minutes
        5 => {
            let draw = |random: &mut Random| time(random) / 60_000_000 * 60_000_000;
            planted(seed, draw, |value| (*value, *value), None, TimestampMicrosecondArray::from)
        }
        6 => {
            planted(seed, |random| 18_000 + random.below(720) as i32, |value| (*value, *value), None, Date32Array::from)
        }
        7 => planted(seed, |random| random.pick(&states), |value| (*value, *value), None, StringArray::from),
        8 => planted(seed, |random| random.below(2) == 1, |value| (*value, *value), None, BooleanArray::from),
        _ => {
            let draw = |random: &mut Random| (random.below(8) > 0).then(|| random.below(1 << 50) as f64 / 1e6);
            let plant = |value: &Option<f64>| (*value, if differ { None } else { *value });
            planted(seed, draw, plant, None, Float64Array::from)
        }
    }
}

/// Keys that are missing on one side and extra on the other are paired where that is one to one.
#[test]
fn keys_that_differ_in_capitals_or_zeros_are_paired() {
    let shop = Workshop::new();
    let keys = |change: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..400).map(change)))
    };
    let old = keys(&|row| if row < 300 { format!("order-{row:05}") } else { format!("{row}") });
    let new = keys(&|row| match row {
        ..40 => format!("ORDER-{row:05}"),
        40..60 => format!("order-{row:05} "),
        60..70 => format!("other-{row:05}"),
        300..330 => format!("{row:08}"),
        330.. => format!("{row}"),
        _ => format!("order-{row:05}"),
    });
    for (side, keys) in [("old", old), ("new", new)] {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..400));
        let batch = RecordBatch::try_from_iter([("id", keys), ("value", values)]).unwrap();
        write_parquet(&shop.path(side), &batch, 50);
    }
    let mut own = trial(&shop, &["id"]);
    let (found, json) = causes(&own);
    let mut named = found["id"].clone();
    named.sort();
    assert_eq!(named, [("case".into(), 40), ("padded".into(), 20), ("padded".into(), 30)], "{json}");
    assert!(json.contains("\"of_keys\":true"), "{json}");
    own.options.strategy = Some(Strategy::Hashed);
    assert_eq!(causes(&own).1, json);
}

/// A line that is offered makes exactly the pairs of its cause equal, and no others different.
#[test]
fn lines_that_accept_a_cause_accept_exactly_that() {
    let shop = Workshop::new();
    let mut columns = named(catalogue().into_iter().chain(special()).collect());
    // what an expression accepts has to be so in all rows
    let all = |plant: &dyn Fn(i64) -> i64| -> Planted {
        let old: Vec<i64> = (0..ROWS as i64).map(|row| 1_700_000_000_000_000 + row * 7_919).collect();
        let new: Vec<i64> = old.iter().map(|value| plant(*value)).collect();
        let times = |times: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(times)) as ArrayRef;
        Planted { old: times(old), new: times(new) }
    };
    columns.push(("all_later".into(), all(&|time| time + HOUR)));
    columns.push(("all_day_before".into(), all(&|time| time - 24 * HOUR)));
    columns.push(("all seconds".into(), all(&|time| time / 1_000_000 * 1_000_000)));
    let cents = |of: i64| Arc::new(Int64Array::from_iter_values((1..=ROWS as i64).map(|row| row * 7 * of))) as ArrayRef;
    columns.push(("Cents".into(), Planted { old: cents(1), new: cents(100) }));
    write(&shop, &columns, true);
    let mut job = "[old]\npath = \"old\"\n[new]\npath = \"new\"\n[compare]\nkey = \"id\"\n".to_string();
    let before = report(&shop, &job);
    let mut expected = mismatches(&before);
    let mut lines = 0;
    for cause in before["causes"].as_array().unwrap() {
        let Some(accept) = cause["accept"].as_str() else { continue };
        // two rules of one column would have to be written under one heading
        let heading = accept.lines().next().unwrap();
        assert!(!job.contains(heading), "{accept}");
        job += &format!("{accept}\n");
        *expected.get_mut(cause["column"].as_str().unwrap()).unwrap() -= cause["count"].as_u64().unwrap();
        lines += 1;
    }
    assert!(lines >= 16, "{job}");
    let after = mismatches(&report(&shop, &job));
    let wrong: Vec<_> = expected.iter().filter(|(column, count)| after[*column] != **count).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{job}");
}

fn report(shop: &Workshop, job: &str) -> serde_json::Value {
    std::fs::write(shop.path("job.toml"), job).unwrap();
    let _ = std::fs::remove_dir_all(shop.path("runs"));
    let (code, out, said) = crate::support::run(shop, &["run", "job.toml", "--format", "json", "--quiet"]);
    assert!(code < 2, "{said}\n{job}");
    serde_json::from_str(&out).unwrap()
}

fn mismatches(report: &serde_json::Value) -> BTreeMap<String, u64> {
    let columns = report["columns"].as_array().unwrap().iter();
    columns.map(|column| (column["name"].as_str().unwrap().into(), column["mismatches"].as_u64().unwrap())).collect()
}

/// Of private columns, not even the names of their fields are shown.
#[test]
fn private_columns_have_a_cause_and_a_count_and_nothing_else() {
    let shop = Workshop::new();
    let document = |name: &str| (Some(format!("{{\"{name}@secret\": 1}}")), Some(format!("{{\"{name}@secret\": 2}}")));
    let columns = vec![
        ("mail".to_string(), changed(1, &str::to_uppercase)),
        ("document".to_string(), texts(2, &document, None)),
        ("state".to_string(), texts(3, &|_| (some("secret a"), some("secret b")), None)),
    ];
    write(&shop, &columns, true);
    let job = "[old]\npath = \"old\"\n[new]\npath = \"new\"\n[compare]\nkey = \"id\"\n[lists]\ncauses = true\n\
               [private]\ncolumns = [\"mail\", \"document\", \"state\"]\n";
    let found = report(&shop, job);
    let mail = found["causes"].as_array().unwrap().iter().find(|cause| cause["column"] == "mail").unwrap();
    assert_eq!((&mail["cause"], &mail["count"]), (&"case".into(), &100.into()));
    for entry in
        walkdir::WalkDir::new(shop.path("runs")).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let bytes = std::fs::read(entry.path()).unwrap();
        let shows = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!shows("secret") && !shows("JUNIPER"), "{}", entry.path().display());
        assert!(!entry.path().to_string_lossy().contains("secret"), "{}", entry.path().display());
    }
}

/// Values at the ends of their types have causes or none, and break nothing.
#[test]
fn the_largest_values_are_compared_like_others() {
    let shop = Workshop::new();
    let decimals = |digits: [i128; 3], precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(digits.to_vec()).with_precision_and_scale(precision, scale).unwrap())
    };
    let most = 10_i128.pow(38) - 1;
    let wide = |digits: [&str; 3]| -> ArrayRef {
        let digits = digits.map(|text| text.parse::<arrow::datatypes::i256>().unwrap());
        Arc::new(Decimal256Array::from(digits.to_vec()).with_precision_and_scale(76, 75).unwrap())
    };
    let floats = |values: [f64; 3]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let times = |values: [i64; 3]| -> ArrayRef { Arc::new(TimestampSecondArray::from(values.to_vec())) };
    let dates = |values: [i32; 3]| -> ArrayRef { Arc::new(Date32Array::from(values.to_vec())) };
    let pairs = [
        ("whole", decimals([most, -most, 6 - most], 38, 0), decimals([6 - most, most, most], 38, 0)),
        ("fraction", decimals([-most, 0, 1], 38, 37), decimals([9, most, -most], 38, 37)),
        ("wide", wide(["0", "1", &"9".repeat(76)]), wide(["5", "-1", &format!("-{}", "9".repeat(76))])),
        ("float", floats([f64::MAX, f64::NAN, f64::MIN_POSITIVE]), floats([f64::MIN, 0.0, f64::INFINITY])),
        ("time", times([i64::MAX, i64::MIN, 0]), times([i64::MIN, 0, i64::MAX])),
        ("date", dates([i32::MAX, i32::MIN, 0]), dates([i32::MIN, 0, i32::MAX])),
    ];
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    for side in ["old", "new"] {
        let columns =
            pairs.iter().map(|(name, old, new)| (*name, if side == "old" { old.clone() } else { new.clone() }));
        let batch = RecordBatch::try_from_iter([("id", ids.clone())].into_iter().chain(columns)).unwrap();
        write_parquet(&shop.path(side), &batch, 5);
    }
    let report = trial(&shop, &["id"]).compare().unwrap();
    assert_eq!(report.counts().mismatch, 3);
}
