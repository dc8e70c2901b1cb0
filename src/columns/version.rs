//! The version column: the version of a row, or the time when it was written. It is read with the compared columns,
//! even if it is not compared itself.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};

use crate::equality::rules::{ParsedTime, Zone};
use crate::error::{Error, Result};
use crate::job::rule::ParseAs;
use crate::job::{InFlight, Setting};
use crate::sides::{Side, Sides};
use crate::snapshot::{Snapshot, type_name};

/// The version columns of both sides.
#[derive(Debug, Clone)]
pub struct Version {
    /// Their indexes in the schema of each side.
    pub at: Sides<usize>,
    /// The kind of their values.
    pub kind: VersionKind,
    /// How the values of each side are parsed.
    reads: Sides<VersionParser>,
}

/// The kind of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionKind {
    /// A time.
    Time,
    /// A number that increases with each version. It orders the versions, but is not a time.
    Counter,
}

/// How the versions of one side are parsed.
#[derive(Debug, Clone)]
enum VersionParser {
    Instants,
    /// Local times in a zone.
    Clocks(Zone),
    /// Times as text. Those without an offset are in the zone.
    Texts(Option<Zone>),
    Numbers,
}

/// The rules of a version column that concern times.
#[derive(Debug, Clone, Default)]
pub struct TimeRules {
    /// The type that the column is parsed as.
    pub reading: Option<ParseAs>,
    /// The zone of times without one.
    pub zone: Option<String>,
}

impl Version {
    /// Resolves the columns that a job names. `rules` are their rules in the job.
    ///
    /// # Errors
    /// If a side has no such column, or the kinds of the two columns differ.
    pub fn of(snapshots: &Sides<Snapshot>, in_flight: &InFlight, rules: Sides<TimeRules>) -> Result<Self> {
        let columns = Sides::try_from_fn(|side| find(&snapshots[side], &in_flight.columns[side]))?;
        let fields = Sides::from_fn(|side| snapshots[side].schema.field(columns[side]));
        let reads = Sides::try_from_fn(|side| read(fields[side], in_flight, &rules[side], side))?;
        let kinds = reads.as_ref().map(|read| match read {
            VersionParser::Numbers => VersionKind::Counter,
            VersionParser::Instants | VersionParser::Clocks(_) | VersionParser::Texts(_) => VersionKind::Time,
        });
        match kinds.old == kinds.new {
            true => Ok(Version { at: columns, kind: kinds.new, reads }),
            false => Err(Error::request(
                &in_flight.columns.new.origin,
                format!(
                    "`{}` is {} in old and `{}` is {} in new; times and numbers cannot be compared\n  \
                 name two columns of the same kind with old_column and new_column",
                    in_flight.columns.old.text,
                    type_name(fields.old),
                    in_flight.columns.new.text,
                    type_name(fields.new)
                ),
            )),
        }
    }

    /// Returns the versions of rows of one side: microseconds since 1970, or the numbers themselves. Values that cannot
    /// be parsed become `None`.
    pub fn numbers(&self, array: &ArrayRef, side: Side) -> Result<Vec<Option<i64>>> {
        let micros = |zone: &Zone, wall: i128| i64::try_from(zone.instant(wall)? / 1000).ok();
        if let VersionParser::Texts(zone) = &self.reads[side] {
            let instant = |text: &str| {
                let parsed = ParsedTime::parse(text)?;
                match (parsed.offset, zone) {
                    (Some(offset), _) => i64::try_from((parsed.wall - offset) / 1000).ok(),
                    (None, zone) => micros(zone.as_ref()?, parsed.wall),
                }
            };
            let texts = cast(array, &DataType::Utf8View)?;
            return Ok(texts.as_string_view().iter().map(|text| text.and_then(instant)).collect());
        }
        let array = match (self.kind, array.data_type()) {
            (VersionKind::Counter, _) => cast(array, &DataType::Int64)?,
            (VersionKind::Time, DataType::Timestamp(_, zone)) => {
                let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                cast(&micros, &DataType::Int64)?
            }
            (VersionKind::Time, other) => return Err(Error::Internal(format!("{other} is not a time"))),
        };
        let zoned = |number: i64| match &self.reads[side] {
            VersionParser::Clocks(zone) => micros(zone, i128::from(number) * 1000),
            _ => Some(number),
        };
        Ok(array.as_primitive::<Int64Type>().iter().map(|number| number.and_then(zoned)).collect())
    }
}

fn find(snapshot: &Snapshot, column: &Setting) -> Result<usize> {
    let known: Vec<String> = snapshot.schema.fields().iter().map(|field| field.name().clone()).collect();
    let searched = format!("the {} snapshot has no column", snapshot.side);
    known
        .iter()
        .position(|name| *name == column.text)
        .ok_or_else(|| super::names::no_such_column(column, &searched, &known))
}

fn read(field: &Field, in_flight: &InFlight, rules: &TimeRules, side: Side) -> Result<VersionParser> {
    let column = &in_flight.columns[side];
    let refused = |reason: String| Err(Error::request(&column.origin, reason));
    let zone = match &in_flight.assume_tz {
        Some(zone) => Some(
            Zone::named(&zone.text)
                .ok_or_else(|| Error::request(&zone.origin, format!("`{}` is not a time zone", zone.text)))?,
        ),
        // an unknown zone is an error of the column's own rules
        None => rules.zone.as_deref().and_then(Zone::named),
    };
    let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (field.data_type(), zone) {
        (DataType::Timestamp(_, Some(_)), _) => Ok(VersionParser::Instants),
        (DataType::Timestamp(_, None), Some(zone)) => Ok(VersionParser::Clocks(zone)),
        (DataType::Timestamp(_, None), None) => {
            refused(format!("`{}` of {side} has no time zone; specify one, such as assume_tz = \"UTC\"", column.text))
        }
        (_, zone) if is_text && rules.reading == Some(ParseAs::Timestamp) => Ok(VersionParser::Texts(zone)),
        (other, _) if other.is_integer() && *other != DataType::UInt64 => Ok(VersionParser::Numbers),
        _ => refused(format!(
            "`{}` of {side} is {}; expected a timestamp, a whole number, or text with the rule as = \"timestamp\"",
            column.text,
            type_name(field)
        )),
    }
}
