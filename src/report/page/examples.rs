//! The first few findings of each class.

use super::{Block, Content, Finding, Heading, Page};
use crate::class::Class;
use crate::lists::Example;
use crate::report::{Comparison, Report, grouped};

/// Adds the examples by class.
pub(super) fn add<'a>(report: &Report, found: &'a Comparison, page: &mut Page<'a>) {
    let has_previous = found.history.as_ref().is_some_and(|history| history.previous.is_some());
    let section = page.section();
    for class in Class::ALL {
        let examples = found.examples.iter().filter(|example| example.class == class);
        let findings: Vec<Finding> = examples
            .map(|example| {
                let mut notes = example.tags.clone();
                notes.extend(standing(example).filter(|_| has_previous));
                let content = content(example, found.key.is_empty());
                Finding { key: &example.key, notes, rows: example.rows, content }
            })
            .collect();
        if findings.is_empty() {
            continue;
        }
        let extent = extent(report, found, class, findings.len() as u64);
        section
            .add(Block::Heading(Heading { name: class.name().replace('_', " "), extent: Some(extent) }))
            .add(Block::Findings(findings));
    }
}

fn content(example: &Example, has_no_key: bool) -> Content<'_> {
    match example.class {
        Class::DuplicateKey => Content::Rows,
        Class::Mismatch => Content::Changes(&example.values),
        Class::Missing | Class::Extra if has_no_key => Content::Nothing,
        Class::Missing | Class::Extra => Content::Values(&example.values, example.more_columns),
    }
}

/// `first 3 of 1,200; complete in runs/job/latest/mismatch.csv`
fn extent(report: &Report, found: &Comparison, class: Class, shown: u64) -> String {
    let total = match class {
        Class::Mismatch => found.counts.mismatch,
        Class::Missing => found.counts.missing,
        Class::Extra => found.counts.extra,
        Class::DuplicateKey => found.counts.duplicate_keys,
    };
    let has_previous = found.history.as_ref().is_some_and(|history| history.previous.is_some());
    let shown = match shown {
        all if all == total => "all of".to_string(),
        // new ones come before older ones, so these are not the first of the list
        few if has_previous => format!("{few} of"),
        few => format!("first {few} of"),
    };
    let list = match &report.run.out {
        Some(out) => format!("; complete in {out}/{}.csv", class.field_name()),
        None => String::new(),
    };
    format!("{shown} {}{list}", grouped(total))
}

/// Whether an example is new since the run before, and for how long it has persisted.
fn standing(example: &Example) -> Option<String> {
    let standing = example.standing.as_deref()?;
    Some(match example.age {
        Some(age) if age > 1 => format!("{standing}, {} time in a row", ordinal(age)),
        _ => standing.into(),
    })
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn ordinals_end_as_in_english() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112, 122].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 112th 122nd"
        );
    }
}
