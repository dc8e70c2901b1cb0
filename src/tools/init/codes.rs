//! Learns a table of `values`: what new has for each of a few codes of old.
//!
//! A table is learned only if it cannot hide anything. Nearly all sampled rows of a code have one word, whether the row
//! matches or not; and in no row at all does new have a code of the table, or old one of its words. States that were
//! exchanged, or that lag behind in new, are therefore never mistaken for another notation. Rows with another word stay
//! mismatches.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::StringArray;
use arrow::datatypes::DataType;

use super::columns::PairedColumns;
use crate::equality::canonical::domain::Family;
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;
use crate::job::RuleSettings;
use crate::job::rule::Scalar;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Distinct values that a column of codes may have in old. A column with more is free text.
const CODES_MAX: usize = 20;
/// Rows in which each code of a table must have been seen.
const SEEN_MIN: usize = 3;
/// The share of the rows of a code that have its word: nine tenths.
const MAJORITY: (usize, usize) = (9, 10);
/// Non-ASCII texts with at least this similarity are one text that was damaged, not a code and its word.
const DAMAGED: f64 = 0.4;

/// Learns the table for a pair of columns, from the texts of rows that differ and of rows that match.
pub(super) fn learn(
    pair: &PairedColumns,
    differing: &Sides<StringArray>,
    matching: &Sides<StringArray>,
) -> Option<RuleSettings> {
    let is_plain = |family: Option<Family>| matches!(family, Some(Family::Text | Family::Number | Family::Boolean));
    let families = pair.families();
    let floating = matches!(pair.fields.old.data_type(), DataType::Float64 | DataType::Float32);
    if !is_plain(families.old) || families.new != Some(Family::Text) || floating {
        return None;
    }
    let mut words: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (texts, differ) in [(differing, true), (matching, false)] {
        for (old, new) in texts.old.iter().zip(&texts.new) {
            let (Some(old), Some(new)) = (old, new) else { continue };
            *words.entry(old).or_default().entry(new).or_default() += 1;
            *seen.entry(old).or_default() += usize::from(differ);
            if words.len() > CODES_MAX {
                return None;
            }
        }
    }
    let changed = words.iter().filter_map(|(code, words)| {
        let all: usize = words.values().sum();
        let (word, rows) = words.iter().max_by_key(|(_, rows)| **rows)?;
        (word != code && rows * MAJORITY.1 >= all * MAJORITY.0).then_some(())?;
        (seen[code] >= SEEN_MIN && !is_damaged(code, word)).then_some((*code, *word))
    });
    let table: BTreeMap<&str, &str> = changed.collect();
    let known: BTreeSet<&str> = words.values().flat_map(BTreeMap::keys).copied().collect();
    let closed = table.iter().all(|(code, word)| !known.contains(code) && !words.contains_key(word));
    if table.is_empty() || !closed {
        return None;
    }
    let values = table.into_iter().map(|(code, word)| (code.to_string(), Scalar { text: word.into() }));
    Some(RuleSettings { values: Some(values.collect()), ..RuleSettings::default() })
}

/// Whether one text is the other, decoded with the wrong character set.
fn is_damaged(code: &str, word: &str) -> bool {
    let alike = strsim::normalized_damerau_levenshtein(code, word) >= DAMAGED;
    (!code.is_ascii() || !word.is_ascii()) && alike
}

/// Scans all rows: whether no row of old has a word of the table, and no row of new has one of its codes.
pub(super) fn hides_nothing(
    engine: &Engine,
    sides: &Sides<Snapshot>,
    pair: &PairedColumns,
    values: &BTreeMap<String, Scalar>,
) -> Result<bool> {
    let codes: BTreeSet<&str> = values.keys().map(|code| code.trim()).collect();
    let words: BTreeSet<&str> = values.values().map(|word| word.text.trim()).collect();
    for (side, forbidden) in [(Side::Old, words), (Side::New, codes)] {
        let field = &pair.fields[side];
        let Ok(index) = sides[side].schema.index_of(field.name()) else { return Ok(false) };
        let mut scan = sides[side].scan(engine, sides[side].all_reads(), &[index])?;
        while let Some(batch) = scan.next_batch()? {
            let texts =
                value_text::column(&plain_types::array(batch.column(0))?, &plain_types::field(field.name(), field))?;
            if texts.iter().flatten().any(|text| forbidden.contains(text.trim())) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
