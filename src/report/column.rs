//! What a report says of one column.

use serde::{Deserialize, Serialize};

use super::{count, grouped};
use crate::columns::ColumnPair;
use crate::compare::discrepancy::{ColumnTally, Tier};

/// One compared column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ColumnReport {
    /// The new side's name.
    pub name: String,
    /// The name of its type in old.
    pub old_type: String,
    /// The name of its type in new.
    pub new_type: String,
    /// Pairs of rows that differ in it.
    pub mismatches: u64,
    /// Pairs of rows that are equal in it only through a reading that loses nothing.
    #[serde(default)]
    pub by_reading: u64,
    /// Pairs of rows that only another rule made equal in it.
    pub by_rule: u64,
    /// Pairs of rows that only a tolerance made equal in it.
    pub tolerated: u64,
    /// The rules that the user chose for it, in the order in which they are applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleReport>,
    /// Pairs of rows that are equal by rules of which each one alone could be left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub by_either: u64,
    /// Pairs of rows that differ in it, and of which a cell cannot be read as its rules say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
}

/// One rule of a column, and whether it mattered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleReport {
    /// The rule, as a line of a job file.
    pub rule: String,
    /// Pairs of rows that would not be equal in the column without it; unknown where rows are compared whole.
    pub rows: Option<u64>,
}

impl ColumnReport {
    /// The report of a pair of columns; `keyed` means that rows have a key.
    pub fn of(pair: &ColumnPair, tally: &ColumnTally, keyed: bool) -> Self {
        // copies of whole rows have no counterparts of their own to be compared with column by column
        let by_column = |pairs: u64| if keyed { pairs } else { 0 };
        let rules = pair.rules().iter().zip(&tally.rules);
        ColumnReport {
            name: pair.name.clone(),
            old_type: pair.types.old.clone(),
            new_type: pair.types.new.clone(),
            mismatches: tally.mismatches,
            by_reading: by_column(tally.by_reading),
            by_rule: by_column(tally.by_rule),
            tolerated: by_column(tally.tolerated),
            rules: rules
                .map(|(rule, rows)| RuleReport { rule: rule.to_string(), rows: keyed.then_some(*rows) })
                .collect(),
            by_either: by_column(tally.by_either),
            unreadable: by_column(tally.unreadable),
        }
    }

    /// Pairs of rows that are equal in it only by what a tier says. What is equal by value, needs nothing.
    pub fn equal_by(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Exact => 0,
            Tier::ByReading => self.by_reading,
            Tier::ByRule => self.by_rule,
            Tier::Tolerated => self.tolerated,
        }
    }

    fn has_either_hour(&self) -> bool {
        self.rules.iter().any(|rule| rule.rule.starts_with("either_hour"))
    }

    /// The effect of a rule of this column.
    pub fn describe(&self, rule: &RuleReport) -> String {
        let unreadable = match self.unreadable {
            0 => None,
            _ if rule.rule.starts_with("as = ") => Some("a cell that it cannot read"),
            _ if rule.rule.starts_with("assume_tz = ") && self.has_either_hour() => {
                Some("a time that clocks there never show")
            }
            _ if rule.rule.starts_with("assume_tz = ") => {
                Some("a time that clocks there show twice or never; either_hour = true takes both of the first kind")
            }
            _ => None,
        };
        let unreadable = unreadable.map(|what| {
            let noun = if self.unreadable == 1 { "mismatch" } else { "mismatches" };
            format!("{} {noun} with {what}", grouped(self.unreadable))
        });
        let effect = match rule.rows {
            None => String::new(),
            Some(0) if self.by_either > 0 => format!("{} by this or another rule", grouped(self.by_either)),
            Some(0) if unreadable.is_some() => String::new(),
            Some(0) => "never mattered".into(),
            Some(rows) => format!("{} equal only by it", count(rows, "row")),
        };
        [Some(effect).filter(|effect| !effect.is_empty()), unreadable]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ")
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
