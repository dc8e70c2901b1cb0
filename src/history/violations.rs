//! `violations.parquet`: the violations of the checks of a run, for later runs. It is kept when the large files of an old
//! run are removed.
//!
//! | column | type | contents |
//! | --- | --- | --- |
//! | `check` | 16 bytes | the digest of the check's name and query |
//! | `id` | 16 bytes | the digest of the IDs of the violation |
//! | `first_run` | text | the first run that found it |
//! | `age` | integer | the number of consecutive pairs of snapshots in which it has been seen |

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, RecordBatch, StringBuilder, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};

use super::Oldest;
use super::past::PastRun;
use super::store::{GROUP_ROWS, require_room};
use crate::error::Result;
use crate::output::run_dir::{OutputFile, RunDir};
use crate::regular_file;
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::snapshot::open_parquet;

const FILE: &str = "violations.parquet";
/// The memory for a violation of the run before, in bytes: twice its entry, because a map is not always full.
const KNOWN_BYTES: u64 = 2 * size_of::<(ViolationKey, KnownViolation)>() as u64;

/// The digests of a check and of the IDs of a violation.
type ViolationKey = [[u8; 16]; 2];

/// A violation of the run before.
struct KnownViolation {
    first_run: Arc<str>,
    age: u32,
    /// How many rows have these IDs, and how many of them were seen again.
    rows: u64,
    seen: u64,
}

/// How the violations of a check relate to those of the run before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ViolationStanding {
    /// Violations that the run before did not have.
    pub new: u64,
    /// Violations that it had as well.
    pub persisting: u64,
    /// Violations of the run before that are gone.
    pub resolved: u64,
    /// The violation that has persisted longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Oldest>,
}

/// Relates the violations of a run to those of the run before, and writes them for the next one.
pub(crate) struct ViolationHistory {
    known: Option<HashMap<ViolationKey, KnownViolation>>,
    run: Arc<str>,
    file: Option<ParquetWriter<OutputFile>>,
}

/// The violations of one check, as they come.
pub(crate) struct CheckHistory<'a> {
    all: &'a mut ViolationHistory,
    check: [u8; 16],
    standing: ViolationStanding,
    checks: FixedSizeBinaryBuilder,
    ids: FixedSizeBinaryBuilder,
    first_runs: StringBuilder,
    ages: Vec<u32>,
}

/// The first half of a digest.
pub(crate) fn half(digest: blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_bytes()[..16]);
    half
}

impl ViolationHistory {
    /// Reads the violations of the run before. Without it, or if its file cannot be used, violations have no standing.
    ///
    /// # Errors
    /// If they do not fit in memory, or if this run's file cannot be created.
    pub(crate) fn begin(
        engine: &Engine,
        previous: Option<&PastRun>,
        run: &str,
        run_dir: Option<&RunDir>,
    ) -> Result<Self> {
        let known = match previous {
            Some(previous) => read(previous, engine)?,
            None => None,
        };
        let file = run_dir.map(|run_dir| {
            let file = run_dir.create(FILE)?;
            let purpose = Purpose::History { path: file.path(), group_rows: GROUP_ROWS };
            ParquetWriter::begin(file, schema(), purpose)
        });
        Ok(ViolationHistory { known, run: run.into(), file: file.transpose()? })
    }

    /// Begins the violations of a check.
    pub(crate) fn of_check(&mut self, check: [u8; 16]) -> CheckHistory<'_> {
        CheckHistory {
            all: self,
            check,
            standing: ViolationStanding { new: 0, persisting: 0, resolved: 0, oldest: None },
            checks: FixedSizeBinaryBuilder::new(16),
            ids: FixedSizeBinaryBuilder::new(16),
            first_runs: StringBuilder::new(),
            ages: vec![],
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.map_or(Ok(()), |file| file.finish()?.finish().map(drop))
    }
}

impl CheckHistory<'_> {
    /// Takes up a violation. NULL in its IDs identifies nothing, so it is always new, and so are more rows with the same
    /// IDs than the run before had.
    pub(crate) fn take(&mut self, id: [u8; 16], identifies: bool) -> Result<()> {
        let known = self.all.known.as_mut().and_then(|known| known.get_mut(&[self.check, id]));
        let known = known.filter(|known| identifies && known.seen < known.rows);
        let (first_run, age) = match known {
            Some(known) => {
                known.seen += 1;
                self.standing.persisting += 1;
                let age = known.age + 1;
                if self.standing.oldest.as_ref().is_none_or(|oldest| oldest.age < age) {
                    self.standing.oldest = Some(Oldest { age, first_run: known.first_run.to_string() });
                }
                (known.first_run.clone(), age)
            }
            None => {
                self.standing.new += 1;
                (self.all.run.clone(), 1)
            }
        };
        self.checks.append_value(self.check)?;
        self.ids.append_value(id)?;
        self.first_runs.append_value(&first_run);
        self.ages.push(age);
        if self.ages.len() >= GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let ages = UInt32Array::from(std::mem::take(&mut self.ages));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.checks.finish()),
            Arc::new(self.ids.finish()),
            Arc::new(self.first_runs.finish()),
            Arc::new(ages),
        ];
        match &mut self.all.file {
            Some(file) => file.write(&RecordBatch::try_new(schema(), columns)?),
            None => Ok(()),
        }
    }

    /// How the violations relate to those of the run before; `None` if there is none with this check.
    pub(crate) fn finish(mut self) -> Result<Option<ViolationStanding>> {
        self.flush()?;
        let Some(known) = &self.all.known else { return Ok(None) };
        let own = known.iter().filter(|([check, _], _)| *check == self.check);
        self.standing.resolved = own.map(|(_, known)| known.rows - known.seen).sum();
        Ok(Some(self.standing))
    }
}

/// The violations of an earlier run; `None` if its file cannot be used.
fn read(run: &PastRun, engine: &Engine) -> Result<Option<HashMap<ViolationKey, KnownViolation>>> {
    let opened = || {
        run.require_whole(FILE).ok()?;
        open_parquet(regular_file::open(&run.dir.join(FILE)).ok()?).ok()
    };
    let Some(reader) = opened().filter(|reader| reader.schema().fields() == schema().fields()) else { return Ok(None) };
    let rows = reader.metadata().file_metadata().num_rows().max(0) as u64;
    require_room(engine, rows, KNOWN_BYTES)?;
    let mut known = HashMap::with_capacity(rows as usize);
    let mut runs: HashMap<String, Arc<str>> = HashMap::new();
    let Ok(batches) = reader.build() else { return Ok(None) };
    for batch in batches {
        let Ok(batch) = batch else { return Ok(None) };
        let digests = |at: usize| batch.column(at).as_fixed_size_binary();
        let first_runs = batch.column(2).as_string::<i32>();
        let ages = batch.column(3).as_primitive::<UInt32Type>();
        for row in 0..batch.num_rows() {
            let half = |at: usize| <[u8; 16]>::try_from(digests(at).value(row)).ok();
            let (Some(check), Some(id)) = (half(0), half(1)) else { return Ok(None) };
            let first_run = first_runs.value(row);
            let first_run = runs.entry(first_run.into()).or_insert_with(|| first_run.into()).clone();
            let age = ages.value(row);
            let entry = known.entry([check, id]);
            entry.or_insert(KnownViolation { first_run, age, rows: 0, seen: 0 }).rows += 1;
        }
    }
    Ok(Some(known))
}

fn schema() -> SchemaRef {
    let digest = |name: &str| Field::new(name, DataType::FixedSizeBinary(16), false);
    Schema::new(vec![
        digest("check"),
        digest("id"),
        Field::new("first_run", DataType::Utf8, false),
        Field::new("age", DataType::UInt32, false),
    ])
    .into()
}
