//! Columns that are not stored but computed by an expression for each row.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal, TryCastExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::Snapshot;
use crate::job::Setting;

/// A column that an expression computes.
#[derive(Debug, Clone)]
pub struct Derived {
    /// The name of the column in reports.
    pub column: String,
    /// The expression as the user wrote it, and its position.
    pub text: Setting,
    /// The planned expression over the stored columns.
    pub expression: Arc<dyn PhysicalExpr>,
    /// The field of the result.
    pub field: Field,
}

/// A field of a struct, by the names that a side has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    /// The column.
    pub column: String,
    /// The fields on the way, outermost first. Items of lists have no name of their own.
    pub fields: Vec<String>,
}

impl FieldPath {
    /// The path of a whole column.
    pub(crate) fn whole(column: &str) -> Self {
        FieldPath { column: column.into(), fields: vec![] }
    }

    /// The path of a field inside.
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.fields.push(field.into());
        self
    }

    /// The paths of all values that are not structs, inside a column.
    pub(crate) fn leaves(column: &Field) -> Vec<FieldPath> {
        fn add(path: FieldPath, data_type: &DataType, leaves: &mut Vec<FieldPath>) {
            match data_type {
                DataType::Struct(fields) => {
                    fields.iter().for_each(|field| add(path.clone().within(field.name()), field.data_type(), leaves));
                }
                DataType::List(item)
                | DataType::LargeList(item)
                | DataType::ListView(item)
                | DataType::LargeListView(item)
                | DataType::FixedSizeList(item, _) => add(path, item.data_type(), leaves),
                _ => leaves.push(path),
            }
        }
        let mut leaves = vec![];
        add(FieldPath::whole(column.name()), column.data_type(), &mut leaves);
        leaves
    }

    /// Whether this is `other`, or contains it.
    pub(crate) fn contains(&self, other: &FieldPath) -> bool {
        self.column == other.column && other.fields.starts_with(&self.fields)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.column)?;
        self.fields.iter().try_for_each(|field| write!(f, ".{field}"))
    }
}

/// Whether the result of a function has everything that is in a list, struct or map that it is given.
pub(crate) fn keeps_nested(function: &str) -> bool {
    const WHOLE: [&str; 9] = [
        "coalesce",
        "nvl",
        "arrow_cast",
        "named_struct",
        "struct",
        "make_array",
        "array_concat",
        "array_sort",
        "array_to_string",
    ];
    WHOLE.contains(&function)
}

/// The columns and fields that an expression reads. Nothing is claimed in doubt: one item of a list is not the list.
fn paths_read(expression: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Vec<FieldPath> {
    if let Some(column) = expression.downcast_ref::<Column>() {
        return vec![FieldPath::whole(column.name())];
    }
    let children = expression.children();
    let function = expression.downcast_ref::<ScalarFunctionExpr>().map(ScalarFunctionExpr::name);
    if let (Some("get_field"), [of, names @ ..]) = (function, children.as_slice()) {
        let name = |name: &&Arc<dyn PhysicalExpr>| match name.downcast_ref::<Literal>()?.value() {
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => Some(text.clone()),
            _ => None,
        };
        let Some(names) = names.iter().map(name).collect::<Option<Vec<String>>>() else { return vec![] };
        let paths = paths_read(of, schema).into_iter();
        return paths.map(|path| names.iter().fold(path, |path, name| path.within(name))).collect();
    }
    let is_cast = expression.is::<CastExpr>() || expression.is::<TryCastExpr>();
    let keeps = |part: &&&Arc<dyn PhysicalExpr>| {
        is_cast
            || function.is_some_and(keeps_nested)
            || !part.data_type(schema).is_ok_and(|data_type| data_type.is_nested())
    };
    children.iter().filter(keeps).flat_map(|part| paths_read(part, schema)).collect()
}

impl Snapshot {
    /// The field of a struct at a path such as `address.geo.lat`; `None` if there is a column of that name, or no such
    /// field.
    pub(crate) fn field_path(&self, path: &str) -> Option<FieldPath> {
        let columns = || self.stored_fields().iter().map(|field| field.as_ref());
        if named(columns(), path).is_some() {
            return None;
        }
        path.match_indices('.').find_map(|(dot, _)| {
            let column = named(columns(), &path[..dot])?;
            let (mut field, mut fields) = (column, vec![]);
            for name in path[dot + 1..].split('.') {
                let DataType::Struct(inner) = field.data_type() else { return None };
                field = named(inner.iter().map(|field| field.as_ref()), name)?;
                fields.push(field.name().clone());
            }
            Some(FieldPath { column: column.name().clone(), fields })
        })
    }

    /// Whether a field of a struct is also a column of its own.
    pub(crate) fn has_field_column(&self, path: &str) -> bool {
        self.schema.column_with_name(&self.derived_name(path)).is_some()
    }

    /// Adds a column that an expression computes.
    pub fn derive(&mut self, derived: Derived) {
        let field = derived.field.clone().with_name(self.derived_name(&derived.column)).with_nullable(true);
        let fields = self.schema.fields().iter().cloned().chain([FieldRef::from(field)]);
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.derived.push(derived);
    }

    /// The columns of the files and the partition columns.
    pub fn stored_fields(&self) -> &[FieldRef] {
        &self.schema.fields()[..self.schema.fields().len() - self.derived.len()]
    }

    /// The expressions as the user wrote them, each after its position.
    pub fn expressions(&self) -> Vec<String> {
        self.derived.iter().map(|Derived { text, .. }| format!("{}: {}", text.origin, text.text)).collect()
    }

    /// The name in the schema for the expression column of a pair.
    pub fn derived_name(&self, column: &str) -> String {
        // a stored column may have the name of the pair
        format!("{column} ({}_expr)", self.side)
    }

    /// The expression columns, by their names in reports.
    pub fn derived_columns(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.derived.iter().map(|derived| (derived.column.as_str(), &derived.field))
    }

    /// Whether a name in the schema is that of an expression column.
    pub fn derives(&self, name: &str) -> bool {
        self.derived.iter().any(|derived| self.derived_name(&derived.column) == name)
    }

    /// The stored columns behind a column of the schema: the column itself if it is stored. For the result of a query,
    /// these are the columns that the query read.
    pub fn made_of(&self, column: usize) -> Vec<String> {
        let stored = self.reads(column);
        let Some(origin) = &self.origin else { return stored };
        let read = |name: &String| origin.made_of.get(name).cloned().unwrap_or_else(|| vec![name.clone()]);
        stored.iter().flat_map(read).collect()
    }

    /// The columns that a column of the schema reads: itself, or those in its expression.
    pub fn reads(&self, column: usize) -> Vec<String> {
        match column.checked_sub(self.stored_fields().len()) {
            None => vec![self.schema.field(column).name().clone()],
            Some(derived) => {
                let read = collect_columns(&self.derived[derived].expression);
                read.iter().map(|column| column.name().to_string()).collect()
            }
        }
    }

    /// The columns that a column of the schema reads, as [`Self::reads`], and the fields where it reads no more.
    pub(crate) fn field_reads(&self, column: usize) -> Vec<FieldPath> {
        match column.checked_sub(self.stored_fields().len()) {
            None => vec![FieldPath::whole(self.schema.field(column).name())],
            Some(derived) => paths_read(&self.derived[derived].expression, &self.schema),
        }
    }

    /// Whether an expression reads a stored column.
    pub fn takes_up(&self, stored: &str) -> bool {
        self.derived
            .iter()
            .any(|derived| collect_columns(&derived.expression).iter().any(|column| column.name() == stored))
    }

    /// The stored columns that a scan of `columns` must read.
    pub(super) fn inputs(&self, columns: &[usize]) -> Vec<usize> {
        let stored = self.stored_fields().len();
        let mut inputs: Vec<usize> = columns.iter().copied().filter(|&at| at < stored).collect();
        for at in columns.iter().filter(|&&at| at >= stored) {
            let read = collect_columns(&self.derived[at - stored].expression);
            inputs.extend(read.iter().filter_map(|column| self.schema.index_of(column.name()).ok()));
        }
        // an expression without columns still needs the number of rows
        if inputs.is_empty() {
            inputs.push(0);
        }
        let mut seen = vec![];
        inputs.retain(|at| {
            !seen.contains(at) && {
                seen.push(*at);
                true
            }
        });
        inputs
    }
}

/// The field of a name, or the only one that differs from it in capitals.
fn named<'a>(fields: impl Iterator<Item = &'a Field> + Clone, name: &str) -> Option<&'a Field> {
    let mut folded = fields.clone().filter(|field| field.name().to_lowercase() == name.to_lowercase());
    match (fields.clone().find(|field| field.name() == name), folded.next(), folded.next()) {
        (Some(exact), ..) => Some(exact),
        (None, Some(only), None) => Some(only),
        _ => None,
    }
}
