//! The groups of several jobs together: a group is ready only when all of its tables are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::cast;
use serde::Serialize;

use super::counting::{COUNTS, states};
use super::output::Output;
use super::{GroupReport, TABLE, open_file};
use crate::error::{Error, Result};
use crate::output::manifest::FileDigest;
use crate::output::run_dir::RunDir;
use crate::runtime::engine::Engine;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, QueryPlan, Tables, column, numbered};

const TOTALS_SQL: &str = include_str!("../../../queries/groups/totals.sql");

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
        return Err(Error::request(
            "[group]",
            format!(
                "`{}` gathers by {}, and `{}` by {}; jobs that run together gather by the same columns",
                first.job,
                by.join(", "),
                other.job,
                other.groups.by.join(", ")
            ),
        ));
    }
    let doubts = jobs.iter().flat_map(|job| job.groups.doubts.iter().map(|doubt| format!("{}: {doubt}", job.job)));
    let doubts: Vec<String> = doubts.chain(failed.iter().map(|job| format!("{job}: the job failed"))).collect();
    let question = totals(engine, &jobs, &by, doubts.is_empty())?;
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

/// The groups of all jobs together, each with its state.
fn totals(engine: &Engine, jobs: &[Member], by: &[String], sure: bool) -> Result<QueryPlan> {
    let mut catalog = Catalog::with(engine, &Tables::new())?;
    let tables = jobs.iter().map(|job| open_file("groups", &job.dir.join(TABLE)));
    let parts = parts(&catalog, by, &tables.collect::<Result<Vec<_>>>()?)?;
    catalog.add_view("parts", parts)?;
    let totals = catalog.plan(TOTALS_SQL, &BTreeMap::new(), "[group]")?;
    catalog.add_view("groups", totals)?;
    states(&catalog, by, sure)
}

/// The groups of every job. Where one job has numbers and another text, all groups are text.
fn parts(catalog: &Catalog, by: &[String], tables: &[Arc<Snapshot>]) -> Result<QueryPlan> {
    let types = |table: &Arc<Snapshot>| -> Result<Vec<DataType>> {
        let types = by.iter().map(|name| Ok(table.schema.field_with_name(name)?.data_type().clone()));
        types.collect()
    };
    let types = tables.iter().map(types).collect::<Result<Vec<_>>>()?;
    let names = numbered("g", by.len());
    let group = |at: usize| {
        let value = match types.iter().all(|own| own[at] == types[0][at]) {
            true => column(&by[at]),
            false => cast(column(&by[at]), DataType::Utf8View),
        };
        value.alias(&names[at])
    };
    let columns = || (0..by.len()).map(group).chain(COUNTS.into_iter().map(column)).collect();
    let mut parts = tables.iter().map(|table| catalog.project(table, columns()));
    let Some(first) = parts.next() else { return Err(Error::Internal("no job has groups".into())) };
    parts.try_fold(first?, |all, part| all.union(part?))
}
