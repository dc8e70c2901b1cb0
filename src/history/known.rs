//! `history.parquet`: what a run knows of every discrepancy, for the runs after it. It stays when the large files of an
//! old run are taken away.
//!
//! | column | type | holds |
//! | --- | --- | --- |
//! | `key` | 16 bytes | the digest of the key |
//! | `class` | text | the class that it has, or had when it was last seen |
//! | `old_values`, `new_values` | 16 bytes | of a mismatch, the digest of each side's values in the changed columns |
//! | `first_run` | text | the run that saw it first |
//! | `age` | integer | in how many pairs of snapshots in a row it has been seen |
//! | `in_flight` | boolean | whether the snapshots' times explained it |
//! | `counted` | boolean | whether it counted against the gates |
//! | `gone_for` | integer | for how many pairs it has not been seen; NULL while it is there |

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, RecordBatch, StringArray,
    UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::identity::{Digest, State};
use super::past::PastRun;
use crate::class::Class;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::manifest;
use crate::regular_file;
use crate::run_dir::OutputFile;
use crate::sides::Sides;
use crate::snapshot::open_parquet;

/// The file's name in a run directory.
pub const FILE: &str = "history.parquet";
/// A discrepancy that is gone is remembered for so many pairs of snapshots; if it comes back later, it counts as new.
const REMEMBERED_PAIRS: u32 = 90;
/// What a discrepancy takes in memory while runs are compared, roughly.
const KNOWN_BYTES: u64 = 160;
/// Rows that are written together.
const GROUP_ROWS: usize = 64 << 10;

/// What is known of one discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What it is, or was when it was last seen.
    pub state: State,
    /// The run that saw it first.
    pub first_run: Arc<str>,
    /// In how many pairs of snapshots in a row it has been seen.
    pub age: u32,
    /// Whether the snapshots' times explained it.
    pub in_flight: bool,
    /// Whether it counted against the gates.
    pub counted: bool,
    /// For how many pairs it has not been seen.
    pub gone_for: Option<u32>,
}

/// What a run knew, by key.
pub type AllKnown = HashMap<Digest, Known>;

/// Reads what a past run knew, as long as that fits the working memory.
///
/// # Errors
/// In words, if the file is not whole; as an error, if it does not fit.
pub fn read(run: &PastRun, engine: &Engine) -> Result<Result<AllKnown, String>> {
    if let Err(reason) = run.require_whole(FILE) {
        return Ok(Err(reason));
    }
    let path = run.dir.join(FILE);
    let opened = regular_file::open(&path).map_err(|error| error.to_string());
    let reader = opened.and_then(|file| open_parquet(file).map_err(|error| error.to_string()));
    let reader = match reader {
        Ok(reader) => reader,
        Err(reason) => return Ok(Err(format!("`{FILE}`: {reason}"))),
    };
    let rows = reader.metadata().file_metadata().num_rows().max(0) as u64;
    let (room, limit) = (engine.working_memory(), engine.limits().memory);
    if rows.saturating_mul(KNOWN_BYTES) > room {
        return Err(Error::MemoryTooSmall {
            limit,
            needed: limit.saturating_sub(room).saturating_add(rows.saturating_mul(KNOWN_BYTES)),
        });
    }
    let mut known = AllKnown::with_capacity(rows as usize);
    let mut runs: HashMap<String, Arc<str>> = HashMap::new();
    let read = || -> Result<AllKnown, String> {
        for batch in reader.build().map_err(|error| error.to_string())? {
            add(&batch.map_err(|error| error.to_string())?, &mut known, &mut runs)?;
        }
        Ok(known)
    };
    Ok(read().map_err(|reason| format!("`{FILE}`: {reason}")))
}

fn add(batch: &RecordBatch, known: &mut AllKnown, runs: &mut HashMap<String, Arc<str>>) -> Result<(), String> {
    if batch.schema().fields() != schema().fields() {
        return Err("its columns are not those of this version".into());
    }
    let digests = |at: usize| batch.column(at).as_fixed_size_binary();
    let (keys, values) = (digests(0), Sides { old: digests(2), new: digests(3) });
    let (classes, first_runs) = (batch.column(1).as_string::<i32>(), batch.column(4).as_string::<i32>());
    let (ages, gone) = (batch.column(5).as_primitive::<UInt32Type>(), batch.column(8).as_primitive::<UInt32Type>());
    let (in_flight, counted) = (batch.column(6).as_boolean(), batch.column(7).as_boolean());
    let digest = |array: &FixedSizeBinaryArray, row: usize| -> Option<Digest> {
        array.is_valid(row).then(|| array.value(row).try_into().ok()).flatten()
    };
    for row in 0..batch.num_rows() {
        let (Some(key), Some(class)) = (digest(keys, row), Class::from_name(classes.value(row))) else {
            return Err(format!("row {row} makes no sense"));
        };
        let first_run = first_runs.value(row);
        let first_run = runs.entry(first_run.into()).or_insert_with(|| first_run.into()).clone();
        let state = State { class, values: values.as_ref().map(|values| digest(values, row)) };
        let gone_for = gone.is_valid(row).then(|| gone.value(row));
        let (in_flight, counted) = (in_flight.value(row), counted.value(row));
        let entry = Known { state, first_run, age: ages.value(row), in_flight, counted, gone_for };
        known.insert(key, entry);
    }
    Ok(())
}

fn schema() -> SchemaRef {
    let digest = |name: &str, nullable| Field::new(name, DataType::FixedSizeBinary(16), nullable);
    Schema::new(vec![
        digest("key", false),
        Field::new("class", DataType::Utf8, false),
        digest("old_values", true),
        digest("new_values", true),
        Field::new("first_run", DataType::Utf8, false),
        Field::new("age", DataType::UInt32, false),
        Field::new("in_flight", DataType::Boolean, false),
        Field::new("counted", DataType::Boolean, false),
        Field::new("gone_for", DataType::UInt32, true),
    ])
    .into()
}

/// Writes what this run knows.
pub struct Writer {
    file: ArrowWriter<OutputFile>,
}

impl Writer {
    /// Begins the file.
    pub fn create(file: OutputFile) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = ArrowWriter::try_new(file, schema(), Some(properties)).map_err(Error::internal)?;
        Ok(Writer { file })
    }

    /// Adds discrepancies.
    pub fn write(&mut self, known: &[(Digest, Known)]) -> Result<()> {
        let digests = |each: &dyn Fn(&(Digest, Known)) -> Option<Digest>| -> Result<ArrayRef> {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(known.len(), 16);
            for known in known {
                match each(known) {
                    Some(digest) => builder.append_value(digest)?,
                    None => builder.append_null(),
                }
            }
            Ok(Arc::new(builder.finish()))
        };
        let entries = || known.iter().map(|(_, known)| known);
        let columns: Vec<ArrayRef> = vec![
            digests(&|(key, _)| Some(*key))?,
            Arc::new(StringArray::from_iter_values(entries().map(|known| known.state.class.name()))),
            digests(&|(_, known)| known.state.values.old)?,
            digests(&|(_, known)| known.state.values.new)?,
            Arc::new(StringArray::from_iter_values(entries().map(|known| known.first_run.as_ref()))),
            Arc::new(UInt32Array::from_iter_values(entries().map(|known| known.age))),
            Arc::new(BooleanArray::from_iter(entries().map(|known| Some(known.in_flight)))),
            Arc::new(BooleanArray::from_iter(entries().map(|known| Some(known.counted)))),
            Arc::new(entries().map(|known| known.gone_for).collect::<UInt32Array>()),
        ];
        let batch = RecordBatch::try_new(schema(), columns)?;
        self.file.write(&batch).map_err(Error::internal)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<manifest::Digest> {
        self.file.into_inner().map_err(Error::internal)?.finish()
    }
}

impl Known {
    /// The same, one pair of snapshots later, in which it was not seen; `None` once it need not be remembered.
    pub fn gone(&self) -> Option<Self> {
        let gone_for = self.gone_for.unwrap_or(0) + 1;
        (gone_for <= REMEMBERED_PAIRS).then(|| Known {
            gone_for: Some(gone_for),
            in_flight: false,
            counted: false,
            ..self.clone()
        })
    }
}
