//! Help, usage errors, and exit codes as a user sees them; `INSTA_UPDATE=always` rewrites the expected output.

use std::fs;

use insta::assert_snapshot;

use crate::support::Workshop;

fn said(shop: &Workshop, args: &[&str]) -> String {
    let output = shop.run(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    format!("exit code {}\n{}{}", output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help() {
    let shop = Workshop::new();
    assert_snapshot!("help", said(&shop, &["--help"]));
    assert_snapshot!("help_diff", said(&shop, &["diff", "--help"]));
    assert_snapshot!("help_inspect", said(&shop, &["inspect", "--help"]));
    assert_snapshot!("help_demo", said(&shop, &["demo", "--help"]));
}

#[test]
fn usage_errors() {
    let shop = Workshop::new();
    for (name, args) in [
        ("no_command", &[] as &[&str]),
        ("no_key", &["diff", "old", "new"]),
        ("key_and_no_key", &["diff", "old", "new", "--key", "id", "--no-key"]),
        ("memory_without_unit", &["diff", "old", "new", "--key", "id", "--memory", "lots"]),
        ("memory_too_small", &["diff", "old", "new", "--key", "id", "--memory", "1MiB"]),
        ("threads_zero", &["diff", "old", "new", "--key", "id", "--threads", "0"]),
        ("map_without_equals", &["diff", "old", "new", "--key", "id", "--map", "a"]),
    ] {
        let said = said(&shop, args);
        assert!(said.starts_with("exit code 2"), "{said}");
        assert_snapshot!(format!("usage_{name}"), said);
    }
}

#[test]
fn the_demo_finds_what_it_planted_and_its_command_can_be_repeated() {
    let shop = Workshop::new();
    let demo = shop.run(&["demo"]);
    assert_eq!(demo.status.code(), Some(0));
    let report = String::from_utf8(demo.stdout).unwrap();
    let (lasting, _) = report.split_once("\n  way ").unwrap();
    let run = shop.runs("countersign-demo/runs/subscriptions").remove(0);
    assert_snapshot!("demo_report", lasting.replace(&run, "RUN"));
    let advice = String::from_utf8(demo.stderr).unwrap();
    let command = advice.lines().find(|line| line.contains("countersign run")).unwrap();
    let args: Vec<&str> = command.split_whitespace().skip(1).collect();
    assert_eq!(shop.run(&args).status.code(), Some(1));
    // a second demo is one more run
    assert_eq!(shop.run(&["demo"]).status.code(), Some(0));
    assert_eq!(shop.runs("countersign-demo/runs/subscriptions").len(), 3);
}

#[test]
fn a_snapshot_against_itself_is_a_match() {
    let shop = Workshop::new();
    shop.run(&["demo", "d"]);
    let snapshot = "d/old/customers.parquet";
    let same = shop.run(&["diff", snapshot, snapshot, "--key", "customer_id"]);
    assert_eq!(same.status.code(), Some(0));
    assert!(String::from_utf8(same.stdout).unwrap().starts_with("MATCH in all "));
}

#[test]
fn formats_say_the_same() {
    let shop = Workshop::new();
    shop.run(&["demo", "d"]);
    let with = |format| shop.run(&["run", "d/subscriptions.toml", "--format", format]);
    let json: serde_json::Value = serde_json::from_slice(&with("json").stdout).unwrap();
    assert_eq!(json["counts"]["missing"], 12);
    fs::remove_dir_all(shop.path("d/runs")).unwrap();
    let markdown = String::from_utf8(with("markdown").stdout).unwrap();
    let (lasting, _) = markdown.split_once("\nRun ").unwrap();
    assert_snapshot!("demo_markdown", lasting);
}

#[test]
fn no_control_character_reaches_the_terminal() {
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    let shop = Workshop::new();
    let evil = "\u{1b}[2J\u{7}\r\n\u{202e}x";
    for (side, value) in [("old", evil), ("new", "plain")] {
        let text = |text: &str| std::sync::Arc::new(StringArray::from(vec![text.to_string()])) as ArrayRef;
        let columns =
            [("id".to_string(), text(evil)), (format!("v{evil}"), text(value)), (format!("{side}{evil}"), text(value))];
        crate::support::write_parquet(&shop.path(side), &RecordBatch::try_from_iter(columns).unwrap(), 10);
    }
    for format in ["text", "markdown"] {
        let output = shop.run(&["diff", "old", "new", "--key", "id", "--format", format, "--out", format]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\\u{1b}[2J"), "{text}");
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
    }
    // the lists hold the value itself
    let list = fs::read_to_string(shop.path("text/mismatch.csv")).unwrap();
    assert!(list.contains(evil));
    let error = shop.run(&["diff", "old", "new", "--key", &format!("no{evil}")]);
    assert!(!String::from_utf8(error.stderr).unwrap().contains('\u{1b}'));
}
