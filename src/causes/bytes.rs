//! Causes of differences between bytes.

use super::observation::{Cause, Detail, Observation};
use super::texts;
use crate::sides::Side;

/// What two strings of bytes show.
pub(super) fn observe(old: &[u8], new: &[u8]) -> Option<Observation> {
    for (side, whole, other) in [(Side::New, old, new), (Side::Old, new, old)] {
        if let Some(how) = order(whole, other) {
            return Some(Observation::how(Cause::ByteOrder, side, how));
        }
        if let Some(how) = std::str::from_utf8(other).ok().and_then(|text| texts::text_encoding(whole, text)) {
            return Some(Observation::how(Cause::TextEncoding, side, how));
        }
        let is_cut = !other.is_empty() && other.len() < whole.len() && whole.starts_with(other);
        let rest = &whole[other.len().min(whole.len())..];
        if is_cut && rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
            let cause = if side == Side::New { Cause::Trimmed } else { Cause::Padded };
            let how = if rest[0] == 0 { "zero bytes" } else { "at the end" };
            return Some(Observation::how(cause, Side::New, how));
        }
        if whole.iter().position(|byte| *byte == 0).is_some_and(|at| &whole[..at] == other) {
            return Some(Observation::plain(Cause::CutAtNul, side));
        }
        if is_cut {
            let detail = Detail::Length { len: other.len() as u64, is_bytes: true };
            return Some(Observation::new(Cause::Prefix, side, detail));
        }
    }
    match (std::str::from_utf8(old), std::str::from_utf8(new)) {
        (Ok(old), Ok(new)) => texts::observe(old, new),
        _ => None,
    }
}

/// How the bytes of a UUID or of a number were put in another order.
fn order(whole: &[u8], other: &[u8]) -> Option<&'static str> {
    if whole.len() != other.len() || whole.len() < 2 {
        return None;
    }
    if whole.len() == 16 {
        let of = |order: [usize; 16]| order.iter().map(|at| &whole[*at]).eq(other);
        if of([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]) {
            return Some("as Microsoft writes UUIDs");
        }
        let swapped = [6, 7, 4, 5, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15];
        if of(swapped) || swapped.iter().enumerate().all(|(at, from)| whole[at] == other[*from]) {
            return Some("as UUID_TO_BIN(…, 1) writes UUIDs");
        }
        let halves = |from: usize| (0..16).all(|at| other[at] == whole[(from + at) % 16]);
        if halves(8) {
            return Some("with its halves exchanged");
        }
    }
    whole.iter().rev().eq(other).then_some("reversed")
}
