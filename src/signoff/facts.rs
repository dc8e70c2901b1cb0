//! The table of facts: one row for each row of a candidate, one column for each fact, in the order of the list. Questions
//! in SQL join it from the comparison's outcomes and the evidence, and spill what does not fit in memory.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::SignOffContext;
use super::decide::{Facts, RowFacts, RowState};
use super::guards::RowGuard;
use super::history;
use super::ids::IdEquality;
use crate::columns::DIGEST_BYTES;
use crate::compare::discrepancy::{Outcome, Spooled};
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::sides::Sides;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, WorkingTable, write_rows};

/// The tables that facts are joined from. Each has its key in its first column.
#[derive(Default)]
pub(super) struct EvidenceTable {
    /// What checks name.
    pub named: Option<Arc<Snapshot>>,
    /// What the run says of discrepancies.
    pub discrepancies: Option<Arc<Snapshot>>,
    /// States by the source of truth.
    pub truth: Option<Arc<Snapshot>>,
    /// States by the local copy.
    pub local: Option<Arc<Snapshot>>,
    /// The groups that are ready.
    pub groups: Option<Arc<Snapshot>>,
    /// The keys that the backup lacks or has otherwise.
    pub not_backed_up: Option<Arc<Snapshot>>,
    /// The keys that differed in an earlier pair of snapshots.
    pub unclean: Option<Arc<Snapshot>>,
    /// How many rows of each candidate the side stores, where a query shapes it.
    pub stored: Option<Arc<Snapshot>>,
}

/// The table, in a working file.
pub(super) struct FactsTable {
    path: PathBuf,
    /// How many columns name a candidate, and how many a row.
    parts: usize,
    key_len: usize,
}

/// One row of the table.
pub(super) struct FactsRow {
    /// The candidate's number in its list.
    pub candidate: u64,
    /// Its ID, as the list writes it.
    pub id: Vec<Option<String>>,
    /// The key of the row; of no meaning where there is none.
    pub key: Vec<Option<String>>,
    /// The digest of the key; `None` where there is no row.
    pub key_digest: Option<[u8; DIGEST_BYTES as usize]>,
    /// What its delete has to find unchanged.
    pub guard: String,
    /// What is known of both.
    pub facts: Facts,
}

/// The outcomes of a comparison as a table.
pub(super) fn outcomes(engine: &Engine, parts: &[Spooled]) -> Result<Option<Arc<Snapshot>>> {
    let mut table: Option<WorkingTable> = None;
    for part in parts {
        for batch in part.read()? {
            let batch = batch?;
            let table = match &mut table {
                Some(table) => table,
                None => table.insert(WorkingTable::create(engine, "outcomes", batch.schema())?),
            };
            table.write(&batch)?;
        }
    }
    table.map(WorkingTable::finish).transpose()
}

/// Joins the facts of all candidates.
pub(super) fn join(
    context: &SignOffContext,
    outcomes: Option<&Arc<Snapshot>>,
    evidence: &EvidenceTable,
    guard: &RowGuard,
) -> Result<FactsTable> {
    let SignOffContext { engine, terms, ids, keys, .. } = context;
    let mut desk = Catalog::spilling(engine);
    desk.add("candidates", &context.candidates.table)?;
    desk.add_function(ids.function("stored_id", terms.delete_from, IdEquality::Stored));
    let rows = rows(context, &mut desk, evidence, guard)?;
    let mut join = Join::new(format!("candidates AS c LEFT JOIN ({rows}) AS r ON c.stored = r.stored"));
    join.select("c.n, c.has_null, r.\"key\", r.guard");
    (0..context.candidate_key.len()).for_each(|at| join.select(&format!("c.c{at}")));
    (0..keys.len()).for_each(|at| join.select(&format!("r.k{at}")));
    join.evidence(&mut desk, "o", outcomes, "r.\"key\" = o.\"key\"", OUTCOME_COLUMNS)?;
    join.evidence(&mut desk, "d", evidence.discrepancies.as_ref(), "r.\"key\" = d.\"key\"", "d.waived, d.in_flight")?;
    for (name, table) in [("truth", &evidence.truth), ("local", &evidence.local)] {
        let columns = format!("{name}.rows AS {name}_rows, {name}.known AS {name}_known, {name}.state AS {name}_state");
        join.evidence(&mut desk, name, table.as_ref(), &format!("c.id = {name}.id"), &columns)?;
    }
    join_checks(&mut join, &mut desk, evidence)?;
    join.evidence(&mut desk, "g", evidence.groups.as_ref(), "r.group_id = g.id", "g.id IS NOT NULL AS group_ready")?;
    let lacks = "b.\"key\" IS NULL AS backed_up";
    join.evidence(&mut desk, "b", evidence.not_backed_up.as_ref(), "r.\"key\" = b.\"key\"", lacks)?;
    join_history(&mut join, &mut desk, context, evidence)?;
    if let Some(stored) = &evidence.stored {
        desk.add("stored", stored)?;
        let shown = format!("(SELECT stored, count(*) AS rows FROM ({rows}) GROUP BY stored)");
        join.table(&shown, "shown", "c.stored = shown.stored", "coalesce(shown.rows, 0) AS shown_rows");
        join.table("stored", "s", "c.stored = s.id", "coalesce(s.rows, 0) AS stored_rows");
    }
    let order: Vec<String> = (0..keys.len()).map(|at| format!("k{at}")).collect();
    let sql = format!("{} ORDER BY n, {}", join.sql(), order.join(", "));
    let path = engine.spill_dir().join("facts.parquet");
    write_rows(engine, desk.question(&sql)?, &path)?;
    Ok(FactsTable { path, parts: context.candidate_key.len(), key_len: keys.len() })
}

/// The rows of candidates, as a question: the digests of ID and key, the key, and the guard.
fn rows(context: &SignOffContext, desk: &mut Catalog, evidence: &EvidenceTable, guard: &RowGuard) -> Result<String> {
    let SignOffContext { terms, ids, keys, .. } = context;
    let own = terms.delete_from;
    desk.add("own", &Arc::new(context.snapshots[own].clone()))?;
    desk.add_function(context.candidates.function("may_be_asked"));
    desk.add_function(ids.function("compared_id", own, IdEquality::Compared));
    desk.add_function(keys.function("compared_key", own, IdEquality::Compared));
    desk.add_function(guard.function());
    let mut rows = vec![
        format!("stored_id({}) AS stored", ids.sql(own, "own")),
        format!("compared_key({}) AS \"key\"", keys.sql(own, "own")),
        format!("{} AS guard", guard.sql("own")),
    ];
    rows.extend(keys.names(own).iter().enumerate().map(|(at, name)| format!("own.{name} AS k{at}")));
    if let Some(groups) = &context.groups {
        desk.add_function(groups.function("group_id", own, IdEquality::Compared));
        rows.push(format!("group_id({}) AS group_id", groups.sql(own, "own")));
    }
    if evidence.unclean.is_some() {
        desk.add_function(history::known_function("known_key", context, own));
        rows.push(format!("known_key({}) AS known", keys.sql(own, "own")));
    }
    Ok(format!("SELECT {} FROM own WHERE may_be_asked(compared_id({}))", rows.join(", "), ids.sql(own, "own")))
}

/// Joins what checks name: candidates, or rows by their keys.
fn join_checks(join: &mut Join, desk: &mut Catalog, evidence: &EvidenceTable) -> Result<()> {
    if let Some(named) = &evidence.named {
        desk.add("named", named)?;
        for (names, alias, on) in [(0, "named_ids", "c.id"), (1, "named_keys", "r.\"key\"")] {
            join.table(
                &format!("(SELECT id, bit_or(checks) AS checks FROM named WHERE names = {names} GROUP BY id)"),
                alias,
                &format!("{on} = {alias}.id"),
                &format!("{alias}.checks AS {alias}"),
            );
        }
    }
    Ok(())
}

/// Joins whether the keys of both sides were clean in earlier pairs of snapshots.
fn join_history(join: &mut Join, desk: &mut Catalog, context: &SignOffContext, evidence: &EvidenceTable) -> Result<()> {
    if let Some(unclean) = &evidence.unclean {
        desk.add("unclean", unclean)?;
        desk.add_function(history::other_known_function("other_known"));
        let keys = "(SELECT DISTINCT \"key\" AS known FROM unclean)";
        join.table(keys, "p", "r.known = p.known", "p.known IS NULL AS own_clean");
        let other = if context.asks_for_keys { "other_known(o.other_key)" } else { "r.known" };
        join.table(keys, "q", &format!("{other} = q.known"), "q.known IS NULL AS other_clean");
    }
    Ok(())
}

const OUTCOME_COLUMNS: &str = "o.outcome, o.old_rows, o.new_rows, o.moved, o.old_version, o.new_version";

/// A question that is put together join by join.
struct Join {
    columns: Vec<String>,
    tables: String,
}

impl Join {
    fn new(tables: String) -> Self {
        Join { columns: vec![], tables }
    }

    fn select(&mut self, columns: &str) {
        self.columns.push(columns.into());
    }

    fn table(&mut self, table: &str, alias: &str, on: &str, columns: &str) {
        self.tables += &format!(" LEFT JOIN {table} AS {alias} ON {on}");
        self.select(columns);
    }

    /// Joins a table of evidence, if there is one.
    fn evidence(
        &mut self,
        desk: &mut Catalog,
        alias: &str,
        table: Option<&Arc<Snapshot>>,
        on: &str,
        columns: &str,
    ) -> Result<()> {
        let Some(table) = table else { return Ok(()) };
        let name = format!("evidence_{alias}");
        desk.add(&name, table)?;
        self.table(&name, alias, on, columns);
        Ok(())
    }

    fn sql(&self) -> String {
        format!("SELECT {} FROM {}", self.columns.join(", "), self.tables)
    }
}

impl FactsTable {
    /// Hands all rows to `take`, in the order of the list.
    pub(super) fn each(&self, engine: &Engine, mut take: impl FnMut(FactsRow) -> Result<()>) -> Result<()> {
        let file = File::open(&self.path).map_err(Error::unreadable(&self.path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|reader| reader.with_batch_size(engine.batch_rows()).build())
            .map_err(|error| Error::of_parquet(&self.path, error))?;
        for batch in reader {
            engine.check_stop()?;
            let batch = batch.map_err(|error| Error::of_reading(&self.path, &error))?;
            let columns = FactsColumns::new(&batch, self)?;
            (0..batch.num_rows()).try_for_each(|row| take(columns.row(row)))?;
        }
        Ok(())
    }
}

/// The columns of a batch of facts, by their names.
struct FactsColumns<'a> {
    batch: &'a RecordBatch,
    ids: Vec<Vec<Option<String>>>,
    keys: Vec<Vec<Option<String>>>,
}

impl<'a> FactsColumns<'a> {
    fn new(batch: &'a RecordBatch, table: &FactsTable) -> Result<Self> {
        let texts = |prefix: &str, count: usize| {
            let places = (0..count).map(|at| batch.schema().index_of(&format!("{prefix}{at}")));
            value_text::rows(&batch.project(&places.collect::<Result<Vec<_>, _>>()?)?)
        };
        Ok(FactsColumns { batch, ids: texts("c", table.parts)?, keys: texts("k", table.key_len)? })
    }

    fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.batch.column_by_name(name)
    }

    /// A truth value; `None` where the table has no such column.
    fn boolean(&self, name: &str, row: usize) -> Option<bool> {
        let column = self.column(name)?.as_boolean();
        Some(column.is_valid(row) && column.value(row))
    }

    fn count(&self, name: &str, row: usize) -> Option<u64> {
        let column = self.column(name)?;
        match column.data_type() {
            _ if column.is_null(row) => None,
            DataType::UInt32 => Some(u64::from(column.as_primitive::<UInt32Type>().value(row))),
            DataType::UInt64 => Some(column.as_primitive::<UInt64Type>().value(row)),
            _ => Some(column.as_primitive::<Int64Type>().value(row) as u64),
        }
    }

    fn version(&self, name: &str, row: usize) -> Option<i64> {
        let column = self.column(name)?.as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    }

    fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = self.column(name)?;
        column.is_valid(row).then(|| match column.data_type() {
            DataType::Utf8View => column.as_string_view().value(row).into(),
            _ => column.as_string::<i32>().value(row).into(),
        })
    }

    fn state(&self, table: &str, row: usize) -> Option<RowState> {
        self.column(&format!("{table}_rows"))?;
        let count = |name: &str| self.count(&format!("{table}_{name}"), row).unwrap_or(0);
        Some(match (count("rows"), self.text(&format!("{table}_state"), row)) {
            (0, _) => RowState::Absent,
            (1, Some(state)) => RowState::Value(state),
            (1, None) => RowState::Null,
            (_, _) => RowState::Several,
        })
    }

    fn outcome(&self, row: usize) -> Option<Outcome> {
        let (class, tier) = Outcome::from_code(self.count("outcome", row)? as u32)?;
        Some(Outcome {
            class,
            tier,
            rows: Sides { old: self.count("old_rows", row)?, new: self.count("new_rows", row)? },
            is_moved: self.boolean("moved", row)?,
            versions: Sides { old: self.version("old_version", row), new: self.version("new_version", row) },
        })
    }

    fn row_facts(&self, row: usize) -> RowFacts {
        RowFacts {
            outcome: self.outcome(row),
            checks: self.count("named_keys", row).unwrap_or(0),
            is_waived: self.boolean("waived", row).unwrap_or(false),
            is_in_flight: self.boolean("in_flight", row).unwrap_or(false),
            group_is_ready: self.boolean("group_ready", row),
            is_backed_up: self.boolean("backed_up", row),
            was_clean: self.boolean("own_clean", row).map(|own| own && self.boolean("other_clean", row) == Some(true)),
        }
    }

    fn row(&self, row: usize) -> FactsRow {
        let key_digest = self.column("key").and_then(|keys| {
            let keys = keys.as_fixed_size_binary();
            keys.is_valid(row).then(|| keys.value(row).try_into().ok()).flatten()
        });
        let facts = Facts {
            has_null: self.boolean("has_null", row) == Some(true),
            truth: self.state("truth", row),
            local: self.state("local", row),
            checks: self.count("named_ids", row).unwrap_or(0),
            has_hidden_rows: self.count("stored_rows", row) != self.count("shown_rows", row),
            row: key_digest.map(|_| self.row_facts(row)),
        };
        FactsRow {
            candidate: self.count("n", row).unwrap_or(u64::MAX),
            id: self.ids[row].clone(),
            key: self.keys[row].clone(),
            key_digest,
            guard: self.text("guard", row).unwrap_or_default(),
            facts,
        }
    }
}
