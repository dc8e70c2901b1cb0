//! Proposes a job file for two snapshots: a key that was tested on the data, the columns that belong
//! together, the rules that their types need, and, as comments, those that would explain what differs.
//!
//! What only the user can decide (a lossy rule, a column to leave out) stands in the file as a setting that
//! is commented out, `#` right before it; explanations are comments with a blank after the `#`. No active setting leaves
//! anything out, or makes two values one: a job that was proposed cannot end in a match that hides a difference.

mod aligned;
mod candidates;
mod codes;
mod explain;
mod expressions;
mod key;
mod ladder;
mod load_time;
mod objections;
mod pairs;
mod partners;
mod readings;
mod write;
mod zones;

use std::sync::Arc;

use crate::columns::Pairing;
use crate::compare::discrepancy::{Layout, Retention, Spooled, Tally};
use crate::compare::matching::Comparison;
use crate::error::Result;
use crate::job::{Identity, Job, Origin, Selection, Setting, Source};
use crate::runtime::engine::Engine;
use crate::sides::{Owner, Side, Sides};
use crate::snapshot::{Snapshot, require_room_for_footers};
use aligned::Aligned;
use explain::{SAMPLE_PAIRS, SampledPair, Suggestion};
use key::KeyChoice;
use pairs::{Columns, PairedColumns};

/// What is proposed.
pub(crate) struct Proposal {
    paths: Sides<String>,
    rows: Sides<u64>,
    key: KeyChoice,
    columns: Columns,
    /// Suggestions for the paired columns, in their order.
    suggestions: Vec<Suggestion>,
    tally: Tally,
}

/// Looks at two snapshots and proposes how to compare them.
pub(crate) fn propose(engine: &Engine, paths: Sides<String>) -> Result<Proposal> {
    require_room_for_footers(engine.limits(), Side::BOTH.map(|side| (Owner::Side(side), paths[side].as_str())))?;
    let sides = Sides::try_from_fn(|side| Snapshot::open(side, &paths[side], false))?;
    let mut columns = Columns::of(engine, &sides)?;
    let key = key::choose(engine, &sides, &paths, &mut columns)?;
    let aligned = Aligned::of(engine, &sides, &columns, &key.columns)?;
    if let Some(aligned) = &aligned {
        columns.settle(aligned, &key.columns);
        partners::pair_by_values(&sides, &mut columns, aligned);
        expressions::find(engine, &mut columns, aligned);
    }
    let job = job(&paths, &columns, key.identity(), &[]);
    let found = compare(engine, &sides, &job, SAMPLE_PAIRS)?;
    let known =
        SampledPair { engine, sides: &sides, paths: &paths, columns: &columns, key: &key, aligned: aligned.as_ref() };
    let (tally, suggestions) = known.explain(found)?;
    let rows = Sides::from_fn(|side| sides[side].rows());
    Ok(Proposal { paths, rows, key, columns, suggestions, tally })
}

impl Proposal {
    /// The text of the job file.
    pub(crate) fn to_toml(&self) -> String {
        write::job_file(self)
    }
}

/// A job over the columns that can be compared, or over some of them.
fn job(paths: &Sides<String>, columns: &Columns, identity: Identity, only: &[&PairedColumns]) -> Job {
    let place = || Origin::Flag("init");
    let source = |side: Side| Source::of(Setting { text: paths[side].clone(), place: place() });
    let word = |text: &String| Setting { text: text.clone(), place: place() };
    let selection = Selection {
        columns: only.iter().map(|pair| word(&pair.name)).collect(),
        ignore: match only {
            [] => columns.left_out().map(word).collect(),
            _ => vec![],
        },
        map: vec![],
    };
    let settings = columns.pairs.iter().filter_map(|pair| pair.settings(place())).collect();
    Job { selection, columns: settings, ..Job::new("init", Sides::from_fn(source), identity) }
}

/// What a comparison came to.
struct Findings {
    tally: Tally,
    /// The compared columns, in the tally's order.
    names: Vec<String>,
    findings: Vec<Spooled>,
}

/// Compares as a job says, and keeps the first few findings of each class.
fn compare(engine: &Engine, sides: &Sides<Snapshot>, job: &Job, few: usize) -> Result<Findings> {
    let pairing = Pairing::of(sides, job)?;
    let layout = Arc::new(Layout::of(&pairing, sides));
    let comparison = Comparison {
        engine,
        snapshots: sides,
        pairing: &pairing,
        layout: layout.clone(),
        keep: Retention::First(few),
        asked: None,
    };
    let matched = comparison.run(None)?;
    let names = pairing.columns.iter().map(|column| column.name.clone()).collect();
    Ok(Findings { tally: matched.tally, names, findings: matched.findings })
}
