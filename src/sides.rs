//! The two sides of every comparison, and a pair type to loop over them.

use std::fmt;
use std::ops::{Index, IndexMut};

pub use ::certificate::Side;

/// The role of a set of files in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The snapshot of a side.
    Side(Side),
    /// An additional table of a job.
    Table(String),
    /// A copy of the rows that a sign-off may delete.
    Backup,
    /// A snapshot that is inspected alone.
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

/// One value for each side.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Sides<T> {
    /// The value for the old side.
    pub old: T,
    /// The value for the new side.
    pub new: T,
}

impl<T> Sides<T> {
    /// Calls `make` for each side, old first.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        Sides { old: make(Side::Old), new: make(Side::New) }
    }

    /// Calls `make` for each side, old first; stops at the first error.
    pub fn try_from_fn<E>(mut make: impl FnMut(Side) -> Result<T, E>) -> Result<Self, E> {
        Ok(Sides { old: make(Side::Old)?, new: make(Side::New)? })
    }

    /// Applies `change` to both values.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Sides<U> {
        Sides { old: change(self.old), new: change(self.new) }
    }

    /// Borrows both values.
    pub fn as_ref(&self) -> Sides<&T> {
        Sides { old: &self.old, new: &self.new }
    }

    /// Iterates over both values, old first.
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
