//! Causes of differences between numbers.

use super::cell::{Number, Width};
use super::observation::{Cause, Detail, Observation};
use super::times;
use crate::sides::Side;

/// Factors between units: cents, percent, thousands, bytes, minutes, hours, days.
const FACTORS: [i128; 12] =
    [100, 10, 1_000, 10_000, 100_000, 1_000_000, 1_000_000_000, 60, 3_600, 86_400, 1_024, 1_048_576];

/// The digits that every 32-bit float keeps, and one more.
const FLOAT32_DIGITS: u32 = 7;

/// The largest integer up to which 64-bit floats have all integers.
const FLOAT_INTEGERS: i128 = 1 << 53;

/// What two numbers show.
pub(super) fn observe(old: Number, new: Number) -> Option<Observation> {
    let (left, right, scale) = old.aligned(new)?;
    if left == right && (old.width == Width::Float64) != (new.width == Width::Float64) {
        let side = if old.width == Width::Float64 { Side::Old } else { Side::New };
        return Some(Observation::how(Cause::DigitsLost, side, "as a float"));
    }
    if left == -right && left != 0 {
        return Some(Observation::plain(Cause::Sign, Side::New));
    }
    if let (Some(old), Some(new)) = (old.as_integer(), new.as_integer())
        && let Some(seen) = observe_integers(old, new)
    {
        return Some(seen);
    }
    // decimals that are rounded look like 32-bit floats by chance
    let is_float = old.width != Width::Exact || new.width != Width::Exact;
    let float32 = || float32(old, new, left, right);
    let rounded = || rounded(old, new, (left, right, scale));
    let seen = if is_float { float32().or_else(rounded) } else { rounded().or_else(float32) };
    seen.or_else(|| scaled(left, right))
}

fn float32(old: Number, new: Number, left: i128, right: i128) -> Option<Observation> {
    // a 32-bit float has 24 bits
    let is_near = (left - right).abs().checked_mul(1 << 23).is_some_and(|distance| distance <= left.abs());
    let side = Side::BOTH.into_iter().filter(|_| is_near).find(|side| match side {
        Side::Old => is_float32_of(new, old),
        Side::New => is_float32_of(old, new),
    });
    side.map(|side| Observation::plain(Cause::Float32, side))
}

fn observe_integers(old: i128, new: i128) -> Option<Observation> {
    // no type of integers has more bits
    if old.unsigned_abs().max(new.unsigned_abs()) >> 66 > 0 {
        return None;
    }
    if let Some(seen) = times::observe_epochs(old, new) {
        return Some(seen);
    }
    for (side, whole, other) in [(Side::New, old, new), (Side::Old, new, old)] {
        if whole.abs() > FLOAT_INTEGERS && whole as f64 as i128 == other {
            return Some(Observation::plain(Cause::DigitsLost, side));
        }
        if let Some(bits) = wrapped(whole, other) {
            return Some(Observation::new(Cause::Wrapped, side, Detail::Bits(bits)));
        }
    }
    None
}

/// The bits of the type to which `whole` was cut.
fn wrapped(whole: i128, other: i128) -> Option<u32> {
    [64, 32, 16, 8].into_iter().find(|bits| {
        let span = 1_i128 << bits;
        let (signed, unsigned) = (-span / 2..span / 2, 0..span);
        let fits = |range: std::ops::Range<i128>| range.contains(&other) && !range.contains(&whole);
        (whole - other) % span == 0 && (fits(signed) || fits(unsigned))
    })
}

/// Whether `coarse` is what a 32-bit float makes of `fine`.
fn is_float32_of(fine: Number, coarse: Number) -> bool {
    if fine.width == Width::Float32 {
        return false;
    }
    let narrow = fine.to_f64() as f32;
    match coarse.width {
        Width::Float32 => coarse.to_f64() as f32 == narrow,
        // widened: with the digits that no one wrote
        _ if coarse.to_f64() == f64::from(narrow) => {
            let is_float = fine.width == Width::Float64;
            coarse.reduced().scale > fine.reduced().scale || is_float && coarse.digits_count() > FLOAT32_DIGITS
        }
        // as programs print it; of decimals, that is rounding
        _ if fine.width == Width::Exact => false,
        _ => {
            coarse.digits_count() >= FLOAT32_DIGITS
                && coarse.to_f64() as f32 == narrow
                && Number::parse(&narrow.to_string()) == Some(coarse.reduced())
        }
    }
}

fn rounded(old: Number, new: Number, (left, right, scale): (i128, i128, u32)) -> Option<Observation> {
    let of_old = places(left, right, scale, new.reduced().scale);
    let of_new = places(right, left, scale, old.reduced().scale);
    let seen =
        |side, (rounded, cut, away)| Observation::new(Cause::Rounded, side, Detail::Places { rounded, cut, away });
    match (of_old, of_new) {
        ((0, 0, _), (0, 0, _)) => None,
        ((0, 0, _), masks) => Some(seen(Side::Old, masks)),
        (masks, _) => Some(seen(Side::New, masks)),
    }
}

/// The places at which rounding or cutting `fine` gives `coarse`, both times ten to the power of `scale`. `coarse` has
/// digits down to `least` places.
fn places(fine: i128, coarse: i128, scale: u32, least: u32) -> (u64, u64, u64) {
    let (mut rounded, mut cut, mut away) = (0, 0, 0);
    let distance = (fine - coarse).abs();
    // ten to the power of 38 is the largest in 128 bits
    for places in least.max(scale.saturating_sub(38))..scale.min(63) {
        let step = 10_i128.pow(scale - places);
        if distance >= step {
            // further places are finer still
            break;
        }
        let rest = fine % step;
        if rest == 0 {
            break;
        }
        let towards_zero = fine - rest;
        let nearest = if rest.abs() * 2 >= step { towards_zero + step * rest.signum() } else { towards_zero };
        // a tie may go either way
        let is_tie = rest.abs() * 2 == step;
        if coarse == nearest || is_tie && coarse == towards_zero {
            rounded |= 1 << places;
        }
        if coarse == nearest {
            away |= 1 << places;
        }
        if coarse == towards_zero {
            cut |= 1 << places;
        }
    }
    (rounded, cut, away)
}

fn scaled(old: i128, new: i128) -> Option<Observation> {
    if old == 0 || new == 0 || !is_multiple(old, new) && !is_multiple(new, old) {
        return None;
    }
    let times = |factor: &i128| old.checked_mul(*factor) == Some(new);
    let divided = |factor: &i128| new.checked_mul(*factor) == Some(old);
    let detail = match (FACTORS.iter().find(|factor| times(factor)), FACTORS.iter().find(|factor| divided(factor))) {
        (Some(factor), _) => Detail::Factor { of: *factor, by: 1 },
        (None, Some(factor)) => Detail::Factor { of: 1, by: *factor },
        (None, None) => return None,
    };
    Some(Observation::new(Cause::Scaled, Side::New, detail))
}

/// Whether a number is a multiple of another one.
fn is_multiple(of: i128, number: i128) -> bool {
    match (i64::try_from(of), i64::try_from(number)) {
        (Ok(of), Ok(number)) => number.checked_rem(of) == Some(0),
        _ => number % of == 0,
    }
}

/// New divided by old in lowest terms; `None` if one of them is zero, or too large.
pub(super) fn ratio(old: Number, new: Number) -> Option<Detail> {
    let (old, new, _) = old.aligned(new)?;
    let divisor = gcd(old.abs(), new.abs());
    (old != 0 && new != 0).then(|| Detail::Factor { of: new / divisor * old.signum(), by: old.abs() / divisor })
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
