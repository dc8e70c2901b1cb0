//! What a report says of a cause.

use super::observation::Cause;
use super::tally::CauseExample;

/// A cause of mismatches in one column, or in one part of a nested column.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CauseReport {
    /// The column.
    pub column: String,
    /// The part of a nested value or a document, such as `items[].price`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The cause.
    pub cause: Cause,
    /// The mismatches of the column that it explains.
    pub count: u64,
    /// Their share of all mismatches of the column, from 0 to 1.
    pub share: f64,
    /// Whether it is about keys instead: pairs of a missing and an extra row. The share is that of missing rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_keys: bool,
    /// Whether the count is an estimate from a sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about: bool,
    /// What it means here. Empty for private columns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The first examples in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<CauseExample>,
    /// How it has changed since the run before; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// The lines for the job file that would accept these mismatches, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The codes of old of a translation, each with its mismatches.
    #[serde(skip)]
    pub(crate) codes: Vec<(String, u64)>,
}

/// How the count of a cause has changed since the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// The run before had no such cause.
    New,
    /// More mismatches than before.
    Growing,
    /// As many as before.
    Steady,
    /// Fewer than before.
    Shrinking,
}

impl Trend {
    /// The name in data and text.
    pub fn name(self) -> &'static str {
        match self {
            Trend::New => "new",
            Trend::Growing => "growing",
            Trend::Steady => "steady",
            Trend::Shrinking => "shrinking",
        }
    }
}

impl CauseReport {
    /// The column, and the path in it.
    pub fn place(&self) -> String {
        match &self.path {
            None => self.column.clone(),
            Some(path) if path.starts_with('[') => format!("{}{path}", self.column),
            Some(path) => format!("{}.{path}", self.column),
        }
    }

    /// The place and the cause, as in the table of discrepancies.
    pub fn tag(&self) -> String {
        let keys = if self.of_keys { "missing and extra " } else { "" };
        format!("{keys}{}: {}", self.place(), self.cause.name())
    }
}
