//! Writes results. A run directory is either complete or absent.

pub(crate) mod replace;
pub(crate) mod manifest;
pub(crate) mod destination;
pub(crate) mod run_dir;
pub(crate) mod job_dir;
