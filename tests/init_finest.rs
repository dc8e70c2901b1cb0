//! `init` proposes the finest rule that explains the differences, and no rule that hides real differences.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};

use crate::init::{Columns, ROWS, cents, integers, micros, optional, proposed, shop, taken, texts};
use crate::support::{Workshop, lines, write_parquet};

const HOUR: i64 = 3_600_000_000;

/// The lines of a job without explanations and blank lines, and without explanations at the ends of lines.
fn settings(job: &str) -> Vec<&str> {
    let lines = job.lines().map(|line| line.split("  # ").next().unwrap());
    lines.filter(|line| !line.is_empty() && !line.starts_with("# ")).collect()
}

/// The settings of one column, active and suggested.
pub fn of_column<'a>(job: &'a str, column: &str) -> Vec<&'a str> {
    let header = format!("[compare.columns.{column}]");
    let settings = settings(job).into_iter().skip_while(move |line| line.trim_start_matches('#') != header);
    settings.skip(1).take_while(|line| !line.trim_start_matches('#').starts_with('[')).collect()
}

/// The IDs of the mismatches in a run of the job with every suggestion taken.
pub fn mismatches(shop: &Workshop, job: &str) -> Vec<String> {
    fs::write(shop.path("finds.toml"), taken(job)).unwrap();
    let run = shop.run(&["run", "finds.toml", "--out", "found", "--quiet"]);
    assert!(run.status.code().unwrap() < 2, "{}\n{job}", String::from_utf8_lossy(&run.stderr));
    lines(&shop.path("found/finds/latest/mismatch.csv"))
}

pub fn floats(number: impl Fn(i64) -> f64) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(number(row))).collect::<Float64Array>())
}

/// One column beside an ID.
pub fn pair(old: ArrayRef, new: ArrayRef) -> Workshop {
    let id = || ("id", integers(|row| row));
    shop(vec![id(), ("v", old)], vec![id(), ("v", new)])
}

#[test]
fn money_against_floats_is_no_single_float() {
    let shop = pair(
        cents(|row| Some(i128::from(row * 37 + 1))),
        floats(|row| (row * 37 + 1) as f64 / 100.0 + if row == 7 { 0.01 } else { 0.0 }),
    );
    let (job, as_it_stands, with_suggestions) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#as = \"float\""], "{job}");
    assert_eq!((as_it_stands, with_suggestions), (1, 1));
    assert_eq!(mismatches(&shop, &job), ["7"]);
}

#[test]
fn integers_that_became_floats_are_not_merely_near() {
    let id = |row: i64| (1_u64 << 63) + 5 + 1_001 * row as u64;
    let shop = pair(
        Arc::new((0..ROWS).map(|row| Some(id(row))).collect::<UInt64Array>()),
        floats(|row| if row % 100 == 7 { (id(row) + 1_000_000_000) as f64 } else { id(row) as f64 }),
    );
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#as = \"float\""], "{job}");
    assert_eq!(mismatches(&shop, &job), ["7", "107", "207", "307"]);
}

#[test]
fn floats_of_32_bits_are_single_floats() {
    let narrow = |row: i64| (row * 7 + 1) as f32 / 10.0;
    let shop = pair(
        floats(|row| (row * 7 + 1) as f64 / 10.0),
        floats(|row| f64::from(narrow(row)) + if row == 5 { 0.1 } else { 0.0 }),
    );
    let (job, ..) = proposed(&shop);
    // one cell that is no single float is a difference, and the others still are
    assert_eq!(of_column(&job, "v"), ["#as = \"float32\""], "{job}");
    assert_eq!(mismatches(&shop, &job), ["5"]);
    let shop = pair(
        Arc::new((0..ROWS).map(|row| Some(narrow(row))).collect::<Float32Array>()),
        floats(|row| (row * 7 + 1) as f64 / 10.0 + if row == 5 { 0.1 } else { 0.0 }),
    );
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#as = \"float32\""], "{job}");
    assert_eq!(mismatches(&shop, &job), ["5"]);
}

#[test]
fn numbers_are_rounded_as_little_as_explains() {
    let fine = |row: i64| i128::from(row * 7_919 + 3);
    let old = (0..ROWS).map(|row| Some(fine(row))).collect::<Decimal128Array>().with_precision_and_scale(14, 4);
    // halves go away from zero
    let new = cents(|row| Some((fine(row) + 50) / 100 + i128::from(row == 9)));
    let shop = pair(Arc::new(old.unwrap()), new);
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#round = 2"], "{job}");
    assert_eq!(mismatches(&shop, &job), ["9"]);
}

#[test]
fn a_cent_that_is_lost_is_no_way_of_writing() {
    let shop = pair(cents(|row| Some(row.into())), cents(|row| Some(i128::from(row - i64::from(row % 9 == 0)))));
    assert_eq!(of_column(&proposed(&shop).0, "v"), Vec::<&str>::new());
    let shop = pair(integers(|row| row), integers(|row| row + row % 2));
    assert_eq!(of_column(&proposed(&shop).0, "v"), Vec::<&str>::new());
}

#[test]
fn a_longitude_with_six_digits_is_no_longitude_with_one() {
    let precise = |row: i64| 10.0 + row as f64 * 0.074_123_7;
    let shop = pair(
        Arc::new((0..ROWS).map(|row| Some(precise(row) as f32)).collect::<Float32Array>()),
        floats(|row| (precise(row) * 1e4).round() / 1e4 + if row == 3 { 0.02 } else { 0.0 }),
    );
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#tolerance = { rel = 0.000005 }"], "{job}");
    assert_eq!(mismatches(&shop, &job), ["3"]);
}

#[test]
fn numbers_are_numbers_and_documents_are_documents() {
    let shop =
        pair(texts(|row| format!("{row}.50")), texts(|row| format!("{row}.5{}", if row == 2 { "1" } else { "" })));
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#as = \"decimal\""], "{job}");
    assert_eq!(mismatches(&shop, &job), ["2"]);
    let shop = pair(texts(|row| format!("[{row}.50]")), texts(|row| format!("[{row}.5]")));
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["#as = \"json\""]);
    // a reading that cannot read what matches would make mismatches of it
    let shop = pair(
        texts(|row| if row < 300 { format!("A{row}") } else { format!("{row}.50") }),
        texts(|row| if row < 300 { format!("A{row}") } else { format!("{row}.5") }),
    );
    assert_eq!(of_column(&proposed(&shop).0, "v"), Vec::<&str>::new());
}

#[test]
fn a_finer_rule_for_text_stands_before_a_coarser_one() {
    // only blanks at the end, and at both ends
    let shop = pair(texts(|row| format!("n{row}  ")), texts(|row| format!("n{row}")));
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["#rtrim = true"]);
    let shop = pair(texts(|row| format!(" n{row}  ")), texts(|row| format!("n{row}")));
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["#trim = true"]);
    // two things at once, and NULL written as a word
    let shop = pair(
        texts(|row| if row % 4 == 0 { "NULL".into() } else { format!("N{row} ") }),
        optional(|row| (row % 4 > 0).then(|| format!("n{row}"))),
    );
    let (job, _, with_suggestions) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#rtrim = true", "#casefold = true", "#default_is_null = \"NULL\""], "{job}");
    assert_eq!(with_suggestions, 0);
}

/// Local times of a year, one every 22 hours, and instants; `ahead` gives the UTC offset in hours.
fn clocks(ahead: impl Fn(i64) -> i64) -> Workshop {
    let start = 1_735_689_600_000_000; // 2025-01-01
    let instant = move |row: i64| start + row * 22 * HOUR;
    let wall = micros(|row| instant(row) + ahead(row));
    pair(Arc::new(wall), Arc::new(micros(instant).with_timezone("UTC")))
}

/// The UTC offset of Berlin in hours: summer time from 2025-03-30 to 2025-10-26, both at 01:00 UTC.
fn berlin(row: i64) -> i64 {
    let hours = row * 22;
    if (88 * 24 + 1..298 * 24 + 1).contains(&hours) { 2 * HOUR } else { HOUR }
}

#[test]
fn the_zone_is_the_one_that_fits_both_halves_of_the_year() {
    let shop = clocks(|row| berlin(row) + if row % 100 == 50 { HOUR } else { 0 });
    let (job, as_it_stands, _) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["assume_tz = \"Europe/Berlin\""], "{job}");
    assert!(job.contains("# Europe/Berlin explains 99.0 % of 400 pairs, UTC 0.0 %"), "{job}");
    assert!(job.contains("other zones"), "{job}");
    assert_eq!(as_it_stands, 1);
    assert_eq!(mismatches(&shop, &job), ["50", "150", "250", "350"]);
}

#[test]
fn utc_is_utc_and_half_hours_are_zones_too() {
    let shop = clocks(|row| if row == 50 { HOUR } else { 0 });
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["assume_tz = \"UTC\""]);
    let shop = clocks(|_| 5 * HOUR + HOUR / 2);
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["assume_tz = \"Asia/Kolkata\""]);
    let shop = clocks(|_| 2 * HOUR + HOUR / 4);
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["assume_tz = \"+02:15\""]);
    // also as text
    let start = 1_735_689_600_000_000;
    let shop = pair(
        texts(|row| {
            let wall = jiff::Timestamp::from_microsecond(start + row * 22 * HOUR + berlin(row)).unwrap();
            wall.strftime("%Y-%m-%d %H:%M:%S").to_string()
        }),
        Arc::new(micros(|row| start + row * 22 * HOUR).with_timezone("UTC")),
    );
    assert_eq!(of_column(&proposed(&shop).0, "v"), ["as = \"timestamp\"", "assume_tz = \"Europe/Berlin\""]);
}

#[test]
fn days_are_not_times() {
    let days = || -> ArrayRef { Arc::new((0..ROWS).map(|row| Some(20_000 + row as i32)).collect::<Date32Array>()) };
    // in one row, the time has more information than the day
    let midnight = |row: i64| (20_000 + row) * 24 * HOUR + if row == 8 { HOUR } else { 0 };
    let shop = pair(days(), Arc::new(micros(midnight)));
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["as = \"timestamp\""], "{job}");
    assert_eq!(mismatches(&shop, &job), ["8"]);
    let shop = pair(days(), Arc::new(micros(|row| midnight(row) + HOUR)));
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["as = \"timestamp\""], "{job}");
    assert!(job.contains("# as = \"date\" instead would explain 100.0 % of 400 pairs (now 0.0 %)"), "{job}");
    let written = |row: i64| {
        let day = jiff::Timestamp::from_microsecond(midnight(row)).unwrap();
        day.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let shop = pair(texts(written), days());
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["as = \"timestamp\""], "{job}");
    assert_eq!(mismatches(&shop, &job), ["8"]);
}

#[test]
fn a_reading_that_loses_something_is_never_active() {
    let shop =
        pair(texts(|row| format!("{}.{:02}", row, row % 100)), floats(|row| row as f64 + (row % 100) as f64 / 100.0));
    let (job, as_it_stands, _) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["as = \"decimal\""], "{job}");
    assert!(job.contains("# as = \"float\" instead"), "{job}");
    assert_eq!(as_it_stands, 1);
}

/// The proposal for a column of text values.
fn for_words(old: impl Fn(i64) -> &'static str, new: impl Fn(i64) -> &'static str) -> Vec<String> {
    let shop = pair(texts(|row| old(row).into()), texts(|row| new(row).into()));
    let (job, ..) = proposed(&shop);
    of_column(&job, "v").into_iter().map(String::from).collect()
}

#[test]
fn a_table_of_codes_is_learned_where_it_hides_nothing() {
    let code = |row: i64| ["A", "I", "P"][row as usize % 3];
    let word = |row: i64| ["active", "inactive", "paused"][row as usize % 3];
    let table = "#values = { \"A\" = \"active\", \"I\" = \"inactive\", \"P\" = \"paused\" }";
    assert_eq!(for_words(code, word), [table]);
    // a wrong word stays a mismatch under the table; where there are many, their code is left to the user
    let one_wrong = |row: i64| if row == 3 { "paused" } else { word(row) };
    assert_eq!(for_words(code, one_wrong), [table]);
    let many_wrong = |row: i64| if row % 12 == 3 { "paused" } else { word(row) };
    assert_eq!(for_words(code, many_wrong), ["#values = { \"I\" = \"inactive\", \"P\" = \"paused\" }"]);
    // numbers for text values
    let shop = pair(
        Arc::new((0..ROWS).map(|row| Some((row % 3) as i32)).collect::<Int32Array>()),
        texts(|row| word(row).into()),
    );
    let (job, _, with_suggestions) = proposed(&shop);
    let table = "#values = { \"0\" = \"active\", \"1\" = \"inactive\", \"2\" = \"paused\" }";
    assert_eq!((of_column(&job, "v"), with_suggestions), (vec!["as = \"text\"", table], 0), "{job}");
}

#[test]
fn states_that_differ_are_no_codes() {
    let state = |row: i64| ["open", "paid", "refunded", "cancelled"][row as usize % 4];
    let none = Vec::<String>::new();
    // new lags behind in some rows, and is right in others
    assert_eq!(for_words(state, |row| if row % 20 == 1 { "open" } else { state(row) }), none);
    // two states were exchanged everywhere
    let exchanged = |row: i64| match state(row) {
        "open" => "paid",
        "paid" => "open",
        other => other,
    };
    assert_eq!(for_words(state, exchanged), none);
    // one state became another, which both have
    assert_eq!(for_words(state, |row| if state(row) == "refunded" { "cancelled" } else { state(row) }), none);
    // text that was damaged, everywhere and in places
    let name = |row: i64| ["José", "Müller", "Smith"][row as usize % 3];
    let damaged = |row: i64| ["JosÃ©", "MÃ¼ller", "Smith"][row as usize % 3];
    assert_eq!(for_words(name, damaged), none);
    assert_eq!(for_words(name, |row| if row % 5 == 0 { damaged(row) } else { name(row) }), none);
    assert_eq!(for_words(|row| ["Zoë", "Smith"][row as usize % 2], |row| ["Zo?", "Smith"][row as usize % 2]), none);
}

#[test]
fn a_state_that_new_lags_behind_in_is_seen_in_every_row() {
    let rows = 30_000;
    let column = |text: &dyn Fn(i64) -> &'static str| -> ArrayRef {
        Arc::new((0..rows).map(|row| Some(text(row))).collect::<StringArray>())
    };
    let ids = || -> ArrayRef { Arc::new((0..rows).collect::<Int64Array>()) };
    let write = |shop: &Workshop, name: &str, status: ArrayRef| {
        let batch = RecordBatch::try_from_iter([("id", ids()), ("status", status)]).unwrap();
        write_parquet(&shop.path(name), &batch, 5_000);
    };
    let shop = Workshop::new();
    write(&shop, "old.parquet", column(&|row| ["A", "P"][row as usize % 2]));
    write(&shop, "new.parquet", column(&|row| ["active", "paused"][row as usize % 2]));
    assert!(proposed(&shop).0.contains("#values = "));
    // in rows that neither the sample nor the first differences have
    write(
        &shop,
        "new.parquet",
        column(&|row| match row {
            12_000..12_100 => ["A", "P"][row as usize % 2],
            _ => ["active", "paused"][row as usize % 2],
        }),
    );
    let (job, ..) = proposed(&shop);
    assert!(!job.contains("values"), "{job}");
}

#[test]
fn a_column_that_differs_everywhere_does_not_hide_the_others() {
    let rows = 12_000;
    let side = |loaded: i64, is_old: bool| -> RecordBatch {
        let stamps = (0..rows).map(|row| Some(loaded + row)).collect::<TimestampMicrosecondArray>();
        let notes = (0..rows).map(|row| match row {
            11_000..11_080 if is_old => Some(String::new()),
            11_000..11_080 => None,
            11_080..11_140 if !is_old => Some("NULL".into()),
            11_080..11_140 => None,
            _ => Some(format!("note {row}")),
        });
        let columns: Columns = vec![
            ("id", Arc::new((0..rows).collect::<Int64Array>())),
            ("note", Arc::new(notes.collect::<StringArray>())),
            ("loadedAt", Arc::new(stamps)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    };
    let shop = Workshop::new();
    write_parquet(&shop.path("old.parquet"), &side(0, true), 4_000);
    write_parquet(&shop.path("new.parquet"), &side(HOUR, false), 4_000);
    let (job, _, with_suggestions) = proposed(&shop);
    assert!(job.contains("#    \"loadedAt\",  # looks like a load time: differs in 12,000 of 12,000 pairs"), "{job}");
    assert_eq!(of_column(&job, "note"), ["#empty_is_null = true", "#default_is_null = \"NULL\""], "{job}");
    assert_eq!(with_suggestions, 0);
}
