//! After the delete: fresh snapshots prove that exactly the approved rows are gone from one store and still in the other, and
//! that nothing else has changed beyond what the snapshots' times allow.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use jiff::Timestamp;

use super::coverage::is_empty;
use super::csv_columns::CsvColumns;
use super::evidence::discrepancies;
use super::guards::GuardHash;
use super::ids::{IdColumns, IdEquality, digests_where_read, shown};
use super::outputs::{APPROVED_ROWS, COUNTERPARTS, KEYS};
use super::policy::{candidate_columns, require_ids_shown, terms};
use super::{APPROVED, RUN, directory, start};
use crate::certificate::{Certificate, PublicKey, Statement, digests_of};
use crate::columns::version::{Version, VersionKind};
use crate::columns::{DIGEST_BYTES, ValueHasher};
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::job::{Cleanup, Job, SignOff};
use crate::output::manifest::{Manifest, of_file};
use crate::report::Report;
use crate::run::{Run, Session};
use crate::runtime::options::{Options, Out};
use crate::runtime::work_dir::WorkDir;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, WorkingTable, quoted, row_function};

/// As many IDs of a kind are named.
const NAMED: usize = 6;
const DISCREPANCIES: &str = "discrepancies.parquet";

/// Some IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdSet {
    /// How many there are.
    pub count: u64,
    /// The first few of them.
    pub first: Vec<String>,
}

/// What was found after a delete.
#[derive(Debug, Default)]
pub(crate) struct AfterRequest {
    /// What is counted: `row`, or `candidate` for a column that is emptied.
    pub unit: &'static str,
    /// How many were approved.
    pub approved: u64,
    /// Approved, and still there.
    pub still_there: IdSet,
    /// Gone as well, and not approved.
    pub gone_too: IdSet,
    /// Other rows that have changed since.
    pub changed: IdSet,
    /// Approved rows that the other store no longer has as they were: gone, there twice, or changed without a newer version.
    pub lost: IdSet,
    /// Approved rows that the other store has in a newer version, written since its snapshot of the sign-off.
    pub written_since: u64,
    /// Changes that the snapshots' times explain.
    pub in_flight: u64,
}

impl AfterRequest {
    /// Whether exactly what was approved has happened.
    pub(crate) fn is_proved(&self) -> bool {
        [&self.still_there, &self.gone_too, &self.changed, &self.lost].iter().all(|listed| listed.count == 0)
    }

    /// How many of the approved are gone, or emptied.
    pub(crate) fn done(&self) -> u64 {
        self.approved.saturating_sub(self.still_there.count)
    }
}

/// Compares fresh snapshots, and what differs with what a certificate approves and what its sign-off knew. `key` is the
/// public key that has to have signed it; without one, only digests are checked.
///
/// # Errors
/// If the certificate is not what was signed, if the files beside it are not those that it names, or if anything keeps the
/// snapshots from being compared.
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

/// Makes sure that the files beside a certificate are those that it names.
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
            return Err(Error::Contradiction(format!("`{}` is not as the sign-off wrote it", path.display())));
        }
    }
    // the certificate names the run's manifest, and that the files of the run
    let run = signed_off.join(RUN);
    let manifest = Manifest::read(&run)?;
    let path = run.join(DISCREPANCIES);
    let found = of_file(&path).map_err(Error::unreadable(&path))?.to_hex().to_string();
    match manifest.outputs.iter().any(|output| output.path == DISCREPANCIES && output.blake3 == found) {
        true => Ok(parsed.statement),
        false => Err(Error::Contradiction(format!("`{}` is not as its run wrote it", path.display()))),
    }
}

/// Everything that is looked at.
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

    /// The column that is emptied, if it is one that the rows still have afterwards.
    fn emptied(&self) -> Option<&str> {
        match &self.terms.cleanup {
            Cleanup::Column { column, .. } if has_column(&self.run.snapshots[self.own()], &column.text) => {
                Some(&column.text)
            }
            Cleanup::Column { .. } | Cleanup::Row => None,
        }
    }

    fn at_both_sides(&self, run: &Path) -> Result<AfterRequest> {
        let Run { session: Session { engine, .. }, snapshots, .. } = self.run;
        let now = discrepancies(engine, &self.keys, &run.join(DISCREPANCIES), "found-now")?;
        let before = self.signed_off.join(RUN).join(DISCREPANCIES);
        let before = discrepancies(engine, &self.keys, &before, "found-before")?;
        let mut desk = Catalog::spilling(engine);
        for (name, table) in [("now", now.table), ("before", before.table), ("approved", self.rows.clone())] {
            desk.add(name, &table)?;
        }
        for side in Side::BOTH {
            desk.add(side.name(), &Arc::new(snapshots[side].clone()))?;
        }
        self.lay_gone(&mut desk)?;
        // of rows that are deleted, and of lists that a query takes apart, the rows are gone; of an emptied column, none is
        let expected =
            if self.emptied().is_none() { "LEFT ANTI JOIN approved AS a ON g.\"key\" = a.\"key\"" } else { "" };
        let gone_too = self.listed(&desk, &format!("SELECT g.shown FROM gone AS g {expected}"))?;
        let changes = self.changes(&mut desk);
        let changed = self.listed(&desk, &format!("SELECT shown FROM ({changes}) WHERE NOT in_flight"))?;
        let in_flight = self.listed(&desk, &format!("SELECT shown FROM ({changes}) WHERE in_flight"))?.count;
        let (lost, written_since) = self.counterparts(&mut desk)?;
        let (unit, approved, still_there) = match &self.terms.cleanup {
            Cleanup::Row => {
                let left = "SELECT a.shown FROM approved AS a LEFT ANTI JOIN gone AS g ON a.\"key\" = g.\"key\"";
                ("row", self.rows.rows(), self.listed(&desk, left)?)
            }
            Cleanup::Column { .. } => ("candidate", self.candidates.rows(), self.not_emptied()?),
        };
        Ok(AfterRequest { unit, approved, still_there, gone_too, changed, lost, written_since, in_flight })
    }

    /// The keys that the side had at the sign-off, and has no more: a view `gone` of `key` and `shown`.
    fn lay_gone(&self, desk: &mut Catalog) -> Result<()> {
        let own = self.own();
        let (keys, parts) = (self.signed_off.join(KEYS), self.keys.len());
        desk.add("keys", &Arc::new(Snapshot::open_table("keys", &keys.display().to_string(), true)?))?;
        desk.add_function(read_keys("key_before", &self.keys, own));
        desk.add_function(self.keys.function("key_now", own, IdEquality::Compared));
        desk.add_function(show("show"));
        let columns = (0..parts).map(|at| format!("k{at}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT DISTINCT b.\"key\", b.shown FROM (SELECT key_before({columns}) AS \"key\", show({columns}) AS shown \
             FROM keys) AS b LEFT ANTI JOIN {own} AS n ON b.\"key\" = key_now({})",
            self.keys.sql(own, "n")
        );
        let gone = desk.question(&sql)?;
        desk.add_view("gone", gone)
    }

    /// The discrepancies that were not there at the sign-off, and that the delete does not explain.
    fn changes(&self, desk: &mut Catalog) -> String {
        let explained = match self.emptied() {
            None => "false".to_string(),
            Some(column) => {
                let Run { snapshots, pairing, .. } = self.run;
                let own = self.own();
                let name = |at: usize| snapshots[own].schema.field(pairing.columns[at].at[own]).name();
                let emptied: Vec<String> = (0..pairing.columns.len())
                    .filter(|at| name(*at) == column)
                    .map(|at| pairing.columns[at].name.clone())
                    .collect();
                desk.add_function(row_function("is_of", DataType::Boolean, move |columns| {
                    let names = cast(&columns[0], &DataType::Utf8)?;
                    let names = names.as_string::<i32>().iter().map(|names| {
                        let names: Vec<String> = serde_json::from_str(names?).ok()?;
                        Some(names.iter().all(|name| emptied.contains(name)))
                    });
                    Ok(Arc::new(names.collect::<arrow::array::BooleanArray>()))
                }));
                "(a.\"key\" IS NOT NULL AND is_of(n.changed))".into()
            }
        };
        format!(
            "SELECT n.shown, n.in_flight FROM now AS n LEFT ANTI JOIN gone AS g ON n.\"key\" = g.\"key\" \
             LEFT JOIN before AS b ON n.\"key\" = b.\"key\" AND n.class = b.class AND n.changed = b.changed \
             LEFT JOIN (SELECT DISTINCT \"key\" FROM approved) AS a ON n.\"key\" = a.\"key\" \
             WHERE b.\"key\" IS NULL AND NOT {explained}"
        )
    }

    /// The approved rows that the other store no longer has as they were, and how many it has in a newer version.
    fn counterparts(&self, desk: &mut Catalog) -> Result<(IdSet, u64)> {
        let Run { snapshots, pairing, privacy, .. } = self.run;
        let path = self.signed_off.join(COUNTERPARTS);
        if !path.exists() {
            return Err(Error::Contradiction(format!(
                "`{}` is missing: an earlier version made this sign-off, and did not keep what the other store had\n  \
                 sign off again with this version before the next delete",
                path.display()
            )));
        }
        let other = self.own().other();
        let (hash, columns) = GuardHash::new(pairing, privacy, &snapshots[other], other)?;
        desk.add("counterparts", &Arc::new(Snapshot::open_table("counterparts", &path.display().to_string(), true)?))?;
        desk.add_function(hash.function("row_hash_now"));
        desk.add_function(read_keys("other_key_before", &self.keys, other));
        desk.add_function(self.keys.function("other_key_now", other, IdEquality::Compared));
        let parts = (0..self.keys.len()).map(|at| format!("k{at}")).collect::<Vec<_>>().join(", ");
        let columns: Vec<String> = columns.iter().map(|name| format!("o.{name}")).collect();
        let is_newer = self.is_newer(desk, other);
        let sql = format!(
            "SELECT a.shown, count(n.\"key\") AS rows, \
             bool_and(coalesce(n.row_hash = c.row_hash, false)) AS same, bool_and(coalesce(n.newer, false)) AS newer \
             FROM (SELECT DISTINCT \"key\", shown FROM approved) AS a \
             LEFT JOIN (SELECT other_key_before({parts}) AS \"key\", row_hash FROM counterparts) AS c ON a.\"key\" = c.\"key\" \
             LEFT JOIN (SELECT other_key_now({}) AS \"key\", row_hash_now({}) AS row_hash, {is_newer} AS newer \
             FROM {other} AS o) AS n ON a.\"key\" = n.\"key\" GROUP BY a.\"key\", a.shown",
            self.keys.sql(other, "o"),
            columns.join(", ")
        );
        let lost = self.listed(desk, &format!("SELECT shown FROM ({sql}) WHERE NOT (rows = 1 AND (same OR newer))"))?;
        let newer = self.listed(desk, &format!("SELECT shown FROM ({sql}) WHERE rows = 1 AND NOT same AND newer"))?;
        Ok((lost, newer.count))
    }

    /// Whether a row of the other side was written after that side's snapshot of the sign-off, in SQL.
    fn is_newer(&self, desk: &mut Catalog, other: Side) -> String {
        let seen = match other {
            Side::Old => &self.statement.predicate.snapshots.old,
            Side::New => &self.statement.predicate.snapshots.new,
        };
        let Run { snapshots, pairing, .. } = self.run;
        let taken = seen.taken_at.as_ref().and_then(|taken| taken.from.parse::<Timestamp>().ok());
        let is_time = |version: &&Version| matches!(version.kind, VersionKind::Time);
        let (Some(version), Some(taken)) = (pairing.version.as_ref().filter(is_time), taken) else {
            return "false".into();
        };
        let (name, version) = (quoted(snapshots[other].schema.field(version.at[other]).name()), version.clone());
        desk.add_function(row_function("is_newer", DataType::Boolean, move |columns| {
            let versions = version.numbers(&columns[0], other)?;
            let newer = versions.into_iter().map(|version| Some(version? > taken.as_microsecond()));
            Ok(Arc::new(newer.collect::<arrow::array::BooleanArray>()))
        }));
        format!("is_newer(o.{name})")
    }

    /// The approved candidates whose column is not emptied as it should be.
    fn not_emptied(&self) -> Result<IdSet> {
        let Cleanup::Column { column, becomes } = &self.terms.cleanup else { return Ok(IdSet::default()) };
        let Run { session: Session { engine, .. }, snapshots, pairing, .. } = self.run;
        let (own, other) = (self.own(), self.own().other());
        let stored = &snapshots[own];
        let stored = if has_column(stored, &column.text) { stored } else { stored.input() };
        let mut desk = Catalog::spilling(engine);
        desk.add("d", &Arc::new(stored.clone()))?;
        desk.add("o", &Arc::new(snapshots[other].clone()))?;
        desk.add("approved", &self.candidates)?;
        desk.add_function(self.ids.function("own_id", own, IdEquality::Compared));
        let pair = pairing.columns.iter().find(|pair| snapshots[own].schema.field(pair.at[own]).name() == &column.text);
        let (mut join, mut width) = (String::new(), String::new());
        if *becomes == crate::job::Becomes::BlankSameWidth {
            let Some(pair) = pair else {
                return Err(Error::Contradiction(format!(
                    "[signoff] cleanup: column `{}` is not compared, so nothing tells how wide its values were",
                    column.text
                )));
            };
            desk.add_function(self.keys.function("own_key", own, IdEquality::Compared));
            desk.add_function(self.keys.function("other_key", other, IdEquality::Compared));
            width = format!("o.{}", quoted(snapshots[other].schema.field(pair.at[other]).name()));
            let (here, there) = (self.keys.sql(own, "d"), self.keys.sql(other, "o"));
            join = format!(" LEFT JOIN o ON own_key({here}) = other_key({there})");
        }
        let is_empty = is_empty(*becomes, &format!("d.{}", quoted(&column.text)), &width);
        let sql = format!(
            "SELECT DISTINCT a.shown FROM d JOIN approved AS a ON own_id({}) = a.\"key\"{join} WHERE ({is_empty}) IS NOT TRUE",
            self.ids.sql(own, "d")
        );
        self.listed(&desk, &sql)
    }

    /// The IDs that a question yields, in a column `shown`.
    fn listed(&self, desk: &Catalog, sql: &str) -> Result<IdSet> {
        let engine = &self.run.session.engine;
        let mut listed = IdSet::default();
        desk.question(&format!("SELECT count(*) AS ids FROM ({sql})"))?.for_each_batch(engine, |batch| {
            listed.count += batch.column(0).as_primitive::<Int64Type>().iter().flatten().sum::<i64>() as u64;
            Ok(())
        })?;
        if listed.count > 0 {
            // numbers by value, everything else as text
            let order = "TRY_CAST(shown AS DECIMAL(38, 0)), shown";
            let first = format!("SELECT shown FROM ({sql}) ORDER BY {order} LIMIT {NAMED}");
            desk.question(&first)?.for_each_batch(engine, |batch| {
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

/// An approved list as a table of `key` (a digest) and `shown`.
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

/// Keys of one side in another type than now, as digests.
fn read_keys(name: &str, keys: &IdColumns, side: Side) -> datafusion::logical_expr::ScalarUDF {
    let keys = keys.clone();
    row_function(name, DataType::FixedSizeBinary(DIGEST_BYTES), move |columns| {
        let read = keys.read(columns, side)?;
        digests_where_read(&keys.compared(&read.columns, side)?, &read.states)
    })
}

/// IDs for people.
fn show(name: &str) -> datafusion::logical_expr::ScalarUDF {
    row_function(name, DataType::Utf8, texts)
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
