//! `waves.json`: how the lists were cut, and the result, for workers and for later cuts. It is written last, so a
//! directory that contains it is complete.

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::error::{Error, Result};
use crate::output::manifest::FileDigest;

pub(crate) const NAME: &str = "waves.json";
/// The version of its schema.
pub(crate) const SCHEMA: &str = "countersign/waves/v1";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WavesManifest {
    pub schema: String,
    /// The version of countersign.
    pub version: String,
    pub lists: Vec<WavesInput>,
    /// The lists of finished IDs.
    #[serde(default)]
    pub done: Vec<WavesInput>,
    /// The previous cut, whose assignments were kept.
    pub previous: Option<FileDigest>,
    /// The parameters of the cut.
    pub parameters: Parameters,
    /// The counts of the whole list.
    pub totals: Totals,
    /// The source of the rows, with `--rows`.
    pub rows: Option<RowsNote>,
    pub waves: u32,
    /// Every file of IDs, in order.
    pub files: Vec<WaveFile>,
    /// The finished IDs, with their waves.
    pub finished: Option<AsideFile>,
    /// The IDs that are in no wave.
    pub left_over: Option<AsideFile>,
}

/// A list that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WavesInput {
    /// The file, its size and its digest.
    #[serde(flatten)]
    pub file: FileDigest,
    /// The number of IDs in the file.
    pub ids: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// IDs that take part: in waves, finished or left over.
    pub ids: u64,
    /// Their groups, if they were grouped.
    pub groups: Option<u64>,
    /// Their weight.
    pub weight: u64,
    /// IDs that a condition has left out.
    pub excluded: u64,
    /// IDs that are finished.
    pub finished: u64,
    /// Finished IDs that the list does not have.
    pub finished_unknown: u64,
    /// IDs that are in no wave, and not finished.
    pub left_over: u64,
    /// IDs of the previous cut that are no longer in the list.
    pub gone: u64,
    /// IDs that the previous cut did not have.
    pub added: u64,
}

/// A file of IDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaveFile {
    /// Its path, relative to the directory.
    pub file: String,
    /// Its wave, from 1.
    pub wave: u32,
    /// Its shard, from 1.
    pub shard: Option<u32>,
    /// The number of IDs in the file.
    pub ids: u64,
    /// The number of finished IDs of its wave and shard, which are not in the file.
    pub finished: u64,
    /// The number of groups in the file, if IDs are grouped.
    pub groups: Option<u64>,
    /// The weight of its IDs.
    pub weight: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its BLAKE3 digest.
    pub blake3: String,
    /// The number of its first ID in cut order, from 1.
    pub first: Option<u64>,
    /// The number of its last ID in that order.
    pub last: Option<u64>,
    /// The rows of its IDs, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<FileDigest>,
}

/// IDs that are in no file of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AsideFile {
    /// The file, its size and its digest.
    #[serde(flatten)]
    pub file: FileDigest,
    /// The number of IDs in the file.
    pub ids: u64,
}

/// The source of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowsNote {
    /// The run directory.
    pub run: String,
    /// The run's id.
    pub id: String,
    /// The side of the rows: `old` to backfill, `new` to roll back.
    pub side: String,
    /// Columns that the run did not compare, so the rows do not contain them.
    pub columns_not_included: Vec<String>,
}

impl WavesManifest {
    /// Checks that no ID was lost or written twice.
    ///
    /// # Errors
    /// [`Error::Internal`] if one was. Then the cut must not be published.
    pub(crate) fn conserve(&self, units: u64, units_written: u64) -> Result<()> {
        let Totals { ids, finished, left_over, .. } = self.totals;
        let in_waves: u64 = self.files.iter().map(|file| file.ids).sum();
        match in_waves + finished + left_over == ids && units == units_written {
            true => Ok(()),
            false => Err(Error::Internal(format!(
                "of {ids} IDs in {units} units, {in_waves} are in waves, {finished} finished and {left_over} left over, \
                 in {units_written} units"
            ))),
        }
    }
}
