//! The four classes of discrepancy.

use std::fmt;
use std::ops::{Index, IndexMut};

/// The classes of discrepancy, in the order of every report.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Same key, different values.
    Mismatch,
    /// In old, not in new.
    Missing,
    /// In new, not in old.
    Extra,
    /// A key that occurs more than once on a side.
    DuplicateKey,
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 4] = [Class::Mismatch, Class::Missing, Class::Extra, Class::DuplicateKey];

    /// The name of the class in data.
    pub fn name(self) -> &'static str {
        match self {
            Class::Mismatch => "mismatch",
            Class::Missing => "missing",
            Class::Extra => "extra",
            Class::DuplicateKey => "duplicate_key",
        }
    }

    /// Parses a class name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The name of the field that counts this class, in gates and in the report.
    pub fn field_name(self) -> &'static str {
        match self {
            Class::DuplicateKey => "duplicate_keys",
            other => other.name(),
        }
    }

    /// The label for `count` discrepancies of the class, for people.
    pub fn label(self, count: u64) -> &'static str {
        match (self, count) {
            (Class::Mismatch, 1) => "mismatch",
            (Class::Mismatch, _) => "mismatches",
            (Class::Missing, 1) => "missing row",
            (Class::Missing, _) => "missing rows",
            (Class::Extra, 1) => "extra row",
            (Class::Extra, _) => "extra rows",
            (Class::DuplicateKey, 1) => "duplicate key",
            (Class::DuplicateKey, _) => "duplicate keys",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "ByClass")]
pub struct ByClass<T> {
    /// Pairs of rows that differ.
    pub mismatch: T,
    /// Rows only in old.
    pub missing: T,
    /// Rows only in new.
    pub extra: T,
    /// Keys that occur more than once on a side.
    pub duplicate_keys: T,
}

impl<T> ByClass<T> {
    /// Calls `of` for each class.
    pub fn from_fn(mut of: impl FnMut(Class) -> T) -> Self {
        ByClass {
            mismatch: of(Class::Mismatch),
            missing: of(Class::Missing),
            extra: of(Class::Extra),
            duplicate_keys: of(Class::DuplicateKey),
        }
    }
}

impl ByClass<u64> {
    /// The sum over all classes.
    pub fn total(&self) -> u64 {
        Class::ALL.into_iter().map(|class| self[class]).sum()
    }
}

impl<T> Index<Class> for ByClass<T> {
    type Output = T;

    fn index(&self, class: Class) -> &T {
        match class {
            Class::Mismatch => &self.mismatch,
            Class::Missing => &self.missing,
            Class::Extra => &self.extra,
            Class::DuplicateKey => &self.duplicate_keys,
        }
    }
}

impl<T> IndexMut<Class> for ByClass<T> {
    fn index_mut(&mut self, class: Class) -> &mut T {
        match class {
            Class::Mismatch => &mut self.mismatch,
            Class::Missing => &mut self.missing,
            Class::Extra => &mut self.extra,
            Class::DuplicateKey => &mut self.duplicate_keys,
        }
    }
}
