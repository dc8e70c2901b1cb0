use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use proptest::prelude::*;

use super::*;
use crate::compare::discrepancy::{Layout, Recorded, Retention, Tally, Tiers};
use crate::compare::matching::cursor::KeyRange;
use crate::compare::matching::test_pair::{Matching, TestPair, finding_lines, integers, table, texts};

/// The result of a merge: its counts, and its findings in order.
struct Merged {
    tally: Tally,
    findings: Vec<String>,
}

fn merged(pair: &TestPair, batches: Sides<Vec<RecordBatch>>) -> Result<Merged, MergeError> {
    let layout = Arc::new(Layout::of(&pair.pairing, &pair.snapshots));
    let mut sink = FindingSink::new(layout, Retention::All, None, None, &pair.engine);
    let rows = batches.as_ref().map(|side| side.iter().map(|batch| batch.num_rows() as u64).sum());
    let cursors = Sides::try_from_fn(|side| {
        let mut batches = batches[side].clone().into_iter();
        let source = move || batches.next().map(|batch| pair.pairing.rows(side, batch)).transpose();
        Cursor::open(&pair.pairing, side, Box::new(source), KeyRange::default())
    })?;
    merge(&pair.pairing, cursors, &mut sink)?;
    let Recorded { tally, findings, .. } = sink.close()?;
    tally.conserve(rows)?;
    let findings = findings.read()?.flat_map(|batch| finding_lines(&batch.unwrap())).collect();
    Ok(Merged { tally, findings })
}

/// A row with a key and a value, each of which may be NULL.
type Row = (Option<i64>, Option<&'static str>);

fn batch(rows: &[Row]) -> RecordBatch {
    table([("id", integers(rows.iter().map(|row| row.0))), ("value", texts(rows.iter().map(|row| row.1)))])
}

fn row(id: i64, value: &'static str) -> Row {
    (Some(id), Some(value))
}

/// One batch for each list of rows.
fn batches(lists: &[&[(i64, &'static str)]]) -> Vec<RecordBatch> {
    lists.iter().map(|list| batch(&list.iter().map(|&(id, value)| row(id, value)).collect::<Vec<_>>())).collect()
}

fn keyed() -> TestPair {
    Matching::by(&["id"]).columns_of(&batch(&[]))
}

fn unkeyed() -> TestPair {
    Matching::by(&[]).columns_of(&batch(&[]))
}

type Lists<'a> = &'a [&'a [(i64, &'static str)]];

fn merged_rows(pair: &TestPair, old: Lists, new: Lists) -> Merged {
    merged(pair, Sides { old: batches(old), new: batches(new) }).unwrap()
}

fn exact(pairs: u64) -> Tiers {
    Tiers { exact: pairs, ..Tiers::default() }
}

#[test]
fn sides_without_rows_have_no_findings() {
    let Merged { tally, findings } = merged_rows(&keyed(), &[], &[]);
    assert_eq!((tally, findings.len()), (Tally::new(&keyed().pairing.columns), 0));
}

#[test]
fn the_rows_of_only_one_side_are_missing_or_extra() {
    let rows: Lists = &[&[(1, "a"), (2, "b")], &[(3, "c")]];
    for pair in [keyed(), unkeyed()] {
        let missing = merged_rows(&pair, rows, &[]);
        assert_eq!(missing.findings, ["missing 1,a", "missing 2,b", "missing 3,c"]);
        assert_eq!((missing.tally.rows, missing.tally.missing), (Sides { old: 3, new: 0 }, 3));
        let extra = merged_rows(&pair, &[], rows);
        assert_eq!(extra.findings, ["extra 1,a", "extra 2,b", "extra 3,c"]);
        assert_eq!((extra.tally.rows, extra.tally.extra), (Sides { old: 0, new: 3 }, 3));
    }
}

#[test]
fn every_class_is_found_in_key_order() {
    let old: Lists = &[&[(1, "a"), (2, "b"), (3, "c")], &[(5, "e"), (6, "f"), (9, "i")]];
    let new: Lists = &[&[(2, "b"), (3, "C")], &[(4, "d")], &[(5, "e"), (6, "F"), (7, "g")]];
    let Merged { tally, findings } = merged_rows(&keyed(), old, new);
    let expected = [
        "missing 1,a",
        "mismatch 3,c to 3,C in value",
        "extra 4,d",
        "mismatch 6,f to 6,F in value",
        "extra 7,g",
        "missing 9,i",
    ];
    assert_eq!(findings, expected);
    assert_eq!((tally.tiers, tally.columns[1].mismatches, tally.columns[0].mismatches), (exact(2), 2, 0));
    assert_eq!(tally.rows, Sides { old: 6, new: 6 });
}

#[test]
fn null_is_a_key_and_a_value_of_its_own() {
    let old = vec![batch(&[(Some(1), None), (Some(2), None), (None, Some("x"))])];
    let new = vec![batch(&[(Some(1), None), (Some(2), Some("")), (None, Some("y"))])];
    let Merged { tally, findings } = merged(&keyed(), Sides { old, new: new.clone() }).unwrap();
    assert_eq!(findings, ["mismatch 2,NULL to 2, in value", "mismatch NULL,x to NULL,y in value"]);
    assert_eq!(tally.tiers, exact(1));
    let Merged { findings, .. } = merged(&keyed(), Sides { old: vec![], new }).unwrap();
    assert_eq!(findings, ["extra 1,NULL", "extra 2,", "extra NULL,y"]);
}

#[test]
fn only_the_columns_that_differ_are_named() {
    let row = |id: i64, a: i64, b: i64| table([("id", integers([id])), ("a", integers([a])), ("b", integers([b]))]);
    let pair = Matching::by(&["id"]).columns_of(&row(0, 0, 0));
    let old = vec![row(1, 5, 5), row(2, 5, 5), row(3, 5, 5)];
    let new = vec![row(1, 6, 5), row(2, 5, 6), row(3, 6, 6)];
    let Merged { tally, findings } = merged(&pair, Sides { old, new }).unwrap();
    let expected = ["mismatch 1,5,5 to 1,6,5 in a", "mismatch 2,5,5 to 2,5,6 in b", "mismatch 3,5,5 to 3,6,6 in a,b"];
    assert_eq!(findings, expected);
    assert_eq!(tally.columns.iter().map(|column| column.mismatches).collect::<Vec<_>>(), [0, 2, 2]);
}

#[test]
fn a_key_that_repeats_is_set_aside_with_all_its_rows() {
    // in old, in new, on both sides, on one side without the other
    let old: Lists = &[&[(1, "a"), (1, "a"), (2, "b"), (3, "c"), (3, "d"), (4, "e"), (4, "e"), (4, "f")]];
    let new: Lists = &[&[(1, "a"), (2, "b"), (2, "b"), (3, "c"), (3, "d"), (5, "g"), (5, "h"), (6, "z")]];
    let Merged { tally, findings } = merged_rows(&keyed(), old, new);
    let expected = [
        "duplicate 1 in rows 2,1",
        "duplicate 2 in rows 1,2",
        "duplicate 3 in rows 2,2",
        "duplicate 4 in rows 3,0",
        "duplicate 5 in rows 0,2",
        "extra 6,z",
    ];
    assert_eq!(findings, expected);
    assert_eq!((tally.duplicate_keys, tally.missing_duplicated), (5, 1));
    assert_eq!((tally.duplicate_rows, tally.tiers), (Sides { old: 8, new: 7 }, exact(0)));
}

/// A key is classified by all its rows, wherever batches end.
#[test]
fn runs_are_complete_over_the_borders_of_batches() {
    let old = [(1, "a"), (2, "b"), (2, "b"), (2, "c"), (3, "d"), (4, "e")];
    let new = [(1, "a"), (2, "b"), (3, "d"), (3, "d"), (4, "E")];
    let expected = ["duplicate 2 in rows 3,1", "duplicate 3 in rows 1,2", "mismatch 4,e to 4,E in value"];
    for old_rows in 1..=old.len() {
        for new_rows in 1..=new.len() {
            let (old, new): (Vec<&[_]>, Vec<&[_]>) = (old.chunks(old_rows).collect(), new.chunks(new_rows).collect());
            let Merged { tally, findings } = merged_rows(&keyed(), &old, &new);
            assert_eq!(findings, expected, "{old_rows}, {new_rows}");
            assert_eq!((tally.tiers, tally.rows), (exact(1), Sides { old: 6, new: 5 }));
        }
    }
}

/// Shared keys are compared in growing windows, which begin again after each finding.
#[test]
fn findings_between_long_stretches_of_equal_rows_are_found() {
    let keys = 2_000;
    let lacks = [0, 63, 64, 65, 700, 701, 1_999];
    let differs = [1, 127, 128, 191, 192, 193, 1_000, 1_998];
    let side = |rows: usize, row: &dyn Fn(i64) -> Option<Row>| {
        let all: Vec<Row> = (0..keys).filter_map(row).collect();
        all.chunks(rows).map(batch).collect::<Vec<_>>()
    };
    let value = |id: &i64| if differs.contains(id) { "B" } else { "b" };
    for (old_rows, new_rows) in [(2_000, 2_000), (100, 73), (1, 500), (64, 64)] {
        let old = side(old_rows, &|id| Some(row(id, "b")));
        let new = side(new_rows, &|id| (!lacks.contains(&id)).then(|| row(id, value(&id))));
        let Merged { tally, findings } = merged(&keyed(), Sides { old, new }).unwrap();
        let mut expected: Vec<(i64, String)> = lacks.iter().map(|id| (*id, format!("missing {id},b"))).collect();
        expected.extend(differs.iter().map(|id| (*id, format!("mismatch {id},b to {id},B in value"))));
        expected.sort();
        assert_eq!(findings, expected.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), "{old_rows}, {new_rows}");
        assert_eq!(tally.tiers, exact(2_000 - 15));
    }
}

#[test]
fn without_a_key_the_copies_of_both_sides_are_matched() {
    let old: Lists = &[&[(1, "a"), (1, "a"), (1, "a")], &[(1, "b"), (2, "a"), (2, "a")]];
    let new: Lists = &[&[(1, "a")], &[(1, "b"), (1, "b"), (2, "a"), (2, "a"), (3, "a")]];
    let Merged { tally, findings } = merged_rows(&unkeyed(), old, new);
    assert_eq!(findings, ["missing 1,a", "missing 1,a", "extra 1,b", "extra 3,a"]);
    assert_eq!((tally.tiers, tally.missing, tally.extra), (exact(4), 2, 2));
    assert_eq!((tally.mismatch, tally.duplicate_keys), (0, 0));
}

#[test]
fn copies_that_are_equal_as_read_are_paired_before_those_that_a_rule_makes_equal() {
    let row = |values: &[&'static str]| table([("value", texts(values.iter().copied()))]);
    let pair = Matching { casefold: &["value"], ..Matching::by(&[]) }.columns_of(&row(&[]));
    let of = |old: &[&'static str], new: &[&'static str]| {
        let sides = Sides { old, new }.map(|values| values.chunks(2).map(row).collect());
        let Merged { tally, findings } = merged(&pair, sides).unwrap();
        (tally.tiers.exact, tally.tiers.by_rule, findings)
    };
    let none: Vec<String> = vec![];
    assert_eq!(of(&["a", "A", "A"], &["a", "a", "A"]), (2, 1, none.clone()));
    assert_eq!(of(&["A", "a"], &["a", "A"]), (2, 0, none.clone()));
    assert_eq!(of(&["A", "b"], &["a", "B"]), (0, 2, none));
    // whichever comes first in the files, the same row is left over
    for old in [["A", "A", "a"], ["a", "A", "A"], ["A", "a", "A"]] {
        assert_eq!(of(&old, &["a", "a"]), (1, 1, vec!["missing A".into()]));
        assert_eq!(of(&["a", "a"], &old), (1, 1, vec!["extra A".into()]));
        assert_eq!(of(&old, &[]), (0, 0, ["missing A", "missing A", "missing a"].map(String::from).to_vec()));
    }
}

#[test]
fn keys_that_a_rule_makes_equal_are_one_key() {
    let row = |keys: &[&'static str]| table([("key", texts(keys.iter().copied()))]);
    let pair = Matching { casefold: &["key"], ..Matching::by(&["key"]) }.columns_of(&row(&[]));
    let (old, new) = (vec![row(&["a", "B", "c", "C"])], vec![row(&["A", "B", "C"])]);
    let Merged { tally, findings } = merged(&pair, Sides { old, new }).unwrap();
    assert_eq!(findings, ["duplicate C in rows 2,1"]);
    assert_eq!(tally.tiers, Tiers { exact: 1, by_rule: 1, ..Tiers::default() });
}

#[test]
fn a_side_out_of_order_ends_the_merge() {
    let sorted: Lists = &[&[(1, "a"), (2, "b")], &[(3, "c")], &[(4, "d")], &[(5, "e")]];
    let broken: Lists = &[&[(1, "a"), (2, "b")], &[(3, "c")], &[(4, "d")], &[(3, "e")]];
    for pair in [keyed(), unkeyed()] {
        let broken_side = |old, new| match merged(&pair, Sides { old: batches(old), new: batches(new) }) {
            Err(MergeError::OrderBroken(side)) => side,
            other => panic!("{:?}", other.map(|merged| merged.findings)),
        };
        assert_eq!(broken_side(broken, sorted), Side::Old);
        assert_eq!(broken_side(sorted, broken), Side::New);
        assert_eq!(broken_side(broken, &[]), Side::Old);
    }
}

/// Where rows were sorted by this program, a row out of order is a bug.
#[test]
fn rows_out_of_order_after_a_sort_are_an_internal_error() {
    let error = Error::from(MergeError::OrderBroken(Side::New));
    assert!(matches!(&error, Error::Internal(reason) if reason == "sorted rows of new are not in order"), "{error}");
    assert!(matches!(Error::from(MergeError::Failed(Error::Interrupted)), Error::Interrupted));
}

/// NULL after every key, as in the files.
type ModelKey = (bool, i64);
type ModelRow = (ModelKey, &'static str);

fn model_text((is_null, id): ModelKey) -> String {
    if is_null { "NULL".into() } else { id.to_string() }
}

/// The matched pairs and the findings by the definition of the classes.
fn model(rows: &Sides<Vec<ModelRow>>) -> (u64, Vec<String>) {
    let mut by_key: BTreeMap<ModelKey, Sides<Vec<&str>>> = BTreeMap::new();
    for side in Side::BOTH {
        rows[side].iter().for_each(|(key, value)| by_key.entry(*key).or_default()[side].push(value));
    }
    let (mut matched, mut findings) = (0, vec![]);
    for (key, values) in by_key {
        let id = model_text(key);
        match (&values.old[..], &values.new[..]) {
            ([old], [new]) if old == new => matched += 1,
            ([old], [new]) => findings.push(format!("mismatch {id},{old} to {id},{new} in value")),
            ([old], []) => findings.push(format!("missing {id},{old}")),
            ([], [new]) => findings.push(format!("extra {id},{new}")),
            (old, new) => findings.push(format!("duplicate {id} in rows {},{}", old.len(), new.len())),
        }
    }
    (matched, findings)
}

/// The same without a key.
fn model_of_copies(rows: &Sides<Vec<ModelRow>>) -> (u64, Vec<String>) {
    let mut copies: BTreeMap<ModelRow, Sides<u64>> = BTreeMap::new();
    for side in Side::BOTH {
        rows[side].iter().for_each(|row| copies.entry(*row).or_default()[side] += 1);
    }
    let (mut matched, mut findings) = (0, vec![]);
    for ((key, value), Sides { old, new }) in copies {
        matched += old.min(new);
        let class = if old > new { "missing" } else { "extra" };
        (0..old.abs_diff(new)).for_each(|_| findings.push(format!("{class} {},{value}", model_text(key))));
    }
    (matched, findings)
}

fn model_rows(keys: std::ops::Range<i64>) -> impl Strategy<Value = Vec<ModelRow>> {
    let id = (prop::bool::weighted(0.1), keys).prop_map(|(is_null, id)| (is_null, if is_null { 0 } else { id }));
    prop::collection::vec((id, prop::sample::select(vec!["a", "b"])), 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_are_classified_as_by_the_definition(
        cases in prop::collection::vec(
            (prop_oneof![
                (model_rows(0..8), model_rows(0..8)),
                (model_rows(0..60), model_rows(0..60)),
            ], 1_usize..7, 1_usize..7),
            8,
        ),
    ) {
        let pairs = [keyed(), unkeyed()];
        for ((old, new), old_size, new_size) in cases {
            let mut rows = Sides { old, new };
            let cells = |(key, value): &ModelRow| ((!key.0).then_some(key.1), Some(*value));
            for pair in &pairs {
                // rows of a key may come in any order, whole rows may not
                match pair.pairing.keyed {
                    true => Side::BOTH.into_iter().for_each(|side| rows[side].sort_by_key(|row| row.0)),
                    false => Side::BOTH.into_iter().for_each(|side| rows[side].sort()),
                }
                let (matched, expected) = if pair.pairing.keyed { model(&rows) } else { model_of_copies(&rows) };
                let sizes = Sides { old: old_size, new: new_size };
                let batches = Sides::from_fn(|side| {
                    let cells: Vec<Row> = rows[side].iter().map(cells).collect();
                    cells.chunks(sizes[side]).map(batch).collect()
                });
                let Merged { tally, findings } = merged(pair, batches).unwrap();
                prop_assert_eq!(findings, expected);
                prop_assert_eq!(tally.tiers, exact(matched));
            }
        }
    }
}
