//! Which columns of the tables that checks read are private.

use std::collections::BTreeSet;

use crate::columns::Pairing;
use crate::job::Job;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The names of private columns.
#[derive(Debug, Default)]
pub struct Secrets {
    /// In every table: as the job names them.
    named: BTreeSet<String>,
    /// In each side: also what a private column is compared with, or made of.
    sides: Sides<BTreeSet<String>>,
    may_be_listed: bool,
}

impl Secrets {
    /// By the names in the job alone.
    pub fn of_names(job: &Job) -> Self {
        let Some(private) = &job.private else { return Secrets::default() };
        let named: BTreeSet<String> = private.columns.iter().map(|column| column.text.clone()).collect();
        Secrets { sides: Sides::from_fn(|_| named.clone()), named, may_be_listed: private.plain_lists }
    }

    /// By the names in the job, and by how the columns of both sides are paired and made.
    pub fn of_pair(job: &Job, pairing: &Pairing, snapshots: &Sides<Snapshot>) -> Self {
        let mut secrets = Secrets::of_names(job);
        for pair in &pairing.columns {
            let made_of = Sides::from_fn(|side: Side| {
                let mut names = snapshots[side].made_of(pair.at[side]);
                names.push(snapshots[side].schema.field(pair.at[side]).name().clone());
                names.push(pair.name.clone());
                names
            });
            if Side::BOTH.iter().any(|side| made_of[*side].iter().any(|name| secrets.named.contains(name))) {
                for (side, names) in [(Side::Old, made_of.old), (Side::New, made_of.new)] {
                    secrets.sides[side].extend(names);
                }
            }
        }
        secrets
    }

    /// Whether a column of a table is private. Of a table without a name, nothing but the column's is known.
    pub fn hides(&self, table: &str, column: &str) -> bool {
        match table {
            "old" => self.sides.old.contains(column),
            "new" => self.sides.new.contains(column),
            // digests stand there already
            "discrepancies" => false,
            "" => self.named.contains(column) || Side::BOTH.iter().any(|side| self.sides[*side].contains(column)),
            _ => self.named.contains(column),
        }
    }

    /// Whether ID lists hold private values all the same.
    pub fn may_be_listed(&self) -> bool {
        self.may_be_listed
    }
}
