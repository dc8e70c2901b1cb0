//! What a job needs for a sign-off: terms, a key that identifies rows, and no private values in lists.

use std::collections::BTreeSet;
use std::path::Path;

use super::SignOffRequest;
use crate::columns::{Pairing, Privacy};
use crate::error::{Error, Result};
use crate::job::{Cleanup, Job, SignOff};
use crate::output::manifest::Manifest;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The sign-off terms of a job.
///
/// # Errors
/// If it has none.
pub(super) fn terms(job: &Job) -> Result<&SignOff> {
    job.sign_off.as_ref().ok_or_else(|| {
        Error::request(format!("`{}`", job.name), "the job has no [signoff], which specifies what may be deleted")
    })
}

fn wrong(message: String) -> Error {
    Error::request("[signoff]", message)
}

/// Rejects jobs whose rows cannot be identified by a list of IDs.
pub(super) fn require_decidable(
    job: &Job,
    terms: &SignOff,
    snapshots: &Sides<Snapshot>,
    pairing: &Pairing,
    privacy: &Privacy,
) -> Result<()> {
    if !pairing.keyed {
        return Err(wrong("without a key, a list cannot name the rows to delete".into()));
    }
    if let (Cleanup::Column { column, .. }, own) = (&terms.cleanup, terms.delete_from) {
        let has = |snapshot: &Snapshot| snapshot.schema.fields().iter().any(|field| *field.name() == column.text);
        if !has(&snapshots[own]) && !has(snapshots[own].input()) {
            return Err(wrong(format!("{}: {own} has no column `{}`", column.origin, column.text)));
        }
    }
    if terms.writes_stopped.is_some() && job.in_flight.is_none() {
        for side in Side::BOTH {
            if job.sources[side].taken_at.is_none() {
                return Err(wrong(format!("`writes_stopped` needs `taken_at` in [{side}], which must not be earlier")));
            }
        }
    }
    match privacy.private_key() {
        Some(name) => {
            let origin = privacy.origin(name).unwrap_or_default();
            Err(wrong(format!("{origin}: key `{name}` is private, but the lists would show it")))
        }
        None => Ok(()),
    }
}

/// Rejects two sides that are the same files, according to the run's manifest.
pub(super) fn require_different_files(run: &Path) -> Result<()> {
    let manifest = Manifest::read(run)?;
    let content = |side: Side| manifest.read.inputs[side].iter().map(|file| &file.blake3).collect::<BTreeSet<_>>();
    match content(Side::Old) == content(Side::New) {
        true => Err(wrong("both sides are the same files; comparing a snapshot with itself proves nothing".into())),
        false => Ok(()),
    }
}

/// Rejects a request to write private values.
pub(super) fn require_shown(privacy: &Privacy, request: &SignOffRequest, key: &[String]) -> Result<()> {
    require_ids_shown(privacy, key)?;
    match (privacy.is_asked(), request.rows) {
        (true, true) => Err(Error::request("[private]", "--rows would write private values")),
        _ => Ok(()),
    }
}

/// Rejects candidates with private IDs.
pub(super) fn require_ids_shown(privacy: &Privacy, key: &[String]) -> Result<()> {
    match key.iter().find(|name| privacy.hides_pair(name)) {
        Some(name) => {
            let origin = privacy.origin(name).unwrap_or_default();
            Err(wrong(format!("{origin}: `{name}` is private, but the lists would show it")))
        }
        None => Ok(()),
    }
}

/// The columns that name a candidate: their indexes in the pairing, and new's names.
pub(super) fn candidate_columns(
    terms: &SignOff,
    snapshots: &Sides<Snapshot>,
    pairing: &Pairing,
) -> Result<(Vec<usize>, Vec<String>)> {
    let names: Vec<String> = match terms.candidate_key.as_slice() {
        [] => pairing.keys().iter().map(|key| key.name.clone()).collect(),
        named => named.iter().map(|name| name.text.clone()).collect(),
    };
    let column = |name: &String| {
        pairing.columns.iter().position(|pair| pair.name == *name).ok_or_else(|| {
            let origin = terms.candidate_key.first().map(|word| word.origin.to_string()).unwrap_or_default();
            Error::request(origin, format!("there is no compared column `{name}`"))
        })
    };
    let columns = names.iter().map(column).collect::<Result<Vec<usize>>>()?;
    let own = terms.delete_from;
    if let Some(index) = columns
        .iter()
        .find(|index| snapshots[own].derives(snapshots[own].schema.field(pairing.columns[**index].at[own]).name()))
    {
        return Err(wrong(format!(
            "`{}` is computed by an expression in {own}, so it cannot name a stored row\n  \
             name candidates by stored columns: candidate_key = [\"…\"]",
            pairing.columns[*index].name
        )));
    }
    if names.len() > 1 && (terms.source_of_truth.is_some() || terms.local_status.is_some()) {
        return Err(wrong(
            "statuses are looked up by one column, but several columns name a candidate\n  \
             set candidate_key to the column that the status tables have"
                .into(),
        ));
    }
    Ok((columns, names))
}
