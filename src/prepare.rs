//! Finds what is wrong with a job before any row is read, and all of it at once.

use std::sync::Arc;

use crate::checks::groups;
use crate::checks::{self, CheckInputs, Discrepancies};
use crate::columns::{Pairing, Privacy, unknown_names};
use crate::error::{Error, Result};
use crate::explain;
use crate::history;
use crate::job::file::JobMistake;
use crate::job::{Job, Scope, Source};
use crate::runtime::engine::Engine;
use crate::runtime::progress::Progress;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{self, Tables};

/// Adds to the mistakes of a job's text those that show when its files and its SQL are looked at.
pub(crate) fn all(job: Option<Job>, mut mistakes: Vec<JobMistake>) -> Result<Vec<JobMistake>> {
    let Some(job) = job else { return Ok(mistakes) };
    let has_mistakes_of_form = !mistakes.is_empty();
    let engine = Engine::start(job.limits.clone(), &std::env::temp_dir(), Arc::default(), Progress::quiet())?;
    let mut note = |error: Error, place: Option<String>| mistakes.push(mistake(&error, place));
    let tables = open_tables(&job, &mut note);
    let mut sides: Sides<Option<Snapshot>> = Sides::default();
    let asked = match job.scope {
        Scope::Both => Side::BOTH.as_slice(),
        Scope::OldAlone => &[Side::Old],
    };
    for &side in asked {
        let source = &job.sources[side];
        let planned = sql::plan_side(&engine, side, source, &tables, &job.columns);
        planned.mistakes.into_iter().for_each(|error| note(error, Some(place_of(source))));
        sides[side] = planned.snapshot;
    }
    match sides {
        Sides { old: Some(old), new: Some(new) } => {
            let snapshots = Sides { old, new };
            let sound = |pairing: Pairing| {
                history::require_past(&job, jiff::Timestamp::now())?;
                let privacy = Privacy::of(&job, &snapshots, &pairing, &tables)?;
                explain::require_sound(&engine, &job, &snapshots, &pairing, &privacy)?;
                groups::require_sound(&job, &snapshots, &pairing, &privacy)?;
                let columns = explain::shown_schema(&job, &snapshots, &pairing, &privacy)?;
                let discrepancies = Some(Discrepancies::Columns(columns));
                Ok(CheckInputs::of_pair(&snapshots, &privacy, &tables, discrepancies))
            };
            let error = match Pairing::of(&snapshots, &job).and_then(sound) {
                // a parameter that could not be read would be missed once more
                Ok(_) if has_mistakes_of_form => None,
                Ok(material) => {
                    let wrong = checks::mistakes(&engine, &job, &material);
                    mistakes.extend(wrong.iter().map(|error| mistake(error, None)));
                    None
                }
                Err(error) => Some(error),
            };
            // a rule that could not be read may be the one that makes the columns comparable
            let follows = |error: &Error| has_mistakes_of_form && matches!(error, Error::DifferentFamilies { .. });
            mistakes.extend(error.filter(|error| !follows(error)).map(|error| mistake(&error, None)));
        }
        Sides { old: Some(old), new: None } if job.scope == Scope::OldAlone => {
            let wrong = match Privacy::of_old(&job, &old, &tables) {
                Ok(privacy) => checks::mistakes(&engine, &job, &CheckInputs::of_old(old, privacy, &tables)),
                Err(unknown) => vec![unknown],
            };
            mistakes.extend(wrong.iter().map(|error| mistake(error, None)));
        }
        Sides { new: Some(new), .. } => {
            mistakes.extend(unknown_names(&new, &job).into_iter().map(|error| mistake(&error, None)));
        }
        Sides { new: None, .. } => {}
    }
    Ok(mistakes)
}

fn open_tables(job: &Job, note: &mut impl FnMut(Error, Option<String>)) -> Tables {
    let mut tables = Tables::new();
    for (name, source) in &job.tables {
        match Snapshot::open_table(name, &source.path.text, true) {
            Ok(table) => drop(tables.insert(name.clone(), Arc::new(table))),
            Err(error) => note(error, Some(place_of(source))),
        }
    }
    tables
}

fn place_of(source: &Source) -> String {
    source.path.place.to_string()
}

/// An error as a mistake; those that know their place begin with it.
pub(crate) fn mistake(error: &Error, place: Option<String>) -> JobMistake {
    let words = error.to_string();
    match (error.place(), place) {
        (Some(own), _) => {
            JobMistake { words: words.strip_prefix(&format!("{own}: ")).unwrap_or(&words).into(), place: own }
        }
        (None, Some(place)) => JobMistake { place, words },
        (None, None) => JobMistake { place: "[compare]".into(), words },
    }
}
