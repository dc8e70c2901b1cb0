//! Killed at any moment or with any system call failing, `diff`, `run`, `signoff`, and `waves` publish all or nothing,
//! leave the user's files alone, and report what failed, and the next run works.
//!
//! A few of each by default; `COUNTERSIGN_KILLS=100 COUNTERSIGN_FAULTS=250` sets the numbers for each command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use countersign::certificate::{Certificate, digests_of};
use countersign::testing::{FileDigest, of_file};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use walkdir::WalkDir;

use crate::support::{Workshop, write_parquet};

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;
const KILL_BEFORE: i32 = 0;
const KILL_AFTER: i32 = -1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Diff,
    Run,
    SignOff,
    Waves,
}

/// The calls that the library can make fail; see `shim/faults.c`.
#[derive(Debug, Clone, Copy)]
struct Fault {
    kinds: &'static str,
    at: u64,
    errno: i32,
    lasts: bool,
}

/// All calls that can fail.
const ALL: &str = "ocrwsndl";

/// A workshop in which one command is run again and again.
struct Scene {
    shop: Workshop,
    kind: Kind,
    /// What a run without faults publishes.
    whole: BTreeSet<String>,
    users: BTreeMap<PathBuf, Vec<u8>>,
    runs: u32,
}

impl Scene {
    fn new(kind: Kind) -> Self {
        let shop = Workshop::new();
        let now = Timestamp::now();
        let side = |name: &str, rows: &[(i64, i64)]| {
            let at = rows.iter().map(|_| (now - SignedDuration::from_hours(50)).as_microsecond());
            let columns: [(&str, ArrayRef); 3] = [
                ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
                ("value", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>())),
                ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC"))),
            ];
            let path = format!("in/{name}/part.parquet");
            write_parquet(&shop.path(&path), &RecordBatch::try_from_iter(columns).unwrap(), 10);
        };
        let old: Vec<(i64, i64)> = (1..=20).map(|id| (id, id)).collect();
        let mut new = old.clone();
        new[2].1 = 99;
        new.remove(5);
        side("old", &old);
        side("new", &new);
        let taken = now - SignedDuration::from_hours(2);
        let job = format!(
            "old = {{ path = \"in/old\", taken_at = {taken} }}\nnew = {{ path = \"in/new\", taken_at = {taken} }}\n\
             [compare]\nkey = \"id\"\nignore = \"at\"\n[in_flight]\ncolumn = \"at\"\n[retain]\nwhole = 2\n\
             [signoff]\ndelete_from = \"old\"\n"
        );
        fs::write(shop.path("job.toml"), job).unwrap();
        fs::write(shop.path("in/ids.csv"), "id\n1\n2\n3\n4\n6\n").unwrap();
        for kept in ["keep.txt", "runs/keep.txt", "runs/job/keep.txt", "published/keep.txt", "tmp/keep.txt"] {
            fs::create_dir_all(shop.path(kept).parent().unwrap()).unwrap();
            fs::write(shop.path(kept), "the user's").unwrap();
        }
        let users = files(&shop.path("")).into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
        let mut scene = Scene { shop, kind, whole: BTreeSet::new(), users, runs: 0 };
        let (output, out) = scene.run(None);
        assert!(output.status.code().is_some_and(|code| code < 2), "{}", said(&output));
        let published = scene.published(&out);
        scene.whole = names(published.first().unwrap_or_else(|| panic!("{kind:?} has published nothing")));
        assert!(scene.whole.len() > 2, "{:?}", scene.whole);
        scene.require_clean("the first run");
        scene
    }

    fn command(&mut self) -> (Command, String) {
        self.runs += 1;
        let out = format!("published/{}", self.runs);
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("countersign"));
        let args: Vec<&str> = match self.kind {
            Kind::Diff => vec!["diff", "in/old", "in/new", "--key", "id", "--out", &out],
            Kind::Run => vec!["run", "job.toml", "--out", "runs"],
            Kind::SignOff => vec!["signoff", "job.toml", "--candidates", "in/ids.csv", "--out", &out],
            Kind::Waves => vec!["waves", "in/ids.csv", "--out", &out, "--sizes", "2,rest", "--shards", "2"],
        };
        command.args(args).args(["--quiet", "--threads", "1"]);
        command.current_dir(self.shop.path("")).env("TMPDIR", self.shop.path("tmp"));
        (command, out)
    }

    /// Runs the command, and returns where it would publish.
    fn run(&mut self, fault: Option<(Fault, &Path)>) -> (Output, String) {
        let (mut command, out) = self.command();
        if let Some((fault, count)) = fault {
            let below = fs::canonicalize(self.shop.path("")).unwrap();
            command
                .env("LD_PRELOAD", shim())
                .env("FAULT_BELOW", below)
                .env("FAULT_KINDS", fault.kinds)
                .env("FAULT_AT", fault.at.to_string())
                .env("FAULT_ERRNO", fault.errno.to_string())
                .env("FAULT_LASTS", u8::from(fault.lasts).to_string())
                .env("FAULT_COUNT", count);
        }
        (command.output().unwrap(), out)
    }

    /// The number of calls of these kinds that a run makes.
    fn calls(&mut self, kinds: &'static str) -> u64 {
        let count = tempfile::NamedTempFile::new().unwrap();
        let fault = Fault { kinds, at: 0, errno: 0, lasts: false };
        let (output, _) = self.run(Some((fault, count.path())));
        assert!(output.status.code().is_some_and(|code| code < 2), "{}", said(&output));
        fs::read_to_string(count.path()).unwrap().parse().unwrap()
    }

    /// The published directories: one, or one for each run if runs have separate names.
    fn published(&self, out: &str) -> Vec<PathBuf> {
        match self.kind {
            Kind::Run => {
                let runs = self.shop.runs("runs/job").into_iter().filter(|name| name != "keep.txt");
                runs.map(|run| self.shop.path("runs/job").join(run)).collect()
            }
            _ => Some(self.shop.path(out)).filter(|out| out.exists()).into_iter().collect(),
        }
    }

    /// Everything that was published is complete, and the user's files are unchanged.
    fn require_all_or_nothing(&self, out: &str, what: &str) {
        for dir in self.published(out) {
            let whole = whole(self.kind, &dir);
            assert!(whole.is_ok(), "{what}: {} is not whole: {whole:?}", dir.display());
            let found = names(&dir);
            // old runs are without their lists
            let is_slim = self.kind == Kind::Run && found.is_subset(&self.whole) && !found.contains("missing.csv");
            assert!(is_slim || found == self.whole, "{what}: {found:?} is not {:?}", self.whole);
        }
        let latest = self.shop.path("runs/job/latest");
        if let Ok(run) = fs::read_link(&latest) {
            assert!(latest.join("manifest.json").is_file(), "{what}: latest leads to {}", run.display());
        }
        for (path, content) in &self.users {
            assert_eq!(fs::read(path).ok().as_ref(), Some(content), "{what}: {}", path.display());
        }
    }

    /// The next run works, and removes what the previous run left behind.
    fn require_next(&mut self, what: &str) {
        let (output, out) = self.run(None);
        assert!(output.status.code().is_some_and(|code| code < 2), "after {what}: {}", said(&output));
        assert!(!self.published(&out).is_empty(), "after {what}");
        self.require_all_or_nothing(&out, what);
        self.require_clean(what);
    }

    /// No staging directories or working files remain.
    fn require_clean(&self, what: &str) {
        let is_left = |entry: &walkdir::DirEntry| entry.file_name().to_string_lossy().starts_with(".countersign-");
        let left: Vec<_> = WalkDir::new(self.shop.path("")).into_iter().flatten().filter(is_left).collect();
        assert!(left.is_empty(), "{what} has left {left:?}");
    }
}

/// The library that makes calls fail, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SHIM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/faults.c");
        let built = Command::new("cc")
            .args(["-std=gnu11", "-shared", "-fPIC", "-O1", "-o"])
            .args([&path, &source])
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", said(&built));
        (dir, path)
    });
    path
}

fn said(output: &Output) -> String {
    format!(
        "{:?}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = WalkDir::new(dir).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    entries.map(walkdir::DirEntry::into_path).collect()
}

fn names(dir: &Path) -> BTreeSet<String> {
    files(dir).iter().map(|file| file.strip_prefix(dir).unwrap().display().to_string()).collect()
}

fn json(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether all files that the last file lists are present and unchanged.
fn whole(kind: Kind, dir: &Path) -> Result<(), String> {
    let listed: Vec<FileDigest> = match kind {
        Kind::Diff | Kind::Run => {
            serde_json::from_value(json(&dir.join("manifest.json"))?["outputs"].clone()).map_err(|e| e.to_string())?
        }
        Kind::Waves => {
            let files = json(&dir.join("waves.json"))?["files"].clone();
            let digest = |file: &Value| FileDigest {
                path: file["file"].as_str().unwrap_or_default().into(),
                bytes: file["bytes"].as_u64().unwrap_or_default(),
                blake3: file["blake3"].as_str().unwrap_or_default().into(),
            };
            files.as_array().ok_or("no files")?.iter().map(digest).collect()
        }
        Kind::SignOff => {
            // it signs the digests of all files beside it, and of the run's manifest, which has those of the run
            let certificate = dir.join("certificate.json");
            let bytes = fs::read(&certificate).map_err(|error| error.to_string())?;
            let parsed = Certificate::parse(&bytes, &certificate).map_err(|error| error.to_string())?;
            for subject in parsed.statement.subject.iter().filter(|subject| subject.is_output()) {
                let found = digests_of(&dir.join(subject.path())).map_err(|error| error.to_string())?;
                if found != subject.digest {
                    return Err(format!("{} is not as it was written", subject.path()));
                }
            }
            return whole(Kind::Diff, &dir.join("run"));
        }
    };
    // retention takes the lists of old runs, all of them or none
    let lists = [
        "discrepancies.parquet",
        "missing.csv",
        "extra.csv",
        "mismatch.csv",
        "duplicate_keys.csv",
        "missing_duplicated.csv",
    ];
    let is_slim = kind == Kind::Run && lists.iter().all(|list| !dir.join(list).exists());
    for file in listed.iter().filter(|file| !(is_slim && lists.contains(&file.path.as_str()))) {
        let found = of_file(&dir.join(&file.path)).map_err(|error| format!("{}: {error}", file.path))?;
        if found.to_hex().as_str() != file.blake3 {
            return Err(format!("{} is not as it was written", file.path));
        }
    }
    Ok(())
}

/// The number that the environment variable sets.
fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

/// Kills at every call that changes a name, before and after the call, and then at random moments.
fn kill(kind: Kind) {
    let mut scene = Scene::new(kind);
    let count = tempfile::NamedTempFile::new().unwrap();
    // in the long form also at every directory that is made and everything that is removed
    let random_moments = asked("COUNTERSIGN_KILLS", 2);
    let kinds = if random_moments > 10 { "ndu" } else { "n" };
    let renames = scene.calls(kinds);
    let mut kills = 0;
    for at in 1..=renames {
        for errno in [KILL_BEFORE, KILL_AFTER] {
            let fault = Fault { kinds, at, errno, lasts: false };
            let (output, out) = scene.run(Some((fault, count.path())));
            // how much is removed differs from run to run
            let is_over = kinds.contains('u') && output.status.code().is_some_and(|code| code < 2);
            assert!(is_over || output.status.signal() == Some(9), "{kind:?}, {fault:?}: {}", said(&output));
            let what = format!("{kind:?}, killed at {at} of {renames} names ({errno})");
            scene.require_all_or_nothing(&out, &what);
            scene.require_next(&what);
            kills += 1;
        }
    }
    let began = Instant::now();
    scene.run(None);
    let usual = began.elapsed();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for nth in 0..random_moments {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = usual.mul_f64((random % 1000) as f64 / 1000.0);
        let (mut command, out) = scene.command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        // it may have ended by itself
        let _ = child.kill();
        child.wait().unwrap();
        let what = format!("{kind:?}, killed after {moment:?} ({nth})");
        scene.require_all_or_nothing(&out, &what);
        scene.require_next(&what);
        kills += 1;
    }
    eprintln!("{kind:?}: {kills} kills held");
}

/// Makes each call fail in turn: once, and from then on, as a full disk does.
fn fail(kind: Kind) {
    let mut scene = Scene::new(kind);
    let count = tempfile::NamedTempFile::new().unwrap();
    let asked = asked("COUNTERSIGN_FAULTS", 6);
    let mut faults = 0;
    // what only a working disk is needed for, and what only a disk with room is
    for (kinds, errno, lasts, share) in
        [(ALL, IO_ERROR, false, 40), ("cwsnd", NO_SPACE, true, 40), ("wsnd", IO_ERROR, false, 20)]
    {
        let calls = scene.calls(kinds);
        let wanted = (asked * share / 100).clamp(1, calls);
        for nth in 0..wanted {
            let at = 1 + nth * calls / wanted;
            let fault = Fault { kinds, at, errno, lasts };
            let (output, out) = scene.run(Some((fault, count.path())));
            let what = format!("{kind:?}, {fault:?} of {calls}");
            let words = said(&output);
            match output.status.code() {
                // nothing that matters has failed
                Some(0 | 1) => assert!(!scene.published(&out).is_empty(), "{what}: {words}"),
                Some(2) => {
                    let text = String::from_utf8_lossy(&output.stderr);
                    assert!(text.contains("error:") && text.matches('`').count() >= 2, "{what}: {words}");
                    assert!(!text.contains("internal error") && !text.contains("report this"), "{what}: {words}");
                    // a disk that fails permanently right after the rename leaves the complete output, and is reported
                    let is_unsynced = text.contains("is complete, but the disk did not confirm that it is stored");
                    let is_kept = kind == Kind::Run || is_unsynced || scene.published(&out).is_empty();
                    assert!(is_kept, "{what}: published all the same: {words}");
                }
                _ => panic!("{what}: {words}"),
            }
            scene.require_all_or_nothing(&out, &what);
            scene.require_next(&what);
            faults += 1;
        }
    }
    eprintln!("{kind:?}: {faults} faults held");
}

#[test]
fn a_killed_diff_leaves_all_or_nothing() {
    kill(Kind::Diff);
}

#[test]
fn a_killed_run_leaves_all_or_nothing() {
    kill(Kind::Run);
}

#[test]
fn a_killed_sign_off_leaves_all_or_nothing() {
    kill(Kind::SignOff);
}

#[test]
fn killed_waves_leave_all_or_nothing() {
    kill(Kind::Waves);
}

#[test]
fn a_diff_whose_disk_fails_says_so() {
    fail(Kind::Diff);
}

#[test]
fn a_run_whose_disk_fails_says_so() {
    fail(Kind::Run);
}

#[test]
fn a_sign_off_whose_disk_fails_says_so() {
    fail(Kind::SignOff);
}

#[test]
fn waves_whose_disk_fails_say_so() {
    fail(Kind::Waves);
}

#[test]
fn a_stale_lock_without_a_directory_goes_too() {
    let mut scene = Scene::new(Kind::Diff);
    fs::write(scene.shop.path("published/.countersign-0123456789abcdef.lock"), "").unwrap();
    scene.require_next("a run that was killed before it had a directory");
}

/// An SQL function on one huge cell is one long step that does not check for interrupts.
#[test]
fn an_interrupt_is_heeded_within_one_long_step() {
    let shop = Workshop::new();
    let words: ArrayRef = Arc::new(StringArray::from(vec!["ab".repeat(100_000)]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let rows = RecordBatch::try_from_iter([("id", ids), ("w", words)]).unwrap();
    write_parquet(&shop.path("old.parquet"), &rows, 10);
    write_parquet(&shop.path("new.parquet"), &rows, 10);
    let job = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = [\"id\"]\n\
               [compare.columns.w]\nold_expr = \"levenshtein(w, reverse(w))\"\nnew_expr = \"levenshtein(w, reverse(w))\"\n";
    fs::write(shop.path("job.toml"), job).unwrap();
    let mut run = Command::new(assert_cmd::cargo::cargo_bin("countersign"))
        .args(["run", "job.toml", "--quiet", "--out", "runs"])
        .current_dir(shop.path(""))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(run.try_wait().unwrap().is_none(), "it ended before it was interrupted");
    let since = Instant::now();
    let signal = format!("kill -INT {}", run.id());
    assert!(Command::new("bash").args(["-c", &signal]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert!(since.elapsed().as_millis() < 1500, "{:?}", since.elapsed());
    assert_eq!(output.status.code(), Some(130));
    assert!(said(&output).contains("interrupted; nothing was verified"), "{}", said(&output));
    assert!(!files(&shop.path("")).iter().any(|path| path.to_string_lossy().contains(".countersign-")));
}
