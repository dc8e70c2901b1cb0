//! LIST: writes every finding to its list, complete and in key order. The first few become examples.

mod example;
mod id_list;
mod cause_lists;
mod misplaced;
mod pieces;
mod table;

use arrow::array::RecordBatch;

use crate::compare::discrepancy::{Layout, Spooled, Tally, classes};
use crate::error::{Error, Result};
use crate::explain::{ExplainedPiece, Explainer};
use crate::job::Job;
use crate::output::run_dir::{FileAccess, RunDir};
use crate::run::{Run, Session};
use crate::runtime::timings::Stage;
use cause_lists::CauseLists;
use example::Examples;
use id_list::IdLists;
use misplaced::MisplacedList;
use pieces::Pieces;
use table::DiscrepanciesWriter;

pub(crate) use example::{Change, Example, NamedValue};

/// Writes every finding of a run to its list if there is a run directory, and returns the first few of each class as
/// examples. Reads the findings once, in key order, and passes them to the explainer.
pub(crate) fn write(
    run: &Run,
    findings: Vec<Spooled>,
    tally: &Tally,
    explainer: &mut Explainer,
) -> Result<Vec<Example>> {
    let Run { session: Session { engine, job, options, run_dir, .. }, layout, .. } = run;
    let _stage = engine.timings.enter(Stage::Write);
    let create = |run_dir| Outputs::create(run_dir, layout, job, explainer);
    let mut outputs = run_dir.as_ref().map(create).transpose()?;
    let mut examples = Examples::default();
    engine.progress.begin("writing", tally.discrepancies());
    let mut pieces = Pieces::default();
    let mut take = |piece: RecordBatch| {
        engine.check_stop()?;
        let stored = piece.clone();
        let piece = explainer.explain(piece)?;
        examples.take(&piece.shown, &stored, layout, options.examples)?;
        engine.progress.advance(piece.shown.num_rows() as u64);
        match &mut outputs {
            Some(outputs) => engine.workers().install(|| outputs.write(&piece)),
            None => Ok(()),
        }
    };
    for part in findings {
        part.read()?.try_for_each(|batch| pieces.push(&batch?, &mut take))?;
    }
    pieces.finish(take)?;
    if let Some(outputs) = outputs {
        engine.workers().install(|| outputs.finish(tally))?;
    }
    Ok(examples.finish(options.examples))
}

/// The files that contain every finding.
struct Outputs {
    ids: IdLists,
    causes: Option<CauseLists>,
    misplaced: Option<MisplacedList>,
    table: DiscrepanciesWriter,
    rows: u64,
}

impl Outputs {
    fn create(run_dir: &RunDir, layout: &Layout, job: &Job, explainer: &Explainer) -> Result<Self> {
        let readers = if explainer.has_private_lists() { FileAccess::Owner } else { FileAccess::All };
        let ids = IdLists::create(run_dir, layout, &job.list_columns, readers)?;
        let causes = || CauseLists::create(run_dir, layout, &job.list_columns, explainer.causes(), readers);
        let causes = job.lists_causes.then(causes).transpose()?;
        let misplaced = job.misplaced.as_ref().map(|_| MisplacedList::create(run_dir, layout, readers)).transpose()?;
        let table = DiscrepanciesWriter::create(run_dir.create("discrepancies.parquet")?, explainer.schema())?;
        Ok(Outputs { ids, causes, misplaced, table, rows: 0 })
    }

    fn write(&mut self, piece: &ExplainedPiece) -> Result<()> {
        let Outputs { ids, causes, misplaced, table, rows } = self;
        let ExplainedPiece { shown, listed, misplaced: found } = piece;
        *rows += shown.num_rows() as u64;
        if let (Some(list), Some(found)) = (misplaced, found) {
            list.write(listed, found)?;
        }
        if let Some(lists) = causes {
            lists.write(listed, shown)?;
        }
        let (listed, tabled) = rayon::join(|| ids.write(listed, &classes(listed)), || table.write(shown));
        listed.and(tabled)
    }

    /// Completes all files. Fails if a list does not have as many rows as were counted.
    fn finish(self, tally: &Tally) -> Result<()> {
        let total = tally.discrepancies();
        if self.rows != total {
            return Err(Error::Internal(format!("{} of {total} discrepancies reached the lists", self.rows)));
        }
        self.ids.finish(tally)?;
        self.table.finish()?;
        self.causes.map_or(Ok(()), CauseLists::finish)?;
        self.misplaced.map_or(Ok(()), MisplacedList::finish)
    }
}
