//! SQL assertions, and the types of their parameters.

use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::BigDecimal;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::{Query, Setting};

/// A check: an SQL query, and its expected result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the check.
    pub name: Setting,
    /// What the query checks, in plain English, if its header contains it.
    pub question: Option<String>,
    /// What the query reads, in plain English, if its header contains it.
    pub reads: Option<String>,
    /// The query.
    pub query: Query,
    /// Tables that the query reads, made from the job's tables by their own queries.
    pub inputs: Vec<(String, Query)>,
    /// Values of the parameters.
    pub values: BTreeMap<String, Literal>,
    /// The columns of the result that identify the violating row or group; empty for the key, or `id`.
    pub id: Vec<Setting>,
    /// The columns of the result that correspond to those of `[group]`; empty if they have the same names.
    pub group: Vec<Setting>,
    /// The expected result.
    pub expect: Expect,
}

/// The expected result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// At most this number of rows; 0 for none.
    AtMost(u64),
    /// One row with one column of this value.
    Value(Literal),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::AtMost(0) => f.write_str("empty"),
            Expect::AtMost(most) => write!(f, "at most {most}"),
            Expect::Value(value) => write!(f, "{value}"),
        }
    }
}

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Decimal(BigDecimal),
    /// A boolean.
    Boolean(bool),
    /// A date.
    Date(Date),
    /// An instant.
    Timestamp(Timestamp),
    /// A duration.
    Duration(SignedDuration),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Text(text) => f.write_str(text),
            Literal::Integer(number) => write!(f, "{number}"),
            Literal::Decimal(number) => f.write_str(&number.to_plain_string()),
            Literal::Boolean(truth) => write!(f, "{truth}"),
            Literal::Date(day) => write!(f, "{day}"),
            Literal::Timestamp(time) => write!(f, "{time}"),
            Literal::Duration(time) => write!(f, "{time:#}"),
        }
    }
}

/// The types that a query can declare for its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// A boolean.
    Boolean,
    /// A date.
    Date,
    /// An instant.
    Timestamp,
    /// A duration.
    Duration,
}

impl LiteralType {
    /// All types, with their names in declarations, and an example of each.
    pub const ALL: [(LiteralType, &'static str, &'static str); 7] = [
        (LiteralType::Text, "text", "\"in_progress\""),
        (LiteralType::Integer, "integer", "64"),
        (LiteralType::Decimal, "decimal", "0.5"),
        (LiteralType::Boolean, "boolean", "true"),
        (LiteralType::Date, "date", "2026-11-20"),
        (LiteralType::Timestamp, "timestamp", "2026-11-20T02:00:00Z"),
        (LiteralType::Duration, "duration", "\"48h\""),
    ];

    /// Parses a text as a value of this type; `None` if it is not one.
    pub fn read(self, text: &str) -> Option<Literal> {
        Some(match self {
            LiteralType::Text => Literal::Text(text.into()),
            LiteralType::Integer => Literal::Integer(text.parse().ok()?),
            LiteralType::Decimal => Literal::Decimal(super::number(text)?),
            LiteralType::Boolean => Literal::Boolean(text.parse().ok()?),
            // jiff would parse a time as its date
            LiteralType::Date if text.len() == "2026-12-31".len() => Literal::Date(text.parse().ok()?),
            LiteralType::Date => return None,
            LiteralType::Timestamp => Literal::Timestamp(text.replacen(' ', "T", 1).parse().ok()?),
            LiteralType::Duration => Literal::Duration(text.parse().ok()?),
        })
    }

    /// Describes a value of this type for error messages.
    pub fn wanted(self) -> String {
        let (_, name, example) = Self::ALL[self as usize];
        let article = if self == LiteralType::Integer { "an" } else { "a" };
        format!("{article} {name} such as {example}")
    }
}
