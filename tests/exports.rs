//! One table, exported by many programs: every pair of exports is equal, and every planted defect is found.
//!
//! `exporters/make.py` writes the table as these programs do, and `exporters/servers.py` has PostgreSQL, MariaDB and SQLite
//! write it. The manifest of each lists the values that a format cannot hold; only these may differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Workshop, python, run};

/// What the scripts below `exporters/` need.
pub(crate) const PACKAGES: [&str; 7] = [
    "pyarrow==26.0.1",
    "duckdb==1.5.5",
    "polars==2.1.0",
    "pandas==3.1.1",
    "fastavro==1.13.1",
    "psycopg[binary]==3.3.9",
    "pymysql==1.2.4",
];

/// The exports of one table.
struct Exports {
    dir: tempfile::TempDir,
    manifest: serde_json::Map<String, Value>,
    defects: Vec<Value>,
}

impl Exports {
    /// Has scripts write the table, or its copy with twelve defects.
    fn write(scripts: &[&str], planted: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for script in scripts {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exporters").join(script);
            let mut command = Command::new(python("exporters", &PACKAGES));
            command.arg(&script).arg(dir.path()).args(["--rows", "120", "--seed", "3"]).args(planted);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{script:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = fs::read_to_string(dir.path().join("manifest.json")).unwrap();
        let mut manifest: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        let defects = manifest.remove("defects").map_or(vec![], |defects| defects.as_array().unwrap().clone());
        // MySQL's escapes with a quote are ambiguous before line breaks
        manifest.retain(|name, _| !name.ends_with("cloudsql-mysql"));
        Exports { dir, manifest, defects }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(self.manifest[name]["path"].as_str().unwrap())
    }

    fn columns(&self, name: &str) -> Vec<&str> {
        self.manifest[name]["columns"].as_array().unwrap().iter().map(|column| column.as_str().unwrap()).collect()
    }

    /// The columns of which some values are lost in a format, in lower case.
    fn lost(&self, name: &str) -> BTreeSet<String> {
        self.manifest[name]["lost"].as_object().unwrap().keys().map(|column| column.to_lowercase()).collect()
    }

    /// The section of a job about one of the exports.
    fn section(&self, side: &str, name: &str) -> String {
        let entry = &self.manifest[name];
        let preset = match (entry["preset"].as_str(), name) {
            (Some("snowflake-parquet"), _) => Some("snowflake"),
            (Some("dms-parquet"), _) => Some("dms"),
            (Some("mongo-json-canonical" | "mongo-json-relaxed"), _) => Some("mongo-json"),
            (Some("dms-csv-op"), _) => Some("dms-csv"),
            (None, "pandas" | "duckdb") => Some(name),
            // whatever wrote Parquet with these, text may stand for other types
            (None, name) if self.path(name).extension().is_some_and(|extension| extension == "parquet") => {
                Some("pandas")
            }
            (preset, _) => preset,
        };
        let mut section = format!("[{side}]\npath = {}\n", json!(self.path(name)));
        if let Some(preset) = preset {
            section += &format!("preset = \"{preset}\"\n");
        }
        if entry["header"] == false {
            section += &format!("columns = {}\n", json!(self.columns(name)));
        }
        section
    }
}

/// The mismatches by column, in lower case, and the IDs that are missing and extra.
#[derive(Debug, Default, PartialEq)]
struct Found {
    mismatches: BTreeMap<String, u64>,
    missing: u64,
    extra: u64,
}

/// Compares an export with one of another, by their ID.
fn compare(shop: &Workshop, old: (&Exports, &str), new: (&Exports, &str)) -> Result<Found, String> {
    let id = |(exports, name): (&Exports, &str)| {
        let columns = exports.columns(name);
        columns.into_iter().find(|column| matches!(column.to_lowercase().as_str(), "id" | "_id")).unwrap().to_string()
    };
    let (old_id, new_id) = (id(old), id(new));
    let named = |wanted: &str| {
        let is_own = |column: &&str| column.to_lowercase() == wanted;
        let shared = old.0.columns(old.1).iter().any(&is_own);
        new.0.columns(new.1).into_iter().find(is_own).filter(|_| shared).map(str::to_string)
    };
    let mut job = old.0.section("old", old.1) + &new.0.section("new", new.1);
    job += &format!("[compare]\nkey = [\"{new_id}\"]\n");
    if old_id != new_id {
        job += &format!("[compare.columns.{new_id}]\nold = \"{old_id}\"\n");
    }
    // a 32-bit float as text does not say so, and some programs print the double that is next to it
    if let Some(ratio) = named("ratio") {
        job += &format!("[compare.columns.{ratio}]\ntype = \"float32\"\n");
    }
    // the zone of the connection, which OUTFILE and pandas do not write
    let is_unzoned = |name: &str| name.contains("outfile") || name.contains("mariadb") || name.contains("sqlite");
    if let Some(updated) = named("updated").filter(|_| is_unzoned(old.1) || is_unzoned(new.1)) {
        job += &format!("[compare.columns.{updated}]\nassume_tz = \"UTC\"\n");
    }
    fs::write(shop.path("job.toml"), &job).unwrap();
    let (_, out, err) = run(shop, &["run", "job.toml", "--quiet", "--format", "json", "--out", "runs"]);
    let _ = fs::remove_dir_all(shop.path("runs"));
    let report: Value = serde_json::from_str(&out).map_err(|_| format!("{err}\n{job}"))?;
    let report = if report.is_array() { report[0].clone() } else { report };
    if let Some(error) = report["error"].as_str() {
        return Err(format!("{error}\n{job}"));
    }
    let mismatches = report["columns"].as_array().unwrap().iter().filter(|column| column["mismatches"] != 0);
    let count = |class: &str| report["counts"][class].as_u64().unwrap();
    Ok(Found {
        mismatches: mismatches
            .map(|column| (column["name"].as_str().unwrap().to_lowercase(), column["mismatches"].as_u64().unwrap()))
            .collect(),
        missing: count("missing"),
        extra: count("extra"),
    })
}

/// The columns that only a job with more settings can compare: bytes in Base64 on one side, and in hexadecimal on the other.
fn needs_settings(old: &str, new: &str) -> BTreeSet<String> {
    let is_base64 = |name: &str| name.starts_with("bigquery") || ["ndjson", "json"].contains(&name);
    let is_text = |name: &str| {
        !["parquet", "arrow", "avro", "pandas", "duckdb", "polars", "rds-", "spanner"]
            .iter()
            .any(|typed| name.contains(typed))
    };
    let differ = is_text(old) && is_text(new) && is_base64(old) != is_base64(new);
    differ.then(|| "data".to_string()).into_iter().collect()
}

/// Compares two exports of the same rows, and then one of them with a copy that has defects.
fn require_alike(shop: &Workshop, clean: (&Exports, &Exports), dirty: &Exports, old: &str, new: &str) {
    let lost = &(&clean.0.lost(old) | &clean.1.lost(new)) | &needs_settings(old, new);
    let mut found =
        compare(shop, (clean.0, old), (clean.1, new)).unwrap_or_else(|error| panic!("{old} {new}: {error}"));
    found.mismatches.retain(|column, _| !lost.contains(column));
    assert_eq!(found, Found::default(), "{old} {new}");
    let mut found = compare(shop, (clean.0, old), (dirty, new)).unwrap_or_else(|error| panic!("{old} {new}: {error}"));
    found.mismatches.retain(|column, _| !lost.contains(column));
    let shared = |column: &str| {
        [clean.0.columns(old), dirty.columns(new)]
            .iter()
            .all(|columns| columns.iter().any(|own| own.to_lowercase() == column))
    };
    let of_class = |class: &str| dirty.defects.iter().filter(|defect| defect["class"] == class).count() as u64;
    let mut planted = Found { missing: of_class("missing"), extra: of_class("extra"), ..Found::default() };
    for defect in dirty.defects.iter().filter(|defect| defect["class"] == "mismatch") {
        let column = defect["column"].as_str().unwrap();
        if shared(column) && !lost.contains(column) {
            *planted.mismatches.entry(column.into()).or_default() += 1;
        }
    }
    assert_eq!(found, planted, "{old} {new} with defects");
}

/// Every format with two others. `COUNTERSIGN_ALL_PAIRS=1` compares every pair.
#[test]
fn exports_of_one_table_are_equal_and_defects_are_found() {
    let clean = Exports::write(&["make.py"], &[]);
    let dirty = Exports::write(&["make.py"], &["--defects"]);
    assert_eq!(dirty.defects.len(), 12);
    let shop = Workshop::new();
    let all = std::env::var_os("COUNTERSIGN_ALL_PAIRS").is_some();
    let mut pairs = 0;
    for old in clean.manifest.keys() {
        for new in clean.manifest.keys().filter(|new| *new != old) {
            if all || ["pyarrow", "postgres-csv"].contains(&new.as_str()) || ["mysql-tab"].contains(&old.as_str()) {
                require_alike(&shop, (&clean, &clean), &dirty, old, new);
                pairs += 1;
            }
        }
    }
    let exports = clean.manifest.len();
    assert_eq!(pairs, if all { exports * (exports - 1) } else { 3 * (exports - 1) - 2 }, "{exports} exports");
}

/// What PostgreSQL, MariaDB and SQLite write themselves, and what others read from them.
#[test]
fn exports_of_real_servers_are_equal() {
    let clean = Exports::write(&["make.py", "servers.py"], &[]);
    let dirty = Exports::write(&["make.py", "servers.py"], &["--defects"]);
    let shop = Workshop::new();
    let names: Vec<&String> = clean.manifest.keys().filter(|name| name.starts_with("real-")).collect();
    assert!(names.len() >= 7, "{names:?}");
    let others = ["pyarrow", "ndjson", "dms-parquet", "spanner-avro", "snowflake-csv"].map(str::to_string);
    for old in &names {
        for new in names.iter().copied().chain(&others).filter(|new| new != old) {
            require_alike(&shop, (&clean, &clean), &dirty, old, new);
        }
    }
}

#[test]
fn the_commands_of_the_page_about_exporting_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python("exporters", &PACKAGES));
    command.arg(root.join("tests/exporters/page.py")).arg(root.join("docs/exporting.md"));
    let output = command.arg(assert_cmd::cargo::cargo_bin("countersign")).arg(dir.path()).output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(lines, "PostgreSQL 0\nMySQL and MariaDB 0\nINTO OUTFILE 0\n", "{errors}");
}
