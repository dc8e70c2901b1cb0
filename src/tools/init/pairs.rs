//! Pairs the columns of both sides.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use super::aligned::Aligned;
use super::bridges;
use super::columns::{Columns, PairedColumns};
use super::readings::{self, Bridge};
use super::zones::Zones;
use crate::columns::implied_rules;
use crate::equality::canonical::domain::{Family, family, pair_names};
use crate::equality::rules::RuleSet;
use crate::error::Result;
use crate::job::{ColumnSettings, Origin, RuleSettings, Setting};
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot, type_name};

/// Rows of each side that are sampled before the first comparison.
const SAMPLE_ROWS: usize = 20_000;
/// Bytes of each side that are sampled before the first comparison. Large cells reduce the number of rows.
const SAMPLE_BYTES: usize = 128 << 20;
/// Above this similarity, two names are assumed to be spellings of one name.
const SIMILAR: f64 = 0.75;
/// Names of each side that are compared with those of the other.
const SIMILAR_NAMES_MAX: usize = 500;

impl Columns {
    /// Pairs the columns by name, and decides how each pair can be compared.
    pub(super) fn of(engine: &Engine, sides: &Sides<Snapshot>) -> Result<Self> {
        let names = sides
            .as_ref()
            .map(|side| -> Vec<&str> { side.schema.fields().iter().map(|field| field.name().as_str()).collect() });
        let (indices, left) = pair_names(&names);
        let samples = Sides::try_from_fn(|side| sample(engine, &sides[side]))?;
        let mut pairs = vec![];
        for index in indices {
            pairs.push(PairedColumns::of(sides, &samples, index));
        }
        let similar = similar(&left);
        let left = left.map(|names| names.into_iter().map(String::from).collect());
        Ok(Columns { pairs, left, similar, perhaps: vec![], samples })
    }

    /// Decides again how each pair can be compared, now with rows that have the same key on both sides.
    pub(super) fn settle(&mut self, aligned: &Aligned, key: &[String]) {
        let mut zones = Zones::default();
        for pair in self.pairs.iter_mut().filter(|pair| !key.contains(&pair.name)) {
            let Some(cells) = aligned.cells(pair) else { continue };
            if !pair.comparable || pair.implied != RuleSettings::default() {
                continue;
            }
            let are_times = pair.rules == readings::in_utc() && readings::natural(&pair.fields).is_ok();
            pair.take(match are_times {
                true => bridges::zoned(&pair.fields, &cells, &mut zones),
                false => bridges::bridge_aligned(&pair.fields, &cells, &mut zones),
            });
        }
    }

    /// Columns that the first comparison ignores.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &String> {
        let pairs = self.pairs.iter().filter(|pair| !pair.comparable).map(|pair| &pair.name);
        pairs.chain(&self.left.old).chain(&self.left.new)
    }
}

impl PairedColumns {
    /// Pairs the columns at these indexes of the schemas.
    pub(super) fn of(sides: &Sides<Snapshot>, samples: &Sides<RecordBatch>, index: Sides<usize>) -> Self {
        let fields = Sides::from_fn(|side| sides[side].schema.field(index[side]).clone());
        let sample = Sides::from_fn(|side| samples[side].column(index[side]).clone());
        let agreed = Side::BOTH.iter().all(|&side| sides[side].require_agreement(fields[side].name()).is_ok());
        let implied = implied_rules(sides, index);
        let is_implied = agreed && implied.as_ref().is_some_and(|rules| *rules != RuleSettings::default());
        let bridge = match implied {
            _ if !agreed => Bridge::none(),
            Some(rules) if is_implied => Bridge::by(rules),
            // two columns of text, of which one has a zone
            None if readings::natural(&fields).is_ok() => Bridge::by(readings::in_utc()),
            _ => readings::bridge(&fields, &sample),
        };
        let implied = bridge.rules.clone().filter(|_| is_implied).unwrap_or_default();
        let are_sets = is_implied && readings::are_sets(&fields, &implied, &sample);
        let mut pair = PairedColumns {
            name: fields.new.name().clone(),
            old: fields.old.name().clone(),
            fields,
            rules: RuleSettings::default(),
            implied,
            comparable: false,
            expression: None,
            notes: vec![],
            offers: vec![],
            sample,
        };
        pair.take(bridge);
        if are_sets {
            pair.offers
                .push("as = \"set\"  # members with commas between them, in any order, as in a SET of MySQL".into());
        }
        pair
    }

    fn take(&mut self, bridge: Bridge) {
        self.comparable = bridge.rules.is_some();
        self.rules = bridge.rules.unwrap_or_default();
        self.notes = bridge.notes;
    }

    /// Whether the job has to specify old's name.
    pub(super) fn is_renamed(&self) -> bool {
        self.old.to_lowercase() != self.name.to_lowercase()
    }

    /// The settings of a job for this pair, if it needs any.
    pub(super) fn settings(&self, origin: Origin) -> Option<ColumnSettings> {
        let word = |text: &String| Setting { text: text.clone(), origin: origin.clone() };
        (self.comparable && (self.is_renamed() || self.rules != RuleSettings::default())).then(|| ColumnSettings {
            column_type: None,
            names: vec![word(&self.name)],
            of_type: None,
            old: self.is_renamed().then(|| word(&self.old)),
            expressions: Sides::default(),
            rules: self.rules.clone(),
            origin: origin.clone(),
        })
    }

    /// The rules that the job has to name.
    pub(super) fn named_rules(&self) -> RuleSettings {
        if self.rules == self.implied { RuleSettings::default() } else { self.rules.clone() }
    }

    /// Compiles rules for these columns; `None` if they do not fit.
    pub(super) fn chain(&self, rules: &RuleSettings) -> Option<RuleSet> {
        readings::chain(&self.name, &self.fields, rules)
    }

    /// Whether a side has binary floats.
    pub(super) fn has_floats(&self) -> bool {
        self.fields.iter().any(|field| field.data_type().is_floating())
    }

    /// The type names of both sides.
    pub(super) fn types(&self) -> Sides<String> {
        self.fields.as_ref().map(type_name)
    }

    /// The type families of both sides. A column with only NULLs takes the family of the other side.
    pub(super) fn families(&self) -> Sides<Option<Family>> {
        let own = self.fields.as_ref().map(family);
        Sides { old: own.old.or(own.new), new: own.new.or(own.old) }
    }
}

/// Unpaired columns with similar names. Each column is used at most once.
fn similar(left: &Sides<Vec<&str>>) -> Vec<Sides<String>> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let mut alike: Vec<(f64, Sides<&str>)> = vec![];
    for old in left.old.iter().take(SIMILAR_NAMES_MAX) {
        for new in left.new.iter().take(SIMILAR_NAMES_MAX) {
            let likeness = strsim::normalized_damerau_levenshtein(&plain(old), &plain(new));
            let (old_plain, new_plain) = (plain(old), plain(new));
            let within = old_plain.len().min(new_plain.len()) >= 4
                && (old_plain.ends_with(&new_plain) || new_plain.ends_with(&old_plain));
            if likeness >= SIMILAR || within {
                alike.push((likeness, Sides { old, new }));
            }
        }
    }
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut taken: Vec<Sides<String>> = vec![];
    for (_, names) in alike {
        if !taken.iter().any(|pair| pair.old == names.old || pair.new == names.new) {
            taken.push(names.map(String::from));
        }
    }
    taken
}

/// Rows from the beginning, the middle, and the end of a snapshot, with all columns that can be read.
fn sample(engine: &Engine, snapshot: &Snapshot) -> Result<RecordBatch> {
    let groups: Vec<_> = snapshot.row_groups().filter(|(_, _, rows)| *rows > 0).collect();
    let all: Vec<usize> = (0..snapshot.schema.fields().len()).collect();
    let mut sampled: Vec<usize> = [0, groups.len() / 2, groups.len().saturating_sub(1)].into();
    sampled.dedup();
    let mut batches: Vec<RecordBatch> = vec![];
    for number in &sampled {
        let Some(&(file, group, _)) = groups.get(*number) else { continue };
        let mut scan = snapshot.scan(engine, vec![FileRead::whole(file, [group])], &all)?;
        let (mut rows, mut bytes) = (0, 0);
        while let Some(batch) = scan.next_batch()? {
            let batch = batch.slice(0, batch.num_rows().min(SAMPLE_ROWS / sampled.len() - rows));
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            batches.push(batch);
            if rows >= SAMPLE_ROWS / sampled.len() || bytes >= SAMPLE_BYTES / sampled.len() {
                break;
            }
        }
    }
    Ok(concat_batches(&snapshot.scan_schema(&all), &batches)?)
}
