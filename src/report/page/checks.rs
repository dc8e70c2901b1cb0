//! The checks, the groups that move as a whole, and the segments.

use super::{Block, Column, Format, Headers, Inline, ListKind, Page, Section, Span, Table};
use crate::checks::CheckReport;
use crate::checks::groups::{Group, GroupReport};
use crate::report::{Comparison, Report, count, grouped};

/// How many segments of a kind text shows.
const SEGMENTS: usize = 5;

/// The checks, and the first rows that violate each.
pub(super) fn add_checks(report: &Report, page: &mut Page) {
    if report.checks.is_empty() {
        return;
    }
    let detail = |name: &str| Column::text(name).only(Format::Markdown);
    let mut table = Table::new([
        Column::text("check"),
        Column::text(""),
        Column::text("").only(Format::Text),
        detail("found"),
        detail(""),
        detail("list"),
        detail("question"),
    ])
    .titled("checks");
    for check in &report.checks {
        table.row([
            check.name.as_str().into(),
            if check.holds { "holds".into() } else { Span::Alarm("fails").into() },
            result(check),
            check.describe_found().into(),
            check.describe_expected().into(),
            check.list.as_ref().map(|list| Span::Name(list.clone()).into()).unwrap_or_default(),
            check.question.as_deref().map(Inline::from).unwrap_or_default(),
        ]);
    }
    let section = page.section();
    section.add(table);
    for check in report.checks.iter().filter(|check| !check.examples.is_empty()) {
        section.add(violations(check, report.run.out.as_deref()));
    }
}

fn result(check: &CheckReport) -> Inline {
    let found = match (&check.list, check.found) {
        (Some(_), 0) => String::new(),
        (None, _) if check.holds => check.describe_found(),
        _ => format!("{}, where {}", check.describe_found(), check.describe_expected()),
    };
    let separator = if found.is_empty() || check.question.is_none() { "" } else { ": " };
    let question = check.question.as_deref().map(Inline::from).unwrap_or_default();
    Inline::joined([(found + separator).into(), question])
}

fn violations(check: &CheckReport, out: Option<&str>) -> Table {
    let shown = match check.examples.len() as u64 {
        all if all == check.found => "all of".to_string(),
        few => format!("first {few} of"),
    };
    let list = match (out, &check.list) {
        (Some(out), Some(list)) => format!("; complete in {out}/{list}"),
        _ => String::new(),
    };
    let columns = check.columns.iter().map(|column| Column::text(Span::Name(column.clone())));
    let title = format!("{} ({shown} {}{list})", check.name, grouped(check.found));
    let mut table = Table { headers: Headers::Needed, ..Table::new(columns).titled(title) };
    for row in &check.examples {
        table.row(row.iter().map(|value| Inline::value(value.as_deref())));
    }
    table
}

/// The groups by state, and the first of those of which new has a part.
pub(super) fn add_groups(groups: &GroupReport, section: &mut Section) {
    let by = Inline::joined(["groups by ".into(), Inline::names(&groups.by)]);
    let mut table =
        Table::new([Column::text(by.clone()), Column::number("count"), Column::text("").only(Format::Text)]).titled(by);
    for (state, found, meaning) in [
        ("ready", groups.ready, "nothing at all is wrong with them"),
        ("partial", groups.partial, "new has some of it, and not all of it is right"),
        ("untouched", groups.untouched, "new has nothing of it"),
    ] {
        table.row([state.into(), grouped(found).into(), meaning.into()]);
    }
    section.add(table);
    for doubt in &groups.doubts {
        let detail = format!("none is called ready: {doubt}").into();
        let sentence = format!("None is called ready: {doubt}");
        section
            .add_for(Format::Text, Block::List(ListKind::Details, vec![detail]))
            .add_for(Format::Markdown, Block::sentence(sentence));
    }
    if !groups.first.is_empty() {
        section.add_for(Format::Text, partial(groups));
    }
}

fn partial(groups: &GroupReport) -> Table {
    let shown = match groups.first.len() as u64 {
        all if all == groups.partial => "all".to_string(),
        few => format!("first {few}"),
    };
    let title = format!("partial ({shown} of {})", grouped(groups.partial));
    let mut table = Table::new([Column::text(""), Column::text(""), Column::text("")]).titled(title);
    for group in &groups.first {
        let values = group.values.iter().map(|value| Inline::value(value.as_deref()));
        let rows = format!("{} in old, {} in new", count(group.rows.old, "row"), grouped(group.rows.new));
        table.row([Inline::listed(values), rows.into(), faults(group).into()]);
    }
    table
}

fn faults(group: &Group) -> String {
    let discrepancies = match group.discrepancies {
        0 => None,
        1 => Some("1 discrepancy".to_string()),
        many => Some(format!("{} discrepancies", grouped(many))),
    };
    let violations = (group.violations > 0).then(|| count(group.violations, "violation"));
    discrepancies.into_iter().chain(violations).collect::<Vec<_>>().join(", ")
}

/// The segments that have discrepancies, by what the job groups rows by.
pub(super) fn add_segments(found: &Comparison, page: &mut Page) {
    let section = page.section();
    for kind in &found.segments {
        let mut table = Table::new([
            Column::text(Span::Name(kind.by.clone())),
            Column::number("discrepancies"),
            Column::text("").only(Format::Text),
            Column::text("of its rows").only(Format::Markdown),
            Column::text(""),
        ])
        .titled(format!("by {}: {}", kind.by, count(kind.segments as u64, "segment")));
        let faulty = kind.first.iter().filter(|segment| segment.counts.total() > 0);
        for (index, segment) in faulty.enumerate() {
            let rate = format!("{:.2} %", segment.rate * 100.0);
            let rows = count(segment.rows.old.max(segment.rows.new), "row");
            let row = [
                Inline::value(segment.value.as_deref()),
                grouped(segment.counts.total()).into(),
                format!("{rate} of {rows}").into(),
                rate.into(),
                if segment.stands_out { "stands out".into() } else { "".into() },
            ];
            match index < SEGMENTS {
                true => table.row(row),
                false => table.row_for(Format::Markdown, row),
            }
        }
        if !table.rows.is_empty() {
            section.add(table);
        }
    }
}
