//! `init` warns that a rule that explains a few mismatches would hide exactly these, and suggests it only if the stores
//! write (nearly) every value that the rule applies to differently.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};

use crate::init::{ROWS, cents, micros, optional, proposed, texts};
use crate::init_finest::{floats, mismatches, of_column, pair};

/// Asserts that nothing is suggested for the column, that a comment explains why, and that every difference is found.
fn assert_objection(old: ArrayRef, new: ArrayRef, said: &str, found: &[i64]) {
    let shop = pair(old, new);
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), Vec::<&str>::new(), "{job}");
    assert!(job.contains(&format!("\n# `v`: {said}\n")), "{job}");
    let mut ids: Vec<i64> = mismatches(&shop, &job).iter().map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, found, "{job}");
}

fn few() -> Vec<i64> {
    vec![7, 107, 207, 307]
}

fn is_hit(row: i64) -> bool {
    row % 100 == 7
}

#[test]
fn a_blank_that_is_lost_here_and_there() {
    let agent = |row: i64| if row % 2 == 1 { "curl " } else { "App" };
    assert_objection(
        texts(|row| agent(row).into()),
        texts(|row| if is_hit(row) { "curl".into() } else { agent(row).into() }),
        "rtrim = true would explain 4 mismatches, but 196 pairs to which it applies are equal without it: \
         the mismatches may be real",
        &few(),
    );
    // a column of a fixed width would have filled up all
    let name = |row: i64| format!("n{row}");
    let padded = |row: i64| if is_hit(row) { format!("n{row}  ") } else { name(row) };
    assert_objection(
        texts(name),
        texts(padded),
        "rtrim = true would explain 4 mismatches, but 396 pairs to which it applies are equal without it: \
         the mismatches may be real",
        &few(),
    );
    // what is long enough is not filled up
    let shop = pair(
        texts(|row| if row % 2 == 0 { "12345678".into() } else { name(row) }),
        texts(|row| if row % 2 == 0 { "12345678".into() } else { format!("{:8}", name(row)) }),
    );
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#rtrim = true"], "{job}");
}

#[test]
fn nothing_and_null_where_both_are_values() {
    let note = |row: i64| if row % 4 == 3 { String::new() } else { format!("n{row}") };
    assert_objection(
        texts(note),
        optional(|row| (!is_hit(row)).then(|| note(row))),
        "empty_is_null = true would explain 4 mismatches, but 96 pairs to which it applies are equal without it: \
         the mismatches may be real",
        &few(),
    );
    let flags =
        |flag: &dyn Fn(i64) -> Option<bool>| -> ArrayRef { Arc::new((0..ROWS).map(flag).collect::<BooleanArray>()) };
    let shop =
        pair(flags(&|row| (!is_hit(row)).then_some(row % 3 == 0)), flags(&|row| Some(row % 3 == 0 && !is_hit(row))));
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), Vec::<&str>::new(), "{job}");
    assert_eq!(mismatches(&shop, &job).len(), 4);
}

#[test]
fn zeros_that_a_zip_has_lost() {
    let zip = |row: i64| format!("{:05}", row * 97 % 10_000 + 1_000);
    let lost = |row: i64| zip(row).trim_start_matches('0').to_string();
    let few = "as = \"decimal\" would explain 3 mismatches, but ignores leading zeros: these texts may not be numbers";
    let hits: Vec<i64> = (0..ROWS).filter(|row| is_hit(*row) && zip(*row).starts_with('0')).collect();
    assert_objection(texts(zip), texts(|row| if is_hit(row) { lost(row) } else { zip(row) }), few, &hits);
    // nor where all have lost it
    let all: Vec<i64> = (0..ROWS).filter(|row| zip(*row).starts_with('0')).collect();
    let said = few.replace('3', &all.len().to_string());
    assert_objection(texts(zip), texts(lost), &said, &all);
}

#[test]
fn digits_that_are_lost_here_and_there() {
    let at = |row: i64| 1_750_000_000_000_000 + row * 1_000_997 + 1;
    assert_objection(
        Arc::new(micros(at)),
        Arc::new(micros(|row| if is_hit(row) { at(row) / 1_000_000 * 1_000_000 } else { at(row) })),
        "truncate = \"second\" would explain 4 mismatches, but 396 pairs to which it applies are equal without it: \
         the mismatches may be real",
        &few(),
    );
    let price = |row: i64| row as f64 * 0.37 + 0.000_123;
    assert_objection(
        floats(price),
        floats(|row| price(row) + if is_hit(row) { 0.009 } else { 0.0 }),
        "tolerance = { abs = 0.01 } would explain 4 mismatches, too few of 400 pairs to be a difference in notation",
        &few(),
    );
    assert_eq!(
        of_column(&proposed(&pair(cents(|row| Some(row.into())), cents(|row| Some(i128::from(row))))).0, "v"),
        [""; 0]
    );
}

#[test]
fn letters_that_are_composed_here_and_there() {
    let city = |row: i64| format!("K\u{f6}ln {row}");
    let apart = |row: i64| format!("Ko\u{308}ln {row}");
    assert_objection(
        texts(city),
        texts(|row| if is_hit(row) { apart(row) } else { city(row) }),
        "nfc = true would explain 4 mismatches, but 396 pairs to which it applies are equal without it: \
         the mismatches may be real",
        &few(),
    );
    let shop = pair(texts(city), texts(apart));
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#nfc = true"], "{job}");
}

#[test]
fn six_digits_of_a_text_protocol_are_near_in_proportion() {
    let value = |row: i64| (row * 7_919 % 99_991 + 1) as f64 / 13.0;
    let six = |row: i64| format!("{:.5e}", value(row)).parse::<f64>().unwrap();
    let shop = pair(floats(six), floats(|row| value(row) * if row == 5 { 1.001 } else { 1.0 }));
    let (job, ..) = proposed(&shop);
    assert_eq!(of_column(&job, "v"), ["#tolerance = { rel = 0.000005 }"], "{job}");
    assert_eq!(mismatches(&shop, &job), ["5"]);
}
