//! Causes of differences between texts.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

use super::cell::Number;
use super::encodings;
use super::escapes;
use super::numbers;
use super::observation::{Cause, Detail, Observation};
use super::times;
use crate::equality::rules::ParsedTime;
use crate::sides::Side;

/// Longer texts are not decoded to look for a cause: a megabyte of them takes milliseconds.
const DECODED_MAX: usize = 1 << 20;

/// Longer texts are not composed, which takes quadratic time for a text of nothing but accents.
const COMPOSED_MAX: usize = 1 << 14;

/// What two texts show.
pub(super) fn observe(old: &str, new: &str) -> Option<Observation> {
    white_space(old, new)
        .or_else(|| case(old, new))
        .or_else(|| in_numbers(old, new))
        .or_else(|| in_times(old, new))
        .or_else(|| cut(old, new))
        .or_else(|| characters(old, new))
        .or_else(|| altered(old, new))
}

/// Tries both sides as the one with the altered value.
fn either(old: &str, new: &str, test: impl Fn(&str, &str) -> Option<Observation>) -> Option<Observation> {
    test(old, new).or_else(|| test(new, old).map(|seen| Observation { on: Side::Old, ..seen }))
}

fn white_space(old: &str, new: &str) -> Option<Observation> {
    let unix = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    let is_short = old.len().max(new.len()) <= DECODED_MAX;
    if is_short && (old.contains('\r') || new.contains('\r')) && unix(old) == unix(new) {
        return Some(Observation::plain(Cause::LineEnds, Side::New));
    }
    let trimmed = |text: &str| text.trim_matches(is_blank).len();
    if (trimmed(old) < old.len() || trimmed(new) < new.len())
        && old.trim_matches(is_blank) == new.trim_matches(is_blank)
    {
        let cause = if new.len() < old.len() { Cause::Trimmed } else { Cause::Padded };
        return Some(Observation::how(cause, Side::New, blanks_at(old, new)));
    }
    None
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}' || c == '\0'
}

/// Where the longer of two texts has blanks.
fn blanks_at(old: &str, new: &str) -> &'static str {
    let long = if old.len() > new.len() { old } else { new };
    let (starts, ends) = (long.starts_with(is_blank), long.ends_with(is_blank));
    match (long.contains('\0'), starts, ends) {
        (true, ..) => "zero bytes",
        (_, false, true) => "at the end",
        (_, true, false) => "at the start",
        _ => "at both ends",
    }
}

fn case(old: &str, new: &str) -> Option<Observation> {
    let is_ascii = old.is_ascii() && new.is_ascii();
    let is_same = match is_ascii {
        true => old.eq_ignore_ascii_case(new),
        false => UniCase::new(old) == UniCase::new(new),
    };
    if is_same {
        return Some(Observation::plain(Cause::Case, Side::New));
    }
    let is_composed = |text: &str| text.nfc().collect::<String>();
    if !is_ascii && composed_length_may_agree(old, new) && is_composed(old) == is_composed(new) {
        return Some(Observation::plain(Cause::UnicodeForm, Side::New));
    }
    either(old, new, |whole, padded| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let unpadded = |text: &str| text.trim_start_matches('0').len();
        let is_padded = padded.len() > whole.len() && digits(whole) && digits(padded);
        let same = whole[whole.len() - unpadded(whole)..] == padded[padded.len() - unpadded(padded)..];
        (is_padded && same).then(|| Observation::how(Cause::Padded, Side::New, "zeros"))
    })
}

/// Whether two texts may be the same after composing: a composed character has at most a few bytes fewer.
fn composed_length_may_agree(old: &str, new: &str) -> bool {
    old.len().max(new.len()) <= COMPOSED_MAX && old.len() <= new.len() * 4 && new.len() <= old.len() * 4
}

fn cut(old: &str, new: &str) -> Option<Observation> {
    either(old, new, |whole, cut| {
        if whole.find('\0').is_some_and(|at| &whole[..at] == cut) {
            return Some(Observation::plain(Cause::CutAtNul, Side::New));
        }
        // what is cut may lose its last blanks, too
        let is_cut = !cut.is_empty() && cut.len() < whole.len() && whole.starts_with(cut);
        let chars = || if cut.is_ascii() { cut.len() } else { cut.chars().count() };
        is_cut.then(|| {
            let detail = Detail::Length { len: chars() as u64, is_bytes: false };
            Observation::new(Cause::Prefix, Side::New, detail)
        })
    })
}

/// What happens to characters outside of ASCII.
fn characters(old: &str, new: &str) -> Option<Observation> {
    if old.is_ascii() && new.is_ascii() || old.len().max(new.len()) > DECODED_MAX {
        return None;
    }
    either(old, new, |whole, other| {
        if let Some(seen) = encodings::misread(whole, other) {
            return Some(seen);
        }
        let is_lost = lost_characters(whole, other);
        is_lost.map(|how| Observation::how(Cause::LostCharacters, Side::New, how))
    })
}

/// How `other` lacks characters of `whole` that an encoding does not have; `None` if that is not the difference.
fn lost_characters(whole: &str, other: &str) -> Option<&'static str> {
    if whole.is_ascii() {
        return None;
    }
    let is_hard = |c: char| !c.is_ascii();
    if whole.chars().filter(|c| !is_hard(*c)).eq(other.chars()) {
        return Some("left out");
    }
    if whole.chars().filter(|c| u32::from(*c) <= 0xffff).eq(other.chars()) {
        return Some("left out");
    }
    let mut left = other;
    let mut how = None;
    for c in whole.chars() {
        if let Some(rest) = left.strip_prefix(c) {
            left = rest;
            continue;
        }
        let mark = left.chars().next().filter(|mark| is_hard(c) && matches!(mark, '?' | '\u{fffd}' | '\u{1a}'))?;
        how = Some(if mark == '?' { "`?`" } else { "a mark" });
        // one mark for a character, or for each of its bytes
        let marks = left.chars().take_while(|next| *next == mark).count();
        let own = if marks >= c.len_utf8() && !follows_alike(whole, c) { c.len_utf8() } else { 1 };
        left = &left[own * mark.len_utf8()..];
    }
    how.filter(|_| left.is_empty())
}

/// Whether a text has two characters outside of ASCII beside each other, so that marks of both run together.
fn follows_alike(whole: &str, c: char) -> bool {
    let mut after = whole.chars().skip_while(|other| *other != c).skip(1);
    after.next().is_some_and(|next| !next.is_ascii())
}

/// Texts that a program escaped, encoded or wrote in another notation.
fn altered(old: &str, new: &str) -> Option<Observation> {
    if old.len().max(new.len()) > DECODED_MAX {
        return None;
    }
    either(old, new, |plain, other| {
        if let Some(how) = escapes::escaped(plain, other) {
            return Some(Observation::how(Cause::Escaped, Side::New, how));
        }
        let how = text_encoding(plain.as_bytes(), other)?;
        Some(Observation::how(Cause::TextEncoding, Side::New, how))
    })
}

/// How a text encodes bytes.
pub(super) fn text_encoding(bytes: &[u8], text: &str) -> Option<&'static str> {
    if bytes.is_empty() {
        return None;
    }
    let digits = text.strip_prefix("\\x").or_else(|| text.strip_prefix("0x")).unwrap_or(text);
    if digits.len() == bytes.len() * 2 && hex::decode(digits).is_ok_and(|decoded| decoded == bytes) {
        return Some("hexadecimal");
    }
    let encoded = bytes.len().div_ceil(3) * 4;
    let may_be_base64 = text.len() <= encoded && text.len() + 2 >= encoded;
    let alphabets = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    let is_base64 =
        may_be_base64 && alphabets.iter().any(|alphabet| alphabet.decode(text).is_ok_and(|found| found == bytes));
    is_base64.then_some("Base64")
}

/// Numbers that both sides have as text.
fn in_numbers(old: &str, new: &str) -> Option<Observation> {
    let starts = |text: &str| text.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    if !starts(old) || !starts(new) || old.len().max(new.len()) > 80 {
        return None;
    }
    let comma = either(old, new, |point, comma| {
        let same = comma.contains(',') && with_point(comma).is_some_and(|with_point| with_point == point);
        same.then(|| Observation::plain(Cause::DecimalComma, Side::New))
    });
    comma.or_else(|| numbers::observe(Number::parse(old)?, Number::parse(new)?))
}

/// Times that both sides have as text.
fn in_times(old: &str, new: &str) -> Option<Observation> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 8..=40;
    let may_be = |text: &str| {
        LENGTHS.contains(&text.len()) && text.as_bytes()[0].is_ascii_digit() && text.contains(['-', ':', '/'])
    };
    if !may_be(old) || !may_be(new) {
        return None;
    }
    let is_zero = |text: &str| text.starts_with("0000-00-00");
    let time = |text: &str| ParsedTime::parse(text).map(|time| time.wall - time.offset.unwrap_or_default());
    match (time(old), time(new)) {
        (_, Some(_)) if is_zero(old) => Some(Observation::plain(Cause::ZeroDate, Side::Old)),
        (Some(_), _) if is_zero(new) => Some(Observation::plain(Cause::ZeroDate, Side::New)),
        (Some(old), Some(new)) => times::observe(old, new),
        _ => None,
    }
}

/// A number with a decimal comma, written with a point.
fn with_point(text: &str) -> Option<Cow<'_, str>> {
    let (whole, fraction) = text.rsplit_once(',')?;
    let is_plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| format!("{}.{fraction}", whole.replace(['.', ' ', '\''], "")).into())
}
