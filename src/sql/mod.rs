//! SHAPE: applies the SQL of a job to a snapshot before it is compared.
//!
//! A query is run once, and its rows become a snapshot in a working file, because the hash join reads rows
//! twice and only stored rows are guaranteed to be the same the second time. An expression is a column of
//! the snapshot that is evaluated while the snapshot is read.

mod checked;
mod constants;
mod depth;
mod function;
mod keys;
mod lengths;
mod ordered_lists;
mod execute;
mod parameters;
mod private;
mod lineage;
mod field_reads;
mod catalog;
mod row_expression;
mod sums;
mod views;
mod working_table;
mod paths;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Expr, TableType, Volatility};
use datafusion::optimizer::Analyzer;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

pub(crate) use catalog::{Catalog, QueryPlan};
use checked::{CheckedArithmetic, checked};
use constants::CheckedConstants;
pub(crate) use function::row_function;
pub(crate) use keys::{quoted, require_keys};
use ordered_lists::ListsOfSortedRows;
pub(crate) use row_expression::{RowExpression, count_by};
use sums::WideSums;
pub(crate) use views::{column, field, numbered, same};
pub(crate) use working_table::WorkingTable;

use crate::error::{Error, RequestError, Result};
use crate::job::{ColumnSettings, Query, Setting, Source};
use crate::runtime::engine::{Engine, ScanConfig};
use crate::runtime::parquet_file::{ParquetWriter, Purpose};
use crate::sides::{Owner, Side};
use crate::snapshot::{Derived, QueryOrigin, Snapshot};

/// The name of the table in a query that contains the side's own files.
const SNAPSHOT: &str = "snapshot";

/// The tables that queries may join, by name.
pub(crate) type Tables = BTreeMap<String, Arc<Snapshot>>;

/// Opens the further tables of a job.
pub(crate) fn open_tables(engine: &Engine, tables: &BTreeMap<String, Source>) -> Result<Tables> {
    tables.iter().map(|(name, source)| Ok((name.clone(), Arc::new(open_table(engine, name, source)?)))).collect()
}

/// Opens a further table of a job.
pub(crate) fn open_table(engine: &Engine, name: &str, source: &Source) -> Result<Snapshot> {
    let owner = Owner::Table(name.into());
    let table = Snapshot::load(engine, &owner, source)?;
    require_rows(table, owner, source, source.allow_empty)
}

/// Refuses a source without rows, unless it may be empty.
fn require_rows(snapshot: Snapshot, owner: Owner, source: &Source, may_be_empty: bool) -> Result<Snapshot> {
    match snapshot.rows() > 0 || snapshot.is_unloaded() || may_be_empty {
        true => Ok(snapshot),
        false => Err(Error::EmptySide { owner, path: source.path.text.clone() }),
    }
}

/// Opens the files of a side, and loads them if they are not Parquet.
fn load_side(engine: &Engine, side: Side, source: &Source) -> Result<Snapshot> {
    let snapshot = Snapshot::load(engine, &Owner::Side(side), source)?;
    require_rows(snapshot, Owner::Side(side), source, source.allow_empty || source.query.is_some())
}

/// Opens one side, and shapes it as the job specifies.
pub(crate) fn open_side(
    engine: &Engine,
    side: Side,
    source: &Source,
    tables: &Tables,
    columns: &[ColumnSettings],
) -> Result<Snapshot> {
    let stored = load_side(engine, side, source)?;
    let snapshot = match &source.query {
        None => stored,
        Some(query) => run_query(engine, side, Arc::new(stored), tables, query, source.allow_empty)?,
    };
    derived(engine, snapshot, columns)
}

/// Loads the files of a planned side, and runs its query; `None` if it has been opened whole.
pub(crate) fn run_side(
    engine: &Engine,
    planned: &Snapshot,
    source: &Source,
    tables: &Tables,
    columns: &[ColumnSettings],
) -> Result<Option<Snapshot>> {
    let side = planned.side;
    let loaded = match planned.input().is_unloaded() {
        true => Some(load_side(engine, side, source)?),
        false => None,
    };
    let snapshot = match (&source.query, &planned.origin, loaded) {
        (Some(query), Some(origin), loaded) => {
            let stored = loaded.map_or_else(|| origin.snapshot.clone(), Arc::new);
            run_query(engine, side, stored, tables, query, source.allow_empty)?
        }
        (_, _, Some(loaded)) => loaded,
        (_, _, None) => return Ok(None),
    };
    derived(engine, snapshot, columns).map(Some)
}

/// A side with the columns that are expressions.
fn derived(engine: &Engine, mut snapshot: Snapshot, columns: &[ColumnSettings]) -> Result<Snapshot> {
    for (name, expression) in expressions(columns, &snapshot) {
        let derived = plan_expression(engine, &snapshot, name, &expression)?;
        snapshot.derive(derived);
    }
    Ok(snapshot)
}

/// A side, planned as far as possible.
pub(crate) struct Planned {
    /// The snapshot. For the result of a query, it has columns but no rows.
    pub snapshot: Option<Snapshot>,
    /// The errors that were found.
    pub mistakes: Vec<Error>,
}

/// Opens one side as [`open_side`] does, without reading a row.
pub(crate) fn plan_side(
    engine: &Engine,
    side: Side,
    source: &Source,
    tables: &Tables,
    columns: &[ColumnSettings],
) -> Planned {
    let mut mistakes = vec![];
    let snapshot = plan_source(engine, side, source, tables).map_err(|error| mistakes.push(error)).ok();
    let snapshot = snapshot.map(|mut snapshot| {
        for (name, expression) in expressions(columns, &snapshot) {
            match plan_expression(engine, &snapshot, name, &expression) {
                Ok(derived) => snapshot.derive(derived),
                Err(error) => mistakes.push(error),
            }
        }
        snapshot
    });
    // if a column has an error, all settings about it would also cause errors
    let snapshot = snapshot.filter(|_| mistakes.is_empty());
    Planned { snapshot, mistakes }
}

fn plan_source(engine: &Engine, side: Side, source: &Source, tables: &Tables) -> Result<Snapshot> {
    let stored = Snapshot::peek(engine, &Owner::Side(side), source)?;
    let stored = require_rows(stored, Owner::Side(side), source, source.allow_empty || source.query.is_some())?;
    let Some(query) = &source.query else { return Ok(stored) };
    let stored = Arc::new(stored);
    let question = plan_query(engine, &stored, tables, query)?;
    let origin = origin(stored, query, &question);
    Ok(Snapshot::planned(side, question.schema(), origin))
}

/// The columns of a side that are expressions: those of the job, and fields of structs that have rules.
fn expressions<'a>(columns: &'a [ColumnSettings], snapshot: &Snapshot) -> Vec<(&'a str, Setting)> {
    let side = snapshot.side;
    let own = columns.iter().filter_map(|settings| {
        let expression = settings.expressions[side].clone()?;
        Some((settings.names.first()?.text.as_str(), expression))
    });
    own.chain(paths::expressions(columns, snapshot)).collect()
}

/// A context in which names are case-sensitive, and `100.0` is a decimal and not a floating-point number.
fn context(engine: &Engine) -> SessionContext {
    context_with(engine, engine.config())
}

fn context_with(engine: &Engine, config: SessionConfig) -> SessionContext {
    let config = config
        .set_bool("datafusion.sql_parser.enable_ident_normalization", false)
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let state =
        SessionStateBuilder::new_with_default_features().with_config(config).with_runtime_env(engine.environment());
    // before all rules that move arithmetic into a scan or a join
    let rules = [Arc::new(CheckedArithmetic) as _].into_iter().chain(PhysicalOptimizer::new().rules);
    let rules = rules.chain([Arc::new(ListsOfSortedRows) as _]).collect();
    let analysis = [Arc::new(WideSums) as _].into_iter().chain(Analyzer::new().rules);
    // after all types are determined
    let analysis = analysis.chain([Arc::new(CheckedConstants) as _]).collect();
    let state = state.with_physical_optimizer_rules(rules).with_analyzer_rules(analysis);
    let context = SessionContext::new_with_state(state.build());
    lengths::functions().into_iter().for_each(|function| context.register_udf(function));
    context
}

fn plan_expression(engine: &Engine, snapshot: &Snapshot, column: &str, text: &Setting) -> Result<Derived> {
    let schema = Schema::new(snapshot.stored_fields().to_vec());
    match plan_row_by_row(engine, schema, &text.text) {
        Ok((expression, field)) => {
            Ok(Derived { column: column.into(), text: text.clone(), expression, field: field.as_ref().clone() })
        }
        Err(reason) => Err(Error::request(&text.origin, RequestError::BadExpression { side: snapshot.side, reason })),
    }
}

/// Plans an expression that yields one value for each row of a table, always the same; the error is the reason if not.
fn plan_row_by_row(
    engine: &Engine,
    schema: Schema,
    text: &str,
) -> std::result::Result<(Arc<dyn PhysicalExpr>, FieldRef), String> {
    let bad = |error: DataFusionError| said(&error);
    depth::require_shallow(text)?;
    let context = context(engine);
    let table = DFSchema::try_from(schema).map_err(bad)?;
    let parsed = context.parse_sql_expr(text, &table).map_err(bad)?;
    if let Some(reason) = parts(&parsed).find_map(unfit) {
        return Err(reason.into());
    }
    let resolved = resolve_functions(parsed, &table, &context).map_err(bad)?;
    let expression = context.create_physical_expr(resolved, &table).and_then(checked).map_err(bad)?;
    let field = expression.return_field(table.as_arrow()).map_err(bad)?;
    // an expression that can never be evaluated also fails without rows
    let nothing = RecordBatch::new_empty(Arc::new(table.as_arrow().clone()));
    expression.evaluate(&nothing).map_err(bad)?;
    Ok((expression, field))
}

/// Replaces functions that are only names for other expressions, such as `coalesce` and `arrow_cast`, by these
/// expressions. In a query, the optimizer does this.
fn resolve_functions(expression: Expr, table: &DFSchema, context: &SessionContext) -> datafusion::error::Result<Expr> {
    let state = context.state();
    let simplify = SimplifyContext::builder()
        .with_schema(Arc::new(table.clone()))
        .with_config_options(state.config_options().clone())
        .build();
    resolved(ExprSimplifier::new(simplify.clone()).coerce(expression, table)?, &simplify)
}

/// The same for an expression whose types are determined.
fn resolved(expression: Expr, simplify: &SimplifyContext) -> datafusion::error::Result<Expr> {
    let resolve = |part: Expr| match part {
        Expr::ScalarFunction(ScalarFunction { func, args }) => match func.simplify(args, simplify)? {
            ExprSimplifyResult::Simplified(other) => Ok(Transformed::yes(other)),
            ExprSimplifyResult::Original(args) => {
                Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })))
            }
        },
        other => Ok(Transformed::no(other)),
    };
    expression.transform_up(resolve).data()
}

/// The reason why a part of an expression cannot be evaluated row by row with the same result each time.
fn unfit(part: &Expr) -> Option<&'static str> {
    match part {
        Expr::AggregateFunction(_) => Some("it aggregates rows, but a column has one value per row; use a query"),
        Expr::WindowFunction(_) => Some("it uses other rows; use a query"),
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => Some("it has a subquery; use a query"),
        Expr::ScalarFunction(function) if function.func.signature().volatility != Volatility::Immutable => {
            Some("it yields a different value each time it is evaluated")
        }
        _ => None,
    }
}

/// An expression and all of its parts.
fn parts(expression: &Expr) -> impl Iterator<Item = &Expr> {
    let mut parts = vec![];
    let _ = expression.apply(|part| {
        parts.push(part);
        Ok(TreeNodeRecursion::Continue)
    });
    parts.into_iter()
}

fn plan_query(engine: &Engine, snapshot: &Arc<Snapshot>, tables: &Tables, query: &Query) -> Result<QueryPlan> {
    let mut catalog = Catalog::with(engine, tables)?;
    catalog.add(SNAPSHOT, snapshot)?;
    catalog.plan(&query.sql, &BTreeMap::new(), &origin_of_query(query))
}

fn origin_of_query(query: &Query) -> String {
    match &query.file {
        Some(file) => format!("{}: {}", query.origin, file.display()),
        None => query.origin.to_string(),
    }
}

/// The origin of the result of a query.
fn origin(stored: Arc<Snapshot>, query: &Query, question: &QueryPlan) -> QueryOrigin {
    QueryOrigin {
        snapshot: stored,
        query: query.file.clone(),
        made_of: question.made_of(),
        made_of_snapshot: question.made_of_snapshot(),
        field_reads: question.field_reads(),
        lineage: question.lineage(),
    }
}

/// Runs a query and opens its result as the side's snapshot.
fn run_query(
    engine: &Engine,
    side: Side,
    stored: Arc<Snapshot>,
    tables: &Tables,
    query: &Query,
    allow_empty: bool,
) -> Result<Snapshot> {
    let question = plan_query(engine, &stored, tables, query)?;
    let origin = origin(stored.clone(), query, &question);
    // the query of a side may also be run for its backup
    let path = engine.free_path(&format!("query-{side}"));
    write_rows(engine, question, &path)?;
    let location = path.display().to_string();
    let mut shaped = Snapshot::open(side, &location)?;
    if shaped.rows() == 0 && !allow_empty {
        return Err(Error::request(origin_of_query(query), RequestError::EmptyQuery(side)));
    }
    shaped.location = stored.location.clone();
    shaped.origin = Some(origin);
    Ok(shaped)
}

/// Writes the result of a query to a Parquet file.
pub(crate) fn write_rows(engine: &Engine, question: QueryPlan, path: &Path) -> Result<()> {
    let purpose = Purpose::Answer { dir: engine.spill_dir(), origin: question.origin().to_string() };
    engine.progress.begin("querying", 0);
    let mut answer = question.stream(engine)?;
    let mut writer = ParquetWriter::create(path, answer.schema(), purpose)?;
    while let Some(batch) = answer.next_batch()? {
        engine.progress.advance(batch.num_rows() as u64);
        writer.write(&batch)?;
    }
    writer.finish().map(drop)
}

/// The message of an error of DataFusion, without prefixes and suffixes.
fn said(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let prefixes = ["SQL error: ", "Schema error: ", "Error during planning: ", "Execution error: ", "Arrow error: "];
    let plain = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
    // the request to report bugs contains the address of another project
    let plain = plain.split_once(".\nThis issue was likely caused by a bug").map_or(plain, |(own, _)| own);
    // names of tables without their catalog and schema
    let plain = plain.replace("datafusion.public.", "");
    match plain.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")) {
        Some(inner) => inner.into(),
        None => plain,
    }
}

/// A snapshot as a table for SQL: all of its rows, in an unspecified order.
#[derive(Debug)]
struct SnapshotTable {
    snapshot: Arc<Snapshot>,
    readers: ScanConfig,
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        self.snapshot.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.snapshot.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        for &at in columns {
            let agreed = self.snapshot.require_agreement(self.snapshot.schema.field(at).name());
            agreed.map_err(|error| DataFusionError::External(error.into()))?;
        }
        let readers = ScanConfig { batch_rows: state.config().batch_size(), ..self.readers.clone() };
        self.snapshot.plan(&readers, self.snapshot.all_reads(), columns, state.config().target_partitions())
    }
}
