//! Collects differences column by column, and finds the rules that would explain them.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{concat, filter, take};
use arrow::datatypes::Field;

use super::aligned::Aligned;
use super::columns::{Columns, PairedColumns};
use super::key::KeyChoice;
use super::ladder::Evidence;
use super::load_time::is_load_time;
use super::objections::{DifferenceCounts, Explained, weigh};
use super::{Findings, codes, compare, job};
use crate::compare::discrepancy::{Class, Spooled, TableColumn, Tally, classes};
use crate::equality::plain_types;
use crate::error::Result;
use crate::job::{RuleSettings, Source};
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;

/// Mismatches on which rules are tried.
pub(super) const SAMPLE_PAIRS: usize = 5_000;
/// Columns with fewer sampled pairs are sampled again, in comparisons of such columns only.
const SAMPLE_MIN: usize = 500;
/// How often that is done.
const ROUNDS: usize = 2;
/// A column with the name and type of a load time is noise if it differs in at least this share of the pairs.
const NOISE_SHARE: f64 = 0.9;

/// The suggestions for one column.
#[derive(Default)]
pub(super) struct Suggestion {
    /// Pairs that differ in it.
    pub mismatches: u64,
    /// How many of them were sampled.
    pub sampled: usize,
    /// Rules that would explain some, each with the number of sampled pairs that the rules up to it explain.
    pub rules: Vec<(RuleSettings, usize)>,
    /// Other rules that would explain some, and why they are not suggested.
    pub objections: Vec<String>,
    /// Whether it has the name of a load time, and could be one.
    pub load_time: bool,
    /// Whether it also differs nearly everywhere, as load times do.
    pub noise: bool,
}

/// Pairs of cells that differ, by column name.
#[derive(Default)]
struct Differing {
    cells: BTreeMap<String, Vec<Sides<ArrayRef>>>,
    fields: BTreeMap<String, Sides<Field>>,
}

impl Differing {
    fn sampled(&self, name: &str) -> usize {
        self.cells.get(name).map_or(0, |parts| parts.iter().map(|part| part.old.len()).sum())
    }

    fn forget(&mut self, name: &str) {
        self.cells.remove(name);
    }

    /// Adds the cells of findings. If `only` is not empty, adds only those of its columns.
    fn gather(&mut self, findings: Vec<Spooled>, only: &[&PairedColumns]) -> Result<()> {
        for part in findings {
            for batch in part.read()? {
                let batch = batch?;
                let (old, new) = (TableColumn::Old.of(&batch).as_struct(), TableColumn::New.of(&batch).as_struct());
                let changed = TableColumn::Changed.of(&batch).as_list::<i32>();
                let classes = classes(&batch);
                for (index, field) in old.fields().iter().enumerate() {
                    if !only.is_empty() && !only.iter().any(|pair| pair.name == *field.name()) {
                        continue;
                    }
                    let holds = |row: &usize| {
                        let names = changed.value(*row);
                        classes[*row] == Class::Mismatch
                            && names.as_string::<i32>().iter().flatten().any(|name| name == field.name())
                    };
                    let rows: UInt32Array = (0..batch.num_rows()).filter(holds).map(|row| row as u32).collect();
                    if !rows.is_empty() {
                        let pair = Sides {
                            old: take(old.column(index), &rows, None)?,
                            new: take(new.column(index), &rows, None)?,
                        };
                        self.cells.entry(field.name().clone()).or_default().push(pair);
                        let own = Sides { old: field.as_ref().clone(), new: new.fields()[index].as_ref().clone() };
                        self.fields.insert(field.name().clone(), own);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Two snapshots, and what is known about them.
pub(super) struct SampledPair<'a> {
    pub engine: &'a Engine,
    pub sides: &'a Sides<Snapshot>,
    pub sources: &'a Sides<Source>,
    pub columns: &'a Columns,
    pub key: &'a KeyChoice,
    /// Rows with the same key on both sides.
    pub aligned: Option<&'a Aligned>,
}

impl SampledPair<'_> {
    /// A suggestion for every pair of columns, in the same order.
    pub(super) fn explain(&self, found: Findings) -> Result<(Tally, Vec<Suggestion>)> {
        let Findings { tally, names, findings } = found;
        let mismatches: BTreeMap<String, u64> =
            names.into_iter().zip(tally.columns.iter().map(|column| column.mismatches)).collect();
        let mut differing = Differing::default();
        differing.gather(findings, &[])?;
        self.look_for_more(&mut differing, &mismatches)?;
        let paired = tally.matched() + tally.mismatch;
        let of = |pair: &PairedColumns| {
            let mismatches = mismatches.get(&pair.name).copied().unwrap_or(0);
            let load_time = is_load_time(pair);
            let noise = load_time && mismatches > 0 && mismatches as f64 >= paired as f64 * NOISE_SHARE;
            let suggestion = Suggestion { mismatches, load_time, noise, ..Suggestion::default() };
            let Some(evidence) = self.evidence(pair, &differing)?.filter(|_| !noise) else { return Ok(suggestion) };
            let Explained { rules, objections } =
                self.rules(pair, &evidence, &DifferenceCounts { paired, mismatches })?;
            Ok(Suggestion { sampled: evidence.differing.old.len(), rules, objections, ..suggestion })
        };
        let suggestions = self.columns.pairs.iter().map(of).collect::<Result<_>>()?;
        Ok((tally, suggestions))
    }

    /// A column that differs everywhere can fill the whole sample. Columns with too few sampled pairs are therefore
    /// compared again without it.
    fn look_for_more(&self, differing: &mut Differing, mismatches: &BTreeMap<String, u64>) -> Result<()> {
        for _ in 0..ROUNDS {
            let lacks = |pair: &&PairedColumns| {
                let all = mismatches.get(&pair.name).copied().unwrap_or(0) as usize;
                pair.comparable && differing.sampled(&pair.name) < all.min(SAMPLE_MIN)
            };
            let few: Vec<&PairedColumns> = self.columns.pairs.iter().filter(lacks).collect();
            if few.is_empty() || self.key.columns.is_empty() {
                break;
            }
            let keys = self.columns.pairs.iter().filter(|pair| self.key.columns.contains(&pair.name));
            let only: Vec<&PairedColumns> = keys.chain(few.iter().copied()).collect();
            let job = job(self.sources, self.columns, self.key.identity(), &only);
            let found = compare(self.engine, self.sides, &job, SAMPLE_PAIRS)?;
            few.iter().for_each(|pair| differing.forget(&pair.name));
            differing.gather(found.findings, &few)?;
        }
        Ok(())
    }

    /// The cells of a pair of columns that differ, and cells of aligned rows that are equal.
    fn evidence(&self, pair: &PairedColumns, differing: &Differing) -> Result<Option<Evidence>> {
        let (Some(parts), Some(fields)) = (differing.cells.get(&pair.name), differing.fields.get(&pair.name)) else {
            return Ok(None);
        };
        let join = |side: Side| -> Result<ArrayRef> {
            let parts: Vec<&dyn Array> = parts.iter().map(|part| part[side].as_ref()).collect();
            Ok(concat(&parts)?)
        };
        let differing = Sides { old: join(Side::Old)?, new: join(Side::New)? };
        let none = || Sides::from_fn(|side: Side| differing[side].slice(0, 0));
        let matching = self.matching(pair)?.unwrap_or_else(none);
        Ok(Some(Evidence { fields: fields.clone(), differing, matching }))
    }

    fn matching(&self, pair: &PairedColumns) -> Result<Option<Sides<ArrayRef>>> {
        let Some(cells) = self.aligned.and_then(|aligned| aligned.cells(pair)) else { return Ok(None) };
        let Some(chain) = pair.chain(&pair.rules) else { return Ok(None) };
        let forms = Sides::try_from_fn(|side| chain.full(&cells[side], side))?;
        let equal = BooleanArray::new(forms.old.equals(&forms.new)?, None);
        Ok(Some(Sides::try_from_fn(|side| {
            let own = filter(&cells[side], &equal)?;
            plain_types::array(&own)
        })?))
    }

    fn rules(&self, pair: &PairedColumns, evidence: &Evidence, counts: &DifferenceCounts) -> Result<Explained> {
        let table = codes::learn(pair, &evidence.differing_texts()?, &evidence.matching_texts()?);
        let explained = weigh(pair, evidence, table.as_ref(), counts)?;
        // scanning all rows is worth the time only for a table that would be written
        let (true, Some(values)) = (
            explained.rules.iter().any(|(rule, _)| rule.values.is_some()),
            table.as_ref().and_then(|table| table.values.as_ref()),
        ) else {
            return Ok(explained);
        };
        match codes::hides_nothing(self.engine, self.sides, pair, values)? {
            true => Ok(explained),
            false => weigh(pair, evidence, None, counts),
        }
    }
}
