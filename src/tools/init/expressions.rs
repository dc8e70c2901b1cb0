//! Finds expressions that make columns comparable if no reading does: for lists stored as text, times stored as counts
//! since 1970, times of day stored as durations or text, and booleans stored as bits.
//!
//! Only lossless expressions are tried, and their results are compared in rows with the same key.

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::aligned::Aligned;
use super::columns::{Columns, PairedColumns};
use super::readings::{distinctly, equal};
use crate::equality::canonical::domain::Family;
use crate::job::{Origin, RuleSettings, Setting};
use crate::report::count;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::sql::{RowExpression, quoted};

/// Sets an expression for pairs that cannot be compared, if one makes most rows equal.
pub(super) fn find(engine: &Engine, columns: &mut Columns, aligned: &Aligned) {
    for pair in columns.pairs.iter_mut() {
        // a time of day can be written in several notations, so equal times can differ as text
        let least = match pair.comparable {
            false => 0,
            true if is_text_and_time(pair) => match as_it_stands(pair, aligned) {
                Some(least) => least,
                None => continue,
            },
            true => continue,
        };
        let Some((side, expressions)) = candidates(pair) else { continue };
        // a bare name that cannot be planned may contain a keyword of SQL; the quoted name is tried next
        for expression in expressions {
            if let Some(found) = explains(engine, pair, aligned, side, &expression).filter(|found| found.agree > least)
            {
                pair.comparable = false;
                pair.rules = found.rules;
                pair.notes = found.said;
                pair.offers = found.offers;
                pair.expression = Some((side, expression));
                break;
            }
        }
    }
}

/// An expression that was tried, and its result.
struct FoundExpression {
    /// The pairs that it makes equal.
    agree: usize,
    /// The rules that the columns need in addition.
    rules: RuleSettings,
    said: Vec<String>,
    offers: Vec<String>,
}

/// Expressions for one side's column, the most likely first.
fn candidates(pair: &PairedColumns) -> Option<(Side, Vec<String>)> {
    use Family::{Binary, Boolean, Duration, List, NaiveTimestamp, Number, Text, Time, ZonedTimestamp};
    let families = pair.families();
    let families = Sides { old: families.old?, new: families.new? };
    let of = |side: Side| families[side];
    let side = Side::BOTH.into_iter().find(|&side| matches!(of(side), Text | Number | Binary | Duration))?;
    let other = of(side.other());
    let whole = pair.fields[side].data_type().is_integer();
    let of_name = |name: &str| -> Vec<String> {
        match (of(side), other) {
            (Text, List) => [",", ", ", ";", "|"].map(|mark| format!("string_to_array({name}, '{mark}')")).into(),
            (Number, NaiveTimestamp | ZonedTimestamp) if whole => {
                ["seconds", "millis", "micros", "nanos"].map(|unit| format!("to_timestamp_{unit}({name})")).into()
            }
            // MySQL's BIT(1); other bytes do not look like booleans
            (Binary, Boolean) => {
                vec![format!("case encode({name}, 'hex') when '01' then true when '00' then false end")]
            }
            (Duration, Time) => match pair.fields[side].data_type() {
                DataType::Duration(unit) => vec![time_of_day(*unit, name)],
                _ => vec![],
            },
            (Text, Time) => vec![format!("cast({name} as time)")],
            _ => vec![],
        }
    };
    let name = pair.fields[side].name();
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let bare = if is_plain { of_name(name) } else { vec![] };
    let all = bare.into_iter().chain(of_name(&quoted(name))).collect();
    Some((side, all))
}

/// Converts a duration since midnight to a time of day.
fn time_of_day(unit: TimeUnit, name: &str) -> String {
    let nanoseconds = match unit {
        TimeUnit::Second => " * 1000000000",
        TimeUnit::Millisecond => " * 1000000",
        TimeUnit::Microsecond => " * 1000",
        TimeUnit::Nanosecond => "",
    };
    format!("cast(cast({name} as bigint){nanoseconds} as time)")
}

fn is_text_and_time(pair: &PairedColumns) -> bool {
    let families = pair.families();
    matches!(
        (families.old, families.new),
        (Some(Family::Text), Some(Family::Time)) | (Some(Family::Time), Some(Family::Text))
    )
}

/// How many pairs an expression has to exceed: clearly more than are equal without it. `None` if nearly all are equal.
fn as_it_stands(pair: &PairedColumns, aligned: &Aligned) -> Option<usize> {
    let cells = aligned.cells(pair)?;
    let (agree, _) = equal(&pair.fields, &pair.rules, &cells)?;
    let known = (0..cells.old.len()).filter(|&row| Side::BOTH.iter().all(|&side| cells[side].is_valid(row))).count();
    (agree + distinctly(known) < known).then_some(agree + distinctly(known))
}

fn explains(
    engine: &Engine,
    pair: &PairedColumns,
    aligned: &Aligned,
    side: Side,
    expression: &str,
) -> Option<FoundExpression> {
    let rows = aligned.rows();
    let text = Setting { text: expression.into(), origin: Origin::Flag("init") };
    let planned = RowExpression::plan(engine, &rows[side].schema(), &text).ok()?;
    let values = planned.values(&rows[side]).ok()?;
    let mut cells = aligned.cells(pair)?;
    cells[side] = values;
    let mut fields: Sides<Field> = pair.fields.clone();
    fields[side] = planned.field().as_ref().clone();
    let zone = (pair.families()[side.other()] == Some(Family::ZonedTimestamp)).then(|| "UTC".into());
    let rules = RuleSettings { assume_tz: zone, ..RuleSettings::default() };
    let known = (0..cells.old.len()).filter(|&row| Side::BOTH.iter().all(|&side| cells[side].is_valid(row))).count();
    let (agree, _) = equal(&fields, &rules, &cells)?;
    let unordered = RuleSettings { unordered: Some(true), ..rules.clone() };
    let anyhow = equal(&fields, &unordered, &cells).map_or(0, |(agree, _)| agree);
    let best = agree.max(anyhow);
    if best == 0 || best * 2 < known {
        return None;
    }
    let share =
        |agree: usize| format!("{:.1} % of {}", agree as f64 * 100.0 / known as f64, count(known as u64, "pair"));
    let offers = match anyhow > agree + distinctly(known) {
        true => vec![format!("unordered = true  # explains {} together with the line above", share(anyhow))],
        false => vec![],
    };
    Some(FoundExpression {
        agree: best,
        rules,
        said: vec![format!("with this expression, {} are equal", share(agree))],
        offers,
    })
}
