//! `waves.json`: how the lists were cut and what came of it, for workers and for later cuts. Written last, so that a
//! directory that has one is whole.

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::error::{Error, Result};
use crate::output::manifest::FileDigest;

/// The file's name.
pub(crate) const NAME: &str = "waves.json";
/// The version of its form.
pub(crate) const SCHEMA: &str = "countersign/waves/v1";

/// A cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WavesManifest {
    /// The version of this form.
    pub schema: String,
    /// The version of countersign.
    pub version: String,
    /// The lists that were cut.
    pub lists: Vec<WavesInput>,
    /// The lists of finished IDs.
    #[serde(default)]
    pub done: Vec<WavesInput>,
    /// The cut before, whose membership was kept.
    pub previous: Option<FileDigest>,
    /// How it was cut.
    pub parameters: Parameters,
    /// The whole list in numbers.
    pub totals: Totals,
    /// Where rows come from, if they were asked for.
    pub rows: Option<RowsNote>,
    /// How many waves there are.
    pub waves: u32,
    /// Every file of IDs, in order.
    pub files: Vec<WaveFile>,
    /// The finished IDs, with their waves.
    pub finished: Option<AsideFile>,
    /// The IDs of no wave.
    pub left_over: Option<AsideFile>,
}

/// A list that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WavesInput {
    /// The file, its size and its digest.
    #[serde(flatten)]
    pub file: FileDigest,
    /// How many IDs stand in it.
    pub ids: u64,
}

/// A cut in numbers.
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
    /// IDs that the cut before had and the list no longer has.
    pub gone: u64,
    /// IDs that the cut before did not have.
    pub added: u64,
}

/// A file of IDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaveFile {
    /// Its path below the directory.
    pub file: String,
    /// Its wave, from 1.
    pub wave: u32,
    /// Its shard, from 1.
    pub shard: Option<u32>,
    /// How many IDs it holds.
    pub ids: u64,
    /// How many IDs of its wave and shard are finished, and not in it.
    pub finished: u64,
    /// How many groups it holds, if they were grouped.
    pub groups: Option<u64>,
    /// The weight of its IDs.
    pub weight: u64,
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3 digest.
    pub blake3: String,
    /// The number of its first ID in the order of the whole cut, from 1.
    pub first: Option<u64>,
    /// The number of its last ID.
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
    /// How many IDs stand in it.
    pub ids: u64,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowsNote {
    /// The run directory.
    pub run: String,
    /// The run's id.
    pub id: String,
    /// Whose rows: `old` to backfill, `new` to roll back.
    pub side: String,
    /// Columns that the run did not compare, and whose values it does not hold.
    pub columns_not_included: Vec<String>,
}

impl WavesManifest {
    /// Checks that every ID is in exactly one place.
    ///
    /// # Errors
    /// [`Error::Internal`] if IDs were lost or written twice; then no cut may be published.
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
