//! Causes of differences between a value and NULL.

use super::cell::{Cell, DAY};
use super::observation::{Cause, Detail, Observation};
use super::times;
use crate::sides::Side;

/// What programs write for NULL.
const NULL_NAMES: [&str; 14] =
    ["null", "none", "nil", "nan", "n/a", "na", "#n/a", "undefined", "\\n", "<null>", "(null)", "-", "nat", "inf"];

/// What a value shows of which the other side has NULL; `on` is the side that has NULL.
pub(super) fn observe(value: &Cell, on: Side) -> Option<Observation> {
    match value {
        Cell::Text(text) if text.is_empty() => Some(Observation::plain(Cause::NullForEmpty, on)),
        Cell::Bytes([]) => Some(Observation::plain(Cause::NullForEmpty, on)),
        Cell::Text(text) if text.len() <= 9 && NULL_NAMES.contains(&text.to_lowercase().as_str()) => {
            Some(Observation::new(Cause::NullForWord, on, Detail::Value(text.as_ref().into())))
        }
        Cell::Text(text) if text.starts_with("0000-00-00") => Some(Observation::plain(Cause::ZeroDate, on.other())),
        Cell::Text(text) if text == "0" || text == "0.0" || text == "0.00" => {
            Some(Observation::plain(Cause::NullForZero, on))
        }
        Cell::Number(number) if number.digits == 0 => Some(Observation::plain(Cause::NullForZero, on)),
        Cell::Date(days) if times::is_zero(i128::from(*days) * DAY) => {
            Some(Observation::plain(Cause::ZeroDate, on.other()))
        }
        Cell::Timestamp(time) if times::is_zero(*time) => Some(Observation::plain(Cause::ZeroDate, on.other())),
        _ => None,
    }
}
