//! An inspection as text: the result, the layout, the columns, and the strategy of a diff.

mod columns;
mod strategy;

use std::fmt::Write;

use anstyle::{AnsiColor, Effects};
use bytesize::ByteSize;

use super::{Inspection, LayoutTally, Looks, Presence, listed};
use crate::equality::value_text::escaped;
use crate::report::Style;
use crate::report::text::{indented, plain_table};
use crate::report::{count, grouped};

/// How many findings are listed. The JSON form contains all of them.
const FINDINGS: usize = 20;

/// The inspection as text.
pub fn render(inspection: &Inspection, style: Style) -> String {
    let sections = [
        headline(inspection, style),
        findings(inspection),
        layout(inspection),
        columns::render(inspection),
        strategy::render(inspection),
        remarks(inspection),
    ];
    let sections: Vec<&str> = sections.iter().map(|section| section.trim_end()).collect();
    let shown: Vec<&str> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    shown.join("\n\n") + "\n"
}

fn headline(inspection: &Inspection, style: Style) -> String {
    let (word, detail, colour) = match inspection.looks {
        Looks::Whole => {
            ("LOOKS WHOLE", "footers and page headers are sound; the data was not read".into(), AnsiColor::Green)
        }
        Looks::Broken => {
            let detail = match inspection.broken.len() as u64 {
                1 => "1 finding; a diff that reaches it stops".into(),
                many => format!("{}; a diff stops at the first that it reaches", count(many, "finding")),
            };
            ("LOOKS BROKEN", detail, AnsiColor::Red)
        }
    };
    format!("{}  {detail}", style.paint(word, colour, Effects::BOLD))
}

fn findings(inspection: &Inspection) -> String {
    let mut out = String::new();
    for finding in inspection.broken.iter().take(FINDINGS) {
        let _ = writeln!(out, "  - {}", escaped(&finding.what));
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(out, "    {}", escaped(remedy));
        }
    }
    match inspection.broken.len().saturating_sub(FINDINGS) {
        0 => out,
        more => out + &format!("  and {} more; --format json lists all\n", grouped(more as u64)),
    }
}

fn layout(inspection: &Inspection) -> String {
    let mut table = plain_table();
    table.add_row(["path", &escaped(&inspection.path)]);
    table.add_row(["files", &files(inspection)]);
    if !inspection.files.readable.is_empty() {
        let readable = if inspection.files.unreadable > 0 { " in the readable files" } else { "" };
        table.add_row(["rows", &format!("{}{readable}", grouped(inspection.rows))]);
        table.add_row(["row groups", &row_groups(inspection)]);
        table.add_row(["compression", &compression(inspection)]);
        table.add_row(["checksums", &checksums(inspection)]);
        let labels = ["in every column chunk", "in some column chunks", "none"];
        table.add_row(["statistics", present(inspection.storage.statistics, labels)]);
        table.add_row(["page index", present(inspection.storage.page_index, labels)]);
        table.add_row(["sorted by", &sorted_by(inspection)]);
        table.add_row(["written by", &tallies(&inspection.storage.writers, "file")]);
        table.add_row(["format", &format!("Parquet {}", tallies(&inspection.storage.format_versions, "file"))]);
    }
    indented(&table)
}

fn files(inspection: &Inspection) -> String {
    let files = &inspection.files;
    let mut out = grouped(files.count);
    if files.unreadable > 0 {
        let _ = write!(out, ", {} of them unreadable", grouped(files.unreadable));
    }
    let sizes = files.readable.iter().map(|file| file.bytes);
    match (sizes.clone().min(), sizes.max()) {
        (Some(min), Some(max)) if files.readable.len() > 1 => {
            let _ = write!(out, "; {}, each {}", ByteSize(files.bytes), range(size(min), size(max)));
        }
        (Some(_), _) => drop(write!(out, "; {}", ByteSize(files.bytes))),
        _ => {}
    }
    match files.passed_over.len() {
        0 => out,
        n => out + &format!("; {} skipped", grouped(n as u64)),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

/// One text if both ends are equal.
fn range(from: String, to: String) -> String {
    if from == to { from } else { format!("{from} to {to}") }
}

fn row_groups(inspection: &Inspection) -> String {
    let groups = &inspection.row_groups;
    let [min, median, max] = [groups.rows_min, groups.rows_median, groups.rows_max].map(grouped);
    match groups.count {
        0 => "0".into(),
        1 => format!("1 of {}", count(groups.rows_max, "row")),
        n if min == max => format!("{} of {}", grouped(n), count(groups.rows_max, "row")),
        n => format!("{} of {min} to {max} rows, median {median}", grouped(n)),
    }
}

fn compression(inspection: &Inspection) -> String {
    let storage = &inspection.storage;
    let (from, to) = (size(storage.uncompressed_bytes), size(storage.compressed_bytes));
    let sizes = if from == to { to } else { format!("{from} stored as {to}") };
    format!("{}; {sizes}", tallies(&storage.codecs, "column chunk"))
}

fn checksums(inspection: &Inspection) -> String {
    let checksums = &inspection.checksums;
    let pages = count(checksums.pages, "page");
    match checksums.presence {
        _ if checksums.pages == 0 => "there are no pages".into(),
        Presence::All => format!("in all of {pages} examined"),
        Presence::Some => format!("in {} of {pages} examined", grouped(checksums.with)),
        Presence::None => format!("in none of {pages} examined"),
    }
}

fn sorted_by(inspection: &Inspection) -> String {
    let sorted = &inspection.sorted_by;
    let groups = inspection.row_groups.count;
    let columns = escaped(&sorted.columns.join(", "));
    match sorted.row_groups {
        0 => "not declared".into(),
        n if n == groups => format!("{columns}, declared by every row group"),
        n => format!("{columns}, declared by {} of {}", grouped(n), count(groups, "row group")),
    }
}

/// Names, with their counts if there are several.
fn tallies(tallies: &[LayoutTally], noun: &str) -> String {
    match tallies {
        [] => "-".into(),
        [one] => escaped(&one.name),
        many => {
            let named = many.iter().map(|tally| format!("{} ({})", escaped(&tally.name), count(tally.count, noun)));
            listed(named)
        }
    }
}

fn present(presence: Presence, [all, some, none]: [&str; 3]) -> &str {
    match presence {
        Presence::All => all,
        Presence::Some => some,
        Presence::None => none,
    }
}

/// Whether several row groups have rows, so that their order matters.
fn has_many_groups(inspection: &Inspection) -> bool {
    inspection.row_groups.count.saturating_sub(inspection.row_groups.empty) > 1
}

fn remarks(inspection: &Inspection) -> String {
    inspection.remarks.iter().map(|remark| format!("  note: {}\n", escaped(remark))).collect()
}
