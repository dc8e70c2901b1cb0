//! ID lists as text: CSV with a header, bare lines, and JSON lines, each read row by row with its line.
//!
//! This is the only module that knows the forms, where a column is in a header, and when a row does not fit it. It says
//! what is wrong as a [`Problem`] or a [`ColumnFault`], and a reader may describe that in its own way.

mod json;
mod lines;

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use self::json::JsonRows;
use self::lines::Lines;
use crate::csv::{self, Fields};
use crate::wording::count;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// CSV with a header, in which an empty field is NULL and `""` the empty string.
    Csv,
    /// One bare ID a line, without a header.
    BareLines,
    /// One JSON object a line; the first names the columns.
    JsonLines,
}

impl Form {
    /// The form that the end of a file's name says, if it says one.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_lowercase().as_str() {
            "csv" => Some(Form::Csv),
            "txt" => Some(Form::BareLines),
            "ndjson" | "jsonl" => Some(Form::JsonLines),
            _ => None,
        }
    }
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// A list that the system does not let us read.
    #[error("cannot read `{}`: {source}", list.display())]
    Unreadable {
        /// The list.
        list: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A list that cannot be used as a whole.
    #[error("`{}` {reason}", list.display())]
    BadList {
        /// The list.
        list: PathBuf,
        /// What is wrong with it and what to do, to end a sentence that begins with its name.
        reason: String,
    },

    /// A line of a list, or a row of a Parquet file.
    #[error("`{}`, line {line}: {reason}", list.display())]
    BadLine {
        /// The list.
        list: PathBuf,
        /// The line on which the record begins, or the row's number; counted from 1.
        line: u64,
        /// What is wrong with it and what to do.
        reason: String,
    },
}

impl ListError {
    /// A [`ListError::BadList`].
    pub fn list(list: &Path, reason: impl Into<String>) -> Self {
        ListError::BadList { list: list.into(), reason: reason.into() }
    }

    /// A [`ListError::BadLine`].
    pub fn line(list: &Path, line: u64, reason: impl Into<String>) -> Self {
        ListError::BadLine { list: list.into(), line, reason: reason.into() }
    }
}

/// Why the next row of a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system does not let us read on.
    #[error("{0}")]
    Unreadable(#[from] io::Error),

    /// A line that is not of the list's form.
    #[error("line {line}: {reason}")]
    BadLine {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },

    /// A row with fewer or more fields than the header.
    #[error("line {line}: it has {}, and the header names {}", count(*.fields as u64, "field"), count(*.columns as u64, "column"))]
    FieldCount {
        /// The line on which it begins, counted from 1.
        line: u64,
        /// How many fields it has.
        fields: usize,
        /// How many the header has.
        columns: usize,
    },
}

impl Problem {
    /// The same with the path of the list.
    pub fn of(self, list: &Path) -> ListError {
        match self {
            Problem::Unreadable(source) => ListError::Unreadable { list: list.into(), source },
            Problem::BadLine { line, reason } => ListError::line(list, line, reason),
            Problem::FieldCount { line, fields, columns } => {
                let (fields, columns) = (count(fields as u64, "field"), count(columns as u64, "column"));
                ListError::line(list, line, format!("it has {fields}, and the header names {columns}"))
            }
        }
    }
}

impl From<csv::Problem> for Problem {
    fn from(problem: csv::Problem) -> Self {
        match problem {
            csv::Problem::Unreadable(source) => Problem::Unreadable(source),
            csv::Problem::NoCsv { line, reason } => Problem::BadLine { line, reason: reason.into() },
        }
    }
}

/// The names of a list's columns; none of an empty list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header(Vec<Option<String>>);

/// A column that a list has to have once, and has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFault {
    /// The column.
    pub column: String,
    /// Whether the header has it several times, rather than not at all.
    pub is_repeated: bool,
}

impl Header {
    /// A header of these names.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Header(names.into_iter().map(Some).collect())
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no column, as in an empty list.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names; a column without one has the empty name.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|name| name.as_deref().unwrap_or_default()).collect()
    }

    /// Whether a column has no name at all.
    pub fn lacks_a_name(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    /// The first name that was there before.
    pub fn repeated(&self) -> Option<&str> {
        let names = self.names();
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| *name)
    }

    /// The index of a column.
    pub fn index(&self, column: &str) -> Result<usize, ColumnFault> {
        let names = self.names();
        let mut found = names.iter().enumerate().filter(|(_, name)| **name == column).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (Some(at), None) => Ok(at),
            (first, _) => Err(ColumnFault { column: column.into(), is_repeated: first.is_some() }),
        }
    }

    /// The indices of columns. Others may be between and after them.
    pub fn indices<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Result<Vec<usize>, ColumnFault> {
        columns.into_iter().map(|column| self.index(column)).collect()
    }
}

/// A list, read up to its header.
pub struct IdList<R> {
    header: Header,
    rows: Rows<R>,
    fields: Fields,
}

enum Rows<R> {
    Csv(Box<csv::Reader<R>>),
    Bare(Lines<R>),
    Json(JsonRows<R>),
}

/// A row of a list.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The line on which it begins, counted from 1.
    pub line: u64,
    fields: &'a Fields,
}

impl<'a> Row<'a> {
    /// The texts of its columns in the order of the header, `None` for NULL.
    pub fn fields(self) -> impl Iterator<Item = Option<&'a str>> {
        self.fields.iter()
    }
}

impl<R: BufRead> IdList<R> {
    /// Reads the header of a list. `bare` is what the column of a list without a header is called.
    ///
    /// # Errors
    /// If the header, or the first object of JSON lines, cannot be read. An empty list is not a list.
    pub fn open(input: R, form: Form, bare: &str) -> Result<Self, Problem> {
        let mut fields = Fields::default();
        let (header, rows) = match form {
            Form::Csv => {
                let mut reader = csv::Reader::new(input);
                reader.read(&mut fields)?;
                (Header(fields.iter().map(|name| name.map(String::from)).collect()), Rows::Csv(reader.into()))
            }
            Form::BareLines => (Header::of([bare.into()]), Rows::Bare(Lines::new(input))),
            Form::JsonLines => {
                let (rows, names) = JsonRows::open(input)?;
                (Header::of(names), Rows::Json(rows))
            }
        };
        Ok(IdList { header, rows, fields })
    }

    /// The names of its columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next row, `None` at the end.
    ///
    /// # Errors
    /// If it is not of the list's form, or has other columns than the header.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Problem> {
        let fields = &mut self.fields;
        let line = match &mut self.rows {
            Rows::Csv(reader) => reader.read(fields)?,
            Rows::Bare(lines) => lines.next_id(fields)?,
            Rows::Json(rows) => rows.next_row(&self.header, fields)?,
        };
        let Some(line) = line else { return Ok(None) };
        match (fields.len(), self.header.len()) {
            (fields, columns) if fields != columns => Err(Problem::FieldCount { line, fields, columns }),
            _ => Ok(Some(Row { line, fields })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, form: Form) -> Result<String, String> {
        let mut list = IdList::open(text.as_bytes(), form, "id").map_err(|problem| problem.to_string())?;
        let mut all = list.header().names().join(",");
        while let Some(row) = list.next_row().map_err(|problem| problem.to_string())? {
            let fields: Vec<_> =
                row.fields().map(|field| field.map_or("-".into(), |text| format!("{text:?}"))).collect();
            all += &format!(" {}:{}", row.line, fields.join(","));
        }
        Ok(all)
    }

    #[test]
    fn every_form_gives_the_same_rows() {
        let rows = "id,n 2:\"1\",- 3:\"é\",\"\"";
        assert_eq!(read("id,n\r\n1,\r\né,\"\"\r\n", Form::Csv).unwrap(), rows);
        let json = "{\"id\": 1, \"n\": null}\n{\"n\": \"\", \"id\": \"é\"}";
        assert_eq!(read(json, Form::JsonLines).unwrap(), rows.replace("2:", "1:").replace("3:", "2:"));
        assert_eq!(read("\u{feff}1\r\né", Form::BareLines).unwrap(), "id 1:\"1\" 2:\"é\"");
        assert_eq!([Form::Csv, Form::JsonLines].map(|form| read("", form).unwrap()), ["", ""]);
        assert_eq!(read("", Form::BareLines).unwrap(), "id");
    }

    #[test]
    fn a_row_that_does_not_fit_is_named_by_its_line() {
        for (text, form, reason) in [
            ("id\n1,2\n", Form::Csv, "line 2: it has 2 fields, and the header names 1 column"),
            ("id,n\n\"1\n\",2\n3\n", Form::Csv, "line 4: it has 1 field, and the header names 2 columns"),
            ("1\n\n", Form::BareLines, "line 2: it is empty, and this list has one bare ID a line\n"),
            ("{\"id\": 1}\n{\"n\": 1}", Form::JsonLines, "line 2: `n` is not in the first object of the list"),
            ("{\"id\": 1}\n{}", Form::JsonLines, "line 2: it has no `id`; write null for NULL"),
            ("{\"id\": 1}\n{\"id\": 1, \"id\": 2}", Form::JsonLines, "line 2: a name stands twice in it"),
            ("[]", Form::JsonLines, "line 1: it is no JSON object of plain values"),
        ] {
            let said = read(text, form).unwrap_err();
            assert!(said.starts_with(reason), "{said}");
        }
    }

    #[test]
    fn a_column_is_found_where_its_name_is_there_once() {
        let list = IdList::open("a,b,a,\n".as_bytes(), Form::Csv, "id").unwrap();
        let header = list.header();
        let fault = |column: &str, is_repeated| Err(ColumnFault { column: column.into(), is_repeated });
        assert_eq!(
            [header.index("b"), header.index("a"), header.index("c")],
            [Ok(1), fault("a", true), fault("c", false)]
        );
        assert_eq!((header.repeated(), header.lacks_a_name()), (Some("a"), true));
        assert_eq!(Header::of(["x".into(), "y".into()]).indices(["y", "x"]), Ok(vec![1, 0]));
    }
}
