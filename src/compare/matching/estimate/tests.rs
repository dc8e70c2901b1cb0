use super::*;
use crate::compare::matching::test_pair::{Matching, ids};
use crate::runtime::options::Limits;

fn estimate(working: u64, old: u64, new: u64) -> MemoryEstimate {
    let limits = Limits { threads: 2, working: Some(working), ..Limits::default() };
    let division = Demand::default().divide(&limits).unwrap();
    MemoryEstimate::of(&division, limits.memory, Sides { old, new })
}

const WORKING: u64 = 700 << 20;

#[test]
fn a_merge_join_takes_the_same_memory_for_any_number_of_rows() {
    let [none, many] = [0, 1 << 40].map(|rows| estimate(WORKING, rows, rows));
    assert_eq!((none.ordered_bytes, none.threads, none.limit_bytes), (many.ordered_bytes, 2, 4 << 30));
    assert_eq!((none.hashed_bytes, none.hashed_spilled_bytes), (none.ordered_bytes, 0));
}

#[test]
fn a_hash_join_holds_the_side_with_fewer_rows() {
    let [one_way, other_way] =
        [(1_000_000, 1 << 40), (1 << 40, 1_000_000)].map(|(old, new)| estimate(WORKING, old, new));
    assert_eq!(one_way, other_way);
    assert_eq!(one_way.hashed_spilled_bytes, 0);
    let of_a_row = (one_way.hashed_bytes - one_way.ordered_bytes) as f64 / 1e6;
    assert!((40.0..48.0).contains(&of_a_row), "{of_a_row}");
}

/// 700 MiB have room for 400 MiB of entries, at 32 bytes each.
#[test]
fn a_side_with_one_row_too_many_spills_both() {
    let room = (400 << 20) / 32;
    let fits = estimate(WORKING, room, room);
    assert_eq!(fits.hashed_spilled_bytes, 0);
    assert!(fits.hashed_bytes <= fits.ordered_bytes + WORKING);
    let spills = estimate(WORKING, room + 1, room + 1);
    assert_eq!(spills.hashed_bytes, spills.ordered_bytes + WORKING);
    // a quarter of the memory is for joining the partitions; the rest holds entries
    assert_eq!(spills.hashed_spilled_bytes, 2 * 32 * (room + 1) - (525 << 20));
    let larger = estimate(WORKING, room + 1, 4 * room);
    assert!(larger.hashed_spilled_bytes > spills.hashed_spilled_bytes);
}

#[test]
fn an_obstacle_is_the_reason_why_the_planner_would_hash() {
    let of = |old: &[&[i64]]| {
        let old = vec![old.iter().map(|keys| ids(keys.iter().copied())).collect()];
        let pair = Matching::by(&["id"]).files(Sides { old, new: vec![vec![ids([1, 2])]] });
        obstacle(&pair.engine, &pair.snapshots, &pair.pairing).unwrap()
    };
    assert_eq!(of(&[&[1, 2], &[3]]), None);
    assert_eq!(of(&[&[1, 3], &[2]]), Some(Obstacle::Overlap("id".into())));
    assert_eq!(of(&[&[2, 1]]), Some(Obstacle::OutOfOrder));
}

#[test]
fn reading_takes_the_memory_of_both_sides() {
    let pair = |old: i64, new: i64| {
        let file = |rows: i64| vec![vec![ids(0..rows)]];
        Matching::by(&["id"]).files(Sides { old: file(old), new: file(new) })
    };
    let of = |old, new| {
        let pair = pair(old, new);
        demand(&pair.snapshots, &pair.pairing)
    };
    let (one_way, other_way) = (of(10, 5_000), of(5_000, 10));
    assert_eq!((one_way, one_way.rows), (other_way, 5_000));
    let (small, large) = (of(10, 10), of(5_000, 5_000));
    assert_eq!(one_way.footer_bytes * 2, small.footer_bytes + large.footer_bytes);
    assert_eq!(one_way.page_bytes * 2, small.page_bytes + large.page_bytes);
    assert_eq!(one_way.row_bytes * 2, small.row_bytes + large.row_bytes);
    assert!(small.row_bytes > 0 && small.page_bytes > 0 && small.footer_bytes > 0);
}
