//! Writes the output of a sign-off: the lists of approved and blocked candidates, the rows to delete, the files that a
//! later verification needs, the page for the team lead, and the certificate.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{FixedSizeBinaryArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use jiff::Timestamp;

use super::decide::BlockReason;
use super::facts::FactsRow;
use super::guards::GuardHash;
use super::ids::IdEquality;
use super::selected::{SelectedRows, selected_rows};
use super::totals::{Decision, each_decision};
use super::{APPROVED, Decided, SignOffContext, SignOffRequest, SignOffResult, statement, summary};
use crate::certificate::CERTIFICATE;
use crate::columns::DIGEST_BYTES;
use crate::csv;
use crate::error::{Error, Result};
use crate::history::TextHasher;
use crate::output::manifest::{FileDigest, of_file};
use crate::output::run_dir::{OutputFile, RunDir};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, QueryPlan, WorkingTable, column, write_rows};

const COUNTERPARTS_SQL: &str = include_str!("../../queries/signoff/counterparts.sql");

/// The names of a sign-off's files.
pub(super) const APPROVED_ROWS: &str = "approved_rows.csv";
pub(super) const BLOCKED: &str = "blocked.csv";
pub(super) const RESTORE: &str = "restore.parquet";
pub(super) const KEYS: &str = "keys.parquet";
pub(super) const COUNTERPARTS: &str = "counterparts.parquet";
pub(super) const PAGE: &str = "signoff.md";

/// Writes everything, the certificate last, and publishes it.
pub(super) fn write(
    context: &SignOffContext,
    request: &SignOffRequest,
    decided: Decided,
    run_dir: RunDir,
    now: Timestamp,
) -> Result<SignOffResult> {
    let (mut files, approved) = lists(context, &decided, &run_dir)?;
    if request.rows {
        let own = context.terms.delete_from;
        let rows = selected_rows(context, &context.snapshots[own], "restore", SelectedRows::WithKeys(&approved))?;
        // the working file is in order, but a scan in parts need not keep it
        let columns = rows.schema.fields().iter().map(|field| column(field.name())).collect();
        let question = Catalog::spilling(context.engine).project(&Arc::new(rows), columns)?;
        let question = question.sorted_by(&context.keys.names(own))?;
        files.push(write_file(context, &run_dir, question, RESTORE)?);
    }
    files.push(keys(context, &run_dir)?);
    files.push(counterparts(context, &run_dir, &approved)?);
    let Decided { signed, backup, .. } = decided;
    files.push(run_dir.write(PAGE, &summary::markdown(context.job, context.terms, &signed, now))?);
    let certificate = statement::certificate(context, request, &signed, backup.as_ref(), &run_dir, &files, now)?;
    let snapshots = context.snapshots.iter().chain(context.tables.values().map(Arc::as_ref)).chain(&backup);
    snapshots.into_iter().try_for_each(Snapshot::require_unchanged)?;
    context.candidates.input.require_unchanged()?;
    run_dir.publish_as(context.engine, CERTIFICATE, &certificate, files.iter().map(|file| file.path.as_str()))?;
    Ok(signed)
}

/// A list in CSV that is being written.
struct DecisionList {
    file: OutputFile,
    line: Vec<u8>,
}

impl DecisionList {
    fn create<'a>(run_dir: &RunDir, name: &str, header: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut list = DecisionList { file: run_dir.create(name)?, line: vec![] };
        list.write(header.into_iter().map(Some))?;
        Ok(list)
    }

    fn write<'a>(&mut self, fields: impl IntoIterator<Item = Option<&'a str>>) -> Result<()> {
        self.line.clear();
        csv::record(&mut self.line, fields);
        self.file.write_all(&self.line).map_err(|error| self.file.error(error))
    }
}

/// Keys per batch of digests.
const KEYS_AT_ONCE: usize = 8192;

/// Everything that one pass over the decisions writes.
struct DecisionLists<'a, 'c> {
    context: &'a SignOffContext<'c>,
    decided: &'a Decided<'c>,
    approved: DecisionList,
    /// The rows to delete, if candidates are named by columns other than the key.
    rows: Option<DecisionList>,
    blocked: DecisionList,
    keys: WorkingTable,
    some_keys: Vec<[u8; DIGEST_BYTES as usize]>,
    /// The rows of the current candidate: their number, the first guard, and a hash of all guards.
    current: (u64, String, TextHasher),
}

/// Writes the lists, and the keys of the approved rows as a working table of `key`.
fn lists(context: &SignOffContext, decided: &Decided, run_dir: &RunDir) -> Result<(Vec<FileDigest>, Arc<Snapshot>)> {
    let key = context.candidate_key.iter().map(String::as_str);
    let row_key: Vec<&str> = context.pairing.keys().iter().map(|key| key.name.as_str()).collect();
    // if candidates are named by the key, each has one row
    let names_rows = row_key == context.candidate_key;
    let guard = decided.guard.name();
    let more = if names_rows { vec![guard] } else { vec!["rows", "rows_hash"] };
    let rows =
        (!names_rows).then(|| DecisionList::create(run_dir, APPROVED_ROWS, row_key.iter().copied().chain([guard])));
    let schema = Arc::new(Schema::new(vec![Field::new("key", DataType::FixedSizeBinary(DIGEST_BYTES), false)]));
    let mut lists = DecisionLists {
        context,
        decided,
        approved: DecisionList::create(run_dir, APPROVED, key.clone().chain(more))?,
        rows: rows.transpose()?,
        blocked: DecisionList::create(run_dir, BLOCKED, key.chain(["reasons"]))?,
        keys: WorkingTable::create(context.engine, "approved-keys", schema)?,
        some_keys: vec![],
        current: Default::default(),
    };
    let lists_of = std::cell::RefCell::new(&mut lists);
    each_decision(
        context.engine,
        &decided.facts,
        &decided.policy,
        |row| lists_of.borrow_mut().row(row),
        |decision| lists_of.borrow_mut().candidate(&decision),
    )?;
    lists.flush_keys()?;
    let DecisionLists { approved, rows, blocked, keys, .. } = lists;
    let files = [Some(approved), rows, Some(blocked)].into_iter().flatten().map(|list| list.file.finish());
    Ok((files.collect::<Result<_>>()?, keys.finish()?))
}

impl DecisionLists<'_, '_> {
    fn row(&mut self, row: &FactsRow) -> Result<()> {
        let (Some(key), true) = (row.key_digest, self.decided.approves(row.candidate)) else { return Ok(()) };
        let (count, first, hasher) = &mut self.current;
        if *count == 0 {
            first.clone_from(&row.guard);
        }
        *count += 1;
        hasher.add(Some(&row.guard));
        self.some_keys.push(key);
        if let Some(rows) = &mut self.rows {
            rows.write(row.key.iter().map(Option::as_deref).chain([Some(row.guard.as_str())]))?;
        }
        if self.some_keys.len() >= KEYS_AT_ONCE { self.flush_keys() } else { Ok(()) }
    }

    fn candidate(&mut self, decision: &Decision) -> Result<()> {
        let (count, first, hasher) = std::mem::take(&mut self.current);
        let id = decision.id.iter().map(Option::as_deref);
        if self.decided.signed.is_verified && decision.reasons.is_empty() {
            let (count, hash) = (count.to_string(), hex::encode(hasher.finish()));
            let more = if self.rows.is_none() { vec![first.as_str()] } else { vec![count.as_str(), hash.as_str()] };
            return self.approved.write(id.chain(more.into_iter().map(Some)));
        }
        let terms = self.context.terms;
        let mut reasons: Vec<String> = decision.codes(terms).into_iter().collect();
        if !self.decided.signed.is_verified {
            reasons.push(BlockReason::Unverified.code(terms));
        }
        self.blocked.write(id.chain([Some(reasons.join(" ").as_str())]))
    }

    fn flush_keys(&mut self) -> Result<()> {
        if self.some_keys.is_empty() {
            return Ok(());
        }
        let keys = FixedSizeBinaryArray::try_from_iter(self.some_keys.drain(..)).map_err(Error::internal)?;
        let schema = Arc::new(Schema::new(vec![Field::new("key", DataType::FixedSizeBinary(DIGEST_BYTES), false)]));
        self.keys.write(&RecordBatch::try_new(schema, vec![Arc::new(keys)])?)
    }
}

/// The keys of all rows of the side. A later verification determines from them which rows were deleted.
fn keys(context: &SignOffContext, run_dir: &RunDir) -> Result<FileDigest> {
    let own = context.terms.delete_from;
    let rows = Arc::new(context.snapshots[own].clone());
    let question = Catalog::spilling(context.engine).project(&rows, context.keys.numbered(own))?;
    write_file(context, run_dir, question, KEYS)
}

/// The other side's rows with the keys of the approved ones, each with a hash of its values. They must still be there
/// after the delete.
fn counterparts(context: &SignOffContext, run_dir: &RunDir, approved: &Arc<Snapshot>) -> Result<FileDigest> {
    let other = context.terms.delete_from.other();
    let rows = Arc::new(context.snapshots[other].clone());
    let hash = GuardHash::new(context.pairing, context.privacy, &rows, other)?;
    let mut columns = vec![context.keys.digest(other, IdEquality::Compared).alias("key")];
    columns.extend(context.keys.numbered(other));
    columns.push(hash.expression().alias("row_hash"));
    let mut catalog = Catalog::spilling(context.engine);
    catalog.add_projection("other", &rows, columns)?;
    catalog.add("approved", approved)?;
    write_file(context, run_dir, catalog.question(COUNTERPARTS_SQL)?, COUNTERPARTS)
}

fn write_file(context: &SignOffContext, run_dir: &RunDir, query: QueryPlan, name: &str) -> Result<FileDigest> {
    let path = run_dir.path_of(name);
    write_rows(context.engine, query, &path)?;
    let digest = of_file(&path).map_err(Error::unreadable(&path))?;
    let bytes = std::fs::metadata(&path).map_err(Error::unreadable(&path))?.len();
    Ok(FileDigest { path: name.into(), bytes, blake3: digest.to_hex().to_string() })
}
