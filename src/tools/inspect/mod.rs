//! LOOK: what is in a snapshot, before it is compared with anything.
//!
//! Reads footers, the header of the first page of every column chunk and, for a key, the few first keys
//! that the planner looks at too. So it is quick on thousands of files, and what it says of values is
//! what the footers say.

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

/// Everything that can be said of a snapshot without reading its data. Its JSON form is versioned and
/// described by `schemas/inspect.v1.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Inspection {
    /// The version of this form.
    pub schema: String,
    /// The path as given.
    pub path: String,
    /// The one-word answer.
    pub looks: Looks,
    /// What looks broken: a diff would stop at the first of these that it meets.
    pub broken: Vec<InspectFinding>,
    /// What is not broken and good to know.
    pub remarks: Vec<String>,
    /// The rows that the readable footers promise.
    pub rows: u64,
    /// The files.
    pub files: FilesLayout,
    /// Their row groups.
    pub row_groups: RowGroups,
    /// How the files were written.
    pub storage: Storage,
    /// Whether pages carry checksums.
    pub checksums: Checksums,
    /// The order that the files declare.
    pub sorted_by: SortOrder,
    /// The columns of the files, then those of the partition directories.
    pub columns: Vec<InspectedColumn>,
    /// Columns by which the row groups ascend, so that a diff by them could take the ordered way.
    pub key_candidates: Vec<String>,
    /// What a diff by the key that was asked for would do.
    pub key: Option<InspectedKey>,
    /// The program's version.
    pub version: String,
}

/// Whether a snapshot looks as if it could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Looks {
    /// Nothing that was looked at is broken. The data itself was not read.
    Whole,
    /// Something is broken.
    Broken,
}

/// How many of the things that could have something do have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Every one, and there is at least one.
    All,
    /// At least one, and not every one.
    Some,
    /// Not one.
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
    /// Looks at the files under a path, and at how a diff by `key` would go if one is given.
    ///
    /// # Errors
    /// If the path means no files, or the key names a column that is not there. Broken files are findings.
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

/// What a person would want to be told who sees nothing broken.
fn remarks(snapshot: &Snapshot, files: &FilesLayout, checksums: &Checksums, reflection: &Reflection) -> Vec<String> {
    let mut remarks = vec![];
    if snapshot.rows() == 0 && !snapshot.files.is_empty() {
        remarks.push("it has no rows; a diff refuses an empty side unless --allow-empty says that it is right".into());
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
             left out with --ignore {column}"
        ));
    }
    if checksums.unprotected > 0 {
        remarks.push(format!(
            "{} of {} column chunks are neither compressed nor have checksums: a flipped bit there goes unnoticed",
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
