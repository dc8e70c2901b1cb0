//! LOAD for good: writes an export of any format as typed Parquet, sorted by key if asked, so that later comparisons read
//! only what they need.

mod column;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use rayon::prelude::*;

use crate::columns::no_such_column;
use crate::error::{Error, Result};
use crate::job::{ColumnType, Origin, Setting, Source};
use crate::output::destination::Destination;
use crate::runtime::engine::Engine;
use crate::runtime::parallel_parquet::ParallelParquetWriter;
use crate::runtime::parquet_file::Purpose;
use crate::sides::Owner;
use crate::snapshot::{Snapshot, TAKEN_AT};
use crate::sql::{Catalog, quoted};
use column::LoadedColumn;

/// What to load, and how.
pub(crate) struct LoadRequest {
    /// The files, and how they are written.
    pub source: Source,
    /// The types that the user states, by column.
    pub types: Vec<(String, ColumnType)>,
    /// The columns to sort by; none keeps the order.
    pub key: Vec<String>,
    /// When the rows were exported.
    pub taken_at: Option<jiff::Timestamp>,
}

/// What was loaded.
pub(crate) struct LoadSummary {
    pub rows: u64,
    pub files: usize,
    /// Each column with its type, and why it is text although another type was stated.
    pub columns: Vec<ColumnSummary>,
}

/// A column that was loaded.
pub(crate) struct ColumnSummary {
    pub name: String,
    pub type_name: String,
    /// The number of cells that are not of the stated type, and the first of them.
    pub unreadable: Option<(u64, String)>,
}

/// The name of standard input as a source.
pub(crate) const STANDARD_INPUT: &str = "-";

/// The name of the file in the destination.
const FILE: &str = "part-0.parquet";

/// The rows that are converted at a time become at most this much of a row group, in bytes.
const GROUP_BYTES: usize = 64 << 20;

/// Loads a source, and writes it to a new directory.
pub(crate) fn load(engine: &mut Engine, request: &LoadRequest, destination: Destination) -> Result<LoadSummary> {
    let source = match request.source.path.text.as_str() {
        STANDARD_INPUT => spooled(engine, &request.source)?,
        _ => request.source.clone(),
    };
    let snapshot = Snapshot::load(engine, &Owner::Standalone, &source)?;
    require_known(&snapshot, request)?;
    let mut columns = columns(engine, &snapshot, &request.types)?;
    let staged = destination.staged();
    std::fs::create_dir_all(&staged).map_err(Error::unwritable(&staged))?;
    let target = staged.join(FILE);
    // a column stays text if its type cannot hold a cell
    while let Some(column) = write_all(engine, &snapshot, &columns, request, &target)? {
        columns[column].keep_text();
    }
    snapshot.require_unchanged()?;
    let name = |path: &Path| match request.source.path.text.as_str() {
        STANDARD_INPUT => "standard input".into(),
        _ => format!("`{}`", path.display()),
    };
    let summary = LoadSummary {
        rows: snapshot.rows(),
        files: snapshot.files.len(),
        columns: columns
            .iter()
            .zip(snapshot.schema.fields())
            .map(|(column, own)| column.summary(&snapshot, own, name))
            .collect(),
    };
    destination.publish()?;
    Ok(summary)
}

/// Writes all rows, sorted by key if there is one. Returns a column that cannot hold one of its cells.
fn write_all(
    engine: &Engine,
    snapshot: &Snapshot,
    columns: &[LoadedColumn],
    request: &LoadRequest,
    target: &Path,
) -> Result<Option<usize>> {
    let schema = typed_schema(snapshot, columns, request);
    if request.key.is_empty() {
        return convert(engine, snapshot, columns, &schema, target, exported(target));
    }
    let unsorted = engine.spill_dir().join("unsorted.parquet");
    let purpose = Purpose::WorkingTable { dir: engine.spill_dir() };
    match convert(engine, snapshot, columns, &schema, &unsorted, purpose)? {
        Some(column) => Ok(Some(column)),
        None => sort(engine, &unsorted, &request.key, &schema, target).map(|()| None),
    }
}

/// Copies standard input to a working file, because it is read more than once.
fn spooled(engine: &Engine, source: &Source) -> Result<Source> {
    let path = engine.spill_dir().join("standard-input");
    let spill = |error: io::Error| Error::Spill { dir: engine.spill_dir(), reason: error.to_string() };
    let mut file = File::create(&path).map_err(spill)?;
    let mut input = io::stdin().lock();
    let mut piece = vec![0; 1 << 20];
    loop {
        engine.check_stop()?;
        match input.read(&mut piece).map_err(Error::unreadable(Path::new("standard input")))? {
            0 => break,
            read => file.write_all(&piece[..read]).map_err(spill)?,
        }
    }
    let mut source = source.clone();
    source.path.text = path.display().to_string();
    Ok(source)
}

/// Refuses names of columns that do not exist.
fn require_known(snapshot: &Snapshot, request: &LoadRequest) -> Result<()> {
    let names: Vec<String> = snapshot.schema.fields().iter().map(|field| field.name().clone()).collect();
    let named = request.types.iter().map(|(name, _)| ("--type", name));
    let mut named = named.chain(request.key.iter().map(|name| ("--key", name)));
    match named.find(|(_, name)| !names.contains(name)) {
        Some((option, name)) => {
            let word = Setting { text: name.clone(), origin: Origin::Flag(option) };
            Err(no_such_column(&word, "the snapshot has no column", &names))
        }
        None => Ok(()),
    }
}

/// Decides the type of each column: the stated one, or that of all of its texts.
fn columns(engine: &Engine, snapshot: &Snapshot, types: &[(String, ColumnType)]) -> Result<Vec<LoadedColumn>> {
    let stated = |name: &str| types.iter().rev().find(|(column, _)| column == name).map(|(_, stated)| stated.clone());
    let fields = snapshot.schema.fields().iter().enumerate();
    let mut columns: Vec<LoadedColumn> =
        fields.map(|(at, field)| LoadedColumn::new(field, snapshot.shapes(at), stated(field.name()))).collect();
    engine.progress.begin("examining", 0);
    let examine = |(at, column): (usize, &mut LoadedColumn)| -> Result<()> {
        if column.is_examined() {
            let mut scan = snapshot.scan(engine, snapshot.all_reads(), &[at])?.uncounted();
            while let Some(batch) = scan.next_batch()? {
                column.examine(batch.column(0))?;
            }
        }
        column.settle();
        Ok(())
    };
    engine.workers().install(|| columns.par_iter_mut().enumerate().with_max_len(1).try_for_each(examine))?;
    Ok(columns)
}

fn typed_schema(snapshot: &Snapshot, columns: &[LoadedColumn], request: &LoadRequest) -> SchemaRef {
    let fields = snapshot.schema.fields().iter().zip(columns).map(|(field, column)| column.field(field));
    let taken_at = request.taken_at.map(|time| (TAKEN_AT.to_string(), time.to_string()));
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<Field>>(), taken_at.into_iter().collect()))
}

/// Writes all rows with their types. Returns a column that cannot hold one of its cells.
fn convert(
    engine: &Engine,
    snapshot: &Snapshot,
    columns: &[LoadedColumn],
    schema: &SchemaRef,
    target: &Path,
    purpose: Purpose,
) -> Result<Option<usize>> {
    engine.progress.begin("writing", snapshot.rows());
    let all: Vec<usize> = (0..columns.len()).collect();
    let mut scan = snapshot.scan(engine, snapshot.all_reads(), &all)?;
    let mut writer = ParallelParquetWriter::create(target, schema.clone(), purpose)?;
    let mut write = |batch: &RecordBatch| -> Result<Option<usize>> {
        let converted =
            |((array, column), field): ((&ArrayRef, &LoadedColumn), &FieldRef)| column.convert(array, field);
        let arrays = batch.columns().par_iter().zip(columns).zip(schema.fields().par_iter()).map(converted);
        let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
        let mut lost = batch.columns().iter().zip(&arrays);
        if let Some(column) = lost.position(|(own, typed)| own.null_count() != typed.null_count()) {
            return Ok(Some(column));
        }
        writer.write(&arrays)?;
        writer.end_group_at(GROUP_BYTES)?;
        Ok(None)
    };
    let mut next = scan.next_batch()?;
    while let Some(batch) = next {
        let (unfit, following) = engine.workers().join(|| write(&batch), || scan.next_batch());
        if let Some(column) = unfit? {
            return Ok(Some(column));
        }
        next = following?;
    }
    engine.workers().install(|| writer.finish()).map(|()| None)
}

fn exported(path: &Path) -> Purpose {
    Purpose::Export { path: path.into(), is_compressed: true }
}

/// Sorts a working file by key into its place.
fn sort(engine: &Engine, unsorted: &Path, key: &[String], schema: &SchemaRef, target: &Path) -> Result<()> {
    let table = Arc::new(Snapshot::open_table("unsorted", &unsorted.display().to_string())?);
    let mut catalog = Catalog::spilling(engine);
    catalog.add("unsorted", &table)?;
    let order: Vec<String> = key.iter().map(|name| format!("{} ASC NULLS LAST", quoted(name))).collect();
    let query = catalog.question(&format!("SELECT * FROM unsorted ORDER BY {}", order.join(", ")))?;
    engine.progress.begin("sorting", table.rows());
    let mut rows = query.stream(engine)?;
    let mut writer = ParallelParquetWriter::create(target, schema.clone(), exported(target))?;
    while let Some(batch) = rows.next_batch()? {
        engine.progress.advance(batch.num_rows() as u64);
        let arrays = batch.columns().iter().zip(schema.fields());
        let arrays = arrays.map(|(array, field)| arrow::compute::cast(array, field.data_type()));
        let arrays = arrays.collect::<Result<Vec<ArrayRef>, _>>()?;
        engine.workers().install(|| writer.write(&arrays).and_then(|()| writer.end_group_at(GROUP_BYTES)))?;
    }
    engine.workers().install(|| writer.finish())
}
