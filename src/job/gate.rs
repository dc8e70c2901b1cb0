//! The number of discrepancies that a job allows.

use std::fmt;

use bigdecimal::BigDecimal;

use super::Setting;
use crate::class::ByClass;

/// The allowances of a job. The default is zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gate {
    /// Discrepancies by class.
    pub classes: ByClass<Option<Allowance>>,
    /// Discrepancies that the previous run did not have, by class. A class that has only this allowance is judged by it
    /// alone.
    pub new: ByClass<Option<Allowance>>,
    /// Count only discrepancies that have been seen in this number of consecutive pairs of snapshots.
    pub persisting_for: Option<u32>,
    /// Violations that the previous run did not have, for each check that allows none.
    pub new_violations: Option<u64>,
    /// Pairs of rows that differ in a column. Without an allowance for all mismatches, the allowance of a column that
    /// is not listed here is zero.
    pub columns: Vec<(Setting, Allowance)>,
}

/// A number or a share of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowance {
    /// This number of rows.
    Count(u64),
    /// This share of the rows that could be affected, from 0 to 1.
    Rate(BigDecimal),
}

impl Allowance {
    /// No rows.
    pub const NONE: Allowance = Allowance::Count(0);

    /// The default for the drop in rows since the previous run: 20 %.
    pub fn usual_drop() -> Self {
        Allowance::Rate(BigDecimal::new(2.into(), 1))
    }

    /// Whether `found` of `population` rows are allowed. The bound is inclusive.
    pub fn allows(&self, found: u64, population: u64) -> bool {
        match self {
            Allowance::Count(allowed) => found <= *allowed,
            Allowance::Rate(rate) => rate * BigDecimal::from(population) >= found,
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowance::Count(count) => write!(f, "{}", indicatif::HumanCount(*count)),
            Allowance::Rate(rate) => write!(f, "{} %", (rate * BigDecimal::from(100)).normalized().to_plain_string()),
        }
    }
}
