//! Why mismatches differ, and where discrepancies are: what, how many, where, and the lines that would accept them.

use super::{Block, Column, Format, Inline, ListKind, Page, Span, Table};
use crate::causes::{Cause, CauseReport, Trend};
use crate::report::{Comparison, count, grouped};

/// How many causes are shown. The rest are in `report.json`.
const SHOWN: usize = 10;

/// The causes, the most frequent first.
pub(super) fn add_causes(found: &Comparison, page: &mut Page) {
    if found.causes.is_empty() {
        return;
    }
    let detail = |name: &str| Column::text(name).only(Format::Markdown);
    let mut table = Table::new([
        Column::number("mismatches"),
        Column::text("of"),
        Column::text("where"),
        detail("cause"),
        Column::text("what"),
        detail("example"),
    ])
    .titled("why");
    let shown = || found.causes.iter().take(SHOWN);
    for cause in shown() {
        table.row([
            format!("{}{}", if cause.about { "about " } else { "" }, grouped(cause.count)).into(),
            share(cause).into(),
            Span::Name(cause.place()).into(),
            Span::Name(cause.cause.name()).into(),
            what(cause).into(),
            example(cause).into(),
        ]);
    }
    let section = page.section();
    section.add(table);
    let accept = shown().filter_map(|cause| Some((cause, cause.accept.as_deref()?)));
    let lines = accept.map(|(cause, lines)| {
        let (table, rule) = lines.split_once('\n').unwrap_or((lines, ""));
        let name = |text: &str| Inline::from(Span::Name(text.into()));
        let subject = format!("to accept {} of {}, write under ", cause.cause.name(), cause.column);
        Inline::joined([subject.into(), name(table), ": ".into(), name(rule)])
    });
    let more = found.causes.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| Inline::from(format!("{} more in report.json", count(more as u64, "cause"))));
    let remarks: Vec<Inline> = lines.chain(more).collect();
    if !remarks.is_empty() {
        section.add(Block::List(ListKind::Remarks, remarks));
    }
}

/// The parts of the rows that hold far more discrepancies than their share.
pub(super) fn add_slices(found: &Comparison, page: &mut Page) {
    if found.slices.is_empty() {
        return;
    }
    let mut table = Table::new([
        Column::number("discrepancies"),
        Column::text("of"),
        Column::text("where"),
        Column::text("which has of the rows"),
    ])
    .titled("where");
    for slice in found.slices.iter().take(SHOWN) {
        let about = if slice.about { "about " } else { "" };
        let what = match &slice.cause {
            Some(cause) => format!("{} of {cause}", percent(slice.share_of_discrepancies)),
            None => format!("{} of {}", percent(slice.share_of_discrepancies), slice.class.label(2)),
        };
        table.row([
            format!("{about}{}", grouped(slice.discrepancies)).into(),
            what.into(),
            Span::Name(slice.condition.clone()).into(),
            format!("{} ({about}{})", percent(slice.share_of_rows), grouped(slice.rows)).into(),
        ]);
    }
    page.section().add(table);
}

/// `98.6 %`, or `all`.
fn percent(share: f64) -> String {
    match share {
        1.0 => "all".into(),
        share => format!("{:.1} %", (share * 1000.0).floor() / 10.0),
    }
}

/// The share, and of what it is if that is not the mismatches.
fn share(cause: &CauseReport) -> String {
    match cause.of_keys {
        true => format!("{} of missing rows", percent(cause.share)),
        false => percent(cause.share),
    }
}

fn what(cause: &CauseReport) -> String {
    let what = match cause.detail.as_str() {
        "" => cause.cause.name(),
        detail => detail.into(),
    };
    let what = if cause.of_keys { format!("extra rows have these keys, but {what}") } else { what };
    // what has not changed needs no remark
    match cause.trend.filter(|trend| *trend != Trend::Steady) {
        Some(trend) => format!("{what}; {} since the last run", trend.name()),
        None => what,
    }
}

fn example(cause: &CauseReport) -> String {
    match cause.examples.first() {
        Some(example) if cause.cause != Cause::JsonPath => {
            format!("{}: {} → {}", example.key, example.old, example.new)
        }
        _ => String::new(),
    }
}
