//! The answers of checks: a list of violations in a file of its own, or one value.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{CheckReport, ResultColumns};
use crate::csv;
use crate::equality::value_text;
use crate::error::{Error, RequestError, Result};
use crate::history::{CheckHistory, half};
use crate::job::{Check, Job, Literal, number};
use crate::output::run_dir::{FileAccess, OutputFile};
use crate::run::Session;
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::sql::QueryPlan;

/// A list of violations, being written.
pub(super) struct ViolationList<'a> {
    /// How many of the columns identify a violation.
    id_len: usize,
    /// None for private IDs, which a digest would not hide.
    standing: Option<CheckHistory<'a>>,
    /// The index of each column of the list in the result.
    columns: Vec<usize>,
    names: Vec<String>,
    file: Option<OutputFile>,
    groups: Option<ViolatingGroups>,
    found: u64,
    shown: usize,
    examples: Vec<Vec<Option<String>>>,
}

/// The groups of the violations, one row each, in a working file.
struct ViolatingGroups {
    columns: Vec<usize>,
    path: PathBuf,
    schema: SchemaRef,
    writer: ParquetWriter<File>,
}

impl<'a> ViolationList<'a> {
    /// Begins a list with its header.
    pub(super) fn create(
        session: &Session,
        check: &Check,
        schema: SchemaRef,
        columns: ResultColumns,
        standing: CheckHistory<'a>,
    ) -> Result<Self> {
        let Session { job, options, engine, run_dir, .. } = session;
        let ResultColumns { id, group, is_private } = columns;
        let all: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        let index = |name: &String| all.iter().position(|known| *known == name);
        let others = all.iter().filter(|name| !id.contains(name)).map(|name| index(name));
        let indices: Vec<usize> = id.iter().map(index).chain(others).flatten().collect();
        let names: Vec<String> = indices.iter().map(|at| all[*at].clone()).collect();
        let file = run_dir.as_ref().map(|run_dir| {
            let readers = if is_private { FileAccess::Owner } else { FileAccess::All };
            let mut file = run_dir.create_for(readers, &file_name(check))?;
            let mut header = vec![];
            csv::record(&mut header, names.iter().map(|name| Some(name.as_str())));
            file.write_all(&header).map_err(|error| file.error(error))?;
            Ok::<_, Error>(file)
        });
        let groups = (!job.group.is_empty()).then(|| {
            let indices = group.iter().filter_map(index).collect();
            ViolatingGroups::create(job, check, indices, engine)
        });
        Ok(ViolationList {
            id_len: id.len(),
            standing: (!is_private).then_some(standing),
            columns: indices,
            names,
            file: file.transpose()?,
            groups: groups.transpose()?,
            found: 0,
            shown: if is_private { 0 } else { options.examples },
            examples: vec![],
        })
    }

    /// Adds a part of the answer.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = value_text::rows(batch)?;
        let mut lines = vec![];
        for row in &rows {
            let fields = || self.columns.iter().map(|at| row[*at].as_deref());
            csv::record(&mut lines, fields());
            if let Some(standing) = &mut self.standing {
                let mut id = vec![];
                csv::record(&mut id, fields().take(self.id_len));
                let identifies = fields().take(self.id_len).all(|field| field.is_some());
                standing.take(half(blake3::hash(&id)), identifies)?;
            }
            if self.examples.len() < self.shown {
                self.examples.push(fields().map(|field| field.map(String::from)).collect());
            }
        }
        self.found += rows.len() as u64;
        if let Some(file) = &mut self.file {
            file.write_all(&lines).map_err(|error| file.error(error))?;
        }
        self.groups.as_mut().map_or(Ok(()), |groups| groups.take(&rows))
    }

    /// Ends the list.
    pub(super) fn finish(self, report: CheckReport) -> Result<(CheckReport, Option<PathBuf>)> {
        let file = self.file.map(OutputFile::finish).transpose()?;
        let groups = self.groups.map(ViolatingGroups::finish).transpose()?;
        let list = Some(file.as_ref().map_or_else(|| format!("check-{}.csv", report.name), |file| file.path.clone()));
        let standing = self.standing.map_or(Ok(None), CheckHistory::finish)?;
        let (found, columns, examples) = (self.found, self.names, self.examples);
        let report = CheckReport { found, list, standing, columns, examples, ..report };
        Ok((report, groups))
    }
}

fn file_name(check: &Check) -> String {
    format!("check-{}.csv", check.name.text)
}

impl ViolatingGroups {
    fn create(job: &Job, check: &Check, indices: Vec<usize>, engine: &Engine) -> Result<Self> {
        let fields = job.group.iter().map(|column| Field::new(&column.text, DataType::Utf8, true));
        let schema: SchemaRef = Schema::new(fields.collect::<Vec<_>>()).into();
        let path = engine.spill_dir().join(format!("violations-{}.parquet", check.name.text));
        let purpose = Purpose::SmallWorkingTable { dir: engine.spill_dir() };
        let writer = ParquetWriter::create(&path, schema.clone(), purpose)?;
        Ok(ViolatingGroups { columns: indices, path, schema, writer })
    }

    fn take(&mut self, rows: &[Vec<Option<String>>]) -> Result<()> {
        let column =
            |at: &usize| -> ArrayRef { Arc::new(rows.iter().map(|row| row[*at].as_deref()).collect::<StringArray>()) };
        let batch = RecordBatch::try_new(self.schema.clone(), self.columns.iter().map(column).collect())?;
        self.writer.write(&batch)
    }

    fn finish(self) -> Result<PathBuf> {
        self.writer.finish()?;
        Ok(self.path)
    }
}

/// The one value of an answer, as text.
///
/// # Errors
/// If the answer has no row, or more than one.
pub(super) fn single_value(engine: &Engine, question: QueryPlan) -> Result<Option<String>> {
    let origin = question.origin().to_string();
    let mut rows = vec![];
    question.for_each_batch(engine, |batch| {
        // more than two tell nothing new
        let few = batch.slice(0, batch.num_rows().min(2));
        rows.extend(value_text::rows(&few)?);
        rows.truncate(2);
        Ok(())
    })?;
    match rows.as_slice() {
        [row] => Ok(row[0].clone()),
        rows => {
            let found = if rows.is_empty() { "no row" } else { "several rows" };
            let reason = format!("one value is expected, and the answer has {found}");
            Err(Error::request(origin, RequestError::QueryFailed(reason)))
        }
    }
}

/// Whether a value is the one that is expected; numbers by value, everything else as text.
pub(super) fn is_value(wanted: &Literal, value: Option<&str>) -> bool {
    match (wanted, value) {
        (_, None) => false,
        (Literal::Decimal(wanted), Some(value)) => number(value).is_some_and(|value| value == *wanted),
        (wanted, Some(value)) => wanted.to_string() == value,
    }
}
