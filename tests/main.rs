//! The integration tests, in one binary:
//!
//! * `bad_input`: bad input ends with exit code 2 and leaves nothing behind
//! * `cases`: folders under `fixtures/cases`, which can be added without Rust
//! * `certificate`: written certificates are verified, and nothing else is
//! * `checks`: checks in SQL, their library, and their parameters
//! * `clean_runs`: which earlier runs prove that a row was clean
//! * `cli`: help, usage errors, and exit codes
//! * `equality`: which values are equal, type by type
//! * `exports`: one table, exported by many programs
//! * `foreign`: damaged or hostile files, job files, and SQL are refused quickly and by name
//! * `groups`: groups that move as a whole
//! * `history`: runs with a history, over thirty nights
//! * `house`: rules for the source code
//! * `identical`: threads, batch sizes, memory, and file splits do not change a byte of the output
//! * `init`: proposed jobs run, and with all suggestions taken, equal stores match
//! * `init_finest`, `init_folder`: proposed rules are the finest that explain the differences
//! * `init_key`: proposed keys
//! * `init_objections`: warnings about rules that would hide differences
//! * `init_pairs`: proposed pairs of columns and readings
//! * `inspect`: reports on snapshots before they are compared
//! * `interrupted`: killed at any moment, or with any system call failing
//! * `jobs`: job files, their errors, several jobs at once, and locks
//! * `shared_rules`: rules that do not belong to a column
//! * `terminal`: reports in a terminal
//! * `shards`: sides in several places
//! * `messages`: commands that send messages
//! * `nested`: rules of fields in structs
//! * `violations`: violations of checks over several nights
//! * `many_jobs`: several jobs of one command
//! * `loading`, `typed_formats`: files that are not Parquet
//! * `memory`: the memory limit holds, or the run is refused
//! * `misplaced`: values that are correct but under another key
//! * `nightly`: redaction in nightly reports, and output for machines
//! * `opening`: which files a path denotes
//! * `pages`: the commands on the pages of the migrations
//! * `private`: no private value is in any output
//! * `properties`: random tables; both strategies, SQL, and a naive recomputation agree
//! * `publish`: output replaces nothing, and inputs must not change during a run
//! * `pyarrow`: generated, changed, rewritten, and damaged files, compared with another implementation
//! * `readings`: the tiers of values that are equal as read
//! * `rules`: random rules; both strategies and SQL count the same tiers
//! * `schema`: the JSON Schema of the report
//! * `signoff`: what is approved, what is blocked, and what is found after the delete
//! * `signoff_evidence`: evidence of any type and source
//! * `stores`: values as stores print them, and the rules for them
//! * `support`: helpers for the tests
//! * `waves`: ID lists cut into waves and shards
//! * `waves_refused`: invalid lists and requests for waves

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "a test binary has no users")]

mod bad_input;
mod cases;
mod causes;
mod certificate;
mod checks;
mod clean_runs;
mod cli;
mod equality;
mod exports;
mod foreign;
mod groups;
mod history;
mod house;
mod jobs;
mod identical;
mod init;
mod init_finest;
mod init_folder;
mod init_key;
mod init_objections;
mod init_pairs;
mod loading;
mod many_jobs;
mod typed_formats;
mod inspect;
mod interrupted;
mod memory;
mod messages;
mod misplaced;
mod nested;
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
mod shared_rules;
mod shards;
mod signoff;
mod signoff_evidence;
mod signoff_fields;
mod slices;
mod stores;
mod support;
mod terminal;
mod violations;
mod waves;
mod waves_refused;
