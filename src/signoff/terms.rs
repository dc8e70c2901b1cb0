//! What a job can be signed off by: its terms, keys that tell rows apart, and nothing private in a list.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::datatypes::DataType;

use super::Request;
use crate::columns::{Pairing, Privacy};
use crate::error::{Error, Result};
use crate::job::{Cleanup, Job, SignOff};
use crate::manifest::Manifest;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The terms of a job.
///
/// # Errors
/// If it has none.
pub fn terms(job: &Job) -> Result<&SignOff> {
    job.sign_off.as_ref().ok_or_else(|| {
        Error::Contradiction(format!("`{}`: the job has no [signoff], which says what may be deleted", job.name))
    })
}

/// Refuses jobs whose rows cannot be told apart by what a list of IDs says.
pub fn require_decidable(terms: &SignOff, snapshots: &Sides<Snapshot>, pairing: &Pairing, run: &Path) -> Result<()> {
    let wrong = |words: String| Err(Error::Contradiction(format!("[signoff]: {words}")));
    if !pairing.keyed {
        return wrong("without a key, nothing names the rows that are to go".into());
    }
    if pairing.keys_have_rules() {
        return wrong("the key has rules, so one ID may stand for several rows; shape the key with a query".into());
    }
    for pair in pairing.keys() {
        let field = |side: Side| snapshots[side].schema.field(pair.at[side]).data_type().clone();
        let (old, new) = (field(Side::Old), field(Side::New));
        if !(old.is_integer() && new.is_integer() || is_text(&old) && is_text(&new)) {
            return wrong(format!(
                "key `{}` is {} in old and {} in new; it has to be whole numbers or text in both",
                pair.name, pair.types.old, pair.types.new
            ));
        }
    }
    let manifest = Manifest::read(run)?;
    let content = |side: Side| manifest.read.inputs[side].iter().map(|file| &file.blake3).collect::<BTreeSet<_>>();
    if content(Side::Old) == content(Side::New) {
        return wrong("both sides are the same files; a snapshot that is held against itself proves nothing".into());
    }
    if let (Cleanup::Column { column, .. }, own) = (&terms.cleanup, terms.delete_from) {
        let has = |snapshot: &Snapshot| snapshot.schema.fields().iter().any(|field| *field.name() == column.text);
        if !has(&snapshots[own]) && !has(snapshots[own].input()) {
            return wrong(format!("{}: {own} has no column `{}`", column.place, column.text));
        }
    }
    Ok(())
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// Refuses to write private values: in lists, as rows, or as hashes that could be guessed.
pub fn require_shown(privacy: &Privacy, request: &Request, key: &[String]) -> Result<()> {
    require_ids_shown(privacy, key)?;
    if privacy.is_asked() && request.rows {
        return Err(Error::Contradiction("--rows would write private values; the job has [private]".into()));
    }
    privacy.row_hasher().map(drop)
}

/// Refuses IDs that are private, whoever names them.
pub fn require_ids_shown(privacy: &Privacy, key: &[String]) -> Result<()> {
    let named = key.iter().map(String::as_str).filter(|name| privacy.hides_pair(name));
    match privacy.private_key().into_iter().chain(named).next() {
        Some(name) => Err(Error::Contradiction(format!(
            "[signoff]: `{name}` is private, and the lists would show it ({})",
            privacy.origin(name).unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

/// The columns that name a candidate, by new's names, and their types where the rows are to be deleted.
pub fn candidate_key(
    terms: &SignOff,
    snapshots: &Sides<Snapshot>,
    pairing: &Pairing,
) -> Result<(Vec<String>, Vec<DataType>)> {
    let own = terms.delete_from;
    let names: Vec<String> = match terms.candidate_key.as_slice() {
        [] => pairing.keys().iter().map(|key| key.name.clone()).collect(),
        named => named.iter().map(|name| name.text.clone()).collect(),
    };
    let mut types = vec![];
    for name in &names {
        let Some(pair) = pairing.columns.iter().find(|pair| pair.name == *name) else {
            let place = terms.candidate_key.first().map(|word| word.place.to_string()).unwrap_or_default();
            return Err(Error::Contradiction(format!("{place}: no compared column is called `{name}`")));
        };
        let data_type = snapshots[own].schema.field(pair.at[own]).data_type().clone();
        if !data_type.is_integer() && !is_text(&data_type) {
            return Err(Error::Contradiction(format!(
                "[signoff]: `{name}` is {}; candidates are named by whole numbers or text",
                pair.types[own]
            )));
        }
        types.push(data_type);
    }
    if names.len() > 1 && (terms.source_of_truth.is_some() || terms.local_status.is_some()) {
        return Err(Error::Contradiction(
            "[signoff]: statuses are looked up by one column, and candidates are named by several\n  \
             say with candidate_key which column the status tables know"
                .into(),
        ));
    }
    Ok((names, types))
}
