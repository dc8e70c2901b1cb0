//! Objections to rules that explain differences: a rule may hide a handful of errors in the data.
//!
//! Stores with two notations for the same value use them in (nearly) every row where the notations differ. So a rule is
//! suggested if it explains more than a few rows, and if hardly any pair to which it applies is equal without it. For
//! all other rules, a comment states what they would explain, in a form that cannot be activated by accident.

use unicode_normalization::UnicodeNormalization;

use arrow::array::{Array, StringArray};

use super::columns::PairedColumns;
use super::ladder::{Evidence, ExcludedRules, climb};
use crate::error::Result;
use crate::job::rule::{ParseAs, Precision, ToleranceSettings};
use crate::job::{Rule, RuleSettings};
use crate::report::count;
use crate::sides::{Side, Sides};

/// A rule that explains fewer than 1 in this many pairs explains errors in the data,
const FEW_ONE_IN: f64 = 100.0;
/// unless it explains at least this many.
const MANY: f64 = 50.0;
/// Rounded numbers are often equal by chance, so a rule for numbers has to explain 1 in this many pairs.
const FEW_NUMBERS_ONE_IN: f64 = 20.0;
/// Of the pairs to which a rule applies, 1 in this many may be equal without it.
const EXCEPTIONS_ONE_IN: f64 = 20.0;
/// How often rules are searched for again without the rejected ones.
const ROUNDS: usize = 8;

/// How often a column differs in all rows.
pub(super) struct DifferenceCounts {
    /// Pairs of rows.
    pub paired: u64,
    /// Pairs that differ in the column.
    pub mismatches: u64,
}

/// The rules for the mismatches of a column.
#[derive(Default)]
pub(super) struct Explained {
    /// Rules to suggest, each with the number of sampled pairs that it and the earlier ones explain.
    pub rules: Vec<(RuleSettings, usize)>,
    /// Rules that are not suggested, with the reason: comments of the job file.
    pub objections: Vec<String>,
}

/// Finds rules that explain the mismatches of a column, and rejects those with an objection.
pub(super) fn weigh(
    pair: &PairedColumns,
    evidence: &Evidence,
    values: Option<&RuleSettings>,
    counts: &DifferenceCounts,
) -> Result<Explained> {
    let texts = evidence.matching_texts()?;
    let mut denied = ExcludedRules::default();
    let mut objections = vec![];
    for round in 0..ROUNDS {
        let rules = climb(pair, evidence, values.cloned(), &denied)?;
        let before = denied.clone();
        for (index, (rule, _)) in rules.iter().enumerate() {
            let others: Vec<&RuleSettings> =
                rules.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, (other, _))| other).collect();
            let all = rules.last().map_or(0, |(_, explained)| *explained);
            let gain = all.saturating_sub(evidence.under(pair, &others)?.unwrap_or(0));
            let case = Case { evidence, texts: &texts, counts, rule, gain };
            if let Some(objection) = case.objection()? {
                denied.deny(rule, objection.is_few);
                objections.extend((round == 0).then_some(objection.said));
            }
        }
        if denied == before {
            return Ok(Explained { rules, objections });
        }
    }
    Ok(Explained { rules: vec![], objections })
}

struct Objection {
    /// Whether the rule explains too few pairs. Then similar rules will, as well.
    is_few: bool,
    said: String,
}

/// One rule, and how many of the sampled pairs only it explains.
struct Case<'a> {
    evidence: &'a Evidence,
    texts: &'a Sides<StringArray>,
    counts: &'a DifferenceCounts,
    rule: &'a RuleSettings,
    gain: usize,
}

impl Case<'_> {
    fn objection(&self) -> Result<Option<Objection>> {
        // learning a table of codes has already compared it with every row
        if self.rule.values.is_some() {
            return Ok(None);
        }
        let sampled = self.evidence.differing.old.len().max(1) as f64;
        let explained = self.gain as f64 / sampled * self.counts.mismatches as f64;
        let lines: Vec<String> = self.rule.rules().unwrap_or_default().iter().map(Rule::to_string).collect();
        let would = format!("{} would explain {}", lines.join(", "), about(explained, "mismatch"));
        if self.rule.reading == Some(ParseAs::Decimal) && self.differ_in_leading_zeros()? {
            let reason = format!("{would}, but ignores leading zeros: these texts may not be numbers");
            return Ok(Some(Objection { is_few: false, said: reason }));
        }
        let equal = self.counts.paired.saturating_sub(self.counts.mismatches) as f64;
        let share = |rows: usize| rows as f64 / self.texts.old.len().max(1) as f64 * equal;
        let exceptions = share(self.exceptions()?);
        if exceptions * EXCEPTIONS_ONE_IN > explained {
            let reason = format!(
                "{would}, but {} to which it applies {} equal without it: the mismatches may be real",
                about(exceptions, "pair"),
                if exceptions.round() == 1.0 { "is" } else { "are" }
            );
            return Ok(Some(Objection { is_few: false, said: reason }));
        }
        let nulls = (0..self.texts.old.len()).filter(|&row| self.texts.old.is_null(row) && self.texts.new.is_null(row));
        let pairs = self.counts.paired as f64 - share(nulls.count());
        let least = if self.is_coarse() { pairs / FEW_NUMBERS_ONE_IN } else { (pairs / FEW_ONE_IN).min(MANY) };
        if explained < least {
            let reason = format!("{would}, too few of {} to be a difference in notation", about(pairs, "pair"));
            return Ok(Some(Objection { is_few: true, said: reason }));
        }
        Ok(None)
    }

    /// Whether the rule makes distinct numbers equal.
    fn is_coarse(&self) -> bool {
        let is_tiny = matches!(&self.rule.tolerance, Some(ToleranceSettings::Bounds { abs: None, below: None, rel: Some(rel) })
            if rel.text.parse::<f64>().is_ok_and(|rel| rel <= 1e-9));
        let scales = self.evidence.fields.as_ref().map(|field| crate::snapshot::types::digits(field.data_type()));
        // decimals with two scales imply rounding by their types
        let is_typed = self.rule.round.is_some() && scales.old.is_some() && scales.new.is_some();
        // a float that new has read back from one hides digits of the other side
        let is_exact = self.evidence.fields.iter().any(|field| !field.data_type().is_floating());
        let reads_float = matches!(self.rule.reading, Some(ParseAs::Float | ParseAs::Float32)) && is_exact;
        reads_float || (self.rule.round.is_some() || self.rule.tolerance.is_some()) && !is_tiny && !is_typed
    }

    /// The differing pairs, as text.
    fn differing(&self) -> Result<Sides<StringArray>> {
        self.evidence.differing_texts()
    }

    /// How many of the equal pairs would differ if the stores consistently differed by this rule.
    fn exceptions(&self) -> Result<usize> {
        let among = |applies: &dyn Fn(Option<&str>) -> bool| {
            self.texts.old.iter().zip(&self.texts.new).filter(|(old, new)| applies(*old) || applies(*new)).count()
        };
        let some = |applies: &dyn Fn(&str) -> bool| among(&|text| text.is_some_and(applies));
        let rule = self.rule;
        if rule.rtrim.is_some() {
            return self.blanks(&|text| text.trim_end());
        }
        if rule.trim.is_some() {
            return self.blanks(&|text| text.trim());
        }
        if rule.casefold.is_some() {
            let upper = some(&|text| text.chars().any(char::is_uppercase));
            let lower = some(&|text| text.chars().any(char::is_lowercase));
            let (to_lower, to_upper) = self.agree(&|text| text.to_lowercase(), &|text| text.to_uppercase())?;
            return Ok(match to_lower.cmp(&to_upper) {
                std::cmp::Ordering::Greater => upper,
                std::cmp::Ordering::Less => lower,
                std::cmp::Ordering::Equal => upper.max(lower),
            });
        }
        if rule.nfc.is_some() {
            let (composed, decomposed) = self.agree(&|text| text.nfc().collect(), &|text| text.nfd().collect())?;
            return Ok(match composed >= decomposed {
                true => some(&|text| !text.nfc().eq(text.chars())),
                false => some(&|text| !text.nfd().eq(text.chars())),
            });
        }
        if rule.empty_is_null.is_some() {
            return self.nulls("", among(&|text| text == Some("")));
        }
        if let Some(value) = &rule.default_is_null {
            return self.nulls(&value.text, among(&|text| text == Some(&value.text)));
        }
        if let Some(places) = rule.round {
            return Ok(some(&|text| fraction(text).is_some_and(|digits| digits as i64 > i64::from(places))));
        }
        if rule.reading == Some(ParseAs::Decimal) {
            return Ok(some(&|text| fraction(text).is_some_and(|digits| !is_shortest(text, digits))));
        }
        if let Some(unit) = rule.truncate {
            let kept = match unit {
                Precision::Microsecond => 6,
                Precision::Millisecond => 3,
                _ => 0,
            };
            return Ok(some(&|text| fraction_of_second(text) > kept));
        }
        Ok(0)
    }

    /// In how many differing pairs new is the result of the one function on old, and of the other.
    fn agree(&self, one: &dyn Fn(&str) -> String, two: &dyn Fn(&str) -> String) -> Result<(usize, usize)> {
        let texts = self.differing()?;
        let pairs = || texts.old.iter().zip(&texts.new).filter_map(|(old, new)| Some((old?, new?)));
        let count = |made: &dyn Fn(&str) -> String| pairs().filter(|(old, new)| made(old).trim() == new.trim()).count();
        Ok((count(one), count(two)))
    }

    /// If old has padding that new lacks, the number of equal pairs with padding. If new pads to a width, also those
    /// that are shorter.
    fn blanks(&self, bare: &dyn Fn(&str) -> &str) -> Result<usize> {
        let texts = self.differing()?;
        let is_padded = |text: &str| bare(text).len() < text.len();
        let pairs = || texts.old.iter().zip(&texts.new).filter_map(|(old, new)| Some((old?, new?)));
        let padded = |side: Side| {
            let of = move |(old, new): (&str, &str)| if side == Side::Old { is_padded(old) } else { is_padded(new) };
            pairs().filter(|pair| of(*pair)).count()
        };
        let equal = || self.texts.old.iter().zip(&self.texts.new).filter_map(|(old, new)| old.or(new));
        let both = equal().filter(|text| is_padded(text)).count();
        if padded(Side::Old) >= padded(Side::New) {
            return Ok(both);
        }
        let width = pairs().filter(|(_, new)| is_padded(new)).map(|(_, new)| new.chars().count()).max().unwrap_or(0);
        Ok(equal().filter(|text| is_padded(text) || text.chars().count() < width).count())
    }

    /// If new has NULL for a value, the number of equal pairs with the value. If it has the value for NULL, also those
    /// with NULL.
    fn nulls(&self, value: &str, equal: usize) -> Result<usize> {
        let texts = self.differing()?;
        let made = texts.old.iter().zip(&texts.new);
        let (mut to_null, mut from_null) = (0, 0);
        for (old, new) in made {
            to_null += usize::from(new.is_none() && old.is_some_and(|old| old.trim() == value));
            from_null += usize::from(old.is_none() && new.is_some_and(|new| new.trim() == value));
        }
        let nulls = (0..self.texts.old.len()).filter(|&row| self.texts.old.is_null(row)).count();
        Ok(if to_null >= from_null { equal } else { equal + nulls })
    }

    /// Whether differing texts differ in the leading zeros of a number.
    fn differ_in_leading_zeros(&self) -> Result<bool> {
        let texts = self.differing()?;
        let zeros = |text: &str| {
            let digits = text.trim().trim_start_matches(['-', '+']);
            digits.len() - digits.trim_start_matches('0').len() - usize::from(digits.trim_start_matches('0').is_empty())
        };
        // a zero before the decimal point is not significant
        let is_led = |text: &str| {
            let zeros = zeros(text);
            zeros > 1 || zeros == 1 && !text.trim().trim_start_matches(['-', '+']).starts_with("0.")
        };
        let pairs = texts.old.iter().zip(&texts.new);
        Ok(pairs
            .flat_map(|(old, new)| Some((old?, new?)))
            .any(|(old, new)| is_led(old) != is_led(new) || is_led(old) && zeros(old) != zeros(new)))
    }
}

fn about(number: f64, what: &str) -> String {
    count(number.round() as u64, what).replace("mismatchs", "mismatches")
}

/// The number of significant digits after the decimal point; `None` if the text is not a number.
fn fraction(text: &str) -> Option<usize> {
    let digits = text.trim_start_matches('-');
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && is_number(whole) && is_number(part)).then(|| part.trim_end_matches('0').len())
}

/// The number of significant digits after the seconds of a time.
fn fraction_of_second(text: &str) -> usize {
    let Some((_, part)) = text.split_once('.') else { return 0 };
    let digits = part.find(|c: char| !c.is_ascii_digit()).map_or(part, |end| &part[..end]);
    digits.trim_end_matches('0').len()
}

/// Whether a number has no digit that could be left out.
fn is_shortest(text: &str, fraction: usize) -> bool {
    let digits = text.trim_start_matches('-');
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    part.len() == fraction && (whole == "0" || !whole.starts_with('0'))
}
