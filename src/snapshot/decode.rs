//! DECODE: reads parts of the files of a snapshot as batches of chosen columns, in the common types of the side.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::reassign_expr_columns;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

use super::bounds::{guarded, guarded_next};
use super::file::LocalFile;
use super::sieve::Sieve;
use super::{DataFile, FileRead, Snapshot, diagnose, shared};
use crate::error::{Error, Result};
use crate::runtime::engine::ScanConfig;

/// Batches of chosen columns of a snapshot, one read after the other.
pub(super) struct Batches {
    snapshot: Snapshot,
    readers: ScanConfig,
    /// The stored columns to read, as indexes in the schema of the snapshot.
    inputs: Vec<usize>,
    input_schema: SchemaRef,
    outputs: Vec<Output>,
    output_schema: SchemaRef,
    reads: std::vec::IntoIter<FileRead>,
    current: Option<FileInProgress>,
}

/// The source of a column in a batch.
enum Output {
    /// A stored column, as an index in the inputs.
    Stored(usize),
    /// An expression over the inputs.
    Derived(Arc<dyn PhysicalExpr>),
}

/// An active read.
struct FileInProgress {
    read: FileRead,
    inputs: Vec<Input>,
    reader: ParquetRecordBatchReader,
    /// Filters the rows, if the reader cannot skip the others.
    sieve: Option<Sieve>,
    /// How many rows were delivered.
    delivered: u64,
}

/// The source of a stored column in one file.
enum Input {
    /// A column of the file, as an index in what is decoded.
    Decoded(usize),
    /// A directory name, or NULL for a column that the file lacks.
    Constant(ScalarValue),
}

impl Batches {
    /// Prepares to read `columns` (indexes in the schema of the snapshot) of these parts, in this order.
    pub(super) fn of(
        snapshot: &Snapshot,
        readers: ScanConfig,
        reads: Vec<FileRead>,
        columns: &[usize],
    ) -> Result<Self> {
        let inputs = snapshot.inputs(columns);
        let input_schema = snapshot.scan_schema(&inputs);
        let stored = snapshot.stored_fields().len();
        let output = |&column: &usize| -> Result<Output> {
            match column.checked_sub(stored) {
                Some(derived) => {
                    let expression = snapshot.derived[derived].expression.clone();
                    reassign_expr_columns(expression, &input_schema).map(Output::Derived).map_err(Error::internal)
                }
                None => {
                    let index = inputs.iter().position(|input| *input == column);
                    index.map(Output::Stored).ok_or_else(|| Error::internal("a scan does not read this column"))
                }
            }
        };
        Ok(Batches {
            outputs: columns.iter().map(output).collect::<Result<_>>()?,
            output_schema: snapshot.scan_schema(columns),
            snapshot: snapshot.clone(),
            readers,
            inputs,
            input_schema,
            reads: reads.into_iter(),
            current: None,
        })
    }

    fn open(&self, read: FileRead) -> Result<FileInProgress> {
        let file = &self.snapshot.files[read.file];
        match (guarded(|| self.decoder(file, &read)), &read.selection) {
            (Ok((reader, inputs)), _) => Ok(FileInProgress { read, inputs, reader, sieve: None, delivered: 0 }),
            (Err(_), Some(_)) => self.open_whole(read, 0),
            (Err(reason), None) => Err(diagnose::locate(&self.snapshot, &read, &reason)),
        }
    }

    /// Continues a read after `delivered` rows without skipping rows: skipping fails on some intact files.
    /// `DeltaBitPackDecoder::skip` of parquet 59 refuses steps that overflow 32 bits when they are multiplied, and
    /// blocks of 256 values (<https://github.com/apache/arrow-rs/issues/11018>).
    fn open_whole(&self, read: FileRead, delivered: u64) -> Result<FileInProgress> {
        let whole = FileRead { selection: None, ..read.clone() };
        let opened = guarded(|| self.decoder(&self.snapshot.files[read.file], &whole));
        let (reader, inputs) = opened.map_err(|reason| diagnose::locate(&self.snapshot, &whole, &reason))?;
        let sieve = read.selection.clone().map(|selection| Sieve::new(selection, delivered));
        Ok(FileInProgress { read, inputs, reader, sieve, delivered })
    }

    fn decoder(
        &self,
        file: &DataFile,
        read: &FileRead,
    ) -> Result<(ParquetRecordBatchReader, Vec<Input>), ParquetError> {
        let index = |&input: &usize| match input < self.snapshot.file_columns {
            true => match file.schema.index_of(self.snapshot.schema.field(input).name()) {
                Err(_) if self.snapshot.is_absent(input) => Ok(None),
                found => found.map(Some),
            },
            false => Ok(None),
        };
        let indices = self.inputs.iter().map(index).collect::<Result<Vec<Option<usize>>, _>>()?;
        let mut decoded: Vec<usize> = indices.iter().flatten().copied().collect();
        decoded.sort_unstable();
        let partitions = file.partition_values();
        let inputs = indices.iter().zip(&self.inputs).map(|(index, input)| match index {
            Some(index) => Ok(Input::Decoded(decoded.partition_point(|before| before < index))),
            None => match input.checked_sub(self.snapshot.file_columns) {
                Some(partition) => Ok(Input::Constant(partitions[partition].clone())),
                None => ScalarValue::try_from(self.snapshot.schema.field(*input).data_type()).map(Input::Constant),
            },
        });
        let inputs = inputs.collect::<Result<Vec<Input>, DataFusionError>>();
        let inputs = inputs.map_err(|error| ParquetError::External(error.into()))?;
        let mut builder = LocalFile::open(file, read.selection.is_some(), &self.readers.timings)?;
        if let Some(selection) = &read.selection {
            builder = builder.with_row_selection(selection.clone());
        }
        let columns = ProjectionMask::roots(builder.parquet_schema(), decoded);
        let builder = builder.with_projection(columns).with_row_groups(read.row_groups.clone());
        Ok((builder.with_batch_size(self.readers.batch_rows).build()?, inputs))
    }

    /// Converts a decoded batch to the requested columns.
    fn arrange(&self, part: &FileInProgress, decoded: &RecordBatch) -> Result<RecordBatch> {
        let rows = decoded.num_rows();
        let file = &self.snapshot.files[part.read.file];
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let stored = part.inputs.iter().zip(self.input_schema.fields()).map(|(input, field)| match input {
            Input::Decoded(index) => shared::typed(&self.snapshot, file, decoded.column(*index), field),
            Input::Constant(value) => value.to_array_of_size(rows).map_err(Error::internal),
        });
        let stored = stored.collect::<Result<Vec<ArrayRef>>>()?;
        let stored = RecordBatch::try_new_with_options(self.input_schema.clone(), stored, &options)?;
        let column = |output: &Output| match output {
            Output::Stored(index) => Ok(stored.column(*index).clone()),
            Output::Derived(expression) => {
                let values = expression.evaluate(&stored).and_then(|values| values.into_array(rows));
                values.map_err(|error| self.expression_failed(&error))
            }
        };
        let columns = self.outputs.iter().map(column).collect::<Result<_>>()?;
        Ok(RecordBatch::try_new_with_options(self.output_schema.clone(), columns, &options)?)
    }

    fn expression_failed(&self, error: &DataFusionError) -> Error {
        let reason = error.find_root().strip_backtrace();
        Error::ExpressionFailed { side: self.snapshot.side, expressions: self.snapshot.expressions(), reason }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let mut part = match self.current.take() {
                Some(part) => part,
                None => match self.reads.next() {
                    Some(read) => self.open(read)?,
                    None => return Ok(None),
                },
            };
            match guarded_next(&mut part.reader) {
                Some(Ok(decoded)) => {
                    let decoded = match &mut part.sieve {
                        Some(sieve) => sieve.pick(&decoded)?,
                        None => decoded,
                    };
                    part.delivered += decoded.num_rows() as u64;
                    let batch = self.arrange(&part, &decoded)?;
                    self.current = Some(part);
                    return Ok(Some(batch));
                }
                Some(Err(_)) if part.read.selection.is_some() && part.sieve.is_none() => {
                    self.current = Some(self.open_whole(part.read, part.delivered)?);
                }
                Some(Err(reason)) => return Err(diagnose::locate(&self.snapshot, &part.read, &reason)),
                None => self.account(&part)?,
            }
        }
    }

    /// Checks at the end of a read that all of its rows were delivered.
    fn account(&self, part: &FileInProgress) -> Result<()> {
        match part.read.rows(&self.snapshot.files[part.read.file]) {
            promised if promised == part.delivered => Ok(()),
            promised => {
                let reason = format!("{} rows were read, but the footer specifies {promised}", part.delivered);
                Err(diagnose::locate(&self.snapshot, &part.read, &reason))
            }
        }
    }
}

/// Compacts views, so that they do not keep the text of filtered rows in memory.
pub(crate) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let column = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => column.clone(),
        }
    };
    Ok(RecordBatch::try_new(batch.schema(), batch.columns().iter().map(column).collect())?)
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        // after an error, there are no further batches
        Batches::next(self).inspect_err(|_| self.reads = vec![].into_iter()).transpose()
    }
}

impl Snapshot {
    /// Whether some files lack a column, by its index in the schema.
    fn is_absent(&self, column: usize) -> bool {
        let name = self.schema.field(column).name();
        self.absent.iter().any(|absent| absent.column == *name)
    }

    /// The schema of the batches of a scan of `columns`.
    pub fn scan_schema(&self, columns: &[usize]) -> SchemaRef {
        let fields: Vec<_> = columns.iter().map(|&index| self.schema.fields()[index].clone()).collect();
        Schema::new(fields).into()
    }
}
