//! Random tables under random rules: the merge join, the hash join, and the equivalent SQL (`queries/tiers.sql`) count
//! the same tiers, for rows and for columns. Without a key, rows are paired naively.
//!
//! The kind of a column specifies what each side contains and which rules can be drawn, and defines the meaning of the
//! rules in SQL. The job is parsed from the text of a job file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array, Int64Array, Int64Builder,
    ListBuilder, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Int64Type, UInt64Type};
use countersign::job::file::JobFile;
use countersign::report::Report;
use countersign::{Limits, Options, Strategy};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, FileFailurePersistence};

use crate::support::{Workshop, write_parquet};

/// The contents of a column on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text on both sides.
    Text,
    /// Numbers as text in old, integers in new.
    TextNumber,
    /// Floats in old, decimals in new.
    Number,
    /// Wall-clock times in old, instants in new.
    Moment,
    /// Milliseconds as integers in old, instants in new.
    Epoch,
    /// Wall-clock times in Berlin in old, instants in new, around changes to and from summer time.
    Berlin,
    /// Dates in old, wall-clock times in new.
    Day,
    /// Codes as integers in old, text in new.
    Code,
    /// 0 and 1 (and 2) in old, Booleans in new.
    Flag,
    /// Lists of integers on both sides.
    List,
}

/// The rules that were drawn for a column.
#[derive(Debug, Clone, Copy)]
struct Rules {
    trim: u8,
    squeeze: bool,
    casefold: bool,
    empty_is_null: bool,
    values: u8,
    default_is_null: bool,
    as_float: bool,
    coarse: bool,
    tolerance: u8,
    unordered: bool,
}

#[derive(Debug, Clone)]
struct Drawn {
    key_rules: Rules,
    columns: Vec<(Kind, Rules)>,
    /// Each row: its key, and a seed for each column.
    old: Vec<(u8, Vec<u8>)>,
    new: Vec<(u8, Vec<u8>)>,
    sorted: bool,
    row_group_rows: usize,
    has_key: bool,
}

const KEYS: [&str; 9] = ["a", "a ", " a", "A", "b", "B ", "c", "", "d"];
const TEXTS: [&str; 13] = ["", " ", "a", "A", "a ", " A", "b", "NULL", "x", "null", "a b", "a  b", "  A"];
/// Wall-clock times in Berlin and their instants in milliseconds; `None` if a time occurs twice or never.
const BERLIN: [(i64, Option<i64>); 8] = [
    (1_782_907_200_000, Some(1_782_900_000_000)), // a summer's noon
    (1_767_268_800_000, Some(1_767_265_200_000)), // a winter's noon
    (1_774_749_599_999, Some(1_774_745_999_999)), // the last moment of winter time
    (1_774_751_400_000, None),                    // half past two, which is left out
    (1_774_753_200_000, Some(1_774_746_000_000)), // the first moment of summer time
    (1_792_893_599_000, Some(1_792_886_399_000)), // a second before the hour that comes twice
    (1_792_895_400_000, None),                    // half past two, which comes twice
    (1_792_897_200_000, Some(1_792_893_600_000)), // three o'clock again
];
const WORDS: [&str; 5] = ["no", "yes", "1", "2", "0"];
const DAY: i64 = 86_400_000;
const TEXT_NUMBERS: [&str; 10] = ["5", " 5", "5.0", "12", "five", "", "007", "-3", "0", "14.5 "];

fn rules() -> impl proptest::strategy::Strategy<Value = Rules> {
    let text = (0u8..3, any::<bool>(), any::<bool>(), 0u8..3, any::<bool>());
    let other = (any::<bool>(), any::<bool>(), 0u8..4, any::<bool>(), any::<bool>());
    (text, other).prop_map(
        |(
            (trim, casefold, empty_is_null, values, default_is_null),
            (as_float, coarse, tolerance, unordered, squeeze),
        )| Rules {
            trim,
            squeeze,
            casefold,
            empty_is_null,
            values,
            default_is_null,
            as_float,
            coarse,
            tolerance,
            unordered,
        },
    )
}

fn drawn() -> impl proptest::strategy::Strategy<Value = Drawn> {
    use Kind::{Berlin, Code, Day, Epoch, Flag, List, Moment, Number, Text, TextNumber};
    let kind = prop::sample::select(vec![Text, TextNumber, Number, Moment, Epoch, Berlin, Day, Code, Flag, List]);
    prop::collection::vec((kind, rules()), 1..4).prop_flat_map(|columns| {
        let row = (0u8..40, prop::collection::vec(any::<u8>(), columns.len()));
        // a pair of seeds that are near each other gives values that rules may make equal
        let change = prop_oneof![3 => Just(0u8), 2 => Just(1), 2 => any::<u8>()];
        let rows = prop::collection::vec((row.clone(), prop::collection::vec(change, columns.len()), 0u8..10), 0..50);
        let shape = (rules(), any::<bool>(), 1usize..30);
        (rows, prop::collection::vec(row, 0..5), shape).prop_map(
            move |(rows, mut new, (key_rules, sorted, row_group_rows))| {
                for ((key, seeds), changes, fate) in &rows {
                    if *fate > 0 {
                        let seeds = seeds.iter().zip(changes).map(|(seed, change)| seed.wrapping_add(*change));
                        new.push((*key, seeds.collect()));
                    }
                }
                let old = rows.into_iter().map(|(row, ..)| row).collect();
                Drawn { key_rules, columns: columns.clone(), old, new, sorted, row_group_rows, has_key: true }
            },
        )
    })
}

fn key(number: u8) -> Option<String> {
    match number {
        // most keys are plain, and occur once or a few times on a side
        9.. => Some(format!("k{number:02}")),
        8 => None,
        _ => Some(KEYS[usize::from(number)].into()),
    }
}

impl Kind {
    /// A column of one side, from seeds.
    fn array(self, seeds: &[u8], is_old: bool) -> ArrayRef {
        let is_null = |seed: u8| seed.is_multiple_of(16);
        let pick =
            |seed: &u8, texts: &[&str]| (!is_null(*seed)).then(|| texts[usize::from(*seed) % texts.len()].to_string());
        let whole = |seed: &u8| (!is_null(*seed)).then(|| i64::from(*seed % 20) - 4);
        match (self, is_old) {
            (Kind::Text, _) => Arc::new(seeds.iter().map(|seed| pick(seed, &TEXTS)).collect::<StringArray>()),
            (Kind::TextNumber, true) => {
                Arc::new(seeds.iter().map(|seed| pick(seed, &TEXT_NUMBERS)).collect::<StringArray>())
            }
            (Kind::TextNumber, false) => Arc::new(seeds.iter().map(whole).collect::<Int64Array>()),
            (Kind::Number, true) => {
                let eighths = seeds.iter().map(|seed| whole(seed).map(|whole| whole as f64 / 8.0));
                Arc::new(eighths.collect::<Float64Array>())
            }
            (Kind::Number, false) => {
                let thousandths = seeds.iter().map(|seed| whole(seed).map(|whole| i128::from(whole) * 125));
                Arc::new(thousandths.collect::<Decimal128Array>().with_precision_and_scale(12, 3).unwrap())
            }
            (Kind::Epoch, true) => {
                Arc::new(seeds.iter().map(|seed| whole(seed).map(|whole| whole * 350)).collect::<Int64Array>())
            }
            (Kind::Moment | Kind::Epoch, is_old) => {
                let millis = |seed: &u8| whole(seed).map(|whole| whole * 350);
                let times = seeds.iter().map(millis).collect::<TimestampMillisecondArray>();
                if is_old { Arc::new(times) } else { Arc::new(times.with_timezone("UTC")) }
            }
            (Kind::Berlin, is_old) => {
                let wall = |seed: &u8| BERLIN[usize::from(*seed) % BERLIN.len()];
                // where no instant is right, new has the one that UTC's clock would show
                let millis = |seed: &u8| match (is_old, wall(seed)) {
                    (true, (wall, _)) => wall,
                    (false, (wall, instant)) => instant.unwrap_or(wall - 7_200_000),
                };
                let times = seeds.iter().map(|seed| (!is_null(*seed)).then(|| millis(seed)));
                let times = times.collect::<TimestampMillisecondArray>();
                if is_old { Arc::new(times) } else { Arc::new(times.with_timezone("UTC")) }
            }
            (Kind::Day, true) => {
                let days = seeds.iter().map(|seed| whole(seed).map(|whole| whole as i32));
                Arc::new(days.collect::<Date32Array>())
            }
            (Kind::Day, false) => {
                let noon = |seed: &u8| whole(seed).map(|whole| whole * DAY + i64::from(*seed % 3) * DAY / 2);
                Arc::new(seeds.iter().map(noon).collect::<TimestampMillisecondArray>())
            }
            (Kind::Code, true) => {
                Arc::new(seeds.iter().map(|seed| (!is_null(*seed)).then_some((*seed % 4) as i8)).collect::<Int8Array>())
            }
            (Kind::Code, false) => {
                let word = |seed: &u8| WORDS[usize::from(*seed % 4 + *seed / 64) % WORDS.len()];
                Arc::new(seeds.iter().map(|seed| (!is_null(*seed)).then(|| word(seed))).collect::<StringArray>())
            }
            (Kind::Flag, true) => {
                Arc::new(seeds.iter().map(|seed| (!is_null(*seed)).then_some((*seed % 3) as i8)).collect::<Int8Array>())
            }
            (Kind::Flag, false) => {
                Arc::new(seeds.iter().map(|seed| (!is_null(*seed)).then_some(*seed % 3 > 0)).collect::<BooleanArray>())
            }
            (Kind::List, _) => {
                let mut lists = ListBuilder::new(Int64Builder::new());
                for seed in seeds {
                    let items = [i64::from(*seed & 1), i64::from(*seed >> 1 & 1), i64::from(*seed >> 2 & 1)];
                    match is_null(*seed) {
                        true => lists.append(false),
                        false => lists.append_value(items.into_iter().take(usize::from(*seed % 4)).map(Some)),
                    }
                }
                Arc::new(lists.finish())
            }
        }
    }

    /// The rules as lines of a job file.
    fn lines(self, rules: &Rules) -> Vec<String> {
        let mut lines: Vec<String> = vec![];
        let mut on = |is_on: bool, line: &str| lines.extend(is_on.then(|| line.to_string()));
        let has_text = matches!(self, Kind::Text | Kind::TextNumber);
        on(has_text && rules.trim == 1, "trim = true");
        on(has_text && rules.trim == 2, "rtrim = true");
        on(has_text && rules.empty_is_null, "empty_is_null = true");
        match self {
            Kind::Text => {
                on(rules.squeeze, "squeeze = true");
                on(rules.casefold, "casefold = true");
                on(rules.values == 1, "values = { a = \"b\", x = \"NULL\" }");
                on(rules.values == 2, "values = { a = \"b\", A = \"b\", x = \"NULL\" }");
                on(rules.default_is_null, "default_is_null = \"NULL\"");
            }
            Kind::TextNumber | Kind::Number => {
                on(self == Kind::TextNumber && rules.as_float, "as = \"float\"");
                on(self == Kind::TextNumber && !rules.as_float, "as = \"decimal\"");
                on(rules.default_is_null, "default_is_null = 0");
                on(rules.coarse, "round = 0");
                on(rules.tolerance == 1, "tolerance = 0.25");
                on(rules.tolerance == 2, "tolerance = { abs = 0.1, rel = 0.5 }");
                on(rules.tolerance == 3, "tolerance = { below = 0.25 }");
            }
            Kind::Moment | Kind::Epoch => {
                on(self == Kind::Moment, "assume_tz = \"UTC\"");
                on(self == Kind::Epoch, "as = \"timestamp\"\nunit = \"ms\"");
                on(rules.coarse, "truncate = \"second\"");
                on(rules.tolerance > 0, "tolerance = \"350ms\"");
            }
            Kind::Berlin => {
                on(true, "assume_tz = \"Europe/Berlin\"");
                on(rules.as_float, "as = \"timestamp\"");
            }
            Kind::Day => on(true, "as = \"date\""),
            Kind::Code => {
                on(rules.values == 0, "values = { 0 = \"no\", 1 = \"yes\" }");
                on(rules.values == 1, "values = { 0 = \"no\", 1 = \"yes\", 2 = \"yes\" }");
                on(rules.values == 2, "values = { 0 = \"1\", 3 = \"no\" }");
            }
            Kind::Flag => on(true, "as = \"boolean\""),
            Kind::List => on(rules.unordered, "unordered = true"),
        }
        lines
    }

    /// The meaning of the rules for a column, in SQL over `o` and `n`.
    fn meaning(self, rules: &Rules, name: &str) -> Meaning {
        let (o, n) = (format!("o.{name}"), format!("n.{name}"));
        let same = |old: &str, new: &str| format!("(({old}) IS NOT DISTINCT FROM ({new}))");
        let no = || "false".to_string();
        match self {
            Kind::Text => {
                let fold = |text: &str| if rules.casefold { text.to_lowercase() } else { text.to_string() };
                let null = fold("NULL");
                let values = |x: &str, folded: bool| {
                    let null = if folded { null.as_str() } else { "NULL" };
                    match rules.values {
                        0 => x.to_string(),
                        1 => format!("CASE {x} WHEN 'a' THEN 'b' WHEN 'x' THEN '{null}' ELSE {x} END"),
                        _ => {
                            format!("CASE {x} WHEN 'a' THEN 'b' WHEN 'A' THEN 'b' WHEN 'x' THEN '{null}' ELSE {x} END")
                        }
                    }
                };
                let cleaned = |x: &str| {
                    let x = clean(x, rules);
                    let x = if rules.squeeze { format!("regexp_replace({x}, ' +', ' ', 'g')") } else { x };
                    if rules.casefold { format!("lower({x})") } else { x }
                };
                let emptied = |x: String| if rules.empty_is_null { format!("nullif({x}, '')") } else { x };
                let defaulted = |x: String| if rules.default_is_null { format!("nullif({x}, '{null}')") } else { x };
                let old = defaulted(values(&emptied(cleaned(&o)), true));
                let new = defaulted(emptied(cleaned(&n)));
                Meaning {
                    same: same(&values(&o, false), &n),
                    needed: format!("({o} IS DISTINCT FROM ({}))", values(&o, false)),
                    lossy: if rules.values == 2 { format!("coalesce({o} IN ('a', 'A'), false)") } else { no() },
                    ruled: same(&old, &new),
                    near: no(),
                }
            }
            Kind::TextNumber => {
                let number = |x: &str| {
                    format!(
                        "(CASE WHEN regexp_like({x}, '^[+-]?[0-9]+([.][0-9]+)?$') THEN CAST({x} AS DECIMAL(20, 4)) END)"
                    )
                };
                let cleaned = clean(&o, rules);
                let cleaned = if rules.empty_is_null { format!("nullif({cleaned}, '')") } else { cleaned };
                let lost = |x: &str| format!("({x} IS NOT NULL AND {} IS NULL)", number(x));
                let settled = |x: &str| {
                    let x = format!("CAST({x} AS DECIMAL(20, 4))");
                    let x = if rules.default_is_null { format!("nullif({x}, CAST(0 AS DECIMAL(20, 4)))") } else { x };
                    if rules.coarse { format!("round({x}, 0)") } else { x }
                };
                let (old, new) = (settled(&number(&cleaned)), settled(&n));
                Meaning {
                    same: format!(
                        "(NOT {} AND {})",
                        lost(&o),
                        same(&number(&o), &format!("CAST({n} AS DECIMAL(20, 4))"))
                    ),
                    needed: format!("({o} IS NOT NULL)"),
                    lossy: rules.as_float.to_string(),
                    ruled: format!("(NOT {} AND {})", lost(&cleaned), same(&old, &new)),
                    near: format!("(NOT {} AND {})", lost(&cleaned), near(rules, &old, &new)),
                }
            }
            Kind::Number => {
                let settled = |x: &str| {
                    let x = format!("CAST({x} AS DECIMAL(20, 4))");
                    let x = if rules.default_is_null { format!("nullif({x}, CAST(0 AS DECIMAL(20, 4)))") } else { x };
                    if rules.coarse { format!("round({x}, 0)") } else { x }
                };
                let (old, new) = (settled(&o), settled(&n));
                let plain = |x: &str| format!("CAST({x} AS DECIMAL(20, 4))");
                Meaning {
                    same: same(&plain(&o), &plain(&n)),
                    needed: no(),
                    lossy: no(),
                    ruled: same(&old, &new),
                    near: near(rules, &old, &new),
                }
            }
            Kind::Moment | Kind::Epoch => {
                let millis = |x: &str| format!("arrow_cast({x}, 'Int64')");
                let settled = |x: &str| match rules.coarse {
                    true => format!("floor(CAST({} AS DOUBLE) / 1000)", millis(x)),
                    false => format!("CAST({} AS DOUBLE) / 1000", millis(x)),
                };
                let near = match rules.tolerance > 0 {
                    true => {
                        format!("coalesce(abs({} - {}) <= CAST(0.3500001 AS DOUBLE), false)", settled(&o), settled(&n))
                    }
                    false => no(),
                };
                Meaning {
                    same: same(&millis(&o), &millis(&n)),
                    needed: format!("({o} IS NOT NULL)"),
                    lossy: no(),
                    ruled: same(&settled(&o), &settled(&n)),
                    near,
                }
            }
            Kind::Berlin => {
                let known =
                    BERLIN.iter().filter_map(|(wall, instant)| Some(format!("WHEN {wall} THEN {}", (*instant)?)));
                let known: Vec<String> = known.collect();
                let millis = |x: &str| format!("arrow_cast({x}, 'Int64')");
                let instant = format!("(CASE {} {} END)", millis(&o), known.join(" "));
                let equal = format!("(({o} IS NULL AND {n} IS NULL) OR coalesce({instant} = {}, false))", millis(&n));
                Meaning {
                    same: equal.clone(),
                    needed: format!("({o} IS NOT NULL)"),
                    lossy: no(),
                    ruled: equal,
                    near: no(),
                }
            }
            Kind::Day => {
                let day = format!("floor(CAST(arrow_cast({n}, 'Int64') AS DOUBLE) / CAST({DAY} AS DOUBLE))");
                let equal = same(&format!("CAST(arrow_cast({o}, 'Int32') AS DOUBLE)"), &day);
                let needed = format!("({o} IS NOT NULL)");
                Meaning { same: equal.clone(), needed, lossy: "true".into(), ruled: equal, near: no() }
            }
            Kind::Code => {
                let (table, shared) = match rules.values {
                    0 => ("WHEN 0 THEN 'no' WHEN 1 THEN 'yes'", "7"),
                    1 => ("WHEN 0 THEN 'no' WHEN 1 THEN 'yes' WHEN 2 THEN 'yes'", "1, 2"),
                    // what old writes as 1 is read as the word of the code 0
                    _ => ("WHEN 0 THEN '1' WHEN 3 THEN 'no'", "1"),
                };
                let equal = same(&format!("CASE {o} {table} ELSE CAST({o} AS VARCHAR) END"), &n);
                let (needed, lossy) = (format!("({o} IS NOT NULL)"), format!("coalesce({o} IN ({shared}), false)"));
                Meaning { same: equal.clone(), needed, lossy, ruled: equal, near: no() }
            }
            Kind::Flag => {
                let truth = format!("(CASE {o} WHEN 0 THEN false WHEN 1 THEN true END)");
                let equal = format!("(({o} IS NULL AND {n} IS NULL) OR coalesce({truth} = {n}, false))");
                Meaning {
                    same: equal.clone(),
                    needed: format!("({o} IS NOT NULL)"),
                    lossy: no(),
                    ruled: equal,
                    near: no(),
                }
            }
            Kind::List => {
                let settled = |x: &str| if rules.unordered { format!("array_sort({x})") } else { x.to_string() };
                let ruled = same(&settled(&o), &settled(&n));
                Meaning { same: same(&o, &n), needed: no(), lossy: no(), ruled, near: no() }
            }
        }
    }
}

fn clean(x: &str, rules: &Rules) -> String {
    match rules.trim {
        1 => format!("btrim({x})"),
        2 => format!("rtrim({x})"),
        _ => x.into(),
    }
}

fn near(rules: &Rules, old: &str, new: &str) -> String {
    // all values are eighths, so binary fractions hold them exactly, and no distance is a tenth
    let [old, new] = [old, new].map(|value| format!("CAST({value} AS DOUBLE)"));
    let distance = format!("abs({old} - {new})");
    let larger = format!("greatest(abs({old}), abs({new}))");
    let binary = |number: &str| format!("CAST({number} AS DOUBLE)");
    match rules.tolerance {
        1 => format!("coalesce({distance} <= {}, false)", binary("0.25")),
        3 => format!("coalesce({distance} < {}, false)", binary("0.25")),
        2 => format!("coalesce({distance} <= {} OR {distance} <= {} * {larger}, false)", binary("0.1"), binary("0.5")),
        _ => "false".into(),
    }
}

/// What the rules of a column decide for a pair, in SQL.
struct Meaning {
    /// The cells are equal as read.
    same: String,
    /// A rule was needed to read them.
    needed: String,
    /// If a rule was needed: it may have made two different values equal.
    lossy: String,
    /// They are equal under the rules.
    ruled: String,
    /// They are within the tolerance.
    near: String,
}

impl Drawn {
    fn write(&self, shop: &Workshop) {
        for (name, rows, is_old) in [("old", &self.old, true), ("new", &self.new, false)] {
            let keys: StringArray = rows.iter().map(|(number, _)| key(*number)).collect();
            let mut columns: Vec<(String, ArrayRef, bool)> = vec![("k".into(), Arc::new(keys), true)];
            for (at, (kind, _)) in self.columns.iter().enumerate() {
                let seeds: Vec<u8> = rows.iter().map(|(_, seeds)| seeds[at]).collect();
                columns.push((format!("v{at}"), kind.array(&seeds, is_old), true));
            }
            let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
            let mut places: Vec<u32> = (0..batch.num_rows() as u32).collect();
            match self.sorted {
                true => places.sort_by_key(|place| {
                    let key = key(rows[*place as usize].0);
                    (key.is_none(), key)
                }),
                false => places.sort_by_key(|place| place.wrapping_mul(2_654_435_761)),
            }
            let batch = take_record_batch(&batch, &arrow::array::UInt32Array::from(places)).unwrap();
            write_parquet(&shop.path(&format!("{name}.parquet")), &batch, self.row_group_rows);
        }
        fs::write(shop.path("job.toml"), self.job_file()).unwrap();
    }

    fn job_file(&self) -> String {
        let mut text = String::from(
            "[old]\npath = \"old.parquet\"\nallow_empty = true\n[new]\npath = \"new.parquet\"\nallow_empty = true\n\
             [compare]\n",
        );
        text += if self.has_key { "key = \"k\"\n" } else { "no_key = true\n" };
        let key_lines = self.key_lines();
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(at, (kind, rules))| (format!("v{at}"), kind.lines(rules)));
        for (name, lines) in std::iter::once(("k".to_string(), key_lines)).chain(columns) {
            if !lines.is_empty() {
                text += &format!("[compare.columns.{name}]\n{}\n", lines.join("\n"));
            }
        }
        text
    }

    fn key_lines(&self) -> Vec<String> {
        let mut lines =
            Kind::Text.lines(&Rules { values: 0, default_is_null: false, squeeze: false, ..self.key_rules });
        lines.truncate(2);
        lines
    }

    /// The key under its rules, in SQL.
    fn key_sql(&self, key: &str) -> String {
        let lines = self.key_lines();
        let has = |word: &str| lines.iter().any(|line| line.starts_with(word));
        let mut sql = clean(key, &self.key_rules);
        if has("casefold") {
            sql = format!("lower({sql})");
        }
        if has("empty_is_null") {
            sql = format!("nullif({sql}, '')");
        }
        sql
    }

    /// The meaning of the rules for the key, which is first, and for the columns.
    fn meanings(&self) -> Vec<Meaning> {
        let key = Meaning {
            same: "(o.k IS NOT DISTINCT FROM n.k)".into(),
            needed: "false".into(),
            lossy: "false".into(),
            ruled: format!("({} IS NOT DISTINCT FROM {})", self.key_sql("o.k"), self.key_sql("n.k")),
            near: "false".into(),
        };
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(at, (kind, rules))| kind.meaning(rules, &format!("v{at}")));
        std::iter::once(key).chain(columns).collect()
    }

    /// The counts of `queries/tiers.sql`: pairs, exact, by reading, by rule, tolerated; then for each column by
    /// reading, by rule, tolerated, mismatches. The key is the first column.
    fn ask_sql(&self, shop: &Workshop) -> Vec<u64> {
        let meanings = self.meanings();
        let all = |each: &dyn Fn(&Meaning) -> String| meanings.iter().map(each).collect::<Vec<_>>().join(" AND ");
        let exact = |m: &Meaning| format!("({} AND NOT {})", m.same, m.needed);
        let by_reading = |m: &Meaning| format!("({} AND NOT ({} AND {}))", m.same, m.needed, m.lossy);
        let by_rule = |m: &Meaning| format!("({} OR {})", m.same, m.ruled);
        let tolerated = |m: &Meaning| format!("({} OR {} OR {})", m.same, m.ruled, m.near);
        let counts = meanings.iter().map(|m| {
            let count = |condition: String| format!(",\n count(*) FILTER (WHERE {condition})");
            count(format!("{} AND {} AND NOT {}", m.same, m.needed, m.lossy))
                + &count(format!("({} AND {} AND {}) OR (NOT {} AND {})", m.same, m.needed, m.lossy, m.same, m.ruled))
                + &count(format!("NOT {} AND {}", by_rule(m), m.near))
                + &count(format!("NOT {}", tolerated(m)))
        });
        // the comments also contain the placeholders
        let lines = include_str!("../queries/tiers.sql").lines().filter(|line| !line.starts_with("--"));
        let query = lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace("{same_key}", &format!("({} IS NOT DISTINCT FROM {})", self.key_sql("o.k"), self.key_sql("n.k")))
            .replace("{key}", &self.key_sql("k"))
            .replace("{exact}", &all(&exact))
            .replace("{by_reading}", &all(&by_reading))
            .replace("{by_rule}", &all(&by_rule))
            .replace("{tolerated}", &all(&tolerated))
            .replace("{columns}", &counts.collect::<String>());
        let batches = ask(shop, &query);
        let row = &batches[0];
        row.columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0) as u64).collect()
    }

    /// The same without a key, and without rules that keys cannot have.
    fn without_key(mut self) -> Self {
        for (kind, rules) in &mut self.columns {
            rules.tolerance = 0;
            rules.coarse &= !matches!(kind, Kind::Number | Kind::TextNumber);
        }
        self.has_key = false;
        self
    }

    /// The numbers of rows that are exact, by reading, and by rule if whole rows are paired with rows that are equal
    /// under the rules: first with rows that are equal as read, and among these first with rows that need no rule.
    fn pair_naively(&self, shop: &Workshop) -> [u64; 3] {
        let meanings = self.meanings();
        let all = |each: &dyn Fn(&Meaning) -> String| meanings.iter().map(each).collect::<Vec<_>>().join(" AND ");
        let any = |each: &dyn Fn(&Meaning) -> String| meanings.iter().map(each).collect::<Vec<_>>().join(" OR ");
        let query = format!(
            "SELECT o.number AS old_row, n.number AS new_row, {} AS same, \
             CASE WHEN {} THEN 2 WHEN {} THEN 1 ELSE 0 END AS tier \
             FROM (SELECT *, row_number() OVER () AS number FROM old) AS o \
             CROSS JOIN (SELECT *, row_number() OVER () AS number FROM new) AS n WHERE {}",
            all(&|m| m.same.clone()),
            any(&|m| format!("({} AND {})", m.needed, m.lossy)),
            any(&|m| m.needed.clone()),
            all(&|m| m.ruled.clone()),
        );
        // each row of old with what it may be paired with
        let mut rows: BTreeMap<u64, (i64, BTreeSet<u64>, BTreeSet<u64>)> = BTreeMap::new();
        for batch in ask(shop, &query) {
            let number = |column: usize, row: usize| batch.column(column).as_primitive::<UInt64Type>().value(row);
            for row in 0..batch.num_rows() {
                let tier = batch.column(3).as_primitive::<Int64Type>().value(row);
                let (_, same, ruled) =
                    rows.entry(number(0, row)).or_insert_with(|| (tier, BTreeSet::new(), BTreeSet::new()));
                if batch.column(2).as_boolean().value(row) {
                    same.insert(number(1, row));
                }
                ruled.insert(number(1, row));
            }
        }
        let mut tiers = [0; 3];
        let mut taken = BTreeSet::new();
        let mut left = vec![];
        let mut in_order: Vec<_> = rows.into_values().collect();
        in_order.sort_by_key(|(tier, ..)| *tier);
        for (tier, same, ruled) in in_order {
            match same.into_iter().find(|new| !taken.contains(new)) {
                Some(new) => {
                    taken.insert(new);
                    tiers[tier as usize] += 1;
                }
                None => left.push(ruled),
            }
        }
        for ruled in left {
            if let Some(new) = ruled.into_iter().find(|new| !taken.contains(new)) {
                taken.insert(new);
                tiers[2] += 1;
            }
        }
        tiers
    }
}

/// Runs SQL on both snapshots of a workshop.
fn ask(shop: &Workshop, query: &str) -> Vec<RecordBatch> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_collect_statistics(false)
            .set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
        let context = SessionContext::new_with_config(config);
        for name in ["old", "new"] {
            let path = shop.path(&format!("{name}.parquet")).display().to_string();
            context.register_parquet(name, path, ParquetReadOptions::default()).await.unwrap();
        }
        let frame = context.sql(query).await.unwrap_or_else(|error| panic!("{error}\n{query}"));
        frame.collect().await.unwrap_or_else(|error| panic!("{error}\n{query}"))
    })
}

fn counts_of(report: &Report) -> Vec<u64> {
    let tiers = report.tiers();
    let pairs = report.counts().matched + report.counts().mismatch;
    let columns = report.comparison().unwrap().columns.iter();
    let columns = columns.flat_map(|column| [column.by_reading, column.by_rule, column.tolerated, column.mismatches]);
    [pairs, tiers.exact, tiers.by_reading, tiers.by_rule, tiers.tolerated].into_iter().chain(columns).collect()
}

fn run(shop: &Workshop, way: Option<Strategy>, threads: usize) -> Report {
    let file = JobFile::read(&shop.path("job.toml"), &[]).unwrap();
    assert_eq!(file.mistakes, []);
    let limits = Limits { threads, batch_rows: if threads == 1 { 7 } else { 8192 }, ..Limits::default() };
    let options = Options { strategy: way, limits, ..Options::default() };
    countersign::compare(&file.job.unwrap(), &options).unwrap()
}

fn config() -> Config {
    Config { cases: 64, failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_ways_and_sql_count_the_same_tiers(drawn in drawn()) {
        let shop = Workshop::new();
        drawn.write(&shop);
        let lasting = |report: &Report| {
            let mut report = serde_json::to_value(report).unwrap();
            report.as_object_mut().unwrap().remove("run");
            report
        };
        let hashed = run(&shop, Some(Strategy::Hashed), 2);
        for report in [run(&shop, Some(Strategy::Ordered), 1), run(&shop, None, 3)] {
            prop_assert_eq!(lasting(&report), lasting(&hashed), "{}", drawn.job_file());
        }
        prop_assert_eq!(counts_of(&hashed), drawn.ask_sql(&shop), "{}", drawn.job_file());
        let tiers = hashed.tiers();
        prop_assert_eq!(
            tiers.exact + tiers.by_reading + tiers.by_rule + tiers.tolerated,
            hashed.counts().matched
        );
    }

    #[test]
    fn without_a_key_both_ways_pair_rows_as_a_naive_pairing_does(drawn in drawn()) {
        let drawn = drawn.without_key();
        let shop = Workshop::new();
        drawn.write(&shop);
        let expected = drawn.pair_naively(&shop);
        for way in [Strategy::Ordered, Strategy::Hashed] {
            let report = run(&shop, Some(way), 2);
            let tiers = report.tiers();
            let found = [tiers.exact, tiers.by_reading, tiers.by_rule];
            prop_assert_eq!(found, expected, "{:?} {}", way, drawn.job_file());
            prop_assert_eq!((tiers.tolerated, expected.iter().sum::<u64>()), (0, report.counts().matched));
        }
    }
}
