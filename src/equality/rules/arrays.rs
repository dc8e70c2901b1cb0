//! Arrays as JSON documents: array text of PostgreSQL, JSON arrays, and lists.
//!
//! The items of a PostgreSQL array have no type, so items are compared by their text. In the document of an array, each
//! item is a string, NULL, or an array. Text that is a number in JSON is written in its normal form, because no two
//! stores agree on trailing zeros; booleans are `t` and `f`, as PostgreSQL writes them.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::{DataType, Field};
use serde_json::value::RawValue;

use crate::equality::canonical::domain::{Family, family};
use crate::equality::canonical::json;
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;

/// Arrays that are nested more deeply are not read. PostgreSQL has six dimensions at most.
const DEPTH_MAX: usize = 100;

/// Whether the lists of a column, at every level, contain single values.
pub(super) fn holds_single_values(field: &Field) -> bool {
    match plain_types::data_type(field.data_type()) {
        DataType::List(item) => holds_single_values(&item),
        DataType::Struct(_) | DataType::Map(..) => false,
        // also the plain type of a column of NULLs
        DataType::Boolean => true,
        _ => family(field).is_some(),
    }
}

/// The document of an array in text; `None` if the text is not an array.
pub(super) fn document(text: &str) -> Option<String> {
    let text = text.trim();
    match text.strip_prefix('[') {
        Some(rest) => match bounds_end(rest) {
            Some(end) => postgres(&rest[end..]),
            None => of_json(text),
        },
        None => postgres(text),
    }
}

/// The documents of a list column; NULL stays NULL.
pub(super) fn documents(array: &ArrayRef, field: &Field) -> Result<StringViewArray> {
    let (plain, plain_field) = (plain_types::array(array)?, plain_types::field(field.name(), field));
    let literals = literals(&plain, &plain_field)?.into_iter().enumerate();
    Ok(literals.map(|(row, literal)| array.is_valid(row).then_some(literal)).collect())
}

/// The same documents, with the items of each in one order.
pub(super) fn sorted(documents: &StringViewArray) -> StringViewArray {
    let sort = |document: &str| -> Option<String> {
        let mut items: Vec<&str> =
            serde_json::from_str::<Vec<&RawValue>>(document).ok()?.into_iter().map(RawValue::get).collect();
        items.sort_unstable();
        Some(format!("[{}]", items.join(",")))
    };
    documents.iter().map(|document| document.and_then(sort)).collect()
}

/// The end of PostgreSQL's bounds, such as `[0:1][1:2]=`, after their first bracket.
fn bounds_end(text: &str) -> Option<usize> {
    let end = text.find("]=")?;
    let is_bound = |c: char| c.is_ascii_digit() || "+-:[]".contains(c);
    (end > 0 && text[..end].contains(':') && text[..end].chars().all(is_bound)).then_some(end + 2)
}

/// A scalar as a JSON string.
pub(super) fn literal(text: &str) -> String {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.ends_with(|c: char| c.is_ascii_digit())
        && json::has_meaning(text);
    let text = if is_number { Cow::Owned(json::canonicalize(text)) } else { Cow::Borrowed(text) };
    serde_json::Value::String(text.into_owned()).to_string()
}

fn boolean(truth: bool) -> String {
    literal(if truth { "t" } else { "f" })
}

/// The document of PostgreSQL's array text.
fn postgres(text: &str) -> Option<String> {
    let mut rest = text.chars().peekable();
    let mut out = String::new();
    (rest.next()? == '{').then_some(())?;
    braced(&mut rest, &mut out, DEPTH_MAX)?;
    rest.next().is_none().then_some(out)
}

/// Writes the items up to the closing brace.
fn braced(rest: &mut Peekable<Chars>, out: &mut String, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    out.push('[');
    skip_blanks(rest);
    if rest.next_if_eq(&'}').is_none() {
        loop {
            skip_blanks(rest);
            match rest.peek()? {
                '{' => {
                    rest.next();
                    braced(rest, out, depth)?;
                }
                '"' => {
                    rest.next();
                    out.push_str(&literal(&in_quotes(rest)?));
                }
                _ => out.push_str(&bare(rest)?),
            }
            skip_blanks(rest);
            match rest.next()? {
                ',' => out.push(','),
                '}' => break,
                _ => return None,
            }
        }
    }
    out.push(']');
    Some(())
}

fn skip_blanks(rest: &mut Peekable<Chars>) {
    while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
}

/// Reads an item up to its closing quote.
fn in_quotes(rest: &mut Peekable<Chars>) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => text.push(rest.next()?),
            other => text.push(other),
        }
    }
}

/// Reads an item without quotes, as a JSON literal. NULL is a value only without quotes and escapes.
fn bare(rest: &mut Peekable<Chars>) -> Option<String> {
    let (mut text, mut is_escaped, mut length) = (String::new(), false, 0);
    while let Some(next) = rest.next_if(|c| !matches!(c, ',' | '{' | '}' | '"')) {
        match next {
            '\\' => {
                is_escaped = true;
                text.push(rest.next()?);
                length = text.len();
            }
            next => {
                text.push(next);
                // blanks at the end are not part of the item unless they are escaped
                length = if next.is_ascii_whitespace() { length } else { text.len() };
            }
        }
    }
    text.truncate(length);
    match text.as_str() {
        "" => None,
        null if null.eq_ignore_ascii_case("null") && !is_escaped => Some("null".into()),
        text => Some(literal(text)),
    }
}

/// The document of a JSON array.
fn of_json(text: &str) -> Option<String> {
    let mut out = String::new();
    json::has_meaning(text).then_some(())?;
    write(serde_json::from_str(text).ok()?, &mut out)?;
    Some(out)
}

/// Writes a value of JSON with its scalars as strings.
pub(super) fn write(value: &RawValue, out: &mut String) -> Option<()> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'[' => {
            out.push('[');
            for (index, item) in serde_json::from_str::<Vec<&RawValue>>(text).ok()?.into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(item, out)?;
            }
            out.push(']');
        }
        b'"' => out.push_str(&literal(&serde_json::from_str::<String>(text).ok()?)),
        b't' => out.push_str(&boolean(true)),
        b'f' => out.push_str(&boolean(false)),
        b'n' => out.push_str("null"),
        // numbers, and objects as documents of their own
        _ => out.push_str(&serde_json::Value::String(json::canonicalize(text)).to_string()),
    }
    Some(())
}

/// The JSON of every value of a plain array.
pub(super) fn literals(array: &ArrayRef, field: &Field) -> Result<Vec<String>> {
    let null = || "null".to_string();
    if let DataType::List(item) = array.data_type() {
        let list = array.as_list::<i32>();
        let offsets: Vec<usize> = list.value_offsets().iter().map(|&offset| offset as usize).collect();
        let (first, last) = (offsets[0], offsets[list.len()]);
        let items = literals(&list.values().slice(first, last - first), item)?;
        let all = |row: usize| format!("[{}]", items[offsets[row] - first..offsets[row + 1] - first].join(","));
        return Ok((0..list.len()).map(|row| if list.is_valid(row) { all(row) } else { null() }).collect());
    }
    if let DataType::Boolean = array.data_type() {
        return Ok(array.as_boolean().iter().map(|truth| truth.map_or_else(null, boolean)).collect());
    }
    let texts = value_text::column(array, field)?;
    let is_number = family(field) == Some(Family::Number);
    let literal = |text: &str| match text {
        "inf" if is_number => literal("Infinity"),
        "-inf" if is_number => literal("-Infinity"),
        text => literal(text),
    };
    Ok(texts.iter().map(|text| text.map_or_else(null, literal)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, two: &str) {
        let forms = [one, two].map(document);
        assert!(forms[0].is_some() && forms[0] == forms[1], "{one} and {two}: {forms:?}");
    }

    #[test]
    fn both_notations_of_an_array_have_one_document() {
        same("{}", "[]");
        same(r#"{a,"b c",NULL,{1,2}}"#, r#"["a","b c",null,[1,2]]"#);
        same("{1.50,-0.0,1e2}", "[1.5,0,100]");
        same("{t,f}", "[true, false]");
        same(r#"{"a\"b\\c",""}"#, r#"["a\"b\\c",""]"#);
        same("[0:1]={1,2}", "[1,2]");
        same("[-1:0][2:3]={{1,2},{3,4}}", "[[1,2],[3,4]]");
        same("{ a , b b }", r#"["a","b b"]"#);
        same(r#"{"NULL",\null}"#, r#"["NULL","null"]"#);
        same("{null}", "[null]");
        same(r#"{"{\"a\":1}"}"#, r#"[{ "a" : 1.0 }]"#);
        same("{a\\ }", r#"["a "]"#);
    }

    #[test]
    fn what_differs_has_two_documents() {
        for (one, two) in [
            ("{NULL}", r#"["NULL"]"#),
            ("{1}", "[2]"),
            ("{1,2}", "[2,1]"),
            ("{a}", r#"["A"]"#),
            ("{007}", "[7]"),
            ("{{1},{2}}", "[1,2]"),
            ("{}", "[null]"),
            (r#"{""}"#, "[]"),
            (r#"{" a"}"#, r#"["a"]"#),
            ("{true}", "[true]"),
        ] {
            let forms = [one, two].map(document);
            assert!(forms.iter().all(Option::is_some) && forms[0] != forms[1], "{one} and {two}: {forms:?}");
        }
    }

    #[test]
    fn what_is_no_array_has_none() {
        let deep = format!("{}{}", "{".repeat(100_000), "}".repeat(100_000));
        for text in [
            "",
            "a",
            "{",
            "}",
            "{a",
            "{a}}",
            "{a,}",
            "{,a}",
            "{a,,b}",
            "{a}b",
            "{a\"b\"}",
            "{\"a\"b}",
            "{a{b}}",
            "{\"a}",
            "{a\\",
            "[1",
            "[1]2",
            "[a]",
            "1",
            "\"a\"",
            "null",
            "[{\"a\":1,\"a\":1}]",
            "[0:1]=",
            "[0:1]=[1]",
            "[]={1}",
            &deep,
        ] {
            assert_eq!(document(text), None, "{text:.40}");
        }
    }

    #[test]
    fn items_are_sorted_at_the_first_level() {
        let documents = |texts: [&str; 2]| StringViewArray::from_iter(texts.map(document));
        assert_eq!(sorted(&documents(["{b,a,NULL}", "{{2,1},{1,2}}"])), {
            sorted(&documents(["{NULL,a,b}", "{{1,2},{2,1}}"]))
        });
        assert_ne!(sorted(&documents(["{a,a,b}", "{{2,1}}"])), sorted(&documents(["{a,b,b}", "{{1,2}}"])));
    }
}
