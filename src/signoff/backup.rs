//! Checks that the rows of candidates are in the backup, with equal values.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use jiff::{SignedDuration, Timestamp};

use super::SignOffContext;
use super::decide::{RequirementCheck, Requires};
use super::selected::{self, selected_rows};
use crate::columns::{DIGEST_BYTES, Pairing};
use crate::compare::discrepancy::{Layout, Retention, TableColumn};
use crate::compare::matching::Comparison;
use crate::error::Result;
use crate::job::{Backup, Identity, Job, Origin, Setting, Source};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{self, WorkingTable};

/// The result of comparing the backup.
pub(super) struct BackedUp {
    /// The keys that it lacks or has with other values: a table of `key`.
    pub wrong: Arc<Snapshot>,
    /// Whether it is complete and fresh.
    pub requirement: RequirementCheck,
    /// The backup, as it was opened.
    pub copy: Snapshot,
}

/// Compares the rows of candidates with those of the backup.
pub(super) fn compare(context: &SignOffContext, backup: &Backup, now: Timestamp) -> Result<BackedUp> {
    let SignOffContext { engine, job, terms, .. } = context;
    let own = terms.delete_from;
    let source = Source { path: backup.path.clone(), allow_empty: true, ..job.sources[own].clone() };
    let copy = sql::open_side(engine, own, &source, context.tables, &job.columns)?;
    let word = |text: String| Setting { text, origin: Origin::Flag("backup") };
    let key: Vec<Setting> =
        (0..context.keys.len()).map(|index| word(context.keys.field(index, own).name().clone())).collect();
    let mut rows = selected_rows(context, &context.snapshots[own], "selected", selected::SelectedRows::OfCandidates)?;
    let mut kept = selected_rows(context, &copy, "backup", selected::SelectedRows::OfCandidates)?;
    (rows.side, kept.side) = (Side::Old, Side::New);
    let snapshots = Sides { old: rows, new: kept };
    let sources = Sides { old: source.clone(), new: source };
    let against = Job::new("backup", sources, Identity::Key(key));
    let pairing = Pairing::of(&snapshots, &against)?;
    let layout = Arc::new(Layout::of(&pairing, &snapshots));
    let comparison = Comparison {
        engine,
        snapshots: &snapshots,
        pairing: &pairing,
        layout,
        retention: Retention::All,
        requested: None,
        observed: None,
    };
    let schema: SchemaRef =
        Arc::new(Schema::new(vec![Field::new("key", DataType::FixedSizeBinary(DIGEST_BYTES), true)]));
    let mut wrong = WorkingTable::create(engine, "not-backed-up", schema.clone())?;
    for part in comparison.run(None)?.findings {
        for batch in part.read()? {
            let batch = batch?;
            let keys = context.keys.read(TableColumn::Key.of(&batch).as_struct().columns(), own)?;
            let digests: ArrayRef = Arc::new(context.keys.compared(&keys.columns, own)?);
            wrong.write(&RecordBatch::try_new(schema.clone(), vec![digests])?)?;
        }
    }
    let requirement = whole_and_fresh(&pairing, &copy, backup, now);
    Ok(BackedUp { wrong: wrong.finish()?, requirement, copy })
}

fn whole_and_fresh(pairing: &Pairing, copy: &Snapshot, backup: &Backup, now: Timestamp) -> RequirementCheck {
    let written = copy.input().files.iter().filter_map(|file| {
        let written = fs::metadata(&file.absolute_path).ok()?.modified().ok()?;
        Timestamp::try_from(written).ok()
    });
    let age = written.min().map(|oldest| now.duration_since(oldest));
    let gaps = [&pairing.coverage.old_only, &pairing.coverage.incomparable].into_iter().flatten().cloned();
    let gaps: Vec<String> = gaps.collect();
    let is_fresh = age.is_some_and(|age| age <= backup.max_age && !age.is_negative());
    let found = match (gaps.as_slice(), age) {
        ([], Some(age)) => format!("its oldest file is {:#} old", SignedDuration::from_mins(age.as_mins())),
        ([], None) => "its age is unknown".into(),
        (gaps, _) => format!("it lacks {}", gaps.join(", ")),
    };
    RequirementCheck { requires: Requires::UsableBackup, holds: is_fresh && gaps.is_empty(), description: found }
}
