//! What explains the discrepancies: earlier runs, the snapshots' times, waivers, and values under other keys.

use super::{Block, Column, Format, Inline, ListKind, Page, Span, Table};
use crate::class::{ByClass, Class};
use crate::explain::{InFlightReport, MisplacedKind, MisplacedReport, WaiverReport};
use crate::history::HistoryReport;
use crate::report::{Comparison, count, grouped};
use crate::sides::Side;

/// How the discrepancies changed since the run before; nothing on a first run.
pub(super) fn add_history(found: &Comparison, page: &mut Page) {
    let Some(history) = found.history.as_ref().filter(|history| !history.is_first()) else { return };
    let section = page.section();
    section.add(Block::sentence(since(history)));
    if history.previous.is_some() {
        section.add(by_status(history));
    }
    let skipped = history.skipped.iter().map(|skipped| {
        let dir = Span::Name(skipped.dir.clone());
        Inline::joined(["passed over: ".into(), dir.into(), format!(": {}", skipped.reason).into()])
    });
    let gone = history.gone_causes.iter().map(|cause| Inline::from(format!("gone: {cause}")));
    let remarks: Vec<Inline> = gone.chain(unchanged(history).map(Inline::from)).chain(skipped).collect();
    if !remarks.is_empty() {
        section.add(Block::List(ListKind::Remarks, remarks));
    }
}

/// What the run is compared with.
fn since(history: &HistoryReport) -> String {
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

fn by_status(history: &HistoryReport) -> Table {
    let mut table = Table::new([
        Column::text("history"),
        Column::number("count"),
        Column::text("").only(Format::Text),
        Column::text("of which").only(Format::Markdown),
    ]);
    for (status, counts) in history.by_status() {
        let classes = by_class(counts);
        let detailed = match status {
            "persisting" => format!("{classes}{}", persisting(history)),
            "flapping" => format!("{classes}; gone before, and back"),
            _ => classes.clone(),
        };
        let row = [status.into(), grouped(counts.total()).into(), detailed.into(), classes.into()];
        match status == "flapping" && counts.total() == 0 {
            true => table.row_for(Format::Markdown, row),
            false => table.row(row),
        }
    }
    table
}

fn persisting(history: &HistoryReport) -> String {
    let changed = match history.changed {
        0 => String::new(),
        changed => format!("; {} with other values than before", grouped(changed)),
    };
    let oldest = history.oldest.as_ref().map(|oldest| {
        let pairs = count(u64::from(oldest.age), "pair");
        format!("; the oldest for {pairs} of snapshots, since run {}", oldest.first_run)
    });
    changed + &oldest.unwrap_or_default()
}

/// The sides whose files an earlier run has read.
fn unchanged(history: &HistoryReport) -> impl Iterator<Item = String> {
    let same = history.same_files.as_ref();
    Side::BOTH.into_iter().filter_map(move |side| {
        let run = same?[side].as_ref()?;
        Some(format!("{side} has the files of run {run}: the store has not changed, or this is its last export again"))
    })
}

/// `2 mismatches, 1 missing row`
fn by_class(counts: &ByClass<u64>) -> String {
    let classes = Class::ALL.into_iter().filter(|class| counts[*class] > 0);
    let parts = classes.map(|class| format!("{} {}", grouped(counts[class]), class.label(counts[class])));
    parts.collect::<Vec<_>>().join(", ")
}

/// What the snapshots' times explain, and what waivers cover.
pub(super) fn add_excuses(found: &Comparison, page: &mut Page) {
    let section = page.section();
    if let Some(in_flight) = &found.in_flight {
        section.add(by_time(in_flight));
    }
    if !found.waivers.is_empty() {
        section.add(waived(&found.waivers));
    }
}

fn by_time(found: &InFlightReport) -> Table {
    let names = match found.columns.old == found.columns.new {
        true => found.columns.new.clone(),
        false => format!("{} and {}", found.columns.old, found.columns.new),
    };
    let mut table = Table::new([Column::text("by time"), Column::number("count"), Column::text("").only(Format::Text)])
        .titled(format!("by {names}, with a lag of {}", found.lag));
    let twice = match found.twice {
        0 => String::new(),
        twice => format!("; {} of them for the second time, which counts", grouped(twice)),
    };
    let in_flight = found.counts.total();
    let row = ["in flight".into(), grouped(in_flight).into(), (by_class(&found.counts) + &twice).into()];
    match in_flight {
        // only text says that nothing is in flight
        0 => table.row_for(Format::Text, row),
        _ => table.row(row),
    }
    if found.twice > 0 {
        table.row_for(Format::Markdown, ["in flight for the second time".into(), grouped(found.twice).into()]);
    }
    for (cause, rows, meaning) in [
        ("lost updates", found.lost_updates, "new is older than old"),
        ("stale overwrites", found.stale_overwrites, "new is newer, and holds what old held in an earlier run"),
        ("clock skew", found.clock_skew, "later than the snapshot that holds it"),
    ] {
        if rows > 0 {
            table.row([cause.into(), grouped(rows).into(), meaning.into()]);
        }
    }
    table
}

fn waived(waivers: &[WaiverReport]) -> Table {
    let detail = |name: &str| Column::text(name).only(Format::Markdown);
    let mut table = Table::new([
        Column::text("waiver"),
        Column::text("covers"),
        Column::text("").only(Format::Text),
        detail("owner"),
        detail("until"),
        detail("reason"),
    ])
    .titled("waived");
    for WaiverReport { name, found, limit, owner, expires, reason, .. } in waivers {
        table.row([
            name.as_str().into(),
            format!("{} of {}", grouped(*found), grouped(*limit)).into(),
            format!("until {expires}, {owner}: {reason}").into(),
            owner.as_str().into(),
            expires.as_str().into(),
            reason.as_str().into(),
        ]);
    }
    table
}

/// Values found under other keys or in other columns, if the job asks for them.
pub(super) fn add_misplaced(found: &Comparison, page: &mut Page) {
    let Some(found) = &found.misplaced else { return };
    let section = page.section();
    let summary = summary_of_misplaced(found);
    section.add_for(Format::Markdown, Block::sentence(summary.as_str()));
    let mut table = Table::new([Column::text("misplaced"), Column::number("count"), Column::text("what it is")]);
    for (kind, rows) in kinds(found) {
        table.row([kind.name().into(), grouped(rows).into(), meaning(kind).into()]);
    }
    match table.rows.is_empty() {
        true => section.add_for(Format::Text, Block::sentence(summary)),
        false => section.add(table.titled(summary)),
    };
    if !found.examples.is_empty() {
        let examples = found.examples.iter().map(|example| example.description.as_str().into());
        section.add(Block::List(ListKind::Details, examples.collect()));
    }
}

/// What was searched for, and whether any of it was found.
fn summary_of_misplaced(found: &MisplacedReport) -> String {
    match (&found.not_searched, kinds(found).next()) {
        (Some(reason), None) => format!("misplaced: not searched: {reason}"),
        (Some(reason), Some(_)) => format!("misplaced: only exchanged columns; other keys not searched: {reason}"),
        (None, None) => format!("misplaced ({}): none", found.sought()),
        (None, Some(_)) => format!("misplaced ({}); complete in misplaced.csv", found.sought()),
    }
}

/// The kinds that were found, with their numbers.
fn kinds(found: &MisplacedReport) -> impl Iterator<Item = (MisplacedKind, u64)> {
    found.counts().into_iter().filter(|(_, rows)| *rows > 0)
}

fn meaning(kind: MisplacedKind) -> &'static str {
    match kind {
        MisplacedKind::Swapped => "new has under each of two keys what old has under the other",
        MisplacedKind::Rekeyed => "missing and extra rows with the same values: rows that were given another key",
        MisplacedKind::Copied => "new has under this key what old has under another",
        MisplacedKind::Exchanged => "new has in each of two columns what old has in the other",
    }
}
