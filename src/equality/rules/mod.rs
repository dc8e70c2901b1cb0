//! RULE: the rules of a column, applied to its cells.
//!
//! A pair of cells is compared in up to three steps. The first step that makes it equal determines its tier:
//!
//! 1. As read. Only the rules that determine what a cell **is** take part (expressions, `values`, `as`, `unit`,
//!    `encoding`, `assume_tz`). The pair is *exact* if none of them was needed, *by reading* if those that were needed
//!    lose nothing, and *by rule* otherwise; see [`ReadCells`].
//! 2. *By rule*: with all rules except a tolerance.
//! 3. *Tolerated*: within the tolerance.
//!
//! A rule is credited with a pair if the pair would not be equal without it.

mod needed;
mod text;
mod encodings;
mod clock;
mod printed;
mod times;
mod intervals;
mod arrays;
mod composites;
mod items;
mod calculate;
mod parse;
mod null_value;
mod comparison_plan;
mod applicability;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::equality::canonical::domain::{Family, NoDomain, family};
use crate::equality::canonical::order::{equal_rows, fast_equal};
use crate::equality::canonical::{Domain, canonical, convert};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::job::Rule;
use crate::job::rule::ParseAs;
use crate::sides::{Side, Sides};
pub(crate) use applicability::fits;
use applicability::require_fit;
use comparison_plan::ComparisonPlan;
use needed::Codes;
pub(crate) use needed::ReadCells;
use parse::Parsed;
pub(crate) use parse::parse_text;
pub(crate) use times::{ParsedTime, Zone};

/// A column in canonical form: equal cells have equal values.
#[derive(Debug, Clone)]
pub struct Canonical {
    pub value: ArrayRef,
    /// For unreadable cells, a value that is equal to nothing on the other side; NULL for all others. `None` for
    /// columns without unreadable cells.
    pub unreadable: Option<ArrayRef>,
}

impl Canonical {
    /// Whether two columns are equal throughout; `false` may also mean that [`Self::equals`] has to decide.
    pub fn plainly_equals(&self, start: usize, other: &Canonical, other_start: usize, len: usize) -> bool {
        self.unreadable.is_none()
            && other.unreadable.is_none()
            && fast_equal((&self.value, start), (&other.value, other_start), len)
    }

    /// Which rows of two columns are equal.
    pub fn equals(&self, other: &Canonical) -> Result<BooleanBuffer> {
        let equal = equal_rows(&self.value, &other.value)?;
        // an unreadable cell is different from every cell on the other side
        let readable = |form: &Canonical| form.unreadable.as_ref().map(valid);
        let lost = [readable(self), readable(other)].into_iter().flatten();
        Ok(lost.fold(equal, |equal, lost| &equal & &!&lost))
    }

    /// Which cells are unreadable; `None` if there are none.
    pub fn is_lost(&self) -> Option<BooleanBuffer> {
        self.unreadable.as_ref().map(valid).filter(BooleanBuffer::has_true)
    }

    pub fn slice(&self, start: usize, len: usize) -> Canonical {
        let slice = |array: &ArrayRef| array.slice(start, len);
        Canonical { value: slice(&self.value), unreadable: self.unreadable.as_ref().map(slice) }
    }

    /// The arrays that together determine each cell.
    pub fn arrays(&self) -> impl Iterator<Item = &ArrayRef> {
        std::iter::once(&self.value).chain(&self.unreadable)
    }
}

fn valid(array: &ArrayRef) -> BooleanBuffer {
    match array.logical_nulls() {
        Some(nulls) => nulls.into_inner(),
        None => BooleanBuffer::new_set(array.len()),
    }
}

/// The rules of one pair of columns.
#[derive(Debug)]
pub struct RuleSet {
    name: String,
    fields: Sides<FieldRef>,
    rules: Vec<Rule>,
    exact: ComparisonPlan,
    full: ComparisonPlan,
    /// For each rule, the plan with all rules but this one; `None` if the columns would not be comparable.
    without: Vec<Option<ComparisonPlan>>,
    /// The table of `values`, if there is one.
    codes: Option<Codes>,
}

/// Why a rule set cannot be built.
pub enum RuleError {
    /// The rule does not apply to these columns; the reason follows the rule in a sentence.
    Rule(Box<Rule>, String),
    /// The columns have no common domain, even with the rules.
    Domain(NoDomain),
}

impl RuleSet {
    /// Prepares the rules of two columns; `natural` is their domain without rules.
    pub fn of(
        name: &str,
        fields: Sides<&Field>,
        rules: Vec<Rule>,
        natural: Result<Domain, NoDomain>,
    ) -> Result<RuleSet, RuleError> {
        let fields = fields.map(|field| FieldRef::from(field.clone()));
        require_fit(&fields, &rules)?;
        let plan = |on: &dyn Fn(usize, &Rule) -> bool, checks: bool| {
            let on: Vec<bool> = rules.iter().enumerate().map(|(index, rule)| on(index, rule)).collect();
            ComparisonPlan::of(&fields, &rules, on, &natural, checks)
        };
        let exact = plan(&|_, rule| rule.is_reading(), true).map_err(RuleError::Domain)?;
        let full = plan(&|_, _| true, false).map_err(RuleError::Domain)?;
        let without = (0..rules.len()).map(|left_out| {
            let rest: Vec<Rule> = rules
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != left_out)
                .map(|(_, rule)| rule.clone())
                .collect();
            match rules[left_out] {
                Rule::Expression(..) => None,
                _ if require_fit(&fields, &rest).is_err() => None,
                _ => plan(&|index, _| index != left_out, false).ok(),
            }
        });
        let without = without.collect();
        let set = RuleSet { name: name.into(), fields, rules, exact, full, without, codes: None };
        let codes = set.read_codes()?;
        Ok(RuleSet { codes, ..set })
    }

    /// The rules, in the order in which they are applied.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The domain of the cells as read.
    pub fn domain(&self) -> &Domain {
        &self.exact.domain
    }

    /// The domain of the cells under all rules except a tolerance.
    pub fn full_domain(&self) -> &Domain {
        &self.full.domain
    }

    /// The canonical types of the parts of a key column, under all rules.
    pub fn key_part_types(&self) -> Vec<DataType> {
        let unreadable = self.full.reading.map(|_| DataType::BinaryView);
        std::iter::once(self.full.domain.canonical_type()).chain(unreadable).collect()
    }

    /// Whether a rule can make cells equal that are not equal as read.
    pub fn has_lossy_rules(&self) -> bool {
        self.rules.iter().any(|rule| !rule.is_reading()) || self.exact.checks_only
    }

    pub fn exact(&self, array: &ArrayRef, side: Side) -> Result<Canonical> {
        self.form(array, side, &self.exact)
    }

    pub fn full(&self, array: &ArrayRef, side: Side) -> Result<Canonical> {
        self.form(array, side, &self.full)
    }

    /// Returns the cells under all rules but one.
    pub fn without(&self, rule: usize, array: &ArrayRef, side: Side) -> Result<Canonical> {
        match &self.without[rule] {
            Some(plan) => self.form(array, side, plan),
            None => Err(Error::internal("the columns are not comparable without this rule")),
        }
    }

    /// Returns the rules if each side alone determines what a pair is equal by: no rule determines what a cell is or
    /// allows a distance, and the columns are comparable without any one of the rules. Then two cells are equal by rule
    /// if their forms under all rules are equal.
    pub fn separable(&self) -> Option<Vec<usize>> {
        let depends_on_pair = |rule: &Rule| matches!(rule, Rule::Tolerance(_) | Rule::EitherHour);
        let is_separable = !self.has_readings()
            && !self.rules.iter().any(depends_on_pair)
            && self.full.reading.is_none()
            && self.without.iter().all(Option::is_some);
        is_separable.then(|| (0..self.rules.len()).collect())
    }

    /// Whether a rule determines what a cell is, so that equal cells of both sides may still differ.
    pub fn has_readings(&self) -> bool {
        self.exact.reading.is_some() || self.rules.iter().any(Rule::is_reading)
    }

    fn form(&self, array: &ArrayRef, side: Side, plan: &ComparisonPlan) -> Result<Canonical> {
        let (cleaned, field) = self.clean(array, side, plan)?;
        self.form_of_cleaned(&cleaned, &field, side, plan)
    }

    fn form_of_cleaned(
        &self,
        array: &ArrayRef,
        field: &FieldRef,
        side: Side,
        plan: &ComparisonPlan,
    ) -> Result<Canonical> {
        let Parsed { array: read, unreadable } = self.read_cleaned(array, field, side, plan)?;
        let value = match plan.checks_only {
            true if !decodes(field, plan) => canonical(array, &plan.domain, side)?,
            true => canonical(&read, &plan.domain, side)?,
            false => self.settle(&read, side, plan)?,
        };
        Ok(Canonical { value, unreadable })
    }

    /// Applies the rules up to `default_is_null`.
    fn read(&self, array: &ArrayRef, side: Side, plan: &ComparisonPlan) -> Result<Parsed> {
        let (cleaned, field) = self.clean(array, side, plan)?;
        self.read_cleaned(&cleaned, &field, side, plan)
    }

    fn read_cleaned(&self, array: &ArrayRef, field: &FieldRef, side: Side, plan: &ComparisonPlan) -> Result<Parsed> {
        let read = match plan.reading {
            Some(reading) => parse::read(array, field, reading, &plan.notation, side)?,
            None => Parsed { array: array.clone(), unreadable: None },
        };
        // bytes are decoded to text only here, so the rules for text have to follow here
        let read = match decodes(field, plan) {
            true => Parsed { array: Arc::new(self.cleaned(read.array.as_string_view(), side, plan)), ..read },
            false => read,
        };
        match self.default(field, side, plan)? {
            Some((default, domain)) => {
                Ok(Parsed { array: null_value::without(&read.array, &default, &domain, side)?, ..read })
            }
            None => Ok(read),
        }
    }

    /// Applies the rules for text, if the side has text.
    fn clean(&self, array: &ArrayRef, side: Side, plan: &ComparisonPlan) -> Result<(ArrayRef, FieldRef)> {
        let field = &self.fields[side];
        let maps = side == Side::Old && !plan.values.is_empty();
        let is_text = family(field) == Some(Family::Text);
        if !is_text && !maps || decodes(field, plan) {
            return Ok((array.clone(), field.clone()));
        }
        let cleaned = self.cleaned(&texts_of(array, field)?, side, plan);
        Ok((Arc::new(cleaned), text_field(field)))
    }

    /// Applies the rules for text to the text of one side.
    fn cleaned(&self, texts: &StringViewArray, side: Side, plan: &ComparisonPlan) -> StringViewArray {
        let maps = side == Side::Old && !plan.values.is_empty();
        let cleaning = plan.rules(&self.rules);
        let default = cleaning.iter().find_map(|rule| match rule {
            Rule::DefaultIsNull(value) => text::clean_all(value, &cleaning),
            _ => None,
        });
        text::map(texts, |text| {
            let is_default = |text: &Cow<str>| Some(text) == default.as_ref();
            let text = text::clean_all(text, &cleaning).filter(|text| !is_default(text))?;
            let mapped = if maps { plan.values.get(text.as_ref()) } else { None };
            Some(mapped.map_or(text, |new| Cow::Owned(new.clone()))).filter(|text| !is_default(text))
        })
    }

    /// The value of `default_is_null`, as a single row of the result of `read`, and its domain; `None` if no cell can
    /// have it.
    fn default(&self, field: &FieldRef, side: Side, plan: &ComparisonPlan) -> Result<Option<(ArrayRef, Domain)>> {
        let Some(Rule::DefaultIsNull(text)) =
            plan.rules(&self.rules).into_iter().find(|rule| matches!(rule, Rule::DefaultIsNull(_)))
        else {
            return Ok(None);
        };
        let one: ArrayRef = Arc::new(StringViewArray::from(vec![text.as_str()]));
        let default = match plan.reading {
            Some(reading) => {
                let text = text_field(field);
                let read = parse::read(&one, &text, reading, &plan.notation, side)?;
                Some(read.array).zip(Some(parse::domain(reading)))
            }
            None => null_value::as_stored(text, field).zip(null_value::own_domain(field)),
        };
        Ok(default.filter(|(default, _)| default.is_valid(0)))
    }

    /// Converts parsed values to canonical form, and applies the rules that merge values.
    fn settle(&self, read: &ArrayRef, side: Side, plan: &ComparisonPlan) -> Result<ArrayRef> {
        for rule in plan.rules(&self.rules) {
            match rule {
                Rule::Round(places) => return Ok(calculate::rounded(read, *places)?),
                Rule::Significant(digits) => return Ok(calculate::rounded_to_digits(read, *digits)?),
                Rule::Truncate(precision) => return Ok(calculate::truncated(read, *precision)?),
                Rule::ItemsBy(by) => {
                    let ordered = items::in_order(read, by, &plan.domain, side)?;
                    return Ok(canonical(&ordered, &plan.domain, side)?);
                }
                Rule::Unordered if plan.reading == Some(ParseAs::Array) => {
                    let sorted: ArrayRef = Arc::new(arrays::sorted(read.as_string_view()));
                    return Ok(canonical(&sorted, &plan.domain, side)?);
                }
                _ => {}
            }
        }
        Ok(canonical(read, &plan.domain, side)?)
    }

    /// Applies the rules to cells that are not equal as read.
    pub fn apply_rules(&self, arrays: &Sides<ArrayRef>) -> Result<RuleOutcome> {
        let (ruled, tolerated) = self.agree(arrays, &self.full, true)?;
        let equal = &ruled | &tolerated;
        let mut needed = vec![];
        if let ([_], true) = (self.rules.as_slice(), self.separable().is_some()) {
            // without its only rule, no pair is equal
            needed.push((0, equal));
        } else if equal.count_set_bits() > 0 {
            for (index, rule) in self.rules.iter().enumerate() {
                let cells = match (rule, &self.without[index]) {
                    (Rule::Tolerance(_), _) => tolerated.clone(),
                    (_, None) => self.never_null(arrays, &equal),
                    (_, Some(plan)) => {
                        let (ruled, tolerated) = self.agree(arrays, plan, true)?;
                        &equal & &!&(&ruled | &tolerated)
                    }
                };
                needed.push((index, cells));
            }
        }
        Ok(RuleOutcome { ruled, tolerated, needed })
    }

    /// Of equal pairs, those that are not NULL on both sides.
    fn never_null(&self, arrays: &Sides<ArrayRef>, equal: &BooleanBuffer) -> BooleanBuffer {
        equal & &(&valid(&arrays.old) | &valid(&arrays.new))
    }

    fn agree(
        &self,
        arrays: &Sides<ArrayRef>,
        plan: &ComparisonPlan,
        tolerant: bool,
    ) -> Result<(BooleanBuffer, BooleanBuffer)> {
        let reads = Sides::try_from_fn(|side| self.read(&arrays[side], side, plan))?;
        let forms = Sides::try_from_fn(|side| {
            let value = self.settle(&reads[side].array, side, plan)?;
            Ok::<_, Error>(Canonical { value, unreadable: reads[side].unreadable.clone() })
        })?;
        let equal = forms.old.equals(&forms.new)?;
        let tolerance = plan.rules(&self.rules).into_iter().find_map(|rule| match rule {
            Rule::Tolerance(tolerance) => Some(tolerance),
            _ => None,
        });
        let within = match tolerance {
            Some(tolerance) if tolerant => {
                let settled = self.calculable(arrays, reads, &forms, plan)?;
                &calculate::within(&settled, tolerance)? & &!&equal
            }
            _ => BooleanBuffer::new_unset(equal.len()),
        };
        Ok((equal, within))
    }

    /// The values that a tolerance is applied to: rounded and truncated if a rule requires it, otherwise as parsed.
    fn calculable(
        &self,
        arrays: &Sides<ArrayRef>,
        reads: Sides<Parsed>,
        forms: &Sides<Canonical>,
        plan: &ComparisonPlan,
    ) -> Result<Sides<ArrayRef>> {
        let is_calculated = |rule: &&Rule| rule.rounds() || matches!(rule, Rule::Truncate(_));
        if plan.rules(&self.rules).iter().any(is_calculated) {
            return Ok(Sides::from_fn(|side| forms[side].value.clone()));
        }
        match plan.reading {
            Some(ParseAs::Decimal | ParseAs::Integer) => {
                let plan = plan.calculable();
                Sides::try_from_fn(|side| Ok(self.read(&arrays[side], side, &plan)?.array))
            }
            _ => Ok(reads.map(|read| read.array)),
        }
    }

    /// The name of the pair.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// How pairs of cells that are not equal as read become equal.
pub struct RuleOutcome {
    /// Equal under the rules.
    pub ruled: BooleanBuffer,
    /// Within the tolerance.
    pub tolerated: BooleanBuffer,
    /// For each rule, the pairs that would not be equal without it.
    pub needed: Vec<(usize, BooleanBuffer)>,
}

/// The cells of a column as bare text.
fn texts_of(array: &ArrayRef, field: &Field) -> Result<StringViewArray> {
    match family(field) {
        Some(Family::Text) => Ok(convert(array, &DataType::Utf8View)?.as_string_view().clone()),
        _ => Ok((&value_text::column(&plain_types::array(array)?, &plain_types::field(field.name(), field))?).into()),
    }
}

/// Whether the bytes of a column are decoded to text.
fn decodes(field: &Field, plan: &ComparisonPlan) -> bool {
    plan.reading == Some(ParseAs::Text) && family(field) == Some(Family::Binary)
}

fn text_field(field: &Field) -> FieldRef {
    Field::new(field.name(), DataType::Utf8View, true).into()
}
