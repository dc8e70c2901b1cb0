//! One column: its type, its size, and the order of its values.

use std::collections::{BTreeMap, BTreeSet};

use parquet::file::metadata::ColumnChunkMetaData;
use serde::{Deserialize, Serialize};

use super::key::Reflection;
use super::layout::{SortOrder, codec};
use super::min_max::{Bound, MinMax};
use super::{LayoutTally, Presence};
use crate::compare::matching::Ranges;
use crate::error::Result;
use crate::snapshot::{Snapshot, type_name};

/// One column of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InspectedColumn {
    /// Its name.
    pub name: String,
    /// Its type as text: one that can represent the values of every file.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it comes from the directory names.
    pub partition: bool,
    /// The number of readable files that have it.
    pub files: u64,
    /// Its types in the files, by number of files; empty if they agree.
    pub file_types: Vec<LayoutTally>,
    /// Its size as stored, in bytes.
    pub compressed_bytes: u64,
    /// Its size before compression, in bytes.
    pub uncompressed_bytes: u64,
    /// The compression of its chunks.
    pub codecs: Vec<String>,
    /// The encodings of its values.
    pub encodings: Vec<String>,
    /// Whether all, some, or none of its chunks have statistics.
    pub statistics: Presence,
    /// The number of NULLs, if the footers contain it for every row group.
    pub nulls: Option<u64>,
    /// The share of NULLs in the rows, from 0 to 1; absent if there are no rows.
    pub null_rate: Option<f64>,
    /// Its smallest value, if the footers contain one for every row group.
    pub min: Option<Bound>,
    /// Its largest value, if the footers contain one for every row group.
    pub max: Option<Bound>,
    /// How the ranges of the row groups are ordered in this column.
    pub ranges: Ranges,
    /// Whether the files declare that they are sorted by it, alone or after other columns.
    pub declared_sorted: bool,
}

impl InspectedColumn {
    /// Whether the row groups ascend in this column, and it is neither constant nor entirely NULL.
    pub fn may_be_key(&self) -> bool {
        let ascends = matches!(self.ranges, Ranges::Ascend | Ranges::Declared);
        let is_constant = self.min.is_some() && self.min == self.max;
        ascends && !is_constant && self.null_rate != Some(1.0)
    }
}

/// Describes every column of a snapshot.
pub(super) fn all(
    snapshot: &Snapshot,
    reflection: &Reflection,
    stored: &[StorageType],
    sorted_by: &SortOrder,
) -> Result<Vec<InspectedColumn>> {
    let describe = |(at, stored): (usize, &StorageType)| {
        let field = snapshot.schema.field(at);
        let pair = reflection.column(field.name());
        let partition = snapshot.is_partition(at);
        let values = MinMax::of(snapshot, at, pair)?;
        let rows = snapshot.rows();
        Ok(InspectedColumn {
            name: field.name().clone(),
            type_name: type_name(field),
            partition,
            files: if partition { snapshot.files.len() as u64 } else { stored.types.values().sum() },
            file_types: stored.differing_types(),
            compressed_bytes: stored.compressed_bytes,
            uncompressed_bytes: stored.uncompressed_bytes,
            codecs: stored.codecs.iter().cloned().collect(),
            encodings: stored.encodings.iter().cloned().collect(),
            statistics: Presence::of(stored.with_statistics, stored.chunks),
            nulls: values.nulls,
            null_rate: values.nulls.filter(|_| rows > 0).map(|nulls| nulls as f64 / rows as f64),
            min: values.min,
            max: values.max,
            ranges: Ranges::of(snapshot, pair)?,
            declared_sorted: sorted_by.names(field.name()),
        })
    };
    stored.iter().enumerate().map(describe).collect()
}

/// The totals of the column chunks of one column.
#[derive(Debug, Default)]
pub(super) struct StorageType {
    compressed_bytes: u64,
    uncompressed_bytes: u64,
    chunks: u64,
    with_statistics: u64,
    codecs: BTreeSet<String>,
    encodings: BTreeSet<String>,
    /// Its types in the files, by number of files.
    types: BTreeMap<String, u64>,
}

impl StorageType {
    /// Adds up the chunks of every column, in one pass over the footers.
    pub(super) fn of(snapshot: &Snapshot) -> Vec<Self> {
        let fields = snapshot.schema.fields().iter().enumerate();
        let indexes: BTreeMap<&str, usize> = fields.map(|(at, field)| (field.name().as_str(), at)).collect();
        let mut all: Vec<StorageType> = indexes.iter().map(|_| StorageType::default()).collect();
        for file in snapshot.files.iter() {
            for field in file.schema.fields() {
                if let Some(&at) = indexes.get(field.name().as_str()) {
                    *all[at].types.entry(type_name(field)).or_default() += 1;
                }
            }
            let parquet = file.metadata.file_metadata().schema_descr();
            let leaves: Vec<Option<usize>> = (0..parquet.num_columns())
                .map(|leaf| indexes.get(parquet.get_column_root(leaf).name()).copied())
                .collect();
            for group in file.metadata.row_groups() {
                for (at, chunk) in leaves.iter().zip(group.columns()) {
                    at.iter().for_each(|&at| all[at].add(chunk));
                }
            }
        }
        all
    }

    fn add(&mut self, chunk: &ColumnChunkMetaData) {
        self.compressed_bytes += chunk.compressed_size().max(0) as u64;
        self.uncompressed_bytes += chunk.uncompressed_size().max(0) as u64;
        self.chunks += 1;
        self.with_statistics += u64::from(chunk.statistics().is_some());
        self.codecs.insert(codec(chunk));
        self.encodings.extend(chunk.encodings().map(|encoding| format!("{encoding:?}").to_lowercase()));
    }

    fn differing_types(&self) -> Vec<LayoutTally> {
        let types = self.types.iter().map(|(name, &count)| LayoutTally { name: name.clone(), count });
        if self.types.len() > 1 { types.collect() } else { vec![] }
    }
}
