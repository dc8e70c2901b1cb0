//! What is asked for, and what it comes to: what the user leaves out, the run beside the list or the cut before says.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::manifest::NAME;
use super::parameters::{KeyType, ListFormat, Order, Parameters};
use super::previous::Previous;
use super::reading::Source;
use super::sizes::Size;
use crate::error::{Error, Result};
use crate::regular_file::{self, DOCUMENT_BYTES_MAX};
use crate::sides::Side;

/// What the ID's column is called where a list has no header and nobody names it.
const BARE: &str = "id";

/// A cut, as it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct WavesRequest {
    /// The lists.
    pub lists: Vec<PathBuf>,
    /// Lists of finished IDs.
    pub done: Vec<PathBuf>,
    /// The `waves.json` of an earlier cut, whose membership is kept.
    pub previous: Option<PathBuf>,
    /// The run whose rows are wanted.
    pub rows: Option<PathBuf>,
    /// How to cut.
    pub choices: Overrides,
}

/// What the user says of how to cut. Nothing said, and no values given, is no choice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// See [`Parameters::key`].
    pub key: Vec<String>,
    /// See [`Parameters::key_type`].
    pub key_type: Vec<KeyType>,
    /// See [`Parameters::sizes`].
    pub sizes: Vec<Size>,
    /// See [`Parameters::group_by`].
    pub group_by: Vec<String>,
    /// See [`Parameters::shards`].
    pub shards: Option<u32>,
    /// See [`Parameters::order`].
    pub order: Option<Order>,
    /// See [`Parameters::seed`].
    pub seed: Option<u64>,
    /// See [`Parameters::balance`].
    pub balance: Option<String>,
    /// See [`Parameters::condition`].
    pub condition: Option<String>,
    /// See [`Parameters::format`].
    pub format: Option<ListFormat>,
}

/// A cut, with everything decided.
pub(crate) struct ResolvedRequest {
    /// How to cut.
    pub parameters: Parameters,
    /// The cut before.
    pub previous: Option<Previous>,
    /// The lists.
    pub source: Source,
}

impl WavesRequest {
    /// Decides what the user has left open.
    ///
    /// # Errors
    /// If a choice contradicts the cut before, or if lists or that cut cannot be read.
    pub(crate) fn settle(&self) -> Result<ResolvedRequest> {
        let previous = self.previous.as_deref().map(Previous::read).transpose()?;
        if let Some(previous) = previous {
            self.choices.require_none()?;
            let own = &previous.document.parameters;
            let format = self.choices.format.unwrap_or(own.format);
            let parameters = Parameters { format, ..own.clone() };
            let bare = parameters.key.first().map_or(BARE, String::as_str);
            let source = Source::open(&self.lists, bare)?;
            return Ok(ResolvedRequest { parameters, previous: Some(previous), source });
        }
        let Overrides { key, key_type, sizes, group_by, shards, order, seed, balance, condition, format } =
            self.choices.clone();
        let source = Source::open(&self.lists, key.first().map_or(BARE, String::as_str))?;
        let parameters = Parameters {
            key: if key.is_empty() { default_key(&self.lists[0], &source.names) } else { key },
            key_type: if key_type.is_empty() { vec![KeyType::Text] } else { key_type },
            sizes: if sizes.is_empty() { vec![Size::Rest] } else { sizes },
            group_by,
            shards,
            order: order.unwrap_or_default(),
            seed: seed.unwrap_or(0),
            balance,
            condition,
            format: format.unwrap_or_default(),
        };
        Ok(ResolvedRequest { parameters, previous: None, source })
    }
}

impl Overrides {
    /// The cut before has decided everything but the format.
    fn require_none(&self) -> Result<()> {
        let said = [
            ("--key", !self.key.is_empty()),
            ("--key-type", !self.key_type.is_empty()),
            ("--sizes", !self.sizes.is_empty()),
            ("--group-by", !self.group_by.is_empty()),
            ("--shards", self.shards.is_some()),
            ("--order", self.order.is_some()),
            ("--seed", self.seed.is_some()),
            ("--balance", self.balance.is_some()),
            ("--where", self.condition.is_some()),
        ];
        match said.into_iter().find(|(_, said)| *said) {
            None => Ok(()),
            Some((option, _)) => Err(Error::Contradiction(format!(
                "{option}: --previous keeps to the {NAME} of the cut before, which has decided it\n  \
                 leave {option} out, or cut anew, without --previous"
            ))),
        }
    }
}

/// The columns of the ID where nobody names them: what the run or the cut beside the list says, or else the first.
fn default_key(list: &Path, names: &[String]) -> Vec<String> {
    let dir = list.parent().unwrap_or(Path::new(""));
    let has_header = list.extension().is_none_or(|ending| ending != "txt");
    let told = || {
        let report = document(&dir.join("report.json"), "countersign/report/").map(|report| report["key"].clone());
        let cut = || {
            let files = [dir.join(NAME), dir.join("..").join(NAME)];
            let cut = files.iter().find_map(|file| document(file, "countersign/waves/"))?;
            Some(cut["parameters"]["key"].clone())
        };
        serde_json::from_value::<Vec<String>>(report.or_else(cut)?).ok()
    };
    match has_header.then(told).flatten() {
        // of whole rows, every column is part of what identifies them
        Some(key) if key.is_empty() => names.to_vec(),
        Some(key) => key,
        None => names[..1].to_vec(),
    }
}

/// The paths of the snapshots that a run has compared, as its report has them; none, if there is no such run.
pub(crate) fn inputs_of_run(run: &Path) -> Vec<(Side, String)> {
    let Some(report) = document(&run.join("report.json"), "countersign/report/") else { return vec![] };
    let path = |side: Side| report["run"]["inputs"][side.name()]["path"].as_str().map(|path| (side, path.into()));
    Side::BOTH.into_iter().filter_map(path).collect()
}

/// A document of ours, if there is one.
fn document(path: &Path, schema: &str) -> Option<Value> {
    let document: Value = serde_json::from_slice(&regular_file::read(path, DOCUMENT_BYTES_MAX).ok()?).ok()?;
    document["schema"].as_str()?.starts_with(schema).then_some(document)
}
