//! Which rules apply to which columns.

use arrow::datatypes::{DataType, Field, FieldRef};

use super::comparison_plan::{explicit_parse, reading_of, unit_of, zone_of};
use super::null_value::as_stored;
use super::times::Zone;
use super::{RuleError, arrays, composites, items, parse, text};
use crate::equality::canonical::domain::{Family, NoDomain, family};
use crate::job::Rule;
use crate::job::rule::{EpochUnit, ParseAs, Tolerance};
use crate::sides::{Side, Sides};
use crate::snapshot::Mixed;

/// Whether a rule applies to a pair of columns that has all of these rules.
pub(crate) fn fits(rule: &Rule, rules: &[Rule], fields: Sides<&Field>) -> bool {
    let fields = fields.map(|field| FieldRef::from(field.clone()));
    !matches!(require_fit(&fields, rules), Err(RuleError::Rule(unfit, _)) if *unfit == *rule)
}

/// Refuses rules that do not apply to the types of a pair.
pub(super) fn require_fit(fields: &Sides<FieldRef>, rules: &[Rule]) -> Result<(), RuleError> {
    if fields.iter().any(|field| family(field).is_none() && field.data_type() != &DataType::Null) {
        return Err(RuleError::Domain(NoDomain::Undefined));
    }
    let pair = RuledPair::of(fields, rules);
    if pair.stored.is_empty() {
        // every rule applies to columns of NULLs
        return Ok(());
    }
    require_known(rules, &pair.active)?;
    for rule in rules {
        if let Some(missing) = pair.missing(rule) {
            return Err(RuleError::Rule(rule.clone().into(), missing.into()));
        }
        let (fits, wanted) = pair.suits(rule);
        if !fits {
            return Err(RuleError::Rule(rule.clone().into(), format!("is for {wanted}")));
        }
    }
    Ok(())
}

/// The families of a pair of columns, and how its rules read them.
struct RuledPair<'a> {
    fields: &'a Sides<FieldRef>,
    stored: Vec<Family>,
    active: Vec<&'a Rule>,
    reading: Option<ParseAs>,
    unit: Option<EpochUnit>,
    zone: Option<Zone>,
    maps: bool,
}

impl<'a> RuledPair<'a> {
    fn of(fields: &'a Sides<FieldRef>, rules: &'a [Rule]) -> Self {
        let active: Vec<&Rule> = rules.iter().collect();
        RuledPair {
            fields,
            stored: fields.iter().filter_map(|field| family(field)).collect(),
            reading: reading_of(&active),
            unit: unit_of(&active),
            zone: zone_of(&active),
            maps: rules.iter().any(|rule| matches!(rule, Rule::Values(_))),
            active,
        }
    }

    fn all(&self, kinds: &[Family]) -> bool {
        self.stored.iter().all(|family| kinds.contains(family))
    }

    fn any(&self, kinds: &[Family]) -> bool {
        self.stored.iter().any(|family| kinds.contains(family))
    }

    fn read_as(&self, readings: &[ParseAs]) -> bool {
        self.reading.is_some_and(|reading| readings.contains(&reading))
    }

    /// Whether the values are numbers as they are read.
    fn numbers(&self) -> bool {
        self.read_as(&[ParseAs::Decimal, ParseAs::Integer, ParseAs::Float, ParseAs::Float32])
            || self.reading.is_none() && self.all(&[Family::Number])
    }

    /// Whether the values are timestamps as they are read.
    fn moments(&self) -> bool {
        self.read_as(&[ParseAs::Timestamp])
            || self.reading.is_none() && self.all(&[Family::NaiveTimestamp, Family::ZonedTimestamp])
    }

    /// Whether a rule applies, and what it is for.
    fn suits(&self, rule: &Rule) -> (bool, &'static str) {
        use Family::{Binary, Boolean, Date, Duration, Json, List, Number, Text, Time, Uuid};
        let (naive, zoned) = (Family::NaiveTimestamp, Family::ZonedTimestamp);
        let for_numbers = self.numbers();
        match rule {
            Rule::Expression(..) => (true, ""),
            Rule::Trim | Rule::Rtrim | Rule::Squeeze | Rule::Nfc | Rule::Casefold | Rule::EmptyIsNull => {
                (self.any(&[Text]), "text")
            }
            Rule::Values(_) => {
                let plain = [Text, Number, Boolean, Uuid, Date, Time, naive, zoned, Binary, Json];
                (self.all(&plain), "scalar values, not lists, structs or maps")
            }
            Rule::As(reading) => (self.can_be_read(*reading), "columns that can be parsed as this type"),
            Rule::Unit(_) => {
                let times = matches!(explicit_parse(&self.active), Some(ParseAs::Timestamp | ParseAs::Date));
                (times && self.any(&[Number, Text]), "numbers with `as = \"timestamp\"` or `as = \"date\"`")
            }
            Rule::Encoding(_) => {
                (self.read_as(&[ParseAs::Text]) && self.any(&[Binary]), "binary columns with `as = \"text\"`")
            }
            Rule::AssumeTz(_) => {
                // a zone alone does not mean that text contains times
                let parse_as = explicit_parse(&self.active);
                let written = if self.unit.is_some() { &[Text, Number][..] } else { &[Text] };
                let texts = self.any(written) && matches!(parse_as, Some(ParseAs::Timestamp | ParseAs::Date));
                let fits = texts || self.all(&[naive, zoned, Date]) && self.any(&[naive, zoned]);
                (fits, "timestamps, or text with `as = \"timestamp\"`")
            }
            Rule::DefaultIsNull(text) => {
                let fits = self.fields.iter().any(|field| {
                    family(field) == Some(Text) || self.reading.is_some() || as_stored(text, field).is_some()
                });
                (fits, "columns that can contain the value")
            }
            Rule::Round(_) | Rule::Significant(_) => (for_numbers, "numbers"),
            Rule::Truncate(_) => (self.moments(), "timestamps"),
            Rule::EitherHour => (self.zone.is_some(), "times in a zone; set assume_tz also"),
            Rule::ItemsBy(by) => {
                let have = self.fields.iter().all(|field| items::have(field, by));
                (self.reading.is_none() && have, "lists of structs that have this field")
            }
            Rule::Unordered => (self.read_as(&[ParseAs::Array]) || self.all(&[List]), "lists"),
            Rule::Tolerance(Tolerance::Number { .. }) => {
                (for_numbers, "numbers; for times, use a duration such as \"5s\"")
            }
            Rule::Tolerance(Tolerance::Duration(_)) => {
                let own = self.reading.is_none() && [Date, Time, Duration].iter().any(|kind| self.all(&[*kind]));
                let fits = self.moments() || self.read_as(&[ParseAs::Date, ParseAs::Time]) || own;
                (fits, "times; for numbers, use a number")
            }
        }
    }

    fn can_be_read(&self, reading: ParseAs) -> bool {
        let reads = |field: &FieldRef| {
            let parses = family(field).is_none_or(|family| parse::reads(reading, family, self.unit));
            parses
                && match reading {
                    ParseAs::Array | ParseAs::Set => arrays::holds_single_values(field),
                    // two structs are compared by the names of their fields
                    ParseAs::Composite if self.all(&[Family::Struct]) => false,
                    ParseAs::Composite | ParseAs::Hstore => composites::has_single_parts(field),
                    _ => true,
                }
        };
        self.maps || self.fields.iter().all(reads)
    }

    /// What a reading of times needs in addition.
    fn missing(&self, rule: &Rule) -> Option<&'static str> {
        use Family::{Date, NaiveTimestamp, Number, Text};
        // timestamps without a zone in mixed files are stored as text that never has an offset
        let are_clocks = || self.fields.iter().all(|field| Mixed::of(field) == Some(Mixed::Clocks));
        match rule {
            Rule::As(ParseAs::Timestamp) if self.all(&[Text]) && self.zone.is_none() && !are_clocks() => {
                Some("on two text columns needs the zone of times without an offset: add assume_tz = \"UTC\"")
            }
            Rule::As(ParseAs::Timestamp | ParseAs::Date) if self.unit.is_none() => {
                let is_number = |side: Side| family(&self.fields[side]) == Some(Number);
                // with `values`, old is text
                let counts = is_number(Side::New) || is_number(Side::Old) && !self.maps;
                counts.then_some(
                    "on numbers needs the unit in which they count from 1970: add unit = \"s\", or \"ms\", \"us\", \"ns\"",
                )
            }
            Rule::Unit(_) if self.zone.is_none() && self.read_as(&[ParseAs::Timestamp]) => self
                .any(&[NaiveTimestamp, Date])
                .then_some("counts in UTC, and needs the zone of the other side's times: add assume_tz = \"UTC\""),
            _ => None,
        }
    }
}

/// Refuses an unknown time zone, and codes that are ambiguous once text is cleaned.
fn require_known(rules: &[Rule], active: &[&Rule]) -> Result<(), RuleError> {
    let is_unknown = |rule: &&Rule| matches!(rule, Rule::AssumeTz(name) if Zone::named(name).is_none());
    if let Some(rule) = rules.iter().find(is_unknown) {
        let reason = "is not a time zone; use a name such as \"UTC\" or \"Europe/Berlin\"";
        return Err(RuleError::Rule(rule.clone().into(), reason.into()));
    }
    for rule in rules {
        let Rule::Values(values) = rule else { continue };
        if let Some(code) = text::ambiguous_code(values, active) {
            let reason = format!("maps `{code}` to two values once text is cleaned");
            return Err(RuleError::Rule(rule.clone().into(), reason));
        }
    }
    Ok(())
}
