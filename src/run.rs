//! A run: what is compared and how, and everything that was opened for it. The stages after matching take it whole.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::causes::Observer;
use crate::columns::{Pairing, Privacy};
use crate::compare::discrepancy::{Layout, Observed, OutcomeRequest, Retention};
use crate::compare::matching::{self, Comparison, Matched};
use crate::error::Result;
use crate::job::Job;
use crate::output::manifest::{InputDigests, RunIdentity};
use crate::output::run_dir::RunDir;
use crate::runtime::engine::Engine;
use crate::runtime::options::Options;
use crate::runtime::timings::Stage;
use crate::sides::Sides;
use crate::snapshot::Snapshot;
use crate::sql::Tables;

/// The parts that all runs have, including runs of old alone.
pub(crate) struct Session<'a> {
    pub job: &'a Job,
    pub options: &'a Options,
    pub clock: RunClock,
    pub engine: Engine,
    pub run_dir: Option<RunDir>,
    pub tables: Tables,
}

/// A comparison of two snapshots.
pub(crate) struct Run<'a> {
    pub session: Session<'a>,
    pub snapshots: Sides<Snapshot>,
    pub pairing: Pairing,
    pub privacy: Privacy,
    /// The columns of the table of discrepancies.
    pub layout: Arc<Layout>,
    /// Looks for causes of mismatches.
    pub observer: Observer,
    /// The rows whose outcomes a sign-off requests.
    pub requested: Option<OutcomeRequest>,
}

/// The start and the ID of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunClock {
    pub id: String,
    pub started: Timestamp,
    pub instant: Instant,
}

impl RunClock {
    pub(crate) fn start() -> Self {
        let started = Timestamp::now();
        RunClock { id: id_of(started), started, instant: Instant::now() }
    }
}

/// Returns an ID that consists of the current time and a random part.
pub(crate) fn new_id() -> String {
    id_of(Timestamp::now())
}

fn id_of(started: Timestamp) -> String {
    let mut random = [0; 2];
    let _ = getrandom::fill(&mut random);
    // IDs ascend with time, also within a second; the random part distinguishes runs that started at the same time
    let fraction = i64::from(started.subsec_nanosecond()) * 0x1_0000 / 1_000_000_000;
    format!("{}-{fraction:04x}{:04x}", started.strftime("%Y%m%dT%H%M%SZ"), u16::from_be_bytes(random))
}

impl<'a> Run<'a> {
    pub(crate) fn new(session: Session<'a>, snapshots: Sides<Snapshot>, pairing: Pairing, privacy: Privacy) -> Self {
        let layout = Arc::new(Layout::of(&pairing, &snapshots));
        let observer = Observer::new(&pairing, &snapshots, &privacy);
        Run { session, snapshots, pairing, privacy, layout, observer, requested: None }
    }

    /// The inputs of the matching and of the stages that read its findings again.
    pub(crate) fn comparison(&self) -> Comparison<'_> {
        let Session { job, options, engine, run_dir, .. } = &self.session;
        let keeps_all = run_dir.is_some() || job.misplaced.is_some();
        Comparison {
            engine,
            snapshots: &self.snapshots,
            pairing: &self.pairing,
            layout: self.layout.clone(),
            retention: if keeps_all { Retention::All } else { Retention::First(options.examples) },
            requested: self.requested.as_ref(),
            observed: Some(Observed::by(&self.observer)),
        }
    }

    /// Matches the rows of both sides. Counts every row, and keeps the findings that lists and examples need.
    pub(crate) fn match_rows(&mut self) -> Result<Matched> {
        self.session.engine.fit(&matching::demand(&self.snapshots, &self.pairing))?;
        self.comparison().run(self.session.options.strategy)
    }

    /// Computes the digests of all inputs if a run directory is written.
    pub(crate) fn digest_inputs(&self) -> Result<Option<InputDigests>> {
        self.session.digest_inputs(self.snapshots.as_ref().map(Some))
    }

    /// Fails if an input changed while it was being read.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        self.session.require_unchanged(self.snapshots.iter())
    }
}

impl Session<'_> {
    /// Computes the digests of all inputs if a run directory is written.
    pub(crate) fn digest_inputs(&self, sides: Sides<Option<&Snapshot>>) -> Result<Option<InputDigests>> {
        let _stage = self.engine.timings.enter(Stage::Write);
        self.run_dir.as_ref().map(|_| InputDigests::of(&self.engine, self.job, sides, &self.tables)).transpose()
    }

    /// Fails if one of the sides or a further table changed while it was being read.
    pub(crate) fn require_unchanged<'s>(&self, mut sides: impl Iterator<Item = &'s Snapshot>) -> Result<()> {
        sides.try_for_each(Snapshot::require_unchanged)?;
        self.tables.values().try_for_each(|table| table.require_unchanged())
    }

    /// Writes the reports and the manifest, and publishes the run directory if there is one.
    pub(crate) fn publish(
        &mut self,
        privacy: &Privacy,
        inputs: Option<InputDigests>,
        reports: Vec<(&'static str, String)>,
    ) -> Result<()> {
        self.engine.progress.finish();
        let _stage = self.engine.timings.enter(Stage::Write);
        match (self.run_dir.take(), inputs) {
            (Some(run_dir), Some(inputs)) => {
                let identity = RunIdentity { run: &self.clock.id, job: self.job, privacy };
                run_dir.publish(&identity, &self.engine, inputs, reports)
            }
            _ => Ok(()),
        }
    }
}
