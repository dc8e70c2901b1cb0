//! The report for the engineer on call: the verdict first, then the numbers, then what to look at.

mod checks;
pub mod groups;
pub mod history;
pub mod misplaced;

use std::fmt::Write;

use anstyle::{AnsiColor, Effects};
use bytesize::ByteSize;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{MatchingWay, Report, Run, Verdict, count, grouped};
use crate::compare::discrepancy::{Class, Tier};
use crate::equality::value_text::escaped;
use crate::explain::InFlightReport;
use crate::job::TakenAt;
use crate::lists::Example;
use crate::sides::{Side, Sides};

/// Whether the text may carry colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For files and pipes.
    Plain,
    /// For terminals.
    Coloured,
}

/// How wide a value may be before it is cut; the lists hold it whole.
const VALUE_WIDTH: usize = 60;
/// How much of what two values share is shown before they differ.
const CONTEXT: usize = 20;

/// How many segments of a kind are shown.
const SEGMENTS: usize = 5;

/// The report as text.
pub fn render(report: &Report, style: Style) -> String {
    let sections = [
        headline(report, style),
        sides(report),
        comparison(report, counts),
        history::render(report),
        explained(report),
        misplaced::render(report),
        checks::render(report),
        groups::render(report.groups.as_ref()),
        segments(report),
        comparison(report, columns),
        rules(report),
        comparison(report, not_compared),
        examples(report),
        run(&report.run),
    ];
    let sections: Vec<&str> = sections.iter().map(|section| section.trim_end()).collect();
    sections
        .iter()
        .filter(|section| !section.is_empty())
        .map(|section| format!("{section}\n\n"))
        .collect::<String>()
        .trim_end()
        .to_string()
        + "\n"
}

/// A section that says nothing where nothing was compared.
fn comparison(report: &Report, section: fn(&Report) -> String) -> String {
    if report.is_comparison() { section(report) } else { String::new() }
}

fn headline(report: &Report, style: Style) -> String {
    let line = escaped(&report.headline);
    let line = match (style, line.strip_prefix(report.verdict.word())) {
        (Style::Coloured, Some(rest)) => {
            let colour = match report.verdict {
                Verdict::Match | Verdict::Accepted => AnsiColor::Green,
                Verdict::Discrepant => AnsiColor::Red,
                Verdict::Unverified => AnsiColor::Yellow,
            };
            let style = colour.on_default().effects(Effects::BOLD);
            format!("{style}{}{style:#}{rest}", report.verdict.word())
        }
        _ => line,
    };
    let mut out = match &report.suspicion {
        Some(suspicion) => format!("{}\n\n{line}\n", escaped(suspicion)),
        None => format!("{line}\n"),
    };
    for reason in report.input_failures.iter().chain(&report.reasons) {
        let _ = writeln!(out, "  - {}", escaped(reason));
    }
    out
}

fn sides(report: &Report) -> String {
    let mut table = plain_table();
    let sides = if report.is_comparison() { Side::BOTH.as_slice() } else { &[Side::Old] };
    for &side in sides {
        let input = &report.run.inputs[side];
        let skipped = match input.skipped_files {
            0 => String::new(),
            n => format!(", {} passed over", count(n as u64, "file")),
        };
        let query = match &input.query {
            Some(query) if query == "inline" => ", by a query".to_string(),
            Some(query) => format!(", by {}", escaped(query)),
            None => String::new(),
        };
        let files = format!("{}{skipped}{query}", count(input.files as u64, "file"));
        let taken = match &input.taken_at {
            Some(TakenAt { from, to }) if from == to => format!(", taken {from}"),
            Some(TakenAt { from, to }) => format!(", taken {from} to {to}"),
            None => String::new(),
        };
        let files = files + &taken;
        table.add_row([side.to_string(), escaped(&input.path), count(report.rows[side], "row"), files]);
    }
    right_align(&mut table, &[2]);
    let private = match &report.private {
        Some(private) => format!("  private  {}\n", escaped(&private.describe())),
        None => String::new(),
    };
    if !report.is_comparison() {
        return indented(&table) + "\n" + &private;
    }
    let key = match report.key.as_slice() {
        [] => "none: rows are compared whole".to_string(),
        key => escaped(&key.join(", ")),
    };
    table.add_row(["key".to_string(), key]);
    let sides = indented(&table);
    if private.is_empty() { sides } else { sides + "\n" + &private }
}

fn counts(report: &Report) -> String {
    let counts = &report.counts;
    let paired = match report.key.is_empty() {
        true => format!("equal rows{}", tiers(report)),
        false => format!("same key, equal values{}", tiers(report)),
    };
    let backfill = match report.backfill.missing_duplicated {
        0 => String::new(),
        keys => format!("; backfill {} that old has several times, too", count(keys, "key")),
    };
    let set_aside = match counts.duplicate_keys {
        0 => String::new(),
        _ => format!(
            ", set aside with {} of old and {} of new",
            count(report.duplicate_rows.old, "row"),
            count(report.duplicate_rows.new, "row")
        ),
    };
    let mut table = plain_table();
    table.add_row(["matched", &grouped(counts.matched), &paired]);
    if !report.key.is_empty() {
        table.add_row(["mismatch", &grouped(counts.mismatch), "same key, different values"]);
    }
    table.add_row(["missing", &grouped(counts.missing), &format!("in old, not in new{backfill}")]);
    table.add_row(["extra", &grouped(counts.extra), "in new, not in old"]);
    if !report.key.is_empty() {
        let description = format!("more than once on a side{set_aside}");
        table.add_row(["duplicate keys", &grouped(counts.duplicate_keys), &description]);
    }
    right_align(&mut table, &[1]);
    indented(&table) + "\n"
}

/// How many of the matched pairs are equal by what, where it is not all by value.
fn tiers(report: &Report) -> String {
    let tiers = &report.tiers;
    if tiers.exact == tiers.total() {
        return String::new();
    }
    let found = Tier::ALL.into_iter().filter(|tier| tiers.count(*tier) > 0);
    let parts = found.map(|tier| format!("{} {}", grouped(tiers.count(tier)), tier.label()));
    format!(": {}", parts.collect::<Vec<_>>().join(", "))
}

/// What times and waivers explain.
fn explained(report: &Report) -> String {
    let mut out = String::new();
    if let Some(found) = &report.in_flight {
        let InFlightReport { columns, lag, .. } = found;
        let names = if columns.old == columns.new {
            columns.new.clone()
        } else {
            format!("{} and {}", columns.old, columns.new)
        };
        let _ = writeln!(out, "  by {}, with a lag of {lag}", escaped(&names));
        let mut table = plain_table();
        let twice = match found.twice {
            0 => String::new(),
            twice => format!("; {} of them for the second time, which counts", grouped(twice)),
        };
        table.add_row(["in flight", &grouped(found.counts.total()), &(history::by_class(&found.counts) + &twice)]);
        for (word, rows, description) in [
            ("lost updates", found.lost_updates, "new is older than old"),
            ("stale overwrites", found.stale_overwrites, "new is newer, and holds what old held in an earlier run"),
            ("clock skew", found.clock_skew, "later than the snapshot that holds it"),
        ] {
            if rows > 0 {
                table.add_row([word, &grouped(rows), description]);
            }
        }
        right_align(&mut table, &[1]);
        out += &format!("{}\n", nested(&table));
    }
    if !report.waivers.is_empty() {
        let mut table = plain_table();
        for waiver in &report.waivers {
            let found = format!("{} of {}", grouped(waiver.found), grouped(waiver.limit));
            let until = format!("until {}, {}: {}", waiver.expires, waiver.owner, waiver.reason);
            table.add_row([escaped(&waiver.name), found, escaped(&until)]);
        }
        out += &format!("  waived\n{}", nested(&table));
    }
    out
}

/// Where the discrepancies are.
fn segments(report: &Report) -> String {
    let mut out = String::new();
    for kind in &report.segments {
        let mut table = plain_table();
        for segment in kind.first.iter().filter(|segment| segment.counts.total() > 0).take(SEGMENTS) {
            let value = segment.value.as_deref().map_or("NULL".into(), |value| cut(&escaped(value)));
            let rate =
                format!("{:.2} % of {}", segment.rate * 100.0, count(segment.rows.old.max(segment.rows.new), "row"));
            let description = if segment.stands_out { "stands out" } else { "" };
            table.add_row([value, grouped(segment.counts.total()), rate, description.into()]);
        }
        right_align(&mut table, &[1]);
        if table.row_count() > 0 {
            let _ = writeln!(out, "  by {}: {}", escaped(&kind.by), count(kind.segments as u64, "segment"));
            out += &format!("{}\n", nested(&table));
        }
    }
    out
}

fn columns(report: &Report) -> String {
    if report.key.is_empty() {
        // without a key there are no pairs to count by column
        return String::new();
    }
    let is_found = |tier: &Tier| report.columns.iter().any(|column| column.equal_by(*tier) > 0);
    let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(is_found).collect();
    let has_unreadable = report.columns.iter().any(|column| column.unreadable > 0);
    let mut table = plain_table();
    let header = ["column", "old", "new", "mismatches"].into_iter();
    let unreadable = has_unreadable.then_some("unreadable");
    table.set_header(header.chain(unreadable).chain(tiers.iter().map(|tier| tier.label())));
    for column in &report.columns {
        let is_key = report.key.contains(&column.name);
        let mut row = vec![
            escaped(&column.name),
            cut(&escaped(&column.old_type)),
            cut(&escaped(&column.new_type)),
            if is_key { "key".into() } else { grouped(column.mismatches) },
        ];
        row.extend(has_unreadable.then(|| grouped(column.unreadable)));
        row.extend(tiers.iter().map(|tier| grouped(column.equal_by(*tier))));
        table.add_row(row);
    }
    right_align(&mut table, &[3, 4, 5, 6, 7]);
    indented(&table) + "\n"
}

/// The rules, and the pairs of rows that are equal in a column only by each.
fn rules(report: &Report) -> String {
    let mut table = plain_table();
    for column in &report.columns {
        for rule in &column.rules {
            table.add_row([escaped(&column.name), cut(&escaped(&rule.rule)), column.describe(rule)]);
        }
    }
    match table.row_count() {
        0 => String::new(),
        _ => format!("  rules\n{}", nested(&table)),
    }
}

fn nested(table: &Table) -> String {
    table.trim_fmt().lines().map(|line| format!("   {line}\n")).collect()
}

fn not_compared(report: &Report) -> String {
    let coverage = &report.coverage;
    let mut table = plain_table();
    for (description, names) in [
        ("no defined equality", &coverage.incomparable),
        ("only in old", &coverage.old_only),
        ("only in new", &coverage.new_only),
        ("ignored", &coverage.ignored),
    ] {
        if !names.is_empty() {
            table.add_row([description, &escaped(&names.join(", "))]);
        }
    }
    match table.row_count() {
        0 => "  not compared: nothing; every column took part\n".into(),
        _ => format!("  not compared\n{}", nested(&table)),
    }
}

fn examples(report: &Report) -> String {
    let mut out = String::new();
    let has_previous = report.history.as_ref().is_some_and(|history| history.previous.is_some());
    for class in Class::ALL {
        let examples: Vec<&Example> = report.examples.iter().filter(|example| example.class == class).collect();
        if examples.is_empty() {
            continue;
        }
        let (total, list) = match class {
            Class::Mismatch => (report.counts.mismatch, "mismatch.csv"),
            Class::Missing => (report.counts.missing, "missing.csv"),
            Class::Extra => (report.counts.extra, "extra.csv"),
            Class::DuplicateKey => (report.counts.duplicate_keys, "duplicate_keys.csv"),
        };
        let shown = match examples.len() as u64 {
            n if n == total => "all of".to_string(),
            n if has_previous => format!("{n} of"),
            n => format!("first {n} of"),
        };
        let place = match &report.run.out {
            Some(out) => format!("; complete in {}", escaped(&format!("{out}/{list}"))),
            None => String::new(),
        };
        let _ = writeln!(out, "  {} ({shown} {}{place})", class.name().replace('_', " "), grouped(total));
        for example in examples {
            out += &render_example(example, report.key.is_empty(), has_previous);
        }
        out.push('\n');
    }
    out
}

fn render_example(example: &Example, whole_rows: bool, has_previous: bool) -> String {
    let key: Vec<_> =
        example.key.iter().map(|named| format!("{} = {}", escaped(&named.column), cut(&named.value))).collect();
    let mut notes: Vec<String> = example.tags.iter().map(|tag| escaped(tag)).collect();
    notes.extend(history::standing_of(example).filter(|_| has_previous));
    let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
    let mut out = format!("    {}{notes}\n", key.join(", "));
    match example.class {
        Class::DuplicateKey => {
            let rows = example.rows;
            let _ = writeln!(out, "      {} in old, {} in new", count(rows.old, "row"), count(rows.new, "row"));
        }
        Class::Mismatch => {
            let mut table = plain_table();
            for change in &example.values {
                let values = Sides::from_fn(|side| change.value(side).unwrap_or("(private)"));
                let cells = Sides::from_fn(|side| {
                    let unreadable = if change.is_unreadable(side) { " (unreadable)" } else { "" };
                    format!("{side} {}{unreadable}", cut_beside(values[side], values[side.other()]))
                });
                table.add_row([escaped(&change.column), cells.old, cells.new]);
            }
            for line in table.trim_fmt().lines() {
                let _ = writeln!(out, "     {line}");
            }
        }
        Class::Missing | Class::Extra if !whole_rows && !example.values.is_empty() => {
            let value = |value: &Option<String>| value.as_deref().map(cut);
            let values = example.values.iter().map(|change| {
                let value = value(&change.old).or(value(&change.new)).unwrap_or_default();
                format!("{} = {value}", escaped(&change.column))
            });
            let _ = writeln!(out, "      {}", values.collect::<Vec<_>>().join(", "));
        }
        Class::Missing | Class::Extra => {}
    }
    out
}

fn run(run: &Run) -> String {
    let mut table = plain_table();
    let way = serde_json::to_string(&run.way).unwrap_or_default();
    if run.way != MatchingWay::None {
        table.add_row(["way", &format!("{}: {}", way.trim_matches('"'), escaped(&run.way_reason))]);
    }
    let mut cost = vec![format!("{:.1} s", run.seconds)];
    cost.extend(run.peak_memory_bytes.map(|bytes| format!("{} of memory", ByteSize(bytes))));
    cost.push(format!("{} read", ByteSize(run.bytes_read)));
    if run.spilled_bytes > 0 {
        cost.push(format!("{} spilled", ByteSize(run.spilled_bytes)));
    }
    table.add_row(["cost", &cost.join(", ")]);
    table.add_row(["run", &format!("{}, countersign {}", run.id, run.version)]);
    let lists = match &run.out {
        Some(out) => format!("complete, in {}", escaped(out)),
        None => "not written; --out DIR writes every ID and every difference".into(),
    };
    table.add_row(["lists", &lists]);
    indented(&table) + "\n"
}

/// Values were made safe for a terminal when they were shown; here they are only kept short.
/// A text as far as there is room for it, with its length if that is not all.
fn cut(value: &str) -> String {
    cut_beside(value, value)
}

/// The same for a value that differs from another one: the part in which they begin to differ.
fn cut_beside(value: &str, other: &str) -> String {
    let length = value.chars().count();
    if length <= VALUE_WIDTH {
        return value.into();
    }
    let equal = value.chars().zip(other.chars()).take_while(|(own, other)| own == other).count();
    let skipped = match equal < length && equal + CONTEXT > VALUE_WIDTH {
        true => equal.saturating_sub(CONTEXT).min(length - VALUE_WIDTH),
        false => 0,
    };
    let shown: String = value.chars().skip(skipped).take(VALUE_WIDTH).collect();
    let before = if skipped > 0 { "…" } else { "" };
    let after = if skipped + VALUE_WIDTH < length { "…" } else { "" };
    format!("{before}{shown}{after} ({length} characters)")
}

/// A table without lines, whose columns stand under each other.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Right-aligns these columns.
pub fn right_align(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A table as lines, set in by two spaces.
pub fn indented(table: &Table) -> String {
    table.trim_fmt().lines().map(|line| format!(" {line}\n")).collect()
}
