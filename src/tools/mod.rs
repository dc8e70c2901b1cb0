//! The commands besides comparing: inspecting a snapshot, proposing a job, loading an export, and the demo.

pub mod inspect;
pub(crate) mod init;
pub(crate) mod demo;
pub(crate) mod load;
