//! Composite values, key-value pairs, and sets as JSON documents.
//!
//! None of their parts has a type, so parts are compared by their text, like the items of arrays.

use std::iter::Peekable;
use std::str::Chars;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::{DataType, Field};
use serde_json::value::RawValue;

use super::arrays::{self, holds_single_values, literal, literals};
use crate::equality::canonical::json;
use crate::equality::plain_types;
use crate::error::Result;

/// Whether the parts of a struct or a map are single values.
pub(super) fn has_single_parts(field: &Field) -> bool {
    match plain_types::data_type(field.data_type()) {
        DataType::Struct(fields) => fields.iter().all(|field| holds_single_values(field)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => parts.iter().all(|part| holds_single_values(part)),
            _ => false,
        },
        _ => true,
    }
}

/// The document of a composite value of PostgreSQL such as `(1,"a b",)`, or of a JSON array: a list of its parts.
pub(super) fn record(text: &str) -> Option<String> {
    match text.trim_start().starts_with('[') {
        true => arrays::document(text),
        false => row(text),
    }
}

/// The documents of structs, by the order of their fields.
pub(super) fn records(array: &ArrayRef, field: &Field) -> Result<StringViewArray> {
    let (plain, _) = (plain_types::array(array)?, plain_types::field(field.name(), field));
    let Some(structs) = plain.as_struct_opt() else { return Ok(StringViewArray::new_null(array.len())) };
    let parts = structs.columns().iter().zip(structs.fields()).map(|(part, field)| literals(part, field));
    let parts = parts.collect::<Result<Vec<Vec<String>>>>()?;
    let all = |row: usize| format!("[{}]", parts.iter().map(|part| &*part[row]).collect::<Vec<_>>().join(","));
    Ok((0..array.len()).map(|row| array.is_valid(row).then(|| all(row))).collect())
}

/// The document of key-value pairs of PostgreSQL's `hstore`, or of a JSON object: an object of texts and NULLs.
pub(super) fn pairs(text: &str) -> Option<String> {
    match text.trim_start().starts_with('{') {
        true => object(text),
        false => hstore(text),
    }
}

/// The documents of maps. A map that has a key twice has none.
pub(super) fn maps(array: &ArrayRef, field: &Field) -> Result<StringViewArray> {
    let (plain, _) = (plain_types::array(array)?, plain_types::field(field.name(), field));
    let Some(maps) = plain.as_map_opt() else { return Ok(StringViewArray::new_null(array.len())) };
    let fields = maps.entries().fields();
    let (keys, values) = (literals(maps.keys(), &fields[0])?, literals(maps.values(), &fields[1])?);
    let all = |row: usize| {
        let entries = maps.value_offsets()[row] as usize..maps.value_offsets()[row + 1] as usize;
        let members: Vec<String> = entries.map(|at| format!("{}:{}", keys[at], values[at])).collect();
        Some(format!("{{{}}}", members.join(","))).filter(|document| json::has_meaning(document))
    };
    Ok((0..array.len()).map(|row| if array.is_valid(row) { all(row) } else { None }).collect())
}

/// The document of a set: array text, a JSON array, or members with commas between them, as in MySQL's SET.
pub(super) fn set(text: &str) -> Option<String> {
    if text.starts_with(['{', '[']) {
        return members(&arrays::document(text)?);
    }
    let items: Vec<String> = text.split(',').filter(|_| !text.is_empty()).map(literal).collect();
    members(&format!("[{}]", items.join(",")))
}

/// A list with each item once, and in one order.
pub(super) fn members(document: &str) -> Option<String> {
    let mut items: Vec<&str> =
        serde_json::from_str::<Vec<&RawValue>>(document).ok()?.into_iter().map(RawValue::get).collect();
    items.sort_unstable();
    items.dedup();
    Some(format!("[{}]", items.join(",")))
}

fn row(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix('(')?.strip_suffix(')')?.chars().peekable();
    let mut parts = vec![];
    loop {
        parts.push(part(&mut rest)?);
        match rest.next() {
            None => return Some(format!("[{}]", parts.join(","))),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// Reads a part of a composite value as a JSON literal. Nothing at all is NULL, and `""` is the empty string.
fn part(rest: &mut Peekable<Chars>) -> Option<String> {
    let (mut text, mut is_null) = (String::new(), true);
    while let Some(next) = rest.next_if(|c| !matches!(c, ',' | '(' | ')')) {
        is_null = false;
        match next {
            '\\' => text.push(rest.next()?),
            '"' => loop {
                match rest.next()? {
                    '"' if rest.next_if_eq(&'"').is_some() => text.push('"'),
                    '"' => break,
                    '\\' => text.push(rest.next()?),
                    other => text.push(other),
                }
            },
            other => text.push(other),
        }
    }
    Some(if is_null { "null".into() } else { literal(&text) })
}

fn hstore(text: &str) -> Option<String> {
    let mut rest = text.trim().chars().peekable();
    let mut members = vec![];
    while rest.peek().is_some() {
        let (key, _) = word(&mut rest)?;
        skip_blanks(&mut rest);
        (rest.next()? == '=' && rest.next()? == '>').then_some(())?;
        let (value, is_quoted) = word(&mut rest)?;
        let is_null = !is_quoted && value.eq_ignore_ascii_case("null");
        let value = if is_null { "null".into() } else { literal(&value) };
        members.push(format!("{}:{value}", serde_json::Value::String(key)));
        skip_blanks(&mut rest);
        match rest.next() {
            None => break,
            Some(',') => rest.peek().map(drop)?,
            Some(_) => return None,
        }
    }
    Some(format!("{{{}}}", members.join(","))).filter(|document| json::has_meaning(document))
}

/// Reads a key or a value of `hstore`, and whether it is in quotes.
fn word(rest: &mut Peekable<Chars>) -> Option<(String, bool)> {
    skip_blanks(rest);
    let mut text = String::new();
    if rest.next_if_eq(&'"').is_some() {
        loop {
            match rest.next()? {
                '"' => return Some((text, true)),
                '\\' => text.push(rest.next()?),
                other => text.push(other),
            }
        }
    }
    while let Some(next) = rest.next_if(|c| !c.is_whitespace() && !matches!(c, ',' | '=' | '>' | '"')) {
        text.push(if next == '\\' { rest.next()? } else { next });
    }
    (!text.is_empty()).then_some((text, false))
}

fn skip_blanks(rest: &mut Peekable<Chars>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

fn object(text: &str) -> Option<String> {
    json::has_meaning(text).then_some(())?;
    let members: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let mut out = vec![];
    for (key, value) in members {
        let mut item = String::new();
        arrays::write(value, &mut item)?;
        out.push(format!("{}:{item}", serde_json::Value::String(key)));
    }
    Some(format!("{{{}}}", out.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composite_values_are_lists_of_their_parts() {
        for (text, list) in [
            (r#"(1,"a b",)"#, Some(r#"["1","a b",null]"#)),
            (r#"("","a""b\\c","(1,2)")"#, Some(r#"["","a\"b\\c","(1,2)"]"#)),
            ("(1.50,t)", Some(r#"["1.5","t"]"#)),
            ("()", Some("[null]")),
            (r#"[1.5, true, null]"#, Some(r#"["1.5","t",null]"#)),
            ("(1", None),
            ("1)", None),
            (r#"("a)"#, None),
            ("(a(b)", None),
            ("(a)(b)", None),
            ("", None),
            (r#"{"a":1}"#, None),
        ] {
            assert_eq!(record(text).as_deref(), list, "{text}");
        }
    }

    #[test]
    fn pairs_are_objects_of_texts() {
        let form = |text: &str| pairs(text).map(|document| json::canonicalize(&document));
        for (one, two) in [
            (r#""a"=>"1", "b"=>NULL"#, r#"{"b": null, "a": "1"}"#),
            (r#""a"=>"1.0""#, r#"{"a": 1}"#),
            (r#""a\"b"=>"NULL""#, r#"{"a\"b": "NULL"}"#),
            ("a=>1,b=>x", r#"{"a": "1", "b": "x"}"#),
            ("", "{}"),
        ] {
            assert!(form(one).is_some() && form(one) == form(two), "{one}: {:?}, {two}: {:?}", form(one), form(two));
        }
        for text in [r#""a"=>"1","a"=>"2""#, r#""a"=>"#, r#""a""#, r#""a"=>"1","#, r#""a"=>"1" "b"=>"2""#, "x", "[1]"] {
            assert_eq!(pairs(text), None, "{text}");
        }
        assert_ne!(form(r#""a"=>NULL"#), form(r#""a"=>"NULL""#));
        assert_ne!(form(r#""a"=>"x""#), form(r#""A"=>"x""#));
    }

    #[test]
    fn sets_have_no_order_and_no_copies() {
        for (one, two) in [("b,a", "{a,b}"), ("a,a,b", r#"["b","a"]"#), ("", "{}"), ("1,10", "[10, 1.0]")] {
            assert!(set(one).is_some() && set(one) == set(two), "{one} and {two}");
        }
        for (one, two) in [("a", "{A}"), ("", r#"{""}"#), ("a,b", "{a}"), ("NULL", "{NULL}"), ("ab", "a,b")] {
            assert_ne!(set(one), set(two), "{one} and {two}");
        }
        assert_eq!(set("{a"), None);
    }
}
