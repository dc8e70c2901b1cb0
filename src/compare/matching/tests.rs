//! Whole comparisons: which strategy ran, why, and that the findings do not depend on it.

use arrow::array::RecordBatch;

use super::cursor::KeyRange;
use super::layout::KeyLayout;
use super::test_pair::{Files, Matching, TestPair, finding_lines, integers, table, texts};
use super::*;
use crate::sides::Side;

fn comparison(pair: &TestPair) -> Comparison<'_> {
    Comparison {
        engine: &pair.engine,
        snapshots: &pair.snapshots,
        pairing: &pair.pairing,
        layout: Arc::new(Layout::of(&pair.pairing, &pair.snapshots)),
        retention: Retention::All,
        requested: None,
    }
}

fn compared(pair: &TestPair, forced: Option<Strategy>) -> (Matched, Vec<String>) {
    let matched = comparison(pair).run(forced).unwrap();
    let batches = matched.findings.iter().flat_map(|part| part.read().unwrap());
    let lines = batches.flat_map(|batch| finding_lines(&batch.unwrap())).collect();
    (matched, lines)
}

/// A row group with these keys, in which every seventh key of new has another value.
fn row_group(side: Side, keys: &[i64]) -> RecordBatch {
    let value = |key: &i64| if side == Side::New && key % 7 == 0 { "B" } else { "b" };
    table([("id", integers(keys.iter().copied())), ("value", texts(keys.iter().map(value)))])
}

/// Forty row groups of ten keys. Old lacks 105, new lacks 208 and repeats 300.
fn sides() -> Sides<Files> {
    Sides::from_fn(|side| {
        let keys = (0..40).map(|group| {
            let mut keys: Vec<i64> = (group * 10..group * 10 + 10).collect();
            keys.retain(|key| *key != if side == Side::Old { 105 } else { 208 });
            if side == Side::New && group == 30 {
                keys.insert(0, 300);
            }
            keys
        });
        vec![keys.map(|keys| row_group(side, &keys)).collect()]
    })
}

fn expected() -> Vec<String> {
    let lines = (0..400).filter_map(|key| match key {
        105 => Some("extra 105,B".into()),
        208 => Some("missing 208,b".into()),
        300 => Some("duplicate 300 in rows 1,2".into()),
        key if key % 7 == 0 => Some(format!("mismatch {key},b to {key},B in value")),
        _ => None,
    });
    lines.collect()
}

#[test]
fn both_strategies_find_the_same_with_any_number_of_threads() {
    for threads in [1, 2, 7] {
        let pair = Matching { threads, ..Matching::by(&["id"]) }.files(sides());
        let (merged, findings) = compared(&pair, None);
        assert_eq!((merged.strategy, merged.reason.as_str()), (Strategy::Ordered, "both sides are in key order"));
        assert_eq!(merged.findings.len() > 1, threads > 1);
        assert_eq!(findings, expected());
        let (hashed, findings) = compared(&pair, Some(Strategy::Hashed));
        assert_eq!((hashed.strategy, hashed.reason.as_str()), (Strategy::Hashed, "as requested"));
        assert_eq!(findings, expected());
        assert_eq!(merged.tally, hashed.tally);
        assert_eq!(merged.tally.rows, Sides { old: 399, new: 400 });
    }
}

/// The planner looks at the first and the middle row group only.
#[test]
fn an_order_that_breaks_while_reading_is_given_up() {
    for side in Side::BOTH {
        for threads in [1, 7] {
            let mut files = sides();
            let last = files[side][0].len() - 1;
            let keys: Vec<i64> = (390..400).rev().collect();
            files[side][0][last] = row_group(side, &keys);
            let pair = Matching { threads, ..Matching::by(&["id"]) }.files(files);
            for forced in [None, Some(Strategy::Ordered)] {
                let (matched, findings) = compared(&pair, forced);
                let reason = format!("the key order of {side} broke while reading");
                assert_eq!((matched.strategy, matched.reason), (Strategy::Hashed, reason));
                assert_eq!(findings, expected());
            }
        }
    }
}

/// Forced to merge row groups in an order that is not that of the keys.
#[test]
fn row_groups_in_the_wrong_order_do_not_change_the_findings() {
    let mut files = sides();
    files.old[0].swap(3, 30);
    let crossed = row_group(Side::New, &[395, 405]);
    files.new[0].push(crossed);
    let pair = Matching { threads: 7, ..Matching::by(&["id"]) }.files(files);
    let mut expected = expected();
    expected.insert(expected.len() - 1, "duplicate 395 in rows 1,2".into());
    expected.push("extra 405,b".into());
    for (forced, reason) in [
        (None, "row groups of new overlap in column `id`"),
        (Some(Strategy::Ordered), "the key order of new broke while reading"),
    ] {
        let (matched, findings) = compared(&pair, forced);
        assert_eq!((matched.strategy, matched.reason.as_str()), (Strategy::Hashed, reason));
        assert_eq!(findings, expected);
    }
}

#[test]
fn rows_without_a_key_are_matched_by_both_strategies_alike() {
    for casefold in [&[][..], &["value"]] {
        let pair = Matching { threads: 2, casefold, ..Matching::by(&[]) }.files(sides());
        let (merged, findings) = compared(&pair, Some(Strategy::Ordered));
        let (hashed, hashed_findings) = compared(&pair, Some(Strategy::Hashed));
        assert_eq!(findings, hashed_findings);
        assert_eq!(merged.tally, hashed.tally);
        let sevenths = if casefold.is_empty() { 400_u64.div_ceil(7) } else { 0 };
        assert!(sevenths == 0 || (50..60).contains(&merged.tally.missing), "{}", merged.tally.missing);
        assert_eq!(merged.tally.matched() + merged.tally.missing, 399);
        assert_eq!(merged.tally.tiers.by_rule > 0, !casefold.is_empty());
    }
}

/// Wrong statistics would leave rows outside of all ranges, or put them in two.
#[test]
fn ranges_that_do_not_have_each_row_once_are_refused() {
    let pair = Matching::by(&["id"]).files(sides());
    let layouts =
        Sides::from_fn(|side| KeyLayout::of(&pair.snapshots[side], &pair.pairing.columns[0]).unwrap().unwrap());
    let run = |ranges: &[(Option<i64>, Option<i64>)]| {
        let bound = |value: Option<i64>| value.map(|value| integers([value]));
        let ranges = ranges.iter().map(|&(start, end)| KeyRange { start: bound(start), end: bound(end) });
        ordered::run(&comparison(&pair), &ranges.collect::<Vec<_>>(), &layouts).map(|parts| parts.len())
    };
    assert_eq!(run(&[(None, Some(155)), (Some(155), None)]).unwrap(), 2);
    for wrong in [
        &[(None, Some(399))][..],
        &[(Some(1), None)],
        &[(None, Some(155)), (Some(156), None)],
        &[(None, Some(155)), (Some(154), None)],
    ] {
        assert!(matches!(run(wrong), Err(MergeError::OrderBroken(Side::Old))), "{wrong:?}");
    }
    // only new has 105
    let only_new = run(&[(None, Some(105)), (Some(106), None)]);
    assert!(matches!(only_new, Err(MergeError::OrderBroken(Side::New))));
}
