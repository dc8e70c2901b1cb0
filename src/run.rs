//! A run: what it compares, how, and everything that was opened for it. The stages after matching take it whole.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::columns::{Pairing, Privacy};
use crate::compare::discrepancy::{Layout, OutcomeRequest, Retention};
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

/// What every run has, also one that looks at old alone.
pub(crate) struct Session<'a> {
    pub job: &'a Job,
    pub options: &'a Options,
    pub clock: RunClock,
    pub engine: Engine,
    /// The directory that is being written, if one is.
    pub run_dir: Option<RunDir>,
    /// The further tables of the job.
    pub tables: Tables,
}

/// A comparison of two snapshots.
pub(crate) struct Run<'a> {
    pub session: Session<'a>,
    pub snapshots: Sides<Snapshot>,
    pub pairing: Pairing,
    pub privacy: Privacy,
    /// The table that findings become.
    pub layout: Arc<Layout>,
    /// The rows whose outcomes a sign-off requests.
    pub requested: Option<OutcomeRequest>,
}

/// When a run began, and its name.
#[derive(Debug, Clone)]
pub(crate) struct RunClock {
    /// The run's id.
    pub id: String,
    pub started: Timestamp,
    pub instant: Instant,
}

impl RunClock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        let started = Timestamp::now();
        RunClock { id: id_of(started), started, instant: Instant::now() }
    }
}

/// The id of something that begins now: the time, and a random part.
pub(crate) fn new_id() -> String {
    id_of(Timestamp::now())
}

fn id_of(started: Timestamp) -> String {
    let mut random = [0; 2];
    let _ = getrandom::fill(&mut random);
    // ids ascend with time, also within a second; the random part tells apart what began together
    let fraction = i64::from(started.subsec_nanosecond()) * 0x1_0000 / 1_000_000_000;
    format!("{}-{fraction:04x}{:04x}", started.strftime("%Y%m%dT%H%M%SZ"), u16::from_be_bytes(random))
}

impl<'a> Run<'a> {
    /// A comparison of these snapshots, before any row is read.
    pub(crate) fn new(session: Session<'a>, snapshots: Sides<Snapshot>, pairing: Pairing, privacy: Privacy) -> Self {
        let layout = Arc::new(Layout::of(&pairing, &snapshots));
        Run { session, snapshots, pairing, privacy, layout, requested: None }
    }

    /// What the matching and the stages that read its findings again need.
    pub(crate) fn comparison(&self) -> Comparison<'_> {
        let Session { job, options, engine, run_dir, .. } = &self.session;
        let keeps_all = run_dir.is_some() || job.misplaced.is_some();
        Comparison {
            engine,
            snapshots: &self.snapshots,
            pairing: &self.pairing,
            layout: self.layout.clone(),
            keep: if keeps_all { Retention::All } else { Retention::First(options.examples) },
            asked: self.requested.as_ref(),
        }
    }

    /// Brings the rows of both sides together. Every row is counted, and every finding kept that somebody will read.
    pub(crate) fn match_rows(&mut self) -> Result<Matched> {
        self.session.engine.fit(&matching::demand(&self.snapshots, &self.pairing))?;
        self.comparison().run(self.session.options.strategy)
    }

    /// The digests of everything that was read, where a run directory is written.
    pub(crate) fn digest_inputs(&self) -> Result<Option<InputDigests>> {
        self.session.digest_inputs(self.snapshots.as_ref().map(Some))
    }

    /// Makes sure that what was read did not change while it was read.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        self.session.require_unchanged(self.snapshots.iter())
    }
}

impl Session<'_> {
    /// The digests of everything that was read, where a run directory is written.
    pub(crate) fn digest_inputs(&self, sides: Sides<Option<&Snapshot>>) -> Result<Option<InputDigests>> {
        let _stage = self.engine.meter.enter(Stage::Write);
        self.run_dir.as_ref().map(|_| InputDigests::of(&self.engine, self.job, sides, &self.tables)).transpose()
    }

    /// Makes sure that the sides and the further tables did not change while they were read.
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
        let _stage = self.engine.meter.enter(Stage::Write);
        match (self.run_dir.take(), inputs) {
            (Some(run_dir), Some(inputs)) => {
                let identity = RunIdentity { run: &self.clock.id, job: self.job, privacy };
                run_dir.publish(&identity, &self.engine, inputs, reports)
            }
            _ => Ok(()),
        }
    }
}
