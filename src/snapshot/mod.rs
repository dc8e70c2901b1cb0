//! OPEN: resolves a path to a snapshot, which is a list of admitted Parquet files with one schema.
//!
//! Every footer is read before the first row. The run must account for every row that the footers specify (rows per row
//! group).

mod derived;
mod foreign;
mod head;
mod lineage;
mod sieve;
mod table_format;
mod listing;
mod partitions;
mod sizes;
pub(crate) mod types;
mod annotations;
mod bounds;
mod load;
mod file;
mod statistics;
mod diagnose;
mod int96;
mod footer;
mod mixed;
mod agreement;
mod shared;
mod decode;
mod scan;
mod identical;
mod content;

pub(crate) use bounds::{guarded, open_parquet};
pub(crate) use content::{Content, Readable};
pub(crate) use decode::compact;
pub(crate) use footer::DataFile;
pub(crate) use identical::identical_bytes;
pub(crate) use lineage::Lineage;
pub(crate) use listing::would_list;
pub(crate) use scan::{FileRead, Scan};
pub(crate) use sizes::require_room_for_footers;
pub(crate) use statistics::{PageStatistics, Statistics};
pub(crate) use table_format::refuse_path;
pub(crate) use types::type_name;
pub(crate) use types::{LOADED_SHAPES, LOADED_TYPE, Mixed, TAKEN_AT};

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use crate::error::{AdmissionError, Error, Result};
use crate::formats::{Columns, Layout};
use crate::job::{Preset, Source};
use crate::runtime::engine::Engine;
use crate::sides::{Owner, Side};
pub(crate) use agreement::AbsentColumn;
use agreement::{Disagreement, Drift, agree};
use content::Contents;
pub(crate) use derived::{Derived, FieldPath, keeps_nested};
use listing::Listing;
use load::Loading;

/// The export of one table: its admitted files and their common schema. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The side that the snapshot belongs to.
    pub side: Side,
    /// The path as the user gave it.
    pub location: String,
    /// What was listed to find the files; `None` if nothing was listed.
    listed: Option<SourceListing>,
    /// The data files, sorted by name.
    pub files: Arc<[DataFile]>,
    /// Files that were skipped because their names mark them as not data.
    pub skipped: Vec<PathBuf>,
    /// The columns of the files, then the partition columns, then the columns from expressions.
    pub schema: SchemaRef,
    /// Set if the files were written by a query of this run.
    pub origin: Option<QueryOrigin>,
    /// How many columns of the schema are in the files.
    file_columns: usize,
    /// The columns from expressions.
    derived: Vec<Derived>,
    /// Columns whose types differ between the files; an error only if such a column is used.
    flaws: HashMap<String, Disagreement>,
    /// The column with the path of each row, which is not a value of it.
    shard: Option<String>,
    /// Columns that some files lack, where that is allowed.
    absent: Arc<[AbsentColumn]>,
    /// Whether its files are not Parquet and were not loaded yet: it has columns but no rows.
    is_unloaded: bool,
    /// The program that wrote the files, if the job says so.
    preset: Option<Preset>,
    /// What the columns contain, if they were examined.
    contents: Contents,
}

/// The path that was listed, and its role.
#[derive(Debug, Clone)]
struct SourceListing {
    owner: Owner,
    locations: Vec<String>,
}

/// The snapshots that a query read.
#[derive(Debug, Clone)]
pub struct QueryOrigin {
    /// The files of the side itself.
    pub snapshot: Arc<Snapshot>,
    /// The file with the query, if it is not inline.
    pub query: Option<PathBuf>,
    /// The source columns of each column of the result, by name; none for a column without sources.
    pub made_of: HashMap<String, Vec<String>>,
    /// The same, for source columns in the files of the side itself.
    pub made_of_snapshot: HashMap<String, Vec<String>>,
    /// The columns and fields in the files of the side itself that each column of the result has the values of.
    pub(crate) field_reads: HashMap<String, Vec<FieldPath>>,
    /// Which stored rows the rows of the result come from.
    pub lineage: Lineage,
}

impl Snapshot {
    /// Finds the Parquet files of a side, reads every footer, and agrees on one schema.
    pub fn open(side: Side, location: &str) -> Result<Self> {
        Self::open_as(&Owner::Side(side), side, location)
    }

    /// Opens an additional table, in Parquet.
    pub fn open_table(name: &str, location: &str) -> Result<Self> {
        Self::open_as(&Owner::Table(name.into()), Side::Old, location)
    }

    /// The snapshot that a query will produce, before it runs.
    pub fn planned(side: Side, schema: SchemaRef, origin: QueryOrigin) -> Self {
        let file_columns = schema.fields().len();
        let location = origin.snapshot.location.clone();
        let (files, skipped, derived) = (Arc::default(), vec![], vec![]);
        let origin = Some(origin);
        let (listed, flaws) = (None, HashMap::new());
        let (is_unloaded, preset, contents) = (false, None, None);
        Snapshot {
            side,
            location,
            listed,
            files,
            skipped,
            schema,
            origin,
            file_columns,
            derived,
            flaws,
            absent: Arc::default(),
            shard: None,
            is_unloaded,
            preset,
            contents,
        }
    }

    fn open_as(owner: &Owner, side: Side, location: &str) -> Result<Self> {
        let listing = listing::list(owner, location)?;
        let (partition_fields, values) = partitions::columns(owner, &listing.files)?;
        let among = listing.files.len();
        let mut files = Vec::with_capacity(among);
        for (file, values) in listing.files.into_iter().zip(values) {
            files.push(DataFile::admit(file.path, values, among)?);
        }
        let locations = [location.to_string()];
        Ok(Self::assemble(owner, side, &locations, files, listing.skipped, partition_fields, Drift::Refused))
    }

    /// Opens the files of a source. Files that are not Parquet are loaded.
    pub(crate) fn load(engine: &Engine, owner: &Owner, source: &Source) -> Result<Self> {
        Self::of_source(engine, owner, source, &mut |loading, values| loading.load(values).map(Some))
    }

    /// Opens the files of a source without reading rows. If they have to be loaded, the snapshot has the columns that
    /// the beginning of the first file shows, and is [unloaded](Self::is_unloaded).
    pub(crate) fn peek(engine: &Engine, owner: &Owner, source: &Source) -> Result<Self> {
        let mut schema = None;
        let snapshot = Self::of_source(engine, owner, source, &mut |loading, _| {
            if schema.is_none() {
                schema = Some(loading.schema()?);
            }
            Ok(None)
        })?;
        let Some(schema) = schema else { return Ok(snapshot) };
        let partitions = snapshot.schema.fields().iter().skip(snapshot.file_columns);
        let fields = schema.fields().iter().chain(partitions).cloned().collect::<Vec<_>>();
        Ok(Snapshot {
            file_columns: schema.fields().len(),
            schema: Arc::new(Schema::new(fields)),
            is_unloaded: true,
            ..snapshot
        })
    }

    /// Opens the files of a source. `load` turns one that is not Parquet into a data file, or leaves it out.
    fn of_source(
        engine: &Engine,
        owner: &Owner,
        source: &Source,
        load: &mut dyn FnMut(Loading, PartitionValues) -> Result<Option<DataFile>>,
    ) -> Result<Self> {
        let locations: Vec<String> = source.locations().map(String::from).collect();
        let listing = list_all(owner, source, &locations)?;
        let (partition_fields, values) = partitions::columns(owner, &listing.files)?;
        let among = listing.files.len();
        let layouts = listing.files.iter().map(|file| load::layout_of(&file.path, &source.format));
        let layouts = layouts.collect::<Result<Vec<Option<Layout>>>>()?;
        require_one_layout(&listing.files, &layouts)?;
        // a document may lack members that others have, also in other files
        let mut documents = Columns::default();
        for (file, layout) in listing.files.iter().zip(&layouts) {
            if let Some(layout @ Layout::Documents(_)) = layout {
                let loading = Loading::of(engine, &source.format, &file.path, layout.clone())?;
                loading.add_columns(&mut documents)?;
            }
        }
        let mut files = Vec::with_capacity(among);
        for ((file, values), layout) in listing.files.into_iter().zip(values).zip(layouts) {
            match layout {
                None | Some(Layout::Parquet) => files.push(DataFile::admit(file.path, values, among)?),
                Some(layout) => {
                    let loading = Loading::of(engine, &source.format, &file.path, layout)?.with_columns(&documents);
                    files.extend(load(loading, values)?);
                }
            }
        }
        let side = if let Owner::Side(side) = owner { *side } else { Side::Old };
        let drift = if source.union_by_name { Drift::Allowed } else { Drift::Refused };
        let snapshot = Self::assemble(owner, side, &locations, files, listing.skipped, partition_fields, drift);
        require_free_name(source, &snapshot)?;
        Ok(Snapshot { preset: source.format.preset, shard: source.shard.clone(), ..snapshot })
    }

    /// Whether its files have to be loaded before it has rows.
    pub(crate) fn is_unloaded(&self) -> bool {
        self.is_unloaded
    }

    /// The file of a row of a scan of all rows, and its line if the file is text.
    pub(crate) fn line_of(&self, row: u64) -> Option<(&Path, Option<u64>)> {
        let mut first = 0;
        for file in self.files.iter() {
            if row < first + file.rows() {
                let lines = file.loaded.as_ref().and_then(|loaded| loaded.lines.as_ref());
                return Some((&file.path, lines.and_then(|lines| lines.line(row - first))));
            }
            first += file.rows();
        }
        None
    }

    /// Opens what can be opened, as the old side, and returns the reasons why the rest cannot be read: all of them,
    /// where [`Self::open`] stops at the first one. An empty snapshot is not an error here.
    ///
    /// # Errors
    /// If the path matches no files at all.
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
        let (owner, locations) = (Owner::Standalone, [location.to_string()]);
        let skipped = listing.skipped;
        let snapshot = Self::assemble(&owner, Side::Old, &locations, files, skipped, partition_fields, Drift::Refused);
        Ok((snapshot, refused))
    }

    /// Determines the common schema.
    fn assemble(
        owner: &Owner,
        side: Side,
        locations: &[String],
        mut files: Vec<DataFile>,
        skipped: Vec<PathBuf>,
        partition_fields: Vec<FieldRef>,
        drift: Drift,
    ) -> Self {
        if drift == Drift::Allowed {
            agreement::unite_names(&mut files);
        }
        let (fields, mut flaws) = agree(&files, drift);
        let absent = match drift {
            Drift::Allowed => agreement::absent(&fields, &files, &partition_fields, &mut flaws),
            Drift::Refused => vec![],
        };
        let file_columns = fields.len();
        let named = |name: &str| fields.iter().any(|field| field.name() == name);
        let partition_fields: Vec<FieldRef> = partition_fields
            .into_iter()
            // a column in the file takes precedence over the directory name
            .filter(|field| !named(field.name()))
            .collect();
        for file in &mut files {
            file.keep_partitions(&partition_fields);
        }
        let schema = Schema::new(fields.iter().cloned().chain(partition_fields).collect::<Vec<_>>());
        Snapshot {
            side,
            location: locations.join(", "),
            listed: Some(SourceListing { owner: owner.clone(), locations: locations.to_vec() }),
            files: files.into(),
            skipped,
            schema: schema.into(),
            origin: None,
            file_columns,
            derived: vec![],
            flaws,
            absent: absent.into(),
            shard: None,
            is_unloaded: false,
            preset: None,
            contents: None,
        }
    }

    /// Files that were skipped although they contain Parquet data, such as those of a staging directory.
    pub fn unread_data(&self) -> impl Iterator<Item = &Path> {
        let named = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // summary files, which repeat the footers of other files
        let is_summary = move |path: &Path| ["_metadata", "_common_metadata"].contains(&named(path).as_str());
        self.skipped
            .iter()
            .map(PathBuf::as_path)
            .filter(move |path| !is_summary(path) && foreign::begins_as_parquet(path))
    }

    /// The same files as the other side, to compare them with themselves.
    pub fn mirrored(&self) -> Self {
        Snapshot { side: self.side.other(), ..self.clone() }
    }

    /// Whether a column is a partition column.
    pub fn is_partition(&self, column: usize) -> bool {
        (self.file_columns..self.stored_fields().len()).contains(&column)
    }

    /// The column with the path of each row, if it has one.
    pub(crate) fn shard(&self) -> Option<&str> {
        self.shard.as_deref()
    }

    /// Columns that some files lack, and that are NULL in their rows.
    pub(crate) fn absent_columns(&self) -> &[AbsentColumn] {
        &self.input().absent
    }

    /// When its rows were exported, if all of its files were loaded with the same time.
    pub(crate) fn taken_at(&self) -> Option<&str> {
        let mut times = self.files.iter().map(|file| file.schema.metadata().get(TAKEN_AT).map(String::as_str));
        let first = times.next()??;
        times.all(|time| time == Some(first)).then_some(first)
    }

    /// The number of rows according to the footers.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::rows).sum()
    }

    /// The total size of the files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// All row groups: file, index in the file, number of rows.
    pub fn row_groups(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.files.iter().enumerate().flat_map(|(file, data)| {
            let groups = data.metadata.row_groups().iter().enumerate();
            groups.map(move |(group, meta)| (file, group, meta.num_rows() as u64))
        })
    }

    /// Returns the error of a column whose types differ between the files.
    pub fn require_agreement(&self, column: &str) -> Result<()> {
        self.flaws.get(column).map_or(Ok(()), |flaw| Err(flaw.refusal(column)))
    }

    /// The files that the user gave: those of the origin if a query produced this snapshot.
    pub fn input(&self) -> &Snapshot {
        self.origin.as_ref().map_or(self, |origin| &origin.snapshot)
    }

    /// Checks that every file is still the one that was admitted, and that there are no new files.
    ///
    /// # Errors
    /// If a data file was replaced, written to or removed, or if a new one appeared.
    pub fn require_unchanged(&self) -> Result<()> {
        let origin = self.origin.as_ref().map(|origin| origin.snapshot.as_ref());
        [self].into_iter().chain(origin).try_for_each(Self::require_own_unchanged)
    }

    fn require_own_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(DataFile::require_unchanged)?;
        let Some(SourceListing { owner, locations }) = &self.listed else { return Ok(()) };
        let known: HashSet<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        for location in locations {
            let now = listing::list(owner, location)?.files;
            if let Some(new) = now.into_iter().find(|file| !known.contains(file.path.as_path())) {
                return Err(Error::AppearedWhileReading { path: new.path, owner: owner.clone() });
            }
        }
        Ok(())
    }
}

/// Refuses a name for the column of shards that a column of the files has.
fn require_free_name(source: &Source, snapshot: &Snapshot) -> Result<()> {
    let Some(shard) = &source.shard else { return Ok(()) };
    let is_shard = |name: &str| name.to_lowercase() == shard.to_lowercase();
    let fields = snapshot.files.iter().flat_map(|file| file.schema.fields().iter());
    let partitions = snapshot.schema.fields().iter().skip(snapshot.file_columns).filter(|field| is_shard(field.name()));
    if shard.is_empty() {
        return Err(Error::request(&source.path.origin, "`shard` needs the name of a column"));
    }
    match fields.filter(|field| is_shard(field.name())).count() + partitions.count().saturating_sub(1) {
        0 => Ok(()),
        _ => {
            let reason = format!("shard = \"{shard}\" is the name of a column in the files; choose another");
            Err(Error::request(&source.path.origin, reason))
        }
    }
}

/// Lists all paths of a source, with the column that says which one a file is from.
fn list_all(owner: &Owner, source: &Source, locations: &[String]) -> Result<Listing> {
    let mut all = Listing { files: vec![], skipped: vec![] };
    for location in locations {
        let mut found = listing::list(owner, location)?;
        if let Some(shard) = &source.shard {
            for file in &mut found.files {
                file.partitions.push((shard.clone(), Some(location.clone())));
            }
        }
        all.files.extend(found.files);
        all.skipped.extend(found.skipped);
    }
    let mut seen = HashSet::new();
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match all.files.iter().find(|file| !seen.insert(real(&file.path))) {
        Some(file) => {
            let reason = format!("`{}` is in two of the paths, so its rows would count twice", file.path.display());
            Err(Error::request(&source.path.origin, reason))
        }
        None => Ok(all),
    }
}

/// The values of the partition columns for all rows of a file, with the names of the columns.
type PartitionValues = Vec<(String, ScalarValue)>;

/// Refuses files of different formats.
fn require_one_layout(files: &[listing::ListedFile], layouts: &[Option<Layout>]) -> Result<()> {
    let kind = |layout: &Option<Layout>| layout.as_ref().map(std::mem::discriminant);
    let Some(other) = layouts.iter().position(|layout| kind(layout) != kind(&layouts[0])) else { return Ok(()) };
    let [first, other] =
        [0, other].map(|at| (files[at].path.clone(), layouts[at].as_ref().map_or("unknown", Layout::name)));
    Err(AdmissionError::Formats { files: Box::new([first, other]) }.into())
}

/// The absolute form of a path, for uses that must not depend on the working directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(Error::unreadable(path))
}
