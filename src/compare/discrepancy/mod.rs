//! The four classes of discrepancies, their counts, and the table that lists them.

mod finding;
mod spool;
mod table;
mod outcomes;
mod gathering;
mod sample;
mod sink;

pub(crate) use finding::{Finding, RowRef};
pub(crate) use outcomes::{Outcome, OutcomeRequest, Outcomes, PairOutcomes};
pub(crate) use sample::Sample;
pub(crate) use sink::{FindingSink, Observed, Recorded, Retention};
pub(crate) use spool::{Spool, Spooled};
pub(crate) use table::{Layout, TableColumn, VERSIONS, classes, texts};

pub(crate) use crate::class::{ByClass, Class};
use crate::columns::{ColumnPair, ParseCounts, ParsedRows};
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};

/// The number of rows in each class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// All rows that were compared.
    pub rows: Sides<u64>,
    /// Pairs of equal rows, by tier.
    pub tiers: Tiers,
    /// Pairs of rows with the same key and different values.
    pub mismatch: u64,
    /// Rows that are only in old.
    pub missing: u64,
    /// Rows that are only in new.
    pub extra: u64,
    /// Keys that occur more than once on a side.
    pub duplicate_keys: u64,
    /// The duplicate keys that are not in new.
    pub missing_duplicated: u64,
    /// The rows with duplicate keys.
    pub duplicate_rows: Sides<u64>,
    /// Counts by column, in the order of the pairing's columns.
    pub columns: Vec<ColumnTally>,
}

/// Why a pair of rows is equal, from best to worst. A pair has the tier of its worst cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// By value.
    Exact,
    /// Only by a reading that loses nothing.
    ByReading,
    /// Only by a lossy rule.
    ByRule,
    /// Only within a tolerance.
    Tolerated,
}

impl Tier {
    /// All tiers, from best to worst.
    pub const ALL: [Tier; 4] = [Tier::Exact, Tier::ByReading, Tier::ByRule, Tier::Tolerated];

    /// The code in data.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Exact => "exact",
            Tier::ByReading => "by_reading",
            Tier::ByRule => "by_rule",
            Tier::Tolerated => "tolerated",
        }
    }

    /// The name in text.
    pub fn label(self) -> &'static str {
        match self {
            Tier::ByReading => "by reading",
            Tier::ByRule => "by rule",
            other => other.name(),
        }
    }

    /// Returns the tier of a row that is equal as read. `read` are the rows of its batch that were parsed with rules.
    pub fn as_read(read: Option<&ParsedRows>, row: usize) -> Self {
        match read {
            Some(read) if read.by_rule.value(row) => Tier::ByRule,
            Some(read) if read.by_reading.value(row) => Tier::ByReading,
            _ => Tier::Exact,
        }
    }
}

/// Matched pairs of rows, by tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Tiers {
    /// By value.
    pub exact: u64,
    /// Only by a reading that loses nothing.
    #[serde(default)]
    pub by_reading: u64,
    /// Only by a lossy rule.
    pub by_rule: u64,
    /// Only within a tolerance.
    pub tolerated: u64,
}

impl Tiers {
    /// Adds pairs to a tier.
    pub fn add(&mut self, tier: Tier, pairs: u64) {
        match tier {
            Tier::Exact => self.exact += pairs,
            Tier::ByReading => self.by_reading += pairs,
            Tier::ByRule => self.by_rule += pairs,
            Tier::Tolerated => self.tolerated += pairs,
        }
    }

    /// The number of pairs in a tier.
    pub fn count(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Exact => self.exact,
            Tier::ByReading => self.by_reading,
            Tier::ByRule => self.by_rule,
            Tier::Tolerated => self.tolerated,
        }
    }

    /// The number of pairs in all tiers.
    pub fn total(&self) -> u64 {
        Tier::ALL.into_iter().map(|tier| self.count(tier)).sum()
    }

    /// Adds the counts of `other`.
    pub fn add_all(&mut self, other: &Tiers) {
        Tier::ALL.into_iter().for_each(|tier| self.add(tier, other.count(tier)));
    }
}

/// Counts of pairs of rows in one column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnTally {
    /// Pairs that differ.
    pub mismatches: u64,
    /// Pairs that are equal only by a reading that loses nothing.
    pub by_reading: u64,
    /// Pairs that are equal only by a lossy rule.
    pub by_rule: u64,
    /// Pairs that are equal only within a tolerance.
    pub tolerated: u64,
    /// For each rule of the column, the pairs that would not be equal without it.
    pub rules: Vec<u64>,
    /// Pairs that are equal by rules none of which is necessary by itself.
    pub by_either: u64,
    /// Pairs that differ, and have a cell that could not be parsed.
    pub unreadable: u64,
}

impl Tally {
    /// Creates an empty tally for these columns.
    pub fn new(columns: &[ColumnPair]) -> Self {
        let none = |column: &ColumnPair| ColumnTally { rules: vec![0; column.rules().len()], ..ColumnTally::default() };
        Tally { columns: columns.iter().map(none).collect(), ..Tally::default() }
    }

    /// The number of pairs of equal rows.
    pub fn matched(&self) -> u64 {
        self.tiers.total()
    }

    /// Adds the counts of cells that were parsed with rules, in pairs that are equal as read.
    pub fn read(&mut self, counts: &ParseCounts) {
        for (own, counts) in self.columns.iter_mut().zip(counts.columns()) {
            own.by_reading += counts.by_reading;
            own.by_rule += counts.by_rule;
            own.rules.iter_mut().zip(&counts.rules).for_each(|(own, count)| *own += count);
        }
    }

    /// Adds the counts of another part of the same comparison.
    pub fn add(&mut self, part: &Tally) {
        for side in Side::BOTH {
            self.rows[side] += part.rows[side];
            self.duplicate_rows[side] += part.duplicate_rows[side];
        }
        self.tiers.add_all(&part.tiers);
        self.mismatch += part.mismatch;
        self.missing += part.missing;
        self.extra += part.extra;
        self.duplicate_keys += part.duplicate_keys;
        self.missing_duplicated += part.missing_duplicated;
        for (sum, part) in self.columns.iter_mut().zip(&part.columns) {
            sum.mismatches += part.mismatches;
            sum.by_reading += part.by_reading;
            sum.by_rule += part.by_rule;
            sum.tolerated += part.tolerated;
            sum.by_either += part.by_either;
            sum.unreadable += part.unreadable;
            sum.rules.iter_mut().zip(&part.rules).for_each(|(sum, part)| *sum += part);
        }
    }

    /// The number of discrepancies of a class.
    pub fn count(&self, class: Class) -> u64 {
        match class {
            Class::Mismatch => self.mismatch,
            Class::Missing => self.missing,
            Class::Extra => self.extra,
            Class::DuplicateKey => self.duplicate_keys,
        }
    }

    /// The number of discrepancies of each class.
    pub fn counts(&self) -> ByClass<u64> {
        ByClass::from_fn(|class| self.count(class))
    }

    /// The number of all discrepancies.
    pub fn discrepancies(&self) -> u64 {
        self.counts().total()
    }

    /// Whether there are no discrepancies.
    pub fn is_clean(&self) -> bool {
        self.discrepancies() == 0
    }

    /// Checks that every row of the footers' counts is in exactly one class.
    ///
    /// # Errors
    /// [`Error::Internal`] if rows were lost or counted twice. Then there can be no verdict.
    pub fn conserve(&self, promised: Sides<u64>) -> Result<()> {
        let paired = self.matched() + self.mismatch;
        let classified = Sides {
            old: paired + self.missing + self.duplicate_rows.old,
            new: paired + self.extra + self.duplicate_rows.new,
        };
        for side in Side::BOTH {
            if self.rows[side] != promised[side] || classified[side] != promised[side] {
                return Err(Error::Internal(format!(
                    "the {side} snapshot has {} rows, of which {} were compared and {} classified",
                    promised[side], self.rows[side], classified[side]
                )));
            }
        }
        Ok(())
    }
}
