//! Proposes a job file for two snapshots: a key that was tested on the data, the columns that belong
//! together, the rules that their types need, and, as comments, those that would explain what differs.
//!
//! What only the user can decide (a lossy rule, a column to leave out) stands in the file as a setting that
//! is commented out, `#` right before it; explanations are comments with a blank after the `#`.

mod explain;
mod key;
mod pairs;
mod write;

use std::sync::Arc;

use crate::columns::Pairing;
use crate::discrepancy::{Keep, Layout, Spooled, Tally};
use crate::engine::Engine;
use crate::error::Result;
use crate::job::{Identity, Job, Place, Selection, Source, Word};
use crate::matching::Comparison;
use crate::sides::{Owner, Side, Sides};
use crate::snapshot::{Snapshot, require_room_for_footers};
use explain::Suggestion;
use key::KeyChoice;
use pairs::{Columns, Pair};

/// Mismatches that rules are tried on.
const SAMPLE_PAIRS: usize = 5_000;

/// What is proposed.
pub struct Proposal {
    paths: Sides<String>,
    rows: Sides<u64>,
    key: KeyChoice,
    columns: Columns,
    /// Suggestions for the paired columns, in their order.
    suggestions: Vec<Suggestion>,
    tally: Tally,
}

/// Looks at two snapshots and proposes how to compare them.
pub fn propose(engine: &Engine, paths: Sides<String>) -> Result<Proposal> {
    require_room_for_footers(engine.limits(), Side::BOTH.map(|side| (Owner::Side(side), paths[side].as_str())))?;
    let sides = Sides::try_from_fn(|side| Snapshot::open(side, &paths[side], false))?;
    let mut columns = Columns::of(engine, &sides)?;
    let key = key::choose(engine, &sides, &paths, &mut columns)?;
    let job = job(&paths, &columns, key.identity(), &[]);
    let (tally, findings) = compare(engine, &sides, &job, SAMPLE_PAIRS)?;
    let suggestions = explain::explain(&columns, &key, &tally, findings)?;
    let rows = Sides::from_fn(|side| sides[side].rows());
    Ok(Proposal { paths, rows, key, columns, suggestions, tally })
}

impl Proposal {
    /// The text of the job file.
    pub fn to_toml(&self) -> String {
        write::job_file(self)
    }
}

/// A job over the columns that can be compared, or over some of them.
fn job(paths: &Sides<String>, columns: &Columns, identity: Identity, only: &[&Pair]) -> Job {
    let place = || Place::Flag("init");
    let source = |side: Side| Source::of(Word { text: paths[side].clone(), place: place() });
    let word = |text: &String| Word { text: text.clone(), place: place() };
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

/// Compares as a job says, and keeps the first few findings of each class.
fn compare(engine: &Engine, sides: &Sides<Snapshot>, job: &Job, few: usize) -> Result<(Tally, Vec<Spooled>)> {
    let pairing = Pairing::of(sides, job)?;
    let layout = Arc::new(Layout::of(&pairing, sides));
    let comparison = Comparison {
        engine,
        snapshots: sides,
        pairing: &pairing,
        layout: layout.clone(),
        keep: Keep::First(few),
        asked: None,
    };
    let matched = comparison.run(None)?;
    Ok((matched.tally, matched.findings))
}
