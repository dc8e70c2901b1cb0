//! The report for a pull request, a ticket or a chat.

use std::fmt::Write;

use super::text::history::{by_class, since, unchanged};
use super::text::misplaced;
use super::{Report, count, grouped};
use crate::compare::discrepancy::{Class, Tier};
use crate::equality::value_text::escaped;
use crate::lists::Change;
use crate::sides::Side;

/// The report as Markdown.
pub fn render(report: &Report) -> String {
    let mut out = format!("# {}: {}\n\n{}.\n\n", report.verdict.word(), prose(&report.job), prose(&report.headline));
    if let Some(suspicion) = &report.suspicion {
        let _ = writeln!(out, "**{}**\n", prose(suspicion));
    }
    let reasons: Vec<_> = report.input_failures.iter().chain(&report.reasons).collect();
    for reason in &reasons {
        let _ = writeln!(out, "- {}", prose(reason));
    }
    if !reasons.is_empty() {
        out.push('\n');
    }
    if let Some(private) = &report.private {
        let _ = writeln!(out, "Private: {}.\n", prose(&private.describe()));
    }
    if report.is_comparison() {
        counts(report, &mut out);
    }
    history(report, &mut out);
    explained(report, &mut out);
    misplaced_values(report, &mut out);
    checks(report, &mut out);
    groups(report, &mut out);
    segments(report, &mut out);
    if report.is_comparison() {
        columns(report, &mut out);
        rules(report, &mut out);
        not_compared(report, &mut out);
    }
    examples(report, &mut out);
    run(report, &mut out);
    out
}

fn counts(report: &Report, out: &mut String) {
    let counts = &report.counts;
    table(out, &["", "old", "new"], [vec!["rows".into(), grouped(report.rows.old), grouped(report.rows.new)]]);
    let rows = [
        ("matched", counts.matched),
        ("mismatch", counts.mismatch),
        ("missing", counts.missing),
        ("extra", counts.extra),
        ("duplicate keys", counts.duplicate_keys),
    ];
    table(out, &["class", "count"], rows.map(|(name, count)| vec![name.into(), grouped(count)]));
    let tiers = &report.tiers;
    if tiers.exact != tiers.total() {
        let rows = Tier::ALL.map(|tier| vec![tier.label().into(), grouped(tiers.count(tier))]);
        table(out, &["matched", "count"], rows);
    }
    if report.backfill.missing_duplicated > 0 {
        let keys = count(report.backfill.missing_duplicated, "key");
        let _ = writeln!(out, "To backfill, too: {keys} that old has several times and new does not have.\n");
    }
}

fn history(report: &Report, out: &mut String) {
    let Some(history) = report.history.as_ref().filter(|history| !history.is_first()) else { return };
    let _ = writeln!(out, "{}.\n", prose(&since(history)));
    if history.previous.is_some() {
        let rows =
            history.by_status().map(|(word, counts)| vec![word.into(), grouped(counts.total()), by_class(counts)]);
        table(out, &["history", "count", "of which"], rows);
    }
    for description in unchanged(history) {
        let _ = writeln!(out, "- {}", prose(&description));
    }
    for skipped in &history.skipped {
        let _ = writeln!(out, "- passed over: {}: {}", code(&skipped.dir), prose(&skipped.reason));
    }
}

fn explained(report: &Report, out: &mut String) {
    if let Some(found) = &report.in_flight {
        let rows = [
            ("in flight", found.counts.total()),
            ("in flight for the second time", found.twice),
            ("lost updates", found.lost_updates),
            ("stale overwrites", found.stale_overwrites),
            ("clock skew", found.clock_skew),
        ];
        let rows = rows.iter().filter(|(_, rows)| *rows > 0);
        table(out, &["by time", "count"], rows.map(|(word, rows)| vec![word.to_string(), grouped(*rows)]));
    }
    if !report.waivers.is_empty() {
        let rows = report.waivers.iter().map(|waiver| {
            let found = format!("{} of {}", grouped(waiver.found), grouped(waiver.limit));
            vec![prose(&waiver.name), found, prose(&waiver.owner), prose(&waiver.expires), prose(&waiver.reason)]
        });
        table(out, &["waiver", "covers", "owner", "until", "reason"], rows);
    }
}

fn checks(report: &Report, out: &mut String) {
    if report.checks.is_empty() {
        return;
    }
    let rows = report.checks.iter().map(|check| {
        let list = check.list.as_deref().map(code).unwrap_or_default();
        let state = if check.holds { "holds" } else { "fails" };
        let question = check.question.as_deref().map(prose).unwrap_or_default();
        vec![prose(&check.name), state.into(), check.describe_found(), check.describe_expected(), list, question]
    });
    table(out, &["check", "", "found", "", "list", "question"], rows);
    for check in report.checks.iter().filter(|check| !check.examples.is_empty()) {
        let names: Vec<String> = check.columns.iter().map(|column| code(column)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let values = |row: &Vec<Option<String>>| {
            row.iter().map(|value| value.as_deref().map_or("NULL".into(), code)).collect::<Vec<_>>()
        };
        table(out, &names, check.examples.iter().map(values));
    }
}

fn groups(report: &Report, out: &mut String) {
    let Some(groups) = &report.groups else { return };
    let rows = [("ready", groups.ready), ("partial", groups.partial), ("untouched", groups.untouched)];
    let head = format!("groups by {}", groups.by.iter().map(|name| code(name)).collect::<Vec<_>>().join(", "));
    table(out, &[&head, "count"], rows.map(|(state, found)| vec![state.into(), grouped(found)]));
    for doubt in &groups.doubts {
        let _ = writeln!(out, "None is called ready: {}.\n", prose(doubt));
    }
}

fn misplaced_values(report: &Report, out: &mut String) {
    let Some(found) = &report.misplaced else { return };
    let _ = writeln!(out, "{}.\n", prose(&misplaced::headline(found)));
    let rows = misplaced::rows(found)
        .map(|(kind, rows)| vec![kind.name().into(), grouped(rows), misplaced::describe(kind).into()]);
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        table(out, &["misplaced", "count", "what it is"], rows);
    }
    for example in &found.examples {
        let _ = writeln!(out, "- {}", prose(&example.description));
    }
    if !found.examples.is_empty() {
        out.push('\n');
    }
}

fn segments(report: &Report, out: &mut String) {
    for kind in &report.segments {
        let rows = kind.first.iter().filter(|segment| segment.counts.total() > 0).map(|segment| {
            let value = segment.value.as_deref().map_or("NULL".into(), code);
            let rate = format!("{:.2} %", segment.rate * 100.0);
            let description = if segment.stands_out { "stands out" } else { "" };
            vec![value, grouped(segment.counts.total()), rate, description.into()]
        });
        let rows: Vec<_> = rows.collect();
        if !rows.is_empty() {
            table(out, &[&code(&kind.by), "discrepancies", "of its rows", ""], rows);
        }
    }
}

fn columns(report: &Report, out: &mut String) {
    if report.key.is_empty() {
        return;
    }
    let rows = report.columns.iter().map(|column| {
        let is_key = report.key.contains(&column.name);
        let mismatches = if is_key { "key".into() } else { grouped(column.mismatches) };
        vec![code(&column.name), prose(&column.old_type), prose(&column.new_type), mismatches]
    });
    table(out, &["column", "old", "new", "mismatches"], rows);
}

fn rules(report: &Report, out: &mut String) {
    let rows = report.columns.iter().flat_map(|column| {
        column.rules.iter().map(|rule| vec![code(&column.name), code(&rule.rule), column.describe(rule)])
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        table(out, &["column", "rule", "rows"], rows);
    }
}

fn not_compared(report: &Report, out: &mut String) {
    let coverage = &report.coverage;
    let rows = [
        ("no defined equality", &coverage.incomparable),
        ("only in old", &coverage.old_only),
        ("only in new", &coverage.new_only),
        ("ignored", &coverage.ignored),
    ];
    let codes = |names: &[String]| names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(description, names)| vec![description.to_string(), codes(names)])
        .collect();
    if !rows.is_empty() {
        table(out, &["not compared", "columns"], rows);
    }
}

fn examples(report: &Report, out: &mut String) {
    for class in Class::ALL {
        let examples: Vec<_> = report.examples.iter().filter(|example| example.class == class).collect();
        if examples.is_empty() {
            continue;
        }
        let _ = writeln!(out, "## {}\n", class.name().replace('_', " "));
        let rows = examples.into_iter().flat_map(|example| {
            let key: Vec<_> = example.key.iter().map(|named| format!("{} = {}", named.column, named.value)).collect();
            let key = code(&key.join(", "));
            let shown = |change: &Change, side: Side| {
                let value = change.value(side).map(code).unwrap_or_default();
                if change.is_unreadable(side) { value + " (unreadable)" } else { value }
            };
            let values = example.values.iter();
            let mut rows: Vec<_> = values
                .map(|change| {
                    vec![key.clone(), code(&change.column), shown(change, Side::Old), shown(change, Side::New)]
                })
                .collect();
            if rows.is_empty() {
                let side = |side: Side| count(example.rows[side], "row");
                rows.push(vec![key, String::new(), side(Side::Old), side(Side::New)]);
            }
            rows
        });
        table(out, &["key", "column", "old", "new"], rows.collect::<Vec<_>>());
    }
}

fn run(report: &Report, out: &mut String) {
    let run = &report.run;
    let _ = writeln!(
        out,
        "Run {} of countersign {}, {:.1} s; {}.",
        run.id,
        run.version,
        run.seconds,
        prose(&run.way_reason)
    );
    if let Some(place) = &run.out {
        let _ = writeln!(out, "Complete lists: {}.", code(place));
    }
}

fn table(out: &mut String, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    // directly after a list or a paragraph, a table would be part of it
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
    let _ = writeln!(out, "| {} |", header.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(header.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

/// Text that Markdown and HTML leave alone.
fn prose(text: &str) -> String {
    let special = |c: char| matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&');
    escaped(text).chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A code span that may hold back quotes and stand in a table.
fn code(text: &str) -> String {
    let text = escaped(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
