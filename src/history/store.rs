//! `history.parquet`: the discrepancies of a run, for later runs. It is kept when the large files of an old run are
//! removed.
//!
//! | column | type | contents |
//! | --- | --- | --- |
//! | `key` | 16 bytes | the digest of the key |
//! | `class` | text | its class when it was last seen |
//! | `old_values`, `new_values` | 16 bytes | the digest of each side's values in the changed columns of a mismatch |
//! | `first_run` | text | the first run that found it |
//! | `age` | integer | the number of consecutive pairs of snapshots in which it has been seen |
//! | `in_flight` | boolean | whether it was in flight |
//! | `counted` | boolean | whether it counted against the gates |
//! | `gone_for` | integer | the number of pairs of snapshots since it is gone; NULL while it exists |

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, RecordBatch, StringArray,
    UInt32Array,
};
use arrow::compute::{filter, is_null};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::identity::{DiscrepancyDigest, FindingState};
use super::past::PastRun;
use crate::class::Class;
use crate::error::{MemoryError, Result};
use crate::output::run_dir::OutputFile;
use crate::regular_file;
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::sides::Sides;
use crate::snapshot::open_parquet;

/// The name of the file in a run directory.
pub(crate) const FILE: &str = "history.parquet";
/// The number of pairs of snapshots for which a resolved discrepancy is kept. If it comes back later, it counts as new.
const REMEMBERED_PAIRS: u32 = 90;
/// The memory for a discrepancy while runs are compared, in bytes: its entry, and whether it was taken.
const KNOWN_BYTES: u64 = (size_of::<(DiscrepancyDigest, StoredFinding)>() + size_of::<bool>()) as u64;
/// The indexes of two columns.
const KEY: usize = 0;
const GONE_FOR: usize = 8;
/// The number of rows per row group.
pub(super) const GROUP_ROWS: usize = 64 << 10;

/// The entry of a discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFinding {
    /// Its state when it was last seen.
    pub state: FindingState,
    /// The first run that found it.
    pub first_run: Arc<str>,
    /// The number of consecutive pairs of snapshots in which it has been seen.
    pub age: u32,
    /// Whether it was in flight.
    pub in_flight: bool,
    /// Whether it counted against the gates.
    pub counted: bool,
    /// The number of pairs of snapshots since it is gone.
    pub gone_for: Option<u32>,
}

/// The entries of a run, sorted by key. This takes half the memory of a hash map.
#[derive(Debug, Default)]
pub(crate) struct HistoryStore {
    entries: Vec<(DiscrepancyDigest, StoredFinding)>,
    taken: Vec<bool>,
}

impl HistoryStore {
    fn of(mut entries: Vec<(DiscrepancyDigest, StoredFinding)>) -> Self {
        entries.sort_unstable_by_key(|(key, _)| *key);
        HistoryStore { taken: vec![false; entries.len()], entries }
    }

    fn find(&self, key: &DiscrepancyDigest) -> Option<usize> {
        let found = self.entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        (!self.taken[found]).then_some(found)
    }

    /// Removes and returns the entry of a discrepancy.
    pub(crate) fn take(&mut self, key: &DiscrepancyDigest) -> Option<StoredFinding> {
        let found = self.find(key)?;
        self.taken[found] = true;
        Some(self.entries[found].1.clone())
    }

    /// Returns the entries that were not taken, by ascending key.
    pub(crate) fn left(&self) -> impl Iterator<Item = &(DiscrepancyDigest, StoredFinding)> {
        self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken).map(|(entry, _)| entry)
    }
}

/// Opens the history of a past run.
///
/// # Errors
/// Fails with a message if the file is invalid.
fn open(run: &PastRun) -> Result<ParquetRecordBatchReaderBuilder<File>, String> {
    run.require_whole(FILE)?;
    let opened = regular_file::open(&run.dir.join(FILE)).map_err(|error| error.to_string());
    let reader = opened.and_then(|file| open_parquet(file).map_err(|error| error.to_string()));
    let reader = reader.map_err(|reason| format!("`{FILE}`: {reason}"))?;
    match reader.schema().fields() == schema().fields() {
        true => Ok(reader),
        false => Err(format!("`{FILE}` has different columns in this version")),
    }
}

/// Refuses to read more rows of an earlier run than fit in memory; `bytes` is the memory for a row.
pub(super) fn require_room(engine: &Engine, rows: u64, bytes: u64) -> Result<()> {
    let (room, limit) = (engine.working_memory(), engine.limits().memory);
    let taken = rows.saturating_mul(bytes);
    if taken > room {
        let needed = limit.saturating_sub(room).saturating_add(taken);
        return Err(MemoryError::TooSmall { limit, needed }.into());
    }
    Ok(())
}

/// Reads the history of a past run into the working memory.
///
/// # Errors
/// Fails with a message if the file is invalid, and with an error if it does not fit in memory.
pub(super) fn read(run: &PastRun, engine: &Engine) -> Result<Result<HistoryStore, String>> {
    let reader = match open(run) {
        Ok(reader) => reader,
        Err(reason) => return Ok(Err(reason)),
    };
    let rows = reader.metadata().file_metadata().num_rows().max(0) as u64;
    require_room(engine, rows, KNOWN_BYTES)?;
    let mut known = Vec::with_capacity(rows as usize);
    let mut runs: HashMap<String, Arc<str>> = HashMap::new();
    let read = || -> Result<HistoryStore, String> {
        for batch in reader.build().map_err(|error| error.to_string())? {
            add(&batch.map_err(|error| error.to_string())?, &mut known, &mut runs)?;
        }
        Ok(HistoryStore::of(known))
    };
    Ok(read().map_err(|reason| format!("`{FILE}`: {reason}")))
}

/// Passes the keys of a past run's discrepancies to `take`, batch by batch, as arrays of digests.
///
/// # Errors
/// Fails with a message if the file is invalid, and with an error if `take` fails.
pub(super) fn each_unclean(run: &PastRun, mut take: impl FnMut(ArrayRef) -> Result<()>) -> Result<Result<(), String>> {
    let reader = open(run).and_then(|reader| {
        let columns = ProjectionMask::roots(reader.parquet_schema(), [KEY, GONE_FOR]);
        reader.with_projection(columns).build().map_err(|error| format!("`{FILE}`: {error}"))
    });
    let reader = match reader {
        Ok(reader) => reader,
        Err(reason) => return Ok(Err(reason)),
    };
    for batch in reader {
        match batch {
            Ok(batch) => take(filter(batch.column(0), &is_null(batch.column(1))?)?)?,
            Err(error) => return Ok(Err(format!("`{FILE}`: {error}"))),
        }
    }
    Ok(Ok(()))
}

fn add(
    batch: &RecordBatch,
    known: &mut Vec<(DiscrepancyDigest, StoredFinding)>,
    runs: &mut HashMap<String, Arc<str>>,
) -> Result<(), String> {
    let digests = |at: usize| batch.column(at).as_fixed_size_binary();
    let (keys, values) = (digests(KEY), Sides { old: digests(2), new: digests(3) });
    let (classes, first_runs) = (batch.column(1).as_string::<i32>(), batch.column(4).as_string::<i32>());
    let (ages, gone) =
        (batch.column(5).as_primitive::<UInt32Type>(), batch.column(GONE_FOR).as_primitive::<UInt32Type>());
    let (in_flight, counted) = (batch.column(6).as_boolean(), batch.column(7).as_boolean());
    let digest = |array: &FixedSizeBinaryArray, row: usize| -> Option<DiscrepancyDigest> {
        array.is_valid(row).then(|| array.value(row).try_into().ok()).flatten()
    };
    for row in 0..batch.num_rows() {
        let (Some(key), Some(class)) = (digest(keys, row), Class::from_name(classes.value(row))) else {
            return Err(format!("row {row} is invalid"));
        };
        let first_run = first_runs.value(row);
        let first_run = runs.entry(first_run.into()).or_insert_with(|| first_run.into()).clone();
        let state = FindingState { class, values: values.as_ref().map(|values| digest(values, row)) };
        let gone_for = gone.is_valid(row).then(|| gone.value(row));
        let (in_flight, counted) = (in_flight.value(row), counted.value(row));
        let entry = StoredFinding { state, first_run, age: ages.value(row), in_flight, counted, gone_for };
        known.push((key, entry));
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

/// Writes the history of this run.
pub(super) struct HistoryWriter {
    file: ParquetWriter<OutputFile>,
}

impl HistoryWriter {
    /// Creates the file.
    pub(super) fn create(file: OutputFile) -> Result<Self> {
        let purpose = Purpose::History { path: file.path(), group_rows: GROUP_ROWS };
        Ok(HistoryWriter { file: ParquetWriter::begin(file, schema(), purpose)? })
    }

    pub(super) fn write(&mut self, known: &[(DiscrepancyDigest, StoredFinding)]) -> Result<()> {
        let digests =
            |each: &dyn Fn(&(DiscrepancyDigest, StoredFinding)) -> Option<DiscrepancyDigest>| -> Result<ArrayRef> {
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
        self.file.write(&batch)
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<()> {
        self.file.finish()?.finish().map(drop)
    }
}

impl StoredFinding {
    /// Returns the entry after one more pair of snapshots without the discrepancy; `None` if it need not be kept.
    pub(crate) fn gone(&self) -> Option<Self> {
        let gone_for = self.gone_for.unwrap_or(0) + 1;
        (gone_for <= REMEMBERED_PAIRS).then(|| StoredFinding {
            gone_for: Some(gone_for),
            in_flight: false,
            counted: false,
            ..self.clone()
        })
    }
}
