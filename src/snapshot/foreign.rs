//! Files that are not Parquet files, or cannot be read: detects what they are and suggests what to do.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{AdmissionError, Error};

/// How to rewrite a file that other tools can read.
pub(super) const REWRITE: &str =
    "rewrite it with larger row groups; with DuckDB, for example: COPY (FROM 'FILE') TO 'NEW.parquet'";
/// What to do if the file itself is at fault.
pub(super) const EXPORT_AGAIN: &str = "export it again with another writer";
/// How many bytes of a file are read to detect its format.
const BEGINNING: usize = 512;

/// Formats of exports, by their first bytes.
const FORMS: [(&[u8], &str); 15] = [
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"ARROW1", "an Arrow IPC file"),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream"),
    (b"FEA1", "a Feather file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PGDMP", "a dump of pg_dump"),
    (b"PGCOPY\n\xff", "a binary COPY of PostgreSQL"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"\x04\x22\x4d\x18", "compressed with LZ4"),
    (b"\x89HDF", "an HDF5 file"),
];

/// The most specific error for a file without a readable footer. `reason` is the message of the Parquet library.
pub(super) fn refusal(file: &File, size: u64, reason: String, path: PathBuf, among: usize) -> Error {
    let broken = |reason: &str| Error::NotParquet { path: path.clone(), among, reason: reason.into() };
    let unsupported = |what: String, remedy: &str| {
        AdmissionError::Unsupported { path: path.clone(), what, remedy: remedy.into() }.into()
    };
    let begins = |magic: &[u8; 4]| at(file, 0).is_some_and(|start| start == *magic);
    let ends = |magic: &[u8; 4]| size.checked_sub(4).and_then(|end| at(file, end)).is_some_and(|end| end == *magic);
    match () {
        () if size == 0 => broken("is empty (0 bytes)"),
        () if begins(b"PAR1") && ends(b"PAR1") => AdmissionError::Footer { path, reason }.into(),
        () if begins(b"PARE") || ends(b"PARE") => {
            unsupported("is an encrypted Parquet file, which is not supported".into(), "export it without encryption")
        }
        () if begins(b"PAR1") => broken("is truncated: it begins like a Parquet file, but has no footer at its end"),
        () if ends(b"PAR1") => broken("lacks its beginning: it ends like a Parquet file, but does not begin like one"),
        () => match form(file, &path) {
            Some(form) => unsupported(
                format!("is {form}, and nothing says how it is written"),
                match among {
                    1 => {
                        "name the program that wrote it: --preset-old or --preset-new, in a job preset = \"postgres-csv\"; \
                         or the format: in a job format = \"csv\"; or load it as Parquet: countersign load"
                    }
                    _ => "if it is not a data file, select the data files with a glob such as 'dir/**/*.parquet'",
                },
            ),
            None => broken("is not a Parquet file"),
        },
    }
}

/// Whether a file begins like a Parquet file.
pub(super) fn begins_as_parquet(path: &Path) -> bool {
    // opening a pipe would block until a process writes to it
    let is_file = std::fs::metadata(path).is_ok_and(|meta| meta.is_file());
    is_file && File::open(path).is_ok_and(|file| at(&file, 0).is_some_and(|start| start == *b"PAR1"))
}

fn at(file: &File, offset: u64) -> Option<[u8; 4]> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
}

/// The format of a file by its first bytes, to follow `is `.
fn form(file: &File, path: &Path) -> Option<String> {
    let mut beginning = [0; BEGINNING];
    let read = file.read_at(&mut beginning, 0).ok()?;
    let beginning = &beginning[..read];
    if let Some((_, form)) = FORMS.iter().find(|(magic, _)| beginning.starts_with(magic)) {
        return Some((*form).into());
    }
    let text = text_of(beginning)?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    Some(match (ending.as_str(), text.trim_start_matches('\u{feff}').trim_start().chars().next()?) {
        ("sql", _) => "SQL text".into(),
        ("csv" | "tsv" | "tab", _) => format!("{} text", ending.to_uppercase()),
        (_, '{' | '[') => "JSON text".into(),
        _ => "text, such as CSV".into(),
    })
}

/// The beginning of a file as text, if it is text. The last character may be incomplete.
fn text_of(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || c.is_whitespace();
    (!text.is_empty() && text.chars().all(is_text)).then_some(text)
}
