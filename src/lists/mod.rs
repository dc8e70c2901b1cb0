//! LIST: every finding goes to its list, complete and in key order; the first few become examples.

mod example;
mod id_list;
mod misplaced;
mod pieces;
mod table;

use arrow::array::RecordBatch;

use crate::compare::discrepancy::{Layout, Spooled, Tally, classes};
use crate::error::{Error, Result};
use crate::explain::{Explainer, Piece};
use crate::job::Job;
use crate::output::manifest::Digest;
use crate::output::run_dir::{Readers, RunDir};
use crate::runtime::engine::Engine;
use example::Examples;
use id_list::IdLists;
use misplaced::MisplacedList;
use pieces::Pieces;
use table::Table;

pub(crate) use example::{Change, Example};

/// What came of the findings.
pub(crate) struct Lists {
    /// The files that were written.
    pub files: Vec<Digest>,
    /// The first few findings of each class.
    pub examples: Vec<Example>,
}

impl Lists {
    /// Reads the findings once, in key order, and has them explained on the way.
    pub(crate) fn write(
        engine: &Engine,
        run_dir: Option<&RunDir>,
        layout: &Layout,
        findings: Vec<Spooled>,
        tally: &Tally,
        job: &Job,
        explainer: &mut Explainer,
    ) -> Result<Self> {
        let create = |run_dir| Outputs::create(run_dir, layout, job, explainer);
        let mut outputs = run_dir.map(create).transpose()?;
        let mut examples = Examples::default();
        engine.progress.begin("writing", tally.discrepancies());
        let mut pieces = Pieces::default();
        let mut take = |piece: RecordBatch| {
            engine.check_stop()?;
            let stored = piece.clone();
            let piece = explainer.explain(piece)?;
            examples.take(&piece.shown, &stored, layout, job.examples)?;
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
        let files = match outputs {
            Some(outputs) => engine.workers().install(|| outputs.finish(tally))?,
            None => vec![],
        };
        Ok(Lists { files, examples: examples.finish(job.examples) })
    }
}

/// The files that hold every finding.
struct Outputs {
    ids: IdLists,
    misplaced: Option<MisplacedList>,
    table: Table,
    rows: u64,
}

impl Outputs {
    fn create(run_dir: &RunDir, layout: &Layout, job: &Job, explainer: &Explainer) -> Result<Self> {
        let readers = if explainer.has_private_lists() { Readers::Owner } else { Readers::All };
        let ids = IdLists::create(run_dir, layout, &job.list_columns, readers)?;
        let misplaced = job.misplaced.as_ref().map(|_| MisplacedList::create(run_dir, layout, readers)).transpose()?;
        let table = Table::create(run_dir.create("discrepancies.parquet")?, explainer.schema())?;
        Ok(Outputs { ids, misplaced, table, rows: 0 })
    }

    fn write(&mut self, piece: &Piece) -> Result<()> {
        let Outputs { ids, misplaced, table, rows } = self;
        let Piece { shown, listed, misplaced: found } = piece;
        *rows += shown.num_rows() as u64;
        if let (Some(list), Some(found)) = (misplaced, found) {
            list.write(listed, found)?;
        }
        let (listed, tabled) = rayon::join(|| ids.write(listed, &classes(listed)), || table.write(shown));
        listed.and(tabled)
    }

    /// Ends all files. Each list has to be as long as its count.
    fn finish(self, tally: &Tally) -> Result<Vec<Digest>> {
        let total = tally.discrepancies();
        if self.rows != total {
            return Err(Error::Internal(format!("{} of {total} discrepancies reached the lists", self.rows)));
        }
        let mut files = self.ids.finish(tally)?;
        files.push(self.table.finish()?);
        files.extend(self.misplaced.map(MisplacedList::finish).transpose()?);
        Ok(files)
    }
}
