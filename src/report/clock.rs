//! The circumstances of a run: when it began, what it cost, what it read.

use std::path::PathBuf;

use super::{Input, MatchingWay, Run, StageTime};
use crate::job::{Job, Source};
use crate::run::{RunClock, Session};
use crate::runtime::engine::Engine;
use crate::sides::Sides;
use crate::snapshot::Snapshot;

/// What a run cost and how it went.
pub struct RunStats {
    clock: RunClock,
    out: Option<PathBuf>,
    seconds: f64,
    stages: Vec<StageTime>,
    bytes_read: u64,
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
