//! Which rules were needed to read a cell, and whether reading it loses information.
//!
//! A *reading* makes cells of different families comparable. It loses nothing if no two values that it accepts become
//! the same value. Between cells of one family, a reading is just another rule: cells that are equal only because of it
//! are not equal as read, and [`RuleSet::apply_rules`] decides.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewArray};
use arrow::buffer::BooleanBuffer;

use super::{Canonical, RuleError, RuleSet, text_field, texts_of, valid};
use crate::equality::canonical::cells::KeyBytes;
use crate::equality::canonical::domain::{Family, family};
use crate::equality::canonical::order::equal_rows;
use crate::error::Result;
use crate::job::Rule;
use crate::sides::Side;

/// The cells of one column that rules were needed to read, as far as one side determines them.
#[derive(Debug, Clone)]
pub struct ReadCells {
    /// For each rule that was needed, by its index, its cells.
    pub rules: Vec<(usize, BooleanBuffer)>,
    /// Cells that were read by rules that lose nothing.
    pub by_reading: BooleanBuffer,
    /// All other cells that rules were needed to read.
    pub by_rule: BooleanBuffer,
}

impl ReadCells {
    pub fn slice(&self, start: usize, len: usize) -> ReadCells {
        let slice = |cells: &BooleanBuffer| cells.slice(start, len);
        ReadCells {
            rules: self.rules.iter().map(|(rule, cells)| (*rule, slice(cells))).collect(),
            by_reading: slice(&self.by_reading),
            by_rule: slice(&self.by_rule),
        }
    }
}

impl RuleSet {
    /// Which rules were needed to read which cells, of pairs that are equal as read; `None` if this side determines
    /// none.
    ///
    /// In a pair that is equal as read, both sides or neither are NULL, so one side determines the result for both.
    /// That is old, except for a zone, a unit or an encoding that changes only cells of new.
    pub fn read_by(&self, array: &ArrayRef, form: &Canonical, side: Side) -> Result<Option<ReadCells>> {
        let mut rules = vec![];
        for (index, rule) in self.rules.iter().enumerate().filter(|(index, _)| self.credited_side(*index) == Some(side))
        {
            let cells = match rule {
                Rule::Values(_) => self.changed_by_values(array)?,
                Rule::AssumeTz(_) if self.exact.tells_kind => self.changed_by(rule, array, form, side)?,
                Rule::Unit(_) | Rule::Encoding(_) => self.changed_by(rule, array, form, side)?,
                _ => valid(&form.value),
            };
            rules.push((index, cells));
        }
        let none = BooleanBuffer::new_unset(array.len());
        if side == Side::New {
            let cells = ReadCells { rules, by_reading: none.clone(), by_rule: none };
            return Ok(Some(cells).filter(|cells| !cells.rules.is_empty()));
        }
        let needed = match self.exact.bridges {
            true => valid(&form.value),
            false if rules.is_empty() => return Ok(None),
            false => rules.iter().fold(none.clone(), |needed, (_, cells)| &needed | cells),
        };
        let by_rule = match self.reading_is_lossy() {
            true => needed.clone(),
            false => self.ambiguously_coded(array, form, &needed)?.unwrap_or(none),
        };
        Ok(Some(ReadCells { rules, by_reading: &needed & &!&by_rule, by_rule }))
    }

    /// The side that determines which cells a rule was needed to read; `None` if it was not needed for any.
    fn credited_side(&self, index: usize) -> Option<Side> {
        match &self.rules[index] {
            Rule::Expression(..) | Rule::Values(_) => Some(Side::Old),
            // a zone alone already reads naive and zoned timestamps as timestamps
            Rule::As(reading) if self.exact.bridges => {
                let same = self.without[index].as_ref().is_some_and(|without| without.reading == Some(*reading));
                (!same).then_some(Side::Old)
            }
            Rule::AssumeTz(_) if self.exact.bridges => {
                let changes_old = !self.exact.tells_kind || self.exact.is_changed_by_zone(&self.fields.old);
                Some(if changes_old { Side::Old } else { Side::New })
            }
            // the side that needs it, or old if both may
            Rule::Unit(_) if self.exact.bridges => self.side_of(Family::Number).or_else(|| self.side_of(Family::Text)),
            Rule::Encoding(_) if self.exact.bridges => self.side_of(Family::Binary),
            _ => None,
        }
    }

    /// The first side with values of a family.
    fn side_of(&self, kind: Family) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| family(&self.fields[*side]) == Some(kind))
    }

    /// Whether reading may merge two values, whatever the cell. A zone does not: local times that occur twice or never
    /// are unreadable.
    fn reading_is_lossy(&self) -> bool {
        let is_expression = |rule: &Rule| matches!(rule, Rule::Expression(..));
        let reading = self.exact.reading.filter(|_| self.exact.bridges);
        self.rules.iter().any(is_expression) || reading.is_some_and(|reading| !reading.loses_nothing())
    }

    /// The cells that would be read differently without a zone, a unit or an encoding.
    fn changed_by(&self, rule: &Rule, array: &ArrayRef, form: &Canonical, side: Side) -> Result<BooleanBuffer> {
        let without = self.form(array, side, &self.exact.without(rule))?;
        Ok(&valid(&form.value) & &!&equal_rows(&form.value, &without.value)?)
    }

    fn changed_by_values(&self, array: &ArrayRef) -> Result<BooleanBuffer> {
        let field = &self.fields.old;
        if family(field) != Some(Family::Text) {
            return Ok(valid(array));
        }
        let changed = |text: &str| self.exact.values.get(text).is_some_and(|new| new != text);
        Ok(texts_of(array, field)?.iter().map(|text| text.is_some_and(changed)).collect())
    }

    /// Of the cells that rules were needed to read, those for which `values` has another code with the same value.
    fn ambiguously_coded(
        &self,
        array: &ArrayRef,
        form: &Canonical,
        needed: &BooleanBuffer,
    ) -> Result<Option<BooleanBuffer>> {
        let Some(codes) = &self.codes else { return Ok(None) };
        let field = &self.fields.old;
        // between text columns, only codes need the rule
        if codes.ambiguous.is_empty() && !self.exact.bridges && family(field) == Some(Family::Text) {
            return Ok(None);
        }
        let texts = texts_of(array, field)?;
        let cells = KeyBytes::of(&form.value);
        let mut bytes = vec![];
        let is_ambiguous = |row: usize| {
            if !needed.value(row) {
                return false;
            }
            let text = texts.value(row);
            if self.exact.values.contains_key(text) {
                return codes.ambiguous.contains(text);
            }
            bytes.clear();
            cells.append(row, &mut bytes);
            codes.texts.contains(&bytes)
        };
        Ok(Some(BooleanBuffer::collect_bool(needed.len(), is_ambiguous)))
    }

    /// Parses the target values of `values`, if there is such a rule.
    pub(super) fn read_codes(&self) -> Result<Option<Codes>, RuleError> {
        let is_table = |rule: &&Rule| matches!(rule, Rule::Values(_));
        let Some(rule) = self.rules.iter().find(is_table) else { return Ok(None) };
        let unreadable =
            |error| RuleError::Rule(rule.clone().into(), format!("has values that cannot be read: {error}"));
        self.codes_as_read().map(Some).map_err(unreadable)
    }

    fn codes_as_read(&self) -> Result<Codes> {
        let plan = &self.exact;
        let (codes, values): (Vec<&String>, Vec<&String>) = plan.values.iter().unzip();
        let values: ArrayRef = Arc::new(StringViewArray::from_iter_values(values));
        let field = text_field(&self.fields.old);
        let form = self.form_of_cleaned(&values, &field, Side::Old, plan)?.value;
        let cells = KeyBytes::of(&form);
        let mut by_word: HashMap<Vec<u8>, Vec<&String>> = HashMap::new();
        for (index, code) in codes.into_iter().enumerate().filter(|(index, _)| form.is_valid(*index)) {
            let mut bytes = vec![];
            cells.append(index, &mut bytes);
            by_word.entry(bytes).or_default().push(code);
        }
        let ambiguous = by_word.values().filter(|codes| codes.len() > 1).flatten().map(|code| code.to_string());
        Ok(Codes { ambiguous: ambiguous.collect(), texts: by_word.into_keys().collect() })
    }
}

/// A table of `values` with parsed target values.
#[derive(Debug)]
pub(super) struct Codes {
    /// The codes that share their value with another code.
    ambiguous: HashSet<String>,
    /// The parsed values, as bytes. A cell that is read as one of them without being a code is ambiguous also: the
    /// table does not specify that old uses both.
    texts: HashSet<Vec<u8>>,
}
