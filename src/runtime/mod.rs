//! The environment of every stage: threads, memory, working files, log, and progress bar.

pub(crate) mod log;
pub(crate) mod work_dir;
pub(crate) mod parquet_file;
pub(crate) mod parallel_parquet;
pub(crate) mod file_identity;
pub(crate) mod progress;
pub(crate) mod options;
pub(crate) mod timings;
pub(crate) mod spilling;
pub(crate) mod memory;
pub(crate) mod engine;
