//! Lists of one JSON object a line. Numbers keep the digits that stand there.

use std::fmt;
use std::fs::File;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::Lines;
use super::{Gathered, bad_line};
use crate::error::Result;

/// A list of JSON objects, of which the first is read.
pub(super) struct JsonList {
    lines: Lines,
    first: Option<(u64, Row)>,
}

impl JsonList {
    /// Opens a list, and takes the names of its columns from its first object; none if it has no object.
    pub(super) fn open(path: &Path, file: File) -> Result<(Self, Vec<String>)> {
        let mut lines = Lines::open(file);
        let first = match lines.next(path)? {
            None => None,
            Some((line, text)) => Some((line, row(path, line, text)?)),
        };
        let names = first.iter().flat_map(|(_, row)| row.0.iter().map(|(name, _)| name.clone())).collect();
        Ok((JsonList { lines, first }, names))
    }

    /// Adds rows.
    pub(super) fn read(&mut self, path: &Path, columns: &[String], gathered: &mut Gathered) -> Result<()> {
        while !gathered.is_full() {
            let (line, row) = match self.first.take() {
                Some(first) => first,
                None => match self.lines.next(path)? {
                    None => break,
                    Some((line, text)) => (line, row(path, line, text)?),
                },
            };
            if let Some((name, _)) = row.0.iter().find(|(name, _)| !columns.contains(name)) {
                return Err(bad_line(path, line, format!("`{name}` is not in the first object of the list")));
            }
            if let Some(name) = columns.iter().find(|column| row.value(column).is_none()) {
                let reason = format!("it has no `{name}`; write null for NULL, as a missing value is not a NULL");
                return Err(bad_line(path, line, reason));
            }
            if row.0.len() > columns.len() {
                return Err(bad_line(path, line, "a name stands twice in it"));
            }
            gathered.push(line, columns.iter().map(|column| row.value(column).and_then(Option::as_deref)));
        }
        Ok(())
    }
}

/// An object: names and texts, in the order in which they stand there.
struct Row(Vec<(String, Option<String>)>);

impl Row {
    fn value(&self, column: &str) -> Option<&Option<String>> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

fn row(path: &Path, line: u64, text: &str) -> Result<Row> {
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        bad_line(path, line, format!("it is no JSON object of plain values: {reason}"))
    })
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object such as {\"id\": \"7\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut row = vec![];
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value::<&RawValue>()?;
                    row.push((name, value_text(value.get()).map_err(serde::de::Error::custom)?));
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// A plain value as text, `None` for NULL.
fn value_text(raw: &str) -> Result<Option<String>, String> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(|error| error.to_string()),
        Some(b'[' | b'{') => Err("a list or an object is no value of a list".into()),
        Some(b'n') => Ok(None),
        _ => Ok(Some(raw.into())),
    }
}
