//! Questions whose answers are violations.

use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::BigDecimal;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::{Query, Setting};

/// A check: a question in SQL, and what its answer has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is called.
    pub name: Setting,
    /// What it asks, in words, if its query says so.
    pub question: Option<String>,
    /// What it reads, in words, if its query says so.
    pub reads: Option<String>,
    /// The query.
    pub query: Query,
    /// Tables that it reads, made from those of the job by queries of their own.
    pub inputs: Vec<(String, Query)>,
    /// Values of its parameters.
    pub values: BTreeMap<String, Literal>,
    /// The columns of its answer that say which row or group is at fault; the key, or `id`, if there are none.
    pub id: Vec<Setting>,
    /// The columns of its answer that are those of the job's groups; by the same names, if there are none.
    pub group: Vec<Setting>,
    /// What the answer has to be.
    pub expect: Expect,
}

/// What the answer of a check has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// No rows, or so many at most.
    AtMost(u64),
    /// One value.
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
    /// A number.
    Decimal(BigDecimal),
    /// True or false.
    Boolean(bool),
    /// A day.
    Date(Date),
    /// An instant.
    Timestamp(Timestamp),
    /// A length of time.
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
    /// A number.
    Decimal,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant.
    Timestamp,
    /// A length of time.
    Duration,
}

impl LiteralType {
    /// All types, by the words that queries declare them with, and an example of each.
    pub const ALL: [(LiteralType, &'static str, &'static str); 7] = [
        (LiteralType::Text, "text", "\"in_progress\""),
        (LiteralType::Integer, "integer", "64"),
        (LiteralType::Decimal, "decimal", "0.5"),
        (LiteralType::Boolean, "boolean", "true"),
        (LiteralType::Date, "date", "2026-11-20"),
        (LiteralType::Timestamp, "timestamp", "2026-11-20T02:00:00Z"),
        (LiteralType::Duration, "duration", "\"48h\""),
    ];

    /// The value that a text is, if it is one of this type.
    pub fn read(self, text: &str) -> Option<Literal> {
        Some(match self {
            LiteralType::Text => Literal::Text(text.into()),
            LiteralType::Integer => Literal::Integer(text.parse().ok()?),
            LiteralType::Decimal => Literal::Decimal(super::number(text)?),
            LiteralType::Boolean => Literal::Boolean(text.parse().ok()?),
            // jiff would take the day of a time
            LiteralType::Date if text.len() == "2026-12-31".len() => Literal::Date(text.parse().ok()?),
            LiteralType::Date => return None,
            LiteralType::Timestamp => Literal::Timestamp(text.replacen(' ', "T", 1).parse().ok()?),
            LiteralType::Duration => Literal::Duration(text.parse().ok()?),
        })
    }

    /// What a value of this type looks like, in words.
    pub fn wanted(self) -> String {
        let (_, name, example) = Self::ALL[self as usize];
        let article = if self == LiteralType::Integer { "an" } else { "a" };
        format!("{article} {name} such as {example}")
    }
}
