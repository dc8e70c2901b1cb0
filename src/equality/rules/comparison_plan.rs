//! How two columns are compared under a subset of their rules.

use std::collections::HashMap;

use arrow::datatypes::FieldRef;

use super::parse::{self, Notation, ZonePolicy};
use super::text;
use super::text_field;
use super::times::Zone;
use crate::equality::canonical::Domain;
use crate::equality::canonical::digits::FloatDecimal;
use crate::equality::canonical::domain::{Family, NoDomain, family};
use crate::job::Rule;
use crate::job::rule::{Encoding, EpochUnit, ParseAs};
use crate::sides::Sides;

/// How two columns are compared: the active rules, and the domain that results.
#[derive(Debug, Clone)]
pub(super) struct ComparisonPlan {
    on: Vec<bool>,
    /// How cells are parsed.
    pub reading: Option<ParseAs>,
    pub notation: Notation,
    pub domain: Domain,
    /// Whether `reading` only detects unreadable cells, while the stored values are compared.
    pub checks_only: bool,
    /// The translation of old codes to values in new.
    pub values: HashMap<String, String>,
    /// Whether the columns are only comparable because of a reading.
    pub bridges: bool,
    /// Whether `as` determines the type, not just the zone.
    pub tells_kind: bool,
}

impl ComparisonPlan {
    /// Plans the comparison of two columns under the rules that are on; `natural` is their domain without rules. With
    /// `checks`, stored values are compared as they are if that is possible.
    pub(super) fn of(
        fields: &Sides<FieldRef>,
        rules: &[Rule],
        on: Vec<bool>,
        natural: &Result<Domain, NoDomain>,
        checks: bool,
    ) -> Result<Self, NoDomain> {
        let active: Vec<&Rule> = rules.iter().zip(&on).filter(|(_, on)| **on).map(|(rule, _)| rule).collect();
        let values = active.iter().find_map(|rule| match rule {
            Rule::Values(values) => Some(text::clean_values(values, &active)),
            _ => None,
        });
        let zone = zone_of(&active);
        let stored = match values {
            None => natural.clone(),
            // with `values`, old is text
            Some(_) => {
                let text = text_field(&fields.old);
                Domain::of(
                    fields.old.name(),
                    Sides { old: &text, new: &fields.new },
                    &mut |_| false,
                    &mut Default::default(),
                )
            }
        };
        // columns that are comparable as stored need no zone
        let reading = if stored.is_ok() { explicit_parse(&active) } else { reading_of(&active) };
        let zoned = |field: &FieldRef| family(field) == Some(Family::ZonedTimestamp);
        let unit = unit_of(&active);
        let instants = zone.is_some() || unit.is_some() || zoned(&fields.old) || zoned(&fields.new);
        let either_hour = active.contains(&&Rule::EitherHour);
        let clocks = ZonePolicy { instants, zone, either_hour };
        let (bridges, tells_kind) = (stored.is_err(), explicit_parse(&active).is_some());
        let checks_only = checks && reading.is_some() && stored.is_ok();
        let domain = match reading {
            Some(reading) if !checks_only => parse::domain(reading),
            _ => stored?,
        };
        let domain = match domain {
            Domain::List(item) if active.contains(&&Rule::Unordered) => Domain::Multiset(item),
            _ if active.iter().any(|rule| rule.rounds()) => Domain::Digits,
            _ if active.iter().any(|rule| matches!(rule, Rule::Truncate(_))) => parse::domain(ParseAs::Timestamp),
            domain => domain,
        };
        let values = values.unwrap_or_default();
        let floats = match active.iter().find(|rule| rule.rounds()) {
            Some(Rule::Significant(_)) => FloatDecimal::Widened,
            Some(_) => FloatDecimal::Shortest,
            None => FloatDecimal::Exact,
        };
        let notation = Notation { floats, clocks, unit, encoding: encoding_of(&active) };
        Ok(ComparisonPlan { on, reading, notation, domain, checks_only, values, bridges, tells_kind })
    }

    /// The same plan without the zone, the unit or the encoding that a rule specifies.
    pub(super) fn without(&self, rule: &Rule) -> ComparisonPlan {
        let notation = self.notation.clone();
        let notation = match rule {
            Rule::AssumeTz(_) => Notation { clocks: ZonePolicy { zone: None, ..notation.clocks }, ..notation },
            Rule::Unit(_) => Notation { unit: None, ..notation },
            Rule::Encoding(_) => Notation { encoding: Encoding::Utf8, ..notation },
            _ => notation,
        };
        ComparisonPlan { notation, ..self.clone() }
    }

    /// The same plan with values that can be used in calculations.
    pub(super) fn calculable(&self) -> ComparisonPlan {
        let notation = Notation { floats: FloatDecimal::Shortest, ..self.notation.clone() };
        ComparisonPlan { notation, ..self.clone() }
    }

    /// Whether the zone can change the values of such a column.
    pub(super) fn is_changed_by_zone(&self, field: &FieldRef) -> bool {
        match (self.reading, family(field)) {
            (Some(ParseAs::Date), Some(own)) => {
                matches!(own, Family::ZonedTimestamp | Family::Text | Family::Number)
            }
            // numbers count from an instant
            (_, Some(own)) => !matches!(own, Family::ZonedTimestamp | Family::Number),
            (_, None) => false,
        }
    }

    /// The active rules.
    pub(super) fn rules<'a>(&self, rules: &'a [Rule]) -> Vec<&'a Rule> {
        rules.iter().zip(&self.on).filter(|(_, on)| **on).map(|(rule, _)| rule).collect()
    }
}

/// How cells are parsed: by `as`, or as timestamps if there is only a zone.
pub(super) fn reading_of(rules: &[&Rule]) -> Option<ParseAs> {
    explicit_parse(rules).or_else(|| zone_of(rules).map(|_| ParseAs::Timestamp))
}

/// The reading of an `as` rule.
pub(super) fn explicit_parse(rules: &[&Rule]) -> Option<ParseAs> {
    rules.iter().find_map(|rule| match rule {
        Rule::As(reading) => Some(*reading),
        _ => None,
    })
}

/// The unit of numbers that are read as times.
pub(super) fn unit_of(rules: &[&Rule]) -> Option<EpochUnit> {
    rules.iter().find_map(|rule| match rule {
        Rule::Unit(unit) => Some(*unit),
        _ => None,
    })
}

/// The encoding of bytes that are read as text.
fn encoding_of(rules: &[&Rule]) -> Encoding {
    let chosen = rules.iter().find_map(|rule| match rule {
        Rule::Encoding(encoding) => Some(*encoding),
        _ => None,
    });
    chosen.unwrap_or(Encoding::Utf8)
}

/// The zone for times without one.
pub(super) fn zone_of(rules: &[&Rule]) -> Option<Zone> {
    rules.iter().find_map(|rule| match rule {
        Rule::AssumeTz(zone) => Zone::named(zone),
        _ => None,
    })
}
