//! Tables of text: columns below each other, without lines.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// An empty table without lines.
pub(crate) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Aligns these columns to the right.
pub(crate) fn right_align(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A table as lines, indented by two spaces.
pub(crate) fn indented(table: &Table) -> String {
    indented_by(2, table)
}

/// A table as lines, indented by this many spaces. A cell begins with one of them.
pub(super) fn indented_by(spaces: usize, table: &Table) -> String {
    table.trim_fmt().lines().map(|line| format!("{:width$}{line}\n", "", width = spaces - 1)).collect()
}
