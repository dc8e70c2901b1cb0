//! The facts table: one row per row of a candidate, one column per fact, in the order of the list.
//! `queries/signoff/facts.sql` joins it from the outcomes of the comparison and the evidence, and spills if necessary.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, UInt32Type, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
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
use crate::sql::{Catalog, WorkingTable, column, numbered, write_rows};

const FACTS_SQL: &str = include_str!("../../queries/signoff/facts.sql");
const SHOWN_ROWS_SQL: &str = include_str!("../../queries/signoff/shown_rows.sql");

/// The tables that facts are joined from; `None` if the job does not need them.
#[derive(Default)]
pub(super) struct EvidenceTable {
    /// The IDs that checks name.
    pub named: Option<Arc<Snapshot>>,
    /// The discrepancies of the run.
    pub discrepancies: Option<Arc<Snapshot>>,
    /// The states in the source of truth.
    pub truth: Option<Arc<Snapshot>>,
    /// The states in the local status table.
    pub local: Option<Arc<Snapshot>>,
    /// The groups that are ready.
    pub groups: Option<Arc<Snapshot>>,
    /// The keys that the backup lacks or has with different values.
    pub not_backed_up: Option<Arc<Snapshot>>,
    /// The keys that differed in an earlier pair of snapshots.
    pub unclean: Option<Arc<Snapshot>>,
    /// The number of stored rows of each candidate, if the side has a query.
    pub stored: Option<Arc<Snapshot>>,
}

/// The facts table in a working file.
pub(super) struct FactsTable {
    path: PathBuf,
    /// The number of columns in the ID of a candidate; `key_len` is that of a row's key.
    parts: usize,
    key_len: usize,
    has: KnownFacts,
}

/// The facts for which the job has evidence.
struct KnownFacts {
    truth: bool,
    local: bool,
    groups: bool,
    backup: bool,
    history: bool,
}

pub(super) struct FactsRow {
    /// The index of the candidate in its list.
    pub candidate: u64,
    /// The ID of the candidate as written in the list.
    pub id: Vec<Option<String>>,
    /// The key of the row; meaningless if `key_digest` is `None`.
    pub key: Vec<Option<String>>,
    /// The digest of the key; `None` if the candidate has no row.
    pub key_digest: Option<[u8; DIGEST_BYTES as usize]>,
    /// The value that the delete statement must find unchanged.
    pub guard: String,
    pub facts: Facts,
}

/// Collects the outcomes of a comparison in a table; `None` without outcomes.
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
    let engine = context.engine;
    let mut catalog = Catalog::spilling(engine);
    catalog.add("candidates", &context.candidates.table)?;
    let own = Arc::new(context.snapshots[context.terms.delete_from].clone());
    catalog.add_projection("own", &own, rows(context, evidence, guard))?;
    add_outcomes(&mut catalog, context, outcomes)?;
    add_evidence(&mut catalog, evidence)?;
    let key = numbered("k", context.keys.len());
    let order: Vec<String> = ["n".to_string()].into_iter().chain(key).collect();
    let path = engine.spill_dir().join("facts.parquet");
    write_rows(engine, catalog.question(FACTS_SQL)?.sorted_by(&order)?, &path)?;
    Ok(FactsTable {
        path,
        parts: context.candidate_key.len(),
        key_len: context.keys.len(),
        has: KnownFacts {
            truth: evidence.truth.is_some(),
            local: evidence.local.is_some(),
            groups: evidence.groups.is_some(),
            backup: evidence.not_backed_up.is_some(),
            history: evidence.unclean.is_some(),
        },
    })
}

/// The columns of the view `own`, the rows of the side.
fn rows(context: &SignOffContext, evidence: &EvidenceTable, guard: &RowGuard) -> Vec<Expr> {
    let SignOffContext { terms, ids, keys, groups, .. } = context;
    let own = terms.delete_from;
    let none = || lit(ScalarValue::FixedSizeBinary(DIGEST_BYTES, None));
    let group = groups.as_ref().map_or_else(none, |groups| groups.digest(own, IdEquality::Compared));
    let known = evidence.unclean.as_ref().map_or_else(none, |_| history::known_key(context, own));
    let mut columns = vec![
        context.candidates.may_have(ids.digest(own, IdEquality::Compared)).alias("may_be_candidate"),
        ids.digest(own, IdEquality::Stored).alias("stored"),
        keys.digest(own, IdEquality::Compared).alias("key"),
        guard.expression().alias("guard"),
        group.alias("group_id"),
        known.alias("known"),
    ];
    columns.extend(keys.numbered(own));
    columns
}

fn add_outcomes(catalog: &mut Catalog, context: &SignOffContext, outcomes: Option<&Arc<Snapshot>>) -> Result<()> {
    const COLUMNS: [&str; 7] = ["key", "outcome", "old_rows", "new_rows", "moved", "old_version", "new_version"];
    match outcomes {
        Some(outcomes) => {
            // the other side's digest is needed only for keys that the sides write differently
            let other = match context.asks_for_keys {
                true => history::known_key_of("other_key"),
                false => lit(ScalarValue::FixedSizeBinary(DIGEST_BYTES, None)),
            };
            let columns = COLUMNS.into_iter().map(column).chain([other.alias("other_known")]);
            catalog.add_projection("outcomes", outcomes, columns.collect())
        }
        None => {
            use DataType::{Boolean, Int64, UInt32, UInt64};
            let digest = DataType::FixedSizeBinary(DIGEST_BYTES);
            let types = [digest.clone(), UInt32, UInt64, UInt64, Boolean, Int64, Int64, digest];
            let columns = COLUMNS.into_iter().chain(["other_known"]).zip(types);
            catalog.add_empty("outcomes", fields(columns))
        }
    }
}

/// Adds all evidence tables. Those that the job does not need are empty.
fn add_evidence(catalog: &mut Catalog, evidence: &EvidenceTable) -> Result<()> {
    use DataType::{Boolean, Int64, UInt32, UInt64, Utf8};
    let digest = DataType::FixedSizeBinary(DIGEST_BYTES);
    let states = || fields([("id", digest.clone()), ("rows", Int64), ("known", Int64), ("state", Utf8)]);
    let found = || fields([("key", digest.clone()), ("waived", Boolean), ("in_flight", Boolean)]);
    let named = || fields([("names", UInt32), ("id", digest.clone()), ("checks", UInt64)]);
    let keys = || fields([("key", digest.clone())]);
    let rows = || fields([("stored", digest.clone()), ("rows", Int64)]);
    for (name, table, columns) in [
        ("discrepancies", &evidence.discrepancies, found()),
        ("source_of_truth", &evidence.truth, states()),
        ("local_status", &evidence.local, states()),
        ("named", &evidence.named, named()),
        ("ready_groups", &evidence.groups, fields([("id", digest.clone())])),
        ("not_backed_up", &evidence.not_backed_up, keys()),
        ("unclean", &evidence.unclean, keys()),
        ("stored_rows", &evidence.stored, rows()),
    ] {
        match table {
            Some(table) => catalog.add(name, table)?,
            None => catalog.add_empty(name, columns)?,
        }
    }
    match evidence.stored {
        Some(_) => catalog.add_view("shown_rows", catalog.question(SHOWN_ROWS_SQL)?),
        None => catalog.add_empty("shown_rows", rows()),
    }
}

fn fields<'a>(columns: impl IntoIterator<Item = (&'a str, DataType)>) -> Fields {
    columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect()
}

impl FactsTable {
    /// Calls `take` for every row, in the order of the list.
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

/// A batch of facts, with lookups of columns by name.
struct FactsColumns<'a> {
    batch: &'a RecordBatch,
    has: &'a KnownFacts,
    ids: Vec<Vec<Option<String>>>,
    keys: Vec<Vec<Option<String>>>,
}

impl<'a> FactsColumns<'a> {
    fn new(batch: &'a RecordBatch, table: &'a FactsTable) -> Result<Self> {
        let texts = |prefix: &str, count: usize| {
            let indices = (0..count).map(|at| batch.schema().index_of(&format!("{prefix}{at}")));
            value_text::rows(&batch.project(&indices.collect::<Result<Vec<_>, _>>()?)?)
        };
        Ok(FactsColumns { batch, has: &table.has, ids: texts("c", table.parts)?, keys: texts("k", table.key_len)? })
    }

    fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.batch.column_by_name(name)
    }

    /// A boolean; `None` if the table does not have the column.
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

    fn state(&self, table: &str, row: usize) -> RowState {
        let count = |name: &str| self.count(&format!("{table}_{name}"), row).unwrap_or(0);
        match (count("rows"), self.text(&format!("{table}_state"), row)) {
            (0, _) => RowState::Absent,
            (1, Some(state)) => RowState::Value(state),
            (1, None) => RowState::Null,
            (_, _) => RowState::Several,
        }
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
        let is = |fact: &str| self.boolean(fact, row) == Some(true);
        RowFacts {
            outcome: self.outcome(row),
            checks: self.count("named_keys", row).unwrap_or(0),
            is_waived: self.boolean("waived", row).unwrap_or(false),
            is_in_flight: self.boolean("in_flight", row).unwrap_or(false),
            group_is_ready: self.has.groups.then(|| is("group_ready")),
            is_backed_up: self.has.backup.then(|| is("backed_up")),
            was_clean: self.has.history.then(|| is("own_clean") && is("other_clean")),
        }
    }

    fn row(&self, row: usize) -> FactsRow {
        let key_digest = self.column("key").and_then(|keys| {
            let keys = keys.as_fixed_size_binary();
            keys.is_valid(row).then(|| keys.value(row).try_into().ok()).flatten()
        });
        let facts = Facts {
            has_null: self.boolean("has_null", row) == Some(true),
            truth: self.has.truth.then(|| self.state("truth", row)),
            local: self.has.local.then(|| self.state("local", row)),
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
