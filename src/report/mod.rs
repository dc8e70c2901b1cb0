//! TELL: the report, once as data, and one file per format that shows it.

pub mod json;
pub mod markdown;
pub mod text;

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::columns::{Coverage, Pairing};
use crate::discrepancy::Tally;
use crate::engine::Engine;
use crate::job::{Job, Way};
use crate::lists::Example;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Everything a run has to say. Its JSON form is versioned and described by `schemas/report.v1.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// The version of this form.
    pub schema: String,
    /// The job's name.
    pub job: String,
    /// The one-word answer.
    pub verdict: Verdict,
    /// What makes the whole comparison doubtful, before anything else is looked at.
    pub suspicion: Option<String>,
    /// Why the verdict is not `match`, a line each.
    pub reasons: Vec<String>,
    /// Rows of each side.
    pub rows: Sides<u64>,
    /// Rows, pairs of rows and keys by class.
    pub counts: Counts,
    /// The rows of duplicate keys, which no other class counts.
    pub duplicate_rows: Sides<u64>,
    /// What has to be copied from old to new.
    pub backfill: Backfill,
    /// How the matched pairs came to be equal; adds up to `counts.matched`.
    pub tiers: Tiers,
    /// The columns that identify a row; empty where rows were compared whole.
    pub key: Vec<String>,
    /// Every compared column.
    pub columns: Vec<ColumnReport>,
    /// What took part and what did not.
    pub coverage: Coverage,
    /// The first few findings of each class, in key order.
    pub examples: Vec<Example>,
    /// The circumstances. Everything else in a report depends on the data alone.
    pub run: Run,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No discrepancy at all.
    Match,
    /// Discrepancies, every one of them allowed.
    Accepted,
    /// Discrepancies.
    Discrepant,
    /// The run is complete, but something could not be compared.
    Unverified,
}

impl Verdict {
    /// The exit code that says the same: 0 for what is verified, 1 for discrepancies, 2 for the rest.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Match | Verdict::Accepted => 0,
            Verdict::Discrepant => 1,
            Verdict::Unverified => 2,
        }
    }
}

/// Counts by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Counts {
    /// Pairs of equal rows.
    pub matched: u64,
    /// Pairs of rows with one key and different values.
    pub mismatch: u64,
    /// Rows only in old.
    pub missing: u64,
    /// Rows only in new.
    pub extra: u64,
    /// Keys that stand more than once on a side.
    pub duplicate_keys: u64,
}

/// What has to be copied from old to new: two lists, two counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Backfill {
    /// Rows in `missing.csv`.
    pub missing: u64,
    /// Keys in `missing_duplicated.csv`: several times in old, not at all in new.
    pub missing_duplicated: u64,
}

/// How matched pairs came to be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tiers {
    /// By value.
    pub exact: u64,
    /// Only by a rule that the user chose.
    pub by_rule: u64,
    /// Only within a tolerance that the user chose.
    pub tolerated: u64,
}

/// One compared column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ColumnReport {
    /// The new side's name.
    pub name: String,
    /// Its type in old, in words.
    pub old_type: String,
    /// Its type in new, in words.
    pub new_type: String,
    /// Pairs of rows that differ in it.
    pub mismatches: u64,
    /// Pairs of rows that only a rule made equal in it.
    pub by_rule: u64,
    /// Pairs of rows that only a tolerance made equal in it.
    pub tolerated: u64,
}

/// The circumstances of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    /// Names the run: when it started, and a random part.
    pub id: String,
    /// When it started, in UTC.
    pub started: String,
    /// The program's version.
    pub version: String,
    /// How equal keys were brought together.
    pub way: MatchingWay,
    /// Why that way, in words.
    pub way_reason: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// The most memory that the process held, where the system says.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes fetched from the snapshots, second readings included.
    pub bytes_read: u64,
    /// Bytes that went to working files.
    pub spilled_bytes: u64,
    /// What each side was.
    pub inputs: Sides<Input>,
    /// Where the lists are, if they were written.
    pub out: Option<String>,
}

/// One side's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Input {
    /// The path as given.
    pub path: String,
    /// How many files were read.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// Files passed over because their names begin with `_` or `.`.
    pub skipped_files: usize,
}

/// How equal keys were brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchingWay {
    /// By merging sides that stand in key order.
    Ordered,
    /// By hashing every row.
    Hashed,
    /// Without a key; the reason names the way that was taken.
    Multiset,
}

/// Times a run.
pub struct Clock {
    started: jiff::Timestamp,
    instant: Instant,
}

/// What a run cost and how it went.
pub struct Cost {
    started: jiff::Timestamp,
    seconds: f64,
    bytes_read: u64,
    spilled_bytes: u64,
    way: Way,
    reason: String,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Clock { started: jiff::Timestamp::now(), instant: Instant::now() }
    }

    /// Ends now.
    pub fn stop(self, engine: &Engine, way: Way, reason: String) -> Cost {
        Cost {
            started: self.started,
            seconds: self.instant.elapsed().as_secs_f64(),
            bytes_read: engine.bytes_read(),
            spilled_bytes: engine.spilled_bytes(),
            way,
            reason,
        }
    }
}

impl Report {
    /// Puts together what the stages found.
    pub fn of(
        job: &Job,
        snapshots: &Sides<Snapshot>,
        pairing: &Pairing,
        tally: &Tally,
        examples: Vec<Example>,
        cost: Cost,
    ) -> Self {
        let coverage = pairing.coverage.clone();
        let counts = Counts {
            matched: tally.matched,
            mismatch: tally.mismatch,
            missing: tally.missing,
            extra: tally.extra,
            duplicate_keys: tally.duplicate_keys,
        };
        let column = |(at, pair): (usize, &crate::columns::ColumnPair)| ColumnReport {
            name: pair.name.clone(),
            old_type: pair.types.old.clone(),
            new_type: pair.types.new.clone(),
            mismatches: at.checked_sub(pairing.key_len).map_or(0, |at| tally.column_mismatches[at]),
            by_rule: 0,
            tolerated: 0,
        };
        Report {
            schema: "countersign/report/v1".into(),
            job: job.name.clone(),
            verdict: verdict(tally, &coverage),
            suspicion: key_suspicion(tally, pairing),
            reasons: reasons(tally, pairing),
            rows: tally.rows,
            counts,
            duplicate_rows: tally.duplicate_rows,
            backfill: Backfill { missing: tally.missing, missing_duplicated: tally.missing_duplicated },
            tiers: Tiers { exact: tally.matched, by_rule: 0, tolerated: 0 },
            key: if pairing.keyed { pairing.keys().iter().map(|key| key.name.clone()).collect() } else { vec![] },
            columns: pairing.columns.iter().enumerate().map(column).collect(),
            coverage,
            examples,
            run: run(job, snapshots, pairing.keyed, cost),
        }
    }

    /// The report in every format, as files of a run directory.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        vec![
            ("report.json", json::render(self)),
            ("report.md", markdown::render(self)),
            ("report.txt", text::render(self, text::Style::Plain)),
        ]
    }
}

fn verdict(tally: &Tally, coverage: &Coverage) -> Verdict {
    if !coverage.incomparable.is_empty() {
        return Verdict::Unverified;
    }
    match tally.is_clean() && coverage.old_only.is_empty() && coverage.new_only.is_empty() {
        true => Verdict::Match,
        false => Verdict::Discrepant,
    }
}

/// Below this share of the smaller side's rows in pairs, the key is the first suspect: one in a hundred.
const KEY_SUSPECT_SHARE: u64 = 100;

fn key_suspicion(tally: &Tally, pairing: &Pairing) -> Option<String> {
    let smaller = tally.rows.old.min(tally.rows.new);
    let paired = tally.matched + tally.mismatch;
    if !pairing.keyed || smaller == 0 || paired * KEY_SUSPECT_SHARE >= smaller {
        return None;
    }
    let key = pairing.keys().iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
    Some(format!(
        "this key looks wrong: by ({key}), {} of {} of the smaller side have a counterpart",
        grouped(paired),
        count(smaller, "row")
    ))
}

fn reasons(tally: &Tally, pairing: &Pairing) -> Vec<String> {
    let coverage = &pairing.coverage;
    let mut reasons = vec![];
    let columns = |names: &[String]| count(names.len() as u64, "column");
    if !coverage.incomparable.is_empty() {
        let names = coverage.incomparable.iter().zip(&pairing.incomparable_types);
        let names: Vec<String> = names
            .map(|(name, types)| match types.old == types.new {
                true => format!("{name} ({})", types.old),
                false => format!("{name} ({} in old, {} in new)", types.old, types.new),
            })
            .collect();
        reasons.push(format!("{} could not be compared: {}", columns(&coverage.incomparable), names.join(", ")));
    }
    let found: Vec<String> = [
        (tally.mismatch, "mismatch", "mismatches"),
        (tally.missing, "missing row", "missing rows"),
        (tally.extra, "extra row", "extra rows"),
        (tally.duplicate_keys, "duplicate key", "duplicate keys"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many)| format!("{} {}", grouped(number), if number == 1 { one } else { many }))
    .collect();
    if !found.is_empty() {
        reasons.push(found.join(", "));
    }
    for (side, names) in [(Side::Old, &coverage.old_only), (Side::New, &coverage.new_only)] {
        if !names.is_empty() {
            reasons.push(format!("{} only in {side}: {}", columns(names), names.join(", ")));
        }
    }
    reasons
}

fn run(job: &Job, snapshots: &Sides<Snapshot>, keyed: bool, cost: Cost) -> Run {
    let mut random = [0; 4];
    // the random part only tells runs of the same second apart
    let _ = getrandom::fill(&mut random);
    let started = cost.started.strftime("%Y%m%dT%H%M%SZ");
    let way = match (keyed, cost.way) {
        (false, _) => MatchingWay::Multiset,
        (true, Way::Ordered) => MatchingWay::Ordered,
        (true, Way::Hashed) => MatchingWay::Hashed,
    };
    let way_reason = match keyed {
        true => cost.reason,
        false => format!("whole rows, {}: {}", cost.way, cost.reason),
    };
    Run {
        id: format!("{started}-{:08x}", u32::from_be_bytes(random)),
        started: cost.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        way,
        way_reason,
        seconds: (cost.seconds * 1000.0).round() / 1000.0,
        peak_memory_bytes: peak_memory_bytes(),
        bytes_read: cost.bytes_read,
        spilled_bytes: cost.spilled_bytes,
        inputs: Sides::from_fn(|side| Input {
            path: snapshots[side].location.clone(),
            files: snapshots[side].files.len(),
            bytes: snapshots[side].bytes(),
            skipped_files: snapshots[side].skipped.len(),
        }),
        out: job.out.as_ref().map(|out| out.display().to_string()),
    }
}

/// The process's high-water mark, as Linux tells it.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// A number with its noun: `1 row`, `1,234 rows`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", grouped(number)),
    }
}

/// A number in groups of three digits.
pub fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
