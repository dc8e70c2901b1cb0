//! When two values are equal: canonical forms, row hashes, and the rules of a column.

pub(crate) mod canonical;
pub(crate) mod plain_types;
pub(crate) mod value_text;
pub(crate) mod rules;
