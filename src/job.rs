//! What one comparison is asked to do, resolved once; nothing downstream sees a raw flag.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::sides::Sides;

/// One comparison of two snapshots.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job's name in reports.
    pub name: String,
    /// Where each snapshot is: a file, a directory or a glob.
    pub paths: Sides<String>,
    /// Whether a side without rows is right.
    pub allow_empty: bool,
    /// How rows of the two sides find each other.
    pub identity: Identity,
    /// Which columns take part.
    pub selection: Selection,
    /// The matching way to take; `None` lets the planner choose.
    pub way: Option<Way>,
    /// What the work may cost.
    pub limits: Limits,
    /// Where the run directory goes; `None` writes none.
    pub out: Option<PathBuf>,
    /// How many examples of each class the reports show.
    pub examples: usize,
}

/// How rows find their counterparts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// By the values of these columns, in this order.
    Key(Vec<String>),
    /// Not at all: rows are compared whole, as a multiset.
    WholeRow,
}

/// Which columns are compared, and with which.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Compare only these (and the key); empty means all.
    pub columns: Vec<String>,
    /// Leave these out.
    pub ignore: Vec<String>,
    /// Old name to new name, where the names alone do not say it.
    pub map: BTreeMap<String, String>,
}

/// A way of bringing equal keys together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Merge two sides that stand in key order; falls back to hashed when they do not.
    Ordered,
    /// Hash every row, and read again only what the hashes do not settle.
    Hashed,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Way::Ordered => "ordered",
            Way::Hashed => "hashed",
        })
    }
}

/// What the work may cost. None of these changes an answer.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Memory for the whole process, in bytes; beyond it the work spills to disk.
    pub memory: u64,
    /// Rows per batch.
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
            batch_rows: 8192,
            key_hash_bits: 64,
        }
    }
}
