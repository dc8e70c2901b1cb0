//! The certificate of a sign-off: what was found, about which files, signed, in a form that other tools verify, too.
//!
//! * [`statement`]: what is signed, an in-toto Statement
//! * [`value_hasher`]: what names the files in it
//! * [`keys`]: Ed25519 keys and their files
//! * [`envelope`]: the file `certificate.json`, a DSSE envelope
//! * [`listed`]: an ID list against the approved one
//! * [`mod@verify`]: the checks that a delete job asks for before it deletes

pub mod digests;
pub mod keys;
pub mod listed;
pub mod statement;
pub mod envelope;
pub mod verify;

pub use digests::{Digests, digests_of};
pub use envelope::Certificate;
pub use keys::{PrivateKey, PublicKey};
pub use statement::{Predicate, Role, Statement, Subject, Verdict};
pub(crate) use verify::read;
pub use verify::{Check, Outcome, Request, verify};

/// The file that holds a certificate, in the directory of the sign-off.
pub const CERTIFICATE: &str = "certificate.json";
