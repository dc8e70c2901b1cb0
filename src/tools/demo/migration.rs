//! Writes the example migrations in any size: a folder's `generate.sql` defines the content of each snapshot, and the
//! rest of the folder (jobs, queries, lists, and the page with the story) is copied.
//!
//! The file is a sequence of queries, each below a line with the destination of its result:
//!
//! ```sql
//! -- view: customer
//! SELECT value AS id FROM generate_series(1, $size)
//! -- file: day-1/old/customers.parquet
//! SELECT id FROM customer
//! ```
//!
//! Random-looking values are computed from row numbers, so the same size gives the same snapshots on every machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use walkdir::WalkDir;

use crate::error::{Error, Result};
use crate::job::Literal;
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::snapshot::absolute;
use crate::sql::{Catalog, QueryPlan, Tables};

/// The size of the snapshots in the repository.
pub(crate) const SIZE: u64 = 400;

/// The file with the queries.
const QUERIES: &str = "generate.sql";

/// The destination of a query's result.
enum Becomes {
    /// A table that later queries read.
    View(String),
    /// A snapshot.
    File(PathBuf),
}

/// Writes a migration's folder to another directory, with snapshots of this size. Returns the files and their row
/// counts.
///
/// # Errors
/// If the folder has no queries, if a query fails, or if a file cannot be written.
pub(crate) fn migration(engine: &Engine, folder: &Path, to: &Path, size: u64) -> Result<Vec<(PathBuf, u64)>> {
    let queries = folder.join(QUERIES);
    let text = fs::read_to_string(&queries).map_err(Error::unreadable(&queries))?;
    fs::create_dir_all(to).map_err(Error::unwritable(to))?;
    if absolute(folder)? != absolute(to)? {
        copy(folder, to)?;
    }
    let values = BTreeMap::from([("size".to_string(), Literal::Integer(size as i64))]);
    let mut catalog = Catalog::with(engine, &Tables::new())?;
    let mut written = vec![];
    for (line, becomes, sql) in queries_of(&text) {
        let query = catalog.plan(&sql, &values, &format!("{}:{line}", queries.display()))?;
        match becomes {
            Becomes::View(name) => catalog.add_view(&name, query)?,
            Becomes::File(path) => {
                let rows = write(engine, query, &to.join(&path))?;
                written.push((path, rows));
            }
        }
    }
    Ok(written)
}

/// The queries of a file, each with the number of its first line.
fn queries_of(text: &str) -> Vec<(usize, Becomes, String)> {
    let mut queries: Vec<(usize, Becomes, String)> = vec![];
    for (number, line) in text.lines().enumerate() {
        let view = line.strip_prefix("-- view: ").map(|name| Becomes::View(name.trim().into()));
        let file = line.strip_prefix("-- file: ").map(|path| Becomes::File(path.trim().into()));
        match (view.or(file), queries.last_mut()) {
            (Some(becomes), _) => queries.push((number + 1, becomes, String::new())),
            (None, Some((_, _, sql))) => {
                sql.push_str(line);
                sql.push('\n');
            }
            // lines before the first query
            (None, None) => {}
        }
    }
    queries
}

/// Writes a snapshot to a temporary file, and renames the file when it is complete.
fn write(engine: &Engine, query: QueryPlan, path: &Path) -> Result<u64> {
    let dir = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(dir).map_err(Error::unwritable(dir))?;
    let file = NamedTempFile::new_in(dir).map_err(Error::unwritable(path))?;
    let purpose = Purpose::Export { path: path.into(), is_compressed: true };
    engine.progress.begin("generating", 0);
    let mut result = query.stream(engine)?;
    let mut writer = ParquetWriter::begin(file, result.schema(), purpose)?;
    let mut rows = 0;
    while let Some(batch) = result.next_batch()? {
        rows += batch.num_rows() as u64;
        engine.progress.advance(batch.num_rows() as u64);
        writer.write(&batch)?;
    }
    let file = writer.finish()?;
    let everybody = fs::Permissions::from_mode(0o644);
    fs::set_permissions(file.path(), everybody).map_err(Error::unwritable(path))?;
    file.persist(path).map_err(|error| Error::Unwritable { path: path.into(), source: error.error })?;
    Ok(rows)
}

/// Copies everything except snapshots and runs.
fn copy(folder: &Path, to: &Path) -> Result<()> {
    let is_copied = |path: &Path| path.extension().is_none_or(|ending| ending != "parquet");
    let entries = WalkDir::new(folder).into_iter().filter_entry(|entry| entry.file_name() != "runs");
    for entry in entries.flatten().filter(|entry| entry.file_type().is_file() && is_copied(entry.path())) {
        let path = to.join(entry.path().strip_prefix(folder).unwrap_or(entry.path()));
        let dir = path.parent().unwrap_or(to);
        fs::create_dir_all(dir).map_err(Error::unwritable(dir))?;
        fs::copy(entry.path(), &path).map_err(Error::unwritable(&path))?;
    }
    Ok(())
}
