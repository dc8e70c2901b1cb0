//! Writes the results of jobs as JUnit XML, which the servers of continuous integration show.

use std::fmt::Write;
use std::path::Path;

use super::outcome::Outcome;
use crate::checks::CheckReport;
use crate::error::Result;
use crate::output::replace::replace;
use crate::report::Report;
use crate::report::overview::JobOutcome;

/// Replaces a file with a test case for each job and each of its checks.
pub(super) fn write(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    replace(file, &render(outcomes))
}

/// How a test case ended.
enum Ending {
    Passed,
    /// What was verified is wrong.
    Failure,
    /// It could not be verified.
    Error,
    Skipped,
}

struct TestCase {
    class: String,
    name: String,
    seconds: f64,
    ending: Ending,
    message: String,
    details: String,
}

fn render(outcomes: &[Outcome]) -> String {
    let cases: Vec<TestCase> = outcomes.iter().flat_map(cases_of).collect();
    let count = |is: fn(&Ending) -> bool| cases.iter().filter(|case| is(&case.ending)).count();
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"countersign\" tests=\"{}\" \
         failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">\n",
        cases.len(),
        count(|ending| matches!(ending, Ending::Failure)),
        count(|ending| matches!(ending, Ending::Error)),
        count(|ending| matches!(ending, Ending::Skipped)),
    );
    for case in &cases {
        let TestCase { class, name, seconds, ending, message, details } = case;
        let (class, name, message) = (attribute(class), attribute(name), attribute(message));
        let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\"");
        let element = match ending {
            Ending::Passed => {
                out.push_str("/>\n");
                continue;
            }
            Ending::Failure => "failure",
            Ending::Error => "error",
            Ending::Skipped => "skipped",
        };
        let _ = writeln!(out, ">\n      <{element} message=\"{message}\">{}</{element}>", content(details));
        out.push_str("    </testcase>\n");
    }
    out + "  </testsuite>\n</testsuites>\n"
}

fn cases_of(outcome: &Outcome) -> Vec<TestCase> {
    let line = outcome.line();
    let ending = match line.outcome {
        JobOutcome::Match | JobOutcome::Accepted => Ending::Passed,
        JobOutcome::Discrepant => Ending::Failure,
        JobOutcome::Unverified | JobOutcome::Failed => Ending::Error,
        JobOutcome::NotRun => Ending::Skipped,
    };
    let report = outcome.result.as_ref().ok();
    let found = line.found.as_ref();
    let job = TestCase {
        class: "countersign".into(),
        name: outcome.job.clone(),
        seconds: found.map_or(0.0, |found| found.seconds),
        ending,
        message: match (report, &line.error) {
            (Some(report), _) => report.headline.clone(),
            (None, error) => error.as_deref().and_then(|error| error.lines().next()).unwrap_or_default().into(),
        },
        details: match (found, &line.error) {
            (Some(found), _) => found.reasons.join("\n"),
            (None, error) => error.clone().unwrap_or_default(),
        },
    };
    let checks = report.map_or(&[][..], |report: &Report| &report.checks);
    std::iter::once(job).chain(checks.iter().map(|check| case_of_check(&outcome.job, check))).collect()
}

fn case_of_check(job: &str, check: &CheckReport) -> TestCase {
    TestCase {
        class: format!("countersign.{job}"),
        name: check.name.clone(),
        seconds: 0.0,
        ending: if check.holds { Ending::Passed } else { Ending::Failure },
        message: check.describe_found(),
        details: check.list.clone().unwrap_or_default(),
    }
}

/// Text between tags. XML has no form for most control characters.
fn content(text: &str) -> String {
    let is_allowed = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let allowed: String = text.chars().filter(is_allowed).collect();
    allowed.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text in quotes.
fn attribute(text: &str) -> String {
    content(text).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}
