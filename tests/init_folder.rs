//! `init` on the exports of two databases: a job for each table, and the night that follows.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::exports::PACKAGES;
use crate::support::{Workshop, python, run};

/// Has MariaDB and PostgreSQL export the ten tables to `dir`. Returns the manifest.
fn export(shop: &Workshop, dir: &str, more: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exporters/databases.py");
    let mut command = Command::new(python("exporters", &PACKAGES));
    let output = command.arg(script).arg(shop.path(dir)).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&fs::read_to_string(shop.path(&format!("{dir}/manifest.json"))).unwrap()).unwrap()
}

/// Proposes the jobs, adds the one for a plural, and uncomments four suggestions, as their user would.
fn propose(shop: &Workshop, dir: &str) {
    let (old, new) = (format!("{dir}/old"), format!("{dir}/new"));
    let jobs = format!("{dir}/jobs");
    let (code, out, err) = run(shop, &["init", &old, &new, "--out", &jobs, "--quiet"]);
    assert!(code == 0 && out.starts_with(&format!("Wrote 9 jobs to {jobs}/\n")), "{out}{err}");
    assert!(out.contains("possibly the same table: audit_entry and audit_entries"), "{out}");
    let unpaired = fs::read_to_string(shop.path(&format!("{jobs}/unpaired.md"))).unwrap();
    assert!(unpaired.contains("`sessions`") && unpaired.contains("`feature_flags`"), "{unpaired}");
    let (old, new) = (format!("{old}/audit_entry.csv"), format!("{new}/audit_entries.csv"));
    let (code, _, err) = run(shop, &["init", &old, &new, "--out", &format!("{jobs}/audit_entries.toml"), "--quiet"]);
    assert_eq!(code, 0, "{err}");
    for (job, column, line) in [
        ("Customers", "status", "values = "),
        ("Customers", "country", "rtrim = true"),
        ("payments", "currency", "rtrim = true"),
        ("payments", "payload", "as = \"json\""),
        ("products", "tags", "as = \"set\""),
        ("stock", "bins", "as = \"set\""),
    ] {
        let path = shop.path(&format!("{jobs}/{job}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        let with = text
            .replace(&format!("#[compare.columns.{column}]"), &format!("[compare.columns.{column}]"))
            .replace(&format!("#{line}"), line);
        assert_ne!(text, with, "{job} suggests `{line}` for {column}: {text}");
        fs::write(path, with).unwrap();
    }
}

#[test]
fn two_exports_become_jobs_that_find_every_defect_and_nothing_else() {
    let shop = Workshop::new();
    export(&shop, "clean", &["--clean"]);
    propose(&shop, "clean");
    let (code, out, err) = run(&shop, &["run", "clean/jobs", "--quiet"]);
    assert!(code == 0 && out.starts_with("MATCH: 10 jobs in ") && out.contains(", 10 match\n"), "{out}{err}");
    let manifest = export(&shop, "dirty", &[]);
    propose(&shop, "dirty");
    let (code, out, _) = run(&shop, &["run", "dirty/jobs", "--quiet"]);
    assert!(code == 1 && out.contains(", 1 match, 9 discrepant\n"), "{out}");
    let defects = manifest["defects"].as_array().unwrap();
    assert_eq!(defects.len(), 25);
    let mut expected: std::collections::BTreeMap<(String, String), std::collections::BTreeSet<String>> =
        Default::default();
    for defect in defects {
        let text = |field: &str| defect[field].as_str().unwrap().to_string();
        let table = match text("table").as_str() {
            "audit_entry" => "audit_entries".to_string(),
            "customers" => "Customers".to_string(),
            table => table.to_string(),
        };
        let keys = defect["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().replace('-', ""));
        expected.entry((table, text("class"))).or_default().extend(keys);
    }
    for ((table, class), keys) in expected {
        let list = fs::read_to_string(shop.path(&format!("dirty/runs/{table}/latest/{class}.csv"))).unwrap();
        let found: std::collections::BTreeSet<String> =
            list.lines().skip(1).map(|line| line.replace('-', "")).collect();
        assert_eq!(found, keys, "{table}: {class}");
    }
}

#[test]
fn three_hundred_tables_are_one_page() {
    let shop = Workshop::new();
    for side in ["old", "new"] {
        fs::create_dir_all(shop.path(side)).unwrap();
        for table in 0..300 {
            let rows: String = (0..10).map(|id| format!("{id},name {id},{}.50\n", id * table)).collect();
            fs::write(shop.path(&format!("{side}/table_{table:03}.csv")), format!("id,name,price\n{rows}")).unwrap();
        }
    }
    let changed = "id,name,price\n1,name 1,3.5\n";
    fs::write(shop.path("new/table_007.csv"), changed).unwrap();
    let (code, out, err) = run(&shop, &["init", "old", "new", "--quiet"]);
    assert!(code == 0 && out.starts_with("Wrote 300 jobs to jobs/\n"), "{out}{err}");
    let (code, out, _) = run(&shop, &["run", "jobs", "--quiet"]);
    assert!(code == 1 && out.contains(", 299 match, 1 discrepant\n"), "{out}");
    let overview = fs::read_to_string(shop.path("runs/overview.txt")).unwrap();
    assert_eq!(overview.lines().count(), 303, "a title, a blank line, a header, and a line for each table");
    assert!(overview.lines().nth(3).unwrap().trim_start().starts_with("DISCREPANT  table_007"), "{overview}");
}

#[test]
fn what_is_a_table_and_what_is_a_database() {
    let shop = Workshop::new();
    let csv = "id,v\n1,a\n";
    for file in [
        "old/app/users.csv",
        "old/app/posts-000.csv",
        "old/app/posts-001.csv",
        "new/public.users/day=1/part-0.csv",
        "new/public.posts/1/part-0.csv",
        "new/public.posts/2/part-0.csv",
    ] {
        fs::create_dir_all(shop.path(file).parent().unwrap()).unwrap();
        fs::write(shop.path(file), csv.replace('1', &file.len().to_string())).unwrap();
    }
    let (code, out, err) = run(&shop, &["init", "old", "new", "--quiet"]);
    assert!(code == 0 && out.starts_with("Wrote 2 jobs to jobs/\n"), "{out}{err}");
    let posts = fs::read_to_string(shop.path("jobs/posts.toml")).unwrap();
    assert!(posts.contains("path = \"../old/app/posts[-.][0-9]*.csv\""), "{posts}");
    // nothing is overwritten, and a table is no database
    assert_eq!(run(&shop, &["init", "old", "new"]).0, 2);
    let (code, _, err) = run(&shop, &["init", "old", "new/public.users", "--out", "x"]);
    assert!(code == 2 && err.contains("`old` has several tables, but `new/public.users` is one"), "{err}");
    // the definitions beside the files of mysqldump name the columns
    fs::create_dir(shop.path("dump")).unwrap();
    fs::write(shop.path("dump/users.txt"), "1\t\\N\n2\tb\n").unwrap();
    fs::write(shop.path("dump/posts.txt"), "7\tx\n").unwrap();
    for table in ["users", "posts"] {
        let sql =
            format!("--\nCREATE TABLE `{table}` (\n  `id` bigint NOT NULL,\n  `v` text,\n  PRIMARY KEY (`id`)\n);\n");
        fs::write(shop.path(&format!("dump/{table}.sql")), sql).unwrap();
    }
    fs::create_dir(shop.path("flat")).unwrap();
    fs::write(shop.path("flat/users.csv"), "id,v\n1,\n2,b\n").unwrap();
    fs::write(shop.path("flat/posts.csv"), "id,v\n7,y\n").unwrap();
    let (code, _, err) = run(&shop, &["init", "dump", "flat", "--out", "dumped", "--quiet"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = run(&shop, &["run", "dumped", "--quiet"]);
    assert!(code == 1 && out.contains("DISCREPANT  posts") && out.contains("MATCH       users"), "{out}{err}");
}
