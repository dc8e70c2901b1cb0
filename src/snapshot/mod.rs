//! OPEN: a path becomes a snapshot, a list of admitted Parquet files with one schema.
//!
//! Nothing is admitted on trust: every footer is read before the first row is, and what the footers
//! promise (rows per row group) is what the run has to account for.

mod bounds;
mod damage;
mod decode;
mod derived;
mod file;
mod footer;
mod head;
mod int96;
mod lineage;
mod listing;
mod partitions;
mod scan;
mod sizes;
mod statistics;
pub mod types;

pub use bounds::{guarded, open_parquet};
pub use decode::compact;
pub use footer::DataFile;
pub use lineage::Lineage;
pub use listing::would_list;
pub use scan::{FileRead, Scan};
pub use sizes::require_room_for_footers;
pub use statistics::Statistics;
pub use types::type_name;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::sides::{Owner, Side};
pub use derived::Derived;

/// One table's export: its files, admitted and described, and the schema that they share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The side it stands on.
    pub side: Side,
    /// The path as the user gave it.
    pub location: String,
    /// What was listed to find the files; none, where nothing was.
    listed: Option<Listed>,
    /// The data files, in the order of their names.
    pub files: Arc<[DataFile]>,
    /// Files that were passed over because their names mark them as not data.
    pub skipped: Vec<PathBuf>,
    /// The columns of the files, then those of the partition directories, then those that expressions yield.
    pub schema: SchemaRef,
    /// What a query made this of: files that nobody wrote to be compared.
    pub origin: Option<Origin>,
    /// How many of the schema's columns stand in the files.
    file_columns: usize,
    /// The columns that expressions yield.
    derived: Vec<Derived>,
    /// Columns on which the files do not agree; an error only if such a column takes part.
    flaws: HashMap<String, Flaw>,
}

/// What was listed to find files.
#[derive(Debug, Clone)]
struct Listed {
    owner: Owner,
    location: String,
}

/// The snapshots that a query read.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The side's own files.
    pub snapshot: Arc<Snapshot>,
    /// The query's file, if it stands in one.
    pub query: Option<PathBuf>,
    /// The columns of what it read that each column of its result is made of, by name; none for those that are made of none.
    pub made_of: HashMap<String, Vec<String>>,
    /// The same for columns of the side's own files alone.
    pub made_of_snapshot: HashMap<String, Vec<String>>,
    /// Which stored rows its rows come from.
    pub lineage: Lineage,
}

/// Why a column of a snapshot cannot be read as one column.
#[derive(Debug, Clone)]
enum Flaw {
    /// A file does not have it.
    Lacks { path: PathBuf },
    /// A file holds it as INT96 timestamps that cannot be read exactly.
    Int96 { path: PathBuf, leaf: String },
    /// Two files give it types without a common, lossless one.
    Types { first: PathBuf, first_type: String, other: PathBuf, other_type: String },
}

impl Snapshot {
    /// Finds the files of a side, reads every footer, and agrees on one schema.
    pub fn open(side: Side, location: &str, allow_empty: bool) -> Result<Self> {
        let owner = Owner::Side(side);
        let snapshot = Self::open_as(&owner, side, location)?;
        if snapshot.rows() == 0 && !allow_empty {
            return Err(Error::EmptySide { owner, path: location.into() });
        }
        Ok(snapshot)
    }

    /// Opens a table that is no side of the comparison.
    pub fn open_table(name: &str, location: &str, allow_empty: bool) -> Result<Self> {
        let owner = Owner::Table(name.into());
        let table = Self::open_as(&owner, Side::Old, location)?;
        if table.rows() == 0 && !allow_empty {
            return Err(Error::EmptySide { owner, path: location.into() });
        }
        Ok(table)
    }

    /// What a query will yield, before it does.
    pub fn planned(side: Side, schema: SchemaRef, origin: Origin) -> Self {
        let file_columns = schema.fields().len();
        let location = origin.snapshot.location.clone();
        let (files, skipped, derived) = (Arc::default(), vec![], vec![]);
        let origin = Some(origin);
        let (listed, flaws) = (None, HashMap::new());
        Snapshot { side, location, listed, files, skipped, schema, origin, file_columns, derived, flaws }
    }

    fn open_as(owner: &Owner, side: Side, location: &str) -> Result<Self> {
        let listing = listing::list(owner, location)?;
        let (partition_fields, values) = partitions::columns(owner, &listing.files)?;
        let among = listing.files.len();
        let mut files = Vec::with_capacity(among);
        for (file, values) in listing.files.into_iter().zip(values) {
            files.push(DataFile::admit(file.path, values, among)?);
        }
        Ok(Self::assemble(owner, side, location, files, listing.skipped, partition_fields))
    }

    /// Opens what can be opened, as the old side, and says what keeps the rest from being read: every
    /// refusal, where [`Self::open`] stops at the first. An empty snapshot is none.
    ///
    /// # Errors
    /// If the path means no files at all.
    pub fn survey(location: &str) -> Result<(Self, Vec<Error>)> {
        let listing = listing::list(&Owner::Lone, location)?;
        let among = listing.files.len();
        let mut refused = vec![];
        let (partition_fields, values) = partitions::columns(&Owner::Lone, &listing.files).unwrap_or_else(|error| {
            refused.push(error);
            (vec![], vec![vec![]; among])
        });
        let mut files = Vec::with_capacity(among);
        for (file, values) in listing.files.into_iter().zip(values) {
            match DataFile::admit(file.path, values, among) {
                Ok(file) => files.push(file),
                Err(error) => refused.push(error),
            }
        }
        Ok((Self::assemble(&Owner::Lone, Side::Old, location, files, listing.skipped, partition_fields), refused))
    }

    /// Agrees on one schema.
    fn assemble(
        owner: &Owner,
        side: Side,
        location: &str,
        mut files: Vec<DataFile>,
        skipped: Vec<PathBuf>,
        partition_fields: Vec<FieldRef>,
    ) -> Self {
        let (fields, flaws) = agree(&files);
        let file_columns = fields.len();
        let named = |name: &str| fields.iter().any(|field| field.name() == name);
        let partition_fields: Vec<FieldRef> = partition_fields
            .into_iter()
            // a file's own column wins over the directory's name for it
            .filter(|field| !named(field.name()))
            .collect();
        for file in &mut files {
            file.keep_partitions(&partition_fields);
        }
        let schema = Schema::new(fields.iter().cloned().chain(partition_fields).collect::<Vec<_>>());
        Snapshot {
            side,
            location: location.into(),
            listed: Some(Listed { owner: owner.clone(), location: location.into() }),
            files: files.into(),
            skipped,
            schema: schema.into(),
            origin: None,
            file_columns,
            derived: vec![],
            flaws,
        }
    }

    /// The same files as the other side, to be compared with themselves.
    pub fn mirrored(&self) -> Self {
        Snapshot { side: self.side.other(), ..self.clone() }
    }

    /// Whether a column is read off the directories' names.
    pub fn is_partition(&self, column: usize) -> bool {
        (self.file_columns..self.stored_fields().len()).contains(&column)
    }

    /// How many rows the footers promise.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::rows).sum()
    }

    /// The size of all files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Every row group: file, its number in the file, rows.
    pub fn row_groups(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.files.iter().enumerate().flat_map(|(file, data)| {
            let groups = data.metadata.row_groups().iter().enumerate();
            groups.map(move |(group, meta)| (file, group, meta.num_rows() as u64))
        })
    }

    /// Refuses a column on which the files of this side do not agree.
    pub fn require_agreement(&self, column: &str) -> Result<()> {
        match self.flaws.get(column) {
            None => Ok(()),
            Some(Flaw::Lacks { path }) => Err(Error::FileLacksColumn { column: column.into(), path: path.clone() }),
            Some(Flaw::Int96 { path, leaf }) => {
                Err(Error::Int96OutOfRange { path: path.clone(), column: leaf.clone() })
            }
            Some(Flaw::Types { first, first_type, other, other_type }) => Err(Error::FilesDisagree {
                column: column.into(),
                first: first.clone(),
                first_type: first_type.clone(),
                other: other.clone(),
                other_type: other_type.clone(),
            }),
        }
    }

    /// The files that the user named: those of the origin, if a query shaped this.
    pub fn input(&self) -> &Snapshot {
        self.origin.as_ref().map_or(self, |origin| &origin.snapshot)
    }

    /// Makes sure that every file is the one that was admitted, and that there is no other one now.
    ///
    /// # Errors
    /// If a data file was replaced, written to or removed, or if a new one appeared.
    pub fn require_unchanged(&self) -> Result<()> {
        let origin = self.origin.as_ref().map(|origin| origin.snapshot.as_ref());
        [self].into_iter().chain(origin).try_for_each(Self::require_own_unchanged)
    }

    fn require_own_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(DataFile::require_unchanged)?;
        let Some(Listed { owner, location }) = &self.listed else { return Ok(()) };
        let known: HashSet<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        let now = listing::list(owner, location)?.files;
        match now.into_iter().find(|file| !known.contains(file.path.as_path())) {
            None => Ok(()),
            Some(new) => Err(Error::AppearedWhileReading { path: new.path, owner: owner.clone() }),
        }
    }
}

/// The columns of all files, each with a type that holds every file's values without loss.
fn agree(files: &[DataFile]) -> (Vec<FieldRef>, HashMap<String, Flaw>) {
    let mut fields: Vec<FieldRef> = vec![];
    let mut home: HashMap<String, (usize, usize)> = HashMap::new();
    let mut flaws = HashMap::new();
    for (number, file) in files.iter().enumerate() {
        for field in file.schema.fields() {
            let Some(&(at, first)) = home.get(field.name()) else {
                home.insert(field.name().clone(), (fields.len(), number));
                fields.push(types::plain_field(field));
                if number > 0 {
                    flaws.insert(field.name().clone(), Flaw::Lacks { path: files[0].path.clone() });
                }
                continue;
            };
            match types::widen_field(&fields[at], field) {
                Some(wider) => fields[at] = wider.into(),
                None => {
                    flaws.entry(field.name().clone()).or_insert_with(|| Flaw::Types {
                        first: files[first].path.clone(),
                        first_type: type_name(&fields[at]),
                        other: file.path.clone(),
                        other_type: type_name(field),
                    });
                }
            }
        }
        for (column, leaf) in &file.inexact {
            let int96 = Flaw::Int96 { path: file.path.clone(), leaf: leaf.clone() };
            flaws.entry(column.clone()).or_insert(int96);
        }
        for field in &fields {
            if file.schema.column_with_name(field.name()).is_none() {
                let lacks = Flaw::Lacks { path: file.path.clone() };
                flaws.entry(field.name().clone()).or_insert(lacks);
            }
        }
    }
    let nullable = |field: FieldRef| -> FieldRef { Field::clone(&field).with_nullable(true).into() };
    (fields.into_iter().map(nullable).collect(), flaws)
}

/// The absolute form of a path, for places that outlive the working directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(Error::unreadable(path))
}
