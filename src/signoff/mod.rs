//! SIGN: decides which rows may be deleted. Each candidate is approved or blocked, with every reason that blocks it,
//! and a certificate records the basis of the decision. Nothing is deleted here.
//!
//! The comparison records the outcomes of the candidates' rows. These and all evidence are joined into one table of
//! facts; `decide` decides row by row.

mod statement;
mod csv_columns;
mod decide;
mod guards;
mod history;
mod ids;
mod candidates;
mod coverage;
mod evidence;
mod facts;
mod summary;
mod requirements;
mod selected;
mod backup;
mod canaries;
mod policy;
mod totals;
mod outputs;
mod after;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use jiff::Timestamp;

pub(crate) use after::{AfterRequest, verify_deletions};
pub(crate) use canaries::CanaryRow;
pub(crate) use decide::RequirementCheck;
pub(crate) use evidence::EvidenceCounts;

use crate::Compared;
use crate::certificate::PrivateKey;
use crate::columns::{DIGEST_BYTES, Pairing, Privacy, ValueHasher};
use crate::compare::discrepancy::{Layout, OutcomeRequest};
use crate::error::{Error, Result};
use crate::id_list::Lines;
use crate::job::{Job, SignOff};
use crate::output::run_dir::RunDir;
use crate::prepare::{Prepared, Refusal, prepare};
use crate::report::{Report, Verdict};
use crate::run::{Run, Session};
use crate::runtime::engine::Engine;
use crate::runtime::options::{Options, Out};
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

/// What the user requests on the command line.
pub(crate) struct SignOffRequest {
    pub job_file: PathBuf,
    pub candidates: PathBuf,
    /// The directory of all output.
    pub out: PathBuf,
    /// The key that signs. Without one, the certificate is unsigned, and no delete job accepts it.
    pub key: Option<PrivateKey>,
    /// Whether the approved rows are written in full.
    pub rows: bool,
}

/// The result of a sign-off.
#[derive(Debug)]
pub(crate) struct SignOffResult {
    /// The run that it is based on.
    pub report: Report,
    /// The requirements of all candidates together.
    pub requirements: Vec<RequirementCheck>,
    /// The proof that the comparison can fail.
    pub canaries: Vec<CanaryRow>,
    /// Counts of the IDs in the evidence.
    pub evidence: EvidenceCounts,
    pub candidates: u64,
    /// How many of them may be deleted.
    pub approved: u64,
    /// How many candidates each reason blocks, by the reason's code.
    pub blocked_by: BTreeMap<String, u64>,
    /// The meanings of the reasons, by their codes.
    pub meanings: BTreeMap<String, String>,
    /// The first few blocked candidates, with the codes of their reasons.
    pub examples: Vec<(String, BTreeSet<String>)>,
    /// Whether anything was verified.
    pub is_verified: bool,
    /// The ID of the signing key; `None` for an unsigned certificate.
    pub key_id: Option<String>,
    /// When the certificate expires.
    pub expires: Timestamp,
    /// The directory of all output.
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

/// The inputs that the parts of a sign-off share.
struct SignOffContext<'a> {
    engine: &'a Engine,
    job: &'a Job,
    terms: &'a SignOff,
    tables: &'a Tables,
    snapshots: &'a Sides<Snapshot>,
    pairing: &'a Pairing,
    privacy: &'a Privacy,
    layout: Arc<Layout>,
    /// The directory with earlier runs of the job.
    history: Option<&'a Path>,
    candidates: &'a Candidates,
    /// The columns that name a candidate, by new's names.
    candidate_key: Vec<String>,
    /// The same columns, and the key columns, as IDs.
    ids: IdColumns,
    keys: IdColumns,
    /// The columns of the job's groups.
    groups: Option<IdColumns>,
    /// Whether the outcomes contain the other side's keys.
    asks_for_keys: bool,
}

/// The directory of the run, within that of the sign-off.
const APPROVED: &str = "approved.csv";
const RUN: &str = "run";

/// Decides on every candidate, and writes the lists and the certificate.
///
/// # Errors
/// If the job has no `[signoff]`, if the list is not a list of candidates, or if the snapshots cannot be compared.
/// Nothing is left half-written then.
pub(crate) fn sign(job: &Job, options: &Options, request: &SignOffRequest) -> Result<SignOffResult> {
    let run_dir = RunDir::claim(&request.out)?;
    run_dir.require_apart(job)?;
    sign_into(run_dir, job, options, request).map_err(|error| job.redact(error))
}

fn sign_into(run_dir: RunDir, job: &Job, options: &Options, request: &SignOffRequest) -> Result<SignOffResult> {
    let terms = terms(job)?;
    let now = Timestamp::now();
    let checks = job.checks.iter().chain(&terms.checks).cloned().collect();
    let whole = Job { checks, ..job.clone() };
    let temp = options.temp.clone().or(Some(run_dir.spill_dir()));
    let options = Options { out: Some(Out::At(request.out.join(RUN))), temp, ..options.clone() };
    let mut run = start(&whole, &options, Some(run_dir.nested(RUN)?))?;
    let (candidates, ids, traced) = read_candidates(&mut run, job, terms, request)?;
    let compared = run.execute()?;
    let run = run_dir.path_of(RUN);
    require_different_files(&run)?;
    let context = context(job, terms, &compared, &candidates, ids)?;
    let decided = decide_all(&context, request, &compared, traced.as_ref(), &run, now)?;
    outputs::write(&context, request, decided, run_dir, now)
}

/// Prepares the comparison that a sign-off rests on, up to the point at which rows are read.
fn start<'a>(job: &'a Job, options: &'a Options, run_dir: Option<RunDir>) -> Result<Box<Run<'a>>> {
    match prepare(job, options, run_dir).map_err(Refusal::into_error)? {
        Prepared::Comparison(run) => run.start(),
        Prepared::OldAlone(_) => Err(Error::internal("a job with [signoff] has both sides")),
    }
}

/// Reads the candidates, and requests the outcome of each from the comparison.
fn read_candidates(
    run: &mut Run,
    job: &Job,
    terms: &SignOff,
    request: &SignOffRequest,
) -> Result<(Candidates, IdColumns, Option<Traced>)> {
    let Run { session, snapshots, pairing, privacy, .. } = &*run;
    require_decidable(job, terms, snapshots, pairing, privacy)?;
    let (columns, key) = candidate_columns(terms, snapshots, pairing)?;
    require_shown(privacy, request, &key)?;
    let digests = ValueHasher::new()?;
    let ids = IdColumns::new(pairing, snapshots, &columns, &digests)?;
    let traced = coverage::trace(terms, &snapshots[terms.delete_from], pairing, &ids, &key)?;
    let candidates = Candidates::read(&session.engine, &request.candidates, &key, &ids, terms.delete_from)?;
    let filter = candidates.filter.clone();
    let with_keys = terms.clean_runs > 1 && !keys_are_alike(snapshots, pairing);
    run.requested = Some(OutcomeRequest { side: terms.delete_from, names: columns, digests, filter, with_keys });
    Ok((candidates, ids, traced))
}

/// Whether the keys of both sides have the same types and no rules, so that the key of one side is also the other's.
fn keys_are_alike(snapshots: &Sides<Snapshot>, pairing: &Pairing) -> bool {
    let data_type =
        |side: Side, index: usize| snapshots[side].schema.field(pairing.columns[index].at[side]).data_type().clone();
    !pairing.keys_have_rules()
        && (0..pairing.key_len).all(|index| data_type(Side::Old, index) == data_type(Side::New, index))
}

fn context<'a>(
    job: &'a Job,
    terms: &'a SignOff,
    compared: &'a Compared<'a>,
    candidates: &'a Candidates,
    ids: IdColumns,
) -> Result<SignOffContext<'a>> {
    let Run { session, snapshots, pairing, privacy, layout, requested, .. } = &*compared.run;
    let Session { engine, options, tables, .. } = session;
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
        layout: layout.clone(),
        history: options.history.as_deref(),
        candidates,
        candidate_key: candidates.key.clone(),
        keys: IdColumns::new(pairing, snapshots, &keys, &ids.digests)?,
        ids,
        groups,
        asks_for_keys: requested.as_ref().is_some_and(|asked| asked.with_keys),
    })
}

/// A decision that has not been written yet.
struct Decided<'a> {
    signed: SignOffResult,
    policy: Policy<'a>,
    facts: FactsTable,
    guard: RowGuard,
    /// The candidates that nothing blocks, by number.
    may_go: BooleanBuffer,
    backup: Option<Snapshot>,
}

impl Decided<'_> {
    fn approves(&self, candidate: u64) -> bool {
        self.signed.is_verified && self.may_go.value(candidate as usize)
    }
}

/// Collects the evidence, joins the facts, and decides.
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

/// All evidence besides the comparison's outcomes, and counts of the IDs that it names.
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
    if let (Some(groups), Some(_)) = (&context.groups, report.groups()) {
        evidence.groups = Some(ready_groups(context, groups, &run.join("groups_ready.csv"))?);
    }
    Ok((evidence, counts))
}

/// The result, as far as it is known before it is written.
#[expect(clippy::too_many_arguments, reason = "each is a part of the result")]
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
    // if no row is equal, nothing is approved, and there is no row for a canary
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

/// The failed checks of the sign-off that name no candidate: they block all candidates.
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
    let indexes: Vec<usize> = (0..groups.len()).collect();
    while let Some(Lines { columns, .. }) = lines.next_batch(&indexes)? {
        let read = groups.read(&columns, own)?;
        let ids = digests_where_read(&groups.compared(&read.columns, own)?, &read.states)?;
        table.write(&RecordBatch::try_new(schema.clone(), vec![ids])?)?;
    }
    table.finish()
}

/// The result as text for a terminal.
pub(crate) fn text(job: &Job, signed: &SignOffResult) -> Result<String> {
    Ok(summary::text(job, terms(job)?, signed))
}

/// The directory of a certificate, which must be the directory of its sign-off.
fn directory(certificate: &Path) -> Result<PathBuf> {
    let dir = certificate.parent().unwrap_or(Path::new("")).to_path_buf();
    match dir.join(RUN).is_dir() {
        true => Ok(dir),
        false => Err(Error::unusable(
            certificate,
            format!("is not in the directory of its sign-off: there is no {RUN}/ next to it"),
        )),
    }
}
