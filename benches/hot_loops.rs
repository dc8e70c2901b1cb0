//! The loops that every cell goes through, over one batch of 8,192 rows of mixed columns.
//!
//! `cargo bench --bench hot_loops` measures them; `cargo test` runs each once, so that they cannot rot.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringViewArray};
use arrow::datatypes::Field;
use countersign::sides::{Side, Sides};
use countersign::testing::order::{equal_rows, fast_equal, key_runs};
use countersign::testing::row_hash::RowHasher;
use countersign::testing::{Domain, canonical};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: i64 = 8192;

/// A key, a number, a decimal, a day, a short text and a long one.
fn columns() -> Vec<ArrayRef> {
    let scattered = |row: i64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
    let long = |row: i64| Some(format!("a comment of some length, as people write them: {}", scattered(row)));
    vec![
        Arc::new(Int64Array::from_iter_values(0..ROWS)),
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(scattered))),
        Arc::new(Decimal128Array::from_iter_values((0..ROWS).map(|row| i128::from(scattered(row)) % 1_000_000))),
        Arc::new(Date32Array::from_iter_values((0..ROWS).map(|row| scattered(row) as i32 % 20_000))),
        Arc::new((0..ROWS).map(|row| Some(["RAIL", "TRUCK", "MAIL"][row as usize % 3])).collect::<StringViewArray>()),
        Arc::new((0..ROWS).map(long).collect::<StringViewArray>()),
    ]
}

fn domain(array: &ArrayRef) -> Domain {
    let field = Field::new("column", array.data_type().clone(), true);
    let fields = Sides { old: &field, new: &field };
    Domain::of("column", fields, &mut |_| false, &mut Default::default()).unwrap_or(Domain::Null)
}

fn settled(columns: &[ArrayRef]) -> Vec<ArrayRef> {
    let settle = |column: &ArrayRef| canonical(column, &domain(column), Side::Old);
    columns.iter().map(settle).collect::<Result<_, _>>().unwrap_or_default()
}

fn hot_loops(criterion: &mut Criterion) {
    let raw = columns();
    let (old, new) = (settled(&raw), settled(&columns()));
    assert_eq!(old.len(), raw.len(), "every column has a canonical form");
    let mut group = criterion.benchmark_group("a batch of six columns");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("canonical forms", |bencher| bencher.iter(|| settled(black_box(&raw))));
    group.bench_function("row hash", |bencher| {
        let (Ok(hasher), mut hashes) = (RowHasher::new(64), vec![]) else { return };
        bencher.iter(|| hasher.hash(&old[..1], black_box(&old[1..]), &mut hashes));
    });
    group.bench_function("a quick look at equal slices", |bencher| {
        bencher.iter(|| {
            assert!(old.iter().zip(black_box(&new)).all(|(old, new)| fast_equal((old, 0), (new, 0), old.len())))
        });
    });
    group.bench_function("an answer for every row", |bencher| {
        bencher.iter(|| old.iter().zip(black_box(&new)).map(|(old, new)| equal_rows(old, new)).collect::<Vec<_>>());
    });
    group.bench_function("the order of the key", |bencher| bencher.iter(|| key_runs(black_box(&old[..1]))));
    group.finish();
}

criterion_group!(benches, hot_loops);
criterion_main!(benches);
