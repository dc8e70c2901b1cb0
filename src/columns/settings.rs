//! What the user says of single columns, brought to the pairs that it is about.

use arrow::datatypes::Field;

use super::Role;
use super::names::Names;
use crate::error::{Error, Result};
use crate::job::rule::Tolerance;
use crate::job::{ColumnSettings, Job, Place, Rule, RuleSettings};
use crate::rules::fits;
use crate::sides::{Side, Sides};

/// The settings of every pair.
pub struct Settings(Vec<PairSettings>);

/// A rule, and where it was chosen.
pub struct Told {
    /// The rule.
    pub rule: Rule,
    /// Where it was chosen.
    pub place: Place,
    /// Whether it was chosen for this very column, and not for a pattern.
    pub by_name: bool,
}

#[derive(Default)]
struct PairSettings {
    rules: RuleSettings,
    /// The settings that each rule came from are told by the last that names the column.
    told: Vec<(RuleSettings, Place, bool)>,
    expressions: Sides<Option<String>>,
}

impl Settings {
    /// Finds the pairs that the settings name.
    pub fn of(names: &Names, job: &Job) -> Result<Self> {
        let mut all: Vec<PairSettings> = names.pairs.iter().map(|_| PairSettings::default()).collect();
        for settings in &job.columns {
            let by_name = settings.names.iter().all(|name| !name.text.contains('*'));
            for number in named(settings, names)? {
                let pair = &mut all[number];
                pair.rules = std::mem::take(&mut pair.rules).overridden_by(&settings.rules);
                pair.told.push((settings.rules.clone(), settings.place.clone(), by_name));
                for side in Side::BOTH {
                    if let Some(expression) = &settings.expressions[side] {
                        pair.expressions[side] = Some(expression.text.clone());
                    }
                }
            }
        }
        Ok(Settings(all))
    }

    /// The rules of a pair, in the order in which they are applied. Rules that were chosen by a pattern and
    /// mean nothing for these types are left out.
    pub fn rules(&self, pair: usize, role: Role, fields: Sides<&Field>) -> Result<Vec<Told>> {
        let settings = &self.0[pair];
        let place_of = |rule: &Rule| {
            let told = settings.told.iter().rev().find(|(told, ..)| told.rules().is_ok_and(|told| told.contains(rule)));
            told.map_or((Place::Set("compare".into()), true), |(_, place, by_name)| (place.clone(), *by_name))
        };
        let expressions = Side::BOTH
            .into_iter()
            .filter_map(|side| settings.expressions[side].clone().map(|text| Rule::Expression(side, text)));
        let chosen = settings.rules.rules().map_err(|reason| {
            let place = settings.told.last().map(|(_, place, _)| place.to_string()).unwrap_or_default();
            Error::Contradiction(format!("{place}: {reason}"))
        })?;
        let rules: Vec<Told> = expressions
            .chain(chosen)
            .map(|rule| {
                let (place, by_name) = match &rule {
                    Rule::Expression(..) => {
                        (settings.told.last().map_or(Place::Set("compare".into()), |(_, place, _)| place.clone()), true)
                    }
                    rule => place_of(rule),
                };
                Told { rule, place, by_name }
            })
            .collect();
        let all: Vec<Rule> = rules.iter().map(|told| told.rule.clone()).collect();
        let suits = |rule: &Rule| fits(rule, &all, fields) && (role == Role::Value || is_for_keys(rule));
        let rules: Vec<Told> = rules.into_iter().filter(|told| told.by_name || suits(&told.rule)).collect();
        match rules.iter().find(|told| role == Role::Key && !is_for_keys(&told.rule)) {
            Some(told) => Err(Error::Contradiction(format!(
                "{}: `{}` is not for a key: what identifies a row is equal or it is not",
                told.place, told.rule
            ))),
            None => Ok(rules),
        }
    }
}

fn is_for_keys(rule: &Rule) -> bool {
    !matches!(rule, Rule::Round(_) | Rule::Tolerance(Tolerance::Number { .. } | Tolerance::Duration(_)))
}

/// The pairs that settings are about. A name that no pair has is an error; a pattern has to fit one, too.
fn named(settings: &ColumnSettings, names: &Names) -> Result<Vec<usize>> {
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

/// Whether a name fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(tail) = name.strip_prefix(start) else { return false };
    let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    ends.into_iter().any(|at| matches(rest, &tail[at..]))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in [("*_at", "created_at"), ("*", ""), ("a*c*", "abcd"), ("é*", "éa"), ("*at*", "rate")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*_at", "at"), ("a*", "ba"), ("a*c", "abcd"), ("a", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
