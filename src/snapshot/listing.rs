//! Which files a path means.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::sides::Side;

/// The data files below a path, in the order of their names.
#[derive(Debug)]
pub struct Listing {
    /// The files to read.
    pub files: Vec<ListedFile>,
    /// Files passed over because their names begin with `_` or `.`, as exporters mark what is not data.
    pub skipped: Vec<PathBuf>,
}

/// One data file.
#[derive(Debug)]
pub struct ListedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Hive partition columns read off its directories, such as `day=2026-11-20`; a value is `None` for NULL.
    pub partitions: Vec<(String, Option<String>)>,
}

/// The name that hive-style writers give to the directory of NULL.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Lists a file, a directory (all files below it) or a glob.
pub fn list(side: Option<Side>, location: &str) -> Result<Listing> {
    let path = Path::new(location);
    let (root, mut found) = match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => (path.to_path_buf(), walk(path)?),
        // the user named this one file, whatever its name begins with
        Ok(_) => {
            return Ok(Listing { files: vec![ListedFile { path: path.into(), partitions: vec![] }], skipped: vec![] });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_glob(location) => {
            // matches come without a leading `./`, so the pattern must not have one either
            let pattern: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
            // a last `**` would match directories only
            let pattern = if pattern.ends_with("**") { pattern.join("*") } else { pattern };
            (glob_root(&pattern), expand(side, &pattern.to_string_lossy())?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoSuchPath { side, path: location.into() });
        }
        Err(source) => return Err(Error::Unreadable { path: path.into(), source }),
    };
    found.sort();
    let (skipped, data): (Vec<_>, Vec<_>) = found.into_iter().partition(|file| is_hidden(&root, file));
    if data.is_empty() {
        return Err(Error::NoFiles { side, path: location.into(), skipped: skipped.len() });
    }
    let files: Result<_> =
        data.into_iter().map(|path| Ok(ListedFile { partitions: partitions(&root, &path)?, path })).collect();
    Ok(Listing { files: files?, skipped })
}

fn is_glob(location: &str) -> bool {
    location.contains(['*', '?', '['])
}

/// The part of a pattern before its first wildcard, where partition directories begin to count.
fn glob_root(pattern: &Path) -> PathBuf {
    pattern.components().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy())).collect()
}

fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in walkdir::WalkDir::new(root).follow_links(true) {
        let entry = entry.map_err(|error| Error::Unreadable {
            path: error.path().unwrap_or(root).to_path_buf(),
            source: error.into(),
        })?;
        if !entry.file_type().is_dir() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Matches a pattern; a directory that matches stands for all files below it.
fn expand(side: Option<Side>, pattern: &str) -> Result<Vec<PathBuf>> {
    let matches = glob::glob(pattern).map_err(|error| Error::BadPattern {
        side,
        path: pattern.into(),
        reason: error.to_string(),
    })?;
    let mut files = BTreeSet::new();
    for entry in matches {
        let path = entry.map_err(|error| Error::Unreadable {
            path: error.path().to_path_buf(),
            source: std::io::Error::new(error.error().kind(), error.error().to_string()),
        })?;
        match path.is_dir() {
            true => files.extend(walk(&path)?),
            false => drop(files.insert(path)),
        }
    }
    Ok(files.into_iter().collect())
}

fn is_hidden(root: &Path, file: &Path) -> bool {
    let below = file.strip_prefix(root).unwrap_or(file);
    below.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        // a partition column may be called `_day`
        name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
    })
}

fn partitions(root: &Path, file: &Path) -> Result<Vec<(String, Option<String>)>> {
    let below = file.strip_prefix(root).unwrap_or(file).parent().unwrap_or(Path::new(""));
    let unreadable = || Error::BadFileName { path: file.into(), reason: "a directory's name is not UTF-8".into() };
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| unreadable());
    let mut columns: Vec<(String, Option<String>)> = vec![];
    for part in below.components() {
        let part = part.as_os_str().to_str().ok_or_else(unreadable)?;
        let Some((name, value)) = part.split_once('=') else { continue };
        let (name, value) = (decode(name)?, if value == HIVE_NULL { None } else { Some(decode(value)?) });
        if columns.iter().any(|(earlier, _)| earlier == &name) {
            return Err(Error::ColumnTwice { column: name, path: file.into() });
        }
        columns.push((name, value));
    }
    Ok(columns)
}
