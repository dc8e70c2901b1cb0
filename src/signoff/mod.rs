//! SIGN: may these rows be deleted? Each candidate is approved or blocked, with every reason that blocks it, and a
//! certificate says on what that rests. Nothing is deleted here.
//!
//! The comparison records how the candidates' rows come out; that and all evidence are joined into one table of facts;
//! `decide` decides row by row.

mod after;
mod backup;
mod candidates;
mod canaries;
mod statement;
mod coverage;
mod csv_columns;
mod decide;
mod evidence;
mod facts;
mod guards;
mod history;
mod ids;
mod outputs;
mod summary;
mod requirements;
mod selected;
mod policy;
mod totals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use jiff::Timestamp;

pub(crate) use after::{AfterRequest, verify_deletions};
pub(crate) use canaries::CanaryRow;
pub(crate) use evidence::EvidenceCounts;
pub(crate) use requirements::RequirementCheck;

use crate::Compared;
use crate::certificate::PrivateKey;
use crate::columns::{DIGEST_BYTES, Pairing, Privacy, ValueHasher};
use crate::compare::discrepancy::{Layout, OutcomeRequest};
use crate::error::{Error, Result};
use crate::id_list::Lines;
use crate::job::{Job, Out, SignOff};
use crate::output::run_dir::RunDir;
use crate::report::{Report, Verdict};
use crate::runtime::engine::Engine;
use crate::runtime::progress::Progress;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{Tables, WorkingTable};
use candidates::Candidates;
use coverage::Traced;
use csv_columns::CsvColumns;
use decide::{BlockReason, Policy};
use evidence::look_up;
use facts::{EvidenceTable, FactsTable};
use guards::RowGuard;
use ids::{IdColumns, digests_where_read};
use policy::{candidate_columns, require_decidable, require_different_files, require_shown, terms};
use requirements::{compares, requirements};
use totals::SignOffTotals;

/// What is asked for on the command line.
pub(crate) struct SignOffRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// The list of candidates.
    pub candidates: PathBuf,
    /// Where everything is written.
    pub out: PathBuf,
    /// The key that signs; without one, the certificate is not signed and no delete job accepts it.
    pub key: Option<PrivateKey>,
    /// Whether the approved rows are written whole.
    pub rows: bool,
}

/// The answer.
#[derive(Debug)]
pub(crate) struct SignOffResult {
    /// The run that it rests on.
    pub report: Report,
    /// What concerns all candidates.
    pub requirements: Vec<RequirementCheck>,
    /// What proves that the comparison can fail.
    pub canaries: Vec<CanaryRow>,
    /// What became of the IDs that evidence names.
    pub evidence: EvidenceCounts,
    /// How many candidates there are.
    pub candidates: u64,
    /// How many of them may go.
    pub approved: u64,
    /// How many each reason blocks, by the reason's code.
    pub blocked_by: BTreeMap<String, u64>,
    /// What the reasons mean, by their codes.
    pub meanings: BTreeMap<String, String>,
    /// The first few that are blocked, with the codes of their reasons.
    pub examples: Vec<(String, BTreeSet<String>)>,
    /// Whether anything was verified at all.
    pub is_verified: bool,
    /// Who signed: the id of the key; none for a certificate that is not signed.
    pub key_id: Option<String>,
    /// Until when it holds.
    pub expires: Timestamp,
    /// Where it is written.
    pub out: PathBuf,
}

impl SignOffResult {
    /// 0 if all are approved, 1 if some are blocked, 2 if nothing was verified.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.is_verified, self.approved == self.candidates) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }
}

/// What the parts of a sign-off share.
struct SignOffContext<'a> {
    engine: &'a Engine,
    job: &'a Job,
    terms: &'a SignOff,
    tables: &'a Tables,
    snapshots: &'a Sides<Snapshot>,
    pairing: &'a Pairing,
    privacy: &'a Privacy,
    layout: Arc<Layout>,
    candidates: &'a Candidates,
    /// The columns that name a candidate, by new's names.
    candidate_key: Vec<String>,
    /// The same columns, and those of the key, as IDs.
    ids: IdColumns,
    keys: IdColumns,
    /// The columns that the job gathers groups by.
    groups: Option<IdColumns>,
    /// Whether the outcomes hold the other side's keys.
    asks_for_keys: bool,
}

/// The run's directory in that of the sign-off.
const RUN: &str = "run";

/// Decides on every candidate, and writes the lists and the certificate.
///
/// # Errors
/// If the job has no `[signoff]`, the list is no list of candidates, or anything keeps the snapshots from being compared.
/// Nothing is left half-written then.
pub(crate) fn sign(
    job: &Job,
    request: &SignOffRequest,
    stop: Arc<AtomicBool>,
    progress: Progress,
) -> Result<SignOffResult> {
    let run_dir = RunDir::claim(&request.out)?;
    run_dir.require_apart(job)?;
    let signed = sign_into(run_dir, job, request, stop, progress);
    signed.map_err(|error| without_values(job, error))
}

/// What went wrong, without what it may quote of private data.
fn without_values(job: &Job, error: Error) -> Error {
    if job.private.is_some() { error.without_values() } else { error }
}

fn sign_into(
    run_dir: RunDir,
    job: &Job,
    request: &SignOffRequest,
    stop: Arc<AtomicBool>,
    progress: Progress,
) -> Result<SignOffResult> {
    let terms = terms(job)?;
    let now = Timestamp::now();
    let checks = job.checks.iter().chain(&terms.checks).cloned().collect();
    let temp = job.temp.clone().or(Some(run_dir.spill_dir()));
    let whole = Job { out: Some(Out::At(request.out.join(RUN))), checks, temp, ..job.clone() };
    let mut read = None;
    let compared =
        crate::compare(&whole, Some(run_dir.nested(RUN)?), stop, progress, |engine, snapshots, pairing, privacy| {
            require_decidable(job, terms, snapshots, pairing, privacy)?;
            let (columns, key) = candidate_columns(terms, snapshots, pairing)?;
            require_shown(privacy, request, &key)?;
            let digests = ValueHasher::new()?;
            let ids = IdColumns::new(pairing, snapshots, &columns, &digests)?;
            let traced = coverage::trace(terms, &snapshots[terms.delete_from], pairing, &ids, &key)?;
            let candidates = Candidates::read(engine, &request.candidates, &key, &ids, terms.delete_from)?;
            let filter = candidates.filter.clone();
            let with_keys = terms.clean_runs > 1 && !keys_are_alike(snapshots, pairing);
            read = Some((candidates, ids, traced));
            Ok(Some(OutcomeRequest { side: terms.delete_from, names: columns, digests, filter, with_keys }))
        })?;
    let run = run_dir.path_of(RUN);
    require_different_files(&run)?;
    let (candidates, ids, traced) = read.ok_or_else(|| Error::internal("the comparison did not ask for candidates"))?;
    let context = context(job, terms, &compared, &candidates, ids)?;
    let decided = decide_all(&context, request, &compared, traced.as_ref(), &run, now)?;
    outputs::write(&context, request, decided, run_dir, now)
}

/// Whether the keys of both sides are written alike, so that one side's tells the other's.
fn keys_are_alike(snapshots: &Sides<Snapshot>, pairing: &Pairing) -> bool {
    let data_type =
        |side: Side, at: usize| snapshots[side].schema.field(pairing.columns[at].at[side]).data_type().clone();
    !pairing.keys_have_rules() && (0..pairing.key_len).all(|at| data_type(Side::Old, at) == data_type(Side::New, at))
}

fn context<'a>(
    job: &'a Job,
    terms: &'a SignOff,
    compared: &'a Compared,
    candidates: &'a Candidates,
    ids: IdColumns,
) -> Result<SignOffContext<'a>> {
    let Compared { engine, tables, snapshots, pairing, privacy, asked, .. } = compared;
    let keys: Vec<usize> = (0..pairing.key_len).collect();
    let by = job.group.iter().filter_map(|name| pairing.columns.iter().position(|pair| pair.name == name.text));
    let by: Vec<usize> = by.collect();
    let groups = (!by.is_empty()).then(|| IdColumns::new(pairing, snapshots, &by, &ids.digests)).transpose()?;
    Ok(SignOffContext {
        engine,
        job,
        terms,
        tables,
        snapshots,
        pairing,
        privacy,
        layout: Arc::new(Layout::of(pairing, snapshots)),
        candidates,
        candidate_key: candidates.key.clone(),
        keys: IdColumns::new(pairing, snapshots, &keys, &ids.digests)?,
        ids,
        groups,
        asks_for_keys: asked.as_ref().is_some_and(|asked| asked.with_keys),
    })
}

/// What was decided, before it is written.
struct Decided<'a> {
    signed: SignOffResult,
    policy: Policy<'a>,
    facts: FactsTable,
    guard: RowGuard,
    /// Which candidates nothing blocks, by their numbers.
    may_go: BooleanBuffer,
    backup: Option<Snapshot>,
}

impl Decided<'_> {
    fn approves(&self, candidate: u64) -> bool {
        self.signed.is_verified && self.may_go.value(candidate as usize)
    }
}

/// Gathers the evidence, joins the facts, and decides.
fn decide_all<'a>(
    context: &SignOffContext<'a>,
    request: &SignOffRequest,
    compared: &Compared,
    traced: Option<&Traced>,
    run: &Path,
    now: Timestamp,
) -> Result<Decided<'a>> {
    let (engine, terms, report) = (context.engine, context.terms, &compared.report);
    let guard = RowGuard::new(context)?;
    let (mut evidence, counts) = gather(context, report, run)?;
    evidence.stored = traced.map(|traced| coverage::stored_rows(context, traced)).transpose()?;
    let mut requirements = requirements(context, report, &counts, run, now)?;
    if terms.clean_runs > 1 {
        let (unclean, requirement) = history::unclean(context, run)?;
        evidence.unclean = unclean;
        requirements.push(requirement);
    }
    let mut backup_copy = None;
    if let Some(backup) = &terms.backup {
        let backup::BackedUp { wrong, requirement, copy } = backup::compare(context, backup, now)?;
        evidence.not_backed_up = Some(wrong);
        requirements.push(requirement);
        backup_copy = Some(copy);
    }
    let outcomes = facts::outcomes(engine, &compared.outcomes)?;
    let facts = facts::join(context, outcomes.as_ref(), &evidence, &guard)?;
    let policy = Policy::new(context.job, terms, context.pairing, &requirements, failing_checks(terms, report));
    let mut totals = SignOffTotals::of(context, &facts, &policy)?;
    let canaries = canaries::inject(context, outcomes.as_ref(), &policy, totals.sound.as_ref())?;
    let may_go = totals.may_go.finish();
    let signed = signed(context, request, report, requirements, canaries, counts, totals, now);
    Ok(Decided { signed, policy, facts, guard, may_go, backup: backup_copy })
}

/// Everything that is known besides the comparison's outcomes, and what became of the IDs that it names.
fn gather(context: &SignOffContext, report: &Report, run: &Path) -> Result<(EvidenceTable, EvidenceCounts)> {
    let terms = context.terms;
    let (mut evidence, mut counts) = (EvidenceTable::default(), EvidenceCounts::default());
    let named = evidence::named_by_checks(context, report, run, &mut counts)?;
    let discrepancies = run.join("discrepancies.parquet");
    let found = evidence::discrepancies(context.engine, &context.keys, &discrepancies, "discrepancies")?;
    look_up(context, &named, &found, &mut counts)?;
    evidence.named = (counts.named > 0).then_some(named);
    evidence.discrepancies = Some(found.table);
    for (status, name, table) in
        [(&terms.source_of_truth, "truth", &mut evidence.truth), (&terms.local_status, "local", &mut evidence.local)]
    {
        *table = status.as_ref().map(|status| evidence::states(context, status, name, &mut counts)).transpose()?;
    }
    if let (Some(groups), Some(_)) = (&context.groups, &report.groups) {
        evidence.groups = Some(ready_groups(context, groups, &run.join("groups_ready.csv"))?);
    }
    Ok((evidence, counts))
}

/// The answer, as far as it is known before it is written.
#[expect(clippy::too_many_arguments, reason = "each is a part of the answer")]
fn signed(
    context: &SignOffContext,
    request: &SignOffRequest,
    report: &Report,
    requirements: Vec<RequirementCheck>,
    canaries: Vec<CanaryRow>,
    evidence: EvidenceCounts,
    totals: SignOffTotals,
    now: Timestamp,
) -> SignOffResult {
    let caught = !canaries.is_empty() && canaries.iter().all(CanaryRow::is_caught);
    // without a row that is equal, nothing is approved, and there is nothing that a canary could be put into
    let is_verified = report.verdict != Verdict::Unverified
        && evidence.is_whole()
        && (caught || totals.approved == 0)
        && compares(context.pairing)
        && !totals.lacks_outcomes;
    SignOffResult {
        requirements,
        canaries,
        evidence,
        candidates: context.candidates.count,
        approved: if is_verified { totals.approved } else { 0 },
        blocked_by: totals.blocked_by,
        meanings: totals.meanings,
        examples: totals.examples,
        is_verified,
        key_id: request.key.as_ref().map(|key| key.public().id()),
        expires: now + context.terms.expires,
        out: request.out.clone(),
        report: report.clone(),
    }
}

/// The checks of the sign-off that fail and name nobody: they block all candidates.
fn failing_checks(terms: &SignOff, report: &Report) -> BTreeSet<BlockReason> {
    let checks = terms.checks.iter().enumerate().filter(|(_, check)| {
        let found = report.checks.iter().find(|found| found.name == check.name.text);
        found.is_none_or(|found| found.list.is_none() && !found.holds)
    });
    checks.map(|(number, _)| BlockReason::Check(number as u8)).collect()
}

/// The groups that are ready: a table of `id`.
fn ready_groups(context: &SignOffContext, groups: &IdColumns, list: &Path) -> Result<Arc<Snapshot>> {
    let own = context.terms.delete_from;
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::FixedSizeBinary(DIGEST_BYTES), true)]));
    let mut table = WorkingTable::create(context.engine, "ready-groups", schema.clone())?;
    let mut lines = CsvColumns::open(list)?;
    let places: Vec<usize> = (0..groups.len()).collect();
    while let Some(Lines { columns, .. }) = lines.next_batch(&places)? {
        let read = groups.read(&columns, own)?;
        let ids = digests_where_read(&groups.compared(&read.columns, own)?, &read.states)?;
        table.write(&RecordBatch::try_new(schema.clone(), vec![ids])?)?;
    }
    table.finish()
}

/// The answer for a terminal.
pub(crate) fn text(job: &Job, signed: &SignOffResult) -> Result<String> {
    Ok(summary::text(job, terms(job)?, signed))
}

/// The directory of a certificate.
fn directory(certificate: &Path) -> Result<PathBuf> {
    let dir = certificate.parent().unwrap_or(Path::new("")).to_path_buf();
    match dir.join(RUN).is_dir() {
        true => Ok(dir),
        false => Err(Error::Contradiction(format!(
            "`{}` does not stand in the directory of its sign-off: {RUN}/ is not beside it",
            certificate.display()
        ))),
    }
}
