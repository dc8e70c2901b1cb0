//! Values that must not leave.

use super::Setting;

/// What happens to the values of some columns in everything that is written or shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Private {
    /// The columns.
    pub columns: Vec<Setting>,
    /// What stands in the place of a value.
    pub mode: Mode,
    /// Whether ID lists hold values of these columns all the same, readable by their owner only.
    pub plain_lists: bool,
    /// The key of the digests; `None` draws one for each run.
    pub key: Option<[u8; 32]>,
}

/// What stands in the place of a private value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A digest, by a key that is not written anywhere.
    #[default]
    Hash,
    /// Nothing.
    Omit,
}

impl std::fmt::Debug for Private {
    /// Without the key.
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
