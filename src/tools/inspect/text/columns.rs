//! The columns, one per line.

use std::fmt::Write;

use comfy_table::Table;

use super::{has_many_groups, size, tallies};
use crate::compare::matching::Ranges;
use crate::equality::value_text::escaped;
use crate::report::text::{indented, plain_table, right_align};
use crate::report::{count, grouped};
use crate::tools::inspect::{Bound, InspectedColumn, Inspection};

/// The maximum widths of a type, and of a smallest or largest value, in characters.
const TYPE_WIDTH: usize = 40;
const VALUE_WIDTH: usize = 28;

/// The table of columns; nothing if no file can be read.
pub(super) fn render(inspection: &Inspection) -> String {
    if inspection.columns.is_empty() {
        return String::new();
    }
    let many_groups = has_many_groups(inspection);
    let mut table = plain_table();
    let order = if many_groups { "row groups" } else { "" };
    table.set_header(["column", "type", "stored", "NULLs", "min", "max", order]);
    for column in &inspection.columns {
        table.add_row([
            escaped(&column.name),
            types(column, inspection),
            if column.partition { "-".into() } else { size(column.compressed_bytes) },
            nulls(column),
            bound(column.min.as_ref(), "≥ "),
            bound(column.max.as_ref(), "≤ "),
            if many_groups { order_of(column).into() } else { String::new() },
        ]);
    }
    right_align(&mut table, &[2, 3]);
    without_trailing_blanks(&table)
}

/// Removes trailing blanks, because the last column may be empty.
fn without_trailing_blanks(table: &Table) -> String {
    indented(table).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn types(column: &InspectedColumn, inspection: &Inspection) -> String {
    let readable = inspection.files.readable.len() as u64;
    let mut out = cut(&escaped(&column.type_name), TYPE_WIDTH);
    if !column.file_types.is_empty() {
        let _ = write!(out, " from {}", tallies(&column.file_types, "file"));
    }
    if column.files < readable {
        let _ = write!(out, ", in {} of {}", grouped(column.files), count(readable, "file"));
    }
    out
}

/// NULLs by number and share.
pub(super) fn nulls(column: &InspectedColumn) -> String {
    match (column.nulls, column.null_rate) {
        (None, _) => "unknown".into(),
        (Some(0), _) => "0".into(),
        (Some(_), Some(1.0)) => "all".into(),
        (Some(nulls), Some(rate)) => format!("{} ({})", grouped(nulls), percent(rate)),
        (Some(nulls), None) => grouped(nulls),
    }
}

/// A share that is neither 0 nor 1 is never shown as one of these.
fn percent(rate: f64) -> String {
    match rate * 100.0 {
        small if small < 0.1 => "<0.1 %".into(),
        large if large > 99.9 => ">99.9 %".into(),
        percent => format!("{percent:.1} %"),
    }
}

fn bound(bound: Option<&Bound>, inexact: &str) -> String {
    match bound {
        None => "-".into(),
        Some(Bound { value, exact: true }) => cut(value, VALUE_WIDTH),
        Some(Bound { value, exact: false }) => format!("{inexact}{}", cut(value, VALUE_WIDTH)),
    }
}

fn order_of(column: &InspectedColumn) -> &'static str {
    match column.ranges {
        _ if column.partition => "by directory",
        Ranges::OneRowGroup => "-",
        Ranges::Ascend => "ascend",
        Ranges::Declared => "declared to ascend",
        Ranges::Overlap => "overlap",
        Ranges::Unknown => "unknown",
    }
}

/// Shortens a text. Values have already been escaped for the terminal.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
