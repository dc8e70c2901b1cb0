//! Cuts ID lists into waves and shards for a fleet of workers. [`cut()`] runs the stages below. Each stage streams its
//! rows and keeps only a few batches in memory:
//!
//! | stage | module | does |
//! | --- | --- | --- |
//! | read | [`mod@reading`] | lists in all formats; checks rows, and sorts them by the digest of the ID |
//! | annotate | [`mod@annotate`] | rejects duplicate IDs; adds finished state, earlier assignment, and row |
//! | arrange | [`mod@arrange`] | puts units in cut order |
//! | assign | [`mod@assign`] | assigns each ID to a wave and a shard |
//! | write | [`mod@write`] | writes a file for each, and `waves.json` |

pub(crate) mod sizes;
pub(crate) mod parameters;
pub(crate) mod manifest;
pub(crate) mod sort_key;
pub(crate) mod columns;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod sorter;
pub(crate) mod lookup;
pub(crate) mod reading;
pub(crate) mod previous;
pub(crate) mod request;
pub(crate) mod rows;
pub(crate) mod annotate;
pub(crate) mod arrange;
pub(crate) mod assign;
pub(crate) mod write;

use arrow::array::{Array, RecordBatch};

use crate::error::{Error, Result};
use crate::id_list;
use crate::job::{Origin, Setting};
use crate::output::run_dir::RunDir;
use crate::runtime::engine::Engine;
use crate::runtime::memory::Demand;
use crate::sides::Owner;
use crate::sql::RowExpression;
use annotate::{Annotations, Ids};
use arrange::{Arranged, arrange};
use assign::{Cut, assign};
use columns::UnitColumns;
use entries::EntrySchema;
use lookup::MergeLookup;
use manifest::{NAME, SCHEMA, Totals, WavesManifest};
use parameters::{Order, Parameters};
use previous::MatchedBy;
use reading::IdReader;
use request::{ResolvedRequest, WavesRequest};
use write::{WavePlan, Written, write};

/// Rejects a target directory inside the snapshots of a run: the run that a list belongs to, or the run of `--rows`.
///
/// # Errors
/// If the next run would read the files of the cut as data.
pub(crate) fn require_apart(request: &WavesRequest, dir: &RunDir) -> Result<()> {
    let lists = request.lists.iter().filter_map(|list| list.parent());
    for run in lists.chain(request.rows.as_deref()) {
        let inputs = request::inputs_of_run(run);
        dir.require_apart_from(inputs.iter().map(|(side, path)| (Owner::Side(*side), path.as_str())))?;
    }
    Ok(())
}

/// Cuts lists and writes everything except `waves.json` into a claimed directory. [`publish`] completes and renames it.
///
/// # Errors
/// If the lists cannot be read, checked, or written.
pub(crate) fn cut(engine: &mut Engine, request: &WavesRequest, dir: &RunDir) -> Result<WavesManifest> {
    let ResolvedRequest { parameters, previous, source } = request.settle()?;
    let columns = UnitColumns::of(&parameters, &source.paths[0], &source.names)?;
    let where_word = parameters.condition.clone().map(|text| Setting { text, origin: Origin::Flag("--where") });
    let plan_condition = |word: &Setting| RowExpression::condition(engine, &id_list::schema(&source.names), word);
    let condition = where_word.as_ref().map(plan_condition).transpose()?;
    let first = source.first(engine, condition.as_ref())?;
    let run = request.rows.as_ref().map(|dir| rows::RowSource::open(dir, &parameters.key)).transpose()?;
    let side = match (&run, &first) {
        (Some(run), Some(first)) => Some(run.side(engine, &columns, &id_list::texts(first, 0, columns.names.len()))?),
        (Some(_), None) => Some(crate::sides::Side::Old),
        (None, _) => None,
    };
    let rows_of = run.as_ref().zip(side);
    let row_bytes = rows_of.map_or(0, |(run, _)| run.row_bytes());
    engine.fit(&demand(engine, first.as_ref(), row_bytes, sorts_at_once(request, &parameters)))?;
    let engine: &Engine = engine;
    let shape = EntrySchema::of(&columns, rows_of.map(|(run, side)| run.fields(side)));

    engine.progress.begin("reading", source.about(first.as_ref().map_or(1, text_bytes))?);
    let listed = source.read(engine, &columns, condition.as_ref())?;
    let (done, done_inputs) = finished_ids(engine, request, &parameters)?;
    let members = |by: MatchedBy| match &previous {
        Some(previous) => MergeLookup::of(previous.members(engine, &columns, by)?).map(Some),
        None => Ok(None),
    };
    let rows = rows_of.map(|(run, side)| Ok::<_, Error>((run, run.rows(engine, &columns, side)?))).transpose()?;
    let known = Annotations { done, previous: members(MatchedBy::Id)?, rows };
    let groups = if columns.is_grouped() { members(MatchedBy::Group)? } else { None };

    let all = listed.ids;
    let mut ids = Ids::of(&source, &columns, &shape, listed, known);
    let Arranged { entries, units } = arrange(engine, &columns, &shape, &mut ids, groups)?;
    let division = match &previous {
        Some(previous) => Cut::Kept { last: previous.document.waves },
        None => Cut::Sizes(sizes::targets(&parameters.sizes, units)?),
    };
    let entries = assign(engine, &columns, &shape, entries, &division, parameters.shards)?;
    let Parameters { shards, format, .. } = parameters;
    let plan = WavePlan { waves: division.waves(), shards, format, readers: source.readers };
    engine.progress.begin("writing", all);
    let advance = |rows| {
        engine.progress.advance(rows);
        engine.check_stop()
    };
    let written = write(dir, &columns, &shape, plan, entries, advance)?;

    let (IdReader { inputs, excluded, .. }, counted) = ids.finish()?;
    run.as_ref().map_or(Ok(()), rows::RowSource::require_unchanged)?;
    let totals = totals(all, columns.is_grouped().then_some(units), excluded, &counted, &written);
    let Written { files, finished, left_over, units: units_written, .. } = written;
    let document = WavesManifest {
        schema: SCHEMA.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        lists: inputs,
        done: done_inputs,
        previous: previous.map(|previous| previous.file),
        parameters,
        totals,
        rows: rows_of.map(|(run, side)| run.note(side)),
        waves: plan.waves,
        files,
        finished,
        left_over,
    };
    document.conserve(units, units_written)?;
    Ok(document)
}

/// The IDs of the lists of finished ones, and these lists.
fn finished_ids<'a>(
    engine: &'a Engine,
    request: &WavesRequest,
    parameters: &Parameters,
) -> Result<(Option<MergeLookup<'a>>, Vec<manifest::WavesInput>)> {
    if request.done.is_empty() {
        return Ok((None, vec![]));
    }
    let (done, inputs) = reading::done(engine, &request.done, &parameters.key, parameters.seed)?;
    Ok((Some(MergeLookup::of(done)?), inputs))
}

fn totals(ids: u64, groups: Option<u64>, excluded: u64, counted: &annotate::ChangeCounts, written: &Written) -> Totals {
    let count = |aside: &Option<manifest::AsideFile>| aside.as_ref().map_or(0, |aside| aside.ids);
    Totals {
        ids,
        groups,
        weight: written.weight,
        excluded,
        finished: count(&written.finished),
        finished_unknown: counted.finished_unknown,
        left_over: count(&written.left_over),
        gone: counted.gone,
        added: counted.added,
    }
}

/// The memory that a cut needs: the bytes of an ID with its annotations, and what `sorts` sorts that are open at the
/// same time use in addition to what they count.
fn demand(engine: &Engine, first: Option<&RecordBatch>, row_bytes: u64, sorts: u64) -> Demand {
    /// Bytes of an ID's digest, its row number, and its annotations.
    const ENTRY_BYTES: u64 = 64;
    /// Each sort gets 1/20 of the limit for memory that it does not count (measured).
    const UNCOUNTED_PART: u64 = 20;
    Demand {
        footer_bytes: engine.limits().memory * sorts / UNCOUNTED_PART,
        row_bytes: ENTRY_BYTES + first.map_or(0, text_bytes) + 2 * row_bytes,
        sorts,
        ..Demand::default()
    }
}

/// The largest number of sorts that are open at the same time: one feeds another, and lookups read from further ones.
fn sorts_at_once(request: &WavesRequest, parameters: &Parameters) -> u64 {
    let is_plain = parameters.group_by.is_empty() && parameters.order == Order::Shuffle && parameters.balance.is_none();
    let arranging = match (is_plain, parameters.group_by.is_empty()) {
        (true, _) => u64::from(parameters.shards.is_some()),
        (false, true) => 1,
        (false, false) => 2,
    };
    let previous = if request.previous.is_some() { 2 } else { 0 };
    1 + arranging + u64::from(!request.done.is_empty()) + previous + u64::from(request.rows.is_some())
}

/// The approximate bytes of a row of texts.
fn text_bytes(rows: &RecordBatch) -> u64 {
    /// Bytes of a text's end offset.
    const END_BYTES: usize = 4;
    let texts = id_list::texts(rows, 0, rows.num_columns());
    let bytes: usize = texts.iter().map(|column| column.values().len() + END_BYTES * column.len()).sum();
    bytes.div_ceil(rows.num_rows().max(1)) as u64
}

/// Writes `waves.json` and publishes the cut.
///
/// # Errors
/// If writing or renaming fails. Then nothing is published.
pub(crate) fn publish(engine: &Engine, dir: RunDir, document: &WavesManifest) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(Error::internal)?;
    let files = document.files.iter().flat_map(|file| [Some(&file.file), file.rows.as_ref().map(|rows| &rows.path)]);
    let aside = document.finished.iter().chain(&document.left_over).map(|aside| &aside.file.path);
    dir.publish_as(engine, NAME, &format!("{text}\n"), files.flatten().chain(aside).map(String::as_str))
}
