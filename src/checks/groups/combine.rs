//! The groups of several jobs together: a group is ready only when all of its tables are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::datatypes::DataType;
use serde::Serialize;

use super::counting::{COUNTS, states};
use super::output::Output;
use super::{GroupReport, TABLE, lay_file};
use crate::error::{Error, Result};
use crate::output::manifest::FileDigest;
use crate::output::run_dir::RunDir;
use crate::runtime::engine::Engine;
use crate::sql::{Catalog, Tables, quoted};

/// The file that says what was gathered; it is written last.
const SUMMARY: &str = "groups.json";

/// A job of which groups are gathered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Member {
    /// The job's name.
    pub job: String,
    /// The run's id.
    pub run: String,
    /// The run's directory.
    pub dir: PathBuf,
    /// Its own groups.
    #[serde(skip)]
    pub groups: GroupReport,
}

/// What was gathered of several jobs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Combined {
    /// The version of this form.
    pub schema: String,
    /// The version of countersign.
    pub version: String,
    /// The jobs.
    pub jobs: Vec<Member>,
    /// Their groups.
    #[serde(flatten)]
    pub groups: GroupReport,
    /// The files that hold them.
    pub outputs: Vec<FileDigest>,
}

/// Adds up the groups of several runs, and writes them to a directory of their own.
///
/// `failed` are jobs of which nothing is known; while there are any, no group is ready.
///
/// # Errors
/// If the jobs gather by different columns, or a file cannot be read or written.
pub(crate) fn combine(
    engine: &Engine,
    jobs: Vec<Member>,
    failed: &[&str],
    run_dir: RunDir,
    examples: usize,
) -> Result<Combined> {
    let Some(first) = jobs.first() else { return Err(Error::Internal("no job has groups".into())) };
    let by = first.groups.by.clone();
    if let Some(other) = jobs.iter().find(|job| job.groups.by != by) {
        return Err(Error::Contradiction(format!(
            "[group]: `{}` gathers by {}, and `{}` by {}; jobs that run together gather by the same columns",
            first.job,
            by.join(", "),
            other.job,
            other.groups.by.join(", ")
        )));
    }
    let mut desk = Catalog::with(engine, &Tables::new())?;
    for (number, job) in jobs.iter().enumerate() {
        lay_file(&mut desk, &format!("job_{number}"), &job.dir.join(TABLE))?;
    }
    let parts = parts(&desk, &by, jobs.len())?;
    let doubts = jobs.iter().flat_map(|job| job.groups.doubts.iter().map(|doubt| format!("{}: {doubt}", job.job)));
    let doubts: Vec<String> = doubts.chain(failed.iter().map(|job| format!("{job}: the job failed"))).collect();
    let names: Vec<String> = by.iter().map(|name| quoted(name)).collect();
    let sql = states(&names, &parts.join("\nUNION ALL\n"), doubts.is_empty());
    let question = desk.plan(&sql, &BTreeMap::new(), "[group]")?;
    let output = Output::create(&run_dir, &by, question.schema(), "", examples)?;
    let (groups, outputs) = output.write(engine, question, doubts)?;
    let combined = Combined {
        schema: "countersign/groups/v1".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        jobs,
        groups,
        outputs,
    };
    let text = serde_json::to_string_pretty(&combined).map_err(Error::internal)? + "\n";
    let outputs = combined.outputs.iter().map(|output| output.path.as_str());
    run_dir.publish_as(engine, SUMMARY, &text, outputs)?;
    Ok(combined)
}

/// The groups of every job. Where one has numbers and another text, all are text.
fn parts(desk: &Catalog, by: &[String], jobs: usize) -> Result<Vec<String>> {
    let names: Vec<String> = by.iter().map(|name| quoted(name)).collect();
    let types = |number: usize| -> Result<Vec<DataType>> {
        let sql = format!("SELECT {} FROM job_{number}", names.join(", "));
        let schema = desk.plan(&sql, &BTreeMap::new(), "[group]")?.schema();
        Ok(schema.fields().iter().map(|field| field.data_type().clone()).collect())
    };
    let types = (0..jobs).map(types).collect::<Result<Vec<_>>>()?;
    let column = |at: usize, name: &String| match types.iter().all(|own| own[at] == types[0][at]) {
        true => name.clone(),
        false => format!("CAST({name} AS VARCHAR) AS {name}"),
    };
    let columns: Vec<String> = names.iter().enumerate().map(|(at, name)| column(at, name)).collect();
    let counts = COUNTS.join(", ");
    Ok((0..jobs).map(|number| format!("SELECT {}, {counts} FROM job_{number}", columns.join(", "))).collect())
}
