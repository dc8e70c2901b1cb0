//! READ: the lists become rows that are sorted by the digest of their IDs, and so shuffled.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use certificate::id_list::ListError;

use super::columns::{UnitColumns, digests, find};
use super::manifest::WavesInput;
use super::sorter::{SortedIds, Sorter};
use crate::error::{Error, Result, WavesError};
use crate::id_list::{self, List, Piece};
use crate::output::run_dir::FileAccess;
use crate::runtime::engine::Engine;
use crate::sql::RowExpression;

/// The bits of a address that hold the line; those before them hold the list.
const LINE_BITS: u32 = 40;

/// The lists of a cut, all with one header.
pub(crate) struct Source {
    /// The lists, as the user named them.
    pub paths: Vec<PathBuf>,
    /// The header.
    pub names: Vec<String>,
    /// Who may read what is made of them: what only its owner can read stays so.
    pub readers: FileAccess,
    bare: String,
}

/// The lists, read.
pub(crate) struct IdReader<'a> {
    /// Digest, address and texts of every ID, by digest.
    pub sorted: SortedIds<'a>,
    /// What was read.
    pub inputs: Vec<WavesInput>,
    /// IDs that take part.
    pub ids: u64,
    /// IDs that do not.
    pub excluded: u64,
}

impl Source {
    /// Opens every list and holds their headers against each other. `bare` is what the ID's column is called where a list
    /// has no header.
    pub(crate) fn open(paths: &[PathBuf], bare: &str) -> Result<Self> {
        let mut names: Option<(PathBuf, Vec<String>)> = None;
        let mut readers = FileAccess::All;
        for path in paths {
            let list = List::open(path, bare)?;
            if list.readers() == FileAccess::Owner {
                readers = FileAccess::Owner;
            }
            match &names {
                _ if !list.has_header() => {}
                None => names = Some((path.clone(), list.columns)),
                Some((first, names)) if *names != list.columns => {
                    let reason = format!(
                        "has the columns {}, and `{}` has {}\n  lists of one cut have one header",
                        list.columns.join(", "),
                        first.display(),
                        names.join(", ")
                    );
                    return Err(ListError::list(path, reason).into());
                }
                Some(_) => {}
            }
        }
        // where no list has a header, there is no ID either
        let names = names.map_or_else(|| vec![bare.to_string()], |(_, names)| names);
        Ok(Source { paths: paths.to_vec(), names, readers, bare: bare.into() })
    }

    /// The list and line of the row of a digest.
    pub(crate) fn location(&self, address: u64) -> (PathBuf, u64) {
        let list = self.paths.get((address >> LINE_BITS) as usize).cloned().unwrap_or_default();
        (list, address & ((1 << LINE_BITS) - 1))
    }

    /// An estimate of the number of rows, given the bytes of text per row.
    pub(crate) fn about(&self, row_bytes: u64) -> Result<u64> {
        let bytes = |path: &PathBuf| Ok::<_, Error>(fs::metadata(path).map_err(Error::unreadable(path))?.len());
        Ok(self.paths.iter().map(bytes).sum::<Result<u64>>()? / row_bytes.max(1))
    }

    /// Hands over all rows that a condition leaves, piece by piece, with the number of their list; returns what was read.
    /// Ends early once `take` says so.
    fn each(
        &self,
        engine: &Engine,
        condition: Option<&RowExpression>,
        mut take: impl FnMut(usize, Piece) -> Result<Flow>,
    ) -> Result<(Vec<WavesInput>, u64)> {
        let (mut inputs, mut excluded) = (vec![], 0);
        for (number, path) in self.paths.iter().enumerate() {
            let mut list = List::open(path, &self.bare)?;
            let mut ids = 0;
            while let Some(piece) = list.read(engine.batch_rows())? {
                engine.check_stop()?;
                let read = piece.lines.len() as u64;
                let piece = match condition {
                    None => piece,
                    Some(condition) => kept(piece, condition)?,
                };
                ids += read;
                excluded += read - piece.lines.len() as u64;
                if !piece.lines.is_empty() && take(number, piece)? == Flow::Enough {
                    return Ok((inputs, excluded));
                }
            }
            inputs.push(WavesInput { file: list.finish()?, ids });
        }
        Ok((inputs, excluded))
    }

    /// The first rows that a condition leaves.
    pub(crate) fn first(&self, engine: &Engine, condition: Option<&RowExpression>) -> Result<Option<RecordBatch>> {
        let mut first = None;
        self.each(engine, condition, |_, piece| {
            first = Some(piece.texts);
            Ok(Flow::Enough)
        })?;
        Ok(first)
    }

    /// Reads, checks and sorts all rows that a condition leaves.
    pub(crate) fn read<'a>(
        &self,
        engine: &'a Engine,
        columns: &UnitColumns,
        condition: Option<&RowExpression>,
    ) -> Result<IdReader<'a>> {
        let own = [Field::new("key", DataType::Binary, false), Field::new("address", DataType::UInt64, false)];
        let texts = id_list::schema(&self.names);
        let texts = texts.fields().iter().map(|field| field.as_ref().clone());
        let schema = Arc::new(Schema::new(own.into_iter().chain(texts).collect::<Vec<_>>()));
        let mut sorter = Sorter::begin(engine, &schema)?;
        let mut ids = 0;
        let (inputs, excluded) = self.each(engine, condition, |number, Piece { texts, lines }| {
            let columns_read = id_list::texts(&texts, 0, self.names.len());
            for (row, line) in lines.iter().enumerate() {
                columns.check(&self.paths[number], *line, &columns_read, row)?;
            }
            ids += lines.len() as u64;
            engine.progress.advance(lines.len() as u64);
            let addresses = lines.into_iter().map(|line| (number as u64) << LINE_BITS | line);
            let own: [ArrayRef; 2] =
                [Arc::new(columns.id_digests(&columns_read)), Arc::new(UInt64Array::from_iter_values(addresses))];
            let all = own.into_iter().chain(texts.columns().iter().cloned()).collect();
            sorter.push(RecordBatch::try_new(schema.clone(), all)?)?;
            Ok(Flow::On)
        })?;
        Ok(IdReader { sorted: sorter.finish(), inputs, ids, excluded })
    }
}

/// Whether reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Enough,
}

fn kept(piece: Piece, condition: &RowExpression) -> Result<Piece> {
    let holds = condition.holds(&piece.texts)?;
    let lines: ArrayRef = Arc::new(UInt64Array::from(piece.lines));
    let lines = filter(&lines, &holds)?;
    Ok(Piece {
        texts: filter_record_batch(&piece.texts, &holds)?,
        lines: lines.as_primitive::<UInt64Type>().values().to_vec(),
    })
}

/// Sorts the digests of columns of lists, for what is looked up: finished IDs. A list may name an ID several times, and
/// have other columns, too.
pub(crate) fn done<'a>(
    engine: &'a Engine,
    paths: &[PathBuf],
    key: &[String],
    seed: u64,
) -> Result<(SortedIds<'a>, Vec<WavesInput>)> {
    let schema = Arc::new(Schema::new(vec![Field::new("key", DataType::Binary, false)]));
    let mut sorter = Sorter::begin(engine, &schema)?;
    let mut inputs = vec![];
    for path in paths {
        let mut ids = 0;
        let file = each_digest("--done", path, key, seed, engine, |digests, _| {
            ids += digests.len() as u64;
            sorter.push(RecordBatch::try_new(schema.clone(), vec![digests])?)
        })?;
        inputs.push(WavesInput { file, ids });
    }
    Ok((sorter.finish(), inputs))
}

/// Hands over the digests of some columns of a list, with all of its columns.
pub(crate) fn each_digest(
    option: &'static str,
    path: &Path,
    columns: &[String],
    seed: u64,
    engine: &Engine,
    mut take: impl FnMut(ArrayRef, &[&StringArray]) -> Result<()>,
) -> Result<crate::output::manifest::FileDigest> {
    let bare = columns.first().map_or("id", String::as_str);
    let mut list = List::open(path, bare)?;
    if list.has_header() {
        let indices = columns.iter().map(|name| find(option, name, path, &list.columns)).collect::<Result<Vec<_>>>()?;
        while let Some(Piece { texts, .. }) = list.read(engine.batch_rows())? {
            engine.check_stop()?;
            let texts = id_list::texts(&texts, 0, list.columns.len());
            let chosen: Vec<&StringArray> = indices.iter().map(|at| texts[*at]).collect();
            take(Arc::new(digests(seed, &chosen)), &texts)?;
        }
    }
    list.finish()
}

/// An [`Error`] for an ID that occurs twice.
pub(crate) fn repeated(source: &Source, id: String, one: u64, two: u64) -> Error {
    let locations = [source.location(one.min(two)), source.location(one.max(two))];
    WavesError::Repeated { id, lines: locations.into() }.into()
}
