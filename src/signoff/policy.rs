//! What a job can be signed off by: its terms, keys that tell rows apart, and nothing private in a list.

use std::collections::BTreeSet;
use std::path::Path;

use super::SignOffRequest;
use crate::columns::{Pairing, Privacy};
use crate::error::{Error, Result};
use crate::job::{Cleanup, Job, SignOff};
use crate::output::manifest::Manifest;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The terms of a job.
///
/// # Errors
/// If it has none.
pub(super) fn terms(job: &Job) -> Result<&SignOff> {
    job.sign_off.as_ref().ok_or_else(|| {
        Error::Contradiction(format!("`{}`: the job has no [signoff], which says what may be deleted", job.name))
    })
}

fn wrong(words: String) -> Error {
    Error::Contradiction(format!("[signoff]: {words}"))
}

/// Refuses jobs whose rows cannot be told apart by what a list of IDs says.
pub(super) fn require_decidable(
    job: &Job,
    terms: &SignOff,
    snapshots: &Sides<Snapshot>,
    pairing: &Pairing,
    privacy: &Privacy,
) -> Result<()> {
    if !pairing.keyed {
        return Err(wrong("without a key, nothing names the rows that are to go".into()));
    }
    if let (Cleanup::Column { column, .. }, own) = (&terms.cleanup, terms.delete_from) {
        let has = |snapshot: &Snapshot| snapshot.schema.fields().iter().any(|field| *field.name() == column.text);
        if !has(&snapshots[own]) && !has(snapshots[own].input()) {
            return Err(wrong(format!("{}: {own} has no column `{}`", column.place, column.text)));
        }
    }
    if terms.writes_stopped.is_some() && job.in_flight.is_none() {
        for side in Side::BOTH {
            if job.sources[side].taken_at.is_none() {
                return Err(wrong(format!("`writes_stopped` needs `taken_at` in [{side}], to be before it")));
            }
        }
    }
    match privacy.private_key() {
        Some(name) => {
            let origin = privacy.origin(name).unwrap_or_default();
            Err(wrong(format!("{origin}: key `{name}` is private, and the lists would show it")))
        }
        None => Ok(()),
    }
}

/// Refuses two sides that are the same files, as the run's manifest names them.
pub(super) fn require_different_files(run: &Path) -> Result<()> {
    let manifest = Manifest::read(run)?;
    let content = |side: Side| manifest.read.inputs[side].iter().map(|file| &file.blake3).collect::<BTreeSet<_>>();
    match content(Side::Old) == content(Side::New) {
        true => {
            Err(wrong("both sides are the same files; a snapshot that is compared with itself proves nothing".into()))
        }
        false => Ok(()),
    }
}

/// Refuses to write private values.
pub(super) fn require_shown(privacy: &Privacy, request: &SignOffRequest, key: &[String]) -> Result<()> {
    require_ids_shown(privacy, key)?;
    match (privacy.is_asked(), request.rows) {
        (true, true) => Err(Error::Contradiction("--rows would write private values; the job has [private]".into())),
        _ => Ok(()),
    }
}

/// Refuses candidates whose IDs are private.
pub(super) fn require_ids_shown(privacy: &Privacy, key: &[String]) -> Result<()> {
    match key.iter().find(|name| privacy.hides_pair(name)) {
        Some(name) => {
            let origin = privacy.origin(name).unwrap_or_default();
            Err(wrong(format!("{origin}: `{name}` is private, and the lists would show it")))
        }
        None => Ok(()),
    }
}

/// The columns that name a candidate: their numbers in the pairing, and new's names.
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
            let place = terms.candidate_key.first().map(|word| word.place.to_string()).unwrap_or_default();
            Error::Contradiction(format!("{place}: no compared column is called `{name}`"))
        })
    };
    let columns = names.iter().map(column).collect::<Result<Vec<usize>>>()?;
    let own = terms.delete_from;
    if let Some(at) = columns
        .iter()
        .find(|at| snapshots[own].derives(snapshots[own].schema.field(pairing.columns[**at].at[own]).name()))
    {
        return Err(wrong(format!(
            "`{}` is made by an expression in {own}, and no stored row can be named by it\n  name candidates by stored columns: \
             candidate_key = [\"…\"]",
            pairing.columns[*at].name
        )));
    }
    if names.len() > 1 && (terms.source_of_truth.is_some() || terms.local_status.is_some()) {
        return Err(wrong(
            "statuses are looked up by one column, and candidates are named by several\n  \
             say with candidate_key which column the status tables know"
                .into(),
        ));
    }
    Ok((columns, names))
}
