//! Checks the keys that a job declares for its further tables.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::{Catalog, Tables};
use crate::equality::value_text;
use crate::error::{Error, RequestError, Result};
use crate::job::{Job, Setting};
use crate::runtime::engine::Engine;

/// The maximum number of keys in a message.
const NAMED: usize = 3;

/// Checks that the declared key of each further table is unique and never NULL.
///
/// # Errors
/// The message contains the first few keys for which this is not true.
pub(crate) fn require_keys(engine: &Engine, job: &Job, tables: &Tables) -> Result<()> {
    for (name, source) in &job.tables {
        if let (false, Some(table)) = (source.key.is_empty(), tables.get(name)) {
            let mut catalog = Catalog::with(engine, &Tables::new())?;
            catalog.add("t", table)?;
            require_unique(engine, &catalog, name, &source.key)?;
        }
    }
    Ok(())
}

fn require_unique(engine: &Engine, catalog: &Catalog, name: &str, key: &[Setting]) -> Result<()> {
    let origin = key.first().map(|key| key.origin.to_string()).unwrap_or_default();
    let columns: Vec<String> = key.iter().map(|key| quoted(&key.text)).collect();
    let (list, first) = (columns.join(", "), &columns[0]);
    let has_null = columns.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" OR ");
    let sql = format!(
        "SELECT {list}, count(*) AS rows, count(*) OVER () AS keys FROM t GROUP BY {list} \
         HAVING count(*) > 1 OR {has_null} ORDER BY {first}, {list} LIMIT {NAMED}"
    );
    let query = catalog.plan(&sql, &BTreeMap::new(), &origin)?;
    let (mut named, mut keys) = (vec![], 0);
    query.for_each_batch(engine, |batch| {
        let rows = batch.column(key.len()).as_primitive::<Int64Type>();
        for (row, texts) in value_text::rows(batch)?.into_iter().enumerate() {
            let key: Vec<String> =
                texts.into_iter().take(key.len()).map(|text| text.unwrap_or("NULL".into())).collect();
            named.push(format!("{} in {}", key.join(", "), describe_rows(rows.value(row))));
            keys = batch.column(key.len() + 1).as_primitive::<Int64Type>().value(row);
        }
        Ok(())
    })?;
    match named.is_empty() {
        true => Ok(()),
        false => {
            let names: Vec<&str> = key.iter().map(|key| key.text.as_str()).collect();
            let more = if keys > named.len() as i64 {
                format!(", and {} more", keys - named.len() as i64)
            } else {
                String::new()
            };
            let (columns, found) = (names.join(", "), named.join("; ") + &more);
            Err(Error::request(origin, RequestError::NotAKey { columns, table: name.into(), found }))
        }
    }
}

fn describe_rows(rows: i64) -> String {
    if rows == 1 { "1 row".into() } else { format!("{rows} rows") }
}

/// Quotes an identifier for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
