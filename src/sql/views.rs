//! Tables under our own column names. Which columns a table has depends on the job, so the DataFrame API makes the lists of
//! columns, and the queries over these views stay static files in `queries/`.

use std::sync::Arc;

use arrow::datatypes::Fields;
use datafusion::common::{Column, JoinType, TableReference, ToDFSchema};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result as DataFusionResult;
use datafusion::functions::core::get_field;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, Operator, binary_expr, lit};

use super::{Catalog, QueryPlan};
use crate::error::{Error, Result};
use crate::snapshot::Snapshot;

/// A column by its name as it is, without parsing it as SQL.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// A field of a column of structs.
pub(crate) fn field(of: &str, name: &str) -> Expr {
    get_field().call(vec![column(of), lit(name)])
}

/// Equality under which NULL equals NULL.
pub(crate) fn same(left: Expr, right: Expr) -> Expr {
    binary_expr(left, Operator::IsNotDistinctFrom, right)
}

/// The names of a list of columns: `g0`, `g1`, …
pub(crate) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}{at}")).collect()
}

impl Catalog<'_> {
    /// A query that reads these expressions of a table.
    pub(crate) fn project(&self, table: &Arc<Snapshot>, columns: Vec<Expr>) -> Result<QueryPlan> {
        let frame = self.context.read_table(self.provider(table)).and_then(|frame| frame.select(columns));
        Ok(self.own(frame.map_err(Error::internal)?))
    }

    /// A query that reads these expressions of a table that the user has named.
    ///
    /// # Errors
    /// [`BadQuery`](crate::error::RequestError::BadQuery) at `origin` if the table or a column is missing.
    pub(crate) fn select(&self, table: &str, columns: Vec<Expr>, origin: &str) -> Result<QueryPlan> {
        let frame = self.engine.reader().block_on(self.context.table(TableReference::bare(table)));
        let frame = frame.and_then(|frame| frame.select(columns)).map_err(|error| self.refused(&error, origin))?;
        Ok(QueryPlan { frame, origin: origin.into() })
    }

    /// Adds a view of these expressions of a table.
    pub(crate) fn add_projection(&mut self, name: &str, table: &Arc<Snapshot>, columns: Vec<Expr>) -> Result<()> {
        let rows = self.project(table, columns)?;
        self.add_view(name, rows)
    }

    /// Adds a table without rows. The optimizer removes joins with it, as if the query did not have them.
    pub(crate) fn add_empty(&mut self, name: &str, columns: Fields) -> Result<()> {
        let schema = arrow::datatypes::Schema::new(columns).to_dfschema_ref().map_err(Error::internal)?;
        let plan = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema });
        let rows = self.own(DataFrame::new(self.context.state(), plan));
        self.add_view(name, rows)
    }
}

impl QueryPlan {
    /// The rows in the order of these columns, as `ORDER BY` has them: ascending, NULL last.
    pub(crate) fn sorted_by(self, columns: &[String]) -> Result<Self> {
        let order = columns.iter().map(|name| column(name).sort(true, false)).collect();
        self.map(|frame| frame.sort(order))
    }

    /// The same columns under these names.
    pub(crate) fn renamed(self, names: impl IntoIterator<Item = String>) -> Result<Self> {
        let columns = self.frame.schema().columns().into_iter().zip(names);
        let columns: Vec<Expr> = columns.map(|(column, name)| Expr::Column(column).alias(name)).collect();
        self.map(|frame| frame.select(columns))
    }

    /// These expressions of its rows.
    pub(crate) fn select(self, columns: Vec<Expr>) -> Result<Self> {
        self.map(|frame| frame.select(columns))
    }

    /// The rows for which a condition is true.
    pub(crate) fn filter(self, condition: Expr) -> Result<Self> {
        self.map(|frame| frame.filter(condition))
    }

    /// The rows of both, by the order of their columns.
    pub(crate) fn union(self, other: Self) -> Result<Self> {
        self.map(|frame| frame.union(other.frame))
    }

    /// The pairs of rows that meet all conditions. No two columns may have the same name.
    pub(crate) fn join(self, other: Self, on: Vec<Expr>) -> Result<Self> {
        self.map(|frame| frame.join_on(other.frame, JoinType::Inner, on))
    }

    fn map(self, change: impl FnOnce(DataFrame) -> DataFusionResult<DataFrame>) -> Result<Self> {
        let QueryPlan { frame, origin } = self;
        Ok(QueryPlan { frame: change(frame).map_err(Error::internal)?, origin })
    }
}
