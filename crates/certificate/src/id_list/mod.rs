//! ID lists as text: CSV with a header, bare lines, and JSON lines. Each is read row by row, with line numbers.
//!
//! Only this module parses these formats, finds columns in a header, and compares rows with the header. It reports
//! errors as a [`Problem`] or a [`ColumnFault`], from which callers may create their own messages.

mod json;
mod lines;

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use self::json::JsonRows;
use self::lines::Lines;
use crate::csv::{self, Fields};
use crate::wording::count;

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// CSV with a header. An empty field is NULL, and `""` is the empty string.
    Csv,
    /// One bare ID per line, without a header.
    BareLines,
    /// One JSON object per line. The first one defines the columns.
    JsonLines,
}

impl Form {
    /// The format by the extension of a path; `None` if the extension is unknown.
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
    /// A list that cannot be read.
    #[error("cannot read `{}`: {source}", list.display())]
    Unreadable {
        /// The list.
        list: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// A list that cannot be used as a whole.
    #[error("`{}` {reason}", list.display())]
    BadList {
        /// The list.
        list: PathBuf,
        /// What is wrong and what to do, to follow the path of the list in a sentence.
        reason: String,
    },

    /// An invalid line of a list, or row of a Parquet file.
    #[error("`{}`, line {line}: {reason}", list.display())]
    BadLine {
        /// The list.
        list: PathBuf,
        /// The line on which the record begins, or the number of the row; counted from 1.
        line: u64,
        /// What is wrong and what to do.
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
    /// The system reported an error.
    #[error("{0}")]
    Unreadable(#[from] io::Error),

    /// A line that does not have the format of the list.
    #[error("line {line}: {reason}")]
    BadLine {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with the line.
        reason: String,
    },

    /// A row whose number of fields differs from that of the header.
    #[error("line {line}: {} found, but the header has {}", count(*.fields as u64, "field"), count(*.columns as u64, "column"))]
    FieldCount {
        /// The line on which the row begins, counted from 1.
        line: u64,
        /// The number of fields in the row.
        fields: usize,
        /// The number of columns in the header.
        columns: usize,
    },
}

impl Problem {
    /// The error with the path of the list.
    pub fn of(self, list: &Path) -> ListError {
        match self {
            Problem::Unreadable(source) => ListError::Unreadable { list: list.into(), source },
            Problem::BadLine { line, reason } => ListError::line(list, line, reason),
            Problem::FieldCount { line, fields, columns } => {
                let (fields, columns) = (count(fields as u64, "field"), count(columns as u64, "column"));
                ListError::line(list, line, format!("{fields} found, but the header has {columns}"))
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

/// The column names of a list. An empty list has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header(Vec<Option<String>>);

/// A required column that a header does not have exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFault {
    /// The column.
    pub column: String,
    /// True if the header has the column several times; false if it does not have it.
    pub is_repeated: bool,
}

impl Header {
    /// A header with these names.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Header(names.into_iter().map(Some).collect())
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no columns, as in an empty list.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the columns. A column without a name has the empty name.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|name| name.as_deref().unwrap_or_default()).collect()
    }

    /// Whether any column has no name.
    pub fn lacks_a_name(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    /// The first name that repeats an earlier one.
    pub fn repeated(&self) -> Option<&str> {
        let names = self.names();
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| *name)
    }

    /// The index of a column, which must occur exactly once.
    pub fn index(&self, column: &str) -> Result<usize, ColumnFault> {
        let names = self.names();
        let mut found = names.iter().enumerate().filter(|(_, name)| **name == column).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (Some(at), None) => Ok(at),
            (first, _) => Err(ColumnFault { column: column.into(), is_repeated: first.is_some() }),
        }
    }

    /// The indices of columns, each of which must occur exactly once. The header may have other columns.
    pub fn indices<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Result<Vec<usize>, ColumnFault> {
        columns.into_iter().map(|column| self.index(column)).collect()
    }
}

/// An open list, positioned after its header.
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
    /// The line on which the row begins, counted from 1.
    pub line: u64,
    fields: &'a Fields,
}

impl<'a> Row<'a> {
    /// The texts of its columns in the order of the header; `None` for NULL.
    pub fn fields(self) -> impl Iterator<Item = Option<&'a str>> {
        self.fields.iter()
    }
}

impl<R: BufRead> IdList<R> {
    /// Opens a list and reads its header. `bare` is the column name of a list without a header.
    ///
    /// # Errors
    /// If the header, or the first object of JSON lines, cannot be read. An empty list is not an error.
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

    /// The column names of the list.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the next row; `None` at the end.
    ///
    /// # Errors
    /// If the row does not have the format of the list, or if its columns differ from the header.
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
            ("id\n1,2\n", Form::Csv, "line 2: 2 fields found, but the header has 1 column"),
            ("id,n\n\"1\n\",2\n3\n", Form::Csv, "line 4: 1 field found, but the header has 2 columns"),
            ("1\n\n", Form::BareLines, "line 2: the line is empty, but this list has one bare ID per line\n"),
            ("{\"id\": 1}\n{\"n\": 1}", Form::JsonLines, "line 2: `n` is not in the first object of the list"),
            ("{\"id\": 1}\n{}", Form::JsonLines, "line 2: it has no `id`; write null for NULL"),
            ("{\"id\": 1}\n{\"id\": 1, \"id\": 2}", Form::JsonLines, "line 2: duplicate name in the object"),
            ("[]", Form::JsonLines, "line 1: not a JSON object of plain values"),
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
