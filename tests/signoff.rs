//! Sign-off: what is approved, what is blocked and why, what cannot be signed off, and what is found after the delete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use countersign::certificate::Certificate;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::support::{Workshop, lines, run, write_parquet};

/// An ID, an account, a value, and when the row was written, in hours before now.
pub type Row = (i64, &'static str, i64, i64);

pub fn write(shop: &Workshop, file: &str, rows: &[Row]) {
    let now = Timestamp::now();
    let times = rows.iter().map(|row| (now - SignedDuration::from_hours(row.3)).as_microsecond());
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
        ("account", Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>())),
        ("value", Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>())),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))),
    ];
    write_parquet(&shop.path(file), &RecordBatch::try_from_iter(columns).unwrap(), 5);
}

/// A table of states; the state `-` is NULL.
pub fn statuses(shop: &Workshop, file: &str, rows: &[(&str, &str)]) {
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringArray>())),
        ("state", Arc::new(rows.iter().map(|row| Some(row.1).filter(|state| *state != "-")).collect::<StringArray>())),
    ];
    write_parquet(&shop.path(file), &RecordBatch::try_from_iter(columns).unwrap(), 5);
}

/// A job whose snapshots were taken two hours ago.
pub fn job(shop: &Workshop, terms: &str) {
    let taken = Timestamp::now() - SignedDuration::from_hours(2);
    let side = |name: &str| format!("[{name}]\npath = \"{name}.parquet\"\ntaken_at = {taken}\nallow_empty = true\n");
    let text = format!(
        "{}{}[compare]\nkey = \"id\"\n[compare.columns.at]\ntolerance = \"1s\"\n[in_flight]\ncolumn = \"at\"\n{terms}",
        side("old"),
        side("new")
    );
    let text = text.replace("[compare.columns.at]\ntolerance = \"1s\"\n", "ignore = \"at\"\n");
    fs::write(shop.path("job.toml"), text).unwrap();
}

pub fn candidates(shop: &Workshop, header: &str, ids: &[&str]) {
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    fs::write(shop.path("ids.csv"), format!("{header}\n{lines}")).unwrap();
}

/// Signs off, and returns the exit code, the approved IDs, and what blocks the others.
pub fn sign(shop: &Workshop) -> (i32, BTreeSet<String>, BTreeMap<String, String>) {
    let _ = fs::remove_dir_all(shop.path("out"));
    let (code, out, said) = run(shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "out", "--quiet"]);
    assert!(shop.path("out/approved.csv").exists(), "{out}{said}");
    let id = |line: &String| line.split(',').next().unwrap().to_string();
    let approved = lines(&shop.path("out/approved.csv")).iter().map(id).collect();
    let blocked = lines(&shop.path("out/blocked.csv"));
    let blocked = blocked.iter().map(|line| line.split_once(',').unwrap()).map(|(id, why)| (id.into(), why.into()));
    (code, approved, blocked.collect())
}

pub const OLD: [Row; 8] = [
    (1, "a", 1, 50),
    (2, "a", 2, 50),
    (3, "b", 3, 50),
    (4, "b", 4, 50),
    (5, "c", 5, 50),
    (6, "c", 6, 50),
    (7, "d", 7, 50),
    (8, "d", 8, 1),
];

pub fn pair(shop: &Workshop) {
    write(shop, "old.parquet", &OLD);
    let mut new = OLD.to_vec();
    new[2].2 = 99;
    new.remove(3);
    new.push(OLD[4]);
    new.push((9, "e", 9, 50));
    write(shop, "new.parquet", &new);
}

pub const OLD_TERMS: &str = "[signoff]\ndelete_from = \"old\"\n";

#[test]
fn rows_go_from_old_only_where_new_has_them_equal_and_once() {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, OLD_TERMS);
    candidates(&shop, "id", &["1", "2", "3", "4", "5", "6", "8", "9", "77"]);
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.iter().map(String::as_str).collect::<Vec<_>>()), (1, vec!["1", "2", "6"]));
    let why = |id: &str| blocked[id].as_str();
    assert_eq!((why("3"), why("4"), why("5")), ("mismatch", "only_copy", "duplicate_key"));
    assert_eq!((why("8"), why("9"), why("77")), ("in_flight", "no_row", "no_row"));
    let page = fs::read_to_string(shop.path("out/signoff.md")).unwrap();
    assert!(
        page.contains("# BLOCKED: 6 of 9 candidates may not be deleted") && page.contains("| ignored | at |"),
        "{page}"
    );
    // all of what is left may go
    candidates(&shop, "id", &["1", "2", "6"]);
    assert_eq!(sign(&shop).0, 0);
    // each row comes with what its delete has to find unchanged
    let guard = lines(&shop.path("out/approved.csv"))[0].clone();
    // in UTC and without a zone, as PostgreSQL and MariaDB both take it
    let time = guard.strip_prefix("1,").unwrap();
    assert!(time.replacen(' ', "T", 1).parse::<jiff::civil::DateTime>().is_ok() && time.contains(' '), "{guard}");
}

#[test]
fn what_cannot_be_told_blocks() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1", "2"]);
    let blocks = |terms: &str, edit: fn(String) -> String| {
        job(&shop, terms);
        let text = fs::read_to_string(shop.path("job.toml")).unwrap();
        fs::write(shop.path("job.toml"), edit(text)).unwrap();
        let (code, approved, blocked) = sign(&shop);
        assert!(approved.is_empty(), "{terms}");
        (code, blocked["1"].clone())
    };
    let same = |text: String| text;
    // no version, no time, old snapshots
    let no_version = |text: String| text.replace("[in_flight]\ncolumn = \"at\"\n", "");
    assert_eq!(blocks(OLD_TERMS, no_version), (1, "in_flight_unknown".into()));
    let hour = format!("{OLD_TERMS}max_age = \"1h\"\n");
    assert_eq!(blocks(&hour, same), (1, "snapshots_too_old".into()));
    // an unknown history of snapshot pairs before this one
    assert_eq!(blocks(&format!("{OLD_TERMS}clean_runs = 2\n"), same), (1, "not_clean_before".into()));
    // a backup without the row, and one that is not there at all
    write(&shop, "backup.parquet", &OLD[1..]);
    let backup = format!("{OLD_TERMS}backup = {{ path = \"backup.parquet\", max_age = \"1h\" }}\n");
    job(&shop, &backup);
    let (_, approved, blocked) = sign(&shop);
    // the backup was written with other times, so no row of it is equal
    assert!(approved.is_empty() && blocked["1"].contains("not_backed_up"), "{blocked:?}");
    fs::copy(shop.path("old.parquet"), shop.path("backup.parquet")).unwrap();
    assert_eq!(sign(&shop).0, 0);
    let stale = format!("{OLD_TERMS}backup = {{ path = \"backup.parquet\", max_age = \"0s\" }}\n");
    assert_eq!(blocks(&stale, same), (1, "backup_unusable".into()));
    // a check that names it, and one that names no row and fails
    let check = "[[signoff.check]]\nname = \"still_used\"\nsql = \"SELECT id FROM old WHERE id = 1\"\n";
    job(&shop, &format!("{OLD_TERMS}{check}"));
    let (_, approved, blocked) = sign(&shop);
    assert_eq!((approved.len(), blocked["1"].as_str()), (1, "check:still_used"));
    let value = "[[signoff.check]]\nname = \"n\"\nsql = \"SELECT count(*) FROM old\"\nexpect = { value = 1 }\n";
    assert_eq!(blocks(&format!("{OLD_TERMS}{value}"), same), (1, "check:n".into()));
}

#[test]
fn a_row_that_differed_before_waits() {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, &format!("{OLD_TERMS}clean_runs = 2\n"));
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 1);
    // the next night, all is repaired
    write(&shop, "old.parquet", &OLD);
    write(&shop, "new.parquet", &OLD);
    candidates(&shop, "id", &["1", "3", "4", "5", "6"]);
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.iter().map(String::as_str).collect::<Vec<_>>()), (1, vec!["1", "6"]));
    assert!(["3", "4", "5"].iter().all(|id| blocked[*id] == "not_clean_before"), "{blocked:?}");
}

/// The accident: a script trusts its own status table, which is stale.
#[test]
fn a_stale_local_status_deletes_nothing_from_new() {
    let shop = Workshop::new();
    write(&shop, "old.parquet", &OLD);
    write(&shop, "new.parquet", &OLD[..6]);
    statuses(
        &shop,
        "truth.parquet",
        &[("a", "migrated"), ("b", "abandoned"), ("c", "-"), ("d", "abandoned"), ("d", "abandoned")],
    );
    statuses(&shop, "local.parquet", &[("a", "abandoned"), ("b", "abandoned"), ("c", "abandoned"), ("d", "abandoned")]);
    let status =
        |name: &str| format!("{{ table = \"{name}\", key = \"id\", column = \"state\", must_be = \"abandoned\" }}");
    let terms = format!(
        "[tables.truth]\npath = \"truth.parquet\"\n[tables.local]\npath = \"local.parquet\"\n[signoff]\ndelete_from = \"new\"\n\
         candidate_key = \"account\"\nsource_of_truth = {}\nlocal_status = {}\n",
        status("truth"),
        status("local")
    );
    job(&shop, &terms);
    candidates(&shop, "account", &["a", "b", "c", "d", "e"]);
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.iter().map(String::as_str).collect::<Vec<_>>()), (1, vec!["b"]));
    assert_eq!(blocked["a"], "source_of_truth_says_otherwise statuses_disagree");
    assert_eq!(blocked["c"], "source_of_truth_is_null statuses_disagree");
    assert!(blocked["d"].contains("source_of_truth_has_several") && blocked["d"].contains("no_row"), "{blocked:?}");
    assert!(blocked["e"].contains("source_of_truth_does_not_know"), "{blocked:?}");
    // each row that would be deleted is also named
    assert_eq!(lines(&shop.path("out/approved_rows.csv")).len(), 2);
    // without a source of truth, nothing goes from new
    job(&shop, "[signoff]\ndelete_from = \"new\"\n");
    let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
    assert!(code == 2 && said.contains("requires `source_of_truth`, which decides what may be deleted"), "{said}");
    assert!(!shop.path("x").exists());
}

#[test]
fn a_comparison_that_cannot_fail_is_not_signed_off() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1", "2"]);
    // nothing but the key is compared
    job(&shop, OLD_TERMS);
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), text.replace("ignore = \"at\"", "ignore = [\"at\", \"value\", \"account\"]"))
        .unwrap();
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.len()), (2, 0));
    assert!(blocked["1"].contains("unverified"), "{blocked:?}");
    // a key that matches nothing
    write(&shop, "new.parquet", &OLD.map(|row| (row.0 + 1_000, row.1, row.2, row.3)));
    job(&shop, OLD_TERMS);
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.len(), blocked["2"].as_str()), (1, 0, "only_copy"));
    // a side against itself
    fs::copy(shop.path("old.parquet"), shop.path("new.parquet")).unwrap();
    let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "self"]);
    assert!(code == 2 && said.contains("both sides are the same files"), "{said}");
    assert!(!shop.path("self").exists());
}

#[test]
fn lists_that_are_none_are_refused_and_leave_nothing() {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, OLD_TERMS);
    for (list, words) in [
        ("account\na\n", "line 1: the header is `account`, but candidates are identified by `id`"),
        ("id\n1\n2\n1\n", "line 4: duplicate ID 1"),
        ("id\n1\nx\n", "line 3: `x` is not a value of id"),
        ("id\n007\n", "line 2: `007` is not a value of id"),
        ("id,note\n1\n", "line 2: 1 field found, but the header has 2 columns"),
    ] {
        fs::write(shop.path("ids.csv"), list).unwrap();
        let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
        assert!(code == 2 && said.contains(words), "{list}: {said}");
        assert!(!shop.path("x").exists(), "{list}");
    }
    fs::write(shop.path("ids.csv"), "id\n1\n\n").unwrap();
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.len(), blocked[""].as_str()), (1, 1, "no_row null_key"));
}

#[test]
fn after_the_delete_everything_else_that_happened_is_found() {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, OLD_TERMS);
    candidates(&shop, "id", &["1", "2"]);
    assert_eq!(sign(&shop).0, 0);
    let after = |gone: &[i64], change: Option<i64>| {
        let rows: Vec<Row> = OLD.iter().filter(|row| !gone.contains(&row.0)).copied().collect();
        let rows: Vec<Row> =
            rows.into_iter().map(|row| if Some(row.0) == change { (row.0, row.1, -1, row.3) } else { row }).collect();
        write(&shop, "old.parquet", &rows);
        let (code, out, said) = run(&shop, &["signoff", "job.toml", "--after", "out/certificate.json", "--quiet"]);
        (code, out + &said)
    };
    let (code, said) = after(&[1, 2], None);
    assert!(code == 0 && said.starts_with("PROVED"), "{said}");
    let (code, said) = after(&[1], None);
    assert!(code == 1 && said.contains("still there  1  2"), "{said}");
    let (code, said) = after(&[1, 2, 7], None);
    assert!(code == 1 && said.contains("also gone    1  7"), "{said}");
    let (code, said) = after(&[1, 2], Some(6));
    assert!(code == 1 && said.contains("changed      1  6"), "{said}");
    // a row that was only in old is lost without a trace in a comparison, and so is one that is gone from both sides
    let (code, said) = after(&[1, 2, 4], None);
    assert!(code == 1 && said.contains("also gone    1  4"), "{said}");
    let mut new: Vec<Row> = OLD.iter().filter(|row| row.0 != 4 && row.0 != 6).copied().collect();
    new[2].2 = 99;
    new.extend([OLD[4], (9, "e", 9, 50)]);
    write(&shop, "new.parquet", &new);
    let (code, said) = after(&[1, 2, 6], None);
    assert!(code == 1 && said.contains("also gone    1  6"), "{said}");
    // the lists are those that were signed off
    let list = fs::read_to_string(shop.path("out/approved.csv")).unwrap();
    fs::write(shop.path("out/approved.csv"), list + "6,x\n").unwrap();
    let (code, said) = after(&[1, 2, 6], None);
    assert!(code == 2 && said.contains("differs from the file that the sign-off wrote"), "{said}");
}

#[test]
fn the_delete_job_can_check_what_was_signed() {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, OLD_TERMS);
    candidates(&shop, "id", &["1", "2", "3"]);
    assert_eq!(run(&shop, &["keygen", "--out", "lead"]).0, 0);
    let sign = ["signoff", "job.toml", "--candidates", "ids.csv", "--out", "out", "--key", "lead.key", "--quiet"];
    let (code, out, said) = run(&shop, &sign);
    assert!(code == 1 && out.contains("signed         by "), "{out}{said}");
    let verify = |more: &[&str]| {
        let (code, out, said) = run(&shop, &[&["verify", "out/certificate.json", "--key", "lead.pub"], more].concat());
        (code, out + &said)
    };
    fs::write(shop.path("delete.csv"), "id\n2\n1\n").unwrap();
    let (code, said) = verify(&["--list", "delete.csv", "--inputs", "."]);
    assert_eq!(code, 0, "{said}");
    let bytes = fs::read(shop.path("out/certificate.json")).unwrap();
    let certificate = Certificate::parse(&bytes, Path::new("out/certificate.json")).unwrap();
    let predicate = &certificate.statement.predicate;
    assert_eq!((predicate.counts.approved, predicate.blocked_by["mismatch"]), (2, 1));
    assert!(predicate.requirements.iter().all(|requirement| requirement.figures["candidates"] == 3));
    fs::write(shop.path("delete.csv"), "id\n2\n3\n").unwrap();
    let (code, said) = verify(&["--list", "delete.csv"]);
    assert!(code == 2 && said.contains('3'), "{said}");
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), text + "\n").unwrap();
    let (code, said) = verify(&["--inputs", "."]);
    assert!(code == 2 && said.contains("job.toml"), "{said}");
    // an unverified sign-off approves nothing, and an unsigned one is refused
    assert_eq!(run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "unsigned", "--quiet"]).0, 1);
    let (code, _, said) = run(&shop, &["verify", "unsigned/certificate.json", "--key", "lead.pub"]);
    assert!(code == 2 && said.contains("sign"), "{said}");
    // the key file is its owner's alone
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(shop.path("lead.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut again = sign;
    again[5] = "again";
    let (code, _, said) = run(&shop, &again);
    assert!(code == 2 && said.contains("chmod 600") && !shop.path("again").exists(), "{said}");
}

#[test]
fn a_column_that_nobody_compared_does_not_go() {
    let shop = Workshop::new();
    write(&shop, "old.parquet", &OLD);
    let mut new = OLD.to_vec();
    new.push((9, "e", 9, 50));
    write(&shop, "new.parquet", &new);
    candidates(&shop, "id", &["1"]);
    // only in old: deleting the row would delete it
    job(&shop, OLD_TERMS);
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    let shaped = text.replace(
        "path = \"old.parquet\"\n",
        "path = \"old.parquet\"\nquery = \"SELECT *, id AS extra FROM snapshot\"\n",
    );
    fs::write(shop.path("job.toml"), shaped).unwrap();
    assert_eq!(sign(&shop).2["1"], "uncovered");
    // emptied, and ignored
    let terms = "[signoff]\ndelete_from = \"old\"\ncleanup = { column = \"value\", becomes = \"null\" }\n";
    job(&shop, terms);
    assert_eq!(sign(&shop).0, 0);
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), text.replace("ignore = \"at\"", "ignore = [\"at\", \"value\"]")).unwrap();
    assert_eq!(sign(&shop).2["1"], "uncovered");
}

#[test]
fn a_row_of_another_candidate_does_not_go_from_new() {
    let shop = Workshop::new();
    write(&shop, "old.parquet", &OLD);
    let mut new = OLD.to_vec();
    new[0].1 = "b";
    write(&shop, "new.parquet", &new);
    statuses(&shop, "truth.parquet", &[("a", "migrated"), ("b", "abandoned"), ("c", "abandoned")]);
    let terms = "[tables.truth]\npath = \"truth.parquet\"\n[signoff]\ndelete_from = \"new\"\ncandidate_key = \"account\"\n\
                 source_of_truth = { table = \"truth\", key = \"id\", column = \"state\", must_be = \"abandoned\" }\n";
    job(&shop, terms);
    candidates(&shop, "account", &["b", "c"]);
    let (_, approved, blocked) = sign(&shop);
    assert_eq!((approved.len(), blocked["b"].as_str()), (1, "of_another_candidate"));
    // a source of truth that is old decides nothing
    let taken = Timestamp::now() - SignedDuration::from_hours(30);
    job(
        &shop,
        &terms.replace("path = \"truth.parquet\"\n", &format!("path = \"truth.parquet\"\ntaken_at = {taken}\n")),
    );
    assert_eq!(sign(&shop).2["c"], "statuses_too_old");
}

/// With equal names, one check would overwrite the list of the other and block nothing.
#[test]
fn checks_of_the_job_and_of_the_sign_off_have_names_of_their_own() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1"]);
    let value = "[[check]]\nname = \"c\"\nsql = \"SELECT count(*) FROM old\"\nexpect = { value = 8 }\n";
    let names = "[[signoff.check]]\nname = \"c\"\nsql = \"SELECT id FROM old WHERE id = 1\"\n";
    job(&shop, &format!("{value}{OLD_TERMS}{names}"));
    let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
    assert!(code == 2 && said.contains("a [[check]] also has the name `c`"), "{said}");
    assert!(!shop.path("x").exists());
}

#[test]
fn nothing_private_is_written() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "account", &["a"]);
    let refused = |terms: &str, more: &[&str], words: &str| {
        job(&shop, terms);
        let args = [&["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"], more].concat();
        let (code, _, said) = run(&shop, &args);
        assert!(code == 2 && said.contains(words), "{said}");
        assert!(!shop.path("x").exists());
    };
    let private = "[private]\ncolumns = \"account\"\n";
    refused(&format!("{private}{OLD_TERMS}candidate_key = \"account\"\n"), &[], "`account` is private");
    candidates(&shop, "id", &["1"]);
    refused(&format!("{private}{OLD_TERMS}"), &["--rows"], "--rows would write private values");
    // a private version is no guard; a hash is
    job(&shop, &format!("[private]\ncolumns = \"at\"\n{OLD_TERMS}"));
    assert_eq!(sign(&shop).0, 0);
    assert!(fs::read_to_string(shop.path("out/approved.csv")).unwrap().starts_with("id,row_hash\n1,"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// No ID that a naive model blocks is approved, and no ID is blocked without a reason in the model.
    #[test]
    fn approved_is_what_a_naive_model_approves(
        old in prop::collection::vec((1..9_i64, 0..3_usize, 0..2_i64, 0..8_u8), 1..12),
        new in prop::collection::vec((1..9_i64, 0..3_usize, 0..2_i64, 0..8_u8), 0..12),
        copied in prop::collection::vec(any::<bool>(), 12),
        truth in prop::collection::vec((0..3_usize, 0..3_usize), 0..5),
        by_account in any::<bool>(),
        from_new in any::<bool>(),
        with_truth in any::<bool>(),
    ) {
        const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
        let row = |(id, account, value, late): &(i64, usize, i64, u8)| -> Row {
            (*id, ACCOUNTS[*account], *value, if *late == 0 { 1 } else { 50 })
        };
        let old: Vec<Row> = old.iter().map(row).collect();
        // most rows of new are copies, or nothing would ever be approved
        let copies = old.iter().zip(&copied).filter(|(_, copied)| **copied).map(|(row, _)| *row);
        let new: Vec<Row> = copies.chain(new.iter().map(row).filter(|row| row.0 > 5)).collect();
        let truth: Vec<(&str, &str)> =
            truth.iter().map(|(account, state)| (ACCOUNTS[*account], ["go", "stay", "-"][*state])).collect();
        let (with_truth, by_account) = (with_truth || from_new, by_account || with_truth || from_new);
        let shop = Workshop::new();
        write(&shop, "old.parquet", &old);
        write(&shop, "new.parquet", &new);
        if fs::read(shop.path("old.parquet")).unwrap() == fs::read(shop.path("new.parquet")).unwrap() {
            return Ok(());
        }
        statuses(&shop, "truth.parquet", &[truth.clone(), vec![("z", "go")]].concat());
        let mut terms = format!(
            "[tables.truth]\npath = \"truth.parquet\"\n[signoff]\ndelete_from = \"{}\"\n",
            if from_new { "new" } else { "old" }
        );
        if by_account {
            terms += "candidate_key = \"account\"\n";
        }
        if with_truth {
            terms += "source_of_truth = { table = \"truth\", key = \"id\", column = \"state\", must_be = \"go\" }\n";
        }
        job(&shop, &terms);
        let ids: Vec<String> = match by_account {
            true => ACCOUNTS.iter().map(|account| account.to_string()).collect(),
            false => (1..10).map(|id| id.to_string()).collect(),
        };
        candidates(&shop, if by_account { "account" } else { "id" }, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let (code, approved, _) = sign(&shop);

        let (own, other) = if from_new { (&new, &old) } else { (&old, &new) };
        let of = |rows: &[Row], id: i64| rows.iter().filter(|row| row.0 == id).copied().collect::<Vec<Row>>();
        let may_go = |row: &Row| {
            let (here, there) = (of(own, row.0), of(other, row.0));
            let is_late = |row: &Row| row.3 == 1;
            let once = here.len() == 1 && there.len() == 1;
            once && !is_late(row) && !is_late(&there[0]) && row.1 == there[0].1 && (from_new || row.2 == there[0].2)
        };
        let model: BTreeSet<String> = ids
            .iter()
            .filter(|id| {
                let rows: Vec<&Row> = own
                    .iter()
                    .filter(|row| if by_account { row.1 == id.as_str() } else { row.0.to_string() == **id })
                    .collect();
                let states: Vec<&str> = truth.iter().filter(|(account, _)| account == id).map(|(_, state)| *state).collect();
                !rows.is_empty() && rows.iter().all(|row| may_go(row)) && (!with_truth || states == ["go"])
            })
            .cloned()
            .collect();
        prop_assert!(approved.is_subset(&model), "{:?} but {:?}: {:?} {:?} {:?}", approved, model, old, new, truth);
        prop_assert!(code == 2 || approved == model, "{} {:?} but {:?}: {:?} {:?} {:?}", code, approved, model, old, new, truth);
    }
}
