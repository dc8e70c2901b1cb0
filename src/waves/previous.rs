//! An earlier cut: its parameters, the check that its files are unchanged, and the assignment of each ID.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use certificate::id_list::ListError;

use super::columns::{UnitColumns, text};
use super::entries::Member;
use super::manifest::{NAME, SCHEMA, WavesManifest};
use super::reading::each_digest;
use super::sorter::{SortedIds, Sorter};
use crate::error::{Error, Result, WavesError};
use crate::id_list::List;
use crate::output::manifest::{FileDigest, of_file};
use crate::regular_file::{self, DOCUMENT_BYTES_MAX};
use crate::runtime::engine::Engine;

pub(crate) struct Previous {
    /// Its parameters and files.
    pub document: WavesManifest,
    pub file: FileDigest,
    dir: PathBuf,
}

/// What members are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchedBy {
    Id,
    Group,
}

/// How a file of an earlier cut records the assignment of its IDs.
enum PreviousFile {
    /// All IDs have this one.
    In(Member),
    /// The last two columns contain it.
    Assigned,
}

impl Previous {
    /// Reads a `waves.json`, and checks every file that it names.
    ///
    /// # Errors
    /// If it is not a valid `waves.json`, or if one of the files has changed.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join(NAME) } else { path.to_path_buf() };
        let wrong = |reason: String| Error::from(ListError::list(&path, reason));
        let content = regular_file::read(&path, DOCUMENT_BYTES_MAX).map_err(Error::unreadable(&path))?;
        let document: serde_json::Value = serde_json::from_slice(&content).map_err(|error| {
            wrong(format!("is not a valid {NAME}: {error}\n  pass the {NAME} of the earlier cut to --previous"))
        })?;
        if document["schema"] != SCHEMA {
            return Err(wrong(format!("is not a {NAME} of this version: its schema is {}", document["schema"])));
        }
        let document: WavesManifest =
            serde_json::from_value(document).map_err(|error| wrong(format!("is not a valid {NAME}: {error}")))?;
        // the waves are iterated over, so a document with an arbitrary number of them must be rejected here
        let shards = u64::from(document.parameters.shards.unwrap_or(1));
        if u64::from(document.waves) * shards != document.files.len() as u64 {
            let (waves, files) = (document.waves, document.files.len());
            return Err(wrong(format!("specifies {waves} waves of {shards} files, but names {files} files")));
        }
        let blake3 = blake3::hash(&content).to_hex().to_string();
        let file = FileDigest { path: path.display().to_string(), bytes: content.len() as u64, blake3 };
        let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let previous = Previous { document, file, dir };
        previous.require_whole()?;
        Ok(previous)
    }

    fn require_whole(&self) -> Result<()> {
        let WavesManifest { files, finished, left_over, .. } = &self.document;
        let files = files.iter().map(|file| (&file.file, &file.blake3));
        let aside = finished.iter().chain(left_over).map(|aside| (&aside.file.path, &aside.file.blake3));
        for (name, blake3) in files.chain(aside) {
            let file = self.dir.join(name);
            let reason = match of_file(&file) {
                Err(error) => format!("cannot be read: {error}"),
                Ok(found) if found.to_hex().as_str() != blake3 => "has changed since it was written".into(),
                Ok(_) => continue,
            };
            return Err(WavesError::PreviousChanged { file, reason }.into());
        }
        Ok(())
    }

    /// The assignments of all IDs, or of all groups, by digest.
    pub(crate) fn members<'a>(
        &self,
        engine: &'a Engine,
        columns: &UnitColumns,
        by: MatchedBy,
    ) -> Result<SortedIds<'a>> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Binary, false),
            Field::new("member", DataType::UInt64, false),
        ]));
        let mut sorter = Sorter::begin(engine, &schema)?;
        let chosen = match by {
            MatchedBy::Id => &self.document.parameters.key,
            MatchedBy::Group => &self.document.parameters.group_by,
        };
        for (name, part) in self.parts() {
            let path = self.dir.join(name);
            if by == MatchedBy::Group && !has_columns(&path, chosen)? {
                continue;
            }
            each_digest("--previous", &path, chosen, columns.seed(), engine, |digests, texts| {
                let members: UInt64Array = match part {
                    PreviousFile::In(member) => vec![member.packed(); digests.len()].into(),
                    PreviousFile::Assigned => assigned(&path, texts, digests.len())?,
                };
                sorter.push(RecordBatch::try_new(schema.clone(), vec![digests, Arc::new(members)])?)
            })?;
        }
        Ok(sorter.finish())
    }

    fn parts(&self) -> impl Iterator<Item = (&str, PreviousFile)> {
        let WavesManifest { files, finished, left_over, .. } = &self.document;
        let waves = files.iter().map(|file| {
            let member = Member { wave: file.wave, shard: file.shard.unwrap_or(1) };
            (file.file.as_str(), PreviousFile::In(member))
        });
        let finished = finished.iter().map(|aside| (aside.file.path.as_str(), PreviousFile::Assigned));
        let left_over = left_over.iter().map(|aside| (aside.file.path.as_str(), PreviousFile::In(Member::LEFT_OVER)));
        waves.chain(finished).chain(left_over)
    }
}

/// Bare lines contain no groups, so only IDs can be looked up in such files.
fn has_columns(path: &Path, columns: &[String]) -> Result<bool> {
    let list = List::open(path, "")?;
    Ok(columns.iter().all(|column| list.columns.contains(column)))
}

/// Reads the last two columns of a file of finished IDs: wave and shard, NULL for no wave.
fn assigned(path: &Path, texts: &[&StringArray], rows: usize) -> Result<UInt64Array> {
    let [.., waves, shards] = texts else {
        let reason = "has no columns for wave and shard".into();
        return Err(WavesError::PreviousChanged { file: path.into(), reason }.into());
    };
    let number = |texts: &StringArray, row| text(texts, row).and_then(|text| text.parse().ok()).unwrap_or(0);
    let member = |row| Member { wave: number(waves, row), shard: number(shards, row) };
    Ok((0..rows).map(|row| Some(member(row).packed())).collect())
}
