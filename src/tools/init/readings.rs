//! Chooses the rules that the types of two columns need.
//!
//! Such rules are active settings in the job, so lossless ones are preferred. A reading that can make different values
//! equal is only mentioned in a comment.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Field;

use crate::equality::canonical::Domain;
use crate::equality::canonical::cells::KeyBytes;
use crate::equality::canonical::domain::{Family, Nested, NoDomain};
use crate::equality::rules::{Canonical, RuleSet};
use crate::job::RuleSettings;
use crate::job::rule::ParseAs;
use crate::sides::{Side, Sides};

/// A coarser rule has to explain at least 1 in this many pairs more than a finer one.
const DISTINCT_ONE_IN: usize = 100;

/// How two columns can be compared.
pub(super) struct Bridge {
    /// The rules that they need; `None` if they cannot be compared.
    pub rules: Option<RuleSettings>,
    /// Reasons for the rules, or alternatives to them.
    pub notes: Vec<String>,
}

impl Bridge {
    /// For columns that cannot be compared.
    pub(super) fn none() -> Self {
        Bridge { rules: None, notes: vec![] }
    }

    pub(super) fn by(rules: RuleSettings) -> Self {
        Bridge { rules: Some(rules), notes: vec![] }
    }
}

/// By how many of `of` pairs a rule has to explain more than a finer one.
pub(super) fn distinctly(of: usize) -> usize {
    of.div_ceil(DISTINCT_ONE_IN)
}

/// Compiles rules for two columns; `None` if they do not fit.
pub(super) fn chain(name: &str, fields: &Sides<Field>, rules: &RuleSettings) -> Option<RuleSet> {
    let natural = Domain::of(name, fields.as_ref(), &mut |_| false, &mut Nested::default());
    RuleSet::of(name, fields.as_ref(), rules.rules().ok()?, natural).ok()
}

/// The rules that make two columns comparable, from samples whose rows do not correspond: of several possible readings,
/// the one that can read the most cells, and that gives both sides the most values in common.
pub(super) fn bridge(fields: &Sides<Field>, sample: &Sides<ArrayRef>) -> Bridge {
    let candidates = match natural(fields) {
        Ok(()) => return Bridge::by(RuleSettings::default()),
        Err(None) => return Bridge::none(),
        Err(Some(families)) => readings(families, fields, sample),
    };
    let values = sample.iter().map(|cells| cells.len() - cells.logical_null_count()).sum::<usize>();
    let score = |rules: &RuleSettings| {
        let forms = forms(fields, rules, sample)?;
        let lost = forms.iter().map(unreadable).sum::<usize>();
        Some((lost, usize::MAX - in_common(&forms)))
    };
    let tried = candidates.exact.into_iter().filter_map(|rules| Some((score(&rules)?, rules)));
    let best = tried.min_by_key(|(score, _)| *score);
    let is_bad = best.as_ref().is_none_or(|((lost, _), _)| lost * 2 > values);
    let rules = candidates.otherwise.filter(|_| is_bad).or(best.map(|(_, rules)| rules));
    Bridge { rules, notes: vec![] }
}

/// Whether texts that a comparison would read as arrays can only be read as sets: members with commas between
/// them, as in a SET of MySQL. Only the user knows whether their order counts.
pub(super) fn are_sets(fields: &Sides<Field>, rules: &RuleSettings, sample: &Sides<ArrayRef>) -> bool {
    let lost = |rules: &RuleSettings| forms(fields, rules, sample).map(|forms| forms.iter().map(unreadable).sum());
    let set = RuleSettings { reading: Some(ParseAs::Set), ..RuleSettings::default() };
    rules.reading == Some(ParseAs::Array) && lost(rules) > Some(0_usize) && lost(&set) == Some(0)
}

/// Times in text, of which those without a zone are in UTC.
pub(super) fn in_utc() -> RuleSettings {
    RuleSettings { reading: Some(ParseAs::Timestamp), assume_tz: Some("UTC".into()), ..RuleSettings::default() }
}

/// Whether columns are comparable without rules; if not, their families, if a rule could help.
pub(super) fn natural(fields: &Sides<Field>) -> Result<(), Option<Sides<Family>>> {
    match Domain::of("", fields.as_ref(), &mut |_| false, &mut Nested::default()) {
        // the report itself shows columns without a defined equality
        Ok(_) | Err(NoDomain::Undefined) => Ok(()),
        Err(NoDomain::Families { families, path }) => Err(path.is_empty().then_some(families)),
    }
}

/// Whether a side has bytes. Then the other side's text may be in one of several notations.
pub(super) fn is_notation(families: Sides<Family>) -> bool {
    families.iter().any(|family| *family == Family::Binary)
}

/// The lossless rules under which two columns are comparable; the empty rules if they need none.
pub(super) fn exact_readings(fields: &Sides<Field>, cells: &Sides<ArrayRef>) -> Vec<RuleSettings> {
    match natural(fields) {
        Ok(()) => vec![RuleSettings::default()],
        Err(None) => vec![],
        Err(Some(families)) => readings(families, fields, cells).exact,
    }
}

/// Readings that could make two families comparable, the most likely first.
pub(super) struct ReadingCandidates {
    /// Lossless readings.
    pub exact: Vec<RuleSettings>,
    /// Readings that can make different values equal.
    pub lossy: Vec<RuleSettings>,
    /// The last resort if no cell can be read, as with words on one side and numbers on the other.
    pub otherwise: Option<RuleSettings>,
}

pub(super) fn readings(families: Sides<Family>, fields: &Sides<Field>, cells: &Sides<ArrayRef>) -> ReadingCandidates {
    use Family::{Binary, Boolean, Date, Json, NaiveTimestamp, Number, Text, Time, Uuid, ZonedTimestamp};
    let reads = |reading: ParseAs| RuleSettings { reading: Some(reading), ..RuleSettings::default() };
    let utc = |rules: RuleSettings| RuleSettings { assume_tz: Some("UTC".into()), ..rules };
    let any = |test: fn(&Field) -> bool| fields.iter().any(test);
    let whole = any(|field| field.data_type().is_integer());
    let floating = any(|field| field.data_type().is_floating());
    let text_side = if families.old == Text { Side::Old } else { Side::New };
    let other = families[text_side.other()];
    let exact = match (families.old, families.new) {
        (ZonedTimestamp, NaiveTimestamp) | (NaiveTimestamp, ZonedTimestamp) => vec![utc(RuleSettings::default())],
        (Text, _) | (_, Text) => match other {
            Number if whole => vec![reads(ParseAs::Integer), reads(ParseAs::Decimal)],
            Number => vec![reads(ParseAs::Decimal)],
            Boolean => vec![reads(ParseAs::Boolean)],
            Binary => vec![reads(ParseAs::Text), reads(ParseAs::Hex), reads(ParseAs::Uuid), reads(ParseAs::Base64)],
            Uuid => vec![reads(ParseAs::Uuid)],
            Json => vec![reads(ParseAs::Json)],
            // a date that is written with a time of day is not equal to that date
            Date if tells_time_of_day(&fields[text_side], &cells[text_side]) => vec![reads(ParseAs::Timestamp)],
            Date => vec![reads(ParseAs::Date)],
            ZonedTimestamp | NaiveTimestamp => vec![reads(ParseAs::Timestamp), utc(reads(ParseAs::Timestamp))],
            Time => vec![reads(ParseAs::Text)],
            _ => vec![],
        },
        (Uuid, Binary) | (Binary, Uuid) => vec![reads(ParseAs::Uuid)],
        (Date, NaiveTimestamp) | (NaiveTimestamp, Date) => vec![reads(ParseAs::Timestamp)],
        (Date, ZonedTimestamp) | (ZonedTimestamp, Date) => vec![utc(reads(ParseAs::Timestamp))],
        (Boolean, Number) | (Number, Boolean) => vec![reads(ParseAs::Boolean)],
        _ => vec![],
    };
    let lossy = match (families.old, families.new) {
        (Text, Number) | (Number, Text) if floating => vec![reads(ParseAs::Float), reads(ParseAs::Float32)],
        (Text, Date) | (Date, Text) | (Date, NaiveTimestamp) | (NaiveTimestamp, Date) => vec![reads(ParseAs::Date)],
        (Date, ZonedTimestamp) | (ZonedTimestamp, Date) => vec![reads(ParseAs::Date)],
        _ => vec![],
    };
    let is_plain = matches!((families.old, families.new), (Text, Number | Boolean) | (Number | Boolean, Text));
    ReadingCandidates { exact, lossy, otherwise: is_plain.then(|| reads(ParseAs::Text)) }
}

/// Whether texts of dates contain more than the date.
fn tells_time_of_day(field: &Field, texts: &ArrayRef) -> bool {
    let date = Field::new("", arrow::datatypes::DataType::Date32, true);
    let timestamp =
        Field::new("", arrow::datatypes::DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None), true);
    let read = |other: &Field, reading: ParseAs| {
        let fields = Sides { old: field.clone(), new: other.clone() };
        let chain = chain("", &fields, &RuleSettings { reading: Some(reading), ..RuleSettings::default() })?;
        chain.full(texts, Side::Old).ok()
    };
    let (Some(days), Some(times)) = (read(&date, ParseAs::Date), read(&timestamp, ParseAs::Timestamp)) else {
        return false;
    };
    let (Some(days), Some(times)) = (
        days.value.as_primitive_opt::<arrow::datatypes::Int64Type>(),
        times.value.as_primitive_opt::<arrow::datatypes::Decimal128Type>(),
    ) else {
        return false;
    };
    // dates are in milliseconds, times in nanoseconds
    days.iter()
        .zip(times)
        .any(|(day, time)| matches!((day, time), (Some(day), Some(time)) if i128::from(day) * 1_000_000 != time))
}

/// Both sides' cells in canonical form under some rules. Blanks around values are trimmed first: another rule explains
/// them, so they must not affect the choice of the reading.
pub(super) fn forms(fields: &Sides<Field>, rules: &RuleSettings, cells: &Sides<ArrayRef>) -> Option<Sides<Canonical>> {
    let trimmed = chain("", fields, &RuleSettings { trim: Some(true), ..rules.clone() });
    let chain = trimmed.or_else(|| chain("", fields, rules))?;
    Sides::try_from_fn(|side| chain.full(&cells[side], side)).ok()
}

pub(super) fn unreadable(form: &Canonical) -> usize {
    form.unreadable.as_ref().map_or(0, |texts| texts.len() - texts.null_count())
}

/// The number of distinct values that both sides have.
fn in_common(forms: &Sides<Canonical>) -> usize {
    let values = forms.as_ref().map(|form| {
        let cells = KeyBytes::of(&form.value);
        let readable = (0..form.value.len()).filter(|&row| form.value.is_valid(row));
        let bytes = readable.map(|row| {
            let mut bytes = vec![];
            cells.append(row, &mut bytes);
            bytes
        });
        bytes.collect::<std::collections::HashSet<_>>()
    });
    values.old.intersection(&values.new).count()
}

/// The number of pairs of cells with a value on both sides.
pub(super) fn known(cells: &Sides<ArrayRef>) -> usize {
    let nulls = cells.as_ref().map(|cells| cells.logical_nulls());
    let valid = |side: Side, row: usize| nulls[side].as_ref().is_none_or(|nulls| nulls.is_valid(row));
    (0..cells.old.len()).filter(|&row| Side::BOTH.iter().all(|&side| valid(side, row))).count()
}

/// The number of pairs of cells with values that are equal under some rules, and the number of their distinct values.
pub(super) fn equal(fields: &Sides<Field>, rules: &RuleSettings, cells: &Sides<ArrayRef>) -> Option<(usize, usize)> {
    let forms = forms(fields, rules, cells)?;
    let equal = forms.old.equals(&forms.new).ok()?;
    let written = KeyBytes::of(&forms.old.value);
    let (mut agree, mut seen) = (0, std::collections::HashSet::new());
    for row in equal.set_indices().filter(|&row| forms.old.value.is_valid(row)) {
        let mut bytes = vec![];
        written.append(row, &mut bytes);
        seen.insert(bytes);
        agree += 1;
    }
    Some((agree, seen.len()))
}
