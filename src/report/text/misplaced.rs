//! Misplaced values as text.

use std::fmt::Write;

use super::{nested, plain_table, right_align};
use crate::equality::value_text::escaped;
use crate::explain::{MisplacedKind, MisplacedReport};
use crate::report::{Report, grouped};

/// The section on misplaced values; nothing, where the job does not ask for it.
pub fn render(report: &Report) -> String {
    let Some(found) = &report.misplaced else { return String::new() };
    let mut out = format!("  {}\n", escaped(&headline(found)));
    let mut table = plain_table();
    for (kind, rows) in rows(found) {
        table.add_row([kind.name(), &grouped(rows), describe(kind)]);
    }
    right_align(&mut table, &[1]);
    if table.row_count() > 0 {
        out += &nested(&table);
    }
    for example in &found.examples {
        let _ = writeln!(out, "    {}", escaped(&example.description));
    }
    out
}

/// What was looked for, and whether there is any of it.
pub fn headline(found: &MisplacedReport) -> String {
    match (&found.not_searched, rows(found).next()) {
        (Some(reason), None) => format!("misplaced: not searched: {reason}"),
        (Some(reason), Some(_)) => format!("misplaced: only exchanged columns; other keys not searched: {reason}"),
        (None, None) => format!("misplaced ({}): none", found.sought()),
        (None, Some(_)) => format!("misplaced ({}); complete in misplaced.csv", found.sought()),
    }
}

/// The kinds that there are, with their numbers.
pub fn rows(found: &MisplacedReport) -> impl Iterator<Item = (MisplacedKind, u64)> {
    found.counts().into_iter().filter(|(_, rows)| *rows > 0)
}

/// What a kind is.
pub fn describe(kind: MisplacedKind) -> &'static str {
    match kind {
        MisplacedKind::Swapped => "new has under each of two keys what old has under the other",
        MisplacedKind::Rekeyed => "missing and extra rows with the same values: rows that were given another key",
        MisplacedKind::Copied => "new has under this key what old has under another",
        MisplacedKind::Exchanged => "new has in each of two columns what old has in the other",
    }
}
