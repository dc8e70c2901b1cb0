//! ASK: the checks of a job. Each is a question in SQL whose answer is violations: they are listed, counted and held
//! against what the job expects.

pub(crate) mod groups;
mod violations;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use crate::columns::Privacy;
use crate::error::{Error, Result};
use crate::explain;
use crate::job::{Check, Expect, Identity, Job, Query, Scope, Setting};
use crate::output::run_dir::RunDir;
use crate::run::{Run, Session};
use crate::runtime::engine::Engine;
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, Question, Tables};
use violations::{ViolationList, single_value};

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// What it asks, in words, if its query says so.
    pub question: Option<String>,
    /// What its answer has to be: `empty`, `at most 10`, or a value.
    pub expect: String,
    /// Whether it is.
    pub holds: bool,
    /// The rows of its answer: violations, unless one value was asked for.
    pub found: u64,
    /// The value, if one was asked for; none for NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The file with all rows of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The columns of the answer, those first that say which row is at fault.
    pub columns: Vec<String>,
    /// The first few rows, in order; none where they are private.
    pub examples: Vec<Vec<Option<String>>>,
}

impl CheckReport {
    /// What was found, in words.
    pub fn found_words(&self) -> String {
        match (&self.list, &self.value) {
            (Some(_), _) if self.found == 1 => "1 violation".into(),
            (Some(_), _) => format!("{} violations", indicatif::HumanCount(self.found)),
            (None, value) => format!("the value is {}", value.as_deref().unwrap_or("NULL")),
        }
    }

    /// What was expected, in words.
    pub fn expected_words(&self) -> String {
        match (&self.list, self.expect.as_str()) {
            (Some(_), "empty") => "none is allowed".into(),
            (Some(_), most) => format!("{most} are allowed"),
            (None, value) => format!("expected is {value}"),
        }
    }
}

/// What came of the checks.
#[derive(Debug, Default)]
pub(crate) struct CheckResults {
    /// A report for each, in the order of the job.
    pub reports: Vec<CheckReport>,
    /// The working files with the groups of all violations, where the job has groups.
    pub violations: Vec<PathBuf>,
}

/// What checks may ask about.
pub(crate) struct CheckInputs<'a> {
    /// The further tables of the job.
    pub tables: &'a Tables,
    /// Both sides; new's is `None` where there is none yet.
    pub sides: Sides<Option<Arc<Snapshot>>>,
    /// The table of discrepancies, where there is one.
    pub discrepancies: Option<Discrepancies>,
    /// Which columns are private.
    pub privacy: Privacy,
}

/// The table of discrepancies.
pub(crate) enum Discrepancies {
    /// What it will look like.
    Columns(SchemaRef),
    /// The file.
    File(PathBuf),
}

impl<'a> CheckInputs<'a> {
    /// Both sides of a comparison, and the discrepancies that it has written.
    pub(crate) fn of_run(run: &'a Run) -> Self {
        let path = |run_dir: &RunDir| Discrepancies::File(run_dir.path_of("discrepancies.parquet"));
        Self::of_pair(run, run.session.run_dir.as_ref().map(path))
    }

    /// Both sides of a comparison, before it has found anything.
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

    /// Old alone.
    pub(crate) fn of_old(old: Snapshot, privacy: Privacy, tables: &'a Tables) -> Self {
        let sides = Sides { old: Some(Arc::new(old)), new: None };
        CheckInputs { tables, sides, discrepancies: None, privacy }
    }

    /// A desk with all of it.
    pub(crate) fn desk<'e>(&self, engine: &'e Engine) -> Result<Catalog<'e>> {
        let mut desk = Catalog::with(engine, self.tables)?;
        for side in Side::BOTH {
            if let Some(snapshot) = &self.sides[side] {
                desk.add(side.name(), snapshot)?;
            }
        }
        match &self.discrepancies {
            None => {}
            Some(Discrepancies::Columns(columns)) => desk.add_columns("discrepancies", columns.clone())?,
            Some(Discrepancies::File(path)) => {
                let table = Snapshot::open_table("discrepancies", &path.display().to_string(), true)?;
                desk.add("discrepancies", &Arc::new(table))?;
            }
        }
        Ok(desk)
    }
}

/// A check whose question is planned.
struct Planned<'a> {
    check: &'a Check,
    question: Question,
    kind: ResultUse,
}

/// The columns of a list that mean something to us.
struct ResultColumns {
    /// Those that say which row is at fault.
    id: Vec<String>,
    /// Those of the job's groups, in the order of the groups'.
    group: Vec<String>,
    /// Whether the IDs are private, and may be listed all the same; then they are not shown.
    is_private: bool,
}

/// What is made of an answer.
enum ResultUse {
    /// A list.
    Violations(ResultColumns),
    /// One value.
    Value,
}

/// What is wrong with the checks of a job: the first error in each. None is run.
pub(crate) fn errors(session: &Session, inputs: &CheckInputs) -> Vec<Error> {
    let Session { engine, job, .. } = session;
    job.checks.iter().filter_map(|check| plan(engine, job, inputs, check).err()).collect()
}

/// Runs every check, and lists its violations.
///
/// # Errors
/// If one cannot be planned, fails over the data, or its result has another form than the job expects.
pub(crate) fn run(session: &Session, material: &CheckInputs) -> Result<CheckResults> {
    let Session { engine, job, .. } = session;
    let _stage = engine.meter.enter(Stage::Check);
    let mut checked = CheckResults::default();
    let planned = job.checks.iter().map(|check| plan(engine, job, material, check)).collect::<Result<Vec<_>>>()?;
    for planned in planned {
        engine.progress.begin("checking", 0);
        let Planned { check, question, kind } = planned;
        let report = CheckReport {
            name: check.name.text.clone(),
            question: check.question.clone(),
            expect: check.expect.to_string(),
            holds: true,
            found: 0,
            value: None,
            list: None,
            columns: question.schema().fields().iter().map(|field| field.name().clone()).collect(),
            examples: vec![],
        };
        let report = match (&check.expect, kind) {
            (Expect::Value(wanted), _) => {
                let value = single_value(engine, question)?;
                CheckReport { holds: violations::is_value(wanted, value.as_deref()), found: 1, value, ..report }
            }
            (Expect::AtMost(most), ResultUse::Violations(columns)) => {
                let question = question.ordered_by(&columns.id)?;
                let mut list = ViolationList::create(session, check, question.schema(), columns)?;
                question.for_each_batch(engine, |batch| list.take(batch))?;
                let (report, groups) = list.finish(report)?;
                checked.violations.extend(groups);
                CheckReport { holds: report.found <= *most, ..report }
            }
            (Expect::AtMost(_), ResultUse::Value) => unreachable!("what is to be empty is a list"),
        };
        checked.reports.push(report);
    }
    Ok(checked)
}

fn plan<'a>(engine: &Engine, job: &Job, material: &CheckInputs, check: &'a Check) -> Result<Planned<'a>> {
    let place = match &check.query.file {
        Some(file) => format!("{} {}: {}", check.query.place, check.name.text, file.display()),
        None => format!("{} {}", check.query.place, check.name.text),
    };
    let wrong = |words: String| Error::Contradiction(format!("{place}: {words}"));
    let mut desk = material.desk(engine)?;
    lay_inputs(&mut desk, check, &place)?;
    let question = desk.plan(&check.query.sql, &check.values, &place).map_err(|error| with_inputs(check, error))?;
    let columns: Vec<String> = question.schema().fields().iter().map(|field| field.name().clone()).collect();
    let shown = question.shown(&|table, column| material.privacy.hides_in_sql(table, column));
    let kind = match check.expect {
        Expect::Value(_) if columns.len() == 1 => ResultUse::Value,
        Expect::Value(_) => {
            return Err(wrong(format!("one value is expected, and the answer has columns {}", columns.join(", "))));
        }
        Expect::AtMost(_) => {
            let id = id_columns(job, check, &columns).map_err(wrong)?;
            let is_private = shown.iter().any(|column| id.contains(column));
            let group = group_columns(job, check).map_err(wrong)?;
            let schema = question.schema();
            for column in &group {
                let data_type = schema.field_with_name(column).map(|field| field.data_type().clone());
                if let Some(other) = data_type.ok().filter(|data_type| !is_id(data_type)) {
                    return Err(wrong(format!(
                        "column `{column}` of its answer is {other}; groups are whole numbers and text"
                    )));
                }
            }
            ResultUse::Violations(ResultColumns { id, group, is_private })
        }
    };
    let may_list = |column: &String| match &kind {
        ResultUse::Violations(ResultColumns { id, .. }) => id.contains(column) && material.privacy.has_plain_lists(),
        ResultUse::Value => false,
    };
    match shown.iter().find(|column| !may_list(column)) {
        Some(column) => Err(wrong(format!(
            "column `{column}` of its answer shows private values; leave it out, or only test\n  it in the query: `… IS NULL`, `… = ''`"
        ))),
        None => Ok(Planned { check, question, kind }),
    }
}

/// Lays the inputs of a check on the desk; one may read another, whatever their order.
fn lay_inputs(desk: &mut Catalog, check: &Check, place: &str) -> Result<()> {
    let mut waiting: Vec<&(String, Query)> = check.inputs.iter().collect();
    while !waiting.is_empty() {
        let (mut later, mut mistake) = (vec![], None);
        for input in &waiting {
            let (name, query) = input;
            if desk.has(name) {
                return Err(Error::Contradiction(format!(
                    "{place}: the name `{name}` is that of a table of the job; call the input something else"
                )));
            }
            match desk.plan(&query.sql, &check.values, &format!("{place}: input {name}")) {
                Ok(view) => desk.add_view(name, view)?,
                Err(error) => {
                    later.push(*input);
                    mistake = mistake.or(Some(error));
                }
            }
        }
        match mistake {
            Some(error) if later.len() == waiting.len() => return Err(error),
            _ => waiting = later,
        }
    }
    Ok(())
}

/// What a query of the library reads, is said where it cannot be planned.
fn with_inputs(check: &Check, error: Error) -> Error {
    match (error, &check.reads, check.query.file.is_none()) {
        (Error::BadQuery { place, reason, tables }, Some(reads), true) => {
            Error::BadQuery { place, reason: format!("{reason}\n  its inputs are: {reads}"), tables }
        }
        (error, ..) => error,
    }
}

/// The columns that say which row is at fault: those that the check names, the key's, or `id`; and those of the group.
fn id_columns(job: &Job, check: &Check, columns: &[String]) -> std::result::Result<Vec<String>, String> {
    let known = columns.join(", ");
    let group = group_columns(job, check)?;
    if let Some(column) = group.iter().find(|column| !columns.contains(column)) {
        return Err(format!(
            "its answer has no column `{column}`, by which [group] gathers; it has {known}\n  \
             say which of its columns it is, with group = [\"…\"]"
        ));
    }
    let key: Vec<&String> = match (&job.identity, job.scope) {
        (Identity::Key(key), Scope::Both) => key.iter().map(|column| &column.text).collect(),
        _ => vec![],
    };
    let has_all = |names: &[&String]| !names.is_empty() && names.iter().all(|name| columns.contains(name));
    let named: Vec<&String> = check.id.iter().map(|column| &column.text).collect();
    if let Some(column) = named.iter().find(|column| !columns.contains(column)) {
        return Err(format!("its answer has no column `{column}`; it has {known}"));
    }
    let id_column = "id".to_string();
    let mut id: Vec<String> = match () {
        () if !named.is_empty() => named.into_iter().cloned().collect(),
        () if has_all(&key) => key.into_iter().cloned().collect(),
        () if columns.contains(&id_column) => vec![id_column],
        () if !group.is_empty() => vec![],
        () => {
            let key = if key.is_empty() { String::new() } else { format!("the key ({}) nor ", join(&key)) };
            return Err(format!(
                "its answer has no ID: neither {key}`id` is among its columns {known}\n  \
                 say which column is one, with id = [\"…\"]"
            ));
        }
    };
    let more: Vec<String> = group.into_iter().filter(|column| !id.contains(column)).collect();
    id.extend(more);
    Ok(id)
}

/// The columns of a check's answer that are those of the job's groups, in the order of the groups'.
fn group_columns(job: &Job, check: &Check) -> std::result::Result<Vec<String>, String> {
    let names = |words: &[Setting]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    match (check.group.len(), job.group.len()) {
        (0, _) => Ok(names(&job.group)),
        (own, groups) if own == groups => Ok(names(&check.group)),
        (own, groups) => Err(format!("its `group` has {own} columns, and [group] gathers by {groups}")),
    }
}

fn join(names: &[&String]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether values of a type name rows and groups.
pub(crate) fn is_id(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_id(value),
        other => other.is_integer() || matches!(other, DataType::Decimal128(_, 0)),
    }
}
