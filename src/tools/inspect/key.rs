//! Predicts a diff of this snapshot with one of the same layout.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::InspectFinding;
use crate::columns::{ColumnPair, Pairing};
use crate::compare::matching::{MemoryEstimate, Obstacle, Ranges, demand, obstacle};
use crate::error::{Error, RequestError, Result};
use crate::job::{Identity, Job, Origin, Selection, Setting, Source};
use crate::report::MatchingWay;
use crate::runtime::engine::Engine;
use crate::runtime::options::Limits;
use crate::runtime::progress::Progress;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The prediction of a diff by a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InspectedKey {
    /// The key columns, in order.
    pub columns: Vec<String>,
    /// The strategy that a diff would use, if a diff is possible.
    pub way: Option<MatchingWay>,
    /// The reason for the strategy, or why a diff is not possible.
    pub reason: String,
    /// How the ranges of the row groups are ordered in the first key column.
    pub ranges: Ranges,
    /// Whether the first keys of one or two row groups ascend, if the planner has read them.
    pub first_keys: FirstKeys,
    /// The estimated memory of either strategy, for both sides.
    pub memory: MemoryEstimate,
}

/// Whether the keys that the planner has read ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirstKeys {
    /// They do. Whether all other keys do is verified when a diff reads them.
    Ascend,
    /// They do not.
    OutOfOrder,
    /// They were not read, because the footers had decided the strategy.
    NotRead,
}

/// A snapshot paired with itself: its columns as a diff would pair them.
pub(super) struct Reflection {
    pairing: Option<Pairing>,
    /// Why the requested key cannot be compared.
    refusal: Option<String>,
}

impl Reflection {
    /// Pairs all columns on which the files agree, by the key if possible.
    pub(super) fn of(sides: &Sides<Snapshot>, key: &[String]) -> Result<Self> {
        if sides.old.files.is_empty() {
            return Ok(Reflection { pairing: None, refusal: Some("no file can be read".into()) });
        }
        let names = sides.old.schema.fields().iter().map(|field| field.name().clone());
        let flawed: Vec<String> = names.filter(|name| sides.old.require_agreement(name).is_err()).collect();
        if let Some(column) = key.iter().find(|column| flawed.contains(column)) {
            let refusal = format!("the files do not agree on key column `{column}`");
            return Ok(Reflection { pairing: pair(sides, &[], flawed)?, refusal: Some(refusal) });
        }
        match pair(sides, key, flawed.clone()) {
            Err(Error::IncomparableKey { column, old_type, .. }) => {
                let refusal = format!("key column `{column}` is {old_type}, for which equality is not defined");
                Ok(Reflection { pairing: pair(sides, &[], flawed)?, refusal: Some(refusal) })
            }
            Err(Error::Request { origin, mut problem }) => {
                if let RequestError::NoSuchColumn { searched, .. } = &mut *problem {
                    *searched = "the snapshot has no column".into();
                }
                Err(Error::Request { origin, problem })
            }
            pairing => Ok(Reflection { pairing: pairing?, refusal: None }),
        }
    }

    /// A column as it would be compared.
    pub(super) fn column(&self, name: &str) -> Option<&ColumnPair> {
        self.pairing.iter().flat_map(|pairing| &pairing.columns).find(|column| column.name == name)
    }

    /// Columns of types without a defined equality, with their types.
    pub(super) fn incomparable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairing.iter().flat_map(|pairing| {
            let types = pairing.incomparable_types.iter().map(|types| types.old.as_str());
            pairing.coverage.incomparable.iter().map(String::as_str).zip(types)
        })
    }
}

/// Pairs a snapshot with itself; `None` if no column can be compared.
fn pair(sides: &Sides<Snapshot>, key: &[String], ignore: Vec<String>) -> Result<Option<Pairing>> {
    let source = |side: Side| Source::of(Setting { text: sides[side].location.clone(), origin: Origin::Flag("PATH") });
    let identity = match key {
        [] => Identity::WholeRow,
        key => Identity::Key(Setting::flags("--key", key)),
    };
    let selection = Selection { ignore: Setting::flags("--ignore", &ignore), ..Selection::default() };
    let job = Job { selection, ..Job::new("inspect", Sides::from_fn(source), identity) };
    match Pairing::of(sides, &job) {
        Err(Error::NothingToCompare) => Ok(None),
        pairing => pairing.map(Some),
    }
}

/// Predicts a diff by `key`, if one is given. Damage in the first keys is a finding.
pub(super) fn foresee(
    sides: &Sides<Snapshot>,
    reflection: &Reflection,
    key: &[String],
    limits: &Limits,
    stop: Arc<AtomicBool>,
) -> Result<(Option<InspectedKey>, Option<InspectFinding>)> {
    let Some(first) = key.first() else { return Ok((None, None)) };
    let ranges = Ranges::of(&sides.old, reflection.column(first))?;
    let demand = reflection.pairing.as_ref().map(|pairing| demand(sides, pairing)).unwrap_or_default();
    let memory = MemoryEstimate::of(&demand.divide(limits)?, limits.memory, Sides::from_fn(|side| sides[side].rows()));
    let predicted = |way, reason: String, first_keys| {
        Some(InspectedKey { columns: key.to_vec(), way, reason, ranges, first_keys, memory })
    };
    let pairing = match reflection {
        Reflection { refusal: Some(refusal), .. } => {
            return Ok((predicted(None, refusal.clone(), FirstKeys::NotRead), None));
        }
        Reflection { pairing: Some(pairing), .. } => pairing,
        Reflection { pairing: None, .. } => return Err(Error::NothingToCompare),
    };
    let engine = Engine::start(limits.clone(), &std::env::temp_dir(), stop, Progress::quiet())?;
    let (way, first_keys, reason) = match obstacle(&engine, sides, pairing) {
        Ok(None) if sides.old.rows() == 0 => (MatchingWay::Ordered, FirstKeys::NotRead, "there are no rows".into()),
        Ok(None) => (MatchingWay::Ordered, FirstKeys::Ascend, in_order(ranges, first)),
        Ok(Some(obstacle @ Obstacle::OutOfOrder)) => {
            let reason = format!("{}, according to its first keys", obstacle.describe("the snapshot"));
            (MatchingWay::Hashed, FirstKeys::OutOfOrder, reason)
        }
        Ok(Some(obstacle)) => (MatchingWay::Hashed, FirstKeys::NotRead, obstacle.describe("the snapshot")),
        Err(error @ (Error::Interrupted | Error::Spill { .. } | Error::Memory(_) | Error::Internal(_))) => {
            return Err(error);
        }
        Err(error) => {
            let key = predicted(None, "its first keys cannot be read".into(), FirstKeys::NotRead);
            return Ok((key, Some(InspectFinding::of(&error))));
        }
    };
    Ok((predicted(Some(way), reason, first_keys), None))
}

fn in_order(ranges: Ranges, column: &str) -> String {
    let groups = match ranges {
        Ranges::OneRowGroup => "there is one row group".into(),
        Ranges::Declared => "the file declares the order".into(),
        Ranges::Ascend | Ranges::Overlap | Ranges::Unknown => {
            format!("row groups ascend in column `{column}` without overlapping")
        }
    };
    format!("{groups}, and its first keys ascend")
}
