//! Proposes a job file for two snapshots: a key that was tested on the data, the pairs of columns, the rules that their
//! types need, and, as comments, rules that would explain differences.
//!
//! Decisions that only the user can make (a lossy rule, an ignored column) are settings that are commented out, with a
//! `#` directly before them. Explanations are comments with a space after the `#`. No active setting ignores a column
//! or makes different values equal, so a proposed job cannot report a match that hides a difference.

mod columns;
mod aligned;
mod codes;
mod readings;
mod expressions;
mod load_time;
mod candidates;
mod key;
mod partners;
mod zones;
mod ladder;
mod objections;
mod explain;
mod write;
mod bridges;
mod pairs;
pub(crate) mod tables;
pub(crate) mod folder;

use std::path::Path;
use std::sync::Arc;

use crate::columns::Pairing;
use crate::compare::discrepancy::{Layout, Retention, Spooled, Tally};
use crate::compare::matching::Comparison;
use crate::error::Result;
use crate::job::{Identity, Job, Origin, Selection, Setting, Source};
use crate::runtime::engine::Engine;
use crate::sides::{Owner, Side, Sides};
use crate::snapshot::{Snapshot, require_room_for_footers};
use crate::sql;
use aligned::Aligned;
use columns::{Columns, PairedColumns};
use explain::{SAMPLE_PAIRS, SampledPair, Suggestion};
use key::KeyChoice;

pub(crate) struct Proposal {
    sources: Sides<Source>,
    rows: Sides<u64>,
    /// When the sides were exported, if they say so.
    taken_at: Sides<Option<String>>,
    key: KeyChoice,
    columns: Columns,
    /// One suggestion for each pair of columns, in the same order.
    suggestions: Vec<Suggestion>,
    tally: Tally,
}

/// Examines two snapshots and proposes how to compare them.
pub(crate) fn propose(engine: &Engine, sources: Sides<Source>) -> Result<Proposal> {
    let paths = Side::BOTH.map(|side| (Owner::Side(side), sources[side].path.text.as_str()));
    require_room_for_footers(engine.limits(), paths)?;
    let open = |side: Side| sql::open_side(engine, side, &sources[side], &sql::Tables::new(), &[]);
    let sides = Sides::try_from_fn(open)?;
    let mut columns = Columns::of(engine, &sides)?;
    let key = key::choose(engine, &sides, &sources, &mut columns)?;
    let aligned = Aligned::of(engine, &sides, &columns, &key.columns)?;
    if let Some(aligned) = &aligned {
        columns.settle(aligned, &key.columns);
        partners::pair_by_values(&sides, &mut columns, aligned);
        expressions::find(engine, &mut columns, aligned);
    }
    let job = job(&sources, &columns, key.identity(), &[]);
    let found = compare(engine, &sides, &job, SAMPLE_PAIRS)?;
    let known = SampledPair {
        engine,
        sides: &sides,
        sources: &sources,
        columns: &columns,
        key: &key,
        aligned: aligned.as_ref(),
    };
    let (tally, suggestions) = known.explain(found)?;
    let rows = Sides::from_fn(|side| sides[side].rows());
    let taken_at = Sides::from_fn(|side| sides[side].taken_at().map(str::to_string));
    Ok(Proposal { sources, rows, taken_at, key, columns, suggestions, tally })
}

impl Proposal {
    /// The text of the job file.
    pub(crate) fn to_toml(&self) -> String {
        write::job_file(self)
    }

    /// Whether the job has columns that the user has to decide on before it runs.
    pub(crate) fn is_undecided(&self) -> bool {
        write::undecided(self).next().is_some()
    }

    /// The text of a job file in a directory.
    pub(crate) fn into_toml_in(mut self, dir: &Path) -> Result<String> {
        for source in [&mut self.sources.old, &mut self.sources.new] {
            for path in [&mut source.path].into_iter().chain(&mut source.further_paths) {
                path.text = tables::path_from(dir, &path.text)?;
            }
        }
        Ok(self.to_toml())
    }
}

/// A job over all columns that can be compared, or over `only` some of them.
fn job(sources: &Sides<Source>, columns: &Columns, identity: Identity, only: &[&PairedColumns]) -> Job {
    let origin = || Origin::Flag("init");
    let word = |text: &String| Setting { text: text.clone(), origin: origin() };
    let selection = Selection {
        columns: only.iter().map(|pair| word(&pair.name)).collect(),
        ignore: match only {
            [] => columns.left_out().map(word).collect(),
            _ => vec![],
        },
        map: vec![],
    };
    let settings = columns.pairs.iter().filter_map(|pair| pair.settings(origin())).collect();
    Job { selection, columns: settings, ..Job::new("init", sources.clone(), identity) }
}

struct Findings {
    tally: Tally,
    /// The compared columns, in the tally's order.
    names: Vec<String>,
    findings: Vec<Spooled>,
}

/// Runs a job, and keeps the first `few` findings of each class.
fn compare(engine: &Engine, sides: &Sides<Snapshot>, job: &Job, few: usize) -> Result<Findings> {
    let pairing = Pairing::of(sides, job)?;
    let layout = Arc::new(Layout::of(&pairing, sides));
    let comparison = Comparison {
        engine,
        snapshots: sides,
        pairing: &pairing,
        layout: layout.clone(),
        retention: Retention::First(few),
        requested: None,
        observed: None,
    };
    let matched = comparison.run(None)?;
    let names = pairing.columns.iter().map(|column| column.name.clone()).collect();
    Ok(Findings { tally: matched.tally, names, findings: matched.findings })
}
