//! The results of the checks as text.

use super::{cut, indented, plain_table};
use crate::checks::CheckReport;
use crate::equality::value_text::escaped;
use crate::report::{Report, grouped};

/// The section on checks; nothing, where the job has none.
pub(super) fn render(report: &Report) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let mut table = plain_table();
    for check in &report.checks {
        table.add_row([escaped(&check.name), state(check).to_string(), describe(check)]);
    }
    let mut out = format!("  checks\n{}", super::nested(&table));
    for check in report.checks.iter().filter(|check| !check.examples.is_empty()) {
        out += &format!("\n{}", rows(check, report.run.out.as_deref()));
    }
    out
}

/// Whether a check holds, in a word.
pub(super) fn state(check: &CheckReport) -> &'static str {
    if check.holds { "holds" } else { "FAILS" }
}

fn describe(check: &CheckReport) -> String {
    let found = match (&check.list, check.found) {
        (Some(_), 0) => String::new(),
        (None, _) if check.holds => check.describe_found(),
        _ => format!("{}, where {}", check.describe_found(), check.describe_expected()),
    };
    match (&check.question, found.is_empty()) {
        (Some(question), true) => escaped(question),
        (Some(question), false) => format!("{found}: {}", escaped(question)),
        (None, _) => found,
    }
}

fn rows(check: &CheckReport, out: Option<&str>) -> String {
    let shown = match check.examples.len() as u64 {
        n if n == check.found => "all of".to_string(),
        n => format!("first {n} of"),
    };
    let place = match (out, &check.list) {
        (Some(out), Some(list)) => format!("; complete in {}", escaped(&format!("{out}/{list}"))),
        _ => String::new(),
    };
    let mut table = plain_table();
    table.set_header(check.columns.iter().map(|column| escaped(column)));
    for row in &check.examples {
        table.add_row(row.iter().map(|value| value.as_deref().map_or("NULL".into(), |value| cut(&escaped(value)))));
    }
    let table = indented(&table).lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("  {} ({shown} {}{place})\n{table}", escaped(&check.name), grouped(check.found))
}
