//! Brings rows with equal keys together, and decides what differs.

pub(crate) mod discrepancy;
pub(crate) mod matching;
