//! What a report says of misplaced values.

use super::Kind;
use super::evidence::WHOLE;

/// Values that are right and stand under another key, or in another column.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct MisplacedReport {
    /// The columns whose values were looked for, each by itself; if there are none, all of a row's values together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Those whose tolerance was left aside: their values were looked for as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_tolerance: Vec<String>,
    /// Discrepancies of two keys that have each other's values.
    pub swapped: u64,
    /// Missing and extra rows that are one row, which was given another key.
    pub rekeyed: u64,
    /// Discrepancies in which new has what old has under another key, and neither of the above.
    pub copied: u64,
    /// Mismatches in which two columns have each other's values.
    pub exchanged: u64,
    /// Why values were not looked for under other keys; then only exchanged columns were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_searched: Option<String>,
    /// The first few of each kind, in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<MisplacedExample>,
}

/// A misplaced value. No value is shown but those of keys.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct MisplacedExample {
    /// What happened.
    pub kind: Kind,
    /// The column; `*` for all values of the row, two columns for an exchange.
    pub columns: String,
    /// The key's columns and values, as a person should see them.
    pub key: String,
    /// The other key; an exchange has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_key: Option<String>,
    /// The same in words.
    pub words: String,
}

impl MisplacedReport {
    /// The numbers, by kind.
    pub fn counts(&self) -> [(Kind, u64); 4] {
        [
            (Kind::Swapped, self.swapped),
            (Kind::Rekeyed, self.rekeyed),
            (Kind::Copied, self.copied),
            (Kind::Exchanged, self.exchanged),
        ]
    }

    /// Counts a discrepancy.
    pub fn count(&mut self, kind: Kind) {
        *match kind {
            Kind::Swapped => &mut self.swapped,
            Kind::Rekeyed => &mut self.rekeyed,
            Kind::Copied => &mut self.copied,
            Kind::Exchanged => &mut self.exchanged,
        } += 1;
    }

    /// What was looked for, in words.
    pub fn sought(&self) -> String {
        let columns = match self.columns.as_slice() {
            [] => "all values of a row".into(),
            columns => columns.join(", "),
        };
        match self.without_tolerance.as_slice() {
            [] => columns,
            exact => format!("{columns}; without the tolerance of {}", exact.join(", ")),
        }
    }
}

impl MisplacedExample {
    /// One, with its words. `is_owner` says that old has the value under `key`, and new under the other one.
    pub fn new(kind: Kind, columns: &str, key: String, other_key: Option<String>, is_owner: bool) -> Self {
        let other = other_key.as_deref().unwrap_or_default();
        let (from, to) = if is_owner { (key.as_str(), other) } else { (other, key.as_str()) };
        let words = match (kind, columns) {
            (Kind::Swapped, WHOLE) => format!("{key}: swapped with {other}"),
            (Kind::Swapped, column) => format!("{key}: {column} is swapped with that of {other}"),
            (Kind::Rekeyed, WHOLE) => format!("{from} was given the key {to}"),
            (Kind::Copied, WHOLE) => format!("{key}: the values are those that old has under {other}"),
            (Kind::Rekeyed | Kind::Copied, column) => format!("{to}: {column} is the one that old has under {from}"),
            (Kind::Exchanged, columns) => format!("{key}: {} are exchanged", columns.replace(", ", " and ")),
        };
        MisplacedExample { kind, columns: columns.into(), key, other_key, words }
    }
}
