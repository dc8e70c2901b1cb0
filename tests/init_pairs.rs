//! `init` for columns that are not comparable as stored: how it pairs and reads them, and that it omits none.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, DurationMicrosecondArray, FixedSizeBinaryArray, Int64Array, ListBuilder,
    StringBuilder, StructArray, Time64MicrosecondArray,
};
use arrow::datatypes::{DataType, Field};

use crate::init::{Columns, ROWS, integers, micros, proposed, shop, taken, texts};
use crate::support::{Workshop, lines};

fn init(shop: &Workshop) -> String {
    let output = shop.run(&["init", "old.parquet", "new.parquet", "--quiet"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

fn id() -> (&'static str, ArrayRef) {
    ("id", integers(|row| row))
}

fn bytes(text: impl Fn(i64) -> Vec<u8>) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(text(row))).collect::<BinaryArray>())
}

/// The IDs of the mismatches in a run of the job.
fn mismatches(shop: &Workshop, job: &str) -> Vec<String> {
    fs::write(shop.path("finds.toml"), job).unwrap();
    let run = shop.run(&["run", "finds.toml", "--out", "found", "--quiet"]);
    assert!(run.status.code().unwrap() < 2, "{}\n{job}", String::from_utf8_lossy(&run.stderr));
    lines(&shop.path("found/finds/latest/mismatch.csv"))
}

#[test]
fn nothing_is_left_out_before_a_person_says_so() {
    let number: ArrayRef = Arc::new((0..ROWS).map(|row| Some(row + i64::from(row % 40 == 0))).collect::<Int64Array>());
    let doc = StructArray::from(vec![(Arc::new(Field::new("n", DataType::Int64, true)), number)]);
    let shop = shop(
        vec![id(), ("doc", texts(|row| format!("{{\"n\": {row}}}"))), ("only", texts(|row| row.to_string()))],
        vec![id(), ("doc", Arc::new(doc))],
    );
    let job = init(&shop);
    let active: Vec<&str> = job.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(!active.iter().any(|line| line.contains("doc") || line.contains("only")), "{job}");
    assert!(job.contains("# Before it runs, decide on the columns below that cannot be compared."), "{job}");
    assert!(job.contains("# `doc` cannot be compared: text in old, struct<n: int64> in new."), "{job}");
    assert!(
        job.contains("#    \"doc\",  # text in old, struct<n: int64> in new: no rule makes them comparable"),
        "{job}"
    );
    fs::write(shop.path("job.toml"), &job).unwrap();
    for command in ["validate", "run"] {
        let output = shop.run(&[command, "job.toml"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("column `doc` is text in old and struct<n: int64> in new"), "{said}");
        assert!(said.contains("ignore = [\"doc\"]"), "{said}");
    }
    // once it is left out, the column that one side lacks still counts
    fs::write(shop.path("job.toml"), job.replace("#    \"doc\"", "    \"doc\"")).unwrap();
    let run = shop.run(&["run", "job.toml", "--quiet"]);
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stdout));
    fs::write(shop.path("job.toml"), taken(&job)).unwrap();
    assert_eq!(shop.run(&["run", "job.toml", "--quiet"]).status.code(), Some(0));
}

#[test]
fn bytes_that_are_text_are_text() {
    let shop = shop(
        vec![
            id(),
            ("country", bytes(|row| ["DE  ", "ÖS  "][row as usize % 2].into())),
            ("code", bytes(|row| if row == 7 { vec![255, 7] } else { format!("code {row}").into() })),
        ],
        vec![
            id(),
            ("country", texts(|row| if row == 4 { "FR".into() } else { ["DE", "ÖS"][row as usize % 2].into() })),
            ("code", texts(|row| format!("code {row}"))),
        ],
    );
    let (job, ..) = proposed(&shop);
    assert!(job.contains("[compare.columns.code]  # binary in old, text in new\nas = \"text\"\n"), "{job}");
    let country =
        "[compare.columns.country]  # binary in old, text in new\nas = \"text\"\n#rtrim = true  # explains 99";
    assert!(job.contains(country), "{job}");
    assert!(!job.contains("hex"), "{job}");
    // bytes that encode no text equal none
    assert_eq!(mismatches(&shop, &taken(&job)), ["4", "7"]);
}

#[test]
fn a_key_of_bytes_is_read_as_text_too() {
    let shop = shop(
        vec![("id", bytes(|row| format!("order-{row}").into())), ("n", integers(|row| row))],
        vec![("id", texts(|row| format!("order-{row}"))), ("n", integers(|row| row))],
    );
    let (job, as_it_stands, _) = proposed(&shop);
    assert!(job.contains("key = [\"id\"]") && job.contains("as = \"text\""), "{job}");
    assert_eq!(as_it_stands, 0, "{job}");
}

#[test]
fn a_notation_that_explains_nothing_is_not_proposed() {
    // digests of something else: both are hexadecimal, and no row agrees
    let shop = shop(
        vec![id(), ("digest", bytes(|row| vec![row as u8, 255, 254, 1]))],
        vec![id(), ("digest", texts(|row| format!("{:08x}", row * 7_919 + 5)))],
    );
    let job = init(&shop);
    assert!(!job.contains("hex"), "{job}");
    assert!(job.contains("`digest` cannot be compared"), "{job}");
}

fn uuid(row: i64) -> u128 {
    u128::from(row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn hyphened(row: i64) -> String {
    let hex = format!("{:032x}", uuid(row));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn ids() -> ArrayRef {
    Arc::new(FixedSizeBinaryArray::try_from_iter((0..ROWS).map(|row| uuid(row).to_be_bytes())).unwrap())
}

#[test]
fn columns_of_other_names_are_paired_by_their_values() {
    let shop = shop(
        vec![id(), ("ext_uuid", ids()), ("flag", texts(|row| (row % 2).to_string()))],
        vec![
            id(),
            ("external_id", texts(|row| hyphened(if row == 6 { 5 } else { row }))),
            ("is_open", texts(|row| (row % 2).to_string())),
        ],
    );
    let (job, as_it_stands, _) = proposed(&shop);
    let paired = "[compare.columns.external_id]  # fixed binary(16) in old, text in new\n\
                  # `ext_uuid` in old; paired by values: 99.8 % of 400 pairs agree\nold = \"ext_uuid\"\nas = \"uuid\"\n";
    let shown = paired
        .replace("fixed binary(16)", job.split("external_id]  # ").nth(1).unwrap().split(" in old").next().unwrap());
    assert!(job.contains(&shown), "{job}");
    // two values in common are too few
    assert!(
        job.contains("# `flag` of old may be `is_open` of new: 100.0 % of 400 pairs agree, with 2 distinct values"),
        "{job}"
    );
    assert_eq!(as_it_stands, 1);
    assert_eq!(mismatches(&shop, &job), ["6"]);
}

#[test]
fn two_candidates_are_none() {
    let name = || texts(|row| format!("n{row}"));
    let shop = shop(vec![id(), ("nick", name()), ("alias", name())], vec![id(), ("handle", name())]);
    let job = init(&shop);
    assert!(!job.contains("old = "), "{job}");
    for old in ["nick", "alias"] {
        let line = format!(
            "# `{old}` of old may be `handle` of new: 100.0 % of 400 pairs agree, and other columns also agree"
        );
        assert!(job.contains(&line), "{job}");
    }
}

fn lists(items: impl Fn(i64) -> Vec<String>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..ROWS {
        lists.append_value(items(row).into_iter().map(Some));
    }
    Arc::new(lists.finish())
}

#[test]
fn text_with_commas_is_a_list() {
    let items = |row: i64| (0..row % 4).map(|item| format!("t{item}")).collect::<Vec<_>>();
    let planted = |row: i64| if row == 3 { vec!["t9".into()] } else { items(row) };
    let old = || -> Columns { vec![id(), ("tags", texts(|row| items(row).join(",")))] };
    let shop_of = |new: ArrayRef| shop(old(), vec![id(), ("tags", new)]);
    let shop = shop_of(lists(planted));
    let job = init(&shop);
    assert!(job.contains("\nold_expr = \"string_to_array(tags, ',')\"\n"), "{job}");
    assert!(job.contains("99.8 % of 400 pairs"), "{job}");
    assert!(!job.contains("unordered"), "{job}");
    assert_eq!(mismatches(&shop, &job), ["3"]);
    let shop = shop_of(lists(|row| planted(row).into_iter().rev().collect()));
    let job = init(&shop);
    assert!(job.contains("#unordered = true  # explains 99.8 % of 400 pairs"), "{job}");
    assert_eq!(mismatches(&shop, &taken(&job)), ["3"]);
    // nothing explains these
    let job = init(&shop_of(lists(|row| vec![format!("x{row}")])));
    assert!(!job.contains("string_to_array") && job.contains("`tags` cannot be compared"), "{job}");
}

#[test]
fn counts_since_1970_are_times() {
    let milliseconds = |row: i64| 1_750_000_000_000 + row * 1_001;
    let shop = shop(
        vec![id(), ("at", integers(milliseconds))],
        vec![
            id(),
            ("at", Arc::new(micros(|row| milliseconds(row) * 1_000 + i64::from(row == 2)).with_timezone("UTC"))),
        ],
    );
    let job = init(&shop);
    let lines = "old_expr = \"to_timestamp_millis(at)\"\nassume_tz = \"UTC\"\n";
    assert!(job.contains(lines), "{job}");
    assert_eq!(mismatches(&shop, &job), ["2"]);
}

#[test]
fn a_load_time_is_one_by_whole_words_and_by_type() {
    let start = 1_750_000_000;
    let side = |shift: i64| -> Columns {
        vec![
            id(),
            ("payload", texts(move |row| format!("{{\"a\":{}{row}}}", if shift > 0 { " " } else { "" }))),
            ("batch_name", texts(move |row| format!("b{row}-{shift}"))),
            ("LoadEpoch", integers(move |row| start + row + shift)),
            ("sync_day", texts(move |row| format!("2026-0{}-{:02}T00:00:00Z", shift % 9 + 1, row % 28 + 1))),
            ("load_factor", integers(move |row| row + shift)),
        ]
    };
    let shop = shop(side(0), side(5));
    let job = init(&shop);
    for name in ["LoadEpoch", "sync_day"] {
        let line = format!("#    \"{name}\",  # looks like a load time: differs in 400 of 400 pairs");
        assert!(job.contains(&line), "{job}");
    }
    for name in ["payload", "batch_name", "load_factor"] {
        assert!(!job.contains(&format!("\"{name}\"")), "{job}");
    }
    assert!(job.contains("#[compare.columns.payload]  # text in old, text in new\n#as = \"json\""), "{job}");
}

#[test]
fn a_bit_is_true_or_false() {
    let shop = shop(
        vec![id(), ("ok", bytes(|row| vec![u8::from(row % 3 == 0)]))],
        vec![id(), ("ok", Arc::new((0..ROWS).map(|row| Some((row % 3 == 0) != (row == 8))).collect::<BooleanArray>()))],
    );
    let (job, as_it_stands, _) = proposed(&shop);
    let line = "\n# with this expression, 99.8 % of 400 pairs are equal\n\
                old_expr = \"case encode(ok, 'hex') when '01' then true when '00' then false end\"\n";
    assert!(job.contains(line), "{job}");
    assert_eq!(as_it_stands, 1);
    assert_eq!(mismatches(&shop, &job), ["8"]);
}

#[test]
fn a_time_of_day_may_be_a_duration_or_text() {
    let day = 86_400_000_000;
    let at = |row: i64| row * 37_010_000 % day;
    let times = || -> ArrayRef {
        let planted = |row: i64| if row == 4 { 1 } else { at(row) };
        Arc::new((0..ROWS).map(|row| Some(planted(row))).collect::<Time64MicrosecondArray>())
    };
    let durations: DurationMicrosecondArray = (0..ROWS).map(|row| Some(at(row))).collect();
    let of_duration = shop(vec![id(), ("at", Arc::new(durations))], vec![id(), ("at", times())]);
    let job = init(&of_duration);
    assert!(job.contains("\nold_expr = \"cast(cast(at as bigint) * 1000 as time)\"\n"), "{job}");
    assert_eq!(mismatches(&of_duration, &job), ["4"]);
    // two digits where our own text has three
    let written = |row: i64| {
        let seconds = at(row) / 1_000_000;
        format!("{:02}:{:02}:{:02}.{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60, at(row) / 10_000 % 100)
    };
    let of_text = shop(vec![id(), ("at", texts(written))], vec![id(), ("at", times())]);
    let job = init(&of_text);
    assert!(job.contains("\nold_expr = \"cast(at as time)\"\n") && !job.contains("as = \"text\""), "{job}");
    assert_eq!(mismatches(&of_text, &job), ["4"]);
}

#[test]
fn a_rule_that_several_columns_need_stands_once() {
    let name = |row: i64| format!("n{row}");
    let padded = |row: i64| format!("n{row:<7}");
    let shop = shop(
        vec![id(), ("a", texts(name)), ("b", texts(name)), ("c", texts(name))],
        vec![id(), ("a", texts(padded)), ("b", texts(padded)), ("c", texts(|row| name(row).to_uppercase()))],
    );
    let (job, _, with_suggestions) = proposed(&shop);
    let shared = "# `a`: explains 100.0 % of 400 mismatches\n# `b`: explains 100.0 % of 400 mismatches\n\
                  #[[compare.rules]]\n#columns = [\"a\", \"b\"]\n#rtrim = true\n";
    assert!(job.contains(shared), "{job}");
    assert!(job.contains("#[compare.columns.c]") && !job.contains("[compare.columns.a]"), "{job}");
    assert_eq!(with_suggestions, 0);
}
