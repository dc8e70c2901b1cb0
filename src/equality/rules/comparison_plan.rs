//! Where two columns meet under some of their rules.

use std::collections::HashMap;

use arrow::datatypes::FieldRef;

use super::parse::{self, ZonePolicy};
use super::text;
use super::text_field;
use super::times::Zone;
use crate::equality::canonical::Domain;
use crate::equality::canonical::digits::FloatDecimal;
use crate::equality::canonical::domain::{Family, NoDomain, family};
use crate::job::Rule;
use crate::job::rule::ParseAs;
use crate::sides::Sides;

/// What some of a column's rules make of it: which are on, and where the sides meet then.
#[derive(Debug, Clone)]
pub(super) struct ComparisonPlan {
    on: Vec<bool>,
    /// How cells are read.
    pub reading: Option<ParseAs>,
    /// Which decimals binary floats are read as.
    pub floats: FloatDecimal,
    /// What is known of their clocks.
    pub clocks: ZonePolicy,
    /// Where the values meet.
    pub domain: Domain,
    /// Whether cells that `reading` cannot read are noted, while values stay as they are stored.
    pub checks_only: bool,
    /// What old writes for what new writes.
    pub values: HashMap<String, String>,
    /// Whether the columns could not be compared without being read as something else.
    pub bridges: bool,
    /// Whether `as` tells what they are read as, and not the zone alone.
    pub tells_kind: bool,
}

impl ComparisonPlan {
    /// The meeting of two columns under the rules that are on; `natural` is where they meet without any.
    /// `checks` leaves values as they are stored where they can be compared so.
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
            // old is text now
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
        // columns that compare as they are need no zone
        let reading = if stored.is_ok() { explicit_parse(&active) } else { reading_of(&active) };
        let zoned = |field: &FieldRef| family(field) == Some(Family::ZonedTimestamp);
        let instants = zone.is_some() || zoned(&fields.old) || zoned(&fields.new);
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
            _ if active.iter().any(|rule| matches!(rule, Rule::Round(_))) => Domain::Digits,
            _ if active.iter().any(|rule| matches!(rule, Rule::Truncate(_))) => parse::domain(ParseAs::Timestamp),
            domain => domain,
        };
        let values = values.unwrap_or_default();
        let rounds = active.iter().any(|rule| matches!(rule, Rule::Round(_)));
        let floats = if rounds { FloatDecimal::Shortest } else { FloatDecimal::Exact };
        Ok(ComparisonPlan { on, reading, floats, clocks, domain, checks_only, values, bridges, tells_kind })
    }

    /// The same, with nothing known of the zone.
    pub(super) fn without_zone(&self) -> ComparisonPlan {
        ComparisonPlan { clocks: ZonePolicy { zone: None, ..self.clocks.clone() }, ..self.clone() }
    }

    /// The same, with what is read ready to be calculated with.
    pub(super) fn calculable(&self) -> ComparisonPlan {
        ComparisonPlan { floats: FloatDecimal::Shortest, ..self.clone() }
    }

    /// Whether the zone can change what cells of such a column are read as.
    pub(super) fn is_changed_by_zone(&self, field: &FieldRef) -> bool {
        match (self.reading, family(field)) {
            (Some(ParseAs::Date), Some(own)) => matches!(own, Family::ZonedTimestamp | Family::Text),
            (_, Some(own)) => own != Family::ZonedTimestamp,
            (_, None) => false,
        }
    }

    /// The rules that are on.
    pub(super) fn rules<'a>(&self, rules: &'a [Rule]) -> Vec<&'a Rule> {
        rules.iter().zip(&self.on).filter(|(_, on)| **on).map(|(rule, _)| rule).collect()
    }
}

/// How cells are read; a zone alone is for timestamps.
pub(super) fn reading_of(rules: &[&Rule]) -> Option<ParseAs> {
    explicit_parse(rules).or_else(|| zone_of(rules).map(|_| ParseAs::Timestamp))
}

/// How `as` says that cells are read.
pub(super) fn explicit_parse(rules: &[&Rule]) -> Option<ParseAs> {
    rules.iter().find_map(|rule| match rule {
        Rule::As(reading) => Some(*reading),
        _ => None,
    })
}

/// The zone of times without one.
pub(super) fn zone_of(rules: &[&Rule]) -> Option<Zone> {
    rules.iter().find_map(|rule| match rule {
        Rule::AssumeTz(zone) => Zone::named(zone),
        _ => None,
    })
}
