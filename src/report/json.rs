//! The report for programs.

use super::Report;
use super::document::Document;

/// The report as JSON; the form is described by `schemas/report.v1.json`.
pub fn render(report: &Report) -> String {
    let json = serde_json::to_string_pretty(report);
    // a report holds strings, numbers and lists, all of which JSON can say
    json.unwrap_or_else(|error| unreachable!("a report is always JSON: {error}")) + "\n"
}

/// The JSON Schema of the report.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Document);
    let json = serde_json::to_string_pretty(&schema);
    json.unwrap_or_else(|error| unreachable!("a schema is always JSON: {error}")) + "\n"
}
