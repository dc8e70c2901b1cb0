//! Job files as a user sees them: errors with line numbers, several jobs at once, settings from the command line, runs
//! and locks, and the example in the documentation.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use insta::assert_snapshot;

use crate::support::{Workshop, lines, write_parquet};

/// A small pair of snapshots: keys 1 to 5 and keys 2 to 6, with one padded value and one different value.
fn shop() -> Workshop {
    let shop = Workshop::new();
    for (name, keys, notes) in
        [("old.parquet", 1..=5, ["a", "b ", "c", "d", "e"]), ("new.parquet", 2..=6, ["b", "c", "d", "x", "f"])]
    {
        let columns: [(&str, ArrayRef); 2] =
            [("id", Arc::new(keys.collect::<Int64Array>())), ("note", Arc::new(StringArray::from(notes.to_vec())))];
        write_parquet(&shop.path(name), &RecordBatch::try_from_iter(columns).unwrap(), 2);
    }
    shop
}

const SIDES: &str = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n";

fn job(shop: &Workshop, name: &str, rest: &str) {
    fs::write(shop.path(name), format!("{SIDES}{rest}")).unwrap();
}

fn said(shop: &Workshop, args: &[&str]) -> (i32, String, String) {
    let output = shop.run(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn five_mistakes_are_told_at_once_each_with_its_line() {
    let shop = shop();
    let text = r#"[job]
nmae = "nightly"

[old]
path  = "old.parquet"
query = "SELECT id, nota FROM snapshot"

[new]
path = "new.parquet"

[tables.states]
path = "states.parquet"

[compare]
key = ["id"]

[compare.columns.note]
round = "two"

[gate]
columns.amuont = 5
"#;
    fs::write(shop.path("job.toml"), text).unwrap();
    let (code, stdout, stderr) = said(&shop, &["validate", "job.toml"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert_snapshot!("five_mistakes", stderr);
    // a run reports the same, and leaves nothing behind
    let (code, stdout, run) = said(&shop, &["run", "job.toml"]);
    assert_eq!((code, stdout.as_str(), run.as_str()), (2, "", stderr.as_str()));
    assert_eq!(shop.names("runs"), Vec::<String>::new());
    // without the query, the columns can be looked at
    fs::write(shop.path("job.toml"), text.replace("query = ", "# ")).unwrap();
    assert_snapshot!("unknown_column", said(&shop, &["validate", "job.toml"]).2);
}

#[test]
fn mistakes_of_form() {
    let shop = shop();
    for (name, rest) in [
        ("no_key", "[compare]\nignore = [\"note\"]\n"),
        ("no_compare", ""),
        ("key_and_no_key", "[compare]\nkey = \"id\"\nno_key = true\n"),
        ("not_toml", "[compare]\nkey = [\"id\"\n[gate]\n"),
        ("misspelt_kind", "[compare]\nkey = \"id\"\n[compare.columns.note]\nas = \"decimel\"\n"),
        ("rule_that_does_not_fit", "[compare]\nkey = \"id\"\n[compare.columns.id]\ntrim = true\n"),
        ("rounded_key", "[compare]\nkey = \"id\"\n[compare.columns.id]\nround = 0\n"),
        ("unknown_zone", "[compare]\nkey = \"id\"\n[compare.columns.note]\nas = \"timestamp\"\nassume_tz = \"Mars\"\n"),
        ("empty_tolerance", "[compare]\nkey = \"id\"\n[compare.columns.note]\nas = \"decimal\"\ntolerance = {}\n"),
        ("negative_gate", "[compare]\nkey = \"id\"\n[gate]\nmissing = -1\n"),
        ("rate_above_one", "[compare]\nkey = \"id\"\n[gate]\nmissing = \"101 %\"\n"),
        ("unset_variable", "[compare]\nkey = \"id\"\n[output]\ndir = \"${COUNTERSIGN_UNSET}/runs\"\n"),
        ("bad_expression", "[compare]\nkey = \"id\"\n[compare.columns.note]\nold_expr = \"upper(nte)\"\n"),
        ("volatile_expression", "[compare]\nkey = \"id\"\n[compare.columns.note]\nold_expr = \"note || random()\"\n"),
        ("gate_on_a_key", "[compare]\nkey = \"id\"\n[gate]\ncolumns.id = 1\n"),
        ("rate_or_row", "[compare]\nkey = \"id\"\n[gate]\nmissing = 1.0\n"),
        ("listed_twice", "[compare]\nkey = \"id\"\n[lists]\ncolumns = [\"note\", \"note\"]\n"),
        (
            "ambiguous_code",
            "[compare]\nkey = \"id\"\n[compare.columns.note]\ncasefold = true\nvalues = { a = \"p\", A = \"q\" }\n",
        ),
        ("pattern_without_a_column", "[compare]\nkey = \"id\"\n[[compare.rules]]\ncolumns = \"*_at\"\ntrim = true\n"),
    ] {
        job(&shop, "job.toml", rest);
        let (code, stdout, stderr) = said(&shop, &["validate", "job.toml"]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{name}: {stderr}");
        assert_snapshot!(format!("mistake_{name}"), stderr);
    }
}

#[test]
fn one_failing_job_does_not_stop_the_others_and_the_worst_code_wins() {
    let shop = shop();
    job(&shop, "differs.toml", "[compare]\nkey = \"id\"\n");
    job(&shop, "fails.toml", "[compare]\nkey = \"idd\"\n");
    job(&shop, "accepted.toml", "[compare]\nkey = \"id\"\nonly = \"id\"\n[gate]\nmissing = 1\nextra = 0.2\n");
    let jobs = ["run", "fails.toml", "differs.toml", "accepted.toml", "--quiet"];
    let (code, stdout, stderr) = said(&shop, &jobs);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("fails.toml:6: compare.key: neither snapshot has a column `idd`; did you mean `id`?"),
        "{stderr}"
    );
    let overview: Vec<&str> = stdout.lines().map(str::trim).collect();
    assert!(
        overview[0].starts_with("FAILED: 3 jobs in ") && overview[0].ends_with(", 1 accepted, 1 discrepant, 1 failed")
    );
    assert!(overview[2].starts_with("verdict     job       columns  rows"), "{overview:?}");
    for (line, start) in overview[3..].iter().zip(["FAILED      fails", "DISCREPANT  differs", "ACCEPTED    accepted"])
    {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(said(&shop, &["run", "differs.toml", "accepted.toml", "--quiet"]).0, 1);
    assert_eq!(said(&shop, &["run", "accepted.toml", "--quiet"]).0, 0);
    // as data: the report of one job, a list for several
    let one: serde_json::Value =
        serde_json::from_str(&said(&shop, &["run", "differs.toml", "--format", "json"]).1).unwrap();
    assert_eq!(one["verdict"], "discrepant");
    let args = [&jobs[..], &["--format", "json"]].concat();
    let all: serde_json::Value = serde_json::from_str(&said(&shop, &args).1).unwrap();
    let verdicts: Vec<_> = all.as_array().unwrap().iter().map(|job| job["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["failed", "discrepant", "accepted"]);
}

#[test]
fn settings_are_laid_over_the_file() {
    let shop = shop();
    job(&shop, "job.toml", "[compare]\nkey = \"note\"\n[compare.columns.note]\nrtrim = true\n");
    let (_, stdout, _) =
        said(&shop, &["run", "job.toml", "--quiet", "--set", "compare.key=id", "--set", "gate.extra=1"]);
    assert!(stdout.contains("key  id"), "{stdout}");
    assert!(stdout.contains("accepted: 1 extra row, where 1 is allowed"), "{stdout}");
    let keys = ["run", "job.toml", "--quiet", "--set", "compare.key=[\"id\", \"note\"]"];
    assert!(said(&shop, &keys).1.contains("key  id, note"));
    let (code, _, stderr) = said(&shop, &["run", "job.toml", "--set", "compare.key=nope"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--set compare.key: neither snapshot has a column `nope`"), "{stderr}");
    for wrong in ["compare.kye=id", "compare", "compare.key=5", "old.path.x=1"] {
        let (code, _, stderr) = said(&shop, &["validate", "job.toml", "--set", wrong]);
        assert_eq!(code, 2, "{wrong}");
        assert!(stderr.contains("--set"), "{stderr}");
    }
}

#[test]
fn runs_lie_under_their_job_and_the_latest_is_pointed_at() {
    let shop = shop();
    job(
        &shop,
        "nightly.toml",
        "[compare]\nkey = \"id\"\n[lists]\ncolumns = [\"note\"]\n[output]\ndir = \"out/runs\"\n",
    );
    for _ in 0..2 {
        assert_eq!(said(&shop, &["run", "nightly.toml", "--quiet"]).0, 1);
    }
    let runs = shop.runs("out/runs/nightly");
    assert_eq!(runs.len(), 2);
    let latest = fs::canonicalize(shop.path("out/runs/nightly/latest")).unwrap();
    assert!(latest.join("manifest.json").exists());
    assert_eq!(lines(&latest.join("missing.csv")), ["1,a"]);
    assert_eq!(lines(&latest.join("extra.csv")), ["6,f"]);
    assert_eq!(fs::read_to_string(latest.join("mismatch.csv")).unwrap(), "id,note\n2,\"b \"\n5,e\n".replace('"', ""));
    // the command line has the last word
    assert_eq!(said(&shop, &["run", "nightly.toml", "--quiet", "--out", "elsewhere"]).0, 1);
    assert_eq!(shop.runs("elsewhere/nightly").len(), 1);
    // from another directory, paths are still relative to the job file
    fs::create_dir(shop.path("jobs")).unwrap();
    let moved = fs::read_to_string(shop.path("nightly.toml")).unwrap().replace("path = \"", "path = \"../");
    fs::write(shop.path("jobs/nightly.toml"), moved).unwrap();
    assert_eq!(said(&shop, &["run", "jobs/nightly.toml", "--quiet"]).0, 1);
    assert_eq!(shop.runs("jobs/out/runs/nightly").len(), 1);
}

#[test]
fn what_a_killed_run_left_goes_with_the_next() {
    let shop = shop();
    job(&shop, "job.toml", "[compare]\nkey = \"id\"\n");
    let left = shop.path("runs/job/.countersign-0123456789abcdef");
    fs::create_dir_all(left.join("publish")).unwrap();
    fs::write(left.join("publish/missing.csv"), "half of i").unwrap();
    fs::write(shop.path("runs/job/.countersign-0123456789abcdef.lock"), "").unwrap();
    // what a user put there is no leftover
    let kept = shop.path("runs/job/notes");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("notes.txt"), "keep").unwrap();
    assert_eq!(said(&shop, &["run", "job.toml", "--quiet"]).0, 1);
    assert!(!left.exists());
    assert_eq!(fs::read_to_string(kept.join("notes.txt")).unwrap(), "keep");
}

#[test]
fn two_runs_of_one_job_are_kept_apart() {
    let shop = shop();
    job(&shop, "job.toml", "[compare]\nkey = \"id\"\n");
    fs::create_dir_all(shop.path("runs/job")).unwrap();
    let lock = fs::File::create(shop.path("runs/job/.lock")).unwrap();
    lock.lock().unwrap();
    let (code, _, stderr) = said(&shop, &["run", "job.toml", "--quiet"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("job `job` is already running"), "{stderr}");
    drop(lock);
    assert_eq!(said(&shop, &["run", "job.toml", "--quiet"]).0, 1);
}

#[test]
fn queries_see_the_files_and_the_further_tables() {
    let shop = shop();
    let states: [(&str, ArrayRef); 2] = [
        ("id", Arc::new((2..=4).collect::<Int64Array>())),
        ("State", Arc::new(StringArray::from(vec!["moved", "moved", "stuck"]))),
    ];
    write_parquet(&shop.path("states.parquet"), &RecordBatch::try_from_iter(states).unwrap(), 10);
    let query =
        "SELECT snapshot.id, note, State FROM snapshot JOIN states ON states.id = snapshot.id WHERE State = 'moved'";
    fs::write(shop.path("moved.sql"), format!("-- those that were moved\n{query}\n")).unwrap();
    let text = "old = { path = \"old.parquet\", query = \"moved.sql\" }\n\
                new = { path = \"new.parquet\", query = \"SELECT id, note FROM snapshot WHERE id <= 3\" }\n\
                tables.states.path = \"states.parquet\"\n\
                [compare]\nkey = \"id\"\nignore = \"State\"\n[compare.columns.note]\nrtrim = true\n";
    fs::write(shop.path("job.toml"), text).unwrap();
    let (code, stdout, stderr) = said(&shop, &["run", "job.toml", "--quiet"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("2 rows  1 file, by moved.sql"), "{stdout}");
    let manifest = fs::read_to_string(shop.path("runs/job/latest/manifest.json")).unwrap();
    for input in ["\"states\"", "\"moved.sql\"", "\"old.parquet\""] {
        assert!(manifest.contains(input), "{input}: {manifest}");
    }
    // no statement but a query is run
    for wrong in
        ["DROP TABLE snapshot", "SELECT 1; SELECT 2", "COPY snapshot TO 'stolen.parquet'", "SELECT * FROM nothing"]
    {
        let set = format!("old.query=(-- x\n{wrong}");
        let (code, _, stderr) = said(
            &shop,
            &[
                "validate",
                "job.toml",
                "--set",
                &set.replace("(-- x\n", "-- x\\n").replace("old.query=", "old.query=\"").replace('\'', "''"),
            ],
        );
        assert_eq!(code, 2, "{wrong}: {stderr}");
    }
    assert!(!shop.path("stolen.parquet").exists());
    // a query without rows is an empty side
    let (code, _, stderr) = said(
        &shop,
        &[
            "run",
            "job.toml",
            "--quiet",
            "--set",
            "old.query=SELECT id, note, 'moved' AS State FROM snapshot WHERE false",
        ],
    );
    assert_eq!(code, 2);
    assert!(stderr.contains("returned no rows"), "{stderr}");
}

#[test]
fn the_example_of_the_documentation_has_no_mistake_of_form() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/job-file.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let shop = Workshop::new();
    fs::write(shop.path("job.toml"), example).unwrap();
    let stderr = said(&shop, &["validate", "job.toml"]).2;
    assert!(stderr.contains("does not exist"), "{stderr}");
    assert!(!stderr.contains("unknown key") && !stderr.contains("expected"), "{stderr}");
}
