//! How many discrepancies a job allows.

use std::fmt;

use bigdecimal::BigDecimal;

use super::Setting;
use crate::class::ByClass;

/// The allowances of a job. What is not named is not allowed at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gate {
    /// Discrepancies of a class.
    pub classes: ByClass<Option<Allowance>>,
    /// Discrepancies of a class that the run before did not have. A class with such an allowance and no other is
    /// judged by it alone.
    pub new: ByClass<Option<Allowance>>,
    /// Only discrepancies that have been seen in so many pairs of snapshots in a row count.
    pub persisting_for: Option<u32>,
    /// Pairs of rows that differ in a column. Without an allowance for all mismatches, a column that is
    /// not named here is not allowed any.
    pub columns: Vec<(Setting, Allowance)>,
}

/// How many are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowance {
    /// This many.
    Count(u64),
    /// This share of the rows that could be affected, from 0 to 1.
    Rate(BigDecimal),
}

impl Allowance {
    /// None at all.
    pub const NONE: Allowance = Allowance::Count(0);

    /// How many rows fewer than in the run before are usual: a fifth.
    pub fn usual_drop() -> Self {
        Allowance::Rate(BigDecimal::new(2.into(), 1))
    }

    /// Whether `found` of `population` rows are allowed. The bound is part of it.
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
