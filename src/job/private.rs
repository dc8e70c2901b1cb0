//! Private columns, whose values may not be in any output.

use super::Setting;

/// The redaction of private columns in all output.
#[derive(Clone, PartialEq, Eq)]
pub struct Private {
    /// The private columns.
    pub columns: Vec<Setting>,
    /// What replaces a value.
    pub mode: Mode,
    /// Whether ID lists contain these columns in plain text, in files that only their owner can read.
    pub plain_lists: bool,
    /// The key of the digests; `None` uses a random key for each run.
    pub key: Option<[u8; 32]>,
}

/// What replaces a private value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A digest with a secret key.
    #[default]
    Hash,
    /// Nothing.
    Omit,
}

impl std::fmt::Debug for Private {
    /// Omits the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Private { columns, mode, plain_lists, key } = self;
        let key = key.map(|_| "given");
        f.debug_struct("Private")
            .field("columns", columns)
            .field("mode", mode)
            .field("plain_lists", plain_lists)
            .field("key", &key)
            .finish()
    }
}
