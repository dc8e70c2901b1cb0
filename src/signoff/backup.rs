//! Whether the rows of candidates stand in the backup, and are equal there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Requirement;
use super::evidence::Sources;
use crate::columns::Pairing;
use crate::discrepancy::{Keep, Layout};
use crate::error::Result;
use crate::history::{Digest, key_digests};
use crate::job::{Backup, Identity, Job, Place, Selection, Source, Word};
use crate::matching::Comparison;
use crate::shape::{self, Desk, Tables, quoted};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Compares the rows of candidates with those of the backup; says which keys the backup has otherwise or not at all.
pub fn compare(
    sources: &Sources,
    tables: &Tables,
    backup: &Backup,
    now: Timestamp,
) -> Result<(HashSet<Digest>, Requirement)> {
    let own = sources.terms.delete_from;
    let source = Source { path: backup.path.clone(), allow_empty: true, ..sources.job.sources[own].clone() };
    let copy = shape::open_side(sources.engine, own, &source, tables, &sources.job.columns)?;
    let files = copy.input().files.iter().map(|file| file.path.display().to_string());
    sources.backup_files.borrow_mut().extend(files);
    let written = copy.input().files.iter().filter_map(|file| {
        let written = std::fs::metadata(&file.absolute_path).ok()?.modified().ok()?;
        Timestamp::try_from(written).ok()
    });
    let age = written.min().map(|oldest| now.duration_since(oldest));
    let mut rows = sources.rows[own].clone();
    rows.side = Side::Old;
    let name = |at: usize| sources.rows[own].schema.field(sources.pairing.columns[at].at[own]).name().clone();
    let word = |text: String| Word { text, place: Place::Flag("backup") };
    let key: Vec<Word> = (0..sources.pairing.key_len).map(|at| word(name(at))).collect();
    let copy = of_candidates(sources, &copy, &key)?;
    let snapshots = Sides { old: rows, new: copy };
    // the column that tells the candidate is ours
    let ignored = sources.rows[own].schema.fields().iter().map(|field| field.name().clone());
    let known: HashSet<String> = snapshots.new.schema.fields().iter().map(|field| field.name().clone()).collect();
    let ours = ignored.filter(|name| name.starts_with("countersign ") && !known.contains(name)).map(word);
    let selection = Selection { ignore: ours.collect(), ..Selection::default() };
    let sources_of = Sides { old: source.clone(), new: source };
    let job = Job { selection, ..Job::new("backup", sources_of, Identity::Key(key)) };
    let pairing = Pairing::of(&snapshots, &job)?;
    let layout = Arc::new(Layout::of(&pairing, &snapshots));
    let comparison =
        Comparison { engine: sources.engine, snapshots: &snapshots, pairing: &pairing, layout, keep: Keep::All };
    let mut wrong = HashSet::new();
    for part in comparison.run(None)?.findings {
        for batch in part.read()? {
            wrong.extend(key_digests(&batch?)?);
        }
    }
    let coverage = &pairing.coverage;
    let gaps = [&coverage.old_only, &coverage.incomparable].into_iter().flatten().cloned().collect::<Vec<_>>();
    let is_fresh = age.is_some_and(|age| age <= backup.max_age && !age.is_negative());
    let words = match (gaps.as_slice(), age) {
        ([], Some(age)) => format!("its oldest file is {:#} old", jiff::SignedDuration::from_mins(age.as_mins())),
        ([], None) => "nothing tells how old it is".into(),
        (gaps, _) => format!("it lacks {}", gaps.join(", ")),
    };
    Ok((wrong, Requirement { name: "backup_unusable", holds: is_fresh && gaps.is_empty(), words }))
}

/// The backup, cut down to the rows of candidates.
fn of_candidates(sources: &Sources, copy: &Snapshot, key: &[Word]) -> Result<Snapshot> {
    let mut desk = Desk::with(sources.engine, &Tables::new())?;
    desk.lay("backup", &Arc::new(copy.clone()))?;
    desk.lay("selected", &Arc::new(sources.rows[sources.terms.delete_from].clone()))?;
    let same = key.iter().map(|name| format!("b.{name} = s.{name}", name = quoted(&name.text)));
    let order = key.iter().map(|name| format!("b.{}", quoted(&name.text)));
    let sql = format!(
        "SELECT b.* FROM backup AS b LEFT SEMI JOIN selected AS s ON {} ORDER BY {}",
        same.collect::<Vec<_>>().join(" AND "),
        order.collect::<Vec<_>>().join(", ")
    );
    let question = desk.plan(&sql, &BTreeMap::new(), "[signoff] backup")?;
    let path = sources.engine.spill_dir().join("selected-backup.parquet");
    shape::write_rows(sources.engine, question, &path)?;
    Snapshot::open(Side::New, &path.display().to_string(), true)
}
