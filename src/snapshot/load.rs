//! LOAD: turns a file that is not Parquet into a working file that is, once, in flat memory and on all cores.
//!
//! The snapshot then consists of the working files, and refers to the files of the user in messages, digests, and checks
//! for changes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use rayon::prelude::*;

use super::{DataFile, absolute};
use crate::error::{AdmissionError, Error, Result};
use crate::formats::{
    Block, Blocks, Columns, Kind, Layout, LineIndex, Parsed, Problem, Records, Shapes, as_utf8, decompressed, is_typed,
    open_typed, shapes_of_any,
};
use crate::job::{FileEncoding, FormatSettings};
use crate::runtime::engine::Engine;
use crate::runtime::file_identity::InputFile;
use crate::runtime::parallel_parquet::GroupwiseParquetWriter;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};

/// A record may take this part of the memory limit.
const RECORD_SHARE: u64 = 32;
/// Memory per worker as a multiple of the size of a block: the block, its cells, and its encoded columns.
const BLOCK_COPIES: u64 = 12;
/// The size of blocks in bytes.
const BLOCK_BYTES: std::ops::RangeInclusive<u64> = (64 << 10)..=(4 << 20);
/// Bytes that are read to detect a format.
const BEGINNING: u64 = 512;

/// What is known about a file that was loaded.
#[derive(Debug, Clone)]
pub(crate) struct LoadedFile {
    /// The working file.
    pub(super) working: InputFile,
    /// Its size in bytes.
    pub(super) working_bytes: u64,
    /// The shapes of the text in each of its columns; `None` for columns that are not text.
    pub(super) shapes: Vec<Option<Shapes>>,
    /// The line of each row, if the file is text.
    pub(super) lines: Option<Arc<LineIndex>>,
}

/// A file to load.
pub(super) struct Loading<'a> {
    engine: &'a Engine,
    settings: &'a FormatSettings,
    path: &'a Path,
    input: InputFile,
    layout: Layout,
    /// The columns of all documents of the side; `None` for other layouts.
    documents: Option<&'a Columns>,
}

/// Returns the layout of a file; `None` if nothing says what it is.
pub(super) fn layout_of(path: &Path, settings: &FormatSettings) -> Result<Option<Layout>> {
    let wrong = |reason: String| Error::request(&settings.origin, reason);
    // opening a pipe would block until a process writes to it
    let meta = std::fs::metadata(path).map_err(Error::unreadable(path))?;
    if !meta.is_file() {
        return Ok(None);
    }
    // most files need not be opened
    if let Some(layout) = crate::formats::resolve(settings, path, &[]).map_err(&wrong)? {
        return Ok(Some(layout));
    }
    let file = File::open(path).map_err(Error::unreadable(path))?;
    let mut beginning = vec![];
    let read = decompressed(file).and_then(|input| input.take(BEGINNING).read_to_end(&mut beginning));
    read.map_err(Error::unreadable(path))?;
    crate::formats::resolve(settings, path, &beginning).map_err(wrong)
}

impl<'a> Loading<'a> {
    /// Prepares to load a file.
    pub(super) fn of(engine: &'a Engine, settings: &'a FormatSettings, path: &'a Path, layout: Layout) -> Result<Self> {
        let opened = InputFile::open(path.to_path_buf(), absolute(path)?);
        let (input, _) = opened.map_err(Error::unreadable(path))?;
        Ok(Loading { engine, settings, path, input, layout, documents: None })
    }

    /// The same for a file of documents, which may lack some of the columns.
    pub(super) fn with_columns(self, documents: &'a Columns) -> Self {
        Loading { documents: Some(documents), ..self }
    }

    /// Loads the file, and admits the working file in its place. `partitions` are the values of its partition columns.
    pub(super) fn load(self, partitions: Vec<(String, ScalarValue)>) -> Result<DataFile> {
        self.engine.progress.begin("loading", 0);
        let working = self.engine.free_path("loaded");
        let (shapes, lines) = match is_typed(&self.layout) {
            true => (self.load_typed(&working)?, None),
            false => {
                let (shapes, lines) = self.load_text(&working)?;
                (shapes, Some(Arc::new(lines)))
            }
        };
        self.input.require_unchanged()?;
        let file = DataFile::admit(working, partitions, 1)?;
        let loaded = |working, working_bytes| LoadedFile { working, working_bytes, shapes, lines };
        Ok(file.standing_for(self.input, loaded))
    }

    /// The schema that the working file will have, as far as the beginning of the file shows.
    pub(super) fn schema(&self) -> Result<SchemaRef> {
        if is_typed(&self.layout) {
            return Ok(open_typed(&self.layout, self.input.reopen()?).map_err(|error| self.unreadable(&error))?.schema);
        }
        let (_, columns, _) = self.begin(&mut self.blocks()?)?;
        Ok(Arc::new(Schema::new(columns.fields().collect::<Vec<_>>())))
    }

    /// Reads the first block. Returns how its records are parsed, the columns, and the rows of the block.
    fn begin(&self, blocks: &mut Blocks<Box<dyn Read + Send>>) -> Result<(Records, Columns, Block)> {
        let mut first = self.first_block(blocks)?;
        let (records, names) = Records::begin(&self.layout, &mut first).map_err(|problem| self.wrong(problem, None))?;
        let columns = match names {
            Some(names) => self.named(names, &records, &first)?,
            None => self.documents.cloned().unwrap_or_default(),
        };
        Ok((records, columns, first))
    }

    fn read(&self) -> Result<Box<dyn Read + Send>> {
        decompressed(self.input.reopen()?).map_err(Error::unreadable(self.path))
    }

    fn blocks(&self) -> Result<Blocks<Box<dyn Read + Send>>> {
        let limits = self.engine.limits();
        let input =
            as_utf8(self.read()?, self.settings.encoding.unwrap_or_default()).map_err(Error::unreadable(self.path))?;
        let share = limits.memory / (BLOCK_COPIES * self.engine.threads() as u64);
        let block_bytes = share.clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end()) as usize;
        Ok(Blocks::new(input, &self.layout, block_bytes, (limits.memory / RECORD_SHARE) as usize))
    }

    /// The first block, which is empty if the file has neither rows nor a header.
    fn first_block(&self, blocks: &mut Blocks<Box<dyn Read + Send>>) -> Result<Block> {
        match (self.next_block(blocks)?, &self.layout) {
            (Some(block), _) => Ok(block),
            (None, Layout::Delimited(dialect)) if dialect.needs_header() => {
                Err(self.bad_record(1, "the file is empty", "export it again, with a header"))
            }
            (None, _) => Ok(Block { bytes: vec![], first_line: 1, is_cut: false }),
        }
    }

    fn next_block(&self, blocks: &mut Blocks<Box<dyn Read + Send>>) -> Result<Option<Block>> {
        self.engine.check_stop()?;
        blocks.next_block().map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => self.bad_record(
                blocks.line(),
                "a record does not end within the memory for one",
                "check for a quote or a bracket that is never closed; if the record is intact, raise --memory",
            ),
            io::ErrorKind::UnexpectedEof => self.bad_record(
                blocks.line(),
                "the compressed file ends in the middle",
                "it is cut short: copy or export it again",
            ),
            _ => Error::unreadable(self.path)(error),
        })
    }

    /// Loads a text file. Returns the shapes of its columns, and the lines of its rows.
    fn load_text(&self, working: &Path) -> Result<(Vec<Option<Shapes>>, LineIndex)> {
        let mut bytes_columns = vec![];
        loop {
            match self.try_load_text(working, &bytes_columns)? {
                Attempt::Loaded(shapes, lines) => return Ok((shapes, lines)),
                Attempt::NotUtf8(column) => bytes_columns.push(column),
            }
        }
    }

    /// Loads a text file, in which some columns are known not to be UTF-8.
    fn try_load_text(&self, working: &Path, bytes_columns: &[usize]) -> Result<Attempt> {
        let mut blocks = self.blocks()?;
        let (records, mut columns, first) = self.begin(&mut blocks)?;
        bytes_columns.iter().for_each(|&column| columns.kinds[column] = Kind::Bytes);
        let schema: SchemaRef = Arc::new(Schema::new(columns.fields().collect::<Vec<_>>()));
        let purpose = Purpose::TextTable { dir: self.engine.spill_dir() };
        let mut file = GroupwiseParquetWriter::create(working, schema, purpose)?;
        let mut shapes = vec![Shapes::ALL; columns.kinds.len()];
        let mut lines = LineIndex::default();
        let mut round = vec![first];
        while !round.is_empty() {
            let parse = || self.parse_round(&records, &columns, &round, &file);
            let (parsed, next) = self.engine.workers().join(parse, || self.next_round(&mut blocks));
            for part in parsed {
                match part {
                    Ok((part, chunks)) => {
                        self.engine.progress.advance(part.arrays.first().map_or(0, |array| array.len() as u64));
                        shapes.iter_mut().zip(&part.shapes).for_each(|(all, own)| *all = all.and(*own));
                        lines.append(&part.lines);
                        file.append(chunks)?;
                    }
                    // values of BINARY columns are not text
                    Err(Failure::Problem(Problem::NotUtf8 { column, .. })) if self.has_raw_bytes() => {
                        return Ok(Attempt::NotUtf8(column));
                    }
                    Err(Failure::Problem(problem)) => return Err(self.wrong(problem, Some(&columns))),
                    Err(Failure::Error(error)) => return Err(error),
                }
            }
            round = next?;
        }
        file.finish()?;
        let shapes = shapes.into_iter().zip(&columns.kinds);
        Ok(Attempt::Loaded(shapes.map(|(shapes, kind)| (*kind != Kind::Bytes).then_some(shapes)).collect(), lines))
    }

    fn next_round(&self, blocks: &mut Blocks<Box<dyn Read + Send>>) -> Result<Vec<Block>> {
        let mut round = vec![];
        while round.len() < self.engine.threads()
            && let Some(block) = self.next_block(blocks)?
        {
            round.push(block);
        }
        Ok(round)
    }

    fn parse_round(
        &self,
        records: &Records,
        columns: &Columns,
        round: &[Block],
        file: &GroupwiseParquetWriter,
    ) -> Vec<Result<(Parsed, Vec<ArrowColumnChunk>), Failure>> {
        let parse = |(at, block): (usize, &Block)| {
            let parsed = records.parse(block, columns).map_err(Failure::Problem)?;
            let chunks = file.encode(at, &parsed.arrays).map_err(Failure::Error)?;
            Ok((parsed, chunks))
        };
        round.par_iter().enumerate().with_max_len(1).map(parse).collect()
    }

    /// Whether the program that wrote the file writes bytes as they are.
    fn has_raw_bytes(&self) -> bool {
        let is_utf8 = self.settings.encoding.unwrap_or_default() == FileEncoding::Utf8;
        is_utf8 && matches!(&self.layout, Layout::Delimited(dialect) if dialect.has_raw_bytes())
    }

    /// The columns of a file whose names are known, if it has as many.
    fn named(&self, names: Vec<String>, records: &Records, first: &Block) -> Result<Columns> {
        if names.is_empty() {
            let width = records.first_width(first).map_err(|problem| self.wrong(problem, None))?;
            let reason = format!(
                "`{}` has no header; name its {width} columns: columns = [\"…\", …] in the job, or --columns-old and \
                 --columns-new",
                self.path.display()
            );
            return Err(Error::request(&self.settings.origin, reason));
        }
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(Error::ColumnTwice { column: name.clone(), path: self.path.into() });
            }
        }
        Ok(Columns { kinds: vec![Kind::Text; names.len()], names })
    }

    /// Reads all documents for the names of their members, and adds these to those of other files.
    pub(super) fn add_columns(&self, columns: &mut Columns) -> Result<()> {
        let Layout::Documents(style) = &self.layout else { return Ok(()) };
        let records = Records::Documents(*style);
        let mut blocks = self.blocks()?;
        loop {
            let round = self.next_round(&mut blocks)?;
            if round.is_empty() {
                return Ok(());
            }
            let found: Vec<Result<Columns, Problem>> = self
                .engine
                .workers()
                .install(|| round.par_iter().with_max_len(1).map(|block| records.columns_of(block)).collect());
            for found in found {
                columns.merge(found.map_err(|problem| self.wrong(problem, None))?);
            }
        }
    }

    /// Loads a file of a format with types. Returns the shapes of its text columns.
    fn load_typed(&self, working: &Path) -> Result<Vec<Option<Shapes>>> {
        let wrong = |error: &dyn std::fmt::Display| self.unreadable(error);
        let reader = open_typed(&self.layout, self.input.reopen()?).map_err(|error| wrong(&error))?;
        let purpose = Purpose::WorkingTable { dir: self.engine.spill_dir() };
        if let Some(field) = reader.schema.fields().iter().find(|field| has_union(field.data_type())) {
            return Err(wrong(&format!("column `{}` has values of several types", field.name())));
        }
        let mut shapes = vec![Some(Shapes::ALL); reader.schema.fields().len()];
        let mut writer = ParquetWriter::create(working, reader.schema.clone(), purpose)?;
        for batch in reader {
            self.engine.check_stop()?;
            let batch: RecordBatch = batch.map_err(|error| wrong(&error))?;
            self.engine.progress.advance(batch.num_rows() as u64);
            for (all, column) in shapes.iter_mut().zip(batch.columns()) {
                *all = match (*all, shapes_of_any(column)) {
                    (Some(all), Some(own)) => Some(all.and(own)),
                    _ => None,
                };
            }
            writer.write(&batch)?;
            writer.end_group_at(TYPED_GROUP_BYTES)?;
        }
        writer.finish()?;
        Ok(shapes)
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        AdmissionError::Unsupported {
            path: self.path.into(),
            what: format!("cannot be read: {error}"),
            remedy: "it is damaged, or has a feature that is not supported: export it again".into(),
        }
        .into()
    }

    fn bad_record(&self, line: u64, what: &str, remedy: &str) -> Error {
        AdmissionError::Record { path: self.path.into(), line, what: what.into(), remedy: remedy.into() }.into()
    }

    /// The error for a problem in a block.
    fn wrong(&self, problem: Problem, columns: Option<&Columns>) -> Error {
        match problem {
            Problem::FieldCount { line, fields } => {
                let expected = columns.map_or(0, |columns| columns.names.len());
                let what = format!("there are {fields} fields, but {expected} columns");
                self.bad_record(line, &what, "check `delimiter`, `quote`, `escape`, and `columns`, or export it again")
            }
            Problem::MixedLineEnds { line } => self.bad_record(
                line,
                "lines do not end alike: with a line feed, or with a carriage return and a line feed",
                "export the file again with one of them; a carriage return in a value has to be in quotes",
            ),
            Problem::OpenQuotes { line } => self.bad_record(
                line,
                "the file ends within quotes that begin in this record",
                "it is cut short, or `quote` is not the character around its fields",
            ),
            Problem::NotUtf8 { line, column } => {
                let name = columns.and_then(|columns| columns.names.get(column)).cloned();
                let what = format!("column `{}` is not UTF-8", name.unwrap_or_else(|| (column + 1).to_string()));
                self.bad_record(line, &what, "set its encoding, for example encoding = \"windows-1252\"")
            }
            Problem::NotADocument { line, reason } => {
                self.bad_record(line, &reason, "it has to be JSON: one document per record, or an array of documents")
            }
        }
    }
}

/// Whether a type is, or contains, one of several types.
fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_union(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
        _ => false,
    }
}

/// The size of row groups of typed files in memory, in bytes.
const TYPED_GROUP_BYTES: usize = 16 << 20;

/// The result of loading a text file.
enum Attempt {
    Loaded(Vec<Option<Shapes>>, LineIndex),
    /// A column has values that are not UTF-8.
    NotUtf8(usize),
}

/// Why a block was not parsed.
enum Failure {
    Problem(Problem),
    Error(Error),
}
