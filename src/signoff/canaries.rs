//! Proof that the comparison can fail: defects are put into a copy of some candidates, one for every compared column and
//! every class, and have to be found by the matcher that compared the snapshots.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat, concat_batches, take};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;

use crate::class::Class;
use crate::columns::Pairing;
use crate::discrepancy::{Column, Keep, Layout, classes};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::job::{Job, Way};
use crate::matching::Comparison;
use crate::render;
use crate::shape::{Desk, Tables, quoted};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// As many candidates take part.
const ROWS_MAX: usize = 10_000;

/// One kind of defect, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// What was done: `change COLUMN`, `drop`, `duplicate`, `swap`.
    pub name: String,
    /// How often.
    pub injected: u64,
    /// How often it was found, by each way of matching.
    pub caught: u64,
    /// Whether the rows are such that it can be put in at all: no two of them may differ, and then none can change places.
    pub is_possible: bool,
}

impl Canary {
    /// Whether it was put in, and found; or could not be put in for want of rows.
    pub fn is_caught(&self) -> bool {
        !self.is_possible || self.injected > 0 && self.caught == self.injected
    }
}

/// What is planted, and what has to be found.
struct Plant {
    name: String,
    /// The rows concerned.
    rows: Vec<usize>,
    what: Defect,
}

enum Defect {
    Change(usize),
    Drop,
    Duplicate,
    Swap,
}

/// Rows of both sides that are equal, side by side.
struct Pairs {
    sides: Sides<RecordBatch>,
    keys: Vec<Vec<Option<String>>>,
}

/// Puts defects into a copy of the rows of candidates that have no discrepancy, and looks whether they are found.
/// `is_sound` tells by a row's key whether it has none.
pub fn release(
    engine: &Engine,
    job: &Job,
    rows: &Sides<Snapshot>,
    pairing: &Pairing,
    is_sound: &dyn Fn(&[Option<String>]) -> bool,
) -> Result<Vec<Canary>> {
    let pairs = pairs(engine, rows, pairing, is_sound)?;
    let mut plants = vec![];
    let count = pairs.keys.len();
    if count == 0 {
        return Ok(vec![]);
    }
    let swapped = first_that_differ(pairing, &pairs.sides)?;
    for at in pairing.key_len..pairing.columns.len() {
        plants.push((format!("change {}", pairing.columns[at].name), Defect::Change(at)));
    }
    plants.extend([("drop".into(), Defect::Drop), ("duplicate".into(), Defect::Duplicate)]);
    let mut canaries: Vec<Canary> = vec![];
    // one to a row, and as many at a time as there are rows
    let mut waiting = plants.into_iter().peekable();
    while waiting.peek().is_some() {
        let plants = waiting.by_ref().take(count).enumerate();
        let plants = plants.map(|(row, (name, what))| Plant { name, rows: vec![row], what }).collect();
        canaries.extend(round(engine, job, pairing, &pairs, plants)?);
    }
    let swap = Plant { name: "swap".into(), rows: swapped.map_or(vec![], |rows| rows.to_vec()), what: Defect::Swap };
    canaries.extend(round(engine, job, pairing, &pairs, vec![swap])?);
    Ok(canaries)
}

fn pairs(
    engine: &Engine,
    rows: &Sides<Snapshot>,
    pairing: &Pairing,
    is_sound: &dyn Fn(&[Option<String>]) -> bool,
) -> Result<Pairs> {
    let mut desk = Desk::with(engine, &Tables::new())?;
    let mut columns = vec![];
    for (side, alias) in [(Side::Old, "o"), (Side::New, "n")] {
        desk.lay(side.name(), &Arc::new(rows[side].clone()))?;
        let names = rows[side].schema.fields().iter().enumerate();
        columns.extend(names.map(|(at, field)| format!("{alias}.{} AS {alias}{at}", quoted(field.name()))));
    }
    let name = |side: Side, at: usize| quoted(rows[side].schema.field(pairing.columns[at].at[side]).name());
    let same = (0..pairing.key_len).map(|at| format!("o.{} = n.{}", name(Side::Old, at), name(Side::New, at)));
    let order: Vec<String> = (0..pairing.key_len).map(|at| format!("o.{}", name(Side::Old, at))).collect();
    let sql = format!(
        "SELECT {} FROM old AS o JOIN new AS n ON {} ORDER BY {} LIMIT {ROWS_MAX}",
        columns.join(", "),
        same.collect::<Vec<_>>().join(" AND "),
        order.join(", ")
    );
    let question = desk.plan(&sql, &BTreeMap::new(), "[signoff]")?;
    let width = rows.old.schema.fields().len();
    let key: Vec<usize> = (0..pairing.key_len).map(|at| pairing.columns[at].at.old).collect();
    let (mut batches, mut keys, mut schema) = (vec![], vec![], question.schema());
    question.ask(engine, |batch| {
        let texts = render::rows(&batch.project(&key)?)?;
        let sound: UInt32Array =
            texts.iter().enumerate().filter(|(_, key)| is_sound(key)).map(|(row, _)| row as u32).collect();
        keys.extend(sound.values().iter().map(|&row| texts[row as usize].clone()));
        let columns = batch.columns().iter().map(|column| take(column, &sound, None));
        schema = batch.schema();
        batches.push(RecordBatch::try_new(batch.schema(), columns.collect::<std::result::Result<_, _>>()?)?);
        Ok(())
    })?;
    let all = concat_batches(&schema, &batches)?;
    let part = |side: Side, start: usize| -> Result<RecordBatch> {
        let fields: Vec<Field> = rows[side]
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| {
                let data_type = all.schema().field(start + at).data_type().clone();
                field.as_ref().clone().with_data_type(data_type).with_nullable(true)
            })
            .collect();
        let columns = (start..start + fields.len()).map(|at| all.column(at).clone()).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    };
    Ok(Pairs { sides: Sides { old: part(Side::Old, 0)?, new: part(Side::New, width)? }, keys })
}

/// Plants some defects in one copy of new, and compares it with old, both ways.
fn round(engine: &Engine, job: &Job, pairing: &Pairing, pairs: &Pairs, plants: Vec<Plant>) -> Result<Vec<Canary>> {
    let mut new = pairs.sides.new.clone();
    let mut order: Vec<u32> = (0..new.num_rows() as u32).collect();
    let mut planted = vec![];
    for plant in &plants {
        let is_planted = match (&plant.what, plant.rows.as_slice()) {
            (Defect::Change(at), &[row]) => match changed(pairing, &pairs.sides, *at, row)? {
                Some(column) => {
                    new = with_column(&new, pairing.columns[*at].at.new, column)?;
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
                for at in 0..pairing.key_len {
                    let place = pairing.columns[at].at.new;
                    let mut rows: Vec<u32> = (0..new.num_rows() as u32).collect();
                    rows.swap(one, two);
                    let column = take(new.column(place), &UInt32Array::from(rows), None)?;
                    new = with_column(&new, place, column)?;
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
    let dir = engine.spill_dir();
    let open = |side: Side, batch: &RecordBatch| -> Result<Snapshot> {
        let path = dir.join(format!("canaries-{side}.parquet"));
        write(&path, batch)?;
        Snapshot::open(side, &path.display().to_string(), true)
    };
    let snapshots = Sides { old: open(Side::Old, &pairs.sides.old)?, new: open(Side::New, &new)? };
    let own = Pairing::of(&snapshots, job)?;
    let found = [Way::Ordered, Way::Hashed].map(|way| find(engine, &snapshots, &own, way));
    let [ordered, hashed] = found;
    let found = [ordered?, hashed?];
    let canaries = plants.iter().zip(planted).map(|(plant, is_planted)| {
        let caught = is_planted
            && found
                .iter()
                .all(|found| plant.rows.iter().all(|&row| is_found(pairing, plant, found.get(&pairs.keys[row]))));
        let is_possible = is_planted || !matches!(plant.what, Defect::Swap);
        Canary { name: plant.name.clone(), injected: u64::from(is_planted), caught: u64::from(caught), is_possible }
    });
    Ok(canaries.collect())
}

fn is_found(pairing: &Pairing, plant: &Plant, found: Option<&(Class, Vec<String>)>) -> bool {
    match (&plant.what, found) {
        (Defect::Change(at), Some((Class::Mismatch, changed))) => *changed == [pairing.columns[*at].name.clone()],
        (Defect::Swap, Some((Class::Mismatch, _)))
        | (Defect::Drop, Some((Class::Missing, _)))
        | (Defect::Duplicate, Some((Class::DuplicateKey, _))) => true,
        _ => false,
    }
}

type FoundByKey = BTreeMap<Vec<Option<String>>, (Class, Vec<String>)>;

fn find(engine: &Engine, snapshots: &Sides<Snapshot>, pairing: &Pairing, way: Way) -> Result<FoundByKey> {
    let layout = Arc::new(Layout::of(pairing, snapshots));
    let comparison = Comparison { engine, snapshots, pairing, layout, keep: Keep::All };
    let mut all = FoundByKey::new();
    for part in comparison.run(Some(way))?.findings {
        for batch in part.read()? {
            let batch = batch?;
            let keys = Column::Key.of(&batch).as_struct();
            let keys = RecordBatch::try_new(Arc::new(Schema::new(keys.fields().clone())), keys.columns().to_vec())?;
            let changed = Column::Changed.of(&batch).as_list::<i32>();
            for ((row, key), class) in render::rows(&keys)?.into_iter().enumerate().zip(classes(&batch)) {
                let changed = changed.value(row);
                let changed = changed.as_string::<i32>().iter().flatten().map(String::from).collect();
                all.insert(key, (class, changed));
            }
        }
    }
    Ok(all)
}

/// New's column with another value in a row, one that is another under all rules: NULL, or another row's, or for a column of
/// NULLs something; none, if nothing is to be found.
fn changed(pairing: &Pairing, sides: &Sides<RecordBatch>, at: usize, row: usize) -> Result<Option<ArrayRef>> {
    let pair = &pairing.columns[at];
    let (old, new) = (sides.old.column(pair.at.old), sides.new.column(pair.at.new));
    let null = new_null_array(new.data_type(), 1);
    let some = something(new);
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

/// A value of the type of a column, where there is a plain one.
fn something(column: &ArrayRef) -> Option<ArrayRef> {
    use arrow::array::{BooleanArray, Int64Array, StringArray};
    use arrow::compute::cast;
    let values: [ArrayRef; 3] = [
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["canary"])),
        Arc::new(BooleanArray::from(vec![true])),
    ];
    values.iter().filter_map(|value| cast(value, column.data_type()).ok()).find(|value| value.is_valid(0))
}

/// The first row, and the first that has another value in any column.
fn first_that_differ(pairing: &Pairing, sides: &Sides<RecordBatch>) -> Result<Option<[usize; 2]>> {
    for pair in pairing.values() {
        let old = pair.full(sides.old.column(pair.at.old), Side::Old)?;
        let new = pair.full(sides.new.column(pair.at.new), Side::New)?;
        for row in 1..sides.new.num_rows() {
            let (first, other) = (old.slice(0, 1), new.slice(row, 1));
            let (own, there) = (old.slice(row, 1), new.slice(0, 1));
            // both have to show that they changed places
            if !first.equals(&other)?.value(0) && !own.equals(&there)?.value(0) {
                return Ok(Some([0, row]));
            }
        }
    }
    Ok(None)
}

fn with_column(batch: &RecordBatch, at: usize, column: ArrayRef) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    columns[at] = column;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

fn write(path: &Path, batch: &RecordBatch) -> Result<()> {
    let spilling = |reason: String| Error::Spill { dir: path.to_path_buf(), reason };
    let file = File::create(path).map_err(|error| spilling(error.to_string()))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|error| spilling(error.to_string()))?;
    let written = writer.write(batch).and_then(|()| writer.close().map(drop));
    written.map_err(|error| spilling(error.to_string()))
}
