use std::collections::HashMap;
use std::sync::{Barrier, Mutex};

use proptest::prelude::*;

use super::*;
use crate::compare::discrepancy::{Tier, Tiers};

/// A row without tags.
type Row = HashedRow<{ partitions::WIDTH }>;

const BUILD: usize = 0;
const PROBE: usize = 1;

/// A row of one side: chunk 0 is the build side, and every other chunk the probe side.
fn row(chunk: usize, at: usize, key: u64, value: u64) -> Row {
    Row::new([value, !value], key, RowAddress::new(chunk, at, Tier::Exact))
}

/// Numbers the rows of a side, which are given as key hash and value.
fn side(chunk: usize, rows: &[(u64, u64)]) -> Vec<Row> {
    rows.iter().enumerate().map(|(at, &(key, value))| row(chunk, at, key, value)).collect()
}

/// Chunk and row.
type Place = (usize, usize);

fn place(address: RowAddress) -> Place {
    (address.chunk(), address.row_in_chunk())
}

/// The number of settled pairs, and the unresolved rows, each as often as it was reported.
fn met(build: Vec<Row>, probe: &[Row]) -> (u64, Vec<Place>) {
    let table = BuildTable::of(build);
    let mut open: Vec<Place> = vec![];
    open.extend(probe.iter().filter(|row| !table.probe(row)).map(|row| place(row.address())));
    let settled = table.finish(&Tags::default(), |address| open.push(place(address)));
    open.sort_unstable();
    (settled.tiers.total(), open)
}

fn met_rows(build: &[(u64, u64)], probe: &[(u64, u64)]) -> (u64, Vec<Place>) {
    met(side(BUILD, build), &side(PROBE, probe))
}

#[test]
fn an_empty_table_settles_nothing() {
    assert_eq!(met_rows(&[], &[]), (0, vec![]));
    assert_eq!(met_rows(&[], &[(0, 1), (u64::MAX, 2)]), (0, vec![(PROBE, 0), (PROBE, 1)]));
}

#[test]
fn two_equal_rows_settle_each_other() {
    for key in [0, 1, 1 << 63, u64::MAX] {
        assert_eq!(met_rows(&[(key, 5)], &[(key, 5)]), (1, vec![]), "{key}");
    }
}

#[test]
fn a_row_that_is_not_probed_is_left_over_once() {
    assert_eq!(met_rows(&[(1, 5), (2, 6), (3, 7)], &[(2, 6)]), (1, vec![(BUILD, 0), (BUILD, 2)]));
    assert_eq!(met_rows(&[(7, 5), (7, 5)], &[]), (0, vec![(BUILD, 0), (BUILD, 1)]));
}

/// Both halves of the row hash count.
#[test]
fn a_different_row_hash_leaves_both_rows_open() {
    let both = vec![(BUILD, 0), (PROBE, 0)];
    for other in [[5, 1], [1, !5], [!5, 5]] {
        let probe = Row::new(other, 9, RowAddress::new(PROBE, 0, Tier::Exact));
        assert_eq!(met(side(BUILD, &[(9, 5)]), &[probe]), (0, both.clone()), "{other:?}");
    }
}

#[test]
fn a_key_that_repeats_in_the_build_side_settles_nothing() {
    // not even where only one of its rows is equal to the probe row
    for second in [5, 6] {
        let open = vec![(BUILD, 0), (BUILD, 1), (PROBE, 0)];
        assert_eq!(met_rows(&[(9, 5), (9, second)], &[(9, 5)]), (0, open));
    }
    let open = vec![(BUILD, 0), (BUILD, 1), (BUILD, 3), (PROBE, 0), (PROBE, 1)];
    assert_eq!(met_rows(&[(9, 5), (9, 5), (8, 1), (9, 5)], &[(9, 5), (9, 5), (8, 1)]), (1, open));
}

/// The probe row that settled the build row was not reported when it was probed, so it must be reported at the end.
#[test]
fn a_second_probe_row_takes_back_what_the_first_settled() {
    let all = vec![(BUILD, 0), (PROBE, 0), (PROBE, 1)];
    assert_eq!(met_rows(&[(9, 5)], &[(9, 5), (9, 5)]), (0, all.clone()));
    assert_eq!(met_rows(&[(9, 5)], &[(9, 5), (9, 6)]), (0, all.clone()));
    assert_eq!(met_rows(&[(9, 5)], &[(9, 6), (9, 5)]), (0, all));
    let table = BuildTable::of(side(BUILD, &[(9, 5)]));
    let settled = side(PROBE, &[(9, 5), (9, 5), (9, 5)]).iter().map(|row| table.probe(row)).collect::<Vec<_>>();
    assert_eq!(settled, [true, false, false]);
}

/// Buckets are chosen by the lowest bits, and searched row by row or by halves, depending on their size.
#[test]
fn keys_that_share_a_bucket_are_kept_apart() {
    for rows in 1..40 {
        let keys: Vec<u64> = (0..rows).map(|at| (at * 2 + 1) << 40).collect();
        let build: Vec<(u64, u64)> = keys.iter().rev().map(|&key| (key, key)).collect();
        let equal: Vec<(u64, u64)> = keys.iter().map(|&key| (key, key)).collect();
        assert_eq!(met_rows(&build, &equal), (rows, vec![]), "{rows}");
        // below, between, and above the keys of the same bucket
        let absent: Vec<(u64, u64)> = (0..=rows).map(|at| ((at * 2) << 40, 0)).collect();
        let (settled, open) = met_rows(&build, &absent);
        assert_eq!((settled, open.len() as u64), (0, rows + absent.len() as u64));
        // the whole bucket is one key
        let repeated = vec![(7, 7); rows as usize];
        let (settled, open) = met_rows(&repeated, &[(7, 7), (7 << 32, 7)]);
        assert_eq!((settled, open.len() as u64), if rows == 1 { (1, 1) } else { (0, rows + 2) });
    }
}

#[test]
fn keys_that_differ_in_one_bit_are_different_keys() {
    let keys: Vec<(u64, u64)> = (0..64).map(|bit| (1 << bit, bit)).chain([(0, 64), (u64::MAX, 65)]).collect();
    assert_eq!(met_rows(&keys, &keys), (66, vec![]));
    for lost in 0..keys.len() {
        let mut others = keys.clone();
        let absent = others.remove(lost);
        assert_eq!(met_rows(&others, &[absent]).1.len(), others.len() + 1, "{absent:?}");
    }
}

#[test]
fn a_pair_has_the_worse_tier_of_its_rows() {
    let tiers = |build: Tier, probe: Tier| {
        let of = |tier, chunk| Row::new([1, !1], 1, RowAddress::new(chunk, 3, tier));
        let table = BuildTable::of(vec![of(build, BUILD)]);
        assert!(table.probe(&of(probe, PROBE)));
        table.finish(&Tags::default(), |_| panic!("nothing is open")).tiers
    };
    assert_eq!(tiers(Tier::Exact, Tier::Exact), Tiers { exact: 1, ..Tiers::default() });
    for (build, probe) in [(Tier::ByRule, Tier::Exact), (Tier::Exact, Tier::ByRule)] {
        assert_eq!(tiers(build, probe), Tiers { by_rule: 1, ..Tiers::default() });
    }
    assert_eq!(tiers(Tier::Exact, Tier::ByReading), Tiers { by_reading: 1, ..Tiers::default() });
}

/// The unresolved rows are read again by their addresses, so flags must not leak into them.
#[test]
fn the_largest_addresses_survive() {
    let (chunk, last) = ((1 << 28) - 1, u32::MAX as usize);
    let build = Row::new([1, !1], 1, RowAddress::new(chunk, last, Tier::Tolerated));
    let probe = |at| Row::new([1, !1], 1, RowAddress::new(chunk - 1, at, Tier::ByRule));
    let (settled, open) = met(vec![build], &[probe(last), probe(0)]);
    assert_eq!((settled, open), (0, vec![(chunk - 1, 0), (chunk - 1, last), (chunk, last)]));
}

#[test]
fn many_rows_are_probed_in_their_partitions() {
    let partitions = 16;
    let key = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let build: Vec<Row> = (0..1_000).map(|at| row(BUILD, at as usize, key(at), at)).collect();
    // every third row differs, and the last hundred are not in the build side
    let value = |at: u64| if at.is_multiple_of(3) { at + 1 } else { at };
    let probe: Vec<Row> = (0..1_100).map(|at| row(PROBE, at as usize, key(at), value(at))).collect();
    let tables: Vec<BuildTable<{ partitions::WIDTH }>> = (0..partitions)
        .map(|partition| {
            let own = build.iter().filter(|row| partition_of(row.key(), partitions) == partition);
            BuildTable::of(own.copied().collect())
        })
        .collect();
    let open = probe_all(&tables, &probe);
    let expected: Vec<bool> = (0..1_100).map(|at: u64| at >= 1_000 || at.is_multiple_of(3)).collect();
    assert_eq!(open.iter().collect::<Vec<_>>(), expected);
    let mut left = vec![];
    let settled: u64 = tables
        .iter()
        .map(|table| table.finish(&Tags::default(), |address| left.push(address.row_in_chunk())).tiers.total())
        .sum();
    left.sort_unstable();
    assert_eq!(settled, 666);
    assert_eq!(left, (0..1_000).step_by(3).collect::<Vec<usize>>());
    assert_eq!(probe_all(&tables, &[]).len(), 0);
}

/// Whichever thread comes first, each row is settled or reported, and never both.
#[test]
fn threads_that_probe_the_same_rows_lose_none() {
    let (rows, threads) = (50_000, 3);
    let key = |at: usize| at as u64;
    let table = BuildTable::of((0..rows).map(|at| row(BUILD, at, key(at), 1)).collect());
    let begin = Barrier::new(threads);
    let open = Mutex::new(vec![]);
    // each thread leaves out other keys, so a key is probed by all threads or by all but one
    let probes = |thread: usize, at: &usize| at % 16 != thread;
    std::thread::scope(|scope| {
        for thread in 1..=threads {
            let (table, open, begin) = (&table, &open, &begin);
            scope.spawn(move || {
                let probed: Vec<Row> =
                    (0..rows).filter(|at| probes(thread, at)).map(|at| row(thread, at, key(at), 1)).collect();
                begin.wait();
                let settled: Vec<bool> = probed.iter().map(|row| table.probe(row)).collect();
                let unsettled = probed.iter().zip(settled).filter(|(_, settled)| !settled);
                open.lock().unwrap().extend(unsettled.map(|(row, _)| place(row.address())));
            });
        }
    });
    let mut open = open.into_inner().unwrap();
    assert_eq!(table.finish(&Tags::default(), |address| open.push(place(address))).tiers.total(), 0);
    open.sort_unstable();
    let rows_of = |chunk| (0..rows).filter(move |at| chunk == BUILD || probes(chunk, at)).map(move |at| (chunk, at));
    assert!(open == (0..=threads).flat_map(rows_of).collect::<Vec<_>>());
}

#[test]
fn the_estimated_bytes_are_those_of_the_table() {
    for rows in [1_000, 4_096, 70_000] {
        let table = BuildTable::of((0..rows).map(|at| row(BUILD, at as usize, at, at)).collect());
        let BuildTable { entries, starts, states, .. } = &table;
        let taken = size_of_val(&entries[..]) + size_of_val(&starts[..]) + size_of_val(&states[..]);
        let estimated = bytes_of(rows, partitions::WIDTH);
        assert!(estimated.abs_diff(taken as u64) * 20 < estimated, "{rows}: {estimated}, {taken}");
    }
    assert_eq!(bytes_of(0, partitions::WIDTH), 0);
    assert_eq!(bytes_of(u64::MAX, partitions::WIDTH), u64::MAX);
}

/// Two rows are settled if they are the only ones with their key, one on each side, and equal. Everything else is open.
fn model(build: &[(u64, u64)], probe: &[(u64, u64)]) -> (u64, Vec<Place>) {
    let mut by_key: HashMap<u64, [Vec<(usize, u64)>; 2]> = HashMap::new();
    for (chunk, rows) in [build, probe].into_iter().enumerate() {
        for (at, &(key, value)) in rows.iter().enumerate() {
            by_key.entry(key).or_default()[chunk].push((at, value));
        }
    }
    let (mut settled, mut open) = (0, vec![]);
    for sides in by_key.values() {
        match (&sides[BUILD][..], &sides[PROBE][..]) {
            ([(_, old)], [(_, new)]) if old == new => settled += 1,
            _ => (0..2).for_each(|chunk| open.extend(sides[chunk].iter().map(|(at, _)| (chunk, *at)))),
        }
    }
    open.sort_unstable();
    (settled, open)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_meet_as_in_a_map(
        build in prop::collection::vec((0_u64..24, 0_u64..3), 0..60),
        probe in prop::collection::vec((0_u64..24, 0_u64..3), 0..60),
        shift in prop::sample::select(vec![0, 1, 5, 31, 32, 59]),
    ) {
        // shifted keys share their lowest bits, and so their bucket
        let shifted = |rows: &[(u64, u64)]| rows.iter().map(|(key, value)| (key << shift, *value)).collect::<Vec<_>>();
        let (build, probe) = (shifted(&build), shifted(&probe));
        prop_assert_eq!(met_rows(&build, &probe), model(&build, &probe));
    }
}

/// A settled pair counts by the tags that differ, in whatever order its rows came.
#[test]
fn a_settled_pair_keeps_which_tags_differ() {
    // the first column has one rule and one tag, the second two rules and three tags
    let tags = Tags::of_columns([(1, vec![0]), (2, vec![0, 1])]);
    assert_eq!(tags.count(), 4);
    let row = |chunk: usize, at: usize, tags: [u64; 4]| {
        let mut row = HashedRow::<{ partitions::WIDTH + 4 }>::new(
            [at as u64; 2],
            at as u64,
            RowAddress::new(chunk, at, Tier::Exact),
        );
        row.tags_mut().copy_from_slice(&tags);
        row
    };
    let probed = [[7, 7, 7, 7], [8, 7, 7, 7], [7, 8, 8, 7], [7, 8, 7, 7], [8, 8, 8, 8], [7, 7, 8, 8]];
    let build = (0..probed.len()).rev().map(|at| row(BUILD, at, [7; 4])).collect();
    let table = BuildTable::of(build);
    let open = probed.iter().enumerate().filter(|(at, tags)| !table.probe(&row(PROBE, *at, **tags)));
    assert_eq!(open.count(), 0);
    let settled = table.finish(&tags, |_| panic!("nothing is open"));
    // tags beside the first one mean nothing if the cells are equal as read
    assert_eq!((settled.tiers.exact, settled.tiers.by_rule), (2, 4));
    let counts = |column: usize| settled.of_column(column);
    assert_eq!(counts(0), (2, 0, vec![2]));
    assert_eq!(counts(1), (3, 1, vec![2, 1]));
}
