//! JSON, compared by meaning: key order and white space do not matter, and numbers are exact decimals.
//!
//! The form of a document is canonical JSON: objects sorted by key, each number written in one way (`1`, `1.0` and
//! `1e0` are all `1`), strings unescaped. A document that is not valid JSON, is nested more deeply than common parsers
//! allow, or has a duplicate name has no such meaning. Its form is its own text with a mark, so that it is equal only
//! to itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewBuilder, StringViewArray};
use arrow::error::ArrowError;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Documents that are nested more deeply keep their text; common parsers have the same limit.
const DEPTH_MAX: usize = 128;
/// The range of exponents for which numbers are written with zeros instead of an exponent.
const PLAIN_MAX: i64 = 40;
const PLAIN_MIN: i64 = -40;

/// Marks for a document with a meaning, and for one that has only its text.
const MEANING: u8 = b'=';
const TEXT: u8 = b'?';

pub(crate) fn forms(documents: &StringViewArray) -> Result<ArrayRef, ArrowError> {
    let mut builder = BinaryViewBuilder::with_capacity(documents.len());
    for document in documents {
        match document {
            None => builder.append_null(),
            Some(text) => builder.append_value(form(text)),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// The normal form of a document, which all documents with its meaning share.
pub(crate) fn canonicalize(text: &str) -> String {
    String::from_utf8_lossy(&form(text)[1..]).into_owned()
}

/// Whether a text is a document with a meaning.
pub(crate) fn has_meaning(text: &str) -> bool {
    form(text).first() == Some(&MEANING)
}

fn form(text: &str) -> Vec<u8> {
    let mut out = vec![MEANING];
    if is_too_deep(text) {
        return [&[TEXT], text.as_bytes()].concat();
    }
    let parsed = serde_json::from_str::<&RawValue>(text).and_then(|value| write(value, &mut out, DEPTH_MAX));
    match parsed {
        Ok(()) => out,
        Err(_) => [&[TEXT], text.as_bytes()].concat(),
    }
}

/// Whether more brackets are open at some position than a document may have. Checked in one pass, because the parser
/// below reads the rest of the text at each level, which would be quadratic for a text of only brackets.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' if !is_string => depth += 1,
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

fn write(value: &RawValue, out: &mut Vec<u8>, depth: usize) -> serde_json::Result<()> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Error::custom("too deep")) };
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text)?;
            out.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b"," } else { b"" });
                serde_json::to_writer(&mut *out, &name)?;
                out.push(b':');
                write(value, out, depth)?;
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push(b'[');
            for (index, item) in items.into_iter().enumerate() {
                out.extend_from_slice(if index > 0 { b"," } else { b"" });
                write(item, out, depth)?;
            }
            out.push(b']');
        }
        Some(b'"') => serde_json::to_writer(out, &serde_json::from_str::<String>(text)?)?,
        Some(b't' | b'f' | b'n') => out.extend_from_slice(text.as_bytes()),
        _ => out.extend_from_slice(number(text).ok_or_else(|| Error::custom("exponent"))?.as_bytes()),
    }
    Ok(())
}

/// A number in normal form: digits without superfluous zeros if they are few, with an exponent otherwise. `None` if the
/// exponent does not fit 64 bits.
fn number(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".into());
    }
    let zeros = (digits.len() - significant.len()) as i64;
    let exponent = exponent.parse::<i64>().ok()?.checked_add(zeros)?.checked_sub(fraction.len() as i64)?;
    // the digits are before the decimal point, around it, after it, or far from it
    let length = significant.len() as i64;
    Some(match exponent {
        0..=PLAIN_MAX => format!("{sign}{significant}{}", "0".repeat(exponent as usize)),
        PLAIN_MIN..0 if -exponent < length => {
            let (whole, fraction) = significant.split_at((length + exponent) as usize);
            format!("{sign}{whole}.{fraction}")
        }
        PLAIN_MIN..0 => format!("{sign}0.{}{significant}", "0".repeat((-exponent - length) as usize)),
        _ => format!("{sign}{significant}e{exponent}"),
    })
}

/// The members of an object by name; a duplicate name is an error.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            if members.insert(name, value).is_some() {
                return Err(Error::custom("duplicate name"));
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::form;

    #[test]
    fn documents_that_mean_the_same_have_one_form() {
        for (one, two) in [
            (r#"{"a":1,"b":[true,null]}"#, r#" { "b" : [ true, null ], "a" : 1.0 } "#),
            ("100", "1e2"),
            ("0.10", "1E-1"),
            ("-0.0", "0"),
            (r#""\u0041""#, r#""A""#),
            ("-12.50", "-1250e-2"),
            ("1e300", "10e299"),
        ] {
            assert_eq!(form(one), form(two), "{one} and {two}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |space: &str| format!("{}{space}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_ne!(form(&deep("")), form(&deep(" ")));
        let shallow = |space: &str| format!("{}{space}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(form(&shallow("")), form(&shallow(" ")));
    }

    #[test]
    fn documents_that_differ_have_two() {
        for (one, two) in [
            ("[1,2]", "[2,1]"),
            (r#""1""#, "1"),
            ("0.1", "0.10000000000000001"),
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":1,"a":1}"#, r#"{"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            ("1", "1x"),
            ("[1,2]", "[12]"),
            ("1e40", "1e41"),
            ("0.01", "0.1"),
            ("-1", "1"),
        ] {
            assert_ne!(form(one), form(two), "{one} and {two}");
        }
    }
}
