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
        if secrets.named.is_empty() {
            return secrets;
        }
        let mut groups: Vec<Sides<Vec<String>>> = vec![];
        for pair in &pairing.columns {
            groups.push(Sides::from_fn(|side: Side| {
                let mut names = snapshots[side].made_of(pair.at[side]);
                names.push(snapshots[side].schema.field(pair.at[side]).name().clone());
                names.push(pair.name.clone());
                names
            }));
        }
        // columns that are mapped to each other and not compared
        for settings in &job.columns {
            if let (Some(old), [name]) = (&settings.old, settings.names.as_slice()) {
                let names = vec![old.text.clone(), name.text.clone()];
                groups.push(Sides { old: names.clone(), new: names });
            }
        }
        for (old, new) in &job.selection.map {
            let names = vec![old.text.clone(), new.text.clone()];
            groups.push(Sides { old: names.clone(), new: names });
        }
        for group in groups {
            if group.iter().flatten().any(|name| secrets.named.contains(name)) {
                secrets.sides.old.extend(group.old);
                secrets.sides.new.extend(group.new);
            }
        }
        for side in Side::BOTH {
            secrets.take_made(side, &snapshots[side]);
        }
        // what a side calls it, a further table may call it, too
        let all: Vec<String> = Side::BOTH.iter().flat_map(|side| secrets.sides[*side].clone()).collect();
        secrets.named.extend(all);
        secrets
    }

    /// By the names in the job, and by how old is made.
    pub fn of_old(job: &Job, old: &Snapshot) -> Self {
        let mut secrets = Secrets::of_names(job);
        secrets.take_made(Side::Old, old);
        secrets
    }

    /// Columns that are made of private ones, or of the same as a private one is alone.
    fn take_made(&mut self, side: Side, snapshot: &Snapshot) {
        let columns: Vec<(String, Vec<String>)> = (0..snapshot.schema.fields().len())
            .map(|at| (snapshot.schema.field(at).name().clone(), snapshot.made_of(at)))
            .collect();
        let own = &mut self.sides[side];
        let sources: Vec<String> = columns
            .iter()
            .filter(|(name, made_of)| own.contains(name) && made_of.len() == 1)
            .flat_map(|(_, made_of)| made_of.clone())
            .collect();
        own.extend(sources);
        for (name, made_of) in columns {
            if made_of.iter().any(|source| own.contains(source)) {
                own.insert(name);
            }
        }
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
