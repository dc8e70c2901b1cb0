//! The lists of what may go and what may not, the rows that go, the page for the lead, and the certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use jiff::Timestamp;

use super::evidence::{PLACE, Rows, Sources, version_is_shown};
use super::{Request, Signed, certify, page};
use crate::certificate::CERTIFICATE;
use crate::csv;
use crate::error::{Error, Result};
use crate::history::key_digest;
use crate::manifest::{Digest, of_file};
use crate::run_dir::RunDir;
use crate::shape::{Desk, Question, Tables, quoted, write_rows};
use crate::snapshot::Snapshot;

/// What the files of a sign-off are called.
pub const APPROVED: &str = "approved.csv";
pub const APPROVED_ROWS: &str = "approved_rows.csv";
pub const BLOCKED: &str = "blocked.csv";
pub const RESTORE: &str = "restore.parquet";
pub const KEYS: &str = "keys.parquet";
pub const PAGE: &str = "signoff.md";

/// As many blocked candidates are shown.
const SHOWN: usize = 5;

/// Writes everything, the certificate last.
pub fn all(
    sources: &Sources,
    request: &Request,
    rows: &Rows,
    decisions: &[BTreeSet<String>],
    signed: &mut Signed,
    run_dir: RunDir,
    now: Timestamp,
) -> Result<()> {
    let is_approved = |candidate: usize| signed.is_verified && decisions[candidate].is_empty();
    let mut files = vec![approved(sources, rows, &run_dir, &is_approved)?];
    if let Some(list) = approved_rows(sources, rows, &run_dir, &is_approved)? {
        files.push(list);
    }
    files.push(blocked(sources, decisions, signed.is_verified, &run_dir)?);
    if request.rows {
        files.push(restore(sources, rows, &run_dir, &is_approved)?);
    }
    for (candidate, reasons) in decisions.iter().enumerate() {
        for reason in reasons {
            *signed.blocked_by.entry(reason.clone()).or_default() += 1;
        }
        if !reasons.is_empty() && signed.examples.len() < SHOWN {
            let texts = &sources.candidates.texts[candidate];
            signed.examples.push((super::candidates::shown(texts), reasons.clone()));
        }
    }
    files.push(keys(sources, &run_dir)?);
    files.push(run_dir.write(PAGE, &page::markdown(sources.job, sources.terms, signed, now))?);
    sources.whole.iter().try_for_each(Snapshot::require_unchanged)?;
    let certificate = certify::certificate(sources, request, signed, &run_dir, &files, now)?;
    let outputs = files.iter().map(|file| file.path.as_str());
    run_dir.publish_as(sources.engine, CERTIFICATE, &certificate, outputs)
}

/// The candidates that may go, each with what its delete has to find unchanged: the version of its row or a hash of it; or
/// where a candidate has several rows, their number and a hash of their guards.
fn approved(sources: &Sources, rows: &Rows, run_dir: &RunDir, is_approved: &dyn Fn(usize) -> bool) -> Result<Digest> {
    let candidates = sources.candidates;
    let mut guards: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (candidate, guard) in rows.candidates.iter().zip(&rows.guards) {
        guards.entry(*candidate).or_default().push(guard);
    }
    let has_one_each = names_rows(sources);
    let guard_name = if version_is_shown(sources) { "version" } else { "row_hash" };
    let more = if has_one_each { vec![guard_name] } else { vec!["rows", "rows_hash"] };
    let mut text = String::new();
    csv::record(&mut text, candidates.key.iter().map(String::as_str).chain(more).map(Some));
    for (candidate, texts) in candidates.texts.iter().enumerate().filter(|(candidate, _)| is_approved(*candidate)) {
        let guards = guards.get(&candidate).map_or(&[][..], Vec::as_slice);
        let more: Vec<String> = match has_one_each {
            true => guards.iter().map(|guard| guard.to_string()).collect(),
            false => vec![guards.len().to_string(), hex::encode(key_digest(guards.iter().map(|guard| Some(*guard))))],
        };
        csv::record(&mut text, texts.iter().map(Option::as_deref).chain(more.iter().map(|text| Some(text.as_str()))));
    }
    run_dir.write(APPROVED, &text)
}

/// Whether candidates are named by the key of their rows.
fn names_rows(sources: &Sources) -> bool {
    let key: Vec<&str> = sources.pairing.keys().iter().map(|key| key.name.as_str()).collect();
    key == sources.candidates.key
}

/// Where candidates are named by something else: every row that may go, with its guard.
fn approved_rows(
    sources: &Sources,
    rows: &Rows,
    run_dir: &RunDir,
    is_approved: &dyn Fn(usize) -> bool,
) -> Result<Option<Digest>> {
    if names_rows(sources) {
        return Ok(None);
    }
    let guard = if version_is_shown(sources) { "version" } else { "row_hash" };
    let key = sources.pairing.keys().iter().map(|key| key.name.as_str());
    let mut file = run_dir.create(APPROVED_ROWS)?;
    let mut text = String::new();
    csv::record(&mut text, key.chain([guard]).map(Some));
    for (row, texts) in rows.keys.iter().enumerate().filter(|(row, _)| is_approved(rows.candidates[*row])) {
        csv::record(&mut text, texts.iter().map(Option::as_deref).chain([Some(rows.guards[row].as_str())]));
    }
    file.write_all(text.as_bytes()).map_err(|error| file.error(error))?;
    file.finish().map(Some)
}

/// The candidates that may not go, each with every reason.
fn blocked(sources: &Sources, decisions: &[BTreeSet<String>], is_verified: bool, run_dir: &RunDir) -> Result<Digest> {
    let mut text = String::new();
    csv::record(&mut text, sources.candidates.key.iter().map(String::as_str).chain(["reasons"]).map(Some));
    for (texts, reasons) in sources.candidates.texts.iter().zip(decisions) {
        let mut reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        if !is_verified {
            reasons.push("sign_off_unverified");
        }
        if !reasons.is_empty() {
            let reasons = reasons.join(" ");
            csv::record(&mut text, texts.iter().map(Option::as_deref).chain([Some(reasons.as_str())]));
        }
    }
    run_dir.write(BLOCKED, &text)
}

/// The keys of all rows of the side, by which a later look tells what is gone.
fn keys(sources: &Sources, run_dir: &RunDir) -> Result<Digest> {
    let own = sources.terms.delete_from;
    let mut desk = Desk::with(sources.engine, &Tables::new())?;
    desk.lay("t", &Arc::new(sources.whole[own].clone()))?;
    let columns = sources.pairing.columns.iter().take(sources.pairing.key_len);
    let columns: Vec<String> = columns
        .enumerate()
        .map(|(at, pair)| format!("{} AS k{at}", quoted(sources.rows[own].schema.field(pair.at[own]).name())))
        .collect();
    let question = desk.plan(&format!("SELECT {} FROM t", columns.join(", ")), &BTreeMap::new(), "[signoff]")?;
    write_file(sources, run_dir, question, KEYS)
}

/// The rows that may go, whole, as the side has them.
fn restore(sources: &Sources, rows: &Rows, run_dir: &RunDir, is_approved: &dyn Fn(usize) -> bool) -> Result<Digest> {
    let own = sources.terms.delete_from;
    let mut places: Vec<u64> =
        rows.candidates.iter().filter(|place| is_approved(**place)).map(|place| *place as u64).collect();
    places.dedup();
    let approved = RecordBatch::try_from_iter([("place", Arc::new(UInt64Array::from(places)) as _)])?;
    let mut desk = Desk::with(sources.engine, &Tables::new())?;
    desk.lay("t", &Arc::new(sources.rows[own].clone()))?;
    desk.lay_rows("approved", approved)?;
    let columns = sources.rows[own].schema.fields().iter().map(|field| field.name()).filter(|name| *name != PLACE);
    let columns: Vec<String> = columns.map(|name| format!("t.{}", quoted(name))).collect();
    let key = (0..sources.pairing.key_len)
        .map(|at| format!("t.{}", quoted(sources.rows[own].schema.field(sources.pairing.columns[at].at[own]).name())));
    let sql = format!(
        "SELECT {} FROM t LEFT SEMI JOIN approved AS a ON t.{} = a.place ORDER BY {}",
        columns.join(", "),
        quoted(PLACE),
        key.collect::<Vec<_>>().join(", ")
    );
    let question = desk.plan(&sql, &BTreeMap::new(), "[signoff]")?;
    write_file(sources, run_dir, question, RESTORE)
}

fn write_file(sources: &Sources, run_dir: &RunDir, question: Question, name: &str) -> Result<Digest> {
    let path = run_dir.path_of(name);
    write_rows(sources.engine, question, &path)?;
    let digest = of_file(&path).map_err(Error::unreadable(&path))?;
    let bytes = std::fs::metadata(&path).map_err(Error::unreadable(&path))?.len();
    Ok(Digest { path: name.into(), bytes, blake3: digest.to_hex().to_string() })
}
