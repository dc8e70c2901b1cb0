//! Which rules apply to which columns.

use arrow::datatypes::{DataType, Field, FieldRef};

use super::comparison_plan::{explicit_parse, reading_of, zone_of};
use super::null_value::as_stored;
use super::times::Zone;
use super::{RuleError, parse, text};
use crate::equality::canonical::domain::{Family, NoDomain, family};
use crate::job::Rule;
use crate::job::rule::{ParseAs, Tolerance};
use crate::sides::Sides;
use crate::snapshot::Mixed;

/// Whether a rule applies to a pair of columns that has all of these rules.
pub(crate) fn fits(rule: &Rule, rules: &[Rule], fields: Sides<&Field>) -> bool {
    let fields = fields.map(|field| FieldRef::from(field.clone()));
    !matches!(require_fit(&fields, rules), Err(RuleError::Rule(unfit, _)) if unfit == *rule)
}

/// Refuses rules that do not apply to the types of a pair.
pub(super) fn require_fit(fields: &Sides<FieldRef>, rules: &[Rule]) -> Result<(), RuleError> {
    use Family::{Binary, Boolean, Date, Duration, Json, List, Number, Text, Time, Uuid};
    let stored: Vec<Family> = fields.iter().filter_map(|field| family(field)).collect();
    if fields.iter().any(|field| family(field).is_none() && field.data_type() != &DataType::Null) {
        return Err(RuleError::Domain(NoDomain::Undefined));
    }
    if stored.is_empty() {
        // every rule applies to columns of NULLs
        return Ok(());
    }
    let active: Vec<&Rule> = rules.iter().collect();
    let reading = reading_of(&active);
    require_known(rules, &active)?;
    let all = |kinds: &[Family]| stored.iter().all(|family| kinds.contains(family));
    let any = |kinds: &[Family]| stored.iter().any(|family| kinds.contains(family));
    let naive = Family::NaiveTimestamp;
    let zoned = Family::ZonedTimestamp;
    for rule in rules {
        let read_as = |readings: &[ParseAs]| reading.is_some_and(|reading| readings.contains(&reading));
        let numbers = read_as(&[ParseAs::Decimal, ParseAs::Integer, ParseAs::Float, ParseAs::Float32])
            || reading.is_none() && all(&[Number]);
        let moments = read_as(&[ParseAs::Timestamp]) || reading.is_none() && all(&[naive, zoned]);
        let times = moments || read_as(&[ParseAs::Date]) || reading.is_none() && all(&[Date]);
        let (fits, wanted) = match rule {
            Rule::Expression(..) => (true, ""),
            Rule::Trim | Rule::Rtrim | Rule::Nfc | Rule::Casefold | Rule::EmptyIsNull => (any(&[Text]), "text"),
            Rule::Values(_) => {
                let plain = [Text, Number, Boolean, Uuid, Date, Time, naive, zoned, Binary, Json];
                (all(&plain), "scalar values, not lists, structs or maps")
            }
            Rule::As(reading) => {
                let fits = stored.iter().all(|family| parse::reads(*reading, *family));
                let mapped = rules.iter().any(|rule| matches!(rule, Rule::Values(_)));
                (fits || mapped, "columns that can be parsed as this type")
            }
            Rule::AssumeTz(_) => {
                // a zone alone does not mean that text contains times
                let parse_as = explicit_parse(&active);
                let texts = any(&[Text]) && matches!(parse_as, Some(ParseAs::Timestamp | ParseAs::Date));
                let fits = texts || all(&[naive, zoned, Date]) && any(&[naive, zoned]);
                (fits, "timestamps, or text with `as = \"timestamp\"`")
            }
            Rule::DefaultIsNull(text) => {
                let fits = fields
                    .iter()
                    .any(|field| family(field) == Some(Text) || reading.is_some() || as_stored(text, field).is_some());
                (fits, "columns that can contain the value")
            }
            Rule::Round(_) => (numbers, "numbers"),
            Rule::Truncate(_) => (moments, "timestamps"),
            Rule::EitherHour => (zone_of(&active).is_some(), "times in a zone; set assume_tz also"),
            Rule::Unordered => (all(&[List]), "lists"),
            Rule::Tolerance(Tolerance::Number { .. }) => (numbers, "numbers; for times, use a duration such as \"5s\""),
            Rule::Tolerance(Tolerance::Duration(_)) => {
                let lengths = reading.is_none() && (all(&[Time]) || all(&[Duration]));
                (times || lengths, "times; for numbers, use a number")
            }
        };
        if !fits {
            return Err(RuleError::Rule(rule.clone(), format!("is for {wanted}")));
        }
        // timestamps without a zone in mixed files are stored as text that never has an offset
        let are_clocks = fields.iter().all(|field| Mixed::of(field) == Some(Mixed::Clocks));
        if matches!(rule, Rule::As(ParseAs::Timestamp)) && all(&[Text]) && zone_of(&active).is_none() && !are_clocks {
            let reason = "on two text columns needs the zone of times without an offset: add assume_tz = \"UTC\"";
            return Err(RuleError::Rule(rule.clone(), reason.into()));
        }
    }
    Ok(())
}

/// Refuses an unknown time zone, and codes that are ambiguous once text is cleaned.
fn require_known(rules: &[Rule], active: &[&Rule]) -> Result<(), RuleError> {
    let is_unknown = |rule: &&Rule| matches!(rule, Rule::AssumeTz(name) if Zone::named(name).is_none());
    if let Some(rule) = rules.iter().find(is_unknown) {
        let reason = "is not a time zone; use a name such as \"UTC\" or \"Europe/Berlin\"";
        return Err(RuleError::Rule(rule.clone(), reason.into()));
    }
    for rule in rules {
        let Rule::Values(values) = rule else { continue };
        if let Some(code) = text::ambiguous_code(values, active) {
            let reason = format!("maps `{code}` to two values once text is cleaned");
            return Err(RuleError::Rule(rule.clone(), reason));
        }
    }
    Ok(())
}
