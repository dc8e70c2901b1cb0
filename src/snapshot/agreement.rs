//! Determines one type per column that represents the values of all files of a side without loss.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::DataFile;
use super::mixed::is_known_to_fit;
use super::types::Mixed;
use super::types::{self, type_name};
use crate::error::Error;

/// Why the files of a side do not agree on a column.
#[derive(Debug, Clone)]
pub(super) enum Disagreement {
    /// A file does not have the column.
    Lacks { path: PathBuf },
    /// A file has it as INT96 timestamps that cannot be read exactly.
    Int96 { path: PathBuf, leaf: String },
    /// The types in two files have no common type without loss.
    Types { first: PathBuf, first_type: String, other: PathBuf, other_type: String },
}

impl Disagreement {
    /// The error if the column is used.
    pub(super) fn refusal(&self, column: &str) -> Error {
        let column = column.to_string();
        match self.clone() {
            Disagreement::Lacks { path } => Error::FileLacksColumn { column, path },
            Disagreement::Int96 { path, leaf } => Error::Int96OutOfRange { path, column: leaf },
            Disagreement::Types { first, first_type, other, other_type } => {
                Error::FilesDisagree { column, first, first_type, other, other_type }
            }
        }
    }
}

/// A column that some files lack.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct AbsentColumn {
    /// The name of the column.
    pub column: String,
    /// The number of files without it.
    pub files: usize,
    /// The number of their rows, in which it is NULL.
    pub rows: u64,
    /// One of the files.
    pub example: String,
}

/// Whether the files of a side may lack columns of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drift {
    Allowed,
    Refused,
}

/// Gives columns whose names differ in capitals only the name that the first file has for them. Names that differ in
/// capitals within a file are different columns, in all files.
pub(super) fn unite_names(files: &mut [DataFile]) {
    let folded = |file: &DataFile| -> Vec<String> {
        file.schema.fields().iter().map(|field| field.name().to_lowercase()).collect()
    };
    let mut ambiguous: HashSet<String> = HashSet::new();
    for file in files.iter() {
        let mut seen = HashSet::new();
        ambiguous.extend(folded(file).into_iter().filter(|name| !seen.insert(name.clone())));
    }
    let mut known: HashMap<String, String> = HashMap::new();
    for file in files {
        let united = file.schema.fields().iter().map(|field| {
            let name = field.name().to_lowercase();
            match ambiguous.contains(&name) {
                true => Field::clone(field),
                false => {
                    Field::clone(field).with_name(known.entry(name).or_insert_with(|| field.name().clone()).clone())
                }
            }
        });
        let fields: Vec<Field> = united.collect();
        file.schema = Arc::new(Schema::new_with_metadata(fields, file.schema.metadata().clone()));
    }
}

/// The columns that some files lack. A column that is also a partition has no value in these files, and is a flaw.
pub(super) fn absent(
    fields: &[FieldRef],
    files: &[DataFile],
    partitions: &[FieldRef],
    flaws: &mut HashMap<String, Disagreement>,
) -> Vec<AbsentColumn> {
    let mut absent = vec![];
    for field in fields {
        let column = field.name();
        let without: Vec<&DataFile> =
            files.iter().filter(|file| file.schema.column_with_name(column).is_none()).collect();
        let Some(first) = without.first() else { continue };
        if partitions.iter().any(|partition| partition.name() == column) {
            flaws.entry(column.clone()).or_insert_with(|| Disagreement::Lacks { path: first.path.clone() });
            continue;
        }
        absent.push(AbsentColumn {
            column: column.clone(),
            files: without.len(),
            rows: without.iter().map(|file| file.rows()).sum(),
            example: first.path.display().to_string(),
        });
    }
    absent
}

/// A column, merged over the files so far.
struct ColumnInFiles {
    field: Field,
    /// The first file with the column.
    first: usize,
    /// The distinct types in the files.
    types: Vec<DataType>,
    flaw: Option<Disagreement>,
}

/// Merges the columns of all files; also returns those on which the files do not agree.
pub(super) fn agree(files: &[DataFile], drift: Drift) -> (Vec<FieldRef>, HashMap<String, Disagreement>) {
    let mut columns: Vec<ColumnInFiles> = vec![];
    let mut indices: HashMap<String, usize> = HashMap::new();
    for (number, file) in files.iter().enumerate() {
        for field in file.schema.fields() {
            match indices.get(field.name()) {
                Some(&at) => columns[at].take_up(field, files, number),
                None => {
                    indices.insert(field.name().clone(), columns.len());
                    let lacks = || Disagreement::Lacks { path: files[0].path.clone() };
                    columns.push(ColumnInFiles {
                        field: types::nullable_inside(&types::plain_field(field)),
                        first: number,
                        types: vec![field.data_type().clone()],
                        flaw: (number > 0 && drift == Drift::Refused).then(lacks),
                    });
                }
            }
        }
        for (column, leaf) in &file.inexact {
            if let Some(&at) = indices.get(column) {
                let int96 = || Disagreement::Int96 { path: file.path.clone(), leaf: leaf.clone() };
                columns[at].flaw.get_or_insert_with(int96);
            }
        }
        for column in columns.iter_mut().filter(|_| drift == Drift::Refused) {
            if file.schema.column_with_name(column.field.name()).is_none() {
                column.flaw.get_or_insert_with(|| Disagreement::Lacks { path: file.path.clone() });
            }
        }
    }
    for column in &mut columns {
        column.settle(files);
    }
    let flaws = columns.iter_mut().filter_map(|column| Some((column.field.name().clone(), column.flaw.take()?)));
    let flaws = flaws.collect();
    (columns.into_iter().map(|column| column.field.with_nullable(true).into()).collect(), flaws)
}

impl ColumnInFiles {
    /// Widens the column for the values of one more file.
    fn take_up(&mut self, field: &Field, files: &[DataFile], number: usize) {
        if !self.types.contains(field.data_type()) {
            self.types.push(field.data_type().clone());
        }
        let mixed = || {
            let numbers = self.types.iter().map(|own| Mixed::joining(own, field.data_type()));
            let mixed = numbers.collect::<Option<Vec<Mixed>>>()?;
            mixed.first().map(|mixed| mixed.field(self.field.name(), &self.types))
        };
        let wider = match Mixed::of(&self.field) {
            None => types::widen_field(&self.field, field),
            Some(_) => None,
        };
        match wider.or_else(mixed) {
            Some(wider) => self.field = wider,
            None => {
                self.flaw.get_or_insert_with(|| Disagreement::Types {
                    first: files[self.first].path.clone(),
                    first_type: type_name(&self.field),
                    other: files[number].path.clone(),
                    other_type: type_name(field),
                });
            }
        }
    }

    /// Stores the values as text if the common type may not represent all of them.
    fn settle(&mut self, files: &[DataFile]) {
        if self.types.len() == 1 || self.flaw.is_some() || Mixed::of(&self.field).is_some() {
            return;
        }
        let target = self.field.data_type();
        let is_narrow = |file: &DataFile| {
            let own = file.schema.field_with_name(self.field.name());
            own.is_ok_and(|own| !is_known_to_fit(file, own, target))
        };
        if let Some(mixed) = Mixed::joining(target, target)
            && files.iter().any(is_narrow)
        {
            self.field = mixed.field(self.field.name(), &self.types);
        }
    }
}
