//! countersign compares two exports of the same data exactly: which rows are missing, which are extra, which differ and
//! in which columns, and whether anything could not be compared.
//!
//! [`compare`] is the whole pipeline. Modules are listed in dependency order: each uses only the modules above it.
//!
//! ```no_run
//! use countersign::job::{Identity, Job, Origin, Setting, Source};
//! use countersign::report::Verdict;
//! use countersign::sides::Sides;
//! use countersign::{Options, compare};
//!
//! let source = |path: &str| Source::of(Setting { text: path.into(), origin: Origin::Flag("example") });
//! let sources = Sides { old: source("old/orders.parquet"), new: source("new/orders/") };
//! let key = Identity::Key(Setting::flags("key", &["order_id".into()]));
//! let report = compare(&Job::new("orders", sources, key), &Options::default())?;
//! assert_eq!(report.verdict, Verdict::Match);
//! # Ok::<(), countersign::error::Error>(())
//! ```

pub mod sides;
pub(crate) mod class;
pub mod error;
pub mod job;
pub(crate) mod runtime;
pub(crate) mod formats;
pub(crate) mod snapshot;
pub(crate) mod equality;
pub(crate) mod sql;
pub(crate) mod columns;
pub(crate) mod causes;
pub(crate) mod compare;
pub(crate) mod output;
pub(crate) mod id_list;
pub(crate) mod run;
pub(crate) mod history;
pub(crate) mod explain;
pub(crate) mod lists;
pub(crate) mod checks;
pub mod report;
pub(crate) mod prepare;
pub(crate) mod signoff;
pub(crate) mod waves;
pub(crate) mod tools;
pub mod cli;

pub use ::certificate;
pub use runtime::options::{EXAMPLES, Limits, Options, Out, Strategy};
pub use runtime::progress::Progress;

pub(crate) use ::certificate::{csv, regular_file};

use checks::CheckInputs;
use checks::groups::{self, Findings};
use compare::discrepancy::Spooled;
use compare::matching::Matched;
use error::Result;
use explain::Explainer;
use history::History;
use job::Job;
use prepare::{OldAlone, Prepared, Refusal, prepare};
use report::{MatchingWay, Report, RunStats, StageResults};
use run::Run;
use sides::Sides;

/// Compares two snapshots as the job specifies, and writes the run directory if the options name one.
///
/// # Errors
/// Any reason why the snapshots could not be verified. Partial output is removed.
pub fn compare(job: &Job, options: &Options) -> Result<Report> {
    let prepared = prepare(job, options, None).map_err(Refusal::into_error);
    prepared.and_then(Prepared::execute).map_err(|error| job.redact(error))
}

impl Prepared<'_> {
    pub(crate) fn execute(self) -> Result<Report> {
        match self {
            Prepared::Comparison(run) => Ok(run.start()?.execute()?.report),
            Prepared::OldAlone(old_alone) => old_alone.start()?.execute(),
        }
    }
}

/// A finished comparison. `outcomes` are the rows whose outcomes a sign-off requested.
pub(crate) struct Compared<'a> {
    pub(crate) report: Report,
    pub(crate) run: Box<Run<'a>>,
    pub(crate) outcomes: Vec<Spooled>,
}

impl<'a> Run<'a> {
    /// Runs the stages of a comparison in order.
    pub(crate) fn execute(mut self: Box<Self>) -> Result<Compared<'a>> {
        let Matched { tally, causes, sample, findings, outcomes, strategy, reason } = self.match_rows()?;

        let inputs = self.digest_inputs()?;
        let history = History::read(&self.session, &self.privacy, inputs.as_ref())?;
        let input_failures = history::failures(&self.session, tally.rows, history.as_ref());

        let previous = history.as_ref().and_then(|history| history.previous.clone());
        let sample = sample.finish()?;
        let causes = explain::decide_causes(&self, &causes, sample.as_ref(), &tally)?;
        let mut explainer = Explainer::new(&self, history, causes)?;
        explainer.find_misplaced(&self, &findings, &tally)?;
        explainer.find_slices(&self, sample.as_ref(), &tally)?;
        let examples = lists::write(&self, findings, &tally, &mut explainer)?;
        let unreadable_cells = explain::unreadable_cells(&self)?;
        let explained = explainer.finish(&tally, self.session.run_dir.as_ref())?;

        let check_inputs = CheckInputs::of_run(&self);
        let checked = checks::run(&self.session, &check_inputs, previous.as_ref())?;
        let found = Findings { tally: &tally, checked: &checked, input_failures: &input_failures };
        let groups = groups::gather(&self, &check_inputs, &found)?;

        self.require_unchanged()?;
        let (way, reason) = MatchingWay::of(&self.pairing, strategy, reason);
        let stats = RunStats::new(&self.session, way, reason);
        let checks = checked.reports;
        let found =
            StageResults { tally: &tally, explained, examples, unreadable_cells, checks, groups, input_failures };
        let mut report = Report::of(self.session.job, &self.snapshots, &self.pairing, found, stats);
        self.session.publish(&self.privacy, inputs, report.files())?;
        report.run.time_stages(&self.session.engine);
        Ok(Compared { report, run: self, outcomes })
    }
}

impl OldAlone<'_> {
    /// Runs the stages of a run that has only old: its checks, before there is a new store.
    fn execute(mut self: Box<Self>) -> Result<Report> {
        let inputs = self.session.digest_inputs(Sides { old: Some(&self.old), new: None })?;
        let history = History::read(&self.session, &self.privacy, inputs.as_ref())?;
        let previous = history.as_ref().and_then(|history| history.previous.as_ref());
        let checked = checks::run(&self.session, &self.check_inputs(), previous)?;
        let rows = Sides { old: self.old.rows(), new: 0 };
        let input_failures = history::failures(&self.session, rows, history.as_ref());

        self.session.require_unchanged([&self.old].into_iter())?;
        let stats = RunStats::new(&self.session, MatchingWay::None, "the job has no [new]".into());
        let mut report = Report::of_old(self.session.job, &self.old, checked.reports, input_failures, stats);
        self.session.publish(&self.privacy, inputs, report.files())?;
        report.run.time_stages(&self.session.engine);
        Ok(report)
    }
}

/// Internals for the integration tests and benchmarks. This is not a stable interface.
#[doc(hidden)]
pub mod testing {
    pub use crate::columns::Privacy;
    pub use crate::compare::discrepancy::Tiers;
    pub use crate::compare::matching::MemoryEstimate;
    pub use crate::csv::records;
    pub use crate::equality::canonical::{Domain, canonical, domain, order, row_hash};
    pub use crate::history::{DiscrepancyDigest as KeyDigest, key_digest, past_unclean};
    pub use crate::output::manifest::{FileDigest, of_file};
    pub use crate::runtime::engine::Engine;
    pub use crate::runtime::memory::Demand;
    pub use crate::snapshot::Snapshot;
    pub use crate::tools::inspect;
}
