//! What the columns of a side contain, beyond their types: whether their text looks like values of another type.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use rayon::prelude::*;

use super::types::{LOADED_SHAPES, Mixed, extension};
use super::{DataFile, Snapshot};
use crate::error::Result;
use crate::formats::{Shapes, shapes_of_any};
use crate::job::Preset;
use crate::runtime::engine::Engine;

/// What the cells of a column contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Text(Shapes),
    /// Bytes, and whether all of them are readable text.
    Bytes(Readable),
    /// Anything else.
    Typed,
}

/// Whether bytes are readable text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readable {
    Yes,
    No,
}

/// What the columns of a Parquet file contain, by column; `None` before they were read.
pub(super) type Contents = Option<Arc<Vec<Content>>>;

impl Snapshot {
    /// Whether the forms of its values are those of another program: whether it is not Parquet, or has a preset.
    pub(crate) fn is_interpreted(&self) -> bool {
        let input = self.input();
        let was_loaded = |field: &FieldRef| field.metadata().contains_key(LOADED_SHAPES);
        input.preset.is_some()
            || input.is_unloaded
            || input.files.iter().any(|file| file.loaded.is_some())
            || input.schema.fields().iter().any(was_loaded)
    }

    /// Whether the program that wrote it writes times in UTC, without saying so.
    pub(crate) fn is_in_utc(&self) -> bool {
        self.input().preset.is_some_and(Preset::is_in_utc)
    }

    /// What a column contains. Before its rows were read, texts may have any shape.
    pub(crate) fn content(&self, column: usize) -> Content {
        if let Some(shapes) = self.shapes(column) {
            return Content::Text(shapes);
        }
        let is_stored = column < self.file_columns;
        let field = self.schema.field(column);
        match field.data_type() {
            _ if !is_stored || extension(field).is_some() => Content::Typed,
            _ if let Some(contents) = &self.contents => contents[column],
            data_type if data_type.is_string() => Content::Text(Shapes::ALL),
            data_type if is_binary(data_type) => Content::Bytes(Readable::No),
            _ => Content::Typed,
        }
    }

    /// The shapes of the text in a column of files that were loaded; `None` for all other columns.
    pub(crate) fn shapes(&self, column: usize) -> Option<Shapes> {
        let field = self.schema.field(column);
        // `load` has written it
        let is_text = field.data_type().is_string() && extension(field).is_none() && column < self.file_columns;
        if let Some(shapes) = field.metadata().get(LOADED_SHAPES) {
            return is_text.then(|| Shapes::parse(shapes));
        }
        if self.is_unloaded {
            return is_text.then_some(Shapes::ALL);
        }
        let of_file = |file: &DataFile| {
            match file.schema.index_of(field.name()) {
                Ok(at) => file.loaded.as_ref()?.shapes[at],
                // a file without the column has no text in it
                Err(_) => Some(Shapes::ALL),
            }
        };
        let mut shapes = Some(Shapes::ALL).filter(|_| is_text && !self.files.is_empty());
        for file in self.files.iter() {
            shapes = shapes.zip(of_file(file)).map(|(all, own)| all.and(own));
        }
        shapes
    }

    /// Reads the columns of text and bytes of Parquet files, to know what they contain.
    pub(crate) fn examine(&mut self, engine: &Engine) -> Result<()> {
        let columns = 0..self.file_columns;
        let examined: Result<Vec<Content>> =
            engine.workers().install(|| columns.into_par_iter().map(|column| self.examined(engine, column)).collect());
        self.contents = Some(Arc::new(examined?));
        Ok(())
    }

    fn examined(&self, engine: &Engine, column: usize) -> Result<Content> {
        let field = self.schema.field(column);
        let data_type = field.data_type();
        if let Some(shapes) = self.shapes(column) {
            return Ok(Content::Text(shapes));
        }
        let is_typed = extension(field).is_some() || Mixed::of(field).is_some();
        if is_typed || self.require_agreement(field.name()).is_err() || !data_type.is_string() && !is_binary(data_type)
        {
            return Ok(Content::Typed);
        }
        let mut scan = self.scan(engine, self.all_reads(), &[column])?.uncounted();
        let mut shapes = Shapes::ALL;
        let mut readable = Readable::Yes;
        while let Some(batch) = scan.next_batch()? {
            match shapes_of_any(batch.column(0)) {
                Some(own) => shapes = shapes.and(own),
                None => readable = if are_readable(batch.column(0))? { readable } else { Readable::No },
            }
            if shapes.are_arbitrary() || readable == Readable::No {
                break;
            }
        }
        Ok(if data_type.is_string() { Content::Text(shapes) } else { Content::Bytes(readable) })
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Whether all bytes are UTF-8 without control characters other than white space.
fn are_readable(array: &ArrayRef) -> Result<bool> {
    let bytes = cast(array, &DataType::Binary)?;
    let is_readable = |bytes: &[u8]| {
        let is_text = |c: char| !c.is_control() || c.is_whitespace();
        std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_text))
    };
    Ok(bytes.as_binary::<i32>().iter().flatten().all(is_readable))
}
