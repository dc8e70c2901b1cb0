//! Columns that could identify a row, by their names, their types, and sampled rows of both sides, the most likely
//! first.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::columns::{Columns, PairedColumns};
use super::load_time::split_name;
use crate::equality::canonical::cells::KeyBytes;
use crate::equality::canonical::domain::Family;
use crate::sides::Side;
use crate::snapshot::types::digits;

/// The rank of a column that has neither the name nor the type of an ID. Lower ranks are more likely.
const NAMELESS: u8 = 4;
/// Numbers with a fraction are measurements. They are unique by chance, so they rank behind names that look like IDs.
const MEASURE: u8 = 12;
/// Floats cannot represent every ID, so they rank behind types that can.
const FLOATING: u8 = 5;
/// How many of the most likely columns are tried in pairs, and in threes.
const PAIRED_MAX: usize = 24;
const TRIPLED_MAX: usize = 12;
/// Of the sampled rows, 1 in this many may have a duplicate or NULL key.
const REPEATED_ONE_IN: usize = 100;

/// Columns that may be a key.
pub(super) struct KeyCandidate {
    pub names: Vec<String>,
    /// The rank: lower is more likely.
    pub unlikely: u8,
    /// Whether one of them is named like an ID.
    pub is_named: bool,
}

/// One column, with hashes of its cells.
struct KeyColumn<'a> {
    pair: &'a PairedColumns,
    /// Its index among the pairs of columns.
    index: usize,
    unlikely: u8,
    cells: [Vec<Option<u64>>; 2],
}

/// Single columns, pairs, and triples that identify (nearly) every sampled row, the most likely first.
pub(super) fn candidates(columns: &Columns) -> Vec<KeyCandidate> {
    let usable = columns.pairs.iter().enumerate().filter(|(_, pair)| pair.comparable && can_identify(pair));
    let mut usable: Vec<KeyColumn> = usable
        .filter_map(|(index, pair)| {
            let cells = |side: Side| numbers(pair, side);
            Some(KeyColumn { pair, index, unlikely: unlikeliness(pair), cells: [cells(Side::Old)?, cells(Side::New)?] })
        })
        .collect();
    usable.sort_by_key(|column| column.unlikely);
    let mut found: Vec<Vec<usize>> =
        (0..usable.len()).filter(|&index| identify(&[&usable[index]])).map(|index| vec![index]).collect();
    let measures = usable.iter().filter(|column| column.unlikely >= MEASURE).count();
    let single = found.clone();
    let is_part = |index: &usize| !single.contains(&vec![*index]);
    // composite IDs rank before measurements, so pairs are also tried if only measurements are unique
    let settled = found.first().is_some_and(|first| usable[first[0]].unlikely <= NAMELESS);
    if !settled {
        let parts: Vec<usize> = (0..usable.len() - measures).filter(is_part).take(PAIRED_MAX).collect();
        for (nth, &one) in parts.iter().enumerate() {
            for &two in &parts[nth + 1..] {
                if identify(&[&usable[one], &usable[two]]) {
                    found.push(vec![one, two]);
                }
            }
        }
        if found.iter().all(|columns| columns.len() == 1) {
            let parts = &parts[..parts.len().min(TRIPLED_MAX)];
            for (nth, &one) in parts.iter().enumerate() {
                for (mth, &two) in parts.iter().enumerate().skip(nth + 1) {
                    for &three in &parts[mth + 1..] {
                        if identify(&[&usable[one], &usable[two], &usable[three]]) {
                            found.push(vec![one, two, three]);
                        }
                    }
                }
            }
        }
    }
    let candidate = |columns: Vec<usize>| {
        let more = columns.len() as u8 - 1;
        let is_named = columns.iter().any(|&index| named(usable[index].pair) < NAMELESS);
        // several columns are also unique by chance, if none of them is named like an ID
        let more = if is_named || more == 0 { more } else { more + NAMELESS };
        let unlikely = columns.iter().fold(more, |sum, &index| sum.saturating_add(usable[index].unlikely));
        // people name key columns in the snapshot's column order
        let mut columns: Vec<&KeyColumn> = columns.into_iter().map(|index| &usable[index]).collect();
        columns.sort_by_key(|column| column.index);
        KeyCandidate { names: columns.into_iter().map(|column| column.pair.name.clone()).collect(), unlikely, is_named }
    };
    let mut found: Vec<KeyCandidate> = found.into_iter().map(candidate).collect();
    found.sort_by_key(|candidate| candidate.unlikely);
    found
}

fn can_identify(pair: &PairedColumns) -> bool {
    use Family::{Binary, Date, NaiveTimestamp, Number, Text, Uuid, ZonedTimestamp};
    let kinds = [Number, Text, Uuid, Binary, Date, NaiveTimestamp, ZonedTimestamp];
    let floats = Side::BOTH.into_iter().filter(|&side| pair.fields[side].data_type().is_floating());
    let whole = floats.into_iter().all(|side| named(pair) < NAMELESS && is_whole(&pair.sample[side]));
    whole && pair.families().iter().all(|family| family.is_some_and(|family| kinds.contains(&family)))
}

/// Whether floats are whole numbers, such as integer IDs that an exporter has converted.
fn is_whole(floats: &ArrayRef) -> bool {
    let Ok(floats) = cast(floats, &DataType::Float64) else { return false };
    floats.as_primitive::<Float64Type>().iter().flatten().all(|float| float.fract() == 0.0)
}

/// The rank of a column by its name.
fn named(pair: &PairedColumns) -> u8 {
    let words = split_name(&pair.name);
    match words.last().map_or("", String::as_str) {
        "id" | "uuid" | "key" | "pk" if words.len() == 1 => 0,
        "id" => 1,
        // without a separator, as in `customerid`
        last if last.ends_with("id") => 1,
        "uuid" | "guid" | "key" | "pk" | "code" | "number" | "nr" | "ref" | "no" => 2,
        _ => NAMELESS,
    }
}

/// The rank of a column by its name and its type.
fn unlikeliness(pair: &PairedColumns) -> u8 {
    let has = |test: fn(&DataType) -> bool| pair.fields.iter().any(|field| test(field.data_type()));
    let typed = match pair.families().new {
        _ if has(|own| digits(own).is_some_and(|(_, scale)| scale > 0)) => MEASURE - NAMELESS,
        _ if has(DataType::is_floating) => FLOATING,
        Some(Family::Number | Family::Text | Family::Uuid | Family::Binary) => 0,
        _ => 3,
    };
    named(pair) + typed
}

/// Hashes of the cells, to detect duplicates. A collision is harmless: the proposal is tested on all rows.
fn numbers(pair: &PairedColumns, side: Side) -> Option<Vec<Option<u64>>> {
    let array = &pair.sample[side];
    let form = pair.chain(&pair.rules)?.full(array, side).ok()?;
    let nulls = array.logical_nulls();
    let arrays: Vec<ArrayRef> = form.arrays().cloned().collect();
    let cells: Vec<KeyBytes> = arrays.iter().map(|array| KeyBytes::of(array)).collect();
    let number = |row: usize| {
        let mut bytes = vec![];
        cells.iter().for_each(|cells| cells.append(row, &mut bytes));
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| hasher.finish())
    };
    Some((0..array.len()).map(number).collect())
}

/// Whether columns identify nearly all rows of both sides.
fn identify(columns: &[&KeyColumn]) -> bool {
    (0..2).all(|side| {
        let rows = columns[0].cells[side].len();
        let mut seen = HashSet::with_capacity(rows);
        let mut repeated = 0;
        (0..rows).all(|row| {
            let parts: Option<[u64; 3]> = columns.iter().enumerate().try_fold([0; 3], |mut parts, (index, column)| {
                parts[index] = column.cells[side][row]?;
                Some(parts)
            });
            repeated += usize::from(parts.is_none_or(|parts| !seen.insert(parts)));
            repeated * REPEATED_ONE_IN <= rows
        })
    })
}

/// Whether a side has text.
pub(super) fn is_text(pair: &PairedColumns) -> bool {
    pair.families().iter().any(|family| *family == Some(Family::Text))
}
