//! The page of all jobs of a command.

use super::{Block, Column, Format, Headers, Inline, ListKind, Page, Table, Title, Tone};
use crate::report::overview::{Found, JobLine, JobOutcome, Overview};
use crate::report::{count, grouped};

/// The page of an overview: how many jobs ended how, a line for each, the most urgent first, and why some did not run.
pub(crate) fn of_overview(overview: &Overview) -> Page<'static> {
    let mut page = Page::default();
    page.section().add(title(overview));
    page.section().add(table(overview));
    let failures = failures(overview);
    if !failures.is_empty() {
        page.section().add(Block::heading("not verified")).add(Block::List(ListKind::Details, failures));
    }
    page
}

/// Why jobs did not run to their end. Jobs with the same reason share a line.
fn failures(overview: &Overview) -> Vec<Inline> {
    let mut reasons: Vec<(&str, Vec<&JobLine>)> = vec![];
    for line in JobOutcome::ALL.into_iter().flat_map(|outcome| overview.of_outcome(outcome)) {
        let Some(error) = &line.error else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == error) {
            Some((_, jobs)) => jobs.push(line),
            None => reasons.push((error, vec![line])),
        }
    }
    let sentence = |(error, jobs): (&str, Vec<&JobLine>)| match jobs.as_slice() {
        [job] => format!("{}: {}", job.job, first_lines(error)).into(),
        jobs => format!("{}: {}", count(jobs.len() as u64, "job"), first_lines(error)).into(),
    };
    reasons.into_iter().map(sentence).collect()
}

fn title(overview: &Overview) -> Title {
    let worst = overview.worst();
    let endings = JobOutcome::ALL.into_iter().rev().filter_map(|outcome| {
        let jobs = overview.of_outcome(outcome).count();
        let ending = match outcome {
            JobOutcome::Match => "match",
            JobOutcome::Accepted => "accepted",
            JobOutcome::Discrepant => "discrepant",
            JobOutcome::Unverified => "unverified",
            JobOutcome::Failed => "failed",
            JobOutcome::NotRun => "not run",
        };
        (jobs > 0).then(|| format!("{} {ending}", grouped(jobs as u64)))
    });
    let jobs = count(overview.jobs.len() as u64, "job");
    let headline =
        format!("{}: {jobs} in {}, {}", worst.word(), time(overview.seconds), endings.collect::<Vec<_>>().join(", "));
    Title { verdict: worst.word(), tone: tone_of(worst), subject: jobs, headline: Some(headline), warning: None }
}

/// Whether an outcome is good news.
pub(crate) fn tone_of(outcome: JobOutcome) -> Tone {
    match outcome {
        JobOutcome::Match | JobOutcome::Accepted => Tone::Good,
        JobOutcome::Discrepant => Tone::Bad,
        JobOutcome::Unverified | JobOutcome::Failed | JobOutcome::NotRun => Tone::Open,
    }
}

/// A column of numbers: its name, its number for a job, and whether every overview has it. The others are there if a job
/// has something to show in them.
type NumberColumn = (&'static str, fn(&Found) -> Option<u64>, bool);

const NUMBERS: [NumberColumn; 7] = [
    ("rows", |found| Some(found.rows.old), true),
    ("mismatch", |found| Some(found.counts.mismatch), true),
    ("missing", |found| Some(found.counts.missing), true),
    ("extra", |found| Some(found.counts.extra), true),
    ("duplicate", |found| Some(found.counts.duplicate_keys), false),
    ("checks", |found| Some(found.failed_checks as u64), false),
    ("new", |found| found.new, false),
];

fn table(overview: &Overview) -> Table {
    let found = || overview.jobs.iter().filter_map(|line| line.found.as_ref());
    let is_shown = |(name, number, is_always): &NumberColumn| {
        *is_always || found().any(|found| number(found).is_some_and(|number| number > 0 || *name == "new"))
    };
    let numbers: Vec<NumberColumn> = NUMBERS.into_iter().filter(is_shown).collect();
    let columns = [Column::text("verdict"), Column::text("job")].into_iter();
    // a match in some of the columns is not one in all of them
    let has_gaps = found().any(|found| found.compared_columns < found.columns);
    let coverage = has_gaps.then(|| Column::number("columns"));
    let columns = columns.chain(coverage).chain(numbers.iter().map(|(name, ..)| Column::number(*name)));
    let run = Column::text("run").only(Format::Markdown);
    let mut table = Table { headers: Headers::Needed, ..Table::new(columns.chain([Column::number("time"), run])) };
    for outcome in JobOutcome::ALL {
        for line in overview.of_outcome(outcome) {
            table.row(cells(line, has_gaps, &numbers));
        }
    }
    table
}

fn cells(line: &JobLine, has_gaps: bool, numbers: &[NumberColumn]) -> Vec<Inline> {
    let mut cells: Vec<Inline> = vec![line.outcome.word().into(), line.job.clone().into()];
    let Some(found) = &line.found else { return cells };
    cells.extend(has_gaps.then(|| format!("{} of {}", found.compared_columns, found.columns).into()));
    cells.extend(numbers.iter().map(|(_, number, _)| Inline::from(number(found).map_or_else(String::new, grouped))));
    cells.push(time(found.seconds).into());
    cells.push(found.run.clone().unwrap_or_default().into());
    cells
}

fn time(seconds: f64) -> String {
    match seconds {
        short if short < 10.0 => format!("{short:.1} s"),
        short if short < 120.0 => format!("{short:.0} s"),
        long => format!("{:.0} min", long / 60.0),
    }
}

/// What an error says first, on one line.
fn first_lines(error: &str) -> String {
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    // the mistakes of a job, each with its place, follow a line that counts them
    if !first.ends_with(':') {
        return first.into();
    }
    match (lines.next(), lines.count()) {
        (Some(mistake), 0) => mistake.into(),
        (Some(mistake), more) => format!("{mistake} (and {more} more)"),
        (None, _) => first.into(),
    }
}
