//! Whole comparisons: which strategy ran, why, and that the findings do not depend on it.

use std::os::unix::fs::FileExt;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray};
use arrow::compute::concat_batches;

use super::cursor::KeyRange;
use super::layout::KeyLayout;
use super::test_pair::{Files, Footer, Matching, TestPair, finding_lines, integers, table, texts};
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
        observed: None,
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

/// The sides of [`sides`] in one row group each, with pages of 7 and 12 rows.
fn in_pages() -> (Sides<Files>, Sides<Footer>) {
    let files = sides().map(|files| vec![vec![concat_batches(&files[0][0].schema(), &files[0]).unwrap()]]);
    (files, Sides { old: Footer::Pages(7), new: Footer::Pages(12) })
}

#[test]
fn a_row_group_is_cut_by_its_pages() {
    let (files, paged) = in_pages();
    let unpaged = Sides { old: Footer::Statistics, new: Footer::Statistics };
    for (footers, is_cut) in
        [(paged, true), (Sides { old: paged.old, ..unpaged }, false), (Sides { new: paged.new, ..unpaged }, false)]
    {
        for threads in [1, 2, 7] {
            let pair = Matching { threads, footers, ..Matching::by(&["id"]) }.files(files.clone());
            let (merged, findings) = compared(&pair, None);
            assert_eq!((merged.strategy, findings), (Strategy::Ordered, expected()));
            assert_eq!(merged.findings.len() > threads, is_cut && threads > 1, "{threads}: {}", merged.findings.len());
            let (hashed, _) = compared(&pair, Some(Strategy::Hashed));
            assert_eq!(merged.tally, hashed.tally);
        }
    }
}

/// A page index with other bounds than the page leaves rows outside of all ranges.
#[test]
fn wrong_bounds_of_pages_are_noticed() {
    let (files, footers) = in_pages();
    let mut pair = Matching { threads: 7, footers, ..Matching::by(&["id"]) }.files(files);
    let file = &pair.snapshots.new.files[0];
    let chunk = file.metadata.row_group(0).column(0);
    let start = u64::try_from(chunk.column_index_offset().unwrap()).unwrap();
    let mut index = vec![0; usize::try_from(chunk.column_index_length().unwrap()).unwrap()];
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(&file.path).unwrap();
    opened.read_exact_at(&mut index, start).unwrap();
    let at = |value: i64| index.windows(8).position(|bytes| bytes == value.to_le_bytes());
    // the maximum of a page in the middle becomes its minimum
    let min = (200..).find(|key| at(*key).is_some()).unwrap();
    let max = (min..).find(|key| at(*key) > at(min)).unwrap();
    opened.write_all_at(&min.to_le_bytes(), start + at(max).unwrap() as u64).unwrap();
    pair.snapshots.new = Snapshot::open(Side::New, &pair.snapshots.new.location.clone()).unwrap();
    let (matched, findings) = compared(&pair, None);
    assert_eq!(
        (matched.strategy, matched.reason.as_str()),
        (Strategy::Hashed, "the key order of new broke while reading")
    );
    assert_eq!(findings, expected());
}

/// Both sides of these row groups, each in one file, and the sides changed by `change`.
fn copies(groups: &[RecordBatch], change: impl Fn(Side, &mut Vec<RecordBatch>)) -> Sides<Files> {
    Sides::from_fn(|side| {
        let mut groups = groups.to_vec();
        change(side, &mut groups);
        vec![groups]
    })
}

fn twenty_groups() -> Vec<RecordBatch> {
    (0..20).map(|group| row_group(Side::Old, &(group * 10..group * 10 + 10).collect::<Vec<_>>())).collect()
}

/// Only the ranges in which something differs are decoded, and the answer is that of a full comparison.
#[test]
fn columns_that_are_the_same_bytes_are_not_decoded() {
    for threads in [1, 2, 7] {
        let bytes = |files: Sides<Files>, expected: &[&str]| {
            let expected: Vec<String> = expected.iter().map(|line| line.to_string()).collect();
            let pair = Matching { threads, ..Matching::by(&["id"]) }.files(files);
            let (merged, findings) = compared(&pair, None);
            let skipped = pair.engine.timings.bytes_identical();
            assert_eq!((merged.strategy, findings), (Strategy::Ordered, expected.clone()));
            let (hashed, findings) = compared(&pair, Some(Strategy::Hashed));
            assert_eq!((&merged.tally, findings), (&hashed.tally, expected.clone()));
            assert_eq!(merged.tally.rows.old, 200);
            assert_eq!(pair.engine.timings.bytes_identical(), skipped);
            skipped
        };
        let all = bytes(copies(&twenty_groups(), |_, _| {}), &[]);
        assert!(all > 0);
        // a cell of another value, in bytes of the same length
        let changed = |side, groups: &mut Vec<RecordBatch>| {
            if side == Side::New {
                groups[19] = table([
                    ("id", integers(190..200)),
                    ("value", texts((190..200).map(|key| if key == 195 { "x" } else { "b" }))),
                ]);
            }
        };
        let one = bytes(copies(&twenty_groups(), changed), &["mismatch 195,b to 195,x in value"]);
        assert_eq!(one > 0, threads > 1, "{one} of {all}");
        // a key of another value
        let moved = |side, groups: &mut Vec<RecordBatch>| {
            if side == Side::New {
                groups[19] = row_group(Side::Old, &[190, 191, 192, 193, 194, 195, 196, 197, 198, 1_000]);
            }
        };
        bytes(copies(&twenty_groups(), moved), &["missing 199,b", "extra 1000,b"]);
    }
}

/// The keys are read even if nothing else is.
#[test]
fn keys_that_repeat_or_descend_are_noticed_in_identical_files() {
    let repeats =
        |_, groups: &mut Vec<RecordBatch>| groups[5] = row_group(Side::Old, &[50, 51, 52, 53, 53, 55, 56, 57, 58, 59]);
    let across =
        |_, groups: &mut Vec<RecordBatch>| groups[5] = row_group(Side::Old, &[49, 51, 52, 53, 54, 55, 56, 57, 58, 59]);
    for (files, finding) in [
        (copies(&twenty_groups(), repeats), "duplicate 53 in rows 2,2"),
        (copies(&twenty_groups(), across), "duplicate 49 in rows 2,2"),
    ] {
        for threads in [1, 7] {
            let pair = Matching { threads, ..Matching::by(&["id"]) }.files(files.clone());
            let (merged, findings) = compared(&pair, None);
            assert_eq!((merged.strategy, findings), (Strategy::Ordered, vec![finding.to_string()]));
            assert_eq!(merged.tally.rows, Sides { old: 200, new: 200 });
        }
    }
    let descends =
        |_, groups: &mut Vec<RecordBatch>| groups[5] = row_group(Side::Old, &[50, 51, 53, 52, 54, 55, 56, 57, 58, 59]);
    let pair = Matching { threads: 2, ..Matching::by(&["id"]) }.files(copies(&twenty_groups(), descends));
    let (matched, findings) = compared(&pair, None);
    assert_eq!((matched.strategy, findings), (Strategy::Hashed, vec![]));
    assert_eq!(pair.engine.timings.bytes_identical(), 0);
    // keys that only a rule makes the same
    let groups = [table([("id", texts(["A", "a", "b"])), ("value", integers([1, 2, 3]))])];
    let pair = Matching { casefold: &["id"], ..Matching::by(&["id"]) }.files(copies(&groups, |_, _| {}));
    let (_, findings) = compared(&pair, Some(Strategy::Ordered));
    assert_eq!(findings, ["duplicate A in rows 2,2"]);
}

/// The same bytes are other values under another type.
#[test]
fn the_same_bytes_of_other_types_are_compared() {
    let seconds = |unit: i64| {
        let numbers: Vec<i64> = vec![1_000, 2_000, 3_000];
        let times: ArrayRef = match unit {
            1 => Arc::new(TimestampMillisecondArray::from(numbers)),
            _ => Arc::new(TimestampMicrosecondArray::from(numbers)),
        };
        vec![vec![table([("id", integers([1, 2, 3])), ("at", times)])]]
    };
    let pair = Matching::by(&["id"]).files(Sides { old: seconds(1), new: seconds(2) });
    let (merged, _) = compared(&pair, None);
    assert_eq!((merged.tally.mismatch, pair.engine.timings.bytes_identical()), (3, 0));
    let pair = Matching::by(&["id"]).files(Sides { old: seconds(1), new: seconds(1) });
    let (merged, _) = compared(&pair, None);
    assert_eq!((merged.tally.matched(), merged.tally.mismatch), (3, 0));
    assert!(pair.engine.timings.bytes_identical() > 0);
}

/// A page that is damaged on both sides alike is decoded, and so reported.
#[test]
fn damaged_pages_are_not_skipped() {
    let mut pair = Matching::by(&["id"]).files(copies(&twenty_groups(), |_, _| {}));
    pair.snapshots = Sides::from_fn(|side| {
        let snapshot = &pair.snapshots[side];
        let file = &snapshot.files[0];
        // the first byte of a page header
        let (start, _) = file.metadata.row_group(3).column(1).byte_range();
        let opened = std::fs::OpenOptions::new().write(true).open(&file.path).unwrap();
        opened.write_all_at(&[0xff], start).unwrap();
        Snapshot::open(side, &snapshot.location).unwrap()
    });
    let error = comparison(&pair).run(Some(Strategy::Ordered)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is damaged in row group 3, column `value`"), "{error}");
}
