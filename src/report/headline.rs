//! The first line of every report: the verdict, in how many columns it holds, and what was left out, whoever left it out.

use super::{Input, Verdict, count, grouped};
use crate::columns::Coverage;
use crate::sides::Sides;

/// How many names are listed; the report's section on what was not compared has all of them.
const NAMES: usize = 8;

/// What the verdict on a comparison comes to, in one line.
pub(super) fn of_comparison(verdict: Verdict, coverage: &Coverage, inputs: &Sides<Input>) -> String {
    let left_out = coverage.left_out();
    let columns = match (left_out.is_empty(), coverage.compared.len()) {
        (true, 1) => "in the only column".into(),
        (true, compared) => format!("in all {}", columns(compared)),
        (false, _) => format!("in {} of {}", grouped(coverage.compared.len() as u64), columns(coverage.all())),
    };
    let word = verdict.word();
    let mut line = match (verdict, left_out.is_empty()) {
        (Verdict::Match, true) => format!("{word} {columns}: {}", verdict.meaning()),
        (Verdict::Accepted, true) => format!("{word} {columns}: {}", verdict.meaning()),
        (Verdict::Match | Verdict::Accepted, false) => format!("{word} {columns}"),
        (Verdict::Discrepant | Verdict::Unverified, _) => format!("{word}: {}; compared {columns}", verdict.meaning()),
    };
    if !left_out.is_empty() {
        line += &format!("; not compared: {}", listed(&left_out));
    }
    let unread: Vec<&str> = inputs.iter().flat_map(|input| &input.unread_data).map(String::as_str).collect();
    if !unread.is_empty() {
        line += &format!("; not read: {}", listed(&unread));
    }
    line
}

/// The first line if the snapshots themselves are wrong.
pub(super) fn of_bad_input(verdict: Verdict) -> String {
    format!("{}: the snapshots are not what they have to be, so nothing is proved", verdict.word())
}

/// What the verdict on old alone comes to, in one line.
pub(super) fn of_old(verdict: Verdict) -> String {
    let meaning = match verdict {
        Verdict::Match | Verdict::Accepted => "every check of old holds; there is no new to compare it with",
        Verdict::Discrepant => "old violates what is expected of it; there is no new to compare it with",
        Verdict::Unverified => "not everything could be checked, so nothing is proved",
    };
    format!("{}: {meaning}", verdict.word())
}

fn columns(number: usize) -> String {
    count(number as u64, "column")
}

fn listed(names: &[&str]) -> String {
    match names.len().saturating_sub(NAMES) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..NAMES].join(", ")),
    }
}

impl Verdict {
    /// The verdict as the first word of a report.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Match => "MATCH",
            Verdict::Accepted => "ACCEPTED",
            Verdict::Discrepant => "DISCREPANT",
            Verdict::Unverified => "UNVERIFIED",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Verdict::Match => "old and new are equal, row by row and value by value",
            Verdict::Accepted => "old and new differ only in what was allowed",
            Verdict::Discrepant => "old and new differ",
            Verdict::Unverified => "not everything could be compared, so nothing is proved",
        }
    }
}
