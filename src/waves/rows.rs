//! The complete rows of IDs, from `discrepancies.parquet` of a run: rows of old to backfill missing rows and
//! mismatches, rows of new to roll back extra ones.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, UInt32Type};
use certificate::id_list::ListError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::columns::{UnitColumns, digests};
use super::lookup::MergeLookup;
use super::manifest::RowsNote;
use super::sorter::Sorter;
use crate::class::Class;
use crate::columns::Coverage;
use crate::compare::discrepancy::TableColumn;
use crate::equality::value_text;
use crate::error::{Error, Result, WavesError};
use crate::output::manifest::{MANIFEST, Manifest, of_opened};
use crate::regular_file::{self, DOCUMENT_BYTES_MAX};
use crate::runtime::engine::Engine;
use crate::runtime::file_identity::InputFile;
use crate::sides::Side;
use crate::snapshot::open_parquet;

const TABLE: &str = "discrepancies.parquet";
/// Rows per batch. It is small because rows may be wide.
const BATCH_ROWS: usize = 1024;

/// The run that supplies rows.
pub(crate) struct RowSource {
    dir: PathBuf,
    table: InputFile,
    run: String,
    report: ReportHeader,
    /// The fields of the rows of each side.
    fields: [Fields; 2],
    /// The indexes of the ID columns among the key columns of the table.
    key: Vec<usize>,
    row_bytes: u64,
}

/// The fields of a report that are needed here.
#[derive(Debug, Deserialize)]
struct ReportHeader {
    key: Vec<String>,
    private: Option<Value>,
    coverage: Coverage,
}

/// The rows of one side, in the digest order of their IDs.
pub(crate) struct RowLookup<'a> {
    side: Side,
    lookup: MergeLookup<'a>,
}

impl RowSource {
    /// Opens a run, and reads its manifest and report.
    ///
    /// # Errors
    /// If it is not a complete run, if its key is not the ID, or if it contains digests in place of values.
    pub(crate) fn open(dir: &Path, key: &[String]) -> Result<Self> {
        let bad = |reason: String| Error::from(ListError::list(dir, reason));
        if !dir.join(MANIFEST).is_file() {
            return Err(bad(format!("is not a run: it has no {MANIFEST}\n  pass a run directory to --rows")));
        }
        let manifest: Manifest = json(dir, MANIFEST)?;
        let report: ReportHeader = json(dir, "report.json")?;
        if report.private.is_some() {
            return Err(bad(
                "is a run with private columns: it contains digests in their place, so its rows are incomplete\n  \
                 remove --rows to cut the IDs alone"
                    .into(),
            ));
        }
        let index = |name: &String| report.key.iter().position(|key| key == name);
        let indices: Option<Vec<usize>> = key.iter().map(index).collect();
        let indices = indices.filter(|indices| indices.len() == report.key.len() && !indices.is_empty());
        let Some(indices) = indices else {
            let own = if report.key.is_empty() { "whole rows".into() } else { report.key.join(", ") };
            return Err(bad(format!("is keyed by {own}, but the ID is {}\n  pass its key to --key", key.join(", "))));
        };
        let listed = manifest.outputs.iter().find(|output| output.path == TABLE);
        let path = dir.join(TABLE);
        let (table, file) = InputFile::open(path.clone(), path.clone()).map_err(Error::unreadable(&path))?;
        let found = of_opened(file).map_err(Error::unreadable(&path))?;
        if listed.is_none_or(|listed| listed.blake3 != found.to_hex().as_str()) {
            return Err(bad(format!("is not intact: `{TABLE}` has changed since the run")));
        }
        let mut source = RowSource {
            dir: dir.into(),
            table,
            run: manifest.run,
            report,
            fields: Default::default(),
            key: indices,
            row_bytes: 0,
        };
        let builder = source.builder()?;
        source.fields =
            Side::BOTH.map(|side| match builder.schema().field(TableColumn::of_side(side) as usize).data_type() {
                DataType::Struct(fields) => fields.clone(),
                _ => Fields::empty(),
            });
        let groups = builder.metadata().row_groups();
        let (bytes, rows) =
            groups.iter().fold((0, 0), |sum, group| (sum.0 + group.total_byte_size(), sum.1 + group.num_rows()));
        source.row_bytes = (bytes / rows.max(1)).max(0) as u64;
        Ok(source)
    }

    /// Checks that the table has not changed since it was opened.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        self.table.require_unchanged()
    }

    /// The approximate bytes of a row.
    pub(crate) fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    /// The fields of the rows of a side.
    pub(crate) fn fields(&self, side: Side) -> &Fields {
        &self.fields[side as usize]
    }

    /// The description of a side's rows for `waves.json`.
    pub(crate) fn note(&self, side: Side) -> RowsNote {
        let Coverage { ignored, old_only, new_only, incomparable, .. } = &self.report.coverage;
        let own = match side {
            Side::Old => old_only,
            Side::New => new_only,
        };
        let names: BTreeSet<&String> = ignored.iter().chain(own).chain(incomparable).collect();
        RowsNote {
            run: self.dir.display().to_string(),
            id: self.run.clone(),
            side: side.to_string(),
            columns_not_included: names.into_iter().cloned().collect(),
        }
    }

    /// The side that supplies the row of this ID, according to its class.
    ///
    /// # Errors
    /// If the run does not have the ID, or if it is a duplicate key.
    pub(crate) fn side(&self, engine: &Engine, columns: &UnitColumns, texts: &[&StringArray]) -> Result<Side> {
        let wanted = columns.id_digests(texts);
        for batch in self.read(&[TableColumn::Class, TableColumn::Key])? {
            engine.check_stop()?;
            let batch = batch.map_err(|error| self.damaged(&error))?;
            let digests = self.digests(batch.column(1), columns.seed())?;
            let names = batch.column(0).as_string::<i32>();
            let found = (0..batch.num_rows()).find(|row| digests.value(*row) == wanted.value(0));
            if let Some(class) = found.and_then(|row| Class::from_name(names.value(row))) {
                return side_of(class).ok_or_else(|| duplicate(columns.describe_id(texts, 0)));
            }
        }
        Err(self.unknown(columns.describe_id(texts, 0)))
    }

    /// Sorts the rows of a side by the digests of their IDs. IDs of other classes are included without a row.
    pub(crate) fn rows<'a>(&self, engine: &'a Engine, columns: &UnitColumns, side: Side) -> Result<RowLookup<'a>> {
        let schema: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Binary, false),
            Field::new("class", DataType::UInt32, false),
            Field::new("row", DataType::Struct(self.fields(side).clone()), true),
        ]));
        let mut sorter = Sorter::begin(engine, &schema)?;
        for batch in self.read(&[TableColumn::Class, TableColumn::Key, TableColumn::of_side(side)])? {
            let batch = batch.map_err(|error| self.damaged(&error))?;
            let names = batch.column(0).as_string::<i32>();
            let found: Vec<Option<Class>> = names.iter().map(|name| name.and_then(Class::from_name)).collect();
            // rows that are not written would only make the sort larger, such as new's row of a mismatch
            let wanted = |(row, class): (usize, &Option<Class>)| {
                let is_wanted = class.and_then(side_of) == Some(side);
                is_wanted.then_some(row as u64)
            };
            let wanted: UInt64Array = found.iter().enumerate().map(wanted).collect();
            let numbers = found.iter().map(|class| class.map_or(u32::MAX, |class| class as u32));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(self.digests(batch.column(1), columns.seed())?),
                Arc::new(UInt32Array::from_iter_values(numbers)),
                take(batch.column(2), &wanted, None)?,
            ];
            sorter.push(RecordBatch::try_new(schema.clone(), columns)?)?;
        }
        Ok(RowLookup { side, lookup: MergeLookup::of(sorter.finish())? })
    }

    /// The digests of IDs, from the same texts as in ID lists.
    fn digests(&self, key: &ArrayRef, seed: u64) -> Result<arrow::array::BinaryArray> {
        let key = key.as_struct();
        let text = |index: &usize| value_text::column(key.column(*index), &key.fields()[*index]);
        let texts: Vec<StringArray> = self.key.iter().map(text).collect::<Result<_>>()?;
        Ok(digests(seed, &texts.iter().collect::<Vec<_>>()))
    }

    fn builder(&self) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        open_parquet(self.table.reopen()?).map_err(|error| self.damaged(&error))
    }

    fn read(&self, columns: &[TableColumn]) -> Result<ParquetRecordBatchReader> {
        let builder = self.builder()?;
        let chosen = ProjectionMask::roots(builder.parquet_schema(), columns.iter().map(|column| *column as usize));
        let reader = builder.with_projection(chosen).with_batch_size(BATCH_ROWS).build();
        reader.map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &impl ToString) -> Error {
        let reason = format!("is not a table that a run has written: {}", error.to_string());
        ListError::list(&self.dir.join(TABLE), reason).into()
    }

    /// The error for an ID that the run does not have.
    pub(crate) fn unknown(&self, id: String) -> Error {
        let reason =
            format!("it is not a discrepancy of the run `{}`\n  cut the lists of that run", self.dir.display());
        WavesError::NoRow { id, reason }.into()
    }
}

impl RowLookup<'_> {
    /// The row of an ID; `None` if the run does not have the ID.
    ///
    /// # Errors
    /// If the ID has no row on this side, or several.
    pub(crate) fn find(&mut self, digest: &[u8], id: impl Fn() -> String) -> Result<Option<(ArrayRef, usize)>> {
        let Some((batch, row)) = self.lookup.find(digest)? else { return Ok(None) };
        let number = batch.column(1).as_primitive::<UInt32Type>().value(row);
        let class = Class::ALL.into_iter().find(|class| *class as u32 == number);
        match class.and_then(side_of) {
            Some(side) if side == self.side => Ok(Some((batch.column(2).clone(), row))),
            Some(side) => Err(WavesError::NoRow {
                id: id(),
                reason: format!(
                    "its row is from {side}, but this cut writes rows of {}\n  \
                     cut lists of missing and mismatching rows separately from lists of extra rows",
                    self.side
                ),
            }
            .into()),
            None => Err(duplicate(id())),
        }
    }
}

/// The side that supplies the row; `None` for a duplicate key.
fn side_of(class: Class) -> Option<Side> {
    match class {
        Class::Missing | Class::Mismatch => Some(Side::Old),
        Class::Extra => Some(Side::New),
        Class::DuplicateKey => None,
    }
}

fn duplicate(id: String) -> Error {
    let reason = "it is a duplicate key, so it has no single row\n  remove it from the list".into();
    WavesError::NoRow { id, reason }.into()
}

fn json<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<T> {
    let content = regular_file::read(&dir.join(name), DOCUMENT_BYTES_MAX).map_err(Error::unreadable(dir.join(name)))?;
    serde_json::from_slice(&content)
        .map_err(|error| ListError::list(&dir.join(name), format!("is not what a run writes: {error}")).into())
}
