use arrow::array::RecordBatch;

use super::*;
use crate::compare::matching::test_pair::{Files, Footer, Matching, TestPair, ids, integers, table, texts};

/// The description of a plan: the number of its ranges, or the reason for hashing.
fn chosen_for(pair: &TestPair, forced: Option<Strategy>) -> String {
    match Plan::choose(&pair.engine, &pair.snapshots, &pair.pairing, forced).unwrap() {
        Plan::Ordered { ranges, .. } => format!("{} ranges", ranges.len()),
        Plan::Hashed { reason } => reason.to_string(),
    }
}

fn chosen(matching: Matching, old: &[&[i64]], new: &[&[i64]]) -> String {
    chosen_for(&matching.files(Sides { old: one_file(old), new: one_file(new) }), None)
}

fn by_id() -> Matching<'static> {
    Matching::by(&["id"])
}

/// A file with these row groups.
fn one_file(row_groups: &[&[i64]]) -> Files {
    vec![row_groups.iter().map(|keys| ids(keys.iter().copied())).collect()]
}

/// One file for each list, with one row group.
fn files(lists: &[&[i64]]) -> Files {
    lists.iter().map(|keys| vec![ids(keys.iter().copied())]).collect()
}

const MERGED: &str = "1 ranges";
const SORTED: &[&[i64]] = &[&[1, 2], &[3, 4], &[5, 6]];

#[test]
fn sides_whose_row_groups_ascend_are_merged() {
    assert_eq!(chosen(by_id(), SORTED, SORTED), MERGED);
    // the last key of a row group may be the first one of the next
    assert_eq!(chosen(by_id(), SORTED, &[&[1, 2, 2], &[2, 2], &[2, 3]]), MERGED);
    assert_eq!(chosen(by_id(), SORTED, &[&[]]), MERGED);
    assert_eq!(chosen(by_id(), &[&[]], &[&[]]), MERGED);
}

#[test]
fn row_groups_that_overlap_are_hashed() {
    let overlap: &[&[i64]] = &[&[1, 3], &[2, 4]];
    assert_eq!(chosen(by_id(), overlap, SORTED), "row groups of old overlap in column `id`");
    assert_eq!(chosen(by_id(), SORTED, overlap), "row groups of new overlap in column `id`");
    assert_eq!(chosen(by_id(), overlap, overlap), "row groups of old overlap in column `id`");
    // one row group within another
    assert_eq!(chosen(by_id(), &[&[1, 9], &[4, 5]], SORTED), "row groups of old overlap in column `id`");
}

/// An export may number its files in any order.
#[test]
fn row_groups_are_read_in_the_order_of_their_keys() {
    let old = files(&[&[7, 8], &[1, 2], &[], &[4, 5]]);
    let pair = by_id().files(Sides { old, new: one_file(SORTED) });
    let Plan::Ordered { ranges, layouts } = Plan::choose(&pair.engine, &pair.snapshots, &pair.pairing, None).unwrap()
    else {
        panic!("the files can be ordered")
    };
    let reads = layouts.old.reads(&ranges[0]).unwrap();
    assert_eq!(reads.iter().map(|read| read.file).collect::<Vec<_>>(), [1, 3, 0]);
    // the row groups of one file are read together
    let reads = layouts.new.reads(&ranges[0]).unwrap();
    assert_eq!(reads.iter().map(|read| (read.file, read.row_groups.clone())).collect::<Vec<_>>(), [(0, vec![0, 1, 2])]);
}

#[test]
fn rows_out_of_order_in_the_first_or_middle_row_group_are_seen() {
    assert_eq!(chosen(by_id(), &[&[2, 1]], SORTED), "old is not in key order");
    assert_eq!(chosen(by_id(), SORTED, &[&[2, 1]]), "new is not in key order");
    assert_eq!(chosen(by_id(), SORTED, &[&[1, 2], &[4, 3], &[5, 6]]), "new is not in key order");
    assert_eq!(chosen(by_id(), SORTED, &[&[2, 1], &[3, 4], &[5, 6]]), "new is not in key order");
    // bounds that do not ascend are seen without reading, and so named first
    assert_eq!(chosen(by_id(), &[&[2, 1]], &[&[1, 3], &[2, 4]]), "row groups of new overlap in column `id`");
}

#[test]
fn several_row_groups_need_statistics() {
    let silent = |old, new| Matching { footers: Sides { old, new }, ..by_id() };
    let (known, unknown) = (Footer::Statistics, Footer::Silent);
    assert_eq!(chosen(silent(known, unknown), SORTED, SORTED), "new has no statistics for column `id`");
    assert_eq!(chosen(silent(unknown, known), SORTED, SORTED), "old has no statistics for column `id`");
    // one row group is in order with itself
    assert_eq!(chosen(silent(unknown, unknown), &[&[1, 2, 9]], &[&[1, 5]]), MERGED);
    assert_eq!(chosen(silent(unknown, unknown), &[&[1, 2, 9]], &[&[5, 1]]), "new is not in key order");
}

/// A declaration is about one file, and says nothing about where keys are.
#[test]
fn a_single_file_may_declare_its_order_instead() {
    let declared = |footer| Matching { threads: 7, footers: Sides { old: footer, new: footer }, ..by_id() };
    assert_eq!(chosen(declared(Footer::DeclaresOrder), SORTED, SORTED), MERGED);
    let no_statistics = "old has no statistics for column `id`";
    assert_eq!(chosen(declared(Footer::DeclaresDescending), SORTED, SORTED), no_statistics);
    let two_files = declared(Footer::DeclaresOrder).files(Sides { old: files(SORTED), new: one_file(SORTED) });
    assert_eq!(chosen_for(&two_files, None), no_statistics);
    // of another column than the key's
    let row = |id: i64| table([("other", integers([id])), ("id", integers([id]))]);
    let file = || vec![vec![row(1), row(2)]];
    let other = declared(Footer::DeclaresOrder).files(Sides { old: file(), new: file() });
    assert_eq!(chosen_for(&other, None), no_statistics);
    // it is not believed
    assert_eq!(chosen(declared(Footer::DeclaresOrder), &[&[2, 1], &[3]], SORTED), "old is not in key order");
}

#[test]
fn nulls_are_last() {
    let of =
        |groups: Vec<RecordBatch>| chosen_for(&by_id().files(Sides { old: vec![groups], new: one_file(SORTED) }), None);
    assert_eq!(of(vec![ids([1, 2]), ids([Some(3), None]), ids([None::<i64>])]), MERGED);
    assert_eq!(of(vec![ids([None::<i64>]), ids([1, 2])]), MERGED);
    let overlap = "row groups of old overlap in column `id`";
    assert_eq!(of(vec![ids([Some(1), None]), ids([2, 3])]), overlap);
    assert_eq!(of(vec![ids([Some(1), None]), ids([Some(2), None])]), overlap);
}

#[test]
fn rules_on_the_first_key_column_hide_its_order() {
    let row = |key: &'static str| table([("key", texts([key])), ("value", texts([key]))]);
    let groups = || vec![vec![row("A"), row("b")]];
    let of = |casefold, old, new| {
        let matching = Matching { casefold, ..Matching::by(&["key"]) };
        chosen_for(&matching.files(Sides { old, new }), None)
    };
    let hidden = "rules read column `key`, so the statistics of old do not show its order";
    assert_eq!(of(&["key"], groups(), groups()), hidden);
    assert_eq!(of(&["value"], groups(), groups()), MERGED);
    // one row group is looked at with the rules
    let one = |keys: [&'static str; 2]| vec![vec![table([("key", texts(keys)), ("value", texts(keys))])]];
    assert_eq!(of(&["key"], one(["a", "B"]), one(["A", "b"])), MERGED);
    assert_eq!(of(&["key"], one(["A", "b"]), one(["B", "a"])), "new is not in key order");
    assert_eq!(of(&[], one(["A", "b"]), one(["B", "a"])), MERGED);
}

#[test]
fn row_groups_are_ordered_by_the_first_of_several_columns() {
    let rows = |a: [i64; 2], b: [i64; 2]| table([("a", integers(a)), ("b", integers(b))]);
    let of = |key, groups: Vec<RecordBatch>| {
        let sorted = vec![vec![rows([1, 2], [1, 1])]];
        chosen_for(&Matching::by(key).files(Sides { old: vec![groups], new: sorted }), None)
    };
    // a key of both columns, and whole rows
    for key in [&["a", "b"][..], &[]] {
        assert_eq!(of(key, vec![rows([1, 2], [9, 8]), rows([2, 3], [9, 1])]), MERGED);
        assert_eq!(
            of(key, vec![rows([1, 3], [1, 1]), rows([2, 4], [2, 2])]),
            "row groups of old overlap in column `a`"
        );
        assert_eq!(of(key, vec![rows([1, 1], [2, 1])]), "old is not in key order");
    }
    // the order of the key, and not of the columns in the file
    let crossed = vec![rows([1, 3], [1, 1]), rows([2, 4], [2, 2])];
    assert_eq!(of(&["b", "a"], crossed.clone()), MERGED);
    // a column that is not in the key is free
    assert_eq!(of(&["a"], vec![rows([1, 1], [2, 1])]), MERGED);
    assert_eq!(of(&["a"], crossed), "row groups of old overlap in column `a`");
}

#[test]
fn the_user_may_choose() {
    let hashed = Some(Strategy::Hashed);
    let merged = Some(Strategy::Ordered);
    let silent = Sides { old: Footer::Statistics, new: Footer::Silent };
    let overlap: &[&[i64]] = &[&[1, 3], &[2, 4]];
    let sides = |matching: Matching, old, new| matching.files(Sides { old: one_file(old), new: one_file(new) });
    assert_eq!(chosen_for(&sides(by_id(), SORTED, SORTED), hashed), "as requested");
    assert_eq!(chosen_for(&sides(by_id(), SORTED, SORTED), merged), MERGED);
    // an order is read as it is, without cuts, even where it looks wrong
    let seven = Matching { threads: 7, ..by_id() };
    for pair in [
        sides(seven, overlap, SORTED),
        sides(seven, SORTED, overlap),
        sides(seven, &[&[2, 1]], SORTED),
        sides(Matching { footers: silent, ..seven }, SORTED, SORTED),
    ] {
        assert_eq!(chosen_for(&pair, hashed), "as requested");
        let Plan::Ordered { ranges, layouts } =
            Plan::choose(&pair.engine, &pair.snapshots, &pair.pairing, merged).unwrap()
        else {
            panic!("the user chose to merge")
        };
        for side in Side::BOTH {
            let read = ranges.iter().flat_map(|range| layouts[side].reads(range).unwrap());
            let row_groups: Vec<usize> = read.flat_map(|read| read.row_groups).collect();
            assert_eq!(row_groups, (0..pair.snapshots[side].row_groups().count()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn ranges_are_cut_for_the_threads_that_memory_allows() {
    let groups: Vec<RecordBatch> = (0..64).map(|group| ids(group * 100..group * 100 + 100)).collect();
    let ranges = |threads| {
        let files = Sides { old: vec![groups.clone()], new: vec![groups.clone()] };
        let pair = Matching { threads, ..by_id() }.files(files);
        assert_eq!(pair.engine.threads(), threads);
        match Plan::choose(&pair.engine, &pair.snapshots, &pair.pairing, None).unwrap() {
            Plan::Ordered { ranges, .. } => ranges.len(),
            Plan::Hashed { reason } => panic!("{reason}"),
        }
    };
    let [one, two, seven] = [1, 2, 7].map(ranges);
    assert_eq!(one, 1);
    // enough for every worker to come back for more
    assert!(two >= 2 * 3 && seven >= 7 * 3 && seven > two, "{two}, {seven}");
}

#[test]
fn an_inspection_describes_the_row_groups() {
    let of = |footer: Footer, old: Files| {
        let footers = Sides { old: footer, new: Footer::Statistics };
        let pair = Matching { footers, ..by_id() }.files(Sides { old, new: one_file(SORTED) });
        Ranges::of(&pair.snapshots.old, Some(&pair.pairing.columns[0])).unwrap()
    };
    assert_eq!(of(Footer::Statistics, one_file(&[&[3, 1, 2]])), Ranges::OneRowGroup);
    assert_eq!(of(Footer::Silent, files(&[&[], &[1, 2], &[]])), Ranges::OneRowGroup);
    assert_eq!(of(Footer::Statistics, one_file(SORTED)), Ranges::Ascend);
    assert_eq!(of(Footer::Statistics, one_file(&[&[1, 3], &[2, 4]])), Ranges::Overlap);
    assert_eq!(of(Footer::DeclaresOrder, one_file(SORTED)), Ranges::Declared);
    assert_eq!(of(Footer::Silent, one_file(SORTED)), Ranges::Unknown);
    let pair = by_id().files(Sides { old: one_file(SORTED), new: one_file(SORTED) });
    assert_eq!(Ranges::of(&pair.snapshots.old, None).unwrap(), Ranges::Unknown);
}
