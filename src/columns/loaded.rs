//! What the text of loaded files is read as, where the job does not say.
//!
//! A type that the job states decides. Otherwise, text is read as the type of the other side, or, if both sides are text
//! of loaded files, as what all texts of both sides look like.

use arrow::datatypes::{DataType, Field};

use crate::equality::canonical::domain::{Family, family};
use crate::formats::Shapes;
use crate::job::ColumnType;
use crate::job::rule::ParseAs;
use crate::sides::Sides;

/// How a pair of columns is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LoadedReading {
    pub reading: ParseAs,
    /// The zone of times without one. It is only set if no result depends on it.
    pub zone: Option<&'static str>,
}

/// Returns how the text of loaded files is read in a pair of columns; `None` if it is compared as text. `shapes` are those
/// of the sides that are such text.
pub(super) fn reading(
    fields: Sides<&Field>,
    shapes: Sides<Option<Shapes>>,
    stated: Option<&ColumnType>,
) -> Option<LoadedReading> {
    let plain = |reading| LoadedReading { reading, zone: None };
    if shapes.iter().all(Option::is_none) {
        return None;
    }
    let of_texts = |shapes: Shapes| LoadedReading {
        // times that all lack a zone are equal in one zone if they are equal in another one without jumps, and the zone
        // of times that all have one is not used
        zone: Some("UTC").filter(|_| shapes.has(Shapes::CLOCK) || shapes.has(Shapes::INSTANT)),
        reading: ParseAs::Timestamp,
    };
    match (shapes.old, shapes.new, stated) {
        (Some(old), Some(new), Some(stated)) => match stated.reading()? {
            ParseAs::Timestamp => Some(of_texts(old.and(new))),
            reading => Some(plain(reading)),
        },
        (_, _, Some(stated)) => stated.reading().map(plain),
        (Some(old), Some(new), None) => match of_both(old.and(new))? {
            ParseAs::Timestamp => Some(of_texts(old.and(new))),
            reading => Some(plain(reading)),
        },
        (Some(own), None, None) => like(fields.new, own).map(plain),
        (None, Some(own), None) => like(fields.old, own).map(plain),
        (None, None, None) => None,
    }
}

/// What texts that all have these shapes are read as.
fn of_both(shapes: Shapes) -> Option<ParseAs> {
    // nothing but NULLs
    if shapes == Shapes::ALL {
        return None;
    }
    let readings = [
        (Shapes::NUMBER, ParseAs::Decimal),
        (Shapes::BOOLEAN, ParseAs::Boolean),
        (Shapes::UUID, ParseAs::Uuid),
        (Shapes::INSTANT, ParseAs::Timestamp),
        (Shapes::CLOCK, ParseAs::Timestamp),
        (Shapes::HEX, ParseAs::Hex),
        (Shapes::JSON, ParseAs::Json),
    ];
    readings.iter().find(|(shape, _)| shapes.has(*shape)).map(|(_, reading)| *reading)
}

/// What texts with these shapes are read as to compare them with a column that has a type.
fn like(typed: &Field, shapes: Shapes) -> Option<ParseAs> {
    Some(match family(typed)? {
        Family::Number if shapes.has(Shapes::BOOLEAN) && !shapes.has(Shapes::NUMBER) => ParseAs::Boolean,
        Family::Number if typed.data_type() == &DataType::Float32 => ParseAs::Float32,
        Family::Number if typed.data_type().is_floating() => ParseAs::Float,
        Family::Number => ParseAs::Decimal,
        Family::Boolean => ParseAs::Boolean,
        Family::Date | Family::NaiveTimestamp | Family::ZonedTimestamp => ParseAs::Timestamp,
        Family::Uuid => ParseAs::Uuid,
        Family::Json => ParseAs::Json,
        Family::Binary if shapes.has(Shapes::HEX) => ParseAs::Hex,
        Family::Binary => ParseAs::Text,
        _ => return None,
    })
}
