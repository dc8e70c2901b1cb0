//! A report as a page of blocks, which the formats for people turn into text.
//!
//! The formats have different readers, so a block, a column or a row may name the only format that shows it. What all
//! of them show is written once.

mod inline;
mod table;
mod block;
mod head;
mod explained;
mod causes;
mod checks;
mod columns;
mod unreadable;
mod examples;
mod overview;

use std::path::Path;

use super::{Comparison, Report, Scope};
use crate::checks::groups::GroupReport;

pub(crate) use block::{Block, Content, Finding, Format, Heading, ListKind, Page, Section, Title, Tone};
pub(crate) use inline::{Inline, Span};
pub(crate) use overview::{of_overview, tone_of};
pub(crate) use table::{Column, ColumnKind, Headers, Table};

/// The page of a report.
pub(crate) fn of(report: &Report) -> Page<'_> {
    let mut page = Page::default();
    head::add_title(report, &mut page);
    head::add_sides(report, &mut page);
    match &report.scope {
        Scope::Comparison(found) => add_comparison(report, found, &mut page),
        Scope::OldAlone => checks::add_checks(report, &mut page),
    }
    head::add_run(report, &mut page);
    page
}

fn add_comparison<'a>(report: &'a Report, found: &'a Comparison, page: &mut Page<'a>) {
    head::add_counts(report, found, page);
    causes::add_causes(found, page);
    causes::add_slices(found, page);
    explained::add_history(found, page);
    explained::add_excuses(found, page);
    explained::add_misplaced(found, page);
    checks::add_checks(report, page);
    if let Some(groups) = &found.groups {
        checks::add_groups(groups, page.section());
    }
    checks::add_segments(found, page);
    columns::add_columns(found, page);
    columns::add_rules(found, page);
    unreadable::add(found, page);
    columns::add_not_compared(found, page);
    examples::add(report, found, page);
}

/// The page of the groups over several jobs, whose lists are in `dir`.
pub(crate) fn of_groups(groups: &GroupReport, jobs: &[&str], dir: &Path) -> Page<'static> {
    let mut page = Page::default();
    let section = page.section();
    checks::add_groups(groups, section);
    section.add(Block::sentence(format!("over {}; complete in {}", jobs.join(", "), dir.display())));
    page
}
