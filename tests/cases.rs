//! Compares both snapshots of every folder under `fixtures/cases`, and checks the output against `expected.txt`.
//!
//! `case.toml` contains a description (`about`), the arguments of `diff` (`args`) or the settings of a job to run
//! instead (`job`), and the column types of each side for snapshots that are JSON lines. See `fixtures/README.md`.
//! `UPDATE=1` rewrites `expected.txt`; read the diff before you commit it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow_json::ReaderBuilder;
use serde::Deserialize;

use crate::support::{Workshop, write_parquet};

/// Rows per row group of generated files: few, so that even small cases have several row groups.
const ROW_GROUP_ROWS: usize = 3;

#[derive(Deserialize)]
struct Case {
    #[expect(dead_code, reason = "for the reader of the case")]
    about: String,
    #[serde(default)]
    args: Vec<String>,
    /// The sections of a job file except `[old]` and `[new]`, whose settings are under `old` and `new`.
    job: Option<String>,
    /// Types by side, or by file if a file differs from its side.
    #[serde(flatten)]
    types: BTreeMap<String, toml::Table>,
}

#[test]
fn every_case_comes_out_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(folders.len() > 50, "only {} cases were found", folders.len());
    let failures: Vec<String> = folders.iter().filter_map(|folder| check(folder).err()).collect();
    assert!(failures.is_empty(), "{} cases failed\n\n{}", failures.len(), failures.join("\n\n"));
}

fn check(folder: &Path) -> Result<(), String> {
    let name = folder.file_name().unwrap().to_string_lossy();
    let text = fs::read_to_string(folder.join("case.toml")).map_err(|error| format!("{name}: case.toml: {error}"))?;
    let case: Case = toml::from_str(&text).map_err(|error| format!("{name}: case.toml: {error}"))?;
    let shop = Workshop::new();
    let sides = ["old", "new"].map(|side| build(folder, &case, side, &shop));
    let outcome = |way: &str| outcome(&shop, &case, &sides, way);
    let [planned, ordered, hashed] = ["", "ordered", "hashed"].map(outcome);
    if ordered != hashed || planned != hashed {
        return Err(format!("{name}: the ways disagree\n== ordered\n{ordered}\n== hashed\n{hashed}"));
    }
    // no file may cause one, so none is expected
    if planned.contains("internal error") {
        return Err(format!("{name}: {planned}"));
    }
    let place = folder.join("expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&place, &planned).unwrap();
    }
    match fs::read_to_string(&place) {
        Ok(expected) if expected == planned => Ok(()),
        Ok(expected) => Err(format!("{name}: expected\n{expected}\n{name}: got\n{planned}")),
        Err(_) => Err(format!("{name}: expected.txt is missing; UPDATE=1 writes it. got\n{planned}")),
    }
}

/// Writes one side to the workshop and returns its path.
fn build(folder: &Path, case: &Case, side: &str, shop: &Workshop) -> String {
    for (name, as_parquet) in
        [(format!("{side}.jsonl"), true), (format!("{side}.parquet"), false), (side.to_string(), false)]
    {
        let source = folder.join(&name);
        if source.is_dir() {
            for file in walkdir::WalkDir::new(&source).into_iter().map(|entry| entry.unwrap()) {
                if file.file_type().is_file() {
                    put(folder, case, side, file.path(), shop);
                }
            }
            return name;
        }
        if source.is_file() {
            put(folder, case, side, &source, shop);
            return if as_parquet { format!("{side}.parquet") } else { name };
        }
    }
    panic!("{} has no {side} side", folder.display());
}

fn put(folder: &Path, case: &Case, side: &str, source: &Path, shop: &Workshop) {
    let below = source.strip_prefix(folder).unwrap().to_str().unwrap();
    let Some(stem) = below.strip_suffix(".jsonl") else {
        let target = shop.path(below);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(source, target).unwrap();
        return;
    };
    let types = case.types.get(below).or_else(|| case.types.get(side));
    let types = types.unwrap_or_else(|| panic!("{}: case.toml has no [{side}]", folder.display()));
    let fields: Vec<Field> = types.iter().map(|(name, data_type)| field(name, data_type.as_str().unwrap())).collect();
    let schema = Arc::new(Schema::new(fields));
    // the JSON reader makes no dictionaries, so they are made of what it does make
    let decoded = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, value) => Field::clone(field).with_data_type(value.as_ref().clone()),
        _ => Field::clone(field),
    });
    let decoded = Arc::new(Schema::new(decoded.collect::<Vec<_>>()));
    let mut decoder = ReaderBuilder::new(decoded.clone()).build_decoder().unwrap();
    let fail = |error: ArrowError| -> ! { panic!("{}: {error}", source.display()) };
    decoder.decode(&fs::read(source).unwrap()).unwrap_or_else(|error| fail(error));
    let batch = decoder.flush().unwrap_or_else(|error| fail(error)).unwrap_or_else(|| RecordBatch::new_empty(decoded));
    let columns =
        batch.columns().iter().zip(schema.fields()).map(|(array, field)| cast(array, field.data_type()).unwrap());
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    write_parquet(&shop.path(&format!("{stem}.parquet")), &batch, ROW_GROUP_ROWS);
}

fn field(name: &str, data_type: &str) -> Field {
    let data_type: DataType = data_type.parse().unwrap_or_else(|error| panic!("`{name}` = \"{data_type}\": {error}"));
    Field::new(name, data_type, true)
}

/// The output of a comparison without the parts that change from run to run.
fn outcome(shop: &Workshop, case: &Case, sides: &[String; 2], way: &str) -> String {
    let mut args: Vec<&str> = match &case.job {
        None => vec!["diff", &sides[0], &sides[1], "--quiet", "--out", "runs/case/latest"],
        Some(job) => {
            let [old, new] = sides;
            let old = format!("old.path = {old:?}\n");
            fs::write(shop.path("job.toml"), format!("{old}new.path = {new:?}\njob.name = \"case\"\n{job}")).unwrap();
            vec!["run", "job.toml", "--quiet"]
        }
    };
    args.extend(case.args.iter().map(String::as_str));
    if !way.is_empty() {
        args.extend(["--strategy", way]);
    }
    let output = shop.run(&args);
    let mut out = format!("exit code {}\n", output.status.code().unwrap());
    let stderr = String::from_utf8(output.stderr).unwrap();
    if !stderr.is_empty() {
        out += &format!("\n== stderr\n{stderr}");
        assert_eq!(shop.names("runs"), Vec::<String>::new(), "a failed run left files");
        assert!(output.stdout.is_empty(), "a failed run printed a report");
        return out;
    }
    let run = fs::canonicalize(shop.path("runs/case/latest")).unwrap();
    let id = run.file_name().unwrap().to_str().unwrap();
    let anonymous = |text: String| text.replace(id, "latest").replace("runs/case/latest", "run");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout, fs::read_to_string(run.join("report.txt")).unwrap());
    let (lasting, _) = stdout.split_once("\n  way ").expect("the report ends with the run");
    out += &format!("\n== report.txt\n{}", anonymous(lasting.into()));
    for list in ["mismatch", "missing", "extra", "duplicate_keys", "missing_duplicated"] {
        let content = fs::read_to_string(run.join(format!("{list}.csv"))).unwrap();
        if content.lines().count() > 1 {
            out += &format!("\n== {list}.csv\n{content}");
        }
    }
    fs::remove_dir_all(shop.path("runs")).unwrap();
    out
}
