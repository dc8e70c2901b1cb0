//! Threads, batch sizes, memory, file splits, row order, and the strategy do not change a byte of what a run writes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use countersign::{Limits, Out, Strategy};

use crate::support::{Workshop, trial, write_parquet};

const ROWS: i64 = 30_000;

/// Rows with columns of different sizes; `new` has defects in all parts.
fn table(new: bool) -> RecordBatch {
    let mut ids: Vec<i64> = (0..ROWS).filter(|id| if new { id % 97 != 5 } else { id % 89 != 3 }).collect();
    // some keys twice on one side or the other
    ids.extend((0..ROWS).filter(|id| id % if new { 1_009 } else { 1_013 } == 1));
    ids.sort();
    let text = |id: &i64| match id % 7 {
        0 => None,
        _ => Some(format!(
            "value {} of {}",
            if new && id % 501 == 2 { id + 1 } else { *id },
            "x".repeat(*id as usize % 40)
        )),
    };
    let float = |id: &i64| match id % 11 {
        0 => f64::NAN,
        1 if new => -0.0,
        1 => 0.0,
        _ => *id as f64 / 8.0 + if new && id % 733 == 9 { 0.125 } else { 0.0 },
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        ("text", Arc::new(ids.iter().map(text).collect::<StringArray>())),
        ("float", Arc::new(ids.iter().map(float).collect::<Float64Array>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A fixed order that is unrelated to the keys.
fn shuffled(batch: &RecordBatch) -> RecordBatch {
    let rows = batch.num_rows() as u32;
    let places: UInt32Array = (0..rows).map(|row| (u64::from(row) * 7_919 % u64::from(rows)) as u32).collect();
    take_record_batch(batch, &places).unwrap()
}

/// Every file of the run, without the parts that describe the run itself.
fn lasting(dir: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = fs::read(entry.path()).unwrap();
        let until = |marker: &str| String::from_utf8(bytes.clone()).unwrap().split(marker).next().unwrap().to_string();
        let kept = match name.as_str() {
            "manifest.json" => continue,
            "report.json" => {
                let mut report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                report.as_object_mut().unwrap().remove("run");
                report.to_string().into_bytes()
            }
            // the paths and numbers of files also differ from run to run
            "report.txt" => {
                until("\n  way ").split_once("  key").unwrap().1.replace(&dir.display().to_string(), "OUT").into_bytes()
            }
            "report.md" => until("\nRun ").into_bytes(),
            _ => bytes,
        };
        files.insert(name, kept);
    }
    assert_eq!(files.len(), 9, "{:?}", files.keys());
    files
}

#[test]
fn circumstances_change_no_byte() {
    let shop = Workshop::new();
    let (old, new) = (table(false), table(true));
    write_parquet(&shop.path("old"), &old, 4_000);
    write_parquet(&shop.path("new"), &new, 5_000);
    for (side, batch) in [("old", &old), ("new", &new)] {
        for part in 0..5 {
            let (from, to) = (batch.num_rows() * part / 5, batch.num_rows() * (part + 1) / 5);
            // names against the order of the keys
            write_parquet(&shop.path(&format!("split/{side}/{}", 9 - part)), &batch.slice(from, to - from), 1_700);
        }
        write_parquet(&shop.path(&format!("shuffled/{side}")), &shuffled(batch), 2_500);
    }
    let base = Limits { threads: 2, ..Limits::default() };
    let variants = [
        ("", None, base.clone(), "ordered"),
        ("", Some(Strategy::Hashed), base.clone(), "hashed"),
        ("", Some(Strategy::Ordered), Limits { threads: 7, batch_rows: 100, ..base.clone() }, "ordered"),
        ("", Some(Strategy::Hashed), Limits { threads: 1, batch_rows: 1_000, ..base.clone() }, "hashed"),
        ("", Some(Strategy::Hashed), Limits { threads: 7, batch_rows: 77, ..base.clone() }, "hashed"),
        ("", Some(Strategy::Hashed), Limits { working: Some(32 << 20), ..base.clone() }, "hashed"),
        ("", Some(Strategy::Hashed), Limits { key_hash_bits: 4, working: Some(32 << 20), ..base.clone() }, "hashed"),
        ("split/", None, base.clone(), "ordered"),
        ("split/", None, Limits { threads: 7, ..base.clone() }, "ordered"),
        ("split/", Some(Strategy::Hashed), Limits { threads: 7, ..base.clone() }, "hashed"),
        ("shuffled/", None, base.clone(), "hashed"),
        ("shuffled/", Some(Strategy::Ordered), base.clone(), "hashed"),
    ];
    for key in [&["id"] as &[&str], &[]] {
        let mut first = None;
        for (number, (place, way, limits, took)) in variants.iter().enumerate() {
            let mut trial = trial(&shop, key);
            for source in [&mut trial.job.sources.old, &mut trial.job.sources.new] {
                let path = &mut source.path.text;
                *path = path.replace("/old", &format!("/{place}old")).replace("/new", &format!("/{place}new"));
            }
            trial.options.strategy = *way;
            trial.options.limits = limits.clone();
            trial.options.out = Some(Out::At(shop.path(&format!("run-{}-{number}", key.len()))));
            let report = trial.compare().unwrap();
            assert!(report.counts().missing > 0 && report.counts().extra > 0);
            match key {
                [] => assert!(report.run.way_reason.contains(took), "{number}: {}", report.run.way_reason),
                _ => assert_eq!(
                    serde_json::to_value(report.run.way).unwrap(),
                    *took,
                    "{number}: {}",
                    report.run.way_reason
                ),
            }
            let files = lasting(&trial.options.out.unwrap().of_run(""));
            let first = first.get_or_insert_with(|| files.clone());
            for (name, bytes) in &files {
                assert!(
                    first[name] == *bytes,
                    "variant {number} differs in {name}\n{}\n\n{}",
                    String::from_utf8_lossy(&first[name]),
                    String::from_utf8_lossy(bytes)
                );
            }
        }
    }
}

/// More rows than the minimum memory can hold, so that entries are spilled and read back.
#[test]
fn spilling_changes_no_byte() {
    let shop = Workshop::new();
    let side = |shift: i64| {
        let ids: ArrayRef =
            Arc::new((0..1_000_000).map(|id| id * 3 + i64::from(id % 1_000 == 7) * shift).collect::<Int64Array>());
        let values: ArrayRef =
            Arc::new((0..1_000_000).map(|id| if id % 5_000 == 8 { shift } else { id }).collect::<Int64Array>());
        RecordBatch::try_from_iter([("id", ids), ("value", values)]).unwrap()
    };
    write_parquet(&shop.path("old"), &side(1), 100_000);
    write_parquet(&shop.path("new"), &shuffled(&side(2)), 100_000);
    let mut files = vec![];
    for (working, spills) in [(4 << 30, false), (32 << 20, true)] {
        let mut trial = trial(&shop, &["id"]);
        trial.options.limits.working = Some(working);
        trial.options.out = Some(Out::At(shop.path(&format!("run-{working}"))));
        let report = trial.compare().unwrap();
        assert_eq!(report.run.spilled_bytes > 0, spills);
        assert_eq!((report.counts().missing, report.counts().extra, report.counts().mismatch), (1_000, 1_000, 200));
        files.push(lasting(&trial.options.out.unwrap().of_run("")));
    }
    assert!(files[0] == files[1]);
}
