//! The column that tells which version of a row a side has, or when it was written. It is read along with what is
//! compared, whether it is compared itself or not.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};

use crate::error::{Error, Result};
use crate::job::{InFlight, Word};
use crate::rules::Zone;
use crate::sides::{Side, Sides};
use crate::snapshot::{Snapshot, type_name};

/// The version columns of both sides.
#[derive(Debug, Clone)]
pub struct Version {
    /// Their positions in each side's schema.
    pub at: Sides<usize>,
    /// What their values are.
    pub kind: Kind,
}

/// What a version is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A time; wall clocks are of the zone.
    Time(Option<Zone>),
    /// A number that grows from version to version. It tells which version is newer, and nothing of when.
    Counter,
}

impl Version {
    /// The columns that a job names.
    ///
    /// # Errors
    /// If a side has no such column, or the two are of different kinds.
    pub fn of(snapshots: &Sides<Snapshot>, in_flight: &InFlight) -> Result<Self> {
        let columns = Sides::try_from_fn(|side| find(&snapshots[side], &in_flight.columns[side]))?;
        let fields = Sides::from_fn(|side| snapshots[side].schema.field(columns[side]));
        let kinds = Sides::try_from_fn(|side| kind(fields[side], in_flight, side))?;
        match kinds.old == kinds.new {
            true => Ok(Version { at: columns, kind: kinds.new }),
            false => Err(Error::Contradiction(format!(
                "{}: `{}` is {} in old and `{}` is {} in new, and times do not compare with numbers\n  \
                 name columns of one kind with old_column and new_column",
                in_flight.columns.new.place,
                in_flight.columns.old.text,
                type_name(fields.old),
                in_flight.columns.new.text,
                type_name(fields.new)
            ))),
        }
    }

    /// The versions of rows: microseconds since 1970, or the numbers themselves.
    pub fn numbers(&self, array: &ArrayRef) -> Result<Vec<Option<i64>>> {
        let array = match (&self.kind, array.data_type()) {
            (Kind::Counter, _) => cast(array, &DataType::Int64)?,
            (Kind::Time(_), DataType::Timestamp(_, zone)) => {
                let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                cast(&micros, &DataType::Int64)?
            }
            (Kind::Time(_), other) => return Err(Error::Internal(format!("{other} is no time"))),
        };
        let numbers = array.as_primitive::<Int64Type>();
        let zoned = |number: i64| match &self.kind {
            Kind::Time(Some(zone)) => Some((zone.instant(i128::from(number) * 1000)? / 1000) as i64),
            _ => Some(number),
        };
        Ok(numbers.iter().map(|number| number.and_then(zoned)).collect())
    }
}

fn find(snapshot: &Snapshot, column: &Word) -> Result<usize> {
    let known: Vec<String> = snapshot.schema.fields().iter().map(|field| field.name().clone()).collect();
    let place = format!("the {} snapshot has no column", snapshot.side);
    known
        .iter()
        .position(|name| *name == column.text)
        .ok_or_else(|| super::names::no_such_column(column, &place, &known))
}

fn kind(field: &Field, in_flight: &InFlight, side: Side) -> Result<Kind> {
    let column = &in_flight.columns[side];
    let refused = |words: String| Err(Error::Contradiction(format!("{}: {words}", column.place)));
    match (field.data_type(), &in_flight.assume_tz) {
        (DataType::Timestamp(_, Some(_)), _) => Ok(Kind::Time(None)),
        (DataType::Timestamp(_, None), Some(zone)) => match Zone::named(&zone.text) {
            Some(zone) => Ok(Kind::Time(Some(zone))),
            None => Err(Error::Contradiction(format!("{}: `{}` is no time zone", zone.place, zone.text))),
        },
        (DataType::Timestamp(_, None), None) => refused(format!(
            "`{}` of {side} has no zone; say which one its times are in: assume_tz = \"UTC\"",
            column.text
        )),
        (other, _) if other.is_integer() && *other != DataType::UInt64 => Ok(Kind::Counter),
        _ => refused(format!(
            "`{}` of {side} is {}; a version is a timestamp or a whole number",
            column.text,
            type_name(field)
        )),
    }
}
