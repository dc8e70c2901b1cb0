//! What every stage runs on: threads and memory, the disk for working files, the log and the progress bar.

pub(crate) mod log;
pub(crate) mod work_dir;
pub(crate) mod parquet_file;
pub(crate) mod file_identity;
pub(crate) mod progress;
pub(crate) mod timings;
pub(crate) mod spilling;
pub(crate) mod memory;
pub(crate) mod engine;
