//! The rules that a user can choose for a column, as they stand in a job file.
//!
//! Each is opt-in, and each is applied to both sides unless it says otherwise, always in this order:
//!
//! 1. `old_expr`, `new_expr`: the column is what the expression yields
//! 2. `trim`, `rtrim`, `nfc`, `casefold`, `empty_is_null`: text is cleaned
//! 3. `values`: old's codes become new's words
//! 4. `as`, `assume_tz`: the cell is read as a value of that kind
//! 5. `either_hour`, `default_is_null`, `round`, `truncate`, `unordered`: values that are to count as one become one
//! 6. `tolerance`: what still differs may differ by so much

use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::BigDecimal;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// One rule with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// The column of one side is an expression in SQL over the columns of that side.
    Expression(crate::sides::Side, String),
    /// White space at both ends does not count.
    Trim,
    /// White space at the end does not count.
    Rtrim,
    /// Text is compared in Unicode's composed form.
    Nfc,
    /// Upper and lower case are the same, by Unicode's full case folding.
    Casefold,
    /// The empty string is NULL.
    EmptyIsNull,
    /// What old writes for what new writes.
    Values(BTreeMap<String, String>),
    /// How a cell is read.
    As(ParseAs),
    /// The zone that naive timestamps are in.
    AssumeTz(String),
    /// A time that clocks of the zone show twice is either of its two instants.
    EitherHour,
    /// This value is NULL.
    DefaultIsNull(String),
    /// Numbers count to so many digits after the point.
    Round(i8),
    /// Times count to this unit.
    Truncate(Precision),
    /// The order of a list means nothing.
    Unordered,
    /// How far two values may be apart.
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

    /// Whether it says what a cell is, rather than which differences do not count. What a cell is has to
    /// be known before anything is compared; a cell that cannot be read so equals nothing.
    pub fn is_reading(&self) -> bool {
        matches!(self, Rule::Expression(..) | Rule::Values(_) | Rule::As(_) | Rule::AssumeTz(_))
    }
}

impl fmt::Display for Rule {
    /// As a line of a job file.
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

/// A text as TOML writes it on one line.
pub fn quoted(text: &str) -> String {
    // what JSON escapes, TOML reads the same way; DEL is the one character that only TOML forbids
    serde_json::Value::String(text.into()).to_string().replace('\u{7f}', "\\u007F")
}

/// The kinds of value that a cell can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParseAs {
    /// Text, as the value is written; bytes are the text that they encode in UTF-8.
    Text,
    /// Numbers of any size, exactly.
    Decimal,
    /// Whole numbers of any size.
    Integer,
    /// Floats of 64 bits.
    Float,
    /// Floats of 32 bits.
    Float32,
    /// True and false; also yes and no, on and off, 1 and 0.
    Boolean,
    /// Calendar days; the time of day is dropped.
    Date,
    /// Instants if one side has a zone or `assume_tz` gives one, wall clocks otherwise.
    Timestamp,
    /// UUIDs, in text or 16 bytes.
    Uuid,
    /// JSON, by meaning.
    Json,
    /// Bytes, written in hexadecimal.
    Hex,
    /// Bytes, written in Base64.
    Base64,
}

impl ParseAs {
    /// Whether two values that a column of another family can hold are still two values once they are read so. How a
    /// value is written (`5.0` and `5`, `yes` and `true`) is no part of it.
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
            // numbers are rounded, the time of day is dropped, and documents have no one form
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

/// How fine a time counts.
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
    /// The unit's length.
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

/// How far two values may be apart; both bounds are part of it, and one that holds is enough.
#[derive(Debug, Clone, PartialEq)]
pub enum Tolerance {
    /// For numbers.
    Number {
        /// The distance itself.
        abs: Option<BigDecimal>,
        /// The distance as a share of the larger of the two sizes.
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

/// What one column, or several, are told in a job file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSettings {
    /// White space at both ends of a text does not count.
    pub trim: Option<bool>,
    /// White space at the end of a text does not count, such as the padding of CHAR columns.
    pub rtrim: Option<bool>,
    /// Text is compared in Unicode's composed form (NFC).
    pub nfc: Option<bool>,
    /// Upper and lower case are the same, by Unicode's full case folding.
    pub casefold: Option<bool>,
    /// The empty string is NULL.
    pub empty_is_null: Option<bool>,
    /// What old writes, and what new writes for it: `{ A = "active", I = "inactive" }`.
    pub values: Option<BTreeMap<String, Scalar>>,
    /// How the cells are read; a cell that cannot be read so is a mismatch.
    #[serde(rename = "as")]
    pub reading: Option<ParseAs>,
    /// The time zone of timestamps that name none, such as `UTC` or `Europe/Berlin`.
    pub assume_tz: Option<String>,
    /// With `assume_tz`: a time that clocks show twice, when they are set back, is either of its two instants.
    pub either_hour: Option<bool>,
    /// A value that stands for NULL.
    pub default_is_null: Option<Scalar>,
    /// Digits after the point to which numbers are rounded, halves away from zero; negative before the point.
    pub round: Option<i8>,
    /// The unit to which times are cut.
    pub truncate: Option<Precision>,
    /// Lists are compared as multisets.
    pub unordered: Option<bool>,
    /// How far two values may be apart, bounds included: a number, a duration such as `5s`, or both kinds of bound.
    pub tolerance: Option<ToleranceSettings>,
}

impl RuleSettings {
    /// These settings, with those of `other` where it has some.
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

    /// The rules that are on, in the order in which they are applied.
    pub fn rules(&self) -> Result<Vec<Rule>, String> {
        let on = |setting: Option<bool>, rule: Rule| setting.unwrap_or(false).then_some(rule);
        let values = self
            .values
            .as_ref()
            .map(|values| Rule::Values(values.iter().map(|(old, new)| (old.clone(), new.text.clone())).collect()));
        if self.trim == Some(true) && self.rtrim == Some(true) {
            return Err("`trim` does what `rtrim` does; choose one".into());
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

/// A value that may be written as text, a number, a truth value or a date; it is kept as text.
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
            _ => return Err(serde::de::Error::custom("expected one value, not a list or a table")),
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

/// A tolerance as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ToleranceSettings {
    /// `0.005`, or `"5s"`.
    Distance(Scalar),
    /// `{ abs = 0.005, rel = 1e-9 }`.
    Bounds {
        /// The distance itself: a number, or a duration such as `5s`.
        abs: Option<Scalar>,
        /// The distance as a share of the larger of the two sizes.
        rel: Option<Scalar>,
    },
}

impl ToleranceSettings {
    fn tolerance(&self) -> Result<Tolerance, String> {
        let number = |scalar: &Scalar| -> Result<BigDecimal, String> {
            let wrong = || format!("`tolerance`: `{}` is neither a number nor a duration such as \"5s\"", scalar.text);
            let number = super::number(&scalar.text).ok_or_else(wrong)?;
            match number.sign() == bigdecimal::num_bigint::Sign::Minus {
                true => Err("`tolerance`: a distance is not negative".into()),
                false => Ok(number),
            }
        };
        let (abs, rel) = match self {
            ToleranceSettings::Distance(abs) => (Some(abs), None),
            ToleranceSettings::Bounds { abs: None, rel: None } => {
                return Err("`tolerance`: give `abs`, `rel`, or both".into());
            }
            ToleranceSettings::Bounds { abs, rel } => (abs.as_ref(), rel.as_ref()),
        };
        let duration = abs.and_then(|abs| duration(&abs.text));
        match (duration, rel) {
            (Some(nanoseconds), None) => Ok(Tolerance::Duration(nanoseconds)),
            (Some(_), Some(_)) => Err("`tolerance`: a duration has no `rel`".into()),
            (None, _) => Ok(Tolerance::Number { abs: abs.map(number).transpose()?, rel: rel.map(number).transpose()? }),
        }
    }
}

/// `5s`, `250 ms`, `1h 30m`, in nanoseconds; `None` if the text is no duration.
fn duration(text: &str) -> Option<i128> {
    let duration: jiff::SignedDuration = text.trim().parse().ok()?;
    (!duration.is_negative()).then(|| duration.as_nanos())
}
