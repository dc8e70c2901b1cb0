//! What every report has: the verdict, the sides and the run. A comparison also has counts.

use bytesize::ByteSize;

use super::{Block, Column, Format, Inline, ListKind, Page, Span, Table, Title, Tone};
use crate::compare::discrepancy::Tier;
use crate::job::TakenAt;
use crate::report::{Comparison, Input, Report, Run, Scope, Verdict, count, grouped};
use crate::sides::Side;

/// The verdict and the reasons for it.
pub(super) fn add_title(report: &Report, page: &mut Page) {
    let section = page.section();
    section.add(Title {
        verdict: report.verdict.word(),
        tone: match report.verdict {
            Verdict::Match | Verdict::Accepted => Tone::Good,
            Verdict::Discrepant => Tone::Bad,
            Verdict::Unverified => Tone::Open,
        },
        subject: report.job.clone(),
        headline: Some(report.headline.clone()),
        warning: report.comparison().and_then(|found| found.suspicion.clone()),
    });
    let reasons = report.input_failures.iter().chain(&report.reasons);
    let reasons: Vec<Inline> = reasons.map(|reason| reason.as_str().into()).collect();
    if !reasons.is_empty() {
        section.add(Block::List(ListKind::Reasons, reasons));
    }
}

/// The files of each side, the key, and whose values are not shown.
pub(super) fn add_sides(report: &Report, page: &mut Page) {
    let mut table = Table::new([Column::text(""), Column::text(""), Column::number(""), Column::text("")]);
    let sides = match &report.scope {
        Scope::Comparison(_) => Side::BOTH.as_slice(),
        Scope::OldAlone => &[Side::Old],
    };
    for &side in sides {
        let input = &report.run.inputs[side];
        let rows = count(report.rows[side], "row");
        table.row([side.name().into(), input.path.as_str().into(), rows.into(), describe_input(input).into()]);
    }
    if let Scope::Comparison(found) = &report.scope {
        let key = match found.key.as_slice() {
            [] => "none: rows are compared whole".to_string(),
            key => key.join(", "),
        };
        table.row(["key".into(), key.into()]);
    }
    page.section().add_for(Format::Text, table);
    if let Some(private) = report.comparison().and_then(|found| found.private.as_ref()) {
        let mut table = Table::new([Column::text(""), Column::text("")]);
        table.row(["private".into(), private.describe().into()]);
        let sentence = Block::sentence(format!("Private: {}", private.describe()));
        page.section().add_for(Format::Text, table).add_for(Format::Markdown, sentence);
    }
}

fn describe_input(input: &Input) -> String {
    let mut parts = vec![count(input.files as u64, "file")];
    if input.skipped_files > 0 {
        parts.push(format!("{} passed over", count(input.skipped_files as u64, "file")));
    }
    parts.extend(input.absent_columns.iter().map(|absent| {
        let (files, rows) = (count(absent.files as u64, "file"), count(absent.rows, "row"));
        format!("{} is NULL in {rows} of {files} without it", absent.column)
    }));
    parts.extend(input.query.as_ref().map(|query| match query.as_str() {
        "inline" => "by a query".into(),
        file => format!("by {file}"),
    }));
    parts.extend(input.taken_at.as_ref().map(|TakenAt { from, to }| match from == to {
        true => format!("taken {from}"),
        false => format!("taken {from} to {to}"),
    }));
    parts.join(", ")
}

/// Rows, pairs of rows and keys by class.
pub(super) fn add_counts(report: &Report, found: &Comparison, page: &mut Page) {
    let section = page.section();
    let mut rows = Table::new([Column::text(""), Column::number("old"), Column::number("new")]);
    rows.row(["rows".into(), grouped(report.rows.old).into(), grouped(report.rows.new).into()]);
    section.add_for(Format::Markdown, rows);
    section.add(classes(found));
    if has_tiers(found) {
        let mut tiers = Table::new([Column::text("matched"), Column::number("count")]);
        for tier in Tier::ALL {
            tiers.row([tier.label().into(), grouped(found.tiers.count(tier)).into()]);
        }
        section.add_for(Format::Markdown, tiers);
    }
    if found.backfill.missing_duplicated > 0 {
        let keys = count(found.backfill.missing_duplicated, "key");
        let backfill = format!("To backfill, too: {keys} that old has several times and new does not have");
        section.add_for(Format::Markdown, Block::sentence(backfill));
    }
}

fn classes(found: &Comparison) -> Table {
    let Comparison { counts, duplicate_rows, .. } = found;
    let is_keyed = !found.key.is_empty();
    let equal = if is_keyed { "same key, equal values" } else { "equal rows" };
    let backfill = match found.backfill.missing_duplicated {
        0 => String::new(),
        keys => format!("; backfill {} that old has several times, too", count(keys, "key")),
    };
    let set_aside = match counts.duplicate_keys {
        0 => String::new(),
        _ => format!(
            ", set aside with {} of old and {} of new",
            count(duplicate_rows.old, "row"),
            count(duplicate_rows.new, "row")
        ),
    };
    let mut table = Table::new([Column::text("class"), Column::number("count"), Column::text("").only(Format::Text)]);
    for (class, number, meaning, needs_key) in [
        ("matched", counts.matched, format!("{equal}{}", tiers(found)), false),
        ("mismatch", counts.mismatch, "same key, different values".into(), true),
        ("missing", counts.missing, format!("in old, not in new{backfill}"), false),
        ("extra", counts.extra, "in new, not in old".into(), false),
        ("duplicate keys", counts.duplicate_keys, format!("more than once on a side{set_aside}"), true),
    ] {
        let row = [class.into(), grouped(number).into(), meaning.into()];
        match needs_key && !is_keyed {
            // without a key there are none, which only Markdown says
            true => table.row_for(Format::Markdown, row),
            false => table.row(row),
        }
    }
    table
}

/// Whether some pairs are equal by something other than their values.
fn has_tiers(found: &Comparison) -> bool {
    found.tiers.exact != found.tiers.total()
}

/// How many of the matched pairs are equal by what, where it is not all by value.
fn tiers(found: &Comparison) -> String {
    if !has_tiers(found) {
        return String::new();
    }
    let tiers = Tier::ALL.into_iter().filter(|tier| found.tiers.count(*tier) > 0);
    let parts = tiers.map(|tier| format!("{} {}", grouped(found.tiers.count(tier)), tier.label()));
    format!(": {}", parts.collect::<Vec<_>>().join(", "))
}

/// The circumstances of the run.
pub(super) fn add_run(report: &Report, page: &mut Page) {
    let Run { id, version, seconds, way, way_reason, out, .. } = &report.run;
    let mut table = Table::new([Column::text(""), Column::text("")]);
    if let Scope::Comparison(_) = &report.scope {
        table.row(["way".into(), format!("{}: {way_reason}", way.name()).into()]);
    }
    table.row(["cost".into(), cost(&report.run).into()]);
    table.row(["run".into(), format!("{id}, countersign {version}").into()]);
    let lists = match out {
        Some(out) => format!("complete, in {out}"),
        None => "not written; --out DIR writes every ID and every difference".into(),
    };
    table.row(["lists".into(), lists.into()]);
    let run = Span::Verbatim(format!("Run {id} of countersign {version}, {seconds:.1} s; "));
    let mut sentences = vec![Inline::joined([run.into(), way_reason.as_str().into()])];
    let lists = |out: &String| Inline::joined(["Complete lists: ".into(), Span::Name(out.clone()).into()]);
    sentences.extend(out.as_ref().map(lists));
    page.section().add_for(Format::Text, table).add_for(Format::Markdown, Block::Paragraph(sentences));
}

fn cost(run: &Run) -> String {
    let mut cost = vec![format!("{:.1} s", run.seconds)];
    cost.extend(run.peak_memory_bytes.map(|bytes| format!("{} of memory", ByteSize(bytes))));
    cost.push(format!("{} read", ByteSize(run.bytes_read)));
    if run.identical_bytes > 0 {
        cost.push(format!("{} the same on both sides and not decoded", ByteSize(run.identical_bytes)));
    }
    if run.spilled_bytes > 0 {
        cost.push(format!("{} spilled", ByteSize(run.spilled_bytes)));
    }
    cost.join(", ")
}
