//! `countersign query`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, UInt64Type};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};

use super::limits::WorkArgs;
use super::{signal, write_out};
use crate::class::Class;
use crate::csv;
use crate::equality::plain_types;
use crate::equality::value_text::{self, escaped};
use crate::error::{Error, Result};
use crate::history::{PastRun, runs_below};
use crate::job::Scope;
use crate::job::file::{JobFile, refusal};
use crate::output::manifest::MANIFEST;
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::sides::Side;
use crate::snapshot::{Snapshot, require_room_for_footers};
use crate::sql::{self, Catalog, Tables};

/// Query a job's data and runs in SQL
///
/// The tables of a run directory are `discrepancies` and `runs`. A job file has the same tables, with the
/// discrepancies of its last run, and also `old` and `new` as the job shapes them and its further tables.
/// A job with private columns has only `discrepancies` and `runs`.
#[derive(Debug, Args)]
pub(super) struct Query {
    /// A run directory, or a job file
    #[arg(value_name = "RUN|JOB.toml")]
    of: PathBuf,

    /// The query
    #[arg(value_name = "SQL", allow_hyphen_values = true)]
    sql: String,

    /// The format of the result
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,

    /// Write the result to this file instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Human-readable
    #[default]
    Table,
    /// With a header; NULL is an empty field, and the empty string is ""
    Csv,
    /// An array of objects
    Json,
    /// Machine-readable; cannot be printed to a terminal
    Parquet,
}

/// The tables that a query can refer to.
struct Askable {
    tables: Tables,
    runs: Vec<PastRun>,
}

impl Query {
    pub(super) fn run(self) -> Result<u8> {
        if self.format == Format::Parquet && self.out.is_none() && io::stdout().is_terminal() {
            return Err(Error::request("--format parquet", "specify a file with --out"));
        }
        let progress = self.work.machine.progress();
        let spill = self.work.machine.temp.clone().unwrap_or_else(std::env::temp_dir);
        let engine = Engine::start(self.work.machine.limits(), &spill, signal::on_signal(), progress)?;
        let Askable { tables, runs } = match self.of.is_dir() {
            true => of_run(&self.of)?,
            false => of_job(&engine, &self.of)?,
        };
        let mut batches = vec![];
        let mut catalog = Catalog::with(&engine, &tables)?;
        catalog.add_rows("runs", runs_table(&runs)?)?;
        let query = catalog.plan(&self.sql, &BTreeMap::new(), "SQL")?;
        let mut rows = query.stream(&engine)?;
        let schema = rows.schema();
        while let Some(batch) = rows.next_batch()? {
            batches.push(batch);
        }
        engine.progress.finish();
        self.write(&schema, &batches)?;
        Ok(0)
    }

    fn write(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        let bytes = match self.format {
            Format::Parquet => parquet(schema, batches)?,
            Format::Table => table(schema, batches)?.into_bytes(),
            Format::Csv => as_csv(schema, batches)?,
            Format::Json => as_json(schema, batches)?.into_bytes(),
        };
        match (&self.out, String::from_utf8(bytes)) {
            (Some(path), text) => {
                let bytes = text.map_or_else(|raw| raw.into_bytes(), String::into_bytes);
                File::create(path).and_then(|mut file| file.write_all(&bytes)).map_err(Error::unwritable(path))
            }
            (None, Ok(text)) => write_out(&text),
            (None, Err(raw)) => io::stdout().write_all(raw.as_bytes()).map_err(Error::unwritable("standard output")),
        }
    }
}

/// The tables of a run directory: its discrepancies, and the runs of the same job beside it.
fn of_run(dir: &Path) -> Result<Askable> {
    if !dir.join(MANIFEST).is_file() {
        return Err(Error::unusable(
            dir,
            format!("is not a run directory: it has no {MANIFEST}\n  specify a run directory or a job file"),
        ));
    }
    // `latest` is a link, and the other runs are beside its target
    let dir = dir.canonicalize().map_err(Error::unreadable(dir))?;
    let (runs, _) = runs_below(dir.parent().unwrap_or(&dir));
    let own = runs.iter().find(|run| run.dir == dir).map(|run| run.summary.job.clone());
    let runs = runs.into_iter().filter(|run| Some(&run.summary.job) == own.as_ref()).collect();
    let discrepancies = discrepancies(&dir)?;
    Ok(Askable { tables: Tables::from([("discrepancies".to_string(), discrepancies)]), runs })
}

fn discrepancies(dir: &Path) -> Result<Arc<Snapshot>> {
    let path = dir.join("discrepancies.parquet").display().to_string();
    Ok(Arc::new(Snapshot::open_table("discrepancies", &path)?))
}

/// The tables of a job: both sides as the job shapes them, its further tables, and its last run.
fn of_job(engine: &Engine, file: &Path) -> Result<Askable> {
    let JobFile { job, runs, mistakes, .. } = JobFile::read(file, &[])?;
    let Some(job) = job.filter(|_| mistakes.is_empty()) else { return Err(refusal(file, mistakes)) };
    let (runs, _) = runs_below(&runs.join(&job.name));
    let runs: Vec<PastRun> = runs.into_iter().filter(|run| run.summary.job == job.name).collect();
    let mut tables = Tables::new();
    // a query could print private values; which columns of further tables contain them is unknown
    if job.private.is_none() {
        require_room_for_footers(engine.limits(), job.locations())?;
        tables = sql::open_tables(engine, &job.tables)?;
        let open = |side: Side| sql::open_side(engine, side, &job.sources[side], &tables, &job.columns);
        let opened = job.scope.sides().iter().map(|side| Ok((side.name().to_string(), Arc::new(open(*side)?))));
        let opened = opened.collect::<Result<Vec<_>>>()?;
        tables.extend(opened);
    }
    // a run of old alone has no discrepancies
    if let Some(last) = runs.last().filter(|_| job.scope == Scope::Both) {
        tables.insert("discrepancies".into(), discrepancies(&last.dir)?);
    }
    Ok(Askable { tables, runs })
}

/// The runs of a job, one row per run.
fn runs_table(runs: &[PastRun]) -> Result<RecordBatch> {
    let texts = |of: fn(&PastRun) -> String| {
        Arc::new(runs.iter().map(|run| Some(of(run))).collect::<StringArray>()) as ArrayRef
    };
    let numbers =
        |of: &dyn Fn(&PastRun) -> Option<u64>| Arc::new(runs.iter().map(of).collect::<UInt64Array>()) as ArrayRef;
    let mut columns = vec![
        ("run", texts(|run| run.summary.run.id.clone())),
        ("job", texts(|run| run.summary.job.clone())),
        ("started", texts(|run| run.summary.run.started.clone())),
        ("verdict", texts(|run| run.summary.verdict.clone())),
        ("dir", texts(|run| run.dir.display().to_string())),
        ("old_rows", numbers(&|run| Some(run.summary.rows.old))),
        ("new_rows", numbers(&|run| Some(run.summary.rows.new))),
    ];
    columns.extend(Class::ALL.map(|class| (class.field_name(), numbers(&|run| Some(run.summary.counts[class])))));
    columns.push(("new", numbers(&|run| Some(run.summary.history.as_ref()?.new.total()))));
    columns.push(("resolved", numbers(&|run| Some(run.summary.history.as_ref()?.resolved.total()))));
    columns.push(("seconds", Arc::new(runs.iter().map(|run| Some(run.summary.run.seconds)).collect::<Float64Array>())));
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Passes every row to `each`: its plain arrays, its index in them, and its values as text.
fn each_row(batches: &[RecordBatch], mut each: impl FnMut(&[ArrayRef], usize, Vec<Option<String>>)) -> Result<()> {
    for batch in batches {
        let columns = batch.columns().iter().map(plain_types::array).collect::<std::result::Result<Vec<_>, _>>()?;
        for (row, texts) in value_text::rows(batch)?.into_iter().enumerate() {
            each(&columns, row, texts);
        }
    }
    Ok(())
}

fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(schema.fields().iter().map(|field| escaped(field.name())));
    let mut rows = 0;
    each_row(batches, |_, _, texts| {
        rows += 1;
        table.add_row(texts.iter().map(|text| text.as_deref().map_or("NULL".into(), escaped)));
    })?;
    for (index, _) in schema.fields().iter().enumerate().filter(|(_, field)| field.data_type().is_numeric()) {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Ok(format!("{}\n\n{}\n", table.trim_fmt(), crate::report::count(rows, "row")))
}

fn as_csv(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let mut out = vec![];
    csv::record(&mut out, schema.fields().iter().map(|field| Some(field.name().as_str())));
    each_row(batches, |_, _, texts| csv::record(&mut out, texts.iter().map(Option::as_deref)))?;
    Ok(out)
}

fn as_json(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let mut rows = vec![];
    each_row(batches, |columns, row, texts| {
        let values = columns.iter().zip(texts).map(|(column, text)| json_value(column, row, text));
        let names = schema.fields().iter().map(|field| field.name().clone());
        rows.push(Value::Object(names.zip(values).collect::<Map<_, _>>()));
    })?;
    Ok(serde_json::to_string_pretty(&rows).map_err(Error::internal)? + "\n")
}

/// Integers, doubles, and Booleans are JSON values. Everything else, also decimals, is text, which loses nothing.
fn json_value(column: &ArrayRef, row: usize, text: Option<String>) -> Value {
    match (column.data_type(), text) {
        (_, None) => Value::Null,
        (DataType::Boolean, _) => column.as_boolean().value(row).into(),
        (DataType::Int64, _) => column.as_primitive::<Int64Type>().value(row).into(),
        (DataType::UInt64, _) => column.as_primitive::<UInt64Type>().value(row).into(),
        (DataType::Float64, _) => column.as_primitive::<Float64Type>().value(row).into(),
        (other, Some(text)) if other.is_integer() => text.parse::<i64>().map_or(Value::String(text), Value::from),
        (_, Some(text)) => Value::String(text),
    }
}

fn parquet(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let purpose = Purpose::Export { path: "the answer".into(), is_compressed: false };
    let mut writer = ParquetWriter::begin(vec![], schema.clone(), purpose)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}
