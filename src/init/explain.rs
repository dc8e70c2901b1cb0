//! Tries rules on a sample of the mismatches: which would explain how many?

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field};

use super::key::KeyChoice;
use super::pairs::{Columns, Pair, chain};
use crate::canonical::domain::Family;
use crate::discrepancy::{Class, Column, Spooled, Tally, classes};
use crate::error::Result;
use crate::job::RuleSettings;
use crate::job::rule::{Precision, Reading, Scalar, ToleranceSettings};
use crate::render;
use crate::sides::{Side, Sides};

/// Codes that a learned map may have at most.
const CODES_MAX: usize = 20;
/// A rule that explains less is not worth a line: one in ten.
const SHARE_MIN: f64 = 0.1;
/// A column that differs in so many pairs, and by name or type is a time of loading, is noise.
const NOISE_SHARE: f64 = 0.9;

/// What is suggested for one column.
#[derive(Default)]
pub struct Suggestion {
    /// Pairs that differ in it.
    pub mismatches: u64,
    /// Of how many of them the sample consists.
    pub sampled: usize,
    /// Rules that would explain some, each with how many the rules up to it explain together.
    pub rules: Vec<(RuleSettings, usize)>,
    /// Whether it looks like the time of loading, or such.
    pub noise: bool,
}

/// Suggestions for every pair of columns, in their order.
pub fn explain(columns: &Columns, key: &KeyChoice, tally: &Tally, findings: Vec<Spooled>) -> Result<Vec<Suggestion>> {
    let mut cells: BTreeMap<String, Vec<Sides<ArrayRef>>> = BTreeMap::new();
    let mut fields: BTreeMap<String, Sides<Field>> = BTreeMap::new();
    let mut mismatches: BTreeMap<String, u64> = BTreeMap::new();
    for part in findings {
        for batch in part.read()? {
            let batch = batch?;
            let (old, new) = (Column::Old.of(&batch).as_struct(), Column::New.of(&batch).as_struct());
            let changed = Column::Changed.of(&batch).as_list::<i32>();
            let classes = classes(&batch);
            for (at, field) in old.fields().iter().enumerate() {
                let holds = |row: &usize| {
                    let names = changed.value(*row);
                    classes[*row] == Class::Mismatch
                        && names.as_string::<i32>().iter().flatten().any(|name| name == field.name())
                };
                let rows: UInt32Array = (0..batch.num_rows()).filter(holds).map(|row| row as u32).collect();
                if !rows.is_empty() {
                    let pair =
                        Sides { old: take(old.column(at), &rows, None)?, new: take(new.column(at), &rows, None)? };
                    cells.entry(field.name().clone()).or_default().push(pair);
                    let own = Sides { old: field.as_ref().clone(), new: new.fields()[at].as_ref().clone() };
                    fields.insert(field.name().clone(), own);
                }
            }
        }
    }
    let compared = columns.pairs.iter().filter(|pair| pair.comparable);
    // the tally has the columns of the key first
    let is_key = |pair: &&Pair| key.columns.contains(&pair.name);
    let mut order: Vec<&Pair> = compared.clone().filter(is_key).collect();
    order.sort_by_key(|pair| key.columns.iter().position(|name| *name == pair.name));
    order.extend(compared.filter(|pair| !is_key(pair)));
    for (pair, tally) in order.iter().zip(&tally.columns) {
        mismatches.insert(pair.name.clone(), tally.mismatches);
    }
    let paired = tally.matched() + tally.mismatch;
    columns
        .pairs
        .iter()
        .map(|pair| {
            let mismatches = mismatches.get(&pair.name).copied().unwrap_or(0);
            let (Some(parts), Some(fields)) = (cells.get(&pair.name), fields.get(&pair.name)) else {
                return Ok(Suggestion { mismatches, ..Suggestion::default() });
            };
            let join = |side: Side| -> Result<ArrayRef> {
                let parts: Vec<&dyn Array> = parts.iter().map(|part| part[side].as_ref()).collect();
                Ok(concat(&parts)?)
            };
            let cells = Sides { old: join(Side::Old)?, new: join(Side::New)? };
            let noise = is_noise(pair) && mismatches as f64 >= paired as f64 * NOISE_SHARE;
            let sampled = cells.old.len();
            let rules = if noise { vec![] } else { best_rules(pair, fields, &cells)? };
            Ok(Suggestion { mismatches, sampled, rules, noise })
        })
        .collect()
}

/// Whether a column is named like a time of loading, or like a name of the load.
pub fn is_noise(pair: &Pair) -> bool {
    let name = pair.name.to_lowercase();
    let words = [
        "etl", "load", "ingest", "import", "export", "extract", "sync", "batch", "snapshot", "copied", "dbt",
        "airbyte", "fivetran", "dms", "cdc",
    ];
    words.iter().any(|word| name.contains(word))
}

/// The rule that explains the most, then the next on top of it, as long as that helps.
fn best_rules(pair: &Pair, fields: &Sides<Field>, cells: &Sides<ArrayRef>) -> Result<Vec<(RuleSettings, usize)>> {
    let sampled = cells.old.len();
    let mut candidates = candidates(pair, fields, cells)?;
    let mut chosen: Vec<(RuleSettings, usize)> = vec![];
    let mut base = pair.rules.clone();
    let mut explained = 0;
    while explained < sampled {
        let mut best: Option<(usize, usize)> = None;
        for (at, candidate) in candidates.iter().enumerate() {
            let equal = equal_under(pair, fields, cells, &base.clone().overridden_by(candidate))?;
            if equal > best.map_or(explained, |(_, equal)| equal) {
                best = Some((at, equal));
            }
        }
        let pays = |equal: usize| (equal - explained) as f64 >= sampled as f64 * SHARE_MIN;
        let Some((at, equal)) = best.filter(|(_, equal)| pays(*equal)) else { break };
        let rule = candidates.remove(at);
        base = base.overridden_by(&rule);
        explained = equal;
        chosen.push((rule, equal));
    }
    Ok(chosen)
}

fn equal_under(pair: &Pair, fields: &Sides<Field>, cells: &Sides<ArrayRef>, rules: &RuleSettings) -> Result<usize> {
    let Some(chain) = chain(&pair.name, fields, rules) else { return Ok(0) };
    let judged = chain.judge(cells)?;
    Ok((&judged.ruled | &judged.tolerated).count_set_bits())
}

/// Rules that could mean something for a column, the least lossy first.
fn candidates(pair: &Pair, fields: &Sides<Field>, cells: &Sides<ArrayRef>) -> Result<Vec<RuleSettings>> {
    use Family::{List, NaiveTimestamp, Number, Text, ZonedTimestamp};
    let none = RuleSettings::default;
    let families = pair.families();
    let is = |kind: Family| families.iter().any(|family| *family == Some(kind));
    let reads = pair.rules.reading;
    let mut all = vec![];
    if is(Text) {
        all.push(RuleSettings { rtrim: Some(true), ..none() });
        all.push(RuleSettings { trim: Some(true), ..none() });
        all.push(RuleSettings { nfc: Some(true), ..none() });
        all.push(RuleSettings { casefold: Some(true), ..none() });
        all.push(RuleSettings { empty_is_null: Some(true), ..none() });
    }
    if families.old == Some(Text) && families.new == Some(Text) && reads.is_none() {
        for reading in [Reading::Json, Reading::Uuid, Reading::Decimal, Reading::Boolean] {
            all.push(RuleSettings { reading: Some(reading), ..none() });
        }
        all.push(RuleSettings { reading: Some(Reading::Timestamp), assume_tz: Some("UTC".into()), ..none() });
    }
    let text = |side: Side| render::column(&cells[side], &fields[side]);
    let texts = Sides { old: text(Side::Old)?, new: text(Side::New)? };
    all.extend(standing_for_null(&texts).map(|text| RuleSettings { default_is_null: Some(Scalar { text }), ..none() }));
    all.extend(learned_values(pair, &texts).map(|values| RuleSettings { values: Some(values), ..none() }));
    if is(Number) && !matches!(reads, Some(Reading::Boolean)) {
        let floating = fields.iter().any(|field| field.data_type().is_floating());
        if floating {
            all.push(RuleSettings { reading: Some(Reading::Float32), ..none() });
        }
        all.extend((0..=6).rev().map(|places| RuleSettings { round: Some(places), ..none() }));
        for distance in ["0.000001", "0.0001", "0.01"] {
            let abs = ToleranceSettings::Distance(Scalar { text: distance.into() });
            all.push(RuleSettings { tolerance: Some(abs), ..none() });
        }
    }
    if is(NaiveTimestamp) || is(ZonedTimestamp) {
        for unit in [Precision::Microsecond, Precision::Millisecond, Precision::Second] {
            all.push(RuleSettings { truncate: Some(unit), ..none() });
        }
        let second = ToleranceSettings::Distance(Scalar { text: "1s".into() });
        all.push(RuleSettings { tolerance: Some(second), ..none() });
    }
    if families.old == Some(List) && families.new == Some(List) {
        all.push(RuleSettings { unordered: Some(true), ..none() });
    }
    Ok(all)
}

/// The value that most often stands against NULL.
fn standing_for_null(texts: &Sides<arrow::array::StringArray>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (old, new) in texts.old.iter().zip(&texts.new) {
        if let (Some(text), None) | (None, Some(text)) = (old, new) {
            *counts.entry(text).or_default() += 1;
        }
    }
    let (text, _) = counts.into_iter().filter(|(text, _)| !text.is_empty()).max_by_key(|(_, count)| *count)?;
    Some(text.into())
}

/// What old writes for what new writes, if each of a few codes always stands against the same word.
fn learned_values(pair: &Pair, texts: &Sides<arrow::array::StringArray>) -> Option<BTreeMap<String, Scalar>> {
    let plain = |family: Option<Family>| matches!(family, Some(Family::Text | Family::Number | Family::Boolean));
    let families = pair.families();
    if !plain(families.old)
        || families.new != Some(Family::Text)
        || matches!(pair.fields.old.data_type(), DataType::Float64)
    {
        return None;
    }
    let mut words: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (old, new) in texts.old.iter().zip(&texts.new) {
        if let (Some(old), Some(new)) = (old, new) {
            *words.entry(old).or_default().entry(new).or_default() += 1;
        }
    }
    if words.is_empty() || words.len() > CODES_MAX || words.len() * 2 > texts.old.len() {
        return None;
    }
    let likeliest = words.into_iter().map(|(old, words)| {
        let word = words.into_iter().max_by_key(|(_, count)| *count).map_or("", |(word, _)| word);
        (old.to_string(), Scalar { text: word.into() })
    });
    Some(likeliest.collect())
}
