//! Thirty nights of a migration, with a record of the defects that were planted in each.
//!
//! New is a replica of old that is exported ten minutes later. Rows change while both are exported; a bug loses updates
//! from night 12 on and is fixed on night 17; three waves backfill missing rows; a waiver for six old rows expires
//! after night 20 and is renewed on night 23; on night 24, new's export of the night before is delivered again; and
//! night 26 is run twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::class::ByClass;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::tools::demo::write_file;

/// The number of nights.
pub(crate) const NIGHTS: u32 = 30;
/// The job file of a night, by its name in the night's directory.
pub(crate) const JOB: &str = "nightly.toml";

const ROWS: i64 = 3_000;
const BACKFILLED: i64 = 300;
const WAVE: i64 = 100;
const WAVES: [u32; 3] = [5, 8, 10];
const LEGACY: i64 = 6;
const BUG: std::ops::Range<u32> = 12..17;
const LOST_PER_NIGHT: i64 = 4;
const UPDATED_IN_FLIGHT: i64 = 5;
const CREATED_IN_FLIGHT: i64 = 2;
const WAIVED_UNTIL: u32 = 20;
const RENEWED: u32 = 23;
const FROZEN: u32 = 24;
const RETRIED: u32 = 26;

/// What was planted in one night, and what a report on it must contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Night {
    /// Its number, from 1.
    pub number: u32,
    /// How many times it is run.
    pub runs: u32,
    /// The verdict.
    pub verdict: String,
    /// Discrepancies.
    pub counts: ByClass<u64>,
    /// Discrepancies that rows changing during the exports explain.
    pub in_flight: ByClass<u64>,
    /// Mismatches caused by the bug.
    pub lost_updates: u64,
    /// Rows that the waiver covers.
    pub waived: u64,
    /// Discrepancies that the night before did not have.
    pub new: ByClass<u64>,
    /// Discrepancies that the night before also had.
    pub persisting: ByClass<u64>,
    /// Discrepancies of the night before that are gone.
    pub resolved: ByClass<u64>,
    /// The age of the oldest discrepancy, in nights.
    pub oldest: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct AccountRow {
    account: i64,
    status: &'static str,
    cents: i64,
    note: String,
    updated: Timestamp,
}

type Store = BTreeMap<i64, AccountRow>;

impl Night {
    /// Checks that a report contains what was planted.
    ///
    /// # Errors
    /// [`Error::Internal`] if it does not.
    pub(crate) fn require_told(&self, report: &Report) -> Result<()> {
        let comparison = report.comparison().cloned().unwrap_or_default();
        let history = comparison.history.unwrap_or_default();
        let mut checks = vec![("verdict", report.verdict.name() == self.verdict)];
        // the report on a stale snapshot proves nothing about its rows
        if self.number != FROZEN {
            let in_flight = comparison.in_flight.as_ref();
            checks.extend([
                ("counts", comparison.counts.by_class() == self.counts),
                ("in flight", in_flight.is_some_and(|found| found.counts == self.in_flight && found.twice == 0)),
                ("lost updates", in_flight.is_some_and(|found| found.lost_updates == self.lost_updates)),
                ("waived", comparison.waivers.iter().map(|waiver| waiver.found).sum::<u64>() == self.waived),
                ("new", history.new == self.new),
                ("persisting", history.persisting == self.persisting),
                ("resolved", history.resolved == self.resolved),
                ("flapping", history.flapping.total() == 0),
                ("oldest", history.oldest.map_or(1, |oldest| oldest.age) == self.oldest),
            ]);
        }
        match checks.into_iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((what, _)) => Err(Error::Internal(format!(
                "night {}: the report of run {} does not match what was planted: {what}",
                self.number, report.run.id
            ))),
        }
    }
}

/// Writes the nights below `dir`, each as a directory with both snapshots and a job file, and the record of all nights.
pub(crate) fn write(dir: &Path) -> Result<Vec<Night>> {
    let mut stores = Stores::begin();
    let nights: Vec<Night> = (1..=NIGHTS).map(record).collect();
    let mut last_new = Store::new();
    for night in 1..=NIGHTS {
        stores.day_before(night);
        let old = stores.live.clone();
        stores.during(night);
        let new = if night == FROZEN { last_new.clone() } else { stores.replica.clone() };
        let path = night_dir(dir, night);
        write_file(&path.join("old.parquet"), &table(&old)?)?;
        write_file(&path.join("new.parquet"), &table(&new)?)?;
        let job = path.join(JOB);
        fs::write(&job, job_text(night)).map_err(Error::unwritable(&job))?;
        last_new = new;
    }
    let path = dir.join("record.json");
    let json = serde_json::to_string_pretty(&nights).map_err(Error::internal)?;
    fs::write(&path, json + "\n").map_err(Error::unwritable(&path))?;
    Ok(nights)
}

/// The directory of a night.
pub(crate) fn night_dir(dir: &Path, night: u32) -> PathBuf {
    dir.join(format!("nights/{night:02}"))
}

/// The state of both stores at one time.
struct Stores {
    live: Store,
    replica: Store,
    lost: Vec<i64>,
    next_id: i64,
}

/// When old's export of a night begins: 2026-09-01T02:00:00Z for the first night, and 24 hours later for each next one.
fn taken(night: u32) -> Timestamp {
    "2026-09-01T02:00:00Z".parse::<Timestamp>().unwrap_or_default()
        + SignedDuration::from_hours(24 * (i64::from(night) - 1))
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

impl Stores {
    fn begin() -> Self {
        let row = |id: i64| AccountRow {
            account: id / 7,
            status: ["active", "paused", "canceled"][(id % 3) as usize],
            cents: id * 37 % 9_000,
            note: format!("imported in batch {}", id % 11),
            updated: taken(1) - minutes(60 * 24 * (2 + id % 300)),
        };
        let live: Store = (1..=ROWS).map(|id| (id, row(id))).collect();
        let mut replica = live.clone();
        // the last rows have not been copied yet, and the first were copied by another program
        replica.retain(|id, _| *id <= ROWS - BACKFILLED);
        for (_, row) in replica.range_mut(1..=LEGACY) {
            row.note = row.note.to_uppercase();
        }
        Stores { live, replica, lost: vec![], next_id: ROWS + 1 }
    }

    /// Everything that happens between the exports of two nights.
    fn day_before(&mut self, night: u32) {
        let changed = |nth: i64| LEGACY + 1 + (i64::from(night) * 40 + nth) % (ROWS - BACKFILLED - LEGACY);
        for nth in 0..30 {
            let id = changed(nth);
            let is_lost = BUG.contains(&night) && nth < LOST_PER_NIGHT;
            let Some(row) = self.live.get_mut(&id) else { continue };
            row.cents += 100 + nth;
            row.updated = taken(night) - minutes(60 + nth * 20);
            match is_lost {
                true => self.lost.push(id),
                false => drop(self.replica.insert(id, row.clone())),
            }
        }
        if let Some(wave) = WAVES.iter().position(|wave| *wave == night) {
            let first = ROWS - BACKFILLED + 1 + wave as i64 * WAVE;
            self.copy(first..first + WAVE);
        }
        if night == BUG.end {
            let lost = std::mem::take(&mut self.lost);
            self.copy(lost);
        }
    }

    /// Everything that happens after old's export has begun.
    fn during(&mut self, night: u32) {
        let at = taken(night) + minutes(5);
        for nth in 0..UPDATED_IN_FLIGHT {
            let id = LEGACY + 1 + (i64::from(night) * 40 + 30 + nth) % (ROWS - BACKFILLED - LEGACY);
            let Some(row) = self.live.get_mut(&id) else { continue };
            row.cents += 1;
            row.updated = at;
            self.replica.insert(id, row.clone());
        }
        for _ in 0..CREATED_IN_FLIGHT {
            let row = AccountRow { account: 1, status: "active", cents: 900, note: "created".into(), updated: at };
            self.live.insert(self.next_id, row.clone());
            self.replica.insert(self.next_id, row);
            self.next_id += 1;
        }
    }

    fn copy(&mut self, ids: impl IntoIterator<Item = i64>) {
        for id in ids {
            if let Some(row) = self.live.get(&id) {
                self.replica.insert(id, row.clone());
            }
        }
    }
}

/// What was planted in a night: computed from the story above, not from the rows.
fn record(number: u32) -> Night {
    let lost =
        |night: u32| if BUG.contains(&night) { LOST_PER_NIGHT as u64 * u64::from(night - BUG.start + 1) } else { 0 };
    let waves = |night: u32| WAVES.iter().filter(|wave| **wave <= night).count() as u64;
    let missing = |night: u32| BACKFILLED as u64 - WAVE as u64 * waves(night);
    let (updated, created, legacy) = (UPDATED_IN_FLIGHT as u64, CREATED_IN_FLIGHT as u64, LEGACY as u64);
    // night 24 is not recorded in the history
    let before = if number == FROZEN + 1 { FROZEN - 1 } else { number - 1 };
    let first = u64::from(number == 1);
    let holds = number <= WAIVED_UNTIL || number >= RENEWED;
    let verdict = match number {
        FROZEN => "unverified",
        _ if lost(number) > 0 || !holds => "discrepant",
        _ => "accepted",
    };
    let new_lost = if BUG.contains(&number) { LOST_PER_NIGHT as u64 } else { 0 };
    let counts = |mismatch, missing, extra| ByClass { mismatch, missing, extra, duplicate_keys: 0 };
    let in_flight_before = if number == 1 { 0 } else { 1 };
    Night {
        number,
        runs: if number == RETRIED { 2 } else { 1 },
        verdict: verdict.into(),
        counts: counts(updated + lost(number) + legacy, missing(number), created),
        in_flight: counts(updated, 0, created),
        lost_updates: lost(number),
        waived: legacy,
        new: counts(updated + new_lost + legacy * first, missing(number) * first, created),
        persisting: counts((legacy + lost(number) - new_lost) * (1 - first), missing(number) * (1 - first), 0),
        resolved: counts(
            updated * in_flight_before + if number == BUG.end { lost(number - 1) } else { 0 },
            if number == 1 { 0 } else { missing(before) - missing(number) },
            created * in_flight_before,
        ),
        oldest: if number > FROZEN { number - 1 } else { number },
    }
}

fn job_text(night: u32) -> String {
    let expires = if night < RENEWED { "2026-09-20" } else { "2026-12-31" };
    let (old, new) = (taken(night), taken(night) + minutes(10));
    format!(
        r#"# Night {night} of {NIGHTS}
[job]
name = "accounts"

[old]
path     = "old.parquet"
taken_at = {old}

[new]
path        = "new.parquet"
taken_at    = {new}
must_change = true

[compare]
key    = ["id"]
ignore = ["updated_at"]

[in_flight]
column = "updated_at"
lag    = "1m"

[gate]
missing = {BACKFILLED}            # until the backfill is done

[[waiver]]
name    = "old-notes"
classes = ["mismatch"]
columns = ["note"]
where   = "key['id'] <= 6"
limit   = {LEGACY}
owner   = "data platform"
reason  = "copied by the first importer, which wrote capitals"
expires = {expires}

[output]
dir = "../../runs"
"#
    )
}

fn table(store: &Store) -> Result<RecordBatch> {
    let cents = Decimal128Array::from_iter_values(store.values().map(|row| i128::from(row.cents)));
    let updated = TimestampMicrosecondArray::from_iter_values(store.values().map(|row| row.updated.as_microsecond()));
    Ok(RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(store.keys().copied())) as ArrayRef),
        ("account_id", Arc::new(Int64Array::from_iter_values(store.values().map(|row| row.account)))),
        ("status", Arc::new(StringArray::from_iter_values(store.values().map(|row| row.status)))),
        ("amount", Arc::new(cents.with_precision_and_scale(12, 2)?)),
        ("note", Arc::new(StringArray::from_iter_values(store.values().map(|row| &row.note)))),
        ("updated_at", Arc::new(updated.with_timezone("UTC"))),
    ])?)
}
