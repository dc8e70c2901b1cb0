//! Shared by the tests: a workshop directory, Parquet files, and runs of the library or the binary.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use assert_cmd::Command;
use countersign::error::Result;
use countersign::job::{Identity, Job, Origin, Setting, Source};
use countersign::report::Report;
use countersign::sides::Sides;
use countersign::{Limits, Options};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// A directory that is removed with the test.
pub struct Workshop(tempfile::TempDir);

impl Workshop {
    pub fn new() -> Self {
        Workshop(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Runs the binary in this directory.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::cargo_bin("countersign").unwrap();
        command.current_dir(self.0.path()).args(args).env("COLUMNS", "100").output().unwrap()
    }

    /// The runs of a job, by their IDs.
    pub fn runs(&self, job: &str) -> Vec<String> {
        self.names(job).into_iter().filter(|name| name != "latest" && !name.starts_with('.')).collect()
    }

    /// The names in a directory; empty if it does not exist.
    pub fn names(&self, below: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(below)) else { return vec![] };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Runs the binary in a workshop, and returns its exit code, standard output, and standard error.
pub fn run(shop: &Workshop, args: &[&str]) -> (i32, String, String) {
    let output = shop.run(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Writes a Parquet file, and creates its parent directories.
pub fn write_parquet(path: &Path, batch: &RecordBatch, row_group_rows: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The arguments of a comparison.
#[derive(Clone)]
pub struct Trial {
    pub job: Job,
    pub options: Options,
}

impl Trial {
    pub fn compare(&self) -> Result<Report> {
        countersign::compare(&self.job, &self.options)
    }
}

/// A comparison of `old` and `new` in a workshop by key, or of whole rows without key columns.
pub fn trial(shop: &Workshop, key: &[&str]) -> Trial {
    let source = |name: &str| Source {
        allow_empty: true,
        ..Source::of(Setting { text: shop.path(name).display().to_string(), origin: Origin::Flag("PATH") })
    };
    let identity = match key {
        [] => Identity::WholeRow,
        key => Identity::Key(Setting::flags("--key", &key.iter().map(|name| name.to_string()).collect::<Vec<_>>())),
    };
    Trial {
        job: Job::new("test", Sides { old: source("old"), new: source("new") }, identity),
        options: Options { limits: Limits { threads: 2, ..Limits::default() }, ..Options::default() },
    }
}

/// The data lines of a CSV file.
pub fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().skip(1).map(String::from).collect()
}

/// The Python of a separate environment below the directory of this name, which is installed once and must be
/// available.
pub fn python(name: &str, packages: &[&str]) -> PathBuf {
    // several tests that need the same environment must not install it at the same time
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = dir.join("bin/python");
    let done = dir.join("installed");
    if !done.exists() {
        let succeed = |command: &mut std::process::Command| {
            let output = command.output().expect("python3 is needed: apt-get install python3 python3-venv");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        succeed(std::process::Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
        succeed(
            std::process::Command::new(&python).args(["-m", "pip", "install", "--quiet", "--no-input"]).args(packages),
        );
        fs::write(done, "").unwrap();
    }
    python
}
