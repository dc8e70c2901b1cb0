//! WHY: explains every discrepancy, and decides whether it counts against the gates.
//!
//! A discrepancy does not count while a waiver covers it, while it is in flight for the first time, or until it has
//! been seen as often as the gates require. It is still listed, with its tags.

mod in_flight;
mod causes;
mod slices;
mod redaction;
mod misplaced;
mod segments;
mod unreadable;
mod waivers;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListArray, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use jiff::Timestamp;

use crate::causes::{CauseReport, Causes};
use crate::class::{ByClass, Class};
use crate::columns::version::Version;
use crate::compare::discrepancy::{Spooled, TableColumn, Tally, VERSIONS, classes, texts};
use crate::error::{Error, Result};
use crate::history::{FindingHistory, History, HistoryReport, HistoryTracker, IdentityHasher};
use crate::job::Job;
use crate::output::run_dir::RunDir;
use crate::run::{Run, Session};
use crate::runtime::timings::Stage;
use crate::sides::{Side, Sides};
use in_flight::{InFlight, TimeTag};
use misplaced::Misplaced;
use redaction::Redaction;
use segments::Segments;
use waivers::Waivers;

pub(crate) use causes::decide as decide_causes;
pub(crate) use in_flight::InFlightReport;
pub(crate) use misplaced::{Kind as MisplacedKind, MisplacedReport, Misplacements};
pub(crate) use redaction::PrivateReport;
pub(crate) use segments::SegmentReport;
pub(crate) use slices::SliceReport;
pub(crate) use unreadable::{UnreadableCell, UnreadableCells, find as unreadable_cells};
pub(crate) use waivers::{TAG as WAIVER_TAG, WaiverReport};

/// The numbers of discrepancies that count against the gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateCounts {
    /// All of them, by class.
    pub counts: ByClass<u64>,
    /// Those that did not count in the previous run, by class.
    pub new: ByClass<u64>,
    /// Mismatches by compared column.
    pub columns: Vec<u64>,
}

impl GateCounts {
    fn all(tally: &Tally) -> Self {
        let columns = tally.columns.iter().map(|column| column.mismatches).collect();
        GateCounts { counts: tally.counts(), new: tally.counts(), columns }
    }

    fn none(columns: usize) -> Self {
        GateCounts { counts: ByClass::default(), new: ByClass::default(), columns: vec![0; columns] }
    }

    fn take(&mut self, class: Class, is_new: bool, changed: &[usize]) {
        self.counts[class] += 1;
        self.new[class] += u64::from(is_new);
        changed.iter().for_each(|&column| self.columns[column] += 1);
    }

    fn add(&mut self, other: &GateCounts) {
        for class in Class::ALL {
            self.counts[class] += other.counts[class];
            self.new[class] += other.new[class];
        }
        self.columns.iter_mut().zip(&other.columns).for_each(|(own, other)| *own += other);
    }
}

/// The explanation of all discrepancies of a run.
pub struct Explained {
    /// The discrepancies that count against the gates.
    pub weighed: GateCounts,
    /// The changes since the previous run.
    pub history: Option<HistoryReport>,
    /// The discrepancies that the times of the snapshots explain.
    pub in_flight: Option<InFlightReport>,
    /// The values that are under another key.
    pub misplaced: Option<MisplacedReport>,
    /// The waivers, with the number of discrepancies that each covers.
    pub waivers: Vec<WaiverReport>,
    /// The discrepancies by segment.
    pub segments: Vec<SegmentReport>,
    /// What mismatches look like they came from.
    pub causes: Vec<CauseReport>,
    /// The parts of the rows with far more discrepancies than their share.
    pub slices: Vec<SliceReport>,
    /// The columns whose values are not shown.
    pub private: Option<PrivateReport>,
}

/// An explained piece of the table of discrepancies.
pub(crate) struct ExplainedPiece {
    /// The redacted rows with their explanations.
    pub shown: RecordBatch,
    /// The rows for the ID lists.
    pub listed: RecordBatch,
    /// The misplaced values, with keys in the form of the ID lists; `None` if the job does not search for them.
    pub misplaced: Option<Misplacements>,
}

/// Explains the discrepancies of a run, piece by piece and in key order.
pub(crate) struct Explainer {
    columns: Vec<String>,
    /// The schema of the table with explanations, and of the same table after redaction.
    known_schema: SchemaRef,
    shown_schema: SchemaRef,
    redaction: Redaction,
    hasher: IdentityHasher,
    /// The number of runs in which a discrepancy must be seen before it counts.
    persisting_for: u32,
    tracker: Option<HistoryTracker>,
    version: Option<Version>,
    in_flight: Option<InFlight>,
    misplaced: Option<Misplaced>,
    waivers: Waivers,
    segments: Segments,
    causes: Causes,
    /// Causes of the run before that are gone.
    gone_causes: Vec<String>,
    slices: Vec<SliceReport>,
    weighed: GateCounts,
}

impl Explainer {
    pub(crate) fn new(run: &Run, history: Option<History>, mut causes: Causes) -> Result<Self> {
        let Run { session, snapshots, pairing, privacy, layout, .. } = run;
        let Session { engine, job, clock, run_dir, .. } = session;
        let begin = |history| HistoryTracker::begin(history, &clock.id, run_dir.as_ref());
        let before = history.as_ref().and_then(|history| history.previous.as_ref()?.summary.causes.clone());
        let gone_causes = before.map(|before| causes::relate(&mut causes.reports, &before)).unwrap_or_default();
        let standings = history.map(begin).transpose()?;
        let hiding = Redaction::of(job, privacy)?;
        let known = |schema: SchemaRef| with_known(&schema, standings.is_some(), job.misplaced.is_some());
        let known_schema = known(layout.schema());
        let expiry = snapshot_time(job).unwrap_or(clock.started);
        Ok(Explainer {
            waivers: Waivers::of(engine, &job.waivers, layout, &known_schema, expiry)?,
            segments: Segments::of(engine, &job.segments, snapshots, pairing, layout, privacy)?,
            shown_schema: known(hiding.schema(&layout.schema())),
            known_schema,
            redaction: hiding,
            hasher: IdentityHasher::default(),
            persisting_for: job.gate.persisting_for.unwrap_or(1),
            tracker: standings,
            in_flight: InFlight::of(job, pairing.version.as_ref().map(|version| &version.kind)),
            misplaced: None,
            causes,
            gone_causes,
            slices: vec![],
            version: pairing.version.clone(),
            weighed: GateCounts::none(pairing.columns.len()),
            columns: pairing.columns.iter().map(|column| column.name.clone()).collect(),
        })
    }

    /// Searches for misplaced values if the job requests it. Reads the findings more than once.
    pub(crate) fn find_misplaced(&mut self, run: &Run, findings: &[Spooled], tally: &Tally) -> Result<()> {
        let Session { job, engine, options, .. } = &run.session;
        let Some(settings) = &job.misplaced else { return Ok(()) };
        let _stage = engine.timings.enter(Stage::Match);
        self.misplaced = Some(Misplaced::find(settings, &run.comparison(), findings, tally, options.examples)?);
        Ok(())
    }

    /// Looks for the parts of the rows with far more discrepancies than their share.
    pub(crate) fn find_slices(&mut self, run: &Run, sample: Option<&RecordBatch>, tally: &Tally) -> Result<()> {
        self.slices = slices::find(run, sample, tally, &self.causes)?;
        Ok(())
    }

    /// The schema of `ExplainedPiece::shown`.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.shown_schema.clone()
    }

    /// Whether the ID lists contain private values, so that only their owner may read them.
    pub(crate) fn has_private_lists(&self) -> bool {
        self.redaction.has_plain_lists()
    }

    /// The causes of the run.
    pub(crate) fn causes(&self) -> &[CauseReport] {
        &self.causes.reports
    }

    fn has_nothing_to_do(&self) -> bool {
        self.tracker.is_none() && self.in_flight.is_none() && self.misplaced.is_none() && self.waivers.is_empty()
    }

    /// Explains the rows of a piece of the table.
    pub(crate) fn explain(&mut self, piece: RecordBatch) -> Result<ExplainedPiece> {
        let classes = classes(&piece);
        let piece = causes::named(&self.causes, &piece)?;
        self.segments.take(&piece, &classes)?;
        let hidden = self.redaction.hide(&piece)?;
        if self.has_nothing_to_do() {
            let listed = if self.has_private_lists() { piece } else { hidden.clone() };
            return Ok(ExplainedPiece { shown: hidden, listed, misplaced: None });
        }
        let identities = self.hasher.of(&hidden, |column| self.redaction.forgets(column))?;
        let seen = self.tracker.as_mut().map(|standings| standings.of(&identities));
        let time_tags = self.time_tags(&piece, &classes, seen.as_deref())?;
        let misplaced = self.misplaced.as_mut().map(|misplaced| misplaced.of(&piece, &classes)).transpose()?;
        let shown_misplaced = misplaced.as_ref().map(|found| found.hidden(&self.redaction)).transpose()?;
        if let (Some(own), Some(shown)) = (&mut self.misplaced, &shown_misplaced) {
            own.take(&hidden, &classes, shown)?;
        }
        let standing: Vec<ArrayRef> = seen.iter().flat_map(|seen| columns_of(seen)).collect();
        let with_known = |piece: &RecordBatch, schema: &SchemaRef, misplaced: &Option<Misplacements>| {
            let misplaced = misplaced.as_ref().map(Misplacements::column).transpose()?;
            let columns = piece.columns().iter().chain(&standing).chain(&misplaced).cloned().collect();
            Ok::<_, Error>(RecordBatch::try_new(schema.clone(), columns)?)
        };
        let unwaived = vec![None; piece.num_rows()];
        let why = misplaced.as_ref().map_or_else(|| vec![vec![]; piece.num_rows()], Misplacements::tags);
        let tags = |waivers: &[Option<String>]| tags(&time_tags, &why, waivers);
        let known = tagged(with_known(&piece, &self.known_schema, &misplaced)?, tags(&unwaived))?;
        let waivers = self.waivers.covering(&known, &classes)?;
        let shown = with_known(&hidden, &self.shown_schema, &shown_misplaced)?;
        let counted = self.weigh(&piece, &classes, &time_tags, seen.as_deref(), &waivers);
        if let (Some(standings), Some(seen)) = (&mut self.tracker, &seen) {
            standings.take(seen, |row| time_tags[row].contains(&TimeTag::InFlight), &counted)?;
        }
        let (listed, misplaced) = if self.has_private_lists() { (piece, misplaced) } else { (hidden, shown_misplaced) };
        let waived: Vec<Option<String>> = waivers.iter().map(|waiver| Some(self.waivers.tag((*waiver)?))).collect();
        Ok(ExplainedPiece { shown: tagged(shown, tags(&waived))?, listed, misplaced })
    }

    /// Counts the rows of a piece against the gates, or for the waiver that covers them. Returns which rows count
    /// against the gates.
    fn weigh(
        &mut self,
        piece: &RecordBatch,
        classes: &[Class],
        time_tags: &[Vec<TimeTag>],
        seen: Option<&[FindingHistory]>,
        waivers: &[Option<usize>],
    ) -> Vec<bool> {
        let changed = TableColumn::Changed.of(piece).as_list::<i32>();
        let mut counted = Vec::with_capacity(classes.len());
        for (row, &class) in classes.iter().enumerate() {
            let seen = seen.map(|seen| &seen[row]);
            let before = seen.and_then(|seen| seen.before.as_ref());
            let was_in_flight = before.is_some_and(|known| known.in_flight);
            if let Some(in_flight) = &mut self.in_flight {
                time_tags[row].iter().for_each(|&tag| in_flight.count(class, tag, was_in_flight));
            }
            let is_old_enough = seen.is_none_or(|seen| seen.age >= self.persisting_for);
            let weighs = is_old_enough && (!time_tags[row].contains(&TimeTag::InFlight) || was_in_flight);
            // a discrepancy is new if it did not count in the previous run, even if it was seen then but excused
            let is_new = !before.is_some_and(|known| known.counted);
            let changed = self.numbers(changed, row);
            let weighed = match waivers[row] {
                Some(waiver) => self.waivers.take(waiver),
                None => &mut self.weighed,
            };
            if weighs {
                weighed.take(class, is_new, &changed);
            }
            counted.push(weighs && waivers[row].is_none());
        }
        counted
    }

    /// What times and versions say of each row of a piece.
    fn time_tags(
        &self,
        piece: &RecordBatch,
        classes: &[Class],
        seen: Option<&[FindingHistory]>,
    ) -> Result<Vec<Vec<TimeTag>>> {
        let (Some(in_flight), Some(version)) = (&self.in_flight, &self.version) else {
            return Ok(vec![vec![]; piece.num_rows()]);
        };
        let of_side = |side: Side| match piece.column_by_name(VERSIONS[side]) {
            Some(column) => version.numbers(column, side),
            None => Ok(vec![None; piece.num_rows()]),
        };
        let versions = Sides::try_from_fn(of_side)?;
        let tags = classes.iter().enumerate().map(|(row, &class)| {
            let of_row = Sides { old: versions.old[row], new: versions.new[row] };
            in_flight.time_tags(class, of_row, seen.map(|seen| &seen[row]))
        });
        Ok(tags.collect())
    }

    /// The indices of the changed columns of a row.
    fn numbers(&self, changed: &ListArray, row: usize) -> Vec<usize> {
        let names = changed.value(row);
        let names = names.as_string::<i32>().iter().flatten();
        names.filter_map(|name| self.columns.iter().position(|known| known == name)).collect()
    }

    /// Returns the results. If there was nothing to explain, all discrepancies count.
    pub(crate) fn finish(self, tally: &Tally, run_dir: Option<&RunDir>) -> Result<Explained> {
        let mut weighed = if self.has_nothing_to_do() { GateCounts::all(tally) } else { self.weighed };
        let history = self.tracker.map(HistoryTracker::finish).transpose()?;
        let history = history.map(|history| HistoryReport { gone_causes: self.gone_causes, ..history });
        let (waivers, unheld) = self.waivers.finish();
        unheld.iter().for_each(|unheld| weighed.add(unheld));
        let in_flight = self.in_flight.map(InFlight::finish);
        let misplaced = self.misplaced.map(Misplaced::finish);
        let segments = self.segments.finish(run_dir)?;
        let (causes, slices, private) = (self.causes.reports, self.slices, self.redaction.report());
        Ok(Explained { weighed, history, in_flight, misplaced, waivers, segments, causes, slices, private })
    }
}

/// Whether a discrepancy with this tag is temporarily accepted.
pub(crate) fn excuses(tag: &str) -> bool {
    tag == TimeTag::InFlight.name() || tag.starts_with(waivers::TAG)
}

/// Checks the settings of a job about discrepancies before there are any.
pub(crate) fn require_sound(run: &Run) -> Result<()> {
    let Run { session: Session { engine, job, clock, .. }, pairing, privacy, layout, .. } = run;
    Redaction::of(job, privacy)?;
    job.misplaced.as_ref().map_or(Ok(()), |settings| misplaced::require_sound(settings, pairing))?;
    let schema = with_known(&layout.schema(), true, job.misplaced.is_some());
    Waivers::of(engine, &job.waivers, layout, &schema, clock.started)?;
    Segments::plan(engine, &job.segments, layout, privacy).map(drop)
}

/// The schema of the table of discrepancies that a run writes.
pub(crate) fn shown_schema(run: &Run) -> Result<SchemaRef> {
    let Run { session: Session { job, .. }, privacy, layout, .. } = run;
    let redaction = Redaction::of(job, privacy)?;
    Ok(with_known(&redaction.schema(&layout.schema()), true, job.misplaced.is_some()))
}

/// Adds the columns for history and for misplaced values, if they are requested.
fn with_known(schema: &SchemaRef, has_standing: bool, has_misplaced: bool) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    if has_standing {
        fields.push(Field::new("standing", DataType::Utf8, false).into());
        fields.push(Field::new("age", DataType::UInt32, false).into());
        fields.push(Field::new("first_run", DataType::Utf8, true).into());
    }
    if has_misplaced {
        fields.push(misplaced::field());
    }
    Schema::new(fields).into()
}

/// The tags of each row: those of times, misplaced values, and the waiver that covers it.
fn tags(time_tags: &[Vec<TimeTag>], misplaced: &[Vec<&str>], waivers: &[Option<String>]) -> ArrayRef {
    let tags = time_tags.iter().zip(misplaced).zip(waivers).map(|((time_tags, misplaced), waiver)| {
        let time_tags = time_tags.iter().map(|tag| tag.name());
        time_tags.chain(misplaced.iter().copied()).chain(waiver.as_deref()).collect::<Vec<&str>>()
    });
    Arc::new(texts(tags))
}

fn tagged(piece: RecordBatch, tags: ArrayRef) -> Result<RecordBatch> {
    let mut columns = piece.columns().to_vec();
    columns[TableColumn::Tags as usize] = tags;
    Ok(RecordBatch::try_new(piece.schema(), columns)?)
}

/// The time of the data of a run: the end of new's export.
fn snapshot_time(job: &Job) -> Option<Timestamp> {
    job.sources.new.taken_at.as_ref()?.to.parse().ok()
}

fn columns_of(seen: &[FindingHistory]) -> [ArrayRef; 3] {
    [
        Arc::new(StringArray::from_iter_values(seen.iter().map(|seen| seen.standing.name()))),
        Arc::new(UInt32Array::from_iter_values(seen.iter().map(|seen| seen.age))),
        Arc::new(seen.iter().map(|seen| seen.first_run.as_deref()).collect::<StringArray>()),
    ]
}
