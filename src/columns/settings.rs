//! Applies the settings of columns to the pairs that they name.

use arrow::datatypes::Field;

use super::Role;
use super::loaded::{self, StoredColumn, ZoneUnknown};
use super::names::{ColumnNames, NamePair};
use super::version;
use crate::equality::rules::fits;
use crate::error::{Error, Result};
use crate::job::rule::ParseAs;
use crate::job::{ColumnSettings, ColumnType, Job, Origin, Rule, RuleSettings};
use crate::sides::{Side, Sides};
use crate::snapshot::{LOADED_TYPE, Mixed, Snapshot};

pub(super) struct Settings<'a> {
    pairs: Vec<PairSettings>,
    /// Whether a side has the forms of another program.
    is_interpreted: bool,
    /// The column settings of the job, in order.
    configured: &'a [ColumnSettings],
}

/// A rule, and its origin.
pub(super) struct ChosenRule {
    pub rule: Rule,
    pub origin: Origin,
    /// Whether the rule was chosen for this column by name, and not by a pattern.
    pub by_name: bool,
}

#[derive(Default)]
struct PairSettings {
    rules: RuleSettings,
    /// The type that the job states for text.
    column_type: Option<ColumnType>,
    /// The rules that the forms of other programs need.
    loaded: RuleSettings,
    /// Indexes of the job's settings that apply to the pair. A rule comes from the last of them that has it.
    configured: Vec<usize>,
    expressions: Sides<Option<String>>,
}

impl<'a> Settings<'a> {
    /// Finds the pairs that the settings name.
    pub(super) fn of(snapshots: &Sides<Snapshot>, names: &ColumnNames, job: &'a Job) -> Result<Self> {
        let mut all: Vec<PairSettings> = names.pairs.iter().map(|_| PairSettings::default()).collect();
        for (index, settings) in job.columns.iter().enumerate() {
            for number in named(snapshots, settings, names)? {
                let pair = &mut all[number];
                pair.rules = std::mem::take(&mut pair.rules).overridden_by(&settings.rules);
                pair.configured.push(index);
                pair.column_type = settings.column_type.clone().or(pair.column_type.take());
                for side in Side::BOTH {
                    if let Some(expression) = &settings.expressions[side] {
                        pair.expressions[side] = Some(expression.text.clone());
                    }
                }
            }
        }
        let stated = job.columns.iter().find(|settings| settings.column_type.is_some());
        if let (Some(settings), false) = (stated, snapshots.iter().any(Snapshot::is_interpreted)) {
            let reason = "`type` is for columns of files that are not Parquet, or that have a preset; here, use `as`";
            return Err(Error::request(&settings.origin, reason));
        }
        if snapshots.iter().any(Snapshot::is_interpreted) {
            let mut faults = vec![];
            for (pair, settings) in names.pairs.iter().zip(&mut all) {
                match loaded_rules(snapshots, pair, settings) {
                    Ok(rules) => settings.loaded = rules,
                    Err(fault) => faults.push(fault),
                }
            }
            Error::all(faults)?;
        }
        let is_interpreted = snapshots.iter().any(Snapshot::is_interpreted);
        Ok(Settings { pairs: all, is_interpreted, configured: &job.columns })
    }

    /// Returns the rules of a pair that concern times.
    pub(super) fn time_rules(&self, pair: usize) -> version::TimeRules {
        let PairSettings { rules, loaded, .. } = &self.pairs[pair];
        let rules = loaded.clone().overridden_by(rules);
        // what texts are is known once they were read
        let reading = rules.reading.or(self.is_interpreted.then_some(ParseAs::Timestamp));
        version::TimeRules { reading, zone: rules.assume_tz }
    }

    /// Returns the rules of a pair in the order of application. Rules that were chosen by a pattern and do not apply to
    /// these types are left out.
    pub(super) fn rules(&self, pair: usize, role: Role, fields: Sides<&Field>) -> Result<Vec<ChosenRule>> {
        let settings = &self.pairs[pair];
        let last = || settings.configured.last().map(|&index| self.configured[index].origin.clone());
        let place_of = |rule: &Rule| {
            let mut settings = settings.configured.iter().rev().map(|&index| &self.configured[index]);
            let found = settings.find(|own| own.rules.rules().is_ok_and(|rules| rules.contains(rule)));
            found.map_or((Origin::Set("compare".into()), true), |own| (own.origin.clone(), is_by_name(own)))
        };
        let expressions = Side::BOTH
            .into_iter()
            .filter_map(|side| settings.expressions[side].clone().map(|text| Rule::Expression(side, text)));
        let mut chosen = settings.rules.clone();
        let implied = imply(&mut chosen, fields);
        let read = settings.loaded.rules().unwrap_or_default();
        chosen = settings.loaded.clone().overridden_by(&chosen);
        let chosen = chosen.rules().map_err(|reason| {
            let origin = last().map(|origin| origin.to_string()).unwrap_or_default();
            Error::request(origin, reason)
        })?;
        let rules: Vec<ChosenRule> = expressions
            .chain(chosen)
            .map(|rule| {
                let (origin, by_name) = match &rule {
                    rule if implied.contains(rule) => (Origin::Files, true),
                    rule if read.contains(rule) => (Origin::Texts, true),
                    Rule::Expression(..) => (last().unwrap_or(Origin::Set("compare".into())), true),
                    rule => place_of(rule),
                };
                ChosenRule { rule, origin, by_name }
            })
            .collect();
        let all: Vec<Rule> = rules.iter().map(|own| own.rule.clone()).collect();
        let suits = |rule: &Rule| fits(rule, &all, fields) && (role == Role::Value || is_for_keys(rule));
        let rules: Vec<ChosenRule> = rules.into_iter().filter(|own| own.by_name || suits(&own.rule)).collect();
        match rules.iter().find(|own| role == Role::Key && !is_for_keys(&own.rule)) {
            Some(own) => Err(Error::request(
                &own.origin,
                format!("`{}` cannot be used on a key column; keys must be equal", own.rule),
            )),
            None => Ok(rules),
        }
    }
}

/// Adds readings for columns whose files have different types, unless the user chose one. Returns the added rules.
fn imply(chosen: &mut RuleSettings, fields: Sides<&Field>) -> Vec<Rule> {
    let mixed: Vec<Mixed> = fields.iter().filter_map(|field| Mixed::of(field)).collect();
    let mut implied = vec![];
    if let (Some(mixed), None) = (mixed.first(), chosen.reading) {
        chosen.reading = Some(mixed.reading());
        implied.push(Rule::As(mixed.reading()));
    }
    if let ([Mixed::Instants, Mixed::Instants], None) = (&mixed[..], &chosen.assume_tz) {
        // the texts of both sides contain offsets, so the zone is never used
        chosen.assume_tz = Some("UTC".into());
        implied.push(Rule::AssumeTz("UTC".into()));
    }
    implied
}

/// What is known of a pair of columns, by their indexes in the schemas.
fn stored<'a>(snapshots: &'a Sides<Snapshot>, at: Sides<usize>) -> Sides<StoredColumn<'a>> {
    Sides::from_fn(|side| StoredColumn {
        field: snapshots[side].schema.field(at[side]),
        content: snapshots[side].content(at[side]),
        is_in_utc: snapshots[side].is_in_utc(),
    })
}

/// The rules that a comparison implies for a pair of columns without settings, by their indexes in the schemas; `None` if
/// it would ask for a zone.
pub(crate) fn implied_rules(snapshots: &Sides<Snapshot>, at: Sides<usize>) -> Option<RuleSettings> {
    match snapshots.iter().any(Snapshot::is_interpreted) {
        true => loaded::rules(&stored(snapshots, at), None, &RuleSettings::default()).ok(),
        false => Some(RuleSettings::default()),
    }
}

/// Returns the rules of a pair that other programs wrote in other forms.
fn loaded_rules(snapshots: &Sides<Snapshot>, pair: &NamePair, settings: &PairSettings) -> Result<RuleSettings> {
    let (at, fields) = super::fields(snapshots, pair);
    let columns = stored(snapshots, at);
    // `load` kept the text of cells that are not of the type that was stated then
    let kept = fields.iter().find_map(|field| field.metadata().get(LOADED_TYPE));
    let kept = kept.and_then(|text| text.parse::<ColumnType>().ok());
    let stated = settings.column_type.as_ref().or(kept.as_ref());
    let rules = loaded::rules(&columns, stated, &settings.rules);
    rules.map_err(|ZoneUnknown| Error::ZoneUnknown { column: pair.name.clone() })
}

/// Whether settings name their columns without a pattern.
fn is_by_name(settings: &ColumnSettings) -> bool {
    settings.of_type.is_none() && settings.names.iter().all(|name| !name.text.contains('*'))
}

fn is_for_keys(rule: &Rule) -> bool {
    !rule.rounds() && !matches!(rule, Rule::Tolerance(_))
}

/// Returns the pairs that settings name. Every name must be that of a pair, and every pattern must match one. There need
/// not be a column of a type.
fn named(snapshots: &Sides<Snapshot>, settings: &ColumnSettings, names: &ColumnNames) -> Result<Vec<usize>> {
    if let Some(family) = settings.of_type {
        let is_of_type = |pair: &NamePair| {
            let columns = stored(snapshots, super::fields(snapshots, pair).0);
            columns.iter().any(|column| loaded::is_of(column, family))
        };
        return Ok((0..names.pairs.len()).filter(|&at| is_of_type(&names.pairs[at])).collect());
    }
    let mut pairs = vec![];
    for name in &settings.names {
        let found: Vec<usize> = match name.text.contains('*') {
            true => (0..names.pairs.len()).filter(|&at| matches(&name.text, &names.pairs[at].name)).collect(),
            false => names.pair(&name.text).into_iter().collect(),
        };
        if found.is_empty() {
            return Err(names.no_pair(name));
        }
        pairs.extend(found);
    }
    Ok(pairs)
}

/// Whether a name matches a pattern in which `*` matches any characters. Each part between two stars is matched at its
/// first occurrence, which leaves the most for the parts after it.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_anything() {
        for (pattern, name) in [("*_at", "created_at"), ("*", ""), ("a*c*", "abcd"), ("é*", "éa"), ("*at*", "rate")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        let many = ("*a".repeat(60) + "b", "a".repeat(200));
        for (pattern, name) in
            [("*_at", "at"), ("a*", "ba"), ("a*c", "abcd"), ("a", "ab"), ("ab*ba", "aba"), (&*many.0, &*many.1)]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
