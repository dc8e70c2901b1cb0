//! What is known of every candidate and its rows.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::candidates::Candidates;
use super::rules::{CandidateFacts, RowFacts, StatusFound};
use crate::columns::version::Kind;
use crate::columns::{self, Pairing};
use crate::csv;
use crate::discrepancy::{Column, classes};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explain::WAIVER_TAG;
use crate::history::{AllKnown, Digest, key_digest, key_digests};
use crate::job::{AcceptedTier, Job, Rule, SignOff, Status};
use crate::render;
use crate::shape::{Desk, Tables, quoted};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// The column of selected rows that tells their candidate.
pub const PLACE: &str = "countersign candidate";

/// The rows of all candidates.
pub struct Rows {
    /// What identifies each row, in the order of the key.
    pub keys: Vec<Vec<Option<String>>>,
    /// The candidate of each row.
    pub candidates: Vec<usize>,
    /// What proves that a row is still the one that was compared: its version, or else a hash of its values.
    pub guards: Vec<String>,
    /// What is known of each.
    pub facts: Vec<RowFacts>,
    places: HashMap<Digest, Vec<usize>>,
}

/// Where evidence comes from.
pub struct Sources<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The job.
    pub job: &'a Job,
    /// Its terms.
    pub terms: &'a SignOff,
    /// Both sides, cut down to the rows of candidates.
    pub rows: &'a Sides<Snapshot>,
    /// Both sides, whole.
    pub whole: &'a Sides<Snapshot>,
    /// How their columns compare.
    pub pairing: &'a Pairing,
    /// The candidates.
    pub candidates: &'a Candidates,
    /// The files of the backup, once they are known.
    pub backup_files: RefCell<Vec<String>>,
}

/// Cuts both sides down to the rows of candidates: those of the side that they are to be deleted from, and those of the
/// other side with the same keys.
pub fn select(
    engine: &Engine,
    terms: &SignOff,
    snapshots: &Sides<Snapshot>,
    pairing: &Pairing,
    candidates: &Candidates,
    types: &[DataType],
) -> Result<Sides<Snapshot>> {
    let (own, other) = (terms.delete_from, terms.delete_from.other());
    let mut desk = Desk::with(engine, &Tables::new())?;
    for side in Side::BOTH {
        desk.lay(side.name(), &Arc::new(snapshots[side].clone()))?;
    }
    desk.lay_rows("candidates", candidates.table(types)?)?;
    let stored = |side: Side, at: usize| quoted(snapshots[side].schema.field(pairing.columns[at].at[side]).name());
    let key = |side: Side| (0..pairing.key_len).map(|at| stored(side, at)).collect::<Vec<String>>();
    let named = candidates.key.iter().enumerate().filter_map(|(number, name)| {
        let at = pairing.columns.iter().position(|column| column.name == *name)?;
        Some(format!("d.{} = c.c{number}", stored(own, at)))
    });
    let named: Vec<String> = named.collect();
    let sql = format!(
        "SELECT d.*, CAST(c.place AS BIGINT) AS {} FROM {own} AS d JOIN candidates AS c ON {} ORDER BY {}",
        quoted(PLACE),
        named.join(" AND "),
        key(own).iter().map(|column| format!("d.{column}")).collect::<Vec<_>>().join(", ")
    );
    let own_rows = written(engine, &desk, &sql, own)?;
    desk.lay("selected", &Arc::new(own_rows.clone()))?;
    let same: Vec<String> =
        key(other).iter().zip(key(own)).map(|(other, own)| format!("o.{other} = s.{own}")).collect();
    let sql = format!(
        "SELECT o.* FROM {other} AS o LEFT SEMI JOIN selected AS s ON {} ORDER BY {}",
        same.join(" AND "),
        key(other).iter().map(|column| format!("o.{column}")).collect::<Vec<_>>().join(", ")
    );
    let other_rows = written(engine, &desk, &sql, other)?;
    Ok(match own {
        Side::Old => Sides { old: own_rows, new: other_rows },
        Side::New => Sides { old: other_rows, new: own_rows },
    })
}

fn written(engine: &Engine, desk: &Desk, sql: &str, side: Side) -> Result<Snapshot> {
    let path = engine.spill_dir().join(format!("selected-{side}.parquet"));
    let question = desk.plan(sql, &BTreeMap::new(), "[signoff]")?;
    crate::shape::write_rows(engine, question, &path)?;
    Snapshot::open(side, &path.display().to_string(), true)
}

impl Rows {
    /// Reads the rows of candidates once, and what old and new say of them.
    pub fn read(sources: &Sources) -> Result<Self> {
        let mut rows = Rows { keys: vec![], candidates: vec![], guards: vec![], facts: vec![], places: HashMap::new() };
        rows.read_own(sources)?;
        rows.read_pairs(sources)?;
        Ok(rows)
    }

    fn own_columns(sources: &Sources, side: Side) -> Vec<String> {
        let snapshot = &sources.rows[side];
        sources.pairing.columns.iter().map(|pair| snapshot.schema.field(pair.at[side]).name().clone()).collect()
    }

    fn read_own(&mut self, sources: &Sources) -> Result<()> {
        let own = sources.terms.delete_from;
        let columns: Vec<String> = Self::own_columns(sources, own).iter().map(|name| quoted(name)).collect();
        let is_shown = version_is_shown(sources);
        let version = sources
            .pairing
            .version
            .as_ref()
            .filter(|_| is_shown)
            .map(|version| quoted(sources.rows[own].schema.field(version.at[own]).name()));
        let sql = format!(
            "SELECT CAST({} AS BIGINT UNSIGNED) AS place, {} AS version, {} FROM t ORDER BY {}",
            quoted(PLACE),
            version.unwrap_or("NULL".into()),
            columns.iter().enumerate().map(|(at, name)| format!("{name} AS v{at}")).collect::<Vec<_>>().join(", "),
            columns.join(", ")
        );
        let mut desk = Desk::with(sources.engine, &Tables::new())?;
        desk.lay("t", &Arc::new(sources.rows[own].clone()))?;
        let question = desk.plan(&sql, &BTreeMap::new(), "[signoff]")?;
        let key_len = sources.pairing.key_len;
        question.ask(sources.engine, |batch| {
            let places = batch.column(0).as_primitive::<UInt64Type>();
            for (row, texts) in render::rows(batch)?.into_iter().enumerate() {
                let key: Vec<Option<String>> = texts[2..2 + key_len].to_vec();
                let digest = key_digest(key.iter().map(Option::as_deref));
                let guard = match &texts[1] {
                    Some(version) => version.clone(),
                    None => hex::encode(key_digest(texts[2..].iter().map(Option::as_deref))),
                };
                self.places.entry(digest).or_default().push(self.keys.len());
                self.keys.push(key);
                self.candidates.push(places.value(row) as usize);
                self.guards.push(guard);
                self.facts.push(RowFacts::default());
            }
            Ok(())
        })?;
        for places in self.places.values() {
            places.iter().for_each(|&place| self.facts[place].copies = places.len() as u64);
        }
        Ok(())
    }

    /// Brings the rows of both sides together by their keys, and sees for each pair how it came to be equal.
    fn read_pairs(&mut self, sources: &Sources) -> Result<()> {
        let Sources { engine, pairing, rows, .. } = sources;
        let names = Sides::from_fn(|side| Self::own_columns(sources, side));
        let columns = |side: Side, alias: &str| -> Vec<String> {
            let columns = names[side].iter().enumerate();
            columns.map(|(at, name)| format!("{alias}.{} AS {alias}{at}", quoted(name))).collect()
        };
        let version = |side: Side, alias: &str| match &pairing.version {
            Some(version) => {
                let name = quoted(rows[side].schema.field(version.at[side]).name());
                format!("{alias}.{name} AS {alias}_version")
            }
            None => format!("NULL AS {alias}_version"),
        };
        let same: Vec<String> = names.old[..pairing.key_len]
            .iter()
            .zip(&names.new)
            .map(|(old, new)| format!("o.{} = n.{}", quoted(old), quoted(new)))
            .collect();
        let sql = format!(
            "SELECT {}, {}, {}, {} FROM old AS o JOIN new AS n ON {}",
            columns(Side::Old, "o").join(", "),
            columns(Side::New, "n").join(", "),
            version(Side::Old, "o"),
            version(Side::New, "n"),
            same.join(" AND ")
        );
        let mut desk = Desk::with(engine, &Tables::new())?;
        for side in Side::BOTH {
            desk.lay(side.name(), &Arc::new(rows[side].clone()))?;
        }
        let question = desk.plan(&sql, &BTreeMap::new(), "[signoff]")?;
        let late = Late::of(sources.job, pairing);
        let width = pairing.columns.len();
        let own_start = if sources.terms.delete_from == Side::Old { 0 } else { width };
        question.ask(engine, |batch| {
            let part = |start: usize| -> Result<RecordBatch> {
                let places: Vec<usize> = (start..start + width).collect();
                Ok(batch.project(&places)?)
            };
            let sides = Sides { old: pairing.rows(Side::Old, part(0)?)?, new: pairing.rows(Side::New, part(width)?)? };
            let tiers = tiers(pairing, &sides)?;
            let moved = moved(pairing, &sides, &sources.candidates.key)?;
            let versions = Sides { old: batch.column(2 * width).clone(), new: batch.column(2 * width + 1).clone() };
            let is_late = late.of_rows(pairing, &versions)?;
            let key: Vec<usize> = (own_start..own_start + pairing.key_len).collect();
            for (row, key) in render::rows(&batch.project(&key)?)?.into_iter().enumerate() {
                let digest = key_digest(key.iter().map(Option::as_deref));
                for &place in self.places.get(&digest).into_iter().flatten() {
                    let facts = &mut self.facts[place];
                    facts.in_other = true;
                    facts.tier = tiers[row];
                    facts.is_of_another = moved.value(row);
                    facts.is_late = is_late[row];
                }
            }
            Ok(())
        })
    }

    /// Takes in what the whole comparison says of these rows: a file of discrepancies.
    pub fn take_discrepancies(&mut self, engine: &Engine, path: &Path) -> Result<()> {
        let unreadable = |reason: String| Error::Internal(format!("`{}`: {reason}", path.display()));
        let file = File::open(path).map_err(Error::unreadable(path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build());
        for batch in reader.map_err(|error| unreadable(error.to_string()))? {
            engine.check_stop()?;
            let batch = batch?;
            let tags = Column::Tags.of(&batch).as_list::<i32>();
            let digests = key_digests(&batch)?;
            for (row, class) in classes(&batch).into_iter().enumerate() {
                let Some(places) = self.places.get(&digests[row]) else { continue };
                let tags = tags.value(row);
                let tags: Vec<&str> = tags.as_string::<i32>().iter().flatten().collect();
                for &place in places {
                    let facts = &mut self.facts[place];
                    facts.class = Some(class);
                    facts.tier = None;
                    facts.is_waived = tags.iter().any(|tag| tag.starts_with(WAIVER_TAG));
                    if tags.contains(&"in_flight") {
                        facts.is_late = Some(true);
                    }
                }
            }
        }
        Ok(())
    }

    /// The places of rows by the digest of their key.
    pub fn of(&self, digest: &Digest) -> &[usize] {
        self.places.get(digest).map_or(&[], Vec::as_slice)
    }

    /// Takes in which groups are ready: a list, with the columns that the job gathers by.
    pub fn take_groups(&mut self, sources: &Sources, list: &Path) -> Result<()> {
        let text = std::fs::read_to_string(list).map_err(Error::unreadable(list))?;
        let records = csv::records(&text).map_err(Error::Internal)?;
        let digest = |texts: &[Option<String>]| key_digest(texts.iter().map(Option::as_deref));
        let ready: HashSet<Digest> = records.iter().skip(1).map(|(_, texts)| digest(texts)).collect();
        let own = sources.terms.delete_from;
        let column = |name: &str| {
            let pair = sources.pairing.columns.iter().find(|pair| pair.name == name)?;
            Some(quoted(sources.rows[own].schema.field(pair.at[own]).name()))
        };
        let by: Vec<String> = sources.job.group.iter().filter_map(|name| column(&name.text)).collect();
        let key: Vec<String> =
            Self::own_columns(sources, own)[..sources.pairing.key_len].iter().map(|name| quoted(name)).collect();
        let mut desk = Desk::with(sources.engine, &Tables::new())?;
        desk.lay("t", &Arc::new(sources.rows[own].clone()))?;
        let sql = format!("SELECT {}, {} FROM t", aliased("g", &by), aliased("k", &key));
        let question = desk.plan(&sql, &BTreeMap::new(), "[signoff]")?;
        let mut not_ready = HashSet::new();
        question.ask(sources.engine, |batch| {
            for texts in render::rows(batch)? {
                let (group, key) = texts.split_at(by.len());
                if !ready.contains(&digest(group)) {
                    not_ready.insert(digest(key));
                }
            }
            Ok(())
        })?;
        for (digest, places) in &self.places {
            places.iter().for_each(|&place| self.facts[place].group_is_ready = Some(!not_ready.contains(digest)));
        }
        Ok(())
    }

    /// Takes in what earlier pairs of snapshots knew; none of them is known where one is missing.
    pub fn take_past(&mut self, past: Option<&[AllKnown]>) {
        for (digest, places) in &self.places {
            let is_clean = |known: &AllKnown| known.get(digest).is_none_or(|known| known.gone_for.is_some());
            let was_clean = past.is_some_and(|past| past.iter().all(is_clean));
            places.iter().for_each(|&place| self.facts[place].was_clean = Some(was_clean));
        }
    }

    /// Takes in which rows the backup has otherwise, or not at all.
    pub fn take_backup(&mut self, wrong: &HashSet<Digest>) {
        for (digest, places) in &self.places {
            places.iter().for_each(|&place| self.facts[place].is_backed_up = Some(!wrong.contains(digest)));
        }
    }

    /// The facts of every candidate.
    pub fn by_candidate(&self, candidates: &Candidates) -> Vec<CandidateFacts> {
        let has_null = |texts: &Vec<Option<String>>| texts.iter().any(Option::is_none);
        let mut all: Vec<CandidateFacts> = candidates
            .texts
            .iter()
            .map(|texts| CandidateFacts { has_null: has_null(texts), ..CandidateFacts::default() })
            .collect();
        for (facts, &candidate) in self.facts.iter().zip(&self.candidates) {
            all[candidate].rows.push(facts.clone());
        }
        all
    }
}

/// Whether the version of a row may stand beside its ID: a private one may not.
pub fn version_is_shown(sources: &Sources) -> bool {
    let Some(version) = &sources.pairing.version else { return false };
    let own = sources.terms.delete_from;
    let name = sources.rows[own].schema.field(version.at[own]).name();
    !sources.job.private.iter().flat_map(|private| &private.columns).any(|private| private.text == *name)
}

fn aliased(alias: &str, columns: &[String]) -> String {
    columns.iter().enumerate().map(|(at, name)| format!("{name} AS {alias}{at}")).collect::<Vec<_>>().join(", ")
}

/// How each pair of rows came to be equal, as far as that is for rules to say: whether it is, the comparison decides.
fn tiers(pairing: &Pairing, sides: &Sides<columns::Rows>) -> Result<Vec<Option<AcceptedTier>>> {
    let rows = sides.old.raw.num_rows();
    let (mut by_rule, mut tolerated) = (BooleanBuffer::new_unset(rows), BooleanBuffer::new_unset(rows));
    for (place, column) in pairing.checked().enumerate() {
        let unequal = !&sides.old.exact[place].equals(&sides.new.exact[place])?;
        let has_tolerance = pairing.columns[column].rules().iter().any(|rule| matches!(rule, Rule::Tolerance(..)));
        // one that both could have made equal, counts as tolerated
        match has_tolerance {
            true => tolerated = &tolerated | &unequal,
            false => by_rule = &by_rule | &unequal,
        }
    }
    for side in sides.iter() {
        if let Some(read) = side.read_by_rule() {
            by_rule = &by_rule | &read;
        }
    }
    let tier = |row: usize| match (tolerated.value(row), by_rule.value(row)) {
        (true, _) => AcceptedTier::Tolerated,
        (false, true) => AcceptedTier::ByRule,
        (false, false) => AcceptedTier::Exact,
    };
    Ok((0..rows).map(|row| Some(tier(row))).collect())
}

/// Which pairs of rows differ in a column that names candidates.
fn moved(pairing: &Pairing, sides: &Sides<columns::Rows>, named: &[String]) -> Result<BooleanBuffer> {
    let mut moved = BooleanBuffer::new_unset(sides.old.raw.num_rows());
    for (place, column) in pairing.checked().enumerate() {
        if named.contains(&pairing.columns[column].name) {
            moved = &moved | &!&sides.old.exact[place].equals(&sides.new.exact[place])?;
        }
    }
    Ok(moved)
}

/// Tells which rows were written after a snapshot had begun.
struct Late {
    /// When each export began, less the lag, in microseconds since 1970; none, if nothing tells.
    began: Option<Sides<i64>>,
}

impl Late {
    fn of(job: &Job, pairing: &Pairing) -> Self {
        let is_time = pairing.version.as_ref().is_some_and(|version| matches!(version.kind, Kind::Time(_)));
        let lag = job.in_flight.as_ref().map(|in_flight| in_flight.lag_micros());
        let began = |side: Side| {
            let taken = job.sources[side].taken_at.as_ref()?;
            Some(taken.from.parse::<jiff::Timestamp>().ok()?.as_microsecond() - lag?)
        };
        let began = match (is_time, began(Side::Old), began(Side::New)) {
            (true, Some(old), Some(new)) => Some(Sides { old, new }),
            _ => None,
        };
        Late { began }
    }

    /// Of each pair; none where a side has no version.
    fn of_rows(&self, pairing: &Pairing, versions: &Sides<ArrayRef>) -> Result<Vec<Option<bool>>> {
        let rows = versions.old.len();
        let (Some(began), Some(version)) = (&self.began, &pairing.version) else { return Ok(vec![None; rows]) };
        let first = began.old.min(began.new);
        let numbers = Sides::try_from_fn(|side| version.numbers(&versions[side]))?;
        let late = |row: usize| Some(numbers.old[row]? > first || numbers.new[row]? > first);
        Ok((0..rows).map(late).collect())
    }
}

/// In which state a table has each candidate.
pub fn statuses(
    engine: &Engine,
    status: &Status,
    tables: &Tables,
    candidates: &Candidates,
) -> Result<Vec<StatusFound>> {
    let place = status.table.place.to_string();
    let mut desk = Desk::with(engine, tables)?;
    desk.lay_rows("candidates of the sign-off", candidates.table(&[DataType::Utf8])?)?;
    let (table, key, column) = (quoted(&status.table.text), quoted(&status.key.text), quoted(&status.column.text));
    let sql = format!(
        "SELECT CAST(t.{key} AS VARCHAR) AS id, CAST(t.{column} AS VARCHAR) AS state FROM {table} AS t \
         LEFT SEMI JOIN \"candidates of the sign-off\" AS c ON CAST(t.{key} AS VARCHAR) = c.c0"
    );
    let mut found = vec![StatusFound::Absent; candidates.texts.len()];
    let question = desk.plan(&sql, &BTreeMap::new(), &place)?;
    question.ask(engine, |batch| {
        for texts in render::rows(batch)? {
            let Some(&at) = candidates.places.get(&key_digest([texts[0].as_deref()].into_iter())) else { continue };
            found[at] = match (&found[at], &texts[1]) {
                (StatusFound::Absent, Some(value)) => StatusFound::Value(value.clone()),
                (StatusFound::Absent, None) => StatusFound::Null,
                _ => StatusFound::Several,
            };
        }
        Ok(())
    })?;
    Ok(found)
}
