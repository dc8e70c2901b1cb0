//! The integration tests, one binary. From the outside in:
//!
//! * `cases`: folders under `fixtures/cases` that a person without Rust can add to
//! * `certificate`: what is written verifies, and nothing else does
//! * `cli`: help, errors and exit codes as a user meets them
//! * `bad_input`: what must end with exit code 2 and leave nothing behind
//! * `equality`: what is equal and what is not, type by type
//! * `opening`: which files a path means
//! * `inspect`: what is said of a snapshot before it is compared
//! * `init`, `init_finest`, `init_key`, `init_objections`, `init_pairs`: what is proposed for two snapshots, and that no
//!   proposal hides anything
//! * `pages`: the pages of the migrations, command by command
//! * `private`: no private value is in anything that is written or shown
//! * `readings`: the tier of what is equal as read
//! * `properties`: random tables; two ways, SQL and a naive recomputation have to agree
//! * `pyarrow`: generated files, whole, changed, rewritten and damaged: another implementation reads the same in them
//! * `identical`: threads, batch sizes, memory and file splits change no byte
//! * `memory`: the limit holds, or the run is refused
//! * `misplaced`: values that are right and stand under another key
//! * `schema`: the report's JSON Schema
//! * `publish`: output replaces nothing, and speaks of files that stayed the same
//! * `interrupted`: killed at any moment, or refused by the system at any call
//! * `foreign`: damaged footers, endless files, job files and SQL without measure: refused in time, and by name
//! * `clean_runs`: which earlier nights say that a row was clean
//! * `waves`, `waves_refused`: lists cut for workers
//! * `house`: the layout of `src/`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "a test binary has no users")]

mod bad_input;
mod cases;
mod certificate;
mod checks;
mod clean_runs;
mod cli;
mod equality;
mod foreign;
mod groups;
mod history;
mod house;
mod jobs;
mod identical;
mod init;
mod init_finest;
mod init_key;
mod init_objections;
mod init_pairs;
mod inspect;
mod interrupted;
mod memory;
mod misplaced;
mod nightly;
mod opening;
mod pages;
mod private;
mod properties;
mod publish;
mod pyarrow;
mod readings;
mod rules;
mod schema;
mod signoff;
mod signoff_evidence;
mod support;
mod waves;
mod waves_refused;
