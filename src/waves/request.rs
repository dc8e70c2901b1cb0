//! Resolves a request: what the user does not specify comes from the run next to the list, or from the previous cut.

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

/// The name of the ID column in a list without a header, unless `--key` names it.
const BARE: &str = "id";

/// What the user requests.
#[derive(Debug, Clone)]
pub(crate) struct WavesRequest {
    pub lists: Vec<PathBuf>,
    /// Lists of finished IDs.
    pub done: Vec<PathBuf>,
    /// The `waves.json` of an earlier cut, whose membership is kept.
    pub previous: Option<PathBuf>,
    /// The run that supplies rows.
    pub rows: Option<PathBuf>,
    pub choices: Overrides,
}

/// The options that the user specified. `None` and empty lists mean unspecified.
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

/// A request with all defaults resolved.
pub(crate) struct ResolvedRequest {
    pub parameters: Parameters,
    /// The previous cut, with `--previous`.
    pub previous: Option<Previous>,
    pub source: Source,
}

impl WavesRequest {
    /// Fills in what the user has not specified.
    ///
    /// # Errors
    /// If an option contradicts the previous cut, or if the lists or that cut cannot be read.
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
    /// The previous cut fixes everything except the format.
    fn require_none(&self) -> Result<()> {
        let given = [
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
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(Error::request(
                option,
                format!(
                    "not allowed with --previous, which takes it from the {NAME} of the earlier cut\n  \
                 remove {option}, or remove --previous to make a new cut"
                ),
            )),
        }
    }
}

/// The ID columns without `--key`: those recorded by the run or cut next to the list, otherwise the first column.
fn default_key(list: &Path, names: &[String]) -> Vec<String> {
    let dir = list.parent().unwrap_or(Path::new(""));
    let has_header = list.extension().is_none_or(|ending| ending != "txt");
    let recorded = || {
        let report = document(&dir.join("report.json"), "countersign/report/").map(|report| report["key"].clone());
        let cut = || {
            let files = [dir.join(NAME), dir.join("..").join(NAME)];
            let cut = files.iter().find_map(|file| document(file, "countersign/waves/"))?;
            Some(cut["parameters"]["key"].clone())
        };
        serde_json::from_value::<Vec<String>>(report.or_else(cut)?).ok()
    };
    match has_header.then(recorded).flatten() {
        // without a key, whole rows are compared, and all columns together identify a row
        Some(key) if key.is_empty() => names.to_vec(),
        Some(key) => key,
        None => names[..1].to_vec(),
    }
}

/// The paths of the snapshots that a run compared, from its report. Empty if there is no report.
pub(crate) fn inputs_of_run(run: &Path) -> Vec<(Side, String)> {
    let Some(report) = document(&run.join("report.json"), "countersign/report/") else { return vec![] };
    let path = |side: Side| report["run"]["inputs"][side.name()]["path"].as_str().map(|path| (side, path.into()));
    Side::BOTH.into_iter().filter_map(path).collect()
}

/// A JSON document with this schema; `None` if it is missing or has another one.
fn document(path: &Path, schema: &str) -> Option<Value> {
    let document: Value = serde_json::from_slice(&regular_file::read(path, DOCUMENT_BYTES_MAX).ok()?).ok()?;
    document["schema"].as_str()?.starts_with(schema).then_some(document)
}
