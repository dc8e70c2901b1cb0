//! The rules that a user can choose for a column, as they are written in a job file.
//!
//! Each rule is opt-in, and applies to both sides unless stated otherwise. The order is always:
//!
//! 1. `old_expr`, `new_expr`: the value of the column is that of the expression
//! 2. `trim`, `rtrim`, `squeeze`, `nfc`, `casefold`, `empty_is_null`: text is normalized
//! 3. `values`: old's codes are replaced by new's
//! 4. `as`, `unit`, `encoding`, `assume_tz`: the cell is parsed as a type
//! 5. `either_hour`, `default_is_null`, `round`, `significant`, `truncate`, `items_by`, `unordered`: values that count
//!    as equal become equal
//! 6. `tolerance`: the remaining difference may have this size

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

pub use super::reading::{Encoding, EpochUnit, ParseAs};

/// A rule with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// The column of one side is an SQL expression over the columns of that side.
    Expression(crate::sides::Side, String),
    /// Ignore white space at both ends.
    Trim,
    /// Ignore white space at the end.
    Rtrim,
    /// Treat runs of white space as one blank.
    Squeeze,
    /// Compare text in Unicode's composed form.
    Nfc,
    /// Ignore case, by Unicode's full case folding.
    Casefold,
    /// Treat the empty string as NULL.
    EmptyIsNull,
    /// Old's codes, and new's codes for the same values.
    Values(BTreeMap<String, String>),
    /// The type that cells are parsed as.
    As(ParseAs),
    /// The unit of numbers that are parsed as times.
    Unit(EpochUnit),
    /// The encoding of bytes that are parsed as text.
    Encoding(Encoding),
    /// The time zone of timestamps without one.
    AssumeTz(String),
    /// A local time that occurs twice may be either of its two instants.
    EitherHour,
    /// Treat this value as NULL.
    DefaultIsNull(String),
    /// Round numbers to this many decimal places.
    Round(i8),
    /// Round numbers to this many significant digits.
    Significant(u8),
    /// Truncate times to this unit.
    Truncate(Precision),
    /// Match the items of lists by this field of theirs.
    ItemsBy(String),
    /// Ignore the order of lists.
    Unordered,
    /// The maximum distance of two values.
    Tolerance(Tolerance),
}

impl Rule {
    /// The rule's name in a job file.
    pub fn name(&self) -> &'static str {
        use crate::sides::Side;
        match self {
            Rule::Expression(Side::Old, _) => "old_expr",
            Rule::Expression(Side::New, _) => "new_expr",
            Rule::Trim => "trim",
            Rule::Rtrim => "rtrim",
            Rule::Squeeze => "squeeze",
            Rule::Nfc => "nfc",
            Rule::Casefold => "casefold",
            Rule::EmptyIsNull => "empty_is_null",
            Rule::Values(_) => "values",
            Rule::As(_) => "as",
            Rule::Unit(_) => "unit",
            Rule::Encoding(_) => "encoding",
            Rule::AssumeTz(_) => "assume_tz",
            Rule::EitherHour => "either_hour",
            Rule::DefaultIsNull(_) => "default_is_null",
            Rule::Round(_) => "round",
            Rule::Significant(_) => "significant",
            Rule::Truncate(_) => "truncate",
            Rule::ItemsBy(_) => "items_by",
            Rule::Unordered => "unordered",
            Rule::Tolerance(_) => "tolerance",
        }
    }

    /// Whether the rule determines the value of a cell, rather than which differences are ignored. The value has to be
    /// known before anything is compared. A cell that cannot be parsed equals nothing.
    pub fn is_reading(&self) -> bool {
        let is_source = matches!(self, Rule::Expression(..) | Rule::Values(_));
        is_source || matches!(self, Rule::As(_) | Rule::Unit(_) | Rule::Encoding(_) | Rule::AssumeTz(_))
    }

    /// Whether the rule rounds numbers.
    pub fn rounds(&self) -> bool {
        matches!(self, Rule::Round(_) | Rule::Significant(_))
    }
}

impl fmt::Display for Rule {
    /// Writes the rule as a line of a job file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Rule::Expression(_, text) | Rule::AssumeTz(text) | Rule::DefaultIsNull(text) | Rule::ItemsBy(text) => {
                write!(f, "{name} = {}", quoted(text))
            }
            Rule::Values(values) => {
                let pairs: Vec<_> =
                    values.iter().map(|(old, new)| format!("{} = {}", quoted(old), quoted(new))).collect();
                write!(f, "{name} = {{ {} }}", pairs.join(", "))
            }
            Rule::As(reading) => write!(f, "{name} = \"{reading}\""),
            Rule::Unit(unit) => write!(f, "{name} = \"{unit}\""),
            Rule::Encoding(encoding) => write!(f, "{name} = \"{encoding}\""),
            Rule::Round(places) => write!(f, "{name} = {places}"),
            Rule::Significant(digits) => write!(f, "{name} = {digits}"),
            Rule::Truncate(precision) => write!(f, "{name} = \"{precision}\""),
            Rule::Tolerance(tolerance) => write!(f, "{name} = {tolerance}"),
            _ => write!(f, "{name} = true"),
        }
    }
}

/// Writes a text as a TOML string on one line.
pub fn quoted(text: &str) -> String {
    // TOML understands all escapes of JSON; DEL is the only character that TOML forbids and JSON allows
    serde_json::Value::String(text.into()).to_string().replace('\u{7f}', "\\u007F")
}

/// The precision of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Days, in UTC.
    Day,
    /// Hours.
    Hour,
    /// Minutes.
    Minute,
    /// Seconds.
    Second,
    /// Seconds.
    S,
    /// Milliseconds.
    Millisecond,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Microsecond,
    /// Microseconds.
    Us,
}

impl Precision {
    /// The length of the unit in nanoseconds.
    pub fn nanoseconds(self) -> i128 {
        match self {
            Precision::Day => 86_400_000_000_000,
            Precision::Hour => 3_600_000_000_000,
            Precision::Minute => 60_000_000_000,
            Precision::Second | Precision::S => 1_000_000_000,
            Precision::Millisecond | Precision::Ms => 1_000_000,
            Precision::Microsecond | Precision::Us => 1_000,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Day => "day",
            Precision::Hour => "hour",
            Precision::Minute => "minute",
            Precision::Second | Precision::S => "second",
            Precision::Millisecond | Precision::Ms => "millisecond",
            Precision::Microsecond | Precision::Us => "microsecond",
        })
    }
}

/// The largest distance of two values. One bound that holds is enough.
#[derive(Debug, Clone, PartialEq)]
pub enum Tolerance {
    /// For numbers.
    Number {
        /// The absolute distance.
        distance: Option<Bound<BigDecimal>>,
        /// The distance relative to the larger absolute value, included.
        rel: Option<BigDecimal>,
    },
    /// For times, in nanoseconds.
    Duration(Bound<i128>),
}

/// The end of a range of distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound<T> {
    /// Distances up to this one, included.
    UpTo(T),
    /// Distances smaller than this one.
    Below(T),
}

impl<T> Bound<T> {
    /// Whether a distance that compares with the bound like this is in the range.
    pub fn admits(&self, order: Ordering) -> bool {
        match self {
            Bound::UpTo(_) => order.is_le(),
            Bound::Below(_) => order.is_lt(),
        }
    }

    /// The distance at which the range ends.
    pub fn end(&self) -> &T {
        match self {
            Bound::UpTo(end) | Bound::Below(end) => end,
        }
    }

    /// A bound of the same kind.
    fn with<U>(&self, end: U) -> Bound<U> {
        match self {
            Bound::UpTo(_) => Bound::UpTo(end),
            Bound::Below(_) => Bound::Below(end),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Bound::UpTo(_) => "abs",
            Bound::Below(_) => "below",
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Duration(bound) => {
                let span = jiff::SignedDuration::from_nanos_i128(*bound.end());
                match bound {
                    Bound::UpTo(_) => write!(f, "\"{span:#}\""),
                    Bound::Below(_) => write!(f, "{{ {} = \"{span:#}\" }}", bound.name()),
                }
            }
            Tolerance::Number { distance, rel } => {
                let distance = distance.as_ref().map(|bound| (bound.name(), bound.end()));
                let parts = distance.into_iter().chain(rel.as_ref().map(|rel| ("rel", rel)));
                let parts = parts.map(|(name, bound)| format!("{name} = {}", bound.to_plain_string()));
                write!(f, "{{ {} }}", parts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Rules for one or several columns in a job file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSettings {
    /// Ignore white space at both ends of a text.
    pub trim: Option<bool>,
    /// Ignore white space at the end of a text, such as the padding of CHAR columns.
    pub rtrim: Option<bool>,
    /// Treat every run of white space in a text as one blank, also at its ends.
    pub squeeze: Option<bool>,
    /// Compare text in Unicode's composed form (NFC).
    pub nfc: Option<bool>,
    /// Ignore case, by Unicode's full case folding.
    pub casefold: Option<bool>,
    /// Treat the empty string as NULL.
    pub empty_is_null: Option<bool>,
    /// Old's codes, and new's codes for the same values: `{ A = "active", I = "inactive" }`.
    pub values: Option<BTreeMap<String, Scalar>>,
    /// The type that cells are parsed as. A cell that cannot be parsed is a mismatch.
    #[serde(rename = "as")]
    pub reading: Option<ParseAs>,
    /// With `as = "timestamp"` or `as = "date"`: the unit of numbers, which count from 1970-01-01 00:00 UTC.
    pub unit: Option<EpochUnit>,
    /// With `as = "text"`: the encoding of bytes.
    pub encoding: Option<Encoding>,
    /// The time zone of timestamps without one, such as `UTC` or `Europe/Berlin`.
    pub assume_tz: Option<String>,
    /// With `assume_tz`: a local time that occurs twice, when clocks are set back, may be either of its two instants.
    pub either_hour: Option<bool>,
    /// A value that is treated as NULL.
    pub default_is_null: Option<Scalar>,
    /// The number of decimal places that numbers are rounded to, with halves away from zero. A negative number rounds
    /// before the decimal point.
    pub round: Option<i8>,
    /// The number of significant digits that numbers are rounded to, with halves away from zero.
    pub significant: Option<u8>,
    /// The unit that times are truncated to.
    pub truncate: Option<Precision>,
    /// Match the items of lists, which are structs, by this field of theirs, whatever their order.
    pub items_by: Option<String>,
    /// Compare lists as multisets.
    pub unordered: Option<bool>,
    /// The maximum distance of two values, inclusive: a number, a duration such as `5s`, or the bounds `abs`, `below`
    /// (exclusive) and `rel`.
    pub tolerance: Option<ToleranceSettings>,
}

impl RuleSettings {
    /// Returns these settings, overridden by those that `other` has.
    pub fn overridden_by(self, other: &RuleSettings) -> RuleSettings {
        let other = other.clone();
        RuleSettings {
            trim: other.trim.or(self.trim),
            rtrim: other.rtrim.or(self.rtrim),
            squeeze: other.squeeze.or(self.squeeze),
            nfc: other.nfc.or(self.nfc),
            casefold: other.casefold.or(self.casefold),
            empty_is_null: other.empty_is_null.or(self.empty_is_null),
            values: other.values.or(self.values),
            reading: other.reading.or(self.reading),
            unit: other.unit.or(self.unit),
            encoding: other.encoding.or(self.encoding),
            assume_tz: other.assume_tz.or(self.assume_tz),
            either_hour: other.either_hour.or(self.either_hour),
            default_is_null: other.default_is_null.or(self.default_is_null),
            round: other.round.or(self.round),
            significant: other.significant.or(self.significant),
            truncate: other.truncate.or(self.truncate),
            // one excludes the other
            items_by: other.items_by.clone().or(self.items_by.filter(|_| other.unordered != Some(true))),
            unordered: other.unordered.or(self.unordered.filter(|_| other.items_by.is_none())),
            tolerance: other.tolerance.or(self.tolerance),
        }
    }

    /// Returns the names of the rules that are turned off, against settings for several columns.
    pub fn turned_off(&self) -> Vec<&'static str> {
        let flags = [
            ("trim", self.trim),
            ("rtrim", self.rtrim),
            ("squeeze", self.squeeze),
            ("nfc", self.nfc),
            ("casefold", self.casefold),
            ("empty_is_null", self.empty_is_null),
            ("either_hour", self.either_hour),
            ("unordered", self.unordered),
        ];
        flags.into_iter().filter(|(_, flag)| *flag == Some(false)).map(|(name, _)| name).collect()
    }

    /// Returns the rules that are on, in the order of application.
    pub fn rules(&self) -> Result<Vec<Rule>, String> {
        let on = |setting: Option<bool>, rule: Rule| setting.unwrap_or(false).then_some(rule);
        let values = self
            .values
            .as_ref()
            .map(|values| Rule::Values(values.iter().map(|(old, new)| (old.clone(), new.text.clone())).collect()));
        if self.trim == Some(true) && self.rtrim == Some(true) {
            return Err("`trim` includes `rtrim`; choose one of them".into());
        }
        match self.significant {
            Some(0) => return Err("`significant`: expected at least 1 digit".into()),
            Some(_) if self.round.is_some() => return Err("choose one of `round` and `significant`".into()),
            _ => {}
        }
        if self.items_by.is_some() && self.unordered == Some(true) {
            return Err("choose one of `items_by` and `unordered`".into());
        }
        let tolerance = self.tolerance.as_ref().map(ToleranceSettings::tolerance).transpose()?;
        Ok([
            on(self.trim, Rule::Trim),
            on(self.rtrim, Rule::Rtrim),
            on(self.squeeze, Rule::Squeeze),
            on(self.nfc, Rule::Nfc),
            on(self.casefold, Rule::Casefold),
            on(self.empty_is_null, Rule::EmptyIsNull),
            values,
            self.reading.map(Rule::As),
            self.unit.map(Rule::Unit),
            self.encoding.map(Rule::Encoding),
            self.assume_tz.clone().map(Rule::AssumeTz),
            on(self.either_hour, Rule::EitherHour),
            self.default_is_null.as_ref().map(|value| Rule::DefaultIsNull(value.text.clone())),
            self.round.map(Rule::Round),
            self.significant.map(Rule::Significant),
            self.truncate.map(Rule::Truncate),
            self.items_by.clone().map(Rule::ItemsBy),
            on(self.unordered, Rule::Unordered),
            tolerance.map(Rule::Tolerance),
        ]
        .into_iter()
        .flatten()
        .collect())
    }
}

/// A value that may be written as a string, a number, a boolean, or a date. It is kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The value as it is written.
    pub text: String,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(truth) => truth.to_string(),
            _ => return Err(serde::de::Error::custom("expected a single value, not a list or a section")),
        };
        Ok(Scalar { text })
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "number", "boolean"], "format": "date-time" })
    }
}

/// A tolerance as it is written in a job file.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ToleranceSettings {
    /// `0.005`, or `"5s"`.
    Distance(Scalar),
    /// `{ abs = 0.005, rel = 1e-9 }`.
    Bounds {
        /// The absolute distance: a number, or a duration such as `5s`.
        abs: Option<Scalar>,
        /// Like `abs`, but the bound itself is not allowed.
        below: Option<Scalar>,
        /// The distance relative to the larger absolute value.
        rel: Option<Scalar>,
    },
}

impl ToleranceSettings {
    fn tolerance(&self) -> Result<Tolerance, String> {
        let number = |scalar: &Scalar| -> Result<BigDecimal, String> {
            let wrong = || format!("`tolerance`: `{}` is neither a number nor a duration such as \"5s\"", scalar.text);
            let number = super::number(&scalar.text).ok_or_else(wrong)?;
            match number.sign() == Sign::Minus {
                true => Err("`tolerance`: a distance cannot be negative".into()),
                false => Ok(number),
            }
        };
        let (distance, rel) = match self {
            ToleranceSettings::Distance(abs) => (Some(Bound::UpTo(abs)), None),
            ToleranceSettings::Bounds { abs: None, below: None, rel: None } => {
                return Err("`tolerance`: expected `abs`, `rel`, or both".into());
            }
            ToleranceSettings::Bounds { abs: Some(_), below: Some(_), .. } => {
                return Err("`tolerance`: choose one of `abs`, which includes its bound, and `below`".into());
            }
            ToleranceSettings::Bounds { abs, below, rel } => {
                (abs.as_ref().map(Bound::UpTo).or(below.as_ref().map(Bound::Below)), rel.as_ref())
            }
        };
        let span = distance.and_then(|bound| duration(&bound.end().text).map(|span| bound.with(span)));
        match (span, rel) {
            (Some(_), Some(_)) => Err("`tolerance`: a duration cannot be combined with `rel`".into()),
            (Some(Bound::Below(0)), None) => Err(EMPTY.into()),
            (Some(span), None) => Ok(Tolerance::Duration(span)),
            (None, rel) => {
                let distance = distance.map(|bound| Ok::<_, String>(bound.with(number(bound.end())?))).transpose()?;
                match &distance {
                    Some(Bound::Below(end)) if end.sign() == Sign::NoSign => Err(EMPTY.into()),
                    _ => Ok(Tolerance::Number { distance, rel: rel.map(number).transpose()? }),
                }
            }
        }
    }
}

/// The error of a tolerance that excludes every distance.
const EMPTY: &str = "`tolerance`: no distance is below 0";

/// Parses a duration such as `5s`, `250 ms`, or `1h 30m`, in nanoseconds; `None` if the text is not a duration.
fn duration(text: &str) -> Option<i128> {
    let duration: jiff::SignedDuration = text.trim().parse().ok()?;
    (!duration.is_negative()).then(|| duration.as_nanos())
}
