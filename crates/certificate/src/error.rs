//! What keeps a certificate from being made, or from being believed.

use std::io;
use std::path::PathBuf;

use crate::id_list::ListError;
use crate::wording::{disk_note, indented};

/// The result of anything that can fail to certify or to verify.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a certificate was not made, or approves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the system does not let us read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file that cannot be written: no permission, disk full, a file in the way.
    #[error("cannot write `{}`: {source}{}", path.display(), disk_note(.source))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A list, or the approved one, that cannot be used.
    #[error(transparent)]
    List(#[from] ListError),

    /// A file that is no certificate, or not byte by byte as one is written.
    #[error("`{}` is no certificate: {reason}\n  it approves nothing; take it again from where it was signed", file.display())]
    BadForm {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A certificate of a form that this program does not know.
    #[error(
        "`{}` is of another version: its {field} is `{found}`, and this program knows `{known}`\n  \
         verify it with the version of countersign that wrote it",
        file.display()
    )]
    OtherVersion {
        /// The file.
        file: PathBuf,
        /// The field that says so.
        field: &'static str,
        /// What it says.
        found: String,
        /// What this program knows.
        known: &'static str,
    },

    /// A statement that contradicts itself is not signed.
    #[error("the sign-off contradicts itself: {0}\n  nothing was signed; please report this")]
    BadStatement(String),

    /// A certificate without a signature.
    #[error(
        "`{}` is not signed, so it proves nothing: anybody could have written it\n  \
         sign off with --key, and make keys with `countersign keygen`",
        file.display()
    )]
    NotSigned {
        /// The file.
        file: PathBuf,
    },

    /// A certificate that another key has signed.
    #[error(
        "`{}` is signed with key {signed_by}, and the given key is {given}\n  \
         give the public key of whoever may sign off; if it is this one, the certificate is not theirs",
        file.display()
    )]
    OtherKey {
        /// The file.
        file: PathBuf,
        /// The id that the certificate names.
        signed_by: String,
        /// The id of the key that was given.
        given: String,
    },

    /// A signature that is not of this key over this statement.
    #[error(
        "the signature of `{}` does not hold: the certificate was changed, or another key has signed it\n  \
         it approves nothing; take it again from where it was signed",
        file.display()
    )]
    BadSignature {
        /// The file.
        file: PathBuf,
    },

    /// A certificate after its time.
    #[error("`{}` expired at {expires}\n  sign off again, on new exports", file.display())]
    Expired {
        /// The file.
        file: PathBuf,
        /// When.
        expires: String,
    },

    /// A certificate before its time.
    #[error(
        "`{}` was signed at {signed_at}, and the clock here says {now}\n  \
         set the clock that is wrong; without a right one nobody knows whether it has expired",
        file.display()
    )]
    NotYet {
        /// The file.
        file: PathBuf,
        /// When it says that it was signed.
        signed_at: String,
        /// What time it is.
        now: String,
    },

    /// A certificate of a sign-off that could not be made.
    #[error("`{}` is of a sign-off that is unverified, and approves nothing{}", file.display(), indented(.reasons))]
    Unverified {
        /// The file.
        file: PathBuf,
        /// The requirements that did not hold.
        reasons: Vec<String>,
    },

    /// Files that are not those that the certificate is about.
    #[error("what was signed off is not what is here:{}\n  sign off again on the files as they are, or restore them", indented(.0))]
    InputsDiffer(Vec<String>),

    /// A directory of inputs that is none.
    #[error("--inputs: `{}` is no directory", path.display())]
    NoDirectory {
        /// The path as given.
        path: PathBuf,
    },

    /// No key to verify with.
    #[error(
        "no public key was given, and a certificate cannot vouch for itself\n  \
         give one with --key NAME.pub, or in {variable}: a path, or the PEM text itself"
    )]
    NoKey {
        /// The environment's variable that may hold one.
        variable: &'static str,
    },

    /// A key that is none.
    #[error("`{}` {reason}", file.display())]
    BadKey {
        /// The file, or the variable.
        file: PathBuf,
        /// What is wrong with it and what to do, to end a sentence that begins with its name.
        reason: String,
    },

    /// A key file that exists already.
    #[error("`{}` exists, and a key is never overwritten\n  name another with --out", file.display())]
    KeyExists {
        /// The file.
        file: PathBuf,
    },

    /// This program broke a promise of its own.
    #[error("internal error: {0}\n  nothing was verified; please report this")]
    Internal(String),
}

impl Error {
    /// An [`Error::Internal`] from anything that can say what happened.
    pub(crate) fn internal(what: impl ToString) -> Self {
        Error::Internal(what.to_string())
    }

    /// An [`Error::Unreadable`] for a path; for use in `map_err`.
    pub(crate) fn unreadable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Unreadable { path, source }
    }
}
