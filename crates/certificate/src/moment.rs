//! Times in a statement: whole seconds in UTC, each with exactly one spelling.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A second in UTC, written in RFC 3339 format: `2026-11-20T02:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(Timestamp);

impl Moment {
    /// The second that contains an instant.
    pub fn of(instant: Timestamp) -> Self {
        // truncating to the second keeps an instant within range
        Moment(Timestamp::from_second(instant.as_second()).unwrap_or(instant))
    }

    /// The start of the second.
    pub fn instant(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let moment = text.parse().map(Moment::of);
        moment
            .ok()
            .filter(|moment| moment.to_string() == text)
            .ok_or_else(|| format!("`{text}` is not a time such as 2026-11-20T02:00:00Z"))
    }
}
