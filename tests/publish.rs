//! Output replaces nothing and is never among the inputs, and inputs must be unchanged from beginning to end.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use jiff::{SignedDuration, Timestamp};
use walkdir::WalkDir;

use crate::support::{Workshop, run, write_parquet};

fn rows(values: &[i64]) -> RecordBatch {
    // the same in all files
    static AT: OnceLock<i64> = OnceLock::new();
    let at = *AT.get_or_init(|| (Timestamp::now() - SignedDuration::from_hours(50)).as_microsecond());
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new((1..=values.len() as i64).collect::<Int64Array>())),
        ("value", Arc::new(Int64Array::from(values.to_vec()))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![at; values.len()]).with_timezone("UTC"))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Two equal snapshots, a job with a sign-off, and candidates.
fn shop() -> Workshop {
    let shop = Workshop::new();
    // the same file twice would prove nothing
    for (file, row_group_rows) in [("exports/old/a.parquet", 10), ("exports/new/a.parquet", 2)] {
        write_parquet(&shop.path(file), &rows(&[1, 2, 3, 4]), row_group_rows);
    }
    job(&shop, "exports/old", "");
    fs::write(shop.path("ids.csv"), "id\n1\n2\n").unwrap();
    shop
}

fn job(shop: &Workshop, old: &str, more: &str) {
    let taken = Timestamp::now() - SignedDuration::from_hours(2);
    let text = format!(
        "old = {{ path = \"{old}\", taken_at = {taken} }}\nnew = {{ path = \"exports/new\", taken_at = {taken} }}\n\
         {more}\n[compare]\nkey = \"id\"\nignore = \"at\"\n[in_flight]\ncolumn = \"at\"\n"
    );
    let text = if text.contains("[signoff]") { text } else { text + "[signoff]\ndelete_from = \"old\"\n" };
    fs::write(shop.path("job.toml"), text).unwrap();
}

fn diff(shop: &Workshop, out: &str) -> (i32, String) {
    let (code, _, said) = run(shop, &["diff", "exports/old", "exports/new", "--key", "id", "--quiet", "--out", out]);
    (code, said)
}

fn sign(shop: &Workshop, out: &str) -> (i32, String) {
    let (code, _, said) = run(shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--quiet", "--out", out]);
    (code, said)
}

fn waves(shop: &Workshop, list: &str, out: &str) -> (i32, String) {
    let (code, _, said) = run(shop, &["waves", list, "--quiet", "--out", out]);
    (code, said)
}

/// Everything below a directory, with its contents, or the targets of links.
fn all(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = WalkDir::new(dir).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    let content = |path: &Path| match fs::read_link(path) {
        Ok(link) => link.display().to_string().into_bytes(),
        Err(_) => fs::read(path).unwrap_or_default(),
    };
    entries.map(|entry| (entry.path().to_path_buf(), content(entry.path()))).collect()
}

#[test]
fn a_refused_sign_off_leaves_the_signed_evidence_of_the_one_before() {
    let shop = shop();
    assert_eq!(sign(&shop, "out"), (0, String::new()));
    let before = all(&shop.path(""));
    assert!(shop.path("out/run/manifest.json").exists() && shop.path("out/certificate.json").exists());
    let (code, said) = sign(&shop, "out");
    assert!(code == 2 && said.contains("`out` is not empty") && said.contains("--out out/run-2"), "{said}");
    assert_eq!(all(&shop.path("")), before);
    // what was signed can still be used
    let (code, out, said) = run(&shop, &["signoff", "job.toml", "--after", "out/certificate.json", "--quiet"]);
    assert!(code == 1 && out.contains("still there  2"), "{out}{said}");
}

#[test]
fn a_sign_off_takes_nothing_that_is_called_run() {
    let shop = shop();
    assert_eq!(diff(&shop, "run").0, 0);
    fs::create_dir_all(shop.path("mine/run")).unwrap();
    fs::write(shop.path("mine/run/notes.txt"), "keep").unwrap();
    fs::create_dir(shop.path("empty")).unwrap();
    let before = all(&shop.path(""));
    let (code, said) = sign(&shop, ".");
    assert!(code == 2 && said.contains("working directory") && said.contains("--out ./run-2"), "{said}");
    let (code, said) = sign(&shop, "mine");
    assert!(code == 2 && said.contains("it contains `run`"), "{said}");
    // whatever fails, and in whichever part of the work
    let failing: [&[&str]; 3] =
        [&["--candidates", "nothing.csv"], &["--candidates", "job.toml"], &["--set", "old.path=\"nothing\""]];
    for more in failing {
        for out in ["empty", "a/b"] {
            let mut args = vec!["signoff", "job.toml", "--quiet", "--out", out];
            args.extend(more);
            if !more.contains(&"--candidates") {
                args.extend(["--candidates", "ids.csv"]);
            }
            let (code, _, said) = run(&shop, &args);
            assert_eq!(code, 2, "{said}");
            assert_eq!(all(&shop.path("")), before, "{more:?} {said}");
        }
    }
}

#[test]
fn output_is_not_mixed_with_the_users_files() {
    let shop = shop();
    for name in ["missing.csv", "report.txt", "notes.txt", ".hidden"] {
        let dir = shop.path("mine");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(name), "the user's").unwrap();
        fs::create_dir(dir.join("mismatch.csv")).unwrap();
        let before = all(&shop.path(""));
        for (code, said) in [diff(&shop, "mine"), sign(&shop, "mine"), waves(&shop, "ids.csv", "mine")] {
            assert!(code == 2 && said.contains("`mine` is not empty") && said.contains("--out mine/run"), "{said}");
            assert_eq!(all(&shop.path("")), before, "{name}");
        }
    }
    // the solution that the message suggests
    assert_eq!(diff(&shop, "mine/run").0, 0);
    // a file is no directory
    fs::write(shop.path("file"), "mine").unwrap();
    let (code, said) = diff(&shop, "file");
    assert!(code == 2 && said.contains("cannot write `file`: not a directory"), "{said}");
}

#[test]
fn an_empty_directory_is_replaced_with_its_permissions() {
    let shop = shop();
    for mode in [0o700, 0o750, 0o2775] {
        let dir = shop.path(&format!("made-{mode:o}"));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        let (code, said) = diff(&shop, &format!("./made-{mode:o}/"));
        assert_eq!(code, 0, "{said}");
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, mode);
        assert!(dir.join("manifest.json").exists());
    }
    let names = shop.names("made-700");
    assert!(names.iter().all(|name| !name.starts_with('.')), "no working file is published: {names:?}");
    assert!(shop.names("").iter().all(|name| !name.starts_with(".countersign-")), "{:?}", shop.names(""));
}

#[test]
fn what_no_rename_can_replace_is_refused_before_the_work() {
    let shop = shop();
    fs::create_dir_all(shop.path("real/deep")).unwrap();
    symlink("real", shop.path("link")).unwrap();
    symlink("nowhere", shop.path("dangling")).unwrap();
    fs::create_dir(shop.path("inner")).unwrap();
    let before = all(&shop.path(""));
    let above = shop.path("").parent().unwrap().display().to_string();
    let absolute = shop.path("").display().to_string();
    for (out, reason) in [
        (".", "it is or contains the working directory"),
        ("real/..", "it is or contains the working directory"),
        ("..", "it is or contains the working directory"),
        ("/", "it is or contains the working directory"),
        (above.as_str(), "it is or contains the working directory"),
        (absolute.as_str(), "it is or contains the working directory"),
        ("link", "it is a symbolic link"),
        ("link/", "it is a symbolic link"),
        ("/proc", "it is a mount point"),
    ] {
        let list = shop.path("ids.csv").display().to_string();
        for (code, said) in [diff(&shop, out), sign(&shop, out), waves(&shop, &list, out)] {
            let below =
                format!("choose a new directory below it, such as --out {}", Path::new(out).join("run").display());
            assert!(code == 2 && said.contains(reason) && said.contains(&below), "{out}: {said}");
            assert_eq!(all(&shop.path("")), before, "{out}");
        }
    }
    let (code, said) = diff(&shop, "dangling");
    assert!(code == 2 && said.contains("cannot write `dangling`"), "{said}");
    // below a link is not a link
    assert_eq!(diff(&shop, "link/run").0, 0);
    assert!(shop.path("real/run/manifest.json").exists());
    assert_eq!(diff(&shop, "inner").0, 0);
}

/// Runs the binary as a user who is subject to permissions.
fn as_nobody(shop: &Workshop, args: &[&str]) -> Output {
    let binary = shop.path("binary");
    if !binary.exists() {
        fs::copy(assert_cmd::cargo::cargo_bin("countersign"), &binary).unwrap();
    }
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    let mut command = Command::new(if is_root { "setpriv".into() } else { binary.clone() });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    }
    command.args(args).current_dir(shop.path("")).env("TMPDIR", shop.path("tmp")).output().unwrap()
}

#[test]
fn a_directory_whose_parent_may_not_be_written_to_is_refused_before_the_work() {
    let shop = shop();
    let allow = |name: &str, mode| fs::set_permissions(shop.path(name), fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir_all(shop.path("closed/out")).unwrap();
    fs::create_dir_all(shop.path("sticky/out")).unwrap();
    fs::create_dir(shop.path("tmp")).unwrap();
    allow("", 0o755);
    allow("closed/out", 0o777);
    allow("closed", 0o555);
    allow("sticky", 0o1777);
    allow("tmp", 0o777);
    let args = ["diff", "exports/old", "exports/new", "--key", "id", "--quiet", "--out"];
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    let mut cases = vec![("closed/out", "its parent directory is not writable", "closed/out/run")];
    if is_root {
        cases.push(("sticky/out", "it belongs to another user", "sticky/out/run"));
    }
    for (out, reason, below) in cases {
        let output = as_nobody(&shop, &[&args[..], &[out]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(reason) && said.contains(&format!("--out {below}")), "{said}");
        assert_eq!((shop.names(out), shop.names("sticky").len()), (vec![], 1));
    }
    // a path below it works
    let output = as_nobody(&shop, &[&args[..], &["closed/out/run"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(shop.path("closed/out/run/manifest.json").exists());
    allow("closed", 0o755);
}

#[test]
fn a_job_whose_lock_cannot_be_made_leaves_no_directories() {
    let shop = shop();
    fs::create_dir(shop.path("tmp")).unwrap();
    fs::create_dir(shop.path("runs")).unwrap();
    for dir in ["", "tmp", "runs"] {
        fs::set_permissions(shop.path(dir), fs::Permissions::from_mode(0o777)).unwrap();
    }
    as_nobody(&shop, &["--version"]);
    let binary = shop.path("binary").display().to_string();
    // whatever is made is made so that nothing can be made in it
    let script = format!("umask 0777; exec {binary} run job.toml --quiet --out runs/deep");
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    let mut command = Command::new(if is_root { "setpriv" } else { "bash" });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash"]);
    }
    let output = command.args(["-c", &script]).current_dir(shop.path("")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("cannot write `runs/deep"), "{said}");
    assert!(shop.path("runs").exists() && shop.names("runs").is_empty(), "{:?}", shop.names("runs"));
}

#[test]
fn output_goes_where_no_listing_of_an_input_finds_it() {
    let shop = shop();
    write_parquet(&shop.path("exports/states/a.parquet"), &rows(&[1]), 10);
    write_parquet(&shop.path("exports/copy/a.parquet"), &rows(&[1, 2, 3, 4]), 10);
    fs::create_dir(shop.path("elsewhere")).unwrap();
    symlink("../../elsewhere", shop.path("exports/old/more")).unwrap();
    let tables = |path: &str| format!("tables.states.path = \"{path}\"");
    let backup = "[signoff]\ndelete_from = \"old\"\nbackup = { path = \"exports/copy\", max_age = \"1h\" }";
    let whole = "exports/old/**/*.parquet";
    for (old, more, out, owner) in [
        ("exports/old", "", "exports/old/run", "the old snapshot"),
        (whole, "", "exports/old/run", "the old snapshot"),
        (whole, "", "exports/old/a/b", "the old snapshot"),
        ("exports/o*/*.parquet", "", "exports/other", "the old snapshot"),
        ("exports/old/*", "", "exports/old/run", "the old snapshot"),
        ("./exports/old/*/*.parquet", "", "exports/old/run", "the old snapshot"),
        // through a link
        ("exports/old", "", "elsewhere/run", "the old snapshot"),
        ("exports/old", &tables("exports/states"), "exports/states/run", "table `states`"),
        ("exports/old", &tables("exports/states/*/*.parquet"), "exports/states/run", "table `states`"),
    ] {
        job(&shop, old, more);
        let before = all(&shop.path(""));
        let (code, said) = sign(&shop, out);
        let words = format!("`{out}` is part of {owner}; the next run would read the output as data");
        assert!(code == 2 && said.contains(&words), "{old} {more} {out}: {said}");
        assert_eq!(all(&shop.path("")), before);
        // runs are two directories further down, where `*/*` does not look
        if !more.contains('*') && !old.contains("o*") && !old.contains("*/*.p") {
            let (code, _, said) = run(&shop, &["run", "job.toml", "--quiet", "--out", out]);
            assert!(code == 2 && said.contains("is part of"), "{old} {more} {out}: {said}");
            assert_eq!(all(&shop.path("")), before);
        }
    }
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), text.replace("[signoff]\ndelete_from = \"old\"", backup)).unwrap();
    let (code, said) = sign(&shop, "exports/copy/out");
    assert!(code == 2 && said.contains("is part of the backup"), "{said}");
    fs::remove_file(shop.path("exports/old/more")).unwrap();
    // what a listing passes over, and what a single file is beside
    for (old, out) in [
        ("exports/old/a.parquet", "exports/old/run"),
        ("exports/old/*.parquet", "exports/old/run"),
        ("exports/old/a*/*.parquet", "exports/old/run-2"),
        ("exports/old/**/a.parquet", "exports/old/run-3"),
        ("exports/old", "exports/older"),
    ] {
        if old.contains("a*/") {
            write_parquet(&shop.path("exports/old/ab/a.parquet"), &rows(&[1, 2, 3, 4]), 10);
        }
        let args = ["diff", old, "exports/new", "--key", "id", "--quiet", "--out", out];
        let (code, _, said) = run(&shop, &args);
        assert!(code < 2 || said.contains("holds"), "{old} {out}: {said}");
        fs::remove_dir_all(shop.path(out)).unwrap();
        let _ = fs::remove_dir_all(shop.path("exports/old/ab"));
    }
}

#[test]
fn waves_do_not_go_among_the_inputs_of_the_run_that_they_are_cut_from() {
    let shop = shop();
    write_parquet(&shop.path("exports/new/a.parquet"), &rows(&[1, 2, 3]), 10);
    assert_eq!(diff(&shop, "run").0, 1);
    let before = all(&shop.path(""));
    let (code, said) = waves(&shop, "run/missing.csv", "exports/old/waves");
    assert!(code == 2 && said.contains("`exports/old/waves` is part of the old snapshot"), "{said}");
    assert_eq!(all(&shop.path("")), before);
    assert_eq!(waves(&shop, "run/missing.csv", "exports/waves").0, 0);
}

#[test]
fn two_that_publish_to_one_place_leave_one_whole() {
    let shop = shop();
    let begin = || {
        Command::new(assert_cmd::cargo::cargo_bin("countersign"))
            .args(["diff", "exports/old", "exports/new", "--key", "id", "--quiet", "--out", "out"])
            .current_dir(shop.path(""))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for _ in 0..5 {
        let outputs: Vec<Output> =
            [begin(), begin(), begin()].into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let good = outputs.iter().filter(|output| output.status.code() == Some(0)).count();
        assert_eq!(good, 1, "{outputs:?}");
        let refused = outputs.iter().filter(|output| output.status.code() == Some(2));
        refused.for_each(|output| {
            assert!(String::from_utf8_lossy(&output.stderr).contains("`out` already contains a run"), "{output:?}");
        });
        assert!(shop.path("out/manifest.json").exists());
        assert!(shop.names("").iter().all(|name| !name.starts_with(".countersign-")), "{:?}", shop.names(""));
        fs::remove_dir_all(shop.path("out")).unwrap();
    }
}

#[test]
fn retention_leaves_whole_runs_or_slim_ones_and_all_that_the_user_added() {
    let shop = shop();
    write_parquet(&shop.path("exports/new/a.parquet"), &rows(&[1, 2, 3]), 10);
    let keep = |whole: u32| {
        job(&shop, "exports/old", &format!("retain.whole = {whole}"));
        let (code, out, said) = run(&shop, &["run", "job.toml", "--quiet"]);
        assert_eq!(code, 1, "{out}{said}");
    };
    keep(9);
    let first = format!("runs/job/{}", shop.runs("runs/job")[0]);
    fs::create_dir(shop.path(&first).join("waves")).unwrap();
    fs::write(shop.path(&first).join("waves/missing.csv"), "the user's").unwrap();
    fs::write(shop.path(&first).join("notes.txt"), "the user's").unwrap();
    symlink("notes.txt", shop.path(&first).join("link")).unwrap();
    let manifest = fs::read(shop.path(&first).join("manifest.json")).unwrap();
    keep(1);
    let names = shop.names(&first);
    for gone in ["missing.csv", "discrepancies.parquet", "mismatch.csv"] {
        assert!(!names.contains(&gone.to_string()), "{names:?}");
    }
    for kept in ["manifest.json", "report.json", "history.parquet", "notes.txt", "link", "waves"] {
        assert!(names.contains(&kept.to_string()), "{names:?}");
    }
    assert_eq!(fs::read(shop.path(&first).join("manifest.json")).unwrap(), manifest);
    assert_eq!(fs::read_to_string(shop.path(&first).join("waves/missing.csv")).unwrap(), "the user's");
    assert_eq!(shop.runs("runs/job").len(), 2);
    assert!(shop.names("runs/job").iter().all(|name| !name.starts_with(".countersign-")));
    // and the history of all of them is read
    let (code, out, said) = run(&shop, &["history", "runs/job", "--format", "json"]);
    assert!(code == 0 && out.matches("\"verdict\"").count() == 2, "{out}{said}");
}

#[test]
fn what_is_being_written_is_no_run_yet() {
    let shop = shop();
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    let id = shop.runs("runs/job").remove(0);
    // a run that is whole, but not published: its process was killed just before
    let staged = shop.path("runs/job/.countersign-0123456789abcdef/publish");
    fs::create_dir_all(staged.parent().unwrap()).unwrap();
    fs::rename(shop.path("runs/job").join(&id), &staged).unwrap();
    fs::remove_file(shop.path("runs/job/latest")).unwrap();
    let lock = fs::File::create(shop.path("runs/job/.countersign-0123456789abcdef.lock")).unwrap();
    lock.lock().unwrap();
    let (code, out, said) = run(&shop, &["history", "runs/job", "--format", "json"]);
    assert!(!out.contains(&id), "{code} {out}{said}");
    // while it lives, it is left alone
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    assert!(staged.exists());
    drop(lock);
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    assert!(!staged.exists());
    assert_eq!(shop.runs("runs/job").len(), 2);
}

/// Files that are large enough to be replaced while they are being read.
fn large() -> Workshop {
    let shop = Workshop::new();
    let values: Vec<i64> = (0..400_000).collect();
    for file in ["old/x.parquet", "new/x.parquet"] {
        write_parquet(&shop.path(file), &rows(&values), 20_000);
    }
    let mut other = values;
    other[0] = 7_777_777;
    write_parquet(&shop.path("aside/y.parquet"), &rows(&other), 20_000);
    // of the same size to the byte, and of the same time of writing
    let size = fs::metadata(shop.path("old/x.parquet")).unwrap().len();
    let file = fs::File::options().write(true).open(shop.path("aside/y.parquet")).unwrap();
    if file.metadata().unwrap().len() != size {
        fs::copy(shop.path("old/x.parquet"), shop.path("aside/y.parquet")).unwrap();
    }
    let written = fs::metadata(shop.path("old/x.parquet")).unwrap().modified().unwrap();
    file.set_modified(written).unwrap();
    shop
}

/// Compares, does something after the work has begun, and returns the outcome.
fn meanwhile(shop: &Workshop, old: &str, act: impl FnOnce()) -> (i32, String) {
    let child = Command::new(assert_cmd::cargo::cargo_bin("countersign"))
        .args([
            "diff",
            old,
            "new",
            "--key",
            "id",
            "--quiet",
            "--out",
            "out/run",
            "--threads",
            "1",
            "--strategy",
            "hashed",
        ])
        .current_dir(shop.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    // new is opened after old was admitted
    let is_begun = || {
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
        let mut files = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        files.any(|file| file.ends_with("new/x.parquet"))
    };
    while !is_begun() {
        assert!(began.elapsed() < Duration::from_secs(60), "the run never began");
        std::thread::sleep(Duration::from_millis(1));
    }
    act();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_that_is_replaced_or_written_to_while_it_is_read_is_noticed() {
    let old = |shop: &Workshop| shop.path("old/x.parquet");
    type Act = fn(&Workshop, PathBuf);
    let acts: [(&str, Act); 4] = [
        ("another file is in its place", |shop, old| fs::rename(shop.path("aside/y.parquet"), old).unwrap()),
        ("it was written to", |_, old| {
            // one byte in place, with the time of writing put back
            let time = fs::metadata(&old).unwrap().modified().unwrap();
            let file = fs::File::options().write(true).open(&old).unwrap();
            std::os::unix::fs::FileExt::write_at(&file, b"P", 0).unwrap();
            file.set_modified(time).unwrap();
        }),
        ("it is gone", |_, old| fs::remove_file(old).unwrap()),
        ("it was written to", |_, old| {
            fs::File::options().append(true).open(&old).unwrap().set_len(1000).unwrap();
        }),
    ];
    for (reason, act) in acts {
        for location in ["old", "old/x.parquet", "old/*.parquet"] {
            let shop = large();
            let (code, said) = meanwhile(&shop, location, || act(&shop, old(&shop)));
            assert_eq!(code, 2, "{reason}: {said}");
            let words = format!("`old/x.parquet` changed while it was being read: {reason}");
            assert!(said.contains(&words) && said.contains("run again"), "{reason}: {said}");
            assert!(shop.names("out").is_empty(), "{:?}", shop.names("out"));
        }
    }
}

#[test]
fn a_data_file_that_appears_is_noticed_and_a_marker_is_not() {
    let aside = |shop: &Workshop, to: &str| {
        fs::copy(shop.path("aside/y.parquet"), shop.path(to)).unwrap();
    };
    for location in ["old", "old/*.parquet", "old/**"] {
        let shop = large();
        let (code, said) = meanwhile(&shop, location, || aside(&shop, "old/z.parquet"));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("`old/z.parquet` appeared in the old snapshot"), "{said}");
        assert!(shop.names("out").is_empty());
        fs::remove_file(shop.path("old/z.parquet")).unwrap();
        let marked = || {
            fs::write(shop.path("old/_SUCCESS"), "").unwrap();
            aside(&shop, "old/.part.tmp");
        };
        let (code, said) = meanwhile(&shop, location, marked);
        assert_eq!(code, 0, "{location}: {said}");
        assert!(shop.path("out/run/manifest.json").exists());
    }
}
