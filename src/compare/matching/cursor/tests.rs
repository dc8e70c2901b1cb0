use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use proptest::prelude::*;

use super::*;
use crate::compare::matching::test_pair::{Matching, TestPair, ids, integers, row_text, table, texts};

/// Opens a cursor over the batches of a side.
fn open<'a>(
    pair: &'a TestPair,
    side: Side,
    batches: &'a [RecordBatch],
    range: KeyRange,
) -> Result<Cursor<'a>, MergeError> {
    let mut batches = batches.iter().cloned();
    let source = move || batches.next().map(|batch| pair.pairing.rows(side, batch)).transpose();
    Cursor::open(&pair.pairing, side, Box::new(source), range)
}

/// The key of the current row.
fn key_text(cursor: &Cursor) -> Option<String> {
    cursor.head().map(|(batch, row)| row_text(&batch.raw.columns()[..cursor.pairing.key_len], row))
}

/// All keys, each with the number of its rows.
fn runs_of(cursor: &mut Cursor) -> Result<Vec<(String, u64)>, MergeError> {
    let mut runs = vec![];
    while let Some(key) = key_text(cursor) {
        let run = cursor.take_run()?.unwrap();
        assert_eq!(row_text(&run.first.batch.raw.columns()[..cursor.pairing.key_len], run.first.row), key);
        runs.push((key, run.count));
    }
    assert!(cursor.take_run()?.is_none());
    Ok(runs)
}

/// All rows, one after the other.
fn rows_of(cursor: &mut Cursor) -> Result<Vec<String>, MergeError> {
    let mut rows = vec![];
    while let Some(key) = key_text(cursor) {
        rows.push(key);
        cursor.advance(1)?;
    }
    Ok(rows)
}

fn read(pair: &TestPair, batches: &[RecordBatch], range: KeyRange) -> Result<Vec<(String, u64)>, MergeError> {
    runs_of(&mut open(pair, Side::Old, batches, range)?)
}

/// Whether reading ends with the error that the order of this side is broken.
fn breaks(pair: &TestPair, side: Side, batches: &[RecordBatch]) -> bool {
    match open(pair, side, batches, KeyRange::default()).and_then(|mut cursor| rows_of(&mut cursor)) {
        Ok(_) => false,
        Err(MergeError::OrderBroken(broken)) => {
            assert_eq!(broken, side);
            true
        }
        Err(MergeError::Failed(error)) => panic!("{error}"),
    }
}

fn by_id() -> TestPair {
    Matching::by(&["id"]).columns_of(&ids([1]))
}

fn runs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(key, count)| (key.to_string(), *count)).collect()
}

fn range(start: Option<i64>, end: Option<i64>) -> KeyRange {
    let bound = |bound: Option<i64>| bound.map(|value| integers([value]));
    KeyRange { start: bound(start), end: bound(end) }
}

#[test]
fn rows_continue_over_the_borders_of_batches() {
    let pair = by_id();
    let batches = [ids([1, 2, 3]), ids([4]), ids([5, 6])];
    let mut cursor = open(&pair, Side::Old, &batches, KeyRange::default()).unwrap();
    assert_eq!(rows_of(&mut cursor).unwrap(), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(cursor.delivered(), 6);
    assert_eq!(cursor.unique_len(), 0);
    assert!(cursor.head().is_none());
}

#[test]
fn a_side_without_rows_is_at_its_end() {
    let pair = by_id();
    let mut cursor = open(&pair, Side::New, &[], KeyRange::default()).unwrap();
    assert!(cursor.head().is_none() && cursor.take_run().unwrap().is_none());
    assert_eq!((cursor.unique_len(), cursor.delivered()), (0, 0));
}

#[test]
fn a_row_out_of_order_is_an_error_wherever_it_is() {
    let pair = by_id();
    for side in Side::BOTH {
        for wrong in [
            // within the first, a middle, or the last batch
            vec![ids([2, 1]), ids([3])],
            vec![ids([1, 2]), ids([4, 3]), ids([5])],
            vec![ids([1]), ids([2]), ids([3, 5, 4])],
            // between batches
            vec![ids([1, 3]), ids([2, 4])],
            vec![ids([1]), ids([2]), ids([3]), ids([2])],
            vec![ids([5]), ids([i64::MIN])],
            // after equal keys
            vec![ids([1, 1, 0])],
            vec![ids([1, 1]), ids([1, 1]), ids([0])],
        ] {
            assert!(breaks(&pair, side, &wrong), "{wrong:?}");
        }
        assert!(!breaks(&pair, side, &[ids([i64::MIN, -1]), ids([-1, 0]), ids([0, i64::MAX])]));
    }
}

#[test]
fn a_key_repeats_over_the_borders_of_batches() {
    let pair = by_id();
    let batches = [ids([1, 2, 2]), ids([2]), ids([2, 2]), ids([3, 4]), ids([4])];
    let expected = runs(&[("1", 1), ("2", 5), ("3", 1), ("4", 2)]);
    assert_eq!(read(&pair, &batches, KeyRange::default()).unwrap(), expected);
    // it repeats from the first row to the last one
    assert_eq!(read(&pair, &[ids([7, 7]), ids([7])], KeyRange::default()).unwrap(), runs(&[("7", 3)]));
}

/// Consecutive rows are compared with the other side without another look at their own.
#[test]
fn unique_rows_end_where_a_key_begins_to_repeat() {
    let pair = by_id();
    let batches = [ids([1, 2, 3, 3, 4, 5]), ids([5, 6]), ids([7, 8])];
    let mut cursor = open(&pair, Side::Old, &batches, KeyRange::default()).unwrap();
    assert_eq!(cursor.unique_len(), 2);
    cursor.advance(1).unwrap();
    assert_eq!(cursor.unique_len(), 1);
    cursor.advance(1).unwrap();
    assert_eq!((key_text(&cursor).unwrap(), cursor.unique_len()), ("3".into(), 0));
    assert_eq!(cursor.take_run().unwrap().unwrap().count, 2);
    // the last row of the batch repeats in the next one
    assert_eq!((key_text(&cursor).unwrap(), cursor.unique_len()), ("4".into(), 1));
    cursor.advance(1).unwrap();
    assert_eq!(cursor.unique_len(), 0);
    assert_eq!(cursor.take_run().unwrap().unwrap().count, 2);
    assert_eq!((key_text(&cursor).unwrap(), cursor.unique_len()), ("6".into(), 1));
    cursor.advance(1).unwrap();
    assert_eq!(cursor.unique_len(), 2);
    cursor.advance(2).unwrap();
    assert_eq!((cursor.head().is_none(), cursor.delivered()), (true, 10));
}

#[test]
fn null_keys_are_last_and_equal_to_each_other() {
    let pair = by_id();
    let batches = [ids([Some(1), Some(2), None]), ids([None, None])];
    assert_eq!(read(&pair, &batches, KeyRange::default()).unwrap(), runs(&[("1", 1), ("2", 1), ("NULL", 3)]));
    assert!(breaks(&pair, Side::Old, &[ids([None, Some(1)])]));
    assert!(breaks(&pair, Side::Old, &[ids([Some(1), None]), ids([Some(2)])]));
    assert!(!breaks(&pair, Side::Old, &[ids([None::<i64>]), ids([None::<i64>])]));
}

#[test]
fn a_key_of_two_columns_is_ordered_by_the_first_one_and_then_by_the_second() {
    let both = |a: &[i64], b: &[&'static str]| {
        table([
            ("a", integers(a.iter().copied())),
            ("b", texts(b.iter().copied())),
            ("value", integers(a.iter().copied())),
        ])
    };
    let pair = Matching::by(&["a", "b"]).columns_of(&both(&[1], &["x"]));
    let batches = [both(&[1, 1, 1], &["x", "x", "y"]), both(&[1, 2], &["y", "a"]), both(&[2, 3], &["b", "a"])];
    let expected = runs(&[("1,x", 2), ("1,y", 2), ("2,a", 1), ("2,b", 1), ("3,a", 1)]);
    assert_eq!(read(&pair, &batches, KeyRange::default()).unwrap(), expected);
    for wrong in [
        vec![both(&[1, 1], &["y", "x"])],
        vec![both(&[1], &["y"]), both(&[1], &["x"])],
        vec![both(&[2, 1], &["a", "b"])],
        vec![both(&[2], &["a"]), both(&[1], &["b"])],
    ] {
        assert!(breaks(&pair, Side::Old, &wrong), "{wrong:?}");
    }
    // where the first column ascends, the second one is free
    assert!(!breaks(&pair, Side::Old, &[both(&[1, 2], &["z", "a"]), both(&[3], &["A"])]));
}

#[test]
fn a_range_begins_at_its_start_and_ends_before_its_end() {
    let pair = by_id();
    let batches = [ids([1, 2]), ids([3, 4, 4, 5]), ids([5, 6]), ids([6, 7])];
    let in_range = |start, end| read(&pair, &batches, range(start, end)).unwrap();
    assert_eq!(in_range(None, Some(1)), []);
    assert_eq!(in_range(None, Some(3)), runs(&[("1", 1), ("2", 1)]));
    assert_eq!(in_range(Some(3), Some(5)), runs(&[("3", 1), ("4", 2)]));
    assert_eq!(in_range(Some(4), Some(6)), runs(&[("4", 2), ("5", 2)]));
    assert_eq!(in_range(Some(5), Some(6)), runs(&[("5", 2)]));
    assert_eq!(in_range(Some(6), None), runs(&[("6", 2), ("7", 1)]));
    assert_eq!(in_range(Some(8), None), []);
}

#[test]
fn ranges_that_adjoin_deliver_every_row_once() {
    let pair = by_id();
    let keys = [Some(1), Some(1), Some(2), Some(4), Some(4), Some(4), Some(9), None, None];
    for batch_rows in 1..=keys.len() {
        let batches: Vec<RecordBatch> = keys.chunks(batch_rows).map(|keys| ids(keys.iter().copied())).collect();
        for cut in 0..=10 {
            let parts = [range(None, Some(cut)), range(Some(cut), None)];
            let read = parts.map(|part| read(&pair, &batches, part).unwrap()).concat();
            assert_eq!(read, runs(&[("1", 2), ("2", 1), ("4", 3), ("9", 1), ("NULL", 2)]), "{batch_rows}, {cut}");
        }
    }
}

#[test]
fn nothing_is_read_after_the_end_of_a_range() {
    let pair = by_id();
    let batches = [ids([1]), ids([2]), ids([3]), ids([4]), ids([5])];
    let asked = AtomicUsize::new(0);
    let source = || {
        let batch = batches.get(asked.fetch_add(1, Ordering::Relaxed)).cloned();
        batch.map(|batch| pair.pairing.rows(Side::Old, batch)).transpose()
    };
    let mut cursor = Cursor::open(&pair.pairing, Side::Old, Box::new(source), range(Some(2), Some(3))).unwrap();
    assert_eq!(runs_of(&mut cursor).unwrap(), runs(&[("2", 1)]));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

/// A range without rows must not hide that statistics are wrong.
#[test]
fn the_order_is_verified_outside_of_the_range_as_well() {
    let pair = by_id();
    let breaks =
        |batches: &[RecordBatch], range| matches!(read(&pair, batches, range), Err(MergeError::OrderBroken(Side::Old)));
    assert!(breaks(&[ids([2, 1]), ids([10])], range(Some(10), None)));
    assert!(breaks(&[ids([2]), ids([1]), ids([10])], range(Some(10), None)));
    assert!(breaks(&[ids([9]), ids([1, 10])], range(Some(10), None)));
    assert!(breaks(&[ids([1]), ids([5, 4])], range(None, Some(2))));
}

#[test]
fn an_error_of_the_source_ends_the_reading() {
    let pair = by_id();
    for good in 0..4 {
        let asked = AtomicUsize::new(0);
        let source = || match asked.fetch_add(1, Ordering::Relaxed) {
            number if number == good => Err(Error::Interrupted),
            _ => pair.pairing.rows(Side::Old, ids([1, 1])).map(Some),
        };
        let opened = Cursor::open(&pair.pairing, Side::Old, Box::new(source), KeyRange::default());
        let read = opened.and_then(|mut cursor| rows_of(&mut cursor));
        assert!(matches!(read, Err(MergeError::Failed(Error::Interrupted))), "{good}");
    }
}

/// The rows of a key that rules make equal are in an order of their own, so that no output depends on the input's.
#[test]
fn rows_that_only_rules_give_one_key_are_ordered_by_their_values_as_read() {
    let row = |keys: &[&'static str]| table([("key", texts(keys.iter().copied()))]);
    let pair = Matching { casefold: &["key"], ..Matching::by(&["key"]) }.columns_of(&row(&["a"]));
    for batches in [
        vec![row(&["AB", "aB", "ab", "Ab", "b"])],
        vec![row(&["ab"]), row(&["aB", "Ab"]), row(&["AB", "b"])],
        vec![row(&["Ab", "AB", "aB"]), row(&["ab"]), row(&["b"])],
    ] {
        let mut cursor = open(&pair, Side::Old, &batches, KeyRange::default()).unwrap();
        let run = cursor.take_run().unwrap().unwrap();
        let text = |row: &RowRef| row_text(row.batch.raw.columns(), row.row);
        let rows: Vec<String> = run.varied.unwrap().iter().map(|(_, row)| text(row)).collect();
        assert_eq!((run.count, text(&run.first)), (4, "AB".into()));
        assert_eq!(rows, ["AB", "Ab", "aB", "ab"]);
        assert_eq!(key_text(&cursor).unwrap(), "b");
    }
    assert!(!breaks(&pair, Side::Old, &[row(&["a", "B", "c"])]));
    assert!(breaks(&pair, Side::Old, &[row(&["B", "a"])]));
}

/// Keys in batches of these sizes, which are repeated as often as necessary.
fn batches_of(keys: &[Option<i64>], sizes: &[usize]) -> Vec<RecordBatch> {
    let (mut rest, mut batches) = (keys, vec![]);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, after) = rest.split_at((*size).min(rest.len()));
        batches.push(ids(batch.iter().copied()));
        rest = after;
    }
    batches
}

/// NULL after every value.
fn rank(key: &Option<i64>) -> (bool, Option<i64>) {
    (key.is_none(), *key)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_batches_deliver_the_runs_of_the_rows(
        cases in prop::collection::vec(
            (
                prop::collection::vec(prop::option::weighted(0.9, 0_i64..12), 0..30),
                prop::collection::vec(1_usize..6, 1..5),
                any::<bool>(),
            ),
            8,
        ),
    ) {
        let pair = by_id();
        for (mut keys, sizes, sorted) in cases {
            if sorted {
                keys.sort_by_key(rank);
            }
            let batches = batches_of(&keys, &sizes);
            prop_assert_eq!(breaks(&pair, Side::New, &batches), !keys.is_sorted_by_key(rank));
            if sorted {
                let shown = |key: &Option<i64>| key.map_or("NULL".into(), |key| key.to_string());
                let expected = keys.chunk_by(|a, b| a == b).map(|run| (shown(&run[0]), run.len() as u64));
                prop_assert_eq!(read(&pair, &batches, KeyRange::default()).unwrap(), expected.collect::<Vec<_>>());
                // what is unique is never a row that repeats, and is passed in one step
                let mut cursor = open(&pair, Side::New, &batches, KeyRange::default()).unwrap();
                let mut at = 0;
                while cursor.head().is_some() {
                    let unique = cursor.unique_len();
                    let is_unique = |key: &Option<i64>| keys.iter().filter(|other| *other == key).count() == 1;
                    prop_assert!(keys[at..at + unique].iter().all(is_unique));
                    match unique {
                        0 => at += cursor.take_run().unwrap().unwrap().count as usize,
                        _ => cursor.advance(unique).unwrap(),
                    }
                    at += unique;
                    prop_assert_eq!(cursor.delivered(), at as u64);
                }
                prop_assert_eq!(at, keys.len());
            }
        }
    }
}
