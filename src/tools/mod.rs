//! The commands beside comparing: looking into a snapshot, proposing a job, showing what a run looks like.

pub mod inspect;
pub(crate) mod init;
pub(crate) mod demo;
