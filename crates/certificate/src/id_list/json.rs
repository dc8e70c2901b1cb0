//! Lists of one JSON object per line. Numbers keep their digits as written.

use std::fmt;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::{Lines, bad_line};
use super::{Header, Problem};
use crate::csv::Fields;

/// The rows of a list of JSON objects. The first object is already read, because it defines the columns.
pub(super) struct JsonRows<R> {
    lines: Lines<R>,
    first: Option<(u64, Object)>,
}

impl<R: BufRead> JsonRows<R> {
    /// Opens a list. The names in its first object are its columns; an empty list has no columns.
    pub(super) fn open(input: R) -> Result<(Self, Vec<String>), Problem> {
        let mut lines = Lines::new(input);
        let first = match lines.next_line()? {
            None => None,
            Some((line, text)) => Some((line, object(line, text)?)),
        };
        let names = first.iter().flat_map(|(_, object)| object.0.iter().map(|(name, _)| name.clone())).collect();
        Ok((JsonRows { lines, first }, names))
    }

    /// Reads the next object into `fields`, in the order of the header. Returns its line.
    pub(super) fn next_row(&mut self, header: &Header, fields: &mut Fields) -> Result<Option<u64>, Problem> {
        let (line, object) = match self.first.take() {
            Some(first) => first,
            None => match self.lines.next_line()? {
                None => return Ok(None),
                Some((line, text)) => (line, object(line, text)?),
            },
        };
        let columns = header.names();
        if let Some((name, _)) = object.0.iter().find(|(name, _)| !columns.contains(&name.as_str())) {
            return Err(bad_line(line, format!("`{name}` is not in the first object of the list")));
        }
        if let Some(name) = columns.iter().find(|column| object.value(column).is_none()) {
            let reason = format!("it has no `{name}`; write null for NULL: a missing value is not a NULL");
            return Err(bad_line(line, reason));
        }
        if object.0.len() > columns.len() {
            return Err(bad_line(line, "duplicate name in the object"));
        }
        fields.clear();
        columns.iter().for_each(|column| fields.push(object.value(column).and_then(Option::as_deref)));
        Ok(Some(line))
    }
}

/// The names and values of an object, in the order of the text.
struct Object(Vec<(String, Option<String>)>);

impl Object {
    fn value(&self, column: &str) -> Option<&Option<String>> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

fn object(line: u64, text: &str) -> Result<Object, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        bad_line(line, format!("not a JSON object of plain values: {reason}"))
    })
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object such as {\"id\": \"7\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut row = vec![];
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value::<&RawValue>()?;
                    row.push((name, value_text(value.get()).map_err(serde::de::Error::custom)?));
                }
                Ok(Object(row))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// A plain value as text; `None` for NULL.
fn value_text(raw: &str) -> Result<Option<String>, String> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(|error| error.to_string()),
        Some(b'[' | b'{') => Err("an array or an object is not a plain value".into()),
        Some(b'n') => Ok(None),
        _ => Ok(Some(raw.into())),
    }
}
