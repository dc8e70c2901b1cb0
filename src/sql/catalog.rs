//! The tables that an SQL query can refer to, and planned queries.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use super::depth::require_shallow;
use super::execute::carry_out;
use super::field_reads::field_reads;
use super::lineage::lineage;
use super::parameters::bind;
use super::private::{shows, tables_columns};
use super::{SNAPSHOT, SnapshotTable, Tables, context, context_with, said};
use crate::error::{Error, RequestError, Result};
use crate::job::Literal;
use crate::runtime::engine::Engine;
use crate::snapshot::{FieldPath, Lineage, Snapshot};

/// Tables by name, and the planner for queries on them.
pub(crate) struct Catalog<'e> {
    pub(super) engine: &'e Engine,
    pub(super) context: SessionContext,
    names: BTreeSet<String>,
}

impl<'e> Catalog<'e> {
    /// Returns a catalog with these tables.
    pub(crate) fn with(engine: &'e Engine, tables: &Tables) -> Result<Self> {
        let mut catalog = Catalog { engine, context: context(engine), names: BTreeSet::new() };
        for (name, table) in tables {
            catalog.add(name, table)?;
        }
        Ok(catalog)
    }

    /// Returns an empty catalog for tables of any size: all joins are sort-merge joins, so that sorts can spill.
    pub(crate) fn spilling(engine: &'e Engine) -> Self {
        let config = engine.config().with_target_partitions(engine.sort_partitions());
        let config = config.set_bool("datafusion.optimizer.prefer_hash_join", false);
        Catalog { engine, context: context_with(engine, config), names: BTreeSet::new() }
    }

    /// Adds a snapshot.
    pub(crate) fn add(&mut self, name: &str, snapshot: &Arc<Snapshot>) -> Result<()> {
        self.register(name, self.provider(snapshot))
    }

    pub(super) fn provider(&self, snapshot: &Arc<Snapshot>) -> Arc<dyn TableProvider> {
        Arc::new(SnapshotTable { snapshot: snapshot.clone(), readers: self.engine.scan_config() })
    }

    /// A query that the DataFrame API has made.
    pub(super) fn own(&self, frame: DataFrame) -> QueryPlan {
        QueryPlan { frame, origin: "[internal]".into() }
    }

    /// Adds a table with rows in memory.
    pub(crate) fn add_rows(&mut self, name: &str, rows: RecordBatch) -> Result<()> {
        let table = datafusion::datasource::MemTable::try_new(rows.schema(), vec![vec![rows]]);
        self.register(name, Arc::new(table.map_err(Error::internal)?))
    }

    /// Adds an empty table whose columns are known before its rows.
    pub(crate) fn add_columns(&mut self, name: &str, columns: SchemaRef) -> Result<()> {
        self.register(name, Arc::new(EmptyTable::new(columns)))
    }

    /// Adds the result of a query as a view.
    pub(crate) fn add_view(&mut self, name: &str, query: QueryPlan) -> Result<()> {
        self.register(name, query.frame.into_view())
    }

    fn register(&mut self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.names.insert(name.into());
        self.context.register_table(TableReference::bare(name), table).map(drop).map_err(Error::internal)
    }

    /// Whether the catalog has a table with this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Plans a query of the sign-off itself.
    pub(crate) fn question(&self, sql: &str) -> Result<QueryPlan> {
        self.plan(sql, &BTreeMap::new(), "[signoff]")
    }

    /// Plans a query, with a value for each of its parameters.
    ///
    /// # Errors
    /// [`BadQuery`](crate::error::RequestError::BadQuery). `origin` is the position of the query in the input of the
    /// user.
    pub(crate) fn plan(&self, sql: &str, values: &BTreeMap<String, Literal>, origin: &str) -> Result<QueryPlan> {
        let bad = |reason: String| self.bad(reason, origin);
        let refused = |error: DataFusionError| self.refused(&error, origin);
        require_shallow(sql).map_err(bad)?;
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let mut statement = state.sql_to_statement(sql, &dialect).map_err(refused)?;
        bind(&mut statement, values).map_err(bad)?;
        let plan = self.engine.reader().block_on(state.statement_to_plan(statement)).map_err(refused)?;
        only_queries().verify_plan(&plan).map_err(refused)?;
        let frame = DataFrame::new(self.context.state(), plan);
        let names: Vec<&String> = frame.schema().fields().iter().map(|field| field.name()).collect();
        match names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
            Some((_, twice)) => {
                Err(bad(format!("its result has column `{twice}` twice; give each a different name with AS")))
            }
            None => Ok(QueryPlan { frame, origin: origin.into() }),
        }
    }

    /// The error for a query that cannot be planned.
    pub(super) fn refused(&self, error: &DataFusionError, origin: &str) -> Error {
        self.bad(said(error), origin)
    }

    fn bad(&self, reason: String, origin: &str) -> Error {
        let shown = |name: &String| match name.as_str() {
            SNAPSHOT => format!("{name} (the side's files)"),
            _ => name.clone(),
        };
        let tables: Vec<String> = self.names.iter().map(shown).collect();
        Error::request(origin, RequestError::BadQuery { reason, tables: tables.join(", ") })
    }
}

/// A query changes nothing.
fn only_queries() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

/// A planned query.
pub(crate) struct QueryPlan {
    pub(super) frame: DataFrame,
    pub(super) origin: String,
}

impl QueryPlan {
    /// The columns of the result.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(self.frame.schema().as_arrow().clone())
    }

    /// The origin of the query, for error messages.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The columns of the result that show private values. `is_private` decides for a table and a column.
    pub(crate) fn shown(&self, is_private: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
        let shown = shows(self.frame.logical_plan(), is_private);
        let fields = self.frame.schema().fields().iter().zip(shown);
        fields.filter(|(_, shown)| *shown).map(|(field, _)| field.name().clone()).collect()
    }

    /// The names of the columns of tables that each column of the result is computed from, by its name.
    pub(crate) fn made_of(&self) -> HashMap<String, Vec<String>> {
        self.made_of_tables(|_| true)
    }

    /// The same, but only columns of the side's own files.
    pub(crate) fn made_of_snapshot(&self) -> HashMap<String, Vec<String>> {
        self.made_of_tables(|table| table == SNAPSHOT)
    }

    fn made_of_tables(&self, is_meant: impl Fn(&str) -> bool) -> HashMap<String, Vec<String>> {
        let plan = self.frame.logical_plan();
        let mut made_of: HashMap<String, Vec<String>> = HashMap::new();
        for read in tables_columns(plan) {
            let shown = shows(plan, &|table, column| is_meant(table) && column == read);
            for (field, _) in self.frame.schema().fields().iter().zip(shown).filter(|(_, shown)| *shown) {
                made_of.entry(field.name().clone()).or_default().push(read.clone());
            }
        }
        made_of
    }

    /// The columns and fields of the side's own files that each column of the result has the values of.
    pub(crate) fn field_reads(&self) -> HashMap<String, Vec<FieldPath>> {
        field_reads(self.frame.logical_plan())
    }

    /// The stored rows that the rows of the result come from.
    pub(crate) fn lineage(&self) -> Lineage {
        lineage(self.frame.logical_plan())
    }

    /// Sorts the result by these columns and then by all others, so that the same rows are always in the same order.
    pub(crate) fn ordered_by(self, first: &[String]) -> Result<Self> {
        let schema = self.schema();
        let has_order = |name: &&String| {
            let field = schema.field_with_name(name);
            field.is_ok_and(|field| !field.data_type().is_nested() && *field.data_type() != DataType::Null)
        };
        let others = schema.fields().iter().map(|field| field.name()).filter(|name| !first.contains(name));
        let order = first.iter().chain(others).filter(has_order);
        let order = order.map(|name| Expr::Column(Column::new_unqualified(name)).sort(true, true)).collect::<Vec<_>>();
        if order.is_empty() {
            return Ok(self);
        }
        // removes the table names that qualify the columns of a join
        let QueryPlan { frame, origin } = self;
        let plain = frame.schema().columns().into_iter().map(|column| {
            let name = column.name.clone();
            Expr::Column(column).alias(name)
        });
        let plain = plain.collect::<Vec<_>>();
        let frame = frame.select(plain).and_then(|frame| frame.sort(order)).map_err(Error::internal)?;
        Ok(QueryPlan { frame, origin })
    }

    /// Runs the query, and passes the result to `take`, batch by batch.
    ///
    /// # Errors
    /// If the query fails on the data, or if `take` fails.
    pub(crate) fn for_each_batch(
        self,
        engine: &Engine,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut rows = self.stream(engine)?;
        while let Some(batch) = rows.next_batch()? {
            take(&batch)?;
        }
        Ok(())
    }

    /// Runs the query. The rows are computed as they are read.
    ///
    /// # Errors
    /// If the query cannot be started.
    pub(crate) fn stream(self, engine: &Engine) -> Result<RowStream<'_>> {
        let QueryPlan { frame, origin } = self;
        match carry_out(engine, frame) {
            Ok(stream) => Ok(RowStream { engine, stream, origin }),
            Err(error) => Err(failed(engine, &origin, error)),
        }
    }
}

/// The result of a query.
pub(crate) struct RowStream<'e> {
    engine: &'e Engine,
    stream: SendableRecordBatchStream,
    origin: String,
}

impl RowStream<'_> {
    /// The actual columns. The common types of the parts of a union are known only now.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.engine.check_stop()?;
        let batch = self.engine.reader().block_on(self.stream.next());
        batch.transpose().map_err(|error| failed(self.engine, &self.origin, error))
    }
}

fn failed(engine: &Engine, origin: &str, error: DataFusionError) -> Error {
    let failed = |error| Error::request(origin, RequestError::QueryFailed(said(&error)));
    Error::of_plan(error, &engine.spill_dir(), failed)
}
