//! Counts the rows, discrepancies and violations of every group. The counting itself is `queries/groups/*.sql`; this module
//! makes the views that those queries read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::{Expr, cast, lit, try_cast};

use super::open_file;
use crate::columns::Pairing;
use crate::error::Result;
use crate::job::Literal;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, QueryPlan, Tables, column, field, numbered, same, write_rows};

const COUNTS_SQL: &str = include_str!("../../../queries/groups/counts.sql");
const ATTRIBUTED_SQL: &str = include_str!("../../../queries/groups/attributed.sql");
const STATES_SQL: &str = include_str!("../../../queries/groups/states.sql");

/// The names of the counts, in the order of the table.
pub(super) const COUNTS: [&str; 7] =
    ["old_rows", "new_rows", "mismatch", "missing", "extra", "duplicate_rows", "violations"];

/// The type that holds the IDs of both types.
fn common(old: &DataType, new: &DataType) -> DataType {
    match (old.is_integer(), new.is_integer()) {
        (true, true) if [old, new].contains(&&DataType::UInt64) => DataType::Decimal128(20, 0),
        (true, true) => DataType::Int64,
        // what SQL calls VARCHAR
        _ => DataType::Utf8View,
    }
}

/// The columns of groups and keys, under the names that the queries use.
pub(super) struct Counting {
    by: Vec<CountedColumn>,
    key: Vec<CountedColumn>,
    /// Whether the key contains the group, so that duplicates need no lookup.
    key_has_group: bool,
}

/// A column: its name in the table of discrepancies and on each side.
struct CountedColumn {
    name: String,
    stored: Sides<String>,
    /// The type of groups of both sides, so that lists of numbers are in the order of numbers.
    common: DataType,
    /// Whether both sides have it in one type, as the table does.
    is_typed: bool,
}

/// The groups of all rows, counted in a working file.
pub(super) struct Counted {
    table: Arc<Snapshot>,
    columns: usize,
}

/// What the counts attribute to groups.
pub(super) struct Attributed {
    /// Rows of duplicate keys.
    pub duplicate_rows: Sides<u64>,
    /// Violations of groups that neither side has.
    pub unknown_violations: u64,
}

impl Counting {
    /// For the groups of a pair of snapshots.
    pub(super) fn of(snapshots: &Sides<Snapshot>, pairing: &Pairing, by: &[String]) -> Self {
        let part = |name: &String| {
            let pair = pairing.columns.iter().find(|pair| pair.name == *name)?;
            let field = |side: Side| snapshots[side].schema.field(pair.at[side]);
            Some(CountedColumn {
                name: name.clone(),
                stored: Sides::from_fn(|side| field(side).name().clone()),
                common: common(field(Side::Old).data_type(), field(Side::New).data_type()),
                is_typed: field(Side::Old).data_type() == field(Side::New).data_type(),
            })
        };
        let keys: Vec<String> = pairing.keys().iter().map(|key| key.name.clone()).collect();
        Counting {
            by: by.iter().filter_map(part).collect(),
            // under a rule, one key may be the key of rows of several groups
            key_has_group: !pairing.keys_have_rules() && by.iter().all(|name| keys.contains(name)),
            key: keys.iter().filter_map(part).collect(),
        }
    }

    /// Counts everything once, into a working file.
    pub(super) fn count(
        &self,
        engine: &Engine,
        snapshots: &Sides<Snapshot>,
        discrepancies: &Arc<Snapshot>,
        violations: &[PathBuf],
    ) -> Result<Counted> {
        let mut catalog = Catalog::with(engine, &Tables::new())?;
        for side in Side::BOTH {
            let snapshot = Arc::new(snapshots[side].clone());
            let found = [column("class").alias("kind"), self.has_moved().alias("has_moved")];
            let found = self.groups(|by| field(side.name(), &by.name)).into_iter().chain(found).collect();
            let duplicates = self.duplicates(&catalog, side, &snapshot, discrepancies)?;
            catalog.add_projection(side.name(), &snapshot, self.groups(|by| column(&by.stored[side])))?;
            catalog.add_projection(&format!("{side}_found"), discrepancies, found)?;
            catalog.add_view(&format!("{side}_duplicates"), duplicates)?;
        }
        self.add_violations(&mut catalog, violations)?;
        let path = engine.spill_dir().join("group-counts.parquet");
        write_rows(engine, catalog.plan(COUNTS_SQL, &BTreeMap::new(), "[group]")?, &path)?;
        Ok(Counted { table: open_file("counts", &path)?, columns: self.by.len() })
    }

    /// The columns of a group in their common types, as `g0`, `g1`, …
    fn groups(&self, value: impl Fn(&CountedColumn) -> Expr) -> Vec<Expr> {
        let columns = self.by.iter().zip(numbered("g", self.by.len()));
        columns.map(|(by, name)| cast(value(by), by.common.clone()).alias(name)).collect()
    }

    /// Whether the rows of a discrepancy are of different groups.
    fn has_moved(&self) -> Expr {
        let value = |by: &CountedColumn, side: Side| cast(field(side.name(), &by.name), by.common.clone());
        let is_same = |by: &CountedColumn| same(value(by, Side::Old), value(by, Side::New));
        let stays = self.by.iter().map(is_same).reduce(Expr::and);
        stays.map_or(lit(false), |stays| !stays)
    }

    /// The groups of all violations. A value that is not of the group's type belongs to no group.
    fn add_violations(&self, catalog: &mut Catalog, violations: &[PathBuf]) -> Result<()> {
        let columns = || {
            let columns = self.by.iter().zip(numbered("g", self.by.len()));
            columns.map(|(by, name)| try_cast(column(&by.name), by.common.clone()).alias(name)).collect()
        };
        let mut all: Option<QueryPlan> = None;
        for (number, path) in violations.iter().enumerate() {
            let part = catalog.project(&open_file(&format!("violations_{number}"), path)?, columns())?;
            all = Some(match all {
                None => part,
                Some(all) => all.union(part)?,
            });
        }
        match all {
            Some(all) => catalog.add_view("violations", all),
            None => {
                let fields = self.by.iter().zip(numbered("g", self.by.len()));
                let fields = fields.map(|(by, name)| arrow::datatypes::Field::new(name, by.common.clone(), true));
                catalog.add_empty("violations", fields.collect())
            }
        }
    }

    /// The rows of duplicate keys of a side, by group: `g0`, `g1`, … and `rows`.
    ///
    /// Where the key does not contain the group, this looks the side's rows up by their keys. Keys are equal here as they are
    /// stored, NULL included, so the join has a condition for each column of the key; the DataFrame API makes that list.
    fn duplicates(
        &self,
        catalog: &Catalog,
        side: Side,
        snapshot: &Arc<Snapshot>,
        discrepancies: &Arc<Snapshot>,
    ) -> Result<QueryPlan> {
        let is_duplicate = column("class").eq(lit("duplicate_key"));
        let rows = |rows: Expr| cast(rows, DataType::Int64).alias("rows");
        if self.key_has_group {
            let mut columns = self.groups(|by| field("key", &by.name));
            columns.extend([rows(column(&format!("{side}_rows"))), column("class")]);
            let found = catalog.project(discrepancies, columns)?.filter(is_duplicate)?;
            return found
                .select(numbered("g", self.by.len()).iter().map(String::as_str).chain(["rows"]).map(column).collect());
        }
        let comparable = |part: &CountedColumn, value: Expr| match part.is_typed {
            true => value,
            false => cast(value, DataType::Utf8View),
        };
        let own = self.key.iter().zip(numbered("own", self.key.len()));
        let own = own.map(|(part, name)| comparable(part, column(&part.stored[side])).alias(name));
        let own = self.groups(|by| column(&by.stored[side])).into_iter().chain(own).collect();
        let found = self.key.iter().zip(numbered("found", self.key.len()));
        let found = found.map(|(part, name)| comparable(part, field("key", &part.name)).alias(name));
        let found = found.chain([column("class")]).collect();
        let found = catalog.project(discrepancies, found)?.filter(is_duplicate)?;
        let on = numbered("own", self.key.len()).into_iter().zip(numbered("found", self.key.len()));
        let on = on.map(|(own, found)| same(column(&own), column(&found))).collect();
        let joined = catalog.project(snapshot, own)?.join(found, on)?;
        let groups = numbered("g", self.by.len()).into_iter().map(|name| column(&name));
        joined.select(groups.chain([rows(lit(1_i64))]).collect())
    }
}

impl Counted {
    /// What the counts attribute to groups.
    pub(super) fn attributed(&self, engine: &Engine) -> Result<Attributed> {
        let mut catalog = Catalog::with(engine, &Tables::new())?;
        catalog.add("counts", &self.table)?;
        let mut counts = [0; 3];
        catalog.plan(ATTRIBUTED_SQL, &BTreeMap::new(), "[group]")?.for_each_batch(engine, |batch| {
            for (count, column) in counts.iter_mut().zip(batch.columns()) {
                *count += column.as_primitive::<Int64Type>().values().iter().sum::<i64>();
            }
            Ok(())
        })?;
        let [old, new, unknown_violations] = counts.map(|count| count as u64);
        Ok(Attributed { duplicate_rows: Sides { old, new }, unknown_violations })
    }

    /// Every group with its counts and its state, in order; unless everything is `sure`, no group is ready.
    pub(super) fn states(&self, engine: &Engine, by: &[String], sure: bool) -> Result<QueryPlan> {
        let mut catalog = Catalog::with(engine, &Tables::new())?;
        let columns = numbered("g", self.columns);
        let columns = columns.iter().map(String::as_str).chain(COUNTS).map(column).collect();
        catalog.add_projection("groups", &self.table, columns)?;
        states(&catalog, by, sure)
    }
}

/// The states of the groups in the table `groups` of a catalog, in the order of the groups and under the names of their columns.
pub(super) fn states(catalog: &Catalog, by: &[String], sure: bool) -> Result<QueryPlan> {
    let values = BTreeMap::from([("sure".to_string(), Literal::Boolean(sure))]);
    let names = by.iter().map(String::as_str).chain(COUNTS).chain(["state"]).map(String::from);
    catalog.plan(STATES_SQL, &values, "[group]")?.renamed(names)?.sorted_by(by)
}
