//! The certificate of a sign-off by countersign: a signed record of the result and of the files that it is about, in
//! formats that other tools can also verify. A delete job links this crate to find out which IDs may be deleted; it
//! needs neither the snapshots nor the engine that compared them.
//!
//! * [`statement`]: the content that is signed, an in-toto Statement
//! * [`digests`]: the digests that identify files in a statement
//! * [`keys`]: Ed25519 keys and their files
//! * [`envelope`]: the file `certificate.json`, a DSSE envelope
//! * [`mod@verify`]: the checks to run before a delete
//! * [`listed`]: the approved list, and lookups of IDs in it
//! * [`id_list`]: lists of IDs as CSV, bare lines, or JSON lines; [`csv`] is the CSV reader and writer
//!
//! # Before a delete
//!
//! ```
//! use certificate::{PublicKey, Request, Verified};
//!
//! /// Whether a row may be deleted. The key has one column.
//! fn may_be_deleted(id: &str, certificate: &std::path::Path, key: &PublicKey) -> certificate::Result<bool> {
//!     let now = jiff::Timestamp::now();
//!     let verified = Verified::of(&Request { certificate, key, list: None, inputs: None, now })?;
//!     Ok(verified.approved.contains(&[Some(id)]))
//! }
//!
//! # use certificate::statement::*;
//! # use certificate::{CERTIFICATE, Certificate, PrivateKey, digests_of};
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("approved.csv"), "id\n7\n8\n")?;
//! # let digest = digests_of(&dir.path().join("approved.csv"))?;
//! # let seen = SnapshotSeen { path: "customers.parquet".into(), taken_at: None, rows: 2 };
//! # let now = jiff::Timestamp::now();
//! # let predicate = Predicate {
//! #     tool: Tool::this(),
//! #     job: "customers".into(),
//! #     verdict: Verdict::Approved,
//! #     delete_from: Store::Old,
//! #     cleanup: Cleanup::Row,
//! #     key: vec!["id".into()],
//! #     counts: Counts { candidates: 2, approved: 2, blocked: 0 },
//! #     approved: Approved { file: "output:approved.csv".into(), ids: 2 },
//! #     requirements: vec![],
//! #     blocked_by: Default::default(),
//! #     coverage: Coverage::default(),
//! #     canaries: vec![],
//! #     evidence: None,
//! #     writes_stopped: None,
//! #     snapshots: Snapshots { old: seen.clone(), new: seen },
//! #     signed_at: Moment::of(now),
//! #     expires: Moment::of(now + jiff::SignedDuration::from_hours(1)),
//! # };
//! # let statement = Statement::of(vec![Subject::of(&Role::Output, "approved.csv", digest)], predicate);
//! # let private = PrivateKey::generate()?;
//! # let file = dir.path().join(CERTIFICATE);
//! # std::fs::write(&file, Certificate::of(statement, Some(&private))?.to_text()?)?;
//! # let key = private.public();
//! assert!(may_be_deleted("7", &file, &key)?);
//! assert!(!may_be_deleted("9", &file, &key)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod error;
pub mod wording;
pub mod side;
pub mod regular_file;
pub mod csv;
pub mod id_list;
pub mod digests;
pub mod keys;
mod moment;
pub mod statement;
pub mod envelope;
pub mod listed;
pub mod verify;

pub use digests::{Digests, digests_of};
pub use envelope::Certificate;
pub use error::{Error, Result};
pub use keys::{PrivateKey, PublicKey};
pub use side::{Side, TakenAt};
pub use statement::{Predicate, Role, Statement, Subject, Verdict};
pub use verify::{Check, Outcome, Request, Verified, read, verify};

/// The name of the certificate file in the directory of a sign-off.
pub const CERTIFICATE: &str = "certificate.json";
