//! Collects the cells of a block into columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, StringArray};
use arrow::datatypes::{DataType, Field};

use super::lines::LineIndex;
use super::shapes::Shapes;

/// How the cells of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Some cells are not UTF-8.
    Bytes,
    /// Some cells are JSON objects or arrays, so all of them are written in JSON.
    Json,
}

/// The columns of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) names: Vec<String>,
    pub(crate) kinds: Vec<Kind>,
}

/// What is wrong with a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A record with another number of fields than there are columns.
    FieldCount { line: u64, fields: usize },
    /// A line that ends in another way than the first one.
    MixedLineEnds { line: u64 },
    /// Quotes that are not closed.
    OpenQuotes { line: u64 },
    /// A cell that is not UTF-8.
    NotUtf8 { line: u64, column: usize },
    /// Text that is not JSON, or not a document; the reason follows the line.
    NotADocument { line: u64, reason: String },
}

/// The rows of a block.
pub(crate) struct Parsed {
    pub(crate) arrays: Vec<ArrayRef>,
    /// The shapes that all cells of a column have.
    pub(crate) shapes: Vec<Shapes>,
    pub(crate) lines: LineIndex,
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Newline,
    /// A carriage return and a newline.
    CarriageReturn,
}

impl Columns {
    /// Adds the columns of a later block.
    pub(crate) fn merge(&mut self, other: Columns) {
        other.names.iter().zip(other.kinds).for_each(|(name, kind)| self.add(name, kind));
    }

    /// Adds a column. One of JSON stays one.
    pub(super) fn add(&mut self, name: &str, kind: Kind) {
        match self.names.iter().position(|known| known == name) {
            Some(at) if kind == Kind::Json => self.kinds[at] = Kind::Json,
            Some(_) => {}
            None => {
                self.names.push(name.into());
                self.kinds.push(kind);
            }
        }
    }

    /// The fields of a file with these columns.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> {
        self.names.iter().zip(&self.kinds).map(|(name, kind)| Field::new(name, kind.data_type(), true))
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Bytes => DataType::Binary,
        }
    }
}

/// The cells of a block, column by column, while it is parsed.
pub(super) struct Cells {
    columns: Vec<BinaryBuilder>,
    lines: LineIndex,
    row_lines: Vec<u64>,
}

impl Cells {
    pub(super) fn new(width: usize) -> Self {
        let columns = (0..width).map(|_| BinaryBuilder::new()).collect();
        Cells { columns, lines: LineIndex::default(), row_lines: vec![] }
    }

    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Adds a cell of the current row; `None` is NULL.
    pub(super) fn push(&mut self, column: usize, cell: Option<&[u8]>) {
        if let Some(builder) = self.columns.get_mut(column) {
            builder.append_option(cell);
        }
    }

    /// Ends a row that began on a line and has this many fields.
    pub(super) fn end_row(&mut self, line: u64, fields: usize) -> Result<(), Problem> {
        if fields != self.columns.len() {
            return Err(Problem::FieldCount { line, fields });
        }
        self.lines.push(line);
        self.row_lines.push(line);
        Ok(())
    }

    pub(super) fn finish(self, columns: &Columns) -> Result<Parsed, Problem> {
        let Cells { columns: builders, lines, row_lines } = self;
        let (mut arrays, mut shapes) = (vec![], vec![]);
        for (column, (mut builder, kind)) in builders.into_iter().zip(&columns.kinds).enumerate() {
            let bytes = builder.finish();
            if *kind == Kind::Bytes {
                shapes.push(Shapes::NONE);
                arrays.push(Arc::new(bytes) as ArrayRef);
                continue;
            }
            let texts = StringArray::try_from_binary(bytes.clone())
                .map_err(|_| Problem::NotUtf8 { line: row_lines[first_not_utf8(&bytes)], column })?;
            shapes.push(shapes_of(&texts));
            arrays.push(Arc::new(texts));
        }
        Ok(Parsed { arrays, shapes, lines })
    }
}

fn first_not_utf8(bytes: &BinaryArray) -> usize {
    bytes.iter().position(|bytes| bytes.is_some_and(|bytes| std::str::from_utf8(bytes).is_err())).unwrap_or(0)
}

/// The shapes that all texts of a column have.
pub(super) fn shapes_of(texts: &StringArray) -> Shapes {
    let mut shapes = Shapes::ALL;
    texts.iter().flatten().for_each(|text| shapes.narrow(text));
    shapes
}

/// The same for a column of any text type; `None` if it is not text.
pub(crate) fn shapes_of_any(array: &ArrayRef) -> Option<Shapes> {
    let texts = match array.data_type() {
        DataType::Utf8 => array.clone(),
        DataType::LargeUtf8 | DataType::Utf8View => arrow::compute::cast(array, &DataType::Utf8).ok()?,
        _ => return None,
    };
    Some(shapes_of(texts.as_string()))
}
