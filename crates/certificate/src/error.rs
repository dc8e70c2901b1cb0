//! Why a certificate cannot be issued or accepted.

use std::io;
use std::path::PathBuf;

use crate::id_list::ListError;
use crate::wording::{disk_note, indented};

/// The result of operations on certificates.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a certificate was not issued, or does not approve anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// A file that cannot be written: no permission, disk full, or a file where a directory is needed.
    #[error("cannot write `{}`: {source}{}", path.display(), disk_note(.source))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// An ID list, such as the approved list, that cannot be used.
    #[error(transparent)]
    List(#[from] ListError),

    /// A file that is not a certificate, or not in the exact byte format of one.
    #[error("`{}` is not a certificate: {reason}\n  it approves nothing; copy it again from where it was signed", file.display())]
    BadForm {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A certificate of a version that this program does not support.
    #[error(
        "`{}` has another version: its {field} is `{found}`, but this program supports `{known}`\n  \
         verify it with the version of countersign that wrote it",
        file.display()
    )]
    OtherVersion {
        /// The file.
        file: PathBuf,
        /// The field that contains the version.
        field: &'static str,
        /// The version found.
        found: String,
        /// The version that this program supports.
        known: &'static str,
    },

    /// A contradictory statement, which is not signed.
    #[error("the sign-off contradicts itself: {0}\n  nothing was signed; please report this")]
    BadStatement(String),

    /// A certificate without a signature.
    #[error(
        "`{}` is not signed, so it proves nothing: anyone could have written it\n  \
         sign off with --key; create keys with `countersign keygen`",
        file.display()
    )]
    NotSigned {
        /// The file.
        file: PathBuf,
    },

    /// A certificate that was signed with another key.
    #[error(
        "`{}` is signed with key {signed_by}, but the given key is {given}\n  \
         pass the public key of the person who may sign off; if this is it, the certificate was not signed by them",
        file.display()
    )]
    OtherKey {
        /// The file.
        file: PathBuf,
        /// The key ID in the certificate.
        signed_by: String,
        /// The ID of the given key.
        given: String,
    },

    /// A signature that does not verify with the given key.
    #[error(
        "the signature of `{}` is not valid: the certificate was changed, or it was signed with another key\n  \
         it approves nothing; copy it again from where it was signed",
        file.display()
    )]
    BadSignature {
        /// The file.
        file: PathBuf,
    },

    /// An expired certificate.
    #[error("`{}` expired at {expires}\n  sign off again, on new exports", file.display())]
    Expired {
        /// The file.
        file: PathBuf,
        /// The expiry time.
        expires: String,
    },

    /// A certificate from the future.
    #[error(
        "`{}` was signed at {signed_at}, but the clock of this machine shows {now}\n  \
         correct the clock that is wrong; until then, the expiry of the certificate cannot be checked",
        file.display()
    )]
    NotYet {
        /// The file.
        file: PathBuf,
        /// The signing time in the certificate.
        signed_at: String,
        /// The current time.
        now: String,
    },

    /// A certificate of an unverified sign-off.
    #[error("`{}` belongs to an unverified sign-off, so it approves nothing{}", file.display(), indented(.reasons))]
    Unverified {
        /// The file.
        file: PathBuf,
        /// The requirements that were not met.
        reasons: Vec<String>,
    },

    /// Files that differ from those in the certificate.
    #[error("the files are not those that were signed off:{}\n  sign off again on the files as they are, or restore them", indented(.0))]
    InputsDiffer(Vec<String>),

    /// A path of inputs that is not a directory.
    #[error("--inputs: `{}` is not a directory", path.display())]
    NoDirectory {
        /// The path as given.
        path: PathBuf,
    },

    /// No key to verify with.
    #[error(
        "no public key was given, and a certificate cannot vouch for itself\n  \
         pass one with --key NAME.pub, or in {variable}: a path, or the PEM text itself"
    )]
    NoKey {
        /// The environment variable that may contain one.
        variable: &'static str,
    },

    /// A file that does not contain a usable key.
    #[error("`{}` {reason}", file.display())]
    BadKey {
        /// The file, or the name of the environment variable.
        file: PathBuf,
        /// What is wrong and what to do, to follow the name of the file in a sentence.
        reason: String,
    },

    /// A key file that already exists.
    #[error("`{}` already exists, and a key is never overwritten\n  choose another name with --out", file.display())]
    KeyExists {
        /// The file.
        file: PathBuf,
    },

    /// A violated invariant of this program.
    #[error("internal error: {0}\n  nothing was verified; please report this")]
    Internal(String),
}

impl Error {
    /// An [`Error::Internal`] from a description or another error.
    pub(crate) fn internal(what: impl ToString) -> Self {
        Error::Internal(what.to_string())
    }

    /// An [`Error::Unreadable`] for a path; for use in `map_err`.
    pub(crate) fn unreadable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Unreadable { path, source }
    }
}
