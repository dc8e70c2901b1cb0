//! Every group, in a table and in a list for each state.

use std::io::Write;

use arrow::datatypes::SchemaRef;

use super::{Group, GroupReport, TABLE};
use crate::csv;
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::output::manifest::FileDigest;
use crate::output::run_dir::{OutputFile, RunDir};
use crate::runtime::engine::Engine;
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::sides::Sides;
use crate::sql::QueryPlan;

/// The states, in the order of the lists.
const STATES: [&str; 3] = ["ready", "partial", "untouched"];

/// The files, being written.
pub(super) struct Output {
    by: Vec<String>,
    table: ParquetWriter<OutputFile>,
    lists: Vec<(OutputFile, u64)>,
    shown: usize,
    first: Vec<Group>,
}

impl Output {
    /// Begins the table, and the lists with their headers. The lists are called by `prefix` and the state.
    pub(super) fn create(
        run_dir: &RunDir,
        by: &[String],
        schema: SchemaRef,
        prefix: &str,
        shown: usize,
    ) -> Result<Self> {
        let file = run_dir.create(TABLE)?;
        let purpose = Purpose::Published { path: file.path(), dictionary_bytes: None };
        let table = ParquetWriter::begin(file, schema, purpose)?;
        let lists = STATES.iter().map(|state| {
            let mut file = run_dir.create(&format!("{prefix}{state}.csv"))?;
            let mut header = vec![];
            csv::record(&mut header, by.iter().map(|name| Some(name.as_str())));
            file.write_all(&header).map_err(|error| file.error(error))?;
            Ok((file, 0))
        });
        Ok(Output { by: by.to_vec(), table, lists: lists.collect::<Result<_>>()?, shown, first: vec![] })
    }

    /// Writes the answer to the question that counts, in its order.
    pub(super) fn write(
        mut self,
        engine: &Engine,
        question: QueryPlan,
        doubts: Vec<String>,
    ) -> Result<(GroupReport, Vec<FileDigest>)> {
        question.for_each_batch(engine, |batch| {
            let mut lines = STATES.map(|_| vec![]);
            for row in value_text::rows(batch)? {
                let (values, rest) = row.split_at(self.by.len());
                let state = STATES.iter().position(|state| rest.last() == Some(&Some(state.to_string())));
                let state = state.ok_or_else(|| Error::Internal("a group is in no state".into()))?;
                csv::record(&mut lines[state], values.iter().map(Option::as_deref));
                self.lists[state].1 += 1;
                if STATES[state] == "partial" && self.first.len() < self.shown {
                    self.first.push(group(values, rest));
                }
            }
            for ((file, _), lines) in self.lists.iter_mut().zip(lines) {
                file.write_all(&lines).map_err(|error| file.error(error))?;
            }
            self.table.write(batch)
        })?;
        let [ready, partial, untouched] = [0, 1, 2].map(|state: usize| self.lists[state].1);
        let mut files = vec![self.table.finish()?.finish()?];
        for (file, _) in self.lists {
            files.push(file.finish()?);
        }
        Ok((GroupReport { by: self.by, ready, partial, untouched, doubts, first: self.first }, files))
    }
}

/// The counts come in the order of the question: rows of old and of new, four kinds of discrepancy, violations, state.
fn group(values: &[Option<String>], rest: &[Option<String>]) -> Group {
    let count = |at: usize| rest[at].as_deref().and_then(|count| count.parse().ok()).unwrap_or(0);
    Group {
        values: values.to_vec(),
        rows: Sides { old: count(0), new: count(1) },
        discrepancies: (2..6).map(count).sum(),
        violations: count(6),
    }
}
