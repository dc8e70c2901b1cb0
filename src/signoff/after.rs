//! After the delete: fresh snapshots prove that exactly the approved rows are gone, and that nothing else has changed beyond
//! what the snapshots' times allow.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::candidates::Candidates;
use super::write::{APPROVED, APPROVED_ROWS};
use super::{RUN, candidate_key, terms};
use crate::class::Class;
use crate::columns::Pairing;
use crate::csv;
use crate::discrepancy::{Column, classes};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::{Digest, key_digest, key_digests};
use crate::job::{Becomes, Cleanup, Job, Out};
use crate::progress::Progress;
use crate::render;
use crate::report::Report;
use crate::shape::{self, Desk, Tables, quoted};
use crate::sides::Side;
use crate::work_dir::WorkDir;

/// What was found after a delete.
#[derive(Debug, Default)]
pub struct After {
    /// How many rows or candidates were approved.
    pub approved: u64,
    /// How many of them are gone, or emptied.
    pub done: u64,
    /// Approved, and still there.
    pub still_there: Vec<String>,
    /// Gone as well, and not approved.
    pub gone_too: Vec<String>,
    /// Other rows that have changed since.
    pub changed: Vec<String>,
    /// Changes that the snapshots' times explain.
    pub in_flight: u64,
}

impl After {
    /// Whether exactly what was approved has happened.
    pub fn is_proved(&self) -> bool {
        self.still_there.is_empty() && self.gone_too.is_empty() && self.changed.is_empty()
    }
}

/// A discrepancy, as far as it is looked at here.
struct Found {
    key: String,
    class: Class,
    is_in_flight: bool,
}

/// Compares fresh snapshots, and holds what differs against what a sign-off has approved and what it knew. `signed_off` is the
/// directory of the sign-off.
pub fn after(job: &Job, signed_off: &Path, stop: Arc<AtomicBool>, progress: Progress) -> Result<(After, Report)> {
    let terms = terms(job)?;
    let spill = job.temp.clone().unwrap_or_else(std::env::temp_dir);
    let work = WorkDir::create(&spill).map_err(|error| Error::Spill { dir: spill, reason: error.to_string() })?;
    let out = work.path().join(RUN);
    let fresh = Job { out: Some(Out::At(out.clone())), history: None, ..job.clone() };
    let report = crate::verify(&fresh, stop.clone(), progress)?;
    let now = discrepancies(&out.join("discrepancies.parquet"))?;
    let before = discrepancies(&signed_off.join(RUN).join("discrepancies.parquet"))?;
    let engine = Engine::start(job.limits.clone(), work.path(), stop, Progress::quiet())?;

    let tables = shape::open_tables(&job.tables)?;
    let snapshots = shape::open_sides(&engine, &job.sources, &tables, &job.columns)?;
    let pairing = Pairing::of(&snapshots, job)?;
    let (key, types) = candidate_key(terms, &snapshots, &pairing)?;
    let list = Candidates::read(&signed_off.join(APPROVED), &key, &types)?;
    let approved = approved_rows(signed_off, &pairing)?;
    let own = terms.delete_from;
    // what a delete leaves behind: a row of the other side alone
    let gone = if own == Side::Old { Class::Extra } else { Class::Missing };

    let mut after = After { approved: list.texts.len() as u64, ..After::default() };
    for (digest, found) in &now {
        if approved.contains_key(digest) {
            continue;
        }
        match before.get(digest) {
            Some(known) if known.class == found.class => {}
            _ if found.is_in_flight => after.in_flight += 1,
            _ if found.class == gone => after.gone_too.push(found.key.clone()),
            _ => after.changed.push(found.key.clone()),
        }
    }
    // a column that is compared shows as a mismatch of its own, and one that is exploded as rows that are gone
    let is_gone = |digest: &Digest| now.get(digest).is_some_and(|found| found.class == gone);
    let left: HashSet<String> = match &terms.cleanup {
        Cleanup::Row => {
            approved.iter().filter(|(digest, _)| !is_gone(digest)).map(|(_, shown)| shown.clone()).collect()
        }
        Cleanup::Column { column, becomes } => not_emptied(
            &engine,
            &snapshots[own],
            &snapshots[own.other()],
            &pairing,
            own,
            &column.text,
            *becomes,
            &list,
        )?,
    };
    after.still_there = left.into_iter().collect();
    for list in [&mut after.still_there, &mut after.gone_too, &mut after.changed] {
        list.sort();
    }
    let all = if matches!(terms.cleanup, Cleanup::Row) { approved.len() as u64 } else { after.approved };
    after.approved = all;
    after.done = all - (after.still_there.len() as u64).min(all);
    Ok((after, report))
}

fn shown(texts: &[Option<String>]) -> String {
    super::candidates::shown(texts)
}

/// The discrepancies of a run, by key.
fn discrepancies(path: &Path) -> Result<HashMap<Digest, Found>> {
    let file = File::open(path).map_err(Error::unreadable(path))?;
    let unreadable = |error: &dyn std::fmt::Display| Error::Internal(format!("`{}`: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build());
    let mut all = HashMap::new();
    for batch in reader.map_err(|error| unreadable(&error))? {
        let batch = batch?;
        let keys = Column::Key.of(&batch).as_struct();
        let schema = arrow::datatypes::Schema::new(keys.fields().clone());
        let keys = arrow::array::RecordBatch::try_new(Arc::new(schema), keys.columns().to_vec())?;
        let tags = Column::Tags.of(&batch).as_list::<i32>();
        let rows = render::rows(&keys)?.into_iter().zip(key_digests(&batch)?).zip(classes(&batch)).enumerate();
        for (row, ((key, digest), class)) in rows {
            let tags = tags.value(row);
            let is_in_flight = tags.as_string::<i32>().iter().flatten().any(|tag| tag == "in_flight");
            all.insert(digest, Found { key: shown(&key), class, is_in_flight });
        }
    }
    Ok(all)
}

/// The keys of the rows that were approved.
fn approved_rows(signed_off: &Path, pairing: &Pairing) -> Result<HashMap<Digest, String>> {
    let rows = signed_off.join(APPROVED_ROWS);
    let path = if rows.exists() { rows } else { signed_off.join(APPROVED) };
    let text = std::fs::read_to_string(&path).map_err(Error::unreadable(&path))?;
    let records =
        csv::records(&text).map_err(|words| Error::Contradiction(format!("`{}`: {words}", path.display())))?;
    let key_len = pairing.key_len;
    let rows = records.into_iter().skip(1).map(|(_, fields)| {
        let key = &fields[..key_len.min(fields.len())];
        (key_digest(key.iter().map(Option::as_deref)), shown(key))
    });
    Ok(rows.collect())
}

/// The approved candidates whose column is not emptied as it should be.
#[expect(clippy::too_many_arguments, reason = "both sides, their columns, and what was to become of one of them")]
fn not_emptied(
    engine: &Engine,
    own: &crate::snapshot::Snapshot,
    other: &crate::snapshot::Snapshot,
    pairing: &Pairing,
    side: Side,
    column: &str,
    becomes: Becomes,
    approved: &Candidates,
) -> Result<HashSet<String>> {
    let mut desk = Desk::with(engine, &Tables::new())?;
    let is_stored = own.schema.fields().iter().any(|field| field.name() == column);
    desk.lay("d", &Arc::new(if is_stored { own.clone() } else { own.input().clone() }))?;
    desk.lay("o", &Arc::new(other.clone()))?;
    let texts = vec![arrow::datatypes::DataType::Utf8; approved.key.len()];
    desk.lay_rows("approved", approved.table(&texts)?)?;
    let stored = |name: &String, side: Side, snapshot: &crate::snapshot::Snapshot| {
        let pair = pairing.columns.iter().find(|pair| pair.name == *name);
        quoted(pair.map_or(name.as_str(), |pair| snapshot.schema.field(pair.at[side]).name()))
    };
    let named = approved.key.iter().enumerate();
    let named: Vec<String> =
        named.map(|(at, name)| format!("CAST(d.{} AS VARCHAR) = a.c{at}", stored(name, side, own))).collect();
    let value = format!("d.{}", quoted(column));
    let (is_empty, join) = match becomes {
        Becomes::Null => (format!("{value} IS NULL"), String::new()),
        Becomes::EmptyList => (format!("({value} IS NULL OR cardinality({value}) = 0)"), String::new()),
        Becomes::BlankSameWidth => {
            let pair = pairing.columns.iter().find(|pair| own.schema.field(pair.at[side]).name() == column);
            let Some(pair) = pair else {
                return Err(Error::Contradiction(format!(
                    "[signoff] cleanup: column `{column}` is not compared, so nothing tells how wide its values were"
                )));
            };
            let width = quoted(other.schema.field(pair.at[side.other()]).name());
            let same = pairing.keys().iter().map(|key| {
                let (one, two) =
                    (own.schema.field(key.at[side]).name(), other.schema.field(key.at[side.other()]).name());
                format!("d.{} = o.{}", quoted(one), quoted(two))
            });
            let join = format!(" LEFT JOIN o ON {}", same.collect::<Vec<_>>().join(" AND "));
            (format!("btrim({value}) = '' AND character_length({value}) = character_length(o.{width})"), join)
        }
    };
    let columns: Vec<String> = (0..approved.key.len()).map(|at| format!("a.c{at}")).collect();
    let sql = format!(
        "SELECT DISTINCT {} FROM d JOIN approved AS a ON {}{join} WHERE ({is_empty}) IS NOT TRUE",
        columns.join(", "),
        named.join(" AND ")
    );
    let mut left = HashSet::new();
    desk.plan(&sql, &BTreeMap::new(), "[signoff] cleanup")?.ask(engine, |batch| {
        left.extend(render::rows(batch)?.iter().map(|texts| shown(texts)));
        Ok(())
    })?;
    Ok(left)
}
