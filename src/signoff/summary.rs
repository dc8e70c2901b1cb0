//! What was decided, on one page: for the lead who hands it on, and for the terminal.

use std::fmt::Write;

use jiff::Timestamp;

use super::SignOffResult;
use crate::equality::value_text::escaped;
use crate::job::{Cleanup, Job, SignOff};
use crate::report::page::{Block, Column, Inline, Page, Span, Table, Title, Tone};
use crate::report::{count, grouped, markdown};
use crate::sides::Side;

/// The verdict, as one word and as a sentence.
pub(super) fn headline(signed: &SignOffResult) -> (&'static str, String) {
    let SignOffResult { candidates, approved, .. } = signed;
    match (signed.is_verified, approved == candidates) {
        (false, _) => ("UNVERIFIED", "nothing is proved, so nothing may be deleted".into()),
        (true, true) => ("APPROVED", format!("all {} candidates may be deleted", grouped(*candidates))),
        (true, false) => (
            "BLOCKED",
            format!("{} of {} candidates may not be deleted", grouped(candidates - approved), grouped(*candidates)),
        ),
    }
}

/// What is done to the approved rows.
pub(super) fn deed(terms: &SignOff) -> String {
    match &terms.cleanup {
        Cleanup::Row => format!("rows of {}", terms.delete_from),
        Cleanup::Column { column, becomes } => {
            format!("column {} of {}, which becomes {}", column.text, terms.delete_from, becomes.name())
        }
    }
}

/// The answer for a terminal.
pub(super) fn text(job: &Job, terms: &SignOff, signed: &SignOffResult) -> String {
    let (word, explanation) = headline(signed);
    let mut out = format!("{word}  {explanation}\n");
    let line = |out: &mut String, name: &str, description: &str| {
        let _ = writeln!(out, "  {name:<13}  {description}");
    };
    out.push('\n');
    line(&mut out, "job", &escaped(&job.name));
    line(&mut out, "to be deleted", &escaped(&deed(terms)));
    line(&mut out, "approved", &grouped(signed.approved));
    line(&mut out, "blocked", &grouped(signed.candidates - signed.approved));
    if !signed.blocked_by.is_empty() {
        out.push_str("\n  blocked by\n");
        let width = signed.blocked_by.keys().map(String::len).max().unwrap_or(0);
        for (reason, count) in &signed.blocked_by {
            let _ = writeln!(out, "    {reason:<width$}  {:>9}  {}", grouped(*count), meaning(signed, reason));
        }
    }
    if !signed.examples.is_empty() {
        out.push_str("\n  first blocked\n");
        for (id, reasons) in &signed.examples {
            let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
            let _ = writeln!(out, "    {}  {}", escaped(id), reasons.join(", "));
        }
    }
    out.push_str("\n  required of all\n");
    for requirement in &signed.requirements {
        let state = if requirement.holds { "holds" } else { "FAILS" };
        let _ = writeln!(out, "    {state}  {}: {}", requirement.requires, escaped(&requirement.description));
    }
    if let Some(description) = of_nobody(signed) {
        line(&mut out, "unknown IDs", &description);
    }
    let injected: u64 = signed.canaries.iter().map(|canary| canary.injected).sum();
    let caught: u64 = signed.canaries.iter().map(|canary| canary.caught).sum();
    out.push('\n');
    line(&mut out, "canaries", &format!("{caught} of {injected} planted defects were found"));
    for canary in signed.canaries.iter().filter(|canary| !canary.is_caught()) {
        let what = if canary.injected == 0 { "could not be planted" } else { "was NOT found" };
        let _ = writeln!(out, "    {}: {what}", escaped(&canary.name));
    }
    let ignored = &signed.report.coverage().ignored;
    if !ignored.is_empty() {
        line(&mut out, "not compared", &escaped(&ignored.join(", ")));
    }
    let until = signed.expires.strftime("%Y-%m-%dT%H:%M:%SZ");
    match &signed.key_id {
        Some(id) => line(&mut out, "signed", &format!("by {}, until {until}", &id[..16.min(id.len())])),
        None => line(&mut out, "signed", "by nobody: --key FILE signs; `verify` refuses what is not signed"),
    }
    line(&mut out, "written", &format!("to {}", escaped(&signed.out.display().to_string())));
    out
}

fn meaning<'a>(signed: &'a SignOffResult, code: &str) -> &'a str {
    signed.meanings.get(code).map_or("", String::as_str)
}

/// The IDs that checks name and neither side has, if there are any.
fn of_nobody(signed: &SignOffResult) -> Option<String> {
    let evidence = &signed.evidence;
    let ids = count(evidence.of_nobody, "ID");
    (evidence.of_nobody > 0).then(|| {
        format!(
            "{ids} of {} that the checks name: no candidate and no row of either side has it",
            grouped(evidence.named)
        )
    })
}

/// The page for the lead.
pub(super) fn markdown(job: &Job, terms: &SignOff, signed: &SignOffResult, now: Timestamp) -> String {
    let mut page = Page::default();
    let (verdict, explanation) = headline(signed);
    page.section().add(Title {
        verdict,
        tone: match signed.exit_code() {
            0 => Tone::Good,
            1 => Tone::Bad,
            _ => Tone::Open,
        },
        subject: explanation,
        headline: None,
        warning: None,
    });
    page.section().add(facts(job, terms, signed, now));
    if !signed.blocked_by.is_empty() {
        page.section().add(Block::heading("Blocked")).add(blocked(signed));
    }
    page.section().add(Block::heading("Required of all")).add(required(signed));
    page.section().add(Block::heading("The check can fail")).add(canaries(signed));
    markdown::render(&page)
}

fn markup(text: impl Into<String>) -> Inline {
    Span::Markup(text.into()).into()
}

/// What was decided about what, by whom, and for how long.
fn facts(job: &Job, terms: &SignOff, signed: &SignOffResult, now: Timestamp) -> Table {
    let mut table = Table::new([Column::unnamed(), Column::unnamed()]);
    let mut fact = |name: &str, value: String| table.row([name.into(), markup(value)]);
    fact("job", job.name.clone());
    fact("to be deleted", deed(terms));
    for side in Side::BOTH {
        let input = &signed.report.run.inputs[side];
        let taken = input.taken_at.as_ref().map_or("unknown", |taken| taken.from.as_str());
        fact(side.name(), format!("{}, taken {taken}, {} rows", input.path, grouped(signed.report.rows[side])));
    }
    fact("candidates", grouped(signed.candidates));
    fact("approved", grouped(signed.approved));
    fact("blocked", grouped(signed.candidates - signed.approved));
    if let Some(stopped) = &terms.writes_stopped {
        fact("writes stopped", format!("{}, as {} declares", stopped.origin.text, stopped.origin.origin));
    }
    fact("signed", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    fact("signed by", signed.key_id.clone().unwrap_or_else(|| "nobody; `verify` refuses it".into()));
    fact("holds until", signed.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let coverage = signed.report.coverage();
    for (name, columns) in [
        ("compared", &coverage.compared),
        ("ignored", &coverage.ignored),
        ("only in old", &coverage.old_only),
        ("only in new", &coverage.new_only),
        ("could not be compared", &coverage.incomparable),
    ] {
        if !columns.is_empty() {
            fact(name, columns.join(", "));
        }
    }
    if let Some(description) = of_nobody(signed) {
        fact("unknown IDs", description);
    }
    table
}

fn blocked(signed: &SignOffResult) -> Table {
    let mut table = Table::new([Column::text("reason"), Column::number("candidates"), Column::text("what it means")]);
    for (reason, count) in &signed.blocked_by {
        table.row([markup(reason), grouped(*count).into(), markup(meaning(signed, reason))]);
    }
    table
}

fn required(signed: &SignOffResult) -> Table {
    let mut table = Table::new([Column::text("requirement"), Column::unnamed(), Column::text("found")]);
    for requirement in &signed.requirements {
        let state = if requirement.holds { "holds".into() } else { Span::Strong("fails").into() };
        let name = Span::Verbatim(requirement.requires.to_string()).into();
        table.row([name, state, markup(&requirement.description)]);
    }
    table
}

fn canaries(signed: &SignOffResult) -> Table {
    let mut table = Table::new([Column::text("planted"), Column::number("times"), Column::number("found")]);
    for canary in &signed.canaries {
        let times = [canary.injected, canary.caught].map(|times| Inline::from(times.to_string()));
        table.row([markup(&canary.name)].into_iter().chain(times));
    }
    table
}
