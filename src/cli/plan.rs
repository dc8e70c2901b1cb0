//! The job files of a command.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::job::file::{JobFile, files_named_by};

/// A job file, and what it contains.
pub(super) struct Planned {
    pub file: PathBuf,
    pub contents: Result<JobFile>,
}

/// Reads the job files that arguments name: files, and all jobs of directories.
pub(super) fn plan(arguments: &[PathBuf], set: &[String]) -> Result<Vec<Planned>> {
    let mut plan = vec![];
    for argument in arguments {
        let files = if argument.is_dir() { jobs_in(argument)? } else { vec![argument.clone()] };
        plan.extend(files.into_iter().map(|file| Planned { contents: JobFile::read(&file, set), file }));
    }
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    for Planned { file, contents } in &mut plan {
        let Ok(JobFile { job: Some(job), .. }) = contents else { continue };
        if let Some(other) = names.insert(job.name.clone(), file.clone()).filter(|other| other != file) {
            let reason = format!(
                "has the same job name as `{}`, `{}`, so their runs would be mixed\n  \
                 give one of them another [job] name",
                other.display(),
                job.name
            );
            *contents = Err(Error::unusable(file.as_path(), reason));
        }
    }
    Ok(plan)
}

/// The job files in a directory, by name. Files that other ones name, such as their defaults, are not jobs.
fn jobs_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(Error::unreadable(dir))?;
    let mut files = vec![];
    for entry in entries {
        let path = entry.map_err(Error::unreadable(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let named: HashSet<PathBuf> = files.iter().flat_map(|file| files_named_by(file)).collect();
    files.retain(|file| !named.contains(file));
    match files.is_empty() {
        true => Err(Error::unusable(dir, "has no job file: a file whose name ends with .toml")),
        false => Ok(files),
    }
}
