//! How a comparison runs, as opposed to what it compares. Nothing here changes an answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::runtime::progress::Progress;

/// The number of examples of each class that a report shows by default.
pub const EXAMPLES: usize = 3;

/// How a comparison runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The strategy to use; `None` lets the planner choose.
    pub strategy: Option<Strategy>,
    /// Threads and memory.
    pub limits: Limits,
    /// Where the run directory goes; `None` writes none.
    pub out: Option<Out>,
    /// The directory with the earlier runs of the job; `None` compares with none.
    pub history: Option<PathBuf>,
    /// The directory for working files; `None` uses the disk of the run directory, or the system's temporary directory.
    pub temp: Option<PathBuf>,
    /// How many examples of each class the report shows.
    pub examples: usize,
    /// Setting it ends the work at the next batch with [`Error::Interrupted`](crate::error::Error::Interrupted).
    pub stop: Arc<AtomicBool>,
    /// What the user sees while the work goes on.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            strategy: None,
            limits: Limits::default(),
            out: None,
            history: None,
            temp: None,
            examples: EXAMPLES,
            stop: Arc::default(),
            progress: Progress::quiet(),
        }
    }
}

/// How rows with equal keys are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// A merge join of two sides that are in key order; falls back to a hash join if the order breaks.
    Ordered,
    /// A hash join: every row is hashed, and only rows that the hashes do not settle are read again.
    Hashed,
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Strategy::Ordered => "ordered",
            Strategy::Hashed => "hashed",
        })
    }
}

/// Where a run directory goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Exactly there.
    At(PathBuf),
    /// Below it, under the run's id.
    Below(PathBuf),
}

impl Out {
    /// The directory of a run.
    pub fn of_run(&self, id: &str) -> PathBuf {
        match self {
            Out::At(dir) => dir.clone(),
            Out::Below(dir) => dir.join(id),
        }
    }
}

/// What the work may cost. None of these changes an answer.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Worker threads, at least 1; fewer work where memory is tight.
    pub threads: usize,
    /// Memory for the whole process, in bytes; beyond it the work spills to disk, or is refused.
    pub memory: u64,
    /// The part of it that entries and sorts may fill; `None` takes what reading leaves. Tests narrow it.
    pub working: Option<u64>,
    /// Rows per batch, at most.
    pub batch_rows: usize,
    /// How many bits of the key hash are used, 0 to 64. Fewer bits mean more collisions, which cost
    /// time and never truth; tests narrow it to prove that.
    pub key_hash_bits: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory: 4 << 30,
            working: None,
            batch_rows: 8192,
            key_hash_bits: 64,
        }
    }
}
