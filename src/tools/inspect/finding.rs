//! Findings: what looks broken, and what to do about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::listed;
use crate::error::{AdmissionError, Error};
use crate::snapshot::Snapshot;

/// A problem that prevents a snapshot, or some of its columns, from being compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InspectFinding {
    /// The affected file, or the first of several.
    pub file: Option<String>,
    /// The affected columns.
    pub columns: Vec<String>,
    /// What is wrong, and where.
    pub what: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl InspectFinding {
    /// A finding for a failure to open or read. An error message about two sides is reworded.
    pub fn of(error: &Error) -> Self {
        let text = match error {
            Error::ValueOutOfType { column, reason, .. } => {
                format!("column `{column}` contains a value outside its declared type: {reason}")
            }
            error => error.to_string(),
        };
        // in messages, advice is on separate lines
        let (what, remedy) = match text.split_once("\n  ") {
            Some((what, remedy)) => (what.to_string(), Some(remedy.replace("\n  ", " "))),
            None => (text, None),
        };
        let (file, column) = location(error);
        InspectFinding { file, columns: column.into_iter().collect(), what, remedy }
    }
}

fn location(error: &Error) -> (Option<String>, Option<String>) {
    match error {
        Error::NotParquet { path, .. }
        | Error::Unreadable { path, .. }
        | Error::BadFileName { path, .. }
        | Error::ChangedWhileReading { path, .. }
        | Error::AppearedWhileReading { path, .. } => (Some(path.display().to_string()), None),
        Error::Damaged { path, column, .. }
        | Error::ColumnTwice { path, column }
        | Error::FileLacksColumn { path, column }
        | Error::Int96OutOfRange { path, column } => (Some(path.display().to_string()), Some(column.clone())),
        Error::Admission(AdmissionError::Footer { path, .. } | AdmissionError::Unsupported { path, .. }) => {
            (Some(path.display().to_string()), None)
        }
        Error::Admission(AdmissionError::FilesDoNotFit { path, column, .. }) => {
            (Some(path.display().to_string()), Some(column.clone()))
        }
        Error::FilesDisagree { other, column, .. } => (Some(other.display().to_string()), Some(column.clone())),
        _ => (None, None),
    }
}

/// Findings for the columns on which the files do not agree.
pub(super) fn disagreements(snapshot: &Snapshot) -> Vec<InspectFinding> {
    let mut findings = vec![];
    let mut lacking: BTreeMap<Vec<usize>, Vec<String>> = BTreeMap::new();
    for field in snapshot.schema.fields() {
        match snapshot.require_agreement(field.name()) {
            Ok(()) => {}
            Err(Error::FileLacksColumn { column, .. }) => {
                lacking.entry(files_without(snapshot, &column)).or_default().push(column);
            }
            Err(error) => findings.push(InspectFinding::of(&error)),
        }
    }
    // one unusual file can lack many columns
    findings.extend(lacking.into_iter().map(|(files, columns)| lack(snapshot, &files, columns)));
    findings
}

fn files_without(snapshot: &Snapshot, column: &str) -> Vec<usize> {
    let lacks = |index: &usize| snapshot.files[*index].schema.column_with_name(column).is_none();
    (0..snapshot.files.len()).filter(lacks).collect()
}

fn lack(snapshot: &Snapshot, files: &[usize], columns: Vec<String>) -> InspectFinding {
    let named = listed(columns.iter().map(|column| format!("`{column}`")));
    let missing = match columns.len() {
        1 => format!("column {named} is missing"),
        n => format!("{n} columns ({named}) are missing"),
    };
    let first = files.first().map(|&index| snapshot.files[index].path.display().to_string());
    let affected = format!("from {} of {} files", files.len(), snapshot.files.len());
    let first_note = first.as_ref().map_or(String::new(), |first| match files.len() {
        1 => format!(": `{first}`"),
        _ => format!(", first `{first}`"),
    });
    InspectFinding {
        file: first,
        what: format!("{missing} {affected}{first_note}"),
        remedy: Some(format!(
            "a missing value is not a NULL; export the files again, or use --ignore {}",
            columns.join(",")
        )),
        columns,
    }
}
