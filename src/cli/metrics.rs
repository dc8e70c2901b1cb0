//! Writes the results of jobs as OpenMetrics, for the textfile collector of node_exporter.

use std::fmt::Write;
use std::path::Path;

use jiff::Timestamp;

use super::outcome::Outcome;
use crate::class::Class;
use crate::compare::discrepancy::Tier;
use crate::error::Result;
use crate::output::replace::replace;
use crate::report::Report;
use crate::sides::Side;

const VERDICTS: [&str; 5] = ["match", "accepted", "discrepant", "unverified", "failed"];

/// Replaces a file with the metrics of jobs.
pub(super) fn write(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    replace(file, &render(outcomes))
}

fn render(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    // a job that was run twice is reported once, with its last run
    let is_last = |index: usize| !outcomes[index + 1..].iter().any(|later| later.job == outcomes[index].job);
    let outcomes = || outcomes.iter().enumerate().filter(|(index, _)| is_last(*index)).map(|(_, outcome)| outcome);
    let reports = || outcomes().filter_map(|outcome| Some((outcome.job.as_str(), outcome.result.as_ref().ok()?)));
    let mut family = |name: &str, help: &str, samples: Samples| write_family(&mut out, name, help, samples);
    let verdicts = outcomes().flat_map(|outcome| {
        let own = verdict(outcome);
        VERDICTS.map(|word| (vec![("job", outcome.job.as_str()), ("verdict", word)], f64::from(u8::from(word == own))))
    });
    family("verdict", "1 for the verdict of the last run, 0 for all others.", verdicts.collect());
    let discrepancies = reports().flat_map(|(job, report)| {
        let counts = report.counts().by_class();
        Class::ALL.map(|class| (vec![("job", job), ("class", class.field_name())], counts[class] as f64))
    });
    family("discrepancies", "Discrepancies of the last run, by class.", discrepancies.collect());
    let matched = reports().flat_map(|(job, report)| {
        Tier::ALL.map(|tier| (vec![("job", job), ("tier", tier.name())], report.tiers().count(tier) as f64))
    });
    family("matched", "Matched pairs of rows of the last run, by tier.", matched.collect());
    let tagged = reports().flat_map(|(job, report)| {
        tags(report).into_iter().map(move |(tag, found)| (vec![("job", job), ("tag", tag)], found as f64))
    });
    family("tagged", "Discrepancies of the last run, by explanation.", tagged.collect());
    let violations = reports().flat_map(|(job, report)| {
        let lists = report.checks.iter().filter(|check| check.list.is_some());
        lists.map(move |check| (vec![("job", job), ("check", check.name.as_str())], check.found as f64))
    });
    family("violations", "Violations that the checks of the last run found.", violations.collect());
    let failing = reports().map(|(job, report)| {
        let failing = report.checks.iter().filter(|check| !check.holds).count();
        (vec![("job", job)], failing as f64)
    });
    family("checks_failing", "Checks that failed in the last run.", failing.collect());
    let rows = reports().flat_map(|(job, report)| {
        Side::BOTH.map(|side| (vec![("job", job), ("side", side.name())], report.rows[side] as f64))
    });
    family("rows", "Rows of each snapshot.", rows.collect());
    let columns = reports().flat_map(|(job, report)| {
        let compared = report.coverage().compared.len();
        let left_out = report.coverage().left_out().len();
        [("compared", compared), ("left_out", left_out)]
            .map(|(part, number)| (vec![("job", job), ("part", part)], number as f64))
    });
    family(
        "columns",
        "Columns that the last run compared, and columns or struct fields that it did not compare.",
        columns.collect(),
    );
    let seconds = reports().map(|(job, report)| (vec![("job", job)], report.run.seconds));
    family("run_seconds", "Duration of the last run in seconds.", seconds.collect());
    let now = Timestamp::now().as_second() as f64;
    let ended = outcomes().map(|outcome| (vec![("job", outcome.job.as_str())], now));
    family("run_timestamp_seconds", "End of the last run, in seconds since 1970.", ended.collect());
    let good = outcomes().filter_map(|outcome| Some((outcome, outcome.last_good?)));
    let good = good.map(|(outcome, time)| (vec![("job", outcome.job.as_str())], time as f64));
    family(
        "last_good_run_timestamp_seconds",
        "Start of the last run with the verdict match or accepted, in seconds since 1970.",
        good.collect(),
    );
    out + "# EOF\n"
}

/// Labels with a value, for each time series of a metric.
type Samples<'a> = Vec<(Vec<(&'a str, &'a str)>, f64)>;

fn write_family(out: &mut String, name: &str, help: &str, samples: Samples) {
    let _ = writeln!(out, "# TYPE countersign_{name} gauge\n# HELP countersign_{name} {help}");
    for (labels, value) in samples {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
        let _ = writeln!(out, "countersign_{name}{{{}}} {value}", labels.join(","));
    }
}

fn verdict(outcome: &Outcome) -> &'static str {
    outcome.result.as_ref().map_or("failed", |report| report.verdict.name())
}

fn tags(report: &Report) -> Vec<(&str, u64)> {
    let Some(comparison) = report.comparison() else { return vec![] };
    let mut tags: Vec<(&str, u64)> = vec![];
    if let Some(found) = &comparison.in_flight {
        tags.extend([
            ("in_flight", found.counts.total()),
            ("lost_update", found.lost_updates),
            ("stale_overwrite", found.stale_overwrites),
            ("clock_skew", found.clock_skew),
        ]);
    }
    if let Some(history) = &comparison.history {
        tags.extend([
            ("new", history.new.total()),
            ("persisting", history.persisting.total()),
            ("flapping", history.flapping.total()),
        ]);
    }
    if let Some(found) = &comparison.misplaced {
        tags.extend(found.counts().map(|(kind, rows)| (kind.tag(), rows)));
    }
    if !comparison.waivers.is_empty() {
        tags.push(("waived", comparison.waivers.iter().map(|waiver| waiver.found).sum()));
    }
    tags
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
