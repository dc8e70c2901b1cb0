//! Parses the blocks of a file into columns.

use super::blocks::Block;
use super::cells::{Cells, Columns, LineEnd, Parsed, Problem};
use super::layout::{Dialect, Documents, Escapes, Header, Layout};
use super::{delimited, documents, escaped};

/// How the records of a file are parsed.
#[derive(Debug, Clone)]
pub(crate) enum Records {
    Delimited(Dialect, LineEnd),
    Documents(Documents),
}

impl Records {
    /// Prepares to parse a file, of which this is the first block. Returns the columns, if that block is enough to know
    /// them, and removes what is not data from it.
    ///
    /// # Errors
    /// What is wrong with the first record.
    pub(crate) fn begin(layout: &Layout, first: &mut Block) -> Result<(Self, Option<Vec<String>>), Problem> {
        match layout {
            Layout::Delimited(dialect) => {
                let line_end = match dialect.escapes {
                    // MySQL does not escape a carriage return, so it may be the end of a value
                    Escapes::Mysql(_) => LineEnd::Newline,
                    Escapes::Postgres => escaped::line_end(first),
                    Escapes::None => delimited::line_end(dialect, first)?,
                };
                let records = Records::Delimited(dialect.clone(), line_end);
                let names = match &dialect.header {
                    Header::Given(names) => names.clone(),
                    Header::FirstRecord => delimited::take_header(dialect, line_end, first)?,
                };
                Ok((records, Some(names)))
            }
            Layout::Documents(style) => Ok((Records::Documents(*style), None)),
            Layout::Parquet | Layout::Avro | Layout::Arrow | Layout::Orc => {
                Err(Problem::NotADocument { line: 1, reason: "is not text".into() })
            }
        }
    }

    /// The columns of the documents in a block, in the order of their appearance.
    pub(crate) fn columns_of(&self, block: &Block) -> Result<Columns, Problem> {
        match self {
            Records::Documents(style) => documents::columns(*style, block),
            Records::Delimited(..) => Ok(Columns { names: vec![], kinds: vec![] }),
        }
    }

    /// The number of fields of the first record.
    pub(crate) fn first_width(&self, block: &Block) -> Result<usize, Problem> {
        match self {
            Records::Delimited(dialect, line_end) => delimited::first_width(dialect, *line_end, block),
            Records::Documents(_) => Ok(0),
        }
    }

    /// Parses a block.
    pub(crate) fn parse(&self, block: &Block, columns: &Columns) -> Result<Parsed, Problem> {
        let mut cells = Cells::new(columns.kinds.len());
        match self {
            Records::Delimited(dialect, line_end) if escaped::is_needed(dialect) => {
                escaped::parse(dialect, *line_end, block, &mut cells)?;
            }
            Records::Delimited(dialect, line_end) => delimited::parse(dialect, *line_end, block, &mut cells)?,
            Records::Documents(style) => documents::parse(*style, block, columns, &mut cells)?,
        }
        cells.finish(columns)
    }
}
