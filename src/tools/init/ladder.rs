//! Tries rules on pairs of cells that differ, the finest first.
//!
//! Rules are arranged in steps by how much they lose. Of each step, the finest rule is chosen that explains about as
//! much as any of them; the next step has to explain clearly more. A rule that makes equal cells unequal is rejected.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};

use super::columns::PairedColumns;
use super::readings::{chain, distinctly};
use super::zones::Zones;
use crate::equality::canonical::domain::Family;
use crate::equality::value_text;
use crate::error::Result;
use crate::job::rule::{ParseAs, Precision, Scalar, ToleranceSettings};
use crate::job::{Rule, RuleSettings};
use crate::sides::{Side, Sides};
use crate::snapshot::types::digits;

/// A rule that explains a smaller share of the pairs is not worth a line.
const SHARE_MIN: f64 = 0.1;
/// Rounded numbers are often equal by chance, so a rule for numbers has to explain a larger share.
const SHARE_MIN_OF_NUMBERS: f64 = 0.5;
/// Of cells that are equal without a rule, 1 in this many may become unequal under it.
const BROKEN_ONE_IN: usize = 1_000;
/// Percent. A rule that explains this share is assumed to explain everything.
const NEARLY_ALL: usize = 98;
/// Bytes. Shorter texts are hexadecimal by chance.
const NOTATION_MIN: usize = 8;

/// Cells of one pair of columns, in plain types.
pub(super) struct Evidence {
    /// The fields of both columns.
    pub fields: Sides<Field>,
    /// Pairs that differ.
    pub differing: Sides<ArrayRef>,
    /// Pairs that are equal.
    pub matching: Sides<ArrayRef>,
}

impl Evidence {
    /// The pairs that differ, as text.
    pub(super) fn differing_texts(&self) -> Result<Sides<StringArray>> {
        Sides::try_from_fn(|side| value_text::column(&self.differing[side], &self.fields[side]))
    }

    /// The pairs that are equal, as text.
    pub(super) fn matching_texts(&self) -> Result<Sides<StringArray>> {
        Sides::try_from_fn(|side| value_text::column(&self.matching[side], &self.fields[side]))
    }

    /// How many of the differing pairs become equal under the rules of the pair of columns and `further` rules.
    pub(super) fn under(&self, pair: &PairedColumns, further: &[&RuleSettings]) -> Result<Option<usize>> {
        let all = further.iter().fold(pair.rules.clone(), |all, rule| all.overridden_by(rule));
        self.explained(pair, &all)
    }

    /// How many of the differing pairs become equal under some rules; `None` if the rules do not fit, or if they make
    /// equal pairs differ.
    fn explained(&self, pair: &PairedColumns, rules: &RuleSettings) -> Result<Option<usize>> {
        let Some(chain) = chain(&pair.name, &self.fields, rules) else { return Ok(None) };
        let equal = |cells: &Sides<ArrayRef>| -> Result<usize> {
            if rules.tolerance.is_some() {
                let judged = chain.apply_rules(cells)?;
                return Ok((&judged.ruled | &judged.tolerated).count_set_bits());
            }
            let forms = Sides::try_from_fn(|side| chain.full(&cells[side], side))?;
            Ok(forms.old.equals(&forms.new)?.count_set_bits())
        };
        let explained = equal(&self.differing)?;
        let broken = match explained {
            0 => 0,
            _ => self.matching.old.len() - equal(&self.matching)?,
        };
        Ok((broken * BROKEN_ONE_IN <= self.matching.old.len()).then_some(explained))
    }
}

/// Rules that are not tried.
#[derive(Default, Clone, PartialEq)]
pub(super) struct ExcludedRules {
    rules: Vec<RuleSettings>,
    names: BTreeSet<&'static str>,
}

impl ExcludedRules {
    /// Excludes a rule and, with `alike`, all rules of its kind, because none of them will explain more.
    pub(super) fn deny(&mut self, rule: &RuleSettings, alike: bool) {
        self.rules.push(rule.clone());
        for name in rule.rules().unwrap_or_default().iter().map(Rule::name).filter(|name| alike && *name != "as") {
            match name {
                "trim" | "rtrim" => self.names.extend(["trim", "rtrim"]),
                "round" | "tolerance" | "truncate" => self.names.extend(["round", "tolerance", "truncate"]),
                name => self.names.extend([name]),
            }
        }
    }

    fn has(&self, rule: &RuleSettings) -> bool {
        let named = || rule.rules().unwrap_or_default().iter().any(|rule| self.names.contains(rule.name()));
        self.rules.contains(rule) || named()
    }
}

/// Rules of which at most one is chosen.
struct LadderStep {
    /// The finest first.
    rules: Vec<RuleSettings>,
    /// The share of the pairs that one of them has to explain.
    share: f64,
}

/// The rules that explain differences, each with the number of pairs that it and the earlier ones explain. `values` is
/// a table that was learned from the same cells.
pub(super) fn climb(
    pair: &PairedColumns,
    evidence: &Evidence,
    values: Option<RuleSettings>,
    denied: &ExcludedRules,
) -> Result<Vec<(RuleSettings, usize)>> {
    let sampled = evidence.differing.old.len();
    let mut chosen: Vec<RuleSettings> = vec![];
    let mut explained = 0;
    let under = |chosen: &[RuleSettings]| evidence.under(pair, &chosen.iter().collect::<Vec<_>>());
    for LadderStep { rules, share } in steps(pair, evidence, values)? {
        let mut tried: Vec<(RuleSettings, usize)> = vec![];
        for rule in rules.into_iter().filter(|rule| !denied.has(rule)) {
            let with: Vec<RuleSettings> = chosen.iter().cloned().chain([rule.clone()]).collect();
            if let Some(equal) = under(&with)? {
                tried.push((rule, equal));
            }
        }
        let most = tried.iter().map(|(_, equal)| *equal).max().unwrap_or(0);
        let is_fine = |(_, equal): &&(RuleSettings, usize)| *equal == most || equal + distinctly(sampled) > most;
        let pays = |equal: usize| equal > explained && (equal - explained) as f64 >= sampled as f64 * share;
        if let Some((rule, equal)) = tried.iter().find(is_fine).filter(|(_, equal)| pays(*equal)) {
            chosen.push(rule.clone());
            explained = *equal;
        }
        if explained == sampled {
            break;
        }
    }
    if explained < sampled {
        let mut best: Option<(usize, Vec<RuleSettings>)> = None;
        for mut more in together(pair, &chosen) {
            more.retain(|rule| !denied.has(rule));
            let all: Vec<RuleSettings> = chosen.iter().cloned().chain(more).collect();
            let pays = |equal: usize| (equal - explained) as f64 >= sampled as f64 * SHARE_MIN;
            let least = best.as_ref().map_or(explained, |(most, _)| most + distinctly(sampled) - 1);
            if let Some(equal) = under(&all)?.filter(|equal| *equal > least && pays(*equal)) {
                best = Some((equal, all));
            }
        }
        if let Some((equal, all)) = best {
            (explained, chosen) = (equal, all);
        }
    }
    // remove rules that explain only what the others also explain, the coarsest first
    chosen.sort_by_key(|rule| std::cmp::Reverse(loss(rule)));
    let mut index = 0;
    while chosen.len() > 1 && index < chosen.len() {
        let mut rest = chosen.clone();
        rest.remove(index);
        match under(&rest)? {
            Some(equal) if equal + distinctly(sampled) > explained => chosen = rest,
            _ => index += 1,
        }
    }
    chosen.reverse();
    let mut all = vec![];
    for upto in 1..=chosen.len() {
        all.push((chosen[upto - 1].clone(), under(&chosen[..upto])?.unwrap_or(0)));
    }
    Ok(all)
}

/// Groups of rules that explain much only in combination, such as for texts that differ in both blanks and case.
fn together(pair: &PairedColumns, chosen: &[RuleSettings]) -> Vec<Vec<RuleSettings>> {
    let none = RuleSettings::default;
    let base = chosen.iter().fold(pair.rules.clone(), |all, rule| all.overridden_by(rule));
    if !pair.families().iter().any(|family| *family == Some(Family::Text)) {
        return vec![];
    }
    let blanks = match base.trim.or(base.rtrim) {
        Some(_) => vec![none()],
        None => vec![RuleSettings { rtrim: Some(true), ..none() }, RuleSettings { trim: Some(true), ..none() }],
    };
    let fold = RuleSettings { casefold: base.casefold.is_none().then_some(true), ..none() };
    let nfc = RuleSettings { nfc: base.nfc.is_none().then_some(true), ..none() };
    let empty = RuleSettings { empty_is_null: base.empty_is_null.is_none().then_some(true), ..none() };
    let readings = match base.reading {
        Some(_) => vec![],
        None => vec![ParseAs::Decimal, ParseAs::Boolean, ParseAs::Uuid],
    };
    let read = readings.into_iter().flat_map(|reading| {
        let reads = RuleSettings { reading: Some(reading), ..none() };
        blanks.iter().map(move |blanks| vec![reads.clone(), blanks.clone()])
    });
    let cleaned = blanks.iter().map(|blanks| vec![blanks.clone(), empty.clone(), fold.clone(), nfc.clone()]);
    let something = |rules: Vec<RuleSettings>| rules.into_iter().filter(|rule| *rule != none()).collect();
    read.chain(cleaned).map(something).collect()
}

/// The rank of a rule by how much it loses.
fn loss(rule: &RuleSettings) -> usize {
    let kinds = [
        rule.reading.is_some() || rule.assume_tz.is_some(),
        rule.unordered.is_some(),
        rule.rtrim.is_some() || rule.trim.is_some(),
        rule.empty_is_null.is_some(),
        rule.casefold.is_some(),
        rule.nfc.is_some(),
        rule.default_is_null.is_some(),
        rule.truncate.is_some() || rule.round.is_some() || rule.tolerance.is_some(),
    ];
    kinds.iter().position(|is_kind| *is_kind).unwrap_or(kinds.len())
}

/// The steps of rules that could explain something, ranked by how much they lose.
fn steps(pair: &PairedColumns, evidence: &Evidence, values: Option<RuleSettings>) -> Result<Vec<LadderStep>> {
    use Family::{List, NaiveTimestamp, Number, Text, ZonedTimestamp};
    let none = RuleSettings::default;
    let families = pair.families();
    let is = |kind: Family| families.iter().any(|family| *family == Some(kind));
    let reads = pair.rules.reading;
    let texts = evidence.differing_texts()?;
    let mut steps: Vec<LadderStep> = vec![];
    let mut step = |rules: Vec<RuleSettings>| steps.push(LadderStep { rules, share: SHARE_MIN });
    if families.old == Some(Text) && families.new == Some(Text) && reads.is_none() {
        step(readings_of_text(evidence, &texts));
    }
    if families.old == Some(List) && families.new == Some(List) {
        step(vec![RuleSettings { unordered: Some(true), ..none() }]);
    }
    if is(Text) {
        if pair.rules.rtrim.is_none() && pair.rules.trim.is_none() {
            step(vec![RuleSettings { rtrim: Some(true), ..none() }, RuleSettings { trim: Some(true), ..none() }]);
        }
        step(vec![RuleSettings { empty_is_null: Some(true), ..none() }]);
        if pair.rules.casefold.is_none() {
            step(vec![RuleSettings { casefold: Some(true), ..none() }]);
        }
        step(vec![RuleSettings { nfc: Some(true), ..none() }]);
    }
    let for_null = standing_for_null(&texts, &evidence.matching_texts()?);
    step(for_null.map(|text| RuleSettings { default_is_null: Some(Scalar { text }), ..none() }).into_iter().collect());
    if is(NaiveTimestamp) || is(ZonedTimestamp) {
        let units = [Precision::Microsecond, Precision::Millisecond, Precision::Second];
        let cut = units.map(|unit| RuleSettings { truncate: Some(unit), ..none() });
        let second = ToleranceSettings::Distance(Scalar { text: "1s".into() });
        step(cut.into_iter().chain([RuleSettings { tolerance: Some(second), ..none() }]).collect());
    }
    if is(Number) && !matches!(reads, Some(ParseAs::Boolean | ParseAs::Text)) {
        let float = RuleSettings { reading: Some(ParseAs::Float), ..none() };
        let exact = evidence.fields.iter().any(|field| !field.data_type().is_floating());
        let rounded = || evidence.under(pair, &[&float]).map(|equal| equal.unwrap_or(0));
        // exact numbers that became floats were rounded to floats, and then no other rule may hide anything else
        let is_rounded = exact && is(Number) && rounded()? * 100 >= evidence.differing.old.len() * NEARLY_ALL;
        let rules = if is_rounded { vec![float] } else { for_numbers(evidence) };
        steps.push(LadderStep { rules, share: SHARE_MIN_OF_NUMBERS });
    }
    steps.push(LadderStep { rules: values.into_iter().collect(), share: SHARE_MIN });
    Ok(steps)
}

/// Readings that could apply to texts on both sides, and that compare them by meaning.
fn readings_of_text(evidence: &Evidence, texts: &Sides<StringArray>) -> Vec<RuleSettings> {
    let reads = |reading: ParseAs| RuleSettings { reading: Some(reading), ..RuleSettings::default() };
    let all = || texts.iter().flat_map(|texts| texts.iter().flatten());
    let mut rules = vec![reads(ParseAs::Decimal), reads(ParseAs::Boolean), reads(ParseAs::Uuid)];
    let utc = RuleSettings { assume_tz: Some("UTC".into()), ..reads(ParseAs::Timestamp) };
    rules.push(utc.clone());
    // only a text with a time of day can need a zone
    if all().take(100).any(|text| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(':')) {
        let found = Zones::default().best(&evidence.fields, &utc, &evidence.differing);
        rules.extend(found.map(|found| RuleSettings { assume_tz: Some(found.name), ..utc }));
    }
    if all().all(|text| text.len() >= NOTATION_MIN) {
        rules.extend([reads(ParseAs::Hex), reads(ParseAs::Base64)]);
    }
    // a number is also a JSON document, but as a decimal it is equal in more notations
    if all().any(|text| text.trim_start().starts_with(['{', '[', '"'])) {
        rules.push(reads(ParseAs::Json));
    }
    rules
}

/// Rules for numbers: the precision of a float, then fewer and fewer digits and larger and larger distances.
fn for_numbers(evidence: &Evidence) -> Vec<RuleSettings> {
    let none = RuleSettings::default;
    let mut rules = vec![];
    let types = evidence.fields.as_ref().map(|field| field.data_type().clone());
    if types.iter().any(DataType::is_floating) {
        rules.push(RuleSettings { reading: Some(ParseAs::Float), ..none() });
        if Side::BOTH.iter().any(|&side| is_single(&evidence.differing[side])) {
            rules.push(RuleSettings { reading: Some(ParseAs::Float32), ..none() });
        }
    }
    if types.iter().all(DataType::is_floating) && has_six_digits(&evidence.differing) {
        let rel = ToleranceSettings::Bounds { abs: None, below: None, rel: Some(Scalar { text: "0.000005".into() }) };
        rules.push(RuleSettings { tolerance: Some(rel), ..none() });
        return rules;
    }
    let tolerance = |bound: ToleranceSettings| RuleSettings { tolerance: Some(bound), ..none() };
    let share =
        |rel: &str| ToleranceSettings::Bounds { abs: None, below: None, rel: Some(Scalar { text: rel.into() }) };
    let floating = types.iter().any(DataType::is_floating);
    let scales = types.as_ref().map(|own| digits(own).map(|(_, scale)| scale));
    if let Sides { old: Some(old), new: Some(new) } = scales {
        // both sides have exact decimals, so a difference is either rounding to the smaller scale or real
        let places = i8::try_from(old.min(new)).ok().filter(|_| old != new);
        return places.map(|places| RuleSettings { round: Some(places), ..none() }).into_iter().collect();
    }
    // rounding errors of float sums that were added in a different order
    rules.extend(["0.000000000001", "0.000000001"].iter().filter(|_| floating).map(|rel| tolerance(share(rel))));
    // a tolerance of one unit in the last place loses less than rounding to one digit fewer
    for places in (2..=9).rev() {
        rules.push(RuleSettings { round: Some(places), ..none() });
        let text = format!("0.{}1", "0".repeat(places as usize - 1));
        rules.push(tolerance(ToleranceSettings::Distance(Scalar { text })));
    }
    rules.extend([1, 0].map(|places| RuleSettings { round: Some(places), ..none() }));
    rules.extend(["0.000001", "0.00001"].iter().filter(|_| floating).map(|rel| tolerance(share(rel))));
    rules
}

/// Whether the floats of one side were written with six digits, as by some text protocols, and the other's were not.
fn has_six_digits(floats: &Sides<ArrayRef>) -> bool {
    let short = |side: Side| -> Option<(usize, usize)> {
        let values = cast(&floats[side], &DataType::Float64).ok()?;
        let values: Vec<f64> = values.as_primitive::<Float64Type>().iter().flatten().collect();
        let is_short = |value: &&f64| format!("{value:.5e}").parse() == Ok(**value);
        Some((values.iter().filter(is_short).count(), values.len()))
    };
    let nearly_all = |(short, all): (usize, usize)| short * 100 >= all * 99;
    let (Some(old), Some(new)) = (short(Side::Old), short(Side::New)) else { return false };
    nearly_all(old) && new.0 * 2 < new.1 || nearly_all(new) && old.0 * 2 < old.1
}

/// Whether nearly all floats have at most 32-bit precision, and not only because they are integers.
fn is_single(floats: &ArrayRef) -> bool {
    match floats.data_type() {
        DataType::Float16 | DataType::Float32 => true,
        DataType::Float64 => {
            let values: Vec<f64> = floats.as_primitive::<Float64Type>().iter().flatten().collect();
            let fits = |value: &&f64| f64::from(**value as f32) == **value;
            // a few may differ for another reason
            values.iter().filter(fits).count() * 10 >= values.len() * 9
                && values.iter().any(|value| value.fract() != 0.0)
        }
        _ => false,
    }
}

/// The value that is most often opposite NULL, unless it is also equal to itself in other pairs.
fn standing_for_null(differing: &Sides<StringArray>, matching: &Sides<StringArray>) -> Option<String> {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (old, new) in differing.old.iter().zip(&differing.new) {
        if let (Some(text), None) | (None, Some(text)) = (old, new) {
            *counts.entry(text).or_default() += 1;
        }
    }
    let (text, _) = counts.into_iter().filter(|(text, _)| !text.is_empty()).max_by_key(|(_, count)| *count)?;
    let is_value = matching.old.iter().any(|own| own == Some(text));
    (!is_value).then(|| text.into())
}
