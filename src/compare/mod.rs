//! Bringing the rows of the two sides together, and deciding what differs.

pub(crate) mod discrepancy;
pub(crate) mod matching;
