//! Proof that the comparison can fail: defects are planted in a copy of some candidates, one for every compared column
//! and every class, and the matcher that compared the snapshots has to find them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat, concat_batches, take};
use arrow::datatypes::{Field, Schema};

use super::SignOffContext;
use super::decide::{Facts, Policy, RowState, decide};
use super::ids::IdEquality;
use super::selected::{SelectedRows, selected_rows};
use crate::class::Class;
use crate::columns::Pairing;
use crate::compare::discrepancy::{Layout, Outcome, Retention, TableColumn, classes};
use crate::compare::matching::Comparison;
use crate::error::Result;
use crate::job::Literal;
use crate::runtime::options::Strategy;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, column, numbered, write_rows};

const CANARY_KEYS_SQL: &str = include_str!("../../queries/signoff/canary_keys.sql");
const CANARY_PAIRS_SQL: &str = include_str!("../../queries/signoff/canary_pairs.sql");

/// Bounds for the number of rows that take part: as many as fit into the bytes, within the bounds of rows.
const ROWS_MIN: u64 = 16;
const ROWS_MAX: u64 = 10_000;
const BYTES_MAX: u64 = 16 << 20;

/// One kind of defect, and whether it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CanaryRow {
    /// The defect: `change COLUMN`, `drop`, `duplicate`, `swap`.
    pub name: String,
    /// How often it was planted.
    pub injected: u64,
    /// How often it was found, by both strategies.
    pub caught: u64,
    /// Whether it can be planted in these rows: if no two rows differ, none can be swapped.
    pub is_possible: bool,
}

impl CanaryRow {
    /// Whether it was planted and found, or could not be planted in these rows.
    pub(crate) fn is_caught(&self) -> bool {
        !self.is_possible || self.injected > 0 && self.caught == self.injected
    }
}

/// A defect to plant.
struct InjectedDefect {
    name: String,
    /// The rows that it changes.
    rows: Vec<usize>,
    what: Defect,
}

enum Defect {
    Change(usize),
    Drop,
    Duplicate,
    Swap,
}

/// Equal rows of both sides, at the same positions.
struct EqualPairs {
    sides: Sides<RecordBatch>,
    /// The digests of their keys.
    keys: Vec<Vec<u8>>,
}

/// Plants defects in a copy of rows that match, and checks whether they are found; also in statuses, if the job has
/// some. `sound` are the facts of a candidate that may be deleted.
pub(super) fn inject(
    context: &SignOffContext,
    outcomes: Option<&Arc<Snapshot>>,
    policy: &Policy,
    sound: Option<&Facts>,
) -> Result<Vec<CanaryRow>> {
    let Some(outcomes) = outcomes else { return Ok(vec![]) };
    let rows = matching_rows(context, outcomes)?;
    let pairing = Pairing::of(&rows, context.job)?;
    let pairs = pairs(context, &rows)?;
    let mut plants = vec![];
    let count = pairs.keys.len();
    if count == 0 {
        return Ok(vec![]);
    }
    let swapped = first_that_differ(&pairing, &pairs.sides)?;
    for index in pairing.key_len..pairing.columns.len() {
        plants.push((format!("change {}", pairing.columns[index].name), Defect::Change(index)));
    }
    plants.extend([("drop".into(), Defect::Drop), ("duplicate".into(), Defect::Duplicate)]);
    let mut canaries: Vec<CanaryRow> = vec![];
    // one defect per row, and as many at a time as there are rows
    let mut waiting = plants.into_iter().peekable();
    while waiting.peek().is_some() {
        let plants = waiting.by_ref().take(count).enumerate();
        let plants = plants.map(|(row, (name, what))| InjectedDefect { name, rows: vec![row], what }).collect();
        canaries.extend(run_round(context, &pairing, &pairs, plants)?);
    }
    let swap =
        InjectedDefect { name: "swap".into(), rows: swapped.map_or(vec![], |rows| rows.to_vec()), what: Defect::Swap };
    canaries.extend(run_round(context, &pairing, &pairs, vec![swap])?);
    canaries.extend(stale_statuses(policy, sound));
    Ok(canaries)
}

/// States that must block, given to a candidate that may be deleted.
fn stale_statuses(policy: &Policy, sound: Option<&Facts>) -> Option<CanaryRow> {
    let sound = sound.filter(|_| policy.terms.source_of_truth.is_some())?;
    let stale = [RowState::Absent, RowState::Null, RowState::Several, RowState::Value("canary".into())];
    let injected = stale.len() as u64;
    let is_caught =
        |truth: &RowState| !decide(&Facts { truth: Some(truth.clone()), ..sound.clone() }, policy).is_empty();
    let caught = stale.iter().filter(|truth| is_caught(truth)).count() as u64;
    Some(CanaryRow { name: "stale status".into(), injected, caught, is_possible: true })
}

/// Some of the rows of both sides that match, each side in a working file.
fn matching_rows(context: &SignOffContext, outcomes: &Arc<Snapshot>) -> Result<Sides<Snapshot>> {
    let engine = context.engine;
    let row_bytes = crate::compare::matching::demand(context.snapshots, context.pairing).row_bytes.max(1);
    let rows_max = (BYTES_MAX / row_bytes).clamp(ROWS_MIN, ROWS_MAX);
    let mut catalog = Catalog::spilling(engine);
    catalog.add("outcomes", outcomes)?;
    let values = BTreeMap::from([
        ("first_matched".to_string(), Literal::Integer(Outcome::FIRST_MATCHED_CODE.into())),
        ("most".to_string(), Literal::Integer(rows_max as i64)),
    ]);
    let path = engine.spill_dir().join("canary-keys.parquet");
    write_rows(engine, catalog.plan(CANARY_KEYS_SQL, &values, "[signoff]")?, &path)?;
    let keys = Arc::new(Snapshot::open_table("canaries", &path.display().to_string())?);
    Sides::try_from_fn(|side| {
        selected_rows(context, &context.snapshots[side], "canary-rows", SelectedRows::WithKeys(&keys))
    })
}

fn pairs(context: &SignOffContext, rows: &Sides<Snapshot>) -> Result<EqualPairs> {
    let mut catalog = Catalog::spilling(context.engine);
    for side in Side::BOTH {
        let fields = rows[side].schema.fields();
        let columns = fields.iter().zip(numbered(side.name(), fields.len()));
        let columns = columns.map(|(field, name)| column(field.name()).alias(name));
        let key = context.keys.digest(side, IdEquality::Compared).alias("key");
        catalog.add_projection(side.name(), &Arc::new(rows[side].clone()), columns.chain([key]).collect())?;
    }
    let old = rows.old.schema.fields().iter().zip(numbered("old", rows.old.schema.fields().len()));
    let old: BTreeMap<&str, String> = old.map(|(field, name)| (field.name().as_str(), name)).collect();
    let order = context.keys.names(Side::Old);
    let order: Vec<String> = order.iter().filter_map(|name| old.get(name.as_str()).cloned()).collect();
    let question = catalog.question(CANARY_PAIRS_SQL)?.sorted_by(&order)?;
    let (mut batches, schema) = (vec![], question.schema());
    question.for_each_batch(context.engine, |batch| {
        batches.push(batch.clone());
        Ok(())
    })?;
    let schema = batches.first().map_or(schema, |batch: &RecordBatch| batch.schema());
    let all = concat_batches(&schema, &batches)?;
    let part = |side: Side, start: usize| -> Result<RecordBatch> {
        let fields = rows[side].schema.fields().iter().enumerate();
        let fields: Vec<Field> = fields
            .map(|(index, field)| {
                let data_type = all.schema().field(start + index).data_type().clone();
                field.as_ref().clone().with_data_type(data_type).with_nullable(true)
            })
            .collect();
        let columns = (start..start + fields.len()).map(|index| all.column(index).clone()).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    };
    let sides = Sides { old: part(Side::Old, 0)?, new: part(Side::New, rows.old.schema.fields().len())? };
    let key = (0..context.keys.len())
        .map(|index| sides.old.column_by_name(context.keys.field(index, Side::Old).name()).cloned());
    let key: Vec<ArrayRef> = key.flatten().collect();
    let keys = context.keys.compared(&key, Side::Old)?;
    Ok(EqualPairs { sides, keys: keys.iter().flatten().map(<[u8]>::to_vec).collect() })
}

/// Plants defects in a copy of new, and compares it with old by both strategies.
fn run_round(
    context: &SignOffContext,
    pairing: &Pairing,
    pairs: &EqualPairs,
    plants: Vec<InjectedDefect>,
) -> Result<Vec<CanaryRow>> {
    let (new, planted) = plant_all(pairing, pairs, &plants)?;
    let dir = context.engine.spill_dir();
    let open = |side: Side, batch: &RecordBatch| -> Result<Snapshot> {
        let path = dir.join(format!("canaries-{side}.parquet"));
        write(&path, batch)?;
        Snapshot::open(side, &path.display().to_string())
    };
    let snapshots = Sides { old: open(Side::Old, &pairs.sides.old)?, new: open(Side::New, &new)? };
    let own = Pairing::of(&snapshots, context.job)?;
    let [ordered, hashed] =
        [Strategy::Ordered, Strategy::Hashed].map(|strategy| find(context, &snapshots, &own, strategy));
    let found = [ordered?, hashed?];
    let canaries = plants.iter().zip(planted).map(|(plant, is_planted)| {
        let is_found = |found: &FoundByKey, row: usize| is_found(pairing, plant, found.get(&pairs.keys[row]));
        let caught = is_planted && found.iter().all(|found| plant.rows.iter().all(|&row| is_found(found, row)));
        let is_possible = is_planted || !matches!(plant.what, Defect::Swap);
        CanaryRow { name: plant.name.clone(), injected: u64::from(is_planted), caught: u64::from(caught), is_possible }
    });
    Ok(canaries.collect())
}

/// A copy of new with the defects, and which of them could be planted.
fn plant_all(pairing: &Pairing, pairs: &EqualPairs, plants: &[InjectedDefect]) -> Result<(RecordBatch, Vec<bool>)> {
    let mut new = pairs.sides.new.clone();
    let mut order: Vec<u32> = (0..new.num_rows() as u32).collect();
    let mut planted = vec![];
    for plant in plants {
        let is_planted = match (&plant.what, plant.rows.as_slice()) {
            (Defect::Change(index), &[row]) => match changed(pairing, &pairs.sides, *index, row)? {
                Some(column) => {
                    new = with_column(&new, pairing.columns[*index].at.new, column)?;
                    true
                }
                None => false,
            },
            (Defect::Drop, &[row]) => {
                order.retain(|&kept| kept != row as u32);
                true
            }
            (Defect::Duplicate, &[row]) => {
                order.push(row as u32);
                true
            }
            (Defect::Swap, &[one, two]) => {
                for index in 0..pairing.key_len {
                    let column = pairing.columns[index].at.new;
                    let mut rows: Vec<u32> = (0..new.num_rows() as u32).collect();
                    rows.swap(one, two);
                    let swapped = take(new.column(column), &UInt32Array::from(rows), None)?;
                    new = with_column(&new, column, swapped)?;
                }
                true
            }
            _ => false,
        };
        planted.push(is_planted);
    }
    let order = UInt32Array::from(order);
    let columns = new.columns().iter().map(|column| take(column, &order, None));
    let new = RecordBatch::try_new(new.schema(), columns.collect::<std::result::Result<_, _>>()?)?;
    Ok((new, planted))
}

fn is_found(pairing: &Pairing, plant: &InjectedDefect, found: Option<&(Class, Vec<String>)>) -> bool {
    match (&plant.what, found) {
        (Defect::Change(index), Some((Class::Mismatch, changed))) => *changed == [pairing.columns[*index].name.clone()],
        (Defect::Swap, Some((Class::Mismatch, _)))
        | (Defect::Drop, Some((Class::Missing, _)))
        | (Defect::Duplicate, Some((Class::DuplicateKey, _))) => true,
        _ => false,
    }
}

/// The class and the changed columns of each discrepancy, by the digest of its key.
type FoundByKey = BTreeMap<Vec<u8>, (Class, Vec<String>)>;

fn find(
    context: &SignOffContext,
    snapshots: &Sides<Snapshot>,
    pairing: &Pairing,
    strategy: Strategy,
) -> Result<FoundByKey> {
    let layout = Arc::new(Layout::of(pairing, snapshots));
    let engine = context.engine;
    let comparison =
        Comparison { engine, snapshots, pairing, layout, retention: Retention::All, requested: None, observed: None };
    let mut all = FoundByKey::new();
    for part in comparison.run(Some(strategy))?.findings {
        for batch in part.read()? {
            let batch = batch?;
            // planted defects are in rows of old, so their keys are in old's form
            let keys = context.keys.read(TableColumn::Key.of(&batch).as_struct().columns(), Side::Old)?;
            let keys = context.keys.compared(&keys.columns, Side::Old)?;
            let changed = TableColumn::Changed.of(&batch).as_list::<i32>();
            for (row, class) in classes(&batch).into_iter().enumerate() {
                let changed = changed.value(row);
                let changed = changed.as_string::<i32>().iter().flatten().map(String::from).collect();
                all.insert(keys.value(row).to_vec(), (class, changed));
            }
        }
    }
    Ok(all)
}

/// New's column with a value in a row that is different under all rules: NULL, the value of another row, or any value
/// for a column of NULLs. `None` if there is no such value.
fn changed(pairing: &Pairing, sides: &Sides<RecordBatch>, index: usize, row: usize) -> Result<Option<ArrayRef>> {
    let pair = &pairing.columns[index];
    let (old, new) = (sides.old.column(pair.at.old), sides.new.column(pair.at.new));
    let null = new_null_array(new.data_type(), 1);
    let some = any_value_of_type(new);
    let others =
        (0..new.len()).filter(|&other| other != row && new.is_valid(other)).take(100).map(|other| new.slice(other, 1));
    let old_cell = pair.full(&old.slice(row, 1), Side::Old)?;
    for cell in [null].into_iter().chain(others).chain(some) {
        let Ok(form) = pair.full(&cell, Side::New) else { continue };
        if old_cell.equals(&form)?.value(0) {
            continue;
        }
        let (before, after) = (new.slice(0, row), new.slice(row + 1, new.len() - row - 1));
        return Ok(Some(concat(&[&before, &cell, &after])?));
    }
    Ok(None)
}

/// A value of the column's type, if it is a plain type.
fn any_value_of_type(column: &ArrayRef) -> Option<ArrayRef> {
    use arrow::array::{BooleanArray, Int64Array, StringArray};
    use arrow::compute::cast;
    let values: [ArrayRef; 3] = [
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["canary"])),
        Arc::new(BooleanArray::from(vec![true])),
    ];
    values.iter().filter_map(|value| cast(value, column.data_type()).ok()).find(|value| value.is_valid(0))
}

/// The first row, and the first row that differs from it in any column.
fn first_that_differ(pairing: &Pairing, sides: &Sides<RecordBatch>) -> Result<Option<[usize; 2]>> {
    for pair in pairing.values() {
        let old = pair.full(sides.old.column(pair.at.old), Side::Old)?;
        let new = pair.full(sides.new.column(pair.at.new), Side::New)?;
        for row in 1..sides.new.num_rows() {
            let (first, other) = (old.slice(0, 1), new.slice(row, 1));
            let (own, there) = (old.slice(row, 1), new.slice(0, 1));
            // the swap has to show in both rows
            if !first.equals(&other)?.value(0) && !own.equals(&there)?.value(0) {
                return Ok(Some([0, row]));
            }
        }
    }
    Ok(None)
}

fn with_column(batch: &RecordBatch, index: usize, column: ArrayRef) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    columns[index] = column;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

fn write(path: &Path, batch: &RecordBatch) -> Result<()> {
    let purpose = Purpose::SmallWorkingTable { dir: path.parent().unwrap_or(path).into() };
    let mut file = ParquetWriter::create(path, batch.schema(), purpose)?;
    file.write(batch)?;
    file.finish().map(drop)
}
