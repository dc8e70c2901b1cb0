//! What a job asks, as data: two jobs with the same settings ask the same question.

use serde_json::{Value, json};

use super::{ColumnSettings, Gate, Identity, Job, Source, Word};
use crate::sides::Sides;

/// Everything in a job that can change its answer.
pub fn settings(job: &Job) -> Value {
    let key = match &job.identity {
        Identity::Key(columns) => json!(texts(columns)),
        Identity::WholeRow => Value::Null,
    };
    let map: Vec<_> = job.selection.map.iter().map(|(old, new)| json!([old.text, new.text])).collect();
    let tables: Vec<_> = job.tables.iter().map(|(name, table)| json!([name, source(table)])).collect();
    json!({
        "old": source(&job.sources.old),
        "new": source(&job.sources.new),
        "tables": tables,
        "key": key,
        "columns": texts(&job.selection.columns),
        "ignore": texts(&job.selection.ignore),
        "map": map,
        "settings": job.columns.iter().map(column).collect::<Vec<_>>(),
        "gate": gate(&job.gate),
        "list_columns": texts(&job.list_columns),
    })
}

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

fn source(source: &Source) -> Value {
    json!({
        "path": source.path.text,
        "query": source.query.as_ref().map(|query| &query.sql),
        "taken_at": source.taken_at,
        "allow_empty": source.allow_empty,
    })
}

fn column(settings: &ColumnSettings) -> Value {
    let rules = settings.rules.rules().unwrap_or_default();
    let Sides { old, new } = settings.expressions.as_ref().map(|expression| expression.as_ref().map(|text| &text.text));
    json!({
        "names": texts(&settings.names),
        "old": settings.old.as_ref().map(|old| &old.text),
        "old_expr": old,
        "new_expr": new,
        "rules": rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn gate(gate: &Gate) -> Value {
    let Gate { mismatch, missing, extra, duplicate_keys, columns } = gate;
    let classes = [mismatch, missing, extra, duplicate_keys];
    let columns: Vec<_> = columns.iter().map(|(name, allowance)| json!([name.text, allowance.to_string()])).collect();
    json!([classes.map(|allowance| allowance.as_ref().map(ToString::to_string)), columns])
}
