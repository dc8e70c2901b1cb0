//! The misplaced values in a report.

use super::Kind;
use super::evidence::WHOLE;

/// Values that are correct, but under another key, or in another column.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct MisplacedReport {
    /// The columns whose values were searched for, each separately. Empty if all values of a row were searched for
    /// together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The columns with a tolerance, which the search did not apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_tolerance: Vec<String>,
    /// Discrepancies of two keys that have each other's values.
    pub swapped: u64,
    /// Missing and extra rows that are the same row with another key.
    pub rekeyed: u64,
    /// Discrepancies in which new has old's value of another key, and which are neither swapped nor rekeyed.
    pub copied: u64,
    /// Mismatches in which two columns have each other's values.
    pub exchanged: u64,
    /// Why other keys were not searched. Then only exchanged columns were searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_searched: Option<String>,
    /// The first few of each kind, in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<MisplacedExample>,
}

/// A misplaced value. Only values of keys are shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct MisplacedExample {
    /// How the value was misplaced.
    pub kind: Kind,
    /// The column; `*` for all values of the row, and two columns for an exchange.
    pub columns: String,
    /// The columns and values of the key, formatted for people.
    pub key: String,
    /// The other key. An exchange has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_key: Option<String>,
    /// The description in one sentence.
    #[serde(rename = "words")]
    pub description: String,
}

impl MisplacedReport {
    /// The counts by kind.
    pub fn counts(&self) -> [(Kind, u64); 4] {
        [
            (Kind::Swapped, self.swapped),
            (Kind::Rekeyed, self.rekeyed),
            (Kind::Copied, self.copied),
            (Kind::Exchanged, self.exchanged),
        ]
    }

    pub fn count(&mut self, kind: Kind) {
        *match kind {
            Kind::Swapped => &mut self.swapped,
            Kind::Rekeyed => &mut self.rekeyed,
            Kind::Copied => &mut self.copied,
            Kind::Exchanged => &mut self.exchanged,
        } += 1;
    }

    /// Describes what was searched for.
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
    /// Creates an example with its description. `is_owner` is whether old has the value under `key`, and new under the
    /// other key.
    pub fn new(kind: Kind, columns: &str, key: String, other_key: Option<String>, is_owner: bool) -> Self {
        let other = other_key.as_deref().unwrap_or_default();
        let (from, to) = if is_owner { (key.as_str(), other) } else { (other, key.as_str()) };
        let description = match (kind, columns) {
            (Kind::Swapped, WHOLE) => format!("{key}: swapped with {other}"),
            (Kind::Swapped, column) => format!("{key}: {column} is swapped with that of {other}"),
            (Kind::Rekeyed, WHOLE) => format!("{from} was given the key {to}"),
            (Kind::Copied, WHOLE) => format!("{key}: the values are those that old has under {other}"),
            (Kind::Rekeyed | Kind::Copied, column) => format!("{to}: {column} is the one that old has under {from}"),
            (Kind::Exchanged, columns) => format!("{key}: {} are exchanged", columns.replace(", ", " and ")),
        };
        MisplacedExample { kind, columns: columns.into(), key, other_key, description }
    }
}
