//! The list of what is to be deleted.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::DataType;

use crate::csv;
use crate::error::{Error, Result};
use crate::history::{Digest, key_digest};

/// The candidates, in the order of their list.
pub struct Candidates {
    /// The columns that name a candidate.
    pub key: Vec<String>,
    /// Their values.
    pub texts: Vec<Vec<Option<String>>>,
    /// The place of each, by the digest of its values.
    pub places: HashMap<Digest, usize>,
}

impl Candidates {
    /// Reads a list in CSV. `types` are those of the key's columns in the snapshot.
    ///
    /// # Errors
    /// If its header lacks a column of the key, or a line has another number of fields, an ID that was there before, or a
    /// value of another type.
    pub fn read(path: &Path, key: &[String], types: &[DataType]) -> Result<Self> {
        let wrong = |words: String| Error::Contradiction(format!("`{}`: {words}", path.display()));
        let text = std::fs::read_to_string(path).map_err(Error::unreadable(path))?;
        let mut records = csv::records(&text).map_err(wrong)?.into_iter();
        let header = records.next().map(|(_, fields)| fields).unwrap_or_default();
        let header: Vec<String> = header.into_iter().map(Option::unwrap_or_default).collect();
        let place = |name: &String| header.iter().position(|column| column == name);
        let Some(columns) = key.iter().map(place).collect::<Option<Vec<usize>>>() else {
            let words = "line 1: its header is";
            return Err(wrong(format!("{words} `{}`; candidates are named by `{}`", header.join(","), key.join(","))));
        };
        let mut candidates = Candidates { key: key.to_vec(), texts: vec![], places: HashMap::new() };
        for (line, fields) in records {
            if fields.len() != header.len() {
                return Err(wrong(format!("line {line} has {} fields, the header {}", fields.len(), header.len())));
            }
            let texts: Vec<Option<String>> = columns.iter().map(|at| fields[*at].clone()).collect();
            for ((text, data_type), name) in texts.iter().zip(types).zip(key) {
                if let Some(text) = text.as_ref().filter(|text| data_type.is_integer() && !is_integer(text, data_type))
                {
                    return Err(wrong(format!(
                        "line {line}: `{text}` is no {name}: these are whole numbers ({data_type})"
                    )));
                }
            }
            let digest = key_digest(texts.iter().map(Option::as_deref));
            if candidates.places.insert(digest, candidates.texts.len()).is_some() {
                return Err(wrong(format!("line {line} repeats {}", shown(&texts))));
            }
            candidates.texts.push(texts);
        }
        Ok(candidates)
    }

    /// The candidates as a table: columns `c0`, `c1`, … in the types of the snapshot's, and `place`.
    pub fn table(&self, types: &[DataType]) -> Result<RecordBatch> {
        let mut columns: Vec<(String, ArrayRef)> = vec![];
        for (at, data_type) in types.iter().enumerate() {
            let texts = self.texts.iter().map(|texts| texts[at].as_deref());
            let column: ArrayRef = match data_type {
                DataType::UInt64 => {
                    let numbers = texts.map(|text| text.and_then(|text| text.parse::<i128>().ok()));
                    Arc::new(numbers.collect::<Decimal128Array>().with_precision_and_scale(20, 0)?)
                }
                integer if integer.is_integer() => {
                    Arc::new(texts.map(|text| text.and_then(|text| text.parse::<i64>().ok())).collect::<Int64Array>())
                }
                _ => Arc::new(texts.collect::<StringArray>()),
            };
            columns.push((format!("c{at}"), column));
        }
        let places: ArrayRef = Arc::new((0..self.texts.len() as u64).collect::<UInt64Array>());
        columns.push(("place".into(), places));
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

/// As the snapshot writes it: digits, and perhaps a minus before them.
fn is_integer(text: &str, data_type: &DataType) -> bool {
    let fits = match data_type {
        DataType::UInt64 => text.parse::<u64>().map(|number| number.to_string()).ok(),
        _ => text.parse::<i64>().map(|number| number.to_string()).ok(),
    };
    fits.is_some_and(|written| written == text)
}

/// An ID for people.
pub fn shown(texts: &[Option<String>]) -> String {
    texts.iter().map(|text| text.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(", ")
}
