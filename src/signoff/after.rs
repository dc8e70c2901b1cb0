//! After the delete: fresh snapshots prove that exactly the approved rows are gone from one store and still in the
//! other, and that the times of the snapshots explain all other changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::logical_expr::{Expr, lit};
use jiff::Timestamp;

use super::csv_columns::CsvColumns;
use super::evidence::discrepancies;
use super::guards::GuardHash;
use super::ids::{IdColumns, IdEquality, digests_where_read, shown};
use super::outputs::{APPROVED_ROWS, COUNTERPARTS, KEYS};
use super::policy::{candidate_columns, require_ids_shown, terms};
use super::{APPROVED, RUN, directory, start};
use crate::certificate::{Certificate, PublicKey, Statement, digests_of};
use crate::columns::version::{Version, VersionKind};
use crate::columns::{ColumnPair, DIGEST_BYTES, ValueHasher};
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::job::{Becomes, Cleanup, Job, Literal, SignOff};
use crate::output::manifest::{Manifest, of_file};
use crate::report::Report;
use crate::run::{Run, Session};
use crate::runtime::options::{Options, Out};
use crate::runtime::work_dir::WorkDir;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, QueryPlan, WorkingTable, column, numbered, row_function};

/// The maximum number of IDs of a kind that are listed.
const NAMED: i64 = 6;
const GONE_SQL: &str = include_str!("../../queries/signoff/gone.sql");
const GONE_TOO_SQL: &str = include_str!("../../queries/signoff/gone_too.sql");
const STILL_THERE_SQL: &str = include_str!("../../queries/signoff/still_there.sql");
const CHANGES_SQL: &str = include_str!("../../queries/signoff/changes.sql");
const KEPT_SQL: &str = include_str!("../../queries/signoff/kept.sql");
const NOT_NULL_SQL: &str = include_str!("../../queries/signoff/not_null.sql");
const NOT_EMPTY_SQL: &str = include_str!("../../queries/signoff/not_empty.sql");
const NOT_BLANK_SQL: &str = include_str!("../../queries/signoff/not_blank.sql");
const LISTED_COUNT_SQL: &str = include_str!("../../queries/signoff/listed_count.sql");
const LISTED_FIRST_SQL: &str = include_str!("../../queries/signoff/listed_first.sql");
const DISCREPANCIES: &str = "discrepancies.parquet";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdSet {
    /// The number of all IDs.
    pub count: u64,
    /// The first few of them.
    pub first: Vec<String>,
}

/// The result of the check after a delete.
#[derive(Debug, Default)]
pub(crate) struct AfterRequest {
    /// The unit of the counts: `row`, or `candidate` if a column is emptied.
    pub unit: &'static str,
    /// The number that was approved.
    pub approved: u64,
    /// Approved, and still there.
    pub still_there: IdSet,
    /// Gone, but not approved.
    pub gone_too: IdSet,
    /// Other rows that have changed since the sign-off.
    pub changed: IdSet,
    /// Approved rows that the other store no longer has unchanged: gone, duplicated, or changed without a newer
    /// version.
    pub lost: IdSet,
    /// Approved rows with a newer version in the other store, written since its snapshot of the sign-off.
    pub written_since: u64,
    /// Changes that the times of the snapshots explain.
    pub in_flight: u64,
}

impl AfterRequest {
    /// Whether exactly the approved delete has happened.
    pub(crate) fn is_proved(&self) -> bool {
        [&self.still_there, &self.gone_too, &self.changed, &self.lost].iter().all(|listed| listed.count == 0)
    }

    /// The number of approved rows or candidates that are gone or emptied.
    pub(crate) fn done(&self) -> u64 {
        self.approved.saturating_sub(self.still_there.count)
    }
}

/// Compares fresh snapshots, and compares the discrepancies with those of the sign-off and the rows that its
/// certificate approves. `key` is the public key of the signer; without it, only digests are checked.
///
/// # Errors
/// If the certificate is not valid, if the files next to it differ from those that it names, or if the snapshots cannot
/// be compared.
pub(crate) fn verify_deletions(
    job: &Job,
    options: &Options,
    certificate: &Path,
    key: Option<&PublicKey>,
) -> Result<(AfterRequest, Report)> {
    verify_deletion(job, options, certificate, key).map_err(|error| job.redact(error))
}

fn verify_deletion(
    job: &Job,
    options: &Options,
    certificate: &Path,
    key: Option<&PublicKey>,
) -> Result<(AfterRequest, Report)> {
    let terms = terms(job)?;
    let signed_off = directory(certificate)?;
    let statement = require_whole(certificate, &signed_off, key)?;
    let temp = options.temp.clone().unwrap_or_else(std::env::temp_dir);
    let work = WorkDir::create(&temp).map_err(|error| Error::Spill { dir: temp, reason: error.to_string() })?;
    let out = work.path().join(RUN);
    let temp = Some(work.path().into());
    let options = Options { out: Some(Out::At(out.clone())), history: None, temp, ..options.clone() };
    let run = start(job, &options, None)?;
    let (_, names) = candidate_columns(terms, &run.snapshots, &run.pairing)?;
    require_ids_shown(&run.privacy, &names)?;
    let compared = run.execute()?;
    let look = AfterView::new(terms, &compared.run, &signed_off, &statement)?;
    let after = look.at_both_sides(&out)?;
    Ok((after, compared.report))
}

/// Checks the files next to a certificate against the digests in it.
fn require_whole(certificate: &Path, signed_off: &Path, key: Option<&PublicKey>) -> Result<Statement> {
    let bytes = certificate::read(certificate)?;
    let parsed = Certificate::parse(&bytes, certificate)?;
    if let Some(key) = key {
        parsed.require_signed_by(key, certificate)?;
    }
    for subject in parsed.statement.subject.iter().filter(|subject| subject.is_output()) {
        let path = signed_off.join(subject.path());
        let found = digests_of(&path).map_err(Error::unreadable(&path))?;
        if found != subject.digest {
            return Err(Error::unusable(path, "differs from the file that the sign-off wrote"));
        }
    }
    // the certificate contains the digest of the run's manifest, which contains those of the run's files
    let run = signed_off.join(RUN);
    let manifest = Manifest::read(&run)?;
    let path = run.join(DISCREPANCIES);
    let found = of_file(&path).map_err(Error::unreadable(&path))?.to_hex().to_string();
    match manifest.outputs.iter().any(|output| output.path == DISCREPANCIES && output.blake3 == found) {
        true => Ok(parsed.statement),
        false => Err(Error::unusable(path, "differs from the file that its run wrote")),
    }
}

struct AfterView<'a> {
    terms: &'a SignOff,
    run: &'a Run<'a>,
    signed_off: &'a Path,
    statement: &'a Statement,
    keys: IdColumns,
    /// The approved candidates and the approved rows: tables of an `id` or a `key`, and of `shown`.
    candidates: Arc<Snapshot>,
    rows: Arc<Snapshot>,
    ids: IdColumns,
}

impl<'a> AfterView<'a> {
    fn new(terms: &'a SignOff, run: &'a Run<'a>, signed_off: &'a Path, statement: &'a Statement) -> Result<Self> {
        let Run { snapshots, pairing, .. } = run;
        let (columns, _) = candidate_columns(terms, snapshots, pairing)?;
        let digests = ValueHasher::new()?;
        let ids = IdColumns::new(pairing, snapshots, &columns, &digests)?;
        let key: Vec<usize> = (0..pairing.key_len).collect();
        let keys = IdColumns::new(pairing, snapshots, &key, &digests)?;
        let list = |file: &str, ids: &IdColumns, name: &str| approved(run, terms, &signed_off.join(file), ids, name);
        let rows = if signed_off.join(APPROVED_ROWS).exists() { APPROVED_ROWS } else { APPROVED };
        let (candidates, rows) = (list(APPROVED, &ids, "approved-candidates")?, list(rows, &keys, "approved-rows")?);
        Ok(AfterView { terms, run, signed_off, statement, keys, candidates, rows, ids })
    }

    fn own(&self) -> Side {
        self.terms.delete_from
    }

    /// The emptied column, if the rows still have it after the delete.
    fn emptied(&self) -> Option<&str> {
        match &self.terms.cleanup {
            Cleanup::Column { column, .. } if has_column(&self.run.snapshots[self.own()], &column.text) => {
                Some(&column.text)
            }
            Cleanup::Column { .. } | Cleanup::Row => None,
        }
    }

    fn at_both_sides(&self, run: &Path) -> Result<AfterRequest> {
        let engine = &self.run.session.engine;
        let now = discrepancies(engine, &self.keys, &run.join(DISCREPANCIES), "found-now")?;
        let before = self.signed_off.join(RUN).join(DISCREPANCIES);
        let before = discrepancies(engine, &self.keys, &before, "found-before")?;
        let mut catalog = Catalog::spilling(engine);
        catalog.add("before", &before.table)?;
        catalog.add("approved", &self.rows)?;
        // deleted rows are gone, and so are rows that a query unnests from an emptied list; other emptied rows remain
        match self.emptied() {
            None => catalog.add("may_be_gone", &self.rows)?,
            Some(_) => {
                let key = Field::new("key", DataType::FixedSizeBinary(DIGEST_BYTES), true);
                catalog.add_empty("may_be_gone", [key].into_iter().collect())?;
            }
        }
        self.add_own(&mut catalog)?;
        self.add_other(&mut catalog)?;
        let columns = ["key", "shown", "class", "changed", "in_flight"].into_iter().map(column);
        let columns = columns.chain([self.is_emptied().alias("is_emptied")]).collect();
        catalog.add_projection("now", &now.table, columns)?;
        let changes = catalog.question(CHANGES_SQL)?;
        catalog.add_view("changes", changes)?;
        let kept = catalog.question(KEPT_SQL)?;
        catalog.add_view("kept", kept)?;
        let gone_too = self.listed(catalog.question(GONE_TOO_SQL)?)?;
        let of = |view: &str, flag: &str| {
            self.listed(catalog.select(view, vec![column("shown"), column(flag)], "[signoff]")?.filter(column(flag))?)
        };
        let (changed, in_flight) = (of("changes", "is_unexplained")?, of("changes", "in_flight")?.count);
        let (lost, written_since) = (of("kept", "is_lost")?, of("kept", "is_written_since")?.count);
        let (unit, approved, still_there) = match &self.terms.cleanup {
            Cleanup::Row => ("row", self.rows.rows(), self.listed(catalog.question(STILL_THERE_SQL)?)?),
            Cleanup::Column { .. } => ("candidate", self.candidates.rows(), self.not_emptied()?),
        };
        Ok(AfterRequest { unit, approved, still_there, gone_too, changed, lost, written_since, in_flight })
    }

    /// Adds the rows and keys of the side: `own`, `keys_before`, and `gone`.
    fn add_own(&self, catalog: &mut Catalog) -> Result<()> {
        let own = self.own();
        let path = self.signed_off.join(KEYS);
        let keys = Arc::new(Snapshot::open_table("keys", &path.display().to_string())?);
        let rows = Arc::new(self.run.snapshots[own].clone());
        catalog.add_projection("own", &rows, vec![self.keys.digest(own, IdEquality::Compared).alias("key")])?;
        let shown = row_function("shown", DataType::Utf8, texts).call(self.columns_before());
        let columns = vec![self.key_before(own).alias("key"), shown.alias("shown")];
        catalog.add_projection("keys_before", &keys, columns)?;
        let gone = catalog.question(GONE_SQL)?;
        catalog.add_view("gone", gone)
    }

    fn columns_before(&self) -> Vec<Expr> {
        numbered("k", self.keys.len()).iter().map(|name| column(name)).collect()
    }

    /// The digests of a side's keys in files of the sign-off. Their types may differ from the current ones.
    fn key_before(&self, side: Side) -> Expr {
        let keys = self.keys.clone();
        let function =
            row_function(&format!("key_before_of_{side}"), DataType::FixedSizeBinary(DIGEST_BYTES), move |columns| {
                let read = keys.read(columns, side)?;
                digests_where_read(&keys.compared(&read.columns, side)?, &read.states)
            });
        function.call(self.columns_before())
    }

    /// Whether the delete empties all changed columns of a discrepancy.
    fn is_emptied(&self) -> Expr {
        let Some(emptied) = self.emptied() else { return lit(false) };
        let Run { snapshots, pairing, .. } = self.run;
        let own = self.own();
        let is_emptied = |pair: &&ColumnPair| snapshots[own].schema.field(pair.at[own]).name() == emptied;
        let names: Vec<String> = pairing.columns.iter().filter(is_emptied).map(|pair| pair.name.clone()).collect();
        let function = row_function("is_emptied", DataType::Boolean, move |columns| {
            let changed = cast(&columns[0], &DataType::Utf8)?;
            let changed = changed.as_string::<i32>().iter().map(|changed| {
                let changed: Vec<String> = serde_json::from_str(changed?).ok()?;
                Some(changed.iter().all(|name| names.contains(name)))
            });
            Ok(Arc::new(changed.collect::<arrow::array::BooleanArray>()))
        });
        function.call(vec![column("changed")])
    }

    /// Adds the rows of the other side: `other` now, and `counterparts` at the sign-off.
    fn add_other(&self, catalog: &mut Catalog) -> Result<()> {
        let Run { snapshots, pairing, privacy, .. } = self.run;
        let path = self.signed_off.join(COUNTERPARTS);
        if !path.exists() {
            return Err(Error::unusable(
                path,
                "is missing: an earlier version made this sign-off and did not record the rows of the other store\n  \
                 sign off again with this version before the next delete",
            ));
        }
        let other = self.own().other();
        let before = Arc::new(Snapshot::open_table("counterparts", &path.display().to_string())?);
        let columns = vec![self.key_before(other).alias("key"), column("row_hash")];
        catalog.add_projection("counterparts", &before, columns)?;
        let columns = vec![
            self.keys.digest(other, IdEquality::Compared).alias("key"),
            GuardHash::new(pairing, privacy, &snapshots[other], other)?.expression().alias("row_hash"),
            self.is_newer(other).alias("is_newer"),
        ];
        catalog.add_projection("other", &Arc::new(snapshots[other].clone()), columns)
    }

    /// Whether a row of the other side was written after that side's snapshot at the sign-off.
    fn is_newer(&self, other: Side) -> Expr {
        let seen = match other {
            Side::Old => &self.statement.predicate.snapshots.old,
            Side::New => &self.statement.predicate.snapshots.new,
        };
        let Run { snapshots, pairing, .. } = self.run;
        let taken = seen.taken_at.as_ref().and_then(|taken| taken.from.parse::<Timestamp>().ok());
        let is_time = |version: &&Version| matches!(version.kind, VersionKind::Time);
        let (Some(version), Some(taken)) = (pairing.version.as_ref().filter(is_time), taken) else {
            return lit(false);
        };
        let (name, version) = (snapshots[other].schema.field(version.at[other]).name(), version.clone());
        let function = row_function("is_newer", DataType::Boolean, move |columns| {
            let versions = version.numbers(&columns[0], other)?;
            let newer = versions.into_iter().map(|version| Some(version? > taken.as_microsecond()));
            Ok(Arc::new(newer.collect::<arrow::array::BooleanArray>()))
        });
        function.call(vec![column(name)])
    }

    /// The approved candidates whose column is not emptied as required.
    fn not_emptied(&self) -> Result<IdSet> {
        let Cleanup::Column { column: emptied, becomes } = &self.terms.cleanup else { return Ok(IdSet::default()) };
        let Run { session: Session { engine, .. }, snapshots, pairing, .. } = self.run;
        let (own, other) = (self.own(), self.own().other());
        let stored = &snapshots[own];
        let stored = if has_column(stored, &emptied.text) { stored } else { stored.input() };
        let mut catalog = Catalog::spilling(engine);
        catalog.add("approved", &self.candidates)?;
        let mut columns =
            vec![self.ids.digest(own, IdEquality::Compared).alias("id"), column(&emptied.text).alias("value")];
        let sql = match becomes {
            Becomes::Null => NOT_NULL_SQL,
            Becomes::EmptyList => NOT_EMPTY_SQL,
            Becomes::BlankSameWidth => {
                let is_pair = |pair: &&ColumnPair| snapshots[own].schema.field(pair.at[own]).name() == &emptied.text;
                let Some(pair) = pairing.columns.iter().find(is_pair) else {
                    return Err(Error::request(
                        "[signoff] cleanup",
                        format!("column `{}` is not compared, so the width of its old values is unknown", emptied.text),
                    ));
                };
                columns.push(self.keys.digest(own, IdEquality::Compared).alias("key"));
                let value = column(snapshots[other].schema.field(pair.at[other]).name()).alias("value");
                let rows = Arc::new(snapshots[other].clone());
                let key = self.keys.digest(other, IdEquality::Compared).alias("key");
                catalog.add_projection("other", &rows, vec![key, value])?;
                NOT_BLANK_SQL
            }
        };
        catalog.add_projection("own", &Arc::new(stored.clone()), columns)?;
        self.listed(catalog.question(sql)?)
    }

    /// Counts and lists the IDs in the column `shown` of a query.
    fn listed(&self, ids: QueryPlan) -> Result<IdSet> {
        let engine = &self.run.session.engine;
        let mut catalog = Catalog::spilling(engine);
        catalog.add_view("listed", ids)?;
        let mut listed = IdSet::default();
        catalog.question(LISTED_COUNT_SQL)?.for_each_batch(engine, |batch| {
            listed.count += batch.column(0).as_primitive::<Int64Type>().iter().flatten().sum::<i64>() as u64;
            Ok(())
        })?;
        if listed.count > 0 {
            let values = BTreeMap::from([("most".to_string(), Literal::Integer(NAMED))]);
            catalog.plan(LISTED_FIRST_SQL, &values, "[signoff]")?.for_each_batch(engine, |batch| {
                listed.first.extend(value_text::rows(batch)?.into_iter().flatten().flatten());
                Ok(())
            })?;
        }
        Ok(listed)
    }
}

fn has_column(snapshot: &Snapshot, column: &str) -> bool {
    snapshot.schema.fields().iter().any(|field| field.name() == column)
}

/// Reads an approved list as a table of `key` (digest) and `shown`.
fn approved(run: &Run, terms: &SignOff, path: &Path, ids: &IdColumns, name: &str) -> Result<Arc<Snapshot>> {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("key", DataType::FixedSizeBinary(DIGEST_BYTES), true),
        Field::new("shown", DataType::Utf8, false),
    ]));
    let mut table = WorkingTable::create(&run.session.engine, name, schema.clone())?;
    let mut lines = CsvColumns::open(path)?;
    let indices: Vec<usize> = (0..ids.len()).collect();
    while let Some(batch) = lines.next_batch(&indices)? {
        let read = ids.read(&batch.columns, terms.delete_from)?;
        let keys = digests_where_read(&ids.compared(&read.columns, terms.delete_from)?, &read.states)?;
        table.write(&RecordBatch::try_new(schema.clone(), vec![keys, texts(&batch.columns)?])?)?;
    }
    table.finish()
}

fn texts(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| Field::new(format!("k{at}"), column.data_type().clone(), true))
        .collect();
    let rows = value_text::rows(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec())?)?;
    Ok(Arc::new(rows.iter().map(|row| Some(shown(row))).collect::<StringArray>()))
}
