//! Evidence for or against candidates: the discrepancies of the run, the results of checks, and the states in status
//! tables. Every ID is parsed as a value and looked up; none is skipped. The results become tables that facts are
//! joined from.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::compute::{filter_record_batch, interleave};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt64Type};
use datafusion::logical_expr::{Expr, cast, lit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::bloom_filter::Sbbf;

use super::SignOffContext;
use super::candidates::passed;
use super::csv_columns::CsvColumns;
use super::ids::{IdColumns, IdEquality, IdState, ReadIds, digests_where_read, trimmed};
use crate::class::Class;
use crate::columns::DIGEST_BYTES;
use crate::compare::discrepancy::{TableColumn, classes};
use crate::error::{Error, Result};
use crate::explain::WAIVER_TAG;
use crate::job::{Check, Status};
use crate::report::Report;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, WorkingTable, column, row_function, write_rows};

const STATES_SQL: &str = include_str!("../../queries/signoff/states.sql");
const WANTED_SQL: &str = include_str!("../../queries/signoff/wanted.sql");
const NAMED_AND_FOUND_SQL: &str = include_str!("../../queries/signoff/named_and_found.sql");
const LOST_DISCREPANCIES_SQL: &str = include_str!("../../queries/signoff/lost_discrepancies.sql");

/// The IDs that evidence names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EvidenceCounts {
    /// The IDs that the checks of the sign-off name.
    pub named: u64,
    /// Those of them that belong to no candidate and to no row.
    pub of_nobody: u64,
    /// Those of them that cannot be parsed.
    pub unreadable_names: u64,
    /// The IDs in all evidence that cannot be parsed as values of their columns.
    pub unreadable: u64,
    /// The source of the first of them, for messages.
    pub first_unreadable: Option<String>,
    /// The discrepancies of the run whose keys neither side has.
    pub lost: u64,
}

impl EvidenceCounts {
    /// Whether every ID was parsed, and every discrepancy was found.
    pub(crate) fn is_whole(&self) -> bool {
        self.unreadable == 0 && self.lost == 0
    }

    fn unreadable(&mut self, ids: u64, source: impl FnOnce() -> String) {
        self.unreadable += ids;
        if ids > 0 && self.first_unreadable.is_none() {
            self.first_unreadable = Some(source());
        }
    }
}

fn digest_field(name: &str) -> Field {
    Field::new(name, DataType::FixedSizeBinary(DIGEST_BYTES), true)
}

/// What the IDs in the result of a check identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EvidenceNames {
    Candidates,
    Rows,
}

/// Collects the IDs in the results of the sign-off's checks in a table: `n` (number of the ID), `names` (0: candidates,
/// 1: rows), `id` (digest), and `checks` (one bit per check).
pub(super) fn named_by_checks(
    context: &SignOffContext,
    report: &Report,
    run: &Path,
    counts: &mut EvidenceCounts,
) -> Result<Arc<Snapshot>> {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("n", DataType::UInt64, false),
        Field::new("names", DataType::UInt32, false),
        digest_field("id"),
        Field::new("checks", DataType::UInt64, false),
    ]));
    let mut table = WorkingTable::create(context.engine, "named-by-checks", schema.clone())?;
    for (number, check) in context.terms.checks.iter().enumerate() {
        let found = report.checks.iter().find(|found| found.name == check.name.text);
        let Some(list) = found.and_then(|found| found.list.as_ref()) else { continue };
        let mut results = EvidenceStream::open(context, check, &run.join(list))?;
        while let Some(columns) = results.next_batch()? {
            let rows = columns.first().map_or(0, |column| column.len());
            let first = counts.named;
            counts.named += rows as u64;
            let ids = if results.names == EvidenceNames::Candidates { &context.ids } else { &context.keys };
            let forms = forms(ids, &columns)?;
            let is_unreadable = |row: &usize| forms.iter().all(|(_, states)| states[*row] == IdState::Unreadable);
            let unreadable = (0..rows).filter(is_unreadable).count();
            counts.unreadable_names += unreadable as u64;
            counts.unreadable(unreadable as u64, || format!("check {} names an invalid ID", check.name.text));
            for (digests, _) in forms {
                let columns: Vec<ArrayRef> = vec![
                    Arc::new(UInt64Array::from_iter_values(first..first + rows as u64)),
                    Arc::new(UInt32Array::from_value(results.names as u32, rows)),
                    digests,
                    Arc::new(UInt64Array::from_value(1 << number, rows)),
                ];
                table.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
            }
        }
    }
    table.finish()
}

/// The digests of IDs that may be in the format of either side, and may be padded.
fn forms(ids: &IdColumns, columns: &[ArrayRef]) -> Result<Vec<(ArrayRef, Vec<IdState>)>> {
    let without_padding: Vec<Option<ArrayRef>> = columns.iter().map(trimmed).collect();
    let mut all = vec![columns.to_vec()];
    if without_padding.iter().any(Option::is_some) {
        let trimmed = without_padding.into_iter().zip(columns);
        all.push(trimmed.map(|(trimmed, column)| trimmed.unwrap_or_else(|| column.clone())).collect());
    }
    let mut forms = vec![];
    for columns in all {
        for side in Side::BOTH {
            let ReadIds { columns, states } = ids.read(&columns, side)?;
            forms.push((digests_where_read(&ids.compared(&columns, side)?, &states)?, states));
        }
    }
    Ok(forms)
}

/// The result of a check, read from its list.
struct EvidenceStream {
    lines: CsvColumns,
    columns: Vec<usize>,
    names: EvidenceNames,
}

impl EvidenceStream {
    /// The ID columns are, in order of precedence: the columns that identify candidates, those that the check
    /// specifies, `id` as in the checks of the library, or the key of the rows.
    fn open(context: &SignOffContext, check: &Check, path: &Path) -> Result<Self> {
        let lines = CsvColumns::open(path)?;
        let given: Vec<String> = check.id.iter().map(|name| name.text.clone()).collect();
        let by_candidate = [context.candidate_key.clone(), given, vec!["id".to_string()]]
            .into_iter()
            .filter(|names| names.len() == context.candidate_key.len())
            .find_map(|names| lines.indices(&names).ok());
        let key: Vec<String> = context.pairing.keys().iter().map(|key| key.name.clone()).collect();
        match (by_candidate, lines.indices(&key).ok()) {
            (Some(columns), _) => Ok(EvidenceStream { lines, columns, names: EvidenceNames::Candidates }),
            (None, Some(columns)) => Ok(EvidenceStream { lines, columns, names: EvidenceNames::Rows }),
            (None, None) => Err(Error::request(
                &check.name.origin,
                format!(
                    "check {} of [signoff] must name candidates, but its columns are {}: neither {} nor {}",
                    check.name.text,
                    lines.header().names().join(", "),
                    context.candidate_key.join(", "),
                    key.join(", ")
                ),
            )),
        }
    }

    fn next_batch(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        Ok(self.lines.next_batch(&self.columns)?.map(|lines| lines.columns))
    }
}

/// The state of each ID in a status table, as a table of `id` (digest), `rows`, `known` (rows with a state), and
/// `state`.
///
/// IDs that do not belong to a candidate are left out.
pub(super) fn states(
    context: &SignOffContext,
    status: &Status,
    name: &str,
    counts: &mut EvidenceCounts,
) -> Result<Arc<Snapshot>> {
    let engine = context.engine;
    let schema: SchemaRef = Arc::new(Schema::new(vec![digest_field("id"), Field::new("state", DataType::Utf8, true)]));
    let mut found = WorkingTable::create(engine, &format!("{name}-found"), schema.clone())?;
    let (id, state) = (column(&status.key.text).alias("id"), cast(column(&status.column.text), DataType::Utf8View));
    let origin = status.table.origin.to_string();
    let catalog = Catalog::with(engine, context.tables)?;
    let query = catalog.select(&status.table.text, vec![id, state.alias("state")], &origin)?;
    let own = context.terms.delete_from;
    query.for_each_batch(engine, |batch| {
        let ReadIds { columns, states } = context.ids.read(&batch.columns()[..1], own)?;
        let unreadable = states.iter().filter(|state| **state == IdState::Unreadable).count();
        counts.unreadable(unreadable as u64, || format!("table {} has an invalid ID", status.table.text));
        let ids = digests_where_read(&context.ids.compared(&columns, own)?, &states)?;
        let is_asked = passed(&context.candidates.filter, &ids);
        let states = arrow::compute::cast(batch.column(1), &DataType::Utf8)?;
        found.write(&filter_record_batch(&RecordBatch::try_new(schema.clone(), vec![ids, states])?, &is_asked)?)
    })?;
    let mut catalog = Catalog::spilling(engine);
    catalog.add("found", &found.finish()?)?;
    let path = engine.spill_dir().join(format!("{name}.parquet"));
    write_rows(engine, catalog.question(STATES_SQL)?, &path)?;
    Ok(Arc::new(Snapshot::open_table(name, &path.display().to_string())?))
}

/// The discrepancies of a run, as a table of `key` (digest), `shown` (the key as text), `class`, `changed` (the columns
/// as a JSON array), `waived`, and `in_flight`.
pub(super) fn discrepancies(engine: &Engine, keys: &IdColumns, path: &Path, name: &str) -> Result<RunDiscrepancies> {
    let texts = |name: &str| Field::new(name, DataType::Utf8, false);
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        digest_field("key"),
        texts("shown"),
        texts("class"),
        texts("changed"),
        Field::new("waived", DataType::Boolean, false),
        Field::new("in_flight", DataType::Boolean, false),
    ]));
    let mut table = WorkingTable::create(engine, name, schema.clone())?;
    let (mut count, mut unreadable) = (0, 0);
    let file = File::open(path).map_err(Error::unreadable(path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build());
    for batch in reader.map_err(|error| Error::of_parquet(path, error))? {
        engine.check_stop()?;
        let batch = batch.map_err(|error| Error::of_reading(path, &error))?;
        count += batch.num_rows() as u64;
        let found = classes(&batch);
        let (digests, lost) = keys_of(keys, &batch, &found)?;
        unreadable += lost;
        let struct_keys = TableColumn::Key.of(&batch).as_struct();
        let key_schema = Arc::new(Schema::new(struct_keys.fields().clone()));
        let rows =
            crate::equality::value_text::rows(&RecordBatch::try_new(key_schema, struct_keys.columns().to_vec())?)?;
        let (tags, changed) = (lists(&batch, TableColumn::Tags), lists(&batch, TableColumn::Changed));
        let has = |tag: fn(&str) -> bool| tags.iter().map(|tags| Some(tags.iter().any(|own| tag(own)))).collect();
        let (waived, in_flight): (BooleanArray, BooleanArray) =
            (has(|tag| tag.starts_with(WAIVER_TAG)), has(|tag| tag == "in_flight"));
        let changed = changed.iter().map(|names| serde_json::to_string(names).map_err(Error::internal));
        let columns: Vec<ArrayRef> = vec![
            digests,
            Arc::new(rows.iter().map(|row| Some(super::ids::shown(row))).collect::<StringArray>()),
            Arc::new(found.iter().map(|class| Some(class.name())).collect::<StringArray>()),
            Arc::new(StringArray::from(changed.collect::<Result<Vec<_>>>()?)),
            Arc::new(waived),
            Arc::new(in_flight),
        ];
        table.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    Ok(RunDiscrepancies { table: table.finish()?, count, unreadable })
}

/// The discrepancies of a run, ready to be joined.
pub(super) struct RunDiscrepancies {
    pub table: Arc<Snapshot>,
    pub count: u64,
    /// The number of discrepancies whose key cannot be parsed as values of the key columns.
    pub unreadable: u64,
}

/// The digests of the keys in a table of discrepancies, and how many keys cannot be parsed. Keys are in the format of
/// old if old has the row.
fn keys_of(keys: &IdColumns, batch: &RecordBatch, classes: &[Class]) -> Result<(ArrayRef, u64)> {
    let columns = TableColumn::Key.of(batch).as_struct().columns();
    let old_rows = TableColumn::OldRows.of(batch).as_primitive::<UInt64Type>();
    let read = Sides::try_from_fn(|side| keys.read(columns, side))?;
    let digests = Sides::try_from_fn(|side| {
        let ReadIds { columns, states } = &read[side];
        digests_where_read(&keys.compared(columns, side)?, states)
    })?;
    let writer = |row: usize| match classes[row] {
        Class::Extra => Side::New,
        Class::DuplicateKey if old_rows.value(row) == 0 => Side::New,
        Class::Missing | Class::Mismatch | Class::DuplicateKey => Side::Old,
    };
    let writers: Vec<Side> = (0..batch.num_rows()).map(writer).collect();
    let is_unreadable = |(row, side): &(usize, &Side)| read[**side].states[*row] != IdState::Read;
    let unreadable = writers.iter().enumerate().filter(is_unreadable).count();
    let positions: Vec<(usize, usize)> = writers.iter().enumerate().map(|(row, side)| (*side as usize, row)).collect();
    Ok((interleave(&[&digests.old, &digests.new], &positions)?, unreadable as u64))
}

fn lists(batch: &RecordBatch, column: TableColumn) -> Vec<Vec<String>> {
    let lists = column.of(batch).as_list::<i32>();
    let texts = |row: usize| lists.value(row).as_string::<i32>().iter().flatten().map(String::from).collect();
    (0..batch.num_rows()).map(texts).collect()
}

/// Counts the named IDs that belong to no candidate and no row, and the discrepancies whose keys neither side has.
/// Looks
/// both up among the candidates and all rows of both sides.
pub(super) fn look_up(
    context: &SignOffContext,
    named: &Arc<Snapshot>,
    discrepancies: &RunDiscrepancies,
    counts: &mut EvidenceCounts,
) -> Result<()> {
    counts.unreadable(discrepancies.unreadable, || "the run has discrepancies whose keys cannot be read".into());
    if counts.named == 0 && discrepancies.count == 0 {
        return Ok(());
    }
    let mut catalog = Catalog::spilling(context.engine);
    catalog.add("named", named)?;
    catalog.add("discrepancies", &discrepancies.table)?;
    let mut wanted =
        Sbbf::new_with_ndv_fpp((counts.named * 4 + discrepancies.count).max(1), 0.01).map_err(Error::internal)?;
    catalog.question(WANTED_SQL)?.for_each_batch(context.engine, |batch| {
        batch.column(0).as_fixed_size_binary().iter().flatten().for_each(|id| wanted.insert(id));
        Ok(())
    })?;
    add_existing(&mut catalog, context, wanted)?;
    let counted = |sql: &str| -> Result<u64> {
        let mut count = 0;
        catalog.question(sql)?.for_each_batch(context.engine, |batch| {
            count += batch.column(0).as_primitive::<Int64Type>().iter().flatten().sum::<i64>() as u64;
            Ok(())
        })?;
        Ok(count)
    };
    if counts.named > 0 {
        counts.of_nobody = (counts.named - counted(NAMED_AND_FOUND_SQL)?).saturating_sub(counts.unreadable_names);
    }
    if discrepancies.count > 0 {
        counts.lost = counted(LOST_DISCREPANCIES_SQL)?;
        counts.lost -= discrepancies.unreadable.min(counts.lost);
    }
    Ok(())
}

/// Adds the view `existing` (`names`, `id`, `is_wanted`): the IDs of candidates, and the IDs and keys of all rows.
fn add_existing(catalog: &mut Catalog, context: &SignOffContext, wanted: Sbbf) -> Result<()> {
    let wanted = Arc::new(wanted);
    let is_wanted =
        row_function("is_wanted", DataType::Boolean, move |columns| Ok(Arc::new(passed(&wanted, &columns[0]))));
    let part = |table: &Arc<Snapshot>, names: EvidenceNames, id: Expr| {
        let is_wanted = is_wanted.call(vec![id.clone()]).alias("is_wanted");
        catalog.project(table, vec![lit(names as u32).alias("names"), id.alias("id"), is_wanted])
    };
    let mut all = part(&context.candidates.table, EvidenceNames::Candidates, column("id"))?;
    for side in Side::BOTH {
        let rows = Arc::new(context.snapshots[side].clone());
        let digest = |ids: &IdColumns| ids.digest(side, IdEquality::Compared);
        all = all.union(part(&rows, EvidenceNames::Candidates, digest(&context.ids))?)?;
        all = all.union(part(&rows, EvidenceNames::Rows, digest(&context.keys))?)?;
    }
    catalog.add_view("existing", all)
}
