//! The settings of a job as data, for digests: two jobs with the same settings ask the same question.

use serde_json::{Value, json};

use super::{
    Allowance, Check, ColumnSettings, FormatSettings, Gate, Identity, InFlight, Job, Origin, Private, Scope, Setting,
    Source, Waiver,
};
use crate::class::{ByClass, Class};
use crate::sides::Sides;

/// Returns all settings that can change the result of a job.
pub fn settings(job: &Job) -> Value {
    let tables: Vec<_> = job.tables.iter().map(|(name, table)| json!([name, source(table)])).collect();
    let new = (job.scope == Scope::Both).then(|| source(&job.sources.new));
    json!({
        "old": source(&job.sources.old),
        "new": new,
        "tables": tables,
        "compare": compare(job),
        "in_flight": job.in_flight.as_ref().map(in_flight),
        "misplaced": job.misplaced.as_ref().map(|misplaced| texts(&misplaced.columns)),
        "waivers": job.waivers.iter().map(waiver).collect::<Vec<_>>(),
        "segments": texts(&job.segments),
        "group": texts(&job.group),
        "checks": job.checks.iter().map(check).collect::<Vec<_>>(),
        "private": job.private.as_ref().map(private),
        "gate": gate(&job.gate),
        "list_columns": texts(&job.list_columns),
    })
}

/// Returns all settings that decide how rows are compared. Two jobs with the same values find the same discrepancies in
/// the same snapshots.
pub fn compare(job: &Job) -> Value {
    let key = match &job.identity {
        Identity::Key(columns) => json!(texts(columns)),
        Identity::WholeRow => Value::Null,
    };
    let map: Vec<_> = job.selection.map.iter().map(|(old, new)| json!([old.text, new.text])).collect();
    json!({
        "key": key,
        "columns": texts(&job.selection.columns),
        "ignore": texts(&job.selection.ignore),
        "map": map,
        "settings": job.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

/// Returns all settings that decide in which rows a run finds a discrepancy. A row that was clean under other settings
/// may not be clean under these: a query may have excluded the row, or the column in which it differs.
///
/// Checks, gates, waivers, and times are not included: they only judge discrepancies that were found.
pub fn evidence(job: &Job) -> Value {
    let tables: Vec<_> = job.tables.iter().map(|(name, table)| json!([name, rows(table)])).collect();
    let new = (job.scope == Scope::Both).then(|| rows(&job.sources.new));
    json!({ "old": rows(&job.sources.old), "new": new, "tables": tables, "compare": compare(job) })
}

/// The settings that decide which rows a source has.
fn rows(source: &Source) -> Value {
    let rows = json!({
        "layout": source.layout,
        "query": source.query.as_ref().map(|query| query.sql.trim()),
        "key": texts(&source.key),
    });
    let rows = with(rows, "union_by_name", source.union_by_name.then(|| "true".into()));
    with(rows, "format", format(&source.format))
}

fn texts(settings: &[Setting]) -> Vec<&str> {
    settings.iter().map(|setting| setting.text.as_str()).collect()
}

fn source(source: &Source) -> Value {
    let all = json!({
        "path": source.path.text,
        "query": source.query.as_ref().map(|query| &query.sql),
        "taken_at": source.taken_at,
        "allow_empty": source.allow_empty,
        "max_age": source.expects.max_age.map(|age| format!("{age:#}")),
        "max_drop": source.expects.max_drop.as_ref().map(ToString::to_string),
        "must_change": source.expects.must_change,
        "key": texts(&source.key),
    });
    let further = texts(&source.further_paths).join(", ");
    let all = with(all, "further_paths", Some(further).filter(|further| !further.is_empty()));
    let all = with(all, "shard", source.shard.clone());
    let all = with(all, "union_by_name", source.union_by_name.then(|| "true".into()));
    with(all, "format", format(&source.format))
}

/// Adds a setting that older jobs did not have, so that the digests of jobs without it stay the same.
fn with(mut settings: Value, name: &str, setting: Option<String>) -> Value {
    if let (Value::Object(settings), Some(setting)) = (&mut settings, setting) {
        settings.insert(name.into(), Value::String(setting));
    }
    settings
}

/// How the files are written; `None` if the job does not say.
fn format(format: &FormatSettings) -> Option<String> {
    let none = FormatSettings::none(format.origin.clone());
    (*format != none).then(|| format!("{:?}", FormatSettings { origin: Origin::Files, ..format.clone() }))
}

fn column(settings: &ColumnSettings) -> Value {
    let rules = settings.rules.rules().unwrap_or_default();
    let Sides { old, new } = settings.expressions.as_ref().map(|expression| expression.as_ref().map(|text| &text.text));
    let own = json!({
        "names": texts(&settings.names),
        "old": settings.old.as_ref().map(|old| &old.text),
        "old_expr": old,
        "new_expr": new,
        "rules": rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let own = with(own, "of_type", settings.of_type.map(|family| family.name().to_string()));
    let own = with(own, "type", settings.column_type.as_ref().map(ToString::to_string));
    // what a setting turns off differs from what it does not mention
    let off = settings.rules.turned_off();
    with(own, "off", (!off.is_empty()).then(|| off.join(", ")))
}

fn in_flight(in_flight: &InFlight) -> Value {
    let InFlight { columns, lag, assume_tz } = in_flight;
    let zone = assume_tz.as_ref().map(|zone| &zone.text);
    json!([columns.old.text, columns.new.text, format!("{lag:#}"), zone])
}

/// Excludes the secret key.
fn private(private: &Private) -> Value {
    json!({ "columns": texts(&private.columns), "mode": private.mode, "plain_lists": private.plain_lists })
}

fn check(check: &Check) -> Value {
    let inputs: Vec<_> = check.inputs.iter().map(|(name, query)| json!([name, query.sql])).collect();
    let values: Vec<_> = check.values.iter().map(|(name, value)| json!([name, value.to_string()])).collect();
    json!({
        "name": check.name.text,
        "sql": check.query.sql,
        "inputs": inputs,
        "params": values,
        "id": texts(&check.id),
        "group": texts(&check.group),
        "expect": check.expect.to_string(),
    })
}

fn waiver(waiver: &Waiver) -> Value {
    json!({
        "name": waiver.name.text,
        "classes": waiver.classes,
        "columns": texts(&waiver.columns),
        "where": waiver.condition.as_ref().map(|condition| &condition.text),
        "ids": waiver.ids.as_ref().map(|(path, _)| path.display().to_string()),
        "limit": waiver.limit,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "expires": waiver.expires.to_string(),
    })
}

fn gate(gate: &Gate) -> Value {
    let Gate { classes, new, persisting_for, new_violations, columns } = gate;
    let texts =
        |classes: &ByClass<Option<Allowance>>| Class::ALL.map(|class| classes[class].as_ref().map(ToString::to_string));
    let columns: Vec<_> = columns.iter().map(|(name, allowance)| json!([name.text, allowance.to_string()])).collect();
    let mut all = vec![json!(texts(classes)), json!(columns), json!(texts(new)), json!(persisting_for)];
    // jobs without it keep their digests
    all.extend(new_violations.map(|allowed| json!(allowed)));
    Value::Array(all)
}
