//! Counts of observations, by column, path, cause and detail.
//!
//! Counts do not depend on how the pairs were divided among workers: what is too much to count one by one is counted
//! together, whichever part it is found in first.

use std::collections::{BTreeMap, HashMap};

use super::observation::{Cause, Detail, Observation};
use crate::sides::{Side, Sides};

/// The most details that are counted one by one, for a cause in a column.
const DETAILS_MAX: usize = 256;
/// The most paths that are counted one by one in a column.
const PATHS_MAX: usize = 256;
/// The path for the differences of a column with more paths.
pub(crate) const OTHER_PATHS: &str = "…";
/// The examples of each observation.
pub(crate) const SAMPLES: usize = 3;

/// An example: a key and the values of both sides, as text for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CauseExample {
    /// The key of the row.
    pub key: String,
    /// The value in old.
    pub old: String,
    /// The value in new.
    pub new: String,
    /// Its place among all mismatches, in key order.
    #[serde(skip)]
    pub(crate) order: u64,
}

/// How often something was seen, and its first examples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub count: u64,
    pub samples: Vec<CauseExample>,
}

impl Seen {
    fn add(&mut self, sample: impl FnOnce() -> Option<CauseExample>) {
        self.count += 1;
        if self.samples.len() < SAMPLES {
            self.samples.extend(sample());
        }
    }

    /// Adds what a later part saw.
    pub(crate) fn add_all(&mut self, later: &Seen) {
        self.count += later.count;
        self.samples.extend(later.samples.iter().cloned());
        self.samples.sort_by_key(|sample| sample.order);
        self.samples.truncate(SAMPLES);
    }
}

/// The observations of one cause with the altered value on one side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    pub all: Seen,
    /// Each detail by itself; `None` if there are too many.
    pub each: Option<HashMap<Detail, Seen>>,
}

impl Details {
    fn add(&mut self, detail: Detail, sample: &mut dyn FnMut() -> Option<CauseExample>) {
        if self.all.count == 0 {
            self.each = Some(HashMap::new());
        }
        self.all.add(&mut *sample);
        let Some(each) = &mut self.each else { return };
        each.entry(detail).or_default().add(sample);
        self.limit();
    }

    fn add_all(&mut self, later: &Details) {
        let is_first = self.all.count == 0;
        self.all.add_all(&later.all);
        self.each = match (self.each.take(), &later.each) {
            (None, later) if is_first => later.clone(),
            (Some(mut own), Some(later)) => {
                for (detail, seen) in later {
                    own.entry(detail.clone()).or_default().add_all(seen);
                }
                Some(own)
            }
            _ => None,
        };
        self.limit();
    }

    fn limit(&mut self) {
        if self.each.as_ref().is_some_and(|each| each.len() > DETAILS_MAX) {
            self.each = None;
        }
    }
}

/// The observations at one path of a column. The empty path is the whole cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathTally {
    /// Cells that differ there.
    pub cells: u64,
    /// Cells that are NULL on one side only.
    pub absent: Sides<u64>,
    /// What single pairs of cells show.
    pub found: BTreeMap<(Cause, Side), Details>,
    /// What only many pairs together show, from the pairs that show nothing by themselves.
    pub patterns: BTreeMap<(Cause, Side), Details>,
    /// Cells without any observation.
    pub unobserved: Seen,
}

impl PathTally {
    fn add_all(&mut self, later: &PathTally) {
        self.cells += later.cells;
        Side::BOTH.into_iter().for_each(|side| self.absent[side] += later.absent[side]);
        for (cause, details) in &later.found {
            self.found.entry(*cause).or_default().add_all(details);
        }
        for (cause, details) in &later.patterns {
            self.patterns.entry(*cause).or_default().add_all(details);
        }
        self.unobserved.add_all(&later.unobserved);
    }
}

/// The observations of one column.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnTally {
    /// Those of whole cells.
    whole: PathTally,
    /// Those of parts of nested cells and documents.
    parts: BTreeMap<String, PathTally>,
    /// Whether there were too many paths, so that all of them are counted together.
    is_merged: bool,
}

impl ColumnTally {
    /// The observations at all paths; the empty path is the whole cell.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &PathTally)> {
        std::iter::once(("", &self.whole)).chain(self.parts.iter().map(|(path, tally)| (path.as_str(), tally)))
    }

    pub(super) fn path(&mut self, path: &str) -> &mut PathTally {
        if path.is_empty() {
            return &mut self.whole;
        }
        if !self.is_merged && !self.parts.contains_key(path) {
            self.parts.insert(path.into(), PathTally::default());
            if self.parts.len() > PATHS_MAX {
                self.merge();
            }
        }
        let path = if self.is_merged { OTHER_PATHS } else { path };
        self.parts.entry(path.into()).or_default()
    }

    /// Counts all paths together from now on.
    fn merge(&mut self) {
        self.is_merged = true;
        let mut merged = PathTally::default();
        std::mem::take(&mut self.parts).values().for_each(|tally| merged.add_all(tally));
        self.parts.insert(OTHER_PATHS.into(), merged);
    }

    fn add_all(&mut self, later: &ColumnTally) {
        if later.is_merged && !self.is_merged {
            self.merge();
        }
        self.whole.add_all(&later.whole);
        for (path, tally) in &later.parts {
            self.path(path).add_all(tally);
        }
    }
}

/// The observations of all mismatches of a part, or of all parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct CauseTally {
    /// By column, in the order of the pairing.
    pub columns: Vec<ColumnTally>,
    /// Mismatches.
    pub mismatches: u64,
    /// Rows that are older in new, and in old, by a version that the job names, or by the name of a column.
    pub staleness: Sides<u64>,
}

impl CauseTally {
    pub(crate) fn new(columns: usize) -> Self {
        CauseTally { columns: vec![ColumnTally::default(); columns], ..CauseTally::default() }
    }

    /// Adds what a part saw whose rows come later in key order.
    pub(crate) fn add(&mut self, mut later: CauseTally) {
        later.reorder(self.mismatches);
        for (own, later) in self.columns.iter_mut().zip(&later.columns) {
            own.add_all(later);
        }
        self.mismatches += later.mismatches;
        Side::BOTH.into_iter().for_each(|side| self.staleness[side] += later.staleness[side]);
    }

    /// Moves the places of all examples.
    fn reorder(&mut self, by: u64) {
        let paths = self.columns.iter_mut().flat_map(|column| column.parts.values_mut().chain([&mut column.whole]));
        for tally in paths {
            let details = tally.found.values_mut().chain(tally.patterns.values_mut());
            let seen = details.flat_map(|details| {
                std::iter::once(&mut details.all).chain(details.each.iter_mut().flat_map(HashMap::values_mut))
            });
            for seen in seen.chain([&mut tally.unobserved]) {
                seen.samples.iter_mut().for_each(|sample| sample.order += by);
            }
        }
    }
}

impl PathTally {
    /// Counts what a pair of cells shows by itself.
    pub(super) fn find(&mut self, seen: Observation, sample: &mut dyn FnMut() -> Option<CauseExample>) {
        self.found.entry((seen.cause, seen.on)).or_default().add(seen.detail, sample);
    }

    /// Counts what a pair of cells may show together with others.
    pub(super) fn suspect(&mut self, seen: Observation, sample: &mut dyn FnMut() -> Option<CauseExample>) {
        self.patterns.entry((seen.cause, seen.on)).or_default().add(seen.detail, sample);
    }

    /// Whether the details of a pattern are still counted one by one.
    pub(super) fn counts_each(&self, cause: Cause, on: Side) -> bool {
        self.patterns.get(&(cause, on)).is_none_or(|details| details.each.is_some())
    }

    /// Counts a pair of cells that shows nothing.
    pub(super) fn pass(&mut self, sample: &mut dyn FnMut() -> Option<CauseExample>) {
        self.unobserved.add(sample);
    }
}
