//! The question that counts the rows, discrepancies and violations of every group.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};

use crate::columns::Pairing;
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, quoted};

/// What the counts are called, in the order of the table.
pub(super) const COUNTS: [&str; 7] =
    ["old_rows", "new_rows", "mismatch", "missing", "extra", "duplicate_rows", "violations"];

/// The type of SQL that holds the IDs of both types.
fn common(old: &DataType, new: &DataType) -> &'static str {
    match (old.is_integer(), new.is_integer()) {
        (true, true) if [old, new].contains(&&DataType::UInt64) => "DECIMAL(20, 0)",
        (true, true) => "BIGINT",
        _ => "VARCHAR",
    }
}

/// Knows where the columns of groups and keys stand.
pub(super) struct Counting {
    by: Vec<CountedColumn>,
    key: Vec<CountedColumn>,
    /// Whether a key tells its group, so that duplicates need not be looked up.
    key_has_group: bool,
    violations: usize,
}

/// A column: what it is called in the table of discrepancies, and on each side.
struct CountedColumn {
    name: String,
    stored: Sides<String>,
    /// The type of SQL in which groups of both sides meet, so that lists of numbers are in the order of numbers.
    common: &'static str,
    /// Whether both sides have it in one type, as the table does.
    is_typed: bool,
}

impl Counting {
    /// For the groups of a pair of snapshots; `violations` is how many tables of violations there are.
    pub(super) fn of(snapshots: &Sides<Snapshot>, pairing: &Pairing, by: &[String], violations: usize) -> Self {
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
            // under a rule, one key may stand for rows of several groups
            key_has_group: !pairing.keys_have_rules() && by.iter().all(|name| keys.contains(name)),
            key: keys.iter().filter_map(part).collect(),
            violations,
        }
    }

    /// A row per group: its values, its counts and its state. Unless all is `sure`, no group is ready.
    pub(super) fn sql(&self, sure: bool) -> String {
        let mut parts = vec![];
        for side in Side::BOTH {
            let rows = COUNTS[side as usize];
            parts.push(self.part(&self.of_side(side), rows, side.name()));
        }
        for (class, rows) in [("missing", "missing"), ("mismatch", "mismatch")] {
            parts.push(self.part(&self.of_row("old"), rows, &format!("discrepancies WHERE class = '{class}'")));
        }
        parts.push(self.part(&self.of_row("new"), "extra", "discrepancies WHERE class = 'extra'"));
        // a row that changed its group concerns both
        let other: Vec<String> = self
            .of_row("old")
            .iter()
            .zip(&self.of_row("new"))
            .map(|(old, new)| format!("({old} IS DISTINCT FROM {new})"))
            .collect();
        let moved = format!("discrepancies WHERE class = 'mismatch' AND ({})", other.join(" OR "));
        parts.push(self.part(&self.of_row("new"), "mismatch", &moved));
        parts.extend(Side::BOTH.map(|side| self.duplicates(side)));
        for number in 0..self.violations {
            parts.push(self.part(&self.of_violations(), "violations", &format!("violations_{number}")));
        }
        states(&self.names(), &parts.join("\nUNION ALL\n"), sure)
    }

    /// How many rows of duplicate keys the question attributes to groups.
    pub(super) fn duplicate_rows(&self, engine: &Engine, desk: &Catalog) -> Result<Sides<u64>> {
        Sides::try_from_fn(|side| {
            let sql =
                format!("SELECT CAST(coalesce(sum(duplicate_rows), 0) AS BIGINT) FROM ({})", self.duplicates(side));
            let question = desk.plan(&sql, &BTreeMap::new(), "[group]")?;
            let mut rows = 0;
            question.for_each_batch(engine, |batch| {
                rows += batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
                Ok(())
            })?;
            Ok(rows as u64)
        })
    }

    /// How many violations are of groups that neither side has.
    pub(super) fn unknown_violations(&self, engine: &Engine, desk: &Catalog) -> Result<u64> {
        let names = self.names().join(", ");
        let known =
            Side::BOTH.map(|side| format!("SELECT {} FROM {side}", self.aliased(&self.of_side(side)).join(", ")));
        let same: Vec<String> =
            self.names().iter().map(|name| format!("(v.{name} IS NOT DISTINCT FROM k.{name})")).collect();
        let mut rows = 0;
        for number in 0..self.violations {
            let violations = self.aliased(&self.of_violations()).join(", ");
            let sql = format!(
                "SELECT count(*) FROM (SELECT {violations} FROM violations_{number}) AS v LEFT ANTI JOIN \
                 (SELECT {names} FROM ({}) GROUP BY {names}) AS k ON {}",
                known.join(" UNION ALL "),
                same.join(" AND ")
            );
            desk.plan(&sql, &BTreeMap::new(), "[group]")?.for_each_batch(engine, |batch| {
                rows += batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
                Ok(())
            })?;
        }
        Ok(rows as u64)
    }

    fn aliased(&self, columns: &[String]) -> Vec<String> {
        columns.iter().zip(self.names()).map(|(column, name)| format!("{column} AS {name}")).collect()
    }

    /// What is no value of the group's type, is of no group.
    fn of_violations(&self) -> Vec<String> {
        self.by.iter().map(|part| format!("TRY_CAST({} AS {})", quoted(&part.name), part.common)).collect()
    }

    fn names(&self) -> Vec<String> {
        self.by.iter().map(|part| quoted(&part.name)).collect()
    }

    /// The rows of duplicate keys of a side, by group.
    fn duplicates(&self, side: Side) -> String {
        let rows = COUNTS[side as usize];
        let duplicate = "discrepancies WHERE class = 'duplicate_key'";
        if self.key_has_group {
            return self.counted(&self.of_row("key"), &format!("sum({rows})"), "duplicate_rows", duplicate);
        }
        let same: Vec<String> = self
            .key
            .iter()
            .map(|part| {
                let (stored, told) =
                    (quoted(&part.stored[side]), format!("get_field(d.key, '{}')", part.name.replace('\'', "''")));
                match part.is_typed {
                    true => format!("(s.{stored} IS NOT DISTINCT FROM {told})"),
                    false => format!("(CAST(s.{stored} AS VARCHAR) IS NOT DISTINCT FROM CAST({told} AS VARCHAR))"),
                }
            })
            .collect();
        let from = format!("{} AS s JOIN (SELECT key FROM {duplicate}) AS d ON {}", side.name(), same.join(" AND "));
        let columns: Vec<String> =
            self.by.iter().map(|part| format!("CAST(s.{} AS {})", quoted(&part.stored[side]), part.common)).collect();
        self.part(&columns, "duplicate_rows", &from)
    }

    fn of_side(&self, side: Side) -> Vec<String> {
        self.by.iter().map(|part| format!("CAST({} AS {})", quoted(&part.stored[side]), part.common)).collect()
    }

    fn of_row(&self, row: &str) -> Vec<String> {
        let of = |part: &CountedColumn| {
            let name = part.name.replace('\'', "''");
            format!("CAST(get_field({row}, '{name}') AS {})", part.common)
        };
        self.by.iter().map(of).collect()
    }

    /// Counts the rows of a table by group.
    fn part(&self, columns: &[String], count: &str, from: &str) -> String {
        self.counted(columns, "count(*)", count, from)
    }

    fn counted(&self, columns: &[String], counted: &str, count: &str, from: &str) -> String {
        let mut sql = "SELECT ".to_string();
        for (column, name) in columns.iter().zip(self.names()) {
            let _ = write!(sql, "{column} AS {name}, ");
        }
        let counts = COUNTS.map(|name| {
            let value = if name == count { format!("CAST({counted} AS BIGINT)") } else { "CAST(0 AS BIGINT)".into() };
            format!("{value} AS {name}")
        });
        let _ = write!(sql, "{} FROM {from} GROUP BY {}", counts.join(", "), columns.join(", "));
        sql
    }
}

/// Adds up parts that have these columns and the counts, and says of each group in which state it is.
pub(super) fn states(names: &[String], parts: &str, sure: bool) -> String {
    let names = names.join(", ");
    let sums = COUNTS.map(|name| format!("CAST(sum({name}) AS BIGINT) AS {name}")).join(", ");
    let wrong = COUNTS[2..].join(" + ");
    format!(
        "SELECT {names}, {}, CASE WHEN new_rows = 0 THEN 'untouched' \
         WHEN old_rows = new_rows AND {wrong} = 0 AND {sure} THEN 'ready' ELSE 'partial' END AS state\n\
         FROM (SELECT {names}, {sums} FROM (\n{parts}\n) GROUP BY {names})\n\
         WHERE old_rows + new_rows > 0\nORDER BY {names}",
        COUNTS.join(", ")
    )
}
