//! The cost of a run: bytes, and the threads' time by stage.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A stage of the work of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Finding the files, reading footers, planning.
    Open,
    /// Fetching bytes from files.
    Scan,
    /// Decoding pages to columns.
    Decode,
    /// Converting cells to canonical form.
    Canonicalize,
    /// Hashing rows.
    Hash,
    /// Matching equal keys.
    Match,
    /// Comparing rows with the same key.
    Compare,
    /// Running the checks.
    Check,
    /// Writing output.
    Write,
}

impl Stage {
    /// All stages in pipeline order.
    pub const ALL: [Stage; 9] = [
        Stage::Open,
        Stage::Scan,
        Stage::Decode,
        Stage::Canonicalize,
        Stage::Hash,
        Stage::Match,
        Stage::Compare,
        Stage::Check,
        Stage::Write,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Open => "open",
            Stage::Scan => "scan",
            Stage::Decode => "decode",
            Stage::Canonicalize => "settle",
            Stage::Hash => "hash",
            Stage::Match => "match",
            Stage::Compare => "compare",
            Stage::Check => "check",
            Stage::Write => "write",
        }
    }
}

/// The costs of one run, summed over all threads.
#[derive(Debug, Default)]
pub struct Timings {
    bytes_read: AtomicU64,
    bytes_spilled: AtomicU64,
    bytes_identical: AtomicU64,
    nanoseconds: [AtomicU64; Stage::ALL.len()],
}

thread_local! {
    /// The stage of this thread, and the start of its time that is not yet recorded.
    static CURRENT: Cell<Option<(Stage, Instant)>> = const { Cell::new(None) };
}

impl Timings {
    /// Times what the current thread does until the guard is dropped. A stage entered meanwhile counts for itself
    /// alone.
    #[must_use = "the stage ends when the guard is dropped"]
    pub(crate) fn enter(&self, stage: Stage) -> StageGuard<'_> {
        let now = Instant::now();
        let outer = CURRENT.replace(Some((stage, now)));
        if let Some((outer, since)) = outer {
            self.add(outer, now - since);
        }
        StageGuard { timings: self, outer: outer.map(|(outer, _)| outer), thread: PhantomData }
    }

    /// Times a piece of work as [`Timings::enter`] does.
    pub(crate) fn stage<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let _stage = self.enter(stage);
        work()
    }

    fn add(&self, stage: Stage, time: Duration) {
        self.nanoseconds[stage as usize].fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The time in each stage, summed over all threads.
    pub fn times(&self) -> Vec<(Stage, Duration)> {
        let time = |stage: Stage| Duration::from_nanos(self.nanoseconds[stage as usize].load(Ordering::Relaxed));
        Stage::ALL.into_iter().map(|stage| (stage, time(stage))).collect()
    }

    /// Counts bytes read from the files of the snapshots.
    pub fn count_read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes written to working files.
    pub fn count_spilled(&self, bytes: u64) {
        self.bytes_spilled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are the same on both sides and were not decoded.
    pub fn count_identical(&self, bytes: u64) {
        self.bytes_identical.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes so far that are the same on both sides and were not decoded.
    pub fn bytes_identical(&self) -> u64 {
        self.bytes_identical.load(Ordering::Relaxed)
    }

    /// Bytes read so far, including second reads.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    pub fn bytes_spilled(&self) -> u64 {
        self.bytes_spilled.load(Ordering::Relaxed)
    }
}

/// Ends a stage when it is dropped, and resumes the one around it.
pub(crate) struct StageGuard<'a> {
    timings: &'a Timings,
    outer: Option<Stage>,
    /// The stage belongs to the thread that entered it.
    thread: PhantomData<*const ()>,
}

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some((stage, since)) = CURRENT.replace(self.outer.map(|outer| (outer, now))) {
            self.timings.add(stage, now - since);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn a_stage_within_another_counts_for_itself_alone() {
        let meter = Timings::default();
        let nap = Duration::from_millis(20);
        meter.stage(Stage::Compare, || {
            sleep(nap);
            meter.stage(Stage::Decode, || sleep(3 * nap));
        });
        let time = |stage: Stage| meter.times()[stage as usize].1;
        assert!(time(Stage::Decode) >= 3 * nap);
        assert!(time(Stage::Compare) >= nap && time(Stage::Compare) < 3 * nap, "{:?}", time(Stage::Compare));
        assert_eq!(time(Stage::Open), Duration::ZERO);
    }
}
