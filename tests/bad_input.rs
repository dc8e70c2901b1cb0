//! Failures that must end with exit code 2 (130 for an interrupt), name the cause, and leave no partial output. Damaged
//! files are tested by `fixtures/cases/damage-*`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use countersign::error::Error;
use countersign::{Out, Strategy};

use crate::support::{Workshop, trial, write_parquet};

fn table(rows: i64, shift: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let text = (0..rows).map(|row| format!("a value that takes some room {}", row + shift));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    RecordBatch::try_from_iter([("id", ids), ("text", text)]).unwrap()
}

/// Two sides that differ in every row.
fn shop_with(rows: i64) -> Workshop {
    let shop = Workshop::new();
    write_parquet(&shop.path("old"), &table(rows, 0), 50_000);
    write_parquet(&shop.path("new"), &table(rows, 1), 50_000);
    shop
}

fn refused(shop: &Workshop, args: &[&str]) -> String {
    let output = shop.run(args);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_run_is_never_overwritten() {
    let shop = shop_with(10);
    let args = ["diff", "old", "new", "--key", "id", "--out", "run"];
    assert_eq!(shop.run(&args).status.code(), Some(1));
    let before = fs::read(shop.path("run/manifest.json")).unwrap();
    assert!(refused(&shop, &args).contains("`run` already contains a run"));
    assert_eq!(fs::read(shop.path("run/manifest.json")).unwrap(), before);
}

#[test]
fn a_directory_with_something_in_it_is_no_place_for_a_run() {
    let shop = shop_with(10);
    fs::create_dir(shop.path("run")).unwrap();
    fs::write(shop.path("run/missing.csv"), "mine").unwrap();
    let said = refused(&shop, &["diff", "old", "new", "--key", "id", "--out", "run"]);
    assert!(said.contains("`run` is not empty: it contains `missing.csv`"), "{said}");
    assert_eq!(fs::read_to_string(shop.path("run/missing.csv")).unwrap(), "mine");
    assert_eq!(shop.names("run"), ["missing.csv"]);
}

#[test]
fn an_output_that_cannot_be_written_is_noticed_before_the_work() {
    let shop = shop_with(10);
    fs::write(shop.path("file"), "").unwrap();
    let said = refused(&shop, &["diff", "old", "new", "--key", "id", "--out", "file/run"]);
    assert!(said.contains("cannot write `file/run`"), "{said}");
}

#[test]
fn a_failed_run_takes_its_directories_back() {
    let shop = shop_with(10);
    fs::write(shop.path("old"), "no parquet").unwrap();
    let said = refused(&shop, &["diff", "old", "new", "--key", "id", "--out", "a/b/run"]);
    assert!(said.contains("`old` is text, such as CSV"), "{said}");
    assert_eq!(shop.names(""), ["new", "old"]);
}

/// Runs the binary as another user, to whom permissions apply; root may read everything.
#[test]
fn a_file_that_may_not_be_read() {
    let shop = shop_with(10);
    let binary = shop.path("binary");
    fs::copy(assert_cmd::cargo::cargo_bin("countersign"), &binary).unwrap();
    let allow = |name: &str, mode| fs::set_permissions(shop.path(name), fs::Permissions::from_mode(mode)).unwrap();
    allow("", 0o755);
    allow("old", 0o000);
    let is_root = fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0).unwrap();
    let mut command = Command::new(if is_root { "setpriv".into() } else { binary.clone() });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    }
    let output = command.args(["diff", "old", "new", "--key", "id"]).current_dir(shop.path("")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot read `old`: Permission denied"), "{said}");
}

/// A file size limit makes a write fail like a full disk does, without a disk to fill.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    // a few findings fail when they are listed, many when they are spilled
    for (rows, kilobytes, strategy, at) in [
        (5_000, 8, "ordered", "cannot write `run/"),
        (5_000, 8, "hashed", "cannot write `run/"),
        (60_000, 100, "ordered", "cannot spill to `"),
        (60_000, 100, "hashed", "cannot spill to `"),
    ] {
        let shop = shop_with(rows);
        let binary = assert_cmd::cargo::cargo_bin("countersign");
        let diff = format!("diff old new --key id --out run --strategy {strategy}");
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec {} {diff}", binary.display());
        let output = Command::new("bash").args(["-c", &script]).current_dir(shop.path("")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("File too large") && said.contains(at), "{said}");
        assert_eq!(shop.names(""), ["new", "old"], "{strategy}");
    }
}

#[test]
fn an_interrupt_ends_the_work_and_leaves_nothing_behind() {
    let shop = shop_with(300_000);
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("countersign"))
        .args(["diff", "old", "new", "--key", "id", "--out", "run", "--strategy", "hashed", "--quiet"])
        .current_dir(shop.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !shop.names("").iter().any(|name| name.starts_with(".countersign-") && !name.ends_with(".lock")) {
        assert!(began.elapsed() < Duration::from_secs(60), "the run never began");
        std::thread::sleep(Duration::from_millis(2));
    }
    // the signal handler is installed shortly after
    std::thread::sleep(Duration::from_millis(60));
    let kill = format!("kill -INT {}", child.id());
    let killed = Command::new("bash").args(["-c", &kill]).status().unwrap();
    assert!(killed.success(), "the run was over before it could be interrupted");
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130));
    assert_eq!(shop.names(""), ["new", "old"]);
}

#[test]
fn stopping_is_noticed_in_every_way() {
    let shop = shop_with(1_000);
    for way in [Strategy::Ordered, Strategy::Hashed] {
        let mut trial = trial(&shop, &["id"]);
        trial.options.strategy = Some(way);
        trial.options.out = Some(Out::At(shop.path("run")));
        trial.options.stop = Arc::new(AtomicBool::new(true));
        let stopped = trial.compare();
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
        assert_eq!(shop.names(""), ["new", "old"]);
    }
}

#[test]
fn working_files_that_cannot_be_written() {
    let shop = shop_with(10);
    let output = assert_cmd::Command::cargo_bin("countersign")
        .unwrap()
        .args(["diff", "old", "new", "--key", "id"])
        .current_dir(shop.path(""))
        .env("TMPDIR", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot spill to `/nowhere`"), "{said}");
}

#[test]
fn too_little_memory_is_said_and_never_an_answer() {
    let shop = shop_with(200_000);
    let mut trial = trial(&shop, &["id"]);
    trial.options.strategy = Some(Strategy::Hashed);
    trial.options.limits.memory = 64 << 10;
    let refused = trial.compare().unwrap_err().to_string();
    assert!(refused.contains("needs about") && refused.contains("--memory allows 64.0 KiB"), "{refused}");
    trial.options.limits.working = Some(64 << 10);
    match trial.compare() {
        Err(Error::Memory(_)) => {}
        Ok(report) => assert_eq!(report.counts().mismatch, 200_000),
        Err(other) => panic!("{other}"),
    }
}
