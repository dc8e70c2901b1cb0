//! Conditions on rows, and how strongly findings speak for one.

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp};

use super::population::Population;
use super::rows::{Columns, Line, NO_VALUE, Rows, Value};

/// The least share of a group's findings that a slice holds.
const SHARE_MIN: f64 = 0.2;
/// How many times more findings than its share a slice has at least.
const TIMES_MIN: f64 = 2.0;
/// How many standard deviations. Of a hundred thousand parts, chance takes none this far in a thousand runs.
const DEVIATIONS_MIN: f64 = 6.0;
/// How much the findings have to say, in nats: a part that says this much is chance once in a million.
const INFORMATION_MIN: f64 = 14.0;
/// The share of the findings that a span holds.
const SPAN_SHARE: f64 = 0.95;
/// How many times the mean distance two neighbours are apart that belong to different spans.
const APART_TIMES: i64 = 10;
/// How many conditions are combined in pairs.
const COMBINED: usize = 12;
/// How much more than its parts a pair has to say.
const PAIR_GAIN: f64 = 1.15;

/// A condition on one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// A value, or a month.
    Is { column: usize, value: u32 },
    /// Places from the first to the last.
    Between { column: usize, first: i64, last: i64 },
}

/// The findings of a group and the rows that they are compared with.
pub(super) struct Evidence<'a> {
    pub columns: &'a Columns,
    pub found: &'a Rows,
    /// The group's rows of `found`.
    pub members: &'a [usize],
    pub population: &'a Population,
}

/// What speaks for a condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strength {
    /// Findings for which it holds.
    pub found: usize,
    pub share_of_rows: f64,
    /// How much the findings say against chance, in nats.
    information: f64,
}

impl Condition {
    pub(super) fn column(&self) -> usize {
        match self {
            Condition::Is { column, .. } | Condition::Between { column, .. } => *column,
        }
    }

    fn holds(&self, rows: &Rows, row: usize) -> bool {
        match self {
            Condition::Is { column, value } => rows.values[*column][row] == *value,
            Condition::Between { column, first, last } => {
                rows.places[*column][row].is_some_and(|place| (*first..=*last).contains(&place))
            }
        }
    }

    /// The condition as text.
    pub(super) fn describe(&self, columns: &Columns) -> String {
        let name = &columns.names[self.column()];
        match self {
            Condition::Is { column, value } => match columns.value(*column, *value) {
                Value::Null => format!("{name} is NULL"),
                Value::Text(text) => format!("{name} = '{}'", text.replace('\'', "''")),
                Value::Number(number) => format!("{name} = {number}"),
                Value::Month(month) => format!("{name} in {:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1),
            },
            Condition::Between { column, first, last } => {
                let place = |place: i64| match columns.lines[*column] {
                    Some(Line::Days) => day(place).map_or(place.to_string(), |day| day.to_string()),
                    Some(Line::Seconds) => clock(place).unwrap_or_else(|| place.to_string()),
                    _ => place.to_string(),
                };
                format!("{name} between {} and {}", place(*first), place(*last))
            }
        }
    }
}

/// A time without a zone: of columns with one, it is in UTC.
fn clock(second: i64) -> Option<String> {
    Some(Timestamp::from_second(second).ok()?.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn day(days: i64) -> Option<Date> {
    date(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()
}

/// The conditions that many of the findings in these rows meet, and that not all rows need meet.
pub(super) fn candidates(columns: &Columns, found: &Rows, members: &[usize]) -> Vec<Condition> {
    let of_column = |column| values(found, members, column).into_iter().chain(spans(columns, found, members, column));
    (0..columns.at.len()).flat_map(of_column).collect()
}

/// The conditions that stand out, the one that says most first; at most `most`, and no two for the same findings.
pub(super) fn standing_out(
    evidence: &Evidence,
    conditions: &[Condition],
    most: usize,
) -> Vec<(Vec<Condition>, Strength)> {
    let judge = |condition: &Condition| Some((vec![*condition], evidence.strength(&[*condition])?));
    let mut candidates: Vec<(Vec<Condition>, Strength)> = conditions.iter().filter_map(judge).collect();
    sort(&mut candidates);
    let singles: Vec<_> = candidates.iter().take(COMBINED).cloned().collect();
    for (number, (one, strength)) in singles.iter().enumerate() {
        for (two, other) in &singles[number + 1..] {
            if one[0].column() == two[0].column() {
                continue;
            }
            let both = vec![one[0], two[0]];
            let joint = evidence.strength(&both);
            let gain = PAIR_GAIN * strength.information.max(other.information);
            candidates.extend(joint.filter(|joint| joint.information > gain).map(|joint| (both, joint)));
        }
    }
    sort(&mut candidates);
    let mut kept: Vec<(Vec<Condition>, Strength)> = vec![];
    for candidate in candidates {
        if kept.len() < most && !kept.iter().any(|other| evidence.is_about_the_same(&other.0, &candidate.0)) {
            kept.push(candidate);
        }
    }
    kept
}

fn sort(candidates: &mut [(Vec<Condition>, Strength)]) {
    candidates.sort_by(|one, two| two.1.information.total_cmp(&one.1.information));
}

/// The values of a column that are frequent among the findings.
fn values(found: &Rows, members: &[usize], column: usize) -> Vec<Condition> {
    let mut counts: Vec<usize> = vec![];
    for row in members {
        let value = found.values[column][*row];
        if value == NO_VALUE {
            continue;
        }
        if counts.len() <= value as usize {
            counts.resize(value as usize + 1, 0);
        }
        counts[value as usize] += 1;
    }
    let least = (members.len() as f64 * SHARE_MIN).ceil() as usize;
    let frequent = counts.iter().enumerate().filter(|(_, count)| **count >= least.max(1));
    frequent.map(|(value, _)| Condition::Is { column, value: value as u32 }).collect()
}

/// The shortest span of a column with nearly all findings, and the spans in which many of them are close together.
fn spans(columns: &Columns, found: &Rows, members: &[usize], column: usize) -> Vec<Condition> {
    let mut places: Vec<i64> = members.iter().filter_map(|row| found.places[column][*row]).collect();
    places.sort_unstable();
    let wanted = (members.len() as f64 * SPAN_SHARE).ceil() as usize;
    let ends = |span: &[i64]| Some((*span.first()?, *span.last()?));
    let length = |(first, last): &(i64, i64)| last.saturating_sub(*first);
    let shortest = places.windows(wanted.max(2)).filter_map(ends).min_by_key(length);
    let whole = ends(&places).as_ref().map_or(0, length);
    let apart = (whole / places.len().max(1) as i64).saturating_mul(APART_TIMES);
    let close = places.chunk_by(|one, two| two.saturating_sub(*one) <= apart);
    let close = close.filter(|span| span.len() as f64 >= SHARE_MIN * members.len() as f64).filter_map(ends);
    // a span of most of the column has most of its rows
    let is_part = |span: &(i64, i64)| columns.ranges[column].is_none_or(|range| length(span) < length(&range) / 2);
    let spans = shortest.into_iter().chain(close).filter(|(first, last)| first < last).filter(is_part);
    spans.map(|(first, last)| Condition::Between { column, first, last }).collect()
}

impl Evidence<'_> {
    /// How strongly the findings speak for a condition; `None` if it may be chance, or says little.
    fn strength(&self, conditions: &[Condition]) -> Option<Strength> {
        let holds = |rows: &Rows, row: usize| conditions.iter().all(|condition| condition.holds(rows, row));
        let found = self.members.iter().filter(|row| holds(self.found, **row)).count();
        let all = self.members.len() as f64;
        let share = found as f64 / all;
        if found < super::FINDINGS_MIN || share < SHARE_MIN {
            return None;
        }
        let population = self.population;
        let of_rows: Vec<bool> = (0..population.read.len).map(|row| holds(&population.read, row)).collect();
        let held = of_rows.iter().filter(|holds| **holds).count();
        let read = population.read.len.max(1) as f64;
        // a part that no sampled row is in has about one row too few
        let share_of_rows = (held as f64).max(if population.is_whole { 0.0 } else { 0.5 }) / read;
        let expected = share_of_rows.clamp(1.0 / (2.0 * read), 1.0);
        let variance = expected * (1.0 - expected) / all + self.variance_of_blocks(&of_rows, share_of_rows);
        let deviations = (share - expected) / variance.max(f64::MIN_POSITIVE).sqrt();
        if share < TIMES_MIN * expected || deviations < DEVIATIONS_MIN {
            return None;
        }
        let rest = if share < 1.0 { (1.0 - share) * ((1.0 - share) / (1.0 - expected)).ln() } else { 0.0 };
        let information = all * (share * (share / expected).ln() + rest);
        (information >= INFORMATION_MIN).then_some(Strength { found, share_of_rows, information })
    }

    /// The variance of a share that comes from reading only blocks of rows, which are alike within a block.
    fn variance_of_blocks(&self, of_rows: &[bool], share: f64) -> f64 {
        let Population { blocks, is_whole, read, .. } = self.population;
        if *is_whole || blocks.len() < 2 {
            return 0.0;
        }
        let ends = blocks[1..].iter().copied().chain([read.len]);
        let shares = blocks.iter().zip(ends).filter(|(start, end)| *start < end).map(|(start, end)| {
            of_rows[*start..end].iter().filter(|holds| **holds).count() as f64 / (end - start) as f64
        });
        let squares: f64 = shares.map(|of_block| (of_block - share).powi(2)).sum();
        squares / (blocks.len() * (blocks.len() - 1)) as f64
    }

    /// Whether two conditions hold for nearly the same findings.
    fn is_about_the_same(&self, one: &[Condition], two: &[Condition]) -> bool {
        let holds = |conditions: &[Condition], row: usize| conditions.iter().all(|part| part.holds(self.found, row));
        let (mut both, mut any) = (0, 0);
        for row in self.members {
            let (in_one, in_two) = (holds(one, *row), holds(two, *row));
            both += usize::from(in_one && in_two);
            any += usize::from(in_one || in_two);
        }
        both * 10 >= any * 9
    }
}
