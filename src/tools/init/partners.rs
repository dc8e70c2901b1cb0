//! Finds renamed columns by their values: `ext_uuid` with 16 bytes is `external_id` as text if both have the same
//! values in the same rows.

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::Field;

use super::aligned::Aligned;
use super::columns::{Columns, PairedColumns};
use super::readings::{equal, exact_readings};
use crate::equality::value_text::escaped;
use crate::job::RuleSettings;
use crate::report::count;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Columns of each side that are compared with those of the other.
const COLUMNS_MAX: usize = 60;
/// Pairs of rows in which all pairs of columns are compared first. Few pairs of columns pass.
const FIRST_LOOK: usize = 200;
/// Columns with a value in fewer pairs of rows are not paired.
const ROWS_MIN: usize = 20;
/// Two columns with this many distinct values in common do not agree by chance.
const VALUES_SURE: usize = 10;

/// Two columns with the same values.
struct Match {
    names: Sides<String>,
    rules: RuleSettings,
    /// Equal pairs of cells, out of `rows` pairs that are not NULL on both sides.
    agree: usize,
    rows: usize,
    values: usize,
}

/// Pairs the unpaired columns that agree in nearly all rows, if the match is unambiguous and has many distinct values.
/// Other matches become comments.
pub(super) fn pair_by_values(sides: &Sides<Snapshot>, columns: &mut Columns, aligned: &Aligned) {
    let matches = matches(sides, columns, aligned);
    let times = |side: Side, name: &String| matches.iter().filter(|found| found.names[side] == *name).count();
    for found in &matches {
        let Sides { old, new } = &found.names;
        let alone = Side::BOTH.iter().all(|&side| times(side, &found.names[side]) == 1);
        let share = found.agree as f64 * 100.0 / found.rows as f64;
        let agreement = format!("{share:.1} % of {} agree", count(found.rows as u64, "pair"));
        let indices = (sides.old.schema.index_of(old), sides.new.schema.index_of(new));
        let (true, true, (Ok(at_old), Ok(at_new))) = (alone, found.values >= VALUES_SURE, indices) else {
            let why = match alone {
                true => format!("with {} distinct values", found.values),
                false => "and other columns also agree".into(),
            };
            let (old, new) = (escaped(old), escaped(new));
            columns.perhaps.push(format!("`{old}` of old may be `{new}` of new: {agreement}, {why}"));
            continue;
        };
        let mut pair = PairedColumns::of(sides, &columns.samples, Sides { old: at_old, new: at_new });
        pair.rules = found.rules.clone();
        pair.comparable = true;
        pair.notes = vec![format!("`{}` in old; paired by values: {agreement}", escaped(old))];
        let index = |pair: &PairedColumns| sides.new.schema.index_of(&pair.name).unwrap_or(usize::MAX);
        let before = columns.pairs.iter().position(|other| index(other) > at_new).unwrap_or(columns.pairs.len());
        columns.pairs.insert(before, pair);
        columns.left.old.retain(|left| left != old);
        columns.left.new.retain(|left| left != new);
        columns.similar.retain(|names| names.old != *old && names.new != *new);
    }
}

/// Every pair of columns that agree in nearly all rows.
fn matches(sides: &Sides<Snapshot>, columns: &Columns, aligned: &Aligned) -> Vec<Match> {
    let rows = aligned.rows();
    let column = |side: Side, name: &String| -> Option<(Field, ArrayRef)> {
        sides[side].require_agreement(name).ok()?;
        let field = sides[side].schema.field_with_name(name).ok()?.clone();
        Some((field, rows[side].column_by_name(name)?.clone()))
    };
    let left = Sides::from_fn(|side| {
        let named = columns.left[side].iter().take(COLUMNS_MAX);
        named.filter_map(|name| Some((name, column(side, name)?))).collect::<Vec<_>>()
    });
    let every = rows.old.num_rows().div_ceil(FIRST_LOOK).max(1);
    let few: UInt32Array = (0..rows.old.num_rows() as u32).step_by(every).collect();
    let mut found = vec![];
    for (old, (old_field, old_cells)) in &left.old {
        for (new, (new_field, new_cells)) in &left.new {
            let fields = Sides { old: old_field.clone(), new: new_field.clone() };
            let cells = Sides { old: old_cells.clone(), new: new_cells.clone() };
            let Ok(look) = Sides::try_from_fn(|side| take(&cells[side], &few, None)) else { continue };
            for rules in exact_readings(&fields, &look) {
                let agrees = |cells: &Sides<ArrayRef>| {
                    let (agree, values) = equal(&fields, &rules, cells)?;
                    let rows = with_value(cells);
                    (agree * 100 >= rows * 99).then_some((agree, rows, values))
                };
                if agrees(&look).is_none() {
                    continue;
                }
                let Some((agree, rows, values)) =
                    agrees(&cells).filter(|(_, rows, values)| *rows >= ROWS_MIN && *values > 1)
                else {
                    continue;
                };
                let names = Sides { old: old.to_string(), new: new.to_string() };
                found.push(Match { names, rules, agree, rows, values });
                break;
            }
        }
    }
    found
}

/// The number of pairs of cells with a value on at least one side.
fn with_value(cells: &Sides<ArrayRef>) -> usize {
    let nulls = cells.as_ref().map(|cells| cells.logical_nulls());
    let valid = |side: Side, row: usize| nulls[side].as_ref().is_none_or(|nulls| nulls.is_valid(row));
    (0..cells.old.len()).filter(|&row| Side::BOTH.iter().any(|&side| valid(side, row))).count()
}
