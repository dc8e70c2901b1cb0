//! Files of another writer: pyarrow rewrites a generated file or writes a file itself.

use std::fs::File;

use arrow::ipc::reader::FileReader;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::generator::Table;
use super::generator::random::Random;
use super::generator::write::write;
use super::oracle::Oracle;
use super::{answer, comparison, for_seeds};
use countersign::job::Setting;
use countersign::report::Verdict;

/// `Err` unless the sides match in all rows.
fn matches(trial: &crate::support::Trial, rows: Option<usize>) -> Result<(), String> {
    let report = answer(trial)?;
    let whole = rows.is_none_or(|rows| report.counts().matched == rows as u64);
    match report.verdict {
        Verdict::Match if whole => Ok(()),
        verdict => Err(format!("{verdict:?} {:?}", report.comparison())),
    }
}

#[test]
fn what_pyarrow_writes_once_more_is_equal() {
    let oracle = std::cell::RefCell::new(Oracle::new());
    let refused = std::cell::Cell::new(0);
    for_seeds("rewritten", 120, |seed, shop| {
        let mut random = Random::new(seed ^ 0x5eed_0001);
        let table = Table::draw(&mut random);
        write(&table, &shop.path("old"), &mut random);
        let question = json!({ "ask": "rewrite", "from": shop.path("old"), "to": shop.path("new"), "seed": seed });
        let answered = oracle.borrow_mut().ask(&question);
        if answered["refused"].is_string() {
            refused.set(refused.get() + 1);
            return Ok(());
        }
        let mut trial = comparison(shop, "old", "new", &table.key());
        // pyarrow takes intervals for plain bytes
        trial.job.selection.ignore = Setting::flags("--ignore", &table.incomparable());
        matches(&trial, Some(table.rows.len())).map_err(|said| format!("{said}\n  written with {answered}"))
    });
    assert!(refused.get() < 30, "pyarrow refused {}", refused.get());
}

#[test]
fn what_pyarrow_makes_is_what_it_says_it_made() {
    let oracle = std::cell::RefCell::new(Oracle::new());
    let refused = std::cell::Cell::new(0);
    for_seeds("made", 120, |seed, shop| {
        let question = json!({ "ask": "make", "ipc": shop.path("ipc"), "to": shop.path("old"), "seed": seed });
        let answered = oracle.borrow_mut().ask(&question);
        if answered["refused"].is_string() {
            refused.set(refused.get() + 1);
            return Ok(());
        }
        let ipc = FileReader::try_new(File::open(shop.path("ipc")).unwrap(), None).unwrap();
        let schema = ipc.schema();
        let Ok(batches) = ipc.collect::<Result<Vec<_>, _>>() else {
            // a dictionary without values, for NULL alone, is what the reader of IPC refuses
            refused.set(refused.get() + 1);
            return Ok(());
        };
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
        let file = File::create(shop.path("new")).unwrap();
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        let trial = comparison(shop, "old", "new", &["id"]);
        matches(&trial, None).map_err(|said| format!("{said}\n  written with {answered}"))
    });
    assert!(refused.get() < 15, "pyarrow refused {}", refused.get());
}
