//! The content of the certificate: the files that it is about, and what was found in them.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rayon::prelude::*;

use super::{APPROVED, RUN, SignOffContext, SignOffRequest, SignOffResult};
use crate::certificate::statement::{
    Approved, Canary, Cleanup, Counts, Coverage, Evidence, Moment, Predicate, Requirement, SnapshotSeen, Snapshots,
    Tool,
};
use crate::certificate::{Certificate, Role, Statement, Subject, Verdict, digests_of};
use crate::error::{Error, Result};
use crate::job;
use crate::output::manifest::{FileDigest, MANIFEST, Manifest};
use crate::output::run_dir::RunDir;
use crate::sides::Side;
use crate::snapshot::Snapshot;

/// The certificate, as the text of its file. `files` are the files that were written with it.
pub(super) fn certificate(
    context: &SignOffContext,
    request: &SignOffRequest,
    signed: &SignOffResult,
    backup: Option<&Snapshot>,
    run_dir: &RunDir,
    files: &[FileDigest],
    now: Timestamp,
) -> Result<String> {
    let statement = Statement::of(subjects(context, request, backup, run_dir, files)?, predicate(context, signed, now));
    Ok(Certificate::of(statement, request.key.as_ref())?.to_text()?)
}

/// Every file that was read, according to the run's manifest, and every file that was written.
fn subjects(
    context: &SignOffContext,
    request: &SignOffRequest,
    backup: Option<&Snapshot>,
    run_dir: &RunDir,
    files: &[FileDigest],
) -> Result<Vec<Subject>> {
    let run = run_dir.path_of(RUN);
    let manifest = Manifest::read(&run)?;
    let mut all: Vec<(Role, String)> = vec![];
    let mut add =
        |role: Role, files: &[FileDigest]| all.extend(files.iter().map(|file| (role.clone(), file.path.clone())));
    for side in Side::BOTH {
        add(Role::Side(side), &manifest.read.inputs[side]);
    }
    for (name, files) in &manifest.read.tables {
        add(Role::Table(name.clone()), files);
    }
    add(Role::Sql, &manifest.read.queries);
    all.push((Role::Job, request.job_file.display().to_string()));
    all.push((Role::Candidates, request.candidates.display().to_string()));
    let kept = backup.iter().flat_map(|backup| backup.input().files.iter());
    all.extend(kept.map(|file| (Role::Backup, file.path.display().to_string())));
    let read = context.engine.workers().install(|| {
        let subjects = all.par_iter().map(|(role, path)| {
            context.engine.check_stop()?;
            let digests = digests_of(Path::new(path)).map_err(Error::unreadable(path.as_str()))?;
            Ok(Subject::of(role, path, digests))
        });
        subjects.collect::<Result<Vec<_>>>()
    })?;
    // what was compared has to be what is certified
    let known: BTreeMap<&str, &str> = Side::BOTH
        .iter()
        .flat_map(|side| &manifest.read.inputs[*side])
        .chain(manifest.read.tables.values().flatten())
        .chain(&manifest.read.queries)
        .map(|file| (file.path.as_str(), file.blake3.as_str()))
        .collect();
    if let Some(changed) =
        read.iter().find(|read| known.get(read.path()).is_some_and(|blake3| *blake3 != read.digest.blake3))
    {
        return Err(Error::unusable(changed.path(), "changed during the sign-off; run the sign-off again"));
    }
    let written = files.iter().map(|file| {
        let path = run_dir.path_of(&file.path);
        let digests = digests_of(&path).map_err(Error::unreadable(&path))?;
        Ok(Subject::of(&Role::Output, &file.path, digests))
    });
    let mut subjects = read;
    let path = run.join(MANIFEST);
    let manifest = digests_of(&path).map_err(Error::unreadable(&path))?;
    subjects.push(Subject::of(&Role::Output, &format!("{RUN}/{MANIFEST}"), manifest));
    subjects.extend(written.collect::<Result<Vec<_>>>()?);
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    // one file may be read by several queries
    subjects.dedup_by(|a, b| a.name == b.name);
    Ok(subjects)
}

fn requirements(signed: &SignOffResult) -> Vec<Requirement> {
    let requirement = |requirement: &super::RequirementCheck| {
        let code = requirement.requires.code();
        let blocked = signed.blocked_by.get(code).copied().unwrap_or(0);
        Requirement {
            name: code.into(),
            holds: requirement.holds,
            figures: BTreeMap::from([("candidates".into(), signed.candidates), ("blocked".into(), blocked)]),
            description: requirement.description.clone(),
        }
    };
    signed.requirements.iter().map(requirement).collect()
}

fn predicate(context: &SignOffContext, signed: &SignOffResult, now: Timestamp) -> Predicate {
    let coverage = signed.report.coverage().clone();
    let seen = |side: Side| SnapshotSeen {
        path: signed.report.run.inputs[side].path.clone(),
        taken_at: signed.report.run.inputs[side].taken_at.clone(),
        rows: signed.report.rows[side],
    };
    Predicate {
        tool: Tool::this(),
        job: context.job.name.clone(),
        verdict: match (signed.is_verified, signed.approved == signed.candidates) {
            (false, _) => Verdict::Unverified,
            (true, true) => Verdict::Approved,
            (true, false) => Verdict::PartlyApproved,
        },
        delete_from: context.terms.delete_from.into(),
        cleanup: match &context.terms.cleanup {
            job::Cleanup::Row => Cleanup::Row,
            job::Cleanup::Column { column, becomes } => {
                Cleanup::Column { column: column.text.clone(), becomes: becomes.name().into() }
            }
        },
        key: context.candidate_key.clone(),
        counts: Counts {
            candidates: signed.candidates,
            approved: signed.approved,
            blocked: signed.candidates - signed.approved,
        },
        approved: Approved { file: format!("{}:{APPROVED}", Role::Output), ids: signed.approved },
        requirements: requirements(signed),
        blocked_by: signed.blocked_by.clone(),
        coverage: Coverage {
            compared: coverage.compared,
            ignored: coverage.ignored,
            old_only: coverage.old_only,
            new_only: coverage.new_only,
            incomparable: coverage.incomparable,
        },
        canaries: signed
            .canaries
            .iter()
            .map(|canary| Canary { name: canary.name.clone(), injected: canary.injected, caught: canary.caught })
            .collect(),
        evidence: Some(Evidence {
            named: signed.evidence.named,
            of_nobody: signed.evidence.of_nobody,
            unreadable: signed.evidence.unreadable,
            lost: signed.evidence.lost,
        }),
        writes_stopped: context.terms.writes_stopped.as_ref().map(|stopped| Moment::of(stopped.instant)),
        snapshots: Snapshots { old: seen(Side::Old), new: seen(Side::New) },
        signed_at: Moment::of(now),
        expires: Moment::of(signed.expires),
    }
}
