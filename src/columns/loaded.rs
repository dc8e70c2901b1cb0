//! The rules of columns that other programs wrote in other forms, where the job does not say.
//!
//! They apply only if a side is not Parquet, or has a preset. A type that the job states decides. Otherwise, text is read
//! as the type of the other side, or, if both sides are text, as what all texts of both sides have in common.

use arrow::datatypes::{DataType, Field};

use crate::equality::canonical::domain::{Family, family};
use crate::formats::{Shape, Shapes};
use crate::job::rule::{ParseAs, Tolerance};
use crate::job::{ColumnType, Rule, RuleSettings, TypeFamily};
use crate::sides::Sides;
use crate::snapshot::{Content, Readable};

/// What is known of a column on one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredColumn<'a> {
    pub field: &'a Field,
    pub content: Content,
    /// Whether the program that wrote it writes times in UTC, without saying so.
    pub is_in_utc: bool,
}

/// Whether a column is of a kind of types, or is text that stands for values of one.
pub(super) fn is_of(column: &StoredColumn, kind: TypeFamily) -> bool {
    let own = match family(column.field) {
        Some(Family::Number) => TypeFamily::Number,
        Some(Family::Text) => TypeFamily::Text,
        Some(Family::Boolean) => TypeFamily::Boolean,
        Some(Family::Binary) => TypeFamily::Binary,
        Some(Family::Uuid) => TypeFamily::Uuid,
        Some(Family::Json) => TypeFamily::Json,
        Some(Family::Date) => TypeFamily::Date,
        Some(Family::Time) => TypeFamily::Time,
        Some(Family::NaiveTimestamp | Family::ZonedTimestamp) => TypeFamily::Timestamp,
        Some(Family::Duration) => TypeFamily::Duration,
        Some(Family::List) => TypeFamily::List,
        Some(Family::Struct) => TypeFamily::Struct,
        Some(Family::Map) => TypeFamily::Map,
        None => return false,
    };
    let stands_for = |shapes: Shapes| match kind {
        TypeFamily::Number => shapes.has(Shape::Number),
        TypeFamily::Boolean => shapes.has(Shape::Boolean),
        TypeFamily::Uuid => shapes.has(Shape::Uuid),
        TypeFamily::Json => shapes.has(Shape::Json),
        TypeFamily::Time => shapes.has(Shape::Time),
        TypeFamily::Timestamp => shapes.has(Shape::Clock) || shapes.has(Shape::Instant),
        _ => false,
    };
    own == kind || matches!(column.content, Content::Text(shapes) if !shapes.are_unknown() && stands_for(shapes))
}

/// Times without a zone on one side, and with one on the other: only the user knows which zone.
pub(super) struct ZoneUnknown;

/// Returns the rules of a pair of columns.
pub(super) fn rules(
    columns: &Sides<StoredColumn>,
    stated: Option<&ColumnType>,
    chosen: &RuleSettings,
) -> Result<RuleSettings, ZoneUnknown> {
    let mut rules = RuleSettings::default();
    if chosen.reading.is_none() {
        rules.reading = match stated {
            Some(stated) => stated.reading(),
            None => asked(columns, chosen).or_else(|| reading(columns)),
        };
    }
    let families = columns.as_ref().map(|column| family(column.field));
    let is_naive = |family: &Option<Family>| *family == Some(Family::NaiveTimestamp);
    let is_zoned = |family: &Option<Family>| *family == Some(Family::ZonedTimestamp);
    let are_times = rules.reading == Some(ParseAs::Timestamp)
        || families.iter().any(is_naive) && families.iter().any(is_zoned) && chosen.reading.is_none();
    if are_times && chosen.assume_tz.is_none() {
        rules.assume_tz = zone(columns)?.map(str::to_string);
    }
    if rules.reading.is_none_or(|reading| reading == ParseAs::Text) && chosen.trim.is_none() && chosen.rtrim.is_none() {
        rules.rtrim = is_padded_on_one_side(columns).then_some(true);
    }
    Ok(rules)
}

/// What the rules that the user chose for texts take them for, before the texts were read.
fn asked(columns: &Sides<StoredColumn>, chosen: &RuleSettings) -> Option<ParseAs> {
    let is_unknown = |column: &StoredColumn| matches!(column.content, Content::Text(shapes) if shapes.are_unknown());
    let are_texts = columns.iter().all(|column| matches!(column.content, Content::Text(_)));
    if are_texts && chosen.assume_tz.is_some() {
        return Some(ParseAs::Timestamp);
    }
    let is_duration =
        || matches!(chosen.rules().ok()?.last(), Some(Rule::Tolerance(Tolerance::Duration(_)))).then_some(());
    match () {
        () if !columns.iter().all(is_unknown) => None,
        () if chosen.truncate.is_some() || is_duration().is_some() => Some(ParseAs::Timestamp),
        () if chosen.round.is_some() || chosen.significant.is_some() || chosen.tolerance.is_some() => {
            Some(ParseAs::Decimal)
        }
        () => None,
    }
}

/// What a pair of columns is read as; `None` if it is compared as it is.
fn reading(columns: &Sides<StoredColumn>) -> Option<ParseAs> {
    let Sides { old, new } = columns;
    match (old.content, new.content) {
        (Content::Text(old), Content::Text(new)) => of_both(old, new),
        (Content::Text(shapes), _) => like(new, shapes),
        (_, Content::Text(shapes)) => like(old, shapes),
        _ => of_types(family(old.field)?, family(new.field)?),
    }
}

/// What texts are read as.
fn of_both(old: Shapes, new: Shapes) -> Option<ParseAs> {
    let both = old.and(new);
    if both.are_unknown() {
        return None;
    }
    let are_times = |shapes: Shapes| shapes.has(Shape::Clock) || shapes.has(Shape::Instant);
    let are_hex = |shapes: Shapes| shapes.has(Shape::MarkedHex) || shapes.has(Shape::PlainHex);
    let are_uuids = |shapes: Shapes| shapes.has(Shape::Uuid) || shapes.are_uuid_digits();
    // two arrays of PostgreSQL are compared as text
    let are_arrays = |shapes: Shapes| shapes.has(Shape::Array) && !shapes.has(Shape::Json);
    let readings = [
        (both.has(Shape::Number), ParseAs::Decimal),
        (both.has(Shape::Boolean), ParseAs::Boolean),
        (are_uuids(old) && are_uuids(new) && (old.has(Shape::Uuid) || new.has(Shape::Uuid)), ParseAs::Uuid),
        (are_times(old) && are_times(new), ParseAs::Timestamp),
        // without a mark, hexadecimal digits may be text
        (are_hex(old) && are_hex(new) && old.has(Shape::MarkedHex) != new.has(Shape::MarkedHex), ParseAs::Hex),
        (both.has(Shape::MarkedHex), ParseAs::Hex),
        (both.has(Shape::Time), ParseAs::Time),
        (are_arrays(old) && new.has(Shape::Json) || are_arrays(new) && old.has(Shape::Json), ParseAs::Array),
        (both.has(Shape::Json), ParseAs::Json),
    ];
    readings.iter().find(|(holds, _)| *holds).map(|(_, reading)| *reading)
}

/// What texts are read as to compare them with a column that has a type.
fn like(typed: &StoredColumn, shapes: Shapes) -> Option<ParseAs> {
    Some(match family(typed.field)? {
        Family::Number if shapes.has(Shape::Boolean) && !shapes.has(Shape::Number) => ParseAs::Boolean,
        // postal codes and phone numbers are no numbers
        Family::Number if !shapes.has(Shape::Unpadded) => return None,
        Family::Number if typed.field.data_type() == &DataType::Float32 => ParseAs::Float32,
        Family::Number if typed.field.data_type().is_floating() => ParseAs::Float,
        Family::Number => ParseAs::Decimal,
        Family::Boolean => ParseAs::Boolean,
        Family::Date | Family::NaiveTimestamp | Family::ZonedTimestamp => ParseAs::Timestamp,
        Family::Uuid => ParseAs::Uuid,
        Family::Json if shapes.has(Shape::Array) && !shapes.has(Shape::Json) => ParseAs::Array,
        Family::Json => ParseAs::Json,
        Family::Time | Family::Duration => ParseAs::Time,
        Family::List => ParseAs::Array,
        Family::Binary if shapes.has(Shape::MarkedHex) => ParseAs::Hex,
        Family::Binary if typed.content == Content::Bytes(Readable::Yes) => ParseAs::Text,
        Family::Binary if shapes.has(Shape::Uuid) => ParseAs::Uuid,
        Family::Binary if shapes.has(Shape::PlainHex) => ParseAs::Hex,
        Family::Binary if shapes.has(Shape::Base64) => ParseAs::Base64,
        Family::Binary => ParseAs::Text,
        _ => return None,
    })
}

/// What columns of two types are read as, if they stand for the same values.
fn of_types(old: Family, new: Family) -> Option<ParseAs> {
    match (old, new) {
        (Family::Number, Family::Boolean) | (Family::Boolean, Family::Number) => Some(ParseAs::Boolean),
        (Family::Binary, Family::Uuid) | (Family::Uuid, Family::Binary) => Some(ParseAs::Uuid),
        (Family::Time, Family::Duration) | (Family::Duration, Family::Time) => Some(ParseAs::Time),
        (Family::List, Family::Json) | (Family::Json, Family::List) => Some(ParseAs::Array),
        (Family::Date, Family::NaiveTimestamp) | (Family::NaiveTimestamp, Family::Date) => Some(ParseAs::Timestamp),
        _ => None,
    }
}

/// The zone of times without one.
///
/// If no side has a zone, times are equal in one zone exactly if they are equal in any other one without jumps. If both
/// sides have one, it is not used.
fn zone(columns: &Sides<StoredColumn>) -> Result<Option<&'static str>, ZoneUnknown> {
    let has_zone = columns.as_ref().map(|column| match (column.content, family(column.field)) {
        (Content::Text(shapes), _) if shapes.are_unknown() => None,
        (Content::Text(shapes), _) if shapes.has(Shape::Instant) => Some(true),
        (Content::Text(_), _) => Some(false),
        (_, Some(Family::ZonedTimestamp)) => Some(true),
        (_, Some(Family::NaiveTimestamp | Family::Date)) => Some(false),
        _ => None,
    });
    let are_texts = columns.iter().all(|column| matches!(column.content, Content::Text(_)));
    match (has_zone.old, has_zone.new) {
        // the side that does not say so may be the one with a zone: some programs mark local times as UTC
        (Some(old), Some(new)) if old != new => match columns.iter().any(|column| column.is_in_utc) {
            true => Ok(Some("UTC")),
            false => Err(ZoneUnknown),
        },
        // a zone is required where both sides are text
        _ if are_texts => Ok(Some("UTC")),
        _ => Ok(None),
    }
}

/// Whether one side is filled up with blanks, as CHAR columns are, and the other one has none at the end.
fn is_padded_on_one_side(columns: &Sides<StoredColumn>) -> bool {
    let is_padded = |column: &StoredColumn| matches!(column.content, Content::Text(shapes) if shapes.are_padded());
    let is_trimmed = |column: &StoredColumn| match column.content {
        Content::Text(shapes) => shapes.has(Shape::Trimmed),
        Content::Bytes(readable) => readable == Readable::Yes,
        Content::Typed => false,
    };
    let Sides { old, new } = columns;
    is_padded(old) && is_trimmed(new) || is_padded(new) && is_trimmed(old)
}
