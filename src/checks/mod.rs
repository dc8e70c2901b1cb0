//! CHECK: runs the checks of a job. Each is an SQL query whose rows are violations, which are listed, counted, and
//! compared with what the job expects.

pub(crate) mod groups;
mod violations;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use crate::columns::Privacy;
use crate::error::{Error, RequestError, Result};
use crate::explain;
use crate::history::{PastRun, ViolationHistory, ViolationStanding, half};
use crate::job::{Check, Expect, Identity, Job, Query, Scope, Setting};
use crate::output::run_dir::RunDir;
use crate::run::{Run, Session};
use crate::runtime::engine::Engine;
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, QueryPlan, Tables};
use violations::{ViolationList, single_value};

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CheckReport {
    /// The name of the check.
    pub name: String,
    /// The question that the check answers, if the query states it in a comment.
    pub question: Option<String>,
    /// The expected result: `empty`, `at most 10`, or a value.
    pub expect: String,
    /// Whether the result is as expected.
    pub holds: bool,
    /// The number of rows in the result: violations, or 1 if a single value is expected.
    pub found: u64,
    /// The value of the result if a single value is expected; absent for NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The file with all rows of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// How the violations relate to those of the run before; absent without one, and for private IDs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<ViolationStanding>,
    /// The columns of the result, beginning with those that identify the row at fault.
    pub columns: Vec<String>,
    /// The first few rows, in order; empty if they are private.
    pub examples: Vec<Vec<Option<String>>>,
}

impl CheckReport {
    /// Describes what was found.
    pub fn describe_found(&self) -> String {
        let new = |found: String| match &self.standing {
            Some(standing) if standing.new == self.found => format!("{found}, all new"),
            Some(standing) => format!("{found}, {} new", indicatif::HumanCount(standing.new)),
            None => found,
        };
        match (&self.list, &self.value) {
            (Some(_), _) if self.found == 0 => "0 violations".into(),
            (Some(_), _) if self.found == 1 => new("1 violation".into()),
            (Some(_), _) => new(format!("{} violations", indicatif::HumanCount(self.found))),
            (None, value) => format!("the value is {}", value.as_deref().unwrap_or("NULL")),
        }
    }

    /// Describes what was expected.
    pub fn describe_expected(&self) -> String {
        match (&self.list, self.expect.as_str()) {
            (Some(_), "empty") => "none is allowed".into(),
            (Some(_), most) => format!("{most} are allowed"),
            (None, value) => format!("{value} is expected"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct CheckResults {
    /// The reports in the order of the checks in the job.
    pub reports: Vec<CheckReport>,
    /// The working files with the groups of all violations, if the job has groups.
    pub violations: Vec<PathBuf>,
}

/// The tables that checks can refer to.
pub(crate) struct CheckInputs<'a> {
    pub tables: &'a Tables,
    /// Both sides. New is `None` if it does not exist yet.
    pub sides: Sides<Option<Arc<Snapshot>>>,
    pub discrepancies: Option<Discrepancies>,
    pub privacy: Privacy,
}

/// The table of discrepancies.
pub(crate) enum Discrepancies {
    /// Its schema, before it is written.
    Columns(SchemaRef),
    File(PathBuf),
}

impl<'a> CheckInputs<'a> {
    /// Both sides of a comparison, and the discrepancies that it has written.
    pub(crate) fn of_run(run: &'a Run) -> Self {
        let path = |run_dir: &RunDir| Discrepancies::File(run_dir.path_of("discrepancies.parquet"));
        Self::of_pair(run, run.session.run_dir.as_ref().map(path))
    }

    /// Both sides of a comparison before it is run.
    pub(crate) fn planned(run: &'a Run) -> Result<Self> {
        Ok(Self::of_pair(run, Some(Discrepancies::Columns(explain::shown_schema(run)?))))
    }

    fn of_pair(run: &'a Run, discrepancies: Option<Discrepancies>) -> Self {
        CheckInputs {
            tables: &run.session.tables,
            sides: run.snapshots.as_ref().map(|snapshot| Some(Arc::new(snapshot.clone()))),
            discrepancies,
            privacy: run.privacy.clone(),
        }
    }

    pub(crate) fn of_old(old: Snapshot, privacy: Privacy, tables: &'a Tables) -> Self {
        let sides = Sides { old: Some(Arc::new(old)), new: None };
        CheckInputs { tables, sides, discrepancies: None, privacy }
    }

    /// Returns a catalog with all of these tables.
    pub(crate) fn catalog<'e>(&self, engine: &'e Engine) -> Result<Catalog<'e>> {
        let mut catalog = Catalog::with(engine, self.tables)?;
        for side in Side::BOTH {
            if let Some(snapshot) = &self.sides[side] {
                catalog.add(side.name(), snapshot)?;
            }
        }
        match &self.discrepancies {
            None => {}
            Some(Discrepancies::Columns(columns)) => catalog.add_columns("discrepancies", columns.clone())?,
            Some(Discrepancies::File(path)) => {
                let table = Snapshot::open_table("discrepancies", &path.display().to_string())?;
                catalog.add("discrepancies", &Arc::new(table))?;
            }
        }
        Ok(catalog)
    }
}

/// A check whose query is planned.
struct Planned<'a> {
    check: &'a Check,
    question: QueryPlan,
    kind: ResultUse,
}

/// The columns of a list with a special meaning.
struct ResultColumns {
    /// The columns that identify the row at fault.
    id: Vec<String>,
    /// The columns of the group, in the order of the columns in `[group]`.
    group: Vec<String>,
    /// Whether the IDs are private. If they may be listed nevertheless, they are not shown.
    is_private: bool,
}

/// The use of a query's result.
enum ResultUse {
    Violations(ResultColumns),
    Value,
}

/// The first error in each check of a job. The checks are planned but not run.
pub(crate) fn errors(session: &Session, inputs: &CheckInputs) -> Vec<Error> {
    let Session { engine, job, .. } = session;
    job.checks.iter().filter_map(|check| plan(engine, job, inputs, check).err()).collect()
}

/// Runs every check, and lists its violations.
///
/// # Errors
/// If a check cannot be planned or fails on the data, or if its result does not have the form that the job expects.
pub(crate) fn run(session: &Session, inputs: &CheckInputs, previous: Option<&PastRun>) -> Result<CheckResults> {
    let Session { engine, job, clock, run_dir, .. } = session;
    let _stage = engine.timings.enter(Stage::Check);
    let mut checked = CheckResults::default();
    let planned = job.checks.iter().map(|check| plan(engine, job, inputs, check)).collect::<Result<Vec<_>>>()?;
    let run_dir = run_dir.as_ref().filter(|_| !planned.is_empty());
    let mut history = ViolationHistory::begin(engine, previous, &clock.id, run_dir)?;
    for planned in planned {
        engine.progress.begin("checking", 0);
        let Planned { check, question: query, kind } = planned;
        let report = CheckReport {
            name: check.name.text.clone(),
            question: check.question.clone(),
            expect: check.expect.to_string(),
            holds: true,
            found: 0,
            value: None,
            list: None,
            standing: None,
            columns: query.schema().fields().iter().map(|field| field.name().clone()).collect(),
            examples: vec![],
        };
        let report = match (&check.expect, kind) {
            (Expect::Value(wanted), _) => {
                let value = single_value(engine, query)?;
                CheckReport { holds: violations::is_value(wanted, value.as_deref()), found: 1, value, ..report }
            }
            (Expect::AtMost(most), ResultUse::Violations(columns)) => {
                let query = query.ordered_by(&columns.id)?;
                let standing = history.of_check(check_digest(check));
                let mut list = ViolationList::create(session, check, query.schema(), columns, standing)?;
                query.for_each_batch(engine, |batch| list.take(batch))?;
                let (report, groups) = list.finish(report)?;
                checked.violations.extend(groups);
                judged(report, *most, job.gate.new_violations)
            }
            (Expect::AtMost(_), ResultUse::Value) => unreachable!("a check with a limit yields a list"),
        };
        checked.reports.push(report);
    }
    history.finish()?;
    Ok(checked)
}

/// Identifies a check as long as it asks the same question.
fn check_digest(check: &Check) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let values = check.values.iter().map(|(name, value)| format!("{name}={value}"));
    for part in [check.name.text.clone(), check.query.sql.clone()].into_iter().chain(values) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    half(hasher.finalize())
}

/// Whether as many violations are allowed. With the gate `new_violations`, a check that allows none allows those that the
/// run before had.
fn judged(report: CheckReport, most: u64, new_allowed: Option<u64>) -> CheckReport {
    match new_allowed.filter(|_| most == 0) {
        None => CheckReport { holds: report.found <= most, ..report },
        Some(allowed) => {
            let new = report.standing.as_ref().map_or(report.found, |standing| standing.new);
            CheckReport { holds: new <= allowed, expect: format!("at most {allowed} new"), ..report }
        }
    }
}

fn plan<'a>(engine: &Engine, job: &Job, inputs: &CheckInputs, check: &'a Check) -> Result<Planned<'a>> {
    let origin = match &check.query.file {
        Some(file) => format!("{} {}: {}", check.query.origin, check.name.text, file.display()),
        None => format!("{} {}", check.query.origin, check.name.text),
    };
    let wrong = |message: String| Error::request(&origin, message);
    let mut catalog = inputs.catalog(engine)?;
    lay_inputs(&mut catalog, check, &origin)?;
    let query = catalog.plan(&check.query.sql, &check.values, &origin).map_err(|error| with_inputs(check, error))?;
    let columns: Vec<String> = query.schema().fields().iter().map(|field| field.name().clone()).collect();
    let shown = query.shown(&|table, column| inputs.privacy.hides_in_sql(table, column));
    let kind = match check.expect {
        Expect::Value(_) if columns.len() == 1 => ResultUse::Value,
        Expect::Value(_) => {
            return Err(wrong(format!("one value is expected, but the result has columns {}", columns.join(", "))));
        }
        Expect::AtMost(_) => {
            let id = id_columns(job, check, &columns).map_err(wrong)?;
            let is_private = shown.iter().any(|column| id.contains(column));
            let group = group_columns(job, check).map_err(wrong)?;
            let schema = query.schema();
            for column in &group {
                let data_type = schema.field_with_name(column).map(|field| field.data_type().clone());
                if let Some(other) = data_type.ok().filter(|data_type| !is_id(data_type)) {
                    return Err(wrong(format!(
                        "column `{column}` of its result has type {other}; groups must be integers or text"
                    )));
                }
            }
            ResultUse::Violations(ResultColumns { id, group, is_private })
        }
    };
    let may_list = |column: &String| match &kind {
        ResultUse::Violations(ResultColumns { id, .. }) => id.contains(column) && inputs.privacy.has_plain_lists(),
        ResultUse::Value => false,
    };
    match shown.iter().find(|column| !may_list(column)) {
        Some(column) => Err(wrong(format!(
            "column `{column}` of its result shows private values\n  \
             remove it, or only test it in the query: `… IS NULL`, `… = ''`"
        ))),
        None => Ok(Planned { check, question: query, kind }),
    }
}

/// Registers the inputs of a check in the catalog. An input can read another, regardless of their order.
fn lay_inputs(catalog: &mut Catalog, check: &Check, origin: &str) -> Result<()> {
    let mut waiting: Vec<&(String, Query)> = check.inputs.iter().collect();
    while !waiting.is_empty() {
        let (mut later, mut first_error) = (vec![], None);
        for input in &waiting {
            let (name, query) = input;
            if catalog.has(name) {
                return Err(Error::request(
                    origin,
                    format!("`{name}` is already a table of the job; choose another name for the input"),
                ));
            }
            match catalog.plan(&query.sql, &check.values, &format!("{origin}: input {name}")) {
                Ok(view) => catalog.add_view(name, view)?,
                Err(error) => {
                    later.push(*input);
                    first_error = first_error.or(Some(error));
                }
            }
        }
        match first_error {
            Some(error) if later.len() == waiting.len() => return Err(error),
            _ => waiting = later,
        }
    }
    Ok(())
}

/// Adds the inputs of a query of the library to the error if it cannot be planned.
fn with_inputs(check: &Check, error: Error) -> Error {
    let Some(inputs) = check.reads.as_ref().filter(|_| check.query.file.is_none()) else { return error };
    let Error::Request { origin, mut problem } = error else { return error };
    if let RequestError::BadQuery { reason, .. } = &mut *problem {
        *reason += &format!(
            "
  its inputs are: {inputs}"
        );
    }
    Error::Request { origin, problem }
}

/// The columns that identify the row at fault: those that the check names, those of the key, or `id`; and those of the
/// group.
fn id_columns(job: &Job, check: &Check, columns: &[String]) -> std::result::Result<Vec<String>, String> {
    let known = columns.join(", ");
    let group = group_columns(job, check)?;
    if let Some(column) = group.iter().find(|column| !columns.contains(column)) {
        return Err(format!(
            "its result has no column `{column}`, by which [group] groups; it has {known}\n  \
             specify the corresponding column with group = [\"…\"]"
        ));
    }
    let key: Vec<&String> = match (&job.identity, job.scope) {
        (Identity::Key(key), Scope::Both) => key.iter().map(|column| &column.text).collect(),
        _ => vec![],
    };
    let has_all = |names: &[&String]| !names.is_empty() && names.iter().all(|name| columns.contains(name));
    let named: Vec<&String> = check.id.iter().map(|column| &column.text).collect();
    if let Some(column) = named.iter().find(|column| !columns.contains(column)) {
        return Err(format!("its result has no column `{column}`; it has {known}"));
    }
    let id_column = "id".to_string();
    let mut id: Vec<String> = match () {
        () if !named.is_empty() => named.into_iter().cloned().collect(),
        () if has_all(&key) => key.into_iter().cloned().collect(),
        () if columns.contains(&id_column) => vec![id_column],
        () if !group.is_empty() => vec![],
        () => {
            let missing = match key.is_empty() {
                true => "`id` is not".to_string(),
                false => format!("neither the key ({}) nor `id` is", join(&key)),
            };
            return Err(format!(
                "its result has no ID: {missing} among its columns {known}\n  \
                 specify the columns of the ID with id = [\"…\"]"
            ));
        }
    };
    let more: Vec<String> = group.into_iter().filter(|column| !id.contains(column)).collect();
    id.extend(more);
    Ok(id)
}

/// The columns of a check's result that correspond to the columns of `[group]`, in the same order.
fn group_columns(job: &Job, check: &Check) -> std::result::Result<Vec<String>, String> {
    let names = |settings: &[Setting]| settings.iter().map(|setting| setting.text.clone()).collect::<Vec<_>>();
    match (check.group.len(), job.group.len()) {
        (0, _) => Ok(names(&job.group)),
        (own, groups) if own == groups => Ok(names(&check.group)),
        (own, groups) => Err(format!("its `group` has {own} columns, but [group] has {groups}")),
    }
}

fn join(names: &[&String]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether values of a type can identify rows and groups.
pub(crate) fn is_id(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_id(value),
        other => other.is_integer() || matches!(other, DataType::Decimal128(_, 0)),
    }
}
