//! Resolves a path to files.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::table_format;
use crate::error::{AdmissionError, Error, Result};
use crate::sides::Owner;

/// The data files below a path, sorted by name.
#[derive(Debug)]
pub(super) struct Listing {
    pub files: Vec<ListedFile>,
    /// Files that were skipped because their names begin with `_` or `.`, which is how exporters mark files without
    /// data.
    pub skipped: Vec<PathBuf>,
}

#[derive(Debug)]
pub(super) struct ListedFile {
    pub path: PathBuf,
    /// Hive partition columns in the directory names, such as `day=2026-11-20`; `None` is NULL.
    pub partitions: Vec<(String, Option<String>)>,
}

/// The directory name that Hive-style writers use for NULL.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Lists a file, a directory (all files below it) or a glob.
pub(super) fn list(owner: &Owner, location: &str) -> Result<Listing> {
    let path = Path::new(location);
    let (root, mut found) = match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => (path.to_path_buf(), walk(path)?),
        // the user named this file, so a leading `_` or `.` does not matter
        Ok(_) => {
            let files = vec![ListedFile { path: path.into(), partitions: vec![] }];
            return admissible(owner, location, Listing { files, skipped: vec![] });
        }
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && is_glob(location) && !location.contains("://") =>
        {
            // matches have no leading `./`, so the pattern must not have one either
            let pattern: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
            // a final `**` would match only directories
            let pattern = if pattern.ends_with("**") { pattern.join("*") } else { pattern };
            (glob_root(&pattern), expand(owner, &pattern.to_string_lossy())?)
        }
        Err(_) if location.contains("://") => {
            return Err(AdmissionError::Url { owner: owner.clone(), url: location.into() }.into());
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoSuchPath { owner: owner.clone(), path: location.into() });
        }
        Err(source) => return Err(Error::Unreadable { path: path.into(), source }),
    };
    found.sort();
    let (skipped, data): (Vec<_>, Vec<_>) = found.into_iter().partition(|file| is_hidden(&root, file));
    if data.is_empty() {
        table_format::refuse_path(owner, path)?;
        return Err(Error::NoFiles { owner: owner.clone(), path: location.into(), skipped: skipped.len() });
    }
    let files: Result<_> =
        data.into_iter().map(|path| Ok(ListedFile { partitions: partitions(&root, &path)?, path })).collect();
    admissible(owner, location, Listing { files: files?, skipped })
}

/// A listing in which no file is skipped.
fn admissible(owner: &Owner, location: &str, listing: Listing) -> Result<Listing> {
    let data = listing.files.iter().map(|file| file.path.as_path());
    table_format::refuse(owner, location, data, &listing.skipped)?;
    Ok(listing)
}

fn is_glob(location: &str) -> bool {
    location.contains(['*', '?', '['])
}

/// The part of a pattern before its first wildcard. Directories below it can be partition columns.
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

/// Matches a pattern; a matching directory means all files below it.
fn expand(owner: &Owner, pattern: &str) -> Result<Vec<PathBuf>> {
    let matches = glob::glob(pattern).map_err(|error| Error::BadPattern {
        owner: owner.clone(),
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

/// Whether listing a path would find files with these names below a directory that may not exist yet.
///
/// `dir` is absolute and, except for its last component, without symbolic links.
///
/// # Errors
/// If the path cannot be listed.
pub(crate) fn would_list(location: &str, dir: &Path, names: &[&str]) -> Result<bool> {
    let path = Path::new(location);
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Ok(!is_hidden_name(dir) && leads_into(path, dir)?),
        Ok(_) => return Ok(std::fs::canonicalize(path).is_ok_and(|file| file == dir)),
        Err(_) if !is_glob(location) => return Ok(false),
        Err(_) => {}
    }
    let parts: Vec<Component> = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    let literal = parts.iter().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy())).count();
    for taken in literal..=parts.len() {
        let pattern: PathBuf = parts[..taken].iter().collect();
        let rest: PathBuf = parts[taken..].iter().collect();
        for found in directories(&pattern) {
            let is_found = match taken == parts.len() {
                // a matching directory means all files below it
                true => leads_into(&found, dir)?,
                false => completes(&found, dir, &rest.to_string_lossy(), names),
            };
            if is_found && !is_hidden_name(dir) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether the rest of a pattern, applied in a directory, matches files below another one.
fn completes(found: &Path, dir: &Path, rest: &str, names: &[&str]) -> bool {
    let Ok(found) = std::fs::canonicalize(found) else { return false };
    let Ok(below) = dir.strip_prefix(&found) else { return false };
    // for directories further up, the caller tries a longer part of the pattern
    if below.components().count() > 1 && !rest.starts_with("**") {
        return false;
    }
    let Ok(pattern) = glob::Pattern::new(rest) else { return false };
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let matches = |path: &Path| pattern.matches_path_with(path, options);
    // a matching directory means all files below it
    let own = below.ancestors().take_while(|part| !part.as_os_str().is_empty()).any(matches);
    own || names.iter().any(|name| {
        let file = below.join(name);
        file.ancestors().take_while(|part| *part != below && !part.as_os_str().is_empty()).any(matches)
    })
}

/// The directories that match a pattern; the empty pattern is the working directory.
fn directories(pattern: &Path) -> Vec<PathBuf> {
    let text = pattern.to_string_lossy();
    match is_glob(&text) {
        false if text.is_empty() => vec![PathBuf::from(".")],
        false => vec![pattern.into()],
        true => {
            glob::glob(&text).map_or_else(|_| vec![], |found| found.flatten().filter(|path| path.is_dir()).collect())
        }
    }
}

/// Whether walking a directory, following links, reaches another one.
fn leads_into(root: &Path, dir: &Path) -> Result<bool> {
    let real = std::fs::canonicalize(root).map_err(Error::unreadable(root))?;
    if dir.strip_prefix(&real).is_ok_and(|below| !is_hidden(Path::new(""), below)) {
        return Ok(true);
    }
    // only a link leads outside of the directory
    let links = walkdir::WalkDir::new(root).follow_links(true).into_iter().flatten();
    let mut links = links.filter(|entry| entry.path_is_symlink() && entry.file_type().is_dir());
    Ok(links.any(|link| std::fs::canonicalize(link.path()).is_ok_and(|real| dir.starts_with(real))))
}

fn is_hidden_name(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
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
    let unreadable = || Error::BadFileName { path: file.into(), reason: "a directory name in it is not UTF-8".into() };
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
