//! Compares the results of pyarrow and countersign for the same files.
//!
//! [`generator`] writes tables in all forms of the format, each from a seed; `oracle.py` reads them with pyarrow and
//! compares them by the definition of equality; the drawn values are the third opinion. All three must agree.
//! `COUNTERSIGN_SEEDS=2000` runs more than the usual number of seeds, and `COUNTERSIGN_SEED=17` runs one; the files of
//! failures are kept in the directory `COUNTERSIGN_KEEP`.

mod changed;
mod damaged;
mod generator;
mod oracle;
mod rewritten;
mod ways;

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use countersign::job::{Identity, Job, Origin, Setting, Source};
use countersign::report::Report;
use countersign::sides::Sides;
use countersign::{Limits, Options, Out, Strategy};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use self::generator::{Expected, ROW};
use crate::support::{Trial, Workshop};

/// Runs a test for every seed, and reports all failures.
fn for_seeds(test: &str, usual: u64, run: impl Fn(u64, &Workshop) -> Result<(), String>) {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let seeds = match number("COUNTERSIGN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("COUNTERSIGN_SEEDS").map_or(usual, |seeds| seeds.max(usual)),
    };
    let mut wrong = vec![];
    for seed in seeds.clone() {
        // a panic is a finding as well, and the seeds behind it are worth a look
        let shop = Workshop::new();
        let result = catch_unwind(AssertUnwindSafe(|| run(seed, &shop)));
        let result = result.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Err(format!("panicked: {}", text.unwrap_or_else(|| format!("{panic:?}"))))
        });
        if let Err(said) = result {
            if let Some(keep) = std::env::var_os("COUNTERSIGN_KEEP") {
                keep_files(&shop, &Path::new(&keep).join(format!("{test}-{seed}")));
            }
            wrong.push(format!("seed {seed}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{test}: {} of {seeds:?} are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Keeps the inputs of a comparison, without its run directories.
fn keep_files(shop: &Workshop, keep: &Path) {
    std::fs::create_dir_all(keep).unwrap();
    for name in shop.names("").into_iter().filter(|name| !name.starts_with("run ")) {
        let inside = shop.names(&name);
        let files =
            if inside.is_empty() { vec![name] } else { inside.iter().map(|file| format!("{name}/{file}")).collect() };
        for file in files {
            let kept = file.replace('/', "-");
            std::fs::copy(shop.path(&file), keep.join(format!("{}.parquet", kept.trim_end_matches(".parquet"))))
                .unwrap();
        }
    }
}

fn comparison(shop: &Workshop, old: &str, new: &str, key: &[&str]) -> Trial {
    let source = |name: &str| Source {
        allow_empty: true,
        ..Source::of(Setting { text: shop.path(name).display().to_string(), origin: Origin::Flag("PATH") })
    };
    let key = Setting::flags("--key", &key.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    Trial {
        job: Job::new("test", Sides { old: source(old), new: source(new) }, Identity::Key(key)),
        options: Options { limits: Limits { threads: 2, batch_rows: 64, ..Limits::default() }, ..Options::default() },
    }
}

/// The result of a comparison, or its error message; a comparison that takes longer than two minutes hangs.
fn answer(trial: &Trial) -> Result<Report, String> {
    let (sender, receiver) = mpsc::channel();
    let trial = trial.clone();
    let worker = std::thread::spawn(move || {
        let _ = sender.send(trial.compare().map_err(|error| error.to_string()));
    });
    match receiver.recv_timeout(Duration::from_secs(120)) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(worker.join().unwrap_err()),
    }
}

/// Describes the result in the same terms as the expectation.
fn found(report: &Report, out: Option<&Path>) -> Expected {
    let numbers = |count: u64| vec![0; count as usize];
    let mut found = Expected {
        matched: report.counts().matched,
        mismatch: numbers(report.counts().mismatch),
        missing: numbers(report.counts().missing),
        extra: numbers(report.counts().extra),
        by_column: report
            .comparison()
            .unwrap()
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.mismatches))
            .collect(),
    };
    if let Some(out) = out {
        let listed = listed(&out.join("discrepancies.parquet"));
        for (class, rows) in
            [("mismatch", &mut found.mismatch), ("missing", &mut found.missing), ("extra", &mut found.extra)]
        {
            let listed = listed.get(class).cloned().unwrap_or_default();
            assert_eq!(rows.len(), listed.len(), "{class} in the report and in the list");
            *rows = listed;
        }
    }
    found
}

/// The rows of each class in a table of discrepancies.
fn listed(path: &Path) -> BTreeMap<String, Vec<i64>> {
    let mut rows: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let classes = arrow::compute::cast(&batch["class"], &arrow::datatypes::DataType::Utf8).unwrap();
        for (at, class) in classes.as_string::<i32>().iter().enumerate() {
            let class = class.unwrap();
            let side = batch[if class == "extra" { "new" } else { "old" }].as_struct();
            let row = side.column_by_name(ROW).unwrap().as_primitive::<Int64Type>().value(at);
            rows.entry(class.to_string()).or_default().push(row);
        }
    }
    rows.values_mut().for_each(|rows| rows.sort_unstable());
    rows
}

/// The result of pyarrow for two files.
enum Told {
    /// It cannot read one of them.
    Refused(String),
    /// Columns with this name are not comparable.
    Apart(String),
    /// It compared them, except for columns that only one of them has.
    Compared { found: Expected, gaps: usize },
}

fn told(answer: &serde_json::Value) -> Told {
    if let Some(refused) = answer["refused"].as_str() {
        return Told::Refused(refused.into());
    }
    if !answer["apart"].is_null() {
        return Told::Apart(answer["apart"].to_string());
    }
    let rows = |class: &str| -> Vec<i64> { serde_json::from_value(answer[class].clone()).unwrap() };
    let found = Expected {
        matched: answer["matched"].as_u64().unwrap(),
        mismatch: rows("mismatch"),
        missing: rows("missing"),
        extra: rows("extra"),
        by_column: serde_json::from_value(answer["by_column"].clone()).unwrap(),
    };
    Told::Compared { found, gaps: answer["gaps"].as_array().unwrap().len() }
}

/// `Err` with both if they differ.
fn same(what: &str, found: &Expected, expected: &Expected) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}\n  found    {found:?}\n  expected {expected:?}")),
    }
}

/// A comparison with each strategy, whose rows are in a run directory.
fn both_ways(trial: &Trial, shop: &Workshop) -> Vec<(String, Trial)> {
    let way = |way: Strategy| {
        let mut trial = trial.clone();
        trial.options.strategy = Some(way);
        trial.options.out = Some(Out::At(shop.path(&format!("run {way}"))));
        (way.to_string(), trial)
    };
    vec![way(Strategy::Ordered), way(Strategy::Hashed)]
}
