//! The value that means NULL (`default_is_null`).

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Scalar, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::eq;
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, TimeUnit};

use super::parse::{self, Notation, ZonePolicy};
use super::times::{self, ParsedTime};
use crate::equality::canonical::digits::{FloatDecimal, Number, numbers};
use crate::equality::canonical::domain::{Family, family};
use crate::equality::canonical::{Domain, canonical, convert};
use crate::error::Result;
use crate::job::rule::{Encoding, ParseAs};
use crate::sides::{Side, Sides};

/// Parses a value of a stored type; `None` if the type cannot represent it exactly.
pub(super) fn as_stored(text: &str, field: &Field) -> Option<ArrayRef> {
    let one: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
    let stored = || convert(&one, field.data_type()).ok();
    match family(field)? {
        // text is compared while it is cleaned, and a single value is never a list
        Family::Text | Family::List | Family::Struct | Family::Map => None,
        Family::Number => stored().filter(|stored| is_number(stored, text)),
        Family::Date | Family::NaiveTimestamp | Family::ZonedTimestamp => {
            let tick = times::tick(field.data_type())?;
            let is_whole = |parsed: ParsedTime| parsed.wall % tick == 0;
            stored().filter(|_| ParsedTime::parse(text).is_some_and(is_whole))
        }
        Family::Time => {
            let finest = DataType::Time64(TimeUnit::Nanosecond);
            let fine = |array: &ArrayRef| convert(array, &finest).ok();
            stored().filter(|stored| fine(stored).is_some_and(|stored| fine(&one).is_some_and(|fine| fine == stored)))
        }
        Family::Uuid => {
            let text = Field::new(field.name(), DataType::Utf8View, true);
            let clocks = ZonePolicy { instants: false, zone: None, either_hour: false };
            let notation = Notation { floats: FloatDecimal::Exact, clocks, unit: None, encoding: Encoding::Utf8 };
            parse::read(&one, &text, ParseAs::Uuid, &notation, Side::Old).ok().map(|read| read.array)
        }
        Family::Boolean | Family::Binary | Family::Json | Family::Duration => stored(),
    }
}

/// Whether a stored number is exactly the parsed one; a float counts as the decimal that people see.
fn is_number(stored: &ArrayRef, text: &str) -> bool {
    let is_one = |floats: FloatDecimal| {
        let stored = numbers(stored, floats).ok().and_then(|numbers| numbers.into_iter().next()?);
        match (stored, Number::parse(text)) {
            (Some(stored), Some(parsed)) => stored == parsed,
            // Arrow parses `NaN` and `inf`, which have no digits
            (Some(Number::Nan | Number::Infinite { .. }), None) => true,
            _ => false,
        }
    };
    is_one(FloatDecimal::Shortest) || is_one(FloatDecimal::Exact)
}

/// Replaces values that equal the default by NULL. `domain` is the domain of the values.
pub(super) fn without(array: &ArrayRef, default: &ArrayRef, domain: &Domain, side: Side) -> Result<ArrayRef> {
    // in canonical form, because -0.0 and 0.0 have different bits
    let (settled, default) = (canonical(array, domain, side)?, canonical(default, domain, side)?);
    let (values, nulls) = eq(&settled, &Scalar::new(default))?.into_parts();
    let known = nulls.map_or(values.clone(), NullBuffer::into_inner);
    Ok(nullif(array, &BooleanArray::new(&values & &known, None))?)
}

/// The domain of values as they are stored.
pub(super) fn own_domain(field: &Field) -> Option<Domain> {
    Domain::of("", Sides { old: field, new: field }, &mut |_| false, &mut Default::default()).ok()
}
