//! Several jobs of one command: the overview, what is printed, and what they share.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::Value;

use crate::support::{Workshop, run, write_parquet};

fn table(ids: &[i64], texts: &[&str]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    RecordBatch::try_from_iter([("id", ids), ("v", texts)]).unwrap()
}

/// Three tables: one that matches, one with a mismatch and a missing row, and one without files.
fn shop() -> Workshop {
    let shop = Workshop::new();
    for side in ["old", "new"] {
        fs::create_dir(shop.path(side)).unwrap();
        write_parquet(&shop.path(&format!("{side}/same.parquet")), &table(&[1, 2], &["a", "b"]), 100);
    }
    write_parquet(&shop.path("old/differs.parquet"), &table(&[1, 2, 3], &["a", "b", "c"]), 100);
    write_parquet(&shop.path("new/differs.parquet"), &table(&[1, 2], &["a", "B"]), 100);
    fs::create_dir(shop.path("jobs")).unwrap();
    fs::write(shop.path("jobs/defaults.toml"), "[compare]\nkey = \"id\"\n[output]\ndir = \"../runs\"\n").unwrap();
    for name in ["same", "differs", "gone"] {
        let job = format!(
            "defaults = \"defaults.toml\"\n[old]\npath = \"../old/{name}.parquet\"\n[new]\npath = \"../new/{name}.parquet\"\n"
        );
        fs::write(shop.path(&format!("jobs/{name}.toml")), job).unwrap();
    }
    shop
}

#[test]
fn an_overview_comes_before_the_reports_of_what_is_not_clean() {
    let shop = shop();
    let (code, out, err) = run(&shop, &["run", "jobs", "--quiet"]);
    assert_eq!(code, 2, "{err}");
    let start = out.lines().next().unwrap();
    assert!(start.starts_with("FAILED: 3 jobs in") && start.ends_with("1 match, 1 discrepant, 1 failed"), "{out}");
    let lines: Vec<Vec<&str>> = out.lines().skip(3).take(3).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["FAILED", "gone"]);
    assert_eq!(lines[1][..6], ["DISCREPANT", "differs", "3", "1", "1", "0"]);
    assert_eq!(lines[2][..3], ["MATCH", "same", "2"]);
    assert!(out.contains("not verified\n    gone: jobs/gone.toml:3: old.path: the old snapshot `old/gone"), "{out}");
    assert!(out.contains("\ndiffers\n-------\nDISCREPANT") && !out.contains("\nsame\n----"), "{out}");
    // the next night has one discrepancy more
    write_parquet(&shop.path("new/differs.parquet"), &table(&[1, 2, 4], &["a", "B", "d"]), 100);
    assert!(run(&shop, &["run", "jobs", "--quiet", "--verbose"]).1.contains("\nsame\n----\nMATCH"));
    let text = fs::read_to_string(shop.path("runs/overview.txt")).unwrap();
    assert!(text.contains("DISCREPANT  differs") && !text.contains("-------"), "{text}");
    assert!(
        fs::read_to_string(shop.path("runs/overview.md")).unwrap().contains("| DISCREPANT | differs | 3 | 1 | 1 | 1 |")
    );
    let json: Value = serde_json::from_str(&fs::read_to_string(shop.path("runs/overview.json")).unwrap()).unwrap();
    let schema = serde_json::from_str(&countersign::report::overview::schema()).unwrap();
    assert!(jsonschema::is_valid(&schema, &json), "{json}");
    assert_eq!((&json["exit_code"], &json["jobs"][0]["found"]["new"]), (&2.into(), &1.into()), "{json}");
    // below --out instead
    run(&shop, &["run", "jobs", "--quiet", "--out", "elsewhere"]);
    assert!(shop.path("elsewhere/overview.json").exists() && shop.path("elsewhere/same/latest").exists());
}

#[test]
fn defaults_are_what_a_job_does_not_say() {
    let shop = shop();
    fs::write(
        shop.path("jobs/defaults.toml"),
        "[compare]\nkey = \"nope\"\nignore = [\"v\"]\n[output]\ndir = \"../runs\"\n[gate]\nmissing = 1\n",
    )
    .unwrap();
    // the job's own key wins, and the rest of its section comes from the defaults
    let job = fs::read_to_string(shop.path("jobs/differs.toml")).unwrap() + "[compare]\nkey = \"id\"\n";
    fs::write(shop.path("jobs/differs.toml"), job).unwrap();
    let (code, out, err) = run(&shop, &["run", "jobs/differs.toml", "--quiet"]);
    assert!(code == 0 && out.contains("ACCEPTED"), "{out}{err}");
    // a mistake in the defaults is named with its own file and line
    let (_, _, err) = run(&shop, &["run", "jobs/same.toml", "--quiet"]);
    assert!(err.contains("jobs/defaults.toml:2: compare.key: neither snapshot has a column `nope`"), "{err}");
    fs::write(shop.path("jobs/defaults.toml"), "[compare]\nkye = \"id\"\n").unwrap();
    let (code, _, err) = run(&shop, &["validate", "jobs"]);
    assert!(code == 2 && err.contains("jobs/defaults.toml:2: unknown key `kye`"), "{err}");
    fs::remove_file(shop.path("jobs/defaults.toml")).unwrap();
    let (_, _, err) = run(&shop, &["run", "jobs/same.toml"]);
    assert!(err.contains("jobs/same.toml:1: defaults: `jobs/defaults.toml` cannot be read"), "{err}");
}

/// The files of a run directory, without what differs between any two runs.
fn lists(shop: &Workshop, out: &str, job: &str) -> Vec<(String, Vec<u8>)> {
    let dir = shop.path(&format!("{out}/{job}/latest"));
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| !name.starts_with("report.") && name != "manifest.json" && !name.contains("history"))
        .collect();
    files.sort();
    files
}

#[test]
fn jobs_that_run_at_the_same_time_write_the_same_bytes() {
    let shop = shop();
    for number in 0..6 {
        let job = fs::read_to_string(shop.path("jobs/differs.toml")).unwrap();
        fs::write(shop.path(&format!("jobs/differs-{number}.toml")), job).unwrap();
    }
    let (one, out, _) = run(&shop, &["run", "jobs", "--quiet", "--out", "one"]);
    let (four, parallel, _) = run(&shop, &["run", "jobs", "--jobs", "4", "--memory", "1GiB", "--out", "four"]);
    assert_eq!((one, four), (2, 2));
    let names = |out: &str| -> Vec<String> {
        out.lines().skip(3).take(9).map(|line| line.split_whitespace().take(6).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(names(&out), names(&parallel));
    for job in ["same", "differs", "differs-0", "differs-5"] {
        let files = lists(&shop, "one", job);
        assert!(files.len() > 1 || job == "same", "{files:?}");
        assert_eq!(files, lists(&shop, "four", job), "{job}");
    }
}

#[test]
fn fail_fast_starts_nothing_after_the_first_job_that_is_not_clean() {
    let shop = shop();
    let (code, out, _) = run(&shop, &["run", "jobs", "--quiet", "--fail-fast"]);
    assert_eq!(code, 2, "what did not run is not verified");
    assert!(out.contains("NOT RUN     gone\n") && out.contains("NOT RUN     same\n"), "{out}");
    assert!(out.contains("2 jobs: not started: `differs` was not clean"), "{out}");
    assert!(!shop.path("runs/same").exists());
}

#[test]
fn junit_has_a_case_for_each_job_and_check() {
    let shop = shop();
    let check = "[[check]]\nname = \"no-b\"\nsql = \"SELECT id FROM new WHERE v = 'b'\"\n";
    let job = fs::read_to_string(shop.path("jobs/same.toml")).unwrap() + check;
    fs::write(shop.path("jobs/same.toml"), job).unwrap();
    run(&shop, &["run", "jobs", "--quiet", "--junit", "junit.xml"]);
    let xml = fs::read_to_string(shop.path("junit.xml")).unwrap();
    assert!(xml.contains("tests=\"4\" failures=\"3\" errors=\"1\" skipped=\"0\""), "{xml}");
    assert!(
        xml.contains("<testcase classname=\"countersign\" name=\"gone\" time=\"0.000\">\n      <error message="),
        "{xml}"
    );
    assert!(xml.contains("<testcase classname=\"countersign.same\" name=\"no-b\""), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), 4);
    assert_eq!(xml.matches("</testcase>").count(), 4);
}

#[test]
fn a_workflow_gets_the_overview_as_its_summary() {
    let shop = shop();
    let summary = shop.path("summary.md");
    let command = |args: &[&str]| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("countersign"));
        command.args(args).current_dir(shop.path("")).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap()
    };
    command(&["run", "jobs", "--quiet"]);
    command(&["run", "jobs/same.toml", "--quiet"]);
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("# FAILED: 3 jobs\n") && text.contains("# MATCH: same\n"), "{text}");
}
