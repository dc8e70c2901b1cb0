//! SHAPE: what SQL makes of a snapshot before it is compared.
//!
//! A query is run once and its rows become a snapshot of their own in a working file: the hashed way reads
//! rows twice, and only stored rows are sure to come back the same. An expression is a column of the
//! snapshot that is evaluated while it is read.

mod execute;
mod checked;
mod constants;
mod depth;
mod catalog;
mod function;
mod keys;
mod lengths;
mod lineage;
mod ordered_lists;
mod parameters;
mod private;
mod row_expression;
mod sums;
mod views;
mod working_table;

use std::collections::BTreeMap;
use std::fs::File;
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
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

pub(crate) use catalog::{Catalog, Question};
use checked::{CheckedArithmetic, checked};
use constants::CheckedConstants;
pub(crate) use function::row_function;
pub(crate) use keys::{quoted, require_keys};
use ordered_lists::ListsOfSortedRows;
pub(crate) use row_expression::{RowExpression, count_by};
use sums::WideSums;
pub(crate) use views::{column, field, numbered, same};
pub(crate) use working_table::WorkingTable;

use crate::error::{Error, Result};
use crate::job::{ColumnSettings, Query, Setting, Source};
use crate::runtime::engine::{Engine, ScanConfig};
use crate::sides::{Side, Sides};
use crate::snapshot::{Derived, QueryOrigin, Snapshot};

/// The name under which a query finds the side's own files.
const SNAPSHOT: &str = "snapshot";
/// Rows per row group of a working file.
const ROW_GROUP_ROWS: usize = 256 << 10;

/// The tables that queries may join, by name.
pub(crate) type Tables = BTreeMap<String, Arc<Snapshot>>;

/// Opens the further tables of a job.
pub(crate) fn open_tables(tables: &BTreeMap<String, Source>) -> Result<Tables> {
    let open = |(name, source): (&String, &Source)| {
        Ok((name.clone(), Arc::new(Snapshot::open_table(name, &source.path.text, source.allow_empty)?)))
    };
    tables.iter().map(open).collect()
}

/// Opens both sides, and shapes them as the job says.
pub(crate) fn open_sides(
    engine: &Engine,
    sources: &Sides<Source>,
    tables: &Tables,
    columns: &[ColumnSettings],
) -> Result<Sides<Snapshot>> {
    Sides::try_from_fn(|side| open_side(engine, side, &sources[side], tables, columns))
}

/// Opens one side, and shapes it as the job says.
pub(crate) fn open_side(
    engine: &Engine,
    side: Side,
    source: &Source,
    tables: &Tables,
    columns: &[ColumnSettings],
) -> Result<Snapshot> {
    let stored = Snapshot::open(side, &source.path.text, source.allow_empty || source.query.is_some())?;
    let mut snapshot = match &source.query {
        None => stored,
        Some(query) => run_query(engine, stored, tables, query, source.allow_empty)?,
    };
    for (name, expression) in expressions(columns, side) {
        snapshot.derive(plan_expression(engine, &snapshot, name, expression)?);
    }
    Ok(snapshot)
}

/// A side as far as it can be planned.
pub(crate) struct Planned {
    /// The snapshot; of a query's result, its columns and no rows.
    pub snapshot: Option<Snapshot>,
    /// What is wrong with it.
    pub mistakes: Vec<Error>,
}

/// Opens one side as [`open_sides`] does, without reading a row.
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
        for (name, expression) in expressions(columns, side) {
            match plan_expression(engine, &snapshot, name, expression) {
                Ok(derived) => snapshot.derive(derived),
                Err(error) => mistakes.push(error),
            }
        }
        snapshot
    });
    // with a column amiss, everything that is about it would be, too
    let snapshot = snapshot.filter(|_| mistakes.is_empty());
    Planned { snapshot, mistakes }
}

fn plan_source(engine: &Engine, side: Side, source: &Source, tables: &Tables) -> Result<Snapshot> {
    let stored = Snapshot::open(side, &source.path.text, source.allow_empty || source.query.is_some())?;
    let Some(query) = &source.query else { return Ok(stored) };
    let stored = Arc::new(stored);
    let question = plan_query(engine, &stored, tables, query)?;
    let origin = origin(stored, query, &question);
    Ok(Snapshot::planned(side, question.schema(), origin))
}

/// The columns of a side that are expressions.
fn expressions(columns: &[ColumnSettings], side: Side) -> impl Iterator<Item = (&str, &Setting)> {
    columns
        .iter()
        .filter_map(move |settings| Some((settings.names.first()?.text.as_str(), settings.expressions[side].as_ref()?)))
}

/// A context in which names are taken as they are written, and `100.0` is a decimal and no binary fraction.
fn context(engine: &Engine) -> SessionContext {
    context_with(engine, engine.config())
}

fn context_with(engine: &Engine, config: SessionConfig) -> SessionContext {
    let config = config
        .set_bool("datafusion.sql_parser.enable_ident_normalization", false)
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let state =
        SessionStateBuilder::new_with_default_features().with_config(config).with_runtime_env(engine.environment());
    // before any rule that hides arithmetic in a scan or a join
    let rules = [Arc::new(CheckedArithmetic) as _].into_iter().chain(PhysicalOptimizer::new().rules);
    let rules = rules.chain([Arc::new(ListsOfSortedRows) as _]).collect();
    let analysis = [Arc::new(WideSums) as _].into_iter().chain(Analyzer::new().rules);
    // once all types are settled
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
        Err(reason) => Err(Error::BadExpression { place: text.place.to_string(), side: snapshot.side, reason }),
    }
}

/// Plans an expression that yields one value for each row of a table, the same each time; or says what keeps it from that.
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
    // what cannot be carried out at all fails over no rows, too
    let nothing = RecordBatch::new_empty(Arc::new(table.as_arrow().clone()));
    expression.evaluate(&nothing).map_err(bad)?;
    Ok((expression, field))
}

/// Puts what they stand for in the place of functions that are only names for other expressions, such as `coalesce` and
/// `arrow_cast`. In a query the optimizer does that.
fn resolve_functions(expression: Expr, table: &DFSchema, context: &SessionContext) -> datafusion::error::Result<Expr> {
    let state = context.state();
    let simplify = SimplifyContext::builder()
        .with_schema(Arc::new(table.clone()))
        .with_config_options(state.config_options().clone())
        .build();
    resolved(ExprSimplifier::new(simplify.clone()).coerce(expression, table)?, &simplify)
}

/// The same for an expression whose types are settled.
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

/// Why a part of an expression cannot be evaluated row by row, to the same each time.
fn unfit(part: &Expr) -> Option<&'static str> {
    match part {
        Expr::AggregateFunction(_) => Some("it sums up rows, and a column has one value for each; a query can"),
        Expr::WindowFunction(_) => Some("it looks at other rows; a query can"),
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => Some("it has a subquery; a query can"),
        Expr::ScalarFunction(function) if function.func.signature().volatility != Volatility::Immutable => {
            Some("it yields something else each time that it is evaluated")
        }
        _ => None,
    }
}

/// An expression and all that it is made of.
fn parts(expression: &Expr) -> impl Iterator<Item = &Expr> {
    let mut parts = vec![];
    let _ = expression.apply(|part| {
        parts.push(part);
        Ok(TreeNodeRecursion::Continue)
    });
    parts.into_iter()
}

fn plan_query(engine: &Engine, snapshot: &Arc<Snapshot>, tables: &Tables, query: &Query) -> Result<Question> {
    let mut desk = Catalog::with(engine, tables)?;
    desk.add(SNAPSHOT, snapshot)?;
    desk.plan(&query.sql, &BTreeMap::new(), &place_of(query))
}

fn place_of(query: &Query) -> String {
    match &query.file {
        Some(file) => format!("{}: {}", query.place, file.display()),
        None => query.place.to_string(),
    }
}

/// What a query's result comes from.
fn origin(stored: Arc<Snapshot>, query: &Query, question: &Question) -> QueryOrigin {
    QueryOrigin {
        snapshot: stored,
        query: query.file.clone(),
        made_of: question.made_of(),
        made_of_snapshot: question.made_of_snapshot(),
        lineage: question.lineage(),
    }
}

/// Runs a query and opens its result as the side's snapshot.
fn run_query(engine: &Engine, stored: Snapshot, tables: &Tables, query: &Query, allow_empty: bool) -> Result<Snapshot> {
    let side = stored.side;
    let stored = Arc::new(stored);
    let question = plan_query(engine, &stored, tables, query)?;
    let origin = origin(stored.clone(), query, &question);
    // a backup may be shaped as its side was
    let places = (1..).map(|number| engine.spill_dir().join(format!("query-{side}-{number}.parquet")));
    let place = places.into_iter().find(|place| !place.exists()).unwrap_or_default();
    write_rows(engine, question, &place)?;
    let location = place.display().to_string();
    let mut shaped = Snapshot::open(side, &location, true)?;
    if shaped.rows() == 0 && !allow_empty {
        return Err(Error::EmptyQuery { place: place_of(query), side });
    }
    shaped.location = stored.location.clone();
    shaped.origin = Some(origin);
    Ok(shaped)
}

/// Writes the answer to a question into a Parquet file.
pub(crate) fn write_rows(engine: &Engine, question: Question, place: &Path) -> Result<()> {
    let spilling = |reason: String| Error::Spill { dir: engine.spill_dir(), reason };
    let file = File::create(place).map_err(|error| spilling(error.to_string()))?;
    let properties = working_file_properties();
    engine.progress.begin("querying", 0);
    let asked = question.place().to_string();
    let unwritable = |error: ParquetError| match error {
        ParquetError::External(error) => spilling(error.to_string()),
        // of all kinds of value, only some intervals have no place in a Parquet file
        error => {
            let reason = format!("its result cannot be stored; cast what is an interval to something else ({error})");
            Error::QueryFailed { place: asked.clone(), reason }
        }
    };
    let mut answer = question.stream(engine)?;
    let mut writer = ArrowWriter::try_new(file, answer.schema(), Some(properties)).map_err(unwritable)?;
    while let Some(batch) = answer.next_batch()? {
        engine.progress.advance(batch.num_rows() as u64);
        writer.write(&batch).map_err(unwritable)?;
    }
    writer.close().map_err(unwritable)?;
    Ok(())
}

/// How working files are written: fast to write and to read again.
fn working_file_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build()
}

/// What the engine says of a mistake, without its own words around it.
fn said(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let prefixes = ["SQL error: ", "Schema error: ", "Error during planning: ", "Execution error: ", "Arrow error: "];
    let plain = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
    // its own bugs it asks to be told of, at an address that is not ours
    let plain = plain.split_once(".\nThis issue was likely caused by a bug").map_or(plain, |(own, _)| own);
    // names of tables without those of the places that they would stand in
    let plain = plain.replace("datafusion.public.", "");
    match plain.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")) {
        Some(inner) => inner.into(),
        None => plain,
    }
}

/// A snapshot as a table of SQL: all of its rows, in no promised order.
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
