//! The two sides of every comparison, and a pair that is looped over rather than written twice.

use std::fmt;
use std::ops::{Index, IndexMut};

pub use ::certificate::Side;

/// What a set of files is to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The snapshot of a side.
    Side(Side),
    /// A further table.
    Table(String),
    /// A copy of the rows that a sign-off may delete.
    Backup,
    /// A snapshot that is looked at by itself.
    Standalone,
    /// A list of IDs.
    List,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Side(side) => write!(f, "the {side} snapshot"),
            Owner::Standalone => f.write_str("the snapshot"),
            Owner::List => f.write_str("the list"),
            Owner::Backup => f.write_str("the backup"),
            Owner::Table(name) => write!(f, "table `{name}`,"),
        }
    }
}

/// One thing for each side.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Sides<T> {
    /// The old side's.
    pub old: T,
    /// The new side's.
    pub new: T,
}

impl<T> Sides<T> {
    /// Builds each side by asking `make`, old first.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        Sides { old: make(Side::Old), new: make(Side::New) }
    }

    /// Builds each side by asking `make`, old first; the first error ends it.
    pub fn try_from_fn<E>(mut make: impl FnMut(Side) -> Result<T, E>) -> Result<Self, E> {
        Ok(Sides { old: make(Side::Old)?, new: make(Side::New)? })
    }

    /// Turns each side's thing into another.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Sides<U> {
        Sides { old: change(self.old), new: change(self.new) }
    }

    /// Each side's thing, borrowed.
    pub fn as_ref(&self) -> Sides<&T> {
        Sides { old: &self.old, new: &self.new }
    }

    /// Old, then new.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.old, &self.new].into_iter()
    }
}

impl<T> Index<Side> for Sides<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }
}

impl<T> IndexMut<Side> for Sides<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }
}
