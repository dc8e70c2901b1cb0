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
use super::terms::{candidate_key, require_ids_shown, terms};
use super::write::{APPROVED, APPROVED_ROWS, KEYS};
use super::{RUN, directory, without_values};
use crate::certificate::{Certificate, PublicKey, digests_of};
use crate::class::Class;
use crate::columns::{Pairing, Privacy};
use crate::csv;
use crate::discrepancy::{Column, classes};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::{Digest, key_digest, key_digests};
use crate::job::{Becomes, Cleanup, Job, Out};
use crate::manifest::{Manifest, of_file};
use crate::progress::Progress;
use crate::render;
use crate::report::Report;
use crate::shape::{self, Desk, Tables, quoted};
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::work_dir::WorkDir;

/// What was found after a delete.
#[derive(Debug, Default)]
pub struct After {
    /// What is counted: `row`, or `candidate` for a column that is emptied.
    pub unit: &'static str,
    /// How many were approved.
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
    changed: Vec<String>,
    is_in_flight: bool,
}

/// Compares fresh snapshots, and holds what differs against what a certificate approves and what its sign-off knew. `key` is
/// the public key that has to have signed it; without one, only digests are checked.
///
/// # Errors
/// If the certificate is not what was signed, if the files beside it are not those that it names, or if anything keeps the
/// snapshots from being compared.
pub fn after(
    job: &Job,
    certificate: &Path,
    key: Option<&PublicKey>,
    stop: Arc<AtomicBool>,
    progress: Progress,
) -> Result<(After, Report)> {
    look(job, certificate, key, stop, progress).map_err(|error| without_values(job, error))
}

fn look(
    job: &Job,
    certificate: &Path,
    key: Option<&PublicKey>,
    stop: Arc<AtomicBool>,
    progress: Progress,
) -> Result<(After, Report)> {
    let terms = terms(job)?;
    let signed_off = directory(certificate)?;
    require_whole(certificate, &signed_off, key)?;
    let spill = job.temp.clone().unwrap_or_else(std::env::temp_dir);
    let work = WorkDir::create(&spill).map_err(|error| Error::Spill { dir: spill, reason: error.to_string() })?;
    let out = work.path().join(RUN);
    let fresh = Job { out: Some(Out::At(out.clone())), history: None, ..job.clone() };
    let report = crate::verify(&fresh, stop.clone(), progress)?;
    let now = discrepancies(&out.join(DISCREPANCIES))?;
    let before = discrepancies(&signed_off.join(RUN).join(DISCREPANCIES))?;
    let engine = Engine::start(job.limits.clone(), work.path(), stop, Progress::quiet())?;

    let tables = shape::open_tables(&job.tables)?;
    let snapshots = shape::open_sides(&engine, &job.sources, &tables, &job.columns)?;
    let pairing = Pairing::of(&snapshots, job)?;
    let (names, types) = candidate_key(terms, &snapshots, &pairing)?;
    require_ids_shown(&Privacy::of(job, &snapshots, &pairing, &tables)?, &names)?;
    let list = Candidates::read(&signed_off.join(APPROVED), &names, &types)?;
    let approved = approved_rows(&signed_off, &pairing)?;
    let own = terms.delete_from;
    let gone = gone(&engine, &snapshots[own], &pairing, own, &signed_off)?;

    // of rows that are deleted, and of lists that a query takes apart, the rows are gone; of an emptied column, none is
    let emptied = match &terms.cleanup {
        Cleanup::Column { column, becomes } => {
            Some((column.text.as_str(), *becomes, has_column(&snapshots[own], &column.text)))
        }
        Cleanup::Row => None,
    };
    let rows_go = emptied.is_none_or(|(_, _, is_stored)| !is_stored);
    let mut after = After { unit: if emptied.is_some() { "candidate" } else { "row" }, ..After::default() };
    let is_expected = |digest: &Digest| rows_go && approved.contains_key(digest);
    after.gone_too = gone.iter().filter(|(digest, _)| !is_expected(digest)).map(|(_, key)| key.clone()).collect();
    for (digest, found) in &now {
        let own_change = emptied.is_some_and(|(column, ..)| {
            approved.contains_key(digest)
                && found.changed.iter().all(|changed| stored_name(&snapshots[own], &pairing, own, changed) == column)
        });
        let is_gone = gone.contains_key(digest);
        match before.get(digest) {
            _ if is_gone || own_change => {}
            Some(known) if known.class == found.class && known.changed == found.changed => {}
            _ if found.is_in_flight => after.in_flight += 1,
            _ => after.changed.push(found.key.clone()),
        }
    }
    let left: HashSet<String> = match emptied {
        None => {
            approved.iter().filter(|(digest, _)| !gone.contains_key(*digest)).map(|(_, shown)| shown.clone()).collect()
        }
        Some((column, becomes, _)) => {
            let sides = Both { own: &snapshots[own], other: &snapshots[own.other()], side: own };
            not_emptied(&engine, &sides, &pairing, column, becomes, &list)?
        }
    };
    after.still_there = left.into_iter().collect();
    for list in [&mut after.still_there, &mut after.gone_too, &mut after.changed] {
        sort(list);
    }
    after.approved = if emptied.is_none() { approved.len() as u64 } else { list.texts.len() as u64 };
    after.done = after.approved - (after.still_there.len() as u64).min(after.approved);
    Ok((after, report))
}

const DISCREPANCIES: &str = "discrepancies.parquet";

/// Numbers by value, everything else as text.
fn sort(ids: &mut [String]) {
    match ids.iter().map(|id| id.parse::<i128>().ok()).collect::<Option<Vec<_>>>() {
        Some(_) => ids.sort_by_key(|id| id.parse::<i128>().unwrap_or(0)),
        None => ids.sort(),
    }
}

/// Makes sure that the files beside a certificate are those that it names.
fn require_whole(certificate: &Path, signed_off: &Path, key: Option<&PublicKey>) -> Result<()> {
    let bytes = std::fs::read(certificate).map_err(Error::unreadable(certificate))?;
    let parsed = Certificate::parse(&bytes, certificate)?;
    if let Some(key) = key {
        parsed.require_signed_by(key, certificate)?;
    }
    for subject in parsed.statement.subject.iter().filter(|subject| subject.is_output()) {
        let path = signed_off.join(subject.path());
        let found = digests_of(&path).map_err(Error::unreadable(&path))?;
        if found != subject.digest {
            return Err(Error::Contradiction(format!("`{}` is not as the sign-off wrote it", path.display())));
        }
    }
    // the certificate names the run's manifest, and that the files of the run
    let run = signed_off.join(RUN);
    let manifest = Manifest::read(&run)?;
    let path = run.join(DISCREPANCIES);
    let found = of_file(&path).map_err(Error::unreadable(&path))?.to_hex().to_string();
    match manifest.outputs.iter().any(|output| output.path == DISCREPANCIES && output.blake3 == found) {
        true => Ok(()),
        false => Err(Error::Contradiction(format!("`{}` is not as its run wrote it", path.display()))),
    }
}

fn has_column(snapshot: &Snapshot, column: &str) -> bool {
    snapshot.schema.fields().iter().any(|field| field.name() == column)
}

/// What a side calls a compared column.
fn stored_name<'a>(snapshot: &'a Snapshot, pairing: &Pairing, side: Side, name: &'a str) -> &'a str {
    let pair = pairing.columns.iter().find(|pair| pair.name == name);
    pair.map_or(name, |pair| snapshot.schema.field(pair.at[side]).name())
}

/// The keys that the side had at the sign-off, and has no more.
fn gone(
    engine: &Engine,
    own: &Snapshot,
    pairing: &Pairing,
    side: Side,
    signed_off: &Path,
) -> Result<HashMap<Digest, String>> {
    let mut desk = Desk::with(engine, &Tables::new())?;
    let path = signed_off.join(KEYS).display().to_string();
    desk.lay("before", &Arc::new(Snapshot::open_table("keys", &path, true)?))?;
    desk.lay("now", &Arc::new(own.clone()))?;
    let same = pairing
        .keys()
        .iter()
        .enumerate()
        .map(|(at, key)| format!("b.k{at} = n.{}", quoted(own.schema.field(key.at[side]).name())));
    let sql = format!(
        "SELECT DISTINCT b.* FROM before AS b LEFT ANTI JOIN now AS n ON {}",
        same.collect::<Vec<_>>().join(" AND ")
    );
    let mut gone = HashMap::new();
    desk.plan(&sql, &BTreeMap::new(), "[signoff]")?.ask(engine, |batch| {
        for key in render::rows(batch)?.into_iter().filter(|key| key.iter().all(Option::is_some)) {
            gone.insert(key_digest(key.iter().map(Option::as_deref)), shown(&key));
        }
        Ok(())
    })?;
    Ok(gone)
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
        let (tags, changes) = (Column::Tags.of(&batch).as_list::<i32>(), Column::Changed.of(&batch).as_list::<i32>());
        let rows = render::rows(&keys)?.into_iter().zip(key_digests(&batch)?).zip(classes(&batch)).enumerate();
        for (row, ((key, digest), class)) in rows {
            let tags = tags.value(row);
            let changed = changes.value(row);
            let changed = changed.as_string::<i32>().iter().flatten().map(String::from).collect();
            let is_in_flight = tags.as_string::<i32>().iter().flatten().any(|tag| tag == "in_flight");
            all.insert(digest, Found { key: shown(&key), class, changed, is_in_flight });
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

/// Both sides, from where rows are emptied.
struct Both<'a> {
    own: &'a Snapshot,
    other: &'a Snapshot,
    side: Side,
}

/// The approved candidates whose column is not emptied as it should be.
fn not_emptied(
    engine: &Engine,
    sides: &Both,
    pairing: &Pairing,
    column: &str,
    becomes: Becomes,
    approved: &Candidates,
) -> Result<HashSet<String>> {
    let Both { own, other, side } = *sides;
    let mut desk = Desk::with(engine, &Tables::new())?;
    let is_stored = has_column(own, column);
    desk.lay("d", &Arc::new(if is_stored { own.clone() } else { own.input().clone() }))?;
    desk.lay("o", &Arc::new(other.clone()))?;
    let texts = vec![arrow::datatypes::DataType::Utf8; approved.key.len()];
    desk.lay_rows("approved", approved.table(&texts)?)?;
    let stored = |name: &String, side: Side, snapshot: &Snapshot| {
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
