//! Reads formats that have types: Avro, Arrow, and ORC.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow_avro::reader::ReaderBuilder;

use super::avro;
use super::compressed::decompressed;
use super::layout::Layout;

/// The rows of a file, batch by batch.
pub(crate) struct TypedReader {
    pub(crate) schema: SchemaRef,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
}

impl Iterator for TypedReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

impl TypedReader {
    /// Parquet has no type that keeps the months, days, and nanoseconds of an interval, so they are written as text.
    fn with_intervals_as_text(self) -> Self {
        let is_interval = |field: &Field| matches!(field.data_type(), DataType::Interval(_));
        if !self.schema.fields().iter().any(|field| is_interval(field)) {
            return self;
        }
        let text = |field: &Field| match is_interval(field) {
            true => field.clone().with_data_type(DataType::Utf8),
            false => field.clone(),
        };
        let fields: Vec<Field> = self.schema.fields().iter().map(|field| text(field)).collect();
        let schema: SchemaRef = Arc::new(Schema::new_with_metadata(fields, self.schema.metadata().clone()));
        let target = schema.clone();
        let batches = self.batches.map(move |batch| {
            let batch = batch?;
            let columns = batch.columns().iter().zip(target.fields()).map(|(column, field)| match column.data_type() {
                DataType::Interval(_) => cast(column, field.data_type()),
                _ => Ok(column.clone()),
            });
            RecordBatch::try_new(target.clone(), columns.collect::<Result<Vec<ArrayRef>, ArrowError>>()?)
        });
        TypedReader { schema, batches: Box::new(batches) }
    }
}

/// Opens an Avro file after its blocks were checked.
fn open_avro(file: File) -> Result<TypedReader, ArrowError> {
    let expected = avro::rows(BufReader::new(decompressed(file.try_clone()?)?))?;
    (&file).seek(SeekFrom::Start(0))?;
    let reader = ReaderBuilder::new().with_batch_size(BATCH_ROWS).build(BufReader::new(decompressed(file)?))?;
    Ok(TypedReader { schema: reader.schema(), batches: Box::new(Counted { batches: reader, expected, rows: 0 }) })
}

/// Batches that must have as many rows as the blocks of their file.
struct Counted<I> {
    batches: I,
    expected: u64,
    rows: u64,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Iterator for Counted<I> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next();
        match &batch {
            Some(Ok(batch)) => self.rows += batch.num_rows() as u64,
            Some(Err(_)) => {}
            None if self.rows == self.expected => {}
            None => {
                let reason = format!("{} rows were read, but its blocks have {}", self.rows, self.expected);
                self.expected = self.rows;
                return Some(Err(ArrowError::AvroError(reason)));
            }
        }
        batch
    }
}

/// The batches of an Arrow stream or file. The reader takes a stream that is cut between two batches for a whole one, so
/// its end is checked.
struct ArrowRows {
    reader: StreamReader<Tailed>,
    is_file: bool,
}

/// What ends a stream, and what ends a file.
const STREAM_END: &[u8] = b"\xff\xff\xff\xff\0\0\0\0";
const FILE_END: &[u8] = b"ARROW1";

impl Iterator for ArrowRows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(batch) = self.reader.next() {
            return Some(batch);
        }
        let rest = self.reader.get_mut();
        if let Err(error) = io::copy(rest, &mut io::sink()) {
            return Some(Err(error.into()));
        }
        let is_whole = rest.tail.ends_with(if self.is_file { FILE_END } else { STREAM_END });
        // the next call ends
        rest.tail = if self.is_file { FILE_END } else { STREAM_END }.to_vec();
        (!is_whole).then(|| Err(ArrowError::IpcError("it ends before its last batch: it is cut short".into())))
    }
}

/// An input whose last bytes are remembered.
struct Tailed {
    input: Box<dyn Read + Send>,
    tail: Vec<u8>,
}

impl Tailed {
    fn of(input: Box<dyn Read + Send>) -> Self {
        Tailed { input, tail: vec![] }
    }
}

impl Read for Tailed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.tail.extend_from_slice(&out[read.saturating_sub(STREAM_END.len())..read]);
        let surplus = self.tail.len().saturating_sub(STREAM_END.len());
        self.tail.drain(..surplus);
        Ok(read)
    }
}

/// Whether a layout has types.
pub(crate) fn is_typed(layout: &Layout) -> bool {
    matches!(layout, Layout::Avro | Layout::Arrow | Layout::Orc)
}

/// Rows that are read at a time.
const BATCH_ROWS: usize = 8 << 10;

/// Opens a file of a format with types.
///
/// # Errors
/// If its schema cannot be read.
pub(crate) fn open_typed(layout: &Layout, file: File) -> Result<TypedReader, ArrowError> {
    Ok(open(layout, file)?.with_intervals_as_text())
}

fn open(layout: &Layout, file: File) -> Result<TypedReader, ArrowError> {
    if *layout == Layout::Orc {
        return open_orc(file);
    }
    if *layout == Layout::Avro {
        return open_avro(file);
    }
    let mut input = BufReader::new(decompressed(file)?);
    match layout {
        Layout::Arrow => {
            // a file is a stream between its magic number and its footer
            let mut magic = [0; 8];
            input.read_exact(&mut magic)?;
            let reader: Box<dyn Read + Send> = match &magic {
                b"ARROW1\0\0" => Box::new(after_padding(input)?),
                start => Box::new(io::Cursor::new(start.to_vec()).chain(input)),
            };
            let is_file = magic == *b"ARROW1\0\0";
            let rows = ArrowRows { reader: StreamReader::try_new(Tailed::of(reader), None)?, is_file };
            Ok(TypedReader { schema: rows.reader.schema(), batches: Box::new(rows) })
        }
        _ => Err(ArrowError::NotYetImplemented("this format".into())),
    }
}

/// Some writers fill the beginning of a file up to 64 bytes.
fn after_padding(mut input: impl Read) -> io::Result<impl Read> {
    let mut start = [0; 8];
    while start == [0; 8] {
        input.read_exact(&mut start)?;
    }
    Ok(io::Cursor::new(start).chain(input))
}

#[cfg(feature = "orc")]
fn open_orc(file: File) -> Result<TypedReader, ArrowError> {
    let wrong = |error: orc_rust::error::OrcError| ArrowError::ExternalError(error.into());
    let builder = orc_rust::ArrowReaderBuilder::try_new(file).map_err(wrong)?.with_batch_size(BATCH_ROWS);
    // orc-rust 0.9 overflows on some times before 1970 (`encoding/timestamp.rs`), and a wrong time may look like any other
    if let Some(field) = builder.schema().fields().iter().find(|field| has_times(field.data_type())) {
        let reason = format!("column `{}` has times, which are not read exactly from ORC", field.name());
        return Err(ArrowError::NotYetImplemented(reason));
    }
    Ok(TypedReader { schema: builder.schema(), batches: Box::new(builder.build()) })
}

/// Whether a type is, or contains, a timestamp.
#[cfg(feature = "orc")]
fn has_times(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(..) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => has_times(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_times(field.data_type())),
        _ => false,
    }
}

#[cfg(not(feature = "orc"))]
fn open_orc(_: File) -> Result<TypedReader, ArrowError> {
    let reason = "this build does not read ORC; install it with `cargo install --features orc`";
    Err(ArrowError::NotYetImplemented(reason.into()))
}
