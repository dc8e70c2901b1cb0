//! OPEN: a path becomes a snapshot, a list of admitted Parquet files with one schema.
//!
//! Nothing is admitted on trust: every footer is read before the first row is, and what the footers
//! promise (rows per row group) is what the run has to account for.

mod agreement;
mod annotations;
mod bounds;
mod diagnose;
mod decode;
mod derived;
mod file;
mod footer;
mod foreign;
mod head;
mod int96;
mod lineage;
mod listing;
mod mixed;
mod partitions;
mod scan;
mod shared;
mod sieve;
mod sizes;
mod statistics;
mod table_format;
pub(crate) mod types;

pub(crate) use bounds::{guarded, open_parquet};
pub(crate) use decode::compact;
pub(crate) use footer::DataFile;
pub(crate) use lineage::Lineage;
pub(crate) use listing::would_list;
pub(crate) use mixed::Mixed;
pub(crate) use scan::FileRead;
pub(crate) use sizes::require_room_for_footers;
pub(crate) use statistics::Statistics;
pub(crate) use table_format::refuse_path;
pub(crate) use types::type_name;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::sides::{Owner, Side};
use agreement::{Disagreement, agree};
pub(crate) use derived::Derived;

/// One table's export: its files, admitted and described, and the schema that they share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The side it stands on.
    pub side: Side,
    /// The path as the user gave it.
    pub location: String,
    /// What was listed to find the files; none, where nothing was.
    listed: Option<SourceListing>,
    /// The data files, in the order of their names.
    pub files: Arc<[DataFile]>,
    /// Files that were passed over because their names mark them as not data.
    pub skipped: Vec<PathBuf>,
    /// The columns of the files, then those of the partition directories, then those that expressions yield.
    pub schema: SchemaRef,
    /// What a query made this of: files that nobody wrote to be compared.
    pub origin: Option<QueryOrigin>,
    /// How many of the schema's columns stand in the files.
    file_columns: usize,
    /// The columns that expressions yield.
    derived: Vec<Derived>,
    /// Columns on which the files do not agree; an error only if such a column takes part.
    flaws: HashMap<String, Disagreement>,
}

/// What was listed to find files.
#[derive(Debug, Clone)]
struct SourceListing {
    owner: Owner,
    location: String,
}

/// The snapshots that a query read.
#[derive(Debug, Clone)]
pub struct QueryOrigin {
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
    pub fn planned(side: Side, schema: SchemaRef, origin: QueryOrigin) -> Self {
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
        let listing = listing::list(&Owner::Standalone, location)?;
        let among = listing.files.len();
        let mut refused = vec![];
        let (partition_fields, values) =
            partitions::columns(&Owner::Standalone, &listing.files).unwrap_or_else(|error| {
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
        Ok((Self::assemble(&Owner::Standalone, Side::Old, location, files, listing.skipped, partition_fields), refused))
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
            listed: Some(SourceListing { owner: owner.clone(), location: location.into() }),
            files: files.into(),
            skipped,
            schema: schema.into(),
            origin: None,
            file_columns,
            derived: vec![],
            flaws,
        }
    }

    /// Files that were passed over and hold Parquet data all the same, such as those of a staging directory.
    pub fn unread_data(&self) -> impl Iterator<Item = &Path> {
        let named = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // summaries that repeat the footers of other files
        let is_summary = move |path: &Path| ["_metadata", "_common_metadata"].contains(&named(path).as_str());
        self.skipped
            .iter()
            .map(PathBuf::as_path)
            .filter(move |path| !is_summary(path) && foreign::begins_as_parquet(path))
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
        self.flaws.get(column).map_or(Ok(()), |flaw| Err(flaw.refusal(column)))
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
        let Some(SourceListing { owner, location }) = &self.listed else { return Ok(()) };
        let known: HashSet<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        let now = listing::list(owner, location)?.files;
        match now.into_iter().find(|file| !known.contains(file.path.as_path())) {
            None => Ok(()),
            Some(new) => Err(Error::AppearedWhileReading { path: new.path, owner: owner.clone() }),
        }
    }
}

/// The absolute form of a path, for places that outlive the working directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(Error::unreadable(path))
}
