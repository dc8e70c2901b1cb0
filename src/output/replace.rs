//! Replaces single files that other programs read.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file beside its place and renames it, so that nobody reads half of it.
pub(crate) fn replace(file: &Path, contents: &str) -> Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(format!(".{}.tmp", std::process::id()));
    let written = fs::write(&fresh, contents).and_then(|()| fs::rename(&fresh, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&fresh);
        Error::unwritable(file)(error)
    })
}
