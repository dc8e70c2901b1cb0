//! The rules that a user can choose for a column, as they are written in a job file.
//!
//! Each rule is opt-in, and applies to both sides unless stated otherwise. The order is always:
//!
//! 1. `old_expr`, `new_expr`: the value of the column is that of the expression
//! 2. `trim`, `rtrim`, `nfc`, `casefold`, `empty_is_null`: text is normalized
//! 3. `values`: old's codes are replaced by new's
//! 4. `as`, `assume_tz`: the cell is parsed as a type
//! 5. `either_hour`, `default_is_null`, `round`, `truncate`, `unordered`: values that count as equal become equal
//! 6. `tolerance`: the remaining difference may have this size

use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::BigDecimal;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A rule with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// The column of one side is an SQL expression over the columns of that side.
    Expression(crate::sides::Side, String),
    /// Ignore white space at both ends.
    Trim,
    /// Ignore white space at the end.
    Rtrim,
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
    /// The time zone of timestamps without one.
    AssumeTz(String),
    /// A local time that occurs twice may be either of its two instants.
    EitherHour,
    /// Treat this value as NULL.
    DefaultIsNull(String),
    /// Round numbers to this many decimal places.
    Round(i8),
    /// Truncate times to this unit.
    Truncate(Precision),
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
            Rule::Nfc => "nfc",
            Rule::Casefold => "casefold",
            Rule::EmptyIsNull => "empty_is_null",
            Rule::Values(_) => "values",
            Rule::As(_) => "as",
            Rule::AssumeTz(_) => "assume_tz",
            Rule::EitherHour => "either_hour",
            Rule::DefaultIsNull(_) => "default_is_null",
            Rule::Round(_) => "round",
            Rule::Truncate(_) => "truncate",
            Rule::Unordered => "unordered",
            Rule::Tolerance(_) => "tolerance",
        }
    }

    /// Whether the rule determines the value of a cell, rather than which differences are ignored. The value has to be
    /// known before anything is compared. A cell that cannot be parsed equals nothing.
    pub fn is_reading(&self) -> bool {
        matches!(self, Rule::Expression(..) | Rule::Values(_) | Rule::As(_) | Rule::AssumeTz(_))
    }
}

impl fmt::Display for Rule {
    /// Writes the rule as a line of a job file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Rule::Expression(_, text) | Rule::AssumeTz(text) | Rule::DefaultIsNull(text) => {
                write!(f, "{name} = {}", quoted(text))
            }
            Rule::Values(values) => {
                let pairs: Vec<_> =
                    values.iter().map(|(old, new)| format!("{} = {}", quoted(old), quoted(new))).collect();
                write!(f, "{name} = {{ {} }}", pairs.join(", "))
            }
            Rule::As(reading) => write!(f, "{name} = \"{reading}\""),
            Rule::Round(places) => write!(f, "{name} = {places}"),
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

/// The types that a cell can be parsed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParseAs {
    /// Text as it is; bytes are decoded as UTF-8.
    Text,
    /// Numbers of any size, exactly.
    Decimal,
    /// Whole numbers of any size.
    Integer,
    /// 64-bit floats.
    Float,
    /// 32-bit floats.
    Float32,
    /// Booleans: true and false, yes and no, on and off, 1 and 0.
    Boolean,
    /// Dates. The time of day is dropped.
    Date,
    /// Instants if one side has a zone or `assume_tz` gives one, otherwise local times.
    Timestamp,
    /// UUIDs, as text or 16 bytes.
    Uuid,
    /// JSON, compared by value.
    Json,
    /// Bytes, encoded in hexadecimal.
    Hex,
    /// Bytes, encoded in Base64.
    Base64,
}

impl ParseAs {
    /// Whether two different values of another family always remain different after parsing. Different spellings of one
    /// value (`5.0` and `5`, `yes` and `true`) do not count.
    pub fn loses_nothing(self) -> bool {
        match self {
            ParseAs::Text
            | ParseAs::Decimal
            | ParseAs::Integer
            | ParseAs::Boolean
            | ParseAs::Timestamp
            | ParseAs::Uuid
            | ParseAs::Hex
            | ParseAs::Base64 => true,
            // numbers are rounded, the time of day is dropped, and a JSON document has many spellings
            ParseAs::Float | ParseAs::Float32 | ParseAs::Date | ParseAs::Json => false,
        }
    }
}

impl fmt::Display for ParseAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseAs::Text => "text",
            ParseAs::Decimal => "decimal",
            ParseAs::Integer => "integer",
            ParseAs::Float => "float",
            ParseAs::Float32 => "float32",
            ParseAs::Boolean => "boolean",
            ParseAs::Date => "date",
            ParseAs::Timestamp => "timestamp",
            ParseAs::Uuid => "uuid",
            ParseAs::Json => "json",
            ParseAs::Hex => "hex",
            ParseAs::Base64 => "base64",
        })
    }
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

/// The maximum distance of two values. Bounds are inclusive, and one that holds is enough.
#[derive(Debug, Clone, PartialEq)]
pub enum Tolerance {
    /// For numbers.
    Number {
        /// The absolute distance.
        abs: Option<BigDecimal>,
        /// The distance relative to the larger absolute value.
        rel: Option<BigDecimal>,
    },
    /// For times, in nanoseconds.
    Duration(i128),
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Duration(nanoseconds) => {
                let span = jiff::SignedDuration::from_nanos_i128(*nanoseconds);
                write!(f, "\"{span:#}\"")
            }
            Tolerance::Number { abs, rel } => {
                let parts = [("abs", abs), ("rel", rel)].into_iter();
                let parts = parts.filter_map(|(name, bound)| {
                    bound.as_ref().map(|bound| format!("{name} = {}", bound.to_plain_string()))
                });
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
    /// The time zone of timestamps without one, such as `UTC` or `Europe/Berlin`.
    pub assume_tz: Option<String>,
    /// With `assume_tz`: a local time that occurs twice, when clocks are set back, may be either of its two instants.
    pub either_hour: Option<bool>,
    /// A value that is treated as NULL.
    pub default_is_null: Option<Scalar>,
    /// The number of decimal places that numbers are rounded to, with halves away from zero. A negative number rounds
    /// before the decimal point.
    pub round: Option<i8>,
    /// The unit that times are truncated to.
    pub truncate: Option<Precision>,
    /// Compare lists as multisets.
    pub unordered: Option<bool>,
    /// The maximum distance of two values, inclusive: a number, a duration such as `5s`, or `abs` and `rel` bounds.
    pub tolerance: Option<ToleranceSettings>,
}

impl RuleSettings {
    /// Returns these settings, overridden by those that `other` has.
    pub fn overridden_by(self, other: &RuleSettings) -> RuleSettings {
        let other = other.clone();
        RuleSettings {
            trim: other.trim.or(self.trim),
            rtrim: other.rtrim.or(self.rtrim),
            nfc: other.nfc.or(self.nfc),
            casefold: other.casefold.or(self.casefold),
            empty_is_null: other.empty_is_null.or(self.empty_is_null),
            values: other.values.or(self.values),
            reading: other.reading.or(self.reading),
            assume_tz: other.assume_tz.or(self.assume_tz),
            either_hour: other.either_hour.or(self.either_hour),
            default_is_null: other.default_is_null.or(self.default_is_null),
            round: other.round.or(self.round),
            truncate: other.truncate.or(self.truncate),
            unordered: other.unordered.or(self.unordered),
            tolerance: other.tolerance.or(self.tolerance),
        }
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
        let tolerance = self.tolerance.as_ref().map(ToleranceSettings::tolerance).transpose()?;
        Ok([
            on(self.trim, Rule::Trim),
            on(self.rtrim, Rule::Rtrim),
            on(self.nfc, Rule::Nfc),
            on(self.casefold, Rule::Casefold),
            on(self.empty_is_null, Rule::EmptyIsNull),
            values,
            self.reading.map(Rule::As),
            self.assume_tz.clone().map(Rule::AssumeTz),
            on(self.either_hour, Rule::EitherHour),
            self.default_is_null.as_ref().map(|value| Rule::DefaultIsNull(value.text.clone())),
            self.round.map(Rule::Round),
            self.truncate.map(Rule::Truncate),
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
        /// The distance relative to the larger absolute value.
        rel: Option<Scalar>,
    },
}

impl ToleranceSettings {
    fn tolerance(&self) -> Result<Tolerance, String> {
        let number = |scalar: &Scalar| -> Result<BigDecimal, String> {
            let wrong = || format!("`tolerance`: `{}` is neither a number nor a duration such as \"5s\"", scalar.text);
            let number = super::number(&scalar.text).ok_or_else(wrong)?;
            match number.sign() == bigdecimal::num_bigint::Sign::Minus {
                true => Err("`tolerance`: a distance cannot be negative".into()),
                false => Ok(number),
            }
        };
        let (abs, rel) = match self {
            ToleranceSettings::Distance(abs) => (Some(abs), None),
            ToleranceSettings::Bounds { abs: None, rel: None } => {
                return Err("`tolerance`: expected `abs`, `rel`, or both".into());
            }
            ToleranceSettings::Bounds { abs, rel } => (abs.as_ref(), rel.as_ref()),
        };
        let duration = abs.and_then(|abs| duration(&abs.text));
        match (duration, rel) {
            (Some(nanoseconds), None) => Ok(Tolerance::Duration(nanoseconds)),
            (Some(_), Some(_)) => Err("`tolerance`: a duration cannot be combined with `rel`".into()),
            (None, _) => Ok(Tolerance::Number { abs: abs.map(number).transpose()?, rel: rel.map(number).transpose()? }),
        }
    }
}

/// Parses a duration such as `5s`, `250 ms`, or `1h 30m`, in nanoseconds; `None` if the text is not a duration.
fn duration(text: &str) -> Option<i128> {
    let duration: jiff::SignedDuration = text.trim().parse().ok()?;
    (!duration.is_negative()).then(|| duration.as_nanos())
}
