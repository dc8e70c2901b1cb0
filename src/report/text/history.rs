//! The history of the discrepancies as text.

use std::fmt::Write;

use super::{indented, plain_table, right_align};
use crate::class::{ByClass, Class};
use crate::equality::value_text::escaped;
use crate::history::HistoryReport;
use crate::lists::Example;
use crate::report::{Report, count, grouped};
use crate::sides::Side;

/// The section on history; nothing, where none was looked for.
pub fn render(report: &Report) -> String {
    let Some(history) = report.history.as_ref().filter(|history| !history.is_first()) else { return String::new() };
    let mut out = format!("  {}\n", escaped(&since(history)));
    if history.previous.is_some() {
        let mut table = plain_table();
        for (word, counts) in history.by_status() {
            if word == "flapping" && counts.total() == 0 {
                continue;
            }
            let description = match word {
                "persisting" => [by_class(counts), persisting(history)].concat(),
                "flapping" => format!("{}; gone before, and back", by_class(counts)),
                _ => by_class(counts),
            };
            table.add_row([word.to_string(), grouped(counts.total()), description]);
        }
        right_align(&mut table, &[1]);
        out += &indented(&table);
    }
    for description in unchanged(history) {
        let _ = writeln!(out, "  {}", escaped(&description));
    }
    for skipped in &history.skipped {
        let _ = writeln!(out, "  passed over: {}: {}", escaped(&skipped.dir), escaped(&skipped.reason));
    }
    out
}

/// What the run is compared with.
pub fn since(history: &HistoryReport) -> String {
    let since = match (&history.previous, &history.new_baseline) {
        (Some(previous), _) => format!("since run {previous}"),
        (None, Some(reason)) => format!("a new baseline, so everything counts as new: {reason}"),
        (None, None) => "without an earlier run of other files".into(),
    };
    match &history.retry_of {
        Some(run) => format!("{since}; the files are those of run {run}, so this adds nothing to any age"),
        None => since,
    }
}

/// The sides whose files an earlier run has read.
pub fn unchanged(history: &HistoryReport) -> Vec<String> {
    let Some(same) = &history.same_files else { return vec![] };
    let description = |side: Side| {
        let run = same[side].as_ref()?;
        Some(format!("{side} has the files of run {run}: a store that stands still, or its last export once more"))
    };
    Side::BOTH.into_iter().filter_map(description).collect()
}

/// `2 mismatches, 1 missing row`
pub fn by_class(counts: &ByClass<u64>) -> String {
    let classes = Class::ALL.into_iter().filter(|class| counts[*class] > 0);
    let description = classes.map(|class| format!("{} {}", grouped(counts[class]), class.label(counts[class])));
    description.collect::<Vec<_>>().join(", ")
}

fn persisting(history: &HistoryReport) -> String {
    let mut description = String::new();
    if history.changed > 0 {
        let _ = write!(description, "; {} with other values than before", grouped(history.changed));
    }
    if let Some(oldest) = &history.oldest {
        let pairs = count(u64::from(oldest.age), "pair");
        let _ = write!(description, "; the oldest for {pairs} of snapshots, since run {}", oldest.first_run);
    }
    description
}

/// The status of an example since the run before.
pub fn standing_of(example: &Example) -> Option<String> {
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
