//! Whether the further tables of a job have the keys that it says they have.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::{Catalog, Tables};
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::job::{Job, Setting};
use crate::runtime::engine::Engine;

/// How many keys a message names.
const NAMED: usize = 3;

/// Makes sure that a declared key of a further table is unique in it and never NULL.
///
/// # Errors
/// With the first few keys for which it is not so.
pub(crate) fn require_keys(engine: &Engine, job: &Job, tables: &Tables) -> Result<()> {
    for (name, source) in &job.tables {
        if let (false, Some(table)) = (source.key.is_empty(), tables.get(name)) {
            let mut desk = Catalog::with(engine, &Tables::new())?;
            desk.add("t", table)?;
            require_unique(engine, &desk, name, &source.key).map_err(|error| hide(job, error))?;
        }
    }
    Ok(())
}

/// Keys may be private.
fn hide(job: &Job, error: Error) -> Error {
    match (&job.private, error) {
        (Some(_), Error::Contradiction(words)) => {
            let words = words.split(": ").take(2).collect::<Vec<_>>().join(": ");
            Error::Contradiction(format!("{words}: some stand more than once, or are NULL"))
        }
        (_, error) => error,
    }
}

fn require_unique(engine: &Engine, desk: &Catalog, name: &str, key: &[Setting]) -> Result<()> {
    let place = key.first().map(|key| key.place.to_string()).unwrap_or_default();
    let columns: Vec<String> = key.iter().map(|key| quoted(&key.text)).collect();
    let (list, first) = (columns.join(", "), &columns[0]);
    let has_null = columns.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" OR ");
    let sql = format!(
        "SELECT {list}, count(*) AS rows, count(*) OVER () AS keys FROM t GROUP BY {list} \
         HAVING count(*) > 1 OR {has_null} ORDER BY {first}, {list} LIMIT {NAMED}"
    );
    let question = desk.plan(&sql, &BTreeMap::new(), &place)?;
    let (mut named, mut keys) = (vec![], 0);
    question.for_each_batch(engine, |batch| {
        let rows = batch.column(key.len()).as_primitive::<Int64Type>();
        for (row, texts) in value_text::rows(batch)?.into_iter().enumerate() {
            let key: Vec<String> =
                texts.into_iter().take(key.len()).map(|text| text.unwrap_or("NULL".into())).collect();
            named.push(format!("{} in {}", key.join(", "), rows_words(rows.value(row))));
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
            Err(Error::Contradiction(format!(
                "{place}: `{}` is not a key of table `{name}`: {}{more}\n  mend the table, or take the key out of the job",
                names.join(", "),
                named.join("; ")
            )))
        }
    }
}

fn rows_words(rows: i64) -> String {
    if rows == 1 { "1 row".into() } else { format!("{rows} rows") }
}

/// A name as it is written in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
