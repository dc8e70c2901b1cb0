//! The cells of loaded files that are not what their columns should have.

use super::{Column, Headers, Page, Span, Table};
use crate::explain::UnreadableCell;
use crate::report::{Comparison, grouped};

/// The unreadable cells, with the first few of each column.
pub(super) fn add(found: &Comparison, page: &mut Page) {
    let columns = [Column::text("column"), Column::text("side"), Column::number("cells"), Column::text("not read as")];
    let columns = columns.into_iter().chain([Column::text("at"), Column::text("text")]);
    let mut table = Table { headers: Headers::Needed, ..Table::new(columns).titled("unreadable cells") };
    for cells in &found.unreadable_cells {
        for (at, cell) in cells.first.iter().enumerate() {
            let own = |text: String| if at == 0 { text } else { String::new() };
            table.row([
                Span::Name(own(cells.column.clone())).into(),
                own(cells.side.clone()).into(),
                own(grouped(cells.cells)).into(),
                own(cells.reading.clone()).into(),
                Span::Name(position(cell)).into(),
                cell.text.as_ref().map_or_else(|| "(private)".into(), |text| Span::Value(format!("{text:?}")).into()),
            ]);
        }
    }
    if !table.rows.is_empty() {
        page.section().add(table);
    }
}

/// The file and the line of a cell.
fn position(cell: &UnreadableCell) -> String {
    cell.line.map_or_else(|| cell.file.clone(), |line| format!("{}:{line}", cell.file))
}
