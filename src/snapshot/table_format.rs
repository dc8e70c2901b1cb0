//! Folders of table formats whose log determines which files are current.
//!
//! Besides the current files of the table, such a folder contains files that a transaction has removed or not yet
//! committed. The logs are not supported, and reading all files would compare rows that are not in the table. So these
//! folders are refused, whether a path is the folder, a directory in it, one of its files, or a pattern that matches
//! some.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{AdmissionError, Error, Result, TableFormat};
use crate::sides::Owner;

/// Refuses a path whose files belong to a table with a log: those with data, and those that a listing skips.
///
/// # Errors
/// With the folder, its format, and the log.
pub(super) fn refuse<'a>(
    owner: &Owner,
    location: &str,
    data: impl Iterator<Item = &'a Path> + Clone,
    skipped: &'a [PathBuf],
) -> Result<()> {
    let mut folders = Folders::default();
    let path = Path::new(location);
    if path.is_dir() {
        folders.add_above(&path.join("any file"));
    }
    let mut seen = HashSet::new();
    for file in data.clone().chain(skipped.iter().map(PathBuf::as_path)) {
        // the files of one directory have the same parents, unless one is a link
        if seen.insert(file.parent()) || file.is_symlink() {
            folders.add_above(file);
        }
    }
    folders.require_no_log(owner, location)?;
    // commit files only apply to the files in the same directory
    let named = data.clone().filter_map(Path::parent).map(Path::to_path_buf);
    let real = data.clone().filter(|file| file.is_symlink()).filter_map(|link| fs::canonicalize(link).ok());
    let real = real.filter_map(|file| file.parent().map(Path::to_path_buf));
    let beside: BTreeSet<PathBuf> = named.chain(real).collect();
    match beside.iter().find_map(|folder| commit_file(folder)) {
        None => Ok(()),
        Some(log) => Err(refusal(owner, location, TableFormat::DatabricksCommit, &log)),
    }
}

/// The same for a folder without data files, and for a file that is not a snapshot.
pub(crate) fn refuse_path(owner: &Owner, path: &Path) -> Result<()> {
    let mut folders = Folders::default();
    match path.is_dir() {
        true => folders.add_above(&path.join("any file")),
        false => folders.add_above(path),
    }
    folders.require_no_log(owner, &path.display().to_string())
}

/// The directories that contain the files.
#[derive(Default)]
struct Folders {
    /// As in the paths of the files.
    named: BTreeSet<PathBuf>,
    /// With links resolved, and including those above the working directory.
    real: BTreeSet<PathBuf>,
}

impl Folders {
    fn add_above(&mut self, file: &Path) {
        let above = |path: &Path| path.ancestors().skip(1).map(Path::to_path_buf).collect::<Vec<_>>();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let real = fs::canonicalize(file).or_else(|_| fs::canonicalize(folder).map(|folder| folder.join("any file")));
        self.named.extend(above(file).into_iter().filter(|folder| !folder.as_os_str().is_empty()));
        self.real.extend(real.map(|real| above(&real)).unwrap_or_default());
    }

    fn require_no_log(&self, owner: &Owner, location: &str) -> Result<()> {
        match self.named.iter().chain(&self.real).find_map(|folder| log_in(folder)) {
            None => Ok(()),
            Some((format, log)) => Err(refusal(owner, location, format, &log)),
        }
    }
}

fn refusal(owner: &Owner, location: &str, format: TableFormat, log: &Path) -> Error {
    AdmissionError::TableFormat { owner: owner.clone(), path: location.into(), format, log: log.into() }.into()
}

/// The log of a table in this folder.
fn log_in(folder: &Path) -> Option<(TableFormat, PathBuf)> {
    let at = |name: &str| Some(folder.join(name)).filter(|log| log.is_dir());
    let named = [
        (TableFormat::Delta, "_delta_log"),
        (TableFormat::Hudi, ".hoodie"),
        (TableFormat::SparkSink, "_spark_metadata"),
        (TableFormat::Unfinished, "_temporary"),
    ];
    let by_name = named.into_iter().find_map(|(format, name)| at(name).map(|log| (format, log)));
    by_name
        .or_else(|| Some((TableFormat::Iceberg, at("metadata").filter(|log| is_iceberg(log))?)))
        .or_else(|| Some((TableFormat::Paimon, at("snapshot").filter(|log| is_paimon(log))?)))
        .or_else(|| is_of_hive(folder).then(|| (TableFormat::HiveAcid, folder.into())))
}

fn is_iceberg(metadata: &Path) -> bool {
    metadata.join("version-hint.text").is_file() || holds(metadata, |name| name.ends_with(".metadata.json"))
}

fn is_paimon(snapshots: &Path) -> bool {
    let beside = snapshots.with_file_name("manifest");
    beside.is_dir() && holds(snapshots, |name| name == "LATEST" || is_numbered(name, "snapshot-"))
}

/// Whether a directory has the name of a Hive transaction, such as `delta_0000005_0000005_0000`.
fn is_of_hive(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let transactions = |prefix: &str| {
        let numbers = name.strip_prefix(prefix)?;
        let mut numbers = numbers.split('_').map(|part| part.trim_start_matches('v'));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        // seven digits, padded: `base_20260101` is an ordinary directory for a day
        Some(numbers.next().is_some_and(|first| first.len() == 7 && is_number(first)) && numbers.all(is_number))
    };
    ["delete_delta_", "delta_", "base_"].into_iter().find_map(transactions).unwrap_or(false)
}

fn commit_file(folder: &Path) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let is_commit = |name: &str| is_numbered(name, "_committed_") || is_numbered(name, "_started_");
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.map(|entry| entry.file_name()).find(|name| is_commit(&name.to_string_lossy())).map(|name| folder.join(name))
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

fn holds(folder: &Path, is_it: impl Fn(&str) -> bool) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| is_it(&entry.file_name().to_string_lossy()))
}
