//! The circumstances of a run: when it began, what it cost, what it read.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::columns::Pairing;
use crate::job::{Job, Source, TakenAt};
use crate::run::{RunClock, Session};
use crate::runtime::engine::Engine;
use crate::runtime::options::Strategy;
use crate::runtime::timings::Timings;
use crate::sides::Sides;
use crate::snapshot::{AbsentColumn, Snapshot};

/// The circumstances of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    /// Names the run: when it started, and a random part.
    pub id: String,
    /// When it started, in UTC.
    pub started: String,
    /// The program's version.
    pub version: String,
    /// How equal keys were brought together.
    pub way: MatchingWay,
    /// Why that strategy was used.
    pub way_reason: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// The threads' time, by what they were doing: more than the wall-clock time where several worked.
    pub stages: Vec<StageTime>,
    /// The most memory that the process held, where the system says.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes fetched from the snapshots, second readings included.
    pub bytes_read: u64,
    /// Bytes of both sides that were not decoded, because they are the same on both sides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub identical_bytes: u64,
    /// Bytes that went to working files.
    pub spilled_bytes: u64,
    /// What each side was.
    pub inputs: Sides<Input>,
    /// Where the lists are, if they were written.
    pub out: Option<String>,
}

/// How long threads were at one stage of the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageTime {
    /// The stage: open, scan, decode, settle, hash, match, compare, check, write.
    pub stage: String,
    /// The time, added up from all threads.
    pub seconds: f64,
}

impl StageTime {
    /// The times that were recorded so far.
    pub fn all(meter: &Timings) -> Vec<Self> {
        let round = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        meter
            .times()
            .into_iter()
            .map(|(stage, time)| StageTime { stage: stage.name().into(), seconds: round(time) })
            .collect()
    }
}

/// One side's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Input {
    /// The path as given.
    pub path: String,
    /// How many files were read.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// The query that shaped the snapshot: its file, or `inline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// When the snapshot was taken, if the job says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<TakenAt>,
    /// Files passed over because their names begin with `_` or `.`.
    pub skipped_files: usize,
    /// Columns that some files lack, and that are NULL in their rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_columns: Vec<AbsentColumn>,
    /// Those of them that look like data, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_data: Vec<String>,
}

/// How equal keys were brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchingWay {
    /// By merging sides that stand in key order.
    Ordered,
    /// By hashing every row.
    Hashed,
    /// Without a key; the reason names the way that was taken.
    Multiset,
    /// Not at all: the job has old alone.
    None,
}

impl MatchingWay {
    /// The strategy of a comparison, with its reason.
    pub fn of(pairing: &Pairing, way: Strategy, reason: String) -> (Self, String) {
        match (pairing.keyed, way) {
            (false, way) => (MatchingWay::Multiset, format!("whole rows, {way}: {reason}")),
            (true, Strategy::Ordered) => (MatchingWay::Ordered, reason),
            (true, Strategy::Hashed) => (MatchingWay::Hashed, reason),
        }
    }

    /// The name in data.
    pub(super) fn name(self) -> &'static str {
        match self {
            MatchingWay::Ordered => "ordered",
            MatchingWay::Hashed => "hashed",
            MatchingWay::Multiset => "multiset",
            MatchingWay::None => "none",
        }
    }
}

fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// What a run cost and how it went.
pub struct RunStats {
    clock: RunClock,
    out: Option<PathBuf>,
    seconds: f64,
    stages: Vec<StageTime>,
    bytes_read: u64,
    identical_bytes: u64,
    spilled_bytes: u64,
    way: MatchingWay,
    reason: String,
}

impl Run {
    /// Takes the threads' time again, now that everything is written.
    pub(crate) fn time_stages(&mut self, engine: &Engine) {
        self.stages = StageTime::all(&engine.timings);
    }
}

impl RunStats {
    /// Ends the clock of a run.
    pub(crate) fn new(session: &Session, way: MatchingWay, reason: String) -> Self {
        let Session { clock, engine, options, .. } = session;
        RunStats {
            seconds: clock.instant.elapsed().as_secs_f64(),
            stages: StageTime::all(&engine.timings),
            bytes_read: engine.timings.bytes_read(),
            identical_bytes: engine.timings.bytes_identical(),
            spilled_bytes: engine.timings.bytes_spilled(),
            out: options.out.as_ref().map(|out| out.of_run(&clock.id)),
            clock: clock.clone(),
            way,
            reason,
        }
    }

    /// The circumstances of a comparison.
    pub fn of_comparison(self, job: &Job, snapshots: &Sides<Snapshot>) -> Run {
        self.run(Sides::from_fn(|side| input(&job.sources[side], &snapshots[side])))
    }

    /// The circumstances of a look at old alone.
    pub fn of_old(self, job: &Job, old: &Snapshot) -> Run {
        let nothing = Input {
            path: String::new(),
            files: 0,
            bytes: 0,
            query: None,
            taken_at: None,
            skipped_files: 0,
            absent_columns: vec![],
            unread_data: vec![],
        };
        self.run(Sides { old: input(&job.sources.old, old), new: nothing })
    }

    fn run(self, inputs: Sides<Input>) -> Run {
        Run {
            started: self.clock.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            way: self.way,
            way_reason: self.reason,
            seconds: (self.seconds * 1000.0).round() / 1000.0,
            stages: self.stages,
            peak_memory_bytes: peak_memory_bytes(),
            bytes_read: self.bytes_read,
            identical_bytes: self.identical_bytes,
            spilled_bytes: self.spilled_bytes,
            inputs,
            out: self.out.map(|out| out.display().to_string()),
            id: self.clock.id,
        }
    }
}

/// How many files that were not read are named.
const UNREAD_SHOWN: usize = 20;

fn input(source: &Source, snapshot: &Snapshot) -> Input {
    let stored = snapshot.input();
    Input {
        path: snapshot.location.clone(),
        files: stored.files.len(),
        bytes: stored.bytes(),
        query: source.query.as_ref().map(|query| match &query.file {
            Some(file) => file.display().to_string(),
            None => "inline".into(),
        }),
        taken_at: source.taken_at.clone(),
        skipped_files: stored.skipped.len(),
        absent_columns: stored.absent_columns().to_vec(),
        unread_data: stored.unread_data().map(|path| path.display().to_string()).take(UNREAD_SHOWN).collect(),
    }
}

/// The process's high-water mark, as Linux tells it.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
