//! The first few findings of each class, formatted for people.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, UInt32Type, UInt64Type};

use crate::compare::discrepancy::{Class, Layout, TableColumn, classes};
use crate::equality::canonical::convert;
use crate::equality::canonical::digits::Decimal;
use crate::equality::value_text::{Values, escaped};
use crate::error::Result;
use crate::explain::excuses;
use crate::sides::{Side, Sides};

/// The maximum number of columns of a missing or extra row.
const SHOWN_COLUMNS: usize = 8;

/// The maximum number of decimal places for showing that two numbers differ.
const DIGITS_MAX: usize = 60;

/// A finding. Values are formatted for people: text in quotes, NULL without quotes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Example {
    /// The class of the finding.
    pub class: Class,
    /// The columns and values of the key.
    pub key: Vec<NamedValue>,
    /// The number of rows of each side that it covers.
    pub rows: Sides<u64>,
    /// The changed columns of a mismatch, or the first few columns of a missing or extra row.
    pub values: Vec<Change>,
    /// Further columns of a missing or extra row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_columns: usize,
    /// How it relates to the previous run: new, persisting, or flapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
    /// The number of consecutive pairs of snapshots in which it has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u32>,
    /// The tags that explain it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A column and a value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct NamedValue {
    /// The name of the column.
    pub column: String,
    /// The value.
    pub value: String,
}

/// A column, and its value on each side that has the row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Change {
    /// The name of the column.
    pub column: String,
    /// The value in old.
    pub old: Option<String>,
    /// The value in new.
    pub new: Option<String>,
    /// The sides whose value cannot be parsed with the column's rules, so that it equals nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

impl Change {
    /// Returns the value of one side.
    pub fn value(&self, side: Side) -> Option<&str> {
        match side {
            Side::Old => self.old.as_deref(),
            Side::New => self.new.as_deref(),
        }
    }

    /// Whether the value of a side cannot be parsed with the column's rules.
    pub fn is_unreadable(&self, side: Side) -> bool {
        self.unreadable.iter().any(|name| name == side.name())
    }
}

/// The first few findings of each class: new ones first, then persisting ones, and last those that times and waivers
/// explain.
#[derive(Default)]
pub(super) struct Examples {
    by_urgency: [Vec<Example>; 3],
}

impl Examples {
    /// Collects examples from a batch of the table until there are enough of each class.
    ///
    /// `stored` has the same rows with the values of private columns.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch,
        stored: &RecordBatch,
        layout: &Layout,
        wanted: usize,
    ) -> Result<()> {
        let standings = batch.column_by_name("standing").map(|column| column.as_string::<i32>());
        let tags = TableColumn::Tags.of(batch).as_list::<i32>();
        for (row, class) in classes(batch).into_iter().enumerate() {
            let is_known = standings.is_some_and(|standings| standings.value(row) == "persisting");
            let is_explained =
                tags.value_length(row) > 0 && tags.value(row).as_string::<i32>().iter().flatten().any(excuses);
            let urgency = if is_explained { 2 } else { usize::from(is_known) };
            let examples = &mut self.by_urgency[urgency];
            if examples.iter().filter(|example| example.class == class).count() < wanted {
                let shown = batch.slice(row, 1);
                let mut example = example(&shown, class, layout)?;
                mark_unreadable(&mut example, &shown, &stored.slice(row, 1), layout)?;
                examples.push(example);
            }
        }
        Ok(())
    }

    /// Returns at most `wanted` examples of each class, sorted by class.
    pub(super) fn finish(self, wanted: usize) -> Vec<Example> {
        let mut examples: Vec<Example> = vec![];
        for example in self.by_urgency.into_iter().flatten() {
            if examples.iter().filter(|taken| taken.class == example.class).count() < wanted {
                examples.push(example);
            }
        }
        examples.sort_by_key(|example| example.class);
        examples
    }
}

fn example(row: &RecordBatch, class: Class, layout: &Layout) -> Result<Example> {
    let count = |column: TableColumn| column.of(row).as_primitive::<UInt64Type>().value(0);
    let key = key(row, layout)?;
    let sides = Sides { old: shown(row, TableColumn::Old, layout)?, new: shown(row, TableColumn::New, layout)? };
    let changed = TableColumn::Changed.of(row).as_list::<i32>().value(0);
    let changed: Vec<&str> = changed.as_string::<i32>().iter().flatten().collect();
    let key_names = layout.key_names();
    let named = sides.old.iter().chain(&sides.new).map(|shown| shown.column.as_str());
    let columns: Vec<&str> = match class {
        Class::Mismatch => changed,
        Class::Missing | Class::Extra => named.filter(|name| !key_names.contains(name)).collect(),
        Class::DuplicateKey => vec![],
    };
    let shown_columns = if class == Class::Mismatch { columns.len() } else { columns.len().min(SHOWN_COLUMNS) };
    let more_columns = columns.len() - shown_columns;
    let value = |side: &[Shortened], column: &str| side.iter().find(|shown| shown.column == column).cloned();
    let values = columns.into_iter().take(shown_columns).map(|column| {
        let [old, new] = shortened(distinguished([value(&sides.old, column), value(&sides.new, column)]));
        Change { column: column.into(), old, new, unreadable: vec![] }
    });
    let tags = TableColumn::Tags.of(row).as_list::<i32>().value(0);
    let text = |name: &str| row.column_by_name(name).map(|column| column.as_string::<i32>().value(0).to_string());
    Ok(Example {
        class,
        key,
        rows: Sides { old: count(TableColumn::OldRows), new: count(TableColumn::NewRows) },
        values: values.collect(),
        more_columns,
        standing: text("standing"),
        age: row.column_by_name("age").map(|column| column.as_primitive::<UInt32Type>().value(0)),
        tags: tags.as_string::<i32>().iter().flatten().map(String::from).collect(),
    })
}

/// Marks values of a mismatch that cannot be parsed with the columns' rules, except private values.
fn mark_unreadable(example: &mut Example, shown: &RecordBatch, stored: &RecordBatch, layout: &Layout) -> Result<()> {
    if example.class != Class::Mismatch {
        return Ok(());
    }
    for change in &mut example.values {
        let Some(pair) = layout.columns().iter().find(|pair| pair.name == change.column) else { continue };
        if pair.chain.is_none() {
            continue;
        }
        for side in Side::BOTH {
            let value = |row: &RecordBatch| {
                TableColumn::of_side(side).of(row).as_struct().column_by_name(&change.column).cloned()
            };
            let Some(stored) = value(stored) else { continue };
            let is_private = value(shown).is_none_or(|shown| shown.as_ref() != stored.as_ref());
            if !is_private && pair.exact(&stored, side)?.is_lost().is_some() {
                change.unreadable.push(side.name().into());
            }
        }
    }
    Ok(())
}

/// The maximum number of characters of a value in a report, and how many of them are before the first difference.
const SHOWN_CHARACTERS: usize = 400;
const SHOWN_BEFORE: usize = 40;

/// Shortens long values to the part in which they start to differ. The table has the complete values.
fn shortened(values: [Option<String>; 2]) -> [Option<String>; 2] {
    let longest = values.iter().flatten().map(String::len).max().unwrap_or(0);
    if longest <= SHOWN_CHARACTERS {
        return values;
    }
    let [old, new] = values.each_ref().map(|value| value.as_deref().unwrap_or_default().chars());
    let equal = old.zip(new).take_while(|(old, new)| old == new).count();
    let skipped = if equal > SHOWN_CHARACTERS / 2 { equal - SHOWN_BEFORE } else { 0 };
    values.map(|value| {
        value.map(|value| {
            let length = value.chars().count();
            let shown: String = value.chars().skip(skipped).take(SHOWN_CHARACTERS).collect();
            let before = if skipped > 0 { format!("({skipped} characters) …") } else { String::new() };
            let left = length.saturating_sub(skipped + SHOWN_CHARACTERS);
            let after = if left > 0 { format!("… ({left} characters)") } else { String::new() };
            format!("{before}{shown}{after}")
        })
    })
}

/// A value, formatted for people.
#[derive(Clone)]
struct Shortened {
    column: String,
    value: String,
    /// The number, if it is a float that is compared with another type of number.
    float: Option<f64>,
}

/// Returns the values of both sides, with as many digits of floats as are needed to show that they differ: the 64-bit
/// 844.58 is not the decimal 844.58.
fn distinguished([old, new]: [Option<Shortened>; 2]) -> [Option<String>; 2] {
    let same = |a: &str, b: &str| Decimal::parse(a).is_some_and(|a| Decimal::parse(b).is_some_and(|b| a == b));
    let longer = |own: &Option<Shortened>, other: &Option<Shortened>| {
        let Shortened { value, float, .. } = own.as_ref()?;
        match (float, other) {
            (Some(float), Some(other)) if same(value, &other.value) => {
                let digits = value.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let mut texts = (digits..=DIGITS_MAX).map(|digits| format!("{float:.digits$}"));
                let text = texts.find(|text| !same(text, value)).unwrap_or_else(|| value.clone());
                Some(text)
            }
            _ => Some(value.clone()),
        }
    };
    [longer(&old, &new), longer(&new, &old)]
}

fn key(row: &RecordBatch, layout: &Layout) -> Result<Vec<NamedValue>> {
    let fields = TableColumn::Key.of(row).as_struct();
    let columns = fields.columns().iter().zip(fields.fields()).enumerate();
    columns
        .map(|(at, (array, field))| {
            let values = Values::of(array, field)?;
            let value = match layout.key_is_text(at) {
                true => values.display(0),
                false => values.to_csv_text(0).map_or("NULL".into(), |text| escaped(&text)),
            };
            Ok(NamedValue { column: field.name().clone(), value })
        })
        .collect()
}

/// Returns the columns of a struct in a batch of one row; empty if the struct is NULL.
fn shown(row: &RecordBatch, column: TableColumn, layout: &Layout) -> Result<Vec<Shortened>> {
    let fields = column.of(row).as_struct();
    if fields.is_null(0) {
        return Ok(vec![]);
    }
    let columns = fields.columns().iter().zip(fields.fields());
    columns
        .map(|(array, field)| {
            let meets_another = layout.needs_all_digits(field.name()) && array.data_type().is_floating();
            let float = match meets_another && array.is_valid(0) {
                true => Some(convert(array, &DataType::Float64)?.as_primitive::<Float64Type>().value(0)),
                false => None,
            };
            let value = match float {
                // the shortest decimal that is parsed as the same float
                Some(float) => format!("{float:?}"),
                None => Values::of(array, field)?.display(0),
            };
            Ok(Shortened { column: field.name().clone(), value, float })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_values_are_shown_where_they_begin_to_differ() {
        let short = ["a".repeat(400), "b".into()].map(Some);
        assert_eq!(shortened(short.clone()), short);
        let [old, new] = shortened([Some("x".repeat(10_000)), Some("x".repeat(9_000) + "ü")]);
        assert_eq!(old.unwrap(), format!("(8960 characters) …{}… (640 characters)", "x".repeat(400)));
        assert_eq!(new.unwrap(), format!("(8960 characters) …{}ü", "x".repeat(40)));
        let [old, new] = shortened([Some("é".repeat(500)), None]);
        assert_eq!((old.unwrap(), new), (format!("{}… (100 characters)", "é".repeat(400)), None));
    }
}
