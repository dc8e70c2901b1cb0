//! INSPECT: describes a snapshot before it is compared.
//!
//! Reads the footers, the header of the first page of every column chunk, and, with a key, the few first keys that the
//! planner also reads. So it is fast even for thousands of files, and everything about values comes from the footers.

mod checksums;
mod column;
mod min_max;
mod finding;
mod key;
mod layout;
pub mod text;

pub use checksums::Checksums;
pub use column::InspectedColumn;
pub use finding::InspectFinding;
pub use key::{FirstKeys, InspectedKey};
pub use layout::{FileEntry, FilesLayout, LayoutTally, RowGroups, SortOrder, Storage};
pub use min_max::Bound;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::runtime::options::Limits;
use crate::sides::{Owner, Sides};
use crate::snapshot::{Snapshot, require_room_for_footers};
use column::StorageType;
use key::Reflection;

/// Everything that is known about a snapshot without reading its data. The JSON form is versioned, and is
/// described by `schemas/inspect.v1.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Inspection {
    /// The version of this schema.
    pub schema: String,
    /// The path as given.
    pub path: String,
    /// The result in one word.
    pub looks: Looks,
    /// What looks broken. A diff would stop at the first of these that it reaches.
    pub broken: Vec<InspectFinding>,
    /// Notes on what is not broken.
    pub remarks: Vec<String>,
    /// The number of rows, according to the readable footers.
    pub rows: u64,
    /// The files.
    pub files: FilesLayout,
    /// The row groups of the files.
    pub row_groups: RowGroups,
    /// How the files were written.
    pub storage: Storage,
    /// Whether pages carry checksums.
    pub checksums: Checksums,
    /// The order that the files declare.
    pub sorted_by: SortOrder,
    /// The columns of the files, then those of the partition directories.
    pub columns: Vec<InspectedColumn>,
    /// Columns in which the row groups ascend, so that a diff by them could use a merge join.
    pub key_candidates: Vec<String>,
    /// The prediction of a diff by the requested key.
    pub key: Option<InspectedKey>,
    /// The version of countersign.
    pub version: String,
}

/// Whether a snapshot looks ready to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Looks {
    /// Nothing that was examined is broken. The data itself was not read.
    Whole,
    /// Something is broken.
    Broken,
}

/// How many of several items have a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// All of them, and there is at least one.
    All,
    /// Some of them, but not all.
    Some,
    /// None of them.
    None,
}

impl Presence {
    /// `with` out of `all`.
    pub fn of(with: u64, all: u64) -> Self {
        match with {
            0 => Presence::None,
            with if with == all => Presence::All,
            _ => Presence::Some,
        }
    }
}

impl Inspection {
    /// Examines the files at a path, and predicts a diff by `key` if one is given.
    ///
    /// # Errors
    /// If there are no files at the path, or if a key column does not exist. Broken files are findings.
    pub fn of(path: &str, key: &[String], limits: &Limits, stop: Arc<AtomicBool>) -> Result<Self> {
        require_room_for_footers(limits, [(Owner::Standalone, path)])?;
        let (snapshot, refused) = Snapshot::survey(path)?;
        let refused_files = refused.iter().filter(|error| !matches!(error, Error::PartitionsDisagree { .. })).count();
        let mut broken: Vec<InspectFinding> = refused.iter().map(InspectFinding::of).collect();
        let (checksums, damaged) = checksums::look(&snapshot, &stop)?;
        broken.extend(damaged);
        broken.extend(finding::disagreements(&snapshot));

        let stored = StorageType::of(&snapshot);
        let sides = Sides { new: snapshot.mirrored(), old: snapshot };
        let snapshot = &sides.old;
        let reflection = Reflection::of(&sides, key)?;
        let sorted_by = SortOrder::of(snapshot);
        let columns = column::all(snapshot, &reflection, &stored, &sorted_by)?;
        let (key, damaged) = key::foresee(&sides, &reflection, key, limits, stop)?;
        broken.extend(damaged);
        let files = FilesLayout::of(snapshot, refused_files as u64);
        Ok(Inspection {
            schema: "countersign/inspect/v1".into(),
            path: path.into(),
            looks: if broken.is_empty() { Looks::Whole } else { Looks::Broken },
            broken,
            remarks: remarks(snapshot, &files, &checksums, &reflection),
            rows: snapshot.rows(),
            files,
            row_groups: RowGroups::of(snapshot),
            storage: Storage::of(snapshot),
            checksums,
            sorted_by,
            key_candidates: columns.iter().filter(|column| column.may_be_key()).map(|c| c.name.clone()).collect(),
            columns,
            key,
            version: env!("CARGO_PKG_VERSION").into(),
        })
    }
}

/// Notes that are useful even if nothing is broken.
fn remarks(snapshot: &Snapshot, files: &FilesLayout, checksums: &Checksums, reflection: &Reflection) -> Vec<String> {
    let mut remarks = vec![];
    if snapshot.rows() == 0 && !snapshot.files.is_empty() {
        remarks.push("it has no rows; a diff rejects an empty side unless --allow-empty is set".into());
    } else if let Some(first) = snapshot.files.iter().find(|file| file.rows() == 0) {
        remarks.push(format!(
            "{} of {} files have no rows, first `{}`",
            files.empty,
            files.count,
            first.path.display()
        ));
    }
    for (column, type_name) in reflection.incomparable() {
        remarks.push(format!(
            "column `{column}` is {type_name}, for which equality is not defined: a diff ends unverified unless it is \
             ignored with --ignore {column}"
        ));
    }
    if checksums.unprotected > 0 {
        remarks.push(format!(
            "{} of {} column chunks are neither compressed nor have checksums: a flipped bit goes undetected",
            checksums.unprotected, checksums.pages
        ));
    }
    remarks
}

/// The first few of many names.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 4;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// An inspection as JSON; the form is described by `schemas/inspect.v1.json`.
pub fn json(inspection: &Inspection) -> Result<String> {
    Ok(serde_json::to_string_pretty(inspection).map_err(Error::internal)? + "\n")
}

/// The JSON Schema of an inspection.
pub fn schema() -> Result<String> {
    let schema = schemars::schema_for!(Inspection);
    Ok(serde_json::to_string_pretty(&schema).map_err(Error::internal)? + "\n")
}
