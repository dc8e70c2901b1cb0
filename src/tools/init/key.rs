//! Finds the columns that identify a row, by testing candidates on the data.

use arrow::array::Array;
use arrow::buffer::NullBuffer;

use super::candidates::{KeyCandidate, candidates, is_text};
use super::columns::{Columns, PairedColumns};
use super::{compare, job};
use crate::error::Result;
use crate::job::{Identity, Origin, RuleSettings, Setting, Source};
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Candidates that are tested on all rows.
const TESTED: usize = 8;
/// A candidate that pairs a smaller share of rows is rejected.
const OVERLAP_MIN: f64 = 0.01;
/// Below this share, rules are tried that could make more keys equal.
const OVERLAP_GOOD: f64 = 0.9;

/// The chosen key, and the results of all tests.
pub(super) struct KeyChoice {
    /// The chosen columns; empty if no key was found.
    pub columns: Vec<String>,
    /// Every candidate that was tested on all rows.
    pub tested: Vec<Tested>,
}

/// A candidate and its test result.
pub(super) struct Tested {
    pub columns: Vec<String>,
    /// The rules under which it was tested.
    pub rules: RuleSettings,
    /// Keys that occur more than once on a side.
    pub duplicate_keys: u64,
    /// Rows of either side with NULL in the key.
    pub nulls: u64,
    /// Pairs of rows with the same key.
    pub paired: u64,
    /// The share of the smaller side's rows that have a counterpart.
    pub overlap: f64,
}

impl KeyChoice {
    /// The row identity that this key gives a job.
    pub(super) fn identity(&self) -> Identity {
        match self.columns.as_slice() {
            [] => Identity::WholeRow,
            columns => Identity::Key(settings(columns)),
        }
    }
}

fn settings(columns: &[String]) -> Vec<Setting> {
    columns.iter().map(|text| Setting { text: text.clone(), origin: Origin::Flag("init") }).collect()
}

/// Tests the most likely candidates, and chooses the best one: unique on both sides, with the most counterparts.
///
/// Adds the rules that the chosen key needs to its columns.
pub(super) fn choose(
    engine: &Engine,
    sides: &Sides<Snapshot>,
    sources: &Sides<Source>,
    columns: &mut Columns,
) -> Result<KeyChoice> {
    let tester = Tester { engine, sides, sources };
    let mut tested = vec![];
    for KeyCandidate { names, is_named, .. } in candidates(columns).into_iter().take(TESTED) {
        let candidate = tester.test(columns, &names)?;
        // a column named like an ID is one, even if errors in the data have duplicated a few keys
        let is_whole = candidate.duplicate_keys == 0 && candidate.nulls == 0;
        let is_good = (is_whole || is_named && is_unique(&candidate)) && candidate.overlap >= OVERLAP_GOOD;
        tested.push(candidate);
        if is_good {
            break;
        }
    }
    let sound = tested.iter().filter(|tested| tested.overlap >= OVERLAP_MIN && is_unique(tested));
    // of equals, the first: it is the most likely
    let best = sound.rev().max_by(|a, b| a.overlap.total_cmp(&b.overlap).then(b.columns.len().cmp(&a.columns.len())));
    let chosen = best.map(|best| (best.columns.clone(), best.rules.clone()));
    if let Some((names, rules)) = &chosen {
        for pair in columns.pairs.iter_mut().filter(|pair| names.contains(&pair.name)) {
            pair.rules = std::mem::take(&mut pair.rules).overridden_by(rules);
        }
    }
    Ok(KeyChoice { columns: chosen.map(|(names, _)| names).unwrap_or_default(), tested })
}

/// A few duplicate or NULL keys are allowed: they can be the very errors that the comparison has to find.
fn is_unique(tested: &Tested) -> bool {
    (tested.duplicate_keys + tested.nulls) * 1_000 <= tested.paired
}

/// Tests candidates on all rows.
struct Tester<'a> {
    engine: &'a Engine,
    sides: &'a Sides<Snapshot>,
    sources: &'a Sides<Source>,
}

impl Tester<'_> {
    /// Pairs all rows by a candidate. If few rows have a counterpart, also tries rules for text.
    fn test(&self, columns: &mut Columns, names: &[String]) -> Result<Tested> {
        let nulls = self.nulls(Side::Old, columns, names)? + self.nulls(Side::New, columns, names)?;
        let mut best = self.test_under(columns, names, &RuleSettings::default())?;
        let has_text = columns.pairs.iter().any(|pair| names.contains(&pair.name) && is_text(pair));
        let rtrim = RuleSettings { rtrim: Some(true), ..RuleSettings::default() };
        let trim = RuleSettings { trim: Some(true), ..RuleSettings::default() };
        let fold = RuleSettings { casefold: Some(true), ..RuleSettings::default() };
        let both = trim.clone().overridden_by(&fold);
        for rules in [rtrim, trim, fold, both] {
            if best.overlap >= OVERLAP_GOOD || !has_text {
                break;
            }
            let tried = self.test_under(columns, names, &rules)?;
            if tried.overlap > best.overlap && is_unique(&tried) {
                best = tried;
            }
        }
        Ok(Tested { nulls, ..best })
    }

    fn test_under(&self, columns: &mut Columns, names: &[String], rules: &RuleSettings) -> Result<Tested> {
        let before: Vec<RuleSettings> = columns.pairs.iter().map(|pair| pair.rules.clone()).collect();
        for pair in columns.pairs.iter_mut().filter(|pair| names.contains(&pair.name) && is_text(pair)) {
            pair.rules = std::mem::take(&mut pair.rules).overridden_by(rules);
        }
        let pairs: Vec<&PairedColumns> = columns.pairs.iter().filter(|pair| names.contains(&pair.name)).collect();
        let job = job(self.sources, columns, Identity::Key(settings(names)), &pairs);
        let compared = compare(self.engine, self.sides, &job, 0);
        columns.pairs.iter_mut().zip(before).for_each(|(pair, rules)| pair.rules = rules);
        let tally = compared?.tally;
        let paired = tally.matched() + tally.mismatch;
        let smaller = tally.rows.old.min(tally.rows.new).max(1);
        Ok(Tested {
            columns: names.to_vec(),
            rules: rules.clone(),
            duplicate_keys: tally.duplicate_keys,
            nulls: 0,
            paired,
            overlap: paired as f64 / smaller as f64,
        })
    }

    /// The number of rows of a side with NULL in any of these columns.
    fn nulls(&self, side: Side, columns: &Columns, names: &[String]) -> Result<u64> {
        let snapshot = &self.sides[side];
        let pairs = columns.pairs.iter().filter(|pair| names.contains(&pair.name));
        let own = pairs.map(|pair| if side == Side::Old { &pair.old } else { &pair.name });
        let indexes: Vec<usize> = own.filter_map(|name| snapshot.schema.index_of(name).ok()).collect();
        let mut scan = snapshot.scan(self.engine, snapshot.all_reads(), &indexes)?;
        let mut found = 0;
        while let Some(batch) = scan.next_batch()? {
            let nulls = batch.columns().iter().map(|column| column.logical_nulls());
            let together = nulls.fold(None, |all, own| NullBuffer::union(all.as_ref(), own.as_ref()));
            found += together.map_or(0, |nulls| nulls.null_count() as u64);
        }
        Ok(found)
    }
}
