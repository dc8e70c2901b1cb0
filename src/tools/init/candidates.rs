//! Which columns could identify a row, by their names, their types and a few rows of both sides: the likeliest first.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::load_time::words;
use super::pairs::{Columns, PairedColumns};
use crate::equality::canonical::cells::KeyBytes;
use crate::equality::canonical::domain::Family;
use crate::sides::Side;
use crate::snapshot::types::digits;

/// Columns that have neither a name nor a type of IDs are as unlikely as this, or more so.
const NAMELESS: u8 = 4;
/// Numbers with a fraction measure something. They are unique by chance, and come after what is named like an ID.
const MEASURE: u8 = 12;
/// Floats do not hold each ID, and come after what does.
const FLOATING: u8 = 5;
/// The likeliest columns, of which pairs are tried, and of which three together are.
const PAIRED_MAX: usize = 24;
const TRIPLED_MAX: usize = 12;
/// Of the rows that are looked at, one in so many may have a key that stands twice, or NULL in it.
const REPEATED_ONE_IN: usize = 100;

/// Columns that may be a key.
pub(super) struct KeyCandidate {
    /// Their names.
    pub names: Vec<String>,
    /// How unlikely they are: the smaller the likelier.
    pub unlikely: u8,
    /// Whether one of them is named like an ID.
    pub is_named: bool,
}

/// One column, and what its cells are, as numbers that are equal where the cells are.
struct KeyColumn<'a> {
    pair: &'a PairedColumns,
    /// Its place among the columns.
    place: usize,
    unlikely: u8,
    cells: [Vec<Option<u64>>; 2],
}

/// Columns, and two or three columns, that identify (nearly) every row of those that were looked at, the likeliest first.
pub(super) fn candidates(columns: &Columns) -> Vec<KeyCandidate> {
    let usable = columns.pairs.iter().enumerate().filter(|(_, pair)| pair.comparable && can_identify(pair));
    let mut usable: Vec<KeyColumn> = usable
        .filter_map(|(place, pair)| {
            let cells = |side: Side| numbers(pair, side);
            Some(KeyColumn { pair, place, unlikely: unlikeliness(pair), cells: [cells(Side::Old)?, cells(Side::New)?] })
        })
        .collect();
    usable.sort_by_key(|column| column.unlikely);
    let mut found: Vec<Vec<usize>> =
        (0..usable.len()).filter(|&at| identify(&[&usable[at]])).map(|at| vec![at]).collect();
    let measures = usable.iter().filter(|column| column.unlikely >= MEASURE).count();
    let single = found.clone();
    let is_part = |at: &usize| !single.contains(&vec![*at]);
    // IDs that need another column beside them come before measures, so pairs are of interest where only those are unique
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
        let is_named = columns.iter().any(|&at| named(usable[at].pair) < NAMELESS);
        // several columns of which none is named like an ID are unique by chance, too
        let more = if is_named || more == 0 { more } else { more + NAMELESS };
        let unlikely = columns.iter().fold(more, |sum, &at| sum.saturating_add(usable[at].unlikely));
        // their order in the snapshot is the order in which people name them
        let mut columns: Vec<&KeyColumn> = columns.into_iter().map(|at| &usable[at]).collect();
        columns.sort_by_key(|column| column.place);
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

/// Whether floats are whole numbers, as IDs are that an exporter has made floats of.
fn is_whole(floats: &ArrayRef) -> bool {
    let Ok(floats) = cast(floats, &DataType::Float64) else { return false };
    floats.as_primitive::<Float64Type>().iter().flatten().all(|float| float.fract() == 0.0)
}

/// By its name, how unlikely a column is to be a key.
fn named(pair: &PairedColumns) -> u8 {
    let words = words(&pair.name);
    match words.last().map_or("", String::as_str) {
        "id" | "uuid" | "key" | "pk" if words.len() == 1 => 0,
        "id" => 1,
        // without a border between the words, as in `customerid`
        last if last.ends_with("id") => 1,
        "uuid" | "guid" | "key" | "pk" | "code" | "number" | "nr" | "ref" | "no" => 2,
        _ => NAMELESS,
    }
}

/// By its name and its type, how unlikely a column is to be a key.
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

/// Each cell as a number, equal ones as the same: whether cells are unique shows in these, and a sum that two
/// different cells have in common is as unlikely as it has to be for a proposal that is tested on all rows.
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
            let parts: Option<[u64; 3]> = columns.iter().enumerate().try_fold([0; 3], |mut parts, (at, column)| {
                parts[at] = column.cells[side][row]?;
                Some(parts)
            });
            repeated += usize::from(parts.is_none_or(|parts| !seen.insert(parts)));
            repeated * REPEATED_ONE_IN <= rows
        })
    })
}

/// Whether a side's cells are text.
pub(super) fn is_text(pair: &PairedColumns) -> bool {
    pair.families().iter().any(|family| *family == Some(Family::Text))
}
