//! A table of a page.

use super::{Format, Inline};

/// A table of facts or figures.
pub(crate) struct Table {
    /// What the rows are about, for formats whose header does not say it.
    pub title: Option<Inline>,
    pub headers: Headers,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// Whether the rows can be read without the names of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headers {
    /// They can, so only a format whose tables always have a header shows the names.
    Obvious,
    /// They cannot.
    Needed,
}

/// A column of a table.
pub(crate) struct Column {
    /// `None` if nothing is to be said about its cells. An empty name keeps the place of one.
    pub name: Option<Inline>,
    pub kind: ColumnKind,
    /// The only format that shows it, if not all do.
    pub only: Option<Format>,
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    /// Numbers are compared digit by digit, so they are aligned to the right where a format aligns.
    Number,
}

/// A row of a table, with a cell for each column. Cells at the end may be left out.
pub(crate) struct Row {
    pub cells: Vec<Inline>,
    /// The only format that shows it, if not all do.
    pub only: Option<Format>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        let columns = columns.into_iter().collect();
        Table { title: None, headers: Headers::Obvious, columns, rows: vec![] }
    }

    /// The same with a title.
    pub(crate) fn titled(self, title: impl Into<Inline>) -> Self {
        Table { title: Some(title.into()), ..self }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Inline>) {
        self.rows.push(Row { cells: cells.into_iter().collect(), only: None });
    }

    /// Adds a row that only one format shows.
    pub(crate) fn row_for(&mut self, format: Format, cells: impl IntoIterator<Item = Inline>) {
        self.rows.push(Row { cells: cells.into_iter().collect(), only: Some(format) });
    }

    /// The columns that a format shows.
    pub(crate) fn columns_for(&self, format: Format) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| format.shows(column.only))
    }

    /// The rows that a format shows, each with the cells that it shows.
    pub(crate) fn rows_for(&self, format: Format) -> impl Iterator<Item = impl Iterator<Item = &Inline>> {
        self.rows.iter().filter(move |row| format.shows(row.only)).map(move |row| {
            let cells = self.columns.iter().zip(&row.cells);
            cells.filter(move |(column, _)| format.shows(column.only)).map(|(_, cell)| cell)
        })
    }
}

impl Column {
    /// A column of text.
    pub(crate) fn text(name: impl Into<Inline>) -> Self {
        Column { name: Some(name.into()), kind: ColumnKind::Text, only: None }
    }

    /// A column of numbers.
    pub(crate) fn number(name: impl Into<Inline>) -> Self {
        Column { kind: ColumnKind::Number, ..Column::text(name) }
    }

    /// A column of text without a name.
    pub(crate) fn unnamed() -> Self {
        Column { name: None, kind: ColumnKind::Text, only: None }
    }

    /// The same, shown by one format only.
    pub(crate) fn only(self, format: Format) -> Self {
        Column { only: Some(format), ..self }
    }
}
