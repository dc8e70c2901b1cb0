use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;

use super::*;
use crate::compare::matching::cursor::Cursor;
use crate::compare::matching::test_pair::{Footer, Matching, TestPair, ids, integers};
use crate::sides::Side;

/// Opens both sides, each from one file with these row groups.
fn open(old: Vec<RecordBatch>, new: Vec<RecordBatch>) -> TestPair {
    Matching::by(&["id"]).files(Sides { old: vec![old], new: vec![new] })
}

/// Row groups of `rows` consecutive keys each, from `first` on.
fn groups(number: i64, rows: i64, first: i64) -> Vec<RecordBatch> {
    (0..number).map(|group| ids((0..rows).map(|row| first + group * rows + row))).collect()
}

fn layouts(pair: &TestPair) -> Sides<KeyLayout> {
    Sides::from_fn(|side| KeyLayout::of(&pair.snapshots[side], &pair.pairing.columns[0]).unwrap().unwrap())
}

/// The number of rows of a side that are decoded for each range.
fn decoded(pair: &TestPair, layouts: &Sides<KeyLayout>, ranges: &[KeyRange], side: Side) -> Vec<u64> {
    let rows: Vec<(usize, usize, u64)> = pair.snapshots[side].row_groups().collect();
    let of_group = |file, group| rows.iter().find(|row| (row.0, row.1) == (file, group)).unwrap().2;
    let of_range = |range| {
        let reads = layouts[side].reads(range).unwrap();
        reads.iter().flat_map(|read| read.row_groups.iter().map(|group| of_group(read.file, *group))).sum()
    };
    ranges.iter().map(of_range).collect()
}

/// The first keys of all ranges but the first one.
fn cuts(ranges: &[KeyRange]) -> Vec<i64> {
    ranges[1..].iter().map(|range| range.start.as_ref().unwrap().as_primitive::<Int64Type>().value(0)).collect()
}

/// Requires that ranges adjoin and that each row is read in one of them, by reading all rows of both sides.
fn require_complete(pair: &TestPair, layouts: &Sides<KeyLayout>, ranges: &[KeyRange]) {
    assert!(ranges[0].start.is_none() && ranges[ranges.len() - 1].end.is_none());
    for pair in ranges.windows(2) {
        let [end, start] = [&pair[0].end, &pair[1].start].map(|bound| bound.as_ref().unwrap());
        assert_eq!(end.as_ref(), start.as_ref());
    }
    assert!(cuts(ranges).is_sorted_by(|before, after| before < after), "{:?}", cuts(ranges));
    for side in Side::BOTH {
        let rows: u64 = ranges.iter().map(|range| delivered(pair, side, &layouts[side], range)).sum();
        assert_eq!(rows, pair.snapshots[side].rows(), "{side}");
    }
}

/// The number of rows of a range, by reading them.
fn delivered(pair: &TestPair, side: Side, layout: &KeyLayout, range: &KeyRange) -> u64 {
    let mut scan = pair.snapshots[side].scan(&pair.engine, layout.reads(range).unwrap(), &[0]).unwrap();
    let source = move || scan.next_batch()?.map(|batch| pair.pairing.rows(side, batch)).transpose();
    let mut cursor = Cursor::open(&pair.pairing, side, Box::new(source), range.clone()).unwrap();
    while cursor.take_run().unwrap().is_some() {}
    cursor.delivered()
}

/// Every range is about half of a worker's share of the rest, so the last ones are small and the workers end together.
#[test]
fn ranges_become_smaller_towards_the_end() {
    let pair = open(groups(32, 100, 0), groups(32, 100, 0));
    let layouts = layouts(&pair);
    for (threads, number) in [(1, 1), (2, 12), (7, 23)] {
        let ranges = cut(&layouts, threads, &KeyRange::default()).unwrap();
        assert_eq!(ranges.len(), number, "{threads}");
        require_complete(&pair, &layouts, &ranges);
        let rows = decoded(&pair, &layouts, &ranges, Side::Old);
        assert!(rows.is_sorted_by(|before, after| before >= after), "{rows:?}");
        // the row groups of both sides have the same borders, so nothing is decoded twice
        assert_eq!((rows.iter().sum::<u64>(), &rows), (3_200, &decoded(&pair, &layouts, &ranges, Side::New)));
        let mut rest = 3_200;
        for rows in rows.iter().take(number - 1) {
            assert!(*rows <= rest / (2 * threads as u64) + 100, "{threads}: {rows} of {rest}");
            rest -= rows;
        }
    }
}

#[test]
fn a_cut_within_a_large_row_group_of_the_other_side_is_left_out() {
    for (old, new) in [(groups(32, 100, 0), groups(4, 800, 0)), (groups(4, 800, 0), groups(32, 100, 0))] {
        let pair = open(old, new);
        let layouts = layouts(&pair);
        for threads in [2, 7] {
            let ranges = cut(&layouts, threads, &KeyRange::default()).unwrap();
            assert_eq!(cuts(&ranges), [800, 1_600, 2_400]);
            require_complete(&pair, &layouts, &ranges);
        }
    }
}

#[test]
fn the_side_with_the_larger_row_groups_is_cut_if_it_has_enough_for_all_workers() {
    let pair = open(groups(64, 100, 0), groups(16, 400, 0));
    let layouts = layouts(&pair);
    for threads in [2, 4] {
        let ranges = cut(&layouts, threads, &KeyRange::default()).unwrap();
        assert!(ranges.len() > threads && cuts(&ranges).iter().all(|cut| cut % 400 == 0), "{:?}", cuts(&ranges));
        require_complete(&pair, &layouts, &ranges);
    }
}

#[test]
fn at_most_a_sixteenth_of_the_rows_is_decoded_twice() {
    for (new_rows, first) in [(100, 50), (80, 10), (130, -7), (1_000, 3)] {
        let pair = open(groups(40, 100, 0), groups(4_000 / new_rows, new_rows, first));
        let layouts = layouts(&pair);
        for threads in [2, 7] {
            let ranges = cut(&layouts, threads, &KeyRange::default()).unwrap();
            require_complete(&pair, &layouts, &ranges);
            let rows = Side::BOTH.map(|side| pair.snapshots[side].rows()).iter().sum::<u64>();
            let decoded = Side::BOTH.map(|side| decoded(&pair, &layouts, &ranges, side).iter().sum::<u64>());
            let twice = decoded.iter().sum::<u64>() - rows;
            assert!(twice <= rows / 16, "{new_rows} {first} {threads}: {twice} of {rows}");
        }
    }
}

#[test]
fn rows_whose_place_is_unknown_are_not_cut() {
    let footers = Sides { old: Footer::Statistics, new: Footer::DeclaresOrder };
    let files = Sides { old: vec![groups(32, 100, 0)], new: vec![groups(32, 100, 0)] };
    let pair = Matching { footers, ..Matching::by(&["id"]) }.files(files);
    assert_eq!(cut(&layouts(&pair), 7, &KeyRange::default()).unwrap().len(), 1);
    let files = Sides { old: vec![groups(32, 100, 0)], new: vec![groups(2, 5, 0)] };
    let pair = Matching { footers, ..Matching::by(&["id"]) }.files(files);
    assert_eq!(cut(&layouts(&pair), 7, &KeyRange::default()).unwrap().len(), 1);
    // a side with one row group is decoded for every range, so it must be small
    let small = open(groups(32, 100, 0), groups(1, 10, 500));
    let ranges = cut(&layouts(&small), 7, &KeyRange::default()).unwrap();
    assert!(ranges.len() > 7);
    require_complete(&small, &layouts(&small), &ranges);
    let large = open(groups(32, 100, 0), groups(1, 3_200, 0));
    assert_eq!(cut(&layouts(&large), 7, &KeyRange::default()).unwrap().len(), 1);
}

/// Rows of NULL, rows with one key across many pages, and row groups next to each other, cut by pages.
#[test]
fn pages_are_cut_like_row_groups() {
    let nulls = || (0..8).map(|_| ids(vec![None::<i64>; 100]));
    let one_key = || (0..12).map(|_| ids([800; 100]));
    let sides: [Vec<RecordBatch>; 4] = [
        groups(8, 100, 0),
        groups(8, 100, 0).into_iter().chain([ids([Some(800), None])]).chain(nulls()).collect(),
        groups(8, 100, 0).into_iter().chain(one_key()).chain(groups(8, 100, 801)).collect(),
        one_key().collect(),
    ];
    let in_groups = |batches: &[RecordBatch], number: usize| -> Vec<RecordBatch> {
        let groups = batches.chunks(batches.len().div_ceil(number));
        groups.map(|batches| concat_batches(&batches[0].schema(), batches).unwrap()).collect()
    };
    let footers = Sides { old: Footer::Pages(10), new: Footer::Pages(33) };
    for old in &sides {
        for new in &sides {
            let files = Sides { old: vec![in_groups(old, 1)], new: vec![in_groups(new, 2)] };
            let pair = Matching { footers, ..Matching::by(&["id"]) }.files(files);
            let by_groups = layouts(&pair);
            for range in [(None, None), (Some(200), Some(810)), (Some(5), None), (None, Some(801))] {
                let bound = |bound: Option<i64>| bound.map(|bound| integers([bound]));
                let range = KeyRange { start: bound(range.0), end: bound(range.1) };
                let pages = Sides::from_fn(|side| {
                    let column = &pair.pairing.columns[0];
                    by_groups[side].by_pages(&pair.snapshots[side], column, &range).unwrap().unwrap()
                });
                let ranges = cut(&pages, 7, &range).unwrap();
                assert_eq!((&ranges[0].start, &ranges[ranges.len() - 1].end), (&range.start, &range.end));
                require_same_rows(&pair, &by_groups, &pages, &range, &ranges);
            }
        }
    }
}

/// Requires that a range has the same number of rows if it is read as a whole, and in parts by pages.
fn require_same_rows(
    pair: &TestPair,
    whole: &Sides<KeyLayout>,
    pages: &Sides<KeyLayout>,
    range: &KeyRange,
    ranges: &[KeyRange],
) {
    for side in Side::BOTH {
        let in_parts: u64 = ranges.iter().map(|range| delivered(pair, side, &pages[side], range)).sum();
        assert_eq!(in_parts, delivered(pair, side, &whole[side], range), "{side}");
    }
}

#[test]
fn sides_without_rows_are_one_range() {
    for (old, new) in [(groups(1, 0, 0), groups(1, 0, 0)), (groups(1, 5, 0), groups(1, 0, 0))] {
        let pair = open(old, new);
        let ranges = cut(&layouts(&pair), 7, &KeyRange::default()).unwrap();
        assert_eq!(ranges.len(), 1);
        require_complete(&pair, &layouts(&pair), &ranges);
    }
}

/// NULL is no bound: the rows with NULL keys belong to the last range.
#[test]
fn keys_that_fill_row_groups_and_null_keys_are_in_one_range() {
    let with_nulls = || {
        let nulls = (0..8).map(|_| ids(vec![None::<i64>; 100]));
        groups(8, 100, 0).into_iter().chain([ids([Some(800), None])]).chain(nulls).collect::<Vec<_>>()
    };
    let repeated = || {
        let one_key = (0..12).map(|_| ids([800; 100]));
        groups(8, 100, 0).into_iter().chain(one_key).chain(groups(8, 100, 801)).collect::<Vec<_>>()
    };
    for (old, new) in [(with_nulls(), with_nulls()), (repeated(), repeated()), (repeated(), with_nulls())] {
        let pair = open(old, new);
        let layouts = layouts(&pair);
        for threads in [2, 7] {
            let ranges = cut(&layouts, threads, &KeyRange::default()).unwrap();
            assert!(ranges.len() > 2, "{}", ranges.len());
            require_complete(&pair, &layouts, &ranges);
        }
    }
}
